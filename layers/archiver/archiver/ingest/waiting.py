"""How long a drop is waited for, and what its folder holds meanwhile. Pure: no requests are made here.

Nobody tells when an upload is complete. A drop with a list waits for its listed files and for nothing else. One
without waits until its folder is quiet: for a while no object came or changed, and no multipart upload is open. Only
differences between two looks count: an object that came in parts bears the time at which its upload began
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from archiver.errors import MAX_NAMED_FILES
from archiver.ingest.dataset_json import ListedFile
from archiver.ingest.states import DropContent, DropStatus, FileCount, Waiting
from archiver.keys import Keys
from archiver.models.files import OpenUpload, S3Object
from archiver.names import alike
from archiver.wording import counted, duration

# A look costs nine of an execution's 25,000 events and three transitions. Waits grow with the time already waited, so
# that a whole day takes fewer than 900 looks.
SHORTEST_WAIT, LONGEST_WAIT = 2, 120
# Without a list nothing is done at once anyway, unless the list itself comes.
SHORTEST_WAIT_UNLISTED = 5
# What goes on for longer is given an answer; the sweep finds out when it is complete.
LONGEST_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Patience:
    """For so many seconds nothing may come before a drop without a list is complete, or one with a list lacks files."""

    quiet: int
    missing: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a look into the folder found.

    ``missing`` are the listed files that are not there; ``aliases`` says of an object's path how the list writes it,
    where they differ in form alone. ``open_uploads`` are files on their way that matter to the drop, ``refusals``
    reports in deeper folders. ``sources`` has the ETags of the documents that say what the drop is.
    """

    arrived: FileCount
    fingerprint: str
    missing: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    open_uploads: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    def differs_from(self, content: DropContent) -> bool:
        """Whether what says which files belong to the drop came, went or changed after it was read."""
        return any(self.sources.get(name) != etag for name, etag in content.sources.items())


def look(
    objects: Iterable[S3Object],
    content: DropContent,
    prefix: str,
    listed: Sequence[ListedFile] | None,
    uploads: Iterable[OpenUpload] = (),
) -> Look:
    """Sum up what lies below ``prefix``, and is on its way there, of a drop with this list of files or (None) none."""
    missing = dict.fromkeys(file.path for file in listed or ())
    unlisted: list[str] = []
    refusals: list[str] = []
    sources: dict[str, str] = {}
    begun = {upload.key: upload.begun for upload in uploads}
    digest = hashlib.sha256()
    files = size = 0
    for found in objects:
        path = found.key.removeprefix(prefix)
        if path in content.sources:
            sources[path] = found.etag
        if path in content.documents or (path.endswith("/") and not found.size):
            continue
        files, size = files + 1, size + found.size
        digest.update(f"{found.key}\n{found.etag}\n".encode(errors="surrogatepass"))
        # An upload that is older than the object under its key was given up; another one took its place.
        if begun.get(found.key, found.modified) < found.modified:
            del begun[found.key]
        if path.endswith(f"/{Keys.DROP_STATUS}"):
            refusals.append(path)
        if missing.pop(path, path) is not None and listed is not None:
            unlisted.append(path)
    aliases = alike(missing, unlisted)
    lacking = tuple(sorted(missing.keys() - set(aliases.values())))
    on_their_way = sorted(key.removeprefix(prefix) for key in begun)
    if listed is not None:
        on_their_way = [path for path in on_their_way if path in missing]
    digest.update("\n".join(on_their_way).encode(errors="surrogatepass"))
    return Look(
        arrived=FileCount(files=files, size=size),
        fingerprint=digest.hexdigest()[:16],
        missing=lacking,
        aliases=aliases,
        open_uploads=tuple(on_their_way),
        refusals=tuple(refusals),
        sources=sources,
    )


def wait_on(before: Waiting, seen: Look, patience: Patience, *, listed: bool, now: datetime) -> Waiting:
    """The wait after this look; its ``seconds`` are 0 when there is nothing left to wait for, or no patience left."""
    waited = before.waited + before.seconds
    undisturbed = seen.fingerprint == before.seen and not seen.open_uploads
    quiet = before.quiet + before.seconds if undisturbed else 0
    needed = _needed(seen, patience, listed=listed)
    if quiet >= needed or waited >= LONGEST_SECONDS:
        seconds = 0
    else:
        shortest = SHORTEST_WAIT if listed else SHORTEST_WAIT_UNLISTED
        seconds = min(needed - quiet, max(shortest, min(waited // 8, LONGEST_WAIT)))
        # A short quiet must not mean many looks when the upload takes hours.
        seconds = max(seconds, min(waited // 16, LONGEST_WAIT))
    return Waiting(
        since=before.since or now, waited=waited, quiet=quiet, seen=seen.fingerprint, seconds=seconds, needed=needed
    )


def wait_for_documents(before: Waiting, now: datetime) -> Waiting:
    """The wait before documents that were written anew are read again; ``seconds`` is 0 without patience left."""
    waited = before.waited + before.seconds
    # Each time costs thirty events.
    seconds = max(SHORTEST_WAIT, min(waited // 8, 5 * LONGEST_WAIT)) if waited < LONGEST_SECONDS else 0
    return Waiting(since=before.since or now, waited=waited, seconds=seconds)


def _needed(seen: Look, patience: Patience, *, listed: bool) -> int:
    if listed:
        return patience.missing if seen.missing else 0
    return patience.quiet if seen.arrived.files else max(patience.missing, patience.quiet)


def waiting_status(seen: Look, waiting: Waiting, listed: Sequence[ListedFile] | None) -> DropStatus:
    """What dataset.status.json says while the drop is waited for."""
    since = waiting.since or datetime.now(UTC)
    there = f"{counted(seen.arrived.files, 'file')} ({counted(seen.arrived.size, 'byte')}) arrived so far."
    named = seen.missing if listed is not None else seen.open_uploads
    if listed is not None:
        wanted = f"Waiting for {len(seen.missing):,} of {counted(len(listed), 'listed file')}: {there}"
        end = f"If nothing arrives for {duration(waiting.needed)}, the drop is rejected for now"
    elif not seen.arrived.files and not seen.open_uploads:
        wanted = "Waiting for files: the folder holds none yet."
        end = f"If none arrives for {duration(waiting.needed)}, the drop is rejected for now"
    else:
        still = f" {counted(len(named), 'upload')} not completed." if named else ""
        wanted = f"Waiting until the folder is quiet, as dataset.json comes without a list of files: {there}{still}"
        end = f"It is taken in when nothing arrives for {duration(waiting.needed)}; if never, it is rejected"
    until = since + timedelta(seconds=LONGEST_SECONDS)
    return DropStatus(
        status="waiting",
        message=f"{wanted} {end}, at the latest at {_iso(until)}; what is complete later is taken in by itself.",
        files=named[:MAX_NAMED_FILES],
        count=len(named),
        since=_iso(since),
        until=_iso(until),
        arrived=seen.arrived,
    )


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")

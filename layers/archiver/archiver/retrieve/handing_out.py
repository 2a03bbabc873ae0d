"""What the owner of a retrieve job is handed: links to everything that was proven, and a script that downloads it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import orjson

from archiver.keys import Keys
from archiver.models.datablocks import Download
from archiver.models.states import JobBegun, Run, RunOutcome
from archiver.retrieve import documents, download_script, extraction, job_result, links
from archiver.retrieve.delivery import Delivered
from archiver.storage import buckets
from archiver.storage.documents import WANTED
from archiver.storage.run_folder import RunFolder

# Notes on datablocks are read so many at once: a job may have thousands.
_READERS = 16
# The download script repeats so many of the datasets that failed.
_NAMED_DATASETS = 100


def result_of(begun: JobBegun, ends: Sequence[RunOutcome]) -> dict[str, Any] | None:
    """SciCat's ``jobResultObject``; None when there is nothing to download."""
    now = datetime.now(UTC)
    downloads = [download for run in begun.runs for download in _downloads(run, now)]
    if not downloads:
        return None
    failed = [outcome for outcome in ends if outcome.outcome != "done"]
    not_retrieved = [f"{outcome.pid}: {outcome.code}: {outcome.message}" for outcome in failed[:_NAMED_DATASETS]]
    result = job_result.short(begun.job_id, downloads, not_retrieved)
    if result is not None:
        return result
    listing, rows = Keys.result(begun.job_id), Keys.downloads(begun.job_id)
    buckets.retrieval().put(listing, orjson.dumps({"result": job_result.listed(downloads)}))
    buckets.retrieval().put(rows, download_script.rows(downloads).encode(), content_type="text/tab-separated-values")
    return job_result.long(begun.job_id, downloads, not_retrieved, _url(listing, now), _url(rows, now))


def _downloads(run: Run, now: datetime) -> list[Download]:
    """What can be downloaded of a run, whether or not all of it came through."""
    selected = extraction.tars_of(run.run_id)
    if selected is not None:
        made = [(tar, Delivered(tar.key, tar.packed_size, tar.crc64nvme)) for tar in selected]
        return [_download(run, tar.key, delivered, tar.size, now) for tar, delivered in made]
    folder = RunFolder(run.run_id)
    names = set(folder.names(documents.DELIVERED))
    wanted = {documents.delivered(one).name: one for one in folder.load(WANTED) or ()}
    there = [name for name in wanted if name in names]
    with ThreadPoolExecutor(_READERS) as readers:
        notes = readers.map(lambda name: folder.need(documents.delivered(wanted[name])), there)
        named = ((wanted[name], note) for name, note in zip(there, notes, strict=True))
        return [_download(run, one.archive_id, note, one.size, now) for one, note in named]


def _download(run: Run, archive_id: str, delivered: Delivered, unpacked_size: int, now: datetime) -> Download:
    link = links.issue(delivered.key, run.pid, now)
    return Download(
        pid=run.pid,
        archive_id=archive_id,
        size=delivered.size,
        unpacked_size=unpacked_size,
        crc64nvme=delivered.crc64nvme,
        url=links.url(link),
        expires=link.expires,
    )


def _url(key: str, now: datetime) -> str:
    """A link to a list of the job, which belongs to no dataset alone."""
    return links.url(links.issue(key, "", now))

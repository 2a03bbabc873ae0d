"""What ``dataset.json`` may say, and whether a dropped folder holds what it says. Pure: no requests are made here."""

import codecs
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, cast
from uuid import NAMESPACE_URL, uuid5

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from archiver.errors import Code, DatasetRejected
from archiver.keys import Keys
from archiver.models import (
    CatalogueDataset,
    CatalogueFile,
    Failure,
    Pid,
    RunId,
    S3Object,
    SourceFile,
    State,
)
from archiver.names import wrong_path

MARKER_LIMIT = 1_000_000
# About 250,000 files.
CHECKSUM_FILE_LIMIT = 24 * 1024**2
# Names under which a list of SHA-256 checksums is found without being named in dataset.json.
CHECKSUM_FILES = ("SHA256SUMS", "SHA256SUMS.txt", "sha256sum.txt")

type ChkAlg = Literal["md5", "sha1", "sha256", "sha512", "blake2b", "crc64nvme"]
# How many hexadecimal digits a checksum has.
_DIGITS: Mapping[ChkAlg, int] = {
    "md5": 32,
    "sha1": 40,
    "sha256": 64,
    "sha512": 128,
    "blake2b": 128,
    "crc64nvme": 16,
}

TAKEN_NAME = f"Under the name {Keys.DROP_STATUS} the service reports; the data cannot bear it at the top of the folder."
# What one origdatablock may hold, so that its record stays far below SciCat's 16 MB.
FILES_PER_ORIGDATABLOCK = 10_000
_ORIGDATABLOCK_BYTES = 8_000_000
# A file's record besides its path: size, time, a checksum of 128 digits, and the names of the fields.
_RECORD_BYTES = 300
_NAMED_PROBLEMS = 20
_SHOWN_DIGITS = 40
# One line of sha256sum: digits, a space, the mode's mark (' ' or '*'), the name. A line that begins with a
# backslash writes backslashes, newlines and returns in its name as \\, \n and \r
# (https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html).
_CHECKSUM_LINE = re.compile(r"(?P<escaped>\\?)(?P<digits>[0-9A-Fa-f]+) [ *](?:\./)?(?P<path>.+)", re.DOTALL)
_ESCAPES = {r"\\": "\\", r"\n": "\n", r"\r": "\r"}


def _in_the_calendar(moment: datetime) -> datetime:
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it is not between the years 1 and 9999") from None
    return moment


# Something besides spaces: SciCat would take them for the name of a group.
_Text = Annotated[str, StringConstraints(pattern=r"\S")]
_Name = Annotated[str, StringConstraints(min_length=1)]
_Moment = Annotated[AwareDatetime, AfterValidator(_in_the_calendar)]
_Address = Annotated[str, StringConstraints(pattern=r"^[^@\s;]+@[^@\s;]+\.[^@\s;]+(;[^@\s;]+@[^@\s;]+\.[^@\s;]+)*$")]


class _Document(BaseModel):
    """Part of dataset.json, with SciCat's names; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class ListedFile(_Document):
    """One file that the drop must hold."""

    path: _Name = Field(description="Path below the dropped folder, with / between its parts.")
    size: int | None = Field(default=None, ge=0, description="Size in bytes; not checked when absent.")
    chk: str | None = Field(
        default=None, pattern="^[0-9A-Fa-f]+$", description="Checksum in hexadecimal, of the algorithm chkAlg."
    )


class DatasetDocument(_Document):
    """A dataset to archive: SciCat's fields of a raw dataset, and optionally which files it consists of."""

    model_config = ConfigDict(title="dataset.json")

    owner_group: _Text = Field(description="SciCat group that owns the dataset.")
    owner: _Text = Field(description="Name of the person who owns the dataset.")
    contact_email: _Address = Field(description="Address for questions; several are separated by ';'.")
    principal_investigator: _Text = Field(description="Who is responsible for the research, as a name or an address.")
    creation_location: _Text = Field(description="Where the data was made, e.g. the instrument's name.")
    creation_time: _Moment = Field(description="When the data was made: ISO 8601 with a time zone.")

    type: Literal["raw"] = Field(default="raw", description="Only raw datasets are archived from drops.")
    dataset_name: _Text | None = Field(default=None, description="Default: the name of the dropped folder.")
    source_folder: _Text | None = Field(default=None, description="Default: /incoming/<name of the folder>.")
    source_folder_host: _Text | None = Field(default=None, description="The machine that has the source folder.")
    access_groups: list[_Text] | None = Field(default=None, description="SciCat groups that may read the dataset.")
    instrument_group: _Text | None = Field(default=None, description="SciCat group of the instrument.")
    description: str | None = Field(default=None, description="What the data is.")
    keywords: list[_Text] | None = Field(default=None, description="Words to find the dataset by.")
    scientific_metadata: dict[str, JsonValue] | None = Field(default=None, description="Anything worth knowing.")
    proposal_id: _Text | None = Field(default=None, description="SciCat proposal the data belongs to.")
    sample_id: _Text | None = Field(default=None, description="SciCat sample the data was taken of.")
    instrument_id: _Text | None = Field(default=None, description="SciCat instrument the data was taken with.")
    data_format: str | None = Field(default=None, description="Format of the files, e.g. MRC.")
    run_number: _Text | None = Field(default=None, description="Number of the run on the instrument.")
    owner_email: _Address | None = Field(default=None, description="Address of the owner.")
    orcid_of_owner: _Text | None = Field(default=None, description="ORCID of the owner.")
    end_time: _Moment | None = Field(default=None, description="When the acquisition ended.")
    classification: _Text | None = Field(default=None, description="E.g. IN=medium,AV=low,CO=low.")
    license: _Text | None = Field(default=None, description="Under which licence the data may be used.")
    comment: str | None = Field(default=None, description="A remark.")

    files: list[ListedFile] | None = Field(
        default=None, description="All files of the dataset. Default: whatever lies in the folder."
    )
    checksums: _Name | None = Field(
        default=None,
        description="Name of a file in the folder that lists all files with their checksums, as sha256sum writes it. "
        f"Default: {', '.join(CHECKSUM_FILES)}, when there is one; null: none.",
    )
    chk_alg: ChkAlg = Field(default="sha256", description="Algorithm of the checksums.")


# What tells how to read the drop, and is no metadata of the dataset.
_LISTING_FIELDS = {"files", "checksums", "chk_alg"}


class Drop(State):
    """A dropped folder, and the execution that takes it in."""

    run_id: RunId
    execution_arn: str
    prefix: str


class DropRead(Drop):
    """A drop whose dataset.json is sound."""

    pid: Pid


class DropRegistered(DropRead):
    """A drop whose dataset SciCat knows; ``settled``: there is nothing left to ask for."""

    settled: bool


class DropMatched(DropRegistered):
    """A drop whose folder was looked at; ``incomplete``: listed files were missing, and are looked for once more."""

    incomplete: bool = False


class DropEnded(Drop):
    """A drop that is taken in, or that a Catch ended."""

    failure: Failure | None = None


class DropReported(State):
    """What the console shows of a drop."""

    accepted: bool
    code: str
    message: str


class DropContent(BaseModel):
    """What a drop says, written down once it is read. ``listed``: it says which files it consists of."""

    pid: Pid
    metadata: dict[str, JsonValue]
    documents: tuple[str, ...]
    chk_alg: ChkAlg
    listed: bool


class FileCount(BaseModel):
    """How many files a drop has, and their size in bytes."""

    files: int
    size: int


class DropStatus(BaseModel):
    """``dataset.status.json``. ``files`` names the first hundred of the ``count`` files that the message is about."""

    status: Literal["requested", "already_requested", "already_archived", "rejected", "failed"]
    message: str
    code: str | None = None
    pid: str | None = None
    job: str | None = None
    files: tuple[str, ...] = ()
    count: int = 0
    execution: str = ""
    time: str = ""


def prefix_of(marker_key: str) -> str | None:
    """The dropped folder's prefix, or None when the key is not ``incoming/<name>/dataset.json``."""
    parts = marker_key.split("/")
    if len(parts) != 3 or parts[0] + "/" != Keys.DROPS or not parts[1] or parts[2] != Keys.DROP_MARKER:
        return None
    return f"{Keys.DROPS}{parts[1]}/"


def run_id_of(marker: S3Object) -> str:
    """The name of the execution that takes a drop in: the same for the same write of its dataset.json.

    It follows from what a listing tells, so that the event of the write and a sweep that misses it agree.
    """
    identity = (marker.key, marker.etag, marker.modified.isoformat())
    return f"drop-{hashlib.sha256(chr(10).join(identity).encode()).hexdigest()[:48]}"


def parse_document(body: bytes) -> DatasetDocument:
    """Read dataset.json. Raises DatasetRejected(``bad_drop``) naming every unknown, missing or wrong field."""
    text = body.removeprefix(codecs.BOM_UTF8)
    try:
        document = DatasetDocument.model_validate_json(text)
    except ValidationError as error:
        problems = [_problem(cast("Mapping[str, Any]", one)) for one in error.errors(include_url=False)]
    else:
        _refuse_ambiguous(text)
        return document
    more = f"; and {len(problems) - _NAMED_PROBLEMS} more" if len(problems) > _NAMED_PROBLEMS else ""
    raise DatasetRejected(Code.BAD_DROP, f"{Keys.DROP_MARKER}: {'; '.join(problems[:_NAMED_PROBLEMS])}{more}.")


def schema() -> dict[str, Any]:
    """The JSON schema of dataset.json, as docs/dataset.schema.json holds it."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | DatasetDocument.model_json_schema(by_alias=True)


def content_of(
    document: DatasetDocument, bucket: str, prefix: str, checksum_file: str | None, pid_prefix: str
) -> DropContent:
    """What the drop says, with its pid: the same for the same folder and the same metadata.

    Raises DatasetRejected(``bad_path``) when the folder's own name cannot stand.
    """
    name = prefix.removeprefix(Keys.DROPS).removesuffix("/")
    if wrong := wrong_path(name):
        raise DatasetRejected(Code.BAD_PATH, f"The folder's name {wrong}.", [name])
    given = document.model_dump(
        mode="json", by_alias=True, exclude=_LISTING_FIELDS, exclude_none=True, exclude_unset=True
    )
    identity = json.dumps([bucket, prefix, given], sort_keys=True)
    times = {"creationTime": document.creation_time, "endTime": document.end_time}
    metadata = (
        {"type": document.type, "datasetName": name, "sourceFolder": f"/{Keys.DROPS}{name}"}
        | given
        | {field: _utc(moment) for field, moment in times.items() if moment is not None}
    )
    own = (Keys.DROP_MARKER, Keys.DROP_STATUS)
    return DropContent(
        pid=f"{pid_prefix}/{uuid5(NAMESPACE_URL, identity)}",
        metadata=metadata,
        documents=own if checksum_file is None else (*own, checksum_file),
        chk_alg=document.chk_alg,
        listed=document.files is not None or checksum_file is not None,
    )


def checksum_file_of(document: DatasetDocument) -> tuple[str, ...]:
    """Under which names the drop's list of checksums may lie; none when it has no such list."""
    if document.files is not None and document.checksums is not None:
        raise DatasetRejected(Code.BAD_DROP, f"{Keys.DROP_MARKER}: 'files' and 'checksums' exclude each other.")
    if document.checksums is not None:
        return (document.checksums,)
    if document.files is not None or "checksums" in document.model_fields_set:
        return ()
    return CHECKSUM_FILES


def parse_checksums(body: bytes, name: str, chk_alg: ChkAlg) -> list[ListedFile]:
    """Read a list of checksums as ``sha256sum`` and its sisters write it.

    Raises DatasetRejected(``bad_drop``) naming the first line that is not understood.
    """
    try:
        lines = body.removeprefix(codecs.BOM_UTF8).decode().split("\n")
    except UnicodeDecodeError as error:
        raise DatasetRejected(Code.BAD_DROP, f"{name} is not UTF-8 at byte {error.start}.") from None
    return [
        _listed(line.removesuffix("\r"), name, number, chk_alg) for number, line in enumerate(lines, 1) if line.strip()
    ]


def check_list(listed: Sequence[ListedFile], content: DropContent) -> list[ListedFile]:
    """The listed files without the drop's own documents.

    Raises DatasetRejected(``bad_drop``) when a file is listed twice or its checksum has a wrong length, and
    (``bad_path``) when one has the name under which the service reports.
    """
    if any(file.path == Keys.DROP_STATUS for file in listed):
        raise DatasetRejected(Code.BAD_PATH, TAKEN_NAME, [Keys.DROP_STATUS])
    files = [file for file in listed if file.path not in content.documents]
    digits = _DIGITS[content.chk_alg]
    wrong = [file.path for file in files if file.chk is not None and len(file.chk) != digits]
    if wrong:
        raise DatasetRejected(
            Code.BAD_DROP, f"{len(wrong)} checksums do not have the {digits} digits of {content.chk_alg}.", wrong
        )
    twice = [path for path, times in Counter(file.path for file in files).items() if times > 1]
    if twice:
        raise DatasetRejected(Code.BAD_DROP, f"{len(twice)} files are listed twice.", twice)
    return files


def lacks(listed: Sequence[ListedFile], uploaded: Iterable[S3Object], prefix: str) -> bool:
    """Whether a listed file is not there (yet)."""
    wanted = {prefix + file.path for file in listed}
    for found in uploaded:
        wanted.discard(found.key)
    return bool(wanted)


def is_report(document: bytes) -> bool:
    """Whether a ``dataset.status.json`` is the service's own, and no data of the same name."""
    try:
        return bool(DropStatus.model_validate_json(document).execution)
    except ValidationError:
        return False


def match(
    listed: Sequence[ListedFile] | None, chk_alg: ChkAlg, uploaded: Iterable[S3Object], prefix: str
) -> Iterator[SourceFile]:
    """The drop's files, each as it lies in the bucket; with a list, they must be exactly the listed ones.

    The iterator ends in DatasetRejected (``bad_path``, ``missing_files``, ``size_mismatch``, ``extra_files``,
    ``no_files``), naming the first hundred files and counting all.
    """
    expected = None if listed is None else {file.path: file for file in listed}
    bad_path = [f"{path} {wrong}" for path in expected or () if (wrong := wrong_path(path, prefix))]
    wrong_size: list[str] = []
    extra: list[str] = []
    folders: set[str] = set()
    names: set[str] = set()
    for found in uploaded:
        path = found.key.removeprefix(prefix)
        names.add(path)
        folders.update(str(folder) for folder in PurePosixPath(path).parents)
        entry = None if expected is None else expected.pop(path, None)
        if wrong := _wrong_object(path, prefix):
            bad_path.append(f"{path} {wrong}")
        elif expected is not None and entry is None:
            extra.append(path)
        elif entry is not None and entry.size not in (None, found.size):
            wrong_size.append(f"{path} ({entry.size} bytes listed, {found.size} dropped)")
        else:
            yield _source(path, found, None if entry is None else entry.chk, chk_alg)
    bad_path += [f"{path} is a file and a folder" for path in sorted(folders & names)]
    _refuse(list(dict.fromkeys(bad_path)), Code.BAD_PATH, "paths may not name a file")
    _refuse(sorted(expected or ()), Code.MISSING_FILES, "listed files are not in the folder")
    _refuse(wrong_size, Code.SIZE_MISMATCH, "files do not have the listed size")
    _refuse(extra, Code.EXTRA_FILES, "files in the folder are not listed")
    if not names:
        raise DatasetRejected(Code.NO_FILES, "The folder holds no files.")


def unregistered(registered: Iterable[CatalogueFile], files: Iterable[SourceFile]) -> Iterator[CatalogueFile]:
    """The drop's files that the catalogue does not list yet.

    The iterator ends in DatasetRejected(``catalogue_changed``) when the catalogue lists files that the
    drop does not hold, or holds with another size or checksum: its list cannot be taken back.
    """
    known = {(file.path, file.size, file.chk or None) for file in registered}
    for file in files:
        key = (file.path, file.size, file.chk)
        if key in known:
            known.remove(key)
        else:
            yield CatalogueFile(file.path, file.size, file.time, file.chk, file.chk_alg)
    _refuse(
        sorted(path for path, _, _ in known),
        Code.CATALOGUE_CHANGED,
        "files were registered otherwise by an earlier drop of this dataset; give it another datasetName",
    )


def origdatablocks(files: Iterable[CatalogueFile]) -> Iterator[list[CatalogueFile]]:
    """The files in portions that SciCat takes as one origdatablock each."""
    block: list[CatalogueFile] = []
    size = 0
    for file in files:
        record = len(orjson.dumps(file.path)) + _RECORD_BYTES
        if block and (len(block) == FILES_PER_ORIGDATABLOCK or size + record > _ORIGDATABLOCK_BYTES):
            yield block
            block, size = [], 0
        block.append(file)
        size += record
    if block:
        yield block


def is_archived(dataset: CatalogueDataset) -> bool:
    """Whether there is nothing left to archive. ``retrievable`` alone may have been set by a user."""
    return dataset.lifecycle.get("retrievable") is True and bool(dataset.datablocks)


def _refuse_ambiguous(document: bytes) -> None:
    """Refuse valid JSON that its readers take for different things: they would not catalogue what was written."""
    try:
        json.loads(
            document, object_pairs_hook=_named_once, parse_constant=_finite, parse_float=_finite, parse_int=_storable
        )
    except ValueError as error:
        raise DatasetRejected(Code.BAD_DROP, f"{Keys.DROP_MARKER}: {error}.") from None


def _named_once(fields: list[tuple[str, object]]) -> None:
    twice = [name for name, times in Counter(name for name, _ in fields).items() if times > 1]
    if twice:
        raise ValueError(f"'{twice[0]}' is given twice")


def _finite(number: str) -> None:
    if not math.isfinite(float(number)):
        raise ValueError(f"{number[:_SHOWN_DIGITS]} is not a number that can be stored; write it as text")


def _storable(number: str) -> None:
    if not -(2**63) <= int(number) < 2**64:
        raise ValueError(f"{number[:_SHOWN_DIGITS]} has more than 64 bits; write it as text")


def _problem(error: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "missing":
            return f"'{field}' is missing"
        case "extra_forbidden":
            return f"'{field}' is not a known field"
        case "json_invalid":
            return str(error["msg"])
        case _:
            message = str(error["msg"]).removeprefix("Value error, ")
            return f"'{field}': {message}" if field else message


def _utc(moment: AwareDatetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _listed(line: str, name: str, number: int, chk_alg: ChkAlg) -> ListedFile:
    parsed = _CHECKSUM_LINE.fullmatch(line)
    if parsed is None or len(parsed["digits"]) != _DIGITS[chk_alg]:
        raise DatasetRejected(
            Code.BAD_DROP, f"{name}, line {number}: not '<{_DIGITS[chk_alg]} digits of {chk_alg}>  <path>'."
        )
    path = parsed["path"]
    if parsed["escaped"]:
        path = re.sub(r"\\[\\nr]", lambda escape: _ESCAPES[escape[0]], path)
    return ListedFile(path=path, chk=parsed["digits"].lower())


def _wrong_object(path: str, prefix: str) -> str | None:
    return "ends with '/'" if path.endswith("/") else wrong_path(path, prefix)


def _source(path: str, found: S3Object, chk: str | None, chk_alg: ChkAlg) -> SourceFile:
    return SourceFile(
        path=path,
        size=found.size,
        mtime_ns=int(found.modified.timestamp()) * 10**9,
        etag=found.etag,
        chk=None if chk is None else chk.lower(),
        chk_alg=None if chk is None else chk_alg,
        time=_utc(found.modified),
    )


def _refuse(files: list[str], code: Code, sentence: str) -> None:
    if files:
        raise DatasetRejected(code, f"{len(files)} {sentence}.", files)

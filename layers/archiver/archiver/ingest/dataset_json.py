"""``dataset.json``: what it may say, and what follows from it for the dataset."""

import codecs
import json
import math
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast
from uuid import NAMESPACE_URL, uuid5

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from archiver.checksums import known_algorithm
from archiver.errors import Code, DatasetRejected
from archiver.ingest.states import ChkAlg, DropContent
from archiver.keys import Keys
from archiver.models import file_modes
from archiver.names import pid_of, wrong_path

MARKER_LIMIT = 1_000_000
# Names under which a list of SHA-256 checksums is found without being named in dataset.json.
CHECKSUM_FILES = ("SHA256SUMS", "SHA256SUMS.txt", "sha256sum.txt")
_NAMED_PROBLEMS = 20
_SHOWN_DIGITS = 40


def _in_the_calendar(moment: datetime) -> datetime:
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it is not between the years 1 and 9999") from None
    return moment


# Something besides spaces: SciCat would take them for the name of a group.
_Text = Annotated[str, StringConstraints(pattern=r"\S")]
_Moment = Annotated[AwareDatetime, AfterValidator(_in_the_calendar)]
_Address = Annotated[str, StringConstraints(pattern=r"^[^@\s;]+@[^@\s;]+\.[^@\s;]+(;[^@\s;]+@[^@\s;]+\.[^@\s;]+)*$")]


def _mode(perm: str) -> str:
    mode = file_modes.parse(perm)
    if mode is None or mode.kind not in {None, "file"}:
        raise ValueError("no permissions of a file, such as 0644 or -rw-r--r--")
    return perm


_Mode = Annotated[str, AfterValidator(_mode)]
# As find(1) writes it.
_Path = Annotated[str, StringConstraints(min_length=1), AfterValidator(lambda path: path.removeprefix("./") or path)]


def _known_algorithm(name: object) -> object:
    return known_algorithm(name) or name if isinstance(name, str) else name


# However it is written: SHA-256, sha256.
_Algorithm = Annotated[ChkAlg, BeforeValidator(_known_algorithm)]


class _Document(BaseModel):
    """Part of dataset.json, with SciCat's names; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class ListedFile(_Document):
    """One file that the drop must hold."""

    path: _Path = Field(description="Path below the dropped folder, with / between its parts.")
    size: int | None = Field(default=None, ge=0, description="Size in bytes; not checked when absent.")
    chk: _Text | None = Field(
        default=None,
        description="Checksum of the algorithm chkAlg: in hexadecimal, in base64, or as 'sha256:' and its digits.",
    )
    time: _Moment | None = Field(default=None, description="When the file was last changed: ISO 8601 with a time zone.")
    perm: _Mode | None = Field(default=None, description="Who may read and write it, as 0644 or -rw-r--r--.")


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
    checksums: _Path | None = Field(
        default=None,
        description="Name of a file in the folder that lists all files with their checksums, as sha256sum writes it. "
        f"Default: {', '.join(CHECKSUM_FILES)}, when there is one; null: none.",
    )
    chk_alg: _Algorithm = Field(
        default="sha256",
        description="Algorithm of the checksums. A list in a file of its own says by itself whether it is md5 or sha1.",
    )


# What tells how to read the drop, and is no metadata of the dataset.
_LISTING_FIELDS = {"files", "checksums", "chk_alg"}


def parse_document(body: bytes) -> DatasetDocument:
    """Read dataset.json. Raises DatasetRejected(``bad_drop``) naming every unknown, missing or wrong field."""
    text = decoded(body, Keys.DROP_MARKER).encode()
    try:
        document = DatasetDocument.model_validate_json(text)
    except ValidationError as error:
        problems = [_problem(cast("Mapping[str, Any]", one)) for one in error.errors(include_url=False)]
    else:
        _refuse_ambiguous(text)
        return document
    more = f"; and {len(problems) - _NAMED_PROBLEMS} more" if len(problems) > _NAMED_PROBLEMS else ""
    raise DatasetRejected(Code.BAD_DROP, f"{Keys.DROP_MARKER}: {'; '.join(problems[:_NAMED_PROBLEMS])}{more}.")


def decoded(body: bytes, name: str) -> str:
    """The text of a document: UTF-8, or UTF-16 with its mark, as Windows writes either.

    Raises DatasetRejected(``bad_drop``) for anything else, naming the document.
    """
    encoding = "utf-16" if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetRejected(
            Code.BAD_DROP, f"{name} is not UTF-8 at byte {error.start}. Save it in this encoding."
        ) from None


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
        | {field: utc(moment) for field, moment in times.items() if moment is not None}
    )
    own = (Keys.DROP_MARKER, Keys.DROP_STATUS)
    return DropContent(
        pid=pid_of(pid_prefix, uuid5(NAMESPACE_URL, identity)),
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


def utc(moment: AwareDatetime) -> str:
    """A time as SciCat writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

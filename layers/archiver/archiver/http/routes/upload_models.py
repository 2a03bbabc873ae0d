"""What is said about uploads: the bodies of requests and answers."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from archiver.models.states import Pid
from archiver.names import MAX_PID_CHARACTERS
from archiver.uploads import rules

URLS_PER_PAGE = 1_000

# JSON knows one kind of number (RFC 8259, section 6): where others write 1.0 it is as whole as 1.
WHOLE = BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)
Sha256 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
# No dataset here has a longer pid, and SciCat is not asked for one.
NamedPid = Annotated[Pid, StringConstraints(max_length=MAX_PID_CHARACTERS)]
ObjectName = Annotated[str, Field(description="openem-network/datasets/<pid>/raw_files/<relative path>")]
PartNumber = Annotated[int, Field(ge=1, le=rules.MAX_PARTS), WHOLE]
# S3's upload ids are longer than a hundred characters; AWS does not say how long they may get.
UploadId = Annotated[str, StringConstraints(max_length=1024)]


class Asked(BaseModel):
    """A request about one file of a dataset."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dataset_id: NamedPid = Field(description="SciCat's pid of the dataset")
    object_name: ObjectName


class UrlsAsked(Asked):
    """Where a file, or the parts of a large one, may be sent."""

    parts: PartNumber
    first_part: PartNumber = Field(1, description="Of a file in many parts: the first one to have a URL")
    size: Annotated[int, Field(ge=1, le=rules.MAX_FILE_BYTES), WHOLE] | None = Field(
        None, description="Bytes of the file; the answer then says how long a part is"
    )
    checksums_sha256: list[Sha256] | None = Field(
        None,
        min_length=1,
        max_length=URLS_PER_PAGE,
        description="SHA-256 of the parts from first_part on, base64: they are signed, and must be sent",
    )


class Urls(BaseModel):
    """Presigned URLs, one for each part from the first one asked for."""

    upload_id: str = Field(description="Empty for a file that is sent in one piece")
    urls: list[str] = Field(description="Each in base64")
    required_headers: list[dict[str, str]] | None = Field(None, description="What must be sent with each of them")
    next_part: int | None = Field(None, description="There are more parts: ask again with this first_part")
    part_size: int | None = Field(None, description="Bytes of each part but the last")


class PartStored(BaseModel):
    """A part that S3 has."""

    part_number: int
    etag: str
    size: int
    checksum_sha256: str


class PartMissing(BaseModel):
    """A part that S3 does not have, and where to send it."""

    part_number: int
    url: str = Field(description="In base64")


class PartsStored(BaseModel):
    """How far a multipart upload is; a page of it."""

    upload_id: str
    total: int = Field(description="How many parts the file has")
    parts: list[PartStored]
    missing: list[PartMissing]
    next_part: int | None = Field(None, description="There are more parts: ask again with this first_part")


class PartSent(BaseModel):
    """A part as the client sent it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    part_number: PartNumber
    etag: Annotated[str, StringConstraints(max_length=100)]
    checksum_sha256: Sha256 | None = None


class Completed(Asked):
    """All parts of a file are sent."""

    upload_id: UploadId = Field(description="Empty for a file that was sent in one piece")
    parts: list[PartSent] = Field([], max_length=rules.MAX_PARTS, description="None: whatever S3 has")
    checksum_sha256: Sha256 | None = Field(None, description="Base64 of the SHA-256 of the parts' raw SHA-256 digests")


class FileStored(BaseModel):
    """Where the file is now."""

    location: str
    key: str


class AbortAsked(BaseModel):
    """A multipart upload that will not be completed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dataset_id: str = Field("", description="May be empty: object_name tells it")
    object_name: ObjectName
    upload_id: UploadId


class Aborted(BaseModel):
    """The parts of the upload are gone."""

    message: str
    upload_id: str
    object_name: str


class SpaceAsked(BaseModel):
    """A dataset that is going to be uploaded."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dataset_id: NamedPid
    dataset_size_gib: Annotated[int, Field(ge=0), WHOLE] = Field(description="Rounded down, as the Ingestor does")


class SpaceGranted(BaseModel):
    """There is space for the dataset."""

    message: str


class SpaceRefused(BaseModel):
    """There is no space for the dataset now; later there may be."""

    message: str
    dataset_id: str
    requested_size_gib: int
    free_size_gib: int


class FinalizeAsked(BaseModel):
    """Every file of the dataset is uploaded."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dataset_id: NamedPid
    create_archiving_job: bool = False
    owner_group: str = Field("", description="Not used: SciCat knows whose the dataset is")
    owner_user: str = Field("", description="Not used: the job is created for the caller")
    contact_email: str = Field("", max_length=320, description="Who hears of the job; else the dataset's contact")


class DatasetAsked(BaseModel):
    """Which dataset."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dataset_id: NamedPid


class DatasetDone(BaseModel):
    """What was done with the dataset."""

    dataset_id: str
    message: str

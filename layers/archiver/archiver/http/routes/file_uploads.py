"""Uploads of files: clients ask here for presigned requests, send their bytes to S3, and say when all is sent.

The key of a file is built from its dataset, and the file is one that SciCat lists; a multipart upload is the file's,
whichever of the dataset's uploaders began it.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from archiver.errors import MAX_NAMED_FILES, Code
from archiver.http.auth.authentication import BEARER
from archiver.http.problems import FOR_INGESTOR, Refusal, WrongRequest
from archiver.http.request_codes import RequestCode
from archiver.http.routes import upload_targets
from archiver.http.routes.upload_models import (
    URLS_PER_PAGE,
    AbortAsked,
    Aborted,
    Completed,
    FileStored,
    NamedPid,
    ObjectName,
    PartMissing,
    PartNumber,
    PartSent,
    PartsStored,
    PartStored,
    UploadId,
    Urls,
    UrlsAsked,
)
from archiver.http.routes.upload_targets import File, ListedFile
from archiver.uploads import registry, rules
from archiver.uploads.presigning import ClientPart, Condition, Terms, inbox
from archiver.uploads.registry import ClientUpload
from archiver.wording import counted

router = APIGatewayRouter()

# As long as the largest file may take; on AWS a URL also ends with the session of the role that signed it.
_URL_SECONDS = 12 * 3600
# What S3 says of parts that it does not take, and what is said then.
_REFUSED_BY_S3: Mapping[str, tuple[Code | RequestCode, str]] = {
    "EntityTooSmall": (
        RequestCode.PARTS_TOO_SMALL,
        f"S3 does not take the parts. Each but the last must have {rules.MIN_PART_BYTES} bytes.",
    ),
    "BadDigest": (Code.CHECKSUM_MISMATCH, "S3 computed another checksum than that of the parts."),
    "InvalidPart": (RequestCode.OTHER_PARTS, "S3 does not have one of the parts any more, or has another one."),
    "InvalidPartOrder": (RequestCode.OTHER_PARTS, "The parts do not stand in order."),
}
# An answer has less than 2 MB; the keys and the credentials in its URLs may be long.
_PAGE_BYTES = 1_600_000


@router.post(
    "/s3/presignedUrls",
    tags=["uploads"],
    summary="Where may a file be sent?",
    description=(
        "A file in one part gets the URL of a plain PUT, one in many parts a multipart upload with a URL for each. "
        "Asking again gives new URLs of the same upload; many parts are answered in pages. Who states checksums has to "
        "send the required_headers, and S3 refuses other bytes. Who states none sends no x-amz-* header, unless to an "
        "S3 service that takes unsigned ones."
    ),
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.CREATED: {"description": "Where to"}, **FOR_INGESTOR},
    security=[BEARER],
)
def presign(asked: Annotated[UrlsAsked, Body()]) -> Urls:
    """Signs a page of requests; begins the multipart upload unless there is one of the file already."""
    each = rules.part_size(asked.size, asked.parts) if asked.size else None
    numbers, checksums = _wanted(asked)
    file = upload_targets.listed_file(asked.dataset_id, asked.object_name, for_urls=True)
    size = _size(file, asked)
    upload_id = ""
    if asked.parts > 1:
        upload_id = registry.begin_upload(file.pid, file.key, asked.parts).upload_id
        terms = [_terms_of_part(asked, number, checksum) for number, checksum in zip(numbers, checksums, strict=True)]
    else:
        # Whoever states checksums sends the headers that are asked for; today's Ingestor cannot send any.
        condition = _condition(file) if asked.checksums_sha256 else None
        terms = [Terms(_URL_SECONDS, size, checksums[0], condition)]
    urls = list(_page(file.key, upload_id, zip(numbers, terms, strict=True)))
    return Urls(
        upload_id=upload_id,
        urls=urls,
        required_headers=[term.headers for term in terms[: len(urls)]] if asked.checksums_sha256 else None,
        next_part=_following(numbers.start + len(urls), asked.parts),
        part_size=each,
    )


def _condition(file: File) -> Condition:
    """That what is sent replaces what lies there now, and nothing that comes later."""
    there = inbox().head(file.key)
    return Condition(there.etag if there else None)


def _terms_of_part(asked: UrlsAsked, number: int, checksum: str | None) -> Terms:
    """The bytes of a part are known where its client was told how to cut the file."""
    size = rules.length_of(number, asked.size, asked.parts) if asked.size else None
    return Terms(_URL_SECONDS, size, checksum)


def _size(file: ListedFile, asked: UrlsAsked) -> int | None:
    """The bytes of the file, by SciCat's word or by the client's. Refuses two words (422), and parts that cannot be."""
    listed = file.expected.size
    if listed is None:
        return asked.size
    if asked.size not in {None, listed}:
        raise _wrong(Code.SIZE_MISMATCH, f"SciCat lists the file with {counted(listed, 'byte')}.")
    rules.refuse_parts(listed, asked.parts)
    return listed


def _wanted(asked: UrlsAsked) -> tuple[range, Sequence[str | None]]:
    """The numbers of the parts that a page is for, and the checksums of those parts if they were stated."""
    left = asked.parts - asked.first_part + 1
    if left < 1:
        raise WrongRequest(
            ["body", "first_part"], f"The file has {counted(asked.parts, 'part')}.", RequestCode.NO_SUCH_PART
        )
    stated = asked.checksums_sha256
    if stated and len(stated) > left:
        raise WrongRequest(
            ["body", "checksums_sha256"],
            f"Only {counted(left, 'part')} can come from first_part on.",
            RequestCode.NO_SUCH_PART,
        )
    count = len(stated) if stated else min(left, URLS_PER_PAGE)
    return range(asked.first_part, asked.first_part + count), stated or [None] * count


def _page(key: str, upload_id: str, parts: Iterable[tuple[int, Terms]]) -> Iterator[str]:
    """URLs in base64, of as many parts as one answer can hold; of the whole file where it has no upload."""
    length = 0
    for number, terms in parts:
        signed = inbox().presign_part(key, upload_id, number, terms) if upload_id else inbox().presign_put(key, terms)
        url = base64.b64encode(signed.encode()).decode()
        length += len(url)
        if length > _PAGE_BYTES:
            return
        yield url


def _following(part: int, parts: int) -> int | None:
    return part if part <= parts else None


@router.get(
    "/s3/uploads/<upload_id>/parts",
    tags=["uploads"],
    summary="Which parts of a file are stored?",
    description="So that a client may go on with an upload: what S3 has, and new URLs for what it has not.",
    responses={
        HTTPStatus.OK: {"description": "These, and where the missing ones may be sent"},
        **upload_targets.REFUSALS,
    },
    security=[BEARER],
)
def show_parts(
    upload_id: Annotated[UploadId, Path(description="As presignedUrls answered")],
    dataset_id: Annotated[NamedPid, Query(description="SciCat's pid of the dataset")],
    object_name: Annotated[ObjectName, Query()],
    first_part: Annotated[PartNumber, Query()] = 1,
    limit: Annotated[int, Query(ge=1, le=URLS_PER_PAGE, description="So many parts are shown")] = URLS_PER_PAGE,
) -> PartsStored:
    """A page of the parts that are stored, and of those that are missing."""
    file = upload_targets.listed_file(dataset_id, object_name, for_urls=True)
    known = file.upload(upload_id)
    numbers = range(first_part, min(first_part + limit, known.parts + 1))
    page = inbox().client_parts(file.key, upload_id, first_part - 1, limit)
    if page is None:
        raise Refusal(HTTPStatus.NOT_FOUND, RequestCode.UPLOAD_UNKNOWN, "The upload was completed or aborted.")
    stored = {part.number: part for part in page.parts if part.number in numbers}
    missing = [number for number in numbers if number not in stored]
    urls = list(_page(file.key, upload_id, ((number, Terms(_URL_SECONDS)) for number in missing)))
    end = missing[len(urls)] if len(urls) < len(missing) else numbers.stop
    return PartsStored(
        upload_id=upload_id,
        total=known.parts,
        parts=[_shown(part) for part in stored.values() if part.number < end],
        missing=[PartMissing(part_number=number, url=url) for number, url in zip(missing, urls, strict=False)],
        next_part=_following(end, known.parts),
    )


def _shown(part: ClientPart) -> PartStored:
    return PartStored(part_number=part.number, etag=part.etag, size=part.size, checksum_sha256=part.sha256)


@router.post(
    "/s3/completeUpload",
    tags=["uploads"],
    summary="All parts of a file are sent",
    description="Verifies what S3 has against what the client sent, and makes the file visible. May be repeated.",
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.CREATED: {"description": "The file is there"}, **FOR_INGESTOR},
    security=[BEARER],
)
def complete(sent: Annotated[Completed, Body()]) -> FileStored:
    """Completes a multipart upload, or looks whether a file that was sent in one piece is there."""
    file = upload_targets.listed_file(sent.dataset_id, sent.object_name)
    known = file.upload(sent.upload_id) if sent.upload_id else None
    if known and not known.ended:
        _assemble(file, known, sent)
    _refuse_other_bytes(file, sent)
    if known and not known.ended:
        registry.end_upload(file.pid, file.key, known)
    return FileStored(location=f"s3://{inbox().name}/{file.key}", key=file.key)


def _assemble(file: ListedFile, known: ClientUpload, sent: Completed) -> None:
    """Let S3 make the file of its parts; one that it has made already, in an earlier request, is fine."""
    stored = inbox().all_client_parts(file.key, known.upload_id)
    if stored is None:
        return
    parts = list(stored)
    _refuse_other_parts(known, parts, sent)
    _refuse_other_size(file, sum(part.size for part in parts))
    refused = inbox().finish(file.key, known.upload_id, parts)
    if refused and inbox().client_parts(file.key, known.upload_id, limit=1) is not None:
        unnamed = (RequestCode.PARTS_REFUSED, f"S3 does not take the parts ({refused}).")
        raise _wrong(*_REFUSED_BY_S3.get(refused, unnamed))


def _refuse_other_parts(known: ClientUpload, parts: Sequence[ClientPart], sent: Completed) -> None:
    """Refuse parts that are missing or not those that were sent, and a checksum that is not theirs (422)."""
    there = {part.number for part in parts}
    missing = [number for number in range(1, known.parts + 1) if number not in there]
    if missing:
        raise _wrong(
            RequestCode.MISSING_PARTS, f"S3 does not have {len(missing)} of {counted(known.parts, 'part')}.", missing
        )
    claimed = {part.part_number: part for part in sent.parts}
    unknown = sorted(claimed.keys() - there)
    if unknown:
        raise _wrong(
            RequestCode.UNKNOWN_PARTS,
            f"S3 does not have {counted(len(unknown), 'part that is', 'parts that are')} claimed.",
            unknown,
        )
    other = [part.number for part in parts if claimed and not _is_same(part, claimed.get(part.number))]
    if other:
        raise _wrong(RequestCode.OTHER_PARTS, f"{counted(len(other), 'part is', 'parts are')} not what S3 has.", other)
    checksums = [part.sha256 for part in parts]
    if sent.checksum_sha256 and all(checksums) and rules.checksum_of(checksums) != sent.checksum_sha256:
        raise _wrong(Code.CHECKSUM_MISMATCH, "The checksum is not that of the parts that S3 has.")


def _refuse_other_size(file: ListedFile, size: int) -> None:
    """Refuse when there are other bytes than SciCat lists, where its list tells (422)."""
    if not file.expected.is_met_by(size):
        message = f"{counted(size, 'byte')} came; the size that SciCat lists is {file.expected.size}."
        raise _wrong(Code.SIZE_MISMATCH, message)


def _is_same(stored: ClientPart, claimed: PartSent | None) -> bool:
    if claimed is None or claimed.etag.strip('"') != stored.etag:
        return False
    return claimed.checksum_sha256 is None or not stored.sha256 or claimed.checksum_sha256 == stored.sha256


def _refuse_other_bytes(file: ListedFile, sent: Completed) -> None:
    """Refuse when the file is not there, or has other bytes than those that were sent (422)."""
    arrived = inbox().arrived(file.key)
    if arrived is None:
        raise _wrong(RequestCode.FILE_MISSING, "The file is not there.")
    _refuse_other_size(file, arrived.size)
    whole = sent.parts[0] if sent.parts and not sent.upload_id else None
    if whole and whole.etag.strip('"') != arrived.etag:
        raise _wrong(Code.CHECKSUM_MISMATCH, "The file's ETag is another one.")
    if not rules.is_checksum_of(sent.checksum_sha256, arrived.sha256):
        raise _wrong(Code.CHECKSUM_MISMATCH, "The checksum is not that of the file.")


def _wrong(code: Code | RequestCode, message: str, numbers: Sequence[int] = ()) -> Refusal:
    details = ", ".join(map(str, numbers[:MAX_NAMED_FILES]))
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, code, message, details)


@router.post(
    "/s3/abortMultipartUpload",
    tags=["uploads"],
    summary="A file will not be completed",
    description="Its parts are deleted. May be repeated.",
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.CREATED: {"description": "Its parts are gone"}, **upload_targets.REFUSALS},
    security=[BEARER],
)
def abort(asked: Annotated[AbortAsked, Body()]) -> Aborted:
    """Aborts a file's multipart upload, whoever began it; of one that was sent in one piece there is none."""
    file = upload_targets.file(asked.dataset_id or rules.pid_of(asked.object_name), asked.object_name)
    if asked.upload_id:
        known = file.upload(asked.upload_id)
        inbox().abort_upload(file.key, known.upload_id)
        registry.end_upload(file.pid, file.key, known)
    return Aborted(message="The upload is aborted.", upload_id=asked.upload_id, object_name=asked.object_name)

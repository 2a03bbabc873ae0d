"""Uploads of whole datasets: space for one is asked for, and in the end it is declared complete or given up."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Event
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from archiver.archive import matching
from archiver.errors import MAX_NAMED_FILES, Code, DatasetRejected
from archiver.http.auth import authentication, authorization
from archiver.http.auth.authentication import BEARER
from archiver.http.auth.callers import Caller
from archiver.http.problems import FOR_INGESTOR, Refusal
from archiver.http.request_codes import RequestCode
from archiver.http.routes import upload_targets
from archiver.http.routes.upload_models import (
    DatasetAsked,
    DatasetDone,
    FinalizeAsked,
    SpaceAsked,
    SpaceGranted,
    SpaceRefused,
)
from archiver.http.timeouts import Asked
from archiver.keys import Keys
from archiver.log import logger
from archiver.models.catalogue import CatalogueDataset
from archiver.models.file_lists import byte_order
from archiver.models.files import Upload
from archiver.models.states import JobKind
from archiver.reporting.lifecycle import UPLOAD_COMPLETE
from archiver.scicat import catalogue
from archiver.settings import GIB, settings
from archiver.storage import sources
from archiver.uploads import known_files, quota, registry
from archiver.uploads.known_files import FilesNoted
from archiver.uploads.presigning import inbox
from archiver.uploads.registry import DatasetUpload
from archiver.wording import counted

router = APIGatewayRouter()

# API Gateway and the function wait for 29 seconds. A hundred thousand files are compared in about half of the time.
_LONG_SECONDS = 26.0
_COMPARE_SECONDS = 15.0
_LIST_SECONDS = 18.0
# So many files are compared with what was noted of SciCat's list, which would take longer to read than all the rest.
_LONG_LIST = 20_000
# SciCat looks closer; what is no address at all is not worth a refusal of the whole dataset.
_EMAIL = re.compile(r"[^@\s;,]+@[^@\s;,]+")


@router.post(
    "/s3/requestDatasetUpload",
    tags=["uploads"],
    summary="Is there space for a dataset?",
    description="Space is kept until the dataset is archived or its upload is aborted. 507 means: ask again later.",
    status_code=HTTPStatus.CREATED,
    responses={
        HTTPStatus.CREATED: {
            "description": "There is",
            "content": {content_types.APPLICATION_JSON: {"model": SpaceGranted}},
        },
        HTTPStatus.INSUFFICIENT_STORAGE: {
            "description": "There is not, now",
            "content": {content_types.APPLICATION_JSON: {"model": SpaceRefused}},
        },
        **upload_targets.REFUSALS,
    },
    security=[BEARER],
)
def request(asked: Annotated[SpaceAsked, Body()]) -> Response[dict[str, Any]]:
    """Keeps space for a dataset: as much as is asked for, or as SciCat's list of files has if that is more."""
    dataset = upload_targets.dataset(asked.dataset_id)
    listed = Asked(lambda: _list(dataset.pid), Code.SCICAT_UNAVAILABLE, _LONG_SECONDS).answer()
    if listed is None:
        return _later(
            dataset.pid, asked, "SciCat's list of the dataset's files is long. Please ask again for the rest."
        )
    size = max(asked.dataset_size_gib * GIB, listed.size)
    free = quota.grant(dataset.pid, size, settings().landing_budget_gib * GIB)
    if free is not None:
        message = "There is not enough space for the dataset now. Please ask again later."
        return _later(dataset.pid, asked, message, free // GIB)
    upload = DatasetUpload(
        by_owner=authorization.owns(authentication.caller(), dataset),
        until=datetime.now(UTC) + quota.GRANTED_FOR,
        listed=listed,
        totals=dataset.totals,
    )
    if not registry.open_upload(dataset.pid, upload):
        raise _busy()
    upload_targets.forget(dataset.pid)
    granted = SpaceGranted(message="There is space for the dataset.")
    return Response(HTTPStatus.CREATED.value, content_types.APPLICATION_JSON, granted.model_dump())


def _list(pid: str) -> FilesNoted | None:
    return catalogue().blocks_of(pid, lambda blocks: known_files.note_list(pid, blocks, _LIST_SECONDS))


def _later(pid: str, asked: SpaceAsked, message: str, free: int = 0) -> Response[dict[str, Any]]:
    refused = SpaceRefused(
        message=message, dataset_id=pid, requested_size_gib=asked.dataset_size_gib, free_size_gib=free
    )
    return Response(HTTPStatus.INSUFFICIENT_STORAGE.value, content_types.APPLICATION_JSON, refused.model_dump())


def _busy() -> Refusal:
    message = "The upload of the dataset is being declared complete or given up. Please ask again in a minute."
    return Refusal(HTTPStatus.CONFLICT, RequestCode.DATASET_BUSY, message)


@router.post(
    "/s3/finalizeDatasetUpload",
    tags=["uploads"],
    summary="Every file of a dataset is uploaded",
    description="Compares what is there with SciCat's list, marks the dataset, and creates its job. May be repeated. "
    "What cannot be compared within 15 seconds is compared when it is archived.",
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.CREATED: {"description": "It is complete"}, **FOR_INGESTOR},
    security=[BEARER],
)
def finalize(asked: Annotated[FinalizeAsked, Body()]) -> DatasetDone:
    """Declares the upload of a dataset complete; afterwards nothing can be uploaded to it."""
    caller = authentication.caller()
    pid = authorization.writable(caller, asked.dataset_id).pid
    Asked(lambda: _finalize(pid, asked, caller), Code.SCICAT_UNAVAILABLE, _LONG_SECONDS).answer()
    return DatasetDone(dataset_id=pid, message="The upload of the dataset is complete.")


def _finalize(pid: str, asked: FinalizeAsked, caller: Caller) -> None:
    dataset, upload = catalogue().need_dataset(pid), registry.upload(pid)
    upload_targets.refuse_others(caller, dataset, upload)
    if _was_taken_over(dataset, upload):
        return
    if upload is not None and upload.state == "finalized" and not _is_opened_again(dataset, upload):
        _tell(pid)
    else:
        _declare_complete(dataset, upload)
    if asked.create_archiving_job:
        _ask_for_archiving(dataset, caller.username, asked.contact_email)


def _declare_complete(dataset: CatalogueDataset, upload: DatasetUpload | None) -> None:
    """Pin what lies there, if it is what SciCat lists, and tell SciCat. Refuses it otherwise, and leaves it open."""
    with registry.finalizing(dataset.pid) as finalizing:
        if finalizing is None:
            raise _busy()
        _refuse_open_uploads(dataset.pid)
        given_up = Event()
        seen = Asked(lambda: _seen(dataset, upload, given_up.is_set), Code.SCICAT_UNAVAILABLE, _COMPARE_SECONDS)
        # Archiving compares them in any case, and can be given other files then; the Ingestor asks here only once.
        if seen.is_late():
            # What is left to do would wait for its requests.
            given_up.set()
            logger.warning("there are too many files to compare them now", extra={"pid": dataset.pid})
        elif not finalizing.pin(seen.answer()):
            raise _busy()
        _tell(dataset.pid)
        if not finalizing.end():
            raise _busy()
    upload_targets.forget(dataset.pid)


def _tell(pid: str) -> None:
    catalogue().update_lifecycle(pid, **UPLOAD_COMPLETE)


def _is_opened_again(dataset: CatalogueDataset, upload: DatasetUpload) -> bool:
    return authorization.is_to_be_sent_again(dataset) and registry.reopen(dataset.pid, upload)


def _was_taken_over(dataset: CatalogueDataset, upload: DatasetUpload | None) -> bool:
    """Whether an earlier request declared it complete, and it is archived by now, or being archived."""
    try:
        authorization.refuse_locked(dataset)
    except Refusal:
        if upload is not None and upload.state == "finalized":
            return True
        raise
    return False


def _refuse_open_uploads(pid: str) -> None:
    prefix = Keys.uploads(pid)
    names = sorted({key.removeprefix(prefix) for key, _ in inbox().uploads(prefix)})
    if names:
        message = f"{counted(len(names), 'file is', 'files are')} still being uploaded."
        raise Refusal(HTTPStatus.CONFLICT, RequestCode.UPLOADS_OPEN, message, "\n".join(names[:MAX_NAMED_FILES]))


def _seen(dataset: CatalogueDataset, upload: DatasetUpload | None, given_up: Callable[[], bool]) -> FilesNoted:
    """What lies there. Refuses when these are not the files of SciCat's list, or have other sizes (422)."""
    known = upload.listed if upload is not None and upload.totals == dataset.totals else None
    if known is not None and known.files >= _LONG_LIST:
        seen = known_files.pin_listed(dataset.pid, known, given_up)
        if seen is not None:
            return seen
    # Another list by now, or what lies there is not what was listed: SciCat's own list tells the names.
    prefix = Keys.uploads(dataset.pid)
    listed = catalogue().files_of(dataset.pid, lambda files: sorted(files, key=byte_order))
    uploaded = sources.uploaded_at_once(Upload(prefix=prefix), [file.path for file in listed], given_up=given_up)
    try:
        matched = matching.match(listed, uploaded, prefix)
        return known_files.pin(dataset.pid, ((file.path, file.size, file.etag) for file in matched if file.etag))
    except DatasetRejected as error:
        why = error.reason
        details = "\n".join(why.files)
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, why.code, why.message, details) from None


def _ask_for_archiving(dataset: CatalogueDataset, username: str, contact_email: str) -> None:
    """Create the archive job, unless there is one. SciCat calls ``/archiver/jobs`` before it answers."""
    email = contact_email if _EMAIL.fullmatch(contact_email) else dataset.contact_email
    with registry.asking(dataset.pid) as first:
        if first and not any(job.unfinished for job in catalogue().jobs_of(dataset.pid, JobKind.ARCHIVE)):
            owner = {"owner_group": dataset.owner_group, "owner_user": username}
            catalogue().create_job(JobKind.ARCHIVE, [dataset.pid], **owner, contact_email=email)


@router.post(
    "/s3/abortDatasetUpload",
    tags=["uploads"],
    summary="A dataset will not be uploaded",
    description="Deletes what was uploaded of it, and frees its space. 503 means: not all of it yet. May be repeated.",
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.CREATED: {"description": "What was uploaded is deleted"}, **upload_targets.REFUSALS},
    security=[BEARER],
)
def abort(asked: Annotated[DatasetAsked, Body()]) -> DatasetDone:
    """Deletes what was uploaded of a dataset that is neither archived nor declared complete."""
    dataset = upload_targets.dataset(asked.dataset_id)
    if not Asked(lambda: registry.empty(dataset.pid), Code.S3_UNAVAILABLE).answer():
        raise _busy()
    upload_targets.forget(dataset.pid)
    return DatasetDone(dataset_id=dataset.pid, message="What was uploaded is deleted.")

"""Uploads of whole datasets: space for one is asked for, and in the end it is declared complete or given up."""

import re
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from archiver import datasets, landing_zone, storage
from archiver.errors import MAX_NAMED_FILES, Code, DatasetRejected
from archiver.filelist import byte_order
from archiver.http import access, auth, receiving
from archiver.http.auth import BEARER
from archiver.http.errors import FOR_INGESTOR, Refusal
from archiver.http.patience import Asked
from archiver.http.upload_bodies import (
    DatasetAsked,
    DatasetDone,
    FinalizeAsked,
    SpaceAsked,
    SpaceGranted,
    SpaceRefused,
)
from archiver.inbox import inbox
from archiver.keys import Keys
from archiver.models import CatalogueDataset, JobKind, Upload
from archiver.scicat import catalogue
from archiver.settings import GIB, settings
from archiver.wording import counted

router = APIGatewayRouter()
logger = Logger(service="archiver", child=True)

# API Gateway and the function wait for 29 seconds. A hundred thousand files are compared in about half of the time.
_FINALIZE_SECONDS = 26.0
_COMPARE_SECONDS = 15.0
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
        **receiving.REFUSALS,
    },
    security=[BEARER],
)
def request(asked: Annotated[SpaceAsked, Body()]) -> Response[dict[str, Any]]:
    """Keeps space for a dataset: as much as is asked for, or as SciCat knows it has if that is more."""
    dataset = receiving.dataset(asked.dataset_id)
    free = _grant(dataset.pid, max(asked.dataset_size_gib * GIB, dataset.totals.size))
    if free is not None and dataset.totals.size > asked.dataset_size_gib * GIB:
        # SciCat's sum has listed folders in it, at 4,096 bytes each: what fits without them need not wait for ever.
        files = Asked(lambda: _size_of_files(dataset.pid), Code.SCICAT_UNAVAILABLE).answer()
        free = _grant(dataset.pid, max(asked.dataset_size_gib * GIB, files))
    if free is None:
        granted = SpaceGranted(message="There is space for the dataset.")
        return Response(HTTPStatus.CREATED.value, content_types.APPLICATION_JSON, granted.model_dump())
    refused = SpaceRefused(
        message="There is not enough space for the dataset now. Please ask again later.",
        dataset_id=dataset.pid,
        requested_size_gib=asked.dataset_size_gib,
        free_size_gib=free // GIB,
    )
    return Response(HTTPStatus.INSUFFICIENT_STORAGE.value, content_types.APPLICATION_JSON, refused.model_dump())


def _grant(pid: str, size: int) -> int | None:
    return landing_zone.grant(pid, size, settings().landing_budget_gib * GIB)


def _size_of_files(pid: str) -> int:
    return catalogue().files_of(pid, lambda files: sum(map(datasets.size_of, filter(datasets.needs_bytes, files))))


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
    caller = auth.caller()
    pid = access.writable(caller, asked.dataset_id).pid
    Asked(lambda: _finalize(pid, asked, caller.username), Code.SCICAT_UNAVAILABLE, _FINALIZE_SECONDS).answer()
    return DatasetDone(dataset_id=pid, message="The upload of the dataset is complete.")


def _finalize(pid: str, asked: FinalizeAsked, username: str) -> None:
    dataset = catalogue().need_dataset(pid)
    if _was_taken_over(dataset):
        return
    _refuse_open_uploads(pid)
    compared = Asked(lambda: _refuse_other_files(dataset), Code.SCICAT_UNAVAILABLE, _COMPARE_SECONDS)
    # Archiving compares them in any case, and can be given other files then; the Ingestor asks here only once.
    if compared.is_late():
        logger.warning("there are too many files to compare them now", extra={"pid": pid})
    else:
        compared.answer()
    catalogue().update_lifecycle(pid, archiveStatusMessage="datasetCreated", archivable=True, retrievable=False)
    landing_zone.finalize(pid)
    receiving.forget(pid)
    if asked.create_archiving_job:
        _ask_for_archiving(dataset, username, asked.contact_email)


def _was_taken_over(dataset: CatalogueDataset) -> bool:
    """Whether an earlier request declared it complete, and it is archived by now, or being archived."""
    try:
        access.refuse_locked(dataset)
    except Refusal:
        if landing_zone.is_finalized(dataset.pid):
            return True
        raise
    return False


def _refuse_open_uploads(pid: str) -> None:
    prefix = Keys.uploads(pid)
    names = sorted({key.removeprefix(prefix) for key, _ in inbox().uploads(prefix)})
    if names:
        message = f"{counted(len(names), 'file is', 'files are')} still being uploaded."
        raise Refusal(HTTPStatus.CONFLICT, "uploads_open", message, "\n".join(names[:MAX_NAMED_FILES]))


def _refuse_other_files(dataset: CatalogueDataset) -> None:
    """Refuse when the files are not those of SciCat's list, or have other sizes (422)."""
    prefix = Keys.uploads(dataset.pid)
    listed = catalogue().files_of(dataset.pid, lambda files: sorted(files, key=byte_order))
    uploaded = storage.uploaded_at_once(Upload(prefix=prefix), [file.path for file in listed])
    try:
        for _ in datasets.match(listed, uploaded, prefix):
            pass
    except DatasetRejected as error:
        why = error.reason
        details = "\n".join(why.files)
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, why.code, why.message, details) from None


def _ask_for_archiving(dataset: CatalogueDataset, username: str, contact_email: str) -> None:
    """Create the archive job, unless there is one. SciCat calls ``/archiver/jobs`` before it answers."""
    email = contact_email if _EMAIL.fullmatch(contact_email) else dataset.contact_email
    with landing_zone.asking(dataset.pid) as first:
        if first and not any(job.unfinished for job in catalogue().jobs_of(dataset.pid, JobKind.ARCHIVE)):
            owner = {"owner_group": dataset.owner_group, "owner_user": username}
            catalogue().create_job(JobKind.ARCHIVE, [dataset.pid], **owner, contact_email=email)


@router.post(
    "/s3/abortDatasetUpload",
    tags=["uploads"],
    summary="A dataset will not be uploaded",
    description="Deletes what was uploaded of it, and frees its space. 503 means: not all of it yet. May be repeated.",
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.CREATED: {"description": "What was uploaded is deleted"}, **receiving.REFUSALS},
    security=[BEARER],
)
def abort(asked: Annotated[DatasetAsked, Body()]) -> DatasetDone:
    """Deletes what was uploaded of a dataset that is neither archived nor declared complete."""
    dataset = receiving.dataset(asked.dataset_id)
    Asked(lambda: landing_zone.empty(dataset.pid), Code.S3_UNAVAILABLE).answer()
    return DatasetDone(dataset_id=dataset.pid, message="What was uploaded is deleted.")

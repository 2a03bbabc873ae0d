"""Whether the landing files of a dataset may go, and which of them are archived."""

from collections.abc import Iterator
from enum import StrEnum

from archiver.deadline import deadline
from archiver.errors import ServiceRefused
from archiver.log import logger
from archiver.lts.long_term_storage import long_term_storage
from archiver.models.catalogue import RecordedDataset
from archiver.models.datablocks import SealedDatablock
from archiver.models.files import S3Object, Upload
from archiver.models.states import Run
from archiver.packaging import sealed_datablocks
from archiver.reporting import archived
from archiver.storage import buckets, sources
from archiver.storage.documents import OUTCOME, SNAPSHOT
from archiver.storage.run_folder import RunFolder


class Standing(StrEnum):
    """Whether all is as it must be before anything is deleted; else what is wrong."""

    ARCHIVED = "it is archived"
    TAKEN_BACK = "SciCat has none of its datablocks any more"
    LOST = "the long-term storage lost a tar"
    NOT_CALLED_ARCHIVED = "SciCat does not say that it is archived"


# What may be put right: the run keeps its lease, by which each sweep finds it and calls this step again.
FOR_THE_SWEEP = {Standing.LOST, Standing.NOT_CALLED_ARCHIVED}


def standing_of(run: Run, folder: RunFolder, verified: list[SealedDatablock]) -> Standing:
    """Whether all is as it must be; a tar that the storage lost is stored once more, and SciCat told once more."""
    dataset = archived.recorded(run.pid)
    registered = set() if dataset is None else {block.archive_id for block in dataset.datablocks}
    own = {datablock.key for datablock in verified}
    if dataset is None or not own & registered:
        return Standing.TAKEN_BACK
    lts = long_term_storage()
    lost = [datablock for datablock in verified if not lts.holds(datablock)]
    _store_again(lost, folder)
    if not all(lts.holds(datablock) for datablock in lost):
        return Standing.LOST
    if own <= registered and (archived.is_retrievable(dataset) or _is_told_again(run, dataset)):
        return Standing.ARCHIVED
    return Standing.NOT_CALLED_ARCHIVED


def _store_again(lost: list[SealedDatablock], folder: RunFolder) -> None:
    """Store the tars that still lie in staging; what was sent of a large one is gone on with by the next call."""
    sealed = {datablock.number: datablock.key for datablock in sealed_datablocks(folder)} if lost else {}
    for datablock in lost:
        source = sealed[datablock.number]
        if buckets.staging().head(source) is not None:
            logger.warning("a tar that the long-term storage lost is stored again", extra={"archive_id": datablock.key})
            try:
                long_term_storage().store(datablock, buckets.staging(), deadline(), source=source)
            except ServiceRefused as refused:
                logger.error("a tar cannot be stored again", extra={"reason": refused.reason.to_json()})


def _is_told_again(run: Run, dataset: RecordedDataset) -> bool:
    """Whether SciCat, which was told already and says otherwise by now, is told once more."""
    outcome = RunFolder(run.run_id).load(OUTCOME)
    return outcome is not None and outcome.outcome == "done" and archived.restore(dataset)


def empty_landing(pid: str, folder: RunFolder) -> tuple[str, list[str]] | None:
    """Delete the files that are archived; returns where they lay, and the paths of all others there.

    None when they are another dataset's by now: then none is deleted.
    """
    upload = sources.upload_of(pid)
    if not sources.owns_upload(pid, upload):
        return None
    left: list[str] = []
    changed = buckets.landing().delete_unchanged(_archived_files(upload, folder, left))
    return upload.prefix, left + [found.key.removeprefix(upload.prefix) for found in changed]


def _archived_files(upload: Upload, folder: RunFolder, left: list[str]) -> Iterator[S3Object]:
    """The objects of the files that were read and are unchanged; ``left`` gets the paths of all others.

    Both sides stand in the keys' byte order.
    """
    snapshot = folder.need(SNAPSHOT)
    files = folder.files(0, snapshot.entries)
    file = next(files, None)
    for found in sources.uploaded(upload):
        path = found.key.removeprefix(snapshot.prefix)
        while file is not None and file.path.encode() < path.encode():
            file = next(files, None)
        if file is not None and (file.path, file.etag) == (path, found.etag):
            yield found
        else:
            left.append(path)

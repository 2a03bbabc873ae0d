"""Where the files of a snapshot lie, and what is odd of them."""

from archiver.errors import Code, DatasetRejected
from archiver.log import logger
from archiver.models.files import Upload
from archiver.reporting.warnings import WARNINGS, ArchiveWarning
from archiver.storage import sources
from archiver.storage.run_folder import RunFolder


def own_upload(pid: str) -> Upload:
    """Where the dataset's files lie. Raises DatasetRejected(BAD_DROP) when they are another dataset's by now."""
    upload = sources.upload_of(pid)
    if not sources.owns_upload(pid, upload):
        raise DatasetRejected(Code.BAD_DROP, f"Another dataset was dropped in {upload.prefix} since.")
    return upload


def write_warnings(folder: RunFolder, warnings: list[ArchiveWarning]) -> None:
    """Write down what is odd and stays as it is; it is told when the dataset is archived."""
    for warning in warnings:
        logger.warning(warning.message, extra={"warning": warning.code})
    folder.save(WARNINGS, warnings)

"""Write dataset.status.json beside dataset.json, and tell SciCat when the drop is wrong."""

from archiver.ingest import DropEnded, DropReported
from archiver.ingest.documents import DROP, DROP_OUTCOME
from archiver.ingest.report import status_of, tell_catalogue, with_kept_files, write
from archiver.reporting.failures import reason_of
from archiver.step import step
from archiver.storage import leases
from archiver.storage.run_folder import RunFolder


@step
def handler(drop: DropEnded) -> DropReported:
    folder = RunFolder(drop.run_id)
    content = folder.load(DROP)
    reason = None if drop.failure is None else reason_of(drop.failure)
    status = folder.need(DROP_OUTCOME) if reason is None else status_of(reason)
    if status.status == "already_archived":
        status = with_kept_files(status, drop, content)
    try:
        if reason is not None and content is not None:
            tell_catalogue(reason, content, drop.execution_arn)
    finally:
        # After SciCat, so that whoever reads it finds the same there; and also when SciCat does not answer.
        write(status, drop, content)
    leases.release_lease(drop.prefix, drop.run_id)
    return DropReported(accepted=reason is None, code=status.code or status.status, message=status.message)

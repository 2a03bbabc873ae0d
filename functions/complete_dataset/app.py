"""Tell SciCat that the dataset is archived, when its records are exactly those of this run.

Raises ServiceRefused("lease_lost"), ServiceRefused("archive_id_conflict") and DatasetRejected("dataset_unknown").
"""

from archiver.errors import Code, ServiceRefused
from archiver.log import logger
from archiver.models.datablocks import SealedDatablock
from archiver.models.states import Run, RunOutcome
from archiver.reporting import archived, lifecycle, lost_edits
from archiver.reporting.warnings import WARNINGS, read_twice_warnings
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage import leases
from archiver.storage.documents import OUTCOME, SNAPSHOT, VERIFIED
from archiver.storage.run_folder import RunFolder
from archiver.wording import counted


@step
def handler(run: Run) -> Run:
    folder = RunFolder(run.run_id)
    verified = folder.need(VERIFIED)
    dataset = archived.need_recorded(run.pid)
    registered = {(block.archive_id, block.packed_size) for block in dataset.datablocks}
    if registered != {(datablock.key, datablock.packed_size) for datablock in verified}:
        raise ServiceRefused(Code.ARCHIVE_ID_CONFLICT, "SciCat's datablocks are not those that were archived.")
    leases.hold_lease(run.pid, run.run_id)
    packed_size = sum(datablock.packed_size for datablock in verified)
    entries = folder.need(SNAPSHOT).entries
    if not catalogue().mend_totals(run.pid, packed_size=packed_size, files_archived=entries):
        # The archive is whole all the same; SciCat's page shows another size.
        logger.error("SciCat counts what is archived wrong, and does not let this account mend it")
    files = counted(sum(datablock.files for datablock in verified), "file")
    message = f"{files} in {counted(len(verified), 'datablock')}"
    warnings = _warnings(folder, verified)
    told = lifecycle.archived_message(message, warnings)
    # The owner need not read a message that says no more than the status.
    shown = told if warnings else {}
    catalogue().update_lifecycle(run.pid, **lifecycle.ARCHIVED, **shown)
    lost_edits.warn(run.pid, told)
    folder.save(OUTCOME, RunOutcome(pid=run.pid, outcome="done", code="archived", message=message))
    return run


def _warnings(folder: RunFolder, verified: list[SealedDatablock]) -> list[dict[str, object]]:
    """What the dataset's owner should know of its files, where SciCat shows it; most need to know nothing."""
    warnings = folder.load(WARNINGS) or []
    warnings += read_twice_warnings(sum(datablock.read_twice for datablock in verified))
    return [warning.model_dump(mode="json") for warning in warnings]

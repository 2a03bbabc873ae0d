"""Take back what a failed run made, unless SciCat calls it the dataset's archive."""

from collections.abc import Sequence

from archiver.archive import runs
from archiver.aws import step_functions
from archiver.errors import Code, ServiceRefused, ServiceUnavailable
from archiver.keys import Keys
from archiver.log import logger
from archiver.models.catalogue import DatablockRecord
from archiver.models.states import RunFailed
from archiver.reporting import archived
from archiver.reporting.lifecycle import is_called_archived
from archiver.scicat import catalogue
from archiver.storage import buckets


def take_back(run: RunFailed) -> bool:
    """Take back what the run made, unless SciCat calls it the dataset's archive; returns whether it has one."""
    try:
        dataset = archived.recorded(run.pid)
    except (ServiceRefused, ServiceUnavailable) as error:
        # A run that ended waits no longer: its dataset would be called `started` until the list can be read.
        if isinstance(error, ServiceUnavailable) and not step_functions.has_ended(run.execution_arn):
            raise
        logger.error("records are left in SciCat, whose list cannot be read", extra={"reason": error.reason.to_json()})
        return _take_back_tars(run)
    if dataset is None:
        _delete_tars(run)
        return False
    own = archived.made_by(run.run_id, dataset)
    is_archived = bool(dataset.datablocks) and is_called_archived(dataset.lifecycle)
    is_own = archived.has_made(run.run_id, dataset) or len(own) == len(dataset.datablocks)
    if not (is_archived and is_own):
        _delete_records(run, own)
        _delete_tars(run)
    if is_archived:
        archived.clear_contradiction(run.pid, dataset.lifecycle)
    return is_archived


def _delete_records(run: RunFailed, own: Sequence[DatablockRecord]) -> None:
    """Delete the records that the run made; they stay where SciCat does not let the archiver remove any."""
    try:
        archived.take_back(run.pid, own)
    except ServiceRefused as refused:
        if refused.reason.code is not Code.SCICAT_FORBIDDEN:
            raise
        logger.error("records are left in SciCat: no right to remove them", extra={"reason": refused.reason.to_json()})


def _take_back_tars(run: RunFailed) -> bool:
    """As ``take_back``, of a dataset whose list cannot be read: what SciCat calls it must do."""
    dataset = catalogue().dataset(run.pid)
    is_archived = dataset is not None and is_called_archived(dataset.lifecycle)
    if not is_archived:
        _delete_tars(run)
    return is_archived


def _delete_tars(run: RunFailed) -> None:
    runs.abort_uploads(run)
    own = Keys.datablocks(run.pid, run.run_id)
    buckets.staging().delete(found.key for found in buckets.staging().list(own))

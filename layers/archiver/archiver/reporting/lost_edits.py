"""What somebody changed in SciCat while a run wrote there, and SciCat lost: a run's last look at its dataset."""

from collections.abc import Mapping, Sequence

from archiver.errors import ServiceRefused
from archiver.log import logger
from archiver.reporting.warnings import lost_edits_warning
from archiver.scicat import catalogue


def warn(pid: str, told: Mapping[str, object]) -> None:
    """Add a warning to the return message that the run has just ``told`` SciCat, if there is an edit to warn of.

    Nothing is put back: whose value is right, the owner knows alone.
    """
    fields = _lost_edits(pid)
    if not fields:
        return
    logger.error("SciCat lost what somebody changed while this run wrote there", extra={"pid": pid, "fields": fields})
    warning = lost_edits_warning(fields).model_dump(mode="json")
    messages = {name: message for name, message in told.items() if isinstance(message, dict)}
    warned = {
        name: message | {"warnings": [*message.get("warnings", ()), warning]} for name, message in messages.items()
    }
    catalogue().update_lifecycle(pid, **warned)


def _lost_edits(pid: str) -> Sequence[str]:
    try:
        return catalogue().lost_edits(pid)
    except ServiceRefused as refused:
        # What the run did is done, whether or not SciCat shows its history.
        logger.warning("SciCat does not show the dataset's history", extra={"pid": pid, "reason": str(refused)})
        return []

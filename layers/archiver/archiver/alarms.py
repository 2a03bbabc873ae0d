"""What a person must look at: a line in the log, and a count for an alarm of the template."""

from enum import StrEnum

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from archiver.log import logger


class Alarm(StrEnum):
    """What is counted; the template has an alarm for each, and docs/operations.md says what to do."""

    OVERDUE_RUNS = "OverdueRuns"
    SWEPT_IN_VAIN = "SweptInVain"
    CLEAN_UPS_REFUSED = "CleanUpsRefused"
    DATABLOCKS_DAMAGED = "DatablocksDamaged"


def sound(alarm: Alarm, message: str, error: Exception | None = None, **named: object) -> None:
    """Say ``message`` in the log, with what it is about, and count it."""
    logger.error(message, extra=named, exc_info=error)
    with single_metric(name=alarm, unit=MetricUnit.Count, value=1):
        pass

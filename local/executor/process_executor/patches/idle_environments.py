"""So many functions may wait for their next call; the process of the one that waited longest ends.

LocalStack keeps each for ten minutes after its last call: after a crowd these were hundreds, of some 30 MB each.

Written for localstack-core 4.14: ``localstack.services.lambda_.invocation.execution_environment``.
"""

import os
import threading
from collections import OrderedDict

from localstack.services.lambda_.invocation.execution_environment import (  # type: ignore[import-not-found]
    ExecutionEnvironment,
    RuntimeStatus,
)

_MOST_IDLE = int(os.environ["PROCESS_EXECUTOR_IDLE"])

_release = ExecutionEnvironment.release
_idle: OrderedDict[str, ExecutionEnvironment] = OrderedDict()
_lock = threading.Lock()


def end_the_idle() -> None:
    """Let no more than ``PROCESS_EXECUTOR_IDLE`` functions wait for their next call."""
    ExecutionEnvironment.release = _release_and_end_another


def _release_and_end_another(environment: ExecutionEnvironment) -> None:
    _release(environment)
    for ended in _surplus(environment):
        # As if its time had passed; one that was called meanwhile goes on.
        ended.keepalive_passed()


def _surplus(latest: ExecutionEnvironment) -> list[ExecutionEnvironment]:
    with _lock:
        _idle.pop(latest.id, None)
        _idle[latest.id] = latest
        waiting = [one for one in _idle.values() if one.status == RuntimeStatus.READY]
        for gone in _idle.keys() - {one.id for one in waiting}:
            del _idle[gone]
        return waiting[: max(0, len(waiting) - _MOST_IDLE)]

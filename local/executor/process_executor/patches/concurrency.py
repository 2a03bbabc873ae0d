"""What lets hundreds of executions share this machine: steps take turns, and nested executions are asked after less.

Turns go by the groups that own the jobs. On AWS the account's concurrency holds a crowd. Here every function at work is
a process, and LocalStack would start one for each of two hundred datasets. What the API calls does not wait, for a step
may wait for it during its turn.

Written for localstack-core 4.14: ``localstack.services.stepfunctions.asl``.
"""

import os
import threading
import time
from collections.abc import Mapping
from typing import Any

from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service import (  # type: ignore[import-not-found]
    state_task_service_callback,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.state_task_lambda import (  # type: ignore[import-not-found]
    StateTaskLambda,
)
from localstack.services.stepfunctions.asl.eval.environment import Environment  # type: ignore[import-not-found]

from .priority_semaphore import Turns

# LocalStack asks twice a second after each execution that another one waits for: that many questions keep it busy.
_QUESTIONS_PER_SECOND = 20

_attempt = StateTaskLambda._evaluate_with_timeout  # noqa: SLF001 # what waits for its turn must not time out
_turns = Turns(int(os.environ["PROCESS_EXECUTOR_AT_ONCE"]))


def hold_a_crowd() -> None:
    """Let so many steps work at once as ``PROCESS_EXECUTOR_AT_ONCE`` says, and share the questions among who asks."""
    StateTaskLambda._evaluate_with_timeout = _attempt_in_turn  # noqa: SLF001
    state_task_service_callback.time = _questions


def _attempt_in_turn(task: StateTaskLambda, env: Environment) -> None:
    """Wait, and only then let the state's time run: as on AWS, where nothing runs before there is room for it."""
    # The oldest execution first: datasets are done one after the other rather than all at the end.
    context = env.states.context_object.context_object_data
    with _turns.taken(rank=context["Execution"]["StartTime"], group=_group(context, env.states.get_input())):
        if not env.is_running():
            raise RuntimeError("The execution ended while this step waited for its turn.")
        _attempt(task, env)


def _group(context: Mapping[str, Any], given: object) -> str:
    """Whose work it is: the group that owns the job, or the drop once it was read; otherwise the workflow."""
    inputs = (said for said in (context["Execution"]["Input"], given) if isinstance(said, dict))
    group = next((said["owner_group"] for said in inputs if said.get("owner_group")), None)
    return f"group {group}" if group else context["StateMachine"]["Name"]


class _Questions:
    """Takes the place of ``time`` where a state sleeps between two questions."""

    def __init__(self) -> None:
        self._asking = 0
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        """Sleep for longer, the more others ask."""
        self._add(1)
        time.sleep(max(seconds, self._asking / _QUESTIONS_PER_SECOND))
        self._add(-1)

    def _add(self, asking: int) -> None:
        with self._lock:
            self._asking += asking


_questions = _Questions()

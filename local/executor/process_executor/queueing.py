"""Steps of workflows take turns: so many functions work at once on this machine, and the others wait in line.

On AWS the account's concurrency holds a crowd. Here every function at work is a process, and LocalStack would start
one for each of two hundred datasets. What the API calls does not wait, for a step may wait for it during its turn.

Written for localstack-core 4.14: ``localstack.services.stepfunctions.asl``.
"""

import os

from localstack.services.stepfunctions.asl.component.state.state_execution.state_task import (  # type: ignore[import-not-found]
    lambda_eval_utils,
)
from localstack.services.stepfunctions.asl.eval.environment import Environment  # type: ignore[import-not-found]

from .turns import Turns

_invoke = lambda_eval_utils.execute_lambda_function_integration
_turns = Turns(int(os.environ["PROCESS_EXECUTOR_AT_ONCE"]))


def let_steps_take_turns() -> None:
    """Let so many steps work at once as ``PROCESS_EXECUTOR_AT_ONCE`` says."""
    lambda_eval_utils.execute_lambda_function_integration = _invoke_in_turn


def _invoke_in_turn(env: Environment, **how: object) -> None:
    with _turns.taken():
        if not env.is_running():
            raise RuntimeError("The execution ended while this step waited for its turn.")
        _invoke(env=env, **how)

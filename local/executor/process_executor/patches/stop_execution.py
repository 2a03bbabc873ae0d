"""An execution that is stopped ends ``ABORTED``, as on AWS: LocalStack calls it failed when its Map is interrupted.

Written for localstack-core 4.14: ``localstack.services.stepfunctions.asl.eval``.
"""

from localstack.services.stepfunctions.asl.eval.environment import Environment  # type: ignore[import-not-found]
from localstack.services.stepfunctions.asl.eval.program_state import ProgramStopped  # type: ignore[import-not-found]

_fail = Environment.set_error


def let_a_stop_be_the_end() -> None:
    """What was stopped cannot fail any more."""
    Environment.set_error = _fail_unless_stopped


def _fail_unless_stopped(environment: Environment, error: object) -> None:
    if not isinstance(environment.program_state(), ProgramStopped):
        _fail(environment, error)

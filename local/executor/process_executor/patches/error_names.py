"""What Lambda itself refuses bears Lambda's name for it, as on AWS, so that a state's Retry finds it.

LocalStack calls all of it ``Exception``: a function at its reserved concurrency would fail the execution at once.
https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html

Written for localstack-core 4.14: ``localstack.services.stepfunctions.asl``.
"""

import json

from botocore.exceptions import ClientError
from localstack.services.stepfunctions.asl.component.common.error_name.failure_event import (  # type: ignore[import-not-found]
    FailureEvent,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.lambda_eval_utils import (  # type: ignore[import-not-found]
    LambdaFunctionErrorException,
)
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.state_task_lambda import (  # type: ignore[import-not-found]
    StateTaskLambda,
)
from localstack.services.stepfunctions.asl.eval.environment import Environment  # type: ignore[import-not-found]

_failure = StateTaskLambda._from_error  # noqa: SLF001 # the one place where a state's error gets its name


def name_refusals() -> None:
    """Let ``Lambda.TooManyRequestsException``, ``Lambda.ServiceException`` and their like be told apart."""
    StateTaskLambda._from_error = _named_failure  # noqa: SLF001


def _named_failure(task: StateTaskLambda, env: Environment, ex: Exception) -> FailureEvent:
    if isinstance(ex, ClientError):
        told = ex.response["Error"]
        named = {"errorType": f"Lambda.{told['Code']}", "errorMessage": told["Message"]}
        ex = LambdaFunctionErrorException(None, json.dumps(named))
    return _failure(task, env, ex)

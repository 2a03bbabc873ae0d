"""The AWS account that tests run in, and what Lambda gives a function there."""

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
# Nothing listens there: a test that talks to the catalogue asks for the fixture ``scicat``.
NOWHERE = "http://127.0.0.1:9"

BUCKETS = ("landing", "staging", "lts", "retrieval")
SECRETS = {
    "scicat": {"username": "archiver", "password": "archiver"},
    "scicat-jobs": {"username": "jobcreator", "password": "jobcreator"},
    "job-api": {"username": "scicat", "password": "any-job-password"},
    "link": {"key": "any-key-that-is-long-enough-to-sign-links"},
    "token": {"key": "any-key-that-is-long-enough-to-sign-tokens"},
}
# The page that explains the codes, as messages name it in tests.
CODES_PAGE = "https://archiver.example/codes"
# The environment of a function, as the template sets it.
ENVIRONMENT = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "LANDING_BUCKET": "landing",
    "STAGING_BUCKET": "staging",
    "LTS_BUCKET": "lts",
    "RETRIEVAL_BUCKET": "retrieval",
    "SCICAT_URL": NOWHERE,
    "SCICAT_SECRET": "scicat",
    "SCICAT_JOBS_SECRET": "scicat-jobs",
    "PID_PREFIX": "20.500.11935",
    "JOB_API_SECRET": "job-api",
    "LINK_SECRET": "link",
    "TOKEN_SECRET": "token",
    "PUBLIC_API_URL": f"{NOWHERE}/api/v1",
    "ERROR_CODES_URL": CODES_PAGE,
    "POWERTOOLS_METRICS_NAMESPACE": "any-stack",
}


def state_machine_arn(workflow: str) -> str:
    """The ARN that ``workflow`` (its file's stem) has in tests."""
    return f"arn:aws:states:{REGION}:{ACCOUNT_ID}:stateMachine:{workflow}"


def execution_arn(workflow: str, name: str) -> str:
    """The ARN that the execution ``name`` of ``workflow`` has in tests."""
    return f"arn:aws:states:{REGION}:{ACCOUNT_ID}:execution:{workflow}:{name}"


@dataclass(slots=True)
class LambdaContext:
    """Lambda's context object, as far as steps and Powertools read it. ``seconds`` remain."""

    function_name: str = "AnyFunction"
    seconds: float = 900.0
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:AnyFunction"
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def forget_what_processes_remember() -> None:
    """Empty every cache of our modules: a new test is a new process with another environment."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"archiver", "functions"}:
            for value in list(vars(module).values()):
                if callable(clear := getattr(value, "cache_clear", None)):
                    clear()

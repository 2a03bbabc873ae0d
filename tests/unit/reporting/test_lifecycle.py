"""What each failure means to SciCat."""

import json
from typing import Literal

import pytest

from archiver.errors import Code, DatasetRejected, Reason, ServiceUnavailable, reason
from archiver.models.states import Failure, JobKind, RunOutcome
from archiver.reporting import failures, job_status, lifecycle
from tests.support.account import CODES_PAGE

ANY_ARN = "arn:aws:states:eu-central-1:000000000000:execution:archive_dataset:any-run-1"
ANY_PID = "20.500.11935/5d73d87c-e2c4-47bc-9266-7da5ece1a7b2"
SECRET = "https://bucket.example/key?X-Amz-Signature=0123456789abcdef"

pytestmark = pytest.mark.usefixtures("environment")


def a_failure(error: str, cause: str = "") -> Failure:
    return Failure(error=error, cause=cause)


def a_lambda_failure(error: Exception) -> Failure:
    """A Catch's input after a function raised ``error``."""
    name = type(error).__name__
    cause = {"errorMessage": str(error), "errorType": name, "requestId": "any", "stackTrace": ["any line"]}
    return a_failure(name, json.dumps(cause))


def a_nested_failure(status: str, failure: Failure | None = None) -> Failure:
    """A Catch's input after a nested execution (startExecution.sync:2) ended badly."""
    execution = {"ExecutionArn": ANY_ARN, "Name": "any-run-1", "Status": status, "Input": "{}"}
    if failure is not None:
        execution |= {"Error": failure.error, "Cause": failure.cause}
    return a_failure("States.TaskFailed", json.dumps(execution))


def an_outcome(outcome: Literal["done", "rejected", "failed"], pid: str = ANY_PID) -> RunOutcome:
    return RunOutcome(pid=pid, outcome=outcome, code="any_code", message="Any message.")


@pytest.mark.parametrize("code", Code)
def test_no_report_of_a_failure_makes_a_dataset_both_archivable_and_retrievable(code: Code) -> None:
    archive = lifecycle.archive_report(Reason(code, "Any."), ANY_ARN)
    retrieve = lifecycle.retrieve_report(Reason(code, "Any."), ANY_ARN)

    assert archive is None or archive["retrievable"] is False
    assert retrieve is None or not {"archivable", "retrievable"} & retrieve.keys()


@pytest.mark.parametrize(
    "error",
    [
        DatasetRejected(Code.MISSING_FILES, "2 files are missing.", ["a/ü.mrc", 'b"\\.mrc']),
        ServiceUnavailable(Code.SCICAT_UNAVAILABLE, "SciCat did not answer."),
    ],
)
def test_the_reason_our_exceptions_carry_is_read_back(error: DatasetRejected | ServiceUnavailable) -> None:
    failure = a_lambda_failure(error)

    assert failures.reason_of(failure) == error.reason
    assert failures.reason_of(a_nested_failure("FAILED", failure)) == error.reason
    assert failures.reason_of(a_failure(failure.error, str(error))) == error.reason


def test_the_reason_of_a_workflow_that_ended_in_its_fail_state_is_read_back() -> None:
    failure = a_nested_failure("FAILED", a_failure("missing_files", "One file is missing."))

    assert failures.reason_of(failure) == Reason(Code.MISSING_FILES, "One file is missing.")


@pytest.mark.parametrize(
    ("status", "code"),
    [("ABORTED", Code.CANCELLED), ("TIMED_OUT", Code.TIMEOUT), ("FAILED", Code.INTERNAL), (None, Code.EXECUTION_LOST)],
)
def test_a_run_without_a_report_is_explained_by_its_execution(status: str | None, code: Code) -> None:
    assert failures.reason_of_silence(status).code == code


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (
            a_failure("Sandbox.Timedout", '{"errorMessage": "2026 any Task timed out after 900.00 seconds"}'),
            Code.TIMEOUT,
        ),
        (a_failure("States.Timeout"), Code.TIMEOUT),
        (a_failure("States.HeartbeatTimeout"), Code.TIMEOUT),
        (a_failure("Runtime.ExitError", '{"errorMessage": "signal: killed"}'), Code.OUT_OF_MEMORY),
        (a_failure("Runtime.OutOfMemory"), Code.OUT_OF_MEMORY),
        (a_lambda_failure(MemoryError()), Code.OUT_OF_MEMORY),
        (a_failure("ExecutionAborted"), Code.CANCELLED),
        (a_nested_failure("ABORTED"), Code.CANCELLED),
        (a_nested_failure("TIMED_OUT"), Code.TIMEOUT),
        (a_nested_failure("FAILED", a_failure("States.Timeout")), Code.TIMEOUT),
        (a_nested_failure("FAILED"), Code.INTERNAL),
        (a_failure("States.Runtime", "any sentence"), Code.INTERNAL),
        (a_lambda_failure(KeyError("any")), Code.INTERNAL),
        (a_failure("StepFunctions.ExecutionAlreadyExistsException"), Code.INTERNAL),
        (a_failure("", "[1, 2]"), Code.INTERNAL),
        (a_failure("DatasetRejected", '{"errorMessage": "{\\"code\\": \\"missing_files\\"}"}'), Code.INTERNAL),
        (a_failure("DatasetRejected", '{"errorMessage": "{\\"code\\": \\"never_heard_of\\"}"}'), Code.INTERNAL),
    ],
)
def test_what_the_platform_says_becomes_a_code(failure: Failure, code: Code) -> None:
    assert failures.reason_of(failure).code == code


@pytest.mark.parametrize(
    "failure", [a_lambda_failure(RuntimeError(SECRET)), a_failure(SECRET, SECRET), a_nested_failure(SECRET)]
)
def test_an_internal_error_tells_its_name_and_nothing_of_its_text(failure: Failure) -> None:
    told = failures.reason_of(failure)

    assert told.code == Code.INTERNAL
    assert "X-Amz" not in told.to_json()


def test_an_archiving_the_user_must_mend_is_reported_with_its_files() -> None:
    missing = reason(Code.MISSING_FILES, "150 files are missing.", [f"{number:03}.mrc" for number in range(150)])

    assert lifecycle.archive_report(missing, ANY_ARN) == {
        "archiveStatusMessage": "missingFilesError",
        "archivable": False,
        "retrievable": False,
        "archiveReturnMessage": {
            "code": "missing_files",
            "message": "150 files are missing.",
            "help": f"{CODES_PAGE}#missing_files",
            "files": [f"{number:03}.mrc" for number in range(100)],
            "count": 150,
        },
    }


def test_an_archiving_a_system_failed_may_be_tried_again() -> None:
    assert lifecycle.archive_report(Reason(Code.LTS_WRITE, "The LTS refused the write."), ANY_ARN) == {
        "archiveStatusMessage": "scheduleArchiveJobFailed",
        "archivable": True,
        "retrievable": False,
        "archiveReturnMessage": {
            "code": "lts_write",
            "message": "The LTS refused the write.",
            "help": f"{CODES_PAGE}#lts_write",
            "executionArn": ANY_ARN,
        },
    }


def test_a_dataset_that_another_run_writes_is_left_untouched() -> None:
    busy = Reason(Code.BUSY, "Another run archives it.")

    assert lifecycle.archive_report(busy, ANY_ARN) is None
    assert lifecycle.outcome_of(ANY_PID, busy).outcome == "failed"


def test_a_failed_retrieval_names_what_is_broken_and_leaves_the_flags() -> None:
    corrupt = reason(Code.CORRUPT_DATABLOCK, "A datablock is corrupt.", ["a_1.tar"])

    assert lifecycle.retrieve_report(corrupt, ANY_ARN) == {
        "retrieveStatusMessage": "scheduleRetrieveJobFailed",
        "retrieveReturnMessage": {
            "code": "corrupt_datablock",
            "message": "A datablock is corrupt.",
            "help": f"{CODES_PAGE}#corrupt_datablock",
            "files": ["a_1.tar"],
            "count": 1,
            "executionArn": ANY_ARN,
        },
    }


def test_a_retrieval_the_user_must_mend_names_no_execution() -> None:
    assert lifecycle.retrieve_report(Reason(Code.NOT_ARCHIVED, "It is not archived."), ANY_ARN) == {
        "retrieveStatusMessage": "scheduleRetrieveJobFailed",
        "retrieveReturnMessage": {
            "code": "not_archived",
            "message": "It is not archived.",
            "help": f"{CODES_PAGE}#not_archived",
        },
    }


def test_an_outcome_keeps_the_reason() -> None:
    missing = reason(Code.MISSING_FILES, "One file is missing.", ["a.mrc"])

    outcome = lifecycle.outcome_of(ANY_PID, missing)

    assert outcome == RunOutcome(
        pid=ANY_PID, outcome="rejected", code="missing_files", message="One file is missing.", files=("a.mrc",), count=1
    )
    assert failures.reason_written(outcome) == missing
    assert failures.reason_of(failures.failure_of(missing)) == missing


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ("done", "finishedSuccessful"),
        ("done done", "finishedSuccessful"),
        ("rejected", "finishedWithDatasetErrors"),
        ("done rejected", "finishedWithDatasetErrors"),
        ("done failed", "finishedWithDatasetErrors"),
        ("failed", "finishedUnsuccessful"),
        ("failed rejected", "finishedUnsuccessful"),
    ],
)
def test_a_jobs_status_is_computed_from_all_its_datasets(ends: str, status: str) -> None:
    outcomes = [
        RunOutcome.model_validate({"pid": "p", "outcome": end, "code": "c", "message": "m"}) for end in ends.split()
    ]

    assert job_status.job_report(JobKind.ARCHIVE, outcomes)[0] == status


def test_a_jobs_message_names_the_first_datasets_that_failed_and_counts_the_others() -> None:
    outcomes = [an_outcome("done"), *(an_outcome("rejected", f"any/{number}") for number in range(7))]

    _, message = job_status.job_report(JobKind.RETRIEVE, outcomes)

    assert message.startswith("1 of 8 datasets retrieved. any/0: any_code: Any message.; ")
    assert message.endswith(f"any/4: any_code: Any message.; and 2 more. See {CODES_PAGE}")


def test_a_job_that_was_not_begun_is_unsuccessful() -> None:
    assert job_status.job_refused(Reason(Code.NO_DATASETS, "The job names no datasets.")) == (
        "finishedUnsuccessful",
        f"no_datasets: The job names no datasets. See {CODES_PAGE}#no_datasets",
    )

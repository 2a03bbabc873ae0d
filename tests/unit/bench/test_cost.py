"""What an archive costs follows from its counts and the prices."""

import pytest

from bench.report.cost import TB, Work, bill, in_same_account, recall, scaled, storage, tiers


def some_work(**requests: int) -> Work:
    """Work with these requests to our own S3."""
    counted = {f"s3 {operation}": count for operation, count in requests.items()}
    return Work(files=10, size=TB // 1000, requests=counted, gb_seconds=0.0, calls=0, transitions=0)


@pytest.mark.parametrize(
    ("operation", "dollars"),
    [("PutObject", 5.0), ("UploadPartCopy", 5.0), ("ListParts", 5.0), ("GetObject", 0.4), ("HeadObject", 0.4)],
)
def test_a_million_requests_cost_what_their_kind_costs(operation: str, dollars: float) -> None:
    assert bill(some_work(**{operation: 10**6}), "GLACIER").whole == pytest.approx(dollars)


@pytest.mark.parametrize("operation", ["DeleteObjects", "AbortMultipartUpload"])
def test_what_is_taken_away_costs_nothing(operation: str) -> None:
    assert bill(some_work(**{operation: 10**6}), "GLACIER").whole == 0


def test_a_request_to_the_archive_costs_what_its_class_costs() -> None:
    work = Work(1, 1, {"elsewhere UploadPart": 1000}, gb_seconds=0.0, calls=0, transitions=0)
    assert bill(work, "DEEP_ARCHIVE").lts_requests == pytest.approx(0.05)
    assert bill(work, "GLACIER").lts_requests == pytest.approx(0.03)


def test_functions_and_workflows_are_billed_by_time_calls_and_transitions() -> None:
    work = Work(1, 1, {}, gb_seconds=1_000_000, calls=1_000_000, transitions=1_000)
    assert bill(work, "GLACIER").functions == pytest.approx(16.6667 + 0.2)
    assert bill(work, "GLACIER").workflows == pytest.approx(0.025)


def test_in_the_same_account_s3_copies_what_would_be_streamed() -> None:
    work = Work(1, 1, {"s3 GetObject": 105, "elsewhere UploadPart": 100}, gb_seconds=0.0, calls=0, transitions=0)
    assert in_same_account(work).requests == {"s3 GetObject": 5, "elsewhere UploadPart": 4}


def test_more_bytes_are_more_requests_but_not_more_transitions() -> None:
    work = Work(1, 100, {"s3 GetObject": 3}, gb_seconds=2.0, calls=7, transitions=49)
    assert scaled(work, 10) == Work(10, 1000, {"s3 GetObject": 30}, gb_seconds=20.0, calls=0, transitions=0)


@pytest.mark.parametrize(("days", "charged"), [(1, 180), (180, 180), (360, 360)])
def test_what_is_kept_for_less_than_its_class_asks_is_charged_for_all_of_it(days: int, charged: int) -> None:
    assert storage(TB, "DEEP_ARCHIVE", days) == pytest.approx(0.99 * charged / 30)


def test_a_recall_is_paid_by_bytes_and_by_datablocks() -> None:
    assert recall(TB, 1000, "GLACIER", "Standard") == pytest.approx(10.05)
    assert set(tiers()) >= {("GLACIER", "Bulk"), ("DEEP_ARCHIVE", "Standard")}

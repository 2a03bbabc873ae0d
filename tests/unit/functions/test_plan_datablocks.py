"""The work of a dataset is planned once, and shared by as many workers as there is work for."""

from collections.abc import Callable

import pytest

from archiver.packaging import planned_datablocks
from archiver.storage import buckets
from functions.plan_datablocks.app import handler
from tests.support.account import LambdaContext
from tests.support.dataset import ADataset, do_steps


def test_a_small_dataset_is_one_tar_and_one_lane(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, "claim_dataset", "snapshot_dataset", context=lambda_context)
    told = handler(dataset.run, lambda_context)
    assert told is not None
    assert (told["lanes"], told["datablock_lanes"]) == ([0], [0])
    (planned,) = planned_datablocks(dataset.folder)
    assert (planned.files, planned.size) == (2, 11)


def test_planning_again_after_a_crash_begins_no_second_upload(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, "claim_dataset", "snapshot_dataset", context=lambda_context)
    assert handler(dataset.run, lambda_context) == handler(dataset.run, lambda_context)
    assert len(list(buckets.staging().uploads(""))) == 1


def test_no_more_lanes_than_the_settings_allow(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("DATABLOCK_BYTES", str(10 * 1024**2))
    environment.setenv("LANES", "2")
    dataset = a_dataset(files={f"{n}.mrc": bytes(9 * 1024**2) for n in range(3)})
    do_steps(dataset, "claim_dataset", "snapshot_dataset", context=lambda_context)
    told = handler(dataset.run, lambda_context)
    assert told is not None
    assert (told["lanes"], told["datablock_lanes"]) == ([0, 1], [0, 1])

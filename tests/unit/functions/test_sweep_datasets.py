"""SciCat is told again of archived datasets that it calls archivable, and of nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from archiver.scicat import catalogue
from functions.sweep_datasets import app
from tests.support.account import LambdaContext
from tests.support.dataset import TO_COMPLETE, ADataset, a_datablock, do_steps
from tests.workflow.story import ARCHIVED

SWEEP = {"run_id": "sweep-1", "execution_arn": "arn:any:sweep"}


def sweep(context: LambdaContext, **progress: Any) -> dict[str, Any]:
    swept = app.handler(SWEEP | progress, context)
    assert swept is not None
    return swept


def flags(dataset: ADataset) -> dict[str, Any]:
    return {name: dataset.lifecycle[name] for name in ARCHIVED}


@pytest.fixture
def archived(a_dataset: Callable[..., ADataset], lambda_context: LambdaContext) -> ADataset:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, "clean_up_dataset", context=lambda_context)
    return dataset


def test_a_dataset_whose_owner_reset_its_lifecycle_is_called_archived_again(
    archived: ADataset, lambda_context: LambdaContext
) -> None:
    archived.scicat.reset_lifecycle(archived.pid)
    assert flags(archived) == {"archiveStatusMessage": "datasetCreated", "archivable": True, "retrievable": False}

    assert sweep(lambda_context)["did"] == {"archived datasets called so again": 1}

    assert flags(archived) == ARCHIVED


def test_a_dataset_that_its_owner_called_archivable_beside_retrievable_is_no_longer(
    archived: ADataset, lambda_context: LambdaContext
) -> None:
    archived.scicat.set_lifecycle(archived.pid, archivable=True)
    sweep(lambda_context)
    assert flags(archived) == ARCHIVED


def test_a_dataset_that_a_run_works_on_is_left_to_it(archived: ADataset, lambda_context: LambdaContext) -> None:
    archived.scicat.reset_lifecycle(archived.pid)
    archived.claim()
    sweep(lambda_context)
    assert flags(archived)["archiveStatusMessage"] == "datasetCreated"


def test_what_cannot_be_proven_is_left_as_it_is_and_those_after_it_are_looked_at(
    archived: ADataset, lambda_context: LambdaContext
) -> None:
    earlier = "20.500.11935/a-before-any"
    archived.scicat.add_dataset(earlier)
    catalogue().add_datablock(earlier, a_datablock("of/another/archiver.tar"))
    before = archived.scicat.lifecycle(earlier)
    archived.scicat.reset_lifecycle(archived.pid)

    sweep(lambda_context)

    assert archived.scicat.lifecycle(earlier) == before
    assert flags(archived) == ARCHIVED


def test_a_sweep_without_time_left_goes_on_where_it_stopped(
    archived: ADataset, lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived.scicat.reset_lifecycle(archived.pid)
    with monkeypatch.context() as patch:
        patch.setattr(app, "deadline", lambda: 0.0)
        assert sweep(lambda_context)["done"] is False
    assert sweep(lambda_context, cursor="zzz")["done"] is True
    assert flags(archived)["archivable"] is True
    assert sweep(lambda_context, cursor="")["done"] is True
    assert flags(archived) == ARCHIVED

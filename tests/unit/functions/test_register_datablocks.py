"""SciCat gets a record of each verified tar, once, with the SHA-256 of every file."""

import hashlib
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.archive import registering
from archiver.errors import DatasetRejected, ServiceRefused
from archiver.models import catalogue_entries
from archiver.models.catalogue import CatalogueFile
from archiver.models.datablocks import SealedDatablock
from archiver.models.files import SourceFile
from archiver.scicat import catalogue
from archiver.scicat.records import datablock_body
from archiver.tar.layout import Limits, plan
from functions.register_datablocks.app import handler
from tests.support.account import LambdaContext
from tests.support.catalogue import ANY_TIME
from tests.support.dataset import TO_VERIFIED, ADataset, do_steps


def test_f16_registering_twice_makes_one_record_with_every_files_sha256(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_VERIFIED, context=lambda_context)
    for _ in range(2):
        handler(dataset.run, lambda_context)
    found = catalogue().recorded_dataset(dataset.pid)
    assert found is not None
    (record,) = found.datablocks
    assert (record.size, record.chk_alg, record.version) == (11, "sha256", "2")
    assert record.packed_size > 0
    assert {file.path: file.chk for file in catalogue().datablock(dataset.pid, record).files} == {
        path: hashlib.sha256(body).hexdigest() for path, body in dataset.files.items()
    }


def test_d09_a_list_of_files_that_changed_meanwhile_rejects_the_dataset(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_VERIFIED, context=lambda_context)
    catalogue().add_origdatablock(dataset.pid, [CatalogueFile(path="late.mrc", size=1, time=ANY_TIME)], None)
    with pytest.raises(DatasetRejected, match="catalogue_changed"):
        handler(dataset.run, lambda_context)


def test_j06_a_run_whose_lease_was_taken_over_registers_nothing(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_VERIFIED, context=lambda_context)
    dataset.s3.delete_object(
        Bucket="staging", Key=dataset.s3.list_objects_v2(Bucket="staging", Prefix="leases/")["Contents"][0]["Key"]
    )
    with pytest.raises(ServiceRefused, match="lease_lost"):
        handler(dataset.run, lambda_context)


@given(st.lists(st.text('ab /"\\äß東🐈', min_size=1, max_size=12), min_size=10, max_size=40, unique=True))
def test_f19_no_record_is_larger_than_the_plan_allows(names: list[str]) -> None:
    limits = Limits(catalogue_bytes=12_000)
    paths = sorted(name * 80 for name in names)
    files = [SourceFile(path, 5, 0, time=ANY_TIME, perm="-rw-rw-r--", uid="1000", gid="1000") for path in paths]
    for planned in plan(files, limits):
        entries = files[planned.first : planned.first + planned.entries]
        listed = tuple(catalogue_entries.recorded(file, "0" * 64) for file in entries)
        sealed = SealedDatablock(planned.number, "any/key.tar", planned.files, planned.size, planned.packed_size, "any")
        body = orjson.dumps(datablock_body(registering.record_of(sealed, listed)))
        # Beside the files, a record says a few words of its tar.
        assert len(body) <= limits.catalogue_bytes + 200

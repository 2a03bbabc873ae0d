"""A datablock is a dataset's by its key and by its tar's own list of files, whatever SciCat records."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace

import pytest

from archiver.errors import Code, ServiceRefused
from archiver.keys import Keys
from archiver.models.catalogue import (
    CatalogueDatablock,
    CatalogueDataset,
    CatalogueFile,
    CatalogueTotals,
    DatablockRecord,
    RecordedDataset,
)
from archiver.tar import provenance
from tests.support.account import ROOT
from tests.support.archive import former_tar, our_tar

PID, OTHERS = "20.500.11935/any", "20.500.11935/others"
FILES = {"a.mrc": b"first", "back\\slash": b"second", "-": b"third", "ü/b.mrc": b""}


def of_run(pid: str = PID) -> str:
    return Keys.datablock(pid, "any-job-1", 7)


def a_datablock(key: str | None = None, version: str = "2") -> CatalogueDatablock:
    files = [CatalogueFile(path, len(body), "", hashlib.sha256(body).hexdigest()) for path, body in FILES.items()]
    folder = CatalogueFile("ü", 0, "", perm="drwxr-xr-x")
    return CatalogueDatablock(key or of_run(), 1, 1, "sha256", version, (*files, folder))


def members(tar: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return {member.name: (opened.extractfile(member) or io.BytesIO()).read() for member in opened}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("key", "is_own"),
    [
        (of_run(), True),
        (Keys.second_copy(of_run()), True),
        (of_run(OTHERS), False),
        (of_run(f"{PID}/datablocks/any-job-1"), False),
        (of_run("20.500.11935"), False),
        (Keys.selection(PID, "any-job-1", 1), False),
        ("elsewhere/any.tar", False),
        ("", False),
    ],
)
def test_a_name_says_whose_the_datablock_is(key: str, *, is_own: bool) -> None:
    assert provenance.is_stored_for(PID, key) is is_own


@pytest.mark.parametrize(
    ("prefixes", "key", "is_own"),
    [
        ("archive/", "archive/any.tar", True),
        ("archive/, old-", "old-any.tar", True),
        ("archive/", "archives/any.tar", False),
        ("archive/{pid}/", f"archive/{PID}/any.tar", True),
        ("archive/{pid}/", f"archive/{OTHERS}/any.tar", False),
        # Whatever is allowed: a tar that this archiver made is its own dataset's alone.
        ("openem-network/", of_run(OTHERS), False),
        ("openem-network/", of_run(), True),
        ("openem-network/datasets/{pid}/", f"openem-network/datasets/{PID}/any_0.tar.gz", True),
    ],
)
def test_an_operator_allows_what_another_archiver_named(
    environment: pytest.MonkeyPatch, prefixes: str, key: str, *, is_own: bool
) -> None:
    environment.setenv("FORMER_ARCHIVE_PREFIXES", prefixes)
    assert provenance.is_stored_for(PID, key) is is_own


def test_no_step_is_shown_what_counts_for_nothing() -> None:
    """Whoever asks SciCat for records asks by way of ``archived``."""
    sources = [*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers/archiver/archiver").rglob("*.py")]
    asking = {source.stem for source in sources if "recorded_dataset(" in source.read_text()}
    assert asking == {"archived", "client"}


@pytest.mark.usefixtures("environment")
def test_records_of_what_is_not_the_datasets_count_for_nothing() -> None:
    own, other = (DatablockRecord("any", key, 1, 1, "sha256", "2") for key in (of_run(), of_run(OTHERS)))
    totals = CatalogueTotals(1, 1, 1, 1)
    dataset = CatalogueDataset(PID, "group1", None, (), None, {}, totals, "")

    found = provenance.counted(RecordedDataset(dataset, (other, own)))

    assert (found.datablocks, found.others) == ((own,), (other,))


@pytest.mark.parametrize(("version", "pack"), [("2", lambda files: our_tar(files, 7)), ("1", former_tar)])
def test_a_tar_of_ours_has_the_list_of_the_files_that_are_recorded(
    version: str, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    entry = provenance.own_list(PID, a_datablock(version=version))
    assert entry is not None
    found = members(pack(FILES))[entry.path]
    assert (entry.size, entry.chk) == (len(found), hashlib.sha256(found).hexdigest())


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "datablock",
    [
        a_datablock(of_run(OTHERS)),
        a_datablock("elsewhere/any.tar"),
        a_datablock(version="1.0"),
        replace(a_datablock(), chk_alg="md5"),
        replace(a_datablock(), files=(CatalogueFile("a.mrc", 5, ""),)),
        replace(a_datablock(), files=(CatalogueFile("a.mrc", 5, "", "any"),)),
        replace(a_datablock(), files=(CatalogueFile("a\ud800", 5, "", "ab" * 32),)),
    ],
    ids=lambda datablock: f"{datablock.archive_id} {datablock.version}",
)
def test_what_this_archiver_would_not_have_recorded_cannot_be_proven(datablock: CatalogueDatablock) -> None:
    with pytest.raises(ServiceRefused) as refused:
        provenance.own_list(PID, datablock)
    assert refused.value.reason.code is Code.CORRUPT_DATABLOCK


def test_another_archivers_record_without_a_file_proves_nothing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FORMER_ARCHIVE_PREFIXES", "elsewhere/")
    datablock = a_datablock("elsewhere/any.tar", version="any")
    assert provenance.own_list(PID, datablock) is None
    with pytest.raises(ServiceRefused):
        provenance.own_list(PID, replace(datablock, files=datablock.files[-1:]))

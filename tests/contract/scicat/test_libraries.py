"""Scientists' libraries (scitacean, pyscicat) create, read and download datasets at the mock as at a real SciCat.

They were written against real ones: what the mock has wrong they do not understand.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import scitacean
from pyscicat.client import ScicatClient, ScicatCommError
from pyscicat.model import CreateDatasetOrigDatablockDto, DataFile, RawDataset
from scitacean.transfer.copy import CopyFileTransfer

from tests.contract.scicat.callers import Scicat, any_dataset

type StartScicat = Callable[..., Scicat]

FILES = {"a.mrc": b"any bytes", "ä 1.tif": b"", "b.tif": os.urandom(100_000)}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with the files of a dataset."""
    folder = tmp_path / "written"
    folder.mkdir()
    for name, body in FILES.items():
        (folder / name).write_bytes(body)
    return folder


def scitacean_at(scicat: Scicat, account: str = "user1") -> scitacean.Client:
    """A client that keeps files in a folder of this machine."""
    username, password = scicat.server.credentials(account)
    return scitacean.Client.from_credentials(
        url=f"{scicat.server.url}/api/v3",
        username=username,
        password=password,
        file_transfer=CopyFileTransfer(),
        allow_http=True,
    )


def pyscicat_at(scicat: Scicat, account: str = "user1") -> ScicatClient:
    username, password = scicat.server.credentials(account)
    return ScicatClient(base_url=f"{scicat.server.url}/api/v3", username=username, password=password)


def described(written: Path, stored: Path) -> scitacean.Dataset:
    """A dataset as a scientist describes it, with the files of a folder."""
    dataset = scitacean.Dataset(
        type="raw",
        name="any dataset",
        owner="User One",
        owner_group="group1",
        contact_email="user1@your.site",
        principal_investigators=["user1@your.site"],
        creation_location="ETHZ",
        source_folder=str(stored),
        meta={"voltage": {"value": 300, "unit": "kV"}},
    )
    dataset.add_files(*(scitacean.File.from_local(written / name, remote_path=name) for name in FILES))
    return dataset


def test_what_scitacean_uploads_it_downloads_again_with_every_byte(
    scicat: Scicat, written: Path, tmp_path: Path
) -> None:
    client = scitacean_at(scicat)

    uploaded = client.upload_new_dataset_now(described(written, tmp_path / "stored"))
    downloaded = client.download_files(client.get_dataset(str(uploaded.pid)), target=tmp_path / "downloaded")

    assert (downloaded.name, downloaded.meta["voltage"]) == ("any dataset", {"value": 300, "unit": "kV"})
    assert {file.remote_path.posix: Path(file.local_path or "").read_bytes() for file in downloaded.files} == FILES
    assert (downloaded.size, downloaded.number_of_files) == (sum(map(len, FILES.values())), len(FILES))


def test_scitacean_sees_what_the_archiver_says_of_a_dataset(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    told = {"archivable": False, "retrievable": True, "archiveStatusMessage": "datasetOnArchiveDisk"}
    scicat.by("archiver").ask("PATCH", f"/api/v3/datasets/{pid}/datasetlifecycle", told)

    lifecycle = scitacean_at(scicat).get_dataset(unquote(pid)).lifecycle

    assert lifecycle is not None
    assert (lifecycle.archivable, lifecycle.retrievable) == (False, True)
    assert lifecycle.archive_status_message == "datasetOnArchiveDisk"


def test_scitacean_is_refused_what_belongs_to_others(scicat: Scicat) -> None:
    pid = unquote(scicat.a_dataset())

    with pytest.raises(scitacean.ScicatCommError):
        scitacean_at(scicat, "user2").get_dataset(pid)


def test_pyscicat_registers_a_dataset_with_its_files_and_finds_it(scicat: Scicat) -> None:
    client = pyscicat_at(scicat)
    files = [
        DataFile(path=name, size=len(body), time="2026-11-23T08:00:00.000Z", chk=hashlib.sha256(body).hexdigest())
        for name, body in FILES.items()
    ]
    size = sum(file.size for file in files)

    pid = client.datasets_create(RawDataset(**any_dataset(datasetName="by pyscicat")))
    client.datasets_origdatablock_create(pid, CreateDatasetOrigDatablockDto(size=size, dataFileList=files))

    found: Any = client.datasets_get_one(pid)
    (block,) = listed(client.datasets_origdatablocks_get_one(pid))
    assert (found["datasetName"], found["size"], found["numberOfFiles"]) == ("by pyscicat", size, len(files))
    assert {file["path"]: file["chk"] for file in block["dataFileList"]} == {file.path: file.chk for file in files}
    assert [one["pid"] for one in listed(client.datasets_get_many({"datasetName": "by pyscicat"}))] == [pid]


def listed(answer: Any) -> list[dict[str, Any]]:
    """A list, which pyscicat declares an object."""
    assert isinstance(answer, list)
    return answer


@pytest.mark.parametrize(
    ("release", "answer"),
    [("master", "SESSION_EXPIRED"), ("5.2.1", "SESSION_EXPIRED"), ("4.28.0", "Forbidden resource")],
)
def test_a_session_that_ended_is_told_as_the_release_tells_it(
    start_scicat: StartScicat, release: str, answer: str
) -> None:
    scicat = start_scicat(release)
    client = pyscicat_at(scicat)

    scicat.server.logins.expire_tokens()
    with pytest.raises(ScicatCommError) as refused:
        client.datasets_create(RawDataset(**any_dataset()))

    assert answer in refused.value.message
    client.login()
    assert client.datasets_create(RawDataset(**any_dataset()))

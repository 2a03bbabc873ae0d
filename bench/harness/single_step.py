"""A program that does one step of the service for a dataset of so many files, with fakes, and says what it took.

``python -m bench.harness.single_step STEP FILES SIZE FOLDER``: each step finds what the last one left.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from archiver import packaging
from archiver.checksums import FileFingerprint
from archiver.ingest import DropContent
from archiver.ingest.documents import DROP
from archiver.keys import Keys
from archiver.models.datablocks import SealedDatablock
from archiver.models.states import Lease
from archiver.packaging.progress import fingerprints_document, sealed_document
from archiver.storage.documents import VERIFIED
from archiver.storage.run_folder import RunFolder
from bench.harness.fakes import PID, RUN_ID, Account, ManyFiles, an_account
from functions.match_drop.app import handler as match_drop

MEMORY_MB = 1024
_DROP = "incoming/any/"
_RUN = {
    "job_id": "any-job",
    "run_id": RUN_ID,
    "pid": PID,
    "execution_arn": "arn:aws:states:us-east-1:000000000000:execution:any:any",
    "prefix": _DROP,
    "settled": False,
}
# Steps of a drop, to whose dataset SciCat lists no files yet.
_INGEST = {"match_drop", "register_files"}


@dataclass(frozen=True, slots=True)
class Took:
    """What a step took: seconds, those of a processor, the most memory in MB; state and largest record in bytes."""

    step: str
    files: int
    seconds: float
    cpu: float
    memory_mb: float
    state_bytes: int
    record_bytes: int


class Context:
    """What Lambda gives a function: all the time there is."""

    function_name = "Any"
    aws_request_id = "any"
    memory_limit_in_mb = MEMORY_MB
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:Any"

    def get_remaining_time_in_millis(self) -> int:
        """A whole invocation's."""
        return 900_000


def take(step: str, files: ManyFiles, folder: Path) -> Took:
    """Do a step in this process."""
    with an_account(files, folder, lists_files=step not in _INGEST) as account:
        do = _PREPARATIONS.get(step) or importlib.import_module(f"functions.{step}.app").handler
        _before(step, account)
        begun, worked = time.monotonic(), time.process_time()
        state = do(_RUN, Context())
        seconds, cpu = time.monotonic() - begun, time.process_time() - worked
        return Took(step, files.count, seconds, cpu, peak_memory_mb(), len(json.dumps(state)), account.scicat.largest)


def peak_memory_mb() -> float:
    """The most memory that this process has had."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _before(step: str, account: Account) -> None:
    """What no step before it has left."""
    lease = Lease(run_id=RUN_ID, execution_arn=_RUN["execution_arn"])
    account.staging.put(Keys.lease(PID), lease.model_dump_json().encode())
    if step == "match_drop":
        content = DropContent(pid=PID, metadata={}, documents=("dataset.json",), chk_alg="sha256", listed=False)
        RunFolder(RUN_ID).save(DROP, content)
    if step in {"clean_up_dataset", "claim_retrieval"}:
        account.scicat.lifecycle["retrievable"] = True


def _seal(_run: object, _context: object) -> None:
    """Leave behind what sealing and verifying would, without a byte packed."""
    folder = RunFolder(RUN_ID)
    sealed = []
    for datablock in packaging.planned_datablocks(folder):
        key = Keys.datablock(PID, RUN_ID, datablock.number)
        sealed.append(
            SealedDatablock(
                datablock.number, key, datablock.files, datablock.size, datablock.packed_size, "AAAAAAAAAAA="
            )
        )
        files = packaging.files_of(folder, datablock.number)
        fingerprints = [FileFingerprint(file.path, file.size, _any_sha256(file.path), 1) for file in files]
        folder.save(sealed_document(datablock.number), sealed[-1])
        folder.save(fingerprints_document(datablock.number), fingerprints)
    folder.save(VERIFIED, sealed)


def _any_sha256(path: str) -> str:
    return sha256(path.encode()).hexdigest()


def _match(run: dict[str, Any], context: Context) -> object:
    """Look into the folder twice, as nothing comes in between."""
    return match_drop(run | (match_drop(run, context) or {}), context)


_PREPARATIONS: dict[str, Callable[..., Any]] = {"seal": _seal, "match_drop": _match}


if __name__ == "__main__":
    name, count, size, where = sys.argv[1:]
    print(json.dumps(asdict(take(name, ManyFiles(int(count), int(size)), Path(where)))))

"""The one place that builds S3 keys. The pid stands verbatim in keys; prefixes end with ``/``."""

import hashlib
import re
from typing import ClassVar, NamedTuple

# A run's folder, and in it a tar or its second copy.
_RUN_AND_NAME = re.compile(r"(?P<run>[0-9A-Za-z_-]{1,80})/(?:second/)?(?P<name>[^/]+)_(?P<number>[0-9]{1,9})\.tar")


class Made(NamedTuple):
    """What the key of a datablock tells: whose it is, which run made it, and its number in the dataset."""

    pid: str
    run_id: str
    number: int


class Keys:
    """Every key of the four buckets."""

    UPLOADS: ClassVar[str] = "openem-network/datasets/"
    DROPS: ClassVar[str] = "incoming/"
    LEASES: ClassVar[str] = "leases/"
    SWEEP_LEASE: ClassVar[str] = "sweeps/lease.json"
    ANSWERED_DROPS: ClassVar[str] = "sweeps/drops.json"
    DROP_MARKER: ClassVar[str] = "dataset.json"
    DROP_STATUS: ClassVar[str] = "dataset.status.json"

    @classmethod
    def uploads(cls, pid: str) -> str:
        """Landing: the prefix under which a dataset's files are uploaded through the API."""
        return f"{cls.UPLOADS}{pid}/raw_files/"

    @classmethod
    def datablocks(cls, pid: str, run_id: str) -> str:
        """Staging, LTS and retrieval: the prefix of the tars that a run made.

        The folder named after the run makes them unique to the attempt, so that no attempt overwrites
        another's.
        """
        return f"{cls.UPLOADS}{pid}/datablocks/{run_id}/"

    @classmethod
    def datablock(cls, pid: str, run_id: str, number: int) -> str:
        """Staging, LTS and retrieval: a datablock's tar; also its ``archiveId``."""
        return f"{cls.datablocks(pid, run_id)}{pid.replace('/', '-')}_{number}.tar"

    @staticmethod
    def second_copy(datablock: str) -> str:
        """LTS: where a datablock goes when the copy under its own key proved wrong; then its ``archiveId``."""
        run, _, name = datablock.rpartition("/")
        return f"{run}/second/{name}"

    @classmethod
    def selection(cls, pid: str, run_id: str, number: int) -> str:
        """Retrieval: a tar of the files that a retrieve job selected."""
        return f"{cls.datablocks(pid, run_id)}{pid.replace('/', '-')}_selected_{number}.tar"

    @classmethod
    def made(cls, datablock: str) -> Made | None:
        """What the key of a datablock, or of its second copy, tells; None when no run gives such a key to anything.

        No key can be read in two ways: the name at its end repeats the pid, without slashes.
        """
        folder, _, rest = datablock.rpartition("/datablocks/")
        pid, parts = folder.removeprefix(cls.UPLOADS), _RUN_AND_NAME.fullmatch(rest)
        if not folder.startswith(cls.UPLOADS) or parts is None or parts["name"] != pid.replace("/", "-"):
            return None
        return Made(pid, parts["run"], int(parts["number"]))

    @classmethod
    def is_selection(cls, key: str, pid: str) -> bool:
        """Whether the key is one that ``selection`` gives to this dataset."""
        rest = key.removeprefix(f"{cls.UPLOADS}{pid}/datablocks/")
        parts = _RUN_AND_NAME.fullmatch(rest) if rest != key else None
        return parts is not None and parts["name"] == f"{pid.replace('/', '-')}_selected"

    @classmethod
    def copy(cls, pid: str, archive_id: str) -> str:
        """Retrieval: where a datablock of the dataset waits, recalled and proven, for its reader.

        A name that another archiver gave does not tell whose it is: then each dataset has a copy of its own.
        """
        made = cls.made(archive_id)
        return archive_id if made is not None and made.pid == pid else f"{cls._former_copies(pid)}{archive_id}"

    @classmethod
    def former(cls, copy: str, pid: str) -> str | None:
        """The name that another archiver gave to a datablock whose ``copy`` this is, for this dataset."""
        folder = cls._former_copies(pid)
        return copy.removeprefix(folder) if copy.startswith(folder) else None

    @staticmethod
    def _former_copies(pid: str) -> str:
        return f"former/{_digest(pid)}/"

    RESULTS: ClassVar[str] = "results/"

    @classmethod
    def result(cls, job_id: str) -> str:
        """Retrieval: the list of a job's datablocks, when it is too long for SciCat's job."""
        return f"{cls.RESULTS}{job_id}.json"

    @classmethod
    def downloads(cls, job_id: str) -> str:
        """Retrieval: the same list as the download script reads it."""
        return f"{cls.RESULTS}{job_id}.tsv"

    @staticmethod
    def revocation(pid: str) -> str:
        """Retrieval: that links of a dataset were revoked; gone with the copies that they led to."""
        return f"revocations/{_digest(pid)}.json"

    @staticmethod
    def run(run_id: str, name: str = "") -> str:
        """Staging: a document of a run, or (without a name) the run's prefix."""
        return f"runs/{run_id}/{name}"

    @staticmethod
    def lease(pid: str) -> str:
        """Staging: the lease of a dataset."""
        return f"{Keys.LEASES}{_digest(pid)}.json"

    @staticmethod
    def delivery_lease(pid: str) -> str:
        """Staging: who brings a dataset's datablocks into the retrieval bucket."""
        return f"deliveries/{_digest(pid)}.json"

    @staticmethod
    def waits(archive_id: str) -> str:
        """Staging: the prefix of the runs that wait until a datablock is readable."""
        return f"waits/{_digest(archive_id)}/"

    @classmethod
    def wait(cls, archive_id: str, run_id: str) -> str:
        """Staging: a run's wait for a datablock."""
        return f"{cls.waits(archive_id)}{run_id}.json"

    @staticmethod
    def source(pid: str) -> str:
        """Staging: which drop a dataset came from; only the service writes it."""
        return f"sources/{_digest(pid)}.json"

    @staticmethod
    def owner(prefix: str) -> str:
        """Staging: which dataset a dropped folder belongs to; only the service writes it."""
        return f"sources/owners/{_digest(prefix)}.json"

    # Staging: how much space in the landing bucket is granted to which dataset.
    GRANTS: ClassVar[str] = "grants/granted.json"

    @staticmethod
    def upload_notes(pid: str) -> str:
        """Staging: the prefix of what is noted of a dataset's upload."""
        return f"uploads/{_digest(pid)}/"

    @classmethod
    def upload(cls, pid: str) -> str:
        """Staging: the state of a dataset's upload."""
        return f"{cls.upload_notes(pid)}upload.json"

    @classmethod
    def noted_files(cls, pid: str, name: str, shard: int) -> str:
        """Staging: a shard of a table of the files of a dataset's upload."""
        return f"{cls.upload_notes(pid)}files/{name}/{shard:04d}"

    @classmethod
    def noted_blocks(cls, pid: str) -> str:
        """Staging: the prefix of what is noted of SciCat's blocks of files, while there are others to be read."""
        return f"{cls.upload_notes(pid)}blocks/"

    @classmethod
    def noted_block(cls, pid: str, block_id: str) -> str:
        """Staging: what is noted of one of them."""
        return f"{cls.noted_blocks(pid)}{_digest(block_id)}.json"

    @classmethod
    def open_upload(cls, pid: str, key: str) -> str:
        """Staging: the multipart upload of one file."""
        return f"{cls.upload_notes(pid)}{_digest(key)}.json"

    @classmethod
    def asking(cls, pid: str) -> str:
        """Staging: that a request is asking SciCat for the archive job of a dataset."""
        return f"{cls.upload_notes(pid)}asking.json"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()

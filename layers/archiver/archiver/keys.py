"""The one place that builds S3 keys. The pid stands verbatim in keys; prefixes end with ``/``."""

import hashlib
from typing import ClassVar


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
    def run_of(cls, datablock: str) -> tuple[str, str] | None:
        """The pid and the run id of a datablock's key; None when the key is no datablock's."""
        folder, _, name = datablock.rpartition("/datablocks/")
        run_id, _, _ = name.partition("/")
        return (folder.removeprefix(cls.UPLOADS), run_id) if folder.startswith(cls.UPLOADS) and run_id else None

    @staticmethod
    def result(job_id: str) -> str:
        """Retrieval: the list of a job's datablocks, when it is too long for SciCat's job."""
        return f"results/{job_id}.json"

    @staticmethod
    def downloads(job_id: str) -> str:
        """Retrieval: the same list as the download script reads it."""
        return f"results/{job_id}.tsv"

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

"""One visit to a catalogue: what the checks share, and what has to be removed when it is over."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

from archiver.errors import ServiceRefused
from archiver.models.catalogue import CatalogueFile
from archiver.names import pid_of
from archiver.scicat import Catalogue, JobTypes
from local.configuration import Login
from local.doctor.direct import Direct
from local.doctor.listener import Listener
from local.doctor.patient import Patient

# Listed in two origdatablocks; their bytes are nowhere.
FILES = tuple(
    CatalogueFile(f"doctor/{name}.txt", 3, "2026-01-01T08:00:00.000Z", chk="ab" * 32, chk_alg="sha256")
    for name in ("first", "second")
)
# How long the archiver may take until it has done with a job whose files are missing.
PATIENCE_SECONDS = 45.0


@dataclass(slots=True)
class Visit:
    """A patient, asked by the archiver's client (``catalogue``) and, beside it, directly as each account."""

    patient: Patient
    catalogue: Catalogue
    nobody: Direct
    archiver: Direct
    creator: Direct
    listener: Listener | None = None
    patience: float = PATIENCE_SECONDS
    # The groups of the archiver's account, and its address.
    groups: tuple[str, ...] = ()
    email: str = "archiver@example.org"
    # The dataset that the checks work on; every one that was made, whether or not SciCat has told so.
    pid: str = ""
    made: list[str] = field(default_factory=list)
    # The job that the checks work on.
    job: str = ""
    # Every job that SciCat has told the id of.
    jobs: list[str] = field(default_factory=list)

    @classmethod
    def to(cls, patient: Patient, listener: Listener | None = None, patience: float = PATIENCE_SECONDS) -> Self:
        """Nothing is asked yet."""
        creator = patient.creator
        catalogue = Catalogue(
            patient.url,
            _credentials(patient.archiver),
            None if creator is None else _credentials(creator),
            JobTypes(for_groups=patient.group_job_type),
        )
        archiver = Direct(patient.url, patient.archiver)
        return cls(
            patient=patient,
            catalogue=catalogue,
            nobody=Direct(patient.url),
            archiver=archiver,
            creator=archiver if creator is None else Direct(patient.url, creator),
            listener=listener,
            patience=patience,
        )

    def close(self) -> None:
        """Close the connections."""
        for direct in (self.nobody, self.archiver, self.creator):
            direct.close()

    def new_pid(self) -> str:
        """A pid as dropped datasets get them."""
        return pid_of(self.patient.pid_prefix, uuid4())

    def metadata(self, owner_group: str) -> dict[str, Any]:
        """What is registered of a dataset (api v3)."""
        return {
            "type": "raw",
            "owner": "scopemarchiver doctor",
            "ownerGroup": owner_group,
            "contactEmail": self.email,
            "principalInvestigator": "scopemarchiver doctor",
            "creationLocation": "scopemarchiver doctor",
            "creationTime": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "sourceFolder": "/scopemarchiver/doctor",
            "datasetName": "scopemarchiver doctor",
            "description": "Made by `make doctor` of the archiver to see whether it can work here; may be deleted.",
            "datasetlifecycle": {"archivable": True, "archiveStatusMessage": "datasetCreated"},
        }

    def register(self, pid: str, owner_group: str) -> bool:
        """Create a dataset by the archiver's client, to be removed in any case. Raises as the client does."""
        self.made.append(pid)
        try:
            return self.catalogue.create_dataset(self.metadata(owner_group), pid)
        except ServiceRefused:
            self.made.remove(pid)
            raise

    def another_dataset(self, owner_group: str) -> str:
        """The pid of a new dataset: one of ours, or SciCat's own where it refuses that. Raises ServiceRefused."""
        pid = self.new_pid()
        try:
            self.register(pid, owner_group)
        except ServiceRefused:
            told = self.archiver.ask("POST", "/api/v3/datasets", self.metadata(owner_group))
            if not told.ok:
                raise
            pid = str(told.body["pid"])
            self.made.append(pid)
        return pid


def _credentials(login: Login) -> Callable[[], tuple[str, str]]:
    return lambda: (login.username, login.password)

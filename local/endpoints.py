"""``endpoints.json``: where everything is, for people, the demo and the tests."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from local.accounts import write_private
from local.configuration import Configuration, Login

BUCKETS = {
    "landing": "LandingBucketName",
    "staging": "StagingBucketName",
    "retrieval": "RetrievalBucketName",
    "lts": "LtsBucketName",
}
STATE_MACHINES = {
    "ingest": "IngestArn",
    "archive": "ArchiveArn",
    "archive_dataset": "ArchiveDatasetArn",
    "retrieve": "RetrieveArn",
    "retrieve_dataset": "RetrieveDatasetArn",
    "sweep": "SweepArn",
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of a running stack. ``accounts`` are those of the SciCat mock; none with an existing catalogue."""

    aws: str
    api: str
    docs: str
    scicat: str
    lts: str
    buckets: dict[str, str]
    stateMachines: dict[str, str]  # noqa: N815 # the name in the file
    logs: str
    accounts: dict[str, Login]

    @classmethod
    def of(cls, configuration: Configuration, outputs: dict[str, str], accounts: dict[str, Login]) -> "Endpoints":
        """The addresses that follow from the settings and from the ``outputs`` of the deployed template."""
        return cls(
            aws=configuration.aws_url,
            api=outputs["ApiUrl"],
            docs=f"{outputs['ApiUrl']}/docs",
            scicat=configuration.scicat_url,
            lts=configuration.lts_url,
            buckets={name: outputs[output] for name, output in BUCKETS.items()},
            stateMachines={name: outputs[output] for name, output in STATE_MACHINES.items()},
            logs=str(configuration.logs),
            accounts=accounts,
        )

    @classmethod
    def read(cls, file: Path) -> "Endpoints":
        """Read what ``write`` wrote. Raises FileNotFoundError when the stack is not up."""
        body = json.loads(file.read_text())
        accounts = {name: Login(**login) for name, login in body.pop("accounts").items()}
        return cls(**body, accounts=accounts)

    def write(self, file: Path) -> None:
        """Write the file; it holds passwords, so only this user can read it."""
        write_private(file, asdict(self))

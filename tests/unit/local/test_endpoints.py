"""``endpoints.json``."""

import json
from pathlib import Path

from local.configuration import Configuration, Login
from local.endpoints import BUCKETS, STATE_MACHINES, Endpoints

OUTPUTS = {name: f"any-{name}" for name in (*BUCKETS.values(), *STATE_MACHINES.values())} | {
    "ApiUrl": "http://localhost:4566/any/api/v1"
}


def test_file_has_the_names_of_the_architecture_page_and_is_read_back(tmp_path: Path) -> None:
    endpoints = Endpoints.of(Configuration.of({}), OUTPUTS, {"user1": Login("user1", "any-password")})
    file = tmp_path / "endpoints.json"
    endpoints.write(file)

    assert Endpoints.read(file) == endpoints
    assert json.loads(file.read_text()) == {
        "aws": "http://localhost:4566",
        "api": "http://localhost:4566/any/api/v1",
        "docs": "http://localhost:4566/any/api/v1/docs",
        "scicat": "http://localhost:3000",
        "lts": "http://localhost:7000",
        "buckets": {
            "landing": "any-LandingBucketName",
            "staging": "any-StagingBucketName",
            "retrieval": "any-RetrievalBucketName",
            "lts": "any-LtsBucketName",
        },
        "stateMachines": {
            "ingest": "any-IngestArn",
            "archive": "any-ArchiveArn",
            "archive_dataset": "any-ArchiveDatasetArn",
            "retrieve": "any-RetrieveArn",
            "retrieve_dataset": "any-RetrieveDatasetArn",
            "sweep": "any-SweepArn",
        },
        "logs": str(Configuration.of({}).logs),
        "accounts": {"user1": {"username": "user1", "password": "any-password"}},
    }

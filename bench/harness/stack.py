"""A local stack for the measurements, on ports and in a folder of its own unless the environment names one."""

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rich.console import Console

from archiver.aws import clients
from archiver.aws.s3 import Bucket
from local.accounts import Accounts
from local.client import Visitor, wait_for
from local.configuration import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Configuration
from local.deployment import Aws
from local.endpoints import Endpoints
from local.executor.process_executor.process_tree import children, descendants, kill
from local.executor.process_executor.sandbox import free_ports
from local.processes.services import Running, start_time
from local.progress import Progress
from local.stack import Stack

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Bare operations and the engine alone work in these, beside the service's own buckets.
LANDING, STAGING = "bench-landing", "bench-staging"
# What the mock of the long-term storage reads of the environment. What was measured is deleted again, for which the
# mock must be no tape: a whole run writes a hundred gigabytes.
_INHERITED = {
    "LTS_MOCK_WRITE_ONCE": "0",
    "LTS_MOCK_REPLICAS": "0",
}


@dataclass(frozen=True)
class RunningStack:
    """A stack that is up."""

    configuration: Configuration
    endpoints: Endpoints
    visitor: Visitor
    services: Sequence[Running]

    @cached_property
    def aws(self) -> Aws:
        """Clients of its AWS services."""
        return Aws(self.configuration)

    @cached_property
    def s3(self) -> "S3Client":
        """Its S3, asked as the service asks it."""
        return clients.s3_at(self.endpoints.aws, ACCESS_KEY_ID, SECRET_ACCESS_KEY)

    @cached_property
    def lts(self) -> Bucket:
        """Its long-term storage, which is another S3 service."""
        login = self.configuration.lts_login
        client = clients.s3_at(self.endpoints.lts, login.username, login.password)
        return Bucket(client, self.endpoints.buckets["lts"])

    def begin_anew(self) -> None:
        """End the functions' processes: the next call of each is a cold start."""
        (localstack,) = (service.pid for service in self.services if service.name == "LocalStack")
        emulators = children(localstack)
        kill([pid for emulator in emulators for pid in (emulator, *descendants(emulator))])
        wait_for("the end of the functions", 30, lambda: None if any(map(start_time, emulators)) else True)

    def forget(self) -> None:
        """Delete all tars: in staging, in the long-term storage, and where they are retrieved."""
        for bucket in (self.lts, *(self.bucket(self.endpoints.buckets[name]) for name in ("staging", "retrieval"))):
            bucket.delete(found.key for found in bucket.list("") if found.key.endswith(".tar"))

    def bucket(self, name: str) -> Bucket:
        """One of its buckets, which is made if it is not there."""
        if name not in {bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]}:
            self.s3.create_bucket(Bucket=name)
        return Bucket(self.s3, name)


@contextmanager
def a_stack(console: Console, given: Mapping[str, str] = os.environ) -> Iterator[RunningStack]:
    """A stack until the block ends; one that ``STATE_DIR`` names, and that was up before, stays up."""
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
    os.environ.update(_INHERITED)
    # Killed, it stops what it started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        environment = given if "STATE_DIR" in given else {**given, **_settings_of_its_own(folder)}
        configuration = Configuration.of(environment)
        stack = Stack.of(configuration, Progress(console))
        was_up = bool(stack.register.all())
        try:
            endpoints = stack.up()
            job_api = Accounts.read(configuration.accounts_file).job_api
            with closing(Visitor(endpoints, endpoints.accounts["user1"], job_api, configuration.lts_login)) as visitor:
                yield RunningStack(configuration, endpoints, visitor, stack.register.all())
        finally:
            if not was_up:
                stack.down()


def _settings_of_its_own(folder: str) -> dict[str, str]:
    localstack, scicat, lts = map(str, free_ports(3))
    ports = {"LOCALSTACK_PORT": localstack, "SCICAT_PORT": scicat, "LTS_PORT": lts}
    return {"STATE_DIR": folder, "SCICAT_URL": "", "LTS_ENDPOINT_URL": "", "DROP_QUIET_SECONDS": "1", **ports}

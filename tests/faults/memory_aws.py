"""An AWS account in memory: S3, secrets, and a stepper in place of Step Functions.

It remembers everything that was written or deleted, and by whom.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, override

from botocore.client import BaseClient
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.faults.stepper import AlreadyStarted, Stepper
from tests.faults.wire import Request, Wire
from tests.support.memory_account import MemoryAccount, Refused, Stored, said


@dataclass(frozen=True, slots=True)
class Change:
    """An object was written or deleted, by a worker (``run_id``) or by the test (empty), where ``before`` had been."""

    what: Literal["written", "deleted"]
    bucket: str
    key: str
    before: Stored | None
    run_id: str


def _altered(answer: Any) -> Any:
    """The same answer with a bit of its body flipped, if it has any."""
    body = bytearray(answer["Body"].read() if "Body" in answer else b"")
    if not body:
        return answer
    body[len(body) // 2] ^= 1
    return answer | {"Body": io.BytesIO(bytes(body))}


class MemoryAws(MemoryAccount):
    """The account, whose requests ``wire`` carries; ``changes`` is everything that was written, in order."""

    def __init__(self, wire: Wire, buckets: tuple[str, ...]) -> None:
        super().__init__(buckets)
        self.wire = wire
        self.changes: list[Change] = []
        self.stepper: Stepper | None = None

    @override
    def answer(self, client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
        done = partial(super().answer, client, operation, request)

        def altered() -> Any:
            if "Body" in request:
                named: Any = client.exceptions.from_code("BadDigest")
                raise named(said("BadDigest"), operation)
            return _altered(done())

        refusal = ClientError(said("InternalError"), operation)
        silence = ConnectionClosedError(endpoint_url="http://any")
        return self.wire.carry(self._service(client, request), Request(done, refusal, silence, altered))

    def _service(self, client: BaseClient, request: Mapping[str, Any]) -> str:
        name = client.meta.service_model.service_name
        return "lts" if request.get("Bucket") == "lts" else {"stepfunctions": "states"}.get(name, name)

    @override
    def put(self, bucket: str, key: str, stored: Stored) -> None:
        self._note("written", bucket, key)
        super().put(bucket, key, stored)

    @override
    def remove(self, bucket: str, key: str) -> None:
        if key in self.buckets[bucket]:
            self._note("deleted", bucket, key)
        super().remove(bucket, key)

    def _note(self, what: Literal["written", "deleted"], bucket: str, key: str) -> None:
        worker = self.wire.worker
        before = self.buckets[bucket].get(key)
        self.changes.append(Change(what, bucket, key, before, worker.run_id if worker else ""))

    # Step Functions

    def _start_execution(self, request: dict[str, Any]) -> Any:
        try:
            execution = self._stepper().start(request["stateMachineArn"], request["name"], request["input"])
        except AlreadyStarted:
            raise Refused("ExecutionAlreadyExists") from None
        return {"executionArn": execution.arn}

    def _describe_execution(self, request: dict[str, Any]) -> Any:
        execution = self._stepper().executions.get(request["executionArn"])
        if execution is None:
            raise Refused("ExecutionDoesNotExist")
        answer = {"status": execution.status, "executionArn": execution.arn, "input": execution.state}
        return answer if execution.ended is None else answer | {"stopDate": execution.ended}

    def _stop_execution(self, request: dict[str, Any]) -> Any:
        if request["executionArn"] not in self._stepper().executions:
            raise Refused("ExecutionDoesNotExist")
        self._stepper().stop(request["executionArn"])
        return {}

    def _send_task_success(self, request: dict[str, Any]) -> Any:
        if not self._stepper().give_back(request["taskToken"]):
            raise Refused("TaskDoesNotExist")
        return {}

    def _stepper(self) -> Stepper:
        assert self.stepper is not None
        return self.stepper

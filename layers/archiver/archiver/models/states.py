"""What travels between steps, and what a run writes down in S3.

A state carries names and counts only; lists of files and datablocks lie in the run's folder in
the staging bucket (``storage.RunFolder``).
"""

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# SciCat's pid: a prefix and an id, e.g. 20.500.11935/5d73d87c-e2c4-47bc-9266-7da5ece1a7b2.
# Any of SciCat's is taken into a job: the run of one that cannot be a dataset here refuses it (``names.wrong_pid``).
Pid = Annotated[str, StringConstraints(min_length=1)]
# A run is named like its Step Functions execution.
RunId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,80}$")]


class State(BaseModel):
    """A step's input or output: immutable, and other fields of the state are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Lease(BaseModel):
    """Who may write a dataset, or take in a drop: one run, for as long as its execution goes on.

    ``subject`` is the dataset's pid or the drop's prefix. A run whose execution ended without giving its lease
    back is settled by a sweep: ``swept_by`` is that sweep's execution, and the run itself may write no more.
    """

    run_id: RunId
    execution_arn: str
    subject: str = ""
    swept_by: str = ""

    @property
    def worker_arn(self) -> str:
        """The execution that works on the subject now; when it has ended, nobody does."""
        return self.swept_by or self.execution_arn


class Failure(BaseModel):
    """What a Catch hands over: the exception's bare name, and Step Functions' text about it."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    error: str = Field(alias="Error")
    cause: str = Field(default="", alias="Cause")


class ObjectEvent(State):
    """The parts of S3's event that name the object (docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html)."""

    class Detail(State):
        """What happened where."""

        class Bucket(State):
            """The bucket."""

            name: str

        class Object(State):
            """The object; LocalStack percent-encodes its key, AWS does not."""

            key: str
            etag: str = ""

        bucket: Bucket
        object: Object

    detail: Detail

    @property
    def possible_keys(self) -> tuple[str, ...]:
        """The key as it is told, then decoded."""
        told = self.detail.object.key
        return tuple(dict.fromkeys((told, unquote(told))))


class JobKind(StrEnum):
    """The jobs of the catalogue that this service does."""

    ARCHIVE = "archive"
    RETRIEVE = "retrieve"


class JobRequest(State):
    """What starts the workflows ``archive`` and ``retrieve``; where many wait, turns go by the owner groups of jobs."""

    job_id: RunId
    kind: JobKind
    owner_group: str = ""


class Run(State):
    """One attempt at one dataset; it owns everything it makes under ``run_id``."""

    job_id: RunId
    run_id: RunId
    pid: Pid


class JobBegun(JobRequest):
    """The runs of a job, one for each dataset."""

    runs: tuple[Run, ...]


class JobEnded(JobRequest):
    """The end of a job's work: ``failure`` when it was not even begun."""

    failure: Failure | None = None


class JobReported(State):
    """What the catalogue was told of a job."""

    status: str
    message: str


class RunStarted(Run):
    """A run with the ARN of the execution that does it."""

    execution_arn: str


class RunClaimed(RunStarted):
    """A run that is the one writer of its dataset; ``archived``: there is nothing left to do."""

    archived: bool


class RunMatched(Run):
    """A run whose files are pinned; ``offline``: some may have to be brought back from tape before they are read."""

    offline: bool


class UploadsProgress(Run):
    """How far the files on tape are: those before ``asked`` were asked for, those before ``readable`` can be read.

    Both are indexes into the run's list of files. Since then it waits ``since``; it looks again after
    ``wait_seconds``, 0 when all can be read.
    """

    asked: int = 0
    readable: int = 0
    since: datetime | None = None
    wait_seconds: int = 0


class RunLanes(Run):
    """The workers of a run: each takes every n-th piece of the work, which n workers share.

    ``lanes`` share the slices; ``datablock_lanes``, mostly fewer, the datablocks.
    """

    lanes: tuple[int, ...]
    datablock_lanes: tuple[int, ...]


class LaneWork(Run):
    """The share of one worker, which was called ``calls`` times for it."""

    lane: int
    lanes: int
    calls: int = 0

    def reached(self, *, done: bool, wait_seconds: int = 0, on_tape: bool = False) -> "LaneDone":
        """How far the worker is after one more call."""
        known = self.model_dump() | {"calls": self.calls + 1}
        return LaneDone(**known, done=done, wait_seconds=wait_seconds, on_tape=on_tape)


class LaneDone(LaneWork):
    """Whether a worker's share is finished; if not, it is called again, after ``wait_seconds``, and goes on.

    ``on_tape``: some of it must be recalled (again) before it can be finished.
    """

    done: bool
    wait_seconds: int = 0
    on_tape: bool = False


class Shares(State):
    """What the workers of a retrieval answered (LaneDone), as the text of a JSON list."""

    done: str

    @property
    def on_tape(self) -> bool:
        """Whether one of them could not read what it should."""
        return any(LaneDone.model_validate(lane).on_tape for lane in json.loads(self.done))


class RecallProgress(RunStarted):
    """A retrieval with its workers, and how far the recall of its datablocks is.

    It waits ``since`` then, ``asked_again`` then (or did not), and looks again after ``wait_seconds``, or earlier
    when the document ``wait_key`` in staging says so; 0: there is nothing left to wait for. ``unread_since``: so long
    workers come back (with ``shares``) that could not read what the storage calls readable.
    """

    lanes: tuple[int, ...]
    shares: Shares | None = None
    unread_since: datetime | None = None
    since: datetime | None = None
    asked_again: datetime | None = None
    wait_seconds: int = 0
    wait_key: str = ""


class Wait(BaseModel):
    """A workflow that waits until somebody gives its ``token`` back."""

    token: str


class WaitsEnded(State):
    """How many waits an event ended."""

    ended: int


class RunFailed(RunStarted):
    """A run that a Catch ended."""

    failure: Failure


class RunRolledBack(RunFailed):
    """A failed run that took back what it made; ``archived``: it had come through after all.

    ``pending``: its archive is verified and kept, and SciCat will be told as soon as it answers.
    """

    archived: bool
    pending: bool = False


class RunReported(State):
    """What the console shows of a failed run."""

    code: str
    message: str


class SweepStarted(State):
    """A sweep: the execution that puts right what others left behind."""

    run_id: RunId
    execution_arn: str


class SweepClaimed(SweepStarted):
    """A sweep that is the only one (``alone``), or has nothing to do."""

    alone: bool


class SweepProgress(SweepStarted):
    """How far a sweep is with one of its parts: all up to ``cursor``, or everything (``done``).

    ``calls`` is how often its functions were called for this part, ``did`` what they did and how often, ``failed`` how
    much they could not do.
    """

    part: str = ""
    cursor: str = ""
    done: bool = False
    calls: int = 0
    did: dict[str, int] = {}
    failed: int = 0


class RunToSettle(State):
    """A run whose execution ended and left its lease, and how the run is to end.

    ``register``: its archive is verified and SciCat must be told; ``clean_up``: SciCat was told; ``roll_back``: it
    came to nothing, because of ``failure``, as far as can be said after ``wait_seconds``; ``drop``: the ingest of
    the folder ``prefix``.
    """

    ending: Literal["register", "clean_up", "roll_back", "drop"]
    job_id: str
    run_id: RunId
    pid: str
    prefix: str
    execution_arn: str
    failure: Failure | None = None
    wait_seconds: int = 0


class RunsSwept(SweepProgress):
    """The next few runs to settle."""

    runs: tuple[RunToSettle, ...] = ()


class JobsSwept(SweepProgress):
    """The next few jobs to finish; ``runs_found``: others follow when runs that were found with them are settled."""

    jobs: tuple[JobEnded, ...] = ()
    runs_found: bool = False


class Snapshot(BaseModel):
    """What a run works on: so many files and bytes, and the fingerprint of the catalogue's list.

    ``entries`` is the length of the run's list: directories and links stand in it beside the ``files``.
    """

    prefix: str
    entries: int
    files: int
    size: int
    catalogue: str


class RunOutcome(BaseModel):
    """How a run ended, as the job's status and a person need it."""

    pid: Pid
    # Pending: the archive is verified, and SciCat does not answer.
    outcome: Literal["done", "rejected", "failed", "pending"]
    code: str
    message: str
    files: tuple[str, ...] = ()
    # How many files it is about, of which ``files`` names the first hundred.
    count: int = 0
    # Whether the dataset's own record tells it, too.
    reported: bool = True

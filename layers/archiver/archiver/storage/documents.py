"""The documents of jobs and runs that several rooms know; a verb's own stand in its room (``documents`` there)."""

from archiver.models.datablocks import SealedDatablock, WantedDatablock
from archiver.models.documents import Document
from archiver.models.states import JobBegun, JobReported, RunOutcome, Snapshot

# Of a job: its runs, and what SciCat did not take of its end.
JOB = Document("job.json", JobBegun)
UNTOLD = Document("untold.json", JobReported)

# Of a run: what it works on, what it made, and how it ended.
SNAPSHOT = Document("snapshot.json", Snapshot)
VERIFIED = Document("verified.json", list[SealedDatablock])
WANTED = Document("datablocks.json", list[WantedDatablock])
OUTCOME = Document("outcome.json", RunOutcome)

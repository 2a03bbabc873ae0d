"""A document of a run has one name, which stays: what is written today is read by every later release."""

import archiver.ingest.documents
import archiver.packaging.progress
import archiver.reporting.warnings
import archiver.retrieve.documents
import archiver.storage.documents
from archiver.models.documents import Document

ROOMS = (
    archiver.ingest.documents,
    archiver.packaging.progress,
    archiver.reporting.warnings,
    archiver.retrieve.documents,
    archiver.storage.documents,
)


def test_the_documents_of_runs_keep_their_names() -> None:
    named = {name: one.name for room in ROOMS for name, one in vars(room).items() if isinstance(one, Document)}

    assert named == {
        "DROP": "drop.json",
        "DROP_OUTCOME": "outcome.json",
        "EARLIER_JOBS": "jobs.json",
        "JOB": "job.json",
        "LISTED": "listed.json",
        "MATCHED": "matched.json",
        "OUTCOME": "outcome.json",
        "PASSED_OVER": "passed_over.json",
        "PLAN": "plan.json",
        "RECALLS": "recalls.json",
        "REQUEST": "request.json",
        "SNAPSHOT": "snapshot.json",
        "UNTOLD": "untold.json",
        "VERIFIED": "verified.json",
        "WANTED": "datablocks.json",
        "WARNINGS": "remarks.json",
    }

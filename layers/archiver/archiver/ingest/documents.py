"""The documents of an ingest, in its run's folder."""

from archiver.ingest.dataset_json import ListedFile
from archiver.ingest.states import DropContent, DropStatus, FileCount
from archiver.models.documents import Document

DROP = Document("drop.json", DropContent)
LISTED = Document("listed.json", list[ListedFile])
MATCHED = Document("matched.json", FileCount)
# The jobs that the dataset had before this ingest asked for one.
EARLIER_JOBS = Document("jobs.json", list[str])
DROP_OUTCOME = Document("outcome.json", DropStatus)

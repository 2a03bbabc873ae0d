"""The documents of a retrieval, in its run's folder: of each datablock one with its record, and how it ended."""

from archiver.models.catalogue import CatalogueDatablock
from archiver.models.datablocks import WantedDatablock
from archiver.models.documents import Document
from archiver.retrieve.delivery import Delivered, Refused
from archiver.scicat import Job

# What SciCat's job asks for; it lies in the job's folder.
REQUEST = Document("request.json", Job)
# How many records of other archivers were passed over.
PASSED_OVER = Document("passed_over.json", int)
# How often each datablock was asked for since it could last be read.
RECALLS = Document("recalls.json", dict[str, int])

DELIVERED, REFUSED = "delivered/", "refused/"


def record(datablock: WantedDatablock) -> Document[CatalogueDatablock]:
    """What SciCat records of it, with all its files."""
    return Document(f"datablocks/{_name(datablock)}", CatalogueDatablock)


def delivered(datablock: WantedDatablock) -> Document[Delivered]:
    """That it was delivered."""
    return Document(DELIVERED + _name(datablock), Delivered)


def refused(datablock: WantedDatablock) -> Document[Refused]:
    """Why it cannot be delivered."""
    return Document(REFUSED + _name(datablock), Refused)


def _name(datablock: WantedDatablock) -> str:
    return f"{datablock.number:06d}.json"

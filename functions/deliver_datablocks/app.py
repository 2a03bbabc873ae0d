"""Copy a worker's share of the datablocks into the retrieval bucket, each proven byte by byte on its way.

One that is damaged is written down as refused, and one that tape let go again is asked for again: the
others are delivered all the same. Of a job that names files only these are copied, into a tar of their own;
ServiceRefused (``corrupt_datablock``) names those that are damaged.
"""

import time

from archiver.deadline import deadline
from archiver.lts.long_term_storage import long_term_storage
from archiver.models.states import LaneDone, LaneWork
from archiver.retrieve import documents, extraction
from archiver.retrieve.settling import extract_selection, recall_again, settle
from archiver.step import step
from archiver.storage.documents import WANTED
from archiver.storage.run_folder import RunFolder


@step
def handler(work: LaneWork) -> LaneDone:
    if files := extraction.selection_of(work):
        return extract_selection(work, files)
    folder = RunFolder(work.run_id)
    wanted = folder.need(WANTED)
    settled = {*folder.names(documents.DELIVERED), *folder.names(documents.REFUSED)}
    on_tape = False
    for datablock in wanted[work.lane :: work.lanes]:
        if settled & {documents.delivered(datablock).name, documents.refused(datablock).name} or settle(
            work.pid, datablock, folder
        ):
            continue
        # Where there was time left, the storage calls it readable, and does not let it be read.
        if not recall_again(work.pid, datablock, long_term_storage()) and time.monotonic() >= deadline():
            return work.reached(done=False)
        on_tape = True
    return work.reached(done=True, on_tape=on_tape)

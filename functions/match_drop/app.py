"""Compare what lies in the dropped folder with what the drop says it holds. No file is read.

Listed files that are missing may still be on their way: the first call says so. Raises DatasetRejected naming the
first hundred files that are missing, extra, of another size or badly named.
"""

from archiver import drops, runs, storage
from archiver.drops import DropContent, DropMatched, FileCount, ListedFile
from archiver.errors import Code, DatasetRejected
from archiver.keys import Keys
from archiver.models import Upload
from archiver.step import step


@step
def handler(drop: DropMatched) -> DropMatched:
    if runs.holds_foreign_report(drop):
        raise DatasetRejected(Code.BAD_PATH, drops.TAKEN_NAME, [Keys.DROP_STATUS])
    folder = storage.RunFolder(drop.run_id)
    content = folder.need("drop.json", DropContent)
    listed = folder.need("listed.json", list[ListedFile]) if content.listed else None
    upload = Upload(prefix=drop.prefix, documents=content.documents)
    if listed and not drop.incomplete and drops.lacks(listed, storage.uploaded(upload), drop.prefix):
        return drop.model_copy(update={"incomplete": True})
    files, size = folder.write_files(drops.match(listed, content.chk_alg, storage.uploaded(upload), drop.prefix))
    folder.save("matched.json", FileCount(files=files, size=size))
    return drop.model_copy(update={"incomplete": False})

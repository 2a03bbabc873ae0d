"""Compare what lies in the dropped folder with what the drop says it holds. No file is read.

Raises DatasetRejected naming the first hundred files that are missing, extra, of another size or badly named.
"""

from archiver import drops, storage
from archiver.drops import DropContent, DropRegistered, FileCount, ListedFile
from archiver.models import Upload
from archiver.step import step


@step
def handler(drop: DropRegistered) -> DropRegistered:
    folder = storage.RunFolder(drop.run_id)
    content = folder.need("drop.json", DropContent)
    listed = folder.need("listed.json", list[ListedFile]) if content.listed else None
    uploaded = storage.uploaded(Upload(prefix=drop.prefix, documents=content.documents))
    files, size = folder.write_files(drops.match(listed, content.chk_alg, uploaded, drop.prefix))
    folder.save("matched.json", FileCount(files=files, size=size))
    return drop

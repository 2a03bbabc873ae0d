"""Whether the files are still those that were declared complete."""

from collections.abc import Iterable, Iterator

from archiver.errors import Code, DatasetRejected
from archiver.keys import Keys
from archiver.models.files import SourceFile, Upload
from archiver.uploads import registry
from archiver.uploads.known_files import Pins

_CHANGED = (
    "Files were replaced, added or taken away after the upload was declared complete. "
    "Please upload what is not right, and declare it complete once more."
)


def unchanged(pid: str, upload: Upload, matched: Iterable[SourceFile]) -> Iterator[SourceFile]:
    """The same files. Raises DatasetRejected when they are not those that were declared complete, where any were."""
    declared = None if upload.prefix.startswith(Keys.DROPS) else registry.upload(pid)
    if declared is None or declared.pinned is None:
        yield from matched
        return
    pins = Pins(pid, declared.pinned)
    there, changed = 0, []
    for file in matched:
        if file.etag:
            there += 1
            if not pins.have(file.path, file.size, file.etag):
                changed.append(file.path)
        yield file
    if changed or there != pins.files:
        raise DatasetRejected(Code.CHANGED_AFTER_VALIDATE, _CHANGED, changed)

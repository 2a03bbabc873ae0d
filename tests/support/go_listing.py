"""A local folder as the Ingestor lists and sends it: Go's names for modes and times, and which links it follows.

https://github.com/paulscherrerinstitute/scicat-cli (datasetIngestor/getLocalFileList.go, datasetUtils/sizeLimits.go)
https://github.com/SwissOpenEM/Ingestor (internal/core/ingestdataset.go, internal/s3upload/s3upload.go)
"""

import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Go's marks for what st_mode says, in the order in which FileMode.String() writes them (src/io/fs/fs.go).
_MARKS: dict[str, Callable[[int], object]] = {
    "d": stat.S_ISDIR,
    "L": stat.S_ISLNK,
    "D": lambda mode: stat.S_ISBLK(mode) or stat.S_ISCHR(mode),
    "p": stat.S_ISFIFO,
    "S": stat.S_ISSOCK,
    "u": lambda mode: mode & stat.S_ISUID,
    "g": lambda mode: mode & stat.S_ISGID,
    "c": stat.S_ISCHR,
    "t": lambda mode: mode & stat.S_ISVTX,
}


def go_mode(st_mode: int) -> str:
    """What Go's ``FileMode.String()`` writes for a file of this ``st_mode``."""
    marks = "".join(mark for mark, holds in _MARKS.items() if holds(st_mode))
    # The nine letters know nothing of the bits that have marks.
    return (marks or "-") + stat.filemode(stat.S_IFREG | st_mode & 0o777)[1:]


def listed(folder: Path) -> Iterator[dict[str, Any]]:
    """What is in the folder, as entries of SciCat's list: each folder before what it holds, names in byte order."""
    for path in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
        yield from _walked(path, folder)


def sent(folder: Path) -> Iterator[str]:
    """Of what is listed, the paths whose bytes are sent: links are followed, and folders left out.

    Raises FileNotFoundError for an absolute link to nothing in the folder; the Ingestor ends there, too.
    """
    for entry in listed(folder):
        if not stat.S_ISDIR((folder / entry["path"]).stat().st_mode):
            yield entry["path"]


def _walked(path: Path, folder: Path) -> Iterator[dict[str, Any]]:
    status = path.lstat()
    relative = path.relative_to(folder).as_posix()
    if _is_kept(path, relative, folder):
        yield {
            "path": relative,
            "uid": path.owner(follow_symlinks=False),
            "gid": path.group(follow_symlinks=False),
            "perm": go_mode(status.st_mode),
            "size": status.st_size,
            "time": datetime.fromtimestamp(int(status.st_mtime), UTC).isoformat(),
        }
    if stat.S_ISDIR(status.st_mode):
        for child in sorted(path.iterdir(), key=lambda child: os.fsencode(child.name)):
            yield from _walked(child, folder)


def _is_kept(path: Path, relative: str, folder: Path) -> bool:
    """Only links that lead into the folder are listed, and no names with characters that the Ingestor refuses."""
    if "*" in relative or "\\" in relative or "   " in relative:
        return False
    if not path.is_symlink():
        return True
    target = path.readlink()
    if not target.is_absolute():
        try:
            target = path.resolve(strict=True)
        except OSError:
            return False
    return str(target).startswith(str(folder))

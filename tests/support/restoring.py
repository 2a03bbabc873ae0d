"""Datablocks that an ordinary user could hardly unpack, and the programs that he unpacks them with."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from archiver.tar.layout import Limits
from tests.support.archive import our_tars
from tests.support.catalogue import ANY_TIME

# Whoever runs the tests may be root, for whom modes mean nothing.
NOBODY = 65534
UMASK = 0o022
ANY_SECOND = datetime.fromisoformat(ANY_TIME).timestamp()

FILES: Mapping[str, bytes] = {
    "-": b"dash",
    "-n": b"option",
    "back\\slash": b"backslash",
    "closed/none.mrc": b"mode 0000",
    "closed/write only.mrc": b"mode 0200",
    "closed/zz.mrc": b"mode 0444",
    "no search/deep/a.mrc": b"in a folder of mode 0644",
    "no search/z.mrc": b"beside it",
    "p" * 60 + "/" + "q" * 80 + "/" + "r" * 90: b"prefix",
    "s" * 150: b"one long name",
    "shared/group.mrc": b"mode 0660",
    "ü東京🐈/ends with space ": b"unicode",
    "ü" * 120: b"",
}
PERMS: Mapping[str, str] = {
    "-n": "-rw-r-----",
    "closed": "dr-xr-xr-x",
    "closed/none.mrc": "----------",
    "closed/write only.mrc": "--w-------",
    "closed/zz.mrc": "-r--r--r--",
    "empty": "dr-x------",
    "no search": "drw-r--r--",
    "no search/deep": "drw-r--r--",
    "no search/deep/a.mrc": "-rw-rw-rw-",
    "shared": "drwxrwx---",
    "shared/group.mrc": "-rw-rw----",
}
MODES: Mapping[str, int] = {
    "-n": 0o640,
    "closed": 0o555,
    "closed/none.mrc": 0,
    "closed/write only.mrc": 0o200,
    "closed/zz.mrc": 0o444,
    "empty": 0o500,
    "no search": 0o644,
    "no search/deep": 0o644,
    "no search/deep/a.mrc": 0o666,
    "shared": 0o770,
    "shared/group.mrc": 0o660,
}


def datablocks() -> list[bytes]:
    """The dataset as four tars; all but the first hold files of folders that the ones before them list."""
    tars = our_tars(FILES, PERMS, Limits(datablock_files=5))
    assert len(tars) == 4
    return tars


@contextmanager
def a_folder() -> Iterator[Path]:
    """A folder of an ordinary user's, who can reach it."""
    folder = Path(tempfile.mkdtemp(prefix="restoring-"))
    folder.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    try:
        yield folder
    finally:
        for root, folders, _ in os.walk(folder):
            for name in folders:
                (Path(root) / name).chmod(0o700)
        shutil.rmtree(folder)


def as_ordinary_user(
    command: Sequence[str], folder: Path, path: str = os.environ["PATH"]
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` in ``folder`` as somebody whom modes hold back."""
    is_root = os.geteuid() == 0
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        user=NOBODY if is_root else None,
        group=NOBODY if is_root else None,
        extra_groups=[] if is_root else None,
        umask=UMASK,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def with_python(tar: Path, folder: Path, trust: str) -> subprocess.CompletedProcess[str]:
    """Unpack as Python does with this filter. Its interpreter may lie where only root reads, so it changes its user."""
    become = f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY});" if os.geteuid() == 0 else ""
    code = f"import os, sys, tarfile; {become} tarfile.open(sys.argv[1]).extractall(filter={trust!r})"
    return subprocess.run(
        [sys.executable, "-c", code, str(tar)],
        cwd=folder,
        umask=UMASK,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def restored(folder: Path) -> dict[str, bytes]:
    """The dataset's files in ``folder``."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] != ".datablock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def modes(folder: Path) -> dict[str, int]:
    """The modes of what has a recorded one."""
    return {path: stat.S_IMODE((folder / path).stat().st_mode) for path in MODES}

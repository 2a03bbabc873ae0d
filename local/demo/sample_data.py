"""The files of the demonstration: real cryo-EM files, or generated ones where they cannot be fetched."""

import array
import hashlib
import random
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.configuration import ROOT

# The source package of mrcfile (BSD licence) holds an EPU exposure, an FEI stack and EMDB maps.
PACKAGE = "mrcfile==1.5.4"
_TEST_DATA = "/tests/test_data/"
_FETCH_SECONDS = 300
# Side length and number of sections of each generated file.
_GENERATED = ((256, 40), (512, 24), (1024, 8), (32, 1), (64, 3))
_FOLDERS = (
    "grid 1/Übersicht 🧊",
    'grid 1/it\'s "quoted" & 100% sure',
    "grid 2/日本語/a+b=c #1",
    "very/deeply/nested/" + "long-name-" * 20,
)


@dataclass(frozen=True, slots=True)
class EmFiles:
    """Files by the path they have in the dataset; ``real`` unless they were generated."""

    files: dict[str, Path]
    real: bool

    @property
    def size(self) -> int:
        """All their bytes."""
        return sum(file.stat().st_size for file in self.files.values())

    def sha256(self) -> dict[str, str]:
        """The checksum of each file, in hexadecimal, by its path in the dataset."""
        return {path: _sha256(file) for path, file in self.files.items()}


def em_files(cache: Path) -> EmFiles:
    """Fetch the real files, once, or generate some; both are kept in ``cache``."""
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / "mrcfile"
    real = folder.is_dir() or _fetch(folder)
    if not real:
        folder = cache / "generated"
        if not folder.is_dir():
            _generate(folder)
    files = sorted(file for file in folder.iterdir() if file.is_file())
    # Nested folders with odd, legal names, and one file that has no folder.
    placed = {f"{_FOLDERS[number % len(_FOLDERS)]}/{file.name}": file for number, file in enumerate(files[:-1])}
    return EmFiles({files[-1].name: files[-1]} | placed, real)


def _fetch(folder: Path) -> bool:
    """Put the package's test files into ``folder``; False when the package cannot be had."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        pip = [str(ROOT / ".tools/bin/python"), "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command = [*pip, "--no-deps", "--no-binary", ":all:", "--dest", scratch, PACKAGE]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_FETCH_SECONDS)
        except (OSError, subprocess.SubprocessError):
            return False
        [archive] = Path(scratch).glob("*.tar.gz")
        unpacked = Path(scratch) / "unpacked"
        unpacked.mkdir()
        with tarfile.open(archive) as package:
            for member in package:
                if member.isfile() and _TEST_DATA in member.name:
                    member.name = Path(member.name).name
                    package.extract(member, unpacked, filter="data")
        unpacked.rename(folder)
    return True


def _generate(folder: Path) -> None:
    """Write MRC files of noise, the same ones everywhere."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        complete = Path(scratch) / "generated"
        complete.mkdir()
        for number, (side, sections) in enumerate(_GENERATED):
            with (complete / f"exposure-{number}.mrc").open("wb") as output:
                output.write(_mrc_header(side, sections))
                for section in _noise(number, side, sections):
                    output.write(section)
        shutil.move(complete, folder)


def _mrc_header(side: int, sections: int) -> bytes:
    """The 1,024 bytes that begin an MRC file of 32-bit floats (https://www.ccpem.ac.uk/mrc_format/mrc2014.php)."""
    header = bytearray(1024)
    header[0:40] = struct.pack("<10i", side, side, sections, 2, 0, 0, 0, side, side, sections)
    header[40:64] = struct.pack("<6f", side, side, sections, 90, 90, 90)
    header[64:76] = struct.pack("<3i", 1, 2, 3)
    header[208:216] = b"MAP " + bytes((0x44, 0x44, 0, 0))
    return bytes(header)


def _noise(seed: int, side: int, sections: int) -> Iterator[bytes]:
    # Reproducible, not secret.
    chance = random.Random(seed)  # noqa: S311
    for _ in range(sections):
        numbers = array.array("B", chance.randbytes(side * side))
        yield array.array("f", numbers).tobytes()


def _sha256(file: Path) -> str:
    with file.open("rb") as body:
        return hashlib.file_digest(body, "sha256").hexdigest()

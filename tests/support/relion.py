"""A folder as a microscopist's group has it: a RELION project with links, shared by its group."""

import os
from pathlib import Path

# https://relion.readthedocs.io/en/release-5.0/Reference/Conventions.html; links lead to raw data and the last job.
_FILES = {
    "Movies/GridSquare_1/movie 1.tiff": 70_000,
    "Movies/GridSquare_1/movie 2.tiff": 50_001,
    "Class2D/job012/run_it025_data.star": 1_500,
    "Class2D/job012/note.txt": 0,
    "default_pipeline.star": 900,
    ".gui_projectdir": 0,
}
# Those that lead to a file are sent.
SENT_LINKS = {
    "Class2D/last_data.star": "job012/run_it025_data.star",
    "Import/movie 1.tiff": "../Movies/GridSquare_1/movie 1.tiff",
}
UNSENT_LINKS = {"Class2D/last": "job012", "Raw": "Movies/GridSquare_1"}
# Neither listed nor sent: they lead out of the folder, or nowhere.
UNLISTED_LINKS = {"Gain": "/", "Movies/broken.tiff": "gone.tiff"}
EMPTY_FOLDER = "External"
FOLDERS = ("Movies", "Movies/GridSquare_1", "Class2D", "Class2D/job012", "Import", EMPTY_FOLDER)
_TIME = 1_795_420_800


def make_project(folder: Path) -> dict[str, bytes]:
    """Make the project; returns the bytes that are sent, by path."""
    for place, (path, size) in enumerate(_FILES.items()):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes([place + 1]) * size)
        file.chmod(0o640 if place % 2 else 0o444)
        os.utime(file, (_TIME + place, _TIME + place))
    (folder / EMPTY_FOLDER).mkdir()
    for path, target in {**SENT_LINKS, **UNSENT_LINKS, **UNLISTED_LINKS}.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).symlink_to(target)
    for shared in ("Class2D", "Class2D/job012"):
        (folder / shared).chmod(0o2770)
    (folder / "Movies").chmod(0o1777)
    (folder / "Import").chmod(0o750)
    return {path: (folder / path).read_bytes() for path in [*_FILES, *SENT_LINKS]}

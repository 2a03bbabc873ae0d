"""Where a drop's ``dataset.json`` lies, and what is to be said of one that is somewhere else. Pure."""

import re

from archiver.keys import Keys

# What a name looks like that was meant as dataset.json: other capitals, or an ending that a program or a browser added.
_LIKE_MARKER = re.compile(r"dataset( ?\(\d+\))?\.json(\.(txt|json))?|dataset(\.jsonc?|\.jsn|\.txt)?", re.IGNORECASE)
_ROOT = Keys.DROPS.removesuffix("/")


def prefix_of(marker_key: str) -> str | None:
    """The dropped folder's prefix, or None when the key is not ``incoming/<name>/dataset.json``."""
    parts = marker_key.split("/")
    if len(parts) != 3 or parts[0] + "/" != Keys.DROPS or not parts[1] or parts[2] != Keys.DROP_MARKER:
        return None
    return f"{Keys.DROPS}{parts[1]}/"


def is_like_marker(key: str) -> bool:
    """Whether an object's name may have been meant as ``dataset.json``."""
    return _LIKE_MARKER.fullmatch(key.rpartition("/")[2]) is not None


def prefix_of_misplaced(key: str) -> str | None:
    """The folder in which the answer to a misplaced dataset.json lies; None for what is no such thing."""
    folder, _, name = key.rpartition("/")
    if folder.partition("/")[0].lower() != _ROOT or prefix_of(key) is not None or not is_like_marker(name):
        return None
    return f"{folder}/"


def misplacement(key: str) -> str:
    """Why nothing is taken in because of this document, and what to do."""
    folder, _, name = key.rpartition("/")
    root, *folders = folder.split("/")
    if root != _ROOT:
        return f"Drops lie in {Keys.DROPS}, in small letters: upload the folder to {'/'.join([_ROOT, *folders])}/."
    if not folders:
        return f"{name} lies directly in {Keys.DROPS}: upload it and its files to a folder there, {Keys.DROPS}<name>/."
    if name != Keys.DROP_MARKER:
        return (
            f"{name} is not taken for {Keys.DROP_MARKER}: upload it under this name, in small letters, into {folder}/."
        )
    inner, outer = folders[-1] or "<name>", "/".join([_ROOT, folders[0]])
    return (
        f"A drop lies directly in {Keys.DROPS}, and {folder}/ is deeper. If it is a dataset of its own, upload it to "
        f"{Keys.DROPS}{inner}/; if it is a part of {outer}/, upload {outer}/{Keys.DROP_MARKER}."
    )

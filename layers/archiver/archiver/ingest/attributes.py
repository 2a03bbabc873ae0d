"""Times and modes of files, as clients write them into the metadata of the objects that they upload. Pure.

=============================== ==============================================================================
rclone, s3fs                    ``mtime``: seconds, with a fraction; rclone -M also writes ISO 8601 and an octal
                                ``mode`` (100644), s3fs the decimal one (33188)
s3cmd, minio's client           ``s3cmd-attrs``, ``mc-attrs``: mode:33188/mtime:1732093200/..., in one line
DataSync, FSx for Lustre, s5cmd ``file-mtime`` (nanoseconds, with an ``ns`` behind), ``file-permissions`` (0100644)
aws cli                         whatever its user writes with ``--metadata``: ``mtime``, ``mode``
=============================== ==============================================================================
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from archiver.models import file_modes

_EPOCH = datetime.fromtimestamp(0, UTC)
_TIMES, _MODES = ("mtime", "file-mtime"), ("mode", "file-permissions")
_ATTRIBUTE_LISTS = ("s3cmd-attrs", "mc-attrs")
_SECONDS = re.compile(r"(?P<seconds>-?\d{1,11})(?:[.#](?P<fraction>\d{1,9})\d*)?")
_NANOSECONDS = re.compile(r"(?P<nanoseconds>-?\d{15,20})(?:ns)?")


@dataclass(frozen=True, slots=True)
class Attributes:
    """When a file was last changed, and its permission bits; None where its object does not say."""

    time: datetime | None = None
    mode: int | None = None


def attributes(metadata: Mapping[str, str]) -> Attributes:
    """What an object's own metadata (names without ``x-amz-meta-``) says of its file; the rest is left out."""
    said = {name.lower(): value.strip() for name, value in metadata.items()}
    for name in _ATTRIBUTE_LISTS:
        pairs = (pair.partition(":") for pair in said.get(name, "").split("/"))
        said = {key: value for key, _, value in pairs if value} | said
    times = (_time(said[name]) for name in _TIMES if name in said)
    modes = (_mode(said[name]) for name in _MODES if name in said)
    return Attributes(
        time=next((time for time in times if time is not None), None),
        mode=next((mode for mode in modes if mode is not None), None),
    )


def _time(text: str) -> datetime | None:
    try:
        if nanoseconds := _NANOSECONDS.fullmatch(text):
            return _EPOCH + timedelta(microseconds=int(nanoseconds["nanoseconds"]) // 1000)
        if seconds := _SECONDS.fullmatch(text):
            microseconds = int((seconds["fraction"] or "").ljust(6, "0")[:6])
            return _EPOCH + timedelta(seconds=int(seconds["seconds"]), microseconds=microseconds)
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _mode(text: str) -> int | None:
    mode = file_modes.parse(text)
    return mode.bits if mode is not None and mode.kind in {None, "file"} else None

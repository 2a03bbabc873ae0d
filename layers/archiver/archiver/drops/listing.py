"""The list of a drop's files: in ``dataset.json``, or in a file of checksums as ``sha256sum`` writes it."""

import codecs
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from archiver.drops.documents import ListedFile
from archiver.drops.states import ChkAlg, DropContent
from archiver.errors import Code, DatasetRejected
from archiver.keys import Keys

# About 250,000 files.
CHECKSUM_FILE_LIMIT = 24 * 1024**2
# How many hexadecimal digits a checksum has.
_DIGITS: Mapping[ChkAlg, int] = {
    "md5": 32,
    "sha1": 40,
    "sha256": 64,
    "sha512": 128,
    "blake2b": 128,
    "crc64nvme": 16,
}
TAKEN_NAME = f"Under the name {Keys.DROP_STATUS} the service reports; the data cannot bear it at the top of the folder."
# One line of sha256sum: digits, a space, the mode's mark (' ' or '*'), the name. A line that begins with a
# backslash writes backslashes, newlines and returns in its name as \\, \n and \r
# (https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html).
_CHECKSUM_LINE = re.compile(r"(?P<escaped>\\?)(?P<digits>[0-9A-Fa-f]+) [ *](?:\./)?(?P<path>.+)", re.DOTALL)
_ESCAPES = {r"\\": "\\", r"\n": "\n", r"\r": "\r"}


def parse_checksums(body: bytes, name: str, chk_alg: ChkAlg) -> list[ListedFile]:
    """Read a list of checksums as ``sha256sum`` and its sisters write it.

    Raises DatasetRejected(``bad_drop``) naming the first line that is not understood.
    """
    try:
        lines = body.removeprefix(codecs.BOM_UTF8).decode().split("\n")
    except UnicodeDecodeError as error:
        raise DatasetRejected(Code.BAD_DROP, f"{name} is not UTF-8 at byte {error.start}.") from None
    return [
        _listed(line.removesuffix("\r"), name, number, chk_alg) for number, line in enumerate(lines, 1) if line.strip()
    ]


def check_list(listed: Sequence[ListedFile], content: DropContent) -> list[ListedFile]:
    """The listed files without the drop's own documents.

    Raises DatasetRejected(``bad_drop``) when a file is listed twice or its checksum has a wrong length, and
    (``bad_path``) when one has the name under which the service reports.
    """
    if any(file.path == Keys.DROP_STATUS for file in listed):
        raise DatasetRejected(Code.BAD_PATH, TAKEN_NAME, [Keys.DROP_STATUS])
    files = [file for file in listed if file.path not in content.documents]
    digits = _DIGITS[content.chk_alg]
    wrong = [file.path for file in files if file.chk is not None and len(file.chk) != digits]
    if wrong:
        raise DatasetRejected(
            Code.BAD_DROP, f"{len(wrong)} checksums do not have the {digits} digits of {content.chk_alg}.", wrong
        )
    twice = [path for path, times in Counter(file.path for file in files).items() if times > 1]
    if twice:
        raise DatasetRejected(Code.BAD_DROP, f"{len(twice)} files are listed twice.", twice)
    return files


def _listed(line: str, name: str, number: int, chk_alg: ChkAlg) -> ListedFile:
    parsed = _CHECKSUM_LINE.fullmatch(line)
    if parsed is None or len(parsed["digits"]) != _DIGITS[chk_alg]:
        raise DatasetRejected(
            Code.BAD_DROP, f"{name}, line {number}: not '<{_DIGITS[chk_alg]} digits of {chk_alg}>  <path>'."
        )
    path = parsed["path"]
    if parsed["escaped"]:
        path = re.sub(r"\\[\\nr]", lambda escape: _ESCAPES[escape[0]], path)
    return ListedFile(path=path, chk=parsed["digits"].lower())

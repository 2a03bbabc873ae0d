"""The list of a drop's files: in ``dataset.json``, or in a file of checksums as ``sha256sum`` and its like write it.

What can be read in one way only is read, however it is written; the rest is refused with the line or the file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from archiver.checksums import algorithm_named, digest_bytes, hexadecimal
from archiver.errors import Code, DatasetRejected
from archiver.ingest.dataset_json import ListedFile, decoded
from archiver.ingest.states import ChkAlg, DropContent
from archiver.keys import Keys
from archiver.wording import counted

# About 250,000 files.
CHECKSUM_FILE_LIMIT = 24 * 1024**2
# What a list is taken for that does not say it; blake2b writes as many digits as sha512, and is used less.
_BY_DIGITS: Mapping[int, ChkAlg] = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
TAKEN_NAME = f"Under the name {Keys.DROP_STATUS} the service reports; the data cannot bear it at the top of the folder."
# A line of sha256sum: digits, a space, the mode's mark (' ' or '*'), the name; some tools write one space or a tab. One
# that begins with a backslash writes backslashes, newlines and returns in its name as \\, \n and \r
# (https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html).
_PLAIN_LINE = re.compile(r"(?P<escaped>\\?)(?P<chk>[0-9A-Fa-f]+)(?: [ *]|[ \t](?=\S))(?P<path>.+)", re.DOTALL)
# The same as BSD's tools, sha256sum --tag and openssl write it: SHA256 (name) = digits.
_TAGGED_LINE = re.compile(r"(?P<escaped>\\?)(?P<tag>[A-Za-z][\w/-]*) ?\((?P<path>.+)\) ?= ?(?P<chk>\S+)", re.DOTALL)
_ESCAPES = {r"\\": "\\", r"\n": "\n", r"\r": "\r"}


@dataclass(frozen=True, slots=True)
class ChecksumList:
    """A list of checksums, all of one algorithm."""

    chk_alg: ChkAlg
    files: Sequence[ListedFile]


def parse_checksums(body: bytes, name: str, chk_alg: ChkAlg | None) -> ChecksumList:
    """Read a list of checksums; without ``chk_alg`` its first line says of which algorithm they are.

    Raises DatasetRejected(``bad_drop``) naming the first line that is not understood.
    """
    files: list[ListedFile] = []
    for number, line in enumerate(decoded(body, name).split("\n"), 1):
        text = line.removesuffix("\r")
        if not text.strip() or text.startswith(("#", ";")):
            continue
        parsed = _TAGGED_LINE.fullmatch(text) or _PLAIN_LINE.fullmatch(text)
        chk_alg = chk_alg or _algorithm_of(parsed)
        digits = hexadecimal(_tagged(parsed), chk_alg) if parsed and chk_alg else None
        if parsed is None or digits is None:
            raise DatasetRejected(Code.BAD_DROP, f"{name}, line {number}: {_not_understood(parsed, chk_alg)}.")
        path = parsed["path"]
        if parsed["escaped"]:
            path = re.sub(r"\\[\\nr]", lambda escape: _ESCAPES[escape[0]], path)
        files.append(ListedFile(path=path, chk=digits))
    return ChecksumList(chk_alg or "sha256", files)


def check_list(listed: Sequence[ListedFile], content: DropContent) -> list[ListedFile]:
    """The listed files without the drop's own documents, each once, with their checksums in hexadecimal.

    Raises DatasetRejected(``bad_drop``) when a file is listed twice with different words, or a checksum is none of the
    drop's algorithm.
    """
    files: dict[str, ListedFile] = {}
    wrong: list[str] = []
    twice: list[str] = []
    for entry in listed:
        if entry.path in content.documents:
            continue
        digits = None if entry.chk is None else hexadecimal(entry.chk, content.chk_alg)
        if entry.chk is not None and digits is None:
            wrong.append(entry.path)
        file = entry.model_copy(update={"chk": digits})
        if files.setdefault(file.path, file) != file:
            twice.append(file.path)
    if wrong:
        sentence = f"{counted(len(wrong), 'checksum is', 'checksums are')} not of {content.chk_alg}"
        hint = f"{2 * digest_bytes(content.chk_alg)} hexadecimal digits are; chkAlg names another algorithm"
        raise DatasetRejected(Code.BAD_DROP, f"{sentence}: {hint}.", wrong)
    if twice:
        sentence = f"{counted(len(twice), 'file is', 'files are')} listed twice, with another size or checksum"
        raise DatasetRejected(Code.BAD_DROP, f"{sentence}. Keep the entry that is right.", twice)
    return list(files.values())


def _algorithm_of(line: re.Match[str] | None) -> ChkAlg | None:
    if line is None:
        return None
    tag = algorithm_named(line.groupdict().get("tag") or "")
    if tag is not None:
        return cast("ChkAlg", tag)
    return _BY_DIGITS.get(len(line["chk"])) if "tag" not in line.groupdict() else None


def _tagged(line: re.Match[str]) -> str:
    tag = line.groupdict().get("tag")
    return f"{algorithm_named(tag) or 'unknown'}:{line['chk']}" if tag else str(line["chk"])


def _not_understood(line: re.Match[str] | None, chk_alg: ChkAlg | None) -> str:
    expected = chk_alg or "sha256"
    sentence = f"not '<{2 * digest_bytes(expected)} digits of {expected}>  <path>'"
    other = _algorithm_of(line)
    return (
        sentence
        if other in {None, expected}
        else f"{sentence}, but of {other}: let chkAlg name it, or leave chkAlg out"
    )

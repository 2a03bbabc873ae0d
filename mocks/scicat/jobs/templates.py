"""Templates of the job configuration, rendered as Handlebars does: what it escapes, and SciCat's helpers.

An expression is a path (``env.ARCHIVER_URL``) or a helper with its arguments (``jsonify (job_v3 job)``). In two braces
its value is escaped for HTML, ``=`` included; in three braces it is not (https://handlebarsjs.com/guide/#html-escaping).
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from mocks.scicat.storage.documents import job_v3_for_action

_EXPRESSION = re.compile(r"\{\{\{(?P<raw>.*?)\}\}\}|\{\{(?P<escaped>.*?)\}\}", re.DOTALL)
_WORD = re.compile(r"""\s*(?:(?P<sign>[()])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>[^\s()"']+))""")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;", "`": "&#x60;", "=": "&#x3D;"}
# JavaScript's encodeURI and encodeURIComponent leave these alone (ECMA-262, 19.2.6).
_OF_A_COMPONENT = "!'()*-._~"
_OF_A_URL = _OF_A_COMPONENT + ";/?:@&=+$,#"


def escaped(text: str) -> str:
    """The text as two braces write it."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def encoded_url(text: str) -> str:
    """The text as SciCat makes an address of it: a percent sign that is there already is encoded once more."""
    return quote(text, safe=_OF_A_URL)


def _jsonify(value: object) -> str:
    return json.dumps(value, indent=3, ensure_ascii=False)


def _base64enc(text: object) -> str:
    return base64.b64encode(str(text).encode()).decode()


_HELPERS: Mapping[str, Callable[[Any], Any]] = {
    "base64enc": _base64enc,
    "job_v3": job_v3_for_action,
    "jsonify": _jsonify,
    "urlencode": lambda text: quote(str(text), safe=_OF_A_COMPONENT),
}


class Template:
    """A text with expressions in braces. Raises ValueError for what this mock does not render: blocks and partials."""

    def __init__(self, text: str) -> None:
        self._text = text
        for expression in _EXPRESSION.finditer(text):
            _parsed(_inside(expression))

    def render(self, context: Mapping[str, Any]) -> str:
        """The text for a context. A path that leads nowhere is empty."""

        def value(expression: re.Match[str]) -> str:
            text = _as_text(_evaluated(_parsed(_inside(expression)), context))
            return escaped(text) if expression["raw"] is None else text

        return _EXPRESSION.sub(value, self._text)


def _inside(expression: re.Match[str]) -> str:
    inside = expression["raw"] if expression["raw"] is not None else expression["escaped"]
    return inside.strip()


# A path or a literal, or a helper and what it is called with.
type _Call = str | _Literal | tuple[_Call, ...]


class _Literal(str):
    """A text in quotes."""

    __slots__ = ()


def _parsed(inside: str) -> _Call:
    if not inside or inside[0] in "#/^>!&*~":
        raise ValueError(f"{{{{{inside}}}}}: this mock renders paths and helpers, no blocks, partials or comments")
    call = tuple(_arguments(_words(inside)))
    if len(call) == 1:
        return call[0]
    if call[0] not in _HELPERS:
        raise ValueError(f"{{{{{inside}}}}}: no helper {call[0]!r}; there are {', '.join(_HELPERS)}")
    return call


def _words(inside: str) -> Iterator[str]:
    at = 0
    while at < len(inside):
        word = _WORD.match(inside, at)
        if word is None:
            return
        at = word.end()
        quoted = word["double"] if word["double"] is not None else word["single"]
        yield _Literal(quoted) if quoted is not None else (word["sign"] or word["word"])


def _arguments(words: Iterator[str]) -> Iterator[_Call]:
    for word in words:
        if isinstance(word, _Literal):
            yield word
        elif word == ")":
            return
        else:
            yield tuple(_arguments(words)) if word == "(" else word


def _evaluated(call: _Call, context: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(call, _Literal):
        return str(call)
    if isinstance(call, str):
        return _reached(call, context)
    name, *arguments = call
    return _HELPERS[str(name)](*(_evaluated(argument, context) for argument in arguments))


def _reached(path: str, context: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    value: Any = context
    for name in [] if path == "this" else path.replace("[", "").replace("]", "").split("."):
        if isinstance(value, list) and name.isdecimal():
            value = value[int(name)] if int(name) < len(value) else None
        elif isinstance(value, Mapping):
            value = value.get(name)
        else:
            return None
    return value


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)

"""The status page: objects, drives and queue as a person reads them. One file of HTML that reloads itself."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import islice
from typing import Final

from mocks.lts.ledger import Event
from mocks.lts.tape import Place, Tape, TapeObject

# So many rows of each table are shown.
ROWS: Final = 200

_STYLE: Final = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; color: #1b1f24; background: #fff }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem }
table { border-collapse: collapse } td, th { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top }
th { font-weight: 600; color: #57606a } td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 } th { color: #9198a1 } }
"""


def page(tape: Tape, events: Sequence[Event], now: float, contains: str = "") -> str:
    """The whole page; ``now`` on the library's clock, in seconds since the epoch."""
    objects = sorted((one for one in tape if contains in one.key), key=lambda one: one.key)
    places = Counter(one.place for one in tape)
    drives, queue = tape.in_drives(), tape.queue()
    title = f"Tape library, {_time(now)}"
    return "".join(
        (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>",
            f"<meta http-equiv=refresh content=5><style>{_STYLE}</style><h1>{title}</h1>",
            _table("Objects by place", ["place", "objects"], [(place, str(places[place])) for place in Place]),
            _table(
                f"Drives: {len(drives)} of {tape.hardware.drives} busy",
                ["object", "tier", "done in"],
                [(drive.key, drive.tier, _left(drive, now)) for drive in drives],
            ),
            _table(
                f"Queue: {len(queue)}",
                ["object", "tier", "asked"],
                [(one.key, one.tier, "never ends" if one.stuck else _time(one.asked)) for one in queue],
            ),
            "<h2>Find</h2><form><input name=contains placeholder='part of a key' ",
            f'value="{escape(contains)}"> <button>Show</button></form>',
            _table(
                f"Objects: {len(objects)}",
                ["object", "place", "leaves it in", "second copy", "damage"],
                [_row(one, now) for one in islice(objects, ROWS)],
            ),
            _table("Last events", ["when", "object", "what"], [_event(one) for one in islice(reversed(events), ROWS)]),
        )
    )


def _row(one: TapeObject, now: float) -> tuple[str, ...]:
    flipped = f"bytes {', '.join(map(str, one.flipped))} inverted" if one.flipped else ""
    truncated = f"cut to {one.truncated} bytes" if one.truncated is not None else ""
    recalls = "recalls never end" if one.stuck else f"recalls that fail: {one.failing}" if one.failing else ""
    damage = ", ".join(filter(None, (flipped, truncated, recalls)))
    return one.key, one.place, _left(one, now), "yes" if one.replicated else "no", damage


def _event(one: Event) -> tuple[str, ...]:
    return _time(one.at), one.key, one.what


def _table(title: str, heads: Iterable[str], rows: Sequence[tuple[str, ...]]) -> str:
    """A table with its title; it says so when there are more rows than it shows. Everything is escaped."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows[:ROWS])
    more = f" (the first {ROWS})" if len(rows) > ROWS else ""
    return f"<h2>{escape(title)}{more}</h2><table><tr>{head}</tr>{body}</table>"


def _left(one: TapeObject, now: float) -> str:
    return "" if one.due is None else f"{max(one.due - now, 0):,.0f} s"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"

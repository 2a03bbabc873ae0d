"""The report: ``report.md`` with its pictures for people, and ``report.json`` with every figure, which git ignores."""

import json
import statistics
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.harness.datasets import MIB
from bench.measure.end_to_end import STEPS, packaged_bytes, telling_rounds
from bench.measure.growth import MOST as MOST_GROWTH
from bench.measure.memory import MOST as MOST_MEMORY
from bench.measure.memory import difference
from bench.measure.packaging import LEAST, Packaged
from bench.report import plots
from bench.report.targets import wanted

FOLDER = Path(__file__).parents[1]
JSON, PAGE, PICTURES = FOLDER / "report.json", FOLDER / "report.md", FOLDER / "plots"
_WIDTH = 118

type Figures = Mapping[str, Any]


def read() -> dict[str, Any]:
    """The last report; empty when there is none."""
    report: dict[str, Any] = json.loads(JSON.read_text()) if JSON.exists() else {}
    return report


def write(report: Figures) -> None:
    """Write the report anew, of the parts that were measured."""
    JSON.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    PICTURES.mkdir(exist_ok=True)
    for name, draw in _PICTURES.items():
        if name in report:
            draw(report[name])
    PAGE.write_text(page(report))


def page(report: Figures) -> str:
    """What is told of the parts that were measured, as markdown."""
    lines = ["# Measurements", "", *_paragraph(_HEAD), *_wanted(report)]
    for name, chapter in _CHAPTERS.items():
        if name in report:
            lines += chapter(report[name])
    return "\n".join(lines).rstrip() + "\n"


_HEAD = """Written by `make bench`. Everything runs on one machine against the local stack: ratios tell more than
seconds. A figure is the median of its rounds, with the smallest and the largest in brackets where there were several.
*Load* is the machine's load average while it was measured; of two processors, above 2 means that others worked too."""

_PACKAGING = """The packager in one process, beside the part copies and uploads that it must make, issued bare just
before, eight at once; each with the completion of the upload. It also reads every byte once, to fingerprint it; on the
local stack S3 shares two processors with everything else, so reads slow copies down. So both sides are told without
reads (the packager then fingerprints what is in memory already) and with them."""

_SHAPES = """*Archive* is from the first byte read to the last datablock registered; *whole* from the drop of
`dataset.json` to the end of the job, as somebody sees it who asks once a second. The *floor* are the S3 operations that
cannot be avoided, bare. The *plain way* is to download all, hash all, `tar`, and upload; it verifies nothing."""

_FLOOR_STAGES = {
    "parts alone": "parts",
    "reads alone": "read",
    "both at once": "together",
    "complete": "completed",
    "hand over": "hop",
}
_PLAIN_STAGES = ("download", "hash", "tar", "upload")
_FLOOR = """Parts and reads are also told alone; the floor counts both at once, as the service does them."""

_SCALE = """Each step in a process of its own, as in Lambda, between fakes that answer listings and the catalogue.
Memory is the most that the process has had, with Python and the fakes. `seal` stands in for packaging, and counts for
nothing."""

_IMPORTS = """Each function is imported in new processes. Told are seconds of a processor: with bytecode beside the
source, as `make deploy` leaves it there, and from source alone."""

_BY_PLAN = """By plan; *slowest lane* is the speed in MiB/s below which a dataset would need more than 25,000 events."""

_GROWTH = f"""The power of the size with which seconds of a processor and memory grow (1 is linear, 0 is none),
fitted over 10² to 10⁶ files and, for `package`, 64 MiB to 16 GiB. Over this range n log n is {MOST_GROWTH:.2f}."""


def _wanted(report: Figures) -> Iterator[str]:
    rows = [
        (target.what, target.wanted, target.measured, "yes" if target.kept else "**no**") for target in wanted(report)
    ]
    yield from _table(("what", "wanted", "measured", "kept"), rows)


def _packaging(part: Figures) -> Iterator[str]:
    rounds = [Packaged(**one) for one in part["rounds"]]
    yield from _title(f"Packaging alone: {part['shape']}", _PACKAGING)
    sides = {
        "without reads": ("bare", "packager_alone", "alone"),
        "with reads": ("bare_with_reads", "packager", "with_reads"),
        "with reads, against bare without any": ("bare", "packager", "reads_on_one_side"),
    }
    rows = []
    for side, names in sides.items():
        bare, packager, speed = ([getattr(one, name) for one in rounds] for name in names)
        rows.append((side, _told(bare), _told(packager), f"**{_ratio(speed)}**"))
    yield from _table(("", "bare, s", "packager, s", f"speed (wanted: {LEAST:.2f})"), rows)
    yield from _load(part)


def _shapes(rounds: Sequence[Figures]) -> Iterator[str]:
    shapes = telling_rounds(rounds)
    yield from _title("Each shape through the whole service", _SHAPES)
    header: tuple[str, ...] = (
        "shape",
        "archive, s",
        "floor, s",
        "archive / floor",
        "whole, s",
        "plain way, s",
        "plain / archive",
        "load",
    )
    yield from _table(header, [(name, *_compared(warm)) for name, warm in shapes.items()])
    cold = [f"{one['shape']}: {one['core']:.1f} s" for one in rounds if one["cold"]]
    first = "the first round, which counts above only where it is the only one"
    yield from _paragraph(f"Archive with cold functions ({first}): {', '.join(cold)}.")
    yield from _paragraph("![Floor, archive and plain way](plots/compared.svg)")
    yield from _subtitle("Seconds of each step")
    yield from _table(("shape", "ingest", *STEPS), [(name, *_steps(warm)) for name, warm in shapes.items()])
    yield from _paragraph("![Seconds of each step](plots/steps.svg)")
    yield from _subtitle("Seconds of the floor")
    yield from _paragraph(_FLOOR)
    rows = [(name, *_stages(warm, "floor", _FLOOR_STAGES.values())) for name, warm in shapes.items()]
    yield from _table(("shape", *_FLOOR_STAGES), rows)
    yield from _subtitle("Seconds of the plain way, and the disk it needs")
    yield from _table(("shape", *_PLAIN_STAGES, "MiB"), [(name, *_plain(warm)) for name, warm in shapes.items()])
    yield from _subtitle("Bytes through functions, in MiB")
    header = (
        "shape",
        "size",
        "read to package",
        "sent to package",
        "of a file",
        "copied by S3",
        "handed over",
        "to verify",
    )
    yield from _table(header, [(name, *_bytes(warm[-1])) for name, warm in shapes.items()])
    yield from _subtitle("S3 requests, transitions and events")
    header = ("shape", "to S3", "of these", "to the long-term storage", "of these", "transitions", "events")
    yield from _table(header, [(name, *_requests(warm[-1])) for name, warm in shapes.items()])
    yield from _subtitle("Lambda seconds (calls), and the most memory in MB")
    functions = sorted({name for warm in shapes.values() for name in warm[-1]["calls"]})
    rows = [(name, *(_function(warm[-1], name) for warm in shapes.values())) for name in functions]
    yield from _table(("function", *shapes), rows)


def _compared(warm: Sequence[Figures]) -> Iterator[str]:
    yield _told([one["core"] for one in warm])
    yield _told([one["floor"]["whole"] for one in warm])
    yield f"**{_ratio([one['core'] / one['floor']['whole'] for one in warm])}**"
    yield _told([one["whole"] for one in warm])
    yield _told([one["plain"]["whole"] for one in warm])
    yield _ratio([one["plain"]["whole"] / one["core"] for one in warm])
    yield _told([one["load"] for one in warm])


def _steps(warm: Sequence[Figures]) -> Iterator[str]:
    yield _told([one["ingest"] for one in warm])
    yield from _stages(warm, "steps", STEPS)


def _plain(warm: Sequence[Figures]) -> Iterator[str]:
    yield from _stages(warm, "plain", _PLAIN_STAGES)
    yield f"{warm[-1]['plain']['disk'] / MIB:,.0f}"


def _stages(warm: Sequence[Figures], way: str, stages: Iterable[str]) -> Iterator[str]:
    for stage in stages:
        yield _told([one[way][stage] for one in warm])


def _bytes(one: Figures) -> Iterator[str]:
    package, moved = packaged_bytes(one), one["bytes"]
    yield f"{one['size'] / MIB:,.1f}"
    yield f"{package['read'] / MIB:,.1f}"
    yield f"{package['sent'] / MIB:,.1f}"
    yield f"{package['sent'] / one['files'] / MIB:.2f}"
    yield f"{package['copied'] / MIB:,.1f}"
    yield f"{moved['StoreDatablock'].get('sent', 0) / MIB:,.1f}"
    yield f"{moved['VerifyDatablocks'].get('sent', 0) / MIB:,.1f}"


def _requests(one: Figures) -> Iterator[str]:
    asked = sum((Counter(of_function) for of_function in one["requests"].values()), Counter[str]())
    for service in ("s3", "elsewhere"):
        counts = Counter({name.partition(" ")[2]: count for name, count in asked.items() if name.startswith(service)})
        yield f"{counts.total():,}"
        yield ", ".join(f"{count:,} {operation}" for operation, count in counts.most_common())
    yield str(sum(one["transitions"].values()))
    yield str(one["events"])


def _function(one: Figures, name: str) -> str:
    if name not in one["calls"]:
        return "-"
    return f"{one['lambda_seconds'][name]:.2f} ({one['calls'][name]}), {one['memory_mb'][name]}"


def _scale(part: Figures) -> Iterator[str]:
    yield from _title("A million files, and fifty terabytes", _SCALE)
    header = ("step", "files", "seconds", "of a processor", "MB", "state, bytes", "largest record, bytes")
    yield from _table(header, [_step(one) for one in part["steps"]])
    yield from _paragraph(_BY_PLAN)
    named = {
        "datablocks": "datablocks",
        "slices": "slices",
        "most_parts": "most parts",
        "most_parts_in_lts": "in the LTS",
        "most_files": "most files",
        "plan_bytes": "plan, bytes",
        "events": "events",
    }
    rows = [
        (one["name"], *(f"{one[cell]:,}" for cell in named), f"{one['slowest_lane']:.0f}") for one in part["by_plan"]
    ]
    yield from _table(("dataset", *named.values(), "slowest lane"), rows)
    yield from _verdict(part)


def _step(one: Figures) -> tuple[str, ...]:
    record = f"{one['record_bytes']:,}" if one["record_bytes"] else "-"
    seconds = f"{one['seconds']:.1f}", f"{one['cpu']:.1f}"
    return (
        f"`{one['step']}`",
        f"{one['files']:,}",
        *seconds,
        f"{one['memory_mb']:.0f}",
        f"{one['state_bytes']:,}",
        record,
    )


def _growth(part: Figures) -> Iterator[str]:
    yield from _title("Growth", _GROWTH)
    rows = [(f"`{one['what']}`", f"{one['seconds']:.2f}", f"{one['memory']:.2f}") for one in part["slopes"]]
    yield from _table(("step", "seconds", "memory"), rows)
    yield from _paragraph("![Seconds against files](plots/growth-seconds.svg)")
    yield from _paragraph("![Memory against files](plots/growth-memory.svg)")
    yield from _verdict(part)


def _memory(part: Figures) -> Iterator[str]:
    words = "The most memory of each function, in MB, for an archive and a retrieval of each, with new processes."
    yield from _title("Memory and the size of a dataset", words)
    rows = [(one["function"], str(one["small"]), str(one["large"]), _difference(one)) for one in part["peaks"]]
    yield from _table(("function", "10 MB", "4 GiB", "difference"), rows)
    yield from _load(part)


def _difference(one: Figures) -> str:
    share = difference(one)
    return f"{share:.0%}" + (" (too much)" if share > MOST_MEMORY else "")


def _many(part: Figures) -> Iterator[str]:
    archived, of_all = part["archived"], part["datasets"]
    yield from _title("Many at once", f"A dataset of 2 GiB, and right after it {of_all} small ones.")
    yield f"* Archived: **{archived} of {of_all}**, dropped within {part['dropping']:.0f} s"
    yield f"* All after {part['all_archived']:.0f} s: {60 * archived / part['all_archived']:.0f} a minute"
    yield f"* From a drop to its end: median {part['median']:.0f} s, slowest {part['slowest']:.0f} s"
    yield f"* The longest wait for an ingest to begin: {part['queued']:.0f} s"
    yield f"* The large one took {part['large']:.0f} s: {part['beside']} small ones ended before, {part['after']} after"
    yield from _load(part)


def _imports(part: Figures) -> Iterator[str]:
    size = f"The layer has {part['layer_bytes'] / 1e6:.0f} MB unpacked."
    yield from _title("Cold imports", f"{size} {_IMPORTS}")
    rows = [
        (f"`{one['function']}`", *(f"{one[cell]:.2f}" for cell in ("seconds", "budget", "from_source")), _kept(one))
        for one in part["functions"]
    ]
    yield from _table(("function", "seconds", "budget", "from source", ""), rows)
    yield from _load(part)


def _kept(one: Figures) -> str:
    return "over" if one["seconds"] > one["budget"] else "kept"


_CHAPTERS: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "packaging": _packaging,
    "shapes": _shapes,
    "scale": _scale,
    "growth": _growth,
    "memory": _memory,
    "many": _many,
    "imports": _imports,
}

# Pictures


def _picture_shapes(rounds: Sequence[Figures]) -> None:
    shapes = telling_rounds(rounds)
    names = list(shapes)
    series = {step: [_median(one["steps"][step] for one in warm) for warm in shapes.values()] for step in STEPS}
    plots.stacks(PICTURES / "steps.svg", "Seconds of each step", series, names, "seconds")
    compared = {
        "floor": [_median(one["floor"]["whole"] for one in warm) for warm in shapes.values()],
        "archive": [_median(one["core"] for one in warm) for warm in shapes.values()],
        "plain way": [_median(one["plain"]["whole"] for one in warm) for warm in shapes.values()],
    }
    plots.bars(PICTURES / "compared.svg", "Floor, archive and plain way", compared, names, "seconds")


def _picture_growth(part: Figures) -> None:
    for figure, name, unit in (("cpu", "seconds", "seconds of a processor"), ("memory_mb", "memory", "MB")):
        series: dict[str, list[tuple[float, float]]] = {}
        for one in part["of_files"]:
            series.setdefault(one["step"], []).append((one["files"], one[figure]))
        plots.lines(PICTURES / f"growth-{name}.svg", f"{unit} against files", series, "files", unit)


_PICTURES: Mapping[str, Callable[[Any], None]] = {"shapes": _picture_shapes, "growth": _picture_growth}

# Words


def _median(values: Iterable[float]) -> float:
    return float(statistics.median(values))


def _told(values: Sequence[float]) -> str:
    spread = f" [{min(values):.1f} – {max(values):.1f}]" if len(values) > 1 else ""
    return f"{statistics.median(values):.1f}{spread}"


def _ratio(values: Sequence[float]) -> str:
    spread = f" [{min(values):.2f} – {max(values):.2f}]" if len(values) > 1 else ""
    return f"{statistics.median(values):.2f}{spread}"


def _verdict(part: Figures) -> Iterator[str]:
    wrong = "; ".join(part["wrong"])
    yield f"* Beyond what is allowed: {wrong}" if wrong else "* All within what is allowed"
    yield from _load(part)


def _load(part: Figures) -> Iterator[str]:
    yield f"* Load: {part['load']:.1f}"
    yield ""


def _title(title: str, words: str) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield from _paragraph(words)


def _subtitle(title: str) -> Iterator[str]:
    yield f"### {title}"
    yield ""


def _paragraph(words: str) -> Iterator[str]:
    yield from textwrap.wrap(words, _WIDTH)
    yield ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(row)} |"
    yield ""

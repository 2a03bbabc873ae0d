"""The command ``python -m bench``: measure, and write the report."""

import os
import time
from collections.abc import Callable, Set
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console

from bench.harness.datasets import SHAPES
from bench.harness.single_step import Took
from bench.harness.stack import RunningStack, a_stack
from bench.measure import cold_imports, concurrency, end_to_end, growth, memory, packaging, scale
from bench.report import cost_page, report
from bench.report.targets import wanted
from local.deployment import build_folder
from local.sources import LAYER

console = Console(highlight=False)
_MILLION = 1_000_000
# Each dataset under way is a dozen processes: it wants a machine with memory to spare.
_ONLY_WHEN_ASKED = {"many"}

type Figures = Any


def main(
    only: Annotated[str, typer.Option(help="Measure these parts alone, with commas between them.")] = "",
    runs: Annotated[int, typer.Option(help="Rounds of what is measured several times.", min=1)] = 3,
    datasets: Annotated[int, typer.Option(help="How many datasets are dropped at once.", min=1)] = 200,
    files: Annotated[int, typer.Option(help="Files of the largest dataset without a cloud.", min=1)] = _MILLION,
) -> None:
    """Measure the service beside the least that is possible; bench/report.md tells, docs/cost.md says what it costs.

    A part that is not measured keeps its last figures. Exit code 1 when a figure is not as it is wanted.
    """
    alone: dict[str, Callable[[], Figures]] = {
        "scale": lambda: _scale(files),
        "growth": lambda: _growth(files),
    }
    on_stack: dict[str, Callable[[RunningStack], Figures]] = {
        "imports": _imports,
        "memory": _memory,
        "packaging": lambda stack: _packaging(stack, runs),
        "shapes": lambda stack: _shapes(stack, runs),
        "many": lambda stack: _many(stack, datasets),
    }
    chosen = _chosen(only, {*alone, *on_stack})
    for name in [part for part in alone if part in chosen]:
        _measure(name, alone[name])
    if on_stack.keys() & chosen:
        with a_stack(console) as stack:
            for name in [part for part in on_stack if part in chosen]:
                _measure(name, partial(on_stack[name], stack))
    if "shapes" in report.read():
        cost_page.write(report.read())
    console.print(f"{report.PAGE} is written.")
    missed = [target for target in wanted(report.read()) if not target.kept]
    for one in missed:
        console.print(f"[red]not as wanted[/]: {one.what}: {one.measured} (wanted: {one.wanted})")
    raise typer.Exit(1 if missed else 0)


def _chosen(only: str, parts: Set[str]) -> Set[str]:
    chosen = {name.strip() for name in only.split(",") if name.strip()} or parts - _ONLY_WHEN_ASKED
    if unknown := chosen - parts:
        raise typer.BadParameter(f"There is no part {', '.join(sorted(unknown))}: {', '.join(sorted(parts))}")
    return chosen


def _measure(name: str, measure: Callable[[], Figures]) -> None:
    console.print(f"[bold]{name}[/]")
    begun = time.monotonic()
    _keep(name, measure())
    console.print(f"  {name} measured in {time.monotonic() - begun:.0f} s, load {os.getloadavg()[0]:.1f}")


def _imports(stack: RunningStack) -> Figures:
    layer = build_folder(stack.configuration) / LAYER
    return _with_load(
        functions=[asdict(one) for one in cold_imports.measure()], layer_bytes=cold_imports.size_of(layer)
    )


def _scale(files: int) -> Figures:
    took = scale.measure(files)
    planned = [scale.by_plan(name, many_files) for name, many_files in scale.FIFTY_TERABYTES.items()]
    wrong = [*scale.wrong(took), *(sentence for one in planned for sentence in scale.wrong_by_plan(one))]
    return _with_load(steps=[asdict(one) for one in took], by_plan=[asdict(one) for one in planned], wrong=wrong)


def _growth(files: int) -> Figures:
    """Of the largest dataset the figures of the part before are taken, where they are there."""
    known = [one for one in report.read().get("scale", {}).get("steps", []) if one["files"] == files]
    smaller = [count for count in growth.FILES if count < files]
    of_files = [asdict(point) for point in growth.of_files(smaller if known else [*smaller, files])] + known
    of_bytes = [asdict(one) for one in growth.of_bytes()]
    slopes = growth.slopes(growth.by_step([Took(**one) for one in of_files + of_bytes]))
    wrong = growth.wrong(slopes)
    return _with_load(of_files=of_files, of_bytes=of_bytes, slopes=[asdict(slope) for slope in slopes], wrong=wrong)


def _memory(stack: RunningStack) -> Figures:
    return _with_load(peaks=[asdict(one) for one in memory.measure(stack)])


def _packaging(stack: RunningStack, runs: int) -> Figures:
    # A round takes seconds, and one that meets the disk at work takes twice as long: the median of a few says little.
    rounds = [asdict(one) for one in packaging.measure(stack, 2 * runs + 1)]
    return _with_load(rounds=rounds, shape=SHAPES[0].name)


def _shapes(stack: RunningStack, runs: int) -> Figures:
    rounds = []
    for one in end_to_end.measure(stack, runs):
        rounds.append(one)
        _keep("shapes", rounds)
        console.print(f"  {one['shape']}: archive {one['core']:.1f} s, floor {one['floor']['whole']:.1f} s")
    return rounds


def _many(stack: RunningStack, datasets: int) -> Figures:
    return _with_load(**asdict(concurrency.measure(stack, datasets)))


def _with_load(**figures: Figures) -> Figures:
    return {**figures, "load": os.getloadavg()[0]}


def _keep(name: str, figures: Figures) -> None:
    report.write(report.read() | {name: figures})


if __name__ == "__main__":
    typer.run(main)

"""The report's pictures, as SVG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

# The same figures give the same file.
mpl.rcParams["svg.hashsalt"] = "scopemarchiver"
# Letters as text: as outlines they were most of a file.
mpl.rcParams["svg.fonttype"] = "none"
_METADATA = {"Date": None}
_SIZE = (8, 4)


def bars(path: Path, title: str, series: Mapping[str, Sequence[float]], names: Sequence[str], unit: str) -> None:
    """Groups of bars: each of ``series`` has a value for each of ``names``."""
    figure, axes = plt.subplots(figsize=_SIZE)
    width = 0.8 / len(series)
    for number, (label, values) in enumerate(series.items()):
        axes.bar([at + number * width for at in range(len(names))], values, width, label=label)
    axes.set_xticks([at + 0.4 - width / 2 for at in range(len(names))], names)
    axes.set(title=title, ylabel=unit)
    axes.legend()
    _save(figure, path)


def stacks(path: Path, title: str, series: Mapping[str, Sequence[float]], names: Sequence[str], unit: str) -> None:
    """Stacked bars: for each of ``names`` the values of each of ``series``, one on the other."""
    figure, axes = plt.subplots(figsize=_SIZE)
    below = [0.0] * len(names)
    for label, values in series.items():
        axes.bar(names, values, bottom=below, label=label)
        below = [under + value for under, value in zip(below, values, strict=True)]
    axes.set(title=title, ylabel=unit)
    axes.legend(fontsize="small")
    _save(figure, path)


def lines(path: Path, title: str, series: Mapping[str, Sequence[tuple[float, float]]], axis: str, unit: str) -> None:
    """Lines over logarithmic axes."""
    figure, axes = plt.subplots(figsize=_SIZE)
    for label, points in series.items():
        axes.loglog([x for x, _ in points], [y for _, y in points], marker="o", label=label)
    axes.set(title=title, xlabel=axis, ylabel=unit)
    axes.legend(fontsize="small")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:  # noqa: ANN401 - matplotlib names no type for it here
    figure.tight_layout()
    figure.savefig(path, metadata=_METADATA)
    plt.close(figure)

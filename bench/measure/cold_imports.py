"""How long each function takes to be imported, as at a cold start, beside its budget."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.harness.fakes import ENVIRONMENT
from local.configuration import ROOT

# A step works with S3 and SciCat; the API brings a framework.
BUDGET_SECONDS, API_BUDGET_SECONDS = 0.8, 1.2
_PROGRAM = (
    "import sys, time; begun = time.process_time(); import {module}; "
    "print(time.process_time() - begun, len(sys.modules))"
)


@dataclass(frozen=True, slots=True)
class Imported:
    """A function: seconds of a processor, modules that it loads, and its budget in seconds.

    ``from_source`` are the seconds where no bytecode lies beside the source, as in a layer that was built without.
    """

    function: str
    seconds: float
    from_source: float
    modules: int
    budget: float


def measure() -> list[Imported]:
    """Import every function, each in new processes."""
    names = sorted(app.parent.name for app in (ROOT / "functions").glob("*/app.py"))
    with tempfile.TemporaryDirectory(prefix="bench-bytecode-") as bytecode:
        return [_import(name, bytecode) for name in names]


def _import(name: str, bytecode: str) -> Imported:
    program = _PROGRAM.format(module=f"functions.{name}.app")
    with tempfile.TemporaryDirectory(prefix="bench-no-bytecode-") as none:
        from_source, modules = _seconds_and_modules(program, none)
    _seconds_and_modules(program, bytecode)  # leaves the bytecode behind
    seconds, _ = _seconds_and_modules(program, bytecode)
    return Imported(name, seconds, from_source, modules, API_BUDGET_SECONDS if name == "api" else BUDGET_SECONDS)


def _seconds_and_modules(program: str, bytecode: str) -> tuple[float, int]:
    environment = os.environ | ENVIRONMENT | {"PYTHONPYCACHEPREFIX": bytecode, "POWERTOOLS_METRICS_NAMESPACE": "any"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, modules = done.stdout.split()
    return float(seconds), int(modules)


def size_of(folder: Path) -> int:
    """All bytes in a folder; Lambda allows 250 MB for a function and its layers, unpacked."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

"""The environments that the stack needs besides the project's own, each made from one locked file."""

import platform
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

from local.configuration import CACHE, ROOT, Configuration, StageFailed, quiet_environment, venv
from local.processes.locks import alone

# environment → requirements/<file>.txt
NAMES = {"sam": "sam", "localstack": "localstack", "lambda": "runtime"}
_COMPILED = "--compile-bytecode"
_EXECUTOR = ROOT / "local" / "executor"


def make(name: str, configuration: Configuration) -> bool:
    """Make the environment ``name`` unless it is there as locked; whether it had to be made.

    Stacks that start together make it once; the others wait, and none takes it from under one that runs already.
    Raises StageFailed when that does not succeed.
    """
    with alone(CACHE / f"venv-{name}.lock"):
        current = is_current(name)
        if current:
            _stamp(name).touch()  # make compares its time with that of the locked files
        else:
            _sync(name, configuration)
            _stamp(name).write_text(_fingerprint(name))
    return not current


def is_current(name: str) -> bool:
    """Whether the environment ``name`` is there as locked."""
    stamp = _stamp(name)
    return stamp.is_file() and stamp.read_text() == _fingerprint(name)


def emulator() -> Path:
    """AWS's runtime interface emulator for this machine, which the package of SAM brings. Raises StageFailed."""
    machine = platform.machine().replace("aarch64", "arm64")
    found = next(venv("sam").glob(f"lib/python3.*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"), None)
    if found is None:
        raise StageFailed(f"aws-sam-cli brings no runtime interface emulator for {machine}")
    return found


def _stamp(name: str) -> Path:
    return venv(name) / ".synced"


def _fingerprint(name: str) -> str:
    files = [ROOT / "requirements" / f"{NAMES[name]}.txt"]
    if name == "localstack":
        files += sorted(file for file in _EXECUTOR.rglob("*") if file.suffix in {".py", ".toml"})
    return sha256(b"".join([_COMPILED.encode(), *(file.read_bytes() for file in files)])).hexdigest()


def _sync(name: str, configuration: Configuration) -> None:
    if shutil.which(configuration.uv) is None:
        raise StageFailed(f"uv is not there ({configuration.uv}); `make up` fetches it")
    log = configuration.logs / f"environment-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    python = str(venv(name) / "bin" / "python")
    steps = [
        ["venv", "--clear", "--python", "3.13", str(venv(name))],
        # Compiled once, not by each of the processes that begin at the same time.
        ["pip", "sync", _COMPILED, "--python", python, f"requirements/{NAMES[name]}.txt"],
    ]
    if name == "localstack":
        steps.append(["pip", "install", "--no-deps", "--reinstall", "--python", python, str(_EXECUTOR)])
    for step in steps:
        with log.open("ab") as output:
            done = subprocess.run(
                [configuration.uv, *step],
                cwd=ROOT,
                env=quiet_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise StageFailed(f"The environment .venv-{name} cannot be made: {last_line(log)}", log)


def last_line(log: Path) -> str:
    """The last line of ``log`` that says something; a log is also shown when it is empty."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no output"

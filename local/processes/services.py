"""Starting, finding again and stopping the programs of the stack, each known by pid and start time."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from local.configuration import ROOT, Port, StageFailed, quiet_environment
from local.executor.process_executor.process_tree import descendants, kill

_HEALTH_SECONDS = 90.0
_STOP_SECONDS = 15.0
# LocalStack keeps nothing, and waits long for its own threads: after this it is killed.
_POLITE_SECONDS = 3.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Service:
    """A program that listens on a port of this machine.

    ``environment`` is added to the caller's; ``variable`` is what moves the port.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    variable: str
    health_path: str
    log: Path

    @property
    def settings(self) -> str:
        """A fingerprint of how it is started; nobody reads a password out of it."""
        return sha256(json.dumps([self.command, dict(self.environment)]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Running:
    """A service that was started, as written in the state folder."""

    name: str
    pid: int
    started: int
    port: int
    health_path: str
    settings: str

    @property
    def identity(self) -> str:
        """Names this one process, also after the machine has used its pid again."""
        return f"{self.pid}-{self.started}"

    def alive(self) -> bool:
        """Whether that very process still runs."""
        return start_time(self.pid) == self.started

    def condition(self) -> str:
        """How it does, in a word or three."""
        if not self.alive():
            return "ended"
        return "runs" if healthy(self.port, self.health_path) else "does not answer"


class Register:
    """The services that were started with this state folder."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "services"
        # Those of this process: held so that they are waited for when they are stopped.
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def all(self) -> list[Running]:
        """Every service that was started and not yet stopped, dead ones too; the first started comes first."""
        records = [Running(**json.loads(file.read_text())) for file in self._folder.glob("*.json")]
        return sorted(records, key=lambda record: record.started)

    def find(self, name: str) -> Running | None:
        """The service ``name``, if it runs."""
        return next((record for record in self.all() if record.name == name and record.alive()), None)

    def start(self, service: Service) -> Running:
        """Start ``service`` and wait until it is healthy. Raises StageFailed when it is not."""
        refuse_taken({service.name: Port(service.port, service.variable)})
        for ended in self._children.values():
            ended.poll()
        service.log.parent.mkdir(parents=True, exist_ok=True)
        with service.log.open("ab") as log:
            process = subprocess.Popen(
                service.command,
                cwd=ROOT,
                env=quiet_environment() | dict(service.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[process.pid] = process
        running = Running(
            name=service.name,
            pid=process.pid,
            started=start_time(process.pid) or 0,
            port=service.port,
            health_path=service.health_path,
            settings=service.settings,
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file(service.name).write_text(json.dumps({field: getattr(running, field) for field in Running.__slots__}))
        _wait_until_healthy(service, process)
        return running

    def stop(self, running: Running) -> None:
        """Stop it and all it started, and wait until its port is free. Raises StageFailed when that does not help.

        The port of one that had ended already may be somebody else's by now.
        """
        was_alive = running.alive()
        if was_alive:
            family = {pid: start_time(pid) for pid in descendants(running.pid)}
            _end(running)
            kill([pid for pid, started in family.items() if started and start_time(pid) == started])
        if child := self._children.pop(running.pid, None):
            child.wait()
        if was_alive and not _within(_STOP_SECONDS, lambda: port_is_free(running.port)):
            raise StageFailed(f"{running.name} was stopped, but something still listens on port {running.port}")
        self._file(running.name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def start_time(pid: int) -> int | None:
    """When ``pid`` started, in clock ticks since boot (proc(5)); None when it has ended."""
    try:
        fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, started = fields[0], int(fields[19])
    return None if state == "Z" else started


def refuse_taken(ports: Mapping[str, Port]) -> None:
    """Raise StageFailed, naming each service whose port is another's, another program's, or the system's own."""
    by_number: dict[int, str] = {}
    wrong: list[str] = []
    variables: list[str] = []
    for name, port in ports.items():
        reason = _why_not(port.number)
        if port.number in by_number:
            reason = f"is the {by_number[port.number]}'s, too"
        by_number.setdefault(port.number, name)
        if reason:
            wrong.append(f"port {port.number} ({name}) {reason}")
            variables.append(f"{port.variable}=…")
    if wrong:
        sentence = " and ".join(wrong)
        choose = f"choose another port with {' '.join(variables)}"
        raise StageFailed(f"{sentence[0].upper()}{sentence[1:]}: {choose}, or stop what listens there")


def _why_not(port: int) -> str | None:
    """Why no service can listen on ``port`` of this machine, or None when one can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "is for root alone"
        except OSError:
            return "is taken by another program"
    return None


def port_is_free(port: int) -> bool:
    """Whether nothing listens on ``port`` of this machine."""
    return _why_not(port) is None


def healthy(port: int, path: str) -> bool:
    """Whether the service on ``port`` answers ``path`` with success."""
    with contextlib.suppress(OSError, urllib.error.URLError):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as answer:
            return bool(answer.status == 200)
    return False


def _wait_until_healthy(service: Service, process: subprocess.Popen[bytes]) -> None:
    healthy_or_ended = _within(
        _HEALTH_SECONDS, lambda: process.poll() is not None or healthy(service.port, service.health_path)
    )
    if process.poll() is not None:
        raise StageFailed(f"{service.name} ended with code {process.returncode} while it started", service.log)
    if not healthy_or_ended:
        raise StageFailed(f"{service.name} does not answer after {_HEALTH_SECONDS:.0f} seconds", service.log)


def _end(running: Running) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
    if not _within(_POLITE_SECONDS, lambda: not running.alive()):
        kill([running.pid])
        _within(_STOP_SECONDS, lambda: not running.alive())


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_SECONDS)
    return True

"""One execution environment of a Lambda function, as a process on this machine.

The function runs under AWS's own runtime interface emulator (which starts it, keeps the time and
restarts it after a failure) and AWS's own runtime client. What the emulator leaves out is here: the
memory limit, the measured memory in the report, and Lambda's names for timeouts.
"""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ctypes import CDLL
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .invocation_log import InvocationLog, timestamp
from .process_tree import descendants, kill, memory_bytes

MIB = 1024**2
_LOOPBACK = "127.0.0.1"
_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_INVOKE_PATH = "/2015-03-31/functions/function/invocations"
_LOOK_SECONDS = 0.05
_START_SECONDS = 20.0
_START_ATTEMPTS = 3
# The emulator keeps the function's time; this only ends the wait for an emulator that hangs.
_GRACE_SECONDS = 60.0

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = CDLL(None)
# The kernel tells a child of the death of the *thread* that made it, so one thread that lives as long
# as LocalStack makes them all.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="function-spawner")


@dataclass(frozen=True, slots=True)
class Tools:
    """What the environments of a machine share: AWS's programs, and where to write.

    ``preload``: a folder whose modules come before all others; a test that kills functions puts its own there.
    """

    emulator: Path
    python: Path
    logs: Path
    scratch: Path
    preload: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Tools":
        """Read ``PROCESS_EXECUTOR_*``. Raises KeyError on the one that is missing; PRELOAD may be."""
        names = ("EMULATOR", "PYTHON", "LOGS", "SCRATCH")
        emulator, python, logs, scratch = (Path(environment[f"PROCESS_EXECUTOR_{name}"]) for name in names)
        return cls(emulator, python, logs, scratch, environment.get("PROCESS_EXECUTOR_PRELOAD", ""))


@dataclass(frozen=True, slots=True)
class Function:
    """A deployed function. ``layers`` are unzipped folders, later ones over earlier ones."""

    name: str
    handler: str
    code: Path
    layers: tuple[Path, ...]
    timeout_seconds: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What an invocation ended with; ``failed`` is what Lambda calls a function error."""

    payload: bytes
    failed: bool
    logs: str


class Sandbox:
    """An execution environment: started once, invoked many times, one invocation at a time."""

    def __init__(self, name: str, function: Function, tools: Tools) -> None:
        self._function = function
        self._tools = tools
        self._scratch = tools.scratch / name
        self.log = InvocationLog(tools.logs / f"{function.name}.log", self._memory_mb)
        self._most_bytes = 0
        self._environment: dict[str, str] = {}
        self._emulator: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the emulator. Raises RuntimeError when it does not listen in time."""
        self._environment = process_environment(self._function, self._tools, self._scratch, environment)
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._tools.logs.mkdir(parents=True, exist_ok=True)
        for _ in range(_START_ATTEMPTS):  # another process may take a free port before the emulator does
            runtime_port, self._port = free_ports(2)
            self._emulator = _SPAWNER.submit(self._spawn, runtime_port).result()
            if self._listens(self._emulator):
                return
        raise RuntimeError(f"The runtime interface emulator does not start: {self.log.text()}")

    def invoke(self, request_id: str, payload: bytes, trace_id: str) -> Answer:
        """Run the function once. What goes wrong in it is an answer, not an exception."""
        if self._emulator is None or self._emulator.poll() is not None:
            self.start(self._environment)
        self.log.begin()
        self._most_bytes = 0
        begun = time.monotonic()
        done = threading.Event()
        watch = threading.Thread(target=self._watch_memory, args=(done,), name="function-memory", daemon=True)
        watch.start()
        try:
            body = self._post(request_id, payload, trace_id)
        except (OSError, http.client.HTTPException):  # the emulator itself is gone, or hangs
            self.stop()
            message = f"RequestId: {request_id} Error: Runtime exited without providing a reason"
            body = _error("Runtime.ExitError", message)
        finally:
            done.set()
            watch.join()
        return self._answer(request_id, body, (time.monotonic() - begun) * 1000)

    def stop(self) -> None:
        """End the function at once, with all it started."""
        if self._emulator is not None:
            kill([self._emulator.pid, *descendants(self._emulator.pid)])
            self._emulator.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _spawn(self, runtime_port: int) -> subprocess.Popen[bytes]:
        command = [
            *(str(self._tools.emulator), "--log-level", "error"),
            *("--runtime-api-address", f"{_LOOPBACK}:{runtime_port}"),
            *("--runtime-interface-emulator-address", f"{_LOOPBACK}:{self._port}"),
            *(str(self._tools.python), "-m", "awslambdaric", self._function.handler),
        ]
        output, its_end = os.pipe()
        self.log.follow(os.fdopen(output, "rb"))
        try:
            return subprocess.Popen(
                command,
                cwd=self._function.code,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=its_end,
                stderr=subprocess.STDOUT,
                # It has both ends: what it says when LocalStack is gone must not end it before it ends its function.
                pass_fds=(output,),
                start_new_session=True,
                preexec_fn=partial(end_with, os.getpid()),  # noqa: PLW1509 # it calls what is loaded already
            )
        finally:
            os.close(its_end)

    def _listens(self, emulator: subprocess.Popen[bytes]) -> bool:
        until = time.monotonic() + _START_SECONDS
        while emulator.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection((_LOOPBACK, self._port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return True
        self.stop()
        return False

    def _post(self, request_id: str, payload: bytes, trace_id: str) -> bytes:
        timeout = self._function.timeout_seconds + _GRACE_SECONDS
        connection = http.client.HTTPConnection(_LOOPBACK, self._port, timeout=timeout)
        headers = {"X-Amzn-RequestId": request_id, "X-Amzn-Trace-Id": trace_id, "Content-Type": "application/json"}
        try:
            connection.request("POST", _INVOKE_PATH, body=payload, headers=headers)
            return connection.getresponse().read()
        finally:
            connection.close()

    def _watch_memory(self, done: threading.Event) -> None:
        """Kill the function when it has held more than its memory size; the emulator reports its end."""
        while True:
            if self._look() > self._function.memory_mb * MIB:
                kill(self._function_processes())
            if done.wait(_LOOK_SECONDS):
                return

    def _look(self) -> int:
        """The most bytes that the function has held so far; none when it was killed."""
        held = memory_bytes(self._function_processes())
        self._most_bytes = max(self._most_bytes, held)
        return held

    def _memory_mb(self) -> int:
        """What the report of an invocation says; looked at once more, for the last requests often take the most."""
        self._look()
        return min(self._most_bytes // MIB, self._function.memory_mb)

    def _function_processes(self) -> list[int]:
        # The emulator's own memory is not the function's.
        return descendants(self._emulator.pid) if self._emulator else []

    def _answer(self, request_id: str, body: bytes, milliseconds: float) -> Answer:
        seconds = self._function.timeout_seconds
        if body == f"Task timed out after {seconds}.00 seconds".encode():
            message = f"Task timed out after {seconds}.00 seconds"
            self.log.append(f"{timestamp()} {request_id} {message}")
            body = _error("Sandbox.Timedout", f"RequestId: {request_id} Error: {message}")
        error = function_error(body, request_id)
        if error and str(error.get("errorType")).startswith("Runtime.Exit"):
            self.log.append(f"{error['errorMessage']}\n{error['errorType']}")
            self.log.report(request_id, milliseconds, self._function.memory_mb)
        return Answer(body, error is not None, self.log.end())


def function_error(body: bytes, request_id: str) -> dict[str, object] | None:
    """The error that ``body`` reports, or None when it is a result.

    The emulator answers both alike. An error of the runtime bears the invocation's id, which a
    function that merely returns such fields has no reason to add.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    if not isinstance(answer, dict) or not {"errorType", "errorMessage"} <= answer.keys():
        return None
    # An error before the handler (an import that fails) bears an empty id; one of the emulator names it in its text.
    ours = answer.get("requestId") in {request_id, ""} or f"RequestId: {request_id} " in str(answer["errorMessage"])
    return answer if ours else None


def process_environment(function: Function, tools: Tools, scratch: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of a function's process: nothing of this machine's, all of Lambda's."""
    path = [
        *filter(None, [tools.preload]),
        str(function.code),
        *(str(layer / "python") for layer in reversed(function.layers)),
    ]
    return {
        "PATH": f"{tools.python.parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        **{name: str(value) for name, value in given.items()},
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "LAMBDA_TASK_ROOT": str(function.code),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_seconds),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
    }


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nothing listens on, all different.

    Outgoing connections never take them while their service is about to listen: they have a range of their own
    (``ip_local_port_range`` of Linux's ip-sysctl), and none of these is in it.
    """
    first, last = map(int, _OUTGOING_PORTS.read_text().split())
    others = max(range(10_000, first), range(last + 1, 65_536), key=len) or range(10_000, 65_536)
    ports: list[int] = []
    while len(ports) < count:
        # Not by the seed that the other processes of a test run share.
        port = secrets.choice(others)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((_LOOPBACK, port))
            ports += [port] if port not in ports else []
    return ports


def _error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def end_with(parent: int) -> None:
    """Let the kernel end this process when ``parent``, which made it, has ended."""
    # Asked to end, not killed: the emulator then ends its function too.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(1)

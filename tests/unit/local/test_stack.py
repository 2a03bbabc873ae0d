"""What stands in the way of a stack is said in one line, before anything is made or stopped."""

import io
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from local import cli, deployment
from local.configuration import Configuration, StageFailed
from local.deployment import Deployed
from local.executor.process_executor.sandbox import free_ports
from local.processes.services import Register, Running, Service
from local.progress import Progress
from local.sources import Sources
from local.stack import Stack

SERVER = "import http.server as h, sys; h.test(h.SimpleHTTPRequestHandler, bind='127.0.0.1', port=int(sys.argv[1]))"
VARIABLES = ("LOCALSTACK_PORT", "SCICAT_PORT", "LTS_PORT")


@pytest.fixture
def ports() -> dict[str, str]:
    """A free port for each service, as the environment says it."""
    return dict(zip(VARIABLES, map(str, free_ports(3)), strict=True))


def a_stack(tmp_path: Path, ports: dict[str, str]) -> Stack:
    return Stack.of(Configuration.of(ports | {"STATE_DIR": str(tmp_path)}), Progress(Console(file=io.StringIO())))


@contextmanager
def taken(port: str) -> Iterator[None]:
    """Another program listens there."""
    with socket.socket() as program:
        program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        program.bind(("127.0.0.1", int(port)))
        program.listen()
        yield


@pytest.fixture
def localstack(tmp_path: Path, ports: dict[str, str]) -> Iterator[Running]:
    """What runs as the stack's LocalStack."""
    register, port = Register(tmp_path), ports["LOCALSTACK_PORT"]
    command = (sys.executable, "-c", SERVER, port)
    log = tmp_path / "any.log"
    running = register.start(Service("LocalStack", command, {}, int(port), "LOCALSTACK_PORT", "/", log))
    yield running
    register.stop(running)


def test_every_port_that_another_program_holds_is_named_with_its_service_and_its_variable(
    tmp_path: Path, ports: dict[str, str]
) -> None:
    with taken(ports["SCICAT_PORT"]), taken(ports["LTS_PORT"]), pytest.raises(StageFailed) as failed:
        a_stack(tmp_path, ports).up()

    assert str(failed.value) == (
        f"Port {ports['LTS_PORT']} (LTS mock) is taken by another program and "
        f"port {ports['SCICAT_PORT']} (SciCat mock) is taken by another program: "
        "choose another port with LTS_PORT=… SCICAT_PORT=…, or stop what listens there"
    )
    assert not Register(tmp_path).all()


def test_one_port_for_two_services_is_refused(tmp_path: Path, ports: dict[str, str]) -> None:
    with pytest.raises(StageFailed, match=r"\(SciCat mock\) is the LTS mock's, too: .*SCICAT_PORT"):
        a_stack(tmp_path, ports | {"SCICAT_PORT": ports["LTS_PORT"]}).up()


@pytest.mark.parametrize("held", [False, True])
def test_a_stack_that_runs_on_another_port_is_left_as_it_is(
    tmp_path: Path, ports: dict[str, str], localstack: Running, held: bool
) -> None:
    other = str(free_ports(1)[0])
    if held:
        # Whoever asked this program for the stack's state got an answer that is no XML.
        with taken(other), pytest.raises(StageFailed, match="LOCALSTACK_PORT as it was, or `make down` first"):
            a_stack(tmp_path, ports | {"LOCALSTACK_PORT": other}).up()
    else:
        with pytest.raises(StageFailed, match=f"runs on port {localstack.port}, not on {other}: leave"):
            a_stack(tmp_path, ports | {"LOCALSTACK_PORT": other}).up()

    assert localstack.condition() == "runs"


def test_a_service_that_runs_and_does_not_answer_is_named(
    tmp_path: Path, ports: dict[str, str], localstack: Running
) -> None:
    record = tmp_path / "services" / "LocalStack.json"
    record.write_text(record.read_text().replace('"health_path": "/"', '"health_path": "/not-there"'))

    with pytest.raises(StageFailed, match="The LocalStack runs, but does not answer: `make down` first"):
        a_stack(tmp_path, ports).up()

    assert localstack.alive()


def test_a_stack_whose_service_ended_goes_down_though_another_program_has_its_port(
    tmp_path: Path, ports: dict[str, str], localstack: Running
) -> None:
    os.kill(localstack.pid, signal.SIGKILL)
    Register(tmp_path).stop(localstack)
    record = tmp_path / "services" / "LocalStack.json"
    record.write_text(
        f'{{"name": "LocalStack", "pid": {localstack.pid}, "started": {localstack.started}, '
        f'"port": {localstack.port}, "health_path": "/", "settings": ""}}'
    )
    with taken(ports["LOCALSTACK_PORT"]):
        with pytest.raises(StageFailed, match=r"\(LocalStack\) is taken .* LOCALSTACK_PORT=…"):
            a_stack(tmp_path, ports).up()
        assert a_stack(tmp_path, ports).down()
    assert not Register(tmp_path).all()


def test_another_program_that_answers_in_the_place_of_localstack_ends_a_command_in_one_line(
    ports: dict[str, str],
    tmp_path: Path,
    localstack: Running,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert localstack.alive()
    Deployed("any", "any", Sources.read()).write(a_stack(tmp_path, ports).configuration)
    for name, value in (ports | {"STATE_DIR": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["local", "reload", "Api"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"http://localhost:{localstack.port} is another program's" in line


@pytest.fixture
def a_deployed_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "stack_status", lambda _: "CREATE_COMPLETE")


@pytest.mark.usefixtures("a_deployed_stack")
def test_what_keeps_its_data_on_disk_starts_again_beside_what_runs(
    tmp_path: Path, ports: dict[str, str], localstack: Running
) -> None:
    stack = a_stack(tmp_path, ports)
    kept = tmp_path / "scicat" / "any.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    command = (sys.executable, "-c", SERVER, ports["SCICAT_PORT"])
    mock = Service("SciCat mock", command, {}, int(ports["SCICAT_PORT"]), "SCICAT_PORT", "/", tmp_path / "any.log")
    ended = stack.register.start(mock)
    os.kill(ended.pid, signal.SIGKILL)
    while ended.alive():
        time.sleep(0.01)

    stack._check_whole()
    again = stack._service(mock)

    try:
        assert (again.pid != ended.pid, again.condition(), localstack.condition()) == (True, "runs", "runs")
        assert kept.is_file()
    finally:
        stack.register.stop(again)


@pytest.mark.usefixtures("a_deployed_stack")
@pytest.mark.parametrize("wanted", [False, True])
def test_data_that_goes_with_localstack_goes_only_when_that_is_wanted(
    tmp_path: Path, ports: dict[str, str], localstack: Running, wanted: bool
) -> None:
    kept = tmp_path / "scicat" / "any.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    os.kill(localstack.pid, signal.SIGKILL)
    while localstack.alive():
        time.sleep(0.01)
    asked: list[str] = []

    def may_lose(why: str) -> bool:
        asked.append(why)
        return wanted

    stack = replace(a_stack(tmp_path, ports), may_lose=may_lose)
    if wanted:
        stack._check_whole()
    else:
        with pytest.raises(StageFailed, match="ANEW=1 make up starts anew, empty"):
            stack._check_whole()
    (why,) = asked
    assert why.startswith("LocalStack has ended, and with it all that lay in the buckets: ")
    assert kept.is_file() is not wanted

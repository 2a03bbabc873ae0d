"""Programs that are started, found again and stopped, tried on Python's own web server."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from local.configuration import StageFailed
from local.executor.process_executor.process_tree import descendants
from local.executor.process_executor.sandbox import free_ports
from local.processes.services import Register, Service, port_is_free, start_time

SERVER = "import http.server as h, sys; h.test(h.SimpleHTTPRequestHandler, bind='127.0.0.1', port=int(sys.argv[1]))"
PARENT = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', *sys.argv[1:]]))"


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path)


def a_service(tmp_path: Path, *code: str) -> Service:
    port = free_ports(1)[0]
    return Service(
        name="any service",
        command=(sys.executable, "-c", *(code or (SERVER,)), str(port)),
        environment={},
        port=port,
        variable="ANY_PORT",
        health_path="/",
        log=tmp_path / "any.log",
    )


def test_started_service_is_found_again_by_another_command(register: Register, tmp_path: Path) -> None:
    running = register.start(a_service(tmp_path))

    assert Register(tmp_path).find("any service") == running
    assert running.condition() == "runs"
    register.stop(running)


def test_stopped_service_leaves_no_process_no_child_and_no_record(register: Register, tmp_path: Path) -> None:
    running = register.start(a_service(tmp_path, PARENT, SERVER))
    child = descendants(running.pid)[0]
    assert start_time(child)

    register.stop(running)

    assert not start_time(running.pid)
    assert not start_time(child)
    assert port_is_free(running.port)
    assert not register.all()


def test_another_process_with_the_same_pid_is_not_the_service_and_is_not_stopped(
    register: Register, tmp_path: Path
) -> None:
    running = register.start(a_service(tmp_path))
    record = tmp_path / "services" / "any service.json"
    record.write_text(record.read_text().replace(str(running.started), str(running.started + 1)))

    assert register.find("any service") is None
    assert register.all()[0].condition() == "ended"
    register.stop(running)


def test_service_that_died_is_said_to_have_ended(register: Register, tmp_path: Path) -> None:
    running = register.start(a_service(tmp_path))
    os.kill(running.pid, signal.SIGKILL)
    register.stop(running)

    assert running.condition() == "ended"


def test_taken_port_is_named_with_its_variable(register: Register, tmp_path: Path) -> None:
    service = a_service(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", service.port))
        taken.listen()
        with pytest.raises(StageFailed, match=rf"Port {service.port} \(any service\) is taken.*ANY_PORT"):
            register.start(service)


def test_service_that_ends_while_it_starts_is_reported_with_its_log(register: Register, tmp_path: Path) -> None:
    service = a_service(tmp_path, "import sys; sys.exit('any last words')")

    with pytest.raises(StageFailed, match=r"any service ended with code 1 while it started\. Log: .*any\.log"):
        register.start(service)
    assert service.log.read_text() == "any last words\n"


def test_settings_of_a_service_tell_two_starts_apart_without_telling_the_settings(tmp_path: Path) -> None:
    service = a_service(tmp_path)

    assert service.settings == service.settings
    assert len(service.settings) == 64

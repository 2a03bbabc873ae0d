"""The pure parts of the process Lambda executor."""

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.executor.process_executor.invocation_log import InvocationLog
from local.executor.process_executor.patches.masked_tokens import mask, mask_tokens
from local.executor.process_executor.patches.priority_semaphore import Turns
from local.executor.process_executor.process_tree import children, descendants, kill, memory_bytes
from local.executor.process_executor.sandbox import (
    Function,
    Tools,
    end_with,
    free_ports,
    function_error,
    process_environment,
)

ANY_ID = "0f93e669-b898-43f2-8a37-e9a85c863d7f"
FUNCTION = Function("any-function", "app.handler", Path("/code"), (Path("/first"), Path("/second")), 3, 128)
TOOLS = Tools(Path("/bin/emulator"), Path("/venv/bin/python"), Path("/logs"), Path("/scratch"))


@pytest.mark.parametrize(
    "body",
    [
        {"errorType": "KeyError", "errorMessage": "any", "requestId": ANY_ID, "stackTrace": []},
        {"errorType": "Runtime.ImportModuleError", "errorMessage": "any", "requestId": ""},
        {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {ANY_ID} Error: any"},
    ],
)
def test_error_of_this_invocation_is_an_error(body: dict[str, object]) -> None:
    assert function_error(json.dumps(body).encode(), ANY_ID) == body


@pytest.mark.parametrize(
    "body",
    [b"null", b'"text"', b"[1]", b"not json", b'{"errorType": "any", "errorMessage": "any"}', b'{"requestId": ""}'],
)
def test_anything_else_is_a_result(body: bytes) -> None:
    assert function_error(body, ANY_ID) is None


def test_function_sees_its_code_first_and_then_the_last_layer() -> None:
    environment = process_environment(FUNCTION, TOOLS, Path("/scratch/one"), {"ANY": "value", "TMPDIR": "/elsewhere"})

    assert environment["PYTHONPATH"] == "/code:/second/python:/first/python"
    assert environment["LAMBDA_TASK_ROOT"] == "/code"
    assert environment["ANY"] == "value"
    assert environment["HOME"] == "/scratch/one"


def test_tools_that_are_not_given_are_named() -> None:
    with pytest.raises(KeyError, match="PROCESS_EXECUTOR_EMULATOR"):
        Tools.of({})


def test_free_ports_are_all_different_and_none_is_taken_by_an_outgoing_connection() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())

    ports = set(free_ports(20))

    assert len(ports) == 20
    assert not ports & set(range(first, last + 1))


def test_log_of_an_invocation_holds_its_own_lines_and_the_file_holds_all(tmp_path: Path) -> None:
    log = InvocationLog(tmp_path / "any.log", lambda: 42)
    log.append("before")
    log.begin()
    log.append("first\nsecond")

    assert log.text() == "first\nsecond\n"
    assert (tmp_path / "any.log").read_text() == "before\nfirst\nsecond\n"


def test_report_is_written_where_the_emulator_wrote_none(tmp_path: Path) -> None:
    log = InvocationLog(tmp_path / "any.log", lambda: 42)
    log.begin()
    log.report(ANY_ID, 12.5, 128)

    assert f"REPORT RequestId: {ANY_ID}\tDuration: 12.50 ms" in log.text()
    assert "Memory Size: 128 MB\tMax Memory Used: 42 MB" in log.text()


def test_what_the_emulator_says_of_itself_is_left_out_and_its_memory_figure_corrected(tmp_path: Path) -> None:
    log = InvocationLog(tmp_path / "any.log", lambda: 42)
    log.begin()
    read, write = os.pipe()
    log.follow(os.fdopen(read, "rb"))
    with os.fdopen(write, "wb") as output:
        output.write(b"23 Nov 2026 12:27:47,053 [INFO] (rapid) any talk\n[ERROR] any\rTraceback\n")
        output.write(b"REPORT RequestId: any\tMax Memory Used: 128 MB\t\n")

    assert log.end() == "[ERROR] any\nTraceback\nREPORT RequestId: any\tMax Memory Used: 42 MB\t\n"


@pytest.mark.parametrize(("parent", "code"), [(os.getpid, 3), (os.getppid, 1)], ids=["lives", "has ended"])
def test_process_does_not_begin_when_its_parent_has_ended(parent: Callable[[], int], code: int) -> None:
    child = f"from {end_with.__module__} import end_with; end_with({parent()}); raise SystemExit(3)"

    assert subprocess.run([sys.executable, "-c", child], check=False).returncode == code


def test_process_tree_is_seen_measured_and_ended() -> None:
    sleeper = "import time; time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleeper!r}]); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", parent]) as process:
        while not children(process.pid):
            assert process.poll() is None
        assert os.getpid() not in descendants(process.pid)
        assert memory_bytes([process.pid]) > 1024**2
        kill([*descendants(process.pid), process.pid])

    assert descendants(process.pid) == []
    assert memory_bytes([process.pid]) == 0


@pytest.mark.parametrize(
    ("ranks", "order"), [("aaaaaa", [2, 3, 4, 5]), ("aacbab", [4, 3, 5, 2])], ids=["of one rank", "of several"]
)
def test_so_many_have_a_turn_and_the_others_come_by_rank_and_arrival(ranks: str, order: list[int]) -> None:
    turns = Turns(2)
    begun: queue.Queue[int] = queue.Queue()
    ends = [threading.Event() for _ in range(6)]

    def work(number: int) -> None:
        with turns.taken(ranks[number]):
            begun.put(number)
            ends[number].wait()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for started, thread in enumerate(threads, 1):
        thread.start()
        while begun.qsize() + turns.waiting < started:
            time.sleep(0.001)
    assert [begun.get(timeout=5) for _ in range(2)] == [0, 1]
    for ended, next_one in zip([0, 1, *order], order, strict=False):
        assert begun.empty()
        ends[ended].set()
        assert begun.get(timeout=5) == next_one
    for number in order[-2:]:
        ends[number].set()
    for thread in threads:
        thread.join()
    assert turns.waiting == 0


def test_a_turn_ends_with_an_error_too() -> None:
    turns = Turns(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="any"), turns.taken("any"):
            raise ValueError("any")


def test_a_crowd_of_one_group_does_not_hold_up_another_one() -> None:
    turns = Turns(4)
    begun: queue.Queue[str] = queue.Queue()
    end = threading.Semaphore(0)

    def work(group: str) -> None:
        with turns.taken("any", group):
            begun.put(group)
            end.acquire()

    threads = [threading.Thread(target=work, args=(group,)) for group in ["crowd"] * 60 + ["other"] * 2]
    for started, thread in enumerate(threads, 1):
        thread.start()
        while begun.qsize() + turns.waiting < started:
            time.sleep(0.001)
    assert [begun.get(timeout=5) for _ in range(4)] == ["crowd"] * 4
    order = []
    for _ in threads[4:]:
        end.release()
        order.append(begun.get(timeout=5))
    assert order == ["other"] * 2 + ["crowd"] * 56
    end.release(4)
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("logged", "masked"),
    [
        ("/api/v1/datablocks/eyJhbGci.eyJzdWIi.c2lnbg-_ => 302", "/api/v1/datablocks/*** => 302"),
        ("/api/v1/datablocks/eyJhbGci.cut", "/api/v1/datablocks/***"),
        ("Bearer eyJhbGciOiJI.eyJzdWIiOiJ1.c2lnbmF0dXJl", "Bearer ***"),
        ("s3://lts/openem-network/datasets/any/datablocks/run-1/any_1.tar", None),
        ("/api/v1/datablocks/any", None),
    ],
)
def test_no_token_of_a_link_is_logged(logged: str, masked: str | None) -> None:
    assert mask(logged) == (masked or logged)


def test_what_is_logged_with_arguments_is_masked_too(caplog: pytest.LogCaptureFixture) -> None:
    factory = logging.getLogRecordFactory()
    mask_tokens()
    try:
        logging.getLogger("any").warning("%s %s => %d", "GET", "/datablocks/a.b.c", 302)
    finally:
        logging.setLogRecordFactory(factory)
    assert caplog.messages == ["GET /datablocks/*** => 302"]

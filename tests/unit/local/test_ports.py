"""A container reaches services on this machine's loopback, and no others, through sockets in a shared folder."""

import asyncio
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from local.executor.process_executor.sandbox import free_ports
from local.processes import ports


async def _in_capitals(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A service that repeats a line in capitals and hangs up."""
    writer.write((await reader.readline()).upper())
    writer.close()


async def _ask(connection: ports.Connection) -> bytes:
    reader, writer = connection
    writer.write(b"ping\n")
    answer = await reader.read()
    writer.close()
    return answer


async def _ask_socket(port: int, folder: Path) -> bytes:
    async with ports.shared(port, folder):
        return await _ask(await asyncio.open_unix_connection(folder / f"{port}.sock"))


def test_what_comes_through_the_socket_reaches_the_service_and_the_socket_goes_afterwards(tmp_path: Path) -> None:
    async def through() -> bytes:
        async with await asyncio.start_server(_in_capitals, "127.0.0.1", 0) as service:
            return await _ask_socket(service.sockets[0].getsockname()[1], tmp_path)

    assert asyncio.run(through()) == b"PING\n"
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_does_not_answer_hangs_up(tmp_path: Path) -> None:
    assert asyncio.run(_ask_socket(9, tmp_path)) == b""


def test_in_the_container_the_port_of_each_socket_is_open(tmp_path: Path) -> None:
    # Both ends are on this machine here, so the container's port has a number of its own.
    port = free_ports(1)[0]

    async def through() -> bytes:
        async with await asyncio.start_unix_server(_in_capitals, tmp_path / f"{port}.sock"):
            await asyncio.to_thread(ports.open_in_container, tmp_path)
            return await _ask(await asyncio.open_connection("127.0.0.1", port))

    assert asyncio.run(through()) == b"PING\n"


def test_a_port_that_does_not_open_in_the_container_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "_OPEN_SECONDS", 0.1)
    monkeypatch.setattr(threading.Thread, "start", lambda _: None)
    with pytest.raises(RuntimeError, match="do not open"):
        ports.open_in_container(tmp_path)


def test_the_copy_in_the_container_needs_nothing_but_python(tmp_path: Path) -> None:
    shutil.copy(ports.__file__, tmp_path / "ports.py")
    # -S: without any installed package.
    subprocess.run([sys.executable, "-S", "-c", "import ports"], cwd=tmp_path, check=True)

"""Joins loopback ports of this machine with those of a container, by Unix sockets in a folder that both see.

The network has no part in it: nothing listens on any address but 127.0.0.1. Only the standard library is
imported, since a copy of this file runs in the container too.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

type Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK = 64 * 1024
_OPEN_SECONDS = 10.0


@contextlib.asynccontextmanager
async def shared(port: int, folder: Path) -> AsyncIterator[None]:
    """Join the socket ``<port>.sock`` in ``folder`` with this machine's ``port``, as long as the block runs.

    Raises OSError when the path of the socket is longer than unix(7) allows.
    """
    socket = folder / f"{port}.sock"
    server = await asyncio.start_unix_server(
        partial(_join, partial(asyncio.open_connection, "127.0.0.1", port)), socket
    )
    # The container may run as another user; the folder keeps others of this machine out.
    socket.chmod(0o666)
    try:
        async with server:
            yield
    finally:
        socket.unlink(missing_ok=True)


def open_in_container(folder: Path) -> None:
    """In the container: listen on each port that has a socket in ``folder``; returns when that is so."""
    listening = threading.Event()
    threading.Thread(target=lambda: asyncio.run(_listen(folder, listening)), daemon=True).start()
    if not listening.wait(_OPEN_SECONDS):
        raise RuntimeError("The ports of the stack do not open in the container.")


async def _listen(folder: Path, listening: threading.Event) -> None:
    for socket in folder.glob("*.sock"):
        reach = partial(asyncio.open_unix_connection, socket)
        await asyncio.start_server(partial(_join, reach), "127.0.0.1", int(socket.stem))
    listening.set()
    await asyncio.Event().wait()


async def _join(
    reach: Callable[[], Awaitable[Connection]], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Join a caller with what ``reach`` connects to; when that does not answer, hang up."""
    with contextlib.closing(writer), contextlib.suppress(OSError):
        answers, service = await reach()
        await asyncio.gather(_pump(reader, service), _pump(answers, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()

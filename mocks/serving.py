"""A server that ends at once when it is asked to, where uvicorn takes up to a third of a second."""

import asyncio
import contextlib
import socket
from typing import override

import uvicorn

_TICK_SECONDS = 0.1
_LOOK_SECONDS = 0.002


class Server(uvicorn.Server):
    """Safe to end from another thread; a signal ends it within a tick."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked_to_end = asyncio.Event()

    def end(self) -> None:
        """Finish what is being answered, then end."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._asked_to_end.set)

    @override
    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked_to_end.wait(), _TICK_SECONDS)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._let_nobody_in()
        for listener in sockets or []:
            listener.close()
        await self._finish()
        for task in self.server_state.tasks:
            task.cancel()
        # What could not be finished in time would be closed by nobody.
        for server in self.servers:
            server.abort_clients()
        await asyncio.sleep(0)
        await self.lifespan.shutdown()

    async def _let_nobody_in(self) -> None:
        """Close the doors behind whoever is coming in: a server that is closed meanwhile forgets to close that one."""
        loop = asyncio.get_running_loop()
        for listener in (listener for server in self.servers for listener in server.sockets):
            loop.remove_reader(listener)
        await asyncio.sleep(0)
        for server in self.servers:
            server.close()

    async def _finish(self) -> None:
        """Wait until every answer is sent, as long as the settings allow."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                # Who was let in last is known only a turn of the loop later.
                await asyncio.sleep(0)
                told: set[object] = set()
                while self.server_state.connections or self.server_state.tasks:
                    for connection in set(self.server_state.connections) - told:
                        connection.shutdown()
                        told.add(connection)
                    await asyncio.sleep(_LOOK_SECONDS)

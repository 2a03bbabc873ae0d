"""Requests on their way: reads ahead of whoever needs them, and parts that are sent."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from archiver.aws.memory import reserve
from archiver.settings import MIB
from archiver.tar.layout import Extent, Limits

# Bytes are read in pieces of this size, and so many are on their way or waiting for the hash.
READ_BYTES = 8 * MIB
READ_AHEAD_BYTES = 4 * READ_BYTES
_READERS = 8
# A small file takes a request like any other: it counts as so many bytes on their way.
_REQUEST_COST = MIB // 2
# Parts that S3 copies or receives at the same time; a part of glue has up to 18 MiB.
_SENDERS = 3


class Transfers:
    """Requests on their way: reads, answered in order, and parts sent, a few of each at a time."""

    def __init__(self) -> None:
        self._readers = ThreadPoolExecutor(_READERS, "read")
        self._senders = ThreadPoolExecutor(_SENDERS, "send")
        self._sent: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in (self._readers, self._senders):
            pool.shutdown(cancel_futures=True)

    def read(self, extents: Iterable[Extent], read: Callable[[Extent], bytes]) -> Iterator[bytes]:
        """What ``read`` gives for each extent, in order, read ahead as far as memory allows."""
        ahead: deque[tuple[Future[bytes], int]] = deque()
        on_their_way = 0
        for extent in extents:
            cost = max(extent.length, _REQUEST_COST)
            while ahead and on_their_way + cost > READ_AHEAD_BYTES:
                first, paid = ahead.popleft()
                on_their_way -= paid
                yield first.result()
            ahead.append((self._readers.submit(read, extent), cost))
            on_their_way += cost
        while ahead:
            yield ahead.popleft()[0].result()

    def send(self, request: Callable[[], None]) -> None:
        """Have a part sent; waits, when many are on their way, and raises what befell an earlier one."""
        while len(self._sent) >= _SENDERS:
            self._sent.popleft().result()
        self._sent.append(self._senders.submit(request))

    def settle(self) -> None:
        """Wait until every part was sent; raises what befell one."""
        while self._sent:
            self._sent.popleft().result()


def reserve_memory(limits: Limits) -> None:
    """Take at once what reads and parts on their way may need together."""
    reserve(READ_AHEAD_BYTES + READ_BYTES + _SENDERS * (limits.glue_part + limits.copied_from))


def chunks(extent: Extent) -> Iterator[Extent]:
    """What is read at once of some bytes of a file."""
    return extent.cut(READ_BYTES)

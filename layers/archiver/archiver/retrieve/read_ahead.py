"""Read a few pieces ahead of the one that is worked on."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor


def read_ahead[T](
    pool: ThreadPoolExecutor, read: Callable[[int], T], numbers: Iterable[int], ahead: int
) -> Iterator[tuple[int, T]]:
    """What ``read`` gives for each number, in order; the next ``ahead`` ones are read meanwhile."""
    reading: deque[tuple[int, Future[T]]] = deque()
    for number in numbers:
        reading.append((number, pool.submit(read, number)))
        if len(reading) > ahead:
            first, done = reading.popleft()
            yield first, done.result()
    for first, done in reading:
        yield first, done.result()

"""Memory that a function will need at its most, taken once before it begins.

So a function needs as much for a small dataset as for a large one, and one that is given too little
says so at its first dataset, not at its first large one.
"""


class _Taken:
    """The most that this process has taken, in bytes."""

    bytes = 0


def reserve(size: int) -> None:
    """Take ``size`` bytes and give them back, unless this process has had as many before."""
    if size > _Taken.bytes:
        bytearray(size)  # every page of it is written to
        _Taken.bytes = size

"""Numbers and times in sentences that people read."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 file``, ``7 files``; ``many`` is the plural where it is more than ``one`` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: int) -> str:
    """``30 seconds``, ``2 minutes``, ``24 hours``: the largest unit that comes out even."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            return counted(seconds // length, unit)
    return counted(seconds, "second")

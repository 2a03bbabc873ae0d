"""Numbers and times in sentences that people read."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 file``, ``7 files``; ``many`` is the plural where it is more than ``one`` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"

"""What LocalStack logs of requests does not hold the tokens of links, each of which is as good as a password."""

import logging
import re

# What stands for an object in the address of a link, however much of it; and any JSON Web Token.
_PART = "[A-Za-z0-9_-]+"
_TOKEN = re.compile(rf"(?P<before>/datablocks/)(?:{_PART}\.)+[A-Za-z0-9_-]*|\beyJ{_PART}\.{_PART}\.{_PART}")


def mask(text: str) -> str:
    """``text`` with stars for each token."""
    return _TOKEN.sub(lambda found: f"{found['before'] or ''}***", text)


def mask_tokens() -> None:
    """Write no token into the log: each record is looked at when it is made."""
    make = logging.getLogRecordFactory()

    def masked(*given: object, **named: object) -> logging.LogRecord:
        record = make(*given, **named)
        if isinstance(record.args, tuple):
            record.args = tuple(mask(arg) if isinstance(arg, str) else arg for arg in record.args)
        if isinstance(record.msg, str):
            record.msg = mask(record.msg)
        return record

    logging.setLogRecordFactory(masked)

"""The Basic credentials (RFC 7617) with which SciCat starts jobs, as they arrive, and what is wrong with their form.

SciCat writes the header from its job configuration and its environment. What goes wrong there shows in the form of
what arrives, and is told without a word about the content.
"""

import base64
import binascii
import html


class Malformed(Exception):
    """These are no credentials, whatever the right ones are; the text says what to change in SciCat."""


def decoded(credentials: str) -> bytes:
    """``name:password`` out of what follows ``Basic`` in the header. Raises Malformed."""
    if not credentials:
        raise Malformed("The Authorization header carries no credentials: ARCHIVER_BASIC is not set in SciCat.")
    if html.unescape(credentials) != credentials:
        raise Malformed(
            "The Authorization header arrived HTML-escaped: the job configuration needs triple braces, "
            "{{{ env.ARCHIVER_BASIC }}}."
        )
    try:
        account = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("The credentials are not base64: ARCHIVER_BASIC is the base64 of name:password.") from None
    if b":" not in account:
        raise Malformed("The credentials are not name:password in base64, which is what ARCHIVER_BASIC must be.")
    if account.endswith(b"\n"):
        raise Malformed("The credentials end in a line break: make ARCHIVER_BASIC with printf '%s', not with echo.")
    return account

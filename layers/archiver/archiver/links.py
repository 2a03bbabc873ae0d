"""Download links that outlive a presigned URL.

A URL presigned by a Lambda dies with its role's credentials, after hours at most. So users are given
a link of this API, ``/datablocks/<token>``, which is answered with a fresh presigned URL for as long
as the recalled copy is kept. The token is a JWT (RFC 7519) that this service signs and reads; it names
one datablock and is all that a reader needs, so it is treated like a password: never logged.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from archiver import secrets
from archiver.settings import settings

_ALGORITHM = "HS256"
_AUDIENCE = "datablock"


@dataclass(frozen=True, slots=True)
class Link:
    """What a link stands for: a datablock's ``archive_id``, which is its key in the retrieval bucket."""

    archive_id: str
    expires: datetime


def url(archive_id: str, now: datetime) -> str:
    """A link to a recalled datablock that works for as long as a copy made ``now`` is kept.

    Raises ValueError when the deployment did not say where users reach the API.
    """
    base = settings().public_api_url
    if not base:
        raise ValueError("PUBLIC_API_URL is not set: no link can be written")
    expires = now + timedelta(days=settings().retrieval_days)
    claims = {"sub": archive_id, "aud": _AUDIENCE, "exp": expires}
    return f"{base.rstrip('/')}/datablocks/{jwt.encode(claims, _key(), algorithm=_ALGORITHM)}"


def read(token: str) -> Link | None:
    """What the token of a link stands for, expired or not; None when this service did not write it."""
    try:
        claims = jwt.decode(
            token,
            _key(),
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            # An old link deserves another answer than a forged one: whoever asks looks at ``expires``.
            options={"require": ["sub", "aud", "exp"], "verify_exp": False},
        )
    except (jwt.InvalidTokenError, UnicodeEncodeError):
        return None
    return Link(claims["sub"], datetime.fromtimestamp(claims["exp"], UTC))


def _key() -> str:
    return secrets.text(settings().link_secret)

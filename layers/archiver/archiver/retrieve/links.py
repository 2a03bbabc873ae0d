"""Download links that outlive a presigned URL.

A URL presigned by a Lambda dies with its role's credentials, after hours at most. So users are given
a link of this API, ``/datablocks/<token>``, which is answered with a fresh presigned URL for as long
as the recalled copy is kept. The token is a JWT (RFC 7519) that this service signs and reads; it names
one object and is all that a reader needs, so it is treated like a password: never logged.

All links end with a new signing key; those of one dataset end when somebody revokes them, which is
written beside the copies and need not be kept longer than these.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt
from pydantic import BaseModel

from archiver.aws import secrets
from archiver.aws.s3 import Bucket
from archiver.keys import Keys
from archiver.settings import settings

_ALGORITHM = "HS256"
_AUDIENCE = "datablock"
_REVOCATION_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Link:
    """What a link stands for: the key of an object in the retrieval bucket (``Keys.copy`` of a datablock).

    ``pid`` is the dataset it belongs to, empty for the list of a job. ``issued`` in whole seconds.
    """

    key: str
    pid: str
    issued: datetime
    expires: datetime


def issue(key: str, pid: str, now: datetime) -> Link:
    """A link that ends a day before a copy made ``now`` goes: what is downloaded at its last moment can be finished."""
    issued = now.replace(microsecond=0)
    return Link(key, pid, issued, issued + timedelta(days=settings().retrieval_days - 1))


def url(link: Link, base: str = "") -> str:
    """The address of a link, under ``base`` (".../api/v1") or where the deployment says that users reach the API.

    Raises ValueError when neither says so.
    """
    base = base or settings().public_api_url
    if not base:
        raise ValueError("PUBLIC_API_URL is not set: no link can be written")
    claims = {"sub": link.key, "dataset": link.pid, "aud": _AUDIENCE, "iat": link.issued, "exp": link.expires}
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
            options={"require": ["sub", "dataset", "aud", "iat", "exp"], "verify_exp": False, "verify_iat": False},
        )
    except (jwt.InvalidTokenError, UnicodeEncodeError):
        return None
    issued, expires = (datetime.fromtimestamp(claims[name], UTC) for name in ("iat", "exp"))
    return Link(claims["sub"], claims["dataset"], issued, expires)


def revoke(pid: str, bucket: Bucket, now: datetime) -> None:
    """End every link of a dataset that was issued until ``now``. ``bucket`` is the one with the copies."""
    bucket.put(Keys.revocation(pid), _Revocation(issued_until=now).model_dump_json().encode())


def is_revoked(link: Link, bucket: Bucket) -> bool:
    """Whether somebody ended the links of the dataset after this one was issued."""
    written = bucket.read(Keys.revocation(link.pid), _REVOCATION_BYTES) if link.pid else None
    return written is not None and link.issued <= _Revocation.model_validate_json(written).issued_until


class _Revocation(BaseModel):
    """What is written of a revocation."""

    issued_until: datetime


def _key() -> str:
    return secrets.text(settings().link_secret)

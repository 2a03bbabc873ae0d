"""Links name one datablock, for as long as its copy is kept, and only this service can write them."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from types_boto3_s3 import S3Client

from archiver import links
from archiver.keys import Keys
from archiver.links import Link

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ANY_KEY = Keys.datablock("20.500.11935/any dataset, ü", "any-run-1", 0)
CLAIMS = {"sub": ANY_KEY, "aud": "datablock", "exp": NOW}


@pytest.fixture
def secret(aws: S3Client) -> str:
    """The key that signs links in this test."""
    assert aws
    return links._key()


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.usefixtures("secret")
def test_a_link_stands_for_its_datablock_until_the_copy_is_no_longer_kept() -> None:
    url = links.url(ANY_KEY, NOW)

    assert url.startswith("http://127.0.0.1:9/api/v1/datablocks/")
    assert links.read(token_of(url)) == Link(ANY_KEY, NOW + timedelta(days=7))


@pytest.mark.usefixtures("secret")
def test_a_link_fits_into_a_path_as_it_is() -> None:
    assert set(token_of(links.url(ANY_KEY, NOW))) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )


@pytest.mark.usefixtures("secret")
def test_an_old_link_is_still_read_so_that_its_holder_is_told_that_it_expired() -> None:
    old = NOW - timedelta(days=400)

    assert links.read(token_of(links.url(ANY_KEY, old))) == Link(ANY_KEY, old + timedelta(days=7))


def test_a_link_signed_with_another_key_is_not_read(secret: str) -> None:
    assert links.read(jwt.encode(CLAIMS, secret[::-1], algorithm="HS256")) is None


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_link_signed_by_another_algorithm_is_not_read(secret: str, algorithm: str) -> None:
    assert links.read(jwt.encode(CLAIMS, secret * 3, algorithm=algorithm)) is None


@pytest.mark.usefixtures("secret")
def test_an_unsigned_link_is_not_read() -> None:
    assert links.read(jwt.encode(CLAIMS, "", algorithm="none")) is None


@pytest.mark.parametrize("missing", sorted(CLAIMS))
def test_a_link_that_lacks_a_claim_is_not_read(secret: str, missing: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != missing}

    assert links.read(jwt.encode(claims, secret, algorithm="HS256")) is None


def test_a_token_for_another_purpose_is_not_read(secret: str) -> None:
    assert links.read(jwt.encode(CLAIMS | {"aud": "upload"}, secret, algorithm="HS256")) is None


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 70_000, "\ud800", "ü"])
def test_what_is_not_a_token_is_not_read(token: str) -> None:
    assert links.read(token) is None


def test_without_a_public_address_no_link_is_written(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PUBLIC_API_URL", "")

    with pytest.raises(ValueError, match="PUBLIC_API_URL"):
        links.url(ANY_KEY, NOW)

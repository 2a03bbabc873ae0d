"""Links name one object, for as long as its copy is kept, and only this service can write and revoke them."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from types_boto3_s3 import S3Client

from archiver.keys import Keys
from archiver.retrieve import links
from archiver.retrieve.links import Link
from archiver.settings import settings
from archiver.storage import buckets
from tests.support.template import resources_of

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ANY_KEY = Keys.datablock("20.500.11935/any dataset, ü", "any-run-1", 0)
ANY_PID = "20.500.11935/any dataset, ü"
CLAIMS = {"sub": ANY_KEY, "dataset": ANY_PID, "aud": "datablock", "iat": NOW, "exp": NOW}


@pytest.fixture
def secret(aws: S3Client) -> str:
    """The key that signs links in this test."""
    assert aws
    return links._key()


def a_link(now: datetime = NOW, pid: str = ANY_PID) -> Link:
    return links.issue(ANY_KEY, pid, now)


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.usefixtures("secret")
def test_h05_a_link_stands_for_its_datablock_until_a_day_before_the_copy_goes() -> None:
    url = links.url(a_link())

    assert url.startswith("http://127.0.0.1:9/api/v1/datablocks/")
    assert links.read(token_of(url)) == Link(ANY_KEY, ANY_PID, NOW, NOW + timedelta(days=settings().retrieval_days - 1))


def test_h05_the_copy_is_kept_for_as_many_days_as_the_links_are_written_for() -> None:
    bucket = resources_of("AWS::S3::Bucket")["RetrievalBucket"]
    rules = bucket["LifecycleConfiguration"]["Rules"]

    assert [rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule] == ["RetrievalDays"]


@pytest.mark.usefixtures("secret")
def test_a_link_fits_into_a_path_as_it_is() -> None:
    assert set(token_of(links.url(a_link()))) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )


@pytest.mark.usefixtures("secret")
def test_an_old_link_is_still_read_so_that_its_holder_is_told_that_it_expired() -> None:
    old = NOW - timedelta(days=400)

    assert links.read(token_of(links.url(a_link(old)))) == Link(ANY_KEY, ANY_PID, old, old + timedelta(days=7))


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
        links.url(a_link())


@pytest.mark.usefixtures("secret")
def test_the_address_of_a_caller_stands_in_where_the_deployment_knows_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PUBLIC_API_URL", "")

    assert links.url(a_link(), "https://any.host/api/v1").startswith("https://any.host/api/v1/datablocks/")


def test_h02_a_link_to_another_dataset_cannot_be_made_out_of_one_that_works(secret: str) -> None:
    assert secret
    mine, other = (token_of(links.url(links.issue(key, ANY_PID, NOW))).split(".") for key in ("mine", "other"))

    assert links.read(".".join((mine[0], other[1], mine[2]))) is None


def test_a_new_key_ends_every_link(secret: str, environment: pytest.MonkeyPatch) -> None:
    assert secret
    token = token_of(links.url(a_link()))
    environment.setattr(links, "_key", lambda: "another-key-that-is-long-enough-to-sign-links")

    assert links.read(token) is None


@pytest.mark.usefixtures("aws")
def test_a_revocation_ends_the_links_of_one_dataset_until_then() -> None:
    links.revoke(ANY_PID, buckets.retrieval(), NOW)

    revoked = {
        "earlier": links.is_revoked(a_link(NOW - timedelta(days=1)), buckets.retrieval()),
        "of that second": links.is_revoked(a_link(NOW), buckets.retrieval()),
        "later": links.is_revoked(a_link(NOW + timedelta(seconds=1)), buckets.retrieval()),
        "of another dataset": links.is_revoked(a_link(pid="any/other"), buckets.retrieval()),
        "of a job's list": links.is_revoked(a_link(pid=""), buckets.retrieval()),
    }
    assert [name for name, is_revoked in revoked.items() if is_revoked] == ["earlier", "of that second"]

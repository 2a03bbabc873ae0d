"""The environment is read once, whole, and what is wrong with it is named."""

import pytest

from archiver.settings import GIB, settings


def test_what_the_template_leaves_out_has_its_default(environment: pytest.MonkeyPatch) -> None:
    assert environment
    assert settings().datablock_bytes == 20 * GIB
    assert settings().lts_endpoint_url == ""
    assert settings().lts_storage_class == "GLACIER"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LANDING_BUCKET", ""),
        ("SCICAT_URL", "scicat"),
        ("SCICAT_GROUP_JOB_TYPE", ""),
        ("SCICAT_GROUP_JOB_TYPE", "retrieve"),
        ("PID_PREFIX", "20.500.11935/"),
        ("PID_PREFIX", "20.500 11935"),
        ("DATABLOCK_BYTES", "1000"),
        ("SLICE_SECONDS", "900"),
        ("LANES", "many"),
        ("LTS_RECALL_TIER", "Fast"),
        ("TOKEN_SECRET", ""),
        ("ACCESS_TOKEN_HOURS", "0"),
        ("IDENTITY_ALGORITHMS", ""),
        ("IDENTITY_ALGORITHMS", "none"),
        ("IDENTITY_ALGORITHMS", "RS256,HS256"),
        ("IDENTITY_ISSUER", "https://login.example.org/realms/any"),
        ("ACCESS_GROUPS_MAY_UPLOAD", "perhaps"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(ValueError, match=name) as wrong:
        settings()
    assert "input_value" not in str(wrong.value)


def test_every_missing_variable_is_named(environment: pytest.MonkeyPatch) -> None:
    for name in ("STAGING_BUCKET", "SCICAT_SECRET"):
        environment.delenv(name)
    with pytest.raises(ValueError, match=r"STAGING_BUCKET: .*; SCICAT_SECRET: "):
        settings()


@pytest.mark.parametrize(
    ("text", "words"), [("", ()), (" , ", ()), ("one", ("one",)), ("one, two ,three", ("one", "two", "three"))]
)
def test_words_have_commas_between_them(environment: pytest.MonkeyPatch, text: str, words: tuple[str, ...]) -> None:
    environment.setenv("ADMINISTRATOR_GROUPS", text)
    assert settings().administrator_groups == words

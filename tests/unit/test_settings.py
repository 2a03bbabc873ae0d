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
        ("DATABLOCK_BYTES", "1000"),
        ("SLICE_SECONDS", "900"),
        ("LANES", "many"),
        ("LTS_RECALL_TIER", "Fast"),
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

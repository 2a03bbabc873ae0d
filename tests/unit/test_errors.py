"""A reason survives the way through an exception's text, however odd its files are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import (
    MAX_NAMED_CHARACTERS,
    Code,
    DatasetRejected,
    Reason,
    Row,
    ServiceRefused,
    ServiceUnavailable,
)
from archiver.http.request_codes import RequestCode

texts = st.text(st.characters(), max_size=200)


@given(st.sampled_from(Code), texts, st.lists(texts, max_size=150))
def test_a_reason_is_read_back_from_the_text_of_its_exception(code: Code, message: str, files: list[str]) -> None:
    for error in (DatasetRejected(code, message, files), ServiceRefused(code, message, files)):
        reason = Reason.from_json(str(error))
        assert (reason.code, reason.message) == (code, message)
        assert reason.files == tuple(files[: len(reason.files)])
        assert reason.count == len(files)
        assert str(error).isascii()


def test_a_reason_fits_into_the_cause_of_an_execution() -> None:
    reason = DatasetRejected(Code.MISSING_FILES, "All are missing.", ["ä" * 1000] * 200).reason
    assert reason.count == 200
    assert 0 < len(reason.files) < 100
    assert len(reason.to_json()) < MAX_NAMED_CHARACTERS + 1000


def test_a_service_that_did_not_answer_says_which() -> None:
    assert Reason.from_json(str(ServiceUnavailable(Code.LTS_UNAVAILABLE, "It is away."))).code == "lts_unavailable"


@pytest.mark.parametrize("code", [*Code, *RequestCode])
def test_every_code_says_in_sentences_what_it_means_and_who_does_what(code: Code | RequestCode) -> None:
    told = [code.about.meaning, code.about.user, code.about.operator]

    assert code.about.meaning
    assert code.about.user or code.about.operator
    assert all(sentence.endswith(".") for sentence in told if sentence)
    assert type(code)(str(code)) is code


@pytest.mark.parametrize("code", Code)
def test_whoever_has_to_mend_a_failure_is_told_how(code: Code) -> None:
    assert code.about.user or code.row is Row.SYSTEM
    assert code.about.operator or code.row is not Row.SYSTEM


def test_a_code_is_in_one_list_only() -> None:
    assert not set(map(str, Code)) & set(map(str, RequestCode))

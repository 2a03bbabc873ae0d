"""Which names may stand in a dataset, a tar and a shell."""

import re
import unicodedata
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.names import MAX_KEY_BYTES, alike, pid_of, told_apart, wrong_path, wrong_pid


@pytest.mark.parametrize("path", ["../x", "a/../../b", "./x", "a//b", "a/.", "..", ".", "a/..", "", "/"])
def test_c01_a_path_that_leaves_or_blurs_its_folder_is_refused(path: str) -> None:
    assert wrong_path(path)


@pytest.mark.parametrize("path", ["/x", "C:\\x", "c:/x", "\\\\srv\\x", "\\x", "//srv/x", "~x", "~/x"])
def test_c02_an_absolute_path_is_refused(path: str) -> None:
    assert wrong_path(path) == "is absolute"


def test_c02_a_tilde_inside_a_name_is_allowed() -> None:
    assert wrong_path("a~b/c~") is None


@pytest.mark.parametrize("letter", ["\x00", "\n", "\t", "\r", "\x1b", "\x7f", "\x85"])
def test_c03_c04_a_control_character_is_refused(letter: str) -> None:
    assert wrong_path(f"a{letter}b") == "has a control character"


@pytest.mark.parametrize("letter", ["\ufffe", "\uffff"])
def test_c03_a_character_that_xml_cannot_hold_is_refused(letter: str) -> None:
    assert wrong_path(f"a{letter}b") == "has a character that is none"
    assert wrong_pid(f"any/{letter}")


def test_c04_bidirectional_overrides_are_kept() -> None:
    assert wrong_path("a\u202eb") is None


def test_c05_the_key_of_a_path_has_at_most_1024_bytes() -> None:
    prefix = "incoming/x/"
    longest = "ü" * ((MAX_KEY_BYTES - len(prefix)) // 2)
    assert wrong_path(longest, prefix) is None
    assert "1025 bytes" in str(wrong_path(longest + "aa", prefix))


@pytest.mark.parametrize(
    "path", ["Ü.mrc", "U\u0308.mrc", "a ", "a.", "CON", "a:b", "🧊", "it's", '"q"', "%2e%2e/x", "a" * 300]
)
def test_c06_c07_c08_odd_names_are_kept(path: str) -> None:
    assert wrong_path(path) is None


def test_c13_a_lone_surrogate_is_refused() -> None:
    assert wrong_path("a\ud800b") == "is not valid Unicode"


def test_the_archivers_own_folder_is_refused_at_the_top_only() -> None:
    assert wrong_path(".datablock/1/manifest-sha256.txt")
    assert wrong_path("a/.datablock/b") is None


@pytest.mark.parametrize("pid", ["20.500.11935/5d73d87c", "a%b?c#d/é", "x" * 300])
def test_c25_odd_pids_may_stand(pid: str) -> None:
    assert wrong_pid(pid) is None


@pytest.mark.parametrize("pid", ["", "x" * 301, "..", "a/../b", "/a", "a\nb"])
def test_c25_a_pid_that_could_escape_is_refused(pid: str) -> None:
    assert wrong_pid(pid)


@given(st.text(max_size=50))
def test_an_allowed_path_never_leaves_its_folder(path: str) -> None:
    if wrong_path(path) is None:
        assert not path.startswith("/")
        assert all(part not in ("", ".", "..") for part in path.removesuffix("/").split("/"))
        assert not any(ord(letter) < 32 for letter in path)


NAMES = st.text(st.sampled_from("aéü\\/e\u0301u\u0308"), min_size=1, max_size=4)


@given(st.sets(NAMES, max_size=6), st.sets(NAMES, max_size=6))
def test_names_are_alike_when_they_differ_in_form_alone_and_no_other_could_be_meant(
    listed: set[str], found: set[str]
) -> None:
    def form(path: str) -> str:
        return unicodedata.normalize("NFD", path).replace("\\", "/")

    for name, path in alike(listed, found).items():
        assert [one for one in listed if form(one) == form(name)] == [path]
        assert [one for one in found if form(one) == form(path)] == [name]
    unmatched = found - alike(listed, found).keys()
    assert all(
        len([one for one in listed if form(one) == form(name)]) != 1
        or len([one for one in found if form(one) == form(name)]) != 1
        for name in unmatched
    )


def test_two_names_that_look_the_same_are_told_apart() -> None:
    assert told_apart("Z\u00fcrich.mrc") == r"Z\xfcrich.mrc"
    assert told_apart("Zu\u0308rich.mrc") == r"Zu\u0308rich.mrc"


def test_a_pid_begins_with_the_catalogues_prefix() -> None:
    unique = UUID("5d73d87c-e2c4-57bc-9266-7da5ece1a7b2")
    assert pid_of("20.500.11935", unique) == f"20.500.11935/{unique}"


@given(st.uuids())
def test_a_pid_without_a_prefix_is_what_scicats_example_settings_take(unique: UUID) -> None:
    # DATASET_CREATION_VALIDATION_REGEX in .env.example of SciCat 4.28.0, 5.2.1 and master.
    wanted = r"^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$"
    assert re.match(wanted, pid_of("", unique))
    assert pid_of("", unique) == pid_of("", unique)
    assert wrong_pid(pid_of("", unique)) is None

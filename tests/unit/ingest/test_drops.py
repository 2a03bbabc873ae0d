"""What dataset.json may say, and when a folder holds what it says."""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver import ingest
from archiver.errors import Code, DatasetRejected, Reason
from archiver.ingest import DatasetDocument, Drop, DropContent, DropEnded, DropRead, DropRegistered, ListedFile
from archiver.ingest.states import ChkAlg
from archiver.models.catalogue import CatalogueFile
from archiver.models.files import S3Object, SourceFile
from archiver.models.states import ObjectEvent, State
from tests.support.account import ROOT
from tests.support.dropping import PREFIX, a_document, an_example, sha256, sha256sums

SCHEMA = ROOT / "docs" / "dataset.schema.json"
ANY_DAY = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def parsed(**changes: Any) -> DatasetDocument:
    return ingest.parse_document(json.dumps(a_document(**changes)).encode())


def content(document: DatasetDocument, prefix: str = PREFIX, checksum_file: str | None = None) -> DropContent:
    return ingest.content_of(document, "landing", prefix, checksum_file, "20.500.11935")


def checksums(body: bytes, chk_alg: ChkAlg | None = "sha256") -> Sequence[ListedFile]:
    return ingest.parse_checksums(body, "sums", chk_alg).files


def objects(*paths: str, prefix: str = PREFIX, size: int = 3) -> list[S3Object]:
    keys = sorted((prefix + path for path in paths), key=str.encode)
    return [S3Object(key=key, size=size, etag="any", storage_class="STANDARD", modified=ANY_DAY) for key in keys]


def match(listed: list[ListedFile] | None, found: Iterable[S3Object]) -> list[SourceFile]:
    return list(ingest.match(listed, "sha256", found, PREFIX))


def the_refusal(error: pytest.ExceptionInfo[DatasetRejected]) -> Reason:
    return Reason.from_json(str(error.value))


class TestDocument:
    def test_the_schema_in_docs_is_the_models(self) -> None:
        assert json.loads(SCHEMA.read_text()) == ingest.schema()

    def test_the_example_in_docs_is_valid_for_the_schema_and_for_the_service(self) -> None:
        example = an_example("dataset.json").read_bytes()
        jsonschema.validate(json.loads(example), json.loads(SCHEMA.read_text()))
        assert content(ingest.parse_document(example)).metadata["datasetName"] == "Apoferritin, grid 4"

    def test_missing_unknown_and_wrong_fields_are_all_named(self) -> None:
        document = a_document(owner=None, colour="blue", contactEmail="nobody", files=[{"path": "a", "sighs": 1}])
        with pytest.raises(DatasetRejected) as error:
            ingest.parse_document(json.dumps(document).encode())
        message = the_refusal(error).message
        assert "'owner' is missing" in message
        assert "'colour' is not a known field" in message
        assert "'contactEmail'" in message
        assert "'files.0.sighs' is not a known field" in message

    @pytest.mark.parametrize("field", ["pid", "size", "datasetlifecycle", "isPublished", "numberOfFiles"])
    def test_fields_that_belong_to_the_service_are_not_known(self, field: str) -> None:
        with pytest.raises(DatasetRejected, match=f"'{field}' is not a known field"):
            parsed(**{field: "any"})

    @pytest.mark.parametrize(
        "body", [b"", b"\x00", b"[]", b"nothing", b'{"owner": "\\ud800"}', b"\xff\xfe", b"{" * 5000]
    )
    def test_c13_what_is_no_json_object_is_refused(self, body: bytes) -> None:
        with pytest.raises(DatasetRejected) as error:
            ingest.parse_document(body)
        assert the_refusal(error).code is Code.BAD_DROP

    def test_an_endless_list_of_problems_is_cut(self) -> None:
        with pytest.raises(DatasetRejected) as error:
            parsed(**{f"field{number}": 1 for number in range(1000)})
        assert "and 980 more" in the_refusal(error).message

    @pytest.mark.parametrize("time", ["2026-11-20", "2026-11-20T09:30:00", "yesterday", 5])
    def test_a_creation_time_needs_a_time_zone(self, time: object) -> None:
        with pytest.raises(DatasetRejected, match="creationTime"):
            parsed(creationTime=time)

    @pytest.mark.parametrize("field", ["ownerGroup", "owner", "principalInvestigator", "datasetName"])
    @pytest.mark.parametrize("blank", ["", " ", "\t \n", "\u00a0"])
    def test_a_field_that_says_nothing_but_spaces_is_refused(self, field: str, blank: str) -> None:
        with pytest.raises(DatasetRejected) as error:
            parsed(**{field: blank})
        assert field in the_refusal(error).message

    @pytest.mark.parametrize("size", [-1, 1.5, "3", True])
    def test_c20_a_listed_size_is_a_whole_number(self, size: object) -> None:
        with pytest.raises(DatasetRejected, match=r"files\.0\.size"):
            parsed(files=[{"path": "a", "size": size}])

    def test_a_byte_order_mark_is_no_garbage(self) -> None:
        assert ingest.parse_document(b"\xef\xbb\xbf" + json.dumps(a_document()).encode()).owner == "Any Owner"

    def test_a_document_in_utf_16_as_windows_saves_it_is_read(self) -> None:
        assert ingest.parse_document(json.dumps(a_document()).encode("utf-16")).owner == "Any Owner"

    @pytest.mark.parametrize("name", ["sha256", "SHA-256", "Sha256"])
    def test_an_algorithm_is_known_however_it_is_written(self, name: str) -> None:
        assert parsed(chkAlg=name).chk_alg == "sha256"

    @pytest.mark.parametrize("time", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+14:00"])
    def test_a_time_that_utc_cannot_express_is_refused(self, time: str) -> None:
        with pytest.raises(DatasetRejected, match="'creationTime': in UTC it is not between the years 1 and 9999"):
            parsed(creationTime=time)

    @pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400", "18446744073709551616", "-" + "9" * 4000])
    def test_a_number_that_would_be_catalogued_as_another_is_refused(self, number: str) -> None:
        body = json.dumps(a_document(scientificMetadata={"dose": ["DOSE"]})).replace('"DOSE"', number)
        with pytest.raises(DatasetRejected, match="write it as text") as error:
            ingest.parse_document(body.encode())
        assert the_refusal(error).code is Code.BAD_DROP

    @pytest.mark.parametrize("number", ["6.02e23", "18446744073709551615", "-9223372036854775808", "1e-400"])
    def test_an_ordinary_number_is_kept(self, number: str) -> None:
        body = json.dumps(a_document(scientificMetadata={"dose": "DOSE"})).replace('"DOSE"', number)
        assert ingest.parse_document(body.encode()).scientific_metadata == json.loads(f'{{"dose": {number}}}')

    def test_a_field_that_is_given_twice_is_refused(self) -> None:
        body = json.dumps(a_document())[:-1] + ', "ownerGroup": "other"}'
        with pytest.raises(DatasetRejected, match="'ownerGroup' is given twice"):
            ingest.parse_document(body.encode())

    @given(st.binary(max_size=200))
    def test_no_bytes_break_the_reader(self, body: bytes) -> None:
        with pytest.raises(DatasetRejected):
            ingest.parse_document(body)


class TestContent:
    def test_the_pid_is_the_same_for_the_same_folder_and_metadata(self) -> None:
        assert content(parsed()).pid == content(parsed(files=[{"path": "a"}])).pid
        assert content(parsed()).pid.startswith("20.500.11935/")

    def test_without_a_prefix_the_pid_follows_from_folder_and_metadata_too(self) -> None:
        def without_prefix(document: DatasetDocument) -> str:
            return ingest.content_of(document, "landing", PREFIX, None, "").pid

        assert without_prefix(parsed()) == without_prefix(parsed(files=[{"path": "a"}]))
        assert without_prefix(parsed()) != without_prefix(parsed(datasetName="other"))

    def test_another_folder_or_other_metadata_is_another_dataset(self) -> None:
        pids = {
            content(parsed()).pid,
            content(parsed(), "incoming/other/").pid,
            content(parsed(datasetName="other")).pid,
        }
        assert len(pids) == 3

    def test_defaults_come_from_the_folders_name(self) -> None:
        metadata = content(parsed()).metadata
        assert metadata["datasetName"] == "any-drop"
        assert metadata["sourceFolder"] == "/incoming/any-drop"
        assert metadata["type"] == "raw"

    def test_times_are_told_in_utc(self) -> None:
        assert content(parsed()).metadata["creationTime"] == "2026-11-20T08:30:00.000Z"

    def test_a_folder_with_an_impossible_name_is_refused(self) -> None:
        with pytest.raises(DatasetRejected) as error:
            content(parsed(), "incoming/../")
        assert the_refusal(error).code is Code.BAD_PATH

    @pytest.mark.parametrize(
        ("key", "prefix"),
        [
            ("incoming/a b/dataset.json", "incoming/a b/"),
            ("incoming/dataset.json", None),
            ("incoming//dataset.json", None),
            ("incoming/a/b/dataset.json", None),
            ("elsewhere/a/dataset.json", None),
            ("incoming/a/dataset.json.bak", None),
        ],
    )
    def test_a_marker_lies_directly_in_a_folder_of_incoming(self, key: str, prefix: str | None) -> None:
        assert ingest.prefix_of(key) == prefix


class TestChecksums:
    def test_what_sha256sum_writes_is_read(self) -> None:
        files = {"a b/ü.mrc": b"1", "c": b"2"}
        listed = checksums(sha256sums(files))
        assert [(file.path, file.chk) for file in listed] == [(path, sha256(body)) for path, body in files.items()]

    @pytest.mark.parametrize(
        ("line", "path"),
        [
            ("{digits}  a b", "a b"),
            ("{digits} *./a", "a"),
            ("{upper}  a", "a"),
            ("{digits}  ends with spaces  ", "ends with spaces  "),
            ("{digits}   begins with a space", " begins with a space"),
            ("{digits} one space", "one space"),
            ("{digits}\ta", "a"),
            ("\\{digits}  back\\\\slash", "back\\slash"),
            ("SHA256 (./a (1).mrc) = {upper}", "a (1).mrc"),
            ("SHA2-256(a)= {digits}", "a"),
            ("SHA256 (a) = {base64}", "a"),
            ("\ufeff{digits}  a", "a"),
        ],
    )
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\n# a comment\n\n"])
    def test_a_line_is_understood_however_tools_write_it(self, line: str, path: str, end: str) -> None:
        digits = sha256(b"any")
        text = line.format(digits=digits, upper=digits.upper(), base64=b64encode(bytes.fromhex(digits)).decode())
        listed = checksums((text + end).encode(), None)
        assert [(file.path, file.chk) for file in listed] == [(path, digits)]

    def test_a_list_in_utf_16_as_powershell_writes_it_is_read(self) -> None:
        assert checksums(f"{'0' * 64}  ü\r\n".encode("utf-16"))[0].path == "ü"

    @pytest.mark.parametrize(("digits", "algorithm"), [(32, "md5"), (40, "sha1"), (64, "sha256"), (128, "sha512")])
    def test_a_list_says_by_its_digits_of_which_algorithm_it_is(self, digits: int, algorithm: str) -> None:
        body = f"{'0' * digits}  a\n{'1' * digits}  b".encode()
        assert ingest.parse_checksums(body, "sums", None).chk_alg == algorithm
        assert ingest.parse_checksums(f"BLAKE2b (a) = {'0' * 128}".encode(), "sums", None).chk_alg == "blake2b"

    @pytest.mark.parametrize("line", ["no checksum", "abc  a", f"{'0' * 63}  a", f"{'0' * 64}  ", "MD4 (a) = 00"])
    def test_a_line_that_is_not_understood_is_named_by_its_number(self, line: str) -> None:
        body = f"{'0' * 64}  first\n{line}\n".encode()
        with pytest.raises(DatasetRejected, match="sums, line 2"):
            checksums(body)

    def test_a_list_of_another_algorithm_than_chk_alg_says_which_it_is(self) -> None:
        with pytest.raises(DatasetRejected, match=r"line 1: .* but of md5: let chkAlg name it"):
            checksums(b"0" * 32 + b"  a")

    def test_a_list_that_is_not_utf8_is_refused(self) -> None:
        with pytest.raises(DatasetRejected, match="sums is not UTF-8 at byte 66"):
            checksums(b"0" * 64 + b"  \xff")

    def test_the_drops_own_documents_are_not_part_of_the_dataset(self) -> None:
        own = content(parsed(), checksum_file="SHA256SUMS")
        listed = [ListedFile(path=path) for path in ("a", "SHA256SUMS", "dataset.json")]
        assert [file.path for file in ingest.check_list(listed, own)] == ["a"]

    def test_a_listed_report_of_the_service_is_no_data(self) -> None:
        assert ingest.check_list([ListedFile(path="dataset.status.json")], content(parsed())) == []

    @pytest.mark.parametrize(
        "chk",
        ["AB" * 32, "sha256:" + "ab" * 32, "SHA-256:" + "ab" * 32, b64encode(bytes.fromhex("ab" * 32)).decode()],
    )
    def test_a_checksum_is_understood_however_it_is_written(self, chk: str) -> None:
        assert ingest.check_list([ListedFile(path="a", chk=chk)], content(parsed()))[0].chk == "ab" * 32

    @pytest.mark.parametrize("chk", ["0" * 32, "md5:" + "0" * 32, "md5:" + "0" * 64, "zz" * 32, "="])
    def test_a_checksum_of_another_algorithm_is_refused(self, chk: str) -> None:
        with pytest.raises(DatasetRejected, match="1 checksum is not of sha256: 64 hexadecimal digits") as error:
            ingest.check_list([ListedFile(path="a", chk=chk)], content(parsed()))
        assert the_refusal(error).files == ("a",)

    def test_a_file_that_is_listed_twice_alike_is_listed_once(self) -> None:
        files = [ListedFile(path="a", chk="0" * 64), ListedFile(path="./a", chk="sha256:" + "0" * 64)]
        assert len(ingest.check_list(files, content(parsed()))) == 1

    def test_a_file_that_is_listed_twice_with_other_words_is_refused(self) -> None:
        with pytest.raises(DatasetRejected) as error:
            ingest.check_list([ListedFile(path="a", size=1), ListedFile(path="a", size=2)], content(parsed()))
        assert the_refusal(error).files == ("a",)

    @pytest.mark.parametrize(
        ("changes", "names"),
        [
            ({}, ingest.CHECKSUM_FILES),
            ({"checksums": "my.md5"}, ("my.md5",)),
            ({"files": [{"path": "a"}]}, ()),
        ],
    )
    def test_where_the_list_of_checksums_lies(self, changes: dict[str, Any], names: tuple[str, ...]) -> None:
        assert ingest.checksum_file_of(parsed(**changes)) == names

    def test_no_list_is_looked_for_when_dataset_json_says_null(self) -> None:
        document = ingest.parse_document(json.dumps(a_document() | {"checksums": None}).encode())
        assert ingest.checksum_file_of(document) == ()

    def test_two_lists_exclude_each_other(self) -> None:
        with pytest.raises(DatasetRejected, match="exclude each other"):
            ingest.checksum_file_of(parsed(checksums="a", files=[]))


class TestMatch:
    def test_without_a_list_whatever_lies_in_the_folder_is_the_dataset(self) -> None:
        [file] = match(None, objects("a/ü.mrc"))
        assert (file.path, file.size, file.etag, file.chk) == ("a/ü.mrc", 3, "any", None)
        assert file.time == "2026-11-20T09:30:00.000Z"

    def test_a_listed_checksum_goes_with_its_file(self) -> None:
        [file] = match([ListedFile(path="a", size=3, chk="AB" * 32)], objects("a"))
        assert (file.chk, file.chk_alg) == ("ab" * 32, "sha256")

    @pytest.mark.parametrize(
        ("listed", "found", "code", "named"),
        [
            (["a", "b", "c"], ["b"], Code.MISSING_FILES, ("a", "c")),
            (["a"], ["a", "b"], Code.EXTRA_FILES, ("b",)),
            (["a"], [], Code.MISSING_FILES, ("a",)),
            ([], [], Code.NO_FILES, ()),
            (None, [], Code.NO_FILES, ()),
            (["../a"], ["a"], Code.BAD_PATH, ("../a has an empty, '.' or '..' part",)),
            (None, ["a//b"], Code.BAD_PATH, ("a//b has an empty, '.' or '..' part",)),
            (None, ["a/"], Code.BAD_PATH, ("a/ ends with '/'",)),
            (None, ["a", "a/b"], Code.BAD_PATH, ("a is a file and a folder",)),
        ],
    )
    def test_a_folder_that_differs_is_refused_naming_the_files(
        self, listed: list[str] | None, found: list[str], code: Code, named: tuple[str, ...]
    ) -> None:
        files = None if listed is None else [ListedFile(path=path) for path in listed]
        with pytest.raises(DatasetRejected) as error:
            match(files, objects(*found))
        assert (the_refusal(error).code, the_refusal(error).files) == (code, named)

    def test_what_a_list_says_of_times_and_modes_counts(self) -> None:
        document = parsed(files=[{"path": "./a", "time": "2020-05-04T03:02:01+02:00", "perm": "-r--r-----"}])
        [file] = match(document.files, objects("a"))
        assert (file.path, file.time, file.perm) == ("a", "2020-05-04T01:02:01.000Z", "-r--r-----")
        assert file.mtime_ns == 1588554121 * 10**9

    @pytest.mark.parametrize("perm", ["rw", "0999", "drwxrwxrwx", "-rw-r--r-- 1"])
    def test_a_mode_that_is_none_is_refused(self, perm: str) -> None:
        with pytest.raises(DatasetRejected, match=r"'files\.0\.perm'"):
            parsed(files=[{"path": "a", "perm": perm}])

    @pytest.mark.parametrize(("count", "sentence"), [(1, "1 listed file is not in"), (2, "2 listed files are not in")])
    def test_one_file_is_told_of_in_the_singular(self, count: int, sentence: str) -> None:
        with pytest.raises(DatasetRejected, match=sentence):
            match([ListedFile(path=str(number)) for number in range(count)], [])

    def test_d03_another_size_is_refused(self) -> None:
        with pytest.raises(DatasetRejected) as error:
            match([ListedFile(path="a", size=4)], objects("a"))
        assert the_refusal(error).files == ("a (4 bytes listed, 3 dropped)",)

    def test_the_first_hundred_are_named_and_all_are_counted(self) -> None:
        with pytest.raises(DatasetRejected) as error:
            match([ListedFile(path=f"{number:04}") for number in range(250)], [])
        assert (len(the_refusal(error).files), the_refusal(error).count) == (100, 250)


class TestRegistration:
    def test_what_the_catalogue_lists_is_not_listed_again(self) -> None:
        files = match(None, objects("a", "b"))
        registered = [CatalogueFile("a", 3, "any other time")]
        assert [file.path for file in ingest.unregistered(registered, files)] == ["b"]

    def test_files_that_were_registered_otherwise_are_refused(self) -> None:
        registered = [CatalogueFile("a", 4, "any"), CatalogueFile("gone", 1, "any")]
        with pytest.raises(DatasetRejected) as error:
            list(ingest.unregistered(registered, match(None, objects("a"))))
        assert the_refusal(error).code is Code.CATALOGUE_CHANGED
        assert the_refusal(error).files == ("a", "gone")

    @pytest.mark.parametrize("path", ["{}", "ü" * 500 + "{}", '"\\' * 500 + "{}"])
    def test_c18_an_origdatablock_stays_far_below_scicats_16_mb(self, path: str) -> None:
        files = [
            CatalogueFile(path.format(number), 1, "2026-11-20T09:30:00.000Z", "0" * 128) for number in range(25_000)
        ]
        blocks = list(ingest.origdatablocks(files))
        assert [file for block in blocks for file in block] == files
        assert max(len(block) for block in blocks) <= 10_000
        body = [{"path": f.path, "size": f.size, "time": f.time, "chk": f.chk} for f in blocks[0]]
        assert len(json.dumps(body, ensure_ascii=False).encode()) < 12_000_000

    def test_no_files_make_no_origdatablock(self) -> None:
        assert list(ingest.origdatablocks([])) == []


@pytest.mark.parametrize(
    ("sample", "state"),
    [
        ("object-created", ObjectEvent),
        ("read-drop", Drop),
        ("register-dataset", DropRead),
        ("match-drop", DropRegistered),
        ("register-files", DropRegistered),
        ("request-archive", DropRegistered),
        ("report-drop", DropEnded),
    ],
)
def test_the_samples_of_events_are_what_the_steps_take(sample: str, state: type[State]) -> None:
    assert state.model_validate_json(
        (ROOT / "events" / f"{sample}.json").read_bytes(), extra="forbid" if state is not ObjectEvent else None
    )


def test_the_page_about_drops_shows_the_example_as_it_is() -> None:
    page = Path(ROOT / "docs" / "dropping-a-dataset.md").read_text()
    assert "examples/dataset.json" in page
    assert "dataset.schema.json" in page

"""The catalogue client and a SciCat that misbehaves: retries, limits, and what leaves as an error."""

import gzip
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
import time_machine
from moto import mock_aws

from archiver.errors import Code, ServiceRefused, ServiceUnavailable
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.models.states import JobKind
from archiver.scicat import Catalogue, Identity, JobStatus, JobTypes, responses, streaming
from archiver.scicat import catalogue as deployed_catalogue
from archiver.scicat.retries import UnansweredError, pause_asked_for, worth_repeating
from tests.support.loopback import QuietHandler, serving

pytestmark = pytest.mark.usefixtures("no_pauses")

PID = "20.500.11935/1"
LOGIN, SELF = "/api/v3/auth/login", "/api/v3/users/my/self"
DATABLOCK = CatalogueDatablock("a.tar", 3, 10240, "sha256", "1", (CatalogueFile("a", 3, "2026-11-23T08:00:00Z"),))


# The body of an answer that says what it was told, as SciCat does of what it created or changed.
ECHO = object()


@dataclass
class Answer:
    """One prepared answer; a status of 0 hangs up without one."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Script:
    """A server that answers requests from a list, and remembers what it was asked; it always knows who asks."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    filters: list[Any] = field(default_factory=list)
    logins: int = 0
    credentials: Any = None
    askers: list[str] = field(default_factory=list)
    password: str | None = None

    def next(self, method: str, path: str, body: Any, authorization: str = "") -> Answer:
        if path == LOGIN:
            self.logins += 1
            self.credentials = body
            if self.password not in {None, body["password"]}:
                return Answer(401, {"message": "Unauthorized", "statusCode": 401})
            return Answer(201, {"access_token": f"{body['username']} {self.logins}", "expires_in": 3600})
        if path == SELF:
            return Answer(200, {"username": "archiver"})
        path, _, query = path.partition("?")
        self.asked.append((method, path, body))
        self.filters += [json.loads(value) for value in parse_qs(query).get("filter", ())]
        self.askers.append(authorization.split()[1])
        answer = self.answers.pop(0)
        return Answer(answer.status, echo(path, body)) if answer.body is ECHO else answer


def echo(path: str, told: Any) -> dict[str, Any]:
    job_id = path.removeprefix("/api/v4/jobs/") if path.startswith("/api/v4/jobs/") else "1"
    always = {"id": job_id, "type": "archive", "createdAt": "2026-11-23T08:00:00.000Z", "jobParams": {}}
    return {**always, "statusCode": "jobSubmitted", **told}


@pytest.fixture
def script() -> Iterator[Script]:
    state = Script()

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            answer = state.next(
                self.command, self.path, json.loads(content) if content else None, self.headers.get("authorization", "")
            )
            if answer.status == 0:
                self.close_connection = True
                return
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as state.url:
        yield state


@pytest.fixture
def catalogue(script: Script) -> Catalogue:
    return Catalogue(script.url, lambda: ("archiver", "secret"))


def dataset(**fields: Any) -> dict[str, Any]:
    return {"pid": PID, "ownerGroup": "group1", "datasetlifecycle": {"archivable": True, "_id": "x"}} | fields


def recorded(archive_id: str = "a.tar", packed_size: int = 10240) -> dict[str, Any]:
    files = [{"path": "a", "size": 3, "time": "2026-11-23T08:00:00.000Z", "_id": "1"}]
    sizes = {"size": 3, "packedSize": packed_size, "chkAlg": "sha256", "version": "1"}
    return {"_id": "block-1", "archiveId": archive_id, "dataFileList": files, **sizes}


@pytest.mark.parametrize("status", [0, 408, 429, 500, 502, 503, 504])
def test_f09_what_may_be_asked_twice_is_asked_again_when_scicat_is_busy(
    script: Script, catalogue: Catalogue, status: int
) -> None:
    script.answers = [Answer(status), Answer(status), Answer(200, ECHO)]
    catalogue.update_lifecycle(PID, archivable=False)
    assert [method for method, *_ in script.asked] == ["PATCH"] * 3


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_f09_a_scicat_that_stays_busy_is_unavailable_after_three_attempts(
    script: Script, catalogue: Catalogue, status: int
) -> None:
    script.answers = [Answer(status)] * 4
    with pytest.raises(ServiceUnavailable) as caught:
        catalogue.dataset(PID)
    assert caught.value.reason.code is Code.SCICAT_UNAVAILABLE
    assert len(script.asked) == 3


@pytest.mark.parametrize("body", [b"<html>", b'{"pid": "20.5', b"\x00"])
def test_d10_an_answer_that_was_cut_off_is_asked_for_again(script: Script, catalogue: Catalogue, body: bytes) -> None:
    script.answers = [Answer(200, body), Answer(200, dataset())]
    assert catalogue.dataset(PID) is not None


def test_d10_an_answer_shorter_than_announced_is_asked_for_again(script: Script, catalogue: Catalogue) -> None:
    short = Answer(200, b"{}", {"Content-Length": "1000", "Connection": "close"})
    script.answers = [short, Answer(200, dataset())]
    assert catalogue.dataset(PID) is not None


def a_block(number: int, *paths: str) -> dict[str, Any]:
    files = [{"path": path, "size": 1, "time": "any"} for path in paths]
    return {"_id": f"block-{number}", "dataFileList": files, "chkAlg": "md5"}


def listing(*blocks: dict[str, Any]) -> Answer:
    """The list of these origdatablocks, without their files."""
    return Answer(200, dataset(origdatablocks=[{"_id": block["_id"], "size": 1} for block in blocks]))


def reading(*blocks: dict[str, Any]) -> list[Answer]:
    """What is answered to whoever reads these origdatablocks one after the other."""
    return [Answer(200, dataset(origdatablocks=[block])) for block in blocks]


def paths_of(catalogue: Catalogue) -> list[str]:
    return catalogue.files_of(PID, lambda files: [file.path for file in files])


def test_blocks_are_listed_without_their_files_and_then_read_one_at_a_time(
    script: Script, catalogue: Catalogue
) -> None:
    blocks = [a_block(number, f"{number}/a", f"{number}/b") for number in range(3)]
    script.answers = [listing(*blocks), *reading(*blocks)]
    files = catalogue.files_of(PID, list)
    assert [file.path for file in files] == ["0/a", "0/b", "1/a", "1/b", "2/a", "2/b"]
    assert {file.chk_alg for file in files} == {"md5"}
    scopes = [asked["include"][0]["scope"] for asked in script.filters]
    assert scopes == [{"fields": ["_id", "size"]}, *({"limits": {"limit": 1, "skip": number}} for number in range(3))]


def test_a_list_that_changes_while_it_is_read_is_read_from_its_beginning(script: Script, catalogue: Catalogue) -> None:
    old, new, third = a_block(1, "old"), a_block(2, "new"), a_block(3, "third")
    script.answers = [listing(old, third), *reading(old), *reading(new)]
    script.answers += [listing(new, third), *reading(new, third)]
    assert paths_of(catalogue) == ["new", "third"]


def test_a_list_that_becomes_shorter_while_it_is_read_is_read_from_its_beginning(
    script: Script, catalogue: Catalogue
) -> None:
    kept, gone = a_block(1, "kept"), a_block(2, "gone")
    script.answers = [listing(kept, gone), *reading(kept), listing(), listing(kept), *reading(kept)]
    assert paths_of(catalogue) == ["kept"]


def test_a_list_that_changes_again_and_again_is_read_later(script: Script, catalogue: Catalogue) -> None:
    script.answers = [listing(a_block(1, "a")), *reading(a_block(2, "a"))] * 3
    with pytest.raises(ServiceUnavailable) as caught:
        paths_of(catalogue)
    assert caught.value.reason.code is Code.SCICAT_UNAVAILABLE
    assert script.answers == []


@pytest.mark.parametrize("kept", [10, 100, -1])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "plain"])
def test_d10_a_block_that_was_cut_off_is_read_anew_and_never_taken_for_the_whole(
    script: Script, catalogue: Catalogue, kept: int, *, announced: bool
) -> None:
    block = a_block(1, "a", "b")
    whole = json.dumps(dataset(origdatablocks=[block])).encode()
    headers = {"Content-Length": str(len(whole)), "Connection": "close"} if announced else {}
    script.answers = [listing(block), Answer(200, whole[:kept], headers), Answer(200, whole)]
    assert paths_of(catalogue) == ["a", "b"]


def test_d10_a_list_that_stays_cut_off_is_no_list(script: Script, catalogue: Catalogue) -> None:
    script.answers = [Answer(200, json.dumps(dataset(origdatablocks=[])).encode()[:-1])] * 3
    with pytest.raises(ServiceUnavailable):
        catalogue.files_of(PID, list)


def test_c13_half_a_letter_is_handed_on_for_the_rules_of_names_to_refuse(script: Script, catalogue: Catalogue) -> None:
    block = a_block(1, "a\ud800b")
    script.answers = [listing(block), *reading(block)]
    assert paths_of(catalogue) == ["a\ud800b"]


def test_c22_a_file_without_a_time_is_listed(script: Script, catalogue: Catalogue) -> None:
    files = [{"path": "a", "size": 1, "time": None}, {"path": "b", "size": 1}]
    block = {"_id": "block-1", "dataFileList": files}
    script.answers = [listing(block), *reading(block)]
    assert [file.time for file in catalogue.files_of(PID, list)] == ["", ""]


@pytest.mark.parametrize(
    "answers",
    [
        [dataset()],
        [dataset(origdatablocks=[{}])],
        [dataset(origdatablocks=[{"_id": "1"}]), dataset(origdatablocks=[{"_id": "1"}])],
        [dataset(origdatablocks=[{"_id": "1"}]), dataset(origdatablocks=[{"_id": "1", "dataFileList": [{}]}])],
    ],
)
def test_a_list_that_is_never_understood_is_an_outage(
    script: Script, catalogue: Catalogue, answers: list[dict[str, Any]]
) -> None:
    script.answers = [Answer(200, answer) for answer in [*answers, answers[-1], answers[-1]]]
    with pytest.raises(ServiceUnavailable, match="is not understood") as caught:
        catalogue.files_of(PID, list)
    assert caught.value.reason.code is Code.SCICAT_UNAVAILABLE


def test_a_datablock_that_was_not_answered_is_looked_for_by_its_name_alone(
    script: Script, catalogue: Catalogue
) -> None:
    script.answers = [Answer(500), Answer(200, dataset(datablocks=[recorded()]))]
    catalogue.add_datablock(PID, DATABLOCK)
    assert script.filters == [{"include": [{"relation": "datablocks", "scope": {"where": {"archiveId": "a.tar"}}}]}]


@pytest.mark.parametrize(("status", "code"), [(400, Code.SCICAT_REJECTED), (422, Code.SCICAT_REJECTED)])
def test_f20_a_rejection_is_not_repeated_and_carries_scicats_words(
    script: Script, catalogue: Catalogue, status: int, code: Code
) -> None:
    script.answers = [Answer(status, {"message": ["archivable must be a boolean value"]})]
    with pytest.raises(ServiceRefused, match="archivable must be a boolean value") as caught:
        catalogue.update_lifecycle(PID, archivable=1)
    assert caught.value.reason.code is code


def test_a_404_that_is_not_scicats_is_no_statement_about_a_dataset(script: Script, catalogue: Catalogue) -> None:
    script.answers = [Answer(404, {"message": "Cannot GET /api/v3/datasets/x"})]
    with pytest.raises(ServiceRefused) as caught:
        catalogue.dataset(PID)
    assert caught.value.reason.code is Code.SCICAT_REJECTED
    script.answers = [Answer(404, b"<html>Not Found</html>")] * 3
    with pytest.raises(ServiceUnavailable):
        catalogue.dataset(PID)


@pytest.mark.parametrize("ask", [lambda catalogue: catalogue.dataset(PID), lambda catalogue: catalogue.identity("any")])
def test_b44_a_redirect_is_not_followed(
    script: Script, catalogue: Catalogue, ask: Callable[[Catalogue], object]
) -> None:
    script.answers = [Answer(302, None, {"Location": f"{script.url}/elsewhere"})] * 3
    with pytest.raises(ServiceUnavailable):
        ask(catalogue)
    assert {path for _, path, _ in script.asked}.isdisjoint({"/elsewhere"})


IDENTITY = {"profile": {"username": "user1", "accessGroups": ["group1"]}}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([Answer(200, IDENTITY)], Identity("user1", frozenset({"group1"}))),
        ([Answer(500), Answer(0), Answer(200, IDENTITY)], Identity("user1", frozenset({"group1"}))),
        ([Answer(200, {"profile": {"username": "user1"}})], Identity("user1", frozenset())),
        ([Answer(401, {"message": "SESSION_EXPIRED"})], None),
        ([Answer(403, {"message": "Forbidden resource"})], None),
    ],
)
def test_a_users_token_is_shown_to_scicat_and_no_other(
    script: Script, catalogue: Catalogue, answers: list[Answer], expected: Identity | None
) -> None:
    script.answers = answers
    assert catalogue.identity("any") == expected
    assert script.logins == 0


@pytest.mark.parametrize("body", [None, {}, {"profile": None}, {"profile": {"accessGroups": []}}, []])
def test_an_identity_that_names_nobody_is_not_believed(script: Script, catalogue: Catalogue, body: Any) -> None:
    script.answers = [Answer(200, body)] * 3
    with pytest.raises(ServiceUnavailable) as caught:
        catalogue.identity("any-token")
    assert "any-token" not in str(caught.value)


@pytest.mark.parametrize(
    ("ask", "setting"),
    [
        (lambda catalogue: catalogue.update_lifecycle(PID, archivable=False), "UPDATE_DATASET_LIFECYCLE_GROUPS"),
        (lambda catalogue: catalogue.create_dataset({}, PID), "CREATE_DATASET_PRIVILEGED_GROUPS"),
        (lambda catalogue: catalogue.delete_datablock(PID, "1"), "DELETE_GROUPS"),
        (lambda catalogue: catalogue.job("1"), "UPDATE_JOB_PRIVILEGED_GROUPS"),
        (lambda catalogue: catalogue.dataset(PID), "UPDATE_DATASET_LIFECYCLE_GROUPS"),
    ],
)
def test_f03_a_refused_token_is_renewed_once_and_then_the_missing_permission_is_named(
    script: Script, catalogue: Catalogue, ask: Callable[[Catalogue], object], setting: str
) -> None:
    script.answers = [Answer(403, {"message": "Forbidden resource"})] * 2
    with pytest.raises(ServiceRefused, match=rf"Is the account in a group of {setting}\?") as caught:
        ask(catalogue)
    assert caught.value.reason.code is Code.SCICAT_FORBIDDEN
    assert (script.logins, len(script.asked)) == (2, 2)
    assert "token-" not in str(caught.value)


def test_f07_a_change_that_somebody_else_forestalled_is_made_again_and_again_up_to_five_times(
    script: Script, catalogue: Catalogue
) -> None:
    script.answers = [*[Answer(412)] * 4, Answer(200, ECHO)]
    catalogue.update_lifecycle(PID, archivable=False)
    script.answers = [Answer(412)] * 6
    with pytest.raises(ServiceRefused):
        catalogue.update_job("1", JobStatus.FINISHED, "jobFinished")
    assert len(script.answers) == 1


def test_f20_what_scicat_rejected_is_logged_without_token_and_links(
    script: Script, catalogue: Catalogue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="archiver")
    script.answers = [Answer(400, {"message": ["property foo should not exist"]})]
    with pytest.raises(ServiceRefused):
        catalogue.update_job("1", JobStatus.FAILED, "any message", {"result": [{"url": "https://any.link"}]})
    (logged,) = [vars(record) for record in caplog.records if record.getMessage() == "SciCat rejected a request"]
    assert logged["body"] == '{"statusCode":"finishedUnsuccessful","statusMessage":"any message"}'
    assert "token-" not in str(logged)


def test_one_login_serves_many_calls(script: Script, catalogue: Catalogue) -> None:
    script.answers = [Answer(200, dataset())] * 5
    for _ in range(5):
        catalogue.dataset(PID)
    assert script.logins == 1


def test_f14_an_answer_of_more_than_64_mib_is_refused_also_when_it_comes_compressed(
    script: Script, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "ANSWER_BYTES", 1024**2)
    bomb = gzip.compress(b" " * 50 * 1024**2)
    for answer in (Answer(200, b" " * 2 * 1024**2), Answer(200, bomb, {"Content-Encoding": "gzip"})):
        script.answers = [answer]
        with pytest.raises(ServiceRefused, match="more than 1 MiB") as caught:
            catalogue.dataset(PID)
        assert caught.value.reason.code is Code.SCICAT_TOO_LARGE


@pytest.mark.parametrize("status", [0, 409, 500, 504])
def test_f06_a_datablock_whose_request_was_not_answered_is_looked_for_before_it_is_sent_again(
    script: Script, catalogue: Catalogue, status: int
) -> None:
    script.answers = [Answer(status), Answer(200, dataset(datablocks=[recorded()]))]
    assert catalogue.add_datablock(PID, DATABLOCK) == "block-1"
    assert [method for method, *_ in script.asked] == ["POST", "GET"]


def test_f09_a_datablock_that_is_not_there_after_a_failure_is_sent_again(script: Script, catalogue: Catalogue) -> None:
    script.answers = [Answer(503), Answer(200, dataset(datablocks=[])), Answer(201, ECHO)]
    assert catalogue.add_datablock(PID, DATABLOCK) == "1"
    assert [method for method, *_ in script.asked] == ["POST", "GET", "POST"]


def test_f09_a_datablock_is_not_sent_again_while_nobody_can_say_whether_it_is_there(
    script: Script, catalogue: Catalogue
) -> None:
    script.answers = [Answer(0), *[Answer(503)] * 3]
    with pytest.raises(ServiceUnavailable):
        catalogue.add_datablock(PID, DATABLOCK)
    assert [method for method, *_ in script.asked] == ["POST", "GET", "GET", "GET"]


@pytest.mark.parametrize("status", [409, 500])
def test_f05_another_datablock_of_that_archive_id_is_a_conflict(
    script: Script, catalogue: Catalogue, status: int
) -> None:
    script.answers = [Answer(status), Answer(200, dataset(datablocks=[recorded(packed_size=1)]))]
    with pytest.raises(ServiceRefused) as caught:
        catalogue.add_datablock(PID, DATABLOCK)
    assert caught.value.reason.code is Code.ARCHIVE_ID_CONFLICT


@pytest.mark.parametrize("status", [413, 500])
def test_f19_a_large_record_is_refused_with_its_size_and_not_sent_again(
    script: Script, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(responses, "LARGE_BODY_BYTES", 10)
    script.answers = [Answer(status), Answer(200, dataset(datablocks=[]))]
    with pytest.raises(ServiceRefused, match=r"\d+ bytes sent") as caught:
        catalogue.add_datablock(PID, DATABLOCK)
    assert caught.value.reason.code is Code.CATALOGUE_ENTRY_TOO_LARGE
    assert [method for method, *_ in script.asked] == ["POST", "GET"]


def test_the_body_of_a_datablock_carries_what_scicat_accepts_and_nothing_else(
    script: Script, catalogue: Catalogue
) -> None:
    script.answers = [Answer(201, ECHO)]
    catalogue.add_datablock(PID, DATABLOCK)
    method, path, body = script.asked[0]
    assert (method, path) == ("POST", "/api/v3/datasets/20.500.11935%2F1/datablocks")
    assert body == {
        "archiveId": "a.tar",
        "size": 3,
        "packedSize": 10240,
        "chkAlg": "sha256",
        "version": "1",
        "dataFileList": [{"path": "a", "size": 3, "time": "2026-11-23T08:00:00Z"}],
    }


def test_the_body_of_a_job_update_names_code_and_message_and_a_result_only_when_given(
    script: Script, catalogue: Catalogue
) -> None:
    script.answers = [Answer(200, ECHO), Answer(200, ECHO)]
    catalogue.update_job("1", JobStatus.IN_PROGRESS, "jobStarted")
    catalogue.update_job("1", JobStatus.FINISHED, "jobFinished", {"result": []})
    bodies = [body for *_, body in script.asked]
    assert bodies == [
        {"statusCode": "inProgress", "statusMessage": "jobStarted"},
        {"statusCode": "finishedSuccessful", "statusMessage": "jobFinished", "jobResultObject": {"result": []}},
    ]


def test_f30_sizes_and_paths_are_handed_on_as_scicat_stores_them(script: Script, catalogue: Catalogue) -> None:
    files = [{"path": "../../etc/passwd", "size": -1, "time": "x"}, {"path": "a\nb", "size": 1e30, "time": "x"}]
    block = {"_id": "block-1", "dataFileList": files, "chkAlg": "md5"}
    script.answers = [listing(block), *reading(block)]
    assert [(one.path, one.size, one.chk_alg) for one in catalogue.files_of(PID, list)] == [
        ("../../etc/passwd", -1, "md5"),
        ("a\nb", 1e30, "md5"),
    ]


def test_an_empty_object_that_scicat_does_not_store_is_told_all_the_same(script: Script, catalogue: Catalogue) -> None:
    script.answers = [Answer(200, {"archivable": False, "retrieveReturnMessage": {"code": "any", "files": [{}]}})]
    told = {"archiveReturnMessage": {}, "retrieveReturnMessage": {"code": "any", "details": {}, "files": [{}]}}
    assert catalogue.update_lifecycle(PID, archivable=False, **told)["archivable"] is False


def test_a_job_of_which_scicat_stores_no_parameters_is_listed(script: Script, catalogue: Catalogue) -> None:
    job = {"id": "any", "type": "archive", "statusCode": "jobSubmitted", "createdAt": "2026-11-23T08:00:00.000Z"}
    script.answers = [Answer(200, [job])]
    (listed,) = catalogue.unfinished_jobs()
    assert (listed.id, listed.datasets) == ("any", ())


@pytest.mark.parametrize("body", [None, [], {}, {"pid": PID}])
def test_an_answer_that_lacks_what_scicat_always_sends_is_none(
    script: Script, catalogue: Catalogue, body: object
) -> None:
    script.answers = [Answer(200, body)] * 3
    with pytest.raises(ServiceUnavailable, match="is not understood") as caught:
        catalogue.dataset(PID)
    assert caught.value.reason.code is Code.SCICAT_UNAVAILABLE


def test_an_older_releases_409_to_an_unchanged_lifecycle_is_success(script: Script, catalogue: Catalogue) -> None:
    script.answers = [Answer(409), Answer(200, dataset())]
    catalogue.update_lifecycle(PID, archivable=True)
    script.answers = [Answer(409), Answer(200, dataset())]
    with pytest.raises(ServiceRefused):
        catalogue.update_lifecycle(PID, archivable=False)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("86400", 60.0), (None, None), ("Mon, 23 Nov 2026 08:00:00 GMT", None), ("-1", None)],
)
def test_f08_retry_after_is_honoured_up_to_a_minute(header: str | None, seconds: float | None) -> None:
    assert pause_asked_for(header) == seconds
    assert worth_repeating(UnansweredError("busy", seconds)) == (True if seconds is None else seconds)


def test_the_deployed_catalogue_logs_in_with_the_account_in_secrets_manager(
    script: Script, environment: pytest.MonkeyPatch
) -> None:
    with mock_aws():
        account = json.dumps({"username": "archiver", "password": "from the secret"})
        secret = boto3.client("secretsmanager").create_secret(Name="scicat", SecretString=account)
        environment.setenv("SCICAT_SECRET", secret["ARN"])
        environment.delenv("SCICAT_JOBS_SECRET")
        environment.setenv("SCICAT_URL", script.url)
        script.answers = [Answer(200, {})]
        deployed_catalogue().ping()
    assert script.credentials == {"username": "archiver", "password": "from the secret"}


def test_jobs_are_created_by_the_account_that_does_nothing_else(
    script: Script, environment: pytest.MonkeyPatch
) -> None:
    with mock_aws():
        for name in ("scicat", "scicat-jobs"):
            account = json.dumps({"username": name, "password": "any"})
            boto3.client("secretsmanager").create_secret(Name=name, SecretString=account)
        environment.setenv("SCICAT_URL", script.url)
        script.answers = [Answer(200, []), Answer(201, ECHO), Answer(200, ECHO), Answer(200, [])]
        catalogue = deployed_catalogue()
        catalogue.create_job("archive", [PID], owner_group="group1", owner_user="user1", contact_email=None)
        catalogue.update_job("1", JobStatus.IN_PROGRESS, "jobStarted")
        catalogue.jobs_of(PID, "archive")
    assert [(method, username) for (method, *_), username in zip(script.asked, script.askers, strict=True)] == [
        ("GET", "scicat"),
        ("POST", "scicat-jobs"),
        ("PATCH", "scicat"),
        ("GET", "scicat"),
    ]


def test_f02_a_wrong_password_is_not_tried_by_each_request(script: Script, catalogue: Catalogue) -> None:
    script.password = "another"
    with time_machine.travel(datetime(2026, 11, 30, tzinfo=UTC), tick=False) as clock:
        for _ in range(5):
            with pytest.raises(ServiceUnavailable, match="Are SciCatUsername and SciCatPassword right") as caught:
                catalogue.ping()
            assert caught.value.reason.code is Code.SCICAT_LOGIN
        assert script.logins == 1
        script.password = "secret"
        clock.shift(30)
        catalogue.ping()
    assert script.logins == 2


def test_f02_a_new_password_in_the_secret_is_used_after_ten_seconds(
    script: Script, environment: pytest.MonkeyPatch
) -> None:
    def put(password: str) -> str:
        return json.dumps({"username": "archiver", "password": password})

    script.password = "new"
    with mock_aws(), time_machine.travel(datetime(2026, 11, 30, tzinfo=UTC), tick=False) as clock:
        client = boto3.client("secretsmanager")
        client.create_secret(Name="scicat", SecretString=put("old"))
        environment.setenv("SCICAT_URL", script.url)
        environment.delenv("SCICAT_JOBS_SECRET")
        with pytest.raises(ServiceUnavailable):
            deployed_catalogue().ping()
        client.put_secret_value(SecretId="scicat", SecretString=put("new"))
        clock.shift(11)
        deployed_catalogue().ping()
    assert script.logins == 2


@pytest.mark.parametrize("status", [401, 403])
def test_f04_a_refusal_that_took_as_long_as_scicat_waits_for_its_database_is_an_outage(
    script: Script, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(responses, "DATABASE_SECONDS", 0.0)
    script.answers = [Answer(status, {"message": "Forbidden resource"})] * 3
    with pytest.raises(ServiceUnavailable) as caught:
        catalogue.update_lifecycle(PID, archivable=False)
    assert caught.value.reason.code is Code.SCICAT_UNAVAILABLE


FORBIDDEN = Answer(403, {"message": "Forbidden resource", "error": "Forbidden", "statusCode": 403})
MALFORMED = Answer(400, {"message": ["any must be a string"], "error": "Bad Request", "statusCode": 400})
UNKNOWN = Answer(404, {"message": "dataset: any not found", "error": "Not Found", "statusCode": 404})
VALID, BROKEN = Answer(200, {"valid": False}), Answer(500, "Internal server error")
# A real SciCat's answers in the order of the questions: update a job, create one, a dataset; delete a datablock.
ALL_RIGHTS = (MALFORMED, MALFORMED, VALID, UNKNOWN)


def refused(*asked: Answer) -> list[Answer]:
    """Each refusal is given twice: the client makes sure that its token is good."""
    return [answer for one in asked for answer in ([one, one] if one is FORBIDDEN else [one])]


@pytest.mark.parametrize(
    ("number", "setting"),
    [
        (0, "UPDATE_JOB_PRIVILEGED_GROUPS"),
        (1, "CREATE_JOB_PRIVILEGED_GROUPS"),
        (2, "CREATE_DATASET_PRIVILEGED_GROUPS"),
        (3, "DELETE_GROUPS"),
    ],
)
def test_f03_a_right_that_is_missing_is_named_by_scicats_setting(
    script: Script, catalogue: Catalogue, number: int, setting: str
) -> None:
    script.answers = refused(*ALL_RIGHTS[:number], FORBIDDEN, *ALL_RIGHTS[number + 1 :])
    (missing,) = catalogue.missing_rights()
    assert (missing.setting, missing.needed) == (setting, setting != "DELETE_GROUPS")
    assert setting in str(missing)


def test_f03_nothing_is_missing_when_scicat_refuses_nothing_and_it_is_not_logged(
    script: Script, catalogue: Catalogue, caplog: pytest.LogCaptureFixture
) -> None:
    script.answers = list(ALL_RIGHTS)
    with caplog.at_level("WARNING"):
        assert catalogue.missing_rights() == []
    assert not caplog.records


@pytest.mark.parametrize(
    ("answers_given", "may"),
    [
        ((VALID, UNKNOWN), True),
        # Released SciCat lets any account add datablocks: one without a name fails at the database.
        ((FORBIDDEN, BROKEN, UNKNOWN), True),
        ((FORBIDDEN, FORBIDDEN, UNKNOWN), False),
        ((VALID, FORBIDDEN), True),
    ],
)
def test_f03_whether_an_archive_could_be_recorded_is_known_before_anything_is_packed(
    script: Script, catalogue: Catalogue, answers_given: tuple[Answer, ...], *, may: bool
) -> None:
    script.answers = refused(*answers_given)
    with nullcontext() if may else pytest.raises(ServiceRefused, match=r"scicat_forbidden.*_DATASET_PRIVILEGED_GROUPS"):
        catalogue.need_rights(PID)
    assert script.answers == []


def test_f25_a_release_without_a_route_says_nothing_about_rights(script: Script, catalogue: Catalogue) -> None:
    script.answers = [Answer(404, {"message": "Cannot PATCH /api/v4/jobs/any", "error": "Not Found"})]
    with pytest.raises(ServiceRefused, match="This release of SciCat cannot work with the archiver"):
        catalogue.missing_rights()


FOR_GROUPS = JobTypes(for_groups="archive_for_group")


def a_job(job_type: str, job_id: str = "1") -> dict[str, Any]:
    params = {"datasetList": [{"pid": PID, "files": []}]}
    status = {"statusCode": "jobSubmitted", "createdAt": "2026-11-30T08:00:00.000Z"}
    return {"id": job_id, "type": job_type, "jobParams": params} | status


@pytest.mark.parametrize(
    ("job_type", "kind"),
    [
        ("archive", JobKind.ARCHIVE),
        ("archive_for_group", JobKind.ARCHIVE),
        ("retrieve", JobKind.RETRIEVE),
        ("public", None),
        ("", None),
    ],
)
def test_a_jobs_type_says_what_it_asks_for(script: Script, job_type: str, kind: JobKind | None) -> None:
    script.answers = [Answer(200, a_job(job_type))]
    job = Catalogue(script.url, lambda: ("archiver", "secret"), job_types=FOR_GROUPS).job("1")
    assert job is not None
    assert (job.type, job.kind) == (job_type, kind)


def test_jobs_of_each_type_that_asks_for_an_archive_are_found(script: Script) -> None:
    jobs = [a_job("archive", "1"), a_job("archive_for_group", "2"), a_job("retrieve", "3"), a_job("public", "4")]
    catalogue = Catalogue(script.url, lambda: ("archiver", "secret"), job_types=FOR_GROUPS)
    script.answers = [Answer(200, jobs)] * 2
    assert {job.id for job in catalogue.jobs_of(PID, "archive")} == {"1", "2"}
    assert {job.id for job in catalogue.unfinished_jobs()} == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("job_types", "user", "created"),
    [
        (FOR_GROUPS, None, "archive_for_group"),
        (FOR_GROUPS, "user1", "archive"),
        (JobTypes(), None, "archive"),
        (JobTypes(), "user1", "archive"),
    ],
)
def test_a_job_of_a_group_without_a_user_has_the_type_for_that(
    script: Script, job_types: JobTypes, user: str | None, created: str
) -> None:
    script.answers = [Answer(200, []), Answer(201, ECHO)]
    catalogue = Catalogue(script.url, lambda: ("archiver", "secret"), job_types=job_types)
    catalogue.create_job("archive", [PID], owner_group="group1", owner_user=user, contact_email=None)
    body = script.asked[-1][2]
    assert (body["type"], body["ownerGroup"], body.get("ownerUser")) == (created, "group1", user)


def test_a_job_that_scicat_does_not_take_for_the_user_is_the_groups(script: Script) -> None:
    refusal = Answer(403, {"message": "User does not have access to all datasets, cannot create job."})
    nothing = Answer(200, [])
    script.answers = [nothing, refusal, refusal, nothing, nothing, Answer(201, ECHO)]
    catalogue = Catalogue(script.url, lambda: ("archiver", "secret"), job_types=FOR_GROUPS)
    created = catalogue.create_job("archive", [PID], owner_group="group1", owner_user="user3", contact_email=None)
    bodies = [body for method, _, body in script.asked if method == "POST"]
    assert created == "1"
    assert [(body["type"], body.get("ownerUser")) for body in bodies] == [
        ("archive", "user3"),
        ("archive", "user3"),
        ("archive_for_group", None),
    ]


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        (400, "PID is not following required standards", "PidPrefix and SciCat's DATASET_CREATION_VALIDATION_REGEX"),
        (
            403,
            "User does not belong to any group, cannot create job with #datasetOwner authorization.",
            "set the archiver's SciCatGroupJobType",
        ),
    ],
)
def test_a_refusal_that_a_setting_mends_names_it(
    script: Script, catalogue: Catalogue, status: int, message: str, advice: str
) -> None:
    script.answers = refused(Answer(status, {"message": message})) * 2
    with pytest.raises(ServiceRefused, match=advice):
        catalogue.create_dataset({}, "any")

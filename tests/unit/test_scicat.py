"""The catalogue client and a SciCat that misbehaves: retries, limits, and what leaves as an error."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto import mock_aws

from archiver import scicat
from archiver.errors import Code, ServiceRefused, ServiceUnavailable
from archiver.models import CatalogueDatablock, CatalogueFile
from archiver.scicat import Catalogue, Identity, JobStatus
from tests.loopback import QuietHandler, serving

pytestmark = pytest.mark.usefixtures("no_pauses")

PID = "20.500.11935/1"
LOGIN = "/api/v3/auth/login"
DATABLOCK = CatalogueDatablock(None, "a.tar", 3, 10240, "sha256", "1", (CatalogueFile("a", 3, "2026-11-23T08:00:00Z"),))


@dataclass
class Answer:
    """One prepared answer; a status of 0 hangs up without one."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Script:
    """A server that answers requests other than logins from a list, and remembers what it was asked."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    logins: int = 0
    credentials: Any = None

    def next(self, method: str, path: str, body: Any) -> Answer:
        if path == LOGIN:
            self.logins += 1
            self.credentials = body
            return Answer(201, {"access_token": f"token-{self.logins}", "expires_in": 3600})
        self.asked.append((method, path.partition("?")[0], body))
        return self.answers.pop(0)


@pytest.fixture
def script() -> Iterator[Script]:
    state = Script()

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            answer = state.next(self.command, self.path, json.loads(content) if content else None)
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
def test_what_may_be_asked_twice_is_asked_again_when_scicat_is_busy(
    script: Script, catalogue: Catalogue, status: int
) -> None:
    script.answers = [Answer(status), Answer(status), Answer(200, {})]
    catalogue.update_lifecycle(PID, archivable=False)
    assert [method for method, *_ in script.asked] == ["PATCH"] * 3


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_a_scicat_that_stays_busy_is_unavailable_after_three_attempts(
    script: Script, catalogue: Catalogue, status: int
) -> None:
    script.answers = [Answer(status)] * 4
    with pytest.raises(ServiceUnavailable) as caught:
        catalogue.dataset(PID)
    assert caught.value.reason.code is Code.SCICAT_UNAVAILABLE
    assert len(script.asked) == 3


@pytest.mark.parametrize("body", [b"<html>", b'{"pid": "20.5', b"\x00"])
def test_an_answer_that_was_cut_off_is_asked_for_again(script: Script, catalogue: Catalogue, body: bytes) -> None:
    script.answers = [Answer(200, body), Answer(200, dataset())]
    assert catalogue.dataset(PID) is not None


def test_an_answer_shorter_than_announced_is_asked_for_again(script: Script, catalogue: Catalogue) -> None:
    short = Answer(200, b"{}", {"Content-Length": "1000", "Connection": "close"})
    script.answers = [short, Answer(200, dataset())]
    assert catalogue.dataset(PID) is not None


@pytest.mark.parametrize(("status", "code"), [(400, Code.SCICAT_REJECTED), (422, Code.SCICAT_REJECTED)])
def test_a_rejection_is_not_repeated_and_carries_scicats_words(
    script: Script, catalogue: Catalogue, status: int, code: Code
) -> None:
    script.answers = [Answer(status, {"message": ["property foo should not exist"]})]
    with pytest.raises(ServiceRefused, match="property foo should not exist") as caught:
        catalogue.update_lifecycle(PID, foo=1)
    assert caught.value.reason.code is code


def test_a_404_that_is_not_scicats_is_no_statement_about_a_dataset(script: Script, catalogue: Catalogue) -> None:
    for body in (b"<html>Not Found</html>", {"message": "Cannot GET /api/v3/datasets/x"}):
        script.answers = [Answer(404, body)]
        with pytest.raises(ServiceRefused) as caught:
            catalogue.dataset(PID)
        assert caught.value.reason.code is Code.SCICAT_REJECTED


@pytest.mark.parametrize("ask", [lambda catalogue: catalogue.dataset(PID), lambda catalogue: catalogue.identity("any")])
def test_b44_a_redirect_is_not_followed(
    script: Script, catalogue: Catalogue, ask: Callable[[Catalogue], object]
) -> None:
    script.answers = [Answer(302, None, {"Location": f"{script.url}/elsewhere"})]
    with pytest.raises(ServiceRefused):
        ask(catalogue)
    assert len(script.asked) == 1


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
    script.answers = [Answer(200, body)]
    with pytest.raises(ServiceRefused) as caught:
        catalogue.identity("any-token")
    assert "any-token" not in str(caught.value)


def test_a_refused_token_is_renewed_once_and_then_forbidden(script: Script, catalogue: Catalogue) -> None:
    script.answers = [Answer(403, {"message": "Forbidden resource"})] * 2
    with pytest.raises(ServiceRefused) as caught:
        catalogue.update_lifecycle(PID, archivable=False)
    assert caught.value.reason.code is Code.SCICAT_FORBIDDEN
    assert (script.logins, len(script.asked)) == (2, 2)
    assert "token-" not in str(caught.value)


def test_one_login_serves_many_calls(script: Script, catalogue: Catalogue) -> None:
    script.answers = [Answer(200, dataset())] * 5
    for _ in range(5):
        catalogue.dataset(PID)
    assert script.logins == 1


def test_an_answer_of_more_than_64_mib_is_refused_also_when_it_comes_compressed(
    script: Script, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scicat, "_ANSWER_BYTES", 1024**2)
    bomb = gzip.compress(b" " * 50 * 1024**2)
    for answer in (Answer(200, b" " * 2 * 1024**2), Answer(200, bomb, {"Content-Encoding": "gzip"})):
        script.answers = [answer]
        with pytest.raises(ServiceRefused, match="more than 1 MiB") as caught:
            catalogue.dataset(PID)
        assert caught.value.reason.code is Code.SCICAT_TOO_LARGE


@pytest.mark.parametrize("status", [0, 409, 500, 504])
def test_a_datablock_whose_request_was_not_answered_is_looked_for_before_it_is_sent_again(
    script: Script, catalogue: Catalogue, status: int
) -> None:
    script.answers = [Answer(status), Answer(200, dataset(datablocks=[recorded()]))]
    assert catalogue.add_datablock(PID, DATABLOCK) == "block-1"
    assert [method for method, *_ in script.asked] == ["POST", "GET"]


def test_a_datablock_that_is_not_there_after_a_failure_is_sent_again(script: Script, catalogue: Catalogue) -> None:
    script.answers = [Answer(503), Answer(200, dataset(datablocks=[])), Answer(201, {"id": "block-2"})]
    assert catalogue.add_datablock(PID, DATABLOCK) == "block-2"
    assert [method for method, *_ in script.asked] == ["POST", "GET", "POST"]


def test_a_datablock_is_not_sent_again_while_nobody_can_say_whether_it_is_there(
    script: Script, catalogue: Catalogue
) -> None:
    script.answers = [Answer(0), *[Answer(503)] * 3]
    with pytest.raises(ServiceUnavailable):
        catalogue.add_datablock(PID, DATABLOCK)
    assert [method for method, *_ in script.asked] == ["POST", "GET", "GET", "GET"]


@pytest.mark.parametrize("status", [409, 500])
def test_another_datablock_of_that_archive_id_is_a_conflict(script: Script, catalogue: Catalogue, status: int) -> None:
    script.answers = [Answer(status), Answer(200, dataset(datablocks=[recorded(packed_size=1)]))]
    with pytest.raises(ServiceRefused) as caught:
        catalogue.add_datablock(PID, DATABLOCK)
    assert caught.value.reason.code is Code.ARCHIVE_ID_CONFLICT


@pytest.mark.parametrize("status", [413, 500])
def test_a_large_record_is_refused_with_its_size_and_not_sent_again(
    script: Script, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(scicat, "_LARGE_BODY_BYTES", 10)
    script.answers = [Answer(status), Answer(200, dataset())]
    with pytest.raises(ServiceRefused) as caught:
        catalogue.add_datablock(PID, DATABLOCK)
    assert caught.value.reason.code is Code.SCICAT_TOO_LARGE


def test_the_body_of_a_datablock_carries_what_scicat_accepts_and_nothing_else(
    script: Script, catalogue: Catalogue
) -> None:
    script.answers = [Answer(201, {"id": "block-1"})]
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
    script.answers = [Answer(200, {}), Answer(200, {})]
    catalogue.update_job("1", JobStatus.IN_PROGRESS, "jobStarted")
    catalogue.update_job("1", JobStatus.FINISHED, "jobFinished", {"result": []})
    bodies = [body for *_, body in script.asked]
    assert bodies == [
        {"statusCode": "inProgress", "statusMessage": "jobStarted"},
        {"statusCode": "finishedSuccessful", "statusMessage": "jobFinished", "jobResultObject": {"result": []}},
    ]


def test_sizes_and_paths_are_handed_on_as_scicat_stores_them(script: Script, catalogue: Catalogue) -> None:
    files = [{"path": "../../etc/passwd", "size": -1, "time": "x"}, {"path": "a\nb", "size": 1e30, "time": "x"}]
    script.answers = [Answer(200, dataset(origdatablocks=[{"dataFileList": files, "chkAlg": "md5"}]))]
    found = catalogue.dataset(PID, files=True)
    assert found is not None
    assert [(one.path, one.size, one.chk_alg) for one in found.files] == [
        ("../../etc/passwd", -1, "md5"),
        ("a\nb", 1e30, "md5"),
    ]


@pytest.mark.parametrize("body", [None, [], {}, {"pid": PID}, dataset(origdatablocks=[{"dataFileList": [{}]}])])
def test_an_answer_that_lacks_what_scicat_always_sends_is_refused(
    script: Script, catalogue: Catalogue, body: object
) -> None:
    script.answers = [Answer(200, body)]
    with pytest.raises(ServiceRefused, match="is not understood") as caught:
        catalogue.dataset(PID, files=True)
    assert caught.value.reason.code is Code.SCICAT_REJECTED


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
def test_retry_after_is_honoured_up_to_a_minute(header: str | None, seconds: float | None) -> None:
    assert scicat._seconds(header) == seconds
    assert scicat._worth_repeating(scicat._UnansweredError("busy", seconds)) == (True if seconds is None else seconds)


def test_the_deployed_catalogue_logs_in_with_the_account_in_secrets_manager(
    script: Script, environment: pytest.MonkeyPatch
) -> None:
    with mock_aws():
        account = json.dumps({"username": "archiver", "password": "from the secret"})
        secret = boto3.client("secretsmanager").create_secret(Name="scicat", SecretString=account)
        environment.setenv("SCICAT_SECRET", secret["ARN"])
        environment.setenv("SCICAT_URL", script.url)
        script.answers = [Answer(200, {})]
        scicat.catalogue().ping()
    assert script.credentials == {"username": "archiver", "password": "from the secret"}

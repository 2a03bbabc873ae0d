"""The mock gives the answers that a real SciCat gave: a whole archive and retrieve cycle, replayed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mocks.scicat.jobs.configuration import SHIPPED
from tests.contract.scicat.callers import Archiver, Received, Scicat

GOLDEN = Path(__file__).parent / "golden"
# What is new in every run: ids, and the moments the server itself writes.
IDS = {"_id", "id", "pid"}
SERVER_MOMENTS = {"createdAt", "updatedAt", "dateOfDiskPurging", "publishedOn"}
POLICY_DATES = {"archiveRetentionTime", "dateOfPublishing"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Translation:
    """From the ids of the recording to those of the run, learned answer by answer."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}

    def request(self, text: str) -> str:
        for recorded, actual in self.ids.items():
            text = text.replace(recorded, actual).replace(recorded.replace("/", "%2F"), actual.replace("/", "%2F"))
        return text

    def learn(self, recorded: Any, actual: Any) -> None:
        if isinstance(recorded, dict) and isinstance(actual, dict):
            for name in recorded.keys() & actual.keys():
                if name in IDS and isinstance(recorded[name], str):
                    assert len(actual[name]) == len(recorded[name])
                    self.ids.setdefault(recorded[name], actual[name])
                self.learn(recorded[name], actual[name])
        elif isinstance(recorded, list) and isinstance(actual, list):
            for one, other in zip(recorded, actual, strict=False):
                self.learn(one, other)

    def expected(self, recorded: Any) -> Any:
        return settled(json.loads(self.request(json.dumps(recorded))))


def settled(body: Any) -> Any:
    """A body without what the server's clock and chance put into it; their form is checked."""
    if isinstance(body, dict):
        is_job_v3 = "jobStatusMessage" in body
        moments = SERVER_MOMENTS | ({"creationTime"} if is_job_v3 else set())
        return {name: _settled_value(name, value, moments) for name, value in body.items()}
    return [settled(one) for one in body] if isinstance(body, list) else body


def _settled_value(name: str, value: Any, moments: set[str]) -> Any:
    if name in moments:
        assert MOMENT.fullmatch(value), (name, value)
        return "<moment>"
    if name in POLICY_DATES:
        assert value.endswith("T00:00:00.000Z")
        return "<date>"
    if name == "data" and isinstance(value, list) and len(value) == 12:
        return "<object id>"
    return settled(value)


def recording(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def replay(scicat: Scicat, known: Translation, step: dict[str, Any]) -> None:
    """Ask what was asked then, and compare status, content type and body."""
    request, response = step["request"], step["response"]
    body = None if request["body"] is None else known.request(json.dumps(request["body"])).encode()
    answer = scicat.by(step["account"]).http.request(
        request["method"], known.request(request["path"]), content=body, headers=request["headers"]
    )
    received = answer.json() if answer.content else ""
    known.learn(response["body"], received)
    assert answer.status_code == response["status"], answer.text
    assert answer.headers.get("content-type") == response["content_type"]
    assert settled(received) == known.expected(response["body"])


def test_every_recorded_request_of_an_archive_and_a_retrieve_gets_the_recorded_answer(
    start_scicat: Callable[..., Scicat], archiver: Archiver, subtests: pytest.Subtests
) -> None:
    # It kept no history.
    scicat, known = start_scicat(TRACKABLES=""), Translation()
    recordings = sorted(GOLDEN.glob("[0-9]*.json"))
    assert len(recordings) == 27
    for path in recordings:
        with subtests.test(path.stem):
            replay(scicat, known, recording(path))
    assert_same_request(archiver.received[0], recorded_call(0), known, archiver)


def test_the_whole_job_is_sent_to_the_archiver_as_recorded_when_the_template_says_so(
    start_scicat: Callable[..., Scicat], archiver: Archiver, tmp_path: Path
) -> None:
    jobs = tmp_path / "jobConfig.yaml"
    reference = '{"id": "{{{ job.id }}}", "type": "{{{ job.type }}}"}'
    without_login = re.sub(r"\n *Authorization: .*", "", SHIPPED.read_text())
    jobs.write_text(without_login.replace(reference, "{{{ jsonify (job_v3 job) }}}"))
    scicat, known = start_scicat(jobs=jobs), Translation()
    for name in ("01-dataset-create-v3", "02-origdatablock-create-v3", "17-lifecycle-archived"):
        replay_only(scicat, known, recording(GOLDEN / f"{name}.json"))
    replay(scicat, known, recording(GOLDEN / "19-job-retrieve-create-v3.json"))
    assert_same_request(archiver.received[0], recorded_call(1), known, archiver)


def replay_only(scicat: Scicat, known: Translation, step: dict[str, Any]) -> None:
    """Ask what was asked then, for its effect."""
    request = step["request"]
    path, body = known.request(request["path"]), json.loads(known.request(json.dumps(request["body"])))
    answer = scicat.by(step["account"]).ask(request["method"], path, body)
    known.learn(step["response"]["body"], answer.json())


def recorded_call(number: int) -> dict[str, Any]:
    calls: list[dict[str, Any]] = json.loads((GOLDEN / "archiver-received.json").read_text())
    return calls[number]


def assert_same_request(received: Received, recorded: dict[str, Any], known: Translation, archiver: Archiver) -> None:
    """Method, path, headers in their order and their case, and the body byte for byte but for ids and moment."""
    host = archiver.url.removeprefix("http://")
    expected = [(name, host if name == "host" else value) for name, value in recorded["headers"]]
    assert (received.method, received.path) == (recorded["method"], recorded["path"])
    assert received.headers == expected
    assert MOMENT.sub("<moment>", received.body) == MOMENT.sub("<moment>", known.request(recorded["body"]))

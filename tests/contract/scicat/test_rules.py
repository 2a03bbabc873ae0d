"""The rules of a real SciCat that the mock must share, or tests pass that fail on the real one."""

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import httpx
import pytest

from tests.contract.scicat.callers import (
    Archiver,
    Received,
    Scicat,
    any_datablock,
    any_dataset,
    any_file,
    any_files,
    any_job,
)

FORBIDDEN = {"message": "Forbidden resource", "error": "Forbidden", "statusCode": 403}

type StartScicat = Callable[..., Scicat]


# Rule 1: what is created answers 201; unknown fields are refused, except in a job of api v3.


def test_creating_answers_201_and_changing_or_deleting_200(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    block = scicat.a_datablock(pid)
    job = scicat.a_job(pid)
    done = {"statusCode": "inProgress", "statusMessage": "jobStarted"}
    archiver = scicat.by("archiver")
    assert archiver.ask("PATCH", f"/api/v4/jobs/{job}", done).status_code == 200
    assert archiver.ask("DELETE", f"/api/v3/datasets/{pid}/datablocks/{block['id']}").status_code == 200
    assert archiver.ask("DELETE", f"/api/v3/datasets/{pid}").status_code == 200


def test_login_takes_json_and_forms_and_its_token_may_stand_in_the_query(scicat: Scicat) -> None:
    username, password = scicat.server.credentials("user1")
    nobody = scicat.by(None).http
    answer = nobody.post("/api/v3/auth/login", data={"username": username, "password": password})
    assert answer.status_code == 201
    body = answer.json()
    assert body["access_token"] == body["id"]
    assert body["expires_in"] == body["ttl"] == 3600
    asked = nobody.get("/api/v3/users/my/self", params={"access_token": f"Bearer {body['access_token']}"})
    assert asked.json()["username"] == "user1"
    bare = nobody.get("/api/v3/users/my/self", params={"access_token": body["access_token"]})
    assert bare.status_code == 401


@pytest.mark.parametrize("body", [{}, {"username": "user1"}, {"username": "user1", "password": "wrong"}])
def test_login_with_wrong_or_missing_credentials_is_401(scicat: Scicat, body: dict[str, str]) -> None:
    answer = scicat.by(None).ask("POST", "/api/v3/auth/login", body)
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized", "statusCode": 401})


def test_there_is_no_login_in_api_v4(scicat: Scicat) -> None:
    answer = scicat.by(None).ask("POST", "/api/v4/auth/login", {})
    assert answer.status_code == 404
    assert answer.json()["message"] == "Cannot POST /api/v4/auth/login"


def test_an_identity_shows_the_groups_to_oneself_and_to_admins_alone(scicat: Scicat) -> None:
    mine = scicat.by("user1").ask("GET", "/api/v3/users/my/identity").json()
    assert mine["profile"]["accessGroups"] == ["group1"]
    path = f"/api/v3/Users/{mine['userId']}/userIdentity"
    assert scicat.by("user1").ask("GET", path).json() == scicat.by("admin").ask("GET", path).json() == mine
    assert scicat.by("user2").ask("GET", path).status_code == 403
    assert scicat.by("user1").ask("GET", "/api/v3/auth/whoami").json()["currentGroups"] == ["group1"]


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("PATCH", "datasets/{pid}/datasetlifecycle", {"foo": 1}, ["property foo should not exist"]),
        (
            "POST",
            "datasets/{pid}/origdatablocks",
            any_files(foo=1),
            ["dataFileList.0.property foo should not exist"],
        ),
        ("POST", "datasets/{pid}/datablocks", any_datablock(ownerGroup="x"), ["property ownerGroup should not exist"]),
        (
            "POST",
            "datasets/{pid}/datablocks",
            any_datablock(dataFileList=[any_file(id="1")]),
            ["dataFileList.0.property id should not exist"],
        ),
        ("POST", "datasets/{pid}/datablocks", any_datablock(version=1), ["version must be a string"]),
        ("POST", "datasets/{pid}/datablocks", any_datablock(size=1.5), ["size must be an integer number"]),
        ("POST", "datasets/{pid}/datablocks", any_datablock(size="3"), ["size must be an integer number"]),
        ("PATCH", "datasets/{pid}/datasetlifecycle", {"archivable": 1}, ["archivable must be a boolean value"]),
    ],
)
def test_an_unknown_field_or_a_wrong_type_is_400(
    scicat: Scicat, method: str, path: str, body: dict[str, Any], message: list[str]
) -> None:
    pid = scicat.a_dataset()
    answer = scicat.by("archiver").ask(method, f"/api/v3/{path.format(pid=pid)}", body)
    assert (answer.status_code, answer.json()) == (400, {"message": message, "error": "Bad Request", "statusCode": 400})


def test_an_unknown_field_of_a_v3_dataset_is_400_in_a_form_of_its_own(scicat: Scicat) -> None:
    answer = scicat.by("user1").ask("POST", "/api/v3/datasets", any_dataset(foo=1))
    constraints = '{"whitelistValidation":"property foo should not exist"}'
    expected = {"status": 400, "message": f'[{{"property":"foo","constraints":{constraints}}}]'}
    assert (answer.status_code, answer.json()) == (400, expected)


def test_an_unknown_lifecycle_key_of_a_new_dataset_is_ignored_by_v3_and_breaks_v4(scicat: Scicat) -> None:
    lifecycle = {"datasetlifecycle": {"foo": 1, "archivable": False}}
    created = scicat.by("user1").ask("POST", "/api/v3/datasets", any_dataset(**lifecycle))
    assert created.status_code == 201
    assert "foo" not in created.json()["datasetlifecycle"]
    kept = {"type", "ownerGroup", "contactEmail", "sourceFolder", "creationTime"}
    v4 = {name: value for name, value in any_dataset().items() if name in kept} | {"datasetName": "run1"}
    assert scicat.by("user1").ask("POST", "/api/v4/datasets", v4).status_code == 201
    broken = scicat.by("user1").ask("POST", "/api/v4/datasets", v4 | lifecycle)
    assert (broken.status_code, broken.json()) == (500, "Internal server error")


def test_a_v3_job_drops_unknown_fields_and_a_v4_job_refuses_them(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    v3 = {"type": "archive", "datasetList": [{"pid": unquote(pid), "files": []}], "jobParams": {}, "foo": 1}
    assert scicat.by("user1").ask("POST", "/api/v3/jobs", v3).status_code == 201
    assert scicat.by("user1").ask("POST", "/api/v4/jobs", any_job(pid) | {"foo": 1}).status_code == 400


def test_isvalid_says_what_is_wrong_and_stores_nothing(scicat: Scicat) -> None:
    user = scicat.by("user1")
    assert user.ask("POST", "/api/v3/datasets/isValid", any_dataset()).json() == {"valid": True}
    wrong = user.ask("POST", "/api/v3/datasets/isValid", any_dataset(owner=None)).json()
    assert wrong == {"valid": False, "error": "owner must be a string"}


@pytest.mark.parametrize("time", ["2026-11-23 08:00:00", "Mon Nov 23 2026", "1795420800"])
def test_a_file_time_that_is_not_iso_8601_is_400(scicat: Scicat, time: str) -> None:
    answer = scicat.by("user1").ask(
        "POST", f"/api/v3/datasets/{scicat.a_dataset()}/origdatablocks", any_files(time=time)
    )
    assert answer.json()["message"] == ["dataFileList.0.time must be a valid ISO 8601 date string"]


@pytest.mark.parametrize("path", ["../../etc/passwd", "/abs/path", "with space", "100%", "Größe.mrc", "a\nb"])
def test_hostile_paths_are_stored_unchanged(scicat: Scicat, path: str) -> None:
    answer = scicat.by("user1").ask(
        "POST", f"/api/v3/datasets/{scicat.a_dataset()}/origdatablocks", any_files(path=path)
    )
    assert answer.json()["dataFileList"][0]["path"] == path


def test_an_empty_path_breaks_scicat_and_an_empty_list_is_400(scicat: Scicat) -> None:
    path = f"/api/v3/datasets/{scicat.a_dataset()}/origdatablocks"
    assert scicat.by("user1").ask("POST", path, any_files(path="")).status_code == 500
    empty = scicat.by("user1").ask("POST", path, {"size": 0, "dataFileList": []})
    assert "dataFileList should not be empty" in empty.json()["message"]


# Rule 2: paths, unknown ids, duplicates, size.


def test_a_pid_with_a_plain_slash_is_no_route(scicat: Scicat) -> None:
    pid = unquote(scicat.a_dataset())
    answer = scicat.by("user1").ask("GET", f"/api/v3/datasets/{pid}")
    assert (answer.status_code, answer.json()["message"]) == (404, f"Cannot GET /api/v3/datasets/{pid}")


def test_paths_are_matched_in_any_case_and_without_a_version_mean_v3(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    user = scicat.by("user1")
    expected = user.ask("GET", f"/api/v3/datasets/{pid}").json()
    assert user.ask("GET", f"/api/v3/Datasets/{pid}").json() == expected
    assert user.ask("GET", f"/api/datasets/{pid}/").json() == expected


def test_a_method_that_a_path_does_not_know_is_404(scicat: Scicat) -> None:
    assert scicat.by("archiver").ask("PUT", f"/api/v3/jobs/{uuid4()}", {}).status_code == 404


@pytest.mark.parametrize("version", ["v3", "v4"])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_an_unknown_job_is_400(scicat: Scicat, version: str, method: str) -> None:
    body = {"statusCode": "inProgress", "statusMessage": "jobStarted"} if method == "PATCH" else None
    answer = scicat.by("archiver").ask(method, f"/api/{version}/jobs/{uuid4()}", body)
    assert (answer.status_code, answer.json()) == (400, {"status": 400, "message": "Invalid job id."})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/v3/datasets/nope", "dataset: nope not found"),
        ("/api/v4/datasets/nope", "dataset: null not found"),
        ("/api/v3/datasets/nope/datasetlifecycle", "dataset with pid nope not found"),
    ],
)
def test_an_unknown_dataset_is_404(scicat: Scicat, path: str, message: str) -> None:
    answer = scicat.by("archiver").ask("GET", path)
    assert (answer.status_code, answer.json()["message"]) == (404, message)


def test_a_duplicate_archive_id_is_500_nested_and_409_on_top(scicat: Scicat) -> None:
    pid, other = scicat.a_dataset(), scicat.a_dataset()
    taken = any_datablock(scicat.a_datablock(pid)["archiveId"])
    nested = scicat.by("archiver").ask("POST", f"/api/v3/datasets/{other}/datablocks", taken)
    assert (nested.status_code, nested.json()) == (500, "Internal server error")
    top = scicat.by("archiver").ask("POST", "/api/v3/datablocks", taken | {"datasetId": unquote(other)})
    assert top.status_code == 409
    assert top.json()["message"] == "A datablock with this this unique key already exists!"


def test_a_dataset_whose_pid_exists_is_409(scicat: Scicat) -> None:
    pid = unquote(scicat.a_dataset())
    assert scicat.by("archiver").ask("POST", "/api/v3/datasets", any_dataset(pid=pid)).status_code == 409


def test_a_body_of_more_than_16_mb_is_500(scicat: Scicat) -> None:
    body = any_datablock(chkAlg="x" * (16 * 1024**2))
    answer = scicat.by("archiver").ask("POST", f"/api/v3/datasets/{scicat.a_dataset()}/datablocks", body)
    assert (answer.status_code, answer.json()) == (500, "Internal server error")


# Rule 3: the lifecycle.


def test_a_lifecycle_patch_merges_and_answers_with_the_lifecycle(scicat: Scicat) -> None:
    path = f"/api/v3/datasets/{scicat.a_dataset()}/datasetlifecycle"
    before = scicat.by("archiver").ask("GET", path).json()
    after = scicat.by("archiver").ask("PATCH", path, {"archivable": False, "archiveStatusMessage": "started"}).json()
    assert after == before | {"archivable": False, "archiveStatusMessage": "started"}
    assert scicat.by("archiver").ask("GET", path).json() == after


def test_an_empty_lifecycle_patch_is_400(scicat: Scicat) -> None:
    answer = scicat.by("archiver").ask("PATCH", f"/api/v3/datasets/{scicat.a_dataset()}/datasetlifecycle", {})
    assert (answer.status_code, answer.json()["message"]) == (400, "dataset lifecycle DTO must not be empty")


def test_a_null_in_the_lifecycle_is_stored_by_v3_and_means_the_default_in_v4(scicat: Scicat) -> None:
    pid, archiver = scicat.a_dataset(), scicat.by("archiver")
    v3 = archiver.ask("PATCH", f"/api/v3/datasets/{pid}/datasetlifecycle", {"retrievable": None})
    assert v3.json()["retrievable"] is None
    v4 = archiver.ask("PATCH", f"/api/v4/datasets/{pid}/datasetlifecycle", {"retrievable": None})
    assert v4.json()["retrievable"] is False


def test_a_lifecycle_keeps_no_empty_object_but_those_in_lists(scicat: Scicat) -> None:
    given: dict[str, Any] = {
        "archiveReturnMessage": {"a": {"b": {}}, "c": [{"d": {}}, []], "e": None},
        "retrieveReturnMessage": {},
    }
    kept: dict[str, Any] = {"archiveReturnMessage": {"c": [{}, []], "e": None}}
    pid, archiver = scicat.a_dataset(), scicat.by("archiver")
    path = f"/api/v3/datasets/{pid}/datasetlifecycle"
    archiver.ask("PATCH", path, {"archiveReturnMessage": {"b": 1}, "retrieveReturnMessage": {"b": 1}})
    answer = archiver.ask("PATCH", path, given).json()
    assert {name: value for name, value in answer.items() if name in given} == kept
    nested = scicat.by("user1").ask("PATCH", f"/api/v3/datasets/{pid}", {"datasetlifecycle": given}).json()
    assert {name: value for name, value in nested["datasetlifecycle"].items() if name in given} == kept
    assert archiver.ask("PATCH", path, {"archiveReturnMessage": {}}).json().get("archiveReturnMessage") is None


def test_a_dataset_patch_with_a_nested_lifecycle_resets_what_it_does_not_name(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    archived = {"archivable": False, "retrievable": True, "archiveStatusMessage": "datasetOnArchiveDisk"}
    scicat.by("archiver").ask("PATCH", f"/api/v3/datasets/{pid}/datasetlifecycle", archived)
    body = {"datasetlifecycle": {"retrieveStatusMessage": "started"}}
    lifecycle = scicat.by("user1").ask("PATCH", f"/api/v3/datasets/{pid}", body).json()["datasetlifecycle"]
    assert lifecycle["retrieveStatusMessage"] == "started"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (True, False)
    assert lifecycle["archiveStatusMessage"] == "datasetCreated"


def test_if_unmodified_since_is_honoured_on_the_dataset_and_ignored_on_its_lifecycle(scicat: Scicat) -> None:
    pid, before = scicat.a_dataset(), "Mon, 01 Jan 2024 00:00:00 GMT"
    dataset = scicat.by("user1").ask("PATCH", f"/api/v3/datasets/{pid}", {"comment": "x"}, If_Unmodified_Since=before)
    assert dataset.status_code == 412
    lifecycle = scicat.by("user1").ask(
        "PATCH", f"/api/v3/datasets/{pid}/datasetlifecycle", {"archivable": True}, If_Unmodified_Since=before
    )
    assert lifecycle.status_code == 200


# Rule 4: changing jobs.


@pytest.mark.parametrize("body", [{"statusCode": "x"}, {"statusMessage": "x"}, {"jobStatusMessage": "x"}, {}])
def test_a_v4_job_patch_needs_status_code_and_message(scicat: Scicat, body: dict[str, str]) -> None:
    job = scicat.a_job(scicat.a_dataset())
    assert scicat.by("archiver").ask("PATCH", f"/api/v4/jobs/{job}", body).status_code == 400


def test_a_v4_job_result_is_an_object_that_stays_until_it_is_replaced(scicat: Scicat) -> None:
    path = f"/api/v4/jobs/{scicat.a_job(scicat.a_dataset())}"
    archiver, status = scicat.by("archiver"), {"statusCode": "inProgress", "statusMessage": "jobStarted"}
    assert archiver.ask("PATCH", path, status | {"jobResultObject": []}).status_code == 400
    archiver.ask("PATCH", path, status | {"jobResultObject": {"a": 1}})
    assert archiver.ask("PATCH", path, status).json()["jobResultObject"] == {"a": 1}
    merge = {"Content_Type": "application/merge-patch+json"}
    merged = archiver.ask("PATCH", path, status | {"jobResultObject": {"b": 2}}, **merge)
    assert merged.json()["jobResultObject"] == {"a": 1, "b": 2}
    assert archiver.ask("PATCH", path, status | {"jobResultObject": {"c": 3}}).json()["jobResultObject"] == {"c": 3}


def test_a_v3_job_patch_ignores_the_names_of_v4(scicat: Scicat) -> None:
    path = f"/api/v3/jobs/{scicat.a_job(scicat.a_dataset())}"
    ignored = scicat.by("archiver").ask("PATCH", path, {"statusCode": "inProgress", "statusMessage": "x"})
    assert (ignored.status_code, ignored.json()["jobStatusMessage"]) == (200, "jobSubmitted")
    assert scicat.by("archiver").ask("PATCH", path, {}).status_code == 200


# Rule 5: tokens expire.


def test_an_expired_token_is_401_on_every_route(start_scicat: StartScicat) -> None:
    scicat = start_scicat()
    user, pid = scicat.by("user1"), scicat.a_dataset()
    scicat.server.logins.expire_tokens()
    for path in (f"/api/v3/datasets/{pid}", "/api/v4/jobs", "/api/v3/users/my/self"):
        answer = user.ask("GET", path)
        assert answer.status_code == 401
        assert answer.json() == {"message": "SESSION_EXPIRED", "error": "Unauthorized", "statusCode": 401}


def test_an_expired_token_makes_an_anonymous_caller_of_an_older_release(start_scicat: StartScicat) -> None:
    scicat = start_scicat("4.28.0")
    user, pid = scicat.by("user1"), scicat.a_dataset()
    scicat.server.logins.expire_tokens()
    assert user.ask("GET", f"/api/v3/datasets/{pid}").status_code == 403
    assert user.ask("GET", "/api/v3/users/my/self").status_code == 401


def test_a_token_expires_after_its_seconds(start_scicat: StartScicat) -> None:
    scicat = start_scicat(JWT_EXPIRES_IN="0")
    assert scicat.by("user1").ask("GET", "/api/v3/users/my/self").json()["message"] == "SESSION_EXPIRED"


def test_a_list_asked_with_an_unknown_token_is_empty_and_not_refused(scicat: Scicat) -> None:
    scicat.a_dataset()
    with httpx.Client(base_url=scicat.server.url, headers={"Authorization": "Bearer x.y.z"}) as stranger:
        for path in ("/api/v3/origdatablocks", "/api/v3/datablocks", "/api/v3/datasets"):
            answer = stranger.get(path)
            assert (answer.status_code, answer.json()) == (200, [])


# Rule 6: what each account may do.

ACCOUNTS = ("archiveManager", "ingestor", "archiver", "admin", "user1", "user2", None)
MATRIX = {
    # action: one status per account
    "GET job": (403, 403, 200, 200, 200, 403, 403),
    "GET dataset": (200, 403, 200, 200, 200, 403, 403),
    "GET origdatablocks": (403, 403, 403, 200, 200, 403, 403),
    "GET datablocks": (403, 403, 403, 200, 200, 403, 403),
    "GET dataset with include": (200, 403, 200, 200, 200, 403, 403),
    "PATCH lifecycle": (200, 403, 200, 200, 200, 403, 403),
    # Our job configuration names no group of its own, as the one did that was measured.
    "PATCH job": (403, 403, 200, 200, 403, 403, 403),
    "POST datablock": (403, 201, 201, 201, 201, 403, 403),
    "DELETE datablock": (200, 403, 200, 403, 403, 403, 403),
    "POST job for a user": (403, 403, 403, 201, 201, 403, 403),
    "PATCH dataset": (403, 403, 403, 200, 200, 403, 403),
    "POST dataset": (403, 201, 201, 201, 201, 403, 403),
    "DELETE dataset": (200, 403, 200, 403, 403, 403, 403),
}
INCLUDE = '{"include":[{"relation":"origdatablocks"},{"relation":"datablocks"}]}'


def ask_for(action: str, scicat: Scicat, account: str | None) -> int:
    pid = scicat.a_dataset()
    dataset = f"/api/v3/datasets/{pid}"
    requests: dict[str, Callable[[], tuple[str, str, Any]]] = {
        "GET job": lambda: ("GET", f"/api/v4/jobs/{scicat.a_job(pid)}", None),
        "GET dataset": lambda: ("GET", dataset, None),
        "GET origdatablocks": lambda: ("GET", f"{dataset}/origdatablocks", None),
        "GET datablocks": lambda: ("GET", f"{dataset}/datablocks", None),
        "GET dataset with include": lambda: ("GET", f"{dataset}?filter={INCLUDE}", None),
        "PATCH lifecycle": lambda: ("PATCH", f"{dataset}/datasetlifecycle", {"retrieveStatusMessage": "x"}),
        "PATCH job": lambda: (
            "PATCH",
            f"/api/v4/jobs/{scicat.a_job(pid)}",
            {"statusCode": "inProgress", "statusMessage": "x"},
        ),
        "POST datablock": lambda: ("POST", f"{dataset}/datablocks", any_datablock()),
        "DELETE datablock": lambda: ("DELETE", f"{dataset}/datablocks/{scicat.a_datablock(pid)['id']}", None),
        "POST job for a user": lambda: ("POST", "/api/v4/jobs", any_job(pid)),
        "PATCH dataset": lambda: ("PATCH", dataset, {"comment": "x"}),
        "POST dataset": lambda: ("POST", "/api/v3/datasets", any_dataset()),
        "DELETE dataset": lambda: ("DELETE", dataset, None),
    }
    method, path, body = requests[action]()
    return scicat.by(account).ask(method, path, body).status_code


@pytest.mark.parametrize("action", MATRIX)
def test_each_account_may_do_what_the_measured_matrix_says(scicat: Scicat, action: str) -> None:
    assert tuple(ask_for(action, scicat, account) for account in ACCOUNTS) == MATRIX[action]


def test_a_dataset_is_read_but_not_changed_by_its_access_groups(scicat: Scicat) -> None:
    pid = scicat.a_dataset(accessGroups=["group2"])
    assert scicat.by("user2").ask("GET", f"/api/v3/datasets/{pid}/origdatablocks").status_code == 200
    assert scicat.by("user2").ask("PATCH", f"/api/v3/datasets/{pid}", {"comment": "x"}).status_code == 403


def test_only_the_privileged_choose_a_pid(scicat: Scicat) -> None:
    body = any_dataset(pid=f"20.500.11935/{uuid4()}")
    assert scicat.by("user1").ask("POST", "/api/v3/datasets", body).status_code == 403
    assert scicat.by("archiver").ask("POST", "/api/v3/datasets", body).json()["pid"] == body["pid"]


def test_an_anonymous_change_is_a_forbidden_resource(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    answer = scicat.by(None).ask("PATCH", f"/api/v3/datasets/{pid}/datasetlifecycle", {"archivable": False})
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN)


def test_a_job_for_an_unknown_user_becomes_the_callers_but_keeps_its_owner_group(scicat: Scicat) -> None:
    body = any_job(scicat.a_dataset()) | {"ownerUser": "User One"}
    job = scicat.by("jobcreator").ask("POST", "/api/v4/jobs", body).json()
    assert (job["ownerUser"], job["ownerGroup"]) == ("jobcreator", "group1")


def test_a_user_may_neither_leave_out_the_owner_group_nor_submit_for_another(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    without = {name: value for name, value in any_job(pid).items() if name != "ownerGroup"}
    answer = scicat.by("user1").ask("POST", "/api/v4/jobs", without)
    assert answer.status_code == 403
    assert answer.json()["message"] == "Invalid new job. Owner group should be specified."
    answer = scicat.by("user1").ask("POST", "/api/v4/jobs", any_job(pid) | {"ownerUser": "user2"})
    assert answer.json()["message"] == "Invalid new job. User owning the job should match user logged in."


def test_a_privileged_job_that_names_nobody_needs_an_address(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    nobody = {name: value for name, value in any_job(pid).items() if not name.startswith("owner")}
    answer = scicat.by("jobcreator").ask("POST", "/api/v4/jobs", nobody)
    message = "Contact email should be specified for an anonymous job."
    assert (answer.status_code, answer.json()["message"]) == (422, message)


# Rule 7: a new job is told to the archiver while its caller waits.


@pytest.mark.parametrize("status", [401, 404, 422, 500, 503])
def test_the_archivers_refusal_is_handed_through_and_the_job_stays(
    start_scicat: StartScicat, archiver: Archiver, status: int
) -> None:
    scicat = start_scicat()
    archiver.status, archiver.body = status, '{"message":"no"}'
    pid = scicat.a_dataset()
    answer = scicat.by("user1").ask("POST", "/api/v4/jobs", any_job(pid))
    message = 'A remote URL call failed with response: {"message":"no"}'
    assert (answer.status_code, answer.json()) == (status, {"status": status, "message": message})
    (job,) = scicat.by("user1").ask("GET", "/api/v4/jobs").json()
    assert job["statusCode"] == "jobSubmitted"


def test_a_refused_connection_is_400_and_the_job_stays(start_scicat: StartScicat, archiver: Archiver) -> None:
    archiver.url = "http://127.0.0.1:1"
    scicat = start_scicat()
    answer = scicat.by("user1").ask("POST", "/api/v4/jobs", any_job(scicat.a_dataset()))
    message = "Invalid job input. Job 'archive' unable to perform action 'url' due to TypeError: fetch failed"
    assert (answer.status_code, answer.json()) == (400, {"status": 400, "message": message})
    assert len(scicat.by("user1").ask("GET", "/api/v4/jobs").json()) == 1


def test_the_archiver_can_ask_scicat_while_the_job_is_still_being_posted(
    start_scicat: StartScicat, archiver: Archiver
) -> None:
    scicat = start_scicat()
    seen: list[tuple[int, str]] = []

    def look_up(request: Received) -> None:
        path = f"/api/v4/jobs/{request.body.split('"')[3]}"
        answer = scicat.by("archiver").ask("GET", path)
        seen.append((answer.status_code, answer.json()["statusCode"]))

    archiver.on_request = look_up
    assert scicat.a_job(scicat.a_dataset())
    assert seen == [(200, "jobSubmitted")]


def test_fifty_open_job_requests_do_not_keep_scicat_from_answering(
    start_scicat: StartScicat, archiver: Archiver
) -> None:
    scicat = start_scicat()
    pid, released, waited = scicat.a_dataset(), threading.Event(), list[bool]()
    archiver.on_request = lambda _: waited.append(released.wait(20))
    scicat.by("user1")
    threads = [threading.Thread(target=scicat.a_job, args=(pid,)) for _ in range(50)]
    for thread in threads:
        thread.start()
    answer = scicat.by("user2").ask("GET", "/api/v3/users/my/self")
    released.set()
    for thread in threads:
        thread.join()
    assert answer.status_code == 200
    assert len(scicat.by("archiver").ask("GET", "/api/v4/jobs").json()) == 50


# Rule 8: what a job requires, and what it leaves alone.


def test_a_job_leaves_archivable_alone_so_that_a_second_one_is_accepted(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    assert scicat.a_job(pid) != scicat.a_job(pid)
    lifecycle = scicat.by("user1").ask("GET", f"/api/v3/datasets/{pid}/datasetlifecycle").json()
    assert lifecycle["archivable"] is True


@pytest.mark.parametrize(("kind", "flag"), [("archive", "archivable"), ("retrieve", "retrievable")])
def test_a_job_whose_datasets_do_not_allow_it_is_400(scicat: Scicat, kind: str, flag: str) -> None:
    pid = scicat.a_dataset(datasetlifecycle={"archivable": False})
    answer = scicat.by("user1").ask("POST", "/api/v4/jobs", any_job(pid, kind))
    message = f"Invalid request. Invalid value for 'datasetlifecycle.{flag}'"
    assert (answer.status_code, answer.json()) == (400, {"status": 400, "message": message})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"datasetList": [{"pid": "nope", "files": []}]}, "Datasets with pid nope do not exist."),
        ({"datasetList": []}, "List of passed datasets is empty."),
        ({"datasetList": ["nope"]}, "Invalid dataset list."),
        ({}, "Dataset ids list was not provided in jobParams"),
    ],
)
def test_a_job_with_a_wrong_list_of_datasets_is_422(scicat: Scicat, params: dict[str, Any], message: str) -> None:
    body = {"type": "archive", "ownerGroup": "group1", "jobParams": params}
    answer = scicat.by("user1").ask("POST", "/api/v4/jobs", body)
    assert (answer.status_code, answer.json()["message"]) == (422, message)


def test_a_job_for_a_file_that_is_not_in_the_dataset_is_422(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    assert scicat.by("user1").ask("POST", "/api/v4/jobs", any_job(pid, files=["a.bin"])).status_code == 201
    answer = scicat.by("user1").ask("POST", "/api/v4/jobs", any_job(pid, files=["b.bin"]))
    missing = f'[{{"pid":"{unquote(pid)}","nonExistFiles":["b.bin"]}}]'
    assert answer.json() == {"message": "At least one requested file could not be found.", "error": missing}


def test_a_job_of_an_unknown_type_is_400(scicat: Scicat) -> None:
    answer = scicat.by("user1").ask("POST", "/api/v4/jobs", any_job(scicat.a_dataset(), "nope"))
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid job type: nope")


def test_a_job_names_the_details_of_its_datasets(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    answer = scicat.by("archiver").ask("GET", f"/api/v3/jobs/datasetDetails?jobId={scicat.a_job(pid)}")
    assert [one["pid"] for one in answer.json()] == [unquote(pid)]


# Rules 9 and 10: lists of api v4, and counters.


def test_a_v4_list_of_origdatablocks_ends_at_ten_unless_limits_say_otherwise(scicat: Scicat) -> None:
    pid, user = scicat.a_dataset(), scicat.by("user1")
    for _ in range(11):
        user.ask("POST", f"/api/v3/datasets/{pid}/origdatablocks", any_files())
    where = f'{{"where":{{"datasetId":"{unquote(pid)}"}}'
    assert len(user.ask("GET", f"/api/v4/origdatablocks?filter={where}}}").json()) == 10
    assert len(user.ask("GET", f'/api/v4/origdatablocks?filter={where},"limits":{{"limit":20}}}}').json()) == 12
    assert len(user.ask("GET", f"/api/v3/origdatablocks?filter={where}}}").json()) == 12
    assert len(user.ask("GET", f"/api/v3/datasets/{pid}/origdatablocks").json()) == 12


def test_jobs_are_found_by_the_dataset_they_name_newest_first(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    jobs = [scicat.a_job(pid) for _ in range(3)]
    where = f'{{"jobParams.datasetList.pid":"{unquote(pid)}"}}'
    path = f'/api/v4/jobs?filter={{"where":{where},"limits":{{"limit":2,"sort":{{"createdAt":"desc"}}}}}}'
    assert [one["id"] for one in scicat.by("archiver").ask("GET", path).json()] == jobs[:0:-1]


def test_there_are_no_datablocks_in_api_v4(scicat: Scicat) -> None:
    assert scicat.by("admin").ask("GET", "/api/v4/datablocks").status_code == 404


def test_the_counters_of_a_dataset_follow_its_datablocks(scicat: Scicat) -> None:
    pid = scicat.a_dataset()

    def counters() -> tuple[int, ...]:
        dataset = scicat.by("user1").ask("GET", f"/api/v3/datasets/{pid}").json()
        return tuple(dataset[name] for name in ("size", "numberOfFiles", "packedSize", "numberOfFilesArchived"))

    first, _ = scicat.a_datablock(pid), scicat.a_datablock(pid)
    assert counters() == (3, 1, 20480, 2)
    scicat.by("archiver").ask("DELETE", f"/api/v3/datasets/{pid}/datablocks/{first['id']}")
    assert counters() == (3, 1, 10240, 1)
    removed = scicat.by("archiver").ask("DELETE", f"/api/v3/datasets/{pid}/datablocks")
    assert removed.json() == {"count": 1}
    assert counters() == (3, 1, 0, 0)


def test_included_blocks_carry_the_database_id_alone(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    scicat.a_datablock(pid)
    dataset = scicat.by("archiver").ask("GET", f"/api/v3/datasets/{pid}?filter={INCLUDE}").json()
    for block in (*dataset["origdatablocks"], *dataset["datablocks"]):
        assert "_id" in block
        assert "id" not in block
        assert "id" not in block["dataFileList"][0]


def test_blocks_included_by_v4_are_empty_for_the_archiver_but_not_for_the_owner(scicat: Scicat) -> None:
    path = f"/api/v4/datasets/{scicat.a_dataset()}?include=origdatablocks&include=datablocks"
    assert scicat.by("archiver").ask("GET", path).json()["origdatablocks"] == []
    assert len(scicat.by("user1").ask("GET", path).json()["origdatablocks"]) == 1


def test_a_deleted_datablock_is_gone_and_a_patch_needs_all_its_files(scicat: Scicat) -> None:
    pid = scicat.a_dataset()
    path = f"/api/v3/datasets/{pid}/datablocks/{scicat.a_datablock(pid)['id']}"
    assert scicat.by("archiver").ask("PATCH", path, {"packedSize": 1}).status_code == 400
    changed = scicat.by("archiver").ask("PATCH", path, {"packedSize": 1, "dataFileList": [any_file()]})
    assert changed.json()["packedSize"] == 1
    scicat.by("archiver").ask("DELETE", path)
    gone = scicat.by("archiver").ask("DELETE", path)
    assert (gone.status_code, gone.json()["message"]) == (404, f"datablock: {path.rpartition('/')[2]} not found")


# Beyond the recordings: a database that is away, and what the templates of the job configuration can say.


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/api/v4/jobs", 403, "Forbidden resource"),
        ("PATCH", "/api/v3/datasets/any/datasetlifecycle", 403, "Forbidden resource"),
        ("GET", "/api/v3/users/my/identity", 401, "Unauthenticated"),
        ("GET", "/api/v3/datasets/any", 500, None),
        ("POST", "/api/v3/auth/login", 500, None),
        ("GET", "/api/v3/health", 503, None),
    ],
)
def test_without_its_database_scicat_waits_and_then_forgets_who_is_asking(
    scicat: Scicat, method: str, path: str, status: int, message: str | None
) -> None:
    archiver = scicat.by("archiver")
    scicat.faults({"match": f"^{method} {path}", "nth": 1, "database_away": 0.05})
    asked_at = time.monotonic()
    answer = archiver.ask(method, path, None if method == "GET" else {})
    assert time.monotonic() - asked_at >= 0.05
    assert answer.status_code == status
    if message:
        assert answer.json()["message"] == message

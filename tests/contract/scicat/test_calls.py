"""Nothing is asked of SciCat that no recording of a real one covers: every test is held to it (``recorded_calls``)."""

import pytest

from archiver.scicat import Catalogue
from tests.contract.scicat.callers import Scicat
from tests.support.catalogue_calls import Call, call_of, uncovered

JOBS = "/api/v4/jobs"
DATASET = "/api/v3/datasets/20.500.11935%2Fany"


def test_what_the_service_asks_is_noted_while_a_test_runs(scicat: Scicat, recorded_calls: set[Call]) -> None:
    Catalogue(scicat.server.url, scicat.server.credentials).jobs_of("20.500.11935/any", "archive")

    limits = {"filter limits", "filter limits.limit", "filter limits.sort", "filter limits.sort.createdAt"}
    routes = {call.route: call for call in recorded_calls}
    assert {"POST /api/v3/auth/login", "GET /api/v4/jobs"} <= set(routes)
    assert limits <= routes["GET /api/v4/jobs"].says


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f'{JOBS}?filter={{"limits":{{"limit":1,"skip":1,"sort":{{"createdAt":"desc"}}}}}}', None),
        (
            "GET",
            f'{DATASET}?filter={{"include":[{{"relation":"datablocks","scope":{{"limits":{{"limit":1}}}}}}]}}',
            None,
        ),
        ("PATCH", f"{DATASET}/datasetlifecycle", {"archiveReturnMessage": {"any": "thing"}}),
        ("POST", "/api/v3/datasets", {"pid": "any", "scientificMetadata": {"any": "thing"}, "comment": "any"}),
        ("PATCH", f"{JOBS}/any", {}),
    ],
)
def test_what_recordings_cover_is_not_held_against_a_test(method: str, path: str, body: object) -> None:
    assert uncovered(call_of(method, path, body)) is None


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("GET", f'{JOBS}?filter={{"limits":{{"order":"createdAt:desc"}}}}', None, "filter limits.order"),
        ("GET", f'{JOBS}?filter={{"where":{{"createdAt":{{"$gt":"x"}}}}}}', None, "filter where.createdAt.$gt"),
        ("GET", f'{DATASET}?filter={{"include":[{{"relation":"nope"}}]}}', None, "include.relation=nope"),
        ("PATCH", f"{DATASET}/datasetlifecycle", {"foo": 1}, "foo"),
        ("POST", f"{DATASET}/datablocks", {"dataFileList": [{"id": "x"}]}, "dataFileList.id"),
        ("PUT", f"{JOBS}/any", {}, "no recording of PUT /api/v4/jobs/{} succeeds"),
        ("GET", "/api/v4/datablocks", None, "no recording of GET /api/v4/datablocks succeeds"),
    ],
)
def test_what_no_recording_covers_is_named(method: str, path: str, body: object, named: str) -> None:
    reason = uncovered(call_of(method, path, body))
    assert reason is not None
    assert named in reason

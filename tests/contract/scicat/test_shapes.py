"""An answer is believed for what it contains: whatever a real SciCat said is, and nothing of another form."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from urllib.parse import parse_qs, unquote
from uuid import uuid4

import orjson
import pytest

from archiver.errors import Code, ServiceUnavailable
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.scicat import Catalogue, JobStatus, shapes
from archiver.scicat.shapes import Shape
from mocks.scicat.releases import RELEASES
from tests.contract.scicat.callers import Scicat, any_dataset
from tests.contract.scicat.recordings import Recording, recordings

pytestmark = pytest.mark.usefixtures("no_pauses")

SIZES = count(100_000)
FILES = (CatalogueFile("a.bin", 3, "2026-11-23T08:00:00.000Z"),)


# What real ones said


def told_job_shape(call: Recording, job_id: str) -> Shape | None:
    return shapes.told_job(job_id, call.body) if {"statusCode", "statusMessage"} <= call.body.keys() else None


def dataset_shape(call: Recording, pid: str) -> Shape | None:
    asked = orjson.loads(parse_qs(call.path.partition("?")[2]).get("filter", ["{}"])[0])
    if pid == "fullquery" or "fields" in asked:
        return None
    answer = call.answer
    having = ""
    if "datablocks" in answer:
        having = "datablocks" if all("dataFileList" in one for one in answer["datablocks"]) else "records"
    elif "origdatablocks" in answer:
        having = "files" if all("dataFileList" in one for one in answer["origdatablocks"]) else "ids"
    return shapes.dataset(pid, having)


type OfCall = Callable[[Recording, str], Shape | None]

# What the answer to each call of ours looks like: its route, and what follows from the call and the id in its path.
SHAPES: tuple[tuple[str, OfCall], ...] = (
    ("POST /api/v3/auth/login", lambda *_: shapes.LOGIN),
    ("GET /api/v3/users/my/self", lambda *_: shapes.USER),
    ("GET /api/v3/users/my/identity", lambda *_: shapes.IDENTITY),
    ("POST /api/v3/datasets/isValid", lambda *_: shapes.VALIDITY),
    ("GET /api/v4/jobs", lambda call, _: None if "fields" in call.path else shapes.JOB_LIST),
    ("GET /api/v4/jobs/([^/]*)", lambda _, job_id: None if job_id == "fullquery" else shapes.job(job_id)),
    ("PATCH /api/v4/jobs/([^/]*)", told_job_shape),
    ("POST /api/v4/jobs", lambda call, _: shapes.new_job(call.body)),
    ("GET /api/v3/datasets", lambda *_: shapes.PID_LIST),
    ("GET /api/v3/datasets/([^/]*)", dataset_shape),
    ("POST /api/v3/datasets", lambda call, _: shapes.changed_dataset(call.body.get("pid") or call.answer["pid"])),
    ("PATCH /api/v3/datasets/([^/]*)", lambda _, pid: shapes.changed_dataset(pid)),
    ("PATCH /api/v3/datasets/[^/]*/datasetlifecycle", lambda call, _: shapes.lifecycle(call.body)),
    ("POST /api/v3/datasets/[^/]*/(?:orig)?datablocks", lambda call, _: shapes.new_record(call.body)),
    ("DELETE /api/v3/datasets/[^/]*/datablocks/[^/]*", lambda *_: shapes.nothing),
)


def shape_of(call: Recording) -> Shape | None:
    """What the answer to a call like one of ours should look like; None for any other call."""
    route = f"{call.method} {call.path.partition('?')[0]}"
    for pattern, of_call in SHAPES:
        if found := re.fullmatch(pattern, route):
            return of_call(call, unquote(found[1]) if found.groups() else "")
    return None


@pytest.mark.parametrize("release", RELEASES)
def test_whatever_a_real_scicat_answered_to_such_a_call_is_taken(release: str) -> None:
    seen: Counter[str] = Counter()
    for call in recordings(release):
        shape = shape_of(call) if call.status < 300 and not call.was_received else None
        if shape is not None:
            shape(None if call.answer == "" else call.answer)
            seen[call.method] += 1
    assert seen.keys() == {"GET", "POST", "PATCH", "DELETE"}


# Anything else

EMPTY, NULL, OBJECT, ARRAY, HTML, CUT = "", "null", "{}", "[]", "<html>Please log in</html>", '{"id": "5d73'
ODD = (EMPTY, NULL, OBJECT, ARRAY, HTML, CUT, '{"error": "any"}')


@dataclass
class World:
    """A dataset with a file, a datablock and a job, and the catalogue as the service has it; as its owner, too."""

    scicat: Scicat
    pid: str
    job: str
    datablock: CatalogueDatablock

    def catalogue(self, account: str = "archiver") -> Catalogue:
        credentials = self.scicat.server.credentials
        return Catalogue(self.scicat.server.url, lambda: credentials(account), lambda: credentials("jobcreator"))

    def token(self) -> str:
        return str(self.scicat.by("user1").http.headers["Authorization"]).removeprefix("Bearer ")


@pytest.fixture
def world(scicat: Scicat) -> Iterator[World]:
    pid = scicat.a_dataset()
    world = World(scicat, unquote(pid), scicat.a_job(pid), a_datablock())
    world.catalogue().add_datablock(world.pid, world.datablock)
    yield world
    scicat.faults()


def a_datablock() -> CatalogueDatablock:
    return CatalogueDatablock(f"{uuid4()}.tar", 3, 10240, "sha256", "1", FILES)


def forgets_its_datablock(world: World) -> bool:
    """Remove the datablock, and record it again for the next time."""
    catalogue = world.catalogue()
    (record,) = catalogue.need_recorded_dataset(world.pid).datablocks
    catalogue.delete_datablock(world.pid, record.id)
    is_gone = not world.catalogue().need_recorded_dataset(world.pid).datablocks
    catalogue.add_datablock(world.pid, world.datablock)
    return is_gone


def lists_a_new_file(world: World) -> bool:
    file = CatalogueFile(f"{uuid4()}.bin", 5, FILES[0].time)
    catalogue = world.catalogue()
    catalogue.add_origdatablock(world.pid, [file], None)
    return catalogue.files_of(world.pid, lambda files: [one.path for one in files].count(file.path)) == 1


def records_a_new_datablock(world: World) -> bool:
    new = a_datablock()
    made = world.catalogue().add_datablock(world.pid, new)
    listed = world.catalogue().need_recorded_dataset(world.pid).datablocks
    world.catalogue().delete_datablock(world.pid, made)
    return [one.id for one in listed if one.archive_id == new.archive_id] == [made]


def registers_a_new_dataset(world: World) -> bool:
    pid = str(uuid4())
    world.catalogue().create_dataset(any_dataset(), pid)
    return world.catalogue().dataset(pid) is not None


def creates_a_new_job(world: World) -> bool:
    catalogue = world.catalogue()
    before = {job.id for job in catalogue.jobs_of(world.pid, "archive")}
    made = catalogue.create_job("archive", [world.pid], owner_group="group1", owner_user="user1", contact_email=None)
    return {job.id for job in world.catalogue().jobs_of(world.pid, "archive")} - before == {made}


def tells_the_job(world: World) -> bool:
    message = str(uuid4())
    assert world.catalogue().update_job(world.job, JobStatus.IN_PROGRESS, message)
    told = world.scicat.by("archiver").ask("GET", f"/api/v4/jobs/{world.job}").json()
    return bool(told["statusMessage"] == message)


def tells_the_lifecycle(world: World) -> bool:
    told = {"archiveStatusMessage": str(uuid4()), "archiveReturnMessage": {"code": "any", "files": ["ü", "b"]}}
    return told.items() <= world.catalogue().update_lifecycle(world.pid, **told).items()


def mends_the_totals(world: World) -> bool:
    return world.catalogue("user1").mend_totals(world.pid, packed_size=next(SIZES), files_archived=1)


# Each call: the request that is answered oddly, which answers are no odd ones, and what is true in the end.
CALLS: dict[str, tuple[str, tuple[str, ...], Callable[[World], object]]] = {
    "login": ("^POST .*/auth/login", (), lambda world: world.catalogue().dataset(world.pid)),
    "ping": ("^GET .*/users/my/self", (), lambda world: world.catalogue().need_recorded_dataset(world.pid).datablocks),
    "identity": (
        "^GET .*/users/my/identity",
        (),
        lambda world: world.catalogue().identity(world.token()),
    ),
    "dataset": (r"^GET .*/datasets/[^?]*$", (), lambda world: world.catalogue().dataset(world.pid)),
    "records": (
        "^GET .*archiveId.*packedSize",
        (),
        lambda world: world.catalogue().need_recorded_dataset(world.pid).datablocks,
    ),
    "a datablock": (
        "^GET .*where.*archiveId",
        (),
        lambda world: world.catalogue().recorded_as(world.pid, world.datablock),
    ),
    "the blocks of files": (
        "^GET .*origdatablocks.*fields",
        (),
        lambda world: world.catalogue().files_of(world.pid, list),
    ),
    "a block of files": ("^GET .*origdatablocks.*skip", (), lambda world: world.catalogue().files_of(world.pid, list)),
    "a job": (r"^GET .*/jobs/", (), lambda world: world.catalogue().job(world.job)),
    "jobs": (r"^GET .*/jobs\?", (ARRAY,), lambda world: world.catalogue().jobs_of(world.pid, "archive")),
    "datasets": (r"^GET .*/datasets\?", (ARRAY,), lambda world: world.catalogue().archivable_with_datablocks()),
    "rights": ("^POST .*/isValid", (), lambda world: list(world.catalogue().missing_rights()) == []),
    "a lifecycle": ("^PATCH .*/datasetlifecycle", (), tells_the_lifecycle),
    "totals": (r"^PATCH .*/datasets/[^/]+/[^/]+$", (), mends_the_totals),
    "a job's end": ("^PATCH .*/jobs/", (), tells_the_job),
    "a new job": (r"^POST .*/jobs$", (), creates_a_new_job),
    "a new dataset": (r"^POST .*/datasets$", (), registers_a_new_dataset),
    "new files": ("^POST .*/origdatablocks$", (), lists_a_new_file),
    "a new datablock": ("^POST .*/datablocks$", (), records_a_new_datablock),
    "a datablock's end": ("^DELETE .*/datablocks/", (EMPTY, NULL), forgets_its_datablock),
}


@pytest.mark.parametrize("commit", [False, True], ids=["lost", "done"])
@pytest.mark.parametrize("call", CALLS)
def test_d10_an_answer_without_content_is_asked_for_again_and_what_was_done_is_done_once(
    world: World, call: str, *, commit: bool
) -> None:
    match, good, ask = CALLS[call]
    for odd in (odd for odd in ODD if odd not in good):
        world.scicat.faults({"match": match, "nth": 1, "status": 200, "body": odd, "commit": commit})
        assert ask(world), odd
        # What may exist by now is looked for, and not made again.
        is_there = commit and match.startswith("^POST") and call not in {"login", "rights", "a new dataset"}
        assert (world.scicat.by(None).ask("GET", "/__faults").json()[0]["seen"] > 1) is not is_there, odd


@pytest.mark.parametrize("call", CALLS)
def test_d10_a_catalogue_that_says_nothing_for_ever_is_away_and_the_data_are_not_to_blame(
    world: World, call: str
) -> None:
    match, good, ask = CALLS[call]
    for odd in (odd for odd in ODD if odd not in good):
        world.scicat.faults({"match": match, "status": 200, "body": odd})
        with pytest.raises(ServiceUnavailable) as away:
            ask(world)
        assert away.value.reason.code is Code.SCICAT_UNAVAILABLE, odd


def test_d10_a_lifecycle_that_is_not_what_was_told_is_told_again(world: World) -> None:
    body = '{"archiveStatusMessage": "datasetCreated", "archivable": true, "retrievable": false}'
    world.scicat.faults({"match": "^PATCH .*/datasetlifecycle", "nth": 1, "status": 200, "body": body})
    assert world.catalogue().update_lifecycle(world.pid, archivable=False)["archivable"] is False


def test_d10_what_is_said_of_another_is_no_answer(world: World) -> None:
    other = world.scicat.by("archiver").ask("GET", f"/api/v3/datasets/{world.scicat.a_dataset()}").text
    world.scicat.faults({"match": r"^GET .*/datasets/[^?]*$", "nth": 1, "status": 200, "body": other})
    assert world.catalogue().need_dataset(world.pid).pid == world.pid


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 405, 422])
def test_d10_a_refusal_that_is_a_page_is_not_scicats(world: World, status: int) -> None:
    page = {"match": "^GET .*/datasets/", "status": status, "body": HTML}
    world.scicat.faults(page | {"nth": 1})
    assert world.catalogue().dataset(world.pid) is not None
    world.scicat.faults(page)
    with pytest.raises(ServiceUnavailable):
        world.catalogue().dataset(world.pid)

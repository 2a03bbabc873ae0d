"""What the SciCat mock's fault script does to a request, and how the catalogue client comes through it."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

import httpx
import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from archiver.errors import Code, ServiceRefused, ServiceUnavailable
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile, CatalogueTotals
from archiver.scicat import Catalogue
from archiver.scicat.transport import READ_SECONDS
from tests.contract.scicat.callers import Scicat, any_datablock
from tests.support.loopback import QuietHandler

pytestmark = pytest.mark.usefixtures("no_pauses")

MIB = 1024**2
FILES = (CatalogueFile("a.bin", 3, "2026-11-23T08:00:00.000Z"),)
POST_DATABLOCK, PATCH_LIFECYCLE = "^POST .*/datablocks", "^PATCH .*/datasetlifecycle"

type StartScicat = Callable[..., Scicat]


@pytest.fixture
def scicat(start_scicat: StartScicat) -> Scicat:
    """A SciCat of this test's own, to break."""
    return start_scicat(ARCHIVER_URL="")


@pytest.fixture
def pid(scicat: Scicat) -> str:
    return unquote(scicat.a_dataset())


@pytest.fixture
def catalogue(scicat: Scicat) -> Catalogue:
    return as_account(scicat, "archiver")


def as_account(scicat: Scicat, account: str) -> Catalogue:
    """The catalogue as this account sees it, with the one that creates jobs."""
    credentials = scicat.server.credentials
    return Catalogue(scicat.server.url, lambda: credentials(account), lambda: credentials("jobcreator"))


def a_datablock(packed_size: int = 10240) -> CatalogueDatablock:
    return CatalogueDatablock(f"{uuid4()}.tar", 3, packed_size, "sha256", "1", FILES)


def totals(catalogue: Catalogue, pid: str) -> CatalogueTotals:
    return catalogue.need_dataset(pid).totals


def records(catalogue: Catalogue, pid: str) -> int:
    return len(catalogue.need_recorded_dataset(pid).datablocks)


# The script


def test_a_fault_hits_the_chosen_requests_and_no_other(scicat: Scicat, pid: str) -> None:
    scicat.faults({"match": "^GET .*/datasets/", "nth": 2, "times": 2, "status": 503})
    path = f"/api/v3/datasets/{pid.replace('/', '%2F')}"
    assert [scicat.by("user1").ask("GET", path).status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    assert scicat.by(None).ask("GET", "/__faults").json()[0]["seen"] == 5
    scicat.faults()
    assert scicat.by(None).ask("GET", "/__faults").json() == []


def test_a_fault_may_say_anything_with_any_headers(scicat: Scicat) -> None:
    scicat.faults(
        {"match": "one", "status": 429, "headers": {"Retry-After": "7"}},
        {"match": "two", "status": 302, "headers": {"Location": "http://127.0.0.1:9/"}},
        {"match": "three", "status": 200, "body": "<html>"},
        {"match": "four", "status": 200, "size": MIB, "gzip": True},
        {"match": "five", "status": 500},
    )
    one, two, three, four, five = (
        scicat.by(None).ask("GET", f"/{word}") for word in ("one", "two", "three", "four", "five")
    )
    assert (one.status_code, one.headers["retry-after"]) == (429, "7")
    assert (two.status_code, two.headers["location"]) == (302, "http://127.0.0.1:9/")
    assert three.text == "<html>"
    assert (four.num_bytes_downloaded < 10_000, len(four.content)) == (True, MIB)
    assert (five.status_code, five.json()) == (500, "Internal server error")


@pytest.mark.parametrize(
    ("fault", "recorded"),
    [({"drop": "before_commit"}, 0), ({"drop": "after_commit"}, 1), ({"status": 504, "commit": True}, 1)],
)
def test_a_request_may_be_lost_before_or_after_it_was_carried_out(
    scicat: Scicat, catalogue: Catalogue, pid: str, fault: dict[str, Any], recorded: int
) -> None:
    scicat.faults({"match": POST_DATABLOCK, "nth": 1} | fault)
    path = f"/api/v3/datasets/{pid.replace('/', '%2F')}/datablocks"
    try:
        assert scicat.by("archiver").ask("POST", path, any_datablock()).status_code == 504
    except httpx.TransportError:
        assert "drop" in fault
    assert records(catalogue, pid) == recorded


def test_an_answer_may_be_cut_off(scicat: Scicat, pid: str) -> None:
    scicat.faults({"match": "^GET .*/datasets/", "cut": 10})
    with pytest.raises(httpx.RemoteProtocolError, match="10 bytes"):
        scicat.by("user1").ask("GET", f"/api/v3/datasets/{pid.replace('/', '%2F')}")


# The client


def test_f01_a_session_that_expires_in_between_is_renewed(scicat: Scicat, catalogue: Catalogue, pid: str) -> None:
    catalogue.ping()
    expired = {"status": 401, "body": '{"message":"SESSION_EXPIRED","error":"Unauthorized","statusCode":401}'}
    scicat.faults({"match": PATCH_LIFECYCLE, "nth": 1} | expired)
    catalogue.update_lifecycle(pid, archiveStatusMessage="started")
    assert catalogue.need_dataset(pid).lifecycle["archiveStatusMessage"] == "started"


def test_f01_a_token_is_renewed_before_its_end(start_scicat: StartScicat) -> None:
    scicat = start_scicat(ARCHIVER_URL="", JWT_EXPIRES_IN="100")
    catalogue, now = Catalogue(scicat.server.url, scicat.server.credentials), time.time()
    scicat.faults({"match": "/auth/login"})
    for later in (0, 79, 81):
        with time_machine.travel(now + later):
            catalogue.ping()
    assert scicat.by(None).ask("GET", "/__faults").json()[0]["seen"] == 2


def test_f02_a_password_that_becomes_right_is_used(scicat: Scicat, pid: str) -> None:
    passwords = iter(["any-old-password", scicat.server.credentials()[1]])
    catalogue = Catalogue(scicat.server.url, lambda: ("archiver", next(passwords)))
    with pytest.raises(ServiceUnavailable) as caught:
        catalogue.dataset(pid)
    assert caught.value.reason.code is Code.SCICAT_LOGIN
    assert catalogue.dataset(pid) is not None


def test_f08_a_throttled_request_is_repeated(scicat: Scicat, catalogue: Catalogue, pid: str) -> None:
    busy = {"status": 429, "headers": {"Retry-After": "0"}}
    scicat.faults({"match": PATCH_LIFECYCLE, "nth": 1, "times": 2} | busy)
    catalogue.update_lifecycle(pid, archiveStatusMessage="started")
    assert catalogue.need_dataset(pid).lifecycle["archiveStatusMessage"] == "started"


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": "before_commit"},
        {"drop": "after_commit"},
        {"drop": "half_way"},
        {"status": 500},
        {"status": 502, "commit": True},
        {"status": 503},
        {"status": 504, "commit": True},
        {"status": 201, "body": '{"id": "5d73', "commit": True},
        {"status": 201, "body": "<html>"},
        {"cut": 40},
    ],
    ids=str,
)
def test_f09_a_datablock_is_recorded_and_counted_once_whatever_became_of_the_request(
    scicat: Scicat, catalogue: Catalogue, pid: str, fault: dict[str, Any]
) -> None:
    scicat.faults({"match": POST_DATABLOCK, "nth": 1} | fault)
    datablock = a_datablock()
    recorded = catalogue.add_datablock(pid, datablock)
    assert [one.id for one in catalogue.need_recorded_dataset(pid).datablocks] == [recorded]
    assert totals(catalogue, pid) == CatalogueTotals(size=3, files=1, packed_size=10240, files_archived=1)


@pytest.mark.parametrize("fault", [{"drop": "after_commit"}, {"status": 504, "commit": True}], ids=str)
def test_f09_files_are_listed_once_whatever_became_of_the_request(
    scicat: Scicat, catalogue: Catalogue, pid: str, fault: dict[str, Any]
) -> None:
    scicat.faults({"match": "^POST .*/origdatablocks", "nth": 1} | fault)
    late = CatalogueFile("late.bin", 5, "2026-11-23T08:00:00.000Z")
    catalogue.add_origdatablock(pid, [late], None)
    assert catalogue.files_of(pid, lambda files: [file.path for file in files]) == ["a.bin", "late.bin"]


def test_f10_a_name_that_is_not_resolved_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unknown(host: str, *_: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ServiceUnavailable, match="NameResolutionError") as caught:
        Catalogue("http://scicat.invalid", lambda: ("archiver", "secret")).ping()
    assert caught.value.reason.code is Code.SCICAT_UNAVAILABLE
    assert asked == ["scicat.invalid"] * 3


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[str]:
    """A SciCat whose certificate nobody vouches for; gives its URL."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "any")])
    since = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    both = key.private_bytes(pem, plain, serialization.NoEncryption()) + certificate.public_bytes(pem)
    (tmp_path / "any.pem").write_bytes(both)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "any.pem")

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """The client does not trust it, and says so by going away."""

    with Server(("127.0.0.1", 0), QuietHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_f10_a_certificate_that_nobody_vouches_for_is_not_trusted(untrusted: str) -> None:
    asked: list[int] = []

    def credentials() -> tuple[str, str]:
        asked.append(1)
        return "archiver", "any-password"

    with pytest.raises(ServiceUnavailable, match="SSLError") as caught:
        Catalogue(untrusted, credentials).ping()
    assert caught.value.reason.code is Code.SCICAT_UNAVAILABLE
    assert "any-password" not in str(caught.value)
    assert len(asked) == 3, "the attempt and two repetitions"


def test_f12_a_catalogue_that_is_slow_with_every_answer_is_waited_for(
    scicat: Scicat, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert READ_SECONDS > 30
    monkeypatch.setattr("archiver.scicat.transport.READ_SECONDS", 5.0)
    scicat.faults({"match": ".", "delay": 0.25})
    catalogue = as_account(scicat, "archiver")
    assert catalogue.add_datablock(pid, a_datablock())
    assert records(catalogue, pid) == 1


def test_f12_a_catalogue_that_is_too_slow_is_unavailable(
    scicat: Scicat, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.scicat.transport.READ_SECONDS", 0.1)
    scicat.faults({"match": "^GET .*/datasets/", "delay": 0.3})
    with pytest.raises(ServiceUnavailable, match="ReadTimeoutError"):
        as_account(scicat, "archiver").dataset(pid)


@pytest.mark.parametrize("match", ["/auth/login", "/users/my/self", "/datasets/"])
def test_f14_an_answer_that_unpacks_to_too_much_is_not_taken(
    scicat: Scicat, catalogue: Catalogue, pid: str, match: str
) -> None:
    scicat.faults({"match": match, "status": 200, "size": 65 * MIB, "gzip": True})
    with pytest.raises(ServiceRefused, match="more than 64 MiB") as caught:
        catalogue.recorded_dataset(pid)
    assert caught.value.reason.code is Code.SCICAT_TOO_LARGE


@pytest.mark.parametrize(
    ("route", "ask"),
    [
        ("GET /api/v4/jobs", Catalogue.check),
        ("PATCH /api/v3/datasets/any/datasetlifecycle", lambda catalogue: catalogue.update_lifecycle("any")),
    ],
)
def test_f25_a_release_of_scicat_without_a_route_that_is_needed_is_refused_at_once(
    scicat: Scicat, catalogue: Catalogue, route: str, ask: Callable[[Catalogue], None]
) -> None:
    method, path = route.split()
    absent = json.dumps({"message": f"Cannot {route}", "error": "Not Found", "statusCode": 404})
    scicat.faults({"match": f"^{method} {path}", "status": 404, "body": absent})
    with pytest.raises(ServiceRefused, match=f"Cannot {route}. This release of SciCat cannot work") as caught:
        ask(catalogue)
    assert caught.value.reason.code is Code.SCICAT_REJECTED


def test_f27_a_list_is_not_believed_while_scicat_does_not_know_the_token(start_scicat: StartScicat) -> None:
    scicat = start_scicat(ARCHIVER_URL="")
    pid = unquote(scicat.a_dataset(isPublished=True))
    catalogue = as_account(scicat, "archiver")
    catalogue.add_datablock(pid, a_datablock())
    scicat.server.logins.replace_secret()
    # To anybody a public dataset is shown, and none of its blocks.
    nobody = json.dumps({"pid": pid, "ownerGroup": "any", "datasetlifecycle": {}, "datablocks": []})
    scicat.faults({"match": "^GET .*/datasets/", "nth": 2, "status": 200, "body": nobody})
    assert records(catalogue, pid) == 1


def test_f27_no_jobs_are_seen_only_by_who_may_see_them(scicat: Scicat, catalogue: Catalogue, pid: str) -> None:
    job = scicat.a_job(pid.replace("/", "%2F"))
    catalogue.ping()
    scicat.server.logins.replace_secret()
    assert [one.id for one in catalogue.jobs_of(pid, "archive")] == [job]


def test_f28_a_lifecycle_that_is_saved_between_two_datablocks_makes_the_totals_shrink_and_they_are_mended(
    scicat: Scicat, pid: str
) -> None:
    catalogue, somebody = as_account(scicat, "archiver"), as_account(scicat, "user1")
    catalogue.add_datablock(pid, a_datablock())
    scicat.faults({"match": PATCH_LIFECYCLE, "nth": 1, "pause_between": 1.5})
    meanwhile = threading.Thread(target=somebody.update_lifecycle, args=(pid,), kwargs={"publishable": True})
    meanwhile.start()
    while not scicat.by(None).ask("GET", "/__faults").json()[0]["seen"]:
        time.sleep(0.01)
    catalogue.add_datablock(pid, a_datablock())
    meanwhile.join()
    assert totals(catalogue, pid).packed_size == 10240, "every answer was good"

    # Its owner may change a dataset, and so may an administrator.
    assert somebody.mend_totals(pid, packed_size=20480, files_archived=2) is True
    assert totals(catalogue, pid) == CatalogueTotals(size=3, files=1, packed_size=20480, files_archived=2)
    assert catalogue.need_dataset(pid).lifecycle["publishable"] is True


def test_f28_an_edit_that_is_lost_while_the_lifecycle_is_saved_is_found_until_it_is_made_again(
    scicat: Scicat, catalogue: Catalogue, pid: str
) -> None:
    catalogue.add_datablock(pid, a_datablock())
    catalogue.update_lifecycle(pid, publishable=True)
    edit(scicat, pid, "kept", "at first")
    scicat.faults({"match": PATCH_LIFECYCLE, "nth": 1, "pause_between": 0.3})
    meanwhile = threading.Thread(target=catalogue.update_lifecycle, args=(pid,), kwargs={"publishable": False})
    meanwhile.start()
    while not scicat.by(None).ask("GET", "/__faults").json()[0]["seen"]:
        time.sleep(0.01)
    edit(scicat, pid, "lost", "lost")
    meanwhile.join()
    assert catalogue.lost_edits(pid) == ["datasetName", "sourceFolder"]

    edit(scicat, pid, "again", "lost")
    assert catalogue.lost_edits(pid) == []


def edit(scicat: Scicat, pid: str, name: str, folder: str) -> None:
    """Change a dataset as its owner does."""
    path = f"/api/v3/datasets/{quote(pid, safe='')}"
    answer = scicat.by("user1").ask("PATCH", path, {"datasetName": name, "sourceFolder": folder})
    assert answer.status_code == 200


def test_f29_a_datablock_that_was_not_counted_is_recorded_once_and_the_totals_are_mended(
    scicat: Scicat, catalogue: Catalogue, pid: str
) -> None:
    scicat.faults({"match": POST_DATABLOCK, "nth": 1, "drop": "crash_between"})
    catalogue.add_datablock(pid, a_datablock())
    assert (records(catalogue, pid), totals(catalogue, pid).packed_size) == (1, 0)

    assert as_account(scicat, "user1").mend_totals(pid, packed_size=10240, files_archived=1) is True
    assert totals(catalogue, pid) == CatalogueTotals(size=3, files=1, packed_size=10240, files_archived=1)


def test_f29_an_account_that_may_not_change_datasets_says_so(scicat: Scicat, catalogue: Catalogue, pid: str) -> None:
    scicat.faults({"match": POST_DATABLOCK, "nth": 1, "drop": "crash_between"})
    catalogue.add_datablock(pid, a_datablock())
    assert catalogue.mend_totals(pid, packed_size=10240, files_archived=1) is False


def test_f07_totals_that_change_while_they_are_mended_are_looked_at_again(
    scicat: Scicat, catalogue: Catalogue, pid: str
) -> None:
    scicat.faults(
        {"match": POST_DATABLOCK, "nth": 1, "drop": "crash_between"},
        {"match": r"^PATCH .*/datasets/[^/]+/[^/]+$", "nth": 1, "times": 2, "status": 412},
    )
    catalogue.add_datablock(pid, a_datablock())
    catalogue.add_datablock(pid, a_datablock())
    assert as_account(scicat, "user1").mend_totals(pid, packed_size=20480, files_archived=2) is True
    assert totals(catalogue, pid) == CatalogueTotals(size=3, files=1, packed_size=20480, files_archived=2)


def test_f07_totals_of_a_dataset_that_was_changed_since_are_not_overwritten(
    scicat: Scicat, catalogue: Catalogue, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scicat.faults({"match": POST_DATABLOCK, "nth": 1, "drop": "crash_between"})
    catalogue.add_datablock(pid, a_datablock())
    long_ago = {"If-Unmodified-Since": "Mon, 23 Nov 2020 08:00:00 GMT"}
    monkeypatch.setattr("archiver.scicat.records.unmodified_since", lambda _: long_ago)
    assert as_account(scicat, "user1").mend_totals(pid, packed_size=10240, files_archived=1) is False
    assert totals(catalogue, pid).packed_size == 0


def test_a_compressed_answer_of_ordinary_size_is_read(scicat: Scicat, catalogue: Catalogue, pid: str) -> None:
    body = json.dumps({"pid": pid, "ownerGroup": "any", "datasetlifecycle": {}})
    scicat.faults({"match": "^GET .*/datasets/", "status": 200, "body": body, "gzip": True})
    assert catalogue.need_dataset(pid).owner_group == "any"

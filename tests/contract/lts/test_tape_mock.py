"""The LTS mock speaks S3 and behaves like tape."""

import base64
import hashlib
import re
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from mocks.lts.service import Options
from mocks.lts.tape import Hardware
from mocks.lts.testing import run_mock_lts
from tests.support.loopback import LOOPBACK

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from tests.contract.lts.conftest import StartMock, TapeMock

MIGRATION_DELAY = 60.0
RECALL_DELAY = 600.0
DAY = 86_400.0
MIB = 1024**2


def error_of(raised: "pytest.ExceptionInfo[ClientError]") -> tuple[int, str]:
    response = raised.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


# Writing and migrating


@pytest.mark.parametrize("key", ["plain.tar", "a b/ü+~%2F&=?#.tar", "20.500.11935/5d73/datablocks/x_0.tar"])
def test_written_object_reads_back_with_its_checksum_and_metadata_while_it_migrates(lts: "TapeMock", key: str) -> None:
    lts.put(key, b"123456789", ChecksumAlgorithm="CRC64NVME", StorageClass="GLACIER", Metadata={"n": "1"})
    head = lts.s3.head_object(Bucket=lts.bucket, Key=key, ChecksumMode="ENABLED")
    # The check value of CRC-64/NVME.
    assert head["ChecksumCRC64NVME"] == base64.b64encode(bytes.fromhex("AE8B14860A799888")).decode()
    assert head["Metadata"] == {"n": "1"}
    assert lts.get(key) == b"123456789"
    assert lts.place(key) == "migrating"


def test_object_on_tape_answers_head_as_glacier_and_refuses_to_be_read(lts: "TapeMock") -> None:
    lts.put_on_tape("a.tar")
    head = lts.s3.head_object(Bucket=lts.bucket, Key="a.tar")
    assert head["StorageClass"] == "GLACIER"
    assert "Restore" not in head
    with pytest.raises(ClientError) as refused:
        lts.get("a.tar")
    assert error_of(refused) == (403, "InvalidObjectState")


def test_object_on_tape_is_no_source_of_a_copy(lts: "TapeMock") -> None:
    lts.put_on_tape("a.tar")
    source: Any = {"Bucket": lts.bucket, "Key": "a.tar"}
    with pytest.raises(ClientError) as refused:
        lts.s3.copy_object(Bucket=lts.bucket, Key="b.tar", CopySource=source)
    assert error_of(refused) == (403, "InvalidObjectState")
    upload = lts.s3.create_multipart_upload(Bucket=lts.bucket, Key="b.tar")["UploadId"]
    with pytest.raises(ClientError) as refused:
        lts.s3.upload_part_copy(Bucket=lts.bucket, Key="b.tar", CopySource=source, PartNumber=1, UploadId=upload)
    assert error_of(refused) == (403, "InvalidObjectState")


def test_copied_object_migrates_like_a_written_one(lts: "TapeMock") -> None:
    lts.put("a.tar", b"copied")
    lts.s3.copy_object(Bucket=lts.bucket, Key="b.tar", CopySource={"Bucket": lts.bucket, "Key": "a.tar"})
    assert lts.get("b.tar") == b"copied"
    assert lts.place("b.tar") == "migrating"


def test_listing_shows_the_class_of_each_object(lts: "TapeMock") -> None:
    lts.put_on_tape("a b+ü.tar")
    lts.put("new.tar")
    listed = lts.s3.list_objects_v2(Bucket=lts.bucket)["Contents"]
    assert [(found["Key"], found["StorageClass"]) for found in listed] == [
        ("a b+ü.tar", "GLACIER"),
        ("new.tar", "STANDARD"),
    ]


def test_multipart_upload_is_an_object_only_once_it_is_completed(lts: "TapeMock") -> None:
    parts = [bytes([n]) * 5 * MIB for n in (1, 2)]
    upload = lts.s3.create_multipart_upload(Bucket=lts.bucket, Key="a.tar", StorageClass="GLACIER")["UploadId"]
    sent = [
        lts.s3.upload_part(Bucket=lts.bucket, Key="a.tar", UploadId=upload, PartNumber=n, Body=body)
        for n, body in enumerate(parts, 1)
    ]
    with pytest.raises(KeyError):
        lts.place("a.tar")
    done: Any = {"Parts": [{"PartNumber": n, "ETag": part["ETag"]} for n, part in enumerate(sent, 1)]}
    lts.s3.complete_multipart_upload(Bucket=lts.bucket, Key="a.tar", UploadId=upload, MultipartUpload=done)
    assert lts.place("a.tar") == "migrating"
    assert hashlib.sha256(lts.get("a.tar")).digest() == hashlib.sha256(b"".join(parts)).digest()


def test_upload_can_be_aborted(lts: "TapeMock") -> None:
    upload = lts.s3.create_multipart_upload(Bucket=lts.bucket, Key="a.tar")["UploadId"]
    lts.s3.abort_multipart_upload(Bucket=lts.bucket, Key="a.tar", UploadId=upload)
    assert "Uploads" not in lts.s3.list_multipart_uploads(Bucket=lts.bucket)


def test_second_copy_is_kept_of_what_is_on_tape(lts: "TapeMock", tmp_path: Path) -> None:
    lts.put_on_tape("a.tar", b"precious")
    patience = time.monotonic() + 10
    while not lts.state("a.tar")["replicated"]:
        assert time.monotonic() < patience
        time.sleep(0.02)
    assert [path.read_bytes() for path in (tmp_path / "replicas").iterdir()] == [b"precious"]


# Write-once


def test_g23_overwriting_is_refused_and_the_object_stays(lts: "TapeMock") -> None:
    lts.put("a.tar", b"first")
    with pytest.raises(ClientError) as refused:
        lts.put("a.tar", b"second")
    assert error_of(refused) == (403, "AccessDenied")
    assert lts.get("a.tar") == b"first"


def test_create_only_write_of_what_exists_fails_its_own_precondition(lts: "TapeMock") -> None:
    lts.put("a.tar")
    with pytest.raises(ClientError) as refused:
        lts.put("a.tar", IfNoneMatch="*")
    assert error_of(refused) == (412, "PreconditionFailed")


def test_overwriting_by_a_copy_is_refused(lts: "TapeMock") -> None:
    lts.put("a.tar", b"first")
    lts.put("b.tar", b"second")
    with pytest.raises(ClientError) as refused:
        lts.s3.copy_object(Bucket=lts.bucket, Key="a.tar", CopySource={"Bucket": lts.bucket, "Key": "b.tar"})
    assert error_of(refused) == (403, "AccessDenied")
    assert lts.get("a.tar") == b"first"


def test_deleting_is_refused_one_by_one_and_in_bulk(lts: "TapeMock") -> None:
    lts.put("a.tar")
    with pytest.raises(ClientError) as refused:
        lts.s3.delete_object(Bucket=lts.bucket, Key="a.tar")
    assert error_of(refused) == (403, "AccessDenied")
    with pytest.raises(ClientError) as refused:
        lts.s3.delete_objects(Bucket=lts.bucket, Delete={"Objects": [{"Key": "a.tar"}]})
    assert error_of(refused) == (403, "AccessDenied")
    assert lts.get("a.tar") == b"some bytes"


def test_administrator_can_delete(lts: "TapeMock") -> None:
    lts.put("folder/a b.tar")
    assert LOOPBACK.get(f"{lts.url}/delete/folder/a%20b.tar").status_code == 204
    assert LOOPBACK.get(f"{lts.url}/delete/folder/a%20b.tar").status_code == 404
    assert lts.s3.list_objects_v2(Bucket=lts.bucket)["KeyCount"] == 0


def test_without_write_once_objects_can_be_replaced_and_deleted(start_mock: "StartMock") -> None:
    with start_mock(write_once=False) as lts:
        lts.put_on_tape("a.tar", b"first")
        lts.put("a.tar", b"second")
        assert lts.get("a.tar") == b"second"
        lts.s3.delete_object(Bucket=lts.bucket, Key="a.tar")
        with pytest.raises(KeyError):
            lts.place("a.tar")


def test_other_buckets_of_the_store_are_not_served(lts: "TapeMock") -> None:
    with pytest.raises(ClientError) as refused:
        lts.s3.list_objects_v2(Bucket="some-other-bucket")
    assert error_of(refused) == (404, "NoSuchBucket")


# Recalling


def test_recalled_object_is_readable_until_its_expiry_and_then_on_tape_again(lts: "TapeMock") -> None:
    lts.put_on_tape("a.tar", b"recalled")
    assert lts.recall("a.tar", days=2) == 202
    assert lts.s3.head_object(Bucket=lts.bucket, Key="a.tar")["Restore"] == 'ongoing-request="true"'
    lts.advance(RECALL_DELAY)
    restore = lts.s3.head_object(Bucket=lts.bucket, Key="a.tar")["Restore"]
    found = re.fullmatch(r'ongoing-request="false", expiry-date="(.+ GMT)"', restore)
    assert found is not None
    assert parsedate_to_datetime(found[1]).timestamp() == pytest.approx(lts.state("a.tar")["due"], abs=1)
    assert lts.get("a.tar") == b"recalled"
    lts.advance(2 * DAY)
    assert lts.place("a.tar") == "on tape"


def test_g15_asking_again_while_a_recall_runs_is_a_conflict(lts: "TapeMock") -> None:
    lts.put_on_tape("a.tar")
    lts.recall("a.tar")
    with pytest.raises(ClientError) as refused:
        lts.recall("a.tar")
    assert error_of(refused) == (409, "RestoreAlreadyInProgress")


def test_asking_again_with_a_faster_tier_speeds_the_recall_up(lts: "TapeMock") -> None:
    lts.put_on_tape("a.tar")
    lts.recall("a.tar", tier="Bulk")
    assert lts.recall("a.tar", tier="Standard") == 202
    lts.advance(RECALL_DELAY)
    assert lts.place("a.tar") == "online"


def test_asking_for_what_is_online_moves_its_expiry(lts: "TapeMock") -> None:
    lts.put_on_tape("a.tar")
    lts.recall("a.tar", days=1)
    lts.advance(RECALL_DELAY)
    assert lts.recall("a.tar", days=3) == 200
    lts.advance(2 * DAY)
    assert lts.place("a.tar") == "online"


def test_g18_what_is_not_archived_yet_cannot_be_recalled(lts: "TapeMock") -> None:
    lts.put("a.tar")
    with pytest.raises(ClientError) as refused:
        lts.recall("a.tar")
    assert error_of(refused) == (403, "ObjectAlreadyInActiveTierError")


def test_what_does_not_exist_cannot_be_recalled(lts: "TapeMock") -> None:
    with pytest.raises(ClientError) as refused:
        lts.recall("nothing.tar")
    assert error_of(refused) == (404, "NoSuchKey")


def test_g17_expedited_recall_without_capacity_is_refused_for_now(start_mock: "StartMock") -> None:
    with start_mock(Hardware(MIGRATION_DELAY, 2, RECALL_DELAY, expedited=False)) as lts:
        lts.put_on_tape("a.tar")
        with pytest.raises(ClientError) as refused:
            lts.recall("a.tar", tier="Expedited")
        assert error_of(refused) == (503, "GlacierExpeditedRetrievalNotAvailable")
        assert lts.place("a.tar") == "on tape"


def test_recalls_wait_for_a_free_drive_in_the_order_of_asking(lts: "TapeMock") -> None:
    keys = ["a.tar", "b.tar", "c.tar"]
    for key in keys:
        lts.put(key)
    lts.advance(MIGRATION_DELAY)
    for key in keys:
        lts.recall(key)
    assert [lts.place(key) for key in keys] == ["recalling", "recalling", "queued"]
    lts.advance(RECALL_DELAY)
    assert [lts.place(key) for key in keys] == ["online", "online", "recalling"]
    lts.advance(RECALL_DELAY)
    assert [lts.place(key) for key in keys] == ["online", "online", "online"]


def test_clock_moved_far_ahead_passes_through_everything_that_happens_meanwhile(lts: "TapeMock") -> None:
    for key in ("a.tar", "b.tar", "c.tar"):
        lts.put(key)
    lts.advance(MIGRATION_DELAY)
    for key in ("a.tar", "b.tar", "c.tar"):
        lts.recall(key)
    lts.advance(DAY + RECALL_DELAY + 1)
    # The third began only when a drive was free, so its copy lasts longer.
    assert [lts.place(key) for key in ("a.tar", "b.tar", "c.tar")] == ["on tape", "on tape", "online"]


def test_recall_in_the_middle_goes_on_after_a_restart(start_mock: "StartMock") -> None:
    with start_mock() as lts:
        lts.put_on_tape("a.tar", b"kept")
        lts.put("b.tar")
        lts.recall("a.tar")
    with start_mock() as lts:
        assert lts.place("a.tar") == "recalling"
        assert lts.place("b.tar") == "migrating"
        lts.advance(RECALL_DELAY)
        assert lts.get("a.tar") == b"kept"
        assert lts.place("b.tar") == "on tape"


def test_object_that_the_tape_has_not_heard_of_is_taken_in(lts: "TapeMock", behind: "S3Client") -> None:
    behind.put_object(Bucket=lts.bucket, Key="beside.tar", Body=b"written beside")
    assert lts.get("beside.tar") == b"written beside"
    assert lts.place("beside.tar") == "migrating"


def test_queue_keeps_its_order_over_a_restart(start_mock: "StartMock") -> None:
    keys = [f"{name}.tar" for name in "qwertzuiop"]
    with start_mock() as lts:
        for key in keys:
            lts.put(key)
        lts.advance(MIGRATION_DELAY)
        for key in keys:
            lts.recall(key)
        before = lts.whole_state()
    with start_mock() as lts:
        after = lts.whole_state()
    assert before["drives"] == after["drives"] == {"all": 2, "busy": sorted(keys[:2])}
    assert before["queue"] == after["queue"] == keys[2:]


# What it shows


def test_events_tell_what_happened_to_an_object_in_order_and_survive_a_restart(start_mock: "StartMock") -> None:
    with start_mock() as lts:
        lts.put_on_tape("a.tar")
        lts.recall("a.tar")
        lts.advance(RECALL_DELAY)
        lts.get("a.tar")
        lts.get("a.tar")
        lts.tell("__lose", {"key": "a.tar"})
        told = ["written", "on tape", "recall asked for, accepted", "recalling", "online", "read", "deleted"]
        assert lts.events("a.tar") == told
        times = [event["at"] for event in lts.whole_state()["events"]]
        assert times == sorted(times)
    with start_mock() as lts:
        assert lts.events("a.tar") == told


def test_event_that_a_crash_cut_off_is_forgotten(start_mock: "StartMock", tmp_path: Path) -> None:
    with start_mock() as lts:
        lts.put("a.tar")
    with (tmp_path / "events.jsonl").open("a") as events:
        events.write('{"at": 1.5, "key"')
    with start_mock() as lts:
        assert lts.events("a.tar") == ["written"]


def test_page_shows_objects_drives_and_queue_and_runs_no_script_of_a_hostile_name(lts: "TapeMock") -> None:
    keys = ["<script>alert(1)</script>.tar", "b.tar", "c.tar"]
    for key in keys:
        lts.put(key)
    lts.advance(MIGRATION_DELAY)
    for key in keys:
        lts.recall(key)
    shown = LOOPBACK.get(f"{lts.url}/__page", params={"contains": '"><i>'}).text
    assert "<script>" not in shown
    assert "<i>" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.tar" in shown
    assert "Drives: 2 of 2 busy" in shown
    assert "Queue: 1" in shown
    assert "Objects: 1<" in LOOPBACK.get(f"{lts.url}/__page", params={"contains": "c.t"}).text


def test_browser_is_led_from_the_root_to_the_page_and_an_s3_client_is_not(lts: "TapeMock") -> None:
    led = LOOPBACK.get(lts.url, follow_redirects=True)
    assert "<title>Tape library" in led.text
    assert "Buckets" in lts.s3.list_buckets()


# Faults


def test_g06_flipped_byte_reads_back_inverted_and_the_recorded_checksum_stays(lts: "TapeMock") -> None:
    lts.put("a.tar", b"\x00" * 10, ChecksumAlgorithm="CRC64NVME")
    before = lts.s3.head_object(Bucket=lts.bucket, Key="a.tar", ChecksumMode="ENABLED")["ChecksumCRC64NVME"]
    lts.tell("__flip", {"key": "a.tar", "offset": 7})
    assert lts.get("a.tar", Range="bytes=5-9") == b"\x00\x00\xff\x00\x00"
    assert lts.get("a.tar", Range="bytes=0-4") == b"\x00" * 5
    after = lts.s3.head_object(Bucket=lts.bucket, Key="a.tar", ChecksumMode="ENABLED")["ChecksumCRC64NVME"]
    assert after == before


def test_g07_truncated_object_is_shorter_in_every_answer(lts: "TapeMock") -> None:
    lts.put("a.tar", b"0123456789")
    lts.tell("__truncate", {"key": "a.tar", "size": 6})
    assert lts.s3.head_object(Bucket=lts.bucket, Key="a.tar")["ContentLength"] == 6
    assert lts.get("a.tar", Range="bytes=0-9") == b"012345"
    assert lts.get("a.tar", Range="bytes=4-7") == b"45"
    with pytest.raises(ClientError) as refused:
        lts.get("a.tar", Range="bytes=6-9")
    assert error_of(refused) == (416, "InvalidRange")


def test_lost_object_is_not_there(lts: "TapeMock") -> None:
    lts.put_on_tape("a.tar")
    lts.tell("__lose", {"key": "a.tar"})
    with pytest.raises(ClientError) as refused:
        lts.s3.head_object(Bucket=lts.bucket, Key="a.tar")
    assert error_of(refused)[0] == 404


def test_g12_stuck_recall_never_ends_until_it_is_freed(lts: "TapeMock") -> None:
    lts.put_on_tape("a.tar")
    lts.tell("__stick", {"key": "a.tar"})
    lts.recall("a.tar")
    lts.advance(10 * DAY)
    assert lts.place("a.tar") == "queued"
    lts.tell("__stick", {"key": "a.tar", "stuck": False})
    lts.advance(2 * RECALL_DELAY)
    lts.advance(2 * RECALL_DELAY)
    assert lts.place("a.tar") == "online"


def test_g13_failed_recall_takes_a_drive_its_time_and_leaves_the_object_on_tape(lts: "TapeMock") -> None:
    lts.put_on_tape("a.tar")
    lts.tell("__fail", {"key": "a.tar", "fails": 1})
    lts.recall("a.tar")
    assert lts.place("a.tar") == "recalling"
    lts.advance(RECALL_DELAY + 1)
    head = lts.s3.head_object(Bucket=lts.bucket, Key="a.tar")
    assert head["StorageClass"] == "GLACIER"
    assert "Restore" not in head
    assert lts.events("a.tar")[-3:] == ["recall asked for, accepted", "recalling", "recall failed"]
    assert lts.recall("a.tar") == 202
    lts.advance(RECALL_DELAY + 1)
    assert lts.place("a.tar") == "online"
    lts.advance(2 * DAY)
    assert lts.events("a.tar")[-1] == "on tape"


def test_chosen_request_is_refused_and_the_next_is_not(lts: "TapeMock") -> None:
    lts.tell("__faults", [{"match": "^PUT .*a.tar", "nth": 1, "status": 503}])
    with pytest.raises(ClientError) as refused:
        lts.put("a.tar")
    assert error_of(refused) == (503, "SlowDown")
    lts.put("a.tar")


def test_connection_dropped_before_the_commit_leaves_nothing(lts: "TapeMock") -> None:
    lts.tell("__faults", [{"match": "^PUT", "nth": 1, "drop": "before_commit"}])
    with pytest.raises(ConnectionClosedError):
        lts.put("a.tar")
    assert lts.s3.list_objects_v2(Bucket=lts.bucket)["KeyCount"] == 0


def test_connection_dropped_after_the_commit_leaves_the_object(lts: "TapeMock") -> None:
    lts.tell("__faults", [{"match": "^PUT", "nth": 1, "drop": "after_commit"}])
    with pytest.raises(ConnectionClosedError):
        lts.put("a.tar", b"committed")
    assert lts.get("a.tar") == b"committed"


def test_g02_write_that_breaks_half_way_leaves_nothing(lts: "TapeMock") -> None:
    lts.tell("__faults", [{"match": "^PUT", "nth": 1, "drop": "half_way"}])
    with pytest.raises(ConnectionClosedError):
        lts.put("a.tar", bytes(4 * MIB))
    assert lts.s3.list_objects_v2(Bucket=lts.bucket)["KeyCount"] == 0
    lts.put("a.tar", b"whole")
    assert lts.get("a.tar") == b"whole"


def test_g05_byte_that_flips_on_its_way_is_in_what_was_written(lts: "TapeMock", behind: "S3Client") -> None:
    lts.tell("__faults", [{"match": "^PUT", "nth": 1, "flip": 2 * MIB + 5}])
    lts.put("a.tar", bytes(3 * MIB))
    kept = behind.get_object(Bucket=lts.bucket, Key="a.tar")["Body"].read()
    assert (len(kept), kept.index(0xFF), kept.count(0xFF)) == (3 * MIB, 2 * MIB + 5, 1)


def test_slow_answer_arrives_after_its_delay(lts: "TapeMock") -> None:
    lts.put("a.tar")
    lts.tell("__faults", [{"match": "^HEAD", "delay": 0.2}])
    started = time.monotonic()
    lts.s3.head_object(Bucket=lts.bucket, Key="a.tar")
    assert time.monotonic() - started >= 0.2


def test_unknown_field_of_a_fault_is_refused(lts: "TapeMock") -> None:
    answer = LOOPBACK.post(f"{lts.url}/__faults", json=[{"match": "x", "unknown": 1}])
    assert answer.status_code == 422


def test_store_that_does_not_answer_makes_the_tape_unavailable(tmp_path: Path) -> None:
    # Port 9 is the discard service: nothing listens there.
    with run_mock_lts(Options("http://127.0.0.1:9", tmp_path, "lts")) as url:
        answer = LOOPBACK.get(f"{url}/lts/a.tar")
    assert (answer.status_code, "<Code>ServiceUnavailable</Code>" in answer.text) == (503, True)


def test_exit_route_stops_the_service(start_mock: "StartMock") -> None:
    with start_mock() as lts:
        assert LOOPBACK.get(f"{lts.url}/exit").status_code == 204
        with pytest.raises(httpx.TransportError):
            ask_for_a_while(f"{lts.url}/__state")


def ask_for_a_while(url: str) -> None:
    """A service that ends may still answer once or twice."""
    for _ in range(100):
        LOOPBACK.get(url)
        time.sleep(0.05)

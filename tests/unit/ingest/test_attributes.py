"""Times and modes in the metadata of objects, as the clients of the field write them."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from archiver.ingest import Attributes, attributes

WHOLE = datetime(2012, 11, 27, 18, 15, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("metadata", "time", "mode"),
    [
        pytest.param({"mtime": "1354040105.123456789"}, WHOLE.replace(microsecond=123456), None, id="rclone"),
        pytest.param(
            {"mtime": "2012-11-27T19:15:05.5+01:00", "mode": "100640"},
            WHOLE.replace(microsecond=500000),
            0o640,
            id="rclone -M",
        ),
        pytest.param({"mtime": "1354040105", "mode": "33188", "uid": "1000"}, WHOLE, 0o644, id="s3fs"),
        pytest.param(
            {"s3cmd-attrs": "atime:1/ctime:2/gid:0/gname:root/md5:ab/mode:33184/mtime:1354040105/uid:0/uname:root"},
            WHOLE,
            0o640,
            id="s3cmd",
        ),
        pytest.param(
            {"mc-attrs": "atime:1#2/gid:20/gname:staff/mode:33261/mtime:1354040105#500000000/uid:501/uname:any"},
            WHOLE.replace(microsecond=500000),
            0o755,
            id="minio's client",
        ),
        pytest.param(
            {"file-mtime": "1354040105000000000ns", "file-permissions": "0100600"}, WHOLE, 0o600, id="DataSync"
        ),
        pytest.param({"file-mtime": "1354040105000000000", "file-owner": "any"}, WHOLE, None, id="s5cmd"),
        pytest.param({"Mtime": "2012-11-27T18:15:05Z", "Mode": "0444"}, WHOLE, 0o444, id="aws cli"),
        pytest.param({"mtime": "2012-11-27 18:15:05.000000000 +0000"}, WHOLE, None, id="SFTP gateway"),
        pytest.param({"mtime": "-1"}, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), None, id="before 1970"),
    ],
)
def test_what_clients_write_is_understood(metadata: Mapping[str, str], time: datetime, mode: int | None) -> None:
    assert attributes(metadata) == Attributes(time, mode)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"mtime": "yesterday"},
        {"mtime": "2012-11-27T18:15:05"},
        {"mtime": "99999999999999"},
        {"mtime": ""},
        {"mode": "rw"},
        {"mode": "16877"},
        {"mode": "0999"},
        {"s3cmd-attrs": "nonsense"},
        {"s3cmd-attrs": "mtime:x/mode:/"},
    ],
)
def test_what_is_not_understood_is_not_said(metadata: Mapping[str, str]) -> None:
    assert attributes(metadata) == Attributes()

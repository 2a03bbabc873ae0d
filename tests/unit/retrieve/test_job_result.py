"""What a job is told of its downloads stays below a megabyte, however many there are."""

import base64
import json
from datetime import UTC, datetime

from archiver.models.datablocks import Download
from archiver.retrieve import download_script, job_result

ANY_LINK = f"https://any.host/api/v1/datablocks/{'x' * 500}"


def downloads(count: int) -> list[Download]:
    prefix = f"openem-network/datasets/20.500.11935/{'x' * 36}/datablocks/{'x' * 38}/20.500.11935-{'x' * 36}"
    expires = datetime(2026, 11, 30, tzinfo=UTC)
    return [
        Download(f"20.500.11935/{'x' * 36}", f"{prefix}_{number}.tar", 20, 10, "any-crc", ANY_LINK, expires)
        for number in range(count)
    ]


def test_a_short_result_has_every_download_and_the_script() -> None:
    result = job_result.short("any-job", downloads(100), ())

    assert result is not None
    assert len(result["result"]) == 100
    assert base64.b64decode(result["downloadScript"]).decode().count(ANY_LINK) == 100


def test_h06_two_thousand_datablocks_make_a_result_below_a_megabyte() -> None:
    many = downloads(2000)
    failed = [f"any/{number}: internal: {'x' * 500}" for number in range(100)]

    assert job_result.short("any-job", many, failed) is None
    result = job_result.long("any-job", many, failed, f"{ANY_LINK}1", f"{ANY_LINK}2")

    assert len(json.dumps(result)) < job_result.MAX_RESULT_BYTES / 5
    assert (result["datablocks"], result["size"], result["unpackedSize"]) == (2000, 40_000, 20_000)
    assert result["expires"] == "2026-11-30T00:00:00+00:00"
    assert f"{ANY_LINK}2" in base64.b64decode(result["downloadScript"]).decode()
    assert download_script.rows(many).count("\n") == 2000

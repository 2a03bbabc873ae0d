"""What SciCat's job is given at the end of a retrieval: its ``jobResultObject``.

Pure. A short list of downloads stands in the job itself; a long one is a document of its own, to which
the job is given a link. The keys of ``result`` are those that SciCat's frontend and its mails know.
"""

import base64
from collections.abc import Sequence
from typing import Any

import orjson

from archiver.models.datablocks import Download
from archiver.retrieve import download_script

# SciCat stores jobs in MongoDB and lists them by the hundred.
MAX_RESULT_BYTES = 1_000_000


def listed(downloads: Sequence[Download]) -> list[dict[str, Any]]:
    """Every download as a row of ``result``."""
    return [
        {
            "datasetId": download.pid,
            "name": download.name,
            "size": download.size,
            "unpackedSize": download.unpacked_size,
            "archiveId": download.archive_id,
            "url": download.url,
            "crc64nvme": download.crc64nvme,
            "expires": download.expires.isoformat(),
        }
        for download in downloads
    ]


def short(job_id: str, downloads: Sequence[Download], not_retrieved: Sequence[str]) -> dict[str, Any] | None:
    """The result with all its downloads; None when that is longer than a job should be.

    ``not_retrieved`` are sentences on the datasets that failed, for the reader of the script.
    """
    script = download_script.script(job_id, download_script.rows(downloads), len(downloads), not_retrieved)
    result = {"result": listed(downloads), "downloadScript": _base64(script)}
    return result if len(orjson.dumps(result)) <= MAX_RESULT_BYTES else None


def long(
    job_id: str, downloads: Sequence[Download], not_retrieved: Sequence[str], listing: str, rows: str
) -> dict[str, Any]:
    """The result when its downloads are listed elsewhere.

    ``listing`` is a link to ``{"result": [...]}``, and ``rows`` one to ``download_script.rows``.
    """
    return {
        "result": [],
        "listing": listing,
        "datablocks": len(downloads),
        "size": sum(download.size for download in downloads),
        "unpackedSize": sum(download.unpacked_size for download in downloads),
        "expires": min(download.expires for download in downloads).isoformat(),
        "downloadScript": _base64(download_script.script_with_link(job_id, rows, len(downloads), not_retrieved)),
    }


def _base64(script: str) -> str:
    return base64.b64encode(script.encode()).decode()

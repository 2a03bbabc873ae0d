"""A page to look at: what this SciCat holds, newest first. It changes nothing and needs no login."""

from collections.abc import Iterable
from html import escape

from fastapi import APIRouter, Response

from mocks.scicat.service import TheService
from mocks.scicat.storage.store import Document, Kind

router = APIRouter()

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>SciCat (mock)</title>
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #1d2733 }}
h1 {{ font-size: 1.3rem }} h2 {{ font-size: 1rem; margin-top: 2rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #dde3ea; vertical-align: top }}
td {{ overflow-wrap: anywhere }} th {{ color: #5b6b7c; font-weight: 600 }}
</style></head><body>
<h1>SciCat (mock)</h1><p>{summary}. Read only; renewed every five seconds.</p>{tables}</body></html>
"""


@router.get("/explorer")
async def explorer(service: TheService) -> Response:
    """Show datasets, jobs and datablocks with their statuses."""
    datasets, jobs, blocks = (
        list(reversed(service.store.all(kind))) for kind in (Kind.DATASET, Kind.JOB, Kind.DATABLOCK)
    )
    tables = (
        _table("Datasets", _DATASET_COLUMNS, (_dataset(dataset) for dataset in datasets))
        + _table("Jobs", _JOB_COLUMNS, (_job(job) for job in jobs))
        + _table("Datablocks", _DATABLOCK_COLUMNS, (_datablock(block) for block in blocks))
    )
    summary = f"{len(datasets)} datasets, {len(jobs)} jobs, {len(blocks)} datablocks"
    return Response(_PAGE.format(summary=summary, tables=tables), media_type="text/html")


_DATASET_COLUMNS = ("pid", "name", "owner group", "files", "bytes", "archive", "retrieve", "flags", "told")
_JOB_COLUMNS = ("id", "type", "status", "message", "owner", "datasets", "submitted")
_DATABLOCK_COLUMNS = ("archive id", "dataset", "files", "bytes", "packed bytes", "recorded")


def _dataset(dataset: Document) -> list[object]:
    lifecycle = dataset["datasetlifecycle"]
    flags = [name for name in ("archivable", "retrievable") if lifecycle.get(name)]
    told = [lifecycle[name] for name in ("archiveReturnMessage", "retrieveReturnMessage") if lifecycle.get(name)]
    return [
        dataset["pid"],
        dataset["datasetName"],
        dataset["ownerGroup"],
        f"{dataset['numberOfFilesArchived']} of {dataset['numberOfFiles']} archived",
        dataset["size"],
        lifecycle["archiveStatusMessage"],
        lifecycle["retrieveStatusMessage"],
        ", ".join(flags),
        *(told[:1] or [""]),
    ]


def _job(job: Document) -> list[object]:
    pids = [one["pid"] for one in job["jobParams"].get("datasetList") or ()]
    owner = job.get("ownerUser") or job.get("ownerGroup", "")
    return [job["id"], job["type"], job["statusCode"], job["statusMessage"], owner, " ".join(pids), job["createdAt"]]


def _datablock(datablock: Document) -> list[object]:
    files = len(datablock["dataFileList"])
    sizes = datablock["size"], datablock["packedSize"]
    return [datablock["archiveId"], datablock["datasetId"], files, *sizes, datablock["createdAt"]]


def _table(title: str, columns: Iterable[str], rows: Iterable[list[object]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{body}</table>"

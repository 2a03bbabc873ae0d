"""How SciCat's documents begin, and the two forms (api v3 and v4) in which they are shown."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from mocks.scicat.storage.store import Document
from mocks.scicat.validation import LIFECYCLE, as_stored

# Singular in api v3, lists in api v4 and in the database.
_PLURALS = {
    "principalInvestigator": "principalInvestigators",
    "proposalId": "proposalIds",
    "sampleId": "sampleIds",
    "instrumentId": "instrumentIds",
}
_MOMENTS = ("creationTime", "startTime", "endTime")
_OBJECT_ID_DIGITS = 24


def now() -> str:
    """This moment, as SciCat writes it."""
    return as_stored(datetime.now(UTC).isoformat())


# Some of the lifecycle's dates default to the moment at which the server's process started.
_STARTED_AT = now()


def started_at() -> str:
    """The moment at which this SciCat came to be."""
    return _STARTED_AT


def new_id() -> str:
    """The id of a new dataset (after its prefix), block, attachment or job."""
    return str(uuid4())


def object_id() -> str:
    """The id that MongoDB itself gives."""
    return secrets.token_hex(12)


def _policy_date() -> str:
    """SciCat's default for policy dates takes the weekday (Sunday 0) for the day of the month."""
    today = datetime.now(UTC)
    weekday = today.isoweekday() % 7
    month = today.replace(day=max(weekday, 1), hour=0, minute=0, second=0, microsecond=0)
    return as_stored(month.isoformat())


def default_lifecycle() -> Document:
    """The lifecycle of a dataset that says nothing about it."""
    return {
        "archivable": True,
        "retrievable": False,
        "publishable": False,
        "dateOfDiskPurging": _STARTED_AT,
        "archiveRetentionTime": _policy_date(),
        "dateOfPublishing": _policy_date(),
        "publishedOn": _STARTED_AT,
        "isOnCentralDisk": True,
        "archiveStatusMessage": "datasetCreated",
        "retrieveStatusMessage": "",
        "retrieveIntegrityCheck": False,
        "_id": object_id(),
    }


def reset_lifecycle(given: Mapping[str, Any]) -> Document:
    """A nested lifecycle replaces the stored one: what it does not name falls back to its default."""
    known = LIFECYCLE.keys() | {"_id"}
    return stored_lifecycle(default_lifecycle() | {name: value for name, value in given.items() if name in known})


def stored_lifecycle(given: Document) -> Document:
    """A lifecycle as it is stored."""
    return {name: kept for name, value in given.items() if (kept := _without_empty_objects(value)) != {}}


def _without_empty_objects(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """MongoDB's layer leaves them out of objects; in lists they stay."""
    if isinstance(value, list):
        return [_without_empty_objects(one) for one in value]
    return stored_lifecycle(value) if isinstance(value, dict) else value


def _authored(author: str) -> Document:
    moment = now()
    return {"createdBy": author, "updatedBy": author, "createdAt": moment, "updatedAt": moment}


def with_plurals(fields: Mapping[str, Any], *, complete: bool) -> Document:
    """Fields of api v3 as the database names them; ``complete`` also writes those that are absent (as null)."""
    named = dict(fields)
    if "investigator" in named:
        named["principalInvestigator"] = named.pop("investigator")
    for singular, plural in _PLURALS.items():
        if complete or singular in named:
            named[plural] = [named.pop(singular, None)]
    return named


def new_dataset(fields: Mapping[str, Any], author: str, pid_prefix: str, version: str) -> Document:
    """A dataset made of checked fields in the names of api v4."""
    pid = fields.get("pid") or f"{pid_prefix}/{new_id()}"
    defaults = {
        "accessGroups": [],
        "size": 0,
        "packedSize": 0,
        "numberOfFiles": 0,
        "numberOfFilesArchived": 0,
        "keywords": [],
        "datasetName": "/".join(str(fields["sourceFolder"]).split("/")[-2:]),
        "classification": "IN=medium,AV=low,CO=low",
        "isPublished": False,
        "techniques": [],
        "sharedWith": [],
        "relationships": [],
        "scientificMetadata": {},
        "inputDatasets": [],
        "usedSoftware": [],
        "version": version,
        **{plural: [] for plural in _PLURALS.values()},
    }
    moments = {name: as_stored(fields[name]) for name in _MOMENTS if fields.get(name)}
    own = {"datasetlifecycle": reset_lifecycle(fields.get("datasetlifecycle") or {}), "pid": pid, "_id": pid, "__v": 0}
    return defaults | dict(fields) | moments | own | _authored(author)


def dataset_v3(dataset: Document) -> Document:
    """A dataset as api v3 reads it: the singular names beside the lists."""
    shown = {singular: dataset[plural][0] for singular, plural in _PLURALS.items() if dataset[plural]}
    if dataset["type"] == "derived":
        shown["investigator"] = shown.pop("principalInvestigator", None)
    return dataset | shown


def created_dataset_v3(dataset: Document) -> Document:
    """A dataset as api v3 answers its creation: without what is null."""
    return {name: value for name, value in dataset_v3(dataset).items() if value is not None or name not in _PLURALS}


def with_ids_as_bytes(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A document whose ``_id``s of MongoDB's own type are written as the bytes that they are."""
    if isinstance(value, list):
        return [with_ids_as_bytes(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _bytes_of(inner) if name == "_id" else with_ids_as_bytes(inner) for name, inner in value.items()}


def _bytes_of(given: str) -> object:
    """MongoDB's own ids are twelve bytes in hexadecimal; pids and UUIDs are texts."""
    if len(given) != _OBJECT_ID_DIGITS or not given.isalnum():
        return given
    return {"buffer": {"type": "Buffer", "data": list(bytes.fromhex(given))}}


def new_block(fields: Mapping[str, Any], dataset: Document, author: str) -> Document:
    """An origdatablock or datablock; owner and sharing are always the dataset's."""
    own = {"ownerGroup": dataset["ownerGroup"], "accessGroups": dataset["accessGroups"]}
    files = {"dataFileList": [stored_file(file) for file in fields["dataFileList"]]}
    ids = {"_id": new_id(), "__v": 0, "datasetId": dataset["pid"]}
    return {"isPublished": False} | dict(fields) | own | files | ids | _authored(author)


def stored_file(file: Mapping[str, Any]) -> Document:
    """One entry of a ``dataFileList``."""
    return dict(file) | {"time": as_stored(file["time"]), "_id": object_id()}


def block(stored: Document) -> Document:
    """A block asked for directly: ``id`` beside ``_id``, on its files too."""
    files = [file | {"id": file["_id"]} for file in stored["dataFileList"]]
    return stored | {"dataFileList": files, "id": stored["_id"]}


def new_attachment(fields: Mapping[str, Any], pid: str, author: str) -> Document:
    """A picture of a dataset, as api v4 keeps it: related to it by its pid."""
    picture = {name: value for name, value in fields.items() if name != "relationships"}
    attachment_id = new_id()
    related = {"targetId": pid, "targetType": "dataset", "relationType": "is attached to"}
    own = {"aid": attachment_id, "relationships": [related], "_id": attachment_id, "__v": 0}
    return {"accessGroups": [], "isPublished": False} | picture | own | _authored(author)


def attachment_v3(attachment: Document) -> Document:
    """An attachment in the form of api v3, which knows of one dataset alone."""
    shown = {name: value for name, value in attachment.items() if name not in {"aid", "relationships"}}
    return shown | {"datasetId": attachment["relationships"][0]["targetId"], "id": attachment["_id"]}


def attached_to(attachment: Document, pid: str) -> bool:
    """Whether an attachment is the dataset's."""
    return any(one["targetId"] == pid and one["targetType"] == "dataset" for one in attachment["relationships"])


def new_job(fields: Mapping[str, Any], author: str, config_version: str) -> Document:
    """A submitted job, in the form of api v4."""
    job_id = new_id()
    submitted = {
        "statusCode": "jobSubmitted",
        "statusMessage": "Job submitted.",
        "configVersion": config_version,
        "jobResultObject": {},
    }
    ids = {"_id": job_id, "id": job_id, "__v": 0}
    return {"accessGroups": [], "isPublished": False} | dict(fields) | submitted | ids | _authored(author)


def job_v3(job: Document) -> Document:
    """A job as api v3 shows it."""
    inside = ("datasetList", "executionTime")
    params = {name: value for name, value in job["jobParams"].items() if name not in inside}
    shown = {
        "_id": job["_id"],
        "id": job["id"],
        "emailJobInitiator": job.get("contactEmail"),
        "type": job["type"],
        "creationTime": job["createdAt"],
        "executionTime": job["jobParams"].get("executionTime"),
        "jobParams": _username(job) | params,
        "jobStatusMessage": job["statusCode"],
        "datasetList": job["jobParams"].get("datasetList"),
        "jobResultObject": job["jobResultObject"],
    }
    return {name: value for name, value in shown.items() if value is not None}


def job_v3_for_action(job: Document) -> Document:
    """A job as the ``job_v3`` helper of job templates writes it: its user is who created it."""
    shown = job_v3(job)
    params = {"username": job["createdBy"]} | {
        name: value for name, value in job["jobParams"].items() if name != "executionTime"
    }
    left_out = {"_id", "jobResultObject"}
    return {name: value for name, value in (shown | {"jobParams": params}).items() if name not in left_out}


def _username(job: Document) -> Document:
    return {"username": job["ownerUser"]} if job.get("ownerUser") else {}

"""Which bodies SciCat accepts, and what it says of the others (class-validator's rules and words)."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from mocks.scicat.answers import Refused, refused, refused_plainly


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint: its name, the words after the property's name, and when it holds."""

    name: str
    words: str
    holds: Callable[[Any], bool]
    # A message of its own begins with no property, and ends with the value.
    names_value: bool = False

    def broken(self, at: str, name: str, value: object) -> str:
        """What is said of a value that breaks it."""
        if not self.names_value:
            return f"{at}{name} {self.words}"
        return f"{at}{self.words} {'undefined' if value is None else value}"


@dataclass(frozen=True, slots=True)
class Field:
    """One property of a body: its constraints, and the shape of the entries when it is a list of objects."""

    rules: tuple[Rule, ...] = ()
    entries: "Shape | None" = None
    required: bool = False


type Shape = Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint."""

    property: str
    constraint: str
    message: str


_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_EMAIL = re.compile(r"[^@\s;]+@[^@\s;]+\.[^@\s;]+")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer()


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def is_moment(value: object) -> bool:
    """Whether a value is a moment as SciCat takes it."""
    return isinstance(value, str) and _ISO_8601.fullmatch(value) is not None


def _is_addresses(value: object) -> bool:
    return isinstance(value, str) and all(_EMAIL.fullmatch(one.strip()) for one in value.split(";"))


_STRING = Rule("isString", "must be a string", lambda value: isinstance(value, str))
_NOT_EMPTY = Rule("isNotEmpty", "should not be empty", lambda value: value not in ("", None))
_INTEGER = Rule("isInt", "must be an integer number", _is_integer)
_NUMBER = Rule("isNumber", "must be a number conforming to the specified constraints", _is_number)
_BOOLEAN = Rule("isBoolean", "must be a boolean value", lambda value: isinstance(value, bool))
_OBJECT = Rule("isObject", "must be an object", lambda value: isinstance(value, dict))
_ARRAY = Rule("isArray", "must be an array", lambda value: isinstance(value, list))
_FILLED = Rule("arrayNotEmpty", "should not be empty", lambda value: isinstance(value, list) and bool(value))
_MOMENT = Rule("isDateString", "must be a valid ISO 8601 date string", is_moment)
_ADDRESSES = Rule("isEmail", "must be an email", _is_addresses)
_STRINGS = Rule("isString", "must be an array of strings", _is_strings)

_OWNERS_ADDRESSES = Rule(
    "isCustomEmail", "Expected an email or a list of semicolon separated emails, got", _is_addresses, names_value=True
)

STRING, TEXT = Field((_STRING,)), Field((_NOT_EMPTY, _STRING))
INTEGER, NUMBER, BOOLEAN = Field((_INTEGER,)), Field((_NUMBER,)), Field((_BOOLEAN,))
OBJECT, ARRAY, ANYTHING = Field((_OBJECT,)), Field((_ARRAY,)), Field()
MOMENT, ADDRESSES, STRINGS = Field((_MOMENT,)), Field((_ADDRESSES,)), Field((_STRINGS,))


def _required(field: Field) -> Field:
    return replace(field, required=True)


def violations(body: Mapping[str, Any], shape: Shape, prefix: str = "") -> Iterator[Violation]:
    """Everything that is wrong with ``body``: unknown properties first, then each constraint."""
    for name in body.keys() - shape.keys():
        yield Violation(prefix + name, "whitelistValidation", f"{prefix}property {name} should not exist")
    for name, field in shape.items():
        value = body.get(name)
        if value is not None or field.required:
            yield from _of_value(value, field, prefix, name)


def _of_value(value: object, field: Field, prefix: str, name: str) -> Iterator[Violation]:
    for rule in field.rules:
        if not rule.holds(value):
            yield Violation(prefix + name, rule.name, rule.broken(prefix, name, value))
    if field.entries is None or not isinstance(value, list):
        return
    for number, entry in enumerate(value):
        at = f"{prefix}{name}.{number}."
        if isinstance(entry, dict):
            yield from violations(entry, field.entries, at)
        else:
            yield Violation(at, "nestedValidation", f"{prefix}each value in nested property {name} must be an object")


def check(body: Mapping[str, Any], shape: Shape) -> None:
    """Refuse a body as SciCat's global validation does: a list of sentences."""
    if found := [violation.message for violation in violations(body, shape)]:
        raise refused(400, found)


def check_v3_dataset(body: Mapping[str, Any], shape: Shape) -> None:
    """Refuse a body as the validation of api v3 datasets does: a JSON string within ``message``."""
    if refusal := v3_dataset_refusal(body, shape):
        raise refusal


def v3_dataset_refusal(body: Mapping[str, Any], shape: Shape) -> Refused | None:
    """The refusal, or None for a body that passes."""
    found = reasons(body, shape)
    return refused_plainly(400, json.dumps(found, separators=(",", ":"))) if found else None


def reasons(body: Mapping[str, Any], shape: Shape) -> list[dict[str, object]]:
    """What is wrong, by property."""
    by_property: dict[str, dict[str, str]] = {}
    for violation in violations(body, shape):
        by_property.setdefault(violation.property, {})[violation.constraint] = violation.message
    return [{"property": name, "constraints": constraints} for name, constraints in by_property.items()]


@lru_cache(maxsize=4096)  # the files of a list share few moments
def as_stored(moment: str) -> str:
    """A moment as SciCat gives it back: milliseconds, UTC."""
    parsed = datetime.fromisoformat(moment)
    utc = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


LIFECYCLE: Shape = {
    **dict.fromkeys(("archivable", "retrievable", "publishable", "isOnCentralDisk", "retrieveIntegrityCheck"), BOOLEAN),
    **dict.fromkeys(("dateOfDiskPurging", "archiveRetentionTime", "dateOfPublishing", "publishedOn"), MOMENT),
    **dict.fromkeys(("archiveStatusMessage", "retrieveStatusMessage", "exportedTo", "storageLocation"), STRING),
    **dict.fromkeys(("archiveReturnMessage", "retrieveReturnMessage"), ANYTHING),
}

_DATASET_TEXTS = (
    "pid",
    "owner",
    "ownerEmail",
    "orcidOfOwner",
    "sourceFolderHost",
    "validationStatus",
    "description",
    "classification",
    "license",
    "comment",
    "instrumentGroup",
    "creationLocation",
    "dataFormat",
    "datasetName",
    "runNumber",
    "version",
)

# Optional in a dataset of either version.
_DATASET_OPTIONS: Shape = {
    **dict.fromkeys(_DATASET_TEXTS, STRING),
    **dict.fromkeys(("size", "packedSize", "numberOfFiles", "numberOfFilesArchived"), INTEGER),
    **dict.fromkeys(("keywords", "sharedWith", "accessGroups", "inputDatasets", "usedSoftware"), STRINGS),
    **dict.fromkeys(("techniques", "relationships"), ARRAY),
    **dict.fromkeys(("datasetlifecycle", "scientificMetadata", "jobParameters"), OBJECT),
    **dict.fromkeys(("startTime", "endTime"), MOMENT),
    "dataQualityMetrics": NUMBER,
    "isPublished": BOOLEAN,
    "jobLogData": STRING,
}
_DATASET_REQUIRED: Shape = {
    "type": _required(TEXT),
    "ownerGroup": _required(TEXT),
    "contactEmail": Field((_OWNERS_ADDRESSES,), required=True),
    "sourceFolder": _required(TEXT),
    "creationTime": _required(MOMENT),
}
_V3_NAMES: Shape = dict.fromkeys(
    ("principalInvestigator", "investigator", "proposalId", "sampleId", "instrumentId"), STRING
)
_V4_NAMES: Shape = dict.fromkeys(("principalInvestigators", "proposalIds", "sampleIds", "instrumentIds"), STRINGS)


def _shape(required: Shape, *optional: Shape) -> Shape:
    """What is required, in the order in which it is complained of, and what may be there besides."""
    besides = {name: field for shape in optional for name, field in shape.items() if name not in required}
    return {**required, **besides}


_TYPE_AND_GROUP = ("type", "ownerGroup")
_DATASET_V3: Shape = {
    **{name: _DATASET_REQUIRED[name] for name in _TYPE_AND_GROUP},
    "owner": _required(STRING),
    **{name: field for name, field in _DATASET_REQUIRED.items() if name not in _TYPE_AND_GROUP},
}
RAW_DATASET_V3: Shape = _shape(
    {**_DATASET_V3, **dict.fromkeys(("principalInvestigator", "creationLocation"), _required(STRING))},
    _DATASET_OPTIONS,
    _V3_NAMES,
)
DERIVED_DATASET_V3: Shape = _shape(
    {
        **_DATASET_V3,
        "investigator": _required(STRING),
        **dict.fromkeys(("inputDatasets", "usedSoftware"), _required(STRINGS)),
    },
    _DATASET_OPTIONS,
    _V3_NAMES,
)
DATASET_V4: Shape = _shape({**_DATASET_REQUIRED, "datasetName": _required(TEXT)}, _DATASET_OPTIONS, _V4_NAMES)


def _patch_of(shape: Shape) -> Shape:
    fixed = {"type", "pid"}
    return {name: replace(field, required=False) for name, field in shape.items() if name not in fixed}


DATASET_PATCH_V3: Shape = _patch_of(RAW_DATASET_V3)
DATASET_PATCH_V4: Shape = _patch_of(DATASET_V4)

DATA_FILE: Shape = {
    # An empty path passes here and breaks SciCat later: 500.
    "path": _required(STRING),
    "size": _required(NUMBER),
    "time": _required(MOMENT),
    **dict.fromkeys(("chk", "uid", "gid", "perm", "type"), STRING),
    "metadata": OBJECT,
}
_FILE_LIST = Field((_FILLED, _ARRAY), entries=DATA_FILE, required=True)

ORIGDATABLOCK_OF_DATASET: Shape = {
    "size": _required(INTEGER),
    "dataFileList": _FILE_LIST,
    "chkAlg": STRING,
    "isPublished": BOOLEAN,
}
ORIGDATABLOCK: Shape = {
    **ORIGDATABLOCK_OF_DATASET,
    "datasetId": _required(TEXT),
    **dict.fromkeys(("ownerGroup", "instrumentGroup"), STRING),
    "accessGroups": STRINGS,
}
DATABLOCK_OF_DATASET: Shape = {
    # Empty ones pass here.
    "archiveId": _required(STRING),
    "size": _required(INTEGER),
    "packedSize": _required(INTEGER),
    "version": _required(STRING),
    "dataFileList": _FILE_LIST,
    "chkAlg": STRING,
}
DATABLOCK: Shape = {
    **DATABLOCK_OF_DATASET,
    "datasetId": _required(TEXT),
    **dict.fromkeys(("ownerGroup", "instrumentGroup"), STRING),
    "accessGroups": STRINGS,
}
DATABLOCK_PATCH: Shape = {
    **{name: replace(field, required=False) for name, field in DATABLOCK_OF_DATASET.items()},
    "dataFileList": _FILE_LIST,
}

JOB_V3: Shape = {
    "type": _required(TEXT),
    "jobParams": OBJECT,
    "emailJobInitiator": ADDRESSES,
    "executionTime": MOMENT,
    "jobStatusMessage": STRING,
}
JOB_V4: Shape = {
    "type": _required(STRING),
    "jobParams": _required(OBJECT),
    **dict.fromkeys(("ownerUser", "ownerGroup"), STRING),
    "contactEmail": ADDRESSES,
}
JOB_PATCH_V3: Shape = {"jobStatusMessage": STRING, "jobResultObject": OBJECT, "executionTime": MOMENT}
JOB_PATCH_V4: Shape = {
    "statusCode": _required(STRING),
    "statusMessage": _required(STRING),
    "jobResultObject": OBJECT,
}

ATTACHMENT: Shape = {
    "thumbnail": _required(STRING),
    "caption": _required(STRING),
    "ownerGroup": _required(STRING),
    **dict.fromkeys(("id", "datasetId", "sampleId", "proposalId", "instrumentGroup"), STRING),
    "accessGroups": STRINGS,
    "isPublished": BOOLEAN,
}
ATTACHMENT_V4: Shape = {
    **{name: field for name, field in ATTACHMENT.items() if name not in {"id", "datasetId", "sampleId", "proposalId"}},
    "aid": STRING,
    "relationships": Field(
        (_FILLED, _ARRAY),
        entries={**dict.fromkeys(("targetId", "targetType"), _required(STRING)), "relationType": STRING},
        required=True,
    ),
}

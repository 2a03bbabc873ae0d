"""What a good answer looks like, call by call: what SciCat itself always writes, as it was recorded of each release.

An answer of another form was cut, or comes from something that is not SciCat: it is none, and the call is made again.
What users write (names of files, what a job is about) is no part of it, and left to whoever reads it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

import orjson
from pydantic import AfterValidator, InstanceOf, StringConstraints, TypeAdapter, ValidationError

from archiver.scicat.json_values import Json

# Raises ValueError for a body of another form.
type Shape = Callable[[Json], None]

# Names at most so many places where an answer is of another form.
_NAMED = 3


def _is_a_moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


_Id = Annotated[str, StringConstraints(min_length=1)]
_Moment = Annotated[str, AfterValidator(_is_a_moment)]
# Text that a user chose: half a letter may be in it.
_Given = InstanceOf[str]
_Number = int | float


class _Identified(TypedDict):
    _id: _Id


class _Named(TypedDict):
    id: _Id


class _OfPid(TypedDict):
    pid: _Id


class _Dataset(_OfPid):
    ownerGroup: str
    datasetlifecycle: dict[str, Any]
    accessGroups: NotRequired[list[str] | None]


class _Change(TypedDict):
    updatedBy: str
    updatedAt: _Moment


class _History(_OfPid):
    # Where no history is kept it may be missing.
    history: NotRequired[list[_Change] | None]


class _Record(_Identified):
    archiveId: _Given
    size: _Number
    packedSize: _Number
    version: str


class _File(TypedDict):
    path: _Given
    size: _Number
    time: NotRequired[_Given | None]
    chk: NotRequired[_Given | None]


class _Filed(_Identified):
    dataFileList: list[_File]


class _FiledRecord(_Record, _Filed):
    """A datablock."""


class _DatasetWithRecords(_Dataset):
    datablocks: list[_Record]


class _DatasetWithDatablocks(_Dataset):
    datablocks: list[_FiledRecord]


class _DatasetWithIds(_Dataset):
    origdatablocks: list[_Identified]


class _DatasetWithFiles(_Dataset):
    origdatablocks: list[_Filed]


class _Job(_Named):
    type: str
    statusCode: str
    createdAt: _Moment
    # SciCat stores no empty object.
    jobParams: NotRequired[dict[str, Any] | None]


class _Profile(TypedDict):
    username: _Id
    accessGroups: NotRequired[list[str] | None]


class _Identity(TypedDict):
    profile: _Profile


class _User(TypedDict):
    username: _Id


class _Login(TypedDict):
    access_token: _Id
    expires_in: Annotated[_Number, AfterValidator(float)]


class _Validity(TypedDict):
    valid: bool


def _of(form: type[Any]) -> Shape:
    adapter = TypeAdapter(form)

    def check(body: Json) -> None:
        try:
            adapter.validate_python(body, strict=True)
        except ValidationError as error:
            # Never what stands there: it may be a token.
            wrong = error.errors(include_input=False, include_url=False, include_context=False)[:_NAMED]
            told = (f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in wrong)
            raise ValueError("; ".join(told)) from None

    return check


LOGIN, USER, IDENTITY, VALIDITY = _of(_Login), _of(_User), _of(_Identity), _of(_Validity)
JOB_LIST, PID_LIST = _of(list[_Job]), _of(list[_OfPid])
_JOB, _NAMED_RECORD, _LIFECYCLE, _OF_PID = _of(_Job), _of(_Named), _of(dict[str, Any]), _of(_OfPid)
_DATASETS: Mapping[str, Shape] = {
    "": _of(_Dataset),
    "records": _of(_DatasetWithRecords),
    "datablocks": _of(_DatasetWithDatablocks),
    "ids": _of(_DatasetWithIds),
    "files": _of(_DatasetWithFiles),
    "history": _of(_History),
}


def nothing(body: Json) -> None:
    """Something is gone: SciCat says no more."""
    if body is not None:
        raise ValueError("it is not empty")


def impossible(_: Json) -> None:
    """What nothing could come of has not come off."""
    raise ValueError("nothing could come of it")


def job(job_id: str) -> Shape:
    """The job with this id."""
    return _with(_JOB, {"id": job_id})


def told_job(job_id: str, told: Mapping[str, Any]) -> Shape:
    """The job with this id as it was told to be; a result becomes part of what it had."""
    return _with(_JOB, {"id": job_id} | {name: told[name] for name in ("statusCode", "statusMessage")})


def new_job(created: Mapping[str, Any]) -> Shape:
    """A job that was created."""
    return _with(_JOB, {"type": created["type"]})


def dataset(pid: str, having: str = "") -> Shape:
    """The dataset, having ``records`` or ``datablocks``, or ``ids`` or ``files`` of its origdatablocks.

    Having its ``history``, it has nothing else but its pid.
    """
    return _with(_DATASETS[having], {"pid": pid})


def changed_dataset(pid: str) -> Shape:
    """The dataset that was created or changed."""
    return _with(_OF_PID, {"pid": pid})


def lifecycle(told: Mapping[str, object]) -> Shape:
    """The lifecycle as it was told to be."""
    return _with(_LIFECYCLE, told)


def new_record(created: Mapping[str, object]) -> Shape:
    """A record of files that was created: it has an id, and is named as it was named."""
    return _with(_NAMED_RECORD, {name: created[name] for name in ("archiveId",) if name in created})


def _with(form: Shape, told: Mapping[str, object]) -> Shape:
    """An answer of this form that says what was told, or asked for."""
    expected: Mapping[str, object] = orjson.loads(orjson.dumps(told))

    def check(body: Json) -> None:
        form(body)
        others = sorted(name for name, value in expected.items() if not _says(body, name, value))
        if others:
            raise ValueError(f"{', '.join(others)} is not as it should be")

    return check


def _stored(value: Json) -> Json:
    """A value as SciCat stores it: without the empty objects in its objects. None and an empty object are nothing."""
    if isinstance(value, list):
        return [_stored(one) for one in value]
    if isinstance(value, dict):
        return {name: kept for name, one in value.items() if (kept := _stored(one)) != {}}
    return value


def _says(body: Json, name: str, told: object) -> bool:
    said = body.get(name)
    return bool(_stored({name: {} if said is None else said}) == _stored({name: {} if told is None else told}))

"""SciCat's job configuration (``jobConfig.yaml``): which types of jobs there are, who may create and update them, and
what is done then. The format is SciCat's own (https://scicatproject.github.io/documentation/, "Job configuration").
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from mocks.scicat.jobs.templates import Template

SHIPPED = Path(__file__).parents[3] / "docs" / "scicat" / "jobConfig.yaml"


@dataclass(frozen=True, slots=True)
class Check:
    """A ``validate`` action: a JSON schema for each dotted path, in the request and in each of its datasets."""

    request: Mapping[str, Draft202012Validator]
    datasets: Mapping[str, Draft202012Validator]


@dataclass(frozen=True, slots=True)
class Call:
    """A ``url`` action: a request made of templates."""

    url: Template
    method: str
    headers: Mapping[str, Template]
    body: Template | None
    ignores_errors: bool


@dataclass(frozen=True, slots=True)
class Log:
    """A ``log`` action, which does nothing that a caller sees."""


type Action = Check | Call | Log


@dataclass(frozen=True, slots=True)
class JobType:
    """One type of jobs: who may create one and update one (``#...``, ``@group`` or a username), and what follows."""

    name: str
    create_auth: str
    create_actions: tuple[Action, ...]
    update_auth: str
    update_actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class JobConfiguration:
    """All types of jobs. ``version`` is written into each job."""

    version: str
    types: Mapping[str, JobType]


@cache
def read_job_configuration(path: Path = SHIPPED) -> JobConfiguration:
    """The configuration in a file. Raises ValueError saying what is wrong with it, OSError when it cannot be read."""
    try:
        body = yaml.safe_load(path.read_text())
        types = [_job_type(entry) for entry in body["jobs"]]
        return JobConfiguration(str(body.get("configVersion", "")), {job_type.name: job_type for job_type in types})
    except (KeyError, TypeError, AttributeError, ValueError, SchemaError, yaml.YAMLError) as error:
        raise ValueError(f"{path} is not a job configuration: {type(error).__name__} {error}") from None


def _job_type(entry: Mapping[str, Any]) -> JobType:
    create, update = entry["create"], entry["update"]
    return JobType(
        name=entry["jobType"],
        create_auth=create["auth"],
        create_actions=tuple(_action(action) for action in create.get("actions") or ()),
        update_auth=update["auth"],
        update_actions=tuple(_action(action) for action in update.get("actions") or ()),
    )


def _action(entry: Mapping[str, Any]) -> Action:
    kind = entry["actionType"]
    if kind not in _ACTIONS:
        raise ValueError(f"this mock performs {', '.join(_ACTIONS)}, not {kind!r}")
    return _ACTIONS[kind](entry)


def _check(entry: Mapping[str, Any]) -> Check:
    return Check(request=_schemas(entry.get("request") or {}), datasets=_schemas(entry.get("datasets") or {}))


def _schemas(schemas: Mapping[str, Any]) -> dict[str, Draft202012Validator]:
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    return {path: Draft202012Validator(schema) for path, schema in schemas.items()}


def _call(entry: Mapping[str, Any]) -> Call:
    return Call(
        url=Template(entry["url"]),
        method=entry.get("method", "GET"),
        headers={name: Template(str(value)) for name, value in (entry.get("headers") or {}).items()},
        body=Template(entry["body"]) if "body" in entry else None,
        ignores_errors=bool(entry.get("ignoreErrors", False)),
    )


_ACTIONS: Mapping[str, Callable[[Mapping[str, Any]], Action]] = {
    "validate": _check,
    "url": _call,
    "log": lambda _: Log(),
}

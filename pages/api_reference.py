"""The reference of the HTTP API as a page, from its OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

type Schema = Mapping[str, Any]


def page(document: Path) -> str:
    """The page: every route with its parameters, its body and its answers, then every schema."""
    api = json.loads(document.read_text())
    return "\n".join(
        [
            f"# HTTP API\n\n{api['info']['description']} Version {api['info']['version']}.\n",
            *(line for path, methods in api["paths"].items() for line in _routes(path, methods)),
            "## Schemas\n",
            *(line for name, schema in api["components"]["schemas"].items() for line in _schema(name, schema)),
        ]
    )


def _routes(path: str, methods: Mapping[str, Schema]) -> Iterator[str]:
    for method, route in methods.items():
        yield f"## `{method.upper()} {path}`\n"
        told = [route.get("summary", ""), route.get("description", "")]
        yield "\n\n".join(dict.fromkeys(filter(None, told))) + "\n"
        schemes = [name for alternative in route.get("security", []) for name in alternative]
        yield f"Credentials: {', '.join(schemes) or 'none'}.\n"
        if parameters := route.get("parameters"):
            yield "| Parameter | In | Type | |\n| --- | --- | --- | --- |"
            yield from (
                f"| `{parameter['name']}` | {parameter['in']} | {_type(parameter['schema'])} "
                f"| {_cell(parameter.get('description', ''))} |"
                for parameter in parameters
            )
            yield ""
        if body := route.get("requestBody"):
            yield "".join(f"Body (`{kind}`): {_type(one['schema'])}\n" for kind, one in body["content"].items())
        yield "| Status | Answer | |\n| --- | --- | --- |"
        yield from (_answer(status, answer) for status, answer in route["responses"].items())
        yield ""


def _answer(status: str, answer: Schema) -> str:
    forms = ", ".join(_type(one["schema"]) for one in answer.get("content", {}).values() if "schema" in one)
    phrase = HTTPStatus(int(status)).phrase if status.isdigit() else ""
    said = answer.get("description", "")
    return f"| {status} {phrase} | {forms} | {_cell('' if said == phrase else said)} |"


def _schema(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {name}\n"
    if "description" in schema:
        yield f"{schema['description']}\n"
    if fields := schema.get("properties"):
        yield "| Field | Type | Required | |\n| --- | --- | --- | --- |"
        needed = schema.get("required", [])
        yield from (
            f"| `{field}` | {_type(one)} | {'yes' if field in needed else ''} | {_cell(one.get('description', ''))} |"
            for field, one in fields.items()
        )
        yield ""
    elif "enum" in schema:
        yield f"One of {', '.join(f'`{value}`' for value in schema['enum'])}.\n"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[word]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "anything")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")

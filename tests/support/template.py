"""The template, read as a file: what is deployed, without deploying it."""

from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's short forms, which are read as plain values."""


def _short_form(loader: _Loader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _short_form)
TEMPLATE: dict[str, Any] = yaml.load((Path(__file__).parents[2] / "template.yaml").read_text(), Loader=_Loader)
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]


def resources_of(kind: str) -> dict[str, Any]:
    """The properties of every resource of a type, by name."""
    return {name: found["Properties"] for name, found in RESOURCES.items() if found["Type"] == kind}

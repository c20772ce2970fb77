"""The template and its state machine as the tests look at them: plain dictionaries."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "template.yaml"
MACHINE = ROOT / "statemachine" / "synthesis.asl.yaml"

Document = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, ``!Ref Key`` as ``{"Ref": "Key"}``."""


def _short_form(loader: _Loader, tag: str, node: yaml.Node) -> Document:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt":
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _short_form)


def load_template() -> Document:
    """Return the template as it is written."""
    return yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader


def load_machine(text: str | None = None) -> Document:
    """Return the state machine as it is written, substitutions and all."""
    return yaml.safe_load(MACHINE.read_text(encoding="utf-8") if text is None else text)


def placeholders(document: object) -> set[str]:
    """Return the names of all ``${...}`` in a document."""
    return set(re.findall(r"\$\{(\w+)\}", json.dumps(document)))


def functions(resources: Document) -> dict[str, Document]:
    """Return the properties of every function by logical name."""
    kinds = ("AWS::Serverless::Function", "AWS::Lambda::Function")
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] in kinds}


def of_type(resources: Document, *types: str) -> dict[str, Document]:
    """Return the resources of some types by logical name."""
    return {name: one for name, one in resources.items() if one["Type"] in types}


def texts(document: object) -> list[str]:
    """Return every string in a document."""
    if isinstance(document, str):
        return [document]
    if isinstance(document, dict):
        return [text for value in document.values() for text in texts(value)]
    if isinstance(document, list):
        return [text for value in document for text in texts(value)]
    return []


def as_list(value: object) -> list[Any]:
    """Return a value that may stand alone as a list."""
    return value if isinstance(value, list) else [value]

"""State machine definitions written in YAML.

ministack reads every definition as JSON, so a run of a YAML one ends with `InvalidDefinition`. CloudFormation takes
both from `DefinitionS3Location`, where `sam deploy` puts the file that `DefinitionUri` names, and fills in the
substitutions before it parses.
"""

import json
from collections.abc import Callable
from typing import Any

import yaml
from ministack.services.cloudformation import provisioners

from plug import hooks


def as_json(text: str) -> str:
    """Return the definition as JSON: unchanged when it is JSON already."""
    try:
        json.loads(text)
        return text
    except json.JSONDecodeError:
        return json.dumps(yaml.safe_load(text))


def _read_yaml_too(old: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], str]:
    return lambda properties: as_json(old(properties))


def install() -> None:
    """Let CloudFormation read YAML definitions."""
    hooks.wrap(provisioners, "_sfn_definition", _read_yaml_too)

"""`Fn::Join` in the conditions of a template.

ministack compares the unresolved function with the other side, so `!Equals [!Join ["", !Ref List], ""]`, the usual
test for an empty list, is never true.
"""

from collections.abc import Callable
from typing import Any

from ministack.services.cloudformation import engine

from plug import hooks

Document = dict[str, Any]


def _with_joins(old: Callable[..., dict[str, bool]]) -> Callable[..., dict[str, bool]]:
    def evaluate(template: Document, parameters: Document) -> dict[str, bool]:
        conditions = _joined(template.get("Conditions", {}), parameters)
        return old({**template, "Conditions": conditions}, parameters)

    return evaluate


def _joined(node: Any, parameters: Document) -> Any:
    """Return the same tree with every Join in place of its text."""
    if isinstance(node, list):
        return [_joined(one, parameters) for one in node]
    if not isinstance(node, dict):
        return node
    if "Fn::Join" in node:
        separator, items = node["Fn::Join"]
        return separator.join(str(item) for item in _items(items, parameters))
    return {key: _joined(value, parameters) for key, value in node.items()}


def _items(items: Any, parameters: Document) -> list[Any]:
    if isinstance(items, list):
        return [_value(one, parameters) for one in items]
    value = _value(items, parameters)
    return value if isinstance(value, list) else [part.strip() for part in str(value).split(",")]


def _value(node: Any, parameters: Document) -> Any:
    if isinstance(node, dict) and node.get("Ref") in parameters:
        return parameters[node["Ref"]]["Value"]
    return node


def install() -> None:
    """Resolve joins before conditions are evaluated."""
    hooks.wrap(engine, "_evaluate_conditions", _with_joins)

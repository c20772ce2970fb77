"""The condition keys of `events:PutEvents`.

With enforcement on, ministack knows no `events:source` and no `events:detail-type`, so a policy that lets a role
speak for the project alone refuses everything.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions

from plug import hooks

_KEYS = {"events:source": "Source", "events:detail-type": "DetailType"}


def _with_sources(old: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def context(service: str, action: str, body: bytes, parameters: Any) -> dict[str, Any]:
        keys = old(service, action, body, parameters)
        if action != "events:PutEvents":
            return keys
        entries = json.loads(body).get("Entries", [])
        said = {key: sorted({str(entry.get(field, "")) for entry in entries}) for key, field in _KEYS.items()}
        return {**keys, **{key: values[0] if len(values) == 1 else values for key, values in said.items()}}

    return context


def install() -> None:
    """Tell policies who speaks."""
    hooks.wrap(iam_actions, "request_tag_context", _with_sources)

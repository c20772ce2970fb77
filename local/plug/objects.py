"""The version id in S3's events on EventBridge.

ministack leaves `detail.object.version-id` out. The drop folder takes its job's identity from bucket, key and version.
"""

import contextvars
import json
from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge, s3

from plug import hooks

_version: contextvars.ContextVar[str | None] = contextvars.ContextVar("s3_version", default=None)


def _remember_version(old: Callable[..., Any]) -> Callable[..., Any]:
    def fire(*arguments: Any, **options: Any) -> Any:
        token = _version.set(options.get("version_id"))
        try:
            return old(*arguments, **options)
        finally:
            _version.reset(token)

    return fire


def _add_version(old: Callable[..., Any]) -> Callable[..., Any]:
    def dispatch(event: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        version = _version.get()
        if version and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = {**event, "Detail": json.dumps(detail)}
        return old(event, *arguments, **options)

    return dispatch


def install() -> None:
    """Add the version to the events that S3 puts on the bus."""
    hooks.wrap(s3, "_fire_s3_event", _remember_version)
    hooks.wrap(eventbridge, "_dispatch_event", _add_version)

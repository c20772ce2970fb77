"""State that survives a server that is killed.

ministack writes its services' state when it is told to stop, and never before, while the objects of S3 are on disk at
once. Here the state is written a few seconds after every change too.
"""

import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ministack import app
from ministack.core import persistence

from plug import hooks

_SECONDS = 5.0
_changed = threading.Event()
_functions_changed = threading.Event()


def _notice(old: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def dispatch(method: str, path: str, headers: dict[str, str], *rest: Any) -> Any:
        answer = await old(method, path, headers, *rest)
        if method not in ("GET", "HEAD"):
            if _may_change_functions(path, headers):
                _functions_changed.set()
            _changed.set()
        return answer

    return dispatch


def _may_change_functions(path: str, headers: dict[str, str]) -> bool:
    """Functions and layers are the one large part of the state, 80 MB here, and seldom change."""
    service = headers.get("authorization", "").partition("/aws4_request")[0].rpartition("/")[2]
    return service in ("cloudformation", "lambda") and not path.endswith("/invocations")


def _keep() -> None:
    while True:
        _changed.wait()
        time.sleep(_SECONDS)
        _changed.clear()
        services = app._build_persistence_save_dict()
        if not _functions_changed.is_set():
            services.pop("lambda", None)
        _functions_changed.clear()
        # A service that changes under the copy is left out and written the next time: each has a file of its own.
        persistence.save_all(services)


def install() -> None:
    """Write the state down while the server runs."""
    hooks.need(app, "_build_persistence_save_dict")
    hooks.need(persistence, "save_all")
    hooks.wrap(app, "_dispatch_service_request", _notice)
    logging.getLogger("persistence").setLevel(logging.WARNING)  # ninety lines a time otherwise
    threading.Thread(target=_keep, daemon=True, name="keeping").start()

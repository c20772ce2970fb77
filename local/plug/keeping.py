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


def _notice(old: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def dispatch(method: str, *arguments: Any) -> Any:
        answer = await old(method, *arguments)
        if method not in ("GET", "HEAD"):
            _changed.set()
        return answer

    return dispatch


def _keep() -> None:
    while True:
        _changed.wait()
        time.sleep(_SECONDS)
        _changed.clear()
        # A service that changes under the copy is left out and written the next time: each has a file of its own.
        persistence.save_all(app._build_persistence_save_dict())


def install() -> None:
    """Write the state down while the server runs."""
    hooks.need(app, "_build_persistence_save_dict")
    hooks.need(persistence, "save_all")
    hooks.wrap(app, "_dispatch_service_request", _notice)
    logging.getLogger("persistence").setLevel(logging.WARNING)  # ninety lines a time otherwise
    threading.Thread(target=_keep, daemon=True, name="keeping").start()

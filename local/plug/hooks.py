"""Replacing functions of ministack by name."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class MissingInternalError(RuntimeError):
    """A function of ministack that the plug relies on is gone: the version is not the pinned one."""


def need(module: ModuleType, *names: str) -> None:
    """Check that the module has what the plug calls.

    Raises
    ------
    MissingInternalError
        A name is gone.
    """
    for name in names:
        if not hasattr(module, name):
            raise MissingInternalError(
                f"{module.__name__}.{name} is gone: the plug in local/plug fits ministack 1.5.33 only"
            )


def replace(module: ModuleType, name: str, new: Any) -> None:
    """Put `new` in place of `module.name`, also where another module of ministack imported it by name."""
    need(module, name)
    old = getattr(module, name)
    for other in [one for title, one in sys.modules.items() if title.startswith("ministack.")]:
        if getattr(other, name, None) is old:
            setattr(other, name, new)


def wrap(module: ModuleType, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put `make(old)` in place of the function `module.name`."""
    need(module, name)
    replace(module, name, make(getattr(module, name)))

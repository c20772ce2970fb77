"""Packages: the versions of those that decide what comes out, for cards and manifests, and one not to be found."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.metadata import PackageNotFoundError, version

from synthcredit import __version__

_DECISIVE = ("numpy", "pyarrow", "safetensors", "scikit-learn", "pandas", "sdmetrics", "great-expectations", "Faker")
_OPTIONAL = ("torch", "sdv", "ctgan")


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Let what is imported meanwhile find no package of this name; one that has been imported already stays."""

    class Nowhere(MetaPathFinder):
        def find_spec(self, fullname: str, *_: object) -> None:
            if fullname == name:
                raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    finder = Nowhere()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def versions() -> dict[str, str]:
    """Return the versions of Python, of synthcredit, and of the packages that are installed."""
    found = {"python": platform.python_version(), "synthcredit": __version__}
    for name in (*_DECISIVE, *_OPTIONAL):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def versions_of(*names: str) -> dict[str, str]:
    """Return the versions of some of these, which are installed."""
    found = versions()
    return {name: found[name] for name in names}

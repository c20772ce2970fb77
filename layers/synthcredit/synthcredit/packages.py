"""The versions of the packages that decide what comes out, for cards and manifests."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from synthcredit import __version__

_DECISIVE = ("numpy", "pyarrow", "safetensors", "scikit-learn", "pandas", "sdmetrics", "great-expectations", "Faker")
_OPTIONAL = ("torch", "sdv", "ctgan")


def versions() -> dict[str, str]:
    """Return the versions of Python, of synthcredit, and of the packages that are installed."""
    found = {"python": platform.python_version(), "synthcredit": __version__}
    for name in (*_DECISIVE, *_OPTIONAL):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

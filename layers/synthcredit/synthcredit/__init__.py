"""Synthetic credit data that a bank can use, and the proof of it.

The verbs of the platform, for notebooks: `run`, `train`, `generate`, `assess`, `assess_tables`, `audit`, `compare`,
`models`, `verify`, `detect_schema`, `estimate`. They are imported when they are first used, so
that light programs stay light.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

__all__ = [
    "Assessment",
    "Result",
    "TablesAssessment",
    "__version__",
    "assess",
    "assess_tables",
    "audit",
    "compare",
    "complete",
    "detect_schema",
    "estimate",
    "generate",
    "load_model",
    "models",
    "run",
    "run_request",
    "train",
    "verify",
    "verify_model",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the API has under that name
    if name not in __all__:
        raise AttributeError(f"module 'synthcredit' has no attribute '{name}'")
    from synthcredit import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return __all__

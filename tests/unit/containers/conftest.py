"""The image's own modules stand beside each other, as in the image."""

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "containers" / "synthesis"
OWN = tuple(path.stem for path in FOLDER.glob("*.py"))


@pytest.fixture
def image_module(monkeypatch):
    """Import a module of the image; their names are too common to stay."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module
    for name in OWN:
        sys.modules.pop(name, None)


@pytest.fixture
def image_folder() -> Path:
    return FOLDER

"""The world of one machine: every port on one folder."""

from __future__ import annotations

import os
from pathlib import Path

from synthcredit.local.catalogue import FolderCatalogue
from synthcredit.local.events import FolderEvents
from synthcredit.local.jobs import FolderJobs
from synthcredit.local.models import FolderModels
from synthcredit.local.objects import FolderObjects
from synthcredit.local.signer import FolderSigner
from synthcredit.ports import World

HOME_VARIABLE = "SYNTHCREDIT_HOME"


def default_home() -> Path:
    """Return where jobs and models are kept: $SYNTHCREDIT_HOME, or ``.synthcredit`` in the current folder."""
    return Path(os.environ.get(HOME_VARIABLE) or ".synthcredit")


def open_world(home: Path, out: Path) -> World:
    """Return the ports on ``home``, with results appearing in ``out``."""
    objects = FolderObjects(home.absolute() / "lake")
    return World(
        objects=objects,
        jobs=FolderJobs(home.absolute() / "jobs"),
        models=FolderModels(home.absolute() / "models"),
        catalogue=FolderCatalogue(out.absolute(), objects),
        events=FolderEvents(home.absolute() / "events.jsonl"),
        signer=FolderSigner(home.absolute() / "signing-key.pem"),
    )

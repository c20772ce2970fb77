"""Clearing away what nobody took up again: on AWS the buckets' lifecycle does it."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

from synthcredit.steps.checkpoints import KEPT_DAYS, PREFIX

log = logging.getLogger("synthcredit.steps")


def sweep(home: Path) -> None:
    """Remove checkpoints of trainings that nobody has gone on with for `KEPT_DAYS` days.

    Parameters
    ----------
    home
        Where jobs and models are kept.
    """
    too_old = time.time() - KEPT_DAYS * 86_400
    for folder in (home / "lake" / PREFIX).glob("*"):
        try:
            # A new checkpoint takes its place by a rename, which is a change of the folder.
            if folder.stat().st_mtime < too_old:
                shutil.rmtree(folder)
                log.info("removed the abandoned checkpoint of %s", folder.name)
        except OSError as error:
            log.warning("the abandoned checkpoint of %s was not removed: %s", folder.name, error.strerror)

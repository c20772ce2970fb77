"""The catalogue on a folder: results appear under ``out/<job_id>/`` all at once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from synthcredit.local.objects import FolderObjects
from synthcredit.local.storage import link_or_copy, refusals
from synthcredit.ports import PublishedTable


class FolderCatalogue:
    """What analysts see: one folder a job."""

    def __init__(self, out: Path, objects: FolderObjects) -> None:
        self.out = out
        self._objects = objects

    def register(self, job_id: str, tables: Sequence[PublishedTable], files: Sequence[str]) -> dict[str, str]:
        """Bring everything into a folder beside its place, then rename it: half a dataset is never seen."""
        goal = self.out / job_id
        keys = [*files, *(key for table in tables for key in self._objects.keys(table.prefix))]
        prefix = f"jobs/{job_id}/"
        with refusals(goal):
            self.out.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(dir=self.out, prefix=f".{job_id}."))
            try:
                partial.chmod(0o755)
                for key in keys:
                    place = partial / key.removeprefix(prefix)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with self._objects.fetch(key) as path:
                        # Data is copied: whoever changes a delivered file must not change the record of it. The log is
                        # linked, since it goes on.
                        (shutil.copy2 if "/data/" in key else link_or_copy)(path, place)
                shutil.rmtree(goal, ignore_errors=True)
                partial.rename(goal)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        shown = {Path(key).name: str(goal / key.removeprefix(prefix)) for key in files if "/plots/" not in key}
        return {table.schema.name: str(goal / "data" / table.schema.name) for table in tables} | shown

    def withdraw(self, job_id: str, tables: Sequence[PublishedTable]) -> None:  # noqa: ARG002 - the job has one folder
        """Take the job's folder away."""
        with refusals(self.out / job_id):
            shutil.rmtree(self.out / job_id, ignore_errors=True)

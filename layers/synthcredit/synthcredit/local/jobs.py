"""The job store on a folder: one JSON file a job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthcredit.errors import NotFoundError, Problem
from synthcredit.jobs.job import Job
from synthcredit.local.storage import beside, refusals, write_whole


class FolderJobs:
    """One file a job."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, job: Job) -> bool:
        """Put a new job; the file system decides between two that come at once."""
        path = self._path(job.job_id)
        with refusals(path):
            self.root.mkdir(parents=True, exist_ok=True)
            # Written beside its place, then linked there: the link fails where the job exists, and no reader ever
            # sees half a file.
            partial = beside(path)
            try:
                partial.write_bytes(_bytes(job))
                path.hardlink_to(partial)
            except FileExistsError:
                return False
            finally:
                partial.unlink(missing_ok=True)
        return True

    def get(self, job_id: str) -> Job:
        """Return a job."""
        path = self._path(job_id)
        if not job_id.isalnum() or not path.is_file():
            raise NotFoundError(Problem("job_id", "there is no such job", "Look at the id."))
        return Job.model_validate_json(path.read_bytes())

    def update(self, job: Job) -> None:
        """Replace a job."""
        write_whole(self._path(job.job_id), _bytes(job))

    def all(self) -> Iterator[Job]:
        """Yield every job, newest first."""
        jobs = [Job.model_validate_json(path.read_bytes()) for path in self.root.glob("*.json")]
        yield from sorted(jobs, key=lambda job: job.created_at, reverse=True)

    def _path(self, job_id: str) -> Path:
        return self.root / f"{job_id}.json"


def _bytes(job: Job) -> bytes:
    return (job.model_dump_json(by_alias=True, indent=1) + "\n").encode()

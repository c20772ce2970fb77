"""What the platform's API answers, parsed once. Fields that a newer platform adds are let pass."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.jobs.job import State
from synthcredit.synthesizers.card import ModelCard


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class StepPlace(_Answer):
    """Where one step runs, and why there."""

    step: str
    where: str
    why: str = ""
    instances: int = 1
    seconds: Annotated[float, Field(description="Estimated wall time.")] = 0.0
    cost_usd: Annotated[float, Field(description="Estimated cost.")] = 0.0


class StepFailure(_Answer):
    """Why a job failed, or why the last attempt of a step did."""

    step: str
    error: str
    problems: tuple[dict[str, str], ...] = ()


class StepProgress(_Answer):
    """How far a long step is."""

    step: str
    done: float
    remaining_seconds: float | None = None


class JobStatus(_Answer):
    """Where a job stands."""

    job_id: str
    state: State
    step: str = "claim"
    rows: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    seconds: Annotated[dict[str, float], Field(description="Wall time by step that has ended.")] = {}
    placement: tuple[StepPlace, ...] = ()
    progress: StepProgress | None = None
    failure: StepFailure | None = None
    results: dict[str, str] = {}

    @property
    def done(self) -> float | None:
        """The fraction of the step that runs, None where nobody knows."""
        return self.progress.done if self.progress is not None and self.progress.step == self.step else None

    def place_of(self, step: str) -> StepPlace | None:
        """Return where a step runs, or None where that is not known (yet)."""
        return next((place for place in self.placement if place.step == step), None)


class JobList(_Answer):
    """Some jobs, newest first, and where the list goes on."""

    jobs: tuple[JobStatus, ...]
    next: str | None = None


class ModelPage(_Answer):
    """Some models, newest first, and where the list goes on."""

    models: tuple[ModelCard, ...]
    next: str | None = None


class Link(_Answer):
    """Where one file can be read for a while, without any other right."""

    name: Annotated[str, Field(description="Its place below the job, e.g. data/applicants/part-00000.parquet.")]
    url: str
    sha256: Annotated[str | None, Field(description="In hex, where it is known.")] = None


class LakeTable(_Answer):
    """The job's rows in the lake: one partition of a table."""

    database: str
    name: str
    partition: Annotated[str, Field(pattern=".=.", description="What the job's rows have in common: job=<job_id>.")]


class Results(_Answer):
    """What came of a job: its files, and where its rows are in the lake."""

    job_id: str
    files: tuple[Link, ...]
    data_uri: str = ""
    data_files_left_out: Annotated[int, Field(description="Data files that are at data_uri only: too many.")] = 0
    table: LakeTable | None = None
    tables: tuple[LakeTable, ...] = ()


class Upload(_Answer):
    """Where a file may be put (HTTP PUT), and the URI that it then has."""

    url: str
    uri: str
    headers: dict[str, str] = {}

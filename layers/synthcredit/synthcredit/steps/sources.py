"""What differs from one kind of source to another: how rows are planned, made and proven. Steps ask here, once each.

A kind of source is one class that meets `Source`, and one line in `source_of`. Its methods bring in heavy packages
themselves, since each runs in another place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from synthcredit.evidence.model import Evidence
from synthcredit.jobs.job import Job
from synthcredit.jobs.planning import Plan, Shard
from synthcredit.jobs.request import JobRequest, PortfolioSource, SchemaSource
from synthcredit.jobs.speeds import Load
from synthcredit.ports import World
from synthcredit.steps.parts import Part
from synthcredit.synthesizers.fitting import Progress


@dataclass(frozen=True, slots=True)
class Made:
    """One part file that a shard has written, not yet in the store."""

    table: str
    path: Path
    rows: int


class Source(Protocol):
    """How the rows of one kind of source come to be."""

    def plan(self, job: Job, world: World) -> Plan:
        """Plan a job: its tables, and its shards.

        Raises
        ------
        InvalidInputError
            What is asked cannot be made; everything found is said at once.
        """

    def load(self, request: JobRequest, plan: Plan) -> Load:
        """Return what decides how much work a planned job is."""

    def generate(self, job: Job, plan: Plan, shard: Shard, folder: Path, world: World) -> Iterator[Made]:
        """Write the part files of one shard into a folder that is empty."""

    def assess(
        self, job: Job, plan: Plan, parts: Sequence[Part], folder: Path, world: World, progress: Progress
    ) -> Evidence:
        """Measure a job's rows; write report and plots into a folder that is empty, and return the evidence."""

    def provenance(self, plan: Plan, world: World) -> dict[str, Any]:
        """Return what the manifest says of where the rows come from."""

    def released(self, job: Job, plan: Plan, evidence: Evidence, world: World) -> None:
        """Note wherever that is kept that rows were released."""


def source_of(request: JobRequest) -> Source:
    """Return how the rows of a request come to be."""
    if isinstance(request.source, PortfolioSource):
        from synthcredit.steps.book import BookSource

        return BookSource()
    if isinstance(request.source, SchemaSource):
        from synthcredit.steps.declared import DeclaredSource

        return DeclaredSource()
    from synthcredit.steps.learned import LearnedSource

    return LearnedSource()

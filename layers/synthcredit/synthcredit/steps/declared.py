"""Rows that are made as they are declared: the user's own tables, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthcredit.evidence.model import Evidence
from synthcredit.jobs import declarations
from synthcredit.jobs.job import Job
from synthcredit.jobs.planning import Declared, Plan, Shard
from synthcredit.jobs.request import JobRequest, SchemaSource
from synthcredit.jobs.speeds import Load
from synthcredit.ports import World
from synthcredit.steps.parts import Part
from synthcredit.steps.sources import Made
from synthcredit.synthesizers.fitting import Progress

if TYPE_CHECKING:
    from synthcredit.declared.made import DeclaredRows


class DeclaredSource:
    """How declared tables make rows; see `sources.Source`."""

    def plan(self, job: Job, world: World) -> Plan:  # noqa: ARG002 - no data is looked at, and no model
        """Check the declaration, and cut the rows of its uppermost tables into shards."""
        made = _rows(job.request)
        rows = declarations.rows_of(made.plan)
        declared = Declared(name=made.plan.declaration.name, tables=made.tables.in_order(), rows=rows)
        return Plan(
            declared=declared,
            train=False,
            reason=f"the tables of declaration {declared.name} are made, about {sum(rows.values()):,} rows in "
            f"{len(rows)} tables",
            shards=tuple(
                Shard(number=number, first_row=run.first_row, rows=run.rows) for number, run in enumerate(made.runs)
            ),
        )

    def load(self, request: JobRequest, plan: Plan) -> Load:  # noqa: ARG002 - the request has all of it
        """Return tables, rows and forms."""
        return declarations.load_of(_rows(request).plan, tuple(request.deliver))

    def generate(
        self,
        job: Job,
        plan: Plan,  # noqa: ARG002 - the request has all of it
        shard: Shard,
        folder: Path,
        world: World,  # noqa: ARG002 - as above
    ) -> Iterator[Made]:
        """Write the part files that `synthcredit declared` writes, to the byte."""
        written = _rows(job.request).write_shard(shard.number, folder)
        for name, rows in written.rows.items():
            yield Made(name, folder / name / shard.file, rows)

    def assess(
        self, job: Job, plan: Plan, parts: Sequence[Part], folder: Path, world: World, progress: Progress
    ) -> Evidence:
        """Check all tables, shard by shard."""
        from synthcredit.steps.declared_assess import assess_declared

        return assess_declared(job, plan, _rows(job.request), parts, folder, world, progress)

    def provenance(self, plan: Plan, world: World) -> dict[str, Any]:  # noqa: ARG002 - the plan has all of it
        """Return the tables; the declaration is the request's."""
        return {"declared": plan.declared}

    def released(self, job: Job, plan: Plan, evidence: Evidence, world: World) -> None:
        """There is no model to note it on."""


def _rows(request: JobRequest) -> DeclaredRows:
    from synthcredit.declared.made import DeclaredRows

    source = request.source
    assert isinstance(source, SchemaSource)  # noqa: S101 - source_of holds it
    return DeclaredRows(declarations.planned(source.declaration, source.rows), request.seed)

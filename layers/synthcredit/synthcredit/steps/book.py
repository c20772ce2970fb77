"""Rows that are simulated: the tables of a portfolio, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import Problem, raise_all
from synthcredit.evidence.model import Evidence
from synthcredit.jobs import books
from synthcredit.jobs.books import BookLoad
from synthcredit.jobs.job import Job
from synthcredit.jobs.planning import Book, Plan, Shard, book_shards
from synthcredit.jobs.request import JobRequest, PortfolioSource
from synthcredit.jobs.speeds import Load
from synthcredit.ports import World
from synthcredit.steps.parts import Part
from synthcredit.steps.sources import Made
from synthcredit.synthesizers.fitting import Progress

if TYPE_CHECKING:
    from synthcredit.portfolio.scenario import Scenario

PARENT_LEFT_OUT = "{} refers to {}, which is not delivered: its keys lead nowhere."


class BookSource:
    """How the portfolio makes rows; see `sources.Source`."""

    def plan(self, job: Job, world: World) -> Plan:  # noqa: ARG002 - no data is looked at, and no model
        """Check scenario and tables, and cut the customers into shards."""
        from synthcredit.portfolio.book import world_of
        from synthcredit.portfolio.scenario import Scenario, parameters_of

        source = _source(job.request)
        parameters = parameters_of(source.scenario, "source.scenario")
        scenario = Scenario.model_validate(parameters)
        tables, notices = _tables(source, scenario)
        # A drift that cannot be found is refused now, and not by the first shard.
        world_of(scenario, source.volumes, job.request.seed).shifts  # noqa: B018
        rows = books.rows_of(source.volumes, [table.name for table in tables])
        book = Book(parameters=parameters, volumes=source.volumes, tables=tables, rows=rows)
        return Plan(
            book=book,
            train=False,
            reason=f"{source.customers:,} customers of scenario {book.scenario} are simulated, about "
            f"{sum(rows.values()):,} rows in {len(tables)} tables",
            shards=book_shards(source.volumes),
            notices=notices,
        )

    def load(self, request: JobRequest, plan: Plan) -> Load:
        """Return volumes, tables and forms."""
        return BookLoad(_book(plan).volumes, tuple(table.name for table in plan.tables), tuple(request.deliver))

    def generate(
        self,
        job: Job,
        plan: Plan,
        shard: Shard,
        folder: Path,
        world: World,  # noqa: ARG002 - a book needs nothing of it
    ) -> Iterator[Made]:
        """Write the part files that `synthcredit portfolio` writes, to the byte."""
        from synthcredit.portfolio.scenario import Scenario
        from synthcredit.portfolio.write import write_shard

        book = _book(plan)
        names = [table.name for table in book.tables]
        scenario = Scenario.model_validate(book.parameters)
        written = write_shard(scenario, book.volumes, job.request.seed, shard.number, out=folder, names=names)
        for name, rows in written.rows.items():
            yield Made(name, folder / name / shard.file, rows)

    def assess(
        self,
        job: Job,
        plan: Plan,
        parts: Sequence[Part],
        folder: Path,
        world: World,
        progress: Progress,
    ) -> Evidence:
        """Check the whole book, block by block."""
        from synthcredit.steps.book_assess import assess_book

        return assess_book(job, plan, parts, folder, world, progress)

    def provenance(self, plan: Plan, world: World) -> dict[str, Any]:  # noqa: ARG002 - the plan has all of it
        """Return scenario, volumes and tables."""
        return {"book": _book(plan)}

    def released(self, job: Job, plan: Plan, evidence: Evidence, world: World) -> None:
        """There is no model to note it on."""


def _source(request: JobRequest) -> PortfolioSource:
    assert isinstance(request.source, PortfolioSource)  # noqa: S101 - source_of holds it
    return request.source


def _book(plan: Plan) -> Book:
    assert plan.book is not None  # noqa: S101 - BookSource.plan made it
    return plan.book


def _tables(source: PortfolioSource, scenario: Scenario) -> tuple[tuple[TableSchema, ...], tuple[str, ...]]:
    """Return the schemas of the tables that are asked for, and what to know of those that are not."""
    from synthcredit.portfolio.tables import tables_of

    every = tables_of(scenario)
    known = [table.name for table in every]
    wanted = set(known if source.tables is None else source.tables)
    raise_all(
        Problem("source.tables", f"there is no table '{name}'", f"Choose of: {', '.join(known)}.")
        for name in sorted(wanted - set(known))
    )
    chosen = [table for table in every if table.name in wanted]
    notices = tuple(
        PARENT_LEFT_OUT.format(table.name, parent)
        for table in chosen
        for parent in dict.fromkeys(table.parents.values())
        if parent not in wanted
    )
    return tuple(table.schema for table in chosen), notices

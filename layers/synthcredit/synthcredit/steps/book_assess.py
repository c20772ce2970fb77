"""Assess a simulated book: every rule of it, on every row, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synthcredit.datasets.folder import describe
from synthcredit.datasets.schema import DatasetSchema, TableSchema
from synthcredit.errors import ConflictError, Problem
from synthcredit.evidence.model import About, Check, Evidence
from synthcredit.jobs.job import Job
from synthcredit.jobs.planning import Book, Plan, Shard
from synthcredit.portfolio import arrays
from synthcredit.portfolio.book import Block, world_of
from synthcredit.portfolio.folder import sql_types
from synthcredit.portfolio.proof import Proof
from synthcredit.portfolio.scenario import Scenario
from synthcredit.portfolio.spec import Table
from synthcredit.portfolio.tables import dataset_schema, tables_of
from synthcredit.portfolio.volumes import BLOCK_CUSTOMERS
from synthcredit.ports import World
from synthcredit.steps.parts import Part, as_made
from synthcredit.steps.ruled_assess import EVERY_ROW, Proven, proven
from synthcredit.synthesizers.fitting import Progress

NO_REAL_ROWS = (
    "The book is simulated: no real rows went in. So fidelity and usefulness, which compare with real rows, do not "
    "apply, and privacy holds by construction: there is nobody to give away."
)
MADE_AGAIN = "Not delivered, and made again for the proof: {}."


def assess_book(
    job: Job, plan: Plan, parts: Sequence[Part], folder: Path, world: World, progress: Progress
) -> Evidence:
    """Measure a book as it was written; write its report into a folder.

    Memory is that of one block, and of one bit a social security number.

    Raises
    ------
    ConflictError
        A part file is not the one that was generated.
    """
    assert plan.book is not None  # noqa: S101 - BookSource.plan made it
    book, seed = plan.book, job.request.seed
    proof = Proof(Scenario.model_validate(book.parameters), book.volumes, seed)
    columns: dict[str, Check] = {}
    by_file: dict[str, dict[str, Part]] = {}
    for part in parts:
        by_file.setdefault(part.key.rpartition("/")[2], {})[part.table] = part
    done = 0
    for shard in plan.shards:
        for tables in _blocks(book, seed, shard, by_file[shard.file], world):
            columns.update({name: check for name, check in _columns(tables, book).items() if not check.passed})
            proof.add(tables)
            done += 1
            progress(done / book.volumes.blocks, f"block {done:,} of {book.volumes.blocks:,}")
    _describe(book, folder)
    return proven(job, plan, parts, folder, _proven(book, _as_declared(book, columns), proof))


def _describe(book: Book, folder: Path) -> None:
    names = {schema.name for schema in book.tables}
    every = _tables_of(book)
    relations = tuple(one for one in dataset_schema(every).relations if {one.parent, one.child} <= names)
    types = sql_types(tuple(table for table in every if table.name in names))
    describe(folder, DatasetSchema(tables=book.tables, relations=relations), types)


def _tables_of(book: Book) -> tuple[Table, ...]:
    """Return every table of the book, delivered or not."""
    return tables_of(Scenario.model_validate(book.parameters))


def _blocks(
    book: Book, seed: int, shard: Shard, own: Mapping[str, Part], world: World
) -> Iterator[dict[str, pa.Table]]:
    """Yield the tables of each block of a shard: as they were written, or made again where they are not delivered."""
    simulated = world_of(Scenario.model_validate(book.parameters), book.volumes, seed)
    first = shard.first_row // BLOCK_CUSTOMERS
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(pq.ParquetFile(stack.enter_context(as_made(part, world))))
            for name, part in own.items()
        }
        for place in range(-(-shard.rows // BLOCK_CUSTOMERS)):
            number = first + place
            block = Block(simulated, number)
            wanted = [table for table in _tables_of(book) if not table.once or number == 0]
            yield {table.name: _table(table, files.get(table.name), place, block) for table in wanted}


def _table(table: Table, file: pq.ParquetFile | None, place: int, block: Block) -> pa.Table:
    if file is None:
        return arrays.plain(table.rows(block))
    if place >= file.num_row_groups:
        raise ConflictError(Problem(f"table {table.name}", "its part file has too few blocks", "Submit the job again."))
    return file.read_row_group(place)


def _columns(tables: Mapping[str, pa.Table], book: Book) -> dict[str, Check]:
    """Check that the tables of a block have the columns and types that the catalogue will be told."""
    from synthcredit.datasets.arrow import arrow_schema

    return {
        schema.name: _column_check(schema, passed=tables[schema.name].schema.equals(arrow_schema(schema)))
        for schema in book.tables
        if schema.name in tables
    }


def _column_check(schema: TableSchema, *, passed: bool) -> Check:
    says = f"{schema.name}: the declared columns and types"
    return Check(
        expectation="columns_as_declared", about=About.VALIDITY, column=None, passed=passed,
        detail=says if passed else f"should be so: {says}",
    )  # fmt: skip


def _as_declared(book: Book, wrong: Mapping[str, Check]) -> tuple[Check, ...]:
    return tuple(wrong.get(schema.name) or _column_check(schema, passed=True) for schema in book.tables)


def _proven(book: Book, columns: tuple[Check, ...], proof: Proof) -> Proven:
    delivered = {table.name for table in book.tables}
    again = [name for name in proof.rows if name not in delivered]
    notes = (NO_REAL_ROWS, EVERY_ROW, *([MADE_AGAIN.format(", ".join(again))] if again else []))
    return Proven((*columns, *proof.checks()), proof.rows, notes, f"scenario {book.scenario}")

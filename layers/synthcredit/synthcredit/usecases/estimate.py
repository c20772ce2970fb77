"""Estimate a request: check it, and say where each step would run, how long that takes and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.datasets.schema import TableSchema
from synthcredit.datasets.split import HOLDOUT_SHARE
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, raise_all
from synthcredit.jobs import books, declarations
from synthcredit.jobs.books import BookLoad
from synthcredit.jobs.declarations import DeclaredLoad
from synthcredit.jobs.placement import Limits, Placement, place, totals
from synthcredit.jobs.planning import CONTINUE_FIELD, other_family, shards_for
from synthcredit.jobs.request import (
    DatasetSource,
    Destination,
    JobRequest,
    Learned,
    ModelSource,
    PortfolioSource,
    SchemaSource,
    SynthesizerChoice,
    declaration_problems,
    scenario_problems,
)
from synthcredit.jobs.speeds import Load, Size
from synthcredit.ports import Sources, World
from synthcredit.randomness import BLOCK_ROWS
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.card import ModelCard

HEAD_BYTES = 64 * 1024
"""What is read of a CSV file to tell its columns, and the length of its lines."""

_OF_BOOKS = (
    "How many rows loans and transactions have depends on the scenario: counted as in baseline, right within a factor "
    "of two."
)
_OF_DECLARATIONS = "Where chance decides how many rows belong to one, the average is counted."
_FIELDS: dict[type, str] = {PortfolioSource: "source.customers", SchemaSource: "source.declaration"}
"""The field that says how many rows rules make."""
BYTES_A_VALUE = 2
"""What one value takes in a part file, on average: `speeds.generating`."""
_SEPARATORS = (b",", b";", b"\t", b"|")
_PARQUET = (".parquet", ".pq")
_PARQUET_COLUMNS = 20
_PARQUET_BYTES_A_VALUE = 1.0
"""A Parquet file keeps its columns at its end. In six public credit tables of 14 to 24 columns, written by Arrow,
a value takes 0.5 to 2.2 bytes, 1.0 in the middle."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What is needed to check a request.

    Parameters
    ----------
    world
        Where models and jobs are.
    sources
        Tells of the data that a request names.
    limits
        What a job may use and cost.
    max_rows
        The most rows that a job may ask for.
    database_secret
        The one secret by which a job may name a database; None where none may.
    """

    world: World
    sources: Sources
    limits: Limits
    max_rows: int
    database_secret: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The size of a table, seen from outside."""

    rows: int
    columns: int
    notes: tuple[str, ...]


class Estimate(BaseModel):
    """What a request would take."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    steps: Annotated[tuple[Placement, ...], Field(description="Where each step would run, and why there.")]
    seconds: Annotated[float, Field(description="Wall time of all steps together.")]
    cost_usd: Annotated[float, Field(description="Cost of all steps together, list price.")]
    rows: Annotated[int, Field(description="Rows of all tables that would be made.")]
    bytes: Annotated[int, Field(description="What they would take as Parquet.")]
    tables: Annotated[dict[str, int], Field(description="Rows by table, where rules make them.")] = {}
    source_rows: Annotated[
        int, Field(description="Rows of the real data, as far as can be told; 0 where there is none.")
    ]
    source_columns: int
    notes: Annotated[tuple[str, ...], Field(description="What the estimate rests on.")]


def estimate(request: JobRequest, desk: Desk) -> Estimate:
    """Check a request and estimate it, without starting anything.

    Raises
    ------
    InvalidInputError
        It asks for more rows than are allowed, its settings do not fit, it would cost too much, or no machine can do
        it; everything found is said at once.
    NotFoundError
        The data or the model that it names does not exist, and nothing else is wrong.
    """
    _raise_all(list(_faults(request, desk)))
    load, table = _load(request, desk)
    steps = place(load, desk.limits, database=request.to is not None)
    seconds, cost = totals(steps)
    tables = dict(load.rows) if isinstance(load, BookLoad | DeclaredLoad) else {}
    return Estimate(
        steps=steps,
        seconds=round(seconds, 1),
        cost_usd=round(cost, 6),
        rows=sum(tables.values()) if tables else request.rows_wanted,
        bytes=books.bytes_of(tables) if isinstance(load, BookLoad) else BYTES_A_VALUE * load.values,
        tables=tables,
        source_rows=table.rows,
        source_columns=table.columns,
        notes=table.notes,
    )


def _rows(request: JobRequest) -> int:
    source = request.source
    if isinstance(source, PortfolioSource):
        return sum(books.rows_of(source.volumes, source.tables or books.usual_tables()).values())
    if isinstance(source, SchemaSource):
        return sum(declarations.rows_of(declarations.planned(source.declaration, source.rows)).values())
    return request.rows_wanted


def _rule_faults(source: PortfolioSource | SchemaSource) -> tuple[Problem, ...]:
    if isinstance(source, SchemaSource):
        return declaration_problems(source.declaration, source.rows)
    return scenario_problems(source.scenario)


def _faults(request: JobRequest, desk: Desk) -> Iterator[InvalidInputError]:
    source = request.source
    wrong = () if isinstance(source, Learned) else _rule_faults(source)
    if wrong:
        yield InvalidInputError(wrong)
    # A declaration with faults has no number of rows.
    rows = 0 if wrong and isinstance(source, SchemaSource) else _rows(request)
    if rows > desk.max_rows:
        yield InvalidInputError(
            Problem(
                _FIELDS.get(type(source), "rows"),
                f"{rows:,} rows are asked for, and {desk.max_rows:,} is the most here",
                "Ask for fewer rows, or raise the template's parameter MaxRows.",
            )
        )
    if request.to is not None:
        yield from _destination_faults(request.to, desk.database_secret)
    if isinstance(source, Learned):
        yield from _faults_of_learning(request, source, desk)


def _faults_of_learning(request: JobRequest, source: Learned, desk: Desk) -> Iterator[InvalidInputError]:
    looks: list[Callable[[], object]] = [
        lambda: registry.settings_for(request.synthesizer.name, request.synthesizer.given),
        lambda: shards_for(request.rows_wanted, _schema(source, desk), BLOCK_ROWS),
    ]
    looks += [partial(_require, field, uri, desk) for field, uri in _data(source, desk) if uri is not None]
    if isinstance(source, ModelSource):
        looks.append(lambda: _card(source.model_id, desk))
    elif source.continue_from is not None:
        looks.append(partial(_require_continuable, source.continue_from, request.synthesizer, desk))
    for look in looks:
        try:
            look()
        except InvalidInputError as error:
            yield error


def _destination_faults(to: Destination, secret: str | None) -> Iterator[InvalidInputError]:
    """Yield why a database cannot be loaded here: it is reached by the deployment's own secret, or not at all."""
    if secret is None:
        yield InvalidInputError(
            Problem(
                "to",
                "this platform has no secret of a database",
                "Set the template's parameter DatabaseSecret; or leave `to` out, fetch the results, then: "
                "synthcredit load FOLDER --to URL.",
            )
        )
    elif to.url is not None:
        # Without password it leads nowhere, and a caller could make the platform knock at any door.
        yield InvalidInputError(
            Problem("to.url", "this platform takes databases by their secret alone", f'Write {{"secret": "{secret}"}}.')
        )
    elif to.secret != secret:
        yield InvalidInputError(Problem("to.secret", "this platform may not read that secret", f"Name '{secret}'."))


def _schema(source: Learned, desk: Desk) -> TableSchema | None:
    """Return the schema, where it is known before the data is read."""
    if isinstance(source, DatasetSource):
        return source.table_schema
    card = desk.world.models.find(source.model_id)
    return None if card is None else card.table_schema


def _data(source: Learned, desk: Desk) -> tuple[tuple[str, str | None], ...]:
    """Return the fields that name real data, and what they name; for a model, what its card names where they do not."""
    card = desk.world.models.find(source.model_id) if isinstance(source, ModelSource) else None
    if card is None:
        return ("source.uri", source.uri), ("source.holdout", source.holdout)
    return ("source.uri", source.uri or card.data_uri), ("source.holdout", source.holdout or card.split.holdout_uri)


def _raise_all(faults: list[InvalidInputError]) -> None:
    if not faults:
        return
    # That something is not there is the answer only where nothing else is wrong.
    kind = NotFoundError if all(isinstance(fault, NotFoundError) for fault in faults) else InvalidInputError
    raise kind([problem for fault in faults for problem in fault.problems])


def _require(field: str, uri: str, desk: Desk) -> None:
    """Raise where there is no such data, by the name of the field that names it."""
    try:
        desk.sources.size(uri)
    except InvalidInputError as error:
        raise type(error)([replace(problem, field=field) for problem in error.problems]) from None


def _require_continuable(model_id: str, choice: SynthesizerChoice, desk: Desk) -> None:
    raise_all(other_family(_card(model_id, desk, CONTINUE_FIELD), choice.name))


def _card(model_id: str, desk: Desk, field: str = "source.model_id") -> ModelCard:
    card = desk.world.models.find(model_id)
    if card is None:
        raise NotFoundError(Problem(field, f"there is no model '{model_id}'", "See GET /models for all models."))
    return card


def _load(request: JobRequest, desk: Desk) -> tuple[Load, Table]:
    source = request.source
    if isinstance(source, PortfolioSource):
        load = BookLoad(source.volumes, source.tables or books.usual_tables(), tuple(request.deliver))
        return load, Table(0, 0, (_OF_BOOKS,))
    if isinstance(source, SchemaSource):
        plan = declarations.planned(source.declaration, source.rows)
        return declarations.load_of(plan, tuple(request.deliver)), Table(0, 0, (_OF_DECLARATIONS,))
    if isinstance(source, ModelSource):
        card = _card(source.model_id, desk)
        name, settings, train = card.synthesizer, card.settings, False
        rows = card.split.train_rows + card.split.holdout_rows
        table = Table(rows, len(card.table_schema.columns), ("The source's size is the model card's.",))
        train_rows = card.split.train_rows
    else:
        name, train = request.synthesizer.name, True
        settings = registry.settings_for(name, request.synthesizer.given).model_dump(mode="json")
        table = _look(source, desk.sources)
        train_rows = table.rows if source.holdout else round(table.rows * (1 - HOLDOUT_SHARE))
    shards = shards_for(request.rows_wanted, _schema(source, desk), BLOCK_ROWS)
    size = Size(
        train_rows=train_rows,
        columns=table.columns,
        rows=request.rows_wanted,
        shard_rows=shards[0].rows,
        shards=len(shards),
        synthesizer=name,
        settings=settings,
        train=train,
        forms=request.deliver,
    )
    return size, table


def _look(source: DatasetSource, sources: Sources) -> Table:
    """Tell the size of a table from the size of its file, and of a CSV file from its first lines."""
    size = sources.size(source.uri)
    notes = ("A new model is counted; where a suitable one exists, nothing is trained.",) if source.reuse else ()
    if PurePosixPath(source.uri.partition("?")[0]).suffix.lower() in _PARQUET:
        rows = size / (_PARQUET_COLUMNS * _PARQUET_BYTES_A_VALUE)
        assumed = f"A Parquet file is taken to have {_PARQUET_COLUMNS} columns of {_PARQUET_BYTES_A_VALUE:g} bytes."
        return Table(max(1, round(rows)), _PARQUET_COLUMNS, (assumed, *notes))
    header, _, rest = sources.head(source.uri, HEAD_BYTES).partition(b"\n")
    lines = max(1, rest.count(b"\n"))
    # The last line is cut off, or is the file's last.
    length = max(1, (rest.rfind(b"\n") + 1 or len(rest)) / lines)
    columns = 1 + max(header.count(mark) for mark in _SEPARATORS)
    told = f"Rows and columns are told from the first {HEAD_BYTES // 1024} KB of the file."
    return Table(max(1, round((size - len(header) - 1) / length)), columns, (told, *notes))

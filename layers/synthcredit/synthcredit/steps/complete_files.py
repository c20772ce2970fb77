"""Complete: rows of which a part is given, with what they lack drawn from a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthcredit.datasets import read, write
from synthcredit.datasets.schema import TableSchema
from synthcredit.datasets.source import open_source
from synthcredit.errors import Problem, raise_all
from synthcredit.synthesizers.protocol import Synthesizer


def complete_files(rows: Path, model: Synthesizer, *, seed: int, form: str, out: Path) -> int:
    """Complete the rows of a file; write them with every column of the model's schema.

    Parameters
    ----------
    rows
        A CSV or Parquet file with some or all of the model's columns. An empty cell is completed, as is a column that
        is not there; every other value is kept.
    model
        What draws the rest.
    seed
        Same file, model and seed give the same rows.
    form, out
        ``csv``, ``json``, ``jsonl`` or ``parquet``, and the file to write.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    InvalidInputError
        The file has columns that the model does not have, or values that do not fit; or the family cannot complete.
    """
    given = read.read_table(rows, given_schema(rows, model.schema), fewest_rows=1)
    write.write_rows(model.complete(given, seed), model.schema, form, out)
    rows_written: int = given.num_rows
    return rows_written


def given_schema(rows: Path, schema: TableSchema) -> TableSchema:
    """Return the schema of a file that has some of a table's columns, each of them with gaps.

    Raises
    ------
    InvalidInputError
        It has none of the columns, or others.
    """
    names = open_source(rows).names
    raise_all(_wrong(rows.name, names, schema))
    columns = [column.model_dump() | {"nullable": True} for column in schema.columns if column.name in names]
    return TableSchema.model_validate({"name": schema.name, "columns": columns})


def _wrong(name: str, names: list[str], schema: TableSchema) -> Iterator[Problem]:
    unknown = [column for column in names if column not in schema.names]
    if unknown:
        yield Problem(
            f"file {name}",
            f"the model has no column {', '.join(map(repr, unknown))}",
            f"Remove or rename; it has {', '.join(schema.names)}.",
        )
    if not set(names) & {column.name for column in schema.learned}:
        yield Problem(
            f"file {name}", "it gives no column that the model has learned", "Give at least one, or use generate."
        )

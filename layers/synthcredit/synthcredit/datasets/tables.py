"""Anybody's tables: a file, a folder of parts of one table, or a folder of several tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from synthcredit.datasets import read
from synthcredit.datasets.schema import DatasetSchema, TableSchema
from synthcredit.datasets.source import SUFFIXES, PartsSource, Source, open_source
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, raise_all

_RESULTS = "data"
"""Where the rows lie in a folder of a job's results."""


def open_table(path: Path) -> Source:
    """Open one table: a file, or a folder whose files are its parts; a job's results count as the table in them.

    Raises
    ------
    NotFoundError
        There is nothing at the path.
    InvalidInputError
        A file cannot be read, the folder has no table or several, or a table in several forms.
    """
    if not path.is_dir():
        return open_source(path)
    files, folders = _inside(path)
    if not files and len(folders) > 1 and path / _RESULTS in folders:
        return open_table(path / _RESULTS)
    if not files and len(folders) == 1:
        return open_table(folders[0])
    if files:
        return _joined(path, _of_one_form(path, files))
    problem = "it holds several tables" if folders else "it is a folder without a table"
    fix = "Give a schema that names them." if folders else "Give a folder of CSV or Parquet files, or one file."
    raise InvalidInputError(Problem(path.name, problem, fix))


def read_source(source: Source, schema: TableSchema, *, strict: bool = True) -> pa.Table:
    """Read a table; parts of the lake, which have storage names, come back under the names that the data had."""
    stored = [column.storage_name for column in schema.columns]
    if set(source.names) == set(schema.names) or set(source.names) != set(stored):
        return read.read_table(source, schema, strict=strict)
    columns = tuple(column.model_copy(update={"name": column.storage_name}) for column in schema.columns)
    roles = {
        role: None if name is None else schema[name].storage_name
        for role, name in (
            ("primary_key", schema.primary_key),
            ("customer", schema.customer),
            ("target", schema.target),
        )
    }
    in_store = schema.model_copy(update={"columns": columns, **roles})
    return read.read_table(source, in_store, strict=strict).rename_columns(schema.names)


def open_tables(path: Path, schema: DatasetSchema) -> dict[str, Source]:
    """Open the tables of a dataset, by name: ``<name>.csv``, ``<name>.parquet`` or a folder ``<name>`` of parts.

    Raises
    ------
    NotFoundError
        There is nothing at the path.
    InvalidInputError
        It is no folder, or tables are missing or cannot be read: all at once. Files that the schema does not name are
        named too: they would not be judged.
    """
    if not path.exists():
        raise NotFoundError(Problem(path.name, "it does not exist", "Check the path."))
    if not path.is_dir():
        raise InvalidInputError(
            Problem(path.name, "it is one file, and the schema names tables", "Give the folder that has them.")
        )
    files, folders = _inside(path)
    if not files and path / _RESULTS in folders:
        return open_tables(path / _RESULTS, schema)
    problems: list[Problem] = []
    found: dict[str, Source] = {}
    for table in schema.tables:
        places = [place for place in (*files, *folders) if _names(place) == table.name]
        try:
            if len(places) == 1:
                found[table.name] = open_table(places[0])
            else:
                problems.append(_not_one(path, table.name, len(places)))
        except InvalidInputError as error:
            problems += error.problems
    known = {table.name for table in schema.tables}
    problems += [
        Problem(f"{path.name}/{file.name}", "the schema names no such table", "Add it to the schema, or move it away.")
        for file in files
        if _names(file) not in known
    ]
    raise_all(problems)
    return found


def _joined(path: Path, files: Sequence[Path]) -> Source:
    """Open the parts of one table, saying all that is wrong with any of them."""
    parts: list[Source] = []
    problems: list[Problem] = []
    for file in files:
        try:
            parts.append(open_source(file))
        except InvalidInputError as error:
            problems += error.problems
    raise_all(problems)
    return parts[0] if len(parts) == 1 else PartsSource(path, parts)


def _not_one(path: Path, table: str, places: int) -> Problem:
    if places:
        return Problem(f"table '{table}'", f"it stands {places} times in {path.name}", "Leave one form of it.")
    return Problem(
        f"table '{table}'",
        f"the schema has it, {path.name} does not",
        f"Add {table}.csv, {table}.parquet or a folder {table} of parts.",
    )


def _inside(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the table files in a folder, and its sub-folders; hidden ones are nobody's."""
    inside = sorted(place for place in path.iterdir() if not place.name.startswith((".", "_")))
    return (
        [place for place in inside if place.is_file() and place.suffix.lower() in SUFFIXES],
        [place for place in inside if place.is_dir()],
    )


def _names(place: Path) -> str:
    return place.name if place.is_dir() else place.stem


def _of_one_form(path: Path, files: Sequence[Path]) -> Sequence[Path]:
    forms = sorted({file.suffix.lower() for file in files})
    if len(forms) > 1:
        raise InvalidInputError(
            Problem(
                path.name,
                f"it has files of several forms ({', '.join(forms)}), which may hold the same rows twice",
                "Leave one form of the table, or give one file.",
            )
        )
    return files

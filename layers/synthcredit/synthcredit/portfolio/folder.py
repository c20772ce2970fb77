"""The folder of a portfolio: whose request it holds, so that an interrupted one goes on, and its SQL types."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from synthcredit.datasets.write import write_tables
from synthcredit.errors import ConflictError, Problem, StorageError
from synthcredit.packages import versions
from synthcredit.portfolio.book import Volumes
from synthcredit.portfolio.scenario import Scenario
from synthcredit.portfolio.spec import Table
from synthcredit.portfolio.tables import TABLES, dataset_schema
from synthcredit.portfolio.write import Progress

PARQUET = "parquet"
FORMS = (PARQUET, "csv", "json", "jsonl")
REQUEST_FILE = "portfolio.json"
SCHEMA_FILE = "schema.json"
TYPES_FILE = "sql_types.json"
"""Beside the tables, as `synthcredit.stores.read_folder` reads them."""
_DECISIVE = ("numpy", "pyarrow", "synthcredit")
"""With other versions of these the bytes may be others."""
_PARTS = ".parts"
_LOCK = ".lock"


class Request(BaseModel):
    """What a folder holds, or is going to: equal requests make equal files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: str
    parameters: str
    """SHA-256 of all of the scenario's parameters, in hex."""
    volumes: Volumes
    seed: int
    format: str
    packages: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of the request but for its format, in hex: equal requests have equal rows."""
        return hashlib.sha256(self.model_dump_json(exclude={"format"}).encode()).hexdigest()


def request_of(scenario: Scenario, volumes: Volumes, seed: int, form: str) -> Request:
    """Return a request as its folder keeps it."""
    installed = versions()
    return Request(
        scenario=scenario.name,
        parameters=hashlib.sha256(scenario.model_dump_json().encode()).hexdigest(),
        volumes=volumes,
        seed=seed,
        format=form,
        packages={name: installed[name] for name in _DECISIVE},
    )


def problems(out: Path, request: Request | None) -> Iterator[Problem]:
    """Yield why a request cannot be made in a folder: it is none, or holds something else.

    ``request`` is None where it is wrong itself: then the folder is only looked at for whether it holds a portfolio.
    """
    field = f"--out {out}"
    fix = "Name a folder that is new or empty, or give the same options as before."
    if not out.exists():
        return
    if not out.is_dir():
        yield Problem(field, "it is there already, and no folder", "Name a folder that is new or empty.")
        return
    if not any(out.iterdir()):
        return
    try:
        held = Request.model_validate_json((out / REQUEST_FILE).read_bytes())
    except (OSError, ValidationError):
        yield Problem(field, "it is there already, and holds no portfolio", fix)
        return
    differing = [] if request is None else list(_differing(held, request))
    if differing:
        yield Problem(field, f"it holds another portfolio: {', '.join(differing)}", fix)


def _differing(held: Request, wanted: Request) -> Iterator[str]:
    was, now = (_flat(request) for request in (held, wanted))
    for name in now:
        if was[name] != now[name]:
            # A hash says nothing to people.
            told = "other parameters of the scenario", f"{name} {was[name]}, not {now[name]}"
            yield told[name != "parameters"]


def _flat(request: Request) -> dict[str, Any]:
    content = request.model_dump(exclude={"volumes", "packages"})
    return content | request.volumes.model_dump() | request.packages


@contextmanager
def claimed(out: Path, request: Request, tables: tuple[Table, ...] = TABLES) -> Iterator[Path]:
    """Make a folder that of a request, for this process alone; give the folder for its parts.

    That is the folder itself or, for another form than Parquet, a hidden one in it. What databases want to know of the
    tables is put beside the parts, as `synthcredit.stores.read_folder` looks for it.

    Raises
    ------
    StorageError
        It cannot be written to.
    ConflictError
        Another process is at work in it.
    """
    # Comes with the extra [cli]: who only wants the types of columns, as the image does, has it not.
    from filelock import FileLock, Timeout

    parts = out if request.format == PARQUET else out / _PARTS
    with _refusals(out):
        parts.mkdir(parents=True, exist_ok=True)
        _write(out / REQUEST_FILE, request.model_dump_json(indent=1))
        _write(parts / SCHEMA_FILE, dataset_schema(tables).model_dump_json(indent=1))
        _write(parts / TYPES_FILE, json.dumps(sql_types(tables), indent=1))
    lock = FileLock(out / _LOCK)
    try:
        with lock.acquire(timeout=0):
            yield parts
            with suppress(OSError):
                (out / _LOCK).unlink()
    except Timeout:
        raise ConflictError(
            Problem(f"--out {out}", "another process is at work in it", "Wait for it to end, or name another folder.")
        ) from None


def convert(parts: Path, out: Path, form: str, tables: Sequence[Table], progress: Progress) -> int:
    """Turn the parts of each table into one file, ``out/<table>.<form>``; one that is there is whole, and stays.

    Returns
    -------
    int
        Bytes of all files.

    Raises
    ------
    StorageError
        The disk is full or read-only. Files that are there are whole.
    """
    size = 0
    for number, table in enumerate(tables):
        path = out / f"{table.name}.{form}"
        progress(number / len(tables), path.name)
        if not path.exists():
            write_tables(sorted((parts / table.name).glob("*.parquet")), table.schema, form, path)
        size += path.stat().st_size
    progress(1.0, f"{len(tables)} files")
    return size


def sql_types(tables: tuple[Table, ...] = TABLES) -> dict[str, dict[str, dict[str, str]]]:
    """Return the exact SQL type of every column by table and column, as `synthcredit.stores` takes them.

    The one place where what a `Field` says of SQL becomes what a database is told. ``created_at`` has the time of the
    insert as its default, for rows that somebody adds later.
    """
    return {
        table.name: {
            field.name: {"type": field.sql} | ({"default": "current_timestamp"} if field.name == "created_at" else {})
            for field in table.fields
        }
        for table in tables
    }


def _write(path: Path, text: str) -> None:
    # Whole or not at all: by this file an interrupted run is known again.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _refusals(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "the disk refused the write"
        raise StorageError(Problem(f"output {out.name}", reason, "Choose a folder that can be written to.")) from error

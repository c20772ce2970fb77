"""The folder of rows that rules made: whose request it holds, so that an interrupted one goes on, and its SQL types."""

from __future__ import annotations

import hashlib
import json
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from synthcredit.datasets.schema import DatasetSchema
from synthcredit.errors import ConflictError, Problem, StorageError

PARQUET = "parquet"
SCHEMA_FILE = "schema.json"
"""Beside the tables: their schemas and relations, as `DatasetSchema` writes them."""
TYPES_FILE = "sql_types.json"
"""Beside it, where columns have exact SQL types: ``{"table": {"column": {"type": "varchar(50)"}}}``."""
SqlTypes = Mapping[str, Mapping[str, Mapping[str, str]]]
"""By table and column, as `synthcredit.stores` takes them."""
DECISIVE = ("numpy", "pyarrow", "synthcredit")
"""With other versions of these the bytes may be others."""
_PARTS = ".parts"
_LOCK = ".lock"


class Request(BaseModel):
    """What a folder holds, or is going to: equal requests make equal files. Each kind of rows has its own fields.

    One of them is ``format``, the others tell what the rows follow from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: ClassVar[str]
    """By which a folder is known."""
    nothing: ClassVar[str]
    """What a folder of others is said to hold: ``no portfolio``."""
    another: ClassVar[str]
    """What a folder of another request of this kind is said to hold: ``another portfolio``."""
    hashes: ClassVar[Mapping[str, str]]
    """What is said where the hashes of these fields differ: a hash says nothing to people."""

    @abstractmethod
    def told(self) -> dict[str, Any]:
        """Return what tells this request from others, by the names that people have for it."""

    @property
    def digest(self) -> str:
        """SHA-256 of the request but for its format, in hex: equal requests have equal rows."""
        return hashlib.sha256(self.model_dump_json(exclude={"format"}).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Content:
    """What a folder is to hold: a request, the tables that answer it, and what databases want to know of them."""

    request: Request
    form: str
    """What the files are: ``parquet``, ``csv``, ``json`` or ``jsonl``."""
    tables: DatasetSchema
    types: SqlTypes


def problems(out: Path, kind: type[Request], request: Request | None) -> Iterator[Problem]:
    """Yield why a request cannot be made in a folder: it is none, or holds something else.

    ``request`` is None where it is wrong itself: then the folder is only looked at for whether it holds its kind.
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
        held = kind.model_validate_json((out / kind.file).read_bytes())
    except (OSError, ValidationError):
        yield Problem(field, f"it is there already, and holds {kind.nothing}", fix)
        return
    differing = [] if request is None else list(_differing(held, request))
    if differing:
        yield Problem(field, f"it holds {kind.another}: {', '.join(differing)}", fix)


def _differing(held: Request, wanted: Request) -> Iterator[str]:
    was, now = held.told(), wanted.told()
    for name in now:
        # What only one of them has follows from what differs as well.
        if name in was and was[name] != now[name]:
            yield wanted.hashes.get(name, f"{name} {was[name]}, not {now[name]}")


@contextmanager
def claimed(out: Path, content: Content) -> Iterator[Path]:
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

    request = content.request
    parts = out if content.form == PARQUET else out / _PARTS
    with _refusals(out):
        parts.mkdir(parents=True, exist_ok=True)
        _write(out / request.file, request.model_dump_json(indent=1))
        describe(parts, content.tables, content.types)
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


def describe(folder: Path, tables: DatasetSchema, types: SqlTypes) -> None:
    """Write what a database wants to know of tables: how they hang together, and their types in SQL."""
    _write(folder / SCHEMA_FILE, tables.model_dump_json(indent=1))
    _write(folder / TYPES_FILE, json.dumps(types, indent=1))


def _write(path: Path, text: str) -> None:
    # Whole or not at all: by such files an interrupted run is known again.
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

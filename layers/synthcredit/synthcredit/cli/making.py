"""What the verbs share that make rows by rules: they write parts, turn them into another form, and load a database.

What was interrupted goes on when the same command is given again: the folder knows whose request it holds.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from rich.table import Table

from synthcredit import console
from synthcredit.cli.stores import Store, fill, reach, show, shown_as_json
from synthcredit.errors import Problem

if TYPE_CHECKING:
    from synthcredit.datasets.folder import Content
    from synthcredit.datasets.shards import Progress, Written
    from synthcredit.stores import Summary


class Form(StrEnum):
    """What the files are."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


Format = Annotated[Form, typer.Option("--format", help="parquet, or one file a table: csv, json or jsonl.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; all processors.")]


class Write(Protocol):
    """Writes the parts that lack."""

    def __call__(self, out: Path, /, *, progress: Progress) -> Written:
        """Write to a folder."""


@dataclass(frozen=True, slots=True)
class Making:
    """Rows that are asked for, checked."""

    name: str
    """The verb's: in progress, and of the folders that nobody named."""
    content: Content
    write: Write
    out: Path | None
    """None where the rows go into a database alone."""
    store: Store


@dataclass(frozen=True, slots=True)
class _Made:
    """What came of it."""

    written: Written
    seconds: float
    """Until the files were written."""
    loaded: Summary | None


def placed(out: Path | None, name: str, form: Form, store: Store) -> tuple[Path | None, list[Problem]]:
    """Return where the files go, None where a database is all that is filled, and which options need others."""
    if store.to is None:
        problems = [
            Problem(option, "no database is named", "Name it: --to URL.")
            for option, given in (("--reset", store.reset), ("--yes", store.yes))
            if given
        ]
        return out or Path(name), problems
    if out is None and form is not Form.PARQUET:
        return out, [Problem("--format", "--to alone leaves no files", "Name a folder for them: --out FOLDER.")]
    return out, []


def make(making: Making, *, as_json: bool) -> None:
    """Make what is asked for, and say what came of it."""
    start = time.perf_counter()
    made = _make(making)
    shown = None if making.out is None else str(making.out)
    if as_json:
        seconds = time.perf_counter() - start
        told = {"out": shown, "rows": made.written.rows, "bytes": made.written.size, "seconds": seconds}
        loaded = {} if made.loaded is None else {"database": shown_as_json(made.loaded)}
        console.print_json(told | loaded)
    else:
        _print(made, making.name.capitalize(), shown)


def listed(title: str, *numbers: str) -> Table:
    """Return what is shown a table a line, with columns of numbers."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("table")
    for one in numbers:
        table.add_column(one, justify="right")
    return table


def _make(making: Making) -> _Made:
    """Write the parts, then the other form, then load; each goes on where it stopped."""
    from synthcredit import stores
    from synthcredit.datasets.folder import claimed
    from synthcredit.datasets.write import write_each

    request, store = making.content.request, making.store
    start = time.perf_counter()
    if store.to is not None:
        reach(store.to)
    # By the request's name: whoever was interrupted finds it again.
    out = making.out or Path(f".{making.name}-{request.digest[:12]}")
    with claimed(out, making.content) as parts:
        with console.progress() as listener:
            written = making.write(parts, progress=lambda done, message: listener(making.name, done, message))
            if parts != out:
                size = write_each(
                    parts, out, making.content.form, making.content.tables.tables,
                    lambda done, message: listener("format", done, message),
                )  # fmt: skip
                written = replace(written, size=size)
        seconds = time.perf_counter() - start
        loaded = None
        if store.to is not None:
            loaded = fill(store.to, stores.read_folder(parts), reset=store.reset, yes=store.yes)
        if parts != out:
            shutil.rmtree(parts, ignore_errors=True)
    if making.out is None:
        shutil.rmtree(out, ignore_errors=True)
    return _Made(written, seconds, loaded)


def _print(made: _Made, title: str, shown: str | None) -> None:
    table = listed(title, "rows")
    for name, rows in made.written.rows.items():
        table.add_row(name, f"{rows:,}")
    console.out.print(table)
    total = sum(made.written.rows.values())
    new = total - made.written.already
    speed = f"{made.seconds:.1f} s ({new / made.seconds:,.0f} rows/s)"
    if made.written.already:
        speed += f", {made.written.already:,} of them there before"
    where = f": {shown}" if shown else ""
    console.out.print(f"\n{total:,} rows, {made.written.size / 1e6:,.0f} MB in {speed}{where}", soft_wrap=True)
    if made.loaded is not None:
        show(made.loaded)

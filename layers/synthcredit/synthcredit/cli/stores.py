"""Databases: the options of the verbs that fill one, and the verb that loads a finished folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from synthcredit import console
from synthcredit.cli.common import AsJson, answering

if TYPE_CHECKING:
    from synthcredit.local.workflow import Store as JobStore
    from synthcredit.ports import Delivery
    from synthcredit.stores import StoredDataset, Summary

To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="URL",
        help="Also load the rows into a database: sqlite:///file.db, duckdb:///file.duckdb, mysql://, postgresql:// or "
        "snowflake:// URL, env for $DB_KIND, $DB_HOST ..., or secret:NAME.",
    ),
]
Reset = Annotated[bool, typer.Option("--reset", help="Drop the tables in the database first; asks before.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")]


@dataclass(frozen=True, slots=True)
class Store:
    """The database that options name."""

    to: str | None
    reset: bool
    yes: bool

    @property
    def asks(self) -> bool:
        """Whether somebody has to agree first: a question and a moving bar do not go together."""
        return self.reset and not self.yes


def load(
    folder: Annotated[Path, typer.Argument(help="A folder of results, delivered as Parquet.")],
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The database, as for `synthcredit run --to`.")],
    reset: Reset = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Load a finished folder of results into a database.

    A load that was interrupted goes on when the same command is given again; a finished one does nothing.

    For example:

      synthcredit load out/0123456789abcdef01234567 --to sqlite:///credit.db

      synthcredit load out/0123456789abcdef01234567 --to mysql://host/credit --reset
    """
    with answering(as_json):
        from synthcredit import stores

        summary = fill(to, stores.read_folder(folder), reset=reset, yes=yes)
        if as_json:
            console.print_json({"database": shown_as_json(summary)})
        else:
            show(summary)


def reach(to: str) -> None:
    """Make sure, before any work, that a database can be reached."""
    from synthcredit import stores

    stores.reach(to)


def fill(to: str, dataset: StoredDataset, *, reset: bool, yes: bool) -> Summary:
    """Deliver to a database, with progress; asks before anything is dropped."""
    from synthcredit import stores

    if not (reset and not yes):
        with console.progress() as listener:
            return stores.deliver(
                to, dataset, reset=reset, confirm=stores.yes,
                progress=lambda done, message: listener("load", done, message),
            )  # fmt: skip
    # A question and a moving bar do not go together.
    return stores.deliver(to, dataset, reset=True, confirm=_asked)


def as_step(store: Store) -> tuple[JobStore | None, list[Summary]]:
    """Return a database as a job takes it, and the list into which what became of it is put."""
    from synthcredit import stores
    from synthcredit.local.workflow import Store as JobStore

    found: list[Summary] = []
    if store.to is None:
        return None, found

    def deliver(to: str, tables: Delivery, *, progress: Callable[[float, str], None]) -> Summary:
        confirm = stores.yes if store.yes else _asked
        found.append(stores.deliver_tables(to, tables, reset=store.reset, confirm=confirm, progress=progress))
        return found[-1]

    return JobStore(store.to, deliver), found


def show(summary: Summary) -> None:
    """Show what became of a delivery."""
    for table in summary.tables:
        before = f", {table.already:,} were there" if table.already else ""
        console.out.print(f"{escape(table.name)}: {table.rows:,} rows loaded{before}", soft_wrap=True)
    console.out.print(f"[bold green]LOADED[/bold green] into {escape(summary.store)}", soft_wrap=True)


def shown_as_json(summary: Summary) -> dict[str, Any]:
    """Return what a program wants to know of a delivery."""
    tables = {table.name: {"rows": table.rows, "already": table.already} for table in summary.tables}
    return {"store": summary.store, "tables": tables}


def _asked(store: str, tables: Mapping[str, int]) -> bool:
    if not sys.stdin.isatty():
        return False
    listed = ", ".join(f"{name} ({rows:,} rows)" for name, rows in tables.items())
    return typer.confirm(f"Drop {listed} in {store}?", err=True)

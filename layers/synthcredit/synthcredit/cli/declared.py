"""The verb that makes rows of declared tables, without any data."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from synthcredit import console
from synthcredit.cli.common import AsJson, Seed, answering
from synthcredit.errors import InvalidInputError, Problem, raise_all

if TYPE_CHECKING:
    from synthcredit.datasets.shards import Written
    from synthcredit.declared.made import DeclaredRows

Rows = Annotated[
    list[str] | None,
    typer.Option(
        "--rows",
        "-n",
        metavar="[TABLE=]N",
        help="Rows of a table that belongs to none, if not as many as declared; may be repeated. N alone where there "
        "is one such table.",
    ),
]
OutFolder = Annotated[Path, typer.Option("--out", "-o", help="A folder, empty or new: one folder a table in it.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; all processors.")]


def declared(
    declaration: Annotated[Path, typer.Argument(metavar="FILE", help="The declaration: YAML or JSON.")],
    rows: Rows = None,
    out_path: OutFolder = Path("declared"),
    seed: Seed = 0,
    check: Annotated[bool, typer.Option("--check", help="Only check the declaration, and tell how many rows.")] = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Make rows of declared tables, without any data: types, shares, keys, relations and ledgers as a file says.

    For example:

      synthcredit declared accounts.yaml --check

      synthcredit declared accounts.yaml --rows 100000 --out accounts

      synthcredit declared bank.yaml --rows customers=100000 --rows branches=40 --out bank
    """
    with answering(as_json):
        made = _made(declaration, rows or [], seed, None if check else out_path)
        if check:
            _tell(made, as_json=as_json)
            return
        start = time.perf_counter()
        with console.progress() as listener:
            written = made.write(
                out_path,
                workers=workers or os.cpu_count() or 1,
                progress=lambda done, message: listener("rows", done, message),
            )
        seconds = time.perf_counter() - start
        if as_json:
            console.print_json({"out": str(out_path), "rows": written.rows, "bytes": written.size, "seconds": seconds})
        else:
            _print(written, out_path, seconds)


def _made(path: Path, rows: list[str], seed: int, out: Path | None) -> DeclaredRows:
    from synthcredit.declared.made import declared_rows
    from synthcredit.declared.reading import load

    problems: list[Problem] = []
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        problems.append(Problem(f"--out {out}", "it is there already", "Name a folder that is new or empty."))
    try:
        found = load(path)
        wanted = _volumes(rows, [name for name, table in found.tables.items() if table.rows is not None])
        made = declared_rows(found, seed, wanted)
    except InvalidInputError as error:
        raise InvalidInputError([*error.problems, *problems]) from None
    raise_all(problems)
    return made


def _volumes(given: list[str], roots: list[str]) -> dict[str, int]:
    """Return rows by table from ``N`` or ``TABLE=N``."""
    found: dict[str, int] = {}
    problems = []
    for one in given:
        table, sign, count = one.rpartition("=")
        if not count.isdecimal():
            problems.append(Problem(f"--rows {one}", "it is no number", "Write N, or TABLE=N."))
        elif not sign and len(roots) > 1:
            fix = f"Write TABLE=N; tables: {', '.join(roots)}."
            problems.append(Problem(f"--rows {one}", "it does not say of which table", fix))
        else:
            found[table or roots[0]] = int(count)
    raise_all(problems)
    return found


def _tell(made: DeclaredRows, *, as_json: bool) -> None:
    rows = {name: round(made.plan.expected_rows(name)) for name in made.plan.tables}
    if as_json:
        console.print_json({"declaration": made.plan.declaration.name, "expected_rows": rows, "shards": made.shards})
        return
    table = _listed("Declared", "columns", "about rows")
    for name, count in rows.items():
        table.add_row(name, f"{len(made.plan.tables[name].columns):,}", f"{count:,}")
    console.out.print(table)
    console.out.print("\nNothing contradicts anything. Without --check the rows are made.")


def _listed(title: str, *numbers: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("table")
    for one in numbers:
        table.add_column(one, justify="right")
    return table


def _print(written: Written, out: Path, seconds: float) -> None:
    table = _listed("Declared", "rows")
    for name, rows in written.rows.items():
        table.add_row(name, f"{rows:,}")
    console.out.print(table)
    total = sum(written.rows.values())
    console.out.print(
        f"\n{total:,} rows, {written.size / 1e6:,.1f} MB in {seconds:.1f} s ({total / seconds:,.0f} rows/s): {out}",
        soft_wrap=True,
    )

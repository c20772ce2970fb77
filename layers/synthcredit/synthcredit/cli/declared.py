"""The verb that makes rows of declared tables, without any data."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthcredit import console
from synthcredit.cli.common import AsJson, Seed, answering
from synthcredit.cli.making import Form, Format, Making, Workers, listed, make, placed
from synthcredit.cli.stores import Reset, Store, To, Yes
from synthcredit.errors import InvalidInputError, Problem, raise_all

if TYPE_CHECKING:
    from synthcredit.declared.made import DeclaredRows

_NAME = "declared"

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
OutFolder = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o",
        help="A folder, new, empty or of the same options before: one folder of parts a table, or one file. Default: "
        "declared; no files with --to alone.",
    ),
]  # fmt: skip


def declared(
    declaration: Annotated[Path, typer.Argument(metavar="FILE", help="The declaration: YAML or JSON.")],
    rows: Rows = None,
    out_path: OutFolder = None,
    seed: Seed = 0,
    check: Annotated[bool, typer.Option("--check", help="Only check the declaration, and tell how many rows.")] = False,
    form: Format = Form.PARQUET,
    to: To = None,
    reset: Reset = False,
    yes: Yes = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Make rows of declared tables, without any data: types, shares, keys, relations and ledgers as a file says.

    What was interrupted, making files or loading a database, goes on when the same command is given again.

    For example:

      synthcredit declared accounts.yaml --check

      synthcredit declared accounts.yaml --rows 100000 --out accounts

      synthcredit declared bank.yaml --rows customers=100000 --rows branches=40 --to mysql://host/credit
    """
    with answering(as_json):
        place, problems = placed(out_path, _NAME, form, store := Store(to, reset, yes))
        made = _checked(declaration, rows or [], seed, form, None if check else place, problems)
        if check:
            _tell(made, as_json=as_json)
            return
        from synthcredit.declared.folder import content_of

        write = partial(made.write, workers=workers or os.cpu_count() or 1, resume=True)
        make(Making(_NAME, content_of(made, form), write, place, store), as_json=as_json)


def _checked(
    path: Path, rows: list[str], seed: int, form: Form, place: Path | None, problems: list[Problem]
) -> DeclaredRows:
    """Return the rows of a declaration, unless something is wrong with it, with the folder or with an option."""
    from synthcredit.datasets.folder import problems as in_folder
    from synthcredit.declared.folder import Request, request_of

    made = request = None
    found: list[Problem] = []
    try:
        made = _made(path, rows, seed)
        request = request_of(made, form)
    except InvalidInputError as error:
        found += error.problems
    if place is not None:
        problems = [*problems, *in_folder(place, Request, request)]
    raise_all([*found, *problems])
    assert made is not None  # noqa: S101 - else there were problems
    return made


def _made(path: Path, rows: list[str], seed: int) -> DeclaredRows:
    from synthcredit.declared.made import declared_rows
    from synthcredit.declared.reading import load

    found = load(path)
    wanted = _volumes(rows, [name for name, table in found.tables.items() if table.rows is not None])
    return declared_rows(found, seed, wanted)


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
    table = listed("Declared", "columns", "about rows")
    for name, count in rows.items():
        table.add_row(name, f"{len(made.plan.tables[name].columns):,}", f"{count:,}")
    console.out.print(table)
    console.out.print("\nNothing contradicts anything. Without --check the rows are made.")

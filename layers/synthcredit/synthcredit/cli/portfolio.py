"""The verb that makes a whole credit book from nothing."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from synthcredit import console
from synthcredit.cli.common import AsJson, Seed, answering
from synthcredit.cli.stores import Reset, Store, To, Yes, fill, reach, show, shown_as_json
from synthcredit.errors import InvalidInputError, Problem

if TYPE_CHECKING:
    from synthcredit.portfolio.folder import Request
    from synthcredit.portfolio.scenario import Scenario
    from synthcredit.portfolio.write import Written
    from synthcredit.stores import Summary


class Form(StrEnum):
    """What the files are."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


Customers = Annotated[int, typer.Option("--customers", "-n", help="How many customers.")]
ScenarioName = Annotated[
    str,
    typer.Option("--scenario", help="baseline, downturn, rapid_growth, thin_file, or a YAML file of your own."),
]
OutFolder = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o",
        help="A folder, new, empty or of the same options before: one folder of parts a table, or one file. Default: "
        "portfolio; no files with --to alone.",
    ),
]  # fmt: skip
Answers = Annotated[
    list[str] | None,
    typer.Option(
        "--answers",
        help="Answer keys to make as well, with the scenario's parameters: reject_inference, drift or fairness. "
        "Repeatable.",
    ),
]
Format = Annotated[Form, typer.Option("--format", help="parquet, or one file a table: csv, json or jsonl.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; all processors.")]


def portfolio(
    customers: Customers = 1_000,
    scenario: ScenarioName = "baseline",
    out_path: OutFolder = None,
    seed: Seed = 0,
    records: Annotated[int, typer.Option("--records", help="Financial records a customer.")] = 5,
    applications: Annotated[int, typer.Option("--applications", help="Loan applications a customer.")] = 2,
    history: Annotated[int, typer.Option("--history", help="Credit history entries a customer.")] = 10,
    market_points: Annotated[int, typer.Option("--market-points", help="Rows of market data in all.")] = 100,
    answers: Answers = None,
    form: Format = Form.PARQUET,
    to: To = None,
    reset: Reset = False,
    yes: Yes = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Make a simulated lender's whole book: customers, loans, ledgers, market data, and the answer key.

    What was interrupted, making files or loading a database, goes on when the same command is given again.

    For example:

      synthcredit portfolio --customers 100000 --scenario downturn --out book

      synthcredit portfolio --customers 100000 --to mysql://host/credit
    """
    with answering(as_json):
        start = time.perf_counter()
        wanted = {
            "customers": customers,
            "records": records,
            "applications": applications,
            "history": history,
            "market_points": market_points,
        }
        asked = _asked(wanted, scenario, answers or [], seed, out_path, form, Store(to, reset, yes))
        made = _make(asked, workers=workers or os.cpu_count() or 1)
        if as_json:
            seconds = time.perf_counter() - start
            told = {"out": made.shown, "rows": made.written.rows, "bytes": made.written.size, "seconds": seconds}
            loaded = {} if made.loaded is None else {"database": shown_as_json(made.loaded)}
            console.print_json(told | loaded)
        else:
            _print(made)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked, checked."""

    scenario: Scenario
    request: Request
    out: Path | None
    """None where the rows go into a database alone."""
    store: Store


@dataclass(frozen=True, slots=True)
class _Made:
    """What came of it."""

    written: Written
    seconds: float
    """Until the files were written."""
    shown: str | None
    loaded: Summary | None


def _asked(
    wanted: dict[str, int], scenario: str, answers: list[str], seed: int, out: Path | None, form: Form, store: Store
) -> _Asked:
    from pydantic import ValidationError

    from synthcredit.errors import from_validation, raise_all
    from synthcredit.portfolio import folder
    from synthcredit.portfolio.book import Volumes
    from synthcredit.portfolio.scenario import ANSWERS, load, unknown_answers, with_answers

    problems: list[Problem] = []
    volumes = parameters = request = None
    try:
        volumes = Volumes.model_validate(wanted)
    except ValidationError as error:
        problems += from_validation(error, "volumes").problems
    problems += unknown_answers(answers)
    try:
        parameters = with_answers(load(scenario), [name for name in answers if name in ANSWERS])
    except InvalidInputError as error:
        problems += error.problems
    if seed < 0:
        problems.append(Problem("--seed", "it is below 0", "Give 0 or more."))
    if store.to is None:
        out = out or Path("portfolio")
        problems += [
            Problem(option, "no database is named", "Name it: --to URL.")
            for option, given in (("--reset", store.reset), ("--yes", store.yes))
            if given
        ]
    elif out is None and form is not Form.PARQUET:
        problems.append(Problem("--format", "--to alone leaves no files", "Name a folder for them: --out FOLDER."))
    if volumes is not None and parameters is not None:
        request = folder.request_of(parameters, volumes, seed, form.value)
    if out is not None:
        problems += folder.problems(out, request)
    raise_all(problems)
    assert request is not None  # noqa: S101 - else there were problems
    assert parameters is not None  # noqa: S101
    return _Asked(parameters, request, out, store)


def _make(asked: _Asked, workers: int) -> _Made:
    """Write the parts, then the other form, then load; each goes on where it stopped."""
    from synthcredit import stores
    from synthcredit.portfolio import folder
    from synthcredit.portfolio.tables import tables_of
    from synthcredit.portfolio.write import write

    request, store = asked.request, asked.store
    start = time.perf_counter()
    if store.to is not None:
        reach(store.to)
    # By the request's name: whoever was interrupted finds it again.
    out = asked.out or Path(f".portfolio-{request.digest[:12]}")
    tables = tables_of(asked.scenario)
    with folder.claimed(out, request, tables) as parts:
        with console.progress() as listener:
            written = write(
                asked.scenario, request.volumes, request.seed, parts, workers=workers, resume=True,
                progress=lambda done, message: listener("portfolio", done, message),
            )  # fmt: skip
            if parts != out:
                size = folder.convert(
                    parts, out, request.format, tables, lambda done, message: listener("format", done, message)
                )
                written = replace(written, size=size)
        seconds = time.perf_counter() - start
        loaded = None
        if store.to is not None:
            loaded = fill(store.to, stores.read_folder(parts), reset=store.reset, yes=store.yes)
        if parts != out:
            shutil.rmtree(parts, ignore_errors=True)
    if asked.out is None:
        shutil.rmtree(out, ignore_errors=True)
    return _Made(written, seconds, None if asked.out is None else str(asked.out), loaded)


def _print(made: _Made) -> None:
    table = Table(title="Portfolio", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("table")
    table.add_column("rows", justify="right")
    for name, rows in made.written.rows.items():
        table.add_row(name, f"{rows:,}")
    console.out.print(table)
    total = sum(made.written.rows.values())
    speed = f"{made.seconds:.1f} s ({total / made.seconds:,.0f} rows/s)"
    where = f": {made.shown}" if made.shown else ""
    console.out.print(f"\n{total:,} rows, {made.written.size / 1e6:,.0f} MB in {speed}{where}", soft_wrap=True)
    if made.loaded is not None:
        show(made.loaded)

"""The verb that makes a whole credit book from nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from synthcredit import console
from synthcredit.cli.common import AsJson, Seed, answering
from synthcredit.errors import InvalidInputError, Problem

if TYPE_CHECKING:
    from synthcredit.portfolio.write import Written

Customers = Annotated[int, typer.Option("--customers", "-n", help="How many customers.")]
ScenarioName = Annotated[
    str,
    typer.Option("--scenario", help="baseline, downturn, rapid_growth, thin_file, or a YAML file of your own."),
]
OutFolder = Annotated[Path, typer.Option("--out", "-o", help="A folder, empty or new: one folder a table in it.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; all processors.")]


def portfolio(
    customers: Customers = 1_000,
    scenario: ScenarioName = "baseline",
    out_path: OutFolder = Path("portfolio"),
    seed: Seed = 0,
    records: Annotated[int, typer.Option("--records", help="Financial records a customer.")] = 5,
    applications: Annotated[int, typer.Option("--applications", help="Loan applications a customer.")] = 2,
    history: Annotated[int, typer.Option("--history", help="Credit history entries a customer.")] = 10,
    market_points: Annotated[int, typer.Option("--market-points", help="Rows of market data in all.")] = 100,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Make a simulated lender's whole book: customers, loans, ledgers, market data, and the answer key.

    Example:

      synthcredit portfolio --customers 100000 --scenario downturn --out book
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
        written = _write(wanted, scenario, out_path, seed, workers or os.cpu_count() or 1)
        seconds = time.perf_counter() - start
        if as_json:
            console.print_json({"out": str(out_path), "rows": written.rows, "bytes": written.size, "seconds": seconds})
        else:
            _print(written, out_path, seconds)


def _write(wanted: dict[str, int], scenario: str, out: Path, seed: int, workers: int) -> Written:
    from pydantic import ValidationError

    from synthcredit.errors import from_validation, raise_all
    from synthcredit.portfolio.book import Volumes
    from synthcredit.portfolio.scenario import load
    from synthcredit.portfolio.write import write

    problems: list[Problem] = []
    try:
        volumes = Volumes.model_validate(wanted)
    except ValidationError as error:
        problems += from_validation(error, "volumes").problems
    try:
        parameters = load(scenario)
    except InvalidInputError as error:
        problems += error.problems
    if seed < 0:
        problems.append(Problem("--seed", "it is below 0", "Give 0 or more."))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        problems.append(Problem(f"--out {out}", "it is there already", "Name a folder that is new or empty."))
    raise_all(problems)
    with console.progress() as listener:
        return write(
            parameters,
            volumes,
            seed,
            out,
            workers=workers,
            progress=lambda done, message: listener("portfolio", done, message),
        )


def _print(written: Written, out: Path, seconds: float) -> None:
    table = Table(title="Portfolio", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("table")
    table.add_column("rows", justify="right")
    for name, rows in written.rows.items():
        table.add_row(name, f"{rows:,}")
    console.out.print(table)
    total = sum(written.rows.values())
    console.out.print(
        f"\n{total:,} rows, {written.size / 1e6:,.0f} MB in {seconds:.1f} s ({total / seconds:,.0f} rows/s): {out}",
        soft_wrap=True,
    )

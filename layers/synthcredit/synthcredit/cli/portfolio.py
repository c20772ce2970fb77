"""The verb that makes a whole credit book from nothing."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from synthcredit.cli.common import AsJson, Seed, answering
from synthcredit.cli.making import Form, Format, Making, Workers, make, placed
from synthcredit.cli.stores import Reset, Store, To, Yes
from synthcredit.errors import InvalidInputError, Problem

_NAME = "portfolio"
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
        wanted = {
            "customers": customers,
            "records": records,
            "applications": applications,
            "history": history,
            "market_points": market_points,
        }
        store = Store(to, reset, yes)
        asked = _asked(wanted, scenario, answers or [], seed, out_path, form, store, workers or os.cpu_count() or 1)
        make(asked, as_json=as_json)


def _asked(
    wanted: dict[str, int],
    scenario: str,
    answers: list[str],
    seed: int,
    out: Path | None,
    form: Form,
    store: Store,
    workers: int,
) -> Making:
    from pydantic import ValidationError

    from synthcredit.datasets.folder import problems as in_folder
    from synthcredit.errors import from_validation, raise_all
    from synthcredit.portfolio import folder
    from synthcredit.portfolio.book import Volumes
    from synthcredit.portfolio.scenario import ANSWERS, load, unknown_answers, with_answers
    from synthcredit.portfolio.tables import tables_of
    from synthcredit.portfolio.write import write

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
    place, wrong = placed(out, _NAME, form, store)
    problems += wrong
    if volumes is not None and parameters is not None:
        request = folder.request_of(parameters, volumes, seed, form.value)
    if place is not None:
        problems += in_folder(place, folder.Request, request)
    raise_all(problems)
    assert request is not None  # noqa: S101 - else there were problems
    assert volumes is not None  # noqa: S101
    assert parameters is not None  # noqa: S101
    return Making(
        _NAME,
        folder.content_of(request, tables_of(parameters)),
        partial(write, parameters, volumes, seed, workers=workers, resume=True),
        place,
        store,
    )

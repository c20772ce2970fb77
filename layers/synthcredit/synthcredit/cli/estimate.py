"""The verb that tells what a request would take, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from synthcredit import console
from synthcredit.cli.common import (
    AsJson,
    AskedRows,
    Customers,
    Data,
    DeclarationFile,
    Deliver,
    Home,
    Portfolio,
    Request,
    Setting,
    Synthesizer,
    Target,
    answering,
    request_body,
)
from synthcredit.evidence.model import Level

if TYPE_CHECKING:
    from synthcredit.usecases.estimate import Estimate

MaxCost = Annotated[float, typer.Option("--max-cost", min=0, help="Refuse what costs more, in US dollars.")]
Machines = Annotated[int, typer.Option("--machines", min=1, help="SageMaker machines that generate, at most.")]


def estimate(
    request: Request = None,
    data: Data = None,
    target: Target = None,
    synthesizer: Synthesizer = "trees",
    rows: AskedRows = None,
    portfolio: Portfolio = None,
    customers: Customers = None,
    declaration: DeclarationFile = None,
    setting: Setting = None,
    deliver: Deliver = None,
    machines: Machines = 4,
    max_cost: MaxCost = 50.0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tell rows, bytes, time and cost of a request on AWS, at list prices, before anything starts.

    For example:

      synthcredit estimate --portfolio baseline --customers 1000000

      synthcredit estimate --data applicants.csv --target default --rows 1000000
    """
    with answering(as_json):
        from synthcredit import api
        from synthcredit.jobs.placement import Limits

        body = request_body(
            request, data=data, target=target, synthesizer=synthesizer, rows=rows, seed=0, holdout=None, schema=None,
            setting=setting, deliver=deliver, profile=None, evidence=Level.STANDARD, max_tstr_loss=None, retrain=False,
            conditions={}, portfolio=portfolio, customers=customers, declaration=declaration,
        )  # fmt: skip
        limits = Limits(processing_instances=machines, max_cost_usd=max_cost)
        found = api.estimate(body, limits=limits, home=home)
        if as_json:
            console.print_json(found.model_dump(mode="json"))
        else:
            _print(found)


def _print(found: Estimate) -> None:
    for name, rows in found.tables.items():
        console.out.print(f"{rows:>16,}  {name}")
    console.out.print(f"{found.rows:>16,}  rows in all, about {found.bytes / 1e6:,.0f} MB as Parquet\n")
    table = Table(title="On AWS", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("step", "where", "why"):
        table.add_column(name)
    for step in found.steps:
        table.add_row(step.step, step.where, escape(step.why))
    console.out.print(table)
    console.out.print(f"\nAbout {found.seconds:,.0f} s and ${found.cost_usd:,.4f} in all, at list prices.")
    for note in found.notes:
        console.out.print(f"Note: {escape(note)}", soft_wrap=True)

"""The tables of the portfolio. Each has a file of its own, and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from synthcredit.datasets.schema import DatasetSchema, Relation
from synthcredit.portfolio import drift, fairness, reject_inference
from synthcredit.portfolio.scenario import Scenario
from synthcredit.portfolio.spec import Table

MODULES = (
    "customers",
    "financial_records",
    "loan_applications",
    "credit_history",
    "market_data",
    "loans",
    "installments",
    "impairments",
    "transactions",
    "campaigns",
    "campaign_events",
    "true_outcomes",
)
"""The modules of this package whose ``TABLE`` is made, parents before children: one line registers one."""


def _table(module: str) -> Table:
    found = import_module(f"{__package__}.{module}").TABLE
    assert isinstance(found, Table)  # noqa: S101 - what a module of `MODULES` has
    return found


TABLES: tuple[Table, ...] = tuple(map(_table, MODULES))
"""The tables that every book has."""

ANSWERS: Mapping[str, tuple[Table, ...]] = {
    "reject_inference": (reject_inference.AT_RANDOM, reject_inference.NOT_AT_RANDOM, reject_inference.KEY),
    "drift": (drift.TABLE,),
    "fairness": (fairness.PAIRS, fairness.KEY),
}
"""What is made more where the scenario wants it, by section of its ``answers``."""

EVERY = (*TABLES, *(one for some in ANSWERS.values() for one in some))
"""All tables that there can be, parents before children."""

BASIC = ("customers", "financial_records", "loan_applications", "credit_history", "market_data")
"""The five tables that the usual script makes."""


def table(name: str) -> Table:
    """Return a table by name."""
    return next(one for one in EVERY if one.name == name)


def tables_of(scenario: Scenario) -> tuple[Table, ...]:
    """Return the tables of a book: all of `TABLES`, and the answer keys that the scenario wants."""
    more = [some for name, some in ANSWERS.items() if getattr(scenario.answers, name).wanted]
    return (*TABLES, *(one for some in more for one in some))


@cache
def dataset_schema(tables: tuple[Table, ...] = TABLES) -> DatasetSchema:
    """Return tables with their keys and relations, as the rest of synthcredit knows datasets."""
    return DatasetSchema(
        tables=tuple(one.schema for one in tables),
        relations=tuple(
            Relation(parent=parent, child=one.name, foreign_key=column)
            for one in tables
            for column, parent in one.parents.items()
        ),
    )

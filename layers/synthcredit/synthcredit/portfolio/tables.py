"""The tables of the portfolio. One line registers one; each has a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from synthcredit.datasets.schema import DatasetSchema, Relation
from synthcredit.portfolio import (
    campaign_events,
    campaigns,
    credit_history,
    customers,
    drift,
    fairness,
    financial_records,
    impairments,
    installments,
    loan_applications,
    loans,
    market_data,
    reject_inference,
    transactions,
    true_outcomes,
)
from synthcredit.portfolio.scenario import Scenario
from synthcredit.portfolio.spec import Table

TABLES: tuple[Table, ...] = (
    customers.TABLE,
    financial_records.TABLE,
    loan_applications.TABLE,
    credit_history.TABLE,
    market_data.TABLE,
    loans.TABLE,
    installments.TABLE,
    impairments.TABLE,
    transactions.TABLE,
    campaigns.TABLE,
    campaign_events.TABLE,
    true_outcomes.TABLE,
)
"""Parents before children."""

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

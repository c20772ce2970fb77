"""The tables of the portfolio. One line registers one; each has a file of its own."""

from __future__ import annotations

from functools import cache

from synthcredit.datasets.schema import DatasetSchema, Relation
from synthcredit.portfolio import (
    campaign_events,
    campaigns,
    credit_history,
    customers,
    financial_records,
    impairments,
    installments,
    loan_applications,
    loans,
    market_data,
    transactions,
    true_outcomes,
)
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

BASIC = ("customers", "financial_records", "loan_applications", "credit_history", "market_data")
"""The five tables that the usual script makes."""


def table(name: str) -> Table:
    """Return a table by name."""
    return next(one for one in TABLES if one.name == name)


@cache
def dataset_schema() -> DatasetSchema:
    """Return all tables with their keys and relations, as the rest of synthcredit knows datasets."""
    return DatasetSchema(
        tables=tuple(one.schema for one in TABLES),
        relations=tuple(
            Relation(parent=parent, child=one.name, foreign_key=column)
            for one in TABLES
            for column, parent in one.parents.items()
        ),
    )

from __future__ import annotations

import copy
from typing import Any

import pyarrow as pa
import pytest

from synthcredit.datasets import fromnumpy
from synthcredit.declared.made import DeclaredRows, declared_rows
from synthcredit.declared.reading import parse

# One of everything: two uppermost tables, a child and a grandchild, and every kind of column and rule.
BANK: dict[str, Any] = {
    "name": "bank",
    "tables": {
        "branches": {
            "rows": 7,
            "columns": {
                "branch_id": {"type": "key"},
                "town": {"type": "text", "categories": ["Mitte", "Nord", "Süd"]},
                "opened": {"type": "timestamp", "minimum": "1990-01-01T08:00:00", "maximum": "2005-12-31T18:00:00"},
            },
        },
        "customers": {
            "rows": 400,
            "columns": {
                "customer_id": {"type": "key", "format": "C{:06d}"},
                "branch_id": {"type": "foreign_key", "of": "branches", "missing": 0.1},
                "name": {"type": "text", "fake": "full_name"},
                "email": {"type": "text", "fake": "email"},
                "segment": {"type": "text", "categories": {"retail": 0.7, "private": 0.3}},
                "active": {"type": "boolean", "share": 0.8, "missing": 0.05},
                "joined": {"type": "date", "minimum": "2015-01-01", "maximum": "2020-12-31"},
                "left": {"type": "date", "minimum": "2015-06-01", "maximum": "2024-12-31"},
                "rating": {"type": "integer", "categories": {1: 0.5, 2: 0.3, 5: 0.2}},
                "lottery": {"type": "integer", "minimum": 1000, "maximum": 1999},
                "net": {
                    "type": "number", "minimum": 0, "maximum": 90000, "missing": 0.1,
                    "distribution": {"kind": "lognormal", "median": 2500, "spread": 0.5},
                },
                "tax": {"type": "number"},
                "gross": {"type": "number"},
                "note": {"type": "text", "fake": "sentence"},
                "card": {"type": "text", "format": "CARD-{:05d}"},
                "money": {"type": "number", "decimals": 2},
            },
            "rules": [
                {"kind": "order", "columns": ["joined", "left"], "strict": True},
                {"kind": "nulls", "column": "left", "when": {"segment": ["private"]}},
                {"kind": "unique", "columns": ["lottery"]},
                {"kind": "unique", "columns": ["email"]},
                {"kind": "unique", "columns": ["card"]},
                {"kind": "formula", "column": "tax", "terms": {"net": 0.19}},
                {"kind": "formula", "column": "gross", "terms": {"net": 1, "tax": 1}},
                {"kind": "sum_of_children", "column": "money", "table": "accounts", "of": "opening"},
            ],
        },
        "accounts": {
            "belongs_to": {"table": "customers", "children": {"kind": "range", "minimum": 0, "maximum": 3}},
            "columns": {
                "account_id": {"type": "key", "format": "{parent}-{:02d}"},
                "customer_id": {"type": "foreign_key", "of": "customers"},
                "segment": {"type": "inherited", "of": "customers.segment"},
                "product": {"type": "text", "categories": ["giro", "savings", "loan"]},
                "opening": {"type": "number", "minimum": -100.5, "maximum": 900.25},
                "flagged": {
                    "type": "boolean",
                    "given": {"column": "customers.segment", "shares": {"retail": 0.1, "private": 0.6}},
                },
            },
            "rules": [{"kind": "unique", "columns": ["customer_id", "product"]}],
        },
        "bookings": {
            "belongs_to": {"table": "accounts", "children": {"kind": "poisson", "mean": 6}},
            "columns": {
                "booking_id": {"type": "key", "format": "{uuid}"},
                "account_id": {"type": "foreign_key", "of": "accounts"},
                "customer_id": {"type": "foreign_key", "of": "customers"},
                "booked": {"type": "timestamp", "minimum": "2021-01-01T00:00:00", "maximum": "2022-12-31T23:59:59"},
                "valued": {"type": "date", "minimum": "2021-01-01", "maximum": "2023-01-31"},
                "side": {"type": "text", "categories": {"credit": 0.4, "debit": 0.6}},
                "kind": {
                    "type": "text",
                    "given": {
                        "column": "side",
                        "categories": {"credit": {"salary": 0.6, "other": 0.4}, "debit": ["rent", "other"]},
                    },
                },
                "tries": {
                    "type": "integer",
                    "given": {"column": "side", "categories": {"credit": [1], "debit": {1: 0.8, 2: 0.2}}},
                },
                "items": {"type": "integer", "distribution": {"kind": "poisson", "mean": 2.5}},
                "amount": {
                    "type": "number", "minimum": 0.01, "maximum": 20000,
                    "given": {
                        "column": "kind",
                        "distributions": {
                            "salary": {"kind": "normal", "mean": 2500, "spread": 400},
                            "other": {"kind": "exponential", "mean": 80},
                            "rent": {"kind": "pareto", "least": 300, "shape": 3},
                        },
                    },
                },
                "fee": {
                    "type": "number", "decimals": 3,
                    "distribution": {"kind": "lognormal", "median": 0.5, "spread": 0.4, "negative": True},
                },
                "balance": {"type": "number"},
                "fees": {"type": "number", "decimals": 3},
            },
            "rules": [
                {"kind": "order", "columns": ["customers.joined", "booked", "valued"]},
                {
                    "kind": "running_balance", "column": "balance", "amount": "amount", "order_by": "booked",
                    "start": "accounts.opening", "minus": {"side": ["debit"]},
                },
                {"kind": "running_balance", "column": "fees", "amount": "fee", "order_by": "booked", "start": -1.5},
            ],
        },
    },
}  # fmt: skip


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    """Return the bank with one part changed; where `to` is None, without it."""
    content = copy.deepcopy(BANK)
    place: Any = content["tables"]
    for part in path[:-1]:
        place = place[part]
    if to is None:
        del place[path[-1]]
    elif isinstance(place, list) and path[-1] == len(place):
        place.append(to)
    else:
        place[path[-1]] = to
    return content


def rows_of(content: dict[str, Any], seed: int = 3, rows: dict[str, int] | None = None) -> DeclaredRows:
    return declared_rows(parse(content, "bank.yaml"), seed, rows)


def tables_of(made: DeclaredRows) -> dict[str, pa.Table]:
    """Return all rows, in memory, as the files have them."""
    found: dict[str, list[pa.Table]] = {}
    for root in made.plan.roots:
        for number in range(made.plan.blocks(root)):
            block = made.block(root, number)
            for name in made.plan.below(root):
                found.setdefault(name, []).append(fromnumpy.plain(block.table(name)))
    return {name: pa.concat_tables(parts) for name, parts in found.items()}


@pytest.fixture(scope="package")
def bank() -> DeclaredRows:
    return rows_of(BANK)


@pytest.fixture(scope="package")
def tables(bank: DeclaredRows) -> dict[str, pa.Table]:
    return tables_of(bank)

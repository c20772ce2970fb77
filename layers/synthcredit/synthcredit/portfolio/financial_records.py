"""Financial records: what customers earn, spend, have and owe, on some days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays
from synthcredit.portfolio.draws import Draws, Floats, Ints
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

TYPES = ("income", "expenses", "assets", "liabilities")
_DESCRIPTIONS = (
    ("Yearly income as stated", "Income by payslips", "Income by tax return", "Income by account statements"),
    ("Yearly living costs as stated", "Living costs by account statements", "Rent, food and insurance of a year"),
    ("Savings and securities", "Savings, car and home", "Assets as stated", "Balances of all accounts"),
    ("Loans and cards by bureau", "Loans and cards as stated", "All debts"),
)
_DEBT_YEARS = 2.5
"""What is owed elsewhere is about two and a half years of its service."""


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table."""
    world, people = block.world, block.people
    count = world.volumes.records
    draws = people.draws.children("financial_records", count)
    first = np.maximum(people.joined, world.calendar.first)[:, None]
    span = world.calendar.last + 1 - first
    days = first + np.floor(np.sort(draws.uniform("day"), axis=1) * span).astype(np.int64)
    kind = np.broadcast_to(np.arange(count) % len(TYPES), days.shape)
    cents = _amounts(block, draws, kind, world.calendar.month(days))
    customer = np.repeat(np.arange(len(people)), count)
    return [
        arrays.text(arrays.child_words(arrays.lettered(people.words, "R")[customer], draws.numbers.ravel() % 1000)),
        block.customer_key(customer),
        arrays.labels(kind.ravel(), TYPES),
        arrays.money(cents.ravel()),
        arrays.labels(_described(draws, kind).ravel(), tuple(text for texts in _DESCRIPTIONS for text in texts)),
        arrays.dates(days.ravel()),
        arrays.moments(days.ravel(), 72_000 + draws.below("time of day", 10_000).ravel()),
    ]


def _amounts(block: Block, draws: Draws, kind: Ints, month: Ints) -> Ints:
    """Return amounts in cents: incomes and costs rise with prices; debts hold what is owed to the lender, exactly."""
    world, people = block.world, block.people
    income = people.income[:, None] * world.prices[month]
    near = draws.normal("around")
    choices: list[Floats] = [
        income * np.exp(0.04 * near),
        income * np.clip(0.68 + 0.05 * people.risk[:, None] + 0.08 * near, 0.3, 1.2),
        income * _wealth(block)[:, None] * np.exp(0.15 * near),
        income * world.external_debt(people)[:, None] * _DEBT_YEARS * np.exp(0.1 * near),
    ]
    amounts = np.rint(np.choose(kind, choices)).astype(np.int64)
    own = np.take_along_axis(block.standing.balance, month, axis=1)
    return amounts + np.where(kind == TYPES.index("liabilities"), own, 0)


def _wealth(block: Block) -> Floats:
    """Return assets over a year's income: they grow with age, and are spread widely."""
    people = block.people
    age = (block.world.calendar.last - people.born) / 365.2425
    median = np.interp(age, [18, 30, 45, 65, 85], [0.1, 0.4, 1.4, 3.5, 3.0])
    return np.asarray(median * np.exp(0.7 * people.draws.normal("wealth") - 0.2 * people.risk))


def _described(draws: Draws, kind: Ints) -> Ints:
    sizes = np.array([len(texts) for texts in _DESCRIPTIONS])
    offsets = np.cumsum([0, *sizes])[:-1]
    return np.asarray(offsets[kind] + np.floor(draws.uniform("description") * sizes[kind]).astype(np.int64))


TABLE = Table(
    name="financial_records",
    about="What customers earn, spend, have and owe, on some days.",
    key="record_id",
    make=make,
    parents={"customer_id": "customers"},
    fields=(
        text_key("record_id", "Key: R, the customer's number, and the record's."),
        text_key("customer_id", "Whose."),
        Field("record_type", "varchar(50)", "Income and expenses of a year; assets and liabilities.", categories=TYPES),
        Field("amount", "decimal(12,2)", "USD. Liabilities hold the balance of loans from this lender.", low=0),
        Field(
            "description", "text", "Where it is from.", categories=tuple(t for texts in _DESCRIPTIONS for t in texts)
        ),
        Field("record_date", "date", "The day that it describes."),
        Field("created_at", "timestamp", "When it was entered."),
    ),
)

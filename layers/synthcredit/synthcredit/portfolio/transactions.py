"""Transactions: the account of each customer in the last months of the window.

Every balance is the one before plus the amount, and every instalment that was paid then is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays
from synthcredit.portfolio.draws import CHILDREN, Draws, Ints
from synthcredit.portfolio.installments import paid_days
from synthcredit.portfolio.loans import due_day
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

TYPES = ("credit", "debit")
SPENDING = ("groceries", "shopping", "transport", "restaurants", "health", "travel", "leisure")
CATEGORIES = ("opening_balance", "income", "housing", "utilities", "loan_payment", *SPENDING)
_INCOME, _HOUSING, _UTILITIES, _PAYMENT, _FIRST_SPENDING = 1, 2, 3, 4, 5
_NET = 0.78
"""Income after tax."""
_SPENDINGS = 2
_EACH_MONTH = 3 + _SPENDINGS
_LEAST = 2_000
"""Cents that are spent each time even where nothing is left."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the account, in any order; arrays of shape (rows,)."""

    customer: Ints
    day: Ints
    order: Ints
    """Within a day, 0 to 7."""
    amount: Ints
    category: Ints


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table."""
    people = block.people
    rows = _sorted(_rows(block))
    starts = np.searchsorted(rows.customer, np.arange(len(people) + 1))
    total = np.cumsum(rows.amount)
    before = np.concatenate([[0], total])[starts[:-1]]
    balance = total - before[rows.customer]
    number = np.arange(len(rows.day)) - starts[rows.customer] + 1
    words = arrays.lettered(people.words, "T")[rows.customer]
    return [
        arrays.text(arrays.child_words(words, number, long=True)),
        block.customer_key(rows.customer),
        arrays.dates(rows.day),
        arrays.money(rows.amount),
        arrays.labels((rows.amount < 0).astype(np.int64), TYPES),
        arrays.labels(rows.category, CATEGORIES),
        arrays.money(balance),
    ]


def _rows(block: Block) -> Rows:
    """Return what comes in and goes out, month by month."""
    world, people = block.world, block.people
    calendar = world.calendar
    first = calendar.months - min(world.volumes.statement_months, calendar.months)
    months = np.arange(first, calendar.months)
    if not len(months):
        return Rows(*(np.empty(0, np.int64) for _ in range(5)))
    payments = _payments(block, first)
    paid = np.bincount(
        payments.customer * len(months) + calendar.month(payments.day) - first,
        weights=-payments.amount,
        minlength=len(people) * len(months),
    )
    draws = Draws("transactions", world.seed, people.draws.numbers[:, None] * CHILDREN + months)
    amounts = _flows(block, draws, np.rint(paid).astype(np.int64).reshape(len(people), -1), months)
    days = _days(draws)
    # Whoever joined later has rows from the month after.
    here = np.broadcast_to((months > calendar.month(people.joined)[:, None])[..., None], amounts.shape)
    spent = draws.below("spending", len(SPENDING))[..., None] + 3 * np.arange(_SPENDINGS)
    shape = (*draws.numbers.shape, 3)
    categories = np.concatenate(
        [
            np.broadcast_to(np.array([_INCOME, _HOUSING, _UTILITIES]), shape),
            _FIRST_SPENDING + spent % len(SPENDING),
        ],
        axis=2,
    )
    order = np.broadcast_to(np.array([1, 2, 3, *range(5, 5 + _SPENDINGS)]), amounts.shape)
    customer = np.broadcast_to(np.arange(len(people))[:, None, None], amounts.shape)
    monthly = Rows(
        customer[here],
        (calendar.starts[months][:, None] + days)[here],
        order[here],
        amounts[here],
        categories[here],
    )
    return _joined([_openings(block, draws, months), monthly, payments])


def _openings(block: Block, draws: Draws, months: Ints) -> Rows:
    """Return what is in the account when the rows begin."""
    calendar, people = block.world.calendar, block.people
    begins = np.maximum(months[0], calendar.month(people.joined) + 1)
    customer = np.flatnonzero(begins < calendar.months)
    everyone = Draws("transactions", draws.seed, people.draws.numbers)
    share = 0.02 + 0.12 * everyone.uniform("opening balance")
    return Rows(
        customer,
        calendar.starts[begins[customer]],
        np.zeros_like(customer),
        np.rint(people.income * share).astype(np.int64)[customer],
        np.zeros_like(customer),
    )


def _days(draws: Draws) -> Ints:
    """Return days of the month, counted from 0, shape (n, months, rows a month)."""
    bits = draws.bits("days")
    ranges = (3, 4, 10, *(24,) * _SPENDINGS)
    firsts = (0, 2, 8, *(3,) * _SPENDINGS)
    picked = [
        first + ((bits >> np.uint64(12 * place)) % np.uint64(size)).astype(np.int64)
        for place, (first, size) in enumerate(zip(firsts, ranges, strict=True))
    ]
    return np.stack(picked, axis=2)


def _flows(block: Block, draws: Draws, paid: Ints, months: Ints) -> Ints:
    """Return amounts in cents, shape (n, months, rows a month): what is left after the fixed costs is partly spent."""
    world, people = block.world, block.people
    income = np.rint(people.income[:, None] * world.prices[months] * (_NET / 12)).astype(np.int64)
    everyone = Draws("transactions", draws.seed, people.draws.numbers)
    housing = np.rint(income * (0.16 + 0.12 * everyone.uniform("housing"))[:, None]).astype(np.int64)
    utilities = np.rint(income * (0.04 + 0.03 * draws.uniform("utilities"))).astype(np.int64)
    eager = 0.55 + 0.4 * draws.uniform("spent")
    share = 0.3 + 0.4 * draws.uniform("spent first")
    spent = np.empty((*draws.numbers.shape, _SPENDINGS), np.int64)
    # A cushion of some weeks is kept; what is above it is spent, more or less.
    balance = np.rint(people.income * (0.02 + 0.12 * everyone.uniform("opening balance"))).astype(np.int64)
    cushion = people.income // 20
    for place in range(len(months)):
        balance = balance + income[:, place] - housing[:, place] - utilities[:, place] - paid[:, place]
        budget = np.maximum(np.rint((balance - cushion) * eager[:, place]).astype(np.int64), 2 * _LEAST)
        part = np.clip(np.rint(budget * share[:, place]).astype(np.int64), _LEAST, budget - _LEAST)
        spent[:, place, 0], spent[:, place, 1] = part, budget - part
        balance = balance - budget
    fixed = np.stack([income, -housing, -utilities], axis=2)
    return np.concatenate([fixed, -spent], axis=2)


def _payments(block: Block, first: int) -> Rows:
    """Return the instalments that were paid in the months of the account, on the days that the ledger has."""
    book, loans = block.ledger, block.loans
    calendar = block.world.calendar
    amount = book.paid_principal + book.paid_interest
    day = paid_days(block, due_day(block.world, loans, book.loan, book.age))
    customer = loans.customer[book.loan]
    begins = np.maximum(calendar.starts[first], calendar.starts[calendar.month(block.people.joined) + 1])
    rows = np.flatnonzero((amount > 0) & (day >= begins[customer]))
    return Rows(customer[rows], day[rows], np.full(len(rows), 4), -amount[rows], np.full(len(rows), _PAYMENT))


def _joined(parts: list[Rows]) -> Rows:
    return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in Rows.__dataclass_fields__))


def _sorted(rows: Rows) -> Rows:
    """Sort by customer, day and order; rows of one loan come before those of the next."""
    key = (rows.customer << 22) | (rows.day << 3) | rows.order
    place = np.argsort(key, kind="stable")
    return Rows(*(getattr(rows, name)[place] for name in Rows.__dataclass_fields__))


TABLE = Table(
    name="transactions",
    about="Accounts in the last months of the window. Each balance is the one before plus the amount, to the cent.",
    key="transaction_id",
    make=make,
    parents={"customer_id": "customers"},
    fields=(
        text_key("transaction_id", "Key: T, the customer's number, and the transaction's, in order."),
        text_key("customer_id", "Whose account."),
        Field("transaction_date", "date", "The day."),
        Field("transaction_amount", "decimal(12,2)", "USD; below 0 where money goes out."),
        Field("transaction_type", "varchar(20)", "Credit comes in, debit goes out.", categories=TYPES),
        Field(
            "transaction_category", "varchar(50)", "What for; the first row opens the account.", categories=CATEGORIES
        ),
        Field("account_balance", "decimal(12,2)", "USD after it; below 0 is an overdraft."),
    ),
)

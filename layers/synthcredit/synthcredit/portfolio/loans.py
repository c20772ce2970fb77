"""Loans: contracts that were paid out, and how they stand at the end of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays, hazards
from synthcredit.portfolio.draws import Ints
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block, Loans, World

STATUSES = ("open", "repaid", "prepaid", "written_off")
REASONS = ("none", "past_due", "unlikely_to_pay")


def cycle_end(world: World, loans: Loans, loan: Ints, age: Ints) -> Ints:
    """Return the last day of a loan's month on book: the day before its next instalment is due."""
    starts, month = world.calendar.starts, loans.month[loan] + age
    return np.asarray(due_day(world, loans, loan, age) + starts[month + 1] - starts[month] - 1)


def due_day(world: World, loans: Loans, loan: Ints, age: Ints) -> Ints:
    """Return when an instalment is due: on the day of the month on which the loan was paid out."""
    starts = world.calendar.starts
    return np.asarray(starts[loans.month[loan] + age] + loans.opened[loan] - starts[loans.month[loan]])


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table."""
    loans, book, world = block.loans, block.ledger, block.world
    paths = loans.paths
    every = np.arange(len(loans.customer))
    ended = paths.closed != hazards.OPEN
    defaulted = paths.default > 0
    has_rows = paths.last > 0
    final = np.maximum(book.starts[1:] - 1, 0)

    def at_end(values: Ints, otherwise: Ints | int = 0) -> Ints:
        return np.where(has_rows, values[final] if len(values) else 0, otherwise)

    exposure = _exposure(block)
    recovered = _sums(book.recovered, book.starts)
    written = _sums(book.written_off, book.starts)
    lost = np.where(exposure > 0, written / np.maximum(exposure, 1), 0.0)
    names = tuple(product.name for product in world.scenario.products)
    return [
        block.loan_key,
        arrays.labels(loans.application, block_application_key(block)),
        block.customer_key(loans.customer),
        arrays.labels(loans.product, names),
        arrays.money(loans.principal),
        arrays.money(loans.rate),
        arrays.whole(loans.term),
        arrays.money(loans.instalment),
        arrays.dates(loans.opened),
        arrays.dates(due_day(world, loans, every, loans.term)),
        arrays.labels(paths.closed, STATUSES),
        arrays.dates(cycle_end(world, loans, every, paths.last), ended),
        arrays.money(at_end(book.balance, loans.principal)),
        arrays.whole(30 * at_end(book.missed)),
        arrays.flags(at_end(book.status.astype(np.int64)) != hazards.PERFORMING),
        arrays.dates(cycle_end(world, loans, every, paths.default), defaulted),
        arrays.labels(paths.reason, REASONS),
        arrays.money(exposure, defaulted),
        arrays.money(recovered),
        arrays.money(written),
        arrays.real(np.rint(lost * 10_000) / 10_000, paths.closed == hazards.WRITTEN_OFF),
        arrays.moments(loans.opened, 43_200),
    ]


def block_application_key(block: Block) -> pa.Array:
    """Return the keys of all applications of the block."""
    return arrays.text(block.applied.words)


def _exposure(block: Block) -> Ints:
    """Return the principal that was owed at the latest default, 0 where there is none."""
    book, paths = block.ledger, block.loans.paths
    begins = (book.status == hazards.WORKOUT) & (paths.clock[book.loan, book.age] == 0)
    rows = np.flatnonzero(begins)
    exposure = np.zeros(len(paths.last), np.int64)
    # In order of months: the latest stays.
    exposure[book.loan[rows]] = book.balance[rows]
    return exposure


def _sums(values: Ints, starts: Ints) -> Ints:
    total = np.concatenate([[0], np.cumsum(values)])
    return np.asarray(total[starts[1:]] - total[starts[:-1]])


TABLE = Table(
    name="loans",
    about="Contracts that were paid out, and how they stand at the end of the window.",
    key="loan_id",
    make=make,
    parents={"application_id": "loan_applications", "customer_id": "customers"},
    fields=(
        text_key("loan_id", "Key: L and the application's numbers."),
        text_key("application_id", "The application that it was granted on."),
        text_key("customer_id", "Who owes."),
        Field("loan_type", "varchar(50)", "Product.", categories=()),
        Field("principal", "decimal(12,2)", "USD paid out.", low=0),
        Field("interest_rate", "decimal(5,2)", "Per cent a year, fixed.", low=0),
        Field("term_months", "integer", "Instalments.", low=12, high=360),
        Field("installment_amount", "decimal(12,2)", "The equal instalment; the last one is what is left.", low=0),
        Field("opened_date", "date", "When it was paid out; instalments are due on that day of the month."),
        Field("maturity_date", "date", "When the last instalment is due."),
        Field("status", "varchar(20)", "How it stands at the end of the window.", categories=STATUSES),
        Field("closed_date", "date", "End of the cycle in which it was closed.", nullable=True),
        Field("balance", "decimal(12,2)", "Principal owed at the end of the last cycle.", low=0),
        Field("days_past_due", "integer", "At the end of the last cycle, 30/360.", low=0),
        Field("in_default", "boolean", "In default or in probation at the end of the last cycle."),
        Field("default_date", "date", "End of the cycle of the first default.", nullable=True),
        Field("default_reason", "varchar(20)", "Materially 90 days past due, or unlikely to pay.", categories=REASONS),
        Field("exposure_at_default", "decimal(12,2)", "Principal at the latest default.", nullable=True, low=0),
        Field("recovered_amount", "decimal(12,2)", "Recovered after default.", low=0),
        Field("written_off_amount", "decimal(12,2)", "Principal written off.", low=0),
        Field(
            "loss_given_default", "decimal(9,4)", "Written off over exposure, undiscounted; once written off.",
            nullable=True, low=0, high=1,
        ),
        Field("created_at", "timestamp", "When it was entered."),
    ),
)  # fmt: skip

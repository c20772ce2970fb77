"""Installments: one row a loan and month: what was due, what was paid, recovered, written off, and is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays, hazards
from synthcredit.portfolio.draws import CHILDREN, Draws, Ints
from synthcredit.portfolio.loans import cycle_end, due_day
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

STATUSES = ("current", "late_30", "late_60", "late_90", "default", "probation", "repaid", "prepaid", "written_off")
_DEFAULT, _PROBATION, _CLOSED = 4, 5, 5
_LATE_DAYS = 20


def paid_days(block: Block, due: Ints) -> Ints:
    """Return on which day each row's payment came: near the due day, or some weeks after where it was for old debts."""
    book = block.ledger
    draws = Draws("installments", block.world.seed, _numbers(block))
    on_time = np.floor(3 * draws.uniform("day of payment") ** 3).astype(np.int64)
    late = 3 + draws.below("day of late payment", _LATE_DAYS)
    behind = (book.arrears > 0) | (book.paid_principal + book.paid_interest > book.due)
    return due + np.where(behind, late, on_time)


def _numbers(block: Block) -> Ints:
    book = block.ledger
    return block.applied.draws.numbers[block.loans.application[book.loan]] * CHILDREN + book.age


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table."""
    book, loans, world = block.ledger, block.loans, block.world
    due = due_day(world, loans, book.loan, book.age)
    ends = cycle_end(world, loans, book.loan, book.age)
    paid = book.paid_principal + book.paid_interest
    flows = paid + book.prepaid + book.recovered
    return [
        arrays.text(arrays.child_words(arrays.lettered(loans.words, "I")[book.loan], book.age)),
        arrays.labels(book.loan, block.loan_key),
        arrays.whole(book.age),
        arrays.dates(due),
        arrays.dates(ends),
        arrays.money(book.due),
        arrays.money(book.due_principal),
        arrays.money(book.due - book.due_principal),
        arrays.money(paid),
        arrays.money(book.paid_principal),
        arrays.money(book.paid_interest),
        arrays.money(book.prepaid),
        arrays.money(book.recovered),
        arrays.money(book.written_off),
        arrays.dates(paid_days(block, due), flows > 0),
        arrays.money(book.balance),
        arrays.money(book.arrears),
        arrays.whole(30 * book.missed),
        arrays.labels(_status(block), STATUSES),
    ]


def _status(block: Block) -> Ints:
    book, paths = block.ledger, block.loans.paths
    code = np.minimum(book.missed, 3)
    code = np.where(
        book.status == hazards.WORKOUT, _DEFAULT, np.where(book.status == hazards.PROBATION, _PROBATION, code)
    )
    closing = book.age == paths.last[book.loan]
    return np.where(closing & (paths.closed[book.loan] != hazards.OPEN), _CLOSED + paths.closed[book.loan], code)


TABLE = Table(
    name="installments",
    about="One row a loan and month, closed before the window's end: what was due, paid, recovered, written off, left.",
    key="installment_id",
    make=make,
    parents={"loan_id": "loans"},
    fields=(
        text_key("installment_id", "Key: I, the loan's numbers, and the month on book."),
        text_key("loan_id", "The loan."),
        Field("installment_number", "integer", "Month on book, from 1.", low=1),
        Field("due_date", "date", "When it is due."),
        Field("status_date", "date", "End of the cycle: the day on which the rest of the row is known."),
        Field("amount_due", "decimal(12,2)", "Instalment of the contract; 0 after its end.", low=0),
        Field("principal_due", "decimal(12,2)", "Principal in it.", low=0),
        Field("interest_due", "decimal(12,2)", "Interest in it.", low=0),
        Field("amount_paid", "decimal(12,2)", "Paid in the cycle, oldest instalments first.", low=0),
        Field("principal_paid", "decimal(12,2)", "Principal in it.", low=0),
        Field("interest_paid", "decimal(12,2)", "Interest in it.", low=0),
        Field("prepaid_amount", "decimal(12,2)", "Principal repaid early, with the rest.", low=0),
        Field("recovered_amount", "decimal(12,2)", "Recovered after default.", low=0),
        Field("written_off_amount", "decimal(12,2)", "Principal written off.", low=0),
        Field("paid_date", "date", "When money came; empty where none did.", nullable=True),
        Field("balance", "decimal(12,2)", "Principal owed after the cycle.", low=0),
        Field("arrears", "decimal(12,2)", "Due and not paid after the cycle, interest included.", low=0),
        Field("days_past_due", "integer", "After the cycle, 30/360: 30 for each instalment missed.", low=0),
        Field("status", "varchar(20)", "Standing after the cycle.", categories=STATUSES),
    ),
)

"""Impairments: one row a loan and reporting date: stage, PD, LGD, exposure and expected credit loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays, hazards, impairment
from synthcredit.portfolio.draws import Floats, Ints
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block


def _reported(block: Block) -> tuple[Ints, Ints, Ints]:
    """Return loan, report and the last cycle that had ended, for every loan that was open at a reporting date."""
    loans = block.loans
    reports = block.world.expected.reports
    # Cycles end the day before the loan's day of the month: of those of the first, on the reporting date itself.
    on_first = loans.opened == block.world.calendar.starts[loans.month]
    age = reports - loans.month[:, None] - 1 + on_first[:, None]
    ended = (age >= loans.paths.last[:, None]) & (loans.paths.closed[:, None] != hazards.OPEN)
    loan, report = np.nonzero((reports >= loans.month[:, None]) & ~ended)
    return loan, report, np.clip(age[loan, report], 0, loans.paths.last[loan])


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table."""
    world, loans, book = block.world, block.loans, block.ledger
    scenario, expected = world.scenario, world.expected
    loan, report, age = _reported(block)
    month = expected.reports[report]
    row = book.starts[loan] + age - 1
    begun = age > 0
    place = np.where(begun, row, 0)
    balance = np.where(begun, book.balance[place] if len(book.balance) else 0, loans.principal[loan])
    missed = np.where(begun, book.missed[place] if len(book.missed) else 0, 0)
    in_default = begun & (loans.paths.status[loan, age] != hazards.PERFORMING)
    # Rounded as the columns have them, so that stages and losses follow from the columns exactly.
    cumulative = _rounded(expected.pd(report, age, np.minimum(missed, 2), loans.seen[loan]))
    cumulative[in_default] = 1.0
    origin = _rounded(expected.pd_at_opening(loans.month[loan], loans.seen[loan]))
    stage = impairment.stages(scenario, cumulative[:, 0], origin, 30 * missed, in_default)
    lgd = _rounded(impairment.expected_lgd(scenario, loans.product[loan], world.macro.index[month], in_default))
    remaining = loans.term[loan] - age
    loss = impairment.expected_loss(stage, cumulative, lgd, balance, loans.rate[loan], remaining)
    return [
        arrays.text(arrays.child_words(arrays.lettered(loans.words, "E")[loan], report + 1)),
        arrays.labels(loan, block.loan_key),
        arrays.dates(world.calendar.end_of(month)),
        arrays.whole(stage),
        arrays.whole(30 * missed),
        arrays.real(origin),
        arrays.real(cumulative[:, 0]),
        arrays.real(cumulative[:, -1]),
        arrays.real(lgd),
        arrays.money(balance),
        arrays.money(loss),
    ]


def _rounded(values: Floats) -> Floats:
    return np.asarray(np.rint(values * 1e6) / 1e6)


TABLE = Table(
    name="impairments",
    about="IFRS 9 at every reporting date, as the lender could know it then.",
    key="impairment_id",
    make=make,
    parents={"loan_id": "loans"},
    fields=(
        text_key("impairment_id", "Key: E, the loan's numbers, and the report."),
        text_key("loan_id", "The loan."),
        Field("reporting_date", "date", "End of the month."),
        Field("stage", "integer", "1, 2 (significant increase in credit risk) or 3 (in default).", low=1, high=3),
        Field("days_past_due", "integer", "At the end of the latest cycle.", low=0),
        Field(
            "pd_origination", "decimal(9,6)", "12-month PD that was expected when the loan was opened.", low=0, high=1
        ),
        Field("pd_12m", "decimal(9,6)", "12-month PD that is expected now; 1 in default.", low=0, high=1),
        Field("pd_5y", "decimal(9,6)", "PD over five years, the contract's end aside.", low=0, high=1),
        Field("lgd", "decimal(9,6)", "Expected loss given default, cures included.", low=0, high=1),
        Field("ead", "decimal(12,2)", "Exposure: principal owed.", low=0),
        Field("ecl", "decimal(12,2)", "Expected credit loss.", low=0),
    ),
)

"""True outcomes: the answer key.

What nobody at the lender can know: every applicant's true risk, and what becomes, or would have become, of the loan.
Never a feature of a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays, hazards
from synthcredit.portfolio.hazards import HORIZON
from synthcredit.portfolio.loan_applications import APPROVED
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

REASONS = ("none", "past_due", "unlikely_to_pay")


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table."""
    applied, world = block.applied, block.world
    monthly = hazards.monthly_hazards(world.scenario.hazards, applied.index, world.weighted, applied.month)
    pd = hazards.implied_pd(world.scenario.hazards, applied.index, world.weighted, applied.month)
    default = applied.paths.default
    bad = (default > 0) & (default <= HORIZON)
    return [
        arrays.text(applied.words),
        arrays.labels(applied.status == APPROVED, ("not granted", "granted")),
        arrays.flags(applied.overridden.astype(np.bool_)),
        arrays.whole(applied.month),
        arrays.real(np.rint(applied.index * 1e8) / 1e8),
        arrays.real(np.rint(block.people.frailty[applied.customer] * 1e8) / 1e8),
        arrays.real(np.rint(pd * 1e8) / 1e8),
        arrays.flags(bad),
        arrays.whole(default, bad),
        arrays.labels(np.where(bad, applied.paths.reason, 0), REASONS),
        *(arrays.real(np.rint(monthly[:, age] * 1e8) / 1e8) for age in range(HORIZON)),
    ]


TABLE = Table(
    name="true_outcomes",
    about="The answer key: true risk of every applicant, and the outcome, of loans that were never granted too.",
    key="application_id",
    make=make,
    parents={"application_id": "loan_applications"},
    fields=(
        text_key("application_id", "The application."),
        Field(
            "granted", "varchar(20)", "Whether the outcome is seen, or what would have been.",
            categories=("granted", "not granted"),
        ),
        Field("overridden", "boolean", "Whether somebody decided against the score."),
        Field("opening_month", "integer", "Month of the window in which the loan is, or would be, paid out, from 0."),
        Field("risk_index", "decimal(12,8)", "The index x of the monthly moves, frailty included."),
        Field("frailty", "decimal(12,8)", "The part of it that nobody sees."),
        Field("pd_12m", "decimal(12,8)", "12-month PD that the moves imply, under the true macro path.", low=0, high=1),
        Field("default_12m", "boolean", "Whether it defaults within twelve months."),
        Field("default_month", "integer", "In which month on book.", nullable=True, low=1, high=HORIZON),
        Field("default_reason", "varchar(20)", "Why.", categories=REASONS),
        *(
            Field(
                f"hazard_{age:02d}", "decimal(12,8)",
                f"Probability of default in month {age}, given neither default nor prepayment before.", low=0, high=1,
            )
            for age in range(1, HORIZON + 1)
        ),
    ),
)  # fmt: skip

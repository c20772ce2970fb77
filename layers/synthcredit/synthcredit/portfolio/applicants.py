"""What modelling sets say of applicants: the columns of applications and customers that were known on the day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from synthcredit.portfolio import arrays, customers, loan_applications
from synthcredit.portfolio.draws import Ints

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

_OF_APPLICATION = (
    "loan_type", "requested_amount", "term_months", "purpose", "application_date", "credit_score", "debt_to_income",
    "credit_utilization",
)  # fmt: skip
_OF_CUSTOMER = ("employment_type", "annual_income")

FIELDS = tuple(
    one
    for table, names in ((customers.TABLE, _OF_CUSTOMER), (loan_applications.TABLE, _OF_APPLICATION))
    for one in table.fields
    if one.name in names
)


def features(block: Block, rows: Ints) -> list[pa.Array]:
    """Return the columns of `FIELDS` for some applications, by their places in the block."""
    people, applied = block.people, block.applied
    customer = applied.customer[rows]
    jobs = tuple(job.name for job in block.world.scenario.population.jobs)
    columns = zip(loan_applications.TABLE.fields, loan_applications.make(block), strict=True)
    return [
        arrays.labels(people.job[customer], jobs),
        arrays.money(people.income[customer]),
        *(column.take(arrays.whole(rows)) for field, column in columns if field.name in _OF_APPLICATION),
    ]

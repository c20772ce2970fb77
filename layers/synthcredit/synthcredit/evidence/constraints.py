"""Proof of constraints: whether every synthetic row keeps what the schema declares."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from synthcredit.datasets import contradictions, rules
from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import raise_all
from synthcredit.evidence.model import Check
from synthcredit.synthesizers.constrained import Keeper


def check(synthetic: pa.Table, train: pa.Table, schema: TableSchema) -> Iterator[Check]:
    """Yield one check for each declared constraint; none allows an exception.

    Parameters
    ----------
    synthetic
        Rows that conform to the schema.
    train
        All real rows that a model learned from: their combinations are those that there may be.
    schema
        Of both.

    Raises
    ------
    InvalidInputError
        The constraints contradict each other.
    """
    if not schema.constraints:
        return
    raise_all(contradictions.problems(schema))
    allowed = Keeper.learn(train, schema, 1).allowed
    values = rules.table_values(synthetic, schema)
    for position, one in enumerate(schema.constraints):
        broken = int(np.sum(~rules.keeps(one, values, schema, allowed.get(position))))
        detail = one.says
        if broken:
            detail = f"should be {one.says}; {broken:,} of {synthetic.num_rows:,} rows are not"
        # Under its first column, where whoever reads of that column looks; the table has no other place for it.
        yield Check(expectation=f"constraint_{one.kind}", column=one.names[0], passed=not broken, detail=detail)

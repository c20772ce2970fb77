"""Which real rows train and which are held out: decided before training, kept on the model card."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import pyarrow as pa

HOLDOUT_SHARE = 0.3
"""The development/validation split that scorecard practice uses."""
SPLIT_SEED = 42


class Rule(StrEnum):
    """How rows are held out."""

    ROWS = "rows"
    """Shuffled, then cut."""
    CUSTOMERS = "customers"
    """Customers shuffled, then cut; all rows of one customer are on one side."""
    GIVEN = "given"
    """The holdout came as a file of its own."""


class Split(BaseModel):
    """One split, enough to make it again and to tell that it is the same."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    rule: Rule
    seed: int = SPLIT_SEED
    holdout_share: float = HOLDOUT_SHARE
    customer: Annotated[str | None, Field(description="The column that tells whose row it is.")] = None
    holdout_uri: Annotated[str | None, Field(description="The file, where the holdout was given.")] = None
    train_rows: int
    holdout_rows: int
    hash: Annotated[str, Field(description="SHA-256 of the held-out rows' positions, or of the holdout file.")]

    def describe(self) -> str:
        """Say in words how rows were held out."""
        how = {
            Rule.ROWS: f"rows shuffled with seed {self.seed}",
            Rule.CUSTOMERS: f"customers ({self.customer}) shuffled with seed {self.seed}",
            Rule.GIVEN: "holdout given as a file",
        }[self.rule]
        return f"{self.train_rows:,} rows to train, {self.holdout_rows:,} held out; {how}"


def split_rows(table: pa.Table, customer: str | None = None) -> tuple[Split, pa.Table, pa.Table]:
    """Cut a table into train and holdout, both in the table's order.

    Parameters
    ----------
    table
        All real rows.
    customer
        The column that tells whose row it is; None where each row is somebody else's.

    Returns
    -------
    split, train, holdout
        The same for the same table, on every machine.
    """
    # Imported here, so that a card or a manifest can be read without them.
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from synthcredit.randomness import generator

    rng = generator(SPLIT_SEED, "split")
    if customer is None:
        chosen = rng.permutation(table.num_rows)[: round(table.num_rows * HOLDOUT_SHARE)]
        mask = np.zeros(table.num_rows, dtype=bool)
        mask[chosen] = True
        held = pa.array(mask)
    else:
        people = pc.unique(table[customer])
        chosen = rng.permutation(len(people))[: round(len(people) * HOLDOUT_SHARE)]
        held = pc.is_in(table[customer], value_set=people.take(pa.array(chosen)))
    positions = pc.indices_nonzero(held).to_numpy(zero_copy_only=False)
    split = Split(
        rule=Rule.ROWS if customer is None else Rule.CUSTOMERS,
        customer=customer,
        train_rows=table.num_rows - len(positions),
        holdout_rows=len(positions),
        hash=hashlib.sha256(positions.astype("<u8").tobytes()).hexdigest(),
    )
    return split, table.filter(pc.invert(held)), table.filter(held)


def given_holdout(train_rows: int, holdout_rows: int, *, uri: str, file_hash: str) -> Split:
    """Return the split where the holdout came as a file and all of the data trains."""
    return Split(
        rule=Rule.GIVEN,
        holdout_share=holdout_rows / (train_rows + holdout_rows),
        holdout_uri=uri,
        train_rows=train_rows,
        holdout_rows=holdout_rows,
        hash=file_hash,
    )

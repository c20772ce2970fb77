"""Random numbers of the portfolio: each keyed by (seed, table, entity, purpose), never by who draws them or when.

So a block of customers can be made alone, and a scenario that changes one parameter changes nothing else: the same
customer draws the same numbers in a boom and in a downturn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthcredit.datasets.draws import Bools as Bools
from synthcredit.datasets.draws import EntityDraws, key_of
from synthcredit.datasets.draws import Floats as Floats
from synthcredit.datasets.draws import Ints as Ints

CHILDREN = 1000
"""Numbers that each entity has for its children: the children of entity 7 are 7000 to 7999."""


@dataclass(frozen=True, slots=True)
class Draws(EntityDraws):
    """Numbers for some entities of a table of the portfolio."""

    def children(self, table: str, count: int) -> Draws:
        """Return the first ``count`` children of each entity, shape (n, count)."""
        return Draws(table, self.seed, self.numbers[..., None] * CHILDREN + np.arange(1, count + 1))

    def _key(self, purpose: str) -> np.uint64:
        return key_of(self.seed, f"portfolio/{self.table}/{purpose}")

"""Random numbers of the portfolio: each keyed by (seed, table, entity, purpose), never by who draws them or when.

So a block of customers can be made alone, and a scenario that changes one parameter changes nothing else: the same
customer draws the same numbers in a boom and in a downturn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.keyed import KeyedRows
from synthcredit.randomness import generator

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CHILDREN = 1000
"""Numbers that each entity has for its children: the children of entity 7 are 7000 to 7999."""
_KNOTS = 1 << 16
_FAR = 4.5
"""Where the normal distribution is cut: once in 150,000 draws."""


@lru_cache(maxsize=4096)
def _key(seed: int, table: str, purpose: str) -> np.uint64:
    return np.uint64(generator(seed, f"portfolio/{table}/{purpose}").integers(0, 2**64, dtype=np.uint64))


@cache
def _quantiles() -> Floats:
    """Return the standard normal's quantiles at 0, 1/65536, ..., 1."""
    quantile = NormalDist().inv_cdf
    return np.array([-_FAR, *(quantile(place / _KNOTS) for place in range(1, _KNOTS)), _FAR])


@dataclass(frozen=True, slots=True)
class Draws(KeyedRows):
    """Numbers for some entities of a table; ``numbers`` may have any shape, and so have the draws."""

    def uniform(self, purpose: str) -> Floats:
        """Return numbers from 0 to below 1, with 53 random bits each."""
        return np.asarray((self.bits(purpose) >> np.uint64(11)) * 2.0**-53)

    def normal(self, purpose: str) -> Floats:
        """Return standard normal numbers, cut at 4.5.

        The inverse distribution function, linear between 65,536 quantiles: no logarithm whose last bit depends on the
        processor, and a third of the time of Box and Muller's way.
        """
        bits = self.bits(purpose)
        place = (bits >> np.uint64(48)).astype(np.intp)
        within = ((bits >> np.uint64(16)) & np.uint64(0xFFFFFFFF)) * 2.0**-32
        quantiles = _quantiles()
        low = quantiles[place]
        return np.asarray(low + within * (quantiles[place + 1] - low))

    def chance(self, purpose: str, share: float | Floats) -> Bools:
        """Return which entities are chosen, each with probability ``share``."""
        return self.uniform(purpose) < share

    def choice(self, purpose: str, shares: Floats) -> Ints:
        """Return one of k options each: ``shares`` of shape (k,), or (n, k) for shares of each entity's own."""
        edges = np.cumsum(shares, axis=-1)
        edges = edges / edges[..., -1:]
        return np.asarray((self.uniform(purpose)[..., None] >= edges[..., :-1]).sum(axis=-1))

    def children(self, table: str, count: int) -> Draws:
        """Return the first ``count`` children of each entity, shape (n, count)."""
        return Draws(table, self.seed, self.numbers[..., None] * CHILDREN + np.arange(1, count + 1))

    def _key(self, purpose: str) -> np.uint64:
        return _key(self.seed, self.table, purpose)

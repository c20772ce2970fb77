"""Random numbers keyed by (seed, table, entity, purpose): never by who draws them or when.

So a block of rows can be made alone, and a change of one parameter changes only what depends on it.
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

KNOTS = 1 << 16
FAR = 4.5
"""Where the normal distribution is cut: once in 150,000 draws."""


@lru_cache(maxsize=4096)
def key_of(seed: int, purpose: str) -> np.uint64:
    """Return the key of the hashes for one purpose."""
    return np.uint64(generator(seed, purpose).integers(0, 2**64, dtype=np.uint64))


@cache
def normal_quantiles() -> Floats:
    """Return the standard normal's quantiles at 0, 1/65536, ..., 1, cut at 4.5; shape (65537,)."""
    quantile = NormalDist().inv_cdf
    return np.array([-FAR, *(quantile(place / KNOTS) for place in range(1, KNOTS)), FAR])


@dataclass(frozen=True, slots=True)
class EntityDraws(KeyedRows):
    """Numbers for some entities of a table; ``numbers`` may have any shape, and so have the draws.

    ``table`` begins with what the table belongs to, such as ``portfolio/customers``.
    """

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
        quantiles = normal_quantiles()
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

    def _key(self, purpose: str) -> np.uint64:
        return key_of(self.seed, f"{self.table}/{purpose}")

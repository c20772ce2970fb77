"""Random numbers addressed row by row: hashes of the seed, the purpose and a number.

A counter-based generator like `synthcredit.randomness`, for what has to be the same in two blocks: a customer's rows
may lie in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthcredit.randomness import generator

_ODD = np.uint64(0x9E3779B97F4A7C15)


def mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit numbers one to one: splitmix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    numbers = numbers * _ODD
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


@lru_cache
def _words(pool: tuple[str, ...]) -> pa.Array:
    # Not when the module is loaded: making the first Arrow array imports pandas where it is installed.
    return pa.array(pool, pa.string())


@dataclass(frozen=True, slots=True)
class KeyedRows:
    """Which rows are made, and the key of their hashes.

    Parameters
    ----------
    table
        Name of the table, so that two tables of one seed differ.
    seed
        The dataset's.
    numbers
        Shape (n,), int64: numbers of the rows, or of the persons that they belong to.
    """

    table: str
    seed: int
    numbers: NDArray[np.int64]

    def bits(self, purpose: str) -> NDArray[np.uint64]:
        """Return 64 random bits a row, shape (n,), for one purpose; no two numbers have the same."""
        return mix(self.numbers.astype(np.uint64) + self._key(purpose))

    def below(self, purpose: str, size: int) -> NDArray[np.int64]:
        """Return a number from 0 to ``size - 1`` a row, shape (n,)."""
        # The high half times the size, shifted down: as even as 32 bits allow.
        return ((self.bits(purpose) >> np.uint64(32)) * np.uint64(size) >> np.uint64(32)).astype(np.int64)

    def pick(self, purpose: str, pool: tuple[str, ...]) -> pa.Array:
        """Return one of a pool a row."""
        return _words(pool).take(pa.array(self.below(purpose, len(pool))))

    def shuffled(self, purpose: str, size: int) -> NDArray[np.int64]:
        """Return a number from 0 to ``size - 1`` a row, shape (n,), each once in ``size`` rows that follow each other.

        Parameters
        ----------
        size
            At most 2**31, so that the products fit into 64 bits.
        """
        start = int(self._key(purpose)) % size
        # Steps of about the golden section that share no divisor with the size visit every number once.
        step = round(size * 0.6180339887498949)
        while np.gcd(step, size) != 1:
            step += 1
        return (self.numbers % size * step + start) % size

    def _key(self, purpose: str) -> np.uint64:
        return np.uint64(generator(self.seed, f"{self.table}/{purpose}").integers(0, 2**64, dtype=np.uint64))

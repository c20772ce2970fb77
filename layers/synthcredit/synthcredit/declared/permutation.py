"""Numbers in a random order, each once: any of them can be had alone, so that no list is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.keyed import mix

Ints = NDArray[np.int64]
_ROUNDS = 6


def permuted(numbers: Ints, size: int, keys: NDArray[np.uint64] | np.uint64) -> Ints:
    """Return where each number goes in a random permutation of 0 to ``size - 1``.

    A Feistel network over the next power of four, walked on until it ends inside (Black and Rogaway, "Ciphers with
    arbitrary finite domains", CT-RSA 2002).

    Parameters
    ----------
    numbers
        Shape (n,), each from 0 to ``size - 1``.
    size
        At most 2**53.
    keys
        Shape (n,), or one for all: which permutation. Numbers with one key are of one permutation.
    """
    half = np.uint64(max(1, (max(size - 1, 1).bit_length() + 1) // 2))
    own = np.broadcast_to(keys, numbers.shape)
    found = _network(numbers.astype(np.uint64), own, half)
    while (outside := np.flatnonzero(found >= np.uint64(size))).size:
        found[outside] = _network(found[outside], own[outside], half)
    return found.astype(np.int64)


def _network(numbers: NDArray[np.uint64], keys: NDArray[np.uint64], half: np.uint64) -> NDArray[np.uint64]:
    low_bits = (np.uint64(1) << half) - np.uint64(1)
    left, right = numbers >> half, numbers & low_bits
    for turn in range(_ROUNDS):
        left, right = right, left ^ (mix(right ^ (keys + np.uint64(turn))) & low_bits)
    return (left << half) | right

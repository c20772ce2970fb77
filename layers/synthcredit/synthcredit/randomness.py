"""Random numbers that depend on what they are for, never on who draws them or when.

Every block of rows has a generator of its own, keyed by (seed, purpose, block). So any block can be made again,
alone, the same to the byte, and a dataset does not depend on how many shards or workers made it.
Philox is the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BLOCK_ROWS = 8192
"""Rows of one block, the unit of random numbers. Part of the contract: another size gives other data."""


def generator(seed: int, purpose: str, block: int = 0) -> np.random.Generator:
    """Return the generator for one block and one purpose.

    Parameters
    ----------
    seed
        The job's seed, 0 or more.
    purpose
        What the numbers are for, e.g. ``"german_credit/rows"``. Another purpose gives independent numbers.
    block
        Index of the block, 0 or more.
    """
    # Imported here, so that what only cuts rows into blocks needs no numpy.
    import numpy as np

    digest = hashlib.blake2b(f"{seed}\0{purpose}".encode(), digest_size=16).digest()
    key = np.frombuffer(digest, dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, block], dtype=np.uint64)))

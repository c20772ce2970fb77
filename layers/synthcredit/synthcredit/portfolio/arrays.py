"""Columns of the portfolio: `datasets.fromnumpy`, and keys as text in a few array operations."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthcredit.datasets.fromnumpy import dates as dates
from synthcredit.datasets.fromnumpy import flags as flags
from synthcredit.datasets.fromnumpy import labels as labels
from synthcredit.datasets.fromnumpy import moments as moments
from synthcredit.datasets.fromnumpy import money as money
from synthcredit.datasets.fromnumpy import plain as plain
from synthcredit.datasets.fromnumpy import real as real
from synthcredit.datasets.fromnumpy import whole as whole
from synthcredit.portfolio.draws import Ints

Words = NDArray[np.uint32]
"""Four characters each."""


@cache
def _numbered(start: str, width: int) -> Words:
    """Return a start and ``width`` digits, four characters together, for every number of so many digits."""
    text = "".join(f"{start}{number:0{width}d}" for number in range(10**width))
    return np.frombuffer(text.encode("ascii"), dtype=np.uint32)


def customer_words(numbers: Ints, letter: str) -> Words:
    """Return the keys of customers, shape (n, 3): a letter and eleven digits, counted from 1."""
    counted = numbers + 1
    return np.stack(
        [
            _numbered(letter, 3)[counted // 10**8],
            _numbered("", 4)[counted // 10**4 % 10**4],
            _numbered("", 4)[counted % 10**4],
        ],
        axis=1,
    )


def child_words(parents: Words, counted: NDArray[np.integer], *, long: bool = False) -> Words:
    """Return the keys of children: the parent's, a dash, and a number of three digits, or of seven where ``long``."""
    if long:
        more = [_numbered("-", 3)[counted // 10**4], _numbered("", 4)[counted % 10**4]]
    else:
        more = [_numbered("-", 3)[counted]]
    return np.concatenate([parents, np.stack(more, axis=1)], axis=1)


def lettered(words: Words, letter: str) -> Words:
    """Return keys with another letter in front: ``A00000000001-001`` becomes ``L00000000001-001``."""
    changed = words.copy()
    changed.view(np.uint8).reshape(len(words), 4 * words.shape[1])[:, 0] = ord(letter)
    return changed


def text(words: Words) -> pa.Array:
    """Return words of ASCII, shape (n, k), as strings of 4k characters."""
    rows, width = len(words), 4 * words.shape[1]
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(words)))

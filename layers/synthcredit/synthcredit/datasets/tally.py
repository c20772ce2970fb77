"""Counts of values in bounded memory: the frequent ones, and how many there are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthcredit.datasets.keyed import mix

FREQUENT_LIMIT = 10_000
"""Distinct values that are counted one by one. Above, the rarest are forgotten (lossy counting)."""
SKETCH_LIMIT = 1 << 17
"""Hashes kept for counting distinct values: exact below, then with a standard error of 0.3 %."""

_UINT64 = 2.0**64
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Tally:
    """The values of one column, added block by block.

    The number of distinct values comes from the smallest hashes seen (k minimum values: Bar-Yossef et al., "Counting
    distinct elements in a data stream", RANDOM 2002). A kept hash has been counted since its first occurrence, so
    repeats among those kept tell whether the column repeats values at all.
    """

    def __init__(self) -> None:
        self._frequent: pa.Table | None = None
        self._hashes = np.empty(0, dtype=np.uint64)
        self._hits = np.empty(0, dtype=np.int64)
        self._sketching = False
        self.count = 0
        """Values added."""

    @property
    def exact(self) -> bool:
        """Whether every distinct value is among `values`."""
        return not self._sketching

    def add(self, values: pa.Array, counts: pa.Array) -> None:
        """Add distinct values, none of them null, with their numbers of occurrences."""
        if not len(values):
            return
        self.count += pc.sum(counts).as_py()
        if self._sketching:
            self._sketch(values, counts)
            # What is frequent in the whole repeats within a block; what does not would only be forgotten again.
            repeated = pc.greater(counts, 1)
            values, counts = values.filter(repeated), counts.filter(repeated)
        merged = self._merged(values, counts)
        if merged.num_rows > FREQUENT_LIMIT:
            if not self._sketching:
                self._sketching = True
                self._sketch(merged["value"].combine_chunks(), merged["count"].combine_chunks())
            merged = merged.take(pc.sort_indices(merged, [("count", "descending")])[:FREQUENT_LIMIT])
        self._frequent = merged.combine_chunks()

    def _merged(self, values: pa.Array, counts: pa.Array) -> pa.Table:
        new = pa.table({"value": values, "count": counts})
        if self._frequent is None:
            return new
        both = pa.concat_tables([self._frequent, new]).group_by("value", use_threads=False)
        return both.aggregate([("count", "sum")]).select(["value", "count_sum"]).rename_columns(["value", "count"])

    def _sketch(self, values: pa.Array, counts: pa.Array) -> None:
        hashes = np.concatenate([self._hashes, hashed(values)])
        hits = np.concatenate([self._hits, counts.to_numpy(zero_copy_only=False)])
        unique, inverse = np.unique(hashes, return_inverse=True)
        self._hashes = unique[:SKETCH_LIMIT].copy()
        self._hits = np.bincount(inverse, weights=hits).astype(np.int64)[:SKETCH_LIMIT].copy()

    @property
    def distinct(self) -> int:
        """How many distinct values there are, estimated above `SKETCH_LIMIT`."""
        if not self._sketching:
            return 0 if self._frequent is None else self._frequent.num_rows
        if len(self._hashes) < SKETCH_LIMIT:
            return len(self._hashes)
        return min(self.count, round((SKETCH_LIMIT - 1) / (float(self._hashes[-1]) / _UINT64)))

    @property
    def unique(self) -> bool:
        """Whether no value has been found twice."""
        if self._sketching:
            return bool((self._hits == 1).all())
        return self.distinct == self.count

    @property
    def values(self) -> pa.Array:
        """The distinct values that are counted one by one."""
        return pa.array([]) if self._frequent is None else self._frequent["value"].combine_chunks()

    @property
    def counts(self) -> NDArray[np.int64]:
        """How often each of `values` occurs, shape (n,)."""
        if self._frequent is None:
            return np.empty(0, dtype=np.int64)
        return np.asarray(self._frequent["count"].combine_chunks().to_numpy(zero_copy_only=False), dtype=np.int64)


def counted(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the distinct values of an array that are not null, and how often each occurs."""
    pairs = pc.value_counts(array.drop_null())
    return pairs.field("values"), pairs.field("counts")


def hashed(values: pa.Array) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each value, shape (n,), the same in every process."""
    if pa.types.is_string(values.type):
        return mix(_polynomial(values))
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.uint8()).cast(pa.int64())
    elif not pa.types.is_integer(values.type) and not pa.types.is_floating(values.type):
        values = values.cast(pa.int32() if pa.types.is_date32(values.type) else pa.int64()).cast(pa.int64())
    return mix(np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).view(np.uint64))


def _polynomial(values: pa.Array) -> NDArray[np.uint64]:
    binary = values.cast(pa.large_binary())
    offsets = np.frombuffer(binary.buffers()[1], dtype=np.int64)[binary.offset : binary.offset + len(binary) + 1]
    lengths = np.diff(offsets)
    sums = np.zeros(len(values), dtype=np.uint64)
    if not lengths.any():
        return sums
    data = np.frombuffer(binary.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]].astype(np.uint64)
    powers = np.cumprod(np.full(lengths.max(), _FACTOR, dtype=np.uint64))
    place = np.arange(len(data)) - np.repeat(offsets[:-1] - offsets[0], lengths)
    filled = lengths > 0
    sums[filled] = np.add.reduceat((data + np.uint64(1)) * powers[place], (offsets[:-1] - offsets[0])[filled])
    return sums

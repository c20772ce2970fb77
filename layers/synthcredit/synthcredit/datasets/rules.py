"""Which rows keep a constraint. A column is an array of float64 here: numbers, seconds, or codes of categories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthcredit.datasets.arrow import arrow_type, to_floats
from synthcredit.datasets.constraints import (
    CombinationsConstraint,
    Constraint,
    FormulaConstraint,
    NullsConstraint,
    OrderConstraint,
    RangeConstraint,
    UniqueConstraint,
    Value,
)
from synthcredit.datasets.contradictions import bounds, grid
from synthcredit.datasets.schema import Column, TableSchema, as_number

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]
Values = Mapping[str, Floats]
"""Columns by name, each of shape (n,); NaN is missing, a category is its index in the schema."""

_ROUNDING = 1e-14
"""Of the sum of the absolute terms: what adding up binary fractions may be off."""
_MISSING = np.inf
"""Stands for missing where values are sorted and compared: NaN equals nothing, and no value is infinite."""


def table_values(table: pa.Table, schema: TableSchema, names: Sequence[str] | None = None) -> dict[str, Floats]:
    """Return columns of a table that conforms to its schema.

    Columns that no model learns come as numbers that tell their values apart, and nothing more.
    """
    wanted = schema.names if names is None else names
    return {name: _floats(table[name].combine_chunks(), schema[name]) for name in wanted}


def _floats(array: pa.Array, column: Column) -> Floats:
    if column.learned and not column.discrete:
        return to_floats(array)
    if column.learned:
        codes = pc.index_in(array, value_set=pa.array(column.categories, type=arrow_type(column.dtype)))
    else:
        codes = array.dictionary_encode().indices
    return to_floats(codes)


class Allowed:
    """Combinations of values that rows may have, and how often each came.

    Parameters
    ----------
    values
        Shape (combinations, columns), no two alike; NaN is missing.
    counts
        Shape (combinations,), int64: rows that had each.
    """

    def __init__(self, values: Floats, counts: NDArray[np.int64]) -> None:
        self.values, self.counts = values, counts
        self._filled = _filled(values)
        self._levels = [np.unique(column) for column in self._filled.T]
        # Column by column, a row's number so far and its next value become its next number; only pairs that are
        # allowed have one, so that no number grows beyond combinations times values.
        self._pairs: list[NDArray[np.int64]] = []
        keys = np.zeros(len(values), dtype=np.int64)
        for levels, column in zip(self._levels, self._filled.T, strict=True):
            pairs = keys * len(levels) + np.searchsorted(levels, column)
            self._pairs.append(np.unique(pairs))
            keys = np.searchsorted(self._pairs[-1], pairs)

    def __len__(self) -> int:
        return len(self.values)

    def knows(self, rows: Floats) -> Rows:
        """Tell which rows, shape (n, columns), have an allowed combination."""
        keys = np.zeros(len(rows), dtype=np.int64)
        known = np.ones(len(rows), dtype=bool)
        for levels, pairs, column in zip(self._levels, self._pairs, _filled(rows).T, strict=True):
            level, found = _position(levels, column)
            known &= found
            keys, found = _position(pairs, keys * len(levels) + level)
            known &= found
        return known

    def nearest(self, rows: Floats, rng: np.random.Generator) -> Floats:
        """Return for each row an allowed combination: by frequency among those that agree with most of its columns."""
        distinct, which = np.unique(_filled(rows), axis=0, return_inverse=True)
        luck = rng.random(len(rows))
        chosen = np.empty(len(rows), dtype=np.int64)
        for at, row in enumerate(distinct):
            own = np.flatnonzero(which == at)
            agree = (self._filled == row).sum(axis=1)
            weight = np.cumsum(np.where(agree == agree.max(), self.counts, 0))
            chosen[own] = np.searchsorted(weight, luck[own] * weight[-1], side="right")
        return self.values[chosen]


def _filled(rows: Floats) -> Floats:
    # Adding 0 makes -0 a 0.
    return np.where(np.isnan(rows), _MISSING, rows + 0.0)


def _position(ordered: NDArray[Any], wanted: NDArray[Any]) -> tuple[NDArray[np.int64], Rows]:
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return at, ordered[at] == wanted


def learn_combinations(rows: Floats, people: NDArray[np.int64] | None, k: int) -> tuple[Allowed, int]:
    """Return the combinations that at least ``k`` people have.

    Parameters
    ----------
    rows
        Shape (n, columns); NaN is missing.
    people
        Shape (n,), whose row each is; None where every row is somebody else's.
    k
        Fewest people behind a combination.

    Returns
    -------
    allowed, dropped
        In the order of their values, and how many rows have a combination of fewer people.
    """
    distinct, which, counts = np.unique(_filled(rows), axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    held = counts
    if people is not None:
        pairs = np.unique(np.stack([which, people]), axis=1)
        held = np.bincount(pairs[0], minlength=len(distinct))
    kept = held >= k
    values = np.where(np.isinf(distinct), np.nan, distinct)[kept]
    return Allowed(values, counts[kept].astype(np.int64)), int(counts[~kept].sum())


def keeps(constraint: Constraint, values: Values, schema: TableSchema, allowed: Allowed | None = None) -> Rows:
    """Tell which rows keep a constraint, shape (n,).

    Parameters
    ----------
    constraint
        Free of contradictions.
    values
        Its columns.
    allowed
        For combinations, those that there may be.
    """
    if isinstance(constraint, CombinationsConstraint):
        if allowed is None:
            raise ValueError("combinations need those that are allowed")
        return allowed.knows(np.stack([values[name] for name in constraint.columns], axis=1))
    return _KEEPS[type(constraint)](constraint, values, schema)


def _in_range(constraint: RangeConstraint, values: Values, schema: TableSchema) -> Rows:
    low, high = bounds(constraint, schema[constraint.column])
    column = values[constraint.column]
    kept: Rows = np.isnan(column) | ((column >= low) & (column <= high))
    return kept


def _in_order(constraint: OrderConstraint, values: Values, _schema: TableSchema) -> Rows:
    first = values[constraint.columns[0]]
    highest, kept = np.full(len(first), -np.inf), np.ones(len(first), dtype=bool)
    for name in constraint.columns:
        column = values[name]
        present = ~np.isnan(column)
        kept &= ~present | (column > highest if constraint.strict else column >= highest)
        highest = np.where(present, column, highest)
    return kept


def total(constraint: FormulaConstraint, values: Values) -> Floats:
    """Return the sums of a formula, not yet rounded; NaN where a term is missing."""
    found = np.full(len(values[constraint.column]), constraint.constant)
    for name, factor in constraint.terms.items():
        found = found + factor * values[name]
    return found


def _as_summed(constraint: FormulaConstraint, values: Values, schema: TableSchema) -> Rows:
    column, due = values[constraint.column], total(constraint, values)
    size = np.abs(column) + abs(constraint.constant)
    for name, factor in constraint.terms.items():
        size = size + np.abs(factor * values[name])
    # Half a unit of the last decimal: a sum with finer parts may have been rounded to even or away from 0.
    off = grid(schema[constraint.column]) / 2 * (1 + 1e-6) + _ROUNDING * size
    kept: Rows = np.isnan(column) | np.isnan(due) | (np.abs(column - due) <= off)
    return kept


def has_values(listed: Sequence[Value | None], column: Column, values: Floats) -> Rows:
    """Tell which rows of a column have one of some values, shape (n,)."""
    given = [value for value in listed if value is not None]
    if column.discrete:
        texts = {str(value) for value in given}
        numbers = [float(code) for code, category in enumerate(column.categories or ()) if str(category) in texts]
    else:
        numbers = [as_number(value, column) for value in given]
    found: Rows = np.isin(values, numbers)
    return found | np.isnan(values) if None in listed else found


def told(constraint: NullsConstraint, values: Values, schema: TableSchema) -> Rows:
    """Tell in which rows the column has to be missing, shape (n,)."""
    found = np.ones(len(values[constraint.column]), dtype=bool)
    for name, listed in constraint.when.items():
        found &= has_values(listed, schema[name], values[name])
    return found


def _as_told(constraint: NullsConstraint, values: Values, schema: TableSchema) -> Rows:
    missing, due = np.isnan(values[constraint.column]), told(constraint, values, schema)
    kept: Rows = missing == due if constraint.only else missing | ~due
    return kept


def keys(constraint: UniqueConstraint, values: Values) -> tuple[NDArray[np.uint64], Rows]:
    """Return a number for each row's values, and in which rows none is missing.

    Equal values have equal numbers. Different ones have different ones but for once in 2^64 pairs: a row that is
    refused for nothing, and a dataset of a million rows has a chance of 1 in 40 million of that.
    """
    rows = len(values[constraint.columns[0]])
    found, present = np.zeros(rows, dtype=np.uint64), np.ones(rows, dtype=bool)
    for name in constraint.columns:
        present &= ~np.isnan(values[name])
        found = _mixed(found ^ (values[name] + 0.0).view(np.uint64))
    return found, present


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return numbers spread over all bits: the finaliser of SplitMix64 (Steele et al., OOPSLA 2014)."""
    z = numbers + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _once(constraint: UniqueConstraint, values: Values, _schema: TableSchema) -> Rows:
    found, present = keys(constraint, values)
    kept = ~present
    at = np.flatnonzero(present)
    kept[at[first_of_each(found[at])]] = True
    return kept


def first_of_each(numbers: NDArray[np.uint64]) -> Rows:
    """Tell which numbers are the first of their value, shape (n,)."""
    first = np.zeros(len(numbers), dtype=bool)
    first[np.unique(numbers, return_index=True)[1]] = True
    return first


_KEEPS: Mapping[type, Callable[[Any, Values, TableSchema], Rows]] = {
    RangeConstraint: _in_range,
    OrderConstraint: _in_order,
    FormulaConstraint: _as_summed,
    NullsConstraint: _as_told,
    UniqueConstraint: _once,
}

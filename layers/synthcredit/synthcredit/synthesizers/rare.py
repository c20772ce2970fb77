"""What fewer than ``k`` people share is merged, replaced or pulled in before a network sees it.

The same rules as for the states of `trees`, on features: a family that trains a network applies them to its training
rows and needs no other guard for rare values. They count rows; `people.rows_behind` says how many make ``k`` people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric

FEW_VALUES = 20
"""A numeric column of no more values than this is a list of counts or ratings: each value is a state."""
_ROWS_PER_VALUE = 5

Floats = NDArray[np.float64]


def guarded(features: Features, schema: TableSchema, k: int, rng: np.random.Generator) -> Features:
    """Return rows in which nothing rare is left.

    Parameters
    ----------
    features
        The training rows.
    schema
        Its special values are codes, and guarded like categories.
    k
        Rows that must stand behind a category, a code, missing, a count, or the end of a range.
    rng
        Draws what stands in for what is rare.
    """
    return {name: guard(feature, schema[name], k, rng) for name, feature in features.items()}


def guard(feature: Feature, column: Column, k: int, rng: np.random.Generator) -> Feature:
    """Return one column with nothing rare in it; parameters as for `guarded`."""
    if isinstance(feature, Discrete):
        return common_categories(feature, k, rng, missing=feature.size - 1 if column.nullable else None)
    values = common_codes(feature.values, column.special_values, k, rng)
    ordinary = ~np.isnan(values) & ~np.isin(values, column.special_values)
    changed = values.copy()
    if has_few_values(values):
        changed[~np.isnan(values)] = merged(values[~np.isnan(values)], k)
    elif ordinary.any():
        changed[ordinary] = pulled(values[ordinary], k)
    return Numeric(changed)


def has_few_values(values: Floats) -> bool:
    """Tell whether the values of a numeric column are so few that each is a state; missing does not count."""
    counts = np.unique(values[~np.isnan(values)], return_counts=True)[1]
    return len(counts) <= 2 or (len(counts) <= FEW_VALUES and counts.mean() >= _ROWS_PER_VALUE)


def common_categories(feature: Discrete, k: int, rng: np.random.Generator, *, missing: int | None = None) -> Discrete:
    """Give rows of a category that fewer than ``k`` rows have that of another row, drawn at random.

    ``missing`` is the code that means missing, if there is one: a rare category does not become missing, so that as
    many values are missing as were.
    """
    codes = feature.codes
    common = np.bincount(codes, minlength=feature.size) >= k
    rare = ~common[codes]
    if not rare.any():
        return feature
    kept = ~rare & (codes != missing) if missing is not None else ~rare
    # Where no category is common, any of the schema's is as good: that says nothing of anybody.
    pool = codes[kept if kept.any() else ~rare] if common.any() else np.arange(feature.size, dtype=np.int32)
    changed = codes.copy()
    changed[rare] = rng.choice(pool, int(rare.sum()))
    return Discrete(changed, feature.size)


def common_codes(values: Floats, special: Sequence[float], k: int, rng: np.random.Generator) -> Floats:
    """Give rows of a code that fewer than ``k`` rows have, missing included, the value of another row.

    Where fewer than ``k`` rows have any other value, none can be told: all are missing, or all the middle one.
    """
    missing = np.isnan(values)
    rare = missing & (missing.sum() < k)
    for code in special:
        of_code = values == code
        rare |= of_code & (of_code.sum() < k)
    pool = values[~rare & ~missing]
    if len(pool) < k and missing.any():
        return np.full(len(values), np.nan)
    if not len(pool):
        return merged(values, k)
    changed = values.copy()
    changed[rare] = rng.choice(pool, int(rare.sum()))
    return changed


def merged(values: Floats, k: int) -> Floats:
    """Give rows of a value that fewer than ``k`` rows have the nearest value that enough have.

    Where none has enough, they all get the middle one: a column of which nothing may be told.
    """
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    common = distinct[counts >= k]
    if not len(common):
        common = np.sort(values)[len(values) // 2 : len(values) // 2 + 1]
    middles = common[:-1] / 2 + common[1:] / 2
    changed: Floats = common[np.searchsorted(middles, distinct)][place]
    return changed


def pulled(values: Floats, k: int) -> Floats:
    """Pull values that lie beyond the mean of the ``k`` smallest, or of the ``k`` largest, to it."""
    ends = min(k, len(values))
    ordered = np.sort(values)
    # Divided first, as a sum may overflow; and rounding must not lead out of the range.
    low = max(float((ordered[:ends] / ends).sum()), float(ordered[0]))
    high = min(float((ordered[len(values) - ends :] / ends).sum()), float(ordered[-1]))
    inside: Floats = np.clip(values, low, max(low, high))
    return inside

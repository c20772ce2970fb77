"""The columns of a table as models see them, and the way back.

The schema alone decides both ways, so that nothing has to be fitted or kept beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Discrete:
    """A categorical or boolean column.

    Parameters
    ----------
    codes
        Shape (n,), int32. Index into the column's categories; ``len(categories)`` means missing.
    size
        Number of states: the categories, and one more for missing where the column is nullable.
    """

    codes: NDArray[np.int32]
    size: int


@dataclass(frozen=True, slots=True)
class Numeric:
    """A continuous, integer or datetime column.

    Parameters
    ----------
    values
        Shape (n,), float64; NaN is missing. Dates and times are seconds.
    """

    values: NDArray[np.float64]


Feature = Discrete | Numeric
Features = Mapping[str, Feature]
"""Features by column name: the learned columns of one table, in schema order, all of one length."""


def take(features: Features, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Features:
    """Return some of the rows, by index or by mask."""
    return {name: take_one(feature, rows) for name, feature in features.items()}


def take_one(feature: Feature, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Feature:
    """Return some of a column's rows, by index or by mask."""
    if isinstance(feature, Discrete):
        return Discrete(feature.codes[rows], feature.size)
    return Numeric(feature.values[rows])


def join(pieces: Sequence[Features]) -> Features:
    """Return rows under each other; all pieces have the same columns."""
    return {name: _join([piece[name] for piece in pieces]) for name in pieces[0]}


def _join(parts: Sequence[Feature]) -> Feature:
    first = parts[0]
    if isinstance(first, Discrete):
        return Discrete(np.concatenate([values_of(part) for part in parts]), first.size)
    return Numeric(np.concatenate([values_of(part) for part in parts]))


def values_of(feature: Feature) -> NDArray[Any]:
    """Return the codes or the values of a column, shape (n,)."""
    return feature.codes if isinstance(feature, Discrete) else feature.values


def rows_of(features: Features) -> int:
    """Return the number of rows; 0 where there is no column."""
    return next((len(values_of(feature)) for feature in features.values()), 0)


def rarer(counts: Sequence[int] | NDArray[np.int64]) -> int:
    """Return which of two classes is the rarer one, 0 or 1, such as default; of equally many, the second."""
    return 1 if counts[1] <= counts[0] else 0

"""The columns of a table as models see them, and the way back.

The schema alone decides both ways, so that nothing has to be fitted or kept beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

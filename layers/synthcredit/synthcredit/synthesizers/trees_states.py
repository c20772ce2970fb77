"""Columns as states, and states as values again: how `trees` sees a table.

The states of a column have an order, so that a tree can split them by "at most". For numbers it is their own. A
value that many rows share is a state of its own. All other values fall into quantile bins of several rows each and are
spread anew inside their bin when they are drawn, so that no single value of a row is kept. Round amounts (hundreds,
thousands) have bins of their own, because people lend and pay in round amounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.features import Discrete, Numeric

MAX_BINS = 1000
"""Quantile bins of one column, at most."""
MIN_BIN_ROWS = 10
"""Rows that share a bin, at least: an edge then says little of any one row."""
FEW_VALUES = 32
"""A column of no more values than this is a list of codes or counts: each value is a state."""
AMOUNT_STEPS = tuple(10.0**power for power in range(-3, 9))
TIME_STEPS = (60.0, 3600.0, 86_400.0)
_EXCESS = 3.0
"""How many times more multiples of a step than chance there must be for them to have bins of their own."""

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class CategoryStates:
    """The states of one categorical column, in an order that makes splits meaningful.

    Parameters
    ----------
    code
        Shape (size,), int32. The category code of each state: every code from 0 on, once.
    """

    code: Codes

    @property
    def size(self) -> int:
        """Number of states, missing included."""
        return len(self.code)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the states as arrays by name."""
        return {"code": self.code}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Build states from arrays that may be hostile.

        Raises
        ------
        ValueError, KeyError
            They are not every code once.
        """
        code = arrays["code"]
        if code.dtype != np.int32 or not np.array_equal(np.sort(code, axis=0), np.arange(len(code))):
            raise ValueError("the states of a categorical column are not its categories")
        return cls(code)

    def draw(self, states: Codes, rng: np.random.Generator) -> Discrete:  # noqa: ARG002 - numbers need it
        """Return the categories of states, shape (n,)."""
        return Discrete(self.code[states], self.size)


@dataclass(frozen=True, slots=True)
class NumericStates:
    """The states of one numeric column, in the order of their values; missing, if any, is one more at the end.

    Parameters
    ----------
    low, high
        Shape (k,), float64. Between these a value of each state lies; equal where the state is one value.
    step
        Shape (k,), float64. Values are multiples of this; 0 where any value will do.
    missing
        Whether values may be missing.
    """

    low: Floats
    high: Floats
    step: Floats
    missing: bool

    @property
    def size(self) -> int:
        """Number of states, missing included."""
        return len(self.low) + self.missing

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the states as arrays by name."""
        return {"low": self.low, "high": self.high, "step": self.step}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], missing: bool) -> Self:
        """Build states from arrays that may be hostile.

        Raises
        ------
        ValueError, KeyError
            An array is missing, or they do not fit together.
        """
        low, high, step = parts = arrays["low"], arrays["high"], arrays["step"]
        if any(part.dtype != np.float64 or part.shape != (len(low),) for part in parts):
            raise ValueError("the states of a numeric column do not fit together")
        if not all(np.isfinite(part).all() for part in parts) or (low > high).any() or (step < 0).any():
            raise ValueError("the states of a numeric column are out of order")
        return cls(low, high, step, missing)

    def draw(self, states: Codes, rng: np.random.Generator) -> Numeric:
        """Draw a value for each state: evenly inside its bin, above 0 evenly on a log scale.

        Parameters
        ----------
        states
            Shape (n,), each below `size`.
        """
        share = rng.random(len(states))
        # Missing is the last state, so it finds NaN behind the ends of the bins.
        low, high, step = (np.append(part, np.nan)[states] for part in (self.low, self.high, self.step))
        above = low > 0
        # In logarithms, because the ratio of the ends overflows where a bin begins at next to nothing.
        log_low, log_high = (np.log(end, out=np.zeros_like(end), where=above) for end in (low, high))
        drawn = np.where(above, np.exp(log_low + (log_high - log_low) * share), low + (high - low) * share)
        drawn = np.clip(drawn, low, high)
        whole = np.round(np.divide(drawn, step, out=np.zeros_like(drawn), where=step > 0)) * step
        return Numeric(np.where(step > 0, whole, drawn))


States = CategoryStates | NumericStates


def learn_categories(feature: Discrete, reference: Floats | None) -> tuple[CategoryStates, Codes]:
    """Find an order of the categories of a column.

    Parameters
    ----------
    feature
        The column.
    reference
        Shape (n,). Categories are ordered by their mean of this; None keeps the order of the schema.

    Returns
    -------
    states, rows
        The states, and the state of each row, shape (n,), int32.
    """
    if reference is None:
        code = np.arange(feature.size, dtype=np.int32)
    else:
        rows = np.bincount(feature.codes, minlength=feature.size)
        means = np.bincount(feature.codes, reference, feature.size) / np.maximum(rows, 1)
        code = np.argsort(means, kind="stable").astype(np.int32)
    return CategoryStates(code), np.argsort(code).astype(np.int32)[feature.codes]


def learn_numbers(
    values: Floats, special: Sequence[float] = (), steps: Sequence[float] = AMOUNT_STEPS
) -> tuple[NumericStates, Codes]:
    """Find the states of a numeric column.

    Parameters
    ----------
    values
        Shape (n,), float64; NaN is missing.
    special
        Values that carry a meaning of their own, however few rows have them.
    steps
        What values may be multiples of, ascending.

    Returns
    -------
    states, rows
        The states, and the state of each row, shape (n,), int32.
    """
    missing = np.isnan(values)
    distinct, place, counts = np.unique(values[~missing], return_inverse=True, return_counts=True)
    bin_rows = max(MIN_BIN_ROWS, -(-counts.sum() // MAX_BINS))
    alone = (counts >= 2 * bin_rows) | np.isin(distinct, special) | (len(distinct) <= FEW_VALUES)

    state = np.arange(len(distinct))
    low, high, step = distinct.copy(), distinct.copy(), np.zeros(len(distinct))
    for size, members in _by_roundness(distinct, np.where(alone, 0, counts), bin_rows, steps):
        first = members[_first_of_bins(counts[members], bin_rows)]
        state[members] = first[np.searchsorted(first, members, side="right") - 1]
        ends = distinct[members]
        inner = np.searchsorted(members, first)[1:]
        edges = (ends[inner - 1] + ends[inner]) / 2
        low[first] = np.append(ends[0], edges)
        high[first] = np.append(edges, ends[-1])
        step[first] = size
    used = np.unique(state)
    order = used[np.argsort(low[used] + high[used], kind="stable")]
    rank = np.empty(len(distinct), dtype=np.int32)
    rank[order] = np.arange(len(order))
    rows = np.full(len(values), len(order), dtype=np.int32)
    rows[~missing] = rank[state[place]]
    return NumericStates(low[order], high[order], step[order], bool(missing.any())), rows


def _by_roundness(
    distinct: Floats, counts: NDArray[np.int64], bin_rows: int, steps: Sequence[float]
) -> list[tuple[float, NDArray[np.int64]]]:
    """Return (step, positions of the values that are multiples of it and of no larger step), smallest step first."""
    binned = np.flatnonzero(counts)
    rows = counts.sum()
    if not rows:
        return []
    values, rows_of = distinct[binned], counts[binned]
    base = max((size * by for size in steps for by in (1, 2, 2.5, 5) if _multiples(values, size * by).all()), default=0)
    kept, last_share, last_step = [float(base)], 1.0, base or steps[0]
    level = np.zeros(len(binned), dtype=np.int64)
    for size in (size for size in steps if size > base):
        multiple = _multiples(values, size)
        share = rows_of[multiple].sum() / rows
        if share * rows >= 5 * bin_rows and share >= _EXCESS * last_share * last_step / size:
            level[multiple] = len(kept)
            kept.append(size)
        last_share, last_step = share, size
    for at in range(len(kept) - 1):
        if rows_of[level == at].sum() < bin_rows:
            level[level == at] = at + 1  # A handful of odd values is too few for a bin of its own.
    return [(size, binned[level == at]) for at, size in enumerate(kept) if (level == at).any()]


def _multiples(values: Floats, size: float) -> NDArray[np.bool_]:
    whole = np.round(values / size)
    found: NDArray[np.bool_] = (np.abs(values / size - whole) < 1e-6) & ((whole != 0) | (values == 0))
    return found


def _first_of_bins(counts: NDArray[np.int64], bin_rows: int) -> list[int]:
    """Cut values into bins of at least ``bin_rows`` rows; return where each bin begins."""
    first, rows = [0], 0
    for at, count in enumerate(counts.tolist()):
        if rows >= bin_rows:
            first.append(at)
            rows = 0
        rows += count
    if rows < bin_rows and len(first) > 1:
        first.pop()
    return first


def midranks(rows: Codes, size: int) -> Floats:
    """Return the mean rank of each row's state, from 0 to 1, shape (n,): the scale on which trees see distances."""
    counts = np.bincount(rows, minlength=size)
    middles: Floats = (np.cumsum(counts) - counts / 2) / max(len(rows), 1)
    return middles[rows]

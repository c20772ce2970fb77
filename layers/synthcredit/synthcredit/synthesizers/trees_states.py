"""Columns as states, and states as values again: how `trees` sees a table.

The states of a column have an order, so that a tree can split them by "at most". For numbers it is their own. A
value that many people share is a state of its own. All other values fall into quantile bins of several people each and
are spread anew inside their bin when they are drawn, so that no single value of a row is kept. Round amounts (hundreds,
thousands) have bins of their own, because people lend and pay in round amounts.

Nothing that fewer than ``k`` rows stand behind becomes a state: such a category, code or mass point is merged or
replaced, a bin covers at least ``k`` rows, an end of the range is the mean of at least ``k`` values, and an edge
between two bins lies at random in the gap between the values at it. Where people have several rows each, the caller
raises ``k`` until that many rows must belong to as many people as are wanted.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.features import Discrete, Numeric
from synthcredit.synthesizers.rare import common_categories

MAX_BINS = 1000
"""Quantile bins of one column, at most."""
FEW_VALUES = 32
"""A column of no more values than this is a list of codes or counts: each value is a state."""
AMOUNT_STEPS = tuple(10.0**power for power in range(-3, 9))
TIME_STEPS = (60.0, 3600.0, 86_400.0)
_MOST_TILT = 50.0
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

    def of(self, feature: Discrete) -> Codes:
        """Return the state of each category, shape (n,)."""
        return np.argsort(self.code).astype(np.int32)[feature.codes]

    def draw(self, states: Codes, rng: np.random.Generator) -> Discrete:
        """Return the categories of states, shape (n,)."""
        return Discrete(self.code[states], self.size)


@dataclass(frozen=True, slots=True)
class NumericStates:
    """The states of one numeric column, in the order of their values; missing, if any, is one more at the end.

    Parameters
    ----------
    low, high
        Shape (s,), float64. Between these a value of each state lies; equal where the state is one value.
    step
        Shape (s,), float64. Values are multiples of this; 0 where any value will do.
    tilt
        Shape (s,), float64, from -50 to 50. How values lie between the ends: 0 evenly, above 0 more of them near
        ``low``, as a truncated exponential distribution of that rate.
    missing
        Whether values may be missing.
    """

    low: Floats
    high: Floats
    step: Floats
    tilt: Floats
    missing: bool

    @property
    def size(self) -> int:
        """Number of states, missing included."""
        return len(self.low) + self.missing

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the states as arrays by name."""
        return {"low": self.low, "high": self.high, "step": self.step, "tilt": self.tilt}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], missing: bool) -> Self:
        """Build states from arrays that may be hostile.

        Raises
        ------
        ValueError, KeyError
            An array is missing, or they do not fit together.
        """
        low, high, step, tilt = parts = arrays["low"], arrays["high"], arrays["step"], arrays["tilt"]
        if any(part.dtype != np.float64 or part.shape != (len(low),) for part in parts):
            raise ValueError("the states of a numeric column do not fit together")
        if not all(np.isfinite(part).all() for part in parts) or (low > high).any() or (step < 0).any():
            raise ValueError("the states of a numeric column are out of order")
        # A value is rounded by counting its steps, so that count must be a number.
        smallest = float(step[step > 0].min(initial=1.0))
        if max(abs(low.min(initial=0.0)), abs(high.max(initial=0.0))) > sys.float_info.max * smallest:
            raise ValueError("the steps of a numeric column are too small for its values")
        if (np.abs(tilt) > _MOST_TILT).any():
            raise ValueError("the states of a numeric column are too steep")
        return cls(low, high, step, tilt, missing)

    def of(self, feature: Numeric) -> Codes:
        """Return the state of each number, shape (n,): its own, else the roundest bin that holds it.

        Numbers that no bin holds take the state whose middle is nearest; a missing one the last state.
        """
        values, last = feature.values, self.size - 1
        if not len(self.low):
            return np.full(len(values), last, dtype=np.int32)
        middles = self.low / 2 + self.high / 2  # Ascending; halved first, because a sum may overflow.
        found = np.searchsorted(middles[:-1] / 2 + middles[1:] / 2, values)
        for step in np.unique(self.step):
            level = np.flatnonzero((self.step == step) & (self.low < self.high))
            if not len(level):
                continue
            at = level[np.maximum(np.searchsorted(self.low[level], values, side="right") - 1, 0)]
            with np.errstate(invalid="ignore"):
                multiple = np.abs(values - np.round(values / step) * step) < 1e-6 * step if step else ~np.isnan(values)
            found = np.where((self.low[at] <= values) & (values <= self.high[at]) & multiple, at, found)
        points = np.flatnonzero(self.low == self.high)
        if len(points):
            at = points[np.minimum(np.searchsorted(self.low[points], values), len(points) - 1)]
            found = np.where(self.low[at] == values, at, found)
        return np.where(np.isnan(values), last, found).astype(np.int32)

    def draw(self, states: Codes, rng: np.random.Generator) -> Numeric:
        """Draw a value for each state, between its ends as its tilt says.

        Parameters
        ----------
        states
            Shape (n,), each below `size`.
        """
        share = _tilted(rng.random(len(states)), np.append(self.tilt, 0.0)[states])
        # Missing is the last state, so it finds NaN behind the ends of the bins.
        low, high, step = (np.append(part, np.nan)[states] for part in (self.low, self.high, self.step))
        # Weighted, because the difference of the ends may overflow.
        drawn = np.clip(low * (1.0 - share) + high * share, low, high)
        whole = np.round(np.divide(drawn, step, out=np.zeros_like(drawn), where=step > 0)) * step
        return Numeric(np.where(step > 0, whole, drawn))

    def rounded(self, values: Floats) -> Floats:
        """Return values as the column could have them: inside its range, and in steps if all of it is; shape (n,)."""
        inside = np.clip(values, self.low.min(), self.high.max())
        bins = self.low < self.high
        step = float(self.step[bins].min()) if bins.any() else 0.0
        return np.round(inside / step) * step if step else inside


def _tilted(share: Floats, tilt: Floats) -> Floats:
    """Turn even shares into those of an exponential distribution cut off at 1: the inverse of its distribution."""
    steep = np.where(np.abs(tilt) < 1e-6, 1e-6, tilt)
    bent: Floats = -np.log1p(share * np.expm1(-steep)) / steep
    return bent


States = CategoryStates | NumericStates


def learn_categories(
    feature: Discrete,
    reference: Floats | None,
    *,
    k: int,
    rng: np.random.Generator,
    missing: int | None = None,
) -> tuple[CategoryStates, Codes]:
    """Find an order of the categories of a column.

    Parameters
    ----------
    feature
        The column.
    reference
        Shape (n,). Categories are ordered by their mean of this; None keeps the order of the schema.
    k
        Rows of a category that fewer rows have take that of another row, drawn at random.
    rng
        What is drawn from.
    missing
        The code that means missing, if there is one; see `rare.common_categories`.

    Returns
    -------
    states, rows
        The states, and the state of each row, shape (n,), int32.
    """
    codes = common_categories(feature, k, rng, missing=missing).codes
    if reference is None:
        code = np.arange(feature.size, dtype=np.int32)
    else:
        rows = np.bincount(codes, minlength=feature.size)
        means = np.bincount(codes, reference, feature.size) / np.maximum(rows, 1)
        code = np.argsort(means, kind="stable").astype(np.int32)
    return CategoryStates(code), np.argsort(code).astype(np.int32)[codes]


def learn_numbers(
    values: Floats,
    special: Sequence[float] = (),
    steps: Sequence[float] = AMOUNT_STEPS,
    *,
    k: int,
    rng: np.random.Generator,
) -> tuple[NumericStates, Codes]:
    """Find the states of a numeric column.

    Parameters
    ----------
    values
        Shape (n,), float64, ``n`` at least ``k``; NaN is missing.
    special
        Values that carry a meaning of their own, where at least ``k`` rows have them.
    steps
        What values may be multiples of, ascending.
    k
        Rows behind each state, at least.
    rng
        What edges, and values in the place of rare codes, are drawn from.

    Returns
    -------
    states, rows
        The states, and the state of each row, shape (n,), int32.
    """
    values = _without_rare_codes(values, special, k, rng)
    missing = np.isnan(values)
    distinct, place, counts = np.unique(values[~missing], return_inverse=True, return_counts=True)
    bin_rows = max(k, -(-counts.sum() // MAX_BINS))
    few = len(distinct) <= FEW_VALUES
    alone = (counts >= k) & ((counts >= 2 * bin_rows) | np.isin(distinct, special) | few)
    if alone.any() and (few or counts[~alone].sum() < k):
        place = _nearest(distinct, alone)[place]
        counts = np.bincount(place, minlength=len(distinct))

    state = np.arange(len(distinct))
    low, high, step, tilt = distinct.copy(), distinct.copy(), np.zeros(len(distinct)), np.zeros(len(distinct))
    for size, members in _by_roundness(distinct, np.where(alone, 0, counts), bin_rows, steps):
        first = members[_first_of_bins(counts[members], bin_rows)]
        state[members] = first[np.searchsorted(first, members, side="right") - 1]
        ends, inner = distinct[members], np.searchsorted(members, first)[1:]
        # Weighted, because the difference of two values may overflow.
        share = rng.random(len(inner))
        edges = ends[inner - 1] * (1.0 - share) + ends[inner] * share
        rows = np.repeat(ends, counts[members])
        low[first] = np.append(rows[:k].mean(), edges)
        high[first] = np.append(edges, rows[-k:].mean())
        step[first] = size
        within = np.clip(ends, low[state[members]], high[state[members]])
        tilt[first] = _tilts(low[first], high[first], within, counts[members], np.searchsorted(first, state[members]))
    used = np.unique(state[place])
    order = used[np.argsort(low[used] + high[used], kind="stable")]
    rank = np.empty(len(distinct), dtype=np.int32)
    rank[order] = np.arange(len(order))
    rows_of = np.full(len(values), len(order), dtype=np.int32)
    rows_of[~missing] = rank[state[place]]
    return NumericStates(low[order], high[order], step[order], tilt[order], bool(missing.any())), rows_of


def _without_rare_codes(values: Floats, special: Sequence[float], k: int, rng: np.random.Generator) -> Floats:
    """Give rows of a code that fewer than ``k`` rows have, missing included, the value of another row."""
    missing = np.isnan(values)
    rare = missing & (missing.sum() < k)
    for code in special:
        of_code = values == code
        rare |= of_code & (of_code.sum() < k)
    pool = values[~rare & ~missing]
    if len(pool) < k:
        # Too few rows have a value at all to learn from, so none has; codes without missing ones become bins.
        return np.full(len(values), np.nan) if missing.any() else values
    changed = values.copy()
    changed[rare] = rng.choice(pool, int(rare.sum()))
    return changed


def _nearest(distinct: Floats, alone: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each value the position of the nearest one that is a state of its own."""
    chosen = np.flatnonzero(alone)
    middles = distinct[chosen][:-1] / 2 + distinct[chosen][1:] / 2
    return chosen[np.searchsorted(middles, distinct)]


def _tilts(low: Floats, high: Floats, values: Floats, counts: NDArray[np.int64], of: NDArray[np.int64]) -> Floats:
    """Return for each bin the rate at which an exponential distribution cut off at its ends has its values' mean.

    Parameters
    ----------
    low, high
        Shape (bins,).
    values, counts, of
        Shape (values,). What lies in the bins, how often, and in which.
    """
    width = high - low
    usable = (width > 0) & np.isfinite(width)
    share = np.divide(values - low[of], width[of], out=np.full(len(values), 0.5), where=usable[of])
    mean = np.bincount(of, share * counts, len(low)) / np.bincount(of, counts, len(low))
    least, most = np.full(len(low), -_MOST_TILT), np.full(len(low), _MOST_TILT)
    for _ in range(40):  # The mean falls as the rate rises, so halving the interval finds it.
        middle = (least + most) / 2
        steep = np.where(np.abs(middle) < 1e-6, 1e-6, middle)
        above = 1 / steep - 1 / np.expm1(steep) > mean
        least, most = np.where(above, middle, least), np.where(above, most, middle)
    tilt: Floats = np.where(usable, (least + most) / 2, 0.0)
    return tilt


def _by_roundness(
    distinct: Floats, counts: NDArray[np.int64], bin_rows: int, steps: Sequence[float]
) -> list[tuple[float, NDArray[np.int64]]]:
    """Return (step, positions of the values that are multiples of it and of no larger step), smallest step first."""
    binned = np.flatnonzero(counts)
    rows = counts.sum()
    if not rows:
        return []
    values, rows_of = distinct[binned], counts[binned]
    base = max((size * by for size in steps for by in (1, 2, 2.5, 5) if multiples(values, size * by).all()), default=0)
    kept, last_share, last_step = [float(base)], 1.0, base or steps[0]
    level = np.zeros(len(binned), dtype=np.int64)
    for size in (size for size in steps if size > base):
        multiple = multiples(values, size)
        share = rows_of[multiple].sum() / rows
        if share * rows >= 5 * bin_rows and share >= _EXCESS * last_share * last_step / size:
            level[multiple] = len(kept)
            kept.append(size)
        last_share, last_step = share, size
    for at in range(len(kept) - 1):
        if rows_of[level == at].sum() < bin_rows:
            level[level == at] = at + 1  # A handful of odd values is too few for a bin of its own.
    return [(size, binned[level == at]) for at, size in enumerate(kept) if (level == at).any()]


def multiples(values: Floats, size: float) -> NDArray[np.bool_]:
    """Tell which values are whole multiples of a size, shape (n,); 0 is one of every size."""
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


def grouped(rows: NDArray[np.int64] | Floats, groups: int, frequent: int) -> NDArray[np.int64]:
    """Return the group of each state, numbered from 0 on, shape (states,): neighbours share one by their ranks.

    Parameters
    ----------
    rows
        Shape (states,). How many rows have each state.
    groups
        How many groups of about equally many rows there are at most, beside those of frequent states.
    frequent
        A state of at least one in so many rows is a group of its own.
    """
    total = max(float(rows.sum()), 1.0)
    shared = -1 - np.floor((np.cumsum(rows) - rows / 2) / total * groups)
    own = rows * frequent >= total
    numbers: NDArray[np.int64] = np.unique(np.where(own, np.arange(len(rows)), shared), return_inverse=True)[1]
    return numbers


def midranks(rows: Codes, size: int) -> Floats:
    """Return the mean rank of each row's state, from 0 to 1, shape (n,): the scale on which trees see distances."""
    counts = np.bincount(rows, minlength=size)
    middles: Floats = (np.cumsum(counts) - counts / 2) / max(len(rows), 1)
    return middles[rows]

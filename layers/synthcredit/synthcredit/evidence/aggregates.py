"""What a report may show of a column: counts of many rows, never a row, an extreme or a rare value.

This is the wall between real rows and the report. Every number about real rows that is drawn comes through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import Column, Dtype, Kind
from synthcredit.synthesizers.features import Discrete, Feature, Numeric

MIN_CELL = 10
"""No bar, bin or category stands for fewer real rows than this, unless for none."""
_MOST_BARS = 9
_FEW_VALUES = 12
_MOST_BINS = 24
_FEW_GROUPS = 8
_ROWS_A_CELL = 15
"""Real rows that a cell of two columns holds on average, were they independent."""
_MOST_STEPS = 18
_FEWEST_STEPS = 4
_GROUP_STEPS = 10
_TAIL = 1.0
"""Per cent of real rows beyond either end of an axis: one outlier must not squash a plot, nor be shown by it."""
_DAY = 86_400.0
_DATE_STEPS = tuple(_DAY * days for days in (1, 2, 7, 14, 28, 56, 91, 182, 365, 730, 1826, 3652))
_TIME_STEPS = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0)

OTHER = "other"
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Bars:
    """Shares by value, one bar a value.

    Parameters
    ----------
    labels
        Values that at least `MIN_CELL` real rows have; `OTHER` for all the rest together.
    real, synthetic
        Shares of rows, shape (labels,).
    merged
        How many values share the bar `OTHER`.
    """

    labels: tuple[str, ...]
    real: NDArray[np.float64]
    synthetic: NDArray[np.float64]
    merged: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares by interval.

    Parameters
    ----------
    edges
        Round numbers, shape (k + 1,); dates and times are seconds. Neighbouring intervals of few real rows are one.
    real, synthetic
        Shares of all rows, shape (k,).
    step
        The width of an interval that was not widened.
    beyond, missing
        Shares of (real, synthetic) rows outside the axis, and without a value; None: fewer than `MIN_CELL` real.
    """

    edges: NDArray[np.float64]
    real: NDArray[np.float64]
    synthetic: NDArray[np.float64]
    step: float
    beyond: tuple[float | None, float]
    missing: tuple[float | None, float]


def aggregate(column: Column, real: Feature, synthetic: Feature) -> Bars | Histogram | None:
    """Return what may be shown of a column, or None where there are too few real rows for anything."""
    if isinstance(real, Discrete) and isinstance(synthetic, Discrete):
        return _of_categories(column, real, synthetic)
    assert isinstance(real, Numeric)  # noqa: S101 - both sides were encoded by one schema
    assert isinstance(synthetic, Numeric)  # noqa: S101
    given = real.values[np.isfinite(real.values)]
    if len(given) < MIN_CELL:
        return None
    low, high = np.percentile(given, [_TAIL, 100 - _TAIL])
    few = not many_valued(real)
    if column.kind is not Kind.DATETIME and (few or low == high):
        return _of_values(real.values, synthetic.values)
    if low == high:
        return None
    return _histogram(_edges(low, high, column), real.values, synthetic.values)


def many_valued(feature: Feature) -> bool:
    """Tell whether a column has too many values to be shown one by one."""
    if isinstance(feature, Discrete):
        return False
    given = feature.values[np.isfinite(feature.values)]
    return len(np.unique(given[:10_000])) > _FEW_VALUES or len(np.unique(given)) > _FEW_VALUES


def _of_categories(column: Column, real: Discrete, synthetic: Discrete) -> Bars | None:
    labels = [str(category) for category in column.categories or ()]
    # Both codes above the categories stand for missing.
    counts = [np.bincount(np.minimum(side.codes, len(labels)), minlength=len(labels) + 1) for side in (real, synthetic)]
    return _bars([*labels, MISSING], *counts, by_size=True)


def _of_values(real: NDArray[np.float64], synthetic: NDArray[np.float64]) -> Bars | None:
    values, real_counts = np.unique(real[np.isfinite(real)], return_counts=True)
    found, synthetic_counts = np.unique(synthetic[np.isfinite(synthetic)], return_counts=True)
    known = dict(zip(found.tolist(), synthetic_counts.tolist(), strict=True))
    matched = np.array([known.get(value, 0) for value in values.tolist()])
    lost = int(synthetic_counts.sum() - matched.sum())
    labels = [*(f"{value:,.10g}" for value in values), MISSING, OTHER]
    gone = [int((~np.isfinite(side)).sum()) for side in (real, synthetic)]
    return _bars(
        labels, np.append(real_counts, [gone[0], 0]), np.append(matched, [gone[1], lost]), by_size=False
    )  # fmt: skip


def _bars(
    labels: Sequence[str], real: NDArray[np.int64], synthetic: NDArray[np.int64], *, by_size: bool
) -> Bars | None:
    order = np.argsort(-real, kind="stable")
    kept = [int(i) for i in order[: _FEW_VALUES if not by_size else _MOST_BARS] if real[i] >= MIN_CELL]
    # Rows under "other" must be many or none, too: the last ones shown join them until they are.
    while kept and 0 < _rest(real, kept) < MIN_CELL:
        kept.pop()
    if not kept:
        return None
    shown = kept if by_size else sorted(kept)
    others = [i for i in range(len(labels)) if i not in set(kept) and real[i] + synthetic[i] > 0]
    rest = [(_rest(real, kept), _rest(synthetic, kept))] if others else []
    real_counts, synthetic_counts = (
        np.array([*side[shown].tolist(), *(pair[position] for pair in rest)], dtype=np.float64)
        for position, side in enumerate((real, synthetic))
    )
    return Bars(
        labels=(*(labels[i] for i in shown), *([OTHER] if others else [])),
        real=real_counts / max(real.sum(), 1),
        synthetic=synthetic_counts / max(synthetic.sum(), 1),
        merged=len(others),
    )


def _rest(counts: NDArray[np.int64], kept: Sequence[int]) -> int:
    return int(counts.sum() - counts[list(kept)].sum())


def _edges(low: float, high: float, column: Column) -> NDArray[np.float64]:
    """Return round, evenly spaced edges from below the low to above the high end."""
    width = (high - low) / _MOST_BINS
    if column.kind is Kind.DATETIME:
        steps = _TIME_STEPS if column.dtype is Dtype.TIME else _DATE_STEPS
        step = next((step for step in steps if step >= width), steps[-1])
    else:
        power = 10.0 ** np.floor(np.log10(width))
        step = power * next(factor for factor in (1, 2, 5, 10) if power * factor >= width * (1 - 1e-9))
        step = max(1.0, step) if column.kind is Kind.INTEGER else step
    first, last = np.floor(low / step), np.floor(high / step) + 1
    return np.arange(first, last + 1) * step


def _histogram(
    edges: NDArray[np.float64], real: NDArray[np.float64], synthetic: NDArray[np.float64]
) -> Histogram | None:
    counts = [_counts(side, edges) for side in (real, synthetic)]
    starts = _merged_starts(counts[0])
    if starts is None:
        return None
    gone = [int((~np.isfinite(side)).sum()) for side in (real, synthetic)]
    outside = [len(side) - gone[i] - int(counts[i].sum()) for i, side in enumerate((real, synthetic))]
    rows = (max(len(real), 1), max(len(synthetic), 1))
    return Histogram(
        edges=np.append(edges[starts], edges[-1]),
        real=np.add.reduceat(counts[0], starts) / rows[0],
        synthetic=np.add.reduceat(counts[1], starts) / rows[1],
        step=float(edges[1] - edges[0]),
        beyond=_shares(outside, rows),
        missing=_shares(gone, rows),
    )


def _counts(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count values in half-open intervals, shape (edges - 1,)."""
    positions = np.searchsorted(edges, values[np.isfinite(values)], side="right") - 1
    inside = positions[(positions >= 0) & (positions < len(edges) - 1)]
    return np.bincount(inside, minlength=len(edges) - 1)


def _merged_starts(counts: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return where intervals begin so that each has no real row or at least `MIN_CELL`; None if that cannot be."""
    starts: list[int] = []
    full: list[int] = []
    begin, held = 0, 0
    for position, count in enumerate(counts.tolist()):
        if held == 0:
            begin = position
        held += count
        if held == 0 or held >= MIN_CELL:
            full += [len(starts)] if held else []
            starts.append(begin)
            held = 0
    if not full:
        return None
    if held:
        # Too few are left over at the end: the last full interval takes them, and all between.
        starts = starts[: full[-1] + 1]
    return np.array(starts)


def _shares(counts: Sequence[int], rows: tuple[int, int]) -> tuple[float | None, float]:
    return (None if 0 < counts[0] < MIN_CELL else counts[0] / rows[0]), counts[1] / rows[1]


# --- two columns -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Axis:
    """How one of two columns is cut.

    Parameters
    ----------
    column
        The column.
    labels
        Values that at least `MIN_CELL` real rows have, in order; empty for a column that is cut into steps.
    edges
        Ends of the steps, round numbers, shape (k + 1,), each step with about as many real rows; None for values.
    """

    column: Column
    labels: tuple[str, ...]
    edges: NDArray[np.float64] | None

    @property
    def size(self) -> int:
        """Number of values or steps."""
        return len(self.labels) if self.edges is None else len(self.edges) - 1


@dataclass(frozen=True, slots=True)
class Pair:
    """Shares of rows by two columns, on shared axes.

    Parameters
    ----------
    x, y
        The axes.
    real, synthetic
        Shares, shape (y, x); NaN where so few rows are that they are not shown: by the same limit, `MIN_CELL` of the
        real rows, on both sides, and so that no hidden cell follows from the others.
    by_group
        Whether shares are of the rows of each value of y, else of all rows.
    """

    x: Axis
    y: Axis
    real: NDArray[np.float64]
    synthetic: NDArray[np.float64]
    by_group: bool


def aggregate_pair(
    columns: tuple[Column, Column], real: tuple[Feature, Feature], synthetic: tuple[Feature, Feature]
) -> Pair | None:
    """Return what may be shown of two columns together, or None where there are too few real rows for it.

    Of a column with an order and one without, the first is x. Rows without a number, and those beyond the outer 1 % of
    the real ones, are left out.
    """
    cuts = [_Cut.of(*each) for each in zip(columns, real, strict=True)]
    if cuts[0].continuous < cuts[1].continuous:
        cuts.reverse()
        real, synthetic = real[::-1], synthetic[::-1]
    steps = _steps(len(_values(real[0])), cuts)
    axes = [cut.axis(steps) for cut in cuts]
    x, y = axes
    if x is None or y is None or x.size < 2 or y.size < 2:
        return None
    counts = [
        _table(cuts[0].place(side[0], x), cuts[1].place(side[1], y), y.size, x.size) for side in (real, synthetic)
    ]
    rows = [float(side.sum()) for side in counts]
    hidden = _hidden(counts[0])
    if min(rows) == 0 or (~hidden).sum() < 2:
        return None
    # Both sides are hidden by one limit, so that equal sides look equal.
    few = (counts[1] / rows[1] < MIN_CELL / rows[0]) | (hidden & (counts[0] >= MIN_CELL))
    by_group = y.edges is None
    of = [np.maximum(side.sum(axis=1, keepdims=True), 1.0) if by_group else side.sum() for side in counts]
    shares = [np.where(hide, np.nan, side / all_) for side, all_, hide in zip(counts, of, (hidden, few), strict=True)]
    return _without_empty(Pair(x, y, shares[0], shares[1], by_group))


def _without_empty(pair: Pair) -> Pair:
    """Leave out values, never steps, of which nothing is shown."""
    seen = np.isfinite(pair.real)
    rows, columns = (
        np.flatnonzero(seen.any(axis=1 - axis)) if of.edges is None else np.arange(of.size)
        for axis, of in enumerate((pair.y, pair.x))
    )
    y, x = (
        Axis(of.column, tuple(of.labels[i] for i in kept), None) if of.edges is None else of
        for of, kept in ((pair.y, rows), (pair.x, columns))
    )
    kept = np.ix_(rows, columns)
    return Pair(x, y, pair.real[kept], pair.synthetic[kept], pair.by_group)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A column on its way to an axis: its values that are shown by name, or its numbers."""

    column: Column
    kept: tuple[int, ...] | NDArray[np.float64]
    continuous: bool

    @classmethod
    def of(cls, column: Column, real: Feature) -> _Cut:
        if isinstance(real, Discrete):
            counts = np.bincount(np.minimum(real.codes, len(column.categories or ())))
            order = np.argsort(-counts, kind="stable")[:_FEW_GROUPS]
            return cls(column, tuple(sorted(int(code) for code in order if counts[code] >= MIN_CELL)), False)
        values, counts = np.unique(real.values[np.isfinite(real.values)], return_counts=True)
        if column.kind is not Kind.DATETIME and len(values) <= _FEW_VALUES:
            return cls(column, values[counts >= MIN_CELL], False)
        return cls(column, real.values[np.isfinite(real.values)], True)

    def axis(self, steps: int) -> Axis | None:
        if self.continuous:
            assert isinstance(self.kept, np.ndarray)  # noqa: S101 - numbers
            edges = _quantile_edges(self.kept, steps, self.column)
            return None if edges is None else Axis(self.column, (), edges)
        if isinstance(self.kept, np.ndarray):
            return Axis(self.column, tuple(f"{value:,.10g}" for value in self.kept.tolist()), None)
        names = [*(str(category) for category in self.column.categories or ()), MISSING]
        return Axis(self.column, tuple(names[code] for code in self.kept), None)

    def place(self, feature: Feature, axis: Axis) -> NDArray[np.int64]:
        """Return the place of every row on the axis, -1 where it has none, shape (n,)."""
        if isinstance(feature, Discrete):
            places = np.full(len(self.column.categories or ()) + 1, -1)
            places[list(self.kept)] = np.arange(len(self.kept))
            return np.asarray(places[np.minimum(feature.codes, len(places) - 1)])
        if axis.edges is not None:
            found = np.searchsorted(axis.edges, feature.values, side="right") - 1
            return np.where(np.isfinite(feature.values) & (found < axis.size), found, -1)
        assert isinstance(self.kept, np.ndarray)  # noqa: S101 - numbers of few values
        found = np.minimum(np.searchsorted(self.kept, feature.values), max(len(self.kept) - 1, 0))
        return np.where(self.kept[found] == feature.values, found, -1) if len(self.kept) else np.full(len(found), -1)


def _values(feature: Feature) -> NDArray[np.generic]:
    return feature.codes if isinstance(feature, Discrete) else feature.values


def _steps(rows: int, cuts: Sequence[_Cut]) -> int:
    if all(cut.continuous for cut in cuts):
        return min(int(np.sqrt(rows / _ROWS_A_CELL)), _MOST_STEPS)
    return min(rows // (_ROWS_A_CELL * _FEWEST_STEPS), _GROUP_STEPS)


def _quantile_edges(values: NDArray[np.float64], steps: int, column: Column) -> NDArray[np.float64] | None:
    if steps < _FEWEST_STEPS or len(values) < MIN_CELL * steps:
        return None
    cuts = np.quantile(values, np.linspace(_TAIL / 100, 1 - _TAIL / 100, steps + 1))
    if column.kind is Kind.DATETIME:
        unit = 60.0 if column.dtype is Dtype.TIME else _DAY
        edges = np.unique(np.round(cuts / unit) * unit)
    else:
        # Evenly rounded where values are spread evenly; to two digits where they are spread over magnitudes.
        unit = 10.0 ** np.floor(np.log10(max(cuts[-1] - cuts[0], 1e-300) / 50))
        even = np.unique(np.round(cuts / unit) * unit)
        digits = np.unique([float(f"{value:.2g}") for value in cuts])
        edges = even if len(even) >= len(digits) else digits
        if column.kind is Kind.INTEGER:
            edges = np.unique(np.round(edges))
    return edges if len(edges) >= _FEWEST_STEPS else None


def _table(x: NDArray[np.int64], y: NDArray[np.int64], height: int, width: int) -> NDArray[np.float64]:
    both = (x >= 0) & (y >= 0)
    counts = np.bincount(y[both] * width + x[both], minlength=height * width)
    return counts.reshape(height, width).astype(np.float64)


def _hidden(counts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the cells that must not be shown, so that the hidden ones of a line are none or many rows together."""
    hidden = counts < MIN_CELL
    for table, mask in ((counts, hidden), (counts.T, hidden.T)):
        for line, of in zip(table, mask, strict=True):
            while 0 < line[of].sum() < MIN_CELL and not of.all():
                of[np.argmin(np.where(of, np.inf, line))] = True
    return hidden

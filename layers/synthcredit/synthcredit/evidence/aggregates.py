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
    few = len(np.unique(given[:10_000])) <= _FEW_VALUES and len(np.unique(given)) <= _FEW_VALUES
    if column.kind is not Kind.DATETIME and (few or low == high):
        return _of_values(real.values, synthetic.values)
    if low == high:
        return None
    return _histogram(_edges(low, high, column), real.values, synthetic.values)


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

"""The rows that credit behaviour is measured on: good or bad, every value in a bin fixed on real training rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import Column, Kind, TableSchema, storage_name
from synthcredit.evidence.aggregates import MIN_CELL, MISSING, OTHER
from synthcredit.evidence.model import Figure
from synthcredit.evidence.sides import Bin, Sides, cut, draw, fit_bins
from synthcredit.evidence.utility import MIN_OF_A_CLASS, outcome, prepare
from synthcredit.synthesizers.features import Discrete, Feature, Features, rarer, take

MAX_ROWS = 30_000
"""Rows a side: information values of ten bins are sure to the second digit, and 200 resamples take 50 MB."""
MAX_BINS = 10
MIN_SHARE = 0.05
"""A bin stands for at least this share of the real training rows, as scorecard builders have it."""
MIN_OF_A_CLASS_IN_A_BIN = 5
MIN_GROUP = 30
"""A group of people with fewer holdout rows is not compared: its approval rate is known to no better than +-.18."""
PROTECTED = frozenset(
    (
        *("age", "sex", "gender", "race", "ethnicity", "ethnic", "nationality", "citizenship", "foreign", "religion"),
        *("marital", "marriage", "married", "disability", "disabled"),
    )
)
"""Words in column names that tell of grounds on which lenders may not discriminate."""
Z = 1.959964
"""Two-sided 95 %."""
_AGE_BANDS = 4
_TAILS = (2.5, 97.5)

Vector = NDArray[np.float64]
States = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BinnedRows:
    """Rows of one side.

    Parameters
    ----------
    states
        The bin of every value by column, each shape (n,).
    bad
        Whether the row is of the bad class, shape (n,).
    """

    states: dict[str, States]
    bad: Flags

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.bad)

    def take(self, index: NDArray[np.int64]) -> BinnedRows:
        """Return some rows, in the order of ``index``, shape (m,)."""
        return BinnedRows({name: states[index] for name, states in self.states.items()}, self.bad[index])

    def draw(self, rows: int, rng: np.random.Generator) -> BinnedRows:
        """Return so many different rows, drawn evenly; all of them where there are no more."""
        return self if rows >= self.rows else self.take(rng.permutation(self.rows)[:rows])


@dataclass(frozen=True, slots=True)
class Columns:
    """The binned columns.

    Parameters
    ----------
    sizes
        Number of bins by column, at least two.
    labels
        The bins' names for people, by column.
    shares
        The share of real training rows by bin, by column.
    """

    sizes: dict[str, int]
    labels: dict[str, tuple[str, ...]]
    shares: dict[str, Vector]


@dataclass(frozen=True, slots=True)
class Setting:
    """All that is measured on.

    Parameters
    ----------
    synthetic, train, holdout
        The rows of the three sides.
    columns
        Their bins.
    groups
        Which group of people each holdout row belongs to, -1 none, by protected column.
    """

    synthetic: BinnedRows
    train: BinnedRows
    holdout: BinnedRows
    columns: Columns
    groups: dict[str, States]


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of a figure: its value, interval and fresh; or why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    fresh: float | None = None
    rows: int | None = None
    remark: str = ""
    why_not: str | None = None


_SHARES = (
    *(Figure.WOE_DIRECTION, Figure.SWAP_SET, Figure.BAD_RATE_GAP, Figure.GRADE_ORDER),
    Figure.ADVERSE_IMPACT_GAP,
)
_LIMITS = {Figure.WOE_AGREEMENT: (-1.0, 1.0), **dict.fromkeys(_SHARES, (0.0, 1.0))}


def around(
    figure: Figure, values: Vector, fresh: float | None, rows: int, remark: str = "", *, besides: float = 0.0
) -> Judged:
    """Return the first of the values, its other ones being resamples, plus and minus 1.96 standard errors.

    Within what the figure can be; ``besides`` is a standard error that resampling does not see.
    """
    lowest, highest = _LIMITS.get(figure, (0.0, math.inf))
    value, half = float(values[0]), Z * math.hypot(float(np.std(values[1:], ddof=1)), besides)
    return Judged(value, max(lowest, value - half), min(highest, value + half), fresh, rows, remark=remark)


def percentiles(values: Vector, fresh: float | None, rows: int, remark: str = "") -> Judged:
    """Return the first of the values with the 95 % percentile interval of the others, its resamples."""
    low, high = np.nanpercentile(values[1:], _TAILS)
    return Judged(float(values[0]), float(low), float(high), fresh, rows, remark=remark)


def prepare_setting(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> tuple[Setting, str] | str:
    """Return the rows in bins, and the name of the bad class; or why there is nothing to measure."""
    question = prepare(sides, schema)
    if isinstance(question, str):
        return question
    target = question.target
    found = good_and_bad(question.sides.train[target])
    if isinstance(found, str):
        return found
    classes, worse = found
    whole = (question.sides.synthetic, question.sides.train, question.sides.holdout)
    # A third class, which only synthetic or holdout rows have, is neither good nor bad.
    judged = (take(side, np.flatnonzero(np.isin(outcome(side[target]), classes))) for side in whole)
    drawn = [draw(side, MAX_ROWS, rng) for side in judged]
    bad = [outcome(side[target]) == worse for side in drawn]
    why_not = _too_few_of_a_class(bad)
    if why_not is not None:
        return why_not
    inputs: list[Features] = [{name: side[name] for name in side if name != target} for side in drawn]
    columns, cuts = _columns(inputs, bad[1], schema)
    if not columns.sizes:
        return "no other column has two bins of enough real training rows"
    synthetic, train, holdout = (BinnedRows(states, flags) for states, flags in zip(cuts, bad, strict=True))
    setting = Setting(synthetic, train, holdout, columns, protected_groups(inputs[1], inputs[2], holdout, schema))
    return setting, class_name(schema[target], worse)


def _too_few_of_a_class(bad: Sequence[Flags]) -> str | None:
    counts = {
        name: int(min(flags.sum(), (~flags).sum()))
        for name, flags in zip(("synthetic", "training", "holdout"), bad, strict=True)
    }
    few = [f"{count} of the {name} rows" for name, count in counts.items() if count < MIN_OF_A_CLASS]
    return f"a class of the target has {', '.join(few)}; at least {MIN_OF_A_CLASS} are needed" if few else None


def good_and_bad(target: Feature) -> tuple[Vector, float] | str:
    """Return the two classes of a target and which of them is bad, the rarer one; or why there are not two."""
    classes, counts = np.unique(outcome(target), return_counts=True)
    if len(classes) != 2:
        return "the target has more than two classes; good and bad are needed"
    return classes, float(classes[rarer(counts)])


def class_name(column: Column, value: float) -> str:
    """Return a class of the target as people know it."""
    return str((column.categories or ())[int(value)]) if column.discrete else f"{value:,.10g}"


def _columns(inputs: Sequence[Features], bad: Flags, schema: TableSchema) -> tuple[Columns, list[dict[str, States]]]:
    """Return the bins, fixed on the training rows (the second of the inputs), and every side's rows in them."""
    bins = fit_bins(inputs[1])
    raw = [cut(side, bins) for side in inputs]
    columns = Columns({}, {}, {})
    cuts: list[dict[str, States]] = [{} for _ in inputs]
    for name, how in bins.items():
        counts = by_bin(raw[1][name], bad, how.size, np.ones((1, len(bad))))[0]
        merged = merge_sparse(counts, ordered=how.edges is not None)
        size = int(merged.max()) + 1
        if size < 2:
            continue
        columns.sizes[name] = size
        columns.labels[name] = _labels(schema[name], how, merged, counts.sum(axis=1) > 0)
        columns.shares[name] = np.bincount(merged, weights=counts.sum(axis=1), minlength=size) / len(bad)
        for states, side in zip(cuts, raw, strict=True):
            states[name] = merged[side[name]]
    return columns, cuts


def merge_sparse(counts: Vector, *, ordered: bool) -> States:
    """Return the bin of each state so that every bin has enough rows, and enough of either class.

    Enough is 5 % of the rows, at least 10, and 5 of either class. States in an order are joined with the next one, the
    last of them, which is missing, with the largest bin. Of others the sparse ones, and those beyond ten bins, share
    one, with the next rarest until it is large enough.

    Parameters
    ----------
    counts
        Good and bad real training rows by state, shape (states, 2).
    ordered
        Whether states have an order, the last one aside.

    Returns
    -------
    States
        Shape (states,): bins from 0 on.
    """
    least = max(MIN_CELL, MIN_SHARE * float(counts.sum()))
    if not ordered:
        return _merge_categories(counts, least)
    merged = np.zeros(len(counts), dtype=np.int64)
    current, held = 0, np.zeros(2)
    for state, count in enumerate(counts[:-1]):
        merged[state] = current
        held = held + count
        if _enough(held, least):
            current, held = current + 1, np.zeros(2)
    # What is left over at the end joins the last bin that is full.
    merged = np.minimum(merged, max(current - 1, 0))
    rows = np.bincount(merged[:-1], weights=counts[:-1].sum(axis=1))
    merged[-1] = current if current and _enough(counts[-1], least) else int(rows.argmax())
    return merged


def _merge_categories(counts: Vector, least: float) -> States:
    order = np.argsort(-counts.sum(axis=1), kind="stable").tolist()
    alone = [state for state in order if _enough(counts[state], least)]
    shared = [state for state in order if state not in set(alone)]
    while alone and shared and (len(alone) >= MAX_BINS or not _enough(counts[shared].sum(axis=0), least)):
        shared.append(alone.pop())
    merged = np.full(len(counts), len(alone), dtype=np.int64)
    merged[alone] = np.arange(len(alone))
    return merged


def _enough(count: Vector, least: float) -> bool:
    return bool(count.sum() >= least and count.min() >= MIN_OF_A_CLASS_IN_A_BIN)


def _labels(column: Column, how: Bin, merged: States, seen: Flags) -> tuple[str, ...]:
    size = int(merged.max()) + 1
    if how.edges is not None:
        return _interval_labels(column, how.edges, merged)
    assert how.states is not None  # noqa: S101 - a bin has either
    categories = [*(str(category) for category in column.categories or ()), MISSING, MISSING]
    labels = []
    for group in range(size):
        codes = [code for code, state in enumerate(how.states) if merged[state] == group and seen[state]]
        labels.append(categories[codes[0]] if len(codes) == 1 else OTHER)
    return tuple(labels)


def _interval_labels(column: Column, edges: Vector, merged: States) -> tuple[str, ...]:
    """Name intervals by round numbers, or by their position where that does not tell them apart."""
    intervals = int(merged[:-1].max()) + 1
    starts = [float(edges[np.flatnonzero(merged[:-1] == group)[0] - 1]) for group in range(1, intervals)]
    rounded = [f"{float(f'{start:.2g}'):,.10g}" for start in starts]
    if column.kind is Kind.DATETIME or len(set(rounded)) < len(rounded):
        labels = [f"interval {group + 1} of {intervals}" for group in range(intervals)]
    else:
        between = [f"{low} to {high}" for low, high in pairwise(rounded)]
        labels = [f"below {rounded[0]}", *between, f"{rounded[-1]} and more"] if rounded else ["all values"]
    return (*labels, MISSING) if merged[-1] == intervals else tuple(labels)


def by_bin(states: States, bad: Flags, size: int, weights: Vector) -> Vector:
    """Count good and bad rows by bin, shape (resamples, size, 2); ``weights`` of shape (resamples, rows)."""
    cells = np.zeros((len(bad), 2 * size))
    cells[np.arange(len(bad)), 2 * states + bad] = 1.0
    return np.asarray((weights @ cells).reshape(-1, size, 2))


def score_bands(scores: Vector, most: int) -> Vector:
    """Return the inner edges of score bands of equally many rows, ascending; fewer where scores repeat."""
    edges = np.unique(np.quantile(scores, np.arange(1, most) / most))
    return np.asarray(edges[edges > scores.min()])


# --- groups of people ------------------------------------------------------------------------------------------------


def protected_groups(train: Features, holdout: Features, held: BinnedRows, schema: TableSchema) -> dict[str, States]:
    """Return the group of each holdout row by protected column: categories in their bins, numbers in four bands."""
    found = {}
    for name, feature in holdout.items():
        if PROTECTED.isdisjoint(storage_name(schema[name].storage_name).split("_")):
            continue
        if isinstance(feature, Discrete):
            groups = held.states.get(name, np.full(held.rows, -1, dtype=np.int64))
        else:
            groups = _quarters(train[name], feature)
        groups = _large_only(groups)
        if groups.max(initial=-1) >= 1:
            found[name] = groups
    return found


def _quarters(train: Feature, holdout: Feature) -> States:
    real, values = outcome(train), outcome(holdout)
    real = real[np.isfinite(real)]
    if not real.size:
        return np.full(len(values), -1, dtype=np.int64)
    states = np.searchsorted(score_bands(real, _AGE_BANDS), values, side="right")
    return np.where(np.isfinite(values), states, -1).astype(np.int64)


def _large_only(groups: States) -> States:
    """Give new numbers to the groups that are large enough, and none to the rest."""
    counts = np.bincount(groups + 1)[1:]
    large = np.flatnonzero(counts >= MIN_GROUP)
    new = np.full(len(counts) + 1, -1, dtype=np.int64)
    new[large + 1] = np.arange(len(large))
    return new[groups + 1]

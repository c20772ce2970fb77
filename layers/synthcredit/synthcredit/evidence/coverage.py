"""Coverage: whether all is there that real rows have: kinds of rows, missing values, tails, defaulters, segments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from synthcredit.datasets.schema import Column, Kind, TableSchema
from synthcredit.evidence.aggregates import MIN_CELL, MISSING, OTHER
from synthcredit.evidence.fidelity import joint_of, similarity
from synthcredit.evidence.model import Detail, Figure, Measure, Unit
from synthcredit.evidence.sides import MIN_ROWS, Bin, Sides, cut, draw, fit_bins
from synthcredit.evidence.utility import outcome
from synthcredit.synthesizers.features import Discrete, Feature, Features, rows_of, take

NEIGHBOUR_ROWS = 10_000
"""Rows a side among which nearest neighbours are looked for: time grows with their square."""
TAIL_ROWS = 30_000
"""Rows a side for percentiles and missing values: 30 of them lie beyond the 99.9th percentile."""
CLASS_ROWS = 5_000
"""Rows a side of the rarer class that are compared."""
CLASS_PAIRS = 500
"""Above this many pairs of columns, trends within the rarer class are taken over a drawn sample of them."""
SEGMENT_ROWS = 100
"""A segment with fewer rows on a side is not judged: there even fresh rows differ by a tenth in ten bins."""
TAILS = (0.99, 0.999)
_STEPS = 30
_RESAMPLES = 50
"""Enough for a standard error to within a tenth of itself."""
_LEVEL = 0.95
_NAMED = 20

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Points = NDArray[np.float32]
States = Mapping[str, NDArray[np.int64]]
Statistic = Callable[[Index, Index], float]
"""The figure of some real rows, by position, against some of the other side's."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """A figure of synthetic rows with half the width of its interval, and the same figure of fresh rows."""

    value: float
    fresh: float
    half: float
    rows: int
    remark: str = ""


def measure(
    sides: Sides, schema: TableSchema, rng: np.random.Generator
) -> tuple[tuple[Measure, ...], tuple[Detail, ...]]:
    """Measure what of real rows that no model saw is there, at equal row counts, beside fresh: training rows instead.

    Every interval is the figure plus and minus 1.96 bootstrap standard errors over rows of both sides (Efron and
    Tibshirani, "An introduction to the bootstrap", 1993): resampling adds to any distance, so that the percentiles of
    resamples could miss the figure itself. For the worst of many segments it is wider, by Bonferroni.

    Parameters
    ----------
    sides
        Learned columns as `encode` gives them.
    schema
        Their schema.
    rng
        Draws the rows that are compared, and the resamples.
    """
    why_not = sides.too_few()
    if why_not is not None:
        return tuple(_told(name, why_not) for name in _WORDS), ()
    details: list[Detail] = []
    # One thread: on tables of this size several only wait for each other.
    with threadpool_limits(limits=1):
        alpha, beta = _precision_and_recall(sides, rng)
        shapes, trends = _within_rarer_class(sides, schema, rng)
        scored = {
            Figure.ALPHA_PRECISION: alpha,
            Figure.BETA_RECALL: beta,
            Figure.MISSING_PATTERNS: _missing_patterns(sides, schema, rng, details),
            Figure.TAILS: _tails(sides, schema, rng, details),
            Figure.TOP_DECILE: _top_decile(sides, schema, rng),
            Figure.DEFAULTERS_SHAPES: shapes,
            Figure.DEFAULTERS_TRENDS: trends,
            Figure.SEGMENT_SHAPES: _worst_segment(sides, schema, rng, details),
        }
    return tuple(_told(name, found) for name, found in scored.items()), tuple(details)


def _scored(
    of_synthetic: Statistic,
    of_fresh: Statistic,
    rows: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    tests: int = 1,
    remark: str = "",
) -> _Scored:
    """Take a figure for synthetic and for fresh rows; ``rows`` of synthetic, train and holdout."""
    synthetic, train, holdout = (np.arange(count) for count in rows)
    resampled = [
        of_synthetic(rng.integers(rows[2], size=rows[2]), rng.integers(rows[0], size=rows[0]))
        for _ in range(_RESAMPLES)
    ]
    return _Scored(
        value=of_synthetic(holdout, synthetic),
        fresh=of_fresh(holdout, train),
        half=float(norm.ppf(1 - (1 - _LEVEL) / 2 / tests) * np.std(resampled, ddof=1)),
        rows=min(rows[0], rows[2]),
        remark=remark,
    )


def _drawn(sides: Sides, most: int, rng: np.random.Generator) -> tuple[Sides, int]:
    rows = min(sides.rows, most)
    return Sides(*(draw(side, rows, rng) for side in (sides.synthetic, sides.train, sides.holdout))), rows


# --- alpha-precision and beta-recall ---------------------------------------------------------------------------------


def _precision_and_recall(sides: Sides, rng: np.random.Generator) -> tuple[_Scored, _Scored]:
    drawn, rows = _drawn(sides, NEIGHBOUR_ROWS, rng)
    synthetic, train, holdout = (
        coordinates(side, drawn, fit_bins(sides.train)) for side in (drawn.synthetic, drawn.train, drawn.holdout)
    )
    own, _ = _nearest(holdout, holdout, 2)
    counts = (rows, rows, rows)
    return (
        _scored(_alpha(holdout, synthetic), _alpha(holdout, train), counts, rng),
        _scored(_beta(holdout, own, synthetic), _beta(holdout, own, train), counts, rng),
    )


def coordinates(side: Features, drawn: Sides, bins: Mapping[str, Bin]) -> Points:
    """Return rows as points: numbers by their mean rank among real rows, categories one-hot over the root of 2.

    A category that differs counts as much as the whole range of a number; so does missing. Ranks are among train and
    holdout together, so that neither is favoured. Categories beyond the 20 most frequent are one.

    Returns
    -------
    Points
        Shape (rows, dimensions).
    """
    states = cut(side, bins)
    parts = []
    for name, feature in side.items():
        if isinstance(feature, Discrete):
            parts.append(np.eye(bins[name].size, dtype=np.float32)[states[name]] / np.float32(np.sqrt(2)))
        else:
            real = np.concatenate([outcome(drawn.train[name]), outcome(drawn.holdout[name])])
            parts.append(_ranked(feature.values, real))
    return np.concatenate(parts, axis=1)


def _ranked(values: Vector, real: Vector) -> Points:
    """Return ranks from 0 to 1 and where values are missing, shape (n, 2)."""
    real = np.sort(real[np.isfinite(real)])
    missing = np.isnan(values)
    if not real.size:
        return np.column_stack([np.zeros(len(values)), missing]).astype(np.float32)
    distinct = np.unique(real)
    below, up_to = (np.searchsorted(real, distinct, side=side) for side in ("left", "right"))
    rank = np.interp(np.where(missing, 0.0, values), distinct, (below + up_to) / (2 * len(real)))
    return np.column_stack([np.where(missing, 0.0, rank), missing]).astype(np.float32)


def _nearest(rows: Points, among: Points, neighbour: int = 1) -> tuple[Vector, Index]:
    """Return the distance to, and the position of, the n-th nearest of other rows."""
    position = (
        NearestNeighbors(n_neighbors=neighbour, algorithm="brute").fit(among).kneighbors(rows, None, False)[:, -1]
    )
    # The search takes distances from products of matrices, which leaves equal rows a little apart.
    return _length(rows - among[position]), position


def _length(vectors: Points) -> Vector:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)))


def _alpha(real: Points, side: Points) -> Statistic:
    """Return alpha-precision, integrated: whether synthetic rows are where real rows are, and as typical.

    ``1 - sum |alpha - P(alpha)| / sum alpha`` over 30 levels; P(alpha) is the share of synthetic rows within the ball
    around the real mean that holds a share alpha of real rows. Alaa et al., "How faithful is your synthetic data?"
    (ICML 2022), without the embedding of the paper: as the "naive" variant of synthcity, in `coordinates`.
    """
    centre = real.mean(axis=0)
    of_real, of_side = _length(real - centre), _length(side - centre)
    levels = np.linspace(0, 1, _STEPS)

    def statistic(held: Index, other: Index) -> float:
        radii = np.quantile(of_real[held], levels)
        within = np.searchsorted(np.sort(of_side[other]), radii, side="right") / len(other)
        return float(1 - np.abs(levels - within).sum() / levels.sum())

    return statistic


def _beta(real: Points, own: Vector, side: Points) -> Statistic:
    """Return beta-recall, integrated: whether synthetic rows come as near to real rows as other real rows do.

    ``1 - sum |beta - R(beta)| / sum beta`` over 30 levels; R(beta) is the share of real rows whose nearest synthetic
    row is no farther than the nearest other real row (``own``), and is among the share beta nearest to the synthetic
    mean of such rows. Source and coordinates as for `_alpha`. Fresh rows reach about .5.
    """
    distance, position = _nearest(real, side)
    covered, from_centre = distance <= own, _length(side[position] - side.mean(axis=0))
    levels = np.linspace(0, 1, _STEPS)

    def statistic(held: Index, _other: Index) -> float:
        radii = np.quantile(from_centre[held], levels)
        within = np.searchsorted(np.sort(from_centre[held][covered[held]]), radii, side="right") / len(held)
        return float(1 - np.abs(levels - within).sum() / levels.sum())

    return statistic


# --- missing values --------------------------------------------------------------------------------------------------


def _missing_patterns(sides: Sides, schema: TableSchema, rng: np.random.Generator, details: list[Detail]) -> _Scored:
    """Return how far it agrees which columns are missing together.

    ``1 - 1/2 sum |P - Q|``, 1 minus the total variation distance (SDMetrics' TVComplement), over the joint patterns of
    missing columns; patterns after Rubin, "Inference and missing data" (Biometrika 1976).
    """
    drawn, rows = _drawn(sides, TAIL_ROWS, rng)
    synthetic, train, holdout = gone = [
        np.column_stack([_missing(feature, schema[name]) for name, feature in side.items()])
        for side in (drawn.synthetic, drawn.train, drawn.holdout)
    ]
    if not any(side.any() for side in gone):
        return _Scored(1.0, 1.0, 0.0, rows, " No value is missing on any side.")
    details.append(_missing_shares(list(sides.train), synthetic, train, holdout))
    _, pattern = np.unique(np.packbits(np.concatenate(gone), axis=1), axis=0, return_inverse=True)
    of_synthetic, of_train, of_holdout = pattern.reshape(3, rows)
    size = int(pattern.max()) + 1

    def against(side: Index) -> Statistic:
        return lambda held, other: _overlap(of_holdout[held], side[other], size)

    return _scored(against(of_synthetic), against(of_train), (rows, rows, rows), rng)


def _missing(feature: Feature, column: Column) -> NDArray[np.bool_]:
    if isinstance(feature, Discrete):
        return feature.codes >= len(column.categories or ())
    return np.isnan(feature.values)


def _overlap(one: Index, other: Index, size: int) -> float:
    """Return 1 minus the total variation distance between two samples of states."""
    shares = (np.bincount(states, minlength=size) / len(states) for states in (one, other))
    return float(1 - 0.5 * np.abs(next(shares) - next(shares)).sum())


def _missing_shares(
    names: Sequence[str], synthetic: NDArray[np.bool_], train: NDArray[np.bool_], holdout: NDArray[np.bool_]
) -> Detail:
    apart = np.abs(synthetic.mean(axis=0) - holdout.mean(axis=0))
    somewhere = np.concatenate([synthetic, train, holdout]).max(axis=0)
    order = [i for i in np.argsort(-apart, kind="stable").tolist() if somewhere[i]][:_NAMED]
    return Detail(
        name="missing_shares",
        title="Missing values by column",
        heading=("Column", "Synthetic", "Holdout", "Training"),
        rows=tuple(
            (names[i], float(synthetic[:, i].mean()), _shown_share(holdout[:, i]), _shown_share(train[:, i]))
            for i in order
        ),
    )


def _shown_share(flags: NDArray[np.bool_]) -> float | None:
    """Return the share of real rows, None where it would speak of a few of them."""
    count = int(flags.sum())
    few = 0 < count < MIN_CELL or 0 < len(flags) - count < MIN_CELL
    return None if few else count / len(flags)


# --- tails -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tail:
    """The percentiles of one column that enough rows lie beyond, and how far they are from its median in train."""

    name: str
    levels: tuple[float, ...]
    scales: tuple[float, ...]


def _tails(sides: Sides, schema: TableSchema, rng: np.random.Generator, details: list[Detail]) -> _Scored | str:
    """Return the mean relative error of the 99th and 99.9th percentiles of numeric columns.

    ``min(1, |q - q_holdout| / (q_train - median_train))``: relative to the distance from the median, so that neither
    the zero point nor the unit of a column matters. A percentile counts where at least `MIN_CELL` rows of each side
    lie beyond. Percentiles are values that occur (type 1 of Hyndman and Fan, The American Statistician 1996).
    """
    drawn, rows = _drawn(sides, TAIL_ROWS, rng)
    columns = [_tail(name, drawn) for name in _numeric(schema)]
    tails = [tail for tail in columns if tail.levels]
    if not tails:
        return f"no numeric column has {MIN_CELL / (1 - TAILS[0]):,.0f} values on every side"

    def against(side: Features) -> Statistic:
        return lambda held, other: float(np.mean(np.abs(np.concatenate([
            _tail_errors(tail, outcome(drawn.holdout[tail.name])[held], outcome(side[tail.name])[other])
            for tail in tails
        ]))))  # fmt: skip

    details.append(_tail_detail(tails, drawn))
    return _scored(against(drawn.synthetic), against(drawn.train), (rows, rows, rows), rng)


def _numeric(schema: TableSchema) -> list[str]:
    return [column.name for column in schema.learned if not column.discrete and column.kind is not Kind.DATETIME]


def _tail(name: str, drawn: Sides) -> _Tail:
    values = [outcome(side[name]) for side in (drawn.synthetic, drawn.train, drawn.holdout)]
    known = min(int((~np.isnan(of)).sum()) for of in values)
    # A millionth of a row must not decide: 1 - .99 is a little more than .01.
    levels = tuple(level for level in TAILS if known * (1 - level) >= MIN_CELL - 1e-6)
    middle, *tops = _percentiles(values[1], (0.5, *levels)) if levels else (0.0,)
    return _Tail(name, levels, tuple(top - middle for top in tops))


def _percentiles(values: Vector, levels: Sequence[float]) -> list[float]:
    known = values[~np.isnan(values)]
    return [float(of) for of in np.quantile(known, levels, method="inverted_cdf")]


def _tail_errors(tail: _Tail, held: Vector, other: Vector) -> list[float]:
    """Return signed relative errors by level, from -1 to 1; above 0 where the tail is too long."""
    pairs = zip(_percentiles(other, tail.levels), _percentiles(held, tail.levels), tail.scales, strict=True)
    return [_relative(of, true, scale) for of, true, scale in pairs]


def _relative(of: float, true: float, scale: float) -> float:
    if of == true:
        return 0.0
    error = abs(of - true) / scale if scale > 0 else 1.0
    # Not a number: infinity on a real side.
    return float(np.copysign(error if error < 1 else 1.0, of - true))


def _tail_detail(tails: Sequence[_Tail], drawn: Sides) -> Detail:
    rows: list[tuple[float, tuple[str | float | None, ...]]] = []
    for tail in tails:
        synthetic, train, holdout = (outcome(s[tail.name]) for s in (drawn.synthetic, drawn.train, drawn.holdout))
        errors, fresh = (_tail_errors(tail, holdout, side) for side in (synthetic, train))
        unknown = [None] * (len(TAILS) - len(errors))
        rows.append((max(map(abs, errors)), (tail.name, *errors, *unknown, *fresh, *unknown)))
    rows.sort(key=lambda row: -row[0])
    return Detail(
        name="tail_errors",
        title="Tails by column: relative error, above 0 too long, below 0 too short",
        heading=("Column", *(f"{100 * level:g}th percentile" for level in TAILS),
                 *(f"{100 * level:g}th, fresh real rows" for level in TAILS)),
        rows=tuple(row for _, row in rows[:_NAMED]),
    )  # fmt: skip


def _top_decile(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> _Scored | str:
    """Return how much more (less) of a column's total its largest tenth of rows holds than in real rows.

    ``sum of the largest tenth / sum of all``, synthetic minus holdout: a point of the Lorenz curve (Lorenz, Journal of
    the American Statistical Association 1905). The column is the one with the largest total in the training rows, since
    the schema does not say which are money; amounts below 0 count as 0.
    """
    drawn, _ = _drawn(sides, TAIL_ROWS, rng)
    totals = {name: float(_amounts(drawn.train[name]).sum()) for name in _numeric(schema)}
    name = max(totals, key=totals.__getitem__, default=None)
    if name is None or totals[name] <= 0:
        return "no numeric column has a total above 0"
    synthetic, train, holdout = (_amounts(side[name]) for side in (drawn.synthetic, drawn.train, drawn.holdout))
    least = min(len(synthetic), len(train), len(holdout))
    if least < 10 * MIN_CELL:
        return f"a side has only {least} values of '{name}'; {10 * MIN_CELL} are needed"
    if not (synthetic.sum() > 0 and holdout.sum() > 0):
        return f"a side has no amount above 0 in '{name}'"

    def against(side: Vector) -> Statistic:
        return lambda held, other: _top_share(side[other]) - _top_share(holdout[held])

    remark = (
        f" Of '{name}' the largest tenth of synthetic rows holds {_top_share(synthetic):.1%}, "
        f"of holdout rows {_top_share(holdout):.1%}."
    )
    counts = (len(synthetic), len(train), len(holdout))
    return _scored(against(synthetic), against(train), counts, rng, remark=remark)


def _amounts(feature: Feature) -> Vector:
    values = outcome(feature)
    return np.clip(values[np.isfinite(values)], 0.0, None)


def _top_share(amounts: Vector) -> float:
    top = -(-len(amounts) // 10)
    total = float(amounts.sum())
    return float(np.partition(amounts, len(amounts) - top)[-top:].sum()) / total if total > 0 else 0.0


# --- defaulters and segments -----------------------------------------------------------------------------------------


def _within_rarer_class(
    sides: Sides, schema: TableSchema, rng: np.random.Generator
) -> tuple[_Scored | str, _Scored | str]:
    """Return column shapes and pair trends among rows of the rarer of two target classes (defaulters).

    Bins are those of the training rows of that class. A shape is ``1 - 1/2 sum |P - Q|`` over the states of a column, a
    trend the same over the cells of two: SDMetrics' TVComplement and ContingencySimilarity (0.32), with shared bins.
    """
    rarer = _rarer_class(sides, schema)
    if isinstance(rarer, str):
        return rarer, rarer
    drawn, rows = _drawn(rarer, CLASS_ROWS, rng)
    names = [name for name in drawn.train if name != schema.target]
    bins = fit_bins({name: rarer.train[name] for name in names})
    synthetic, train, holdout = (
        cut({name: side[name] for name in names}, bins) for side in (drawn.synthetic, drawn.train, drawn.holdout)
    )
    pairs = list(combinations(names, 2))
    if len(pairs) > CLASS_PAIRS:
        pairs = [pairs[i] for i in rng.choice(len(pairs), size=CLASS_PAIRS, replace=False)]

    def shapes(side: States) -> Statistic:
        return lambda held, other: _shape(_at(holdout, held), _at(side, other), bins)

    def trends(side: States) -> Statistic:
        return lambda held, other: similarity(_at(holdout, held), _at(side, other), bins, pairs)

    counts = (rows, rows, rows)
    return (
        _scored(shapes(synthetic), shapes(train), counts, rng) if names else "there is no column beside the target",
        _scored(trends(synthetic), trends(train), counts, rng)
        if pairs
        else "there are no two columns beside the target",
    )


def _rarer_class(sides: Sides, schema: TableSchema) -> Sides | str:
    """Return the rows of the class that fewer training rows have, or why there are none to compare."""
    target = schema.target
    if target is None:
        return "no target was named"
    if target not in sides.train:
        return f"the target is {schema[target].kind} and not learned"
    feature, goal = sides.train[target], outcome(sides.train[target])
    classes, counts = np.unique(goal[~_missing(feature, schema[target])], return_counts=True)
    if len(classes) != 2:
        return "the target does not have exactly two values"
    rarer = classes[np.argmin(counts)]
    synthetic, train, holdout = (
        take(side, np.flatnonzero(outcome(side[target]) == rarer))
        for side in (sides.synthetic, sides.train, sides.holdout)
    )
    least = min(rows_of(side) for side in (synthetic, train, holdout))
    if least < MIN_ROWS:
        return f"a side has only {least} rows of the rarer class of the target; {MIN_ROWS} are needed"
    return Sides(synthetic, train, holdout)


def _at(states: States, index: Index) -> States:
    return {name: of[index] for name, of in states.items()}


def _shape(one: States, other: States, bins: Mapping[str, Bin]) -> float:
    return float(np.mean([_overlap(one[name], other[name], bins[name].size) for name in one]))


@dataclass(frozen=True, slots=True)
class _Segment:
    """The rows that share one state of a discrete column, and how far their other columns agree with the holdout."""

    column: str
    state: int
    rows: int
    shape: float
    fresh: float


def _worst_segment(sides: Sides, schema: TableSchema, rng: np.random.Generator, details: list[Detail]) -> _Scored | str:
    """Return the mean column shape, with shared bins, in the segment that stays furthest behind fresh rows.

    Segments are the states of discrete columns with at least `SEGMENT_ROWS` rows on every side; shapes as within the
    rarer class, ``1 - 1/2 sum |P - Q|`` (SDMetrics' TVComplement), the mean over all other columns. The interval
    allows for the choice of the worst (Bonferroni; Dunn, J. Am. Stat. Assoc. 1961).
    """
    drawn, _ = _drawn(sides, TAIL_ROWS, rng)
    bins = fit_bins(sides.train)
    synthetic, train, holdout = states = [cut(side, bins) for side in (drawn.synthetic, drawn.train, drawn.holdout)]
    discrete = [column.name for column in schema.learned if column.discrete]
    segments = [segment for name in discrete for segment in _segments(name, states, bins)] if len(bins) > 1 else []
    if not segments:
        return f"no state of a discrete column has {SEGMENT_ROWS} rows on every side, and another column beside it"
    segments.sort(key=lambda segment: segment.shape - segment.fresh)
    details.append(_segment_detail(segments, schema, bins))
    worst = segments[0]
    others = [name for name in bins if name != worst.column]
    inside = [
        {name: side[name][side[worst.column] == worst.state] for name in others} for side in (synthetic, train, holdout)
    ]

    def against(side: States) -> Statistic:
        return lambda held, other: _shape(_at(inside[2], held), _at(side, other), bins)

    counts = tuple(len(side[others[0]]) for side in inside)
    label = _label(worst, schema, bins)
    remark = f" The worst of {len(segments)}: {worst.column} = {label}."
    return _scored(
        against(inside[0]),
        against(inside[1]),
        (counts[0], counts[1], counts[2]),
        rng,
        tests=len(segments),
        remark=remark,
    )


def _segments(column: str, states: Sequence[States], bins: Mapping[str, Bin]) -> list[_Segment]:
    """Return the segments of one column; ``states`` of synthetic, train and holdout."""
    size = bins[column].size
    counts = np.array([np.bincount(side[column], minlength=size) for side in states])
    enough = np.flatnonzero((counts >= SEGMENT_ROWS).all(axis=0))
    shapes = np.zeros((2, len(enough)))
    others = [name for name in bins if name != column]
    for name in others:
        synthetic, train, holdout = (_within(side, column, name, bins, enough) for side in states)
        for of, side in zip(shapes, (synthetic, train), strict=True):
            of += (1 - 0.5 * np.abs(side - holdout).sum(axis=1)) / len(others)
    return [
        _Segment(column, int(state), int(counts[:, state].min()), float(shape), float(fresh))
        for state, shape, fresh in zip(enough, *shapes, strict=True)
    ]


def _within(side: States, column: str, name: str, bins: Mapping[str, Bin], enough: Index) -> Vector:
    """Return the distribution of one column in each segment of another, shape (segments, states)."""
    joint = joint_of(side, column, name, bins)[enough]
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def _segment_detail(segments: Sequence[_Segment], schema: TableSchema, bins: Mapping[str, Bin]) -> Detail:
    return Detail(
        name="segment_shapes",
        title="Column shapes by segment, furthest behind fresh rows first",
        heading=("Column", "Segment", "Rows, smallest side", "Synthetic", "Fresh real rows"),
        rows=tuple((s.column, _label(s, schema, bins), s.rows, s.shape, s.fresh) for s in segments[:_NAMED]),
    )


def _label(segment: _Segment, schema: TableSchema, bins: Mapping[str, Bin]) -> str:
    """Return the category that a segment stands for; at least `SEGMENT_ROWS` real rows have it."""
    states, categories = bins[segment.column].states, schema[segment.column].categories or ()
    codes = np.flatnonzero(states == segment.state)
    if len(codes) > 1:
        return OTHER
    return str(categories[codes[0]]) if codes[0] < len(categories) else MISSING


# --- what is said of it ----------------------------------------------------------------------------------------------

_WORDS: dict[Figure, tuple[str, Unit, str]] = {
    Figure.ALPHA_PRECISION: (
        "Alpha-precision",
        Unit.SCORE,
        "How far synthetic rows lie where real rows lie, typical ones as often and odd ones as seldom: 1 is alike.",
    ),
    Figure.BETA_RECALL: (
        "Beta-recall",
        Unit.SCORE,
        (
            "How much of the variety of real rows is there: is a synthetic row as near to each real row as other real "
            "rows are? Fresh rows themselves reach about .5; far above them is copying."
        ),
    ),
    Figure.MISSING_PATTERNS: (
        "Missing-value patterns",
        Unit.SCORE,
        "How far the columns that are missing together in a row agree with real rows: 1 is alike.",
    ),
    Figure.TAILS: (
        "Tails: error of the 99th and 99.9th percentiles",
        Unit.NUMBER,
        (
            "How far the largest amounts are off, on average over numeric columns, as a share of their distance from "
            "the median: 0 is exact, 1 is off by as much as the tail is long."
        ),
    ),
    Figure.TOP_DECILE: (
        "Share held by the top decile, difference",
        Unit.DIFFERENCE,
        "How much more (above 0) or less of the total exposure the largest tenth of rows holds than in real rows.",
    ),
    Figure.DEFAULTERS_SHAPES: (
        "Column shapes among defaulters",
        Unit.SCORE,
        "How far each column alone agrees with real rows among rows of the rarer class of the target.",
    ),
    Figure.DEFAULTERS_TRENDS: (
        "Pair trends among defaulters",
        Unit.SCORE,
        "How far every two columns together agree with real rows among rows of the rarer class of the target.",
    ),
    Figure.SEGMENT_SHAPES: (
        "Column shapes in the worst segment",
        Unit.SCORE,
        "How far columns agree with real rows in the segment that stays furthest behind fresh rows.",
    ),
}


def _told(name: Figure, found: _Scored | str) -> Measure:
    title, unit, reading = _WORDS[name]
    if isinstance(found, str):
        return Measure(name=name, title=title, unit=unit, value=None, reading=reading, why_not=found)
    return Measure(
        name=name,
        title=title,
        unit=unit,
        value=found.value,
        low=max(-1.0 if unit is Unit.DIFFERENCE else 0.0, found.value - found.half),
        high=min(1.0, found.value + found.half),
        fresh=found.fresh,
        rows=found.rows,
        reading=reading + found.remark,
    )

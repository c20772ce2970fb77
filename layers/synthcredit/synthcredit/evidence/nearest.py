"""Privacy by distance: whether synthetic rows lie nearer to the people they were learned from than to others.

Three questions, one distance. The distance is fixed on real training rows and is the same for every side and attack:

- numbers: ``arcsinh((x - median) / mean absolute deviation)``, standardised. Two numbers fix it, so that train and
  holdout are treated alike (full ranks of the training rows would draw other rows nearer to them), heavy tails do not
  drown the other columns, and one per cent of noise moves a row by little, which ranks around a mass point do not give;
- categories: squared distance 1 between different ones, missing and unknown being categories of their own; a missing
  number lies at squared distance 1 from a typical one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from synthcredit.datasets.schema import TableSchema
from synthcredit.evidence.aggregates import MIN_CELL
from synthcredit.evidence.model import Detail, Figure, Measure, Unit
from synthcredit.evidence.sides import MIN_ROWS, Sides, draw
from synthcredit.evidence.utility import auc, by_score, resamples
from synthcredit.synthesizers.features import Discrete, Features, Numeric, rows_of, take

MIN_CONTROLS = 1_000
"""Below this many controls, 1 % of them are fewer than ten rows, and a rate at 1 % is noise."""
FALSE_POSITIVES = 0.01
_RESAMPLES = 200
_TAILS = (2.5, 97.5)
_BANDS = 10

_FAR = 8.0
"""No coordinate lies farther out: an infinity, or a column that is almost constant, must not decide alone."""
_ONE_HOT = 24
"""Columns of more categories are written as random signs of this many dimensions, to keep searches affordable."""
_PRECISION = 6
"""Decimals of a distance: below is arithmetic, above are ties that a strict comparison would decide by chance."""
_REFERENCE_NEIGHBOUR = 5
"""The reference's density is taken from the fifth nearest row, being smooth; the release's from the nearest one, a copy
being one row. Of the choices tried on UCI default and german_credit this was the strongest or nearly so."""

_SEARCH_WORK, _CLOSENESS_WORK = 2.4e11, 1.2e10
"""Multiplications that a search may take (queries x rows x dimensions): about 10 s on one core, and 1 s in double."""
_FEW_DIMENSIONS = 12
"""Up to so many dimensions rows may lie nearer to each other than single precision can tell."""
_MOST_ATTACKED = 10_000
"""Members, and controls: their 95 % interval of the AUC is then .008 wide on either side."""
_LEAST_ATTACKED = 1_000
_MOST_REFERENCE = 20_000
_MOST_PICTURED, _PICTURED_BINS = 5_000, 25
"""Rows a side whose distances are drawn: a share is then known to .01."""
_CHUNK, _BLOCK = 4_096, 512
"""Rows and queries of one product: 8 MB, about what stays in cache."""

Matrix = NDArray[np.float64]
Positions = NDArray[np.int64]
Measured = tuple[tuple[Measure, ...], tuple[Detail, ...]]


def measure(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Measured:  # noqa: ARG001 - as its siblings
    """Measure excess closeness and two membership attacks, each beside the same with fresh rows where the cut allows.

    Parameters
    ----------
    sides
        Synthetic rows: all that are, or may be, released (any number of them); all training and holdout rows. Members
        and controls are drawn from the latter two; the attacker always has every synthetic row given.
    schema
        Their schema.
    rng
        Cuts the holdout into controls and reference, and draws rows and resamples.

    Returns
    -------
    tuple of Measure, tuple of Detail
        `Figure.CLOSENESS_EXCESS`, and AUC and true positives at 1 % false ones of both attacks; how far synthetic and
        fresh rows lie from training rows.
    """
    why_not = sides.too_few()
    if why_not is not None:
        attacks = (_attack(each, None, None, rng, why_not) for each in (_NEAREST, _DENSITY))
        return (_closeness_measure(None, None, sides, why_not), *chain.from_iterable(attacks)), ()
    # One thread: several wait for each other on a busy machine, and took longer there.
    with threadpool_limits(limits=1, user_api="blas"):
        space = fit_space(sides, rng)
        cut = _Cut.of(rows_of(sides.holdout), rng)
        closeness, details = _closeness(sides, cut, space, rng)
        memberships = _memberships(sides, cut, space, rng)
        return (closeness, *memberships), (*details, *_to_both_sides(sides, space, rng))


# --- the distance ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scale:
    """How one numeric column becomes a coordinate, and, where some side has gaps, a second one for missing."""

    middle: float
    spread: float
    mean: float
    sd: float
    gaps: bool

    def coordinates(self, values: Matrix) -> Matrix:
        with np.errstate(over="ignore", invalid="ignore"):
            where = (np.arcsinh((values - self.middle) / self.spread) - self.mean) / self.sd
        missing = np.isnan(values)
        where = np.where(missing, 0.0, np.clip(where, -_FAR, _FAR))
        return np.column_stack([where, missing] if self.gaps else [where])


@dataclass(frozen=True, slots=True)
class Space:
    """Where rows lie: one entry a column, a scale for numbers, a table of coordinates by code for categories."""

    columns: dict[str, _Scale | Matrix]

    def points(self, features: Features) -> Matrix:
        """Return rows as points, shape (n, dimensions); plain Euclidean distance between them is the distance."""
        parts = [np.empty((rows_of(features), 0))]
        for name, how in self.columns.items():
            feature = features[name]
            if isinstance(how, _Scale):
                assert isinstance(feature, Numeric)  # noqa: S101 - fitted on a feature of the same kind
                parts.append(how.coordinates(feature.values))
            else:
                assert isinstance(feature, Discrete)  # noqa: S101
                parts.append(how[feature.codes])
        return np.concatenate(parts, axis=1)


def fit_space(sides: Sides, rng: np.random.Generator) -> Space:
    """Fix the distance on real training rows.

    From the other sides it takes only which columns have gaps and which categories occur at all, for room.
    ``rng`` draws the signs that stand for the categories of a column that has more than 24.
    """
    columns: dict[str, _Scale | Matrix] = {}
    for name, feature in sides.train.items():
        others = [side[name] for side in (sides.synthetic, sides.holdout)]
        if isinstance(feature, Discrete):
            codes = [each.codes for each in (feature, *others) if isinstance(each, Discrete)]
            columns[name] = _codes(np.unique(np.concatenate(codes)), feature.size, rng)
        else:
            gaps = any(np.isnan(each.values).any() for each in (feature, *others) if isinstance(each, Numeric))
            columns[name] = _scale(feature.values, gaps=bool(gaps))
    return Space(columns)


def _scale(train: Matrix, *, gaps: bool) -> _Scale:
    known = train[np.isfinite(train)]
    if not known.size:
        return _Scale(0.0, 1.0, 0.0, 1.0, gaps)
    middle = float(np.median(known))
    with np.errstate(over="ignore"):
        spread = _usable(float(np.abs(known - middle).mean()))
        scaled = np.arcsinh((known - middle) / spread)
    return _Scale(middle, spread, float(scaled.mean()), _usable(float(scaled.std())), gaps)


def _usable(divisor: float) -> float:
    return divisor if 0 < divisor < np.inf else 1.0


def _codes(present: NDArray[np.int32], size: int, rng: np.random.Generator) -> Matrix:
    """Return coordinates by code, shape (codes, dimensions): different ones at squared distance 1.

    Of many categories that is so on average only (Johnson and Lindenstrauss, 1984), yet each stays itself, which
    merging rare ones would lose: rare categories are what gives people away.
    """
    # One code more than there are states: categories unknown to a column that is never missing.
    most = max(size, int(present.max())) + 1
    if len(present) > _ONE_HOT:
        return np.asarray(rng.choice([-1.0, 1.0], size=(most, _ONE_HOT)) / np.sqrt(2 * _ONE_HOT))
    table = np.zeros((most, len(present)))
    table[present, np.arange(len(present))] = np.sqrt(0.5)
    return table


# --- searching -------------------------------------------------------------------------------------------------------


def nearest(
    queries: Matrix, among: Features, space: Space, *, neighbours: int = 1, exact: bool = True
) -> tuple[Matrix, Positions]:
    """Return the distances to, and the positions of, the nearest rows, each shape (queries, neighbours), nearest first.

    Every row is looked at, block by block: ``|x - y|^2 / 2 = |y|^2 / 2 - x y + (the same for all y)``. Distances are
    computed again from the differences, so that a copy lies at exactly 0, and rounded to 6 decimals.

    Parameters
    ----------
    queries
        Points, shape (queries, dimensions).
    among
        The rows searched, at least ``neighbours``; only some of them are points at any time.
    exact
        Search in double precision. Otherwise in single: twice as fast; rows that differ by less than about .003 in
        distance may be taken for each other.
    """
    kind = np.float64 if exact else np.float32
    wanted = queries.astype(kind)
    least = np.full((len(queries), neighbours), np.inf, dtype=kind)
    where = np.zeros((len(queries), neighbours), dtype=np.int64)
    for start in range(0, rows_of(among), _CHUNK):
        points = _some(among, start, space).astype(kind)
        halves, columns = (points**2).sum(axis=1) / 2, np.ascontiguousarray(points.T)
        for first in range(0, len(queries), _BLOCK):
            part = slice(first, first + _BLOCK)
            gaps = wanted[part] @ columns
            np.subtract(halves, gaps, out=gaps)
            at = _lowest(gaps, neighbours)
            values = np.hstack([least[part], np.take_along_axis(gaps, at, axis=1)])
            positions = np.hstack([where[part], at + start])
            order = np.argsort(values, axis=1, kind="stable")[:, :neighbours]
            least[part] = np.take_along_axis(values, order, axis=1)
            where[part] = np.take_along_axis(positions, order, axis=1)
    distances = np.column_stack([
        np.linalg.norm(queries - space.points(take(among, where[:, rank])), axis=1) for rank in range(neighbours)
    ]).round(_PRECISION)  # fmt: skip
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(where, order, axis=1)


def _some(among: Features, start: int, space: Space) -> Matrix:
    return space.points(take(among, np.arange(start, min(start + _CHUNK, rows_of(among)))))


def _lowest(gaps: NDArray[np.generic], count: int) -> Positions:
    """Return the positions of the lowest values of each row, in no order."""
    count = min(count, gaps.shape[1])
    if count == 1:
        return np.asarray(np.argmin(gaps, axis=1, keepdims=True))
    return np.asarray(np.argpartition(gaps, count - 1, axis=1)[:, :count])


def _within(queries: Matrix, radii: Matrix, among: Features, space: Space) -> Positions:
    """Count the rows that lie no farther than ``radii``, shape (queries,)."""
    counts = np.zeros(len(queries), dtype=np.int64)
    limits = ((radii + 10.0**-_PRECISION) ** 2 - (queries**2).sum(axis=1)) / 2
    for start in range(0, rows_of(among), _CHUNK):
        points = _some(among, start, space)
        halves = (points**2).sum(axis=1) / 2
        for first in range(0, len(queries), _BLOCK):
            part = slice(first, first + _BLOCK)
            counts[part] += (halves - queries[part] @ points.T <= limits[part, None]).sum(axis=1)
    return counts


def _affordable(work: float, rows: int, space: Space, one: Features) -> int:
    """Return how many queries may be searched among so many rows."""
    dimensions = space.points(take(one, np.zeros(1, dtype=np.int64))).shape[1]
    return max(_LEAST_ATTACKED, int(work / (max(dimensions, 1) * rows)))


@dataclass(frozen=True, slots=True)
class _Cut:
    """Which holdout rows are controls of every attack, and which ones the attacker has; of few rows, he has none."""

    controls: Positions
    reference: Positions

    @classmethod
    def of(cls, rows: int, rng: np.random.Generator) -> _Cut:
        order = rng.permutation(rows)
        known = min(rows // 2, _MOST_REFERENCE) if rows >= 2 * MIN_ROWS else 0
        return cls(order[known:], order[:known])


# --- excess closeness ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Closeness:
    """One reading: the excess with its interval, and how far each row lies from the nearest training row."""

    excess: float
    low: float
    high: float
    distances: Matrix


def _closeness(sides: Sides, cut: _Cut, space: Space, rng: np.random.Generator) -> tuple[Measure, tuple[Detail, ...]]:
    real = rows_of(sides.train) + rows_of(sides.holdout)
    most = min(_MOST_ATTACKED * 2, _affordable(_CLOSENESS_WORK, real, space, sides.train))
    made = _excess(draw(sides.synthetic, most, rng), sides.train, sides.holdout, space, rng)
    if not cut.reference.size:
        return _closeness_measure(made, None, sides), ()
    spared = draw(take(sides.holdout, cut.reference), most, rng)
    fresh = _excess(spared, sides.train, take(sides.holdout, cut.controls), space, rng)
    return _closeness_measure(made, fresh, sides), _bands(made.distances, fresh.distances)


def _excess(rows: Features, train: Features, holdout: Features, space: Space, rng: np.random.Generator) -> _Closeness:
    """Return ``(share - e) / (1 - e)``, e the share of train among all real rows; see docs/evidence/nearest.md.

    Share: the synthetic rows nearer to a training than to a holdout row. Platzer and Reutterer, "Holdout-based
    empirical assessment of mixed-type synthetic data" (Frontiers in Big Data 2021), scaled by the true sizes.

    A row that is equally near to rows of both sides counts by the share of train among those rows: one half where one
    row of each side ties, and e on average however many do. One half for all ties would show a deficit where common
    rows (all special codes) meet unequal sides.

    The interval is a bootstrap over real rows, each with all the synthetic rows that are nearest to it, train and
    holdout apart. Synthetic rows that share a nearest row are no independent witnesses: resampling them alone gives an
    interval that narrows to nothing as more are released.
    """
    points = space.points(rows)
    (to_train, at_train), (to_holdout, at_holdout) = (nearest(points, side, space) for side in (train, holdout))
    gap = (to_train - to_holdout)[:, 0]
    tied = np.flatnonzero(gap == 0)
    among = [_within(points[tied], to_train[tied, 0], side, space) for side in (train, holdout)]
    by_train = np.bincount(at_train[gap < 0, 0], minlength=rows_of(train))
    by_holdout = np.bincount(at_holdout[gap > 0, 0], minlength=rows_of(holdout))
    # Rows that tie stand together where they tie with the same row.
    _, group = np.unique(at_train[tied, 0], return_inverse=True)
    ties = np.bincount(group)
    of_train = np.bincount(group, weights=among[0] / (among[0] + among[1]))
    expected = rows_of(train) / (rows_of(train) + rows_of(holdout))

    def scaled(nearer: float, farther: float, in_train: float, in_all: float) -> float:
        excess = ((nearer + in_train) / (nearer + farther + in_all) - expected) / (1 - expected)
        # A lower bound of 1e-15 is 0, and must not read as above it.
        return round(float(excess), _PRECISION)

    def resampled() -> float:
        one, other, tie = (rng.integers(len(side), size=len(side)) for side in (by_train, by_holdout, ties))
        drawn = (by_train[one].sum(), by_holdout[other].sum(), of_train[tie].sum(), ties[tie].sum())
        return scaled(*drawn) if sum(drawn) > 0 else np.nan

    low, high = np.nanpercentile([resampled() for _ in range(_RESAMPLES)], _TAILS)
    value = scaled(by_train.sum(), by_holdout.sum(), of_train.sum(), ties.sum())
    return _Closeness(float(value), float(low), float(high), to_train[:, 0])


def _closeness_measure(
    made: _Closeness | None, fresh: _Closeness | None, sides: Sides, why_not: str | None = None
) -> Measure:
    reading = (
        "How much more often synthetic rows lie nearer to a training row than to a holdout row than chance would have "
        "it: rows of other people have 0 by design, a copy of the training rows 1."
    )
    if made is not None:
        reading += (
            f" {len(made.distances):,} of {rows_of(sides.synthetic):,} synthetic rows against all "
            f"{rows_of(sides.train):,} training and {rows_of(sides.holdout):,} holdout rows; whoever measures this has "
            "both. "
        ) + (
            "Beside it: part of the holdout in place of synthetic rows."
            if fresh is not None
            else "The holdout is too small to spare fresh rows."
        )
    return Measure(
        name=Figure.CLOSENESS_EXCESS,
        title="Excess closeness to training rows",
        unit=Unit.DIFFERENCE,
        value=None if made is None else made.excess,
        low=None if made is None else made.low,
        high=None if made is None else made.high,
        fresh=None if fresh is None else fresh.excess,
        rows=None if made is None else len(made.distances),
        fresh_rows=None if fresh is None else len(fresh.distances),
        reading=reading,
        why_not=why_not,
    )


def _bands(made: Matrix, fresh: Matrix) -> tuple[Detail, ...]:
    """Return how many synthetic and fresh rows lie how far from train; bands are tenths of fresh rows, merged by ties.

    No band where a single fresh row could be told: each holds at least `MIN_CELL` of them or there is no table.
    """
    edges = np.unique(np.quantile(fresh, np.arange(1, _BANDS) / _BANDS).round(3))
    counts, of_made = (np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) for side in (fresh, made))
    if counts[counts > 0].min() < MIN_CELL:
        return ()
    ends = [None, *edges.tolist(), None]
    rows = tuple(
        (ends[i], ends[i + 1], float(of_made[i] / len(made)), float(counts[i] / len(fresh))) for i in range(len(counts))
    )
    heading = ("above", "up to", "share of synthetic rows", "share of fresh rows")
    return (Detail(name="nearest_distances", title="Distance to the nearest training row", heading=heading, rows=rows),)


def _to_both_sides(sides: Sides, space: Space, rng: np.random.Generator) -> tuple[Detail, ...]:
    """Return how far synthetic rows lie from the nearest of equally many training and holdout rows, in even bins.

    Equally many, since of more rows the nearest one is nearer by chance alone. The outer 1 % is not told.
    """
    each = min(rows_of(sides.train), rows_of(sides.holdout), _MOST_PICTURED)
    if each < MIN_CELL**2:
        return ()
    points = space.points(draw(sides.synthetic, _MOST_PICTURED, rng))
    distances = [nearest(points, draw(side, each, rng), space)[0][:, 0] for side in (sides.train, sides.holdout)]
    farthest = float(np.quantile(np.concatenate(distances), 0.99))
    if farthest <= 0:
        return ()
    edges = np.linspace(0.0, farthest, _PICTURED_BINS + 1).round(4)
    shares = [np.histogram(side, edges)[0] / len(points) for side in distances]
    rows = tuple(
        (float(edges[i]), float(edges[i + 1]), *(float(of[i]) for of in shares)) for i in range(_PICTURED_BINS)
    )
    return (
        Detail(
            name="nearest_sides",
            title=f"Distance of synthetic rows to the nearest of {each:,} training and of {each:,} holdout rows",
            heading=("from", "to", "share of rows, to training rows", "share of rows, to holdout rows"),
            rows=rows,
        ),
    )


# --- membership ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Attack:
    """What an attack is called, and what its attacker does and has."""

    auc: Figure
    tpr: Figure
    title: str
    does: str


_NEAREST = _Attack(
    Figure.MEMBERSHIP_NEAREST,
    Figure.MEMBERSHIP_NEAREST_TPR,
    "Membership by the nearest synthetic row",
    "An attacker who knows a person's whole row, and has the synthetic rows and nothing else, takes whoever lies near "
    "to a synthetic row for a member of the training data.",
)
_DENSITY = _Attack(
    Figure.MEMBERSHIP_DENSITY,
    Figure.MEMBERSHIP_DENSITY_TPR,
    "Membership by density ratio (DOMIAS)",
    "An attacker who knows a person's whole row, and has the synthetic rows and real rows of other people, takes "
    "whoever lies where synthetic rows are dense and real ones are not for a member of the training data.",
)


@dataclass(frozen=True, slots=True)
class _Scores:
    """How surely each row is taken for a member, shape (members,) and (controls,), and what the attacker had."""

    members: Matrix
    controls: Matrix
    released: int
    reference: int = 0


def _memberships(sides: Sides, cut: _Cut, space: Space, rng: np.random.Generator) -> tuple[Measure, ...]:
    """Run both attacks, on the same members; the density attack's controls are those holdout rows it does not have.

    Both against the release, and against fresh rows: the attacker's real rows (nearest), or half of them (density) in
    the place of synthetic ones. Nearest: the score is ``-distance to the nearest synthetic row``, the full black-box
    attack of Chen et al., "GAN-Leaks" (CCS 2020); density: see `_ratios`.
    """
    released = rows_of(sides.synthetic)
    each = min(_MOST_ATTACKED, max(_LEAST_ATTACKED, _affordable(_SEARCH_WORK, released, space, sides.train) // 2))
    members = space.points(draw(sides.train, each, rng))
    controls = space.points(take(sides.holdout, cut.controls[:each]))
    others = space.points(take(sides.holdout, cut.reference[: each - len(controls)]))
    attacked = np.concatenate([members, controls, others])
    exact = attacked.shape[1] <= _FEW_DIMENSIONS
    to_made = nearest(attacked, sides.synthetic, space, exact=exact)[0][:, 0]
    start, end = len(members), len(members) + len(controls)
    by_nearest = _Scores(-to_made[:start], -to_made[start:], released)
    if not cut.reference.size:
        why_not = f"the holdout has fewer than {2 * MIN_ROWS} rows, too few to give the attacker some"
        return (*_attack(_NEAREST, by_nearest, None, rng), *_attack(_DENSITY, None, None, rng, why_not))
    half = len(cut.reference) // 2
    parts = [take(sides.holdout, rows) for rows in (cut.reference[:half], cut.reference[half:])]
    near = [nearest(attacked[:end], part, space, neighbours=_REFERENCE_NEIGHBOUR)[0] for part in parts]
    both = np.sort(np.hstack(near), axis=1)
    made = _Scores(*_ratios(to_made[:end], both[:, _REFERENCE_NEIGHBOUR - 1], start), released, len(cut.reference))
    fresh_nearest = _Scores(-both[:start, 0], -both[start:, 0], len(cut.reference))
    fresh_density = _Scores(
        *_ratios(near[0][:, 0], near[1][:, _REFERENCE_NEIGHBOUR - 1], start), half, len(cut.reference) - half
    )
    return (*_attack(_NEAREST, by_nearest, fresh_nearest, rng), *_attack(_DENSITY, made, fresh_density, rng))


def _ratios(to_made: Matrix, to_reference: Matrix, members: int) -> tuple[Matrix, Matrix]:
    """Return the log density ratio of members and of controls, but for factors that are the same for all.

    DOMIAS scores ``p_synthetic(x) / p_reference(x)`` (van Breugel et al., "Membership inference attacks against
    synthetic data through overfitting detection", AISTATS 2023). A density by the k-th nearest row at
    distance r is ``k / (n V r^d)`` (Loftsgaarden and Quesenberry, Ann. Math. Stat. 1965), so that the ratio grows with
    ``r_reference / r_synthetic``. Rows at distance 0 from both are common, not members.
    """
    least = 10.0**-_PRECISION
    scores = np.log(to_reference + least) - np.log(to_made + least)
    return scores[:members], scores[members:]


def _attack(
    attack: _Attack, made: _Scores | None, fresh: _Scores | None, rng: np.random.Generator, why_not: str | None = None
) -> tuple[Measure, Measure]:
    """Return the AUC and the true positive rate of one attack; None in place of scores where it was not run."""
    rate_why_not = why_not
    if made is not None and len(made.controls) < MIN_CONTROLS:
        rate_why_not = (
            f"a rate at 1 % false positives needs {MIN_CONTROLS:,} controls; there are {len(made.controls):,}"
        )
    return (
        _attack_measure(attack, attack.auc, made, fresh, rng, why_not),
        _attack_measure(attack, attack.tpr, None if rate_why_not else made, fresh, rng, rate_why_not),
    )


def _attack_measure(
    attack: _Attack,
    name: Figure,
    made: _Scores | None,
    fresh: _Scores | None,
    rng: np.random.Generator,
    why_not: str | None,
) -> Measure:
    is_auc = name is attack.auc
    found = None if made is None else _judge(made, rng, is_auc=is_auc)
    # A rate among few controls is noise beside a sound one, for fresh rows too.
    comparable = made is not None and fresh is not None and (is_auc or len(fresh.controls) >= MIN_CONTROLS)
    figure = (
        "The share of pairs of a member and a non-member that the attack puts in the right order; .5 is guessing"
        if is_auc
        else "The share of members that the attack finds where it accuses one non-member in a hundred; .01 is guessing"
    )
    return Measure(
        name=name,
        title=attack.title + (", AUC" if is_auc else ", found at 1 % false alarms"),
        unit=Unit.NUMBER if is_auc else Unit.SHARE,
        value=None if found is None else found[0],
        low=None if found is None else found[1],
        high=None if found is None else found[2],
        fresh=_judge(fresh, rng, is_auc=is_auc)[0] if fresh is not None and comparable else None,
        rows=None if made is None else made.released,
        fresh_rows=fresh.released if fresh is not None and comparable else None,
        reading=f"{attack.does} {figure}, and what fresh rows have by design.{_basis(made)}",
        why_not=why_not,
    )


def _basis(made: _Scores | None) -> str:
    if made is None:
        return ""
    reference = f", {made.reference:,} real rows of other people known" if made.reference else ""
    return (
        f" {made.released:,} synthetic rows released{reference}; {len(made.members):,} members and "
        f"{len(made.controls):,} non-members attacked."
    )


def _judge(scores: _Scores, rng: np.random.Generator, *, is_auc: bool) -> tuple[float, float, float]:
    """Return AUC or true positive rate with its 95 % bootstrap interval; members and controls are resampled apart."""
    members, controls = len(scores.members), len(scores.controls)
    weights = np.hstack([resamples(members, rng), resamples(controls, rng)])
    is_member = np.arange(members + controls) < members
    predicted = np.concatenate([scores.members, scores.controls])
    found = (auc if is_auc else found_at)(is_member, predicted, weights)
    low, high = np.percentile(found[1:], _TAILS)
    return float(found[0]), float(low), float(high)


def found_at(
    is_member: NDArray[np.bool_], predicted: Matrix, weights: Matrix, *, false_positives: float = FALSE_POSITIVES
) -> Matrix:
    """Return the true positive rate at 1 % false positives of each resample, shape (resamples,).

    ``members accused / members`` at the threshold where ``non-members accused / non-members = .01``.

    After Carlini et al., "Membership inference attacks from first principles" (S&P 2022). Rows that tie at the
    threshold are accused by lot, as many as the 1 % allow: the ROC curve is joined by straight lines, so that a score
    that is the same for all finds exactly 1 %.

    Parameters
    ----------
    is_member, predicted
        Who is a member, and the scores (higher: rather a member), each shape (rows,).
    weights
        How often each row counts, shape (resamples, rows).
    false_positives
        Another share of non-members that may be accused.
    """
    # From the surest accusation on.
    members, controls = (side[:, ::-1] for side in by_score(is_member, predicted, weights))
    allowed = false_positives * controls.sum(axis=1)
    accused = np.cumsum(controls, axis=1)
    # The first group of equal scores that would accuse too many.
    rows, group = np.arange(len(weights)), np.argmax(accused > allowed[:, None], axis=1)
    tied = controls[rows, group]
    share = (allowed - (accused[rows, group] - tied)) / tied
    before = np.cumsum(members, axis=1)[rows, group] - members[rows, group]
    return np.asarray((before + share * members[rows, group]) / members.sum(axis=1))

"""Columns as `diffusion` sees them: classes, and for amounts a number of standard normal distribution.

Every column first becomes states (`trees_states`): values that many people share, and quantile bins of ``k`` people at
least, so that no value of a row is learned. The states then fall into classes. A category, a special code, missing,
and a value that many rows have is a class of its own; all other states of an amount are one class, or one for each kind
of roundness. Where a row is in a class of several states, which of them it is becomes a number: the normal score of
its rank among the ordinary values (quantile transformation, as in TabDDPM, Kotelnikov et al., ICML 2023). So the
network never sees the spikes of a distribution, nor its tails, and single columns come out right by construction.

"The same as in an earlier column" is a class too, where enough rows are: a bill that is paid in full is a ridge without
width, which no denoising finds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.copula_dependence import normal_cdf
from synthcredit.synthesizers.features import Discrete, Feature, Numeric
from synthcredit.synthesizers.trees_states import (
    FEW_VALUES,
    CategoryStates,
    Codes,
    Floats,
    NumericStates,
    States,
    multiples,
)

UNUSED = -1
"""The class of a state that no row has, and of a row whose class is not known."""
MASS = 0.01
"""Share of rows from which a value of an amount is a class of its own."""
GRID_MASS = 0.1
"""The same where nearly all values of the column are shared by many: limits, ages."""
GRID = 0.9
MOST_MASSES = 16
LEAST_GROUP = 0.01
"""Share of rows below which a kind of roundness is no class."""
SAME = 0.02
"""Share of rows that must have the value of another column for this to be a class."""
MOST_PARTNERS = 2
KNOTS = np.concatenate([[-6.0], np.linspace(-3.0, 3.0, 49), [6.0]]).astype(np.float32)
"""Normal scores at which it is kept which number the model gives."""
_NUMBER_LIMIT = 1e4
_COUNT_LIMIT = 1e15
_LEAST_DRAWN = 50
"""Rows of a class that its knots are read from, at least."""

Numbers = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Seen:
    """One column of the training rows as networks see it.

    Parameters
    ----------
    classes
        Shape (n,), int32.
    low, high
        Shape (n,), float32. The share of the ordinary values below, and up to, the state of the row; NaN where the
        class says it all.
    """

    classes: Codes
    low: Numbers
    high: Numbers

    def take(self, rows: NDArray[np.intp]) -> Seen:
        """Return some of the rows."""
        return Seen(self.classes[rows], self.low[rows], self.high[rows])


@dataclass(frozen=True, slots=True)
class Coding:
    """How one column becomes a class and a number, and back.

    Parameters
    ----------
    states
        Its values.
    classes
        Shape (size,), int32. The class of each state, 0 and up; `UNUSED` for a state that no row has.
    counts
        Shape (size,), float64. About how many training rows are in each state, and in none of the classes below.
    partners
        Shape (p,), int32. Places of earlier columns whose value this one may have; each is a class, after all others.
    knots
        Shape (classes, len(KNOTS)), float32, rising. The number that stands for each of the normal scores `KNOTS`
        among the rows of a class.
    """

    states: States
    classes: Codes
    counts: Floats
    partners: Codes
    knots: Numbers

    @property
    def own(self) -> int:
        """How many classes are made of states."""
        return int(self.classes.max()) + 1

    @property
    def size(self) -> int:
        """How many classes there are."""
        return self.own + len(self.partners)

    @property
    def several(self) -> NDArray[np.bool_]:
        """Shape (classes,): whether a number decides which of several states it is."""
        found: NDArray[np.bool_] = np.bincount(self.classes[self.classes >= 0], minlength=self.size) > 1
        return found

    @property
    def has_number(self) -> bool:
        """Whether rows have a number beside their class."""
        return bool(self.several.any())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the coding as arrays by name."""
        return self.states.arrays() | {
            "classes": self.classes,
            "counts": self.counts,
            "partners": self.partners,
            "knots": self.knots,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], states: States, place: int) -> Self:
        """Build a coding from arrays that may be hostile; raises ValueError or KeyError."""
        made = cls(states, *(arrays[name] for name in ("classes", "counts", "partners", "knots")))
        made._check_classes()
        made._check_partners(place)
        made._check_knots()
        return made

    def _check_classes(self) -> None:
        classes, counts, size = self.classes, self.counts, self.states.size
        if classes.dtype != np.int32 or classes.shape != (size,):
            raise ValueError("the classes of a column do not fit to its states")
        used = np.unique(classes[classes != UNUSED])
        if not len(used) or not np.array_equal(used, np.arange(len(used))):
            raise ValueError("the classes of a column are not numbered from 0 on")
        if counts.dtype != np.float64 or counts.shape != (size,):
            raise ValueError("the counts of a column do not fit to its states")
        if not np.array_equal(counts > 0, classes != UNUSED) or not (counts <= _COUNT_LIMIT).all():
            raise ValueError("the counts of a column are out of range")

    def _check_partners(self, place: int) -> None:
        partners = self.partners
        if partners.dtype != np.int32 or partners.ndim != 1 or len(partners) > MOST_PARTNERS:
            raise ValueError("the partners of a column do not fit")
        if len(partners) and (isinstance(self.states, CategoryStates) or partners.min() < 0 or partners.max() >= place):
            raise ValueError("a partner is no earlier column")

    def _check_knots(self) -> None:
        if self.knots.dtype != np.float32 or self.knots.shape != (self.size, len(KNOTS)):
            raise ValueError("the knots of a column do not fit to its classes")
        if not (np.abs(self.knots) <= _NUMBER_LIMIT).all() or (np.diff(self.knots, axis=1) < 0).any():
            raise ValueError("the knots of a column are out of order")

    def see(self, rows: Codes, same: Codes) -> Seen:
        """Return what networks learn of rows.

        Parameters
        ----------
        rows
            Shape (n,), the state of each.
        same
            Shape (n,), which partner's value each has; `UNUSED` for none.
        """
        numbered = self.several[self.classes]
        ends = np.cumsum(np.where(numbered, self.counts, 0.0))
        ends /= max(ends[-1], 1.0)
        starts = np.concatenate([[0.0], ends[:-1]])
        has = numbered[rows] & (same == UNUSED)
        low, high = (np.where(has, part[rows], np.nan).astype(np.float32) for part in (starts, ends))
        return Seen(np.where(same == UNUSED, self.classes[rows], self.own + same).astype(np.int32), low, high)

    def with_knots(self, classes: Codes, numbers: Numbers) -> Self:
        """Return the coding with its knots set by what the model draws, so that each class has its distribution.

        Parameters
        ----------
        classes, numbers
            Shape (n,). Rows that the model has drawn.
        """
        knots = self.knots.copy()
        shares = normal_cdf(KNOTS[1:-1].copy()).astype(np.float64)
        for own in np.flatnonzero(self.several):
            found = numbers[classes == own]
            if len(found) < _LEAST_DRAWN:
                continue
            inner = np.quantile(found.astype(np.float64), shares)
            knots[own] = np.concatenate([[inner[0] - 3.0], inner, [inner[-1] + 3.0]])
        return replace(self, knots=np.maximum.accumulate(knots, axis=1))

    def draw(
        self, classes: Codes, numbers: Numbers | None, drawn: Sequence[Feature], rng: np.random.Generator
    ) -> Feature:
        """Return the values of rows.

        Parameters
        ----------
        classes
            Shape (n,).
        numbers
            Shape (n,), float32; None where the column has none.
        drawn
            The columns before this one.
        rng
            Places values inside their bins.
        """
        first = np.zeros(self.size, dtype=np.int32)
        used = np.flatnonzero(self.classes >= 0)
        first[self.classes[used][::-1]] = used[::-1]
        states = first[classes]
        for own in np.flatnonzero(self.several):
            assert numbers is not None  # noqa: S101 - a class of several states has numbers
            rows = np.flatnonzero(classes == own)
            members = np.flatnonzero(self.classes == own).astype(np.int32)
            scores = np.interp(numbers[rows], self.knots[own], KNOTS).astype(np.float32)
            ends = np.cumsum(self.counts[members])
            at = np.searchsorted(ends, normal_cdf(scores) * ends[-1], side="right")
            states[rows] = members[np.minimum(at, len(members) - 1)]
        feature = self.states.draw(states, rng)
        for partner, place in enumerate(self.partners):
            other = drawn[place]
            assert isinstance(feature, Numeric)  # noqa: S101 - only numbers have partners
            assert isinstance(other, Numeric)  # noqa: S101
            feature = Numeric(np.where(classes == self.own + partner, other.values, feature.values))
        return feature


def learn_classes(states: States, rows: Codes, special: tuple[float, ...]) -> Coding:
    """Sort the states of a column into classes.

    Parameters
    ----------
    states, rows
        What `learn_categories` or `learn_numbers` found, and the state of each training row.
    special
        Values that are always classes of their own.
    """
    counts = np.bincount(rows, minlength=states.size).astype(np.float64)
    key = np.arange(states.size)
    if isinstance(states, NumericStates) and np.count_nonzero(counts) > FEW_VALUES:
        apart = _apart(states, counts, special)
        key = np.where(apart, key, states.size + _roundness(states, np.where(apart, 0.0, counts)))
    used = counts > 0
    classes = np.full(states.size, UNUSED, dtype=np.int32)
    classes[used] = np.unique(key[used], return_inverse=True)[1]
    return Coding(states, classes, counts, np.empty(0, dtype=np.int32), np.tile(KNOTS, (int(classes.max()) + 1, 1)))


def _apart(states: NumericStates, counts: Floats, special: tuple[float, ...]) -> NDArray[np.bool_]:
    """Tell which states are classes of their own: missing, special codes, and the most frequent single values."""
    absent = np.zeros(int(states.missing), dtype=bool)
    single = np.append(states.low == states.high, absent)
    least = GRID_MASS if counts[single].sum() >= GRID * counts[: len(states.low)].sum() else MASS
    mass = np.where(single, counts, 0.0)
    frequent = np.argsort(-mass, kind="stable")[:MOST_MASSES]
    apart = np.append(single[: len(states.low)] & np.isin(states.low, special), ~absent)
    apart[frequent] |= (mass[frequent] > 0) & (mass[frequent] >= least * counts.sum())
    return apart


def _roundness(states: NumericStates, counts: Floats) -> NDArray[np.intp]:
    """Return which kind of roundness each state is of, as far as enough rows are of that kind."""
    steps = np.unique(states.step)
    kind = np.zeros(states.size, dtype=np.intp)
    single = states.low == states.high
    for at, step in enumerate(steps):
        round_ = multiples(states.low, step) if step > 0 else np.zeros(len(single), dtype=bool)
        kind[: len(single)][np.where(single, round_, states.step == step)] = at
    rows = np.bincount(kind, counts, len(steps))
    kind[(rows < max(LEAST_GROUP * counts.sum(), 1.0))[kind]] = int(np.argmax(rows))
    return kind


def with_partners(
    codings: Sequence[Coding], rows: Sequence[Codes], features: Sequence[Feature], k: int
) -> list[Coding]:
    """Return the codings with the earlier columns whose values they share in enough rows.

    Parameters
    ----------
    codings, rows, features
        The columns, the state of each row, and its value.
    k
        Rows that a class must have.
    """
    found = []
    for at, (coding, states, feature) in enumerate(zip(codings, rows, features, strict=True)):
        shares: list[tuple[float, int]] = []
        if isinstance(feature, Numeric) and coding.has_number:
            ordinary = coding.several[coding.classes[states]]
            for place in range(at):
                other = features[place]
                if isinstance(other, Numeric) and codings[place].has_number:
                    shares.append((float(np.mean(ordinary & (feature.values == other.values))), -place))
        least = max(SAME, k / max(len(states), 1))
        partners = [-place for share, place in sorted(shares, reverse=True)[:MOST_PARTNERS] if share >= least]
        found.append(
            replace(
                coding,
                partners=np.array(partners, dtype=np.int32),
                knots=np.tile(KNOTS, (coding.own + len(partners), 1)),
            )
        )
    return found


def same_as_partner(coding: Coding, states: Codes, at: int, features: Sequence[Feature]) -> Codes:
    """Return for each row which partner's value it has, shape (n,); `UNUSED` for none."""
    same = np.full(len(states), UNUSED, dtype=np.int32)
    feature = features[at]
    for partner, place in enumerate(coding.partners):
        other = features[place]
        if _numbers(feature) and _numbers(other):
            free = (same == UNUSED) & coding.several[coding.classes[states]]
            same[free & (feature.values == other.values)] = partner
    return same


def _numbers(feature: Feature) -> TypeGuard[Numeric]:
    return isinstance(feature, Numeric)


def recounted(coding: Coding, rows: Codes, same: Codes, k: int) -> Coding:
    """Return a coding with its counts taken from rows, none of them from fewer than ``k``.

    States of a class that fewer have share what they and their neighbours have, in the proportion of the counts before.

    Parameters
    ----------
    coding
        Of which the counts are to be renewed.
    rows, same
        Shape (n,): the state of each row, and which partner's value it has.
    k
        Rows behind a count.
    """
    found = np.bincount(rows[same == UNUSED], minlength=coding.states.size).astype(np.float64)
    counts = coding.counts.copy()
    for own in range(coding.own):
        members = np.flatnonzero(coding.classes == own)
        for run in _runs(found[members], k):
            before = coding.counts[members[run]]
            counts[members[run]] = found[members[run]].sum() * before / before.sum()
    return replace(coding, counts=counts)


def _runs(counts: Floats, k: int) -> Iterator[slice]:
    """Yield runs of neighbours that have at least ``k`` rows together; none where all have fewer."""
    starts, rows = [0], 0.0
    for at, count in enumerate(counts.tolist()):
        rows += count
        if rows >= k:
            starts.append(at + 1)
            rows = 0.0
    # What is left at the end goes to the run before it.
    for start, end in itertools.pairwise([*starts[:-1], len(counts)]):
        yield slice(start, end)


def recode(coding: Coding, feature: Feature, rng: np.random.Generator) -> Codes:
    """Return the state of new rows in a coding that was learned from others, shape (n,).

    A value that the coding does not know becomes the nearest one that it does; a category or a missing value that it
    does not know becomes that of another row, drawn at random.

    Parameters
    ----------
    coding
        Of the same column.
    feature
        The new rows.
    rng
        What is drawn from.
    """
    if isinstance(feature, Discrete):
        assert isinstance(coding.states, CategoryStates)  # noqa: S101 - the schema is the same
        rows = np.argsort(coding.states.code).astype(np.int32)[feature.codes]
    else:
        assert isinstance(coding.states, NumericStates)  # noqa: S101 - as above
        rows = _place(coding.states, coding.counts, feature.values)
    known = (rows != UNUSED) & (coding.classes[rows] != UNUSED)
    if not known.all():
        weights = coding.counts / coding.counts.sum()
        pool = rows[known] if known.any() else rng.choice(len(weights), len(rows), p=weights).astype(np.int32)
        rows[~known] = rng.choice(pool, int(np.count_nonzero(~known)))
    return rows


def _place(states: NumericStates, counts: Floats, values: Floats) -> Codes:
    """Return the state of each value: its own, else a bin of the roundest kind that it is of, else the nearest."""
    rows = np.full(len(values), UNUSED, dtype=np.int32)
    missing = np.isnan(values)
    if states.missing:
        rows[missing] = states.size - 1
    used = np.flatnonzero(counts[: len(states.low)] > 0)
    single = used[states.low[used] == states.high[used]]
    free = ~missing
    for state in single:
        rows[free & (values == states.low[state])] = state
    bins = np.setdiff1d(used, single)
    for step in np.unique(states.step[bins])[::-1]:
        own = bins[states.step[bins] == step]
        own = own[np.argsort(states.low[own], kind="stable")]
        open_ = np.flatnonzero(free & (rows == UNUSED))
        if step > 0:
            open_ = open_[multiples(values[open_], step)]
        # Bins of one kind touch each other; what lies beyond them belongs to the first or the last.
        at = np.searchsorted(states.low[own], values[open_], side="right") - 1
        rows[open_] = own[np.maximum(at, 0)]
    open_ = np.flatnonzero(free & (rows == UNUSED))
    if len(used) and len(open_):
        middles = states.low[used] / 2 + states.high[used] / 2
        order = np.argsort(middles, kind="stable")
        edges = middles[order][:-1] / 2 + middles[order][1:] / 2
        rows[open_] = used[order][np.searchsorted(edges, values[open_])]
    return rows

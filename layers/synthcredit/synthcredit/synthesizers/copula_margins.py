"""Columns as latent variables, and the margins that turn uniform numbers into their values.

A categorical column is one latent variable: its categories are intervals of it, in an order in which the other
columns change most. A numeric column is one for its values and, where it has special codes or missing values, one
more for which of these a row is, so that both can go with other columns in their own way.

A margin is a quantile table: intervals of (0, 1), each of one value or of a range that values are spread over. What
it holds comes from at least k rows each: values that fewer share lie in bins of at least k, of which mean and
standard deviation are kept, the mean with noise; categories of fewer are drawn as one group, or left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import TableSchema
from synthcredit.synthesizers.features import Discrete, Features

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

UNSEEN = -1
"""The segment of a row that says nothing of a latent variable."""
_FEW_VALUES = 32
"""A column of no more values than this is one ordered scale, its special values too."""
_EDGE = 0.05
"""Share of the ordinary values beyond which a special value stands apart from them."""
_LEAST_CHANCE = 1e-12
_VALUE_LIMIT = 1e300
_SPREAD = np.sqrt(3.0)
"""Half the width of a uniform distribution, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Margin:
    """The distribution of one latent variable's values.

    Parameters
    ----------
    bounds
        Shape (s,), float64, rising to 1. Upper end of each segment in (0, 1).
    low, high
        Shape (s,), float64. Values of a segment are spread evenly between these; equal where it is one value.
    """

    bounds: Floats
    low: Floats
    high: Floats

    def check(self) -> None:
        """Raise `ValueError` unless bounds rise to 1 and values are finite and in order."""
        widths = np.diff(self.bounds, prepend=0.0)
        if not ((widths > _LEAST_CHANCE).all() and self.bounds[-1] == 1.0):
            raise ValueError("the bounds of a table do not rise to 1")
        if not ((np.abs(self.low) <= _VALUE_LIMIT).all() and (np.abs(self.high) <= _VALUE_LIMIT).all()):
            raise ValueError("a value of a table is not finite or out of range")
        if (self.low > self.high).any():
            raise ValueError("the values of a table are out of order")

    def check_codes(self, size: int) -> None:
        """Raise `ValueError` unless every value is a code below ``size``."""
        valid = (self.low >= 0) & (self.low < size) & (self.low == np.floor(self.low)) & (self.low == self.high)
        if not valid.all():
            raise ValueError("a code of a table is none of its column's")

    @property
    def starts(self) -> Floats:
        """Lower ends of the segments."""
        return np.concatenate([[0.0], self.bounds[:-1]])

    def segments(self, uniform: NDArray[np.float32]) -> NDArray[np.intp]:
        """Return the segment of each number, shape (n,)."""
        return np.searchsorted(self.bounds[:-1].astype(np.float32), uniform, side="right")

    def codes(self, uniform: NDArray[np.float32]) -> Codes:
        """Return the code of each number, for a margin of codes."""
        return self.low.astype(np.int32)[self.segments(uniform)]

    def values(self, uniform: NDArray[np.float32]) -> Floats:
        """Return the value of each number: the quantile function."""
        width = self.high - self.low
        if len(self.bounds) == 1 and width[0] == 0:
            return np.full(len(uniform), self.low[0])
        at = self.segments(uniform)
        share = uniform - self.starts[at]
        share /= (self.bounds - self.starts)[at]
        return self.low[at] + np.clip(share, 0.0, 1.0, out=share) * width[at]


@dataclass(frozen=True, slots=True)
class Choice:
    """A latent variable of codes: a categorical column, or which special state a row of a numeric one is in.

    Parameters
    ----------
    codes
        Shape (n,), int32; `UNSEEN` where a row has none that may be told.
    chances
        Shape (size,), float64. How likely each code is among those of fewer than k rows; 0 for what never comes.
    """

    codes: Codes
    chances: Floats

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: NDArray[np.intp], chances: Floats) -> Choice:
        """Return some of the rows, with other chances."""
        return Choice(self.codes[rows], chances)


@dataclass(frozen=True, slots=True)
class Amount:
    """A latent variable of numbers: the ordinary values of a numeric column.

    Parameters
    ----------
    values
        Shape (n,), float64; NaN where a row has none.
    """

    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.intp], _: Floats) -> Amount:
        """Return some of the rows."""
        return Amount(self.values[rows])


Latent = Choice | Amount


def latents(features: Features, schema: TableSchema, k: int) -> tuple[list[Latent], list[Floats]]:
    """Return the latent variables of a table and the special states of each column.

    Returns
    -------
    latents
        In column order: a `Choice` for a categorical column; for a numeric one an `Amount`, after a `Choice` if it
        has special states. Code 0 of that choice is an ordinary value, code 1 the first special state.
    specials
        One array a column: special values that at least k rows have, and NaN last if at least k are missing.
    """
    found: list[Latent] = []
    specials: list[Floats] = []
    for name, feature in features.items():
        if isinstance(feature, Discrete):
            chances = np.ones(feature.size)
            if schema[name].nullable and feature.size > 1 and not (feature.codes == feature.size - 1).any():
                chances[-1] = 0.0
            found.append(Choice(feature.codes, chances))
            specials.append(np.empty(0))
            continue
        choice, amount, states = _split(feature.values, schema[name].special_values, k)
        found.extend([choice, amount] if len(states) else [amount])
        specials.append(states)
    return found, specials


def _split(values: Floats, special: tuple[float, ...], k: int) -> tuple[Choice, Amount, Floats]:
    """Part the ordinary values of a numeric column from its special states."""
    missing = np.isnan(values)
    candidates = _codes_apart(values[~missing], special)
    ordinary = ~missing & ~np.isin(values, candidates)
    states = candidates[np.array([np.count_nonzero(values == each) >= k for each in candidates], dtype=np.bool_)]
    # A table of few rows may have too few of everything; nobody is told of by "always missing".
    nothing = not len(states) and np.count_nonzero(ordinary) < k
    if np.count_nonzero(missing) >= k or nothing:
        states = np.append(states, np.nan)
    codes = np.where(ordinary & (np.count_nonzero(ordinary) >= k), 0, UNSEEN).astype(np.int32)
    for code, each in enumerate(states, start=1):
        codes[missing if np.isnan(each) else values == each] = code
    chances = np.bincount(codes[codes >= 0], minlength=len(states) + 1).astype(np.float64)
    if nothing:
        chances[1] = 1.0
    return Choice(codes, chances), Amount(np.where(codes == 0, values, np.nan)), np.asarray(states, dtype=np.float64)


def _codes_apart(known: Floats, special: tuple[float, ...]) -> Floats:
    """Return the special values that are codes: at the edge of the others or beyond, in a column of many values.

    The rest are piles of rows like any, better left in their place among the others.
    """
    candidates = np.unique(special)
    others = known[~np.isin(known, candidates)]
    if not len(others) or len(np.unique(known)) <= _FEW_VALUES:
        return np.empty(0)
    first, last = np.quantile(others, [_EDGE, 1 - _EDGE])
    apart: Floats = candidates[(candidates <= first) | (candidates >= last)]
    return apart


def learn_choice(choice: Choice, order: NDArray[np.intp], k: int) -> tuple[Margin, Codes]:
    """Find the margin of a latent variable of codes.

    Parameters
    ----------
    choice
        Its rows.
    order
        Shape (size,). The codes in the order of the latent variable.
    k
        Rows that a share must come from. Codes of fewer share what they have together, by their ``chances``; if
        that is fewer than k rows too, they are left out.

    Returns
    -------
    margin, segments
        The margin, and the segment of each row, shape (n,), int32.
    """
    weights = choice_weights(choice, k)
    kept = order[weights[order] > 0]
    place = np.full(len(weights) + 1, UNSEEN, dtype=np.int32)  # One more at the end, which `UNSEEN` finds.
    place[kept] = np.arange(len(kept))
    codes = kept.astype(np.float64)
    return Margin(_bounds(weights[kept]), codes, codes), place[choice.codes]


def choice_weights(choice: Choice, k: int) -> Floats:
    """Return the weight of each code, shape (size,), none of which comes from fewer than k rows."""
    counts = np.bincount(choice.codes[choice.codes >= 0], minlength=len(choice.chances)).astype(np.float64)
    rare = counts < k
    pooled, shared = counts[rare].sum(), np.where(rare, choice.chances, 0.0)
    if pooled >= k and shared.any():
        return np.where(rare, shared / shared.sum() * pooled, counts)
    return choice.chances if rare.all() else np.where(rare, 0.0, counts)


def choice_order(choice: Choice, reference: Floats) -> NDArray[np.intp]:
    """Put the codes in the order in which other columns change most.

    That order is the first axis of the codes' mean scores, each code weighted by its rows: the leading singular
    vector, as in correspondence analysis.

    Parameters
    ----------
    choice
        Its rows.
    reference
        Shape (m, n). Scores of other latent variables, of mean 0; 0 where unseen.

    Returns
    -------
    ndarray
        Shape (size,): every code once.
    """
    size = len(choice.chances)
    seen = choice.codes >= 0
    rows = np.bincount(choice.codes[seen], minlength=size)
    sums = np.stack(
        [np.zeros(size), *(np.bincount(choice.codes[seen], scores[seen], size) for scores in reference)], axis=1
    )
    root = np.sqrt(np.maximum(rows, 1))[:, None]
    centred = sums / root - root * sums.sum(axis=0) / max(rows.sum(), 1)
    axis = np.linalg.svd(centred * (rows > 0)[:, None], full_matrices=False)[0][:, 0] / root[:, 0]
    if axis[np.argmax(np.abs(axis))] < 0:
        axis = -axis
    # Equal tables must give equal orders, whatever the last bits of a sum.
    return np.argsort(np.round(axis, 9), kind="stable")


def learn_amount(amount: Amount, k: int, bins: int, rng: np.random.Generator) -> tuple[Margin, Codes]:
    """Find the margin of a latent variable of numbers.

    Parameters
    ----------
    amount
        Its rows.
    k
        Rows that a value or a bin must have.
    bins
        Values and bins, at most (nearly).
    rng
        Draws the noise on the means of bins: normal, of the standard error of each.

    Returns
    -------
    margin, segments
        The margin, and the segment of each row, shape (n,), int32.
    """
    seen = ~np.isnan(amount.values)
    distinct, place, counts = np.unique(amount.values[seen], return_inverse=True, return_counts=True)
    segments = np.full(len(seen), UNSEEN, dtype=np.int32)
    if counts.sum() < k:
        return Margin(np.ones(1), np.zeros(1), np.zeros(1)), segments
    bin_rows = max(k, -(-int(counts.sum()) // bins))
    state, size = _states(counts, k if len(distinct) <= bins else bin_rows, k, bin_rows)

    known = state != UNSEEN
    rows = np.bincount(state[known], counts[known], size).astype(np.float64)
    centre, spread = np.empty(size), np.zeros(size)
    for at, members in enumerate(np.split(np.argsort(state, kind="stable")[np.count_nonzero(~known) :], _ends(state))):
        # A value that enough rows share is kept as it is.
        centre[at] = distinct[members[0]]
        if len(members) > 1:
            mean = np.average(distinct[members], weights=counts[members])
            spread[at] = np.sqrt(np.average((distinct[members] - mean) ** 2, weights=counts[members]))
            centre[at] = mean + rng.standard_normal() * spread[at] / np.sqrt(rows[at])
    order = np.argsort(centre, kind="stable")
    centre, spread = centre[order], spread[order]
    # A bin with a long tail must not reach over its neighbours.
    low = np.maximum(centre - _SPREAD * spread, np.append(-np.inf, centre[:-1]))
    high = np.minimum(centre + _SPREAD * spread, np.append(centre[1:], np.inf))
    segments[seen] = np.append(np.argsort(order), UNSEEN)[state][place]
    return Margin(_bounds(rows[order]), low, high), segments


def _ends(state: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where each state but the last ends when values are sorted by state."""
    return np.cumsum(np.bincount(state[state != UNSEEN]))[:-1]


def _bounds(weights: Floats) -> Floats:
    bounds: Floats = np.cumsum(weights) / weights.sum()
    bounds[-1] = 1.0
    return bounds


def _states(counts: NDArray[np.intp], alone: int, k: int, bin_rows: int) -> tuple[NDArray[np.intp], int]:
    """Give each distinct value, in rising order, a state: one of its own, or a bin.

    Parameters
    ----------
    counts
        Shape (m,). Rows of each value.
    alone
        Rows from which a value has a state of its own.
    k, bin_rows
        Rows that a bin must have; and from which it is full.

    Returns
    -------
    state, size
        Shape (m,), `UNSEEN` where values are too few for a bin; and the number of states.
    """
    state = np.full(len(counts), UNSEEN)
    size, current, rows = 0, UNSEEN, 0
    for at, count in enumerate(counts.tolist()):
        if count >= alone:
            state[at], size = size, size + 1
        if current != UNSEEN and (rows >= bin_rows or (count >= alone and rows >= k)):
            current = UNSEEN
        if count < alone:
            if current == UNSEEN:
                current, size, rows = size, size + 1, 0
            state[at], rows = current, rows + count
    if current != UNSEEN and rows < k:
        # What is left joins the bin before it; without one, it is left out.
        loose = np.flatnonzero((counts < alone) & (state != current))
        joined = state[loose[-1]] if len(loose) else UNSEEN
        state[state == current] = joined
        state[state > current] -= 1
        size -= 1
    return state, size

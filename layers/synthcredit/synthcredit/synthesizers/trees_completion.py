"""Completing partly given rows by trees: several candidates a row, the ones kept that explain what is given.

Candidates are drawn in the model's order with the given cells held fast, and weighted by how likely each given cell is
after the cells before it (likelihood weighting: Fung and Chang, "Weighing and integrating evidence for stochastic
simulation in Bayesian networks", UAI 1989). Where few candidates of a row carry its weight, they are drawn anew from
each other before the next column (sequential imputation with resampling: Kong, Liu and Wong, JASA 89, 1994; Liu and
Chen, JASA 93, 1998). At the end one is drawn by its weight. So a cell that is given late changes those drawn before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.trees_forest import Codes, Counts, Forest
from synthcredit.synthesizers.trees_leaning import LeaningForest
from synthcredit.synthesizers.trees_pooled import PooledForest
from synthcredit.synthesizers.trees_states import grouped
from synthcredit.synthesizers.trees_ties import TiedForest

CANDIDATES = 32
_GROUPS = 20
"""Of neighbouring states: a leaf's few rows cannot tell a thousand apart. Inside a group, and inside a bin, values are
equally likely for all candidates, so that it cancels."""
_FREQUENT = 50

Trees = Forest | LeaningForest | PooledForest | TiedForest
Floats = NDArray[np.float64]
Given = NDArray[np.bool_]


def complete(
    forests: Sequence[Trees],
    sizes: Sequence[int],
    known: Codes,
    given: Given,
    rng: np.random.Generator,
) -> Codes:
    """Return the states of rows with what is not given drawn.

    Parameters
    ----------
    forests, sizes
        Of each column, in the model's order: its trees, and how many states it has.
    known
        Shape (columns, n), int32. States; arbitrary where they are not given.
    given
        Shape (columns, n).
    rng
        What is drawn from.

    Returns
    -------
    numpy.ndarray
        Shape (columns, n), int32. Given states are as they were.
    """
    # A row in which nothing is given after its first gap needs no candidates: it is drawn as the model draws.
    plain = (np.diff(given.astype(np.int8), axis=0) <= 0).all(axis=0)
    made = known.copy()
    for rows, count in ((np.flatnonzero(plain), 1), (np.flatnonzero(~plain), CANDIDATES)):
        if len(rows):
            candidates = _Candidates(known[:, rows], given[:, rows], count, rng)
            for at, (forest, size) in enumerate(zip(forests, sizes, strict=True)):
                candidates.extend(at, forest, size)
            made[:, rows] = candidates.chosen()
    return made


class _Candidates:
    """Several versions of each row, as far as they have been drawn; those of one row are neighbours."""

    def __init__(self, known: Codes, given: Given, count: int, rng: np.random.Generator) -> None:
        self._states = np.repeat(known, count, axis=1)
        self._given = np.repeat(given, count, axis=1)
        self._count, self._rng = count, rng
        self._weight = np.zeros((known.shape[1], count))
        self._differ = False
        """Whether candidates of one row may differ yet; as long as not, they all explain a cell equally well."""

    def extend(self, at: int, forest: Trees, size: int) -> None:
        """Draw the next column where it is not given, and weight by it where it is."""
        gaps, kept = np.flatnonzero(~self._given[at]), np.flatnonzero(self._given[at])
        earlier = self._states[:at]
        if self._differ and len(kept):
            chance = likelihood(forest, size)(earlier[:, kept], self._states[at, kept])
            self._weight.reshape(-1)[kept] += np.log(chance)
        if len(gaps):
            self._states[at, gaps] = forest.draw(np.ascontiguousarray(earlier[:, gaps]), self._rng)
            self._differ = self._count > 1
        self._refresh()

    def _refresh(self) -> None:
        """Where less than half of a row's candidates count, draw all of them anew by their weights."""
        share = self._shares()
        poor = np.flatnonzero((share**2).sum(axis=1) > 2.0 / self._count)
        if not len(poor):
            return
        # Evenly spaced, from a random start: systematic resampling loses fewer candidates than independent draws.
        places = (self._rng.random((len(poor), 1)) + np.arange(self._count)) / self._count
        upto = np.cumsum(share[poor], axis=1)
        chosen = np.minimum((places[:, :, None] >= upto[:, None, :]).sum(axis=2), self._count - 1)
        rows = poor[:, None] * self._count
        self._states[:, (rows + np.arange(self._count)).ravel()] = self._states[:, (rows + chosen).ravel()]
        self._weight[poor] = 0.0

    def _shares(self) -> Floats:
        raised = np.exp(self._weight - self._weight.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def chosen(self) -> Codes:
        """Return one candidate of each row, drawn by weight, shape (columns, rows)."""
        upto = np.cumsum(self._shares(), axis=1)
        place = (self._rng.random((len(upto), 1)) >= upto).sum(axis=1)
        return self._states[:, np.arange(len(upto)) * self._count + np.minimum(place, self._count - 1)]


def likelihood(forest: Trees, size: int) -> Callable[[Codes, Codes], Floats]:
    """Return what tells how likely a state is after the states before it, up to what is equal for all of them.

    What is returned takes ``earlier``, shape (columns, n), and states, shape (n,), and returns shape (n,), above 0.
    """
    if isinstance(forest, PooledForest):
        return _OfPooled(forest)
    if isinstance(forest, TiedForest):
        return _OfTied(forest, _OfGroups.of(forest.forest, size), _OfGroups.of(forest.gate, 2))
    # Which way leaves lean is left out: what it adds to the likelihood of a given cell is little.
    return _OfGroups.of(forest.forest if isinstance(forest, LeaningForest) else forest, size)


@dataclass(frozen=True, slots=True)
class _OfPooled:
    forest: PooledForest

    def __call__(self, earlier: Codes, state: Codes) -> Floats:
        chances = self.forest.chances(np.ascontiguousarray(earlier))
        # A category that no training row has is as unlikely after anything.
        return np.maximum(chances[np.arange(len(state)), state], np.finfo(float).tiny)


@dataclass(frozen=True, slots=True)
class _OfTied:
    forest: TiedForest
    own: _OfGroups
    gate: _OfGroups

    def __call__(self, earlier: Codes, state: Codes) -> Floats:
        tied = self.gate(earlier, np.ones_like(state))
        same = self.forest.same[earlier[self.forest.partner]]
        there = (same >= 0) & (self.own.group[same] == self.own.group[state])
        chance = (1.0 - tied) * self.own(earlier, state) + tied * there
        # Where all rows repeat the other column, a given cell that does not is possible all the same.
        return np.asarray(np.maximum(chance, np.finfo(float).tiny))


@dataclass(frozen=True, slots=True)
class _OfGroups:
    """Groups of states, and their shares in every leaf, shape (leaves, groups)."""

    forest: Forest
    group: Counts
    share: Floats

    @classmethod
    def of(cls, forest: Forest, size: int) -> _OfGroups:
        rows = np.diff(forest.before)
        overall = np.bincount(forest.state, rows, size)
        group = grouped(overall, _GROUPS, _FREQUENT)
        count = int(group.max()) + 1
        leaves = len(forest.start) - 1
        cells = np.repeat(np.arange(leaves), np.diff(forest.start)) * count + group[forest.state]
        held = np.bincount(cells, rows, leaves * count).reshape(leaves, count)
        whole = np.bincount(group, overall, count) / overall.sum()
        # As if one more row of each leaf had been drawn from the whole column, so that no given cell is impossible.
        share = (held + whole) / (held.sum(axis=1, keepdims=True) + 1.0)
        return cls(forest, group, np.maximum(share, np.finfo(float).tiny))

    def __call__(self, earlier: Codes, state: Codes) -> Floats:
        earlier, group = np.ascontiguousarray(earlier), self.group[state]
        total = np.zeros(len(state))
        for root in self.forest.root:
            leaf = self.forest.leaves(earlier, np.full(len(state), root, dtype=np.int32))
            total += self.share[leaf, group]
        return total / len(self.forest.root)

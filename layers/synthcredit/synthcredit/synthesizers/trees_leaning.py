"""What a leaf still hides: inside it, the larger the columns before, the larger (or smaller) the column itself.

A leaf counts rows of ten people or more, and they differ in the columns before. Drawn regardless of these, amounts that
hang together closely come out blurred. Smaller leaves would hold less of the blur and more of the people. So each leaf
also keeps how strongly the ranks of its rows follow a score, the same weighted sum of the columns before for all leaves
of a column, and where in the leaf's own range of scores a row lies says where in the leaf's states to draw: a Gaussian
copula inside each leaf (as in vine copulas with trees for the conditions, simplified: Aas et al., "Pair-copula
constructions of multiple dependence", Insurance: Mathematics and Economics 44, 2009). What a leaf's states are, and how
often each comes, does not change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.trees_forest import Codes, Counts, Forest
from synthcredit.synthesizers.trees_states import midranks

MOST_PARTNERS = 6
"""Columns that the score is made of: those that matter most."""
_PRIOR_ROWS = 30.0
"""How strongly a leaf follows the score is shrunk towards the mean of all leaves, as if it had so many more rows."""
_RIDGE = 0.01
_MOST = 2.5
"""Standard deviations from a leaf's mean score at most: drawn rows may lie outside of what the leaf has seen."""
_STRONGEST = 0.97
_GRID = np.linspace(-4.0, 4.0, 801)

Floats = NDArray[np.float64]


def normal_share(scores: Floats) -> Floats:
    """Return the share of a normal distribution below scores, within .0002: numpy alone has no such function.

    Bowling et al., "A logistic approximation to the cumulative normal distribution", JIEM 2, 2009.
    """
    # A power by multiplication: numpy's own takes ten times as long.
    return np.asarray(1.0 / (1.0 + np.exp(-scores * (1.5976 + 0.07056 * scores * scores))))


def normal_score(shares: Floats) -> Floats:
    """Return the scores of shares between 0 and 1: the inverse of `normal_share`."""
    return np.interp(shares, normal_share(_GRID), _GRID)


@dataclass(frozen=True, slots=True)
class LeaningForest:
    """The trees of one column of numbers, and which way its leaves lean.

    Parameters
    ----------
    forest
        The trees; the states of each leaf ascend.
    partners
        Which of the columns drawn before the score is made of.
    tables
        For each of these, what each of its states adds to the score.
    middle, scale
        Shape (leaves,). The mean score of each leaf's rows, and the inverse of its standard deviation, 0 for none.
    strength
        Shape (leaves,), from -1 to 1. How closely the ranks of its rows follow the score.
    """

    forest: Forest
    partners: Codes
    tables: tuple[Floats, ...]
    middle: Floats
    scale: Floats
    strength: Floats

    def draw(self, earlier: Codes, rng: np.random.Generator) -> Codes:
        """Draw a state for each row, shape (n,), int32; parameters as of `Forest.draw`."""
        rows = earlier.shape[1]
        leaf = self.forest.leaves(earlier, self.forest.root[rng.integers(len(self.forest.root), size=rows)])
        score = np.zeros(rows)
        for partner, table in zip(self.partners.tolist(), self.tables, strict=True):
            score += table.take(earlier[partner])
        place = np.clip((score - self.middle[leaf]) * self.scale[leaf], -_MOST, _MOST)
        strength = self.strength[leaf]
        share = normal_share(strength * place + np.sqrt(1.0 - strength * strength) * rng.standard_normal(rows))
        return self.forest.drawn_at(leaf, share)

    def with_rows(self, earlier: Codes, rows: Codes, size: int) -> Self:
        """Return the same trees with more rows counted; which way leaves lean stays as it was."""
        return replace(self, forest=self.forest.with_rows(earlier, rows, size))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the forest as arrays by name."""
        return self.forest.arrays() | {
            "partners": self.partners,
            "tables": np.concatenate(self.tables).astype(np.float32),
            "middle": self.middle.astype(np.float32),
            "scale": self.scale.astype(np.float32),
            "strength": self.strength.astype(np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, earlier: Sequence[int], size: int) -> Self:
        """Build a forest from arrays that may be hostile.

        Parameters
        ----------
        arrays
            As `arrays` returned them.
        earlier
            How many states each column drawn before has.
        size
            How many states the column has.

        Raises
        ------
        ValueError, KeyError
            An array is missing, or they do not fit together.
        """
        forest = Forest.from_arrays(arrays, columns=len(earlier), size=size)
        partners, leaves = arrays["partners"], len(forest.start) - 1
        if partners.dtype != np.int32 or partners.ndim != 1 or not 1 <= len(partners) <= MOST_PARTNERS:
            raise ValueError("the columns that leaves lean by are not columns")
        if not ((partners >= 0) & (partners < len(earlier))).all():
            raise ValueError("the columns that leaves lean by are not columns")
        sizes = [earlier[partner] for partner in partners]
        parts = {"tables": sum(sizes), "middle": leaves, "scale": leaves, "strength": leaves}
        for name, length in parts.items():
            array = arrays[name]
            if array.dtype != np.float32 or array.shape != (length,) or not np.isfinite(array).all():
                raise ValueError("which way the leaves of a column lean does not fit together")
        if (np.abs(arrays["strength"]) > 1.0).any():
            raise ValueError("the leaves of a column lean too strongly")
        tables, middle, scale, strength = (arrays[name].astype(np.float64) for name in parts)
        return cls(forest, partners, tuple(np.split(tables, np.cumsum(sizes)[:-1])), middle, scale, strength)


def lean(
    forest: Forest,
    earlier: Codes,
    sizes: Sequence[int],
    parents: Counts,
    rows: Codes,
    size: int,
    rng: np.random.Generator,
) -> Forest | LeaningForest:
    """Find which way the leaves of a forest lean.

    Parameters
    ----------
    forest
        The trees.
    earlier, rows
        The states that it counts: of the columns before, shape (columns, n), and of the column, shape (n,).
    sizes, size
        How many states they have.
    parents
        Which of the columns before may be asked.
    rng
        Orders rows of equal states.

    Returns
    -------
    LeaningForest
        Or the forest itself, where there is nothing to lean by.
    """
    if len(parents) == 0 or size < 2:
        return forest
    # Told apart at random, so that equal states follow no score by chance of their order.
    order = midranks(rows, size) + 1e-9 * rng.random(len(rows))
    leaves = [
        _Leaves.of(forest.leaves(earlier, np.full(len(rows), root, dtype=np.int32)), order) for root in forest.root
    ]
    ranks = np.stack([midranks(earlier[parent], sizes[parent]) for parent in parents])
    weights = _weights(ranks, leaves)
    most = np.sort(np.argsort(-np.abs(weights) * ranks.std(axis=1), kind="stable")[:MOST_PARTNERS])
    weights = _weights(ranks[most], leaves)
    if not np.abs(weights).any():
        return forest
    score = weights @ ranks[most]
    middle, scale, strength = (np.concatenate(part) for part in zip(*_leanings(score, leaves), strict=True))
    partners = parents[most].astype(np.int32)
    tables = tuple(
        weight * _table(earlier[partner], sizes[partner]) for weight, partner in zip(weights, partners, strict=True)
    )
    return LeaningForest(forest, partners, tables, middle, scale, strength)


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Where the rows lie in one tree: their leaf, counted from its first, and their normal score inside it."""

    leaf: Counts
    counts: Counts
    scores: Floats

    @classmethod
    def of(cls, leaf: Codes, order: Floats) -> Self:
        own = leaf.astype(np.int64) - int(leaf.min())
        counts = np.bincount(own)
        by_leaf = np.lexsort((order, own))
        place = np.empty(len(own))
        place[by_leaf] = np.arange(len(own)) - np.repeat(np.cumsum(counts) - counts, counts)
        return cls(own, counts, normal_score((place + 0.5) / counts[own]))

    def centred(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the mean of each leaf, and each row's difference to its own."""
        means = np.bincount(self.leaf, values, len(self.counts)) / self.counts
        return means, values - means[self.leaf]


def _weights(ranks: Floats, leaves: list[_Leaves]) -> Floats:
    """Return how normal scores inside leaves follow ranks inside leaves, by least squares over all trees."""
    products, with_scores = np.zeros((len(ranks), len(ranks))), np.zeros(len(ranks))
    for each in leaves:
        inside = np.stack([each.centred(own)[1] for own in ranks])
        products += inside @ inside.T
        with_scores += inside @ each.scores
    ridge = _RIDGE * np.trace(products) / len(ranks)
    if ridge < 1e-12:
        return np.zeros(len(ranks))
    return np.asarray(np.linalg.solve(products + ridge * np.eye(len(ranks)), with_scores))


def _leanings(score: Floats, leaves: list[_Leaves]) -> list[tuple[Floats, Floats, Floats]]:
    """Return middle, scale and strength of each tree's leaves."""
    found = []
    for each in leaves:
        middle, inside = each.centred(score)
        spread = np.sqrt(np.bincount(each.leaf, inside**2, len(each.counts)) / each.counts)
        scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-6)
        place = np.clip(inside * scale[each.leaf], -_MOST, _MOST)
        own, other, both = (
            np.bincount(each.leaf, part, len(each.counts))
            for part in (place**2, each.scores**2, place * each.scores)
        )  # fmt: skip
        found.append((middle, scale, own, other, both, each.counts))
    common = sum(part[4].sum() for part in found) / max(
        sum(float(np.sqrt(part[2].sum() * part[3].sum())) for part in found), 1e-12
    )
    return [
        (middle, scale, _shrunk(both / np.maximum(np.sqrt(own * other), 1e-12), counts, common))
        for middle, scale, own, other, both, counts in found
    ]


def _shrunk(strength: Floats, rows: Counts, common: float) -> Floats:
    shrunk = (strength * rows + common * _PRIOR_ROWS) / (rows + _PRIOR_ROWS)
    return np.clip(shrunk, -_STRONGEST, _STRONGEST)


def _table(rows: Codes, size: int) -> Floats:
    """Return the mean rank of each state of a column, from 0 to 1; of a state without rows, that of its place."""
    counts = np.bincount(rows, minlength=size)
    return np.asarray((np.cumsum(counts) - counts / 2) / len(rows))

"""A small table's target: many trees asked at once, their mean made as sure as rows left out of them bear out.

Eight trees of a small table, one drawn a row, tell a target's outcomes apart too weakly: what is learned from the
synthetic rows is then blurred twice. Here each tree sees a random part of the rows, and of the columns at each split
(random forests, Breiman, Machine Learning 45, 2001), and all trees are asked. A mean of many trees is not sure enough,
by as much as the trees differ; so it is raised to a power (as in temperature scaling, Guo et al., "On calibration of
modern neural networks", ICML 2017). How much the other columns tell of the outcome is measured by the likelihood of the
rows that each tree was not grown on (Breiman, "Out-of-bag estimation", 1996); the power is such that they tell as much
of it in drawn rows, whose other columns are blurred already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.trees_forest import MOST_CLASSES, Codes, Counts, Forest, join, tree_of

TREES = 64
_SAMPLE_SHARE = 0.5
_FEATURE_SHARE = 0.2
POWERS = np.round(np.arange(1.0, 4.01, 0.1), 1)
"""From 1 on: rows must not become less sure than the leaves are."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PooledForest:
    """The trees of one column of few states, all asked for each row.

    Parameters
    ----------
    forest
        The trees.
    chance
        Shape (leaves, states). How likely each state is in each leaf: its rows and, as if one row more had come, those
        of the whole column.
    overall
        Shape (states,). How likely each state is in the whole column.
    power
        To which the ratio of a row's chances to the overall ones is raised.
    """

    forest: Forest
    chance: Floats
    overall: Floats
    power: float

    @classmethod
    def of(cls, forest: Forest, size: int, power: float) -> Self:
        """Take the chances from the rows that a forest counts."""
        counts = np.zeros((len(forest.start) - 1, size))
        counts[np.repeat(np.arange(len(counts)), np.diff(forest.start)), forest.state] = np.diff(forest.before)
        overall = counts.sum(axis=0) / counts.sum()
        return cls(forest, _smoothed(counts, overall), overall, power)

    def chances(self, earlier: Codes) -> Floats:
        """Return how likely each state is for each row, shape (n, states).

        Parameters
        ----------
        earlier
            Shape (columns, n), int32, contiguous. The states drawn before.
        """
        total = np.zeros((earlier.shape[1], len(self.overall)))
        for root in self.forest.root:
            total += self.chance[self.forest.leaves(earlier, np.full(len(total), root, dtype=np.int32))]
        return surer(total / len(self.forest.root), self.overall, self.power)

    def draw(self, earlier: Codes, rng: np.random.Generator) -> Codes:
        """Draw a state for each row, shape (n,), int32."""
        upto = np.cumsum(self.chances(earlier), axis=1)[:, :-1]
        return np.asarray((rng.random(len(upto))[:, None] >= upto).sum(axis=1, dtype=np.int32))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the forest as arrays by name."""
        return self.forest.arrays() | {"power": np.array([self.power])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, columns: int, size: int) -> Self:
        """Build a forest from arrays that may be hostile.

        Raises
        ------
        ValueError, KeyError
            An array is missing, or they do not fit together.
        """
        power = arrays["power"]
        if power.dtype != np.float64 or power.shape != (1,) or not POWERS[0] <= power[0] <= POWERS[-1]:
            raise ValueError("the power of a column's chances is out of range")
        if size > MOST_CLASSES:
            raise ValueError("a column of so many states has no pooled trees")
        return cls.of(Forest.from_arrays(arrays, columns=columns, size=size), size, float(power[0]))


def _smoothed(counts: Floats, overall: Floats) -> Floats:
    smoothed: Floats = (counts + overall) / (counts.sum(axis=1, keepdims=True) + 1.0)
    return smoothed


def surer(chances: Floats, overall: Floats, power: float) -> Floats:
    """Raise how chances differ from the overall ones to a power, shape (n, states); each row adds up to 1."""
    ratio = np.divide(chances, overall, out=np.zeros_like(chances), where=overall > 0)
    raised = overall * ratio**power
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def grow_pooled(
    earlier: Codes,
    parents: NDArray[np.int64],
    rows: Codes,
    size: int,
    *,
    drawn: Codes,
    leaf_rows: int,
    rng: np.random.Generator,
    pool: Executor,
    grown: Callable[[int], None],
) -> PooledForest:
    """Grow the trees of one column, and choose how sure their mean may be.

    Parameters are as of `trees_forest.grow`; ``drawn`` is like ``earlier``, drawn by the model.
    """
    from sklearn.tree import DecisionTreeClassifier

    asked = np.ascontiguousarray(earlier[parents].T, dtype=np.float32)
    sample = max(1, round(len(rows) * _SAMPLE_SHARE))
    samples = [(rng.choice(len(rows), sample, replace=False), int(rng.integers(2**31))) for _ in range(TREES)]
    overall = np.bincount(rows, minlength=size) / len(rows)

    def built(chosen_by: tuple[Counts, int]) -> tuple[Forest, Floats, NDArray[np.bool_]]:
        chosen, state = chosen_by
        tree = DecisionTreeClassifier(
            criterion="entropy", min_samples_leaf=leaf_rows, max_features=_FEATURE_SHARE, random_state=state
        ).fit(asked[chosen], rows[chosen])
        nodes = tree.apply(asked)
        counts = np.zeros((tree.tree_.node_count, size))
        np.add.at(counts, (nodes[chosen], rows[chosen]), 1.0)
        left_out = np.ones(len(rows), dtype=bool)
        left_out[chosen] = False
        return tree_of(tree.tree_, parents, nodes, rows, size), _smoothed(counts, overall)[nodes], left_out

    forest, total, trees = [], np.zeros((len(rows), size)), np.zeros(len(rows))
    for tree, chances, left_out in pool.map(built, samples):
        forest.append(tree)
        total[left_out] += chances[left_out]
        trees += left_out
        grown(len(forest))
    judged = trees > 0
    power, told = _borne_out(total[judged] / trees[judged, None], overall, rows[judged])
    whole = PooledForest.of(join(forest), size, 1.0)
    mean = whole.chances(drawn)
    enough = (each for each in POWERS if each >= power and _information(surer(mean, overall, each), overall) >= told)
    return replace(whole, power=float(next(enough, POWERS[-1])))


def _borne_out(chances: Floats, overall: Floats, rows: Codes) -> tuple[float, float]:
    """Return the power of the highest likelihood, and by how much it is above that of the overall chances, a row."""
    at = np.arange(len(rows))
    gains = [np.log(surer(chances, overall, power)[at, rows] / overall[rows]).mean() for power in POWERS]
    best = int(np.argmax(gains))
    return float(POWERS[best]), float(gains[best])


def _information(chances: Floats, overall: Floats) -> float:
    """Return how much chances tell beyond the overall ones, in nats a row: the gain in likelihood if they are true."""
    ratio = np.divide(chances, overall, out=np.ones_like(chances), where=(overall > 0) & (chances > 0))
    return float((chances * np.log(ratio)).sum(axis=1).mean())

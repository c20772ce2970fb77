"""In which order columns are drawn: the order whose trees tell rows apart best that they were not grown on.

By the chain rule the log-likelihoods of the columns, each given those before it, add up to that of whole rows, whatever
the order. So orders can be compared by their sums. In theory all are equal; trees of finite leaves learn some
conditional distributions far better than others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.trees_forest import SAMPLE_SHARE, Codes, waves
from synthcredit.synthesizers.trees_states import grouped, midranks

MAX_TRIALS = 260
"""Trees that the search may grow beside those of the first order. UCI default: most of the gain is found by then."""
MAX_ROWS = 15_000
MIN_ROWS = 3_000
"""With fewer rows the held-out third is noise: on 700 rows of german_credit an order so found kept .59 of the
associations, the order to begin with .63."""
_MOST_STEPS = 8
_GROUPS = 150
_FREQUENT = 50
"""A state of at least one in so many rows is a group of its own; others share groups of neighbours."""

Order = tuple[int, ...]
Positions = NDArray[np.int64]


class _Trial:
    """Held-out log-likelihoods, one tree each, remembered."""

    def __init__(
        self, rows: Codes, sizes: Sequence[int], leaf_rows: Sequence[int], rng: np.random.Generator, pool: Executor
    ) -> None:
        self._asked = np.ascontiguousarray(rows.T, dtype=np.float32)
        self._wanted = [waves(midranks(own, size)) for own, size in zip(rows, sizes, strict=True)]
        self._groups = [grouped(np.bincount(own), _GROUPS, _FREQUENT)[own] for own in rows]
        self._leaf_rows = leaf_rows
        self._train, self._held = np.split(np.arange(rows.shape[1]), [2 * rows.shape[1] // 3])
        self._grown_on = self._train[: round(len(self._train) * SAMPLE_SHARE)]
        self._seed = int(rng.integers(2**31))
        self._pool = pool
        self._known: dict[tuple[int, bytes], float] = {}

    @property
    def trials(self) -> int:
        """How many trees have been grown."""
        return len(self._known)

    def sum(self, asked: Sequence[tuple[int, Positions]]) -> float:
        """Return the summed log-likelihood a row of columns, each given others."""
        keys = [(column, np.sort(given).tobytes()) for column, given in asked]
        new = {key: pair for key, pair in zip(keys, asked, strict=True) if key not in self._known}
        found = self._pool.map(lambda pair: self._score(pair[0], np.sort(pair[1])), new.values())
        self._known.update(zip(new, found, strict=True))
        return sum(self._known[key] for key in keys)

    def _score(self, column: int, given: Positions) -> float:
        from sklearn.tree import DecisionTreeRegressor

        groups = self._groups[column]
        size = int(groups.max()) + 1
        overall = np.bincount(groups[self._train], minlength=size) + 0.5
        overall /= overall.sum()
        if not len(given):
            return float(np.log(overall[groups[self._held]]).mean())
        tree = DecisionTreeRegressor(min_samples_leaf=self._leaf_rows[column], random_state=self._seed)
        asked = self._asked[:, given]
        tree.fit(asked[self._grown_on], self._wanted[column][self._grown_on])
        leaf = tree.apply(asked)
        counts = np.zeros((tree.tree_.node_count, size))
        np.add.at(counts, (leaf[self._train], groups[self._train]), 1.0)
        # As if one more row of each leaf had been drawn from the whole column: no group is impossible.
        chance = (counts + overall) / (counts.sum(axis=1, keepdims=True) + 1.0)
        return float(np.log(chance[leaf[self._held], groups[self._held]]).mean())


def improve(
    starts: Sequence[Order],
    rows: Codes,
    sizes: Sequence[int],
    leaf_rows: Sequence[int],
    *,
    movable: int,
    parents: Callable[[int, Order], Positions],
    rng: np.random.Generator,
    pool: Executor,
    tried: Callable[[float], None],
) -> Order:
    """Return the best of several orders; if it is the first, search on: move columns a few places, keep what helps.

    Parameters
    ----------
    starts
        Orders to begin with; the first is kept where there is nothing to judge by.
    rows
        Shape (columns, n), int32. The states of all columns; a random subset is judged by.
    sizes, leaf_rows
        How many states each column has, and how many rows a leaf of its trees.
    movable
        How many columns, from the first on, may change places.
    parents
        Which columns the trees of a column may ask, of those before it.
    rng
        What moves are drawn from.
    pool
        Grows trees, several at once where it can; the order found does not depend on how many.
    tried
        Hears which part of the work is done, from 0 to 1.
    """
    if movable < 2 or rows.shape[1] < MIN_ROWS:
        return starts[0]
    some = rng.permutation(rows.shape[1])[:MAX_ROWS]
    trial = _Trial(rows[:, some], sizes, leaf_rows, rng, pool)

    def likelihood(order: Order, start: int, end: int) -> float:
        return trial.sum([(order[at], parents(order[at], order[:at])) for at in range(start, end)])

    best = max(starts, key=lambda order: likelihood(order, 0, len(order)))
    if best != starts[0]:
        # Whoever ordered it knew more than a search finds: moves of single columns made UCI default's months worse.
        return best
    most = trial.trials + MAX_TRIALS
    for _ in range(MAX_TRIALS):  # Moves between columns of the same trees cost nothing, so trees alone do not end it.
        if trial.trials >= most:
            break
        here = int(rng.integers(movable))
        there = int(np.clip(here + rng.integers(1, _MOST_STEPS + 1) * rng.choice([-1, 1]), 0, movable - 1))
        moved = list(best)
        moved.insert(there, moved.pop(here))
        changed = tuple(moved)
        start, end = min(here, there), max(here, there) + 1
        # By more than the last bits of a sum.
        if likelihood(changed, start, end) > likelihood(best, start, end) + 1e-9:
            best = changed
        tried(min(1.0, 1.0 - (most - trial.trials) / MAX_TRIALS))
    return best

"""One column's forest: from the states of the columns before it to a state of its own.

Everything is whole numbers: a node asks whether the state of an earlier column is at most a threshold, a leaf holds
how many training rows had which state. Which rows, it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.trees_states import midranks

Codes = NDArray[np.int32]
Counts = NDArray[np.int64]

SAMPLE_SHARE = 0.7
"""Rows that the splits of one tree are chosen from; the others make trees differ, and noise harder to learn."""
MOST_CLASSES = 32
_WAVES = 6
"""Cosines in which trees see a distribution; of 1, 4, 6 and 10, six told synthetic rows from real ones the least."""
_LEAF = -1
_STEPS = 4
"""Steps down a tree between two looks at which rows have arrived; 3 to 6 were equally fast."""
_MOST_ROWS = 2**53


@dataclass(frozen=True, slots=True)
class Forest:
    """The trees of one column, one after the other in the same arrays.

    Parameters
    ----------
    root
        Shape (trees,), int32. Node at which each tree begins.
    parent
        Shape (nodes,), int32. Which of the columns drawn before is asked; -1 for a leaf.
    threshold
        Shape (nodes,), int32. The next node follows at once where that column's state is at most this.
    other
        Shape (nodes,), int32. Otherwise this node is next, always a later one. For a leaf: which leaf it is.
    start
        Shape (leaves + 1,), int64. Where the states of each leaf begin.
    state
        Shape (entries,), int32. The states found in each leaf.
    before
        Shape (entries + 1,), int64. Training rows in all entries before.
    """

    root: Codes
    parent: Codes
    threshold: Codes
    other: Codes
    start: Counts
    state: Codes
    before: Counts

    def draw(self, earlier: Codes, rng: np.random.Generator) -> Codes:
        """Draw a state for each row, from one tree chosen at random.

        Parameters
        ----------
        earlier
            Shape (columns, n), int32, contiguous. The states drawn before.

        Returns
        -------
        numpy.ndarray
            Shape (n,), int32.
        """
        rows = earlier.shape[1]
        leaf = self.leaves(earlier, self.root[rng.integers(len(self.root), size=rows)])
        first, end = self.before[self.start[leaf]], self.before[self.start[leaf + 1]]
        row = first + (rng.random(rows) * (end - first)).astype(np.int64)
        return self.state[np.searchsorted(self.before, row, side="right") - 1]

    def leaves(self, earlier: Codes, node: Codes) -> Codes:
        """Follow every row from its root to its leaf; return which leaves."""
        flat, rows = earlier.ravel(), earlier.shape[1]
        ends = self.parent == _LEAF
        # A leaf leads to itself, so that rows can go several steps before those that have arrived are put aside.
        itself = np.arange(len(ends))
        asked = np.where(ends, 0, self.parent).astype(np.int64) * rows
        near, far = np.where(ends, itself, itself + 1), np.where(ends, itself, self.other)
        arrived = node.astype(np.int64)
        going = np.flatnonzero(~ends[arrived])
        at = arrived[going]
        while len(going):
            for _ in range(_STEPS):
                below = flat.take(asked.take(at) + going) <= self.threshold.take(at)
                at = np.where(below, near.take(at), far.take(at))
            arrived[going] = at
            still = np.flatnonzero(~ends.take(at))
            going, at = going[still], at[still]
        return self.other[arrived]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the forest as unsigned arrays by name, each of the smallest type that holds it."""
        parts = {
            "root": self.root,
            "parent": self.parent + 1,
            "threshold": self.threshold,
            "other": self.other,
            "sizes": np.diff(self.start),
            "state": self.state,
            "rows": np.diff(self.before),
        }
        return {name: part.astype(np.min_scalar_type(part.max())) for name, part in parts.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, columns: int, size: int) -> Self:
        """Build a forest from arrays that may be hostile.

        Parameters
        ----------
        arrays
            As `arrays` returned them.
        columns
            How many columns are drawn before.
        size
            How many states the column has.

        Raises
        ------
        ValueError, KeyError
            An array is missing, or they do not fit together.
        """
        names = ("root", "parent", "threshold", "other", "sizes", "state", "rows")
        parts = {name: _whole_numbers(arrays[name]) for name in names}
        forest = cls(
            root=parts["root"].astype(np.int32),
            parent=(parts["parent"] - 1).astype(np.int32),
            threshold=parts["threshold"].astype(np.int32),
            other=parts["other"].astype(np.int32),
            start=np.concatenate([[0], np.cumsum(parts["sizes"])]),
            state=parts["state"].astype(np.int32),
            before=np.concatenate([[0], np.cumsum(parts["rows"])]),
        )
        forest._check(columns, size)
        return forest

    def _check(self, columns: int, size: int) -> None:
        """Refuse a forest in which drawing could leave an array or never end."""
        nodes, leaves = len(self.parent), len(self.start) - 1
        inner = np.flatnonzero(self.parent != _LEAF)
        ends = self.parent == _LEAF
        sound = (
            len(self.threshold) == len(self.other) == nodes
            and (self.root < nodes).all()
            and (self.parent < columns).all()
            # Every step goes to a later node, so that each walk ends, and in a leaf.
            and (self.other[inner] > inner).all()
            and (self.other[inner] < nodes).all()
            and (inner + 1 < nodes).all()
            and (self.other[ends] < leaves).all()
            and (np.diff(self.start) > 0).all()
            and (np.diff(self.before) > 0).all()
            and len(self.state) == self.start[-1] == len(self.before) - 1
            and self.before[-1] < _MOST_ROWS
            and (self.state < size).all()
        )
        if not sound:
            raise ValueError("the trees of a column do not fit together")


def _whole_numbers(array: NDArray[Any]) -> Counts:
    if array.ndim != 1 or not len(array) or array.dtype.kind != "u" or int(array.max()) >= 2**31:
        raise ValueError("the trees of a column are not whole numbers")
    return array.astype(np.int64)


def grow(
    earlier: Codes,
    parents: NDArray[np.int64],
    rows: Codes,
    size: int,
    *,
    categories: bool,
    trees: int,
    leaf_rows: int,
    rng: np.random.Generator,
    pool: Executor,
    grown: Callable[[int], None],
) -> Forest:
    """Grow the forest of one column.

    The splits of each tree are chosen from a subsample without replacement (as in Bühlmann and Yu, "Analyzing
    bagging", 2002); its leaves then count all rows.

    Parameters
    ----------
    earlier
        Shape (columns, n), int32. The states of the columns before.
    parents
        Which of these the trees may ask.
    rows
        Shape (n,), int32. The column's own states.
    size
        How many states the column has.
    categories
        Whether states have no order of their own. A few of them are split by entropy; others, and numbers, by the
        variance of cosines of their mean ranks.
    trees
        How many trees.
    leaf_rows
        Rows of the subsample in a leaf, at least.
    rng
        What subsamples and ties are drawn from.
    pool
        Grows trees, several at once where it can.
    grown
        Hears how many trees there are, after each.
    """
    if not len(parents):
        return tree_of(_OneLeaf, np.zeros(1, dtype=np.int64), np.zeros(len(rows), dtype=np.int64), rows, size)
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    classify = categories and size <= MOST_CLASSES
    wanted = rows if classify else waves(midranks(rows, size))
    asked = np.ascontiguousarray(earlier[parents].T, dtype=np.float32)

    def built(drawn: tuple[Codes, int]) -> Forest:
        chosen, state = drawn
        options = {"min_samples_leaf": leaf_rows, "random_state": state}
        tree = DecisionTreeClassifier(criterion="entropy", **options) if classify else DecisionTreeRegressor(**options)
        tree.fit(asked[chosen], wanted[chosen])
        return tree_of(tree.tree_, parents, tree.apply(asked), rows, size)

    sample = max(1, round(len(rows) * SAMPLE_SHARE))
    # Drawn here, in one order, so that the forest does not depend on which tree is ready first.
    drawn = [(rng.choice(len(rows), sample, replace=False), int(rng.integers(2**31))) for _ in range(trees)]
    forest = []
    for tree in pool.map(built, drawn):
        forest.append(tree)
        grown(len(forest))
    return join(forest)


def waves(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cosines of ranks, shape (n, waves): trees that split their variance split whole distributions.

    The variance of the mean rank alone sees the mean alone. The sum over the first cosines is the squared distance of
    smoothed densities, as in the distributional random forests of Ćevid et al. (JMLR 23, 2022).
    """
    return np.stack([np.cos(np.pi * k * ranks) for k in range(1, _WAVES + 1)], axis=1)


class _OneLeaf:
    """A tree of one leaf, as scikit-learn would describe it."""

    children_left = np.array([_LEAF])
    children_right = np.array([_LEAF])
    feature = np.array([0])
    threshold = np.array([0.0])


def tree_of(
    described: Any,  # noqa: ANN401 - scikit-learn has no types
    parents: NDArray[np.int64],
    nodes: Counts,
    rows: Codes,
    size: int,
) -> Forest:
    """Turn scikit-learn's tree into ours: ``nodes`` is the leaf node of each row."""
    left, right = described.children_left, described.children_right
    ends = left == _LEAF
    if not np.array_equal(left[~ends], np.flatnonzero(~ends) + 1):
        raise RuntimeError("scikit-learn no longer numbers nodes depth first")
    leaf = np.cumsum(ends) - 1
    # A leaf's states, sorted: each entry is one state of one leaf.
    entries, counts = np.unique(leaf[nodes] * size + rows, return_counts=True)
    return Forest(
        root=np.zeros(1, dtype=np.int32),
        parent=np.where(ends, _LEAF, parents[np.maximum(described.feature, 0)]).astype(np.int32),
        threshold=np.where(ends, 0, np.floor(described.threshold)).astype(np.int32),
        other=np.where(ends, leaf, right).astype(np.int32),
        start=np.searchsorted(entries // size, np.arange(ends.sum() + 1)),
        state=(entries % size).astype(np.int32),
        before=np.concatenate([[0], np.cumsum(counts)]),
    )


def join(trees: list[Forest]) -> Forest:
    """Put trees one after the other into the same arrays."""

    def offsets(sizes: list[int]) -> list[int]:
        return [sum(sizes[:at]) for at in range(len(sizes))]

    nodes = offsets([len(tree.parent) for tree in trees])
    leaves = offsets([len(tree.start) - 1 for tree in trees])
    others = [
        tree.other + np.where(tree.parent == _LEAF, leaf, node)
        for tree, node, leaf in zip(trees, nodes, leaves, strict=True)
    ]
    sizes = np.concatenate([np.diff(tree.start) for tree in trees])
    counts = np.concatenate([np.diff(tree.before) for tree in trees])
    return Forest(
        root=np.array(nodes, dtype=np.int32),
        parent=np.concatenate([tree.parent for tree in trees]),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        other=np.concatenate(others).astype(np.int32),
        start=np.concatenate([[0], np.cumsum(sizes)]),
        state=np.concatenate([tree.state for tree in trees]),
        before=np.concatenate([[0], np.cumsum(counts)]),
    )

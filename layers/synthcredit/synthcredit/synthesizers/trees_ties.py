"""Amounts that repeat another one: the payment that settles a bill, the balance that stays.

A quarter of the payments of UCI default equal the bill before to the dollar, or come within a hundredth of it. Bins of
the column cannot say so: drawn from them, payments lie around the bill and hardly ever on it. So rows whose value lies
near that of an earlier column are told apart first, by trees of their own, and for them the difference to that column
is drawn, as a part of it; for all other rows the value is drawn as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.features import Numeric
from synthcredit.synthesizers.trees_forest import Codes, Counts, Forest, grow
from synthcredit.synthesizers.trees_leaning import LeaningForest, lean
from synthcredit.synthesizers.trees_states import AMOUNT_STEPS, NumericStates, learn_numbers

WIDTH = 0.1
"""Near is what differs by this part of the other column at most."""
_CLOSE = 0.01
LEAST_SHARE = 0.02
"""Of the rows that must lie close for two columns to be tied."""
MIN_LEAVES = 4
"""Leaves' worth of rows that must lie close, at least."""
_EXCESS = 3.0
"""How many times more rows must lie close than if the other column's rows were shuffled."""

Plain = Forest | LeaningForest
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def difference(values: Floats, other: Floats) -> Floats:
    """Return the difference of values to another column as a part of it, shape (n,); NaN where it is not near."""
    with np.errstate(all="ignore"):
        part = (values - other) / np.abs(other)
        return np.where((np.abs(part) <= WIDTH) & (values != 0), part, np.nan)


def tied_to(values: Floats, others: Mapping[int, Floats], least: int, rng: np.random.Generator) -> int | None:
    """Return which column the values repeat most often; None where they repeat none.

    Parameters
    ----------
    values
        Shape (n,), float64. NaN is missing.
    others
        The columns that they may repeat, by their place.
    least
        Rows that must lie close at least.
    rng
        What a column is shuffled by, to see how often values lie close by chance.
    """
    close = {}
    for place, other in others.items():
        part = difference(values, other)
        near, within = np.isfinite(part).sum(), (np.abs(part) <= _CLOSE).sum()
        # Where it is no more frequent than what lies somewhat further off, it is no tie: one follows the other.
        if within < max(least, LEAST_SHARE * len(values)) or within < near - within:
            continue
        if within >= _EXCESS * (np.abs(difference(values, rng.permutation(other))) <= _CLOSE).sum():
            close[place] = int(within)
    return max(close, key=lambda place: close[place], default=None)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the trees of one column grow on.

    Parameters
    ----------
    earlier, sizes
        The states of the columns before, shape (columns, n), and how many each column has.
    asked
        Which of these the trees may ask.
    trees
        How many trees.
    rng, pool, grown
        As of `grow`.
    """

    earlier: Codes
    sizes: Sequence[int]
    asked: Counts
    trees: int
    rng: np.random.Generator
    pool: Executor
    grown: Callable[[int], None]

    def grow(self, rows: Codes, size: int, leaf_rows: int, *, categories: bool) -> Forest:
        """Grow trees for a column's states."""
        return grow(
            self.earlier, self.asked, rows, size, categories=categories, trees=self.trees, leaf_rows=leaf_rows,
            rng=self.rng, pool=self.pool, grown=self.grown,
        )  # fmt: skip

    def grow_leaning(self, rows: Codes, size: int, leaf_rows: int) -> Plain:
        """Grow trees for the states of numbers, and find which way their leaves lean."""
        forest = self.grow(rows, size, leaf_rows, categories=False)
        return lean(forest, self.earlier, self.sizes, self.asked, rows, size, self.rng)

    def of(self, rows: Bools) -> Grounds:
        """Return the grounds of some of the rows."""
        return replace(self, earlier=np.ascontiguousarray(self.earlier[:, rows]))


def grow_tied(
    grounds: Grounds,
    rows: Codes,
    parts: Floats,
    partner: int,
    same: Codes,
    *,
    size: int,
    leaf_rows: int,
    gate_rows: int,
    k: int,
) -> TiedForest:
    """Grow the trees of a column that repeats another.

    Parameters
    ----------
    grounds
        What they grow on.
    rows, size
        Shape (n,). The column's own states, and how many it has.
    parts
        Shape (n,). As of `difference`.
    partner, same
        As of `TiedForest`.
    leaf_rows, gate_rows
        Rows in a leaf of amounts, and of the trees that tell who repeats the other column.
    k
        Rows behind each state, and at least in each of the two parts.
    """
    tied = np.isfinite(parts)
    # A column that is another one's copy has no rows of its own left to learn from: it learns from all.
    own = ~tied if (~tied).sum() >= MIN_LEAVES * leaf_rows else np.ones_like(tied)
    states, near = learn_numbers(parts[tied], steps=AMOUNT_STEPS, k=k, rng=grounds.rng)
    # One of the three tells how far it is: they would tell it three times.
    silent = replace(grounds, grown=lambda _: None)
    return TiedForest(
        own=grounds.of(own).grow_leaning(rows[own], size, leaf_rows),
        gate=silent.grow(tied.astype(np.int32), 2, gate_rows, categories=True),
        near=silent.of(tied).grow_leaning(near, states.size, leaf_rows),
        states=states,
        partner=partner,
        same=same,
    )


@dataclass(frozen=True, slots=True)
class TiedForest:
    """The trees of one column of numbers that often repeats an earlier one.

    Parameters
    ----------
    own
        Draws the states of rows that do not.
    gate
        Draws 1 for rows that do, 0 for others.
    near
        Draws the states of the differences of those that do.
    states
        Of the differences, as parts of the other column.
    partner
        Which of the columns drawn before is repeated.
    same
        Shape (states of the partner,), int32. The column's own state of each of the partner's values; -1 for none.
    """

    own: Plain
    gate: Forest
    near: Plain
    states: NumericStates
    partner: int
    same: Codes = field(repr=False)

    @property
    def forest(self) -> Forest:
        """The trees that count the states of rows that do not repeat another column."""
        return self.own if isinstance(self.own, Forest) else self.own.forest

    def draw(self, earlier: Codes, rng: np.random.Generator) -> Codes:
        """Draw a state for each row, shape (n,), int32; parameters as of `Forest.draw`.

        Only states are known here, so a row that repeats the other column takes the state of that one's usual value.
        """
        same = self.same[earlier[self.partner]]
        tied = self._repeats(earlier, rng) & (same >= 0)
        return np.where(tied, same, self.own.draw(earlier, rng)).astype(np.int32)

    def _repeats(self, earlier: Codes, rng: np.random.Generator) -> Bools:
        """Draw which rows repeat the other column, shape (n,): a leaf's share of rows that do is all it takes."""
        rows, leaves = earlier.shape[1], self.gate.start
        counts = np.diff(self.gate.before)
        share = np.add.reduceat(counts * (self.gate.state == 1), leaves[:-1]) / np.add.reduceat(counts, leaves[:-1])
        leaf = self.gate.leaves(earlier, self.gate.root[rng.integers(len(self.gate.root), size=rows)])
        return np.asarray(rng.random(rows) < share[leaf])

    def draw_values(
        self, earlier: Codes, other: Floats, states: NumericStates, rng: np.random.Generator
    ) -> tuple[Codes, Numeric]:
        """Draw a state and a value for each row.

        Parameters
        ----------
        earlier
            Shape (columns, n), int32, contiguous. The states drawn before.
        other
            Shape (n,). The values drawn for the column that is repeated.
        states
            The column's own states.
        """
        tied = self._repeats(earlier, rng) & np.isfinite(other) & (other != 0)
        rows, values = np.empty(len(tied), dtype=np.int32), np.empty(len(tied))
        rows[~tied] = self.own.draw(np.ascontiguousarray(earlier[:, ~tied]), rng)
        values[~tied] = states.draw(rows[~tied], rng).values
        parts = self.states.draw(self.near.draw(np.ascontiguousarray(earlier[:, tied]), rng), rng).values
        values[tied] = states.rounded(other[tied] + parts * np.abs(other[tied]))
        rows[tied] = states.of(Numeric(values[tied]))
        return rows, Numeric(values)

    def with_rows(self, earlier: Codes, rows: Codes, size: int, parts: Floats) -> Self:
        """Return the same trees with more rows counted; ``parts`` are their differences, as of `difference`."""
        tied = np.isfinite(parts)
        before = np.ascontiguousarray(earlier[:, tied])
        return replace(
            self,
            own=self.own.with_rows(np.ascontiguousarray(earlier[:, ~tied]), rows[~tied], size),
            gate=self.gate.with_rows(earlier, tied.astype(np.int32), 2),
            near=self.near.with_rows(before, self.states.of(Numeric(parts[tied])), self.states.size),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the forest as arrays by name: the trees of untied rows as those of any column."""
        parts = {"gate": self.gate.arrays(), "near": self.near.arrays(), "states": self.states.arrays()}
        told = {f"{name}.{key}": array for name, part in parts.items() for key, array in part.items()}
        return self.own.arrays() | told


def same_states(states: NumericStates, partner: NumericStates) -> Codes:
    """Return the state that the middle of each of another column's states has here, shape (its size,); -1 for none."""
    middles = np.append(partner.low / 2 + partner.high / 2, [np.nan] * partner.missing)
    return np.where(np.isfinite(middles) & (middles != 0), states.of(Numeric(middles)), -1).astype(np.int32)


def parts_of(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of one part of a `TiedForest`, by their names in it."""
    return {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}

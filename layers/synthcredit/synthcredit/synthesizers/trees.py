"""The default family: columns one after the other, each drawn from decision trees given the columns before it.

A forest of eight trees a column, one drawn a row, learns the dependence between columns without a network and in
seconds. What a tree cannot hold, the model does not know: leaves keep counts of states, states are values that many
people share or bins of several people, and ``k`` people stand behind each leaf and each state at least. Sampling needs
numpy alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from synthcredit.datasets.schema import Column, Kind, TableSchema
from synthcredit.errors import Problem
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers import people
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric, rows_of, take, values_of
from synthcredit.synthesizers.fitting import Fitting
from synthcredit.synthesizers.protocol import Synthesizer
from synthcredit.synthesizers.settings import TreesSettings
from synthcredit.synthesizers.steering import Test
from synthcredit.synthesizers.trees_completion import Trees, complete
from synthcredit.synthesizers.trees_forest import MOST_CLASSES, Codes, Forest
from synthcredit.synthesizers.trees_leaning import LeaningForest
from synthcredit.synthesizers.trees_order import Order, improve
from synthcredit.synthesizers.trees_pooled import TREES, PooledForest, grow_pooled
from synthcredit.synthesizers.trees_series import series_orders
from synthcredit.synthesizers.trees_states import (
    AMOUNT_STEPS,
    TIME_STEPS,
    CategoryStates,
    NumericStates,
    States,
    learn_categories,
    learn_numbers,
    midranks,
)
from synthcredit.synthesizers.trees_ties import (
    MIN_LEAVES,
    WIDTH,
    Grounds,
    Plain,
    TiedForest,
    difference,
    grow_tied,
    parts_of,
    same_states,
    tied_to,
)

MOST_WORKERS = 4
SEARCH = 0.4
"""Part of the work that the search for an order is, about."""
_AMOUNTS = (Kind.CONTINUOUS, Kind.INTEGER)
FEW_STATES = 64
"""A column of no more states than this is an attribute: few facts a row, which small leaves would tell apart."""
LEAF_ROWS, FEW_VALUES_LEAF_ROWS, TARGET_LEAF_ROWS = 10, 40, 10
"""Rows in a leaf where the settings do not say, for tables from `LARGE_ROWS` on."""
SMALL_FEW_VALUES_LEAF_ROWS = 25
"""What `FEW_VALUES_LEAF_ROWS` begins with for smaller tables."""
LARGE_ROWS = 5_000
"""Smaller tables have larger leaves, by the cube root of the ratio: each person weighs more in them. Measured with 700
rows of german_credit: shadow models tell the 100 most outlying members by an AUC of .61 with leaves of 10 and 25, .60
with 15 and 37, .56 with 27 and 67, .54 with 46 and 115; these keep .75, .72, .63 and .43 of the associations. The
square root (27 and 67) failed the gate `development` where a table of 1,000 rows is learned without a target."""
MOST_PARENTS = 32
"""Columns that one column's trees may ask; where there are more, those that are associated most."""


TreesKind = Literal["plain", "leaning", "pooled"]
_KINDS: Mapping[type, TreesKind] = {Forest: "plain", LeaningForest: "leaning", PooledForest: "pooled"}


class _Tie(BaseModel):
    """A column that repeats another one."""

    model_config = ConfigDict(extra="forbid")

    column: int
    partner: int
    leaning: bool


class _State(BaseModel):
    """What a model file says beside its arrays."""

    model_config = ConfigDict(extra="forbid")

    order: list[str]
    missing: list[bool]
    kinds: list[TreesKind]
    ties: list[_Tie] = []


class TreesSynthesizer(Synthesizer):
    """Forests, one column after the other."""

    name: ClassVar[str] = "trees"
    completes: ClassVar[bool] = True
    continues: ClassVar[bool] = True
    settings: TreesSettings

    _order: list[str]
    _states: list[States]
    _forests: list[Trees]
    _k_rows: int

    def _look(self, table: pa.Table, schema: TableSchema) -> Iterator[Problem]:
        self._k_rows = people.rows_behind(self.settings.k, table, schema)
        yield from people.too_few(self.settings.k, self._k_rows, table)

    def _fit(self, features: Features, fitting: Fitting) -> None:
        seed, progress = fitting.seed, fitting.progress
        features = _at_most(features, self.settings.max_rows, generator(seed, "trees/rows"))
        if isinstance(fitting.previous, TreesSynthesizer):
            self._continue(features, fitting.previous, fitting)
            return
        learned = self._learn_states(features, seed)
        names = list(learned)
        states, rows = [own for own, _ in learned.values()], np.stack([codes for _, codes in learned.values()])
        sizes = [own.size for own in states]
        leaf_rows = [self._leaf_rows(name, size, rows.shape[1]) for name, size in zip(names, sizes, strict=True)]
        association = _association([midranks(codes, size) for codes, size in zip(rows, sizes, strict=True)])

        def parents(column: int, before: Order) -> NDArray[np.int64]:
            return _parents(association[column], before)

        with ThreadPoolExecutor(_workers()) as pool:
            usual = _column_order(association, names, self.schema.target)
            order = improve(
                [usual, *_by_number(usual, names, self.schema.target)],
                rows,
                sizes,
                leaf_rows,
                movable=len(names) - (self.schema.target in names),
                parents=parents,
                rng=generator(seed, "trees/order"),
                pool=pool,
                tried=lambda done: progress(SEARCH * done, "which column to draw first"),
            )
            self._order, self._states, self._forests = [names[column] for column in order], [], []
            for at, column in enumerate(order):
                pooled = at > 0 and self._pooled(names[column], sizes[column], rows.shape[1])
                trees = TREES if pooled else self.settings.trees

                def grown(count: int, at: int = at, trees: int = trees) -> None:
                    done = (at + count / trees) / len(order)
                    told = f"column {at + 1} of {len(order)}, tree {count} of {trees}"
                    progress(SEARCH + (1.0 - SEARCH) * done, told)

                self._states.append(states[column])
                earlier = np.array(order[:at], dtype=np.int64)
                asked = np.flatnonzero(np.isin(earlier, parents(column, order[:at])))
                rng = generator(seed, f"trees/column/{names[column]}")
                forest: Trees
                if pooled:
                    forest = grow_pooled(
                        rows[earlier],
                        asked,
                        rows[column],
                        sizes[column],
                        drawn=self._drawn_states(generator(seed, "trees/pooled")),
                        leaf_rows=leaf_rows[column],
                        rng=rng,
                        pool=pool,
                        grown=grown,
                    )
                else:
                    grounds = Grounds(
                        rows[earlier], [sizes[before] for before in earlier], asked, trees, rng, pool, grown
                    )
                    forest = self._grown(features, grounds, rows[column], leaf_rows[column], seed)
                self._forests.append(forest)
                progress(SEARCH + (1.0 - SEARCH) * ((at + 1) / len(order)), f"column {at + 1} of {len(order)}")

    def _grown(self, features: Features, grounds: Grounds, rows: Codes, leaf_rows: int, seed: int) -> Trees:
        """Grow the trees of the column that is next."""
        states, name = self._states[-1], self._order[len(self._states) - 1]
        if not isinstance(states, NumericStates):
            return grounds.grow(rows, states.size, leaf_rows, categories=True)
        partner = self._partner(features, name, grounds.asked, leaf_rows, seed)
        if partner is None:
            return grounds.grow_leaning(rows, states.size, leaf_rows)
        other = self._states[partner]
        assert isinstance(other, NumericStates)  # noqa: S101 - no other column is an amount
        return grow_tied(
            grounds,
            rows,
            self._parts(features, name, partner),
            partner,
            same_states(states, other),
            size=states.size,
            leaf_rows=leaf_rows,
            gate_rows=self._leaf_rows("", 2, len(rows)),
            k=self._k_rows,
        )

    def _parts(self, features: Features, name: str, partner: int) -> NDArray[np.float64]:
        """Return how far a column is from the one that it repeats, as of `difference`."""
        return difference(values_of(features[name]), values_of(features[self._order[partner]]))

    def _partner(
        self, features: Features, name: str, asked: NDArray[np.int64], leaf_rows: int, seed: int
    ) -> int | None:
        """Return which of the columns asked the next one repeats, if it is an amount that repeats one."""
        if not self._amount(len(self._states) - 1):
            return None
        others = {at: values_of(features[self._order[at]]) for at in asked.tolist() if self._amount(at)}
        rng = generator(seed, f"trees/ties/{name}")
        return tied_to(values_of(features[name]), others, MIN_LEAVES * leaf_rows, rng)

    def _amount(self, at: int) -> bool:
        return self._states[at].size > FEW_STATES and self.schema[self._order[at]].kind in _AMOUNTS

    def _continue(self, features: Features, previous: TreesSynthesizer, fitting: Fitting) -> None:
        """Count new rows in the leaves of a model: its order, states and splits stay as they are."""
        self._order, self._states, self._forests = previous._order, previous._states, []
        rows = np.empty((len(self._order), rows_of(features)), dtype=np.int32)
        for at, (name, states, forest) in enumerate(zip(self._order, self._states, previous._forests, strict=True)):
            counted = forest if isinstance(forest, Forest) else forest.forest
            rng = generator(fitting.seed, f"trees/continue/{name}")
            known = np.bincount(counted.state, minlength=states.size) > 0
            rows[at] = _usual(states, features[name], known, self._k_rows, rng)
            if isinstance(forest, TiedForest):
                parts = self._parts(features, name, forest.partner)
                self._forests.append(forest.with_rows(rows[:at], rows[at], states.size, parts))
            else:
                self._forests.append(forest.with_rows(rows[:at], rows[at], states.size))
            fitting.progress((at + 1) / len(self._order), f"column {at + 1} of {len(self._order)}")

    def _learn_states(self, features: Features, seed: int) -> dict[str, tuple[States, Codes]]:
        target = self.schema.target
        reference = None if target is None or target not in features else _ranks(features[target])
        learned: dict[str, tuple[States, Codes]] = {}
        for name, feature in features.items():
            rng = generator(seed, f"trees/states/{name}")
            if isinstance(feature, Discrete):
                missing = feature.size - 1 if self.schema[name].nullable else None
                learned[name] = learn_categories(
                    feature, None if name == target else reference, k=self._k_rows, rng=rng, missing=missing
                )
            else:
                column = self.schema[name]
                steps = TIME_STEPS if column.kind is Kind.DATETIME else AMOUNT_STEPS
                learned[name] = learn_numbers(feature.values, column.special_values, steps, k=self._k_rows, rng=rng)
        return learned

    def _drawn_states(self, rng: np.random.Generator) -> Codes:
        """Return a block of the states of all columns so far."""
        rows = np.empty((len(self._forests), BLOCK_ROWS), dtype=np.int32)
        for at, forest in enumerate(self._forests):
            rows[at] = forest.draw(rows[:at], rng)
        return rows

    def _pooled(self, name: str, size: int, rows: int) -> bool:
        return name == self.schema.target and self.schema[name].discrete and size <= MOST_CLASSES and rows < LARGE_ROWS

    def _leaf_rows(self, name: str, size: int, rows: int) -> int:
        if name == self.schema.target:
            given, usual = self.settings.target_leaf_rows, TARGET_LEAF_ROWS
        elif size <= FEW_STATES:
            given = self.settings.few_values_leaf_rows
            usual = FEW_VALUES_LEAF_ROWS if rows >= LARGE_ROWS else SMALL_FEW_VALUES_LEAF_ROWS
        else:
            given, usual = self.settings.leaf_rows, LEAF_ROWS
        if not self._pooled(name, size, rows):
            usual = round(usual * max(1.0, LARGE_ROWS / rows) ** (1 / 3))
        return max(self._k_rows, usual if given is None else given)

    def _draw(self, rng: np.random.Generator, given: Features) -> Features:
        return self._draw_meeting(rng, {}, {})

    def _draw_meeting(self, rng: np.random.Generator, given: Features, tests: Mapping[str, Test]) -> Features:
        # Rows that fail a test go at once: the columns after it are drawn for the others only.
        rows = np.empty((len(self._order), BLOCK_ROWS), dtype=np.int32)
        drawn: dict[str, Feature] = {}
        for at, (name, states, forest) in enumerate(zip(self._order, self._states, self._forests, strict=True)):
            if isinstance(forest, TiedForest) and isinstance(states, NumericStates):
                other = values_of(drawn[self._order[forest.partner]])
                rows[at], drawn[name] = forest.draw_values(rows[:at], other, states, rng)
            else:
                rows[at] = forest.draw(rows[:at], rng)
                drawn[name] = states.draw(rows[at], rng)
            if name in tests:
                passed = tests[name](drawn[name])
                rows = np.ascontiguousarray(rows[:, passed])
                drawn = dict(take(drawn, passed))
        return {column.name: drawn[column.name] for column in self.schema.learned}

    def _complete(self, rng: np.random.Generator, known: Features, given: Mapping[str, NDArray[np.bool_]]) -> Features:
        columns = list(zip(self._order, self._states, strict=True))
        drawn = complete(
            self._forests,
            [states.size for states in self._states],
            np.stack([_state_of(states, known[name]) for name, states in columns]),
            np.stack([given[name] for name in self._order]),
            rng,
        )
        made = {
            name: _kept(known[name], given[name], states.draw(drawn[at], rng))
            for at, (name, states) in enumerate(columns)
        }
        return {column.name: made[column.name] for column in self.schema.learned}

    def _config(self) -> dict[str, Any]:
        missing = [isinstance(states, NumericStates) and states.missing for states in self._states]
        plain = [forest.own if isinstance(forest, TiedForest) else forest for forest in self._forests]
        ties = [
            _Tie(column=at, partner=forest.partner, leaning=isinstance(forest.near, LeaningForest))
            for at, forest in enumerate(self._forests)
            if isinstance(forest, TiedForest)
        ]
        kinds = [_KINDS[type(forest)] for forest in plain]
        return _State(order=self._order, missing=missing, kinds=kinds, ties=ties).model_dump()

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {}
        for at, (states, forest) in enumerate(zip(self._states, self._forests, strict=True)):
            parts = states.arrays() | forest.arrays()
            arrays |= {f"{at}.{name}": part for name, part in parts.items()}
        return arrays

    def _restore(self, config: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        state = _State.model_validate(config)
        if sorted(state.order) != sorted(column.name for column in self.schema.learned):
            raise ValueError("its columns are not those of its schema")
        parts: dict[str, dict[str, NDArray[Any]]] = {str(at): {} for at in range(len(state.order))}
        for key, part in arrays.items():
            at, _, name = key.partition(".")
            parts[at][name] = part
        self._order, self._states, self._forests = state.order, [], []
        told = zip(state.order, state.missing, state.kinds, strict=True)
        ties = {tie.column: tie for tie in state.ties}
        for position, (name, missing, kind) in enumerate(told):
            own = parts[str(position)]
            states = _restored_states(own, self.schema[name], missing)
            self._states.append(states)
            forest = _restored_trees(kind, own, [before.size for before in self._states[:-1]], states.size)
            self._forests.append(
                _restored_tie(ties[position], own, forest, self._states) if position in ties else forest
            )


def _restored_trees(
    kind: str, arrays: Mapping[str, NDArray[Any]], earlier: list[int], size: int
) -> Plain | PooledForest:
    if kind == "leaning":
        return LeaningForest.from_arrays(arrays, earlier=earlier, size=size)
    if kind == "pooled":
        return PooledForest.from_arrays(arrays, columns=len(earlier), size=size)
    return Forest.from_arrays(arrays, columns=len(earlier), size=size)


def _restored_tie(
    tie: _Tie, arrays: Mapping[str, NDArray[Any]], own: Plain | PooledForest, states: Sequence[States]
) -> TiedForest:
    """Add to the trees of a column's own states what it needs to repeat another; ``states`` end with its own."""
    if not 0 <= tie.partner < len(states) - 1:
        raise ValueError("a column repeats one that is not before it")
    partner, mine = states[tie.partner], states[-1]
    if not isinstance(partner, NumericStates) or not isinstance(mine, NumericStates) or isinstance(own, PooledForest):
        raise ValueError("a column that is no number cannot repeat another")
    if not len(mine.low):
        raise ValueError("a column that has no values cannot repeat another")
    differences = NumericStates.from_arrays(parts_of(arrays, "states"), missing=False)
    if not differences.size or max(np.abs(differences.low).max(), np.abs(differences.high).max()) > WIDTH:
        raise ValueError("a column repeats another that it is not near")
    earlier = [before.size for before in states[:-1]]
    near = _restored_trees("leaning" if tie.leaning else "plain", parts_of(arrays, "near"), earlier, differences.size)
    assert not isinstance(near, PooledForest)  # noqa: S101 - by its kind
    gate = Forest.from_arrays(parts_of(arrays, "gate"), columns=len(earlier), size=2)
    return TiedForest(own, gate, near, differences, tie.partner, same_states(mine, partner))


def _restored_states(arrays: Mapping[str, NDArray[Any]], column: Column, missing: bool) -> States:
    if not column.discrete:
        return NumericStates.from_arrays(arrays, missing)
    states = CategoryStates.from_arrays(arrays)
    if states.size != len(column.categories or ()) + column.nullable:
        raise ValueError("the states of a categorical column are not its categories")
    return states


def _state_of(states: States, feature: Feature) -> Codes:
    if isinstance(states, CategoryStates) and isinstance(feature, Discrete):
        # What is not given may be encoded as a missing value that the column does not have.
        return states.of(Discrete(np.minimum(feature.codes, states.size - 1), states.size))
    if isinstance(states, NumericStates) and isinstance(feature, Numeric):
        return states.of(feature)
    raise TypeError("a column and its states are of different kinds")


def _usual(states: States, feature: Feature, known: NDArray[np.bool_], k: int, rng: np.random.Generator) -> Codes:
    """Return the states of new rows; one that no row had yet and fewer than ``k`` have now becomes another's."""
    rows = _state_of(states, feature)
    strange = ~(known | (np.bincount(rows, minlength=states.size) >= k))[rows]
    if isinstance(states, NumericStates) and not states.missing:
        strange |= np.isnan(values_of(feature))  # There is no state for it.
    if strange.any():
        rows[strange] = rng.choice(rows[~strange] if not strange.all() else np.flatnonzero(known), int(strange.sum()))
    return rows


def _kept(known: Feature, given: NDArray[np.bool_], drawn: Feature) -> Feature:
    """Return a column as drawn, and as known where it was given."""
    values = np.where(given, values_of(known), values_of(drawn))
    return Discrete(values, drawn.size) if isinstance(drawn, Discrete) else Numeric(values)


def _at_most(features: Features, most: int, rng: np.random.Generator) -> Features:
    """Return a random subset of the rows where there are more than ``most``, in their order."""
    rows = rows_of(features)
    return features if rows <= most else take(features, np.sort(rng.choice(rows, most, replace=False)))


def _ranks(feature: Feature) -> NDArray[np.float64]:
    """Return each row's mean rank in a column, from 0 to 1, missing last."""
    distinct, rows = np.unique(values_of(feature), return_inverse=True)
    return midranks(rows.astype(np.int32), len(distinct))


def _association(ranks: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the absolute rank correlation (Spearman) of every pair of columns; 0 for a constant and with itself."""
    centred = np.stack(ranks) - np.mean(ranks, axis=1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=1))
    unit = np.divide(centred, length[:, None], out=np.zeros_like(centred), where=length[:, None] > 1e-9)
    association: NDArray[np.float64] = np.abs(unit @ unit.T)
    np.fill_diagonal(association, 0.0)
    # Equal tables must give equal orders, whatever the last bits of a sum.
    return np.round(association, 9)


def _column_order(association: NDArray[np.float64], names: list[str], target: str | None) -> Order:
    """Put the columns first that say most about all others, and the target last.

    Columns that hang together closely are then drawn from each other, before attributes that tell little can lead
    the trees to single rows; and the target is drawn given everything.
    """
    weight = association.sum(axis=1)
    if target in names:
        weight[names.index(target)] = -1.0
    return tuple(np.argsort(-weight, kind="stable").tolist())


def _by_number(usual: Order, names: list[str], target: str | None) -> list[Order]:
    """Return orders that go month by month, where columns are numbered; the target stays last."""
    last = usual[-1:] if target in names else ()
    return [(*order, *last) for order in series_orders(usual[: len(usual) - len(last)], names)]


def _parents(association: NDArray[np.float64], before: Order) -> NDArray[np.int64]:
    """Return which of the columns before the trees may ask: those associated most where there are too many."""
    columns = np.array(before, dtype=np.int64)
    return np.sort(columns[np.argsort(-association[columns], kind="stable")[:MOST_PARENTS]])


def _workers() -> int:
    """Return how many trees to grow at once: scikit-learn grows them outside the interpreter's lock."""
    return min(MOST_WORKERS, os.cpu_count() or 1)

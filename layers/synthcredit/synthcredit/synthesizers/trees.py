"""The default family: columns one after the other, each drawn from decision trees given the columns before it.

A forest of eight trees a column, one drawn a row, learns the dependence between columns without a network and in
seconds. What a tree cannot hold, the model does not know: leaves keep counts of states, states are values that many
people share or bins of several people, and ``k`` people stand behind each leaf and each state at least. Sampling needs
numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from synthcredit.datasets.schema import Column, Kind, TableSchema
from synthcredit.errors import InvalidInputError, Problem
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric
from synthcredit.synthesizers.protocol import MIN_ROWS, Progress, Synthesizer, silent
from synthcredit.synthesizers.settings import TreesSettings
from synthcredit.synthesizers.trees_forest import Codes, Forest, grow
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

FEW_STATES = 64
"""A column of no more states than this is an attribute: few facts a row, which small leaves would tell apart."""
LEAF_ROWS, FEW_VALUES_LEAF_ROWS, TARGET_LEAF_ROWS = 10, 25, 10
"""Rows in a leaf where the settings do not say, for tables from `LARGE_ROWS` on."""
LARGE_ROWS = 5_000
"""Smaller tables have larger leaves, by the square root of the ratio: each person weighs more in them. Measured with
700 rows of german_credit: shadow models tell the 100 most outlying members by an AUC of .61 with leaves of 10 and 25,
of .56 with these; of .54 with leaves of 46 and 115, which keep .43 of the associations where these keep .63."""
MOST_PARENTS = 32
"""Columns that one column's trees may ask; where there are more, those that are associated most."""


class _State(BaseModel):
    """What a model file says beside its arrays."""

    model_config = ConfigDict(extra="forbid")

    order: list[str]
    missing: list[bool]


class TreesSynthesizer(Synthesizer):
    """Forests, one column after the other."""

    name: ClassVar[str] = "trees"
    settings: TreesSettings

    _order: list[str]
    _states: list[States]
    _forests: list[Forest]
    _k_rows: int

    def fit(self, table: pa.Table, schema: TableSchema, *, seed: int, progress: Progress = silent) -> Self:
        """Learn a table; see `Synthesizer.fit`.

        Raises
        ------
        InvalidInputError
            Also where the table has too few people for ``k``.
        """
        self._k_rows = _rows_of(self.settings.k, table, schema)
        if self._k_rows > max(table.num_rows, MIN_ROWS):
            raise InvalidInputError(
                Problem(
                    "synthesizer.k",
                    f"only {self._k_rows} rows are sure to belong to {self.settings.k} people, and the table has "
                    f"{table.num_rows}",
                    "Give rows of more people, or choose a smaller k.",
                )
            )
        return super().fit(table, schema, seed=seed, progress=progress)

    def _fit(self, features: Features, *, seed: int, progress: Progress) -> None:
        features = _at_most(features, self.settings.max_rows, generator(seed, "trees/rows"))
        learned = self._learn_states(features, seed)
        association = _association([midranks(rows, states.size) for states, rows in learned.values()])
        order = _column_order(association, list(learned), self.schema.target)

        names = list(learned)
        self._order = [names[at] for at in order]
        self._states = [learned[name][0] for name in self._order]
        self._forests = []
        rows = np.stack([learned[name][1] for name in self._order])
        for at, name in enumerate(self._order):

            def grown(count: int, at: int = at) -> None:
                done = (at + count / self.settings.trees) / len(order)
                progress(done, f"column {at + 1} of {len(order)}, tree {count} of {self.settings.trees}")

            self._forests.append(
                grow(
                    rows[:at],
                    _parents(association[order[at], order[:at]]),
                    rows[at],
                    self._states[at].size,
                    categories=self.schema[name].discrete,
                    trees=self.settings.trees,
                    leaf_rows=self._leaf_rows(name, self._states[at].size, rows.shape[1]),
                    rng=generator(seed, f"trees/column/{name}"),
                    grown=grown,
                )
            )
            progress((at + 1) / len(order), f"column {at + 1} of {len(order)}")

    def _learn_states(self, features: Features, seed: int) -> dict[str, tuple[States, Codes]]:
        target = self.schema.target
        reference = None if target is None or target not in features else _ranks(features[target])
        learned: dict[str, tuple[States, Codes]] = {}
        for name, feature in features.items():
            rng = generator(seed, f"trees/states/{name}")
            if isinstance(feature, Discrete):
                learned[name] = learn_categories(
                    feature, None if name == target else reference, k=self._k_rows, rng=rng
                )
            else:
                column = self.schema[name]
                steps = TIME_STEPS if column.kind is Kind.DATETIME else AMOUNT_STEPS
                learned[name] = learn_numbers(feature.values, column.special_values, steps, k=self._k_rows, rng=rng)
        return learned

    def _leaf_rows(self, name: str, size: int, rows: int) -> int:
        if name == self.schema.target:
            given, usual = self.settings.target_leaf_rows, TARGET_LEAF_ROWS
        elif size <= FEW_STATES:
            given, usual = self.settings.few_values_leaf_rows, FEW_VALUES_LEAF_ROWS
        else:
            given, usual = self.settings.leaf_rows, LEAF_ROWS
        usual = round(usual * max(1.0, LARGE_ROWS / rows) ** 0.5)
        return max(self._k_rows, usual if given is None else given)

    def _draw(self, rng: np.random.Generator) -> Features:
        rows = np.empty((len(self._order), BLOCK_ROWS), dtype=np.int32)
        drawn: dict[str, Feature] = {}
        for at, (name, states, forest) in enumerate(zip(self._order, self._states, self._forests, strict=True)):
            rows[at] = forest.draw(rows[:at], rng)
            drawn[name] = states.draw(rows[at], rng)
        return {column.name: drawn[column.name] for column in self.schema.learned}

    def _config(self) -> dict[str, Any]:
        missing = [isinstance(states, NumericStates) and states.missing for states in self._states]
        return _State(order=self._order, missing=missing).model_dump()

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
        for position, (name, missing) in enumerate(zip(state.order, state.missing, strict=True)):
            own = parts[str(position)]
            states = _restored_states(own, self.schema[name], missing)
            self._states.append(states)
            self._forests.append(Forest.from_arrays(own, columns=position, size=states.size))


def _restored_states(arrays: Mapping[str, NDArray[Any]], column: Column, missing: bool) -> States:
    if not column.discrete:
        return NumericStates.from_arrays(arrays, missing)
    states = CategoryStates.from_arrays(arrays)
    if states.size != len(column.categories or ()) + column.nullable:
        raise ValueError("the states of a categorical column are not its categories")
    return states


def _rows_of(k: int, table: pa.Table, schema: TableSchema) -> int:
    """Return how many rows belong to at least ``k`` people, whichever rows they are.

    Where a person has one row, ``k``. Otherwise one more than the ``k - 1`` people of most rows have together, so that
    all else can count rows.
    """
    if schema.customer is None:
        return k
    counts = table[schema.customer].value_counts().field("counts").to_numpy()
    return int(np.sort(counts)[::-1][: k - 1].sum()) + 1


def _at_most(features: Features, most: int, rng: np.random.Generator) -> Features:
    """Return a random subset of the rows where there are more than ``most``, in their order."""
    rows = len(next(iter(_values(feature) for feature in features.values())))
    if rows <= most:
        return features
    chosen = np.sort(rng.choice(rows, most, replace=False))
    return {
        name: Discrete(feature.codes[chosen], feature.size)
        if isinstance(feature, Discrete)
        else Numeric(feature.values[chosen])
        for name, feature in features.items()
    }


def _values(feature: Feature) -> NDArray[Any]:
    return feature.codes if isinstance(feature, Discrete) else feature.values


def _ranks(feature: Feature) -> NDArray[np.float64]:
    """Return each row's mean rank in a column, from 0 to 1, missing last."""
    distinct, rows = np.unique(_values(feature), return_inverse=True)
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


def _column_order(association: NDArray[np.float64], names: list[str], target: str | None) -> NDArray[np.int64]:
    """Put the columns first that say most about all others, and the target last.

    Columns that hang together closely are then drawn from each other, before attributes that tell little can lead
    the trees to single rows; and the target is drawn given everything.
    """
    weight = association.sum(axis=1)
    if target in names:
        weight[names.index(target)] = -1.0
    return np.argsort(-weight, kind="stable")


def _parents(association: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return which of the columns before the trees may ask: those associated most where there are too many."""
    return np.sort(np.argsort(-association, kind="stable")[:MOST_PARENTS])

"""A whole model family in one file, as an example: every column for itself, so that nothing hangs together.

The tests copy this file's two lines of registration and run the shared suite on it; see docs/synthesizers.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import Problem
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers import people
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric, values_of
from synthcredit.synthesizers.fitting import Fitting
from synthcredit.synthesizers.protocol import Synthesizer
from synthcredit.synthesizers.settings import Settings

Floats = NDArray[np.float64]
_VALUE_LIMIT = 1e300


class IndependentSettings(Settings):
    """Settings of the `independent` family; in the product they stand in settings.py."""

    k: Annotated[int, Field(ge=2, le=1_000, description="People behind everything that the model keeps.")] = 10


class IndependentSynthesizer(Synthesizer):
    """Each column is a list of states, drawn by their shares."""

    name: ClassVar[str] = "independent"
    settings: IndependentSettings

    _states: list[Floats]
    _shares: list[Floats]
    _k_rows: int

    def _look(self, table: pa.Table, schema: TableSchema) -> Iterator[Problem]:
        self._k_rows = people.rows_behind(self.settings.k, table, schema)
        yield from people.too_few(self.settings.k, self._k_rows, table)

    def _fit(self, features: Features, fitting: Fitting) -> None:
        self._states, self._shares = [], []
        for at, (name, feature) in enumerate(features.items()):
            states, rows = _learn(feature, self._k_rows, generator(fitting.seed, f"independent/{name}"))
            self._states.append(states)
            self._shares.append(rows / rows.sum())
            fitting.progress((at + 1) / len(features), f"column {at + 1} of {len(features)}")

    def _draw(self, rng: np.random.Generator, given: Features) -> Features:
        drawn: dict[str, Feature] = {}
        for column, states, shares in zip(self.schema.learned, self._states, self._shares, strict=True):
            place = np.searchsorted(shares.cumsum()[:-1], rng.random(BLOCK_ROWS), side="right")
            drawn[column.name] = _feature(states[place], column)
        return drawn

    def _config(self) -> dict[str, Any]:
        return {}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        states = {f"{at}.states": part for at, part in enumerate(self._states)}
        return states | {f"{at}.shares": part for at, part in enumerate(self._shares)}

    def _restore(self, config: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        columns = self.schema.learned
        self._states = [arrays[f"{at}.states"] for at in range(len(columns))]
        self._shares = [arrays[f"{at}.shares"] for at in range(len(columns))]
        if len(arrays) != 2 * len(columns):
            raise ValueError("its columns are not those of its schema")
        for column, states, shares in zip(columns, self._states, self._shares, strict=True):
            _check(column, states, shares)


def _learn(feature: Feature, k: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return states and the rows of each; none has fewer than ``k``, and no extreme is one person's."""
    values = values_of(feature).astype(np.float64)
    if isinstance(feature, Discrete):
        rows = np.bincount(feature.codes, minlength=feature.size).astype(np.float64)
        # Where no category has k rows, all that the schema names come alike.
        rows = np.where(rows >= k, rows, 0.0) if (rows >= k).any() else np.ones(feature.size)
        return np.flatnonzero(rows).astype(np.float64), rows[rows > 0]
    known = np.sort(values[~np.isnan(values)])
    bins = np.array_split(known, max(1, len(known) // k)) if len(known) >= k else []
    means = [part.mean() + rng.standard_normal() * part.std() / np.sqrt(len(part)) for part in bins]
    rows = [float(len(part)) for part in bins]
    if not bins or len(values) - len(known) >= k:
        means, rows = [*means, np.nan], [*rows, float(max(len(values) - len(known), 1))]
    return np.array(means), np.array(rows)


def _feature(values: Floats, column: Column) -> Feature:
    if not column.discrete:
        return Numeric(values)
    return Discrete(values.astype(np.int32), len(column.categories or ()) + column.nullable)


def _check(column: Column, states: Floats, shares: Floats) -> None:
    """Raise `ValueError` unless a hostile file's arrays can only give what the column can hold."""
    alike = states.dtype == shares.dtype == np.float64 and states.ndim == 1 and states.shape == shares.shape
    if not (alike and len(states)):
        raise ValueError("the states of a column do not fit to their shares")
    if not ((shares > 0).all() and abs(shares.sum() - 1) < 1e-6):
        raise ValueError("the shares of a column do not add up to 1")
    missing = np.isnan(states)
    if column.discrete:
        size = len(column.categories or ()) + column.nullable
        if missing.any() or not ((states >= 0) & (states < size) & (states == np.floor(states))).all():
            raise ValueError("a category is none of its column's")
    elif missing[:-1].any() or (missing[-1] and not column.nullable):
        raise ValueError("a value is missing that cannot be")
    elif not (np.abs(states[~missing]) <= _VALUE_LIMIT).all():
        raise ValueError("a value is none that its column can have")

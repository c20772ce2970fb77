"""The three sides of a proof (synthetic, train, holdout) in the forms that the measures want."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.features import Discrete, Feature, Features, rows_of, take

MIN_ROWS = 50
"""Fewer rows than this on any side say nothing: the measure is not judged."""
_BINS = 10
_MAX_STATES = 20


def draw(features: Features, rows: int, rng: np.random.Generator) -> Features:
    """Return ``rows`` different rows, drawn evenly; all of them, in their order, where there are no more."""
    available = rows_of(features)
    return features if rows >= available else take(features, rng.permutation(available)[:rows])


@dataclass(frozen=True, slots=True)
class Sides:
    """The learned columns of the synthetic rows, the training rows and the held-out rows."""

    synthetic: Features
    train: Features
    holdout: Features

    @property
    def rows(self) -> int:
        """Rows of the smallest side: the n at which sides are compared."""
        return min(rows_of(self.synthetic), rows_of(self.train), rows_of(self.holdout))

    def too_few(self) -> str | None:
        """Say why nothing can be measured: no column, or sides with fewer rows than `MIN_ROWS`; else None."""
        if not self.train:
            return "no column is learned"
        sides = {"synthetic": self.synthetic, "training": self.train, "holdout": self.holdout}
        counts = {name: rows_of(side) for name, side in sides.items()}
        short = [f"{count} {name} rows" for name, count in counts.items() if count < MIN_ROWS]
        return f"too few rows ({', '.join(short)}; at least {MIN_ROWS} are needed)" if short else None


@dataclass(frozen=True, slots=True)
class Bin:
    """How one column is cut into states; fixed on real training rows and applied unchanged to every side.

    Parameters
    ----------
    edges
        Numeric columns: inner edges, ascending, shape (k - 1,). State i holds values from edge i - 1 up to, not
        including, edge i; state k is missing.
    states
        Discrete columns: the state of each code, shape (codes,); rare codes share the last state.
    size
        Number of states.
    """

    edges: NDArray[np.float64] | None
    states: NDArray[np.int64] | None
    size: int


def fit_bins(train: Features) -> dict[str, Bin]:
    """Fix the bins of every column on real training rows.

    Numeric columns get ten quantile bins (fewer where values repeat) and one for missing; discrete columns keep their
    20 most frequent states, the others share one.
    """
    return {name: _fit_bin(feature) for name, feature in train.items()}


def cut(features: Features, bins: Mapping[str, Bin]) -> dict[str, NDArray[np.int64]]:
    """Return the state of every value by column, each shape (n,)."""
    return {name: _cut(feature, bins[name]) for name, feature in features.items()}


def _fit_bin(feature: Feature) -> Bin:
    if isinstance(feature, Discrete):
        # One code more than there are states: categories unknown to a column that is never missing.
        counts = np.bincount(feature.codes, minlength=feature.size + 1)
        order = np.argsort(-counts, kind="stable")
        states = np.full(len(counts), min(len(counts), _MAX_STATES + 1) - 1, dtype=np.int64)
        states[order[:_MAX_STATES]] = np.arange(min(len(counts), _MAX_STATES))
        return Bin(None, states, int(states.max()) + 1)
    values = feature.values[np.isfinite(feature.values)]
    edges = np.unique(np.quantile(values, np.arange(1, _BINS) / _BINS)) if values.size else np.empty(0)
    # An edge at the minimum would leave the first bin empty; the states are the same without it.
    edges = edges[edges > values.min()] if values.size else edges
    return Bin(edges, None, len(edges) + 2)


def _cut(feature: Feature, how: Bin) -> NDArray[np.int64]:
    if isinstance(feature, Discrete):
        assert how.states is not None  # noqa: S101 - fitted on a feature of the same kind
        return how.states[feature.codes]
    assert how.edges is not None  # noqa: S101
    states = np.searchsorted(how.edges, feature.values, side="right")
    return np.where(np.isnan(feature.values), how.size - 1, states).astype(np.int64)

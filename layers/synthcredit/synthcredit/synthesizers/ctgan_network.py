"""The networks of `ctgan`, `copulagan` and `tvae` in numpy: forward pass, and how columns are read from outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import Column
from synthcredit.synthesizers.choices import choose
from synthcredit.synthesizers.features import Discrete, Feature, Numeric

_WEIGHT_LIMIT = 1e6
"""No trained weight comes near; below it nothing in the forward pass can overflow float32."""

Floats = NDArray[np.float32]

NOTHING: NDArray[np.float64] = np.empty(0)
KNOTS = 513
KNOT_PLACES = np.linspace(-5.166578, 5.166578, KNOTS)
"""Where on the normal scale a bend has its knots: up to the normal quantile of float32's epsilon, rdt's limit too."""


@dataclass(frozen=True, slots=True)
class Part:
    """How one learned column is read from the network's outputs.

    Parameters
    ----------
    states
        Shape (k,), k >= 1, float64. What each state stands for: in a discrete column a code, in a numeric one a value,
        where NaN is missing. In a column with modes, state 0 stands for "the value that the modes give".
    means, scales
        Shape (m,), float64; m is 0 where the states say it all. A value is
        ``means[mode] + scales[mode] * tanh(output)``.
    bend
        Shape (`KNOTS`,), float64, rising, or empty. What that value stands for where the network learned a column
        made Gaussian: the column's quantiles at `KNOT_PLACES`, joined by straight lines.
    noise
        Standard deviation of what is added to the tanh, before it is cut at -1 and 1.
    """

    states: NDArray[np.float64]
    means: NDArray[np.float64] = field(default_factory=lambda: NOTHING)
    scales: NDArray[np.float64] = field(default_factory=lambda: NOTHING)
    bend: NDArray[np.float64] = field(default_factory=lambda: NOTHING)
    noise: float = 0.0

    @property
    def outputs(self) -> int:
        """Number of network outputs that the column takes."""
        return _span(len(self.states)) + _span(len(self.means)) + (len(self.means) > 0)


def _span(options: int) -> int:
    """Return the outputs that a choice takes: none where there is nothing to choose."""
    return options if options > 1 else 0


@dataclass(frozen=True, slots=True)
class Network:
    """A generator or a decoder: two hidden layers and a linear one, batch normalisation folded into the weights.

    Each layer of the library's generator sees everything before it: ``[h1, h0, noise, condition]``. Here the weights
    are grouped by what they are multiplied with, so that noise and condition go through one product. Rows: first hidden
    layer, second hidden layer, outputs; d in all. Outputs: one for tanh a column with modes, then the choices; both in
    column order. A given column has none. In TVAE's decoder a layer sees the one before it only: the rest is zeros.

    Parameters
    ----------
    direct
        Shape (d, e + c), float32: e for the noise, then one for each condition. A condition holds the biases too, for
        each row has exactly one; c is 1 where nothing can be conditioned on.
    hidden0
        Shape (d - h0, h0), float32.
    hidden1
        Shape (d - h0 - h1, h1), float32.
    chances
        Shape (c,), float64, of sum 1. How likely each condition is.
    given
        Place of the column whose states the conditions are, one by one: each row gets the state that it was drawn
        for. None where the conditions are the states of several columns, or there is none.
    """

    direct: Floats
    hidden0: Floats
    hidden1: Floats
    chances: NDArray[np.float64]
    given: int | None

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return len(self.hidden1)

    @property
    def noise_size(self) -> int:
        """Number of random numbers that a row is made of."""
        return int(self.direct.shape[1]) - len(self.chances)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        names = ("direct", "hidden0", "hidden1", "chances")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], given: int | None) -> Self:
        """Build a network from its arrays, unchecked."""
        names = ("direct", "hidden0", "hidden1", "chances")
        return cls(**{name: arrays[name] for name in names}, given=given)

    def draw_conditions(self, rows: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw conditions as likely as they are, shape (rows,)."""
        bounds = self.chances.cumsum()
        return np.minimum(np.searchsorted(bounds, rng.random(rows), side="right"), len(bounds) - 1)

    def check(self) -> None:
        """Raise `ValueError` unless all shapes, dtypes and values fit together."""
        weights = {name: getattr(self, name) for name in ("direct", "hidden0", "hidden1")}
        for name, array in weights.items():
            if array.dtype != np.float32 or array.ndim != 2 or 0 in array.shape:
                raise ValueError(f"array '{name}' must be a float32 matrix")
            if not (np.abs(array) <= _WEIGHT_LIMIT).all():
                raise ValueError(f"array '{name}' has a weight that is not finite or out of range")
        rows, first, second = len(self.direct), self.hidden0.shape[1], self.hidden1.shape[1]
        if len(self.hidden0) != rows - first or len(self.hidden1) != rows - first - second:
            raise ValueError("arrays 'direct', 'hidden0' and 'hidden1' do not fit together")
        if self.chances.dtype != np.float64 or self.chances.ndim != 1 or self.noise_size < 1:
            raise ValueError("array 'chances' must hold one float64 a condition")
        if not ((self.chances >= 0).all() and abs(self.chances.sum() - 1) < 1e-6):
            raise ValueError("array 'chances' must be probabilities of sum 1")

    def forward(self, noise: Floats, conditions: NDArray[np.intp]) -> Floats:
        """Return the outputs before any activation.

        Parameters
        ----------
        noise
            Shape (e, n), float32, standard normal.
        conditions
            Shape (n,), index of each row's condition.

        Returns
        -------
        ndarray
            Shape (outputs, n), float32.
        """
        one_hot = conditions == np.arange(len(self.chances))[:, None]
        sums = self.direct @ np.concatenate([noise, one_hot], dtype=np.float32)
        for weights in (self.hidden0, self.hidden1):
            width = weights.shape[1]
            hidden = np.maximum(sums[:width], 0, out=sums[:width])
            sums = sums[width:]
            sums += weights @ hidden
        return sums


def read_outputs(
    outputs: Floats,
    parts: tuple[Part, ...],
    rng: np.random.Generator,
    *,
    given: int | None,
    conditions: NDArray[np.intp],
) -> Iterator[NDArray[np.float64]]:
    """Yield each column's values or codes, shape (n,), float64.

    Parameters
    ----------
    outputs
        Shape (outputs, n), float32, as `Network.forward` gives them; used up.
    parts
        How to read each column.
    rng
        Draws the choices.
    given, conditions
        The column that is not read but known, and its states, shape (n,).
    """
    tanh_row = 0
    row = sum(len(part.means) > 0 for part in parts)
    np.tanh(outputs[:row], out=outputs[:row])
    for place, part in enumerate(parts):
        if place == given:
            yield part.states[conditions]
            continue
        state = _choose(outputs[row : row + _span(len(part.states))], rng)
        row += _span(len(part.states))
        values = part.states[state]
        if len(part.means):
            mode = _choose(outputs[row : row + _span(len(part.means))], rng)
            row += _span(len(part.means))
            measured = part.means[mode] + part.scales[mode] * _noisy(outputs[tanh_row], part.noise, rng)
            if len(part.bend):
                measured = np.interp(measured, KNOT_PLACES, part.bend)
            values = np.where(state == 0, measured, values)
            tanh_row += 1
        yield values


def draw_rows(
    network: Network, parts: tuple[Part, ...], conditions: NDArray[np.intp], rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Return a row for each condition: values or codes by column, each of shape (n,), float64."""
    noise = rng.standard_normal((network.noise_size, len(conditions)), dtype=np.float32)
    outputs = network.forward(noise, conditions)
    return list(read_outputs(outputs, parts, rng, given=network.given, conditions=conditions))


def to_feature(values: NDArray[np.float64], column: Column) -> Feature:
    """Return what was drawn as a feature of its column."""
    if not column.discrete:
        return Numeric(values)
    assert column.categories is not None  # noqa: S101 - a discrete column has them, by its own validator
    return Discrete(values.astype(np.int32), len(column.categories) + column.nullable)


def _noisy(tanh: Floats, noise: float, rng: np.random.Generator) -> Floats:
    if not noise:
        return tanh
    return np.clip(tanh + np.float32(noise) * rng.standard_normal(len(tanh), dtype=np.float32), -1, 1)


def _choose(logits: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    return choose(logits, rng) if len(logits) else np.zeros(logits.shape[1], dtype=np.intp)

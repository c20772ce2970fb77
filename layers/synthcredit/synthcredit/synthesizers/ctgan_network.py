"""The generator of `ctgan` in numpy: its forward pass, and how columns are read from its outputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WEIGHT_LIMIT = 1e6
"""No trained weight comes near; below it nothing in the forward pass can overflow float32."""

Floats = NDArray[np.float32]


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
    """

    states: NDArray[np.float64]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]

    @property
    def outputs(self) -> int:
        """Number of network outputs that the column takes."""
        return _span(len(self.states)) + _span(len(self.means)) + (len(self.means) > 0)


def _span(options: int) -> int:
    """Return the outputs that a choice takes: none where there is nothing to choose."""
    return options if options > 1 else 0


@dataclass(frozen=True, slots=True)
class Network:
    """The generator: two residual layers and a linear one, with batch normalisation folded into the weights.

    Each layer of the library's generator sees everything before it: ``[h1, h0, noise, condition]``. Here the weights
    are grouped by what they are multiplied with, so that noise and condition go through one product. Rows: first hidden
    layer, second hidden layer, outputs; d in all. Outputs: one for tanh a column with modes, then the choices; both in
    column order. A given column has none.

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
            measured = part.means[mode] + part.scales[mode] * outputs[tanh_row]
            values = np.where(state == 0, measured, values)
            tanh_row += 1
        yield values


def _choose(logits: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw one option a row: from logits of shape (options, n), which are used up, to indices of shape (n,)."""
    if not len(logits):
        return np.zeros(logits.shape[1], dtype=np.intp)
    logits -= logits.max(axis=0)
    weights = np.exp(logits, out=logits)
    for above, below in itertools.pairwise(weights):  # numpy's own cumsum is several times slower here
        below += above
    drawn = rng.random(logits.shape[1], dtype=np.float32) * weights[-1]
    return np.asarray((weights[:-1] <= drawn).sum(axis=0, dtype=np.intp))

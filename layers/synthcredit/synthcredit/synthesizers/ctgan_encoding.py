"""Columns as a network sees them: choices among states and modes, and standardised values. And back to `Part`.

The encoding is that of CTGAN (Xu et al. 2019, section 4.2), as `rdt` and `ctgan` implement it: the values of a numeric
column come from one of at most ten modes of a Bayesian Gaussian mixture, and a value is its distance from that mode's
mean in units of four deviations. Here it is vectorised (the library draws each row's mode in Python), fitted on a
random subset of a large table, and one step longer: missing and special values are states beside the values.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synthcredit.errors import InvalidInputError, Problem, raise_all
from synthcredit.synthesizers.ctgan_network import KNOT_PLACES, Part
from synthcredit.synthesizers.features import Discrete, Feature
from synthcredit.synthesizers.rare import has_few_values

MAX_UNITS = 10_000
"""Outputs of a network; beyond, training takes days and gigabytes."""
MODES = 10
"""Most modes of a column: `max_clusters` of the library."""
LEAST_WEIGHT = 0.005
"""Weight of a mode below which it is dropped: `weight_threshold` of the library."""
MIXTURE_ROWS = 5_000
"""Rows that a mixture is fitted on, at most; its ten means do not get better from more."""
DEVIATIONS = 4
"""How many deviations of its mode a value of 1 is: `STD_MULTIPLIER` of the library."""
_LARGEST = 0.99
_OUT_OF_REACH = 0.01
"""Share of rows beyond what the modes reach from which on a model cannot go on with new rows."""

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Bend = Callable[[Floats, np.random.Generator], Floats]
"""Fits a column's distribution; returns its quantiles at `KNOT_PLACES`."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One column as a network sees it.

    Parameters
    ----------
    part
        How it is read again.
    states
        Shape (n,), int32, each row's state.
    modes
        Shape (n,), int32, each row's mode, also of rows whose state is not "a value"; empty without modes.
    values
        Shape (n,), float32, from -.99 to .99, each row's place in its mode; empty without modes.
    """

    part: Part
    states: Codes
    modes: Codes
    values: NDArray[np.float32]


_NO_CODES: Codes = np.empty(0, dtype=np.int32)
_NO_VALUES: NDArray[np.float32] = np.empty(0, dtype=np.float32)


def encode(
    feature: Feature, special: tuple[float, ...], rng: np.random.Generator, *, k: int = 1, bend: Bend | None = None
) -> Encoded:
    """Learn how to encode one column, and encode it.

    A numeric column of few values (counts, ratings) becomes states: a network then keeps to these values, can be
    conditioned on them, and no mixture is fitted to a handful of spikes. In any other numeric column, missing and each
    special value are states beside the ordinary values; rows in such a state get the value of a random ordinary row,
    so that no artificial spike appears where a mean would be filled in.

    Parameters
    ----------
    feature
        The column, with nothing rare in it.
    special
        Values that are states of their own.
    rng
        Draws the subset for the mixture, and each row's mode.
    k
        Rows that a mode must have.
    bend
        What makes values Gaussian first; None leaves them as they are.
    """
    if isinstance(feature, Discrete):
        present, codes = np.unique(feature.codes, return_inverse=True)
        return Encoded(Part(present.astype(np.float64)), codes.astype(np.int32), _NO_CODES, _NO_VALUES)
    # np.unique treats all NaN as one value, and sorts it last.
    states, codes = np.unique(feature.values, return_inverse=True)
    own_state = np.isnan(states) | np.isin(states, special)
    if has_few_values(feature.values) or own_state.all():
        return Encoded(Part(states), codes.astype(np.int32), _NO_CODES, _NO_VALUES)
    part = Part(np.concatenate([[0.0], states[own_state]]))
    at = np.where(own_state, np.cumsum(own_state), 0)[codes].astype(np.int32)
    values = _filled(feature.values, at, rng)
    if bend is not None:
        part = replace(part, bend=bend(feature.values[at == 0], rng))
        values = np.interp(values, part.bend, KNOT_PLACES)
    means, deviations, weights = _mixture(values, k, rng)
    part = replace(part, means=means, scales=DEVIATIONS * deviations)
    return Encoded(part, at, *_in_modes(values, part, weights, rng))


def encode_as(name: str, feature: Feature, part: Part, rng: np.random.Generator) -> Encoded:
    """Encode one column as a model does already.

    Raises
    ------
    InvalidInputError
        Rows have a category, a code or values that the model cannot express.
    """
    found = feature.codes.astype(np.float64) if isinstance(feature, Discrete) else feature.values
    states = np.full(len(found), -1, dtype=np.int32)
    for state, value in enumerate(part.states):
        if state or not len(part.means):
            states[np.isnan(found) if np.isnan(value) else found == value] = state
    if len(part.means):
        unknown_missing = np.isnan(found) & (states < 0)
        states[(states < 0) & ~unknown_missing] = 0
    if (states < 0).any():
        raise InvalidInputError(_inexpressible(name, "a category, code or missing value", int((states < 0).sum())))
    if not len(part.means):
        return Encoded(part, states, _NO_CODES, _NO_VALUES)
    values = _filled(found, states, rng)
    if len(part.bend):
        values = np.interp(values, part.bend, KNOT_PLACES)
    far = (np.abs(values[:, None] - part.means) > part.scales).all(axis=1) & (states == 0)
    if far.mean() > _OUT_OF_REACH:
        raise InvalidInputError(_inexpressible(name, "values far from all", int(far.sum())))
    return Encoded(part, states, *_in_modes(values, part, np.ones(len(part.means)), rng))


def _inexpressible(name: str, what: str, rows: int) -> Problem:
    return Problem(
        f"column '{name}'",
        f"{rows:,} rows have {what} that the model to continue from does not know",
        "Train a new model on all rows.",
    )


def _filled(values: Floats, states: Codes, rng: np.random.Generator) -> Floats:
    """Give rows that are in a state of their own the value of a random ordinary row."""
    ordinary = values[states == 0]
    if not len(ordinary):
        return np.zeros(len(values))
    return np.where(states == 0, values, rng.choice(ordinary, len(values)))


def _mixture(values: Floats, k: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Fit the modes of a column; return means, deviations and weights of those that are kept, shape (m,)."""
    from sklearn.mixture import BayesianGaussianMixture

    some = values if len(values) <= MIXTURE_ROWS else rng.choice(values, MIXTURE_ROWS, replace=False)
    # Standardised because the mixture's regularisation is absolute, and a date in seconds has ten digits.
    mean, deviation = float(some.mean()), float(some.std()) or 1.0
    mixture = BayesianGaussianMixture(
        n_components=min(MODES, len(some)),
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=0.001,
        random_state=int(rng.integers(2**32)),
    )
    with warnings.catch_warnings():
        # It stops after 100 rounds, as in the library, whether or not the last digits have settled.
        warnings.simplefilter("ignore")
        mixture.fit(((some - mean) / deviation)[:, None])
    kept = mixture.weights_ > max(LEAST_WEIGHT, min(k / len(values), mixture.weights_.max() / 2))
    means = mixture.means_[kept, 0] * deviation + mean
    return means, np.sqrt(mixture.covariances_[kept].reshape(-1)) * deviation, mixture.weights_[kept]


def _in_modes(
    values: Floats, part: Part, weights: Floats, rng: np.random.Generator
) -> tuple[Codes, NDArray[np.float32]]:
    """Draw the mode of each row by its posterior probability; return modes and places in them."""
    distance = (values[:, None] - part.means) / part.scales
    # At least the library's 1e-6, so that a row far from every mode has one too.
    density = np.log(weights / part.scales) - (DEVIATIONS * distance) ** 2 / 2
    chance = np.exp(density - density.max(axis=1, keepdims=True))
    chance = chance / chance.sum(axis=1, keepdims=True) + 1e-6
    bounds = chance.cumsum(axis=1)
    modes = (bounds <= rng.random((len(values), 1)) * bounds[:, -1:]).sum(axis=1).astype(np.int32)
    places = np.clip(distance[np.arange(len(values)), modes], -_LARGEST, _LARGEST)
    return modes, places.astype(np.float32)


def refuse_unfit(encoded: Mapping[str, Encoded], family: str) -> None:
    """Refuse what no network can learn.

    Raises
    ------
    InvalidInputError
        Nothing varies, or there are more categories than a network can hold.
    """
    units = {name: column.part.outputs for name, column in encoded.items()}
    problems = []
    if not any(units.values()):
        problems.append(
            Problem("data", "every column that could be learned has one value only", "Give data that varies.")
        )
    if sum(units.values()) > MAX_UNITS:
        widest = max(units, key=units.__getitem__)
        problems.append(
            Problem(
                f"column '{widest}'",
                f"'{family}' would need {sum(units.values()):,} outputs and takes {MAX_UNITS:,}; "
                "this column needs the most",
                "Use the synthesizer 'trees', or give fewer columns or categories.",
            )
        )
    raise_all(problems)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the outputs of a network stand: one for tanh a column with modes, then the choices; in column order.

    Parameters
    ----------
    tanh
        Number of outputs for tanh.
    spans
        Where each choice begins and ends among all outputs.
    states
        Which of the spans are choices among states: the columns that can be conditions.
    place_of_state
        By column with a choice among states, the place in ``states``.
    """

    tanh: int
    spans: tuple[tuple[int, int], ...]
    states: tuple[int, ...]
    place_of_state: Mapping[int, int]

    @classmethod
    def of(cls, parts: tuple[Part, ...]) -> Layout:
        """Lay out the outputs of columns."""
        tanh = sum(len(part.means) > 0 for part in parts)
        spans: list[tuple[int, int]] = []
        states: list[int] = []
        places: dict[int, int] = {}
        start = tanh
        for place, part in enumerate(parts):
            for options, is_state in ((len(part.states), True), (len(part.means), False)):
                if options < 2:
                    continue
                if is_state:
                    places[place] = len(states)
                    states.append(len(spans))
                spans.append((start, start + options))
                start += options
        return cls(tanh, tuple(spans), tuple(states), places)

    @property
    def outputs(self) -> int:
        """Number of all outputs."""
        return self.spans[-1][1] if self.spans else self.tanh


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded rows, as compact as they come: no one-hot matrix of the whole table is ever made.

    Parameters
    ----------
    values
        Shape (n, tanh), float32.
    choices
        Shape (n, spans), int32: the output that is chosen, counted from the first of all.
    layout
        Where outputs stand.
    """

    values: NDArray[np.float32]
    choices: Codes
    layout: Layout

    @classmethod
    def of(cls, columns: list[Encoded]) -> Rows:
        """Put encoded columns beside each other."""
        layout = Layout.of(tuple(column.part for column in columns))
        count = len(columns[0].states)
        chosen = [
            codes
            for column in columns
            for codes, options in ((column.states, len(column.part.states)), (column.modes, len(column.part.means)))
            if options > 1
        ]
        choices = np.empty((count, len(chosen)), dtype=np.int32)
        for at, codes in enumerate(chosen):
            choices[:, at] = codes + layout.spans[at][0]
        values = np.empty((count, layout.tanh), dtype=np.float32)
        for at, column in enumerate(each for each in columns if len(each.part.means)):
            values[:, at] = column.values
        return cls(values, choices, layout)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.intp]) -> Rows:
        """Return some of the rows."""
        return Rows(self.values[rows], self.choices[rows], self.layout)

    def shares(self, among: NDArray[np.bool_] | None = None) -> Floats:
        """Return how often each choice is made, by output from the first choice on, among some of the rows or all."""
        chosen = self.choices if among is None else self.choices[among]
        counts = np.bincount(chosen.ravel(), minlength=self.layout.outputs)[self.layout.tanh :]
        return np.asarray(counts / max(len(chosen), 1), dtype=np.float64)

"""The networks of `diffusion` in numpy: how rows are drawn from trained weights.

Given the class of the target, the other classes are drawn, one column after the other; then the numbers, all columns at
once, by denoising. Why, and from which papers, is told in `diffusion_training`.

All arrays are (features, rows), so that each class of each column is a row of memory. Biases and gains that belong to a
step of the sampler are folded into the weights, for all rows are at the same step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.choices import SMALLEST, choose, factors

SIGMA_MAX, SIGMA_MIN = 20.0, 0.004
"""Deviation of the noise on numbers of deviation 1, at the first step and the last. EDM's images (deviation .5) start
at 80, for they have far more columns; the last is about the distance of two bins of a thousand in the middle."""
_RHO = 7.0
LARGEST = 6.0
"""Normal scores end here, so denoised ones are cut off."""
_ROUNDS = 50
_WEIGHT_LIMIT = 1e3
"""No trained weight comes near; below it nothing in the forward pass can overflow float32."""

Floats = NDArray[np.float32]
Codes = NDArray[np.int32]
Arrays = Mapping[str, NDArray[Any]]


def noise_levels(steps: int) -> NDArray[np.float64]:
    """Return the deviation of the noise at each step, falling; equation 5 of Karras et al. 2022."""
    levels: NDArray[np.float64] = np.linspace(SIGMA_MAX ** (1 / _RHO), SIGMA_MIN ** (1 / _RHO), steps) ** _RHO
    return levels


def scalings(sigma: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return EDM's input, skip and output scaling (table 1 of Karras et al. 2022) for data of deviation 1."""
    variance = 1 + sigma**2
    return 1 / np.sqrt(variance), 1 / variance, sigma / np.sqrt(variance)


@dataclass(frozen=True, slots=True)
class Layout:
    """What the networks see and give.

    Parameters
    ----------
    target
        Number of classes of the target, on which all else depends; 0 where there is none.
    classes
        Number of classes of every other column that has more than one, in the order in which they are drawn.
    numbers
        How many columns have a number.
    """

    target: int
    classes: tuple[int, ...]
    numbers: int

    @property
    def starts(self) -> tuple[int, ...]:
        """Where each column's classes begin among the inputs, after the target's."""
        return tuple((self.target + np.cumsum((0, *self.classes))[:-1]).tolist())

    @property
    def inputs(self) -> int:
        """Number of inputs that say the class of a row: one a class."""
        return self.target + sum(self.classes)


def _checked(arrays: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    """Return weights that may be hostile.

    Raises
    ------
    ValueError, KeyError
        One is missing, of another shape or type, or out of range.
    """
    for name, shape in shapes.items():
        array = arrays[name]
        if array.dtype != np.float32 or array.shape != shape:
            raise ValueError(f"array '{name}' must hold float32 of shape {shape}")
        if not (np.abs(array) <= _WEIGHT_LIMIT).all():
            raise ValueError(f"array '{name}' has a weight that is not finite or out of range")
    return {name: arrays[name] for name in shapes}


def _width(arrays: Arrays, name: str, axis: int) -> int:
    """Return how wide a hidden layer is; all else must agree with it."""
    shape = arrays[name].shape
    if not -len(shape) <= axis < len(shape) or not shape[axis]:
        raise ValueError(f"array '{name}' has no layer")
    return int(shape[axis])


def _relu(values: Floats) -> Floats:
    return np.maximum(values, 0, out=values)


@dataclass(frozen=True, slots=True)
class ClassNet:
    """Draws the class of one column after the other, each from a small network of its own over those before it.

    Parameters
    ----------
    layout
        Which columns there are.
    weights
        ``first`` (columns, width, inputs), of which a column uses the inputs before its own; ``second``
        (columns, width, width); ``last`` (sum of classes, width); and their biases ``first_bias`` (columns, width),
        ``second_bias`` (columns, width), ``last_bias`` (sum of classes,). float32.
    """

    layout: Layout
    weights: Mapping[str, Floats]

    @classmethod
    def of(cls, arrays: Arrays, layout: Layout) -> Self:
        """Check arrays that may be hostile; raises ValueError or KeyError."""
        columns, classes = len(layout.classes), sum(layout.classes)
        width = _width(arrays, "first", 1)
        shapes = {
            "first": (columns, width, layout.inputs),
            "first_bias": (columns, width),
            "second": (columns, width, width),
            "second_bias": (columns, width),
            "last": (classes, width),
            "last_bias": (classes,),
        }
        return cls(layout, _checked(arrays, shapes))

    def logits(self, column: int, known: Floats) -> Floats:
        """Return the logits of a column's classes, shape (classes, n); ``known`` is (inputs, n), one-hot."""
        own, start = self.weights, self.layout.starts[column]
        rows = slice(start - self.layout.target, start - self.layout.target + self.layout.classes[column])
        hidden = own["first"][column, :, :start] @ known[:start]
        hidden += own["first_bias"][column][:, None]
        _relu(hidden)
        more = own["second"][column] @ hidden
        more += own["second_bias"][column][:, None]
        hidden += _relu(more)
        result: Floats = own["last"][rows] @ hidden
        result += own["last_bias"][rows][:, None]
        return result

    def draw(self, known: Floats, rng: np.random.Generator) -> list[Codes]:
        """Draw all columns, shape (n,) each, and note them in ``known``, where the target may stand already."""
        rows = np.arange(known.shape[1])
        drawn = []
        for column, start in enumerate(self.layout.starts):
            codes = choose(self.logits(column, known), rng)
            known[start + codes, rows] = 1.0
            drawn.append(codes.astype(np.int32))
        return drawn

    def calibrated(self, shares: Sequence[NDArray[np.float64]], known: Floats, rng: np.random.Generator) -> Floats:
        """Return ``last_bias`` moved so that each column has its classes as often as wanted.

        Parameters
        ----------
        shares
            By column, how often each class is to come.
        known
            Shape (inputs, n): rows to draw and count, of which the target stands already; the rest is noted in it.
        rng
            What they are drawn from.
        """
        bias = self.weights["last_bias"].copy()
        for column, (start, wanted) in enumerate(zip(self.layout.starts, shares, strict=True)):
            logits = self.logits(column, known)
            more = moved(logits, wanted)
            first = start - self.layout.target
            bias[first : first + len(more)] += more
            known[start + choose(logits + more[:, None], rng), np.arange(known.shape[1])] = 1.0
        return bias


def _affine(weights: Floats, inputs: Floats) -> Floats:
    result: Floats = weights[:, :-1] @ inputs
    result += weights[:, -1:]
    return result


@dataclass(frozen=True, slots=True)
class NumberNet:
    """Draws the numbers of rows whose classes are known, by denoising them step by step.

    There is one network for every few steps, an expert for that range of noise.

    Parameters
    ----------
    layout
        Which columns there are.
    conditions
        Shape (experts, width, inputs), float32: what the classes add to the first layer.
    steps
        For each step its layers, biases last: ``(width, numbers + 1)``, ``(width, width + 1)`` for each hidden layer,
        ``(numbers, width + 1)``. float32, with the step's scalings, gains and biases in them.
    """

    layout: Layout
    conditions: Floats
    steps: tuple[tuple[Floats, ...], ...]

    @classmethod
    def of(cls, arrays: Arrays, layout: Layout, *, steps: int, layers: int) -> Self:
        """Check arrays that may be hostile, and fold what belongs to a step into its weights.

        Parameters
        ----------
        arrays
            ``condition`` (experts, width, inputs), ``first`` (experts, width, numbers), ``hidden`` (experts, layers,
            width, width), ``last`` (experts, numbers, width), ``gains`` (steps, layers, width), ``biases`` (steps,
            layers + 1, width), ``last_bias`` (steps, numbers). float32.

        Raises
        ------
        ValueError, KeyError
            They do not fit together.
        """
        experts, width = _width(arrays, "condition", 0), _width(arrays, "condition", 1)
        numbers = layout.numbers
        if steps % experts:
            raise ValueError("the steps cannot be shared among the experts")
        shapes = {
            "condition": (experts, width, layout.inputs),
            "first": (experts, width, numbers),
            "hidden": (experts, layers, width, width),
            "last": (experts, numbers, width),
            "gains": (steps, layers, width),
            "biases": (steps, layers + 1, width),
            "last_bias": (steps, numbers),
        }
        own = _checked(arrays, shapes)
        scale_in, _, _ = scalings(noise_levels(steps))

        def folded(step: int) -> tuple[Floats, ...]:
            expert = step * experts // steps
            first = _with_bias(own["first"][expert] * np.float32(scale_in[step]), own["biases"][step, 0])
            hidden = (
                _with_bias(own["hidden"][expert, at] * own["gains"][step, at][:, None], own["biases"][step, at + 1])
                for at in range(layers)
            )
            return (first, *hidden, _with_bias(own["last"][expert], own["last_bias"][step]))

        return cls(layout, own["condition"], tuple(folded(step) for step in range(steps)))

    def outputs(self, step: int, numbers: Floats, conditions: Floats) -> Floats:
        """Return what the network says at a step, shape (numbers, n).

        Parameters
        ----------
        step
            Which.
        numbers
            Shape (numbers, n), with noise.
        conditions
            Shape (width, n): ``conditions`` of the step's expert times the one-hot classes.
        """
        first, *hidden_layers, last = self.steps[step]
        hidden = _affine(first, numbers)
        hidden += conditions
        _relu(hidden)
        for layer in hidden_layers:
            hidden += _relu(_affine(layer, hidden))
        return _affine(last, hidden)

    def draw(self, known: Floats, present: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
        """Return numbers, shape (numbers, n), 0 where a row has none.

        The second-order multistep solver DPM-Solver++(2M) (Lu et al. 2022): one pass a step, the change since the step
        before stands in for the slope.

        Parameters
        ----------
        known
            Shape (inputs, n), one-hot.
        present
            Shape (numbers, n), which rows have which number.
        rng
            Draws the noise at the start.
        """
        levels = noise_levels(len(self.steps))
        _, skips, scales = scalings(levels)
        each = len(levels) // len(self.conditions)
        here = present.astype(np.float32)
        start = np.float32(np.sqrt(1 + levels[0] ** 2))
        numbers = rng.standard_normal(present.shape, dtype=np.float32) * start
        before: Floats | None = None
        rise = 0.0
        for step in range(len(levels)):
            numbers *= here
            if step % each == 0:
                conditions = self.conditions[step // each] @ known
            clean = self.outputs(step, numbers, conditions)
            clean *= np.float32(scales[step])
            clean += np.float32(skips[step]) * numbers
            np.clip(clean, -LARGEST, LARGEST, out=clean)
            if step == len(levels) - 1:
                break
            last_rise, rise = rise, float(np.log(levels[step] / levels[step + 1]))
            ahead = clean
            if before is not None:
                share = np.float32(rise / (2 * last_rise))
                ahead = clean + share * (clean - before)
            kept = np.float32(levels[step + 1] / levels[step])
            numbers = kept * numbers + (1 - kept) * ahead
            before = clean
        return clean * here


def _with_bias(weights: Floats, bias: Floats) -> Floats:
    return np.concatenate([weights, bias[:, None]], axis=1)


def one_hot(codes: Sequence[Codes], sizes: Sequence[int]) -> NDArray[np.uint8]:
    """Return columns of codes as rows of 0 and 1, shape (sum of sizes, n); a negative code has no 1."""
    count = len(codes[0]) if codes else 0
    result = np.zeros((sum(sizes), count), dtype=np.uint8)
    start = 0
    for own, size in zip(codes, sizes, strict=True):
        rows = np.flatnonzero(own >= 0)
        result[start + own[rows], rows] = 1
        start += size
    return result


def moved(logits: Floats, wanted: NDArray[np.float64]) -> Floats:
    """Return what to add to the logits, shape (classes, n), so that classes come as often as wanted.

    The sum of what is added is 0; see `choices.factors`.

    Parameters
    ----------
    logits
        Shape (classes, n).
    wanted
        Shape (classes,), of sum 1.
    """
    more = np.log(np.maximum(factors(logits, wanted, _ROUNDS), SMALLEST))
    result: Floats = (more - more.mean()).astype(np.float32)
    return result

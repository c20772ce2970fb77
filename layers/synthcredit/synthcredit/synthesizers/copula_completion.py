"""Rows of which a part is given, completed by a Gaussian copula.

What is given says of some latent normals in which interval they lie. The rest follows from these exactly: given
latents of given values, the others are normal again. What has to be drawn is the point inside the intervals, from a
truncated multivariate normal. The simulator of Geweke, Hajivassiliou and Keane draws one coordinate after the other,
each from a truncated normal given those before it, and yields the probability of all intervals as a weight (Geweke,
"Efficient simulation from the multivariate normal and Student-t distributions subject to linear constraints", 1991).
One of several such draws is taken in proportion to the weights; their mean tells how likely each class of the target
is. Both are exact for very many draws and close for `_DRAWS` of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import Column, Dtype
from synthcredit.synthesizers.copula_margins import Margin
from synthcredit.synthesizers.features import Discrete, Feature, Features

Floats = NDArray[np.float64]

_DRAWS = 16
_IMPOSSIBLE = 50.0
"""Logarithm by which a class is less likely that has never shown a given value."""
_SMALLEST = 1e-300
_NO_DECIMALS = 1e-6
"""What tells values of a column without declared decimals apart, as a part of its range."""


@dataclass(frozen=True, slots=True)
class Known:
    """What given values say of the latent normals of one class.

    Parameters
    ----------
    low, high
        Shape (d, n), float64. Where each latent normal lies; infinite where nothing is given.
    log_density
        Shape (n,), float64. What the probability of all intervals has to be multiplied by, as a logarithm: a value
        within a wide interval is less likely than one that has an interval of its own.
    """

    low: Floats
    high: Floats
    log_density: Floats


def known_of(
    margins: Sequence[Margin],
    specials: Sequence[Floats],
    columns: Sequence[Column],
    features: Features,
    given: Mapping[str, NDArray[np.bool_]],
) -> Known:
    """Find the intervals of given values, in the margins of one class."""
    rows = len(next(iter(given.values())))
    low, high = np.full((len(margins), rows), -np.inf), np.full((len(margins), rows), np.inf)
    log_density = np.zeros(rows)
    at = 0
    for column, states in zip(columns, specials, strict=True):
        feature, told = features[column.name], given[column.name]
        choice = at if column.discrete or len(states) else None
        at += 1 + (len(states) > 0)
        ordinary = told.copy()
        if choice is not None:
            codes = feature.codes if isinstance(feature, Discrete) else _special_codes(feature.values, states)
            places = _places(margins[choice], codes)
            found = told & (places >= 0)
            _narrow(low, high, choice, margins[choice], places, found)
            log_density -= _IMPOSSIBLE * (told & ~found)
            ordinary &= found & (codes == 0)
        if not isinstance(feature, Discrete) and ordinary.any():
            margin = margins[at - 1]
            places = _segments(margin, np.where(ordinary, feature.values, 0.0))
            _narrow(low, high, at - 1, margin, places, ordinary)
            wide = np.maximum((margin.high - margin.low) / _unit(column, margin), 1.0)
            log_density -= np.where(ordinary, np.log(wide)[places], 0.0)
    return Known(low, high, log_density)


def _special_codes(values: Floats, states: Floats) -> NDArray[np.int32]:
    """Return 0 for an ordinary value, and n for the n-th special one."""
    codes = np.zeros(len(values), dtype=np.int32)
    for code, state in enumerate(states.tolist(), start=1):
        codes[values == state] = code
    return codes


def _places(margin: Margin, codes: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the segment of each code in a margin of codes, -1 where it has none."""
    of_code = np.full(int(max(margin.low.max(), codes.max(initial=0))) + 1, -1, dtype=np.intp)
    of_code[margin.low.astype(np.intp)] = np.arange(len(margin.low))
    return of_code[codes]


def _segments(margin: Margin, values: Floats) -> NDArray[np.intp]:
    """Return the segment of each value in a margin of numbers: the one that holds it, else the nearest."""
    # Segments are in order and overlap by little: the nearest by its middle, or the neighbour that holds the value.
    middle = (margin.low + margin.high) / 2
    near = np.searchsorted((middle[1:] + middle[:-1]) / 2, values)
    best, least = near, np.full(len(values), np.inf)
    for step in (0, -1, 1):
        place = np.clip(near + step, 0, len(middle) - 1)
        outside = np.maximum(np.maximum(margin.low[place] - values, values - margin.high[place]), 0.0)
        best, least = np.where(outside < least, place, best), np.minimum(least, outside)
    return best


def _narrow(
    low: Floats,
    high: Floats,
    at: int,
    margin: Margin,
    places: NDArray[np.intp],
    rows: NDArray[np.bool_],
) -> None:
    ends = normal_quantile(np.concatenate([[0.0], margin.bounds]))
    low[at, rows], high[at, rows] = ends[:-1][places[rows]], ends[1:][places[rows]]


def _unit(column: Column, margin: Margin) -> float:
    """Return the distance of neighbouring values, as they are stored."""
    if column.dtype is Dtype.DOUBLE:
        if column.decimals is not None:
            return float(10.0**-column.decimals)
        return max(float(margin.high[-1] - margin.low[0]) * _NO_DECIMALS, _SMALLEST)
    return 86_400.0 if column.dtype is Dtype.DATE else 1.0


def draw(factor: Floats, known: Known, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw the latent normals of one class that lie where they are known to lie.

    Parameters
    ----------
    factor
        Shape (d, d). Turns independent normals into the latent ones.
    known
        Where they lie.
    rng
        Draws.

    Returns
    -------
    latent, log_likelihood
        Shape (d, n), and shape (n,): how likely the given values are, estimated.
    """
    correlation = factor @ factor.T
    latent = np.empty_like(known.low)
    log_likelihood = known.log_density.copy()
    told = np.isfinite(known.low) | np.isfinite(known.high)
    # Rows in which the same is told are drawn together: what is told comes first, and has one factor.
    patterns, pattern = np.unique(told, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        rows = np.flatnonzero(pattern.ravel() == number)
        order = np.argsort(~patterns[:, number], kind="stable")
        first = int(patterns[:, number].sum())
        own = np.asarray(np.linalg.cholesky(correlation[np.ix_(order, order)]), dtype=np.float64)
        noise = rng.standard_normal((len(order), len(rows)))
        if first:
            bounds = known.low[np.ix_(order[:first], rows)], known.high[np.ix_(order[:first], rows)]
            noise[:first], log_weight = _within(own[:first, :first], *bounds, rng)
            log_likelihood[rows] += log_weight
        latent[np.ix_(order, rows)] = own @ noise
    return latent, log_likelihood


def _within(factor: Floats, low: Floats, high: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw independent normals that the factor turns into ones between bounds; shape (g, n), and log weights (n,)."""
    size, rows = low.shape
    noise = np.empty((size, rows, _DRAWS))
    log_weights = np.zeros((rows, _DRAWS))
    for at in range(size):
        mean = np.tensordot(factor[at, :at], noise[:at], 1)
        below, above = ((end[at][:, None] - mean) / factor[at, at] for end in (low, high))
        noise[at], chance = truncated_normal(below, above, rng.random((rows, _DRAWS)))
        log_weights += np.log(chance)
    most = log_weights.max(axis=1)
    weights = np.exp(log_weights - most[:, None])
    total = weights.cumsum(axis=1)
    drawn = rng.random(rows) * total[:, -1]
    chosen = np.minimum((total <= drawn[:, None]).sum(axis=1), _DRAWS - 1)
    return noise[:, np.arange(rows), chosen], most + np.log(total[:, -1] / _DRAWS)


def choose(log_likelihoods: Floats, chances: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw a class for each row, by Bayes' rule.

    Parameters
    ----------
    log_likelihoods
        Shape (classes, n). How likely what is given is in each class.
    chances
        Shape (classes,). How often each class comes.
    """
    weights = np.exp(log_likelihoods - log_likelihoods.max(axis=0)) * chances[:, None]
    total = weights.cumsum(axis=0)
    drawn = rng.random(total.shape[1]) * total[-1]
    chosen: NDArray[np.intp] = np.minimum((total <= drawn).sum(axis=0), len(chances) - 1)
    return chosen


def truncated_normal(low: Floats, high: Floats, uniform: Floats) -> tuple[Floats, Floats]:
    """Return the normal number between two bounds at a share of the probability there, and that probability.

    Parameters
    ----------
    low, high, uniform
        Of one shape, float64; the share is in [0, 1).
    """
    # In the upper tail differences of probabilities vanish; in the lower they do not.
    flip = low > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    below, above = normal_cdf(low), normal_cdf(high)
    chance = np.maximum(above - below, _SMALLEST)
    found = np.clip(normal_quantile(np.maximum(below + uniform * (above - below), _SMALLEST)), low, high)
    return np.where(flip, -found, found), chance


_HART_UP = (0.0352624965998911, 0.700383064443688, 6.37396220353165, 33.912866078383, 112.079291497871,
            221.213596169931, 220.206867912376)  # fmt: skip
_HART_DOWN = (0.0883883476483184, 1.75566716318264, 16.064177579207, 86.7807322029461, 296.564248779674,
              637.333633378831, 793.826512519948, 440.413735824752)  # fmt: skip
_HART_END = 7.07106781186547
_FARTHEST = 37.5


def normal_cdf(z: Floats) -> Floats:
    """Return the standard normal distribution function, to 1e-8 of itself down to -37, any shape.

    Hart's algorithm as in West, "Better approximations to cumulative normal functions" (Wilmott 2005).
    """
    away = np.minimum(np.abs(z), _FARTHEST)
    density = np.exp(-(away**2) / 2)
    near = density * np.polyval(_HART_UP, away) / np.polyval(_HART_DOWN, away)
    fraction = away + 0.65
    for numerator in (4.0, 3.0, 2.0, 1.0):
        fraction = away + numerator / fraction
    tail = np.where(away < _HART_END, near, density / fraction / 2.506628274631)
    return np.where(z > 0, 1.0 - tail, tail)


_WICHURA = (
    ((2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
      13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
     (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
      5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0)),
    ((7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
      3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
     (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
      0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0)),
    ((2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
      0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
     (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
      0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0)),
)  # fmt: skip


def normal_quantile(chance: Floats) -> Floats:
    """Return the inverse of the standard normal distribution function, to 1e-15 or so; infinite at 0 and 1.

    Wichura, "Algorithm AS 241: the percentage points of the normal distribution" (Applied Statistics 1988).
    """
    centred = chance - 0.5
    inside = np.abs(centred) <= 0.425
    (up, down), middle, far = _WICHURA
    square = 0.180625 - np.where(inside, centred, 0.0) ** 2
    central = centred * np.polyval(up, square) / np.polyval(down, square)
    tail = np.minimum(chance, 1.0 - chance)
    root = np.sqrt(-np.log(np.maximum(tail, _SMALLEST)))
    outer = np.where(
        root <= 5.0,
        np.polyval(middle[0], root - 1.6) / np.polyval(middle[1], root - 1.6),
        np.polyval(far[0], root - 5.0) / np.polyval(far[1], root - 5.0),
    )
    outer = np.where(tail <= 0.0, np.inf, outer)
    found: Floats = np.where(inside, central, np.where(centred < 0, -outer, outer))
    return found


def put_back(made: Feature, known: Feature, given: NDArray[np.bool_]) -> Feature:
    """Return a completed column with every given value as it was."""
    if isinstance(made, Discrete):
        assert isinstance(known, Discrete)  # noqa: S101 - both are of one column
        return Discrete(np.where(given, known.codes, made.codes), made.size)
    assert not isinstance(known, Discrete)  # noqa: S101 - as above
    return type(made)(np.where(given, known.values, made.values))

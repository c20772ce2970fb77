"""What makes the numeric columns of `copulagan` Gaussian before a network sees them.

SDV's `CopulaGANSynthesizer` passes every numeric column through rdt's `GaussianNormalizer`: a distribution is fitted
(beta unless told otherwise, a normal one where that fails), values become their probabilities under it, and those
normal quantiles; CTGAN learns the result, and what it gives goes the same way back. Here the fitted distribution's
quantile function is tabulated, and both ways go along the table's straight lines: they are inverse to each other to
rounding, and the way back needs numpy alone. The distributions are rdt's, fitted by scipy as in `copulas`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.ctgan_encoding import Bend
from synthcredit.synthesizers.ctgan_network import KNOT_PLACES

FITTED_ROWS = 2_000
"""Rows that a distribution is fitted to, at most: it has four parameters, and the fit is slow."""
CANDIDATES = ("beta", "gamma", "norm")

Floats = NDArray[np.float64]


def margin(distribution: str) -> Bend:
    """Return what fits a distribution to a column and returns its quantiles at `KNOT_PLACES`.

    Parameters
    ----------
    distribution
        One of `CANDIDATES`, or ``best`` for the one with the smallest distance of Kolmogorov and Smirnov.
    """
    names = CANDIDATES if distribution == "best" else (distribution, "norm")

    def fit(values: Floats, rng: np.random.Generator) -> Floats:
        some = values if len(values) <= FITTED_ROWS else rng.choice(values, FITTED_ROWS, replace=False)
        centre, spread = float(some.mean()), float(some.std()) or 1.0
        found = [quantiles for name in names if (quantiles := _quantiles(name, (some - centre) / spread)) is not None]
        if distribution == "best":
            found.sort(key=lambda quantiles: _distance((some - centre) / spread, quantiles))
        return found[0] * spread + centre

    return fit


def _quantiles(name: str, values: Floats) -> Floats | None:
    """Return the quantiles of a fitted distribution, shape as `KNOT_PLACES`; None where it does not fit at all."""
    from scipy import stats

    known: dict[str, tuple[Any, dict[str, float]]] = {
        "beta": (stats.beta, {"loc": values.min(), "scale": values.max() - values.min()}),
        "gamma": (stats.gamma, {}),
        "norm": (stats.norm, {}),
    }
    family, start = known[name]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            fitted = family(*family.fit(values, **start))
            quantiles = np.asarray(fitted.ppf(stats.norm.cdf(KNOT_PLACES)), dtype=np.float64)
    except (ValueError, RuntimeError, stats.FitError):
        return None
    # A distribution that goes far beyond the values, or whose ends are not finite, has not been fitted.
    reach = 10 * np.abs(values).max()
    if not np.isfinite(quantiles).all() or quantiles[-1] <= quantiles[0]:
        return None
    return np.maximum.accumulate(np.clip(quantiles, -reach, reach))


def _distance(values: Floats, quantiles: Floats) -> float:
    """Return the largest distance between the distribution of values and that of quantiles."""
    from scipy.special import ndtr

    at = ndtr(np.interp(np.sort(values), quantiles, KNOT_PLACES))
    steps = np.arange(len(values) + 1) / len(values)
    return float(max(np.abs(at - steps[1:]).max(), np.abs(at - steps[:-1]).max()))

"""The dependence between latent variables: normal scores, their correlation, and what makes it a valid matrix.

A latent variable is standard normal and is seen only through its segments. What can be measured is the correlation of
the segments' scores, which discrete columns make smaller than that of the latent normals. By Mehler's formula, scores
``h`` and ``g`` of two standard normals of correlation r have the covariance ``sum over n of h_n g_n r^n``, where h_n
and g_n are their coefficients in normalised Hermite polynomials. This rises in r where scores rise, so one table a
pair inverts it. That is the root search of NORTA (Cario and Nelson, "Modeling and generating random vectors with
arbitrary marginal distributions and correlation matrix", 1997) and, for ordered categories, a moment version of
polychoric correlation, as in the bridge functions of Fan, Liu, Ning and Zou, "High dimensional semiparametric latent
graphical model for mixed data" (JRSS B 2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TERMS = 128
"""Hermite coefficients of a score."""
_MOST = 0.995
"""Correlation of two latent variables, at most: more would be a copy of a column, and no matrix could hold it."""
_GRID = np.linspace(-_MOST, _MOST, 399)
_PIECE_ROWS = 65_536

_CDF_END = 6.0
_CDF_STEPS = 4096
_CDF_SCALE = np.float32(_CDF_STEPS / (2 * _CDF_END))
_CDF = np.array(
    [0.5 * math.erfc(-(step * 2 * _CDF_END / _CDF_STEPS - _CDF_END) / math.sqrt(2)) for step in range(_CDF_STEPS + 1)],
    dtype=np.float32,
)
_CDF_RISE = np.diff(_CDF)


def normal_cdf(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the standard normal distribution function, to 5e-7, by a table of the C library's erfc.

    Parameters
    ----------
    z
        Any shape, float32.
    """
    place: NDArray[np.float32] = (z + np.float32(_CDF_END)) * _CDF_SCALE
    np.clip(place, 0, np.float32(_CDF_STEPS - 0.001), out=place)
    at = place.astype(np.int32)
    place -= at
    place *= _CDF_RISE[at]
    place += _CDF[at]
    return place


@dataclass(frozen=True, slots=True)
class Scores:
    """The normal scores of one latent variable's segments.

    Parameters
    ----------
    scores
        Shape (s,), float64. Mean of the latent normal within each segment.
    hermite
        Shape (terms,), float64. Coefficients of degree 1 on of the score as a function of the latent normal.
    scale
        Standard deviation of the score.
    """

    scores: Floats
    hermite: Floats
    scale: float

    @classmethod
    def of(cls, bounds: Floats) -> Scores:
        """Return the scores of the segments of (0, 1) that end at ``bounds``, shape (s,), rising to 1."""
        inner = np.clip(bounds[:-1], 1e-12, 1 - 1e-12)
        cuts = np.array([NormalDist().inv_cdf(each) for each in inner])
        density = np.exp(-(cuts**2) / 2) / math.sqrt(2 * math.pi)
        chances = np.diff(bounds, prepend=0.0)
        scores = -np.diff(density, prepend=0.0, append=0.0) / np.maximum(chances, 1e-12)
        # The n-th coefficient is the sum over segments of score times the integral of He_n by the normal density,
        # which is the difference of -density * He_(n-1) at the segment's ends; all over the root of n!.
        jumps = np.diff(scores) * density
        hermite = np.empty(_TERMS)
        before, last = np.zeros_like(cuts), np.ones_like(cuts)
        for degree in range(1, _TERMS + 1):
            hermite[degree - 1] = jumps @ last / math.sqrt(degree)
            before, last = last, (cuts * last - math.sqrt(degree - 1) * before) / math.sqrt(degree)
        return cls(scores, hermite, math.sqrt(chances @ scores**2))


def observed_correlation(segments: list[NDArray[np.int32]], scores: list[Scores]) -> tuple[Floats, Floats]:
    """Return the correlation of scores over the rows in which both are seen.

    Parameters
    ----------
    segments
        Each latent variable's segment of each row, shape (n,); -1 is unseen.
    scores
        Each latent variable's scores.

    Returns
    -------
    correlation, rows
        Shape (d, d): 0 where either does not vary, and the number of rows behind each.
    """
    size = len(segments)
    sums = np.zeros((3, size, size))
    for start in range(0, len(segments[0]), _PIECE_ROWS):
        pieces = [each[start : start + _PIECE_ROWS] for each in segments]
        # One score more at the end, 0, which the segment -1 finds.
        score = np.stack([np.append(s.scores, 0.0)[piece] for s, piece in zip(scores, pieces, strict=True)])
        seen = np.stack([piece >= 0 for piece in pieces]).astype(np.float64)
        sums += [score @ score.T, score @ seen.T, seen @ seen.T]
    products, first, rows = sums
    counted = np.maximum(rows, 1)
    covariance = products / counted - first * first.T / counted**2
    scale = np.array([each.scale for each in scores])
    scale = np.outer(scale, scale)
    return np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 1e-9), rows


def latent_correlation(observed: Floats, scores: list[Scores]) -> Floats:
    """Return the correlation of latent normals whose scores correlate as observed, shape (d, d); see the module."""
    powers = _GRID ** np.arange(1, _TERMS + 1)[:, None]
    hermite = np.stack([each.hermite for each in scores])
    scale = np.array([each.scale for each in scores])
    unit = np.divide(hermite, scale[:, None], out=np.zeros_like(hermite), where=scale[:, None] > 1e-9)
    found = np.eye(len(scores))
    for at in range(1, len(scores)):
        tables = np.maximum.accumulate((unit[:at] * unit[at]) @ powers, axis=1)
        for other, table in enumerate(tables):
            if table[-1] > table[0]:
                found[at, other] = found[other, at] = np.interp(observed[at, other], table, _GRID)
    return found


def shrink(correlation: Floats, rows: Floats, target: Floats) -> Floats:
    """Move a correlation matrix towards another by as much as its entries are uncertain.

    The weight is that of Schaefer and Strimmer (2005, "A shrinkage approach to large-scale covariance matrix
    estimation"), who follow Ledoit and Wolf: the entries' variances, here the asymptotic ``(1 - r^2)^2 / n``, over
    their squared distances from the target.
    """
    variance = np.divide((1 - correlation**2) ** 2, rows, out=np.ones_like(rows), where=rows > 0)
    distance = ((correlation - target) ** 2).sum()
    weight = min(1.0, float(np.triu(variance, 1).sum() * 2 / distance)) if distance > 0 else 0.0
    return (1 - weight) * correlation + weight * target


def nearest_correlation(matrix: Floats, smallest: float = 1e-4) -> Floats:
    """Return the correlation matrix nearest to a symmetric one, in Frobenius norm, positive definite.

    Alternating projections with Dykstra's correction: Higham, "Computing the nearest correlation matrix" (IMA Journal
    of Numerical Analysis 2002). Eigenvalues end at ``smallest`` or above.
    """
    nearest, correction = matrix.copy(), np.zeros_like(matrix)
    for _ in range(100):
        moved = nearest - correction
        values, vectors = np.linalg.eigh(moved)
        projected = (vectors * np.maximum(values, smallest)) @ vectors.T
        correction = projected - moved
        step, nearest = nearest, projected.copy()
        np.fill_diagonal(nearest, 1.0)
        if np.abs(step - nearest).max() < 1e-7:
            break
    values, vectors = np.linalg.eigh(nearest)
    definite = (vectors * np.maximum(values, smallest)) @ vectors.T
    scale = np.sqrt(np.diag(definite))
    correlation: Floats = (definite + definite.T) / (2 * np.outer(scale, scale))
    return correlation

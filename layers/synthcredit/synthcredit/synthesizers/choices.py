"""Choices of a network: options drawn from logits, and logits moved so that options come as often as they should."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

SMALLEST = 1e-6
"""An option comes at least so often."""

Floats = NDArray[np.float32]


def choose(logits: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw one option a row: from logits of shape (options, n), which are used up, to indices of shape (n,)."""
    logits -= logits.max(axis=0)
    weights = np.exp(logits, out=logits)
    for above, below in itertools.pairwise(weights):  # numpy's own cumsum is several times slower here
        below += above
    drawn = rng.random(logits.shape[1], dtype=np.float32) * weights[-1]
    return np.asarray((weights[:-1] <= drawn).sum(axis=0, dtype=np.intp))


def factors(logits: Floats, wanted: NDArray[np.float64], rounds: int) -> NDArray[np.float64]:
    """Return what to multiply the odds of each option with, so that options come as often as wanted.

    Iterative proportional fitting of one margin (Deming and Stephan, "On a least squares adjustment of a sampled
    frequency table", 1940): what a network knows of the options of single rows stays.

    Parameters
    ----------
    logits
        Shape (options, n).
    wanted
        Shape (options,), of sum 1.
    rounds
        How often the factors are corrected.

    Returns
    -------
    ndarray
        Shape (options,), the largest 1.
    """
    share = np.maximum(wanted, SMALLEST)
    weights = np.exp(logits - logits.max(axis=0), dtype=np.float64)
    result = np.ones(len(wanted))
    for _ in range(rounds):
        scaled = weights * result[:, None]
        result *= share / np.maximum((scaled / scaled.sum(axis=0)).mean(axis=1), SMALLEST)
        result /= result.max()
    return result

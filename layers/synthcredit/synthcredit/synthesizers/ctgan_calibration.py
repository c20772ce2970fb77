"""Setting a trained generator's shares right: how often it chooses each state and mode.

A GAN comes near the frequencies of single columns but does not settle on them: from one epoch to the next a category
drifts by several points. What can be counted need not be guessed: the bias of each choice is moved until, over random
noise, the choice is made as often as in the training rows. This is iterative proportional fitting (Deming and Stephan,
"On a least squares adjustment of a sampled frequency table", 1940) of one margin, on the generator's logits. What the
network learned about which choices go together stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from synthcredit.synthesizers.choices import SMALLEST, factors
from synthcredit.synthesizers.ctgan_network import NOTHING, Floats, Network, Part


def calibrate(
    network: Network,
    parts: tuple[Part, ...],
    shares: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    rows: int = 8192,
    rounds: int = 50,
) -> Network:
    """Return the network with the biases of its choices moved.

    Parameters
    ----------
    network
        As it was trained.
    parts
        How its outputs are read.
    shares
        Shape (c, k), float64. How often each of the k options is to be chosen under each condition: one row for all
        conditions where the conditions are the states of several columns.
    rng
        Draws the noise.
    rows
        Rows of noise that the shares are counted on.
    rounds
        Rounds of proportional fitting.
    """
    spans = list(_choices(parts, network.given))
    first = network.outputs - shares.shape[1]
    direct = network.direct.copy()
    for condition, wanted in enumerate(shares):
        noise = rng.standard_normal((network.noise_size, rows), dtype=np.float32)
        if len(shares) == 1:
            conditions = rng.choice(len(network.chances), size=rows, p=network.chances)
            columns = np.arange(len(network.chances))
        else:
            conditions = np.full(rows, condition)
            columns = np.array([condition])
        logits = network.forward(noise, conditions)[first:]
        moved = np.concatenate([NOTHING, *(_moved(logits[span], wanted[span], rounds) for span in spans)])
        if not len(moved):
            break
        outputs = len(direct) - len(moved) + np.arange(len(moved))
        direct[np.ix_(outputs, network.noise_size + columns)] += moved[:, None].astype(np.float32)
    return replace(network, direct=direct)


def _choices(parts: tuple[Part, ...], given: int | None) -> Iterator[slice]:
    """Yield where each choice stands among the options, in the order of the network's outputs."""
    start = 0
    for place, part in enumerate(parts):
        if place == given:
            continue
        for options in (len(part.states), len(part.means)):
            if options > 1:
                yield slice(start, start + options)
                start += options


def _moved(logits: Floats, wanted: NDArray[np.float64], rounds: int) -> NDArray[np.float64]:
    """Return what to add to the logits, shape (options, n), so that the options are chosen as often as wanted."""
    wanted = np.maximum(wanted, SMALLEST)
    return np.log(np.maximum(factors(logits, wanted / wanted.sum(), rounds), 1e-12))

"""What a network is meant to give: shares to calibrate it by, and how near it comes to rows that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import Column
from synthcredit.randomness import generator
from synthcredit.synthesizers.ctgan_calibration import calibrate
from synthcredit.synthesizers.ctgan_encoding import Rows
from synthcredit.synthesizers.ctgan_network import Network, Part, draw_rows, to_feature
from synthcredit.synthesizers.neural import Likeness

LEAN = 20
"""Rows of all groups that the shares of one group lean on."""
_ROWS = 4096
_QUICK_ROWS = 2048
_QUICK_ROUNDS = 15
_PIECE_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Scorer:
    """What the rows say of the network that they are to become.

    Parameters
    ----------
    parts
        How the columns are read.
    columns
        The columns.
    rows
        All encoded rows, those held out too: shares of single choices may be exact.
    given
        Place of the column whose states every row is conditioned on; None to condition on all columns alike.
    conditioned
        Whether the network has conditions at all.
    likeness
        Compares with the rows that were held out.
    seed
        The fit's.
    """

    parts: tuple[Part, ...]
    columns: Sequence[Column]
    rows: Rows
    given: int | None
    conditioned: bool
    likeness: Likeness
    seed: int

    @property
    def _given_span(self) -> int | None:
        layout = self.rows.layout
        return None if self.given is None else layout.states[layout.place_of_state[self.given]]

    @property
    def kept_outputs(self) -> NDArray[np.intp]:
        """The outputs that an exported network has: those of the given column are not needed."""
        outputs = np.arange(self.rows.layout.outputs)
        if self._given_span is None:
            return outputs
        begin, end = self.rows.layout.spans[self._given_span]
        return np.delete(outputs, np.arange(begin, end))

    @property
    def kept_conditions(self) -> NDArray[np.intp]:
        """The conditions that an exported network has, by their place among all."""
        layout = self.rows.layout
        if not self.conditioned:
            return np.empty(0, dtype=np.intp)
        sizes = [layout.spans[span][1] - layout.spans[span][0] for span in layout.states]
        if self.given is None:
            return np.arange(sum(sizes))
        place = layout.place_of_state[self.given]
        return sum(sizes[:place]) + np.arange(sizes[place])

    @property
    def chances(self) -> NDArray[np.float64]:
        """How likely each condition is: within a column as in the rows; several columns are equally likely."""
        layout = self.rows.layout
        if not self.conditioned or not layout.states:
            return np.ones(1)
        shares = self.rows.shares()
        spans = [self._given_span] if self._given_span is not None else layout.states
        kept = [shares[slice(*(np.array(layout.spans[span]) - layout.tanh))] for span in spans]
        chances: NDArray[np.float64] = np.concatenate(kept) / len(spans)
        return chances

    @property
    def shares(self) -> NDArray[np.float64]:
        """How often each choice is to be made, by condition.

        Shape (c, k) in the order of the exported network's choices, c being 1 where no column is given. The shares of
        a small group lean on those of all rows, as if it had `LEAN` more rows like them.
        """
        layout = self.rows.layout
        kept = self.kept_outputs[layout.tanh :] - layout.tanh
        overall = self.rows.shares()
        if self._given_span is None:
            return overall[None, kept]
        begin, end = layout.spans[self._given_span]
        states = self.rows.choices[:, self._given_span]
        of_groups = []
        for state in range(begin, end):
            among = states == state
            count = int(among.sum())
            of_groups.append((self.rows.shares(among) * count + LEAN * overall) / (count + LEAN))
        return np.stack(of_groups)[:, kept]

    def score(self, network: Network, noise: NDArray[np.float64]) -> float:
        """Return how alike the rows of a network, quickly calibrated, are to those held out; higher is better.

        Every call draws from the same random numbers, so that networks are compared and not draws. A network with a
        weight that is not finite scores lowest.
        """
        try:
            network.check()
        except ValueError:
            return float("-inf")
        rng = generator(self.seed, "ctgan/look")
        with np.errstate(all="ignore"):
            quick = calibrate(network, self.parts, self.shares, rng, rows=_QUICK_ROWS, rounds=_QUICK_ROUNDS)
        pieces = []
        for _ in range(_ROWS // _PIECE_ROWS):
            conditions = quick.draw_conditions(_PIECE_ROWS, rng)
            pieces.append(draw_rows(quick, with_noise(self.parts, noise), conditions, rng))
        drawn = zip(self.columns, zip(*pieces, strict=True), strict=True)
        return self.likeness.score({c.name: to_feature(np.concatenate(values), c) for c, values in drawn})


def with_noise(parts: tuple[Part, ...], noise: NDArray[np.float64]) -> tuple[Part, ...]:
    """Return parts with the noise of those that have modes, in their order."""
    left = iter(noise.tolist())
    return tuple(replace(part, noise=next(left)) if len(part.means) else part for part in parts)

"""Privacy, first part: how many synthetic rows equal a training row, beside how many of other people's rows do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthcredit.evidence.model import Figure, Measure, Unit
from synthcredit.evidence.sides import Sides, draw
from synthcredit.synthesizers.features import Discrete, Features, rows_of

CONFIDENCE_Z = 2.326
"""One-sided 99 %: of a hundred good datasets one is stopped by chance."""


@dataclass(frozen=True, slots=True)
class _Count:
    """So many of so many."""

    hits: int
    of: int

    @property
    def share(self) -> float:
        return self.hits / self.of


def measure(sides: Sides, rng: np.random.Generator) -> tuple[Measure, ...]:
    """Measure the share of rows that equal a training row: of synthetic rows, and of the holdout's, copied by nobody.

    Rows are compared over the learned columns, in original values, missing equal to missing. Once over all rows, where
    a row that is copied often counts often; once over distinct rows among equally many synthetic and holdout rows,
    where rows that many people share (all special codes, say) count once.

    ``share = rows that equal one of all training rows / rows``, as SDMetrics' NewRowSynthesis has it (1 minus this);
    ``excess = share of synthetic rows - share of holdout rows``, with Newcombe's interval of 1998: see
    `excess_interval`. The holdout as control after Platzer and Reutterer (Frontiers in Big Data 2021).
    """
    why_not = sides.too_few()
    if why_not is not None:
        return (*_pair(None, None, distinct=False, why_not=why_not), *_pair(None, None, distinct=True, why_not=why_not))
    known = np.unique(row_hashes(sides.train))
    rows = min(rows_of(sides.synthetic), rows_of(sides.holdout))
    distinct = [np.unique(row_hashes(draw(side, rows, rng))) for side in (sides.synthetic, sides.holdout)]
    every = [row_hashes(side) for side in (sides.synthetic, sides.holdout)]
    return (
        *_pair(_hits(every[0], known), _hits(every[1], known), distinct=False),
        *_pair(_hits(distinct[0], known), _hits(distinct[1], known), distinct=True),
    )


def row_hashes(features: Features) -> NDArray[np.uint64]:
    """Return a 64-bit hash of every row, shape (n,); rows that differ practically never share one.

    Two of n different rows share a hash with a chance of about n squared in 4e19: 1 in 40 million for a million rows.
    """
    frame = pd.DataFrame(
        {
            # Adding 0 makes -0 and 0 the same.
            str(position): feature.codes if isinstance(feature, Discrete) else feature.values + 0.0
            for position, feature in enumerate(features.values())
        }
    )
    return np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64)


def excess_interval(hits: int, of: int, control_hits: int, control_of: int) -> tuple[float, float]:
    """Return bounds for the difference of two shares, each one-sided 99 %.

    Newcombe's hybrid score interval ("Interval estimation for the difference between independent proportions", Stat.
    Med. 1998, method 10): sound at small counts and at 0.
    """
    p, control = hits / of, control_hits / control_of
    (low, high), (control_low, control_high) = _bounds(hits, of), _bounds(control_hits, control_of)
    difference = p - control
    return (
        difference - math.hypot(p - low, control_high - control),
        difference + math.hypot(high - p, control - control_low),
    )


def wilson(share: float, of: float) -> tuple[float, float]:
    """Return the middle and half the width of Wilson's score interval of a share (JASA 1927), one-sided 99 %."""
    z2 = CONFIDENCE_Z**2
    return (share * of + z2 / 2) / (of + z2), CONFIDENCE_Z / (of + z2) * math.sqrt(of * share * (1 - share) + z2 / 4)


def _bounds(hits: int, of: int) -> tuple[float, float]:
    middle, half = wilson(hits / of, of)
    return max(0.0, middle - half), min(1.0, middle + half)


def _hits(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> _Count:
    return _Count(int(np.isin(hashes, known).sum()), len(hashes))


def _pair(
    synthetic: _Count | None, holdout: _Count | None, *, distinct: bool, why_not: str | None = None
) -> tuple[Measure, Measure]:
    what = "distinct rows" if distinct else "rows"
    low = high = excess = None
    if synthetic is not None and holdout is not None:
        excess = synthetic.share - holdout.share
        low, high = excess_interval(synthetic.hits, synthetic.of, holdout.hits, holdout.of)
    rows, fresh_rows = (None if count is None else count.of for count in (synthetic, holdout))
    return (
        Measure(
            name=Figure.COPIED_DISTINCT if distinct else Figure.COPIED,
            title=f"Copied {what}",
            unit=Unit.SHARE,
            value=None if synthetic is None else synthetic.share,
            fresh=None if holdout is None else holdout.share,
            rows=rows,
            fresh_rows=fresh_rows,
            reading=f"The share of synthetic {what} that equal a training row in every learned column; beside it the "
            "share among holdout rows, which are other people's.",
            why_not=why_not,
        ),
        Measure(
            name=Figure.COPIED_DISTINCT_EXCESS if distinct else Figure.COPIED_EXCESS,
            title=f"Copied {what} above the holdout's",
            unit=Unit.DIFFERENCE,
            value=excess,
            low=low,
            high=high,
            rows=rows,
            fresh_rows=fresh_rows,
            reading="How many more there are than other people's rows show by coincidence; a lower bound above 0 means "
            "that the model repeats training rows.",
            why_not=why_not,
        ),
    )

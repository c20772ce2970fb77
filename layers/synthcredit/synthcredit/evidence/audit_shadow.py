"""A likelihood-ratio attack on single records, through the synthetic rows of shadow models.

Carlini et al., "Membership inference attacks from first principles" (S&P 2022), online attack; for synthetic tables
as in Stadler, Oprisanu and Troncoso, "Synthetic data: anonymisation groundhog day" (USENIX Security 2022). Outlying
records by Meeus et al., "Achilles' heels: vulnerable record identification in synthetic data publishing" (ESORICS
workshops 2023). Here: the arithmetic; who trains the models is elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthcredit.evidence.audit import Estimate, ShadowResult
from synthcredit.evidence.nearest import Space, found_at, nearest
from synthcredit.evidence.utility import auc, resamples
from synthcredit.synthesizers.features import Features, rows_of, take

Matrix = NDArray[np.float64]
Inside = NDArray[np.bool_]
Positions = NDArray[np.int64]

NEIGHBOURS = 5
"""Of these many nearest real rows the mean distance says how outlying a record is; the paper's choice."""
DENSITY_NEIGHBOURS = 20
"""Synthetic rows near a record that say how dense the release is there. Of 1, 5, 10, 20, 30 and 50, for `trees` on
german_credit, the nearest row alone was the weakest (AUC .58 where 20 give .65), and from 10 on it made no difference.
Ten rows released for each row learned leave about twenty near it that it has influenced."""
LEAST_DISTANCE = 1e-3
"""Nearer than a thousandth of a standard deviation is the same: its logarithm must not go on falling."""
_LEAST_SPREAD = 0.05
"""Standard deviation that log distances have at least, lest shadows that all copy make the others impossible."""
_MOST_CANDIDATES = 20_000
_TAILS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Targets:
    """The records that are attacked.

    Parameters
    ----------
    rows
        Positions, shape (m,), the outlying ones first; each of another unit.
    outlying
        How many are outlying; the others were drawn from the rest.
    """

    rows: Positions
    outlying: int


def choose_targets(features: Features, units: Positions, space: Space, count: int, rng: np.random.Generator) -> Targets:
    """Choose the most outlying records and as many random ones.

    Parameters
    ----------
    features
        All real rows; of more than 20,000 a drawn part is looked at.
    units
        Shape (n,). Whose row it is: rows of one customer have one number.
    count
        How many of either kind; fewer where there are too few units.
    """
    looked_at = rng.permutation(rows_of(features))[:_MOST_CANDIDATES]
    # One row a unit, so that attacks are on different people; the first, in a random order.
    _, first = np.unique(units[looked_at], return_index=True)
    candidates = looked_at[np.sort(first)]
    among = take(features, looked_at)
    distances, _ = nearest(space.points(take(features, candidates)), among, space, neighbours=NEIGHBOURS + 1)
    # The nearest one is the record itself.
    order = np.argsort(-distances[:, 1:].mean(axis=1), kind="stable")
    count = min(count, len(candidates) // 2)
    others = rng.permutation(order[count:])[:count]
    return Targets(np.concatenate([candidates[order[:count]], candidates[others]]), count)


def design(units: int, shadows: int, rng: np.random.Generator) -> Inside:
    """Return which units each shadow model learns, shape (shadows, units).

    Shadows come in pairs: a random half, and the other half. So each unit is in exactly half of the shadows, and
    leaving out a pair leaves as many shadows with as without it.

    Parameters
    ----------
    shadows
        An even number.
    """
    inside = np.zeros((shadows, units), dtype=bool)
    for pair in range(0, shadows, 2):
        inside[pair, rng.permutation(units)[: units // 2]] = True
        inside[pair + 1] = ~inside[pair]
    return inside


def statistics(targets: Features, released: Features, space: Space) -> Matrix:
    """Return the mean log distance of each record to its 20 nearest synthetic rows, shape (targets,).

    A logarithm of a density (Loftsgaarden and Quesenberry, Ann. Math. Stat. 1965) averaged over 20 radii, upside down;
    one exact copy among the 20 shows in it.
    """
    distances, _ = nearest(space.points(targets), released, space, neighbours=DENSITY_NEIGHBOURS)
    return np.asarray(np.log(distances + LEAST_DISTANCE).mean(axis=1))


def likelihood_ratios(statistic: Matrix, inside: Inside) -> Matrix:
    """Return how much likelier each statistic is if the record was learned, shape (shadows, targets).

    ``log N(s | mean_in, sd_in) - log N(s | mean_out, sd_out)``: means by record, standard deviations over all records,
    as Carlini et al. do for few shadows. Both shadows of a pair are left out where one is judged: with its
    counterpart left in, chance alone would tell members by the unequal numbers of shadows.

    Parameters
    ----------
    statistic, inside
        Shape (shadows, targets); shadows 2i and 2i + 1 are counterparts. At least six shadows.
    """
    ratios = np.empty_like(statistic)
    for pair in range(0, len(statistic), 2):
        judged = slice(pair, pair + 2)
        others, learned = np.delete(statistic, judged, axis=0), np.delete(inside, judged, axis=0)
        ratios[judged] = _log_density(statistic[judged], others, learned) - _log_density(
            statistic[judged], others, ~learned
        )
    return ratios


def _log_density(values: Matrix, known: Matrix, which: Inside) -> Matrix:
    counts = which.sum(axis=0)
    means = np.where(which, known, 0.0).sum(axis=0) / counts
    squares = np.where(which, (known - means) ** 2, 0.0).sum()
    spread = max(float(np.sqrt(squares / (counts - 1).sum())), _LEAST_SPREAD)
    return np.asarray(-np.log(spread) - ((values - means) / spread) ** 2 / 2)


def measure(statistic: Matrix, inside: Inside, outlying: int, rng: np.random.Generator) -> tuple[ShadowResult, ...]:
    """Return AUC and found members of both kinds of records.

    Intervals: 95 %, bootstrap over records and over pairs of shadows, both at once (Owen and Eckles, "Bootstrapping
    data arrays of arbitrary order", Ann. Appl. Stat. 2012): over records alone they came out too narrow.

    Parameters
    ----------
    statistic, inside
        As for `likelihood_ratios`; the first ``outlying`` targets are the outlying ones.
    """
    ratios = likelihood_ratios(statistic, inside)
    kinds = {"outlying": slice(None, outlying), "random": slice(outlying, None)}
    return tuple(_result(name, ratios[:, of], inside[:, of], rng) for name, of in kinds.items())


def _result(name: str, ratios: Matrix, inside: Inside, rng: np.random.Generator) -> ShadowResult:
    shadows, records = ratios.shape
    of_records, of_pairs = resamples(records, rng), resamples(shadows // 2, rng)
    weights = (np.repeat(of_pairs, 2, axis=1)[:, :, None] * of_records[:, None, :]).reshape(len(of_pairs), -1)
    member, score = inside.ravel(), ratios.ravel()
    return ShadowResult(
        records=name,
        attacked=records,
        auc=estimate(auc(member, score, weights)),
        found_at_1=estimate(found_at(member, score, weights)),
        found_at_10=estimate(found_at(member, score, weights, false_positives=0.1)),
    )


def estimate(resampled: Matrix) -> Estimate:
    """Return a figure and its 95 % interval from resamples of which the first is the figure itself."""
    low, high = np.percentile(resampled[1:], _TAILS)
    return Estimate(value=float(resampled[0]), low=float(low), high=float(high))

"""Canaries: made-up records put into training data, and looked for in what the model then releases.

Carlini, Liu, Erlingsson, Kos and Song, "The secret sharer" (USENIX Security 2019). What is new for tables: decoys are
the canaries' own values in other combinations. A model that knows margins alone treats both alike, however rare the
values are that the canaries brought along, so that only records that were learned as a whole count as memorised.

Models that learn canaries are made for the audit and thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthcredit.datasets.schema import TableSchema
from synthcredit.evidence.audit import CanaryResult, Estimate
from synthcredit.evidence.audit_shadow import estimate, statistics
from synthcredit.evidence.nearest import Space, nearest
from synthcredit.evidence.utility import resamples
from synthcredit.synthesizers.codec import decode, encode
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric, rows_of, take

Matrix = NDArray[np.float64]
Positions = NDArray[np.int64]

RECOMBINATIONS = 199
"""How often canaries are recombined: the smallest p-value is then 1/200."""
_TAIL = 0.01
"""Numbers of canaries lie in the outer 1 % at either end."""
_FEWEST_CATEGORIES = 2


@dataclass(frozen=True, slots=True)
class Canaries:
    """The made-up records of one model, and their decoys.

    Parameters
    ----------
    table
        The records, under all columns of the schema, to be inserted.
    candidates
        The same records and then each recombination of them, ``(1 + RECOMBINATIONS) * count`` rows.
    """

    table: pa.Table
    candidates: Features

    @property
    def count(self) -> int:
        """How many records are made up."""
        return int(self.table.num_rows)


def make_up(train: Features, schema: TableSchema, count: int, seed: int, rng: np.random.Generator) -> Canaries:
    """Make up rare records that the schema allows.

    Numbers are drawn evenly from the outer 1 % of the training rows, within their range, and written as the column
    is; categories from the rarer half, two at least. Columns are drawn apart, so that combinations are rare.

    Parameters
    ----------
    seed
        For the columns that are made new for every row, such as identifiers.
    """
    drawn = {name: _rare(feature, count, rng) for name, feature in train.items()}
    table = pa.Table.from_batches([decode(drawn, schema, first_row=0, rows=count, seed=seed)])
    # Encoded again, since decoding rounds.
    return Canaries(table, _with_recombined(encode(table, schema), rng))


def _rare(feature: Feature, count: int, rng: np.random.Generator) -> Feature:
    if isinstance(feature, Discrete):
        counts = np.bincount(feature.codes, minlength=feature.size)
        present = np.flatnonzero(counts)
        half = max((len(present) + 1) // 2, _FEWEST_CATEGORIES)
        rarest = present[np.argsort(counts[present], kind="stable")][:half]
        return Discrete(rng.choice(rarest, count).astype(np.int32), feature.size)
    known = feature.values[np.isfinite(feature.values)]
    if not known.size:
        return Numeric(np.full(count, np.nan))
    lowest, low, high, highest = np.quantile(known, [0, _TAIL, 1 - _TAIL, 1])
    above = rng.random(count) < 0.5
    share = rng.random(count)
    return Numeric(np.where(above, high + (highest - high) * share, lowest + (low - lowest) * share))


def _with_recombined(features: Features, rng: np.random.Generator) -> Features:
    """Return the records, followed by `RECOMBINATIONS` tables in which every column is shuffled on its own."""
    rows = rows_of(features)
    mixed = {}
    for name, feature in features.items():
        orders = [np.arange(rows), *(rng.permutation(rows) for _ in range(RECOMBINATIONS))]
        mixed[name] = take({name: feature}, np.concatenate(orders))[name]
    return mixed


def with_inserted(train: pa.Table, canaries: Canaries, repeats: int) -> pa.Table:
    """Return training rows with each canary so many times among them."""
    return pa.concat_tables([train, *[canaries.table.cast(train.schema)] * repeats])


def look_for(canaries: Canaries, released: Features, space: Space) -> tuple[Matrix, int]:
    """Return how near synthetic rows come to each candidate, and how many canaries they repeat exactly.

    Returns
    -------
    numpy.ndarray, int
        Mean log distances, shape (candidates,); see `audit_shadow.statistics`.
    """
    own = take(canaries.candidates, np.arange(canaries.count))
    exact = nearest(space.points(own), released, space)[0][:, 0] == 0
    return statistics(canaries.candidates, released, space), int(exact.sum())


def measure(
    repeats: int,
    found: Sequence[Matrix],
    plain: Sequence[Sequence[Matrix]],
    exact: Sequence[int],
    count: int,
    rng: np.random.Generator,
) -> CanaryResult:
    """Judge the models that learned their canaries so many times, beside models that learned none.

    A candidate's score is how much nearer the release has come to it: its mean log distance under models that learned
    no canary, less that under the model which did.

    - exposure: ``log2(decoys + 1) - log2(rank)``, the mean rank where scores tie; by chance about log2(e) = 1.44.
      Interval: 95 %, bootstrap over canaries.
    - p-value: the mean score of the canaries, among that of each recombination of them, ``(1 + exceeding) / 200``.
      Exact for every model that knows margins alone: to it the canaries are one more recombination.

    Parameters
    ----------
    found
        For each model, mean log distances of its own candidates, shape (candidates,).
    plain
        For each of these models, the same candidates under the models that it is compared with.
    exact
        For each of these models, how many canaries its release repeats exactly.
    count
        Canaries a model; the first of the candidates.
    """
    scores = np.stack([np.mean(others, axis=0) - own for own, others in zip(found, plain, strict=True)])
    means = scores.reshape(len(found), -1, count).mean(axis=(0, 2))
    ranks = np.concatenate([_ranks(each, count) for each in scores])
    decoys = scores.shape[1] - count
    exposures = np.log2(decoys + 1) - np.log2(ranks)
    weights = resamples(len(exposures), rng) / len(exposures)
    return CanaryResult(
        repeats=repeats,
        models=len(found),
        canaries=len(exposures),
        decoys=decoys,
        exposure=estimate(weights @ exposures),
        by_chance=float(np.log2(decoys + 1) - np.log2(np.arange(1, decoys + 2)).mean()),
        nearest=share_of(int((ranks == 1).sum()), len(ranks)),
        exact=share_of(sum(exact), len(ranks)),
        p_value=float((1 + (means[1:] >= means[0] - 1e-12).sum()) / len(means)),
    )


def _ranks(scores: Matrix, count: int) -> Matrix:
    """Return the rank of each canary among the decoys, 1 the highest score, shape (count,)."""
    decoys = np.sort(-scores[count:])
    own = -scores[:count]
    return 1 + (np.searchsorted(decoys, own, side="left") + np.searchsorted(decoys, own, side="right")) / 2


def share_of(hits: int, of: int) -> Estimate:
    """Return a share with Wilson's 95 % interval ("Probable inference", JASA 1927)."""
    z2 = 1.96**2
    share = hits / of
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = 1.96 / (1 + z2 / of) * float(np.sqrt(share * (1 - share) / of + z2 / (4 * of**2)))
    return Estimate(value=share, low=max(0.0, middle - half), high=min(1.0, middle + half))

"""Contamination: whether a holdout is one, that is whether neither the model nor its rows have seen it.

Every figure of the evidence is read against the holdout. One that shares rows with train, or that the synthetic rows
were made from, makes copies look like coincidence, so that it is refused rather than reported.

Real tables have rows that are equal by coincidence, few in wide tables and most rows in tables of a few categories. So
overlap is compared with what coincidence explains, never with none:

- *holdout and train*: take all rows of both, in groups of equal rows. Had the rows been cut at random, a group of k
  would lie on both sides with probability ``1 - C(n, k) / C(N, k) - C(m, k) / C(N, k)`` (n training, m holdout rows,
  N both). Copied rows make groups that lie on both sides surely. A cut by time or customer, or rows that are dependent,
  leave fewer groups on both sides, not more, so that they are no false alarm.
- *with a key*: rows whose key and contents both agree, beyond the agreement of contents among rows paired at random
  (keys may have been numbered anew in each file, and mean nothing then).
- *synthetic and holdout*: of the rows that only one real person has, the share that a synthetic row equals: among the
  holdout's and, as control, among train's, which a model may have learned by heart; and against what fresh real rows
  and independent columns would hit by coincidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import gammaln

from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import Problem, raise_all
from synthcredit.evidence.privacy import row_hashes
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Features, rows_of, take

MIN_EQUAL = 5
"""Fewer equal rows than this change no figure, and may be chance."""
_Z = 3.1
"""One-sided: 99.9 %, of a thousand clean holdouts one is refused by chance."""
_DISTINCT = 10
"""Two tables of the same rows, at least so many of them distinct, are the same table."""
_MANY_TIMES = 3.0
"""How much more often than by coincidence rows must be hit: a coarse model hits some rows oftener than real rows do."""
_TWICE = 2.0

Hashes = NDArray[np.uint64]

_OVERLAP_FIX = (
    "Give real rows as holdout that no model was trained on, or none: then the report says what is not judged."
)
_MADE_FIX = "Give a holdout that the synthetic rows were not made from."


def require_disjoint(
    train: pa.Table, holdout: pa.Table, schema: TableSchema, *, synthetic: pa.Table | None = None
) -> None:
    """Refuse a holdout that overlaps train or synthetic rows by more than coincidence.

    Parameters
    ----------
    train, holdout
        The real rows that the model learned from, and those that it is said not to have seen.
    schema
        Of all tables. Rows are compared over the learned columns, in original values, missing equal to missing.
    synthetic
        The synthetic rows, or a drawn sample of them; None where a model is at hand that learned from train alone.

    Raises
    ------
    InvalidInputError
        The holdout is contaminated; with counts, both overlaps at once.
    """
    if not schema.learned or not train.num_rows or not holdout.num_rows:
        return
    problems = list(_with_train(train, holdout, schema))
    if synthetic is not None and synthetic.num_rows:
        problems += _with_synthetic(synthetic, train, holdout, schema)
    raise_all(problems)


def _with_train(train: pa.Table, holdout: pa.Table, schema: TableSchema) -> Iterator[Problem]:
    known, held = row_hashes(encode(train, schema)), row_hashes(encode(holdout, schema))
    if _same(known, held):
        yield Problem("holdout", "it has the same rows as the real data", _OVERLAP_FIX)
        return
    count = int(np.isin(held, known).sum())
    both, expected = groups_on_both_sides(known, held)
    if both >= MIN_EQUAL and both > expected[0] + _Z * expected[1] + 0.5:
        yield Problem(
            "holdout",
            f"it overlaps the real data: {count:,} of its {len(held):,} rows equal a row of the real data. "
            f"{both:,} groups of equal rows lie on both sides, coincidence explains {expected[0]:,.0f}",
            _OVERLAP_FIX,
        )
        return
    if schema.primary_key is not None:
        agreeing = _agreeing_keys(train, holdout, known, held, schema.primary_key)
        if agreeing is not None:
            yield Problem(
                "holdout",
                f"it overlaps the real data: {agreeing:,} of its {len(held):,} rows have both the key "
                f"('{schema.primary_key}') and the contents of a row of the real data",
                _OVERLAP_FIX,
            )


def groups_on_both_sides(known: Hashes, held: Hashes) -> tuple[int, tuple[float, float]]:
    """Count groups of equal rows that lie on both sides, and how many a random cut of the same rows would give.

    Parameters
    ----------
    known, held
        Hashes of the rows of either side, shape (n,) and (m,).

    Returns
    -------
    found, (mean, standard deviation)
        Groups taken as independent, which overstates the deviation a little.
    """
    values, counts = np.unique(np.concatenate([known, held]), return_counts=True)
    several = values[counts > 1]
    sizes = counts[counts > 1].astype(np.float64)
    found = int((np.isin(several, known) & np.isin(several, held)).sum())
    n, m = float(len(known)), float(len(held))
    both = (
        1
        - np.exp(_log_choose(n, sizes) - _log_choose(n + m, sizes))
        - np.exp(_log_choose(m, sizes) - _log_choose(n + m, sizes))
    )
    both = np.clip(both, 0.0, 1.0)
    return found, (float(both.sum()), math.sqrt(float((both * (1 - both)).sum())))


def _log_choose(n: float, k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log C(n, k); -inf where k is above n."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(k <= n, gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1), -np.inf)


def _agreeing_keys(train: pa.Table, holdout: pa.Table, known: Hashes, held: Hashes, key: str) -> int | None:
    """Return how many holdout rows agree with a training row in key and contents, where that is no coincidence."""
    ours = pd.DataFrame({"key": train[key].to_pandas(), "known": known}).dropna().drop_duplicates("key")
    theirs = pd.DataFrame({"key": holdout[key].to_pandas(), "held": held}).dropna()
    shared = theirs.merge(ours, on="key")
    agreeing = int((shared["known"] == shared["held"]).sum())
    rate = _agreement(known, held)
    expected = rate * len(shared)
    return agreeing if agreeing >= MIN_EQUAL and agreeing > expected + _Z * math.sqrt(expected) + 0.5 else None


def _agreement(one: Hashes, other: Hashes) -> float:
    """Return the probability that a row of one side equals a row of the other, both drawn at random."""
    values, counts = np.unique(one, return_counts=True)
    others, other_counts = np.unique(other, return_counts=True)
    _, left, right = np.intersect1d(values, others, assume_unique=True, return_indices=True)
    return float((counts[left] / len(one) * (other_counts[right] / len(other))).sum())


def _with_synthetic(synthetic: pa.Table, train: pa.Table, holdout: pa.Table, schema: TableSchema) -> Iterator[Problem]:
    made, people = encode(synthetic, schema), encode(holdout, schema)
    hashes, known, held = row_hashes(made), row_hashes(encode(train, schema)), row_hashes(people)
    if _same(hashes, held):
        yield Problem("holdout", "it has the same rows as the synthetic data", _MADE_FIX)
        return
    values, counts = np.unique(np.concatenate([known, held]), return_counts=True)
    alone = np.isin(held, values[counts == 1])
    own, control = held[alone], known[np.isin(known, values[counts == 1])]
    hits, control_hits = int(np.isin(own, hashes).sum()), int(np.isin(control, hashes).sum())
    if hits < MIN_EQUAL:
        return
    # Good and Turing: a new real row is one that was seen once so far with probability 2 f2 / N, f2 being the number of
    # rows that were seen twice (Good, Biometrika 1953).
    rows = len(hashes)
    fresh = rows * 2 * int((counts == 2).sum()) / (len(known) + len(held)) * len(own) / (len(own) + len(control))
    chance = _MANY_TIMES * max(fresh, _hits_of_independent_columns(made, take(people, np.flatnonzero(alone))))
    if hits > chance + _Z * math.sqrt(chance) + 0.5 or _oftener(hits, len(own), control_hits, len(control)):
        yield Problem(
            "holdout",
            f"synthetic rows repeat it: of {len(own):,} rows that only one real person has, {hits:,} stand among the "
            f"synthetic rows; coincidence explains at most {min(chance, len(own)):,.0f}, and of such rows of the real "
            f"data {control_hits:,} of {len(control):,} are repeated",
            _MADE_FIX,
        )


def _oftener(hits: int, of: int, control_hits: int, control_of: int) -> bool:
    """Tell whether the holdout's rows are hit surely oftener than those a model learned from (pooled z test)."""
    if not control_of:
        return False
    share, control = hits / of, control_hits / control_of
    pooled = (hits + control_hits) / (of + control_of)
    error = math.sqrt(pooled * (1 - pooled) * (1 / of + 1 / control_of))
    return share - control > _Z * error and share > _TWICE * control


def _hits_of_independent_columns(made: Features, people: Features) -> float:
    """Return how many of some rows would be hit by as many rows as were made, their columns drawn independently."""
    rows = rows_of(made)
    chance = np.full(rows_of(people), float(rows))
    for name, feature in people.items():
        synthetic = made[name]
        one, other = (
            pd.Series(side.codes if isinstance(side, Discrete) else side.values) for side in (synthetic, feature)
        )
        frequent = one.value_counts(normalize=True, dropna=False)
        chance *= other.map(frequent).fillna(0.0).to_numpy()
    return float(np.minimum(chance, 1.0).sum())


def _same(one: Hashes, other: Hashes) -> bool:
    """Tell whether two tables have the same rows, in whatever order."""
    if len(one) != len(other):
        return False
    values, counts = np.unique(one, return_counts=True)
    others, other_counts = np.unique(other, return_counts=True)
    return len(values) >= _DISTINCT and np.array_equal(values, others) and np.array_equal(counts, other_counts)

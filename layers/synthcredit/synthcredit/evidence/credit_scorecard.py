"""Scorecards by the book: bins, weights of evidence, a logistic regression, points; and what they decide.

Siddiqi, "Credit risk scorecards" (2006); Thomas, Edelman and Crook, "Credit scoring and its applications" (2002).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

from synthcredit.evidence.credit_bins import (
    MIN_GROUP,
    BinnedRows,
    Columns,
    Flags,
    Judged,
    Setting,
    States,
    Vector,
    around,
    by_bin,
    percentiles,
)
from synthcredit.evidence.credit_curves import WEAK, covariance, curve, powers
from synthcredit.evidence.model import Detail, Figure
from synthcredit.evidence.utility import auc

MAX_CHARACTERISTICS = 15
"""Scorecards have 8 to 15 of them (Siddiqi 2006)."""
MOST_ALIKE = 0.75
"""Columns whose weights of evidence correlate more are not in one scorecard: their signs would be chance."""
POINTS, AT_ODDS, TO_DOUBLE = 600.0, 50.0, 20.0
APPROVED = 0.7
_APPROVAL_RATES = tuple(percent / 100 for percent in range(50, 91, 5))
_SPLITS = 10
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Card:
    """A scorecard.

    Parameters
    ----------
    parts
        What each bin adds to the log odds of being good, by characteristic, each shape (bins,).
    constant
        The log odds that all share.
    """

    parts: dict[str, Vector]
    constant: float

    def score(self, states: Mapping[str, States]) -> Vector:
        """Return the log odds of being good, shape (rows,), of rows given by their bins."""
        total = np.full(len(next(iter(states.values()))), self.constant)
        for name, part in self.parts.items():
            total += part[states[name]]
        return total

    def points(self, name: str) -> Vector:
        """Return the points of each bin of a characteristic: 600 at odds of 50 to 1, 20 more double the odds.

        ``(part + constant / k) factor + offset / k`` for k characteristics, ``factor = 20 / ln 2``, ``offset = 600 -
        factor ln 50`` (Siddiqi 2006, ch. 6, "scorecard scaling").
        """
        factor = TO_DOUBLE / math.log(2)
        offset = POINTS - factor * math.log(AT_ODDS)
        return (self.parts[name] + self.constant / len(self.parts)) * factor + offset / len(self.parts)


def characteristics(setting: Setting) -> list[str]:
    """Choose a scorecard's columns on real training rows: by information value, none much like one chosen before."""
    power = powers(setting)
    chosen: dict[str, Vector] = {}
    every = np.ones((1, setting.train.rows))
    for name in sorted(power, key=lambda name: -power[name]):
        if power[name] < WEAK or len(chosen) == MAX_CHARACTERISTICS:
            break
        states = setting.train.states[name]
        coded = curve(by_bin(states, setting.train.bad, setting.columns.sizes[name], every)).woe[0][states]
        if all(abs(np.corrcoef(coded, other)[0, 1]) <= MOST_ALIKE for other in chosen.values()):
            chosen[name] = coded
    return list(chosen)


def fit(side: BinnedRows, names: Sequence[str], columns: Columns) -> Card:
    """Fit a scorecard on some rows, with the weights of evidence of these very rows.

    Logistic regression of good on weights of evidence; scikit-learn's default ridge (C = 1), which keeps it finite on
    few rows and is nothing on many.
    """
    every = np.ones((1, side.rows))
    woe = {name: curve(by_bin(side.states[name], side.bad, columns.sizes[name], every)).woe[0] for name in names}
    if side.bad.all() or not side.bad.any():
        # Drawn rows of one class teach nothing: everyone has the same score.
        good = side.rows - int(side.bad.sum())
        return Card(
            {name: np.zeros(columns.sizes[name]) for name in names}, math.log((good + 0.5) / (side.rows - good + 0.5))
        )
    x = np.column_stack([woe[name][side.states[name]] for name in names])
    model = LogisticRegression(max_iter=1_000).fit(x, ~side.bad)
    return Card(
        {name: float(of) * woe[name] for name, of in zip(names, model.coef_[0], strict=True)},
        float(model.intercept_[0]),
    )


def judge_ranking(setting: Setting, cards: Mapping[str, Card], weights: Vector, rows: int) -> dict[Figure, Judged]:
    """Judge the AUC on the holdout, real minus synthetic, with a percentile bootstrap over holdout rows.

    ``AUC of the scorecard of real rows - AUC of that of synthetic rows``: TSTR (Esteban, Hyland and Rätsch 2017) with a
    scorecard by the book (Siddiqi 2006) as the model.
    """
    of = {name: auc(~setting.holdout.bad, card.score(setting.holdout.states), weights) for name, card in cards.items()}
    remark = (
        f"Trained on {rows:,} rows each, on {len(cards['real'].parts)} characteristics; on {setting.holdout.rows:,} "
        f"holdout rows the synthetic scorecard reaches an AUC of {of['synthetic'][0]:.3f}, the real one "
        f"{of['real'][0]:.3f}."
    )
    return {Figure.SCORECARD_LOSS: percentiles(of["real"] - of["synthetic"], 0.0, rows, remark)}


@dataclass(frozen=True, slots=True)
class _Decided:
    """How two scorecards differ in what they decide about the holdout.

    Parameters
    ----------
    signs
        Share of characteristics that push the score the same way.
    gaps
        By figure: the difference in what they decide, each shape (resamples,).
    fairness
        By protected column: adverse impact ratio of the real and of the other one, and so the gap of equal opportunity.
    """

    signs: float
    gaps: dict[Figure, Vector]
    fairness: dict[str, tuple[float, float, float, float]]


def judge_decisions(
    setting: Setting,
    names: Sequence[str],
    weights: Vector,
    ties: NDArray[np.int64],
    rng: np.random.Generator,
    details: list[Detail],
) -> dict[Figure, Judged]:
    """Compare a synthetic with a real scorecard, and another real one with that, the mean over ten splits of train.

    Two scorecards of few rows differ by chance alone, so all three learn from equally many rows: the real ones from
    half of the training rows each. What differs from half to half is also how uncertain the mean is that a whole table
    would give (half-samples: McCarthy, "Pseudo-replication", Review of the ISI 1969; Shao and Wu, "A general theory for
    jackknife variance estimation", Annals of Statistics 1989): the intervals have it beside the bootstrap over holdout
    rows.
    """
    rows = min(setting.train.rows // 2, setting.synthetic.rows)
    synthetic, fresh = [], []
    for _ in range(_SPLITS):
        order = rng.permutation(setting.train.rows)
        halves = (setting.train.take(half) for half in (order[:rows], order[rows : 2 * rows]))
        real, other = (fit(half, names, setting.columns) for half in halves)
        card = fit(setting.synthetic.draw(rows, rng), names, setting.columns)
        synthetic.append(_decide(card, real, setting, weights, ties))
        fresh.append(_decide(other, real, setting, weights, ties))
    remark = f"Mean over {_SPLITS} scorecards a side, each of {rows:,} rows, on {setting.holdout.rows:,} applicants."
    judged = {Figure.SCORECARD_SIGNS: _judge_signs(synthetic, fresh, len(names), rows, remark)}
    remarks = {Figure.ADVERSE_IMPACT_GAP: f"Columns: {', '.join(setting.groups)}. {remark}"}
    for figure in synthetic[0].gaps:
        made, beside = ([of.gaps[figure] for of in side] for side in (synthetic, fresh))
        judged[figure] = _over_splits(figure, made, beside, rows, remarks.get(figure, remark))
    if setting.groups:
        details.append(_fairness_detail(synthetic))
        return judged
    return judged | {Figure.ADVERSE_IMPACT_GAP: Judged(why_not=_NO_GROUPS)}


_NO_GROUPS = (
    "no learned column's name tells of a protected characteristic (sex, age, nationality ...) that has two groups of "
    f"at least {MIN_GROUP} holdout rows"
)


def _judge_signs(
    synthetic: Sequence[_Decided], fresh: Sequence[_Decided], characteristics: int, rows: int, remark: str
) -> Judged:
    value = float(np.mean([of.signs for of in synthetic]))
    low, high = wilson(round(value * characteristics), characteristics)
    return Judged(
        value,
        min(low, value),
        max(high, value),
        float(np.mean([of.signs for of in fresh])),
        rows,
        remark=f"{characteristics} characteristics. {remark}",
    )


def _over_splits(
    figure: Figure, synthetic: Sequence[Vector], fresh: Sequence[Vector], rows: int, remark: str
) -> Judged:
    of_fits = float(np.std([of[0] for of in synthetic], ddof=1))
    beside = float(np.mean([of[0] for of in fresh]))
    return around(figure, np.mean(synthetic, axis=0), beside, rows, remark, besides=of_fits)


def _decide(made: Card, real: Card, setting: Setting, weights: Vector, ties: NDArray[np.int64]) -> _Decided:
    """Return how two scorecards differ in what they decide, each approving its best applicants, equally many.

    Swap set: ``applicants approved by exactly one of the two / applicants`` (Siddiqi 2006, ch. 6). Adverse impact:
    ``max over protected columns |ratio - ratio'|``, see `_impact_ratio`.
    """
    scores = [card.score(setting.holdout.states) for card in (made, real)]
    approved = [approve(score, ties, APPROVED) for score in scores]
    gaps = {
        Figure.SWAP_SET: (weights @ (approved[0] != approved[1]).astype(np.float64)) / setting.holdout.rows,
        Figure.BAD_RATE_GAP: _bad_rate_gap(scores, setting.holdout.bad, weights, ties),
    }
    good = (~setting.holdout.bad).astype(np.float64)
    impacts, fairness = [], {}
    for name, groups in setting.groups.items():
        ratios = [_impact_ratio(approval_by_group(of, groups, weights)) for of in approved]
        # Equal opportunity: among those who paid, so bad rows count for nothing.
        spreads = [float(np.ptp(approval_by_group(of, groups, good[None]))) for of in approved]
        impacts.append(np.abs(ratios[0] - ratios[1]))
        fairness[name] = (float(ratios[1][0]), float(ratios[0][0]), spreads[1], spreads[0])
    if impacts:
        gaps[Figure.ADVERSE_IMPACT_GAP] = np.max(impacts, axis=0)
    return _Decided(_signs(made, real, setting.columns), gaps, fairness)


def _bad_rate_gap(scores: Sequence[Vector], bad: Flags, weights: Vector, ties: NDArray[np.int64]) -> Vector:
    """Return the largest gap, over approval rates, of the bad rate among the approved, shape (resamples,).

    ``max over rates |bad of one / approved - bad of the other / approved|``: the strategy curves of Thomas, Edelman and
    Crook (2002), ch. 7, compared.
    """
    gaps = []
    for rate in _APPROVAL_RATES:
        passed = [approve(score, ties, rate).astype(np.float64) for score in scores]
        one, other = ((weights @ (of * bad)) / np.maximum(weights @ of, 1.0) for of in passed)
        gaps.append(np.abs(one - other))
    return np.asarray(np.max(gaps, axis=0))


def _impact_ratio(rates: Vector) -> Vector:
    """Return the lowest over the highest approval rate of any group, shape (resamples,).

    The "four-fifths rule" of the US Uniform Guidelines on Employee Selection Procedures (29 CFR 1607.4 D, 1978), in use
    for lending too. Equal opportunity beside it after Hardt, Price and Srebro, "Equality of opportunity in supervised
    learning" (NeurIPS 2016).
    """
    return np.asarray(rates.min(axis=1) / np.maximum(rates.max(axis=1), 1e-12))


def approve(scores: Vector, ties: NDArray[np.int64], rate: float) -> Flags:
    """Approve the best, exactly this share of applicants; among equal scores those whom ``ties`` puts first."""
    passed = np.zeros(len(scores), dtype=bool)
    passed[np.lexsort((ties, -scores))[: round(rate * len(scores))]] = True
    return passed


def approval_by_group(approved: Flags, groups: States, weights: Vector) -> Vector:
    """Return the approval rate of each group, shape (resamples, groups); rows of group -1 are left out."""
    member = (groups[:, None] == np.arange(groups.max() + 1)).astype(np.float64)
    return np.asarray((weights @ (member * approved[:, None])) / np.maximum(weights @ member, 1.0))


def _signs(made: Card, real: Card, columns: Columns) -> float:
    """Return the share of characteristics that push the score the same way.

    A coefficient on a scorecard's own weights of evidence is nearly always positive, whatever the data. So the sign is
    that of the made scorecard's points over the real one's: ``covariance > 0`` over bins, weighted by real rows. Signs
    that agree with sense are asked of any scorecard (Siddiqi 2006, ch. 6).
    """
    agree = [
        covariance(part[None], real.parts[name][None], columns.shares[name])[0] > 0 for name, part in made.parts.items()
    ]
    return float(np.mean(agree))


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson, JASA 1927)."""
    found = binomtest(hits, of).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def points_detail(setting: Setting, cards: Mapping[str, Card]) -> Detail:
    """Return the points of both scorecards side by side."""
    points = {name: [card.points(name) for card in (cards["real"], cards["synthetic"])] for name in cards["real"].parts}
    apart = {name: float(np.abs(real - made).max()) for name, (real, made) in points.items()}
    return Detail(
        name="scorecard_points",
        title=f"Points of the two scorecards ({POINTS:.0f} at odds of {AT_ODDS:.0f} to 1, {TO_DOUBLE:.0f} double the "
        "odds), characteristics that differ most first",
        heading=("characteristic", "bin", "real", "synthetic"),
        rows=tuple(
            (name, label, float(points[name][0][state]), float(points[name][1][state]))
            for name in sorted(apart, key=lambda name: -apart[name])[:_MOST_SHOWN]
            for state, label in enumerate(setting.columns.labels[name])
        ),
    )


def approval_detail(setting: Setting, cards: Mapping[str, Card], ties: NDArray[np.int64]) -> Detail:
    """Return the bad rate among the approved by approval rate, of both scorecards, and of synthetic rows."""
    made, held = setting.synthetic, setting.holdout
    own_ties = np.arange(made.rows)
    scores = {name: card.score(held.states) for name, card in cards.items()}
    promised = cards["synthetic"].score(made.states)
    return Detail(
        name="bad_rate_by_approval",
        title="Bad rate among the approved, by approval rate",
        heading=("approval rate", "real scorecard", "synthetic scorecard", "what synthetic rows promise"),
        rows=tuple(
            (
                rate,
                *(float(held.bad[approve(scores[name], ties, rate)].mean()) for name in ("real", "synthetic")),
                float(made.bad[approve(promised, own_ties, rate)].mean()),
            )
            for rate in _APPROVAL_RATES
        ),
    )


def _fairness_detail(decided: Sequence[_Decided]) -> Detail:
    return Detail(
        name="adverse_impact",
        title=f"Approval of groups of real applicants, {APPROVED:.0%} approved; adverse impact ratio: the lowest over "
        "the highest approval rate, four fifths is the usual limit; equal opportunity: the largest gap of approval "
        "among those who paid",
        heading=(
            *("column", "impact ratio, real", "impact ratio, synthetic"),
            *("equal opportunity, real", "equal opportunity, synthetic"),
        ),
        rows=tuple(
            (name, *np.mean([of.fairness[name] for of in decided], axis=0).tolist()) for name in decided[0].fairness
        ),
    )

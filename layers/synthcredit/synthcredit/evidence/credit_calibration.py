"""Default probabilities of scorecards by the outcomes of real applicants: calibration, Brier score, and grades."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.stats import beta, chi2

from synthcredit.evidence.aggregates import MIN_CELL
from synthcredit.evidence.credit_bins import (
    Flags,
    Judged,
    Setting,
    States,
    Vector,
    Z,
    around,
    by_bin,
    percentiles,
    score_bands,
)
from synthcredit.evidence.credit_scorecard import Card, wilson
from synthcredit.evidence.model import Detail, Figure

_MOST_GRADES = 10
_ROWS_A_GRADE = 20
_STEPS = 50
_PRECISE = 1e-8
_STEEPEST = 50.0


def judge_probabilities(
    setting: Setting, cards: Mapping[str, Card], weights: Vector, rows: int, details: list[Detail]
) -> dict[Figure, Judged]:
    """Judge the default probabilities of either scorecard by the real outcomes of the holdout.

    Brier score: mean of ``(PD - outcome)^2`` (Brier, "Verification of forecasts expressed in terms of probability",
    Monthly Weather Review 1950), with a percentile bootstrap over holdout rows.
    """
    bad = setting.holdout.bad.astype(np.float64)
    odds = {name: -card.score(setting.holdout.states) for name, card in cards.items()}
    error = {name: (_probability(of) - bad) ** 2 for name, of in odds.items()}
    brier = {name: (weights @ of) / len(bad) for name, of in error.items()}
    recalibrated = {name: recalibrate(of, setting.holdout.bad) for name, of in odds.items()}
    judged = {Figure.BRIER_LOSS: percentiles(brier["synthetic"] - brier["real"], 0.0, rows)}
    for figure, place in ((Figure.CALIBRATION_INTERCEPT, 0), (Figure.CALIBRATION_SLOPE, 1)):
        found, fresh = (recalibrated[name][place] for name in ("synthetic", "real"))
        judged[figure] = (
            Judged(why_not="the synthetic scorecard gives every real applicant nearly the same probability")
            if found is None
            else Judged(
                found[0], found[0] - Z * found[1], found[0] + Z * found[1], None if fresh is None else fresh[0], rows
            )
        )
    details.append(_calibration_detail(odds, setting, recalibrated, brier))
    return judged


Estimate = tuple[float, float]
"""A value and its standard error."""


def recalibrate(log_odds: Vector, bad: Flags) -> tuple[Estimate | None, Estimate | None]:
    """Return the calibration intercept and slope, each with its standard error; None where there is no estimate.

    Slope: b of ``logit P(bad) = a + b logit PD`` by maximum likelihood (Cox, "Two further applications of a model for
    binary regression", Biometrika 1958). Intercept: a with b held at 1, calibration in the large, which unlike a of
    the first model does not move with the slope (Steyerberg, "Clinical prediction models", 2009, ch. 15).

    Parameters
    ----------
    log_odds
        Logit of the default probability, shape (rows,).
    bad
        Whether the row defaulted, shape (rows,).
    """
    ones = np.ones((len(bad), 1))
    level = _newton(ones, log_odds, bad)
    slope = None
    if np.std(log_odds) > _PRECISE:
        slope = _newton(np.column_stack([ones, log_odds]), np.zeros(len(bad)), bad)
    return level, slope


def _newton(x: Vector, offset: Vector, bad: Flags) -> Estimate | None:
    """Return the last coefficient of a logistic regression without penalty, by Newton's method."""
    coefficients = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        chance = _probability(x @ coefficients + offset)
        information = (x * (chance * (1 - chance))[:, None]).T @ x
        if np.linalg.cond(information) > 1 / _PRECISE:
            return None
        step = np.linalg.solve(information, x.T @ (bad - chance))
        coefficients = coefficients + np.clip(step, -_STEEPEST, _STEEPEST)
        if np.abs(step).max() < _PRECISE:
            return float(coefficients[-1]), float(np.sqrt(np.linalg.inv(information)[-1, -1]))
    return None


def _probability(log_odds: Vector) -> Vector:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -700, 700))))


def _calibration_detail(
    odds: Mapping[str, Vector],
    setting: Setting,
    recalibrated: Mapping[str, tuple[Estimate | None, Estimate | None]],
    brier: Mapping[str, Vector],
) -> Detail:
    rows = []
    for name in ("real", "synthetic"):
        level, slope = recalibrated[name]
        statistic, p = hosmer_lemeshow(_probability(odds[name]), setting.holdout.bad)
        rows.append((
            f"{name} scorecard",
            None if level is None else level[0],
            None if slope is None else slope[0],
            float(brier[name][0]),
            statistic,
            p,
        ))  # fmt: skip
    return Detail(
        name="calibration",
        title="Calibration on the holdout; Hosmer-Lemeshow is shown for the record: with many rows it rejects any "
        "model, with few none",
        heading=("scorecard", "intercept", "slope", "Brier score", "Hosmer-Lemeshow", "p"),
        rows=tuple(rows),
    )


def hosmer_lemeshow(probability: Vector, bad: Flags) -> tuple[float, float]:
    """Return Hosmer and Lemeshow's statistic and its p-value.

    ``sum (defaults - expected)^2 / (n mean PD (1 - mean PD))`` over ten bands of equally many rows, chi-squared with as
    many degrees of freedom as bands, since the rows are not those that the model was fitted on (Hosmer and Lemeshow,
    Communications in Statistics 1980; "Applied logistic regression", 2000, ch. 5).
    """
    edges = score_bands(probability, _MOST_GRADES)
    band = np.searchsorted(edges, probability, side="right")
    rows, found, expected = (
        np.bincount(band, weights=of, minlength=len(edges) + 1) for of in (np.ones(len(bad)), bad, probability)
    )
    there = rows > 0
    rows, found, expected = rows[there], found[there], expected[there]
    statistic = float(((found - expected) ** 2 / np.maximum(expected * (1 - expected / rows), 1e-12)).sum())
    return statistic, float(chi2.sf(statistic, len(rows)))


# --- grades ----------------------------------------------------------------------------------------------------------


def judge_grades(
    setting: Setting, cards: Mapping[str, Card], weights: Vector, rows: int, details: list[Detail]
) -> dict[Figure, Judged]:
    """Judge whether default rates fall from grade to grade: bands of the score, fixed on real training rows."""
    held = setting.holdout
    most = min(_MOST_GRADES, max(2, held.rows // _ROWS_A_GRADE))
    order: dict[str, Vector] = {}
    grades = 0
    for name, card in cards.items():
        edges = score_bands(card.score(setting.train.states), most)
        grade = np.searchsorted(edges, card.score(held.states), side="right")
        details.append(_grade_detail(name, grade, len(edges) + 1, _probability(-card.score(held.states)), held.bad))
        tables = by_bin(grade, held.bad, len(edges) + 1, weights)
        tables = tables[:, tables[0].sum(axis=1) >= MIN_CELL]
        order[name] = pairs_in_order(tables)
        grades = tables.shape[1] if name == "synthetic" else grades
    if np.isnan(order["synthetic"][0]):
        return {Figure.GRADE_ORDER: Judged(why_not="the synthetic scorecard puts all real applicants into one grade")}
    fresh = None if np.isnan(order["real"][0]) else float(order["real"][0])
    remark = f"{grades} bands on {held.rows:,} holdout rows."
    return {Figure.GRADE_ORDER: around(Figure.GRADE_ORDER, order["synthetic"], fresh, rows, remark)}


def pairs_in_order(counts: Vector) -> Vector:
    """Return the share of pairs of grades, worst first, in which the better has the lower default rate.

    Ties count one half: ``(Kendall's tau-a + 1) / 2`` of grade and default rate. NaN where there is one grade.

    Parameters
    ----------
    counts
        Good and bad rows by grade, shape (resamples, grades, 2).

    Returns
    -------
    Vector
        Shape (resamples,).
    """
    if counts.shape[1] < 2:
        return np.full(len(counts), np.nan)
    rate = counts[..., 1] / np.maximum(counts.sum(axis=2), 1.0)
    worse, better = np.triu_indices(counts.shape[1], k=1)
    return np.asarray((np.sign(rate[:, worse] - rate[:, better]).mean(axis=1) + 1) / 2)


def _grade_detail(name: str, grade: States, size: int, probability: Vector, bad: Flags) -> Detail:
    return Detail(
        name=f"grades_{name}",
        title=f"Default rate of real applicants by grade of the {name} scorecard, with 95 % Wilson intervals; Jeffreys "
        "test near 0: the probability is too low",
        heading=("grade, worst first", "applicants", "forecast", "default rate", "low", "high", "Jeffreys p"),
        rows=tuple(_grade_rows(grade, size, probability, bad)),
    )


def _grade_rows(
    grade: States, size: int, probability: Vector, bad: Flags
) -> Iterator[tuple[str | float | None, ...]]:  # fmt: skip
    for number in range(size):
        inside = grade == number
        rows, defaults = int(inside.sum()), int(bad[inside].sum())
        if rows < MIN_CELL:
            yield (str(number + 1), None, None, None, None, None, None)
            continue
        forecast = float(probability[inside].mean())
        low, high = wilson(defaults, rows)
        yield (str(number + 1), rows, forecast, defaults / rows, low, high, jeffreys(forecast, defaults, rows))


def jeffreys(forecast: float, defaults: int, rows: int) -> float:
    """Return the p-value of the test that a forecast default probability is not too low.

    ``F(PD)`` of the Beta distribution (defaults + 1/2, rows - defaults + 1/2), the posterior of the default rate under
    Jeffreys' prior (ECB, "Instructions for reporting the validation results of internal models", 2019, 2.5; prior:
    Jeffreys, "An invariant form for the prior probability in estimation problems", 1946).
    """
    return float(beta.cdf(forecast, defaults + 0.5, rows - defaults + 0.5))

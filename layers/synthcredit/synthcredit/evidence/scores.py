"""Two scores from 0 to 100, quality and privacy, each as good as its worst part.

A part is read from one figure, between stated anchors, linear in between: 100 is what fresh real rows reach. A
mean would let good parts hide a bad one, so the total is the worst part; a gate judges figures, never a score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from synthcredit.evidence.limits import DETECTION_DECIDES_FROM, NOT_MEASURED
from synthcredit.evidence.model import Evidence, Figure, Grade, Measure, Score, ScorePart

GRADES: tuple[tuple[float, Grade], ...] = (
    (90.0, Grade.EXCELLENT),
    (75.0, Grade.GOOD),
    (55.0, Grade.FAIR),
    (30.0, Grade.POOR),
    (0.0, Grade.VERY_POOR),
)
"""The points from which on a score has a grade."""

_STANDARD_ERRORS_OF_AN_INTERVAL = 3.92
"""Of a two-sided 95 % interval, from end to end."""

Anchors = tuple[tuple[float, float], ...]
"""Figure and points, ascending by figure."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """How one part of a score is read.

    Parameters
    ----------
    anchors
        Figure and points, ascending by figure; linear in between, level outside.
    read
        Turns the figure into what the anchors are about: returns value and standard error, or why it cannot be.
    unit
        What the anchors are about, in words.
    fewest_rows
        Rows a side below which the figure says too little.
    """

    name: str
    figure: Figure
    anchors: Anchors
    unit: str
    read: Callable[[Evidence, Measure], tuple[float, float] | str]
    fewest_rows: int = 0


def score(evidence: Evidence) -> Evidence:
    """Return evidence with its two scores.

    A figure counts as up to one standard error better than measured, as in the one-standard-error rule (Breiman et al.,
    Classification and Regression Trees, 1984, section 3.4.3): what chance alone does to fresh real rows does not cost
    points.
    """
    return evidence.model_copy(
        update={
            "scores": (
                _score("quality", [_validity(evidence), *_parts(evidence, QUALITY)], needed=_QUALITY_NEEDS),
                _score("privacy", _parts(evidence, PRIVACY), needed=_PRIVACY_NEEDS),
            )
        }
    )


def grade_of(points: float) -> Grade:
    """Return the word for some points from 0 to 100."""
    return next(grade for least, grade in GRADES if points >= least)


def _score(name: str, parts: Sequence[ScorePart], needed: frozenset[str]) -> Score:
    judged = sorted((part for part in parts if part.points is not None), key=lambda part: part.points or 0.0)
    unjudged = [part for part in parts if part.points is None]
    missing = [part.name for part in unjudged if part.name in needed]
    ordered = (*judged, *unjudged)
    if missing or not judged:
        why = f"No score: {', '.join(missing) or 'nothing'} was not judged."
        return Score(name=name, points=None, grade=None, parts=ordered, reason=why)
    worst, points = judged[0], judged[0].points
    assert points is not None  # noqa: S101 - judged parts have points
    rest = f" Not judged: {', '.join(part.name for part in unjudged)}." if unjudged else ""
    reason = f"As good as its worst part, {worst.name}.{rest}"
    return Score(name=name, points=points, grade=grade_of(points), parts=ordered, reason=reason)


def _parts(evidence: Evidence, yardsticks: Sequence[Yardstick]) -> list[ScorePart]:
    return [_part(evidence, yardstick) for yardstick in yardsticks]


def _part(evidence: Evidence, yardstick: Yardstick) -> ScorePart:
    found = evidence.measure(yardstick.figure)
    why = _why_not(found, yardstick)
    if found is None or why is not None:
        return ScorePart(name=yardstick.name, points=None, reason=f"Not judged: {why}.")
    read = yardstick.read(evidence, found)
    if isinstance(read, str):
        return ScorePart(name=yardstick.name, points=None, reason=f"Not judged: {read}.")
    value, error = read
    better = 1.0 if yardstick.anchors[-1][1] > yardstick.anchors[0][1] else -1.0
    at, points = zip(*yardstick.anchors, strict=True)
    reached = _whole(float(np.interp(value + better * error, at, points)))
    anchors = ", ".join(f"{_short(one)} is {given:.0f}" for one, given in yardstick.anchors)
    margin = f" (one standard error {_short(error)})" if error > 0 else ""
    return ScorePart(
        name=yardstick.name, points=reached, reason=f"{yardstick.unit}: {_short(value)}{margin}; {anchors} points."
    )


def _why_not(found: Measure | None, yardstick: Yardstick) -> str | None:
    if found is None:
        return NOT_MEASURED
    if found.value is None:
        return found.why_not or "it could not be measured"
    if found.rows is not None and found.rows < yardstick.fewest_rows:
        return f"with {found.rows:,} rows a side, fewer than {yardstick.fewest_rows:,}, it says too little"
    return None


def _whole(points: float) -> float:
    """Return whole points, cut off: 89.6 is 89, and not yet Excellent."""
    return float(np.floor(points + 1e-6))


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def _error(found: Measure) -> float:
    """Return a figure's standard error from its 95 % interval; 0 where there is none."""
    if found.low is None or found.high is None:
        return 0.0
    return (found.high - found.low) / _STANDARD_ERRORS_OF_AN_INTERVAL


def _as_is(_: Evidence, found: Measure) -> tuple[float, float]:
    return float(found.value or 0.0), _error(found)


def _of_fresh(_: Evidence, found: Measure) -> tuple[float, float] | str:
    if not found.fresh or found.value is None:
        return "there is no fresh figure to compare it with"
    return found.value / found.fresh, _error(found) / abs(found.fresh)


def _above_fresh(_: Evidence, found: Measure) -> tuple[float, float] | str:
    if found.fresh is None or found.value is None:
        return "there is no fresh figure to compare it with"
    return found.value - found.fresh, _error(found)


def _share_of_power(evidence: Evidence, loss: Measure) -> tuple[float, float] | str:
    """Return (TSTR - .5) / (TRTR - .5): the share of a real model's power to rank people that a synthetic one has."""
    real = evidence.measure(Figure.TRTR)
    if real is None or real.value is None or loss.value is None:
        return "there is no model trained on real rows to compare with"
    power = real.value - 0.5
    if power <= _error(real):
        return "a model trained on real rows is no better than guessing"
    return (power - loss.value) / power, _error(loss) / power


def _validity(evidence: Evidence) -> ScorePart:
    checks = evidence.validity
    if not checks:
        return ScorePart(name="validity", points=None, reason="Not judged: no validity check was run.")
    share = sum(check.passed for check in checks) / len(checks)
    points = _whole(float(np.interp(share, [0.5, 1.0], [0.0, 100.0])))
    return ScorePart(
        name="validity",
        points=points,
        reason=f"Share of validity checks that hold: {_short(share)}; 0.5 is 0, 1 is 100 points.",
    )


_POWER: Anchors = ((0.0, 0.0), (1.0, 100.0))
_RISK: Anchors = ((0.0, 100.0), (0.05, 80.0), (0.2, 50.0), (0.5, 20.0), (0.9, 0.0))
_AUC: Anchors = ((0.5, 100.0), (0.55, 80.0), (0.65, 50.0), (0.8, 20.0), (0.95, 0.0))

QUALITY: tuple[Yardstick, ...] = (
    Yardstick(
        "column shapes", Figure.SDMETRICS_SHAPES, ((0.6, 0.0), (0.9, 60.0), (0.97, 90.0), (0.99, 100.0)),
        "Column shapes over fresh", _of_fresh,
    ),
    Yardstick(
        "associations", Figure.ASSOCIATIONS_KEPT, ((0.0, 0.0), (0.95, 100.0)),
        "Share of the real associations that is kept", _as_is,
    ),
    Yardstick(
        "usefulness", Figure.TSTR_LOSS, _POWER, "Share of a real model's power that a synthetic one has",
        _share_of_power,
    ),
    Yardstick(
        "detection", Figure.C2ST_BOOSTED, ((0.0, 20.0), (0.3, 50.0), (0.6, 75.0), (0.95, 100.0)),
        "C2ST by boosting", _as_is, fewest_rows=DETECTION_DECIDES_FROM,
    ),
    Yardstick(
        "coverage", Figure.BETA_RECALL, ((0.2, 0.0), (0.6, 30.0), (0.9, 90.0), (0.95, 100.0)),
        "Beta-recall over fresh", _of_fresh,
    ),
    Yardstick(
        "within defaulters", Figure.DEFAULTERS_TRENDS, ((0.7, 0.0), (0.9, 55.0), (0.98, 100.0)),
        "Pair trends within the rarer class over fresh", _of_fresh,
    ),
    Yardstick(
        "risk curves", Figure.WOE_AGREEMENT, ((0.0, 0.0), (0.95, 100.0)),
        "Agreement of weight-of-evidence curves over fresh", _of_fresh,
    ),
    Yardstick(
        "decisions", Figure.SWAP_SET, ((0.02, 100.0), (0.1, 60.0), (0.3, 0.0)),
        "Decisions flipped above what two real scorecards flip", _above_fresh,
    ),
)  # fmt: skip
"""The parts of the quality score, besides validity."""
_QUALITY_NEEDS = frozenset({"validity", "column shapes"})

PRIVACY: tuple[Yardstick, ...] = (
    Yardstick(
        "copies", Figure.COPIED_EXCESS, ((0.0, 100.0), (0.01, 70.0), (0.05, 45.0), (0.2, 20.0), (0.6, 0.0)),
        "Share of copied rows above the holdout's", _as_is,
    ),
    Yardstick("closeness", Figure.CLOSENESS_EXCESS, _RISK, "Excess of rows nearer to train", _as_is),
    Yardstick("membership by distance", Figure.MEMBERSHIP_NEAREST, _AUC, "AUC of the attack", _as_is),
    Yardstick("membership by density", Figure.MEMBERSHIP_DENSITY, _AUC, "AUC of the attack", _as_is),
    Yardstick(
        "membership of a few", Figure.MEMBERSHIP_DENSITY_TPR,
        ((0.01, 100.0), (0.03, 80.0), (0.1, 50.0), (0.3, 20.0), (0.9, 0.0)),
        "Members found at 1 % false alarms", _as_is,
    ),
    Yardstick("attribute inference", Figure.ATTRIBUTE_RISK, _RISK, "Risk above the control's", _as_is),
    Yardstick("singling out", Figure.SINGLING_OUT_RISK, _RISK, "Risk above the control's", _as_is),
    Yardstick("linkability", Figure.LINKABILITY_RISK, _RISK, "Risk above the control's", _as_is),
    Yardstick("rare values", Figure.UNIQUE_VALUES_EXCESS, _RISK, "Excess of values unique to train", _as_is),
)  # fmt: skip
"""The parts of the privacy score."""
_PRIVACY_NEEDS = frozenset({"copies", "closeness"})

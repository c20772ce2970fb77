"""Credit behaviour: whether a scorecard, and what it is made of, comes out of synthetic rows as it does of real ones.

Where the target has two classes. Bins, cut-offs and score bands are fixed on real training rows and applied unchanged
to every side.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from synthcredit.datasets.schema import TableSchema
from synthcredit.evidence.credit_bins import (
    MAX_BINS,
    BinnedRows,
    Judged,
    Setting,
    prepare_setting,
    score_bands,
)
from synthcredit.evidence.credit_calibration import judge_grades, judge_probabilities
from synthcredit.evidence.credit_curves import NO_POWER, SCORE, judge_curves
from synthcredit.evidence.credit_scorecard import (
    APPROVED,
    Card,
    approval_detail,
    characteristics,
    fit,
    judge_decisions,
    judge_ranking,
    points_detail,
)
from synthcredit.evidence.model import Detail, Figure, Measure, Unit
from synthcredit.evidence.sides import Sides
from synthcredit.evidence.utility import resamples

Found = tuple[tuple[Measure, ...], tuple[Detail, ...]]

_ABOUT: dict[Figure, tuple[str, Unit, str]] = {
    Figure.IV_GAP: (
        "Information value, mean gap",
        Unit.NUMBER,
        (
            "How far the columns' power to tell good from bad (information value; .1 is medium, .3 strong) is off on "
            "average, up or down; near fresh is good."
        ),
    ),
    Figure.WOE_AGREEMENT: (
        "Weight-of-evidence curves, agreement",
        Unit.SCORE,
        "How far the risk of every bin of every column agrees with real rows: 1 the same curves, 0 nothing in common.",
    ),
    Figure.WOE_DIRECTION: (
        "Weight-of-evidence trends kept",
        Unit.SHARE,
        (
            "The share of columns with predictive power in which risk rises and falls the same way as in real rows; "
            "chance alone keeps half."
        ),
    ),
    Figure.PSI_WORST: (
        "Population stability index, worst",
        Unit.NUMBER,
        (
            "How far the distribution of the column that is off most has moved from real rows: practice calls .1 "
            "stable and .25 a shift, but at few rows real rows reach that too, so compare with fresh."
        ),
    ),
    Figure.GINI_GAP: (
        "Gini by column, mean gap",
        Unit.DIFFERENCE,
        "How far each column's Gini is off on average, up or down; near fresh is good.",
    ),
    Figure.SCORECARD_LOSS: (
        "Scorecard: loss of AUC",
        Unit.DIFFERENCE,
        (
            "What building a scorecard on synthetic instead of as many real rows costs on real applicants it never "
            "saw; near 0 is good."
        ),
    ),
    Figure.SCORECARD_SIGNS: (
        "Scorecard: signs that agree",
        Unit.SHARE,
        (
            "The share of characteristics that push the score the same way in a synthetic and a real scorecard; "
            "chance alone gives half."
        ),
    ),
    Figure.SWAP_SET: (
        "Scorecard: swap set",
        Unit.SHARE,
        (
            "The share of real applicants whom a synthetic scorecard decides otherwise than a real one, both "
            f"approving {APPROVED:.0%}; fresh is how much two real scorecards differ."
        ),
    ),
    Figure.BAD_RATE_GAP: (
        "Scorecard: bad rate at equal approval, largest gap",
        Unit.DIFFERENCE,
        (
            "How far the share of bad among approved applicants differs between a synthetic and a real scorecard, at "
            "the approval rate (50 to 90 %) where it differs most; fresh is how much two real scorecards differ."
        ),
    ),
    Figure.CALIBRATION_INTERCEPT: (
        "Calibration: intercept",
        Unit.NUMBER,
        (
            "Whether the synthetic scorecard's default probabilities have the right level on real applicants, in log "
            "odds: 0 is right, above 0 they are too low."
        ),
    ),
    Figure.CALIBRATION_SLOPE: (
        "Calibration: slope",
        Unit.NUMBER,
        (
            "Whether they tell risks apart as far as real outcomes do: 1 is right, below 1 they are too extreme, 0 "
            "means that they say nothing."
        ),
    ),
    Figure.BRIER_LOSS: (
        "Calibration: loss of Brier score",
        Unit.DIFFERENCE,
        "How much larger the mean squared error of default probabilities is than a real scorecard's; near 0 is good.",
    ),
    Figure.GRADE_ORDER: (
        "Grades in order",
        Unit.SHARE,
        (
            "The share of pairs of score bands in which the better band of the synthetic scorecard has the lower "
            "default rate among real applicants; chance alone gives half."
        ),
    ),
    Figure.ADVERSE_IMPACT_GAP: (
        "Adverse impact ratio, largest gap",
        Unit.DIFFERENCE,
        (
            f"How far the adverse impact ratio of a synthetic scorecard's decisions ({APPROVED:.0%} approved) is from "
            "a real scorecard's, on the same real applicants; fresh is how much two real scorecards differ."
        ),
    ),
}


def measure(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Found:
    """Measure credit behaviour of the synthetic rows: columns one by one, scorecards, their decisions and their PDs.

    Of two classes of the target, bad is the one that fewer real training rows have (a schema cannot say otherwise). The
    rows whose target is known are measured, at most `credit_bins.MAX_ROWS` a side.

    Parameters
    ----------
    sides
        Learned columns as `encode` gives them.
    schema
        Their schema.
    rng
        Draws rows, halves and resamples.

    Returns
    -------
    tuple
        Figures and the tables behind them. Figures that cannot be judged are there too, with the reason.
    """
    details: list[Detail] = []
    prepared = prepare_setting(sides, schema, rng)
    if isinstance(prepared, str):
        return tuple(_told(figure, Judged(why_not=prepared), "") for figure in _ABOUT), ()
    setting, bad = prepared
    # One thread: on tables of this size several only wait for each other.
    with threadpool_limits(limits=1):
        judged = _judge(setting, rng, details)
    return tuple(_told(figure, judged[figure], f"Bad: '{schema.target}' is {bad}.") for figure in _ABOUT), tuple(
        details
    )


def _judge(setting: Setting, rng: np.random.Generator, details: list[Detail]) -> dict[Figure, Judged]:
    names, chosen = list(setting.columns.sizes), characteristics(setting)
    if not chosen:
        judged = dict.fromkeys(_ABOUT, Judged(why_not=NO_POWER))
        return judged | judge_curves(setting, names, rng, details)
    judged = judge_curves(_with_score(setting, fit(setting.train, chosen, setting.columns)), names, rng, details)
    rows = min(setting.synthetic.rows, setting.train.rows)
    cards = {
        "synthetic": fit(setting.synthetic.draw(rows, rng), chosen, setting.columns),
        "real": fit(setting.train.draw(rows, rng), chosen, setting.columns),
    }
    weights, ties = resamples(setting.holdout.rows, rng), rng.permutation(setting.holdout.rows)
    judged |= judge_ranking(setting, cards, weights, rows)
    judged |= judge_probabilities(setting, cards, weights, rows, details)
    judged |= judge_grades(setting, cards, weights, rows, details)
    details += [points_detail(setting, cards), approval_detail(setting, cards, ties)]
    return judged | judge_decisions(setting, chosen, weights, ties, rng, details)


def _with_score(setting: Setting, card: Card) -> Setting:
    """Add the score's bands to the binned columns: the first use of a stability index."""
    edges = score_bands(card.score(setting.train.states), MAX_BINS)

    def scored(side: BinnedRows) -> BinnedRows:
        bands = np.searchsorted(edges, card.score(side.states), side="right")
        return BinnedRows({**side.states, SCORE: bands}, side.bad)

    sizes = {**setting.columns.sizes, SCORE: len(edges) + 1}
    return replace(
        setting,
        synthetic=scored(setting.synthetic),
        train=scored(setting.train),
        holdout=scored(setting.holdout),
        columns=replace(setting.columns, sizes=sizes),
    )


def _told(figure: Figure, judged: Judged, bad: str) -> Measure:
    title, unit, reading = _ABOUT[figure]
    return Measure(
        name=figure,
        title=title,
        unit=unit,
        value=judged.value,
        low=judged.low,
        high=judged.high,
        fresh=judged.fresh,
        rows=judged.rows,
        reading=" ".join(word for word in (reading, judged.remark, bad) if word),
        why_not=judged.why_not,
    )

"""How each figure was measured, in a line with its source; the long chapters are in docs/evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from synthcredit.evidence.model import Evidence, Figure


@dataclass(frozen=True, slots=True)
class Method:
    """How some figures are measured.

    Parameters
    ----------
    figures
        Which ones.
    title
        Their name for people.
    how
        Formula and protocol, short.
    source
        Where they come from.
    """

    figures: tuple[Figure, ...]
    title: str
    how: str
    source: str


def methods_for(evidence: Evidence) -> Iterator[Method]:
    """Yield the methods of the figures that this evidence has."""
    return (method for method in METHODS if any(evidence.measure(figure) is not None for figure in method.figures))


_F = Figure
METHODS = (
    Method(
        (_F.PAIR_TRENDS,),
        "Pair trends",
        "Mean of 1 - ½ Σ |P - Q| over the joint distributions of all pairs of columns; ten quantile bins fixed on "
        "training rows, missing values a bin of their own, equal row counts, mean of 5 draws.",
        "Total variation; shared bins, since SDMetrics bins each table by its own range.",
    ),
    Method(
        (_F.ASSOCIATIONS_KEPT,),
        "Associations kept",
        "Σ R(synthetic) R(holdout) / Σ R(train) R(holdout) over Pearson residuals R of all pairs. The noise of "
        "independent samples cancels in it.",
        "Walther et al., NeuroImage 2016 (cross-validated distances).",
    ),
    Method(
        (_F.SDMETRICS_QUALITY, _F.SDMETRICS_SHAPES, _F.SDMETRICS_TRENDS, _F.SDMETRICS_DIAGNOSTIC),
        "SDMetrics scores",
        "Its own QualityReport and DiagnosticReport, against the holdout at equal row counts.",
        "sdmetrics, DataCebo.",
    ),
    Method(
        (_F.C2ST_LOGISTIC, _F.C2ST_BOOSTED, _F.DETECTION_TRAIN),
        "Detection",
        "1 - (2 max(AUC, ½) - 1) of a classifier that tells synthetic from holdout rows: five folds, at most 15,000 "
        "rows a side; logistic regression, and XGBoost of 200 trees, depth 6. Against training rows as raw AUC: below "
        "½ is memorisation.",
        "Lopez-Paz and Oquab, ICLR 2017; interval: Nadeau and Bengio 2003, DeLong 1988.",
    ),
    Method(
        (_F.ALPHA_PRECISION, _F.BETA_RECALL),
        "Alpha-precision, beta-recall",
        "Shares of rows in nested balls around the other side's centre, and of real rows that a synthetic row is as "
        "near to as another real row, over 30 levels.",
        "Alaa et al., ICML 2022.",
    ),
    Method(
        (_F.MISSING_PATTERNS,),
        "Missing-value patterns",
        "1 - ½ Σ |P - Q| over which columns are missing together in a row.",
        "Rubin, Biometrika 1976 (patterns of missing data).",
    ),
    Method(
        (_F.TAILS, _F.TOP_DECILE),
        "Tails and exposure",
        "Error of the 99th and 99.9th percentile over the distance from the median; the share of a total that its "
        "largest tenth holds.",
        "Hyndman and Fan 1996; Lorenz 1905.",
    ),
    Method(
        (_F.DEFAULTERS_SHAPES, _F.DEFAULTERS_TRENDS, _F.SEGMENT_SHAPES),
        "Among defaulters, by segment",
        "The same distances among rows of the rarer class of the target, and within each value of each discrete "
        "column that 100 rows of every side have.",
        "Total variation, as above.",
    ),
    Method(
        (_F.TSTR, _F.TRTR, _F.TSTR_LOSS, _F.TRTS, _F.KS_LOSS),
        "Trained on synthetic, tested on real",
        "Histogram gradient boosting, trained on as many synthetic as real rows, scored on the holdout; 95 % "
        "bootstrap over holdout rows. KS: largest gap of the two classes' cumulative scores.",
        "Esteban, Hyland and Rätsch 2017; Thomas, Edelman and Crook 2002.",
    ),
    Method(
        (_F.TSTR_LINEAR, _F.TSTR_LINEAR_LOSS),
        "The same with a linear model",
        "Logistic (or ridge) regression, numbers standardised on real training rows.",
        "scikit-learn.",
    ),
    Method(
        (_F.IMPORTANCE_AGREEMENT, _F.RANK_AGREEMENT, _F.OUT_OF_TIME_LOSS),
        "Conclusions drawn from it",
        "Rank agreement of permutation importances, and of seven challenger models, between synthetic and real rows; "
        "the loss on the latest rows where the table has a date.",
        "Breiman 2001; Spearman 1904; Kendall 1945.",
    ),
    Method(
        (_F.IV_GAP, _F.WOE_AGREEMENT, _F.WOE_DIRECTION, _F.GINI_GAP),
        "Columns and risk",
        "Weight of evidence ln(good share / bad share) in bins fixed on real training rows (each of 5 % of them and 5 "
        "of either class); information value; Lin's concordance of the curves; Gini 2 AUC - 1.",
        "Siddiqi 2006, ch. 6; Lin 1989; Thomas, Edelman and Crook 2002.",
    ),
    Method(
        (_F.PSI_WORST,),
        "Population stability index",
        "Σ (p - q) ln(p / q) over bins; of two real samples of n rows it is about 2 (bins - 1) / n.",
        "Siddiqi 2006, ch. 8; Yurdakul and Naranjo 2020.",
    ),
    Method(
        (_F.SCORECARD_LOSS, _F.SCORECARD_SIGNS, _F.SWAP_SET, _F.BAD_RATE_GAP),
        "Scorecards",
        "One scorecard of equally many synthetic and one of real rows, by logistic regression on weights of evidence; "
        "both scored on the holdout, and their decisions compared at equal approval rates.",
        "Siddiqi 2006; Thomas, Edelman and Crook 2002.",
    ),
    Method(
        (_F.CALIBRATION_INTERCEPT, _F.CALIBRATION_SLOPE, _F.BRIER_LOSS, _F.GRADE_ORDER),
        "Calibration",
        "Logistic recalibration on the holdout, Brier score, default rates by band of the score with Wilson "
        "intervals, Jeffreys test by grade; Hosmer-Lemeshow for the record.",
        "Cox 1958; Brier 1950; Wilson 1927; ECB 2019, 2.5; Hosmer and Lemeshow 1980.",
    ),
    Method(
        (_F.ADVERSE_IMPACT_GAP,),
        "Adverse impact",
        "Lowest over highest approval rate of a group, synthetic against real scorecard, on the same applicants.",
        "29 CFR 1607.4 D; Hardt, Price and Srebro 2016.",
    ),
    Method(
        (_F.ROLL_RATE_GAP,),
        "Roll rates",
        "Σ w(s) ½ Σ |P(t | s) - Q(t | s)| over statuses s: shares of those in s who are in t at the next time, w the "
        "holdout's share of s; statuses fixed on training rows.",
        "Siddiqi 2017; Jafry and Schuermann 2004 (migration matrices).",
    ),
    Method(
        (_F.VINTAGE_GAP,),
        "Vintages",
        "Σ w(c) |r(c) - r'(c)| over the default rates r of 4 to 16 periods c in which loans began, w the holdout's "
        "share of c; periods fixed on training rows.",
        "Siddiqi 2017; Breeden 2010.",
    ),
    Method(
        (_F.COPIED, _F.COPIED_EXCESS, _F.COPIED_DISTINCT, _F.COPIED_DISTINCT_EXCESS, _F.COPIED_SEGMENT_EXCESS),
        "Copied rows",
        "Rows equal to a training row in all learned columns, beside the holdout's; difference one-sided 99 %, "
        "overall and by segment.",
        "Newcombe, Statistics in Medicine 1998, method 10.",
    ),
    Method(
        (_F.CLOSENESS_EXCESS,),
        "Excess closeness",
        "(s - e) / (1 - e): s the share of synthetic rows nearer to a training than to a holdout row, e the share of "
        "training rows among both. A symptom that only the owner of the data can measure, no attack.",
        "Platzer and Reutterer, Frontiers in Big Data 2021; limits: Yao et al. 2025.",
    ),
    Method(
        (_F.MEMBERSHIP_NEAREST, _F.MEMBERSHIP_NEAREST_TPR, _F.MEMBERSHIP_DENSITY, _F.MEMBERSHIP_DENSITY_TPR),
        "Membership attacks",
        "The attacker knows a person's whole row and has the release (density: real rows of other people, too). AUC, "
        "and from 1,000 controls on the share of members found at 1 % false accusations, ties cut by lot.",
        "Chen et al., CCS 2020; van Breugel et al. (DOMIAS), AISTATS 2023; Carlini et al. 2022.",
    ),
    Method(
        (_F.ATTRIBUTE_RISK, _F.SINGLING_OUT_RISK, _F.LINKABILITY_RISK),
        "Attribute inference, singling out, linkability",
        "(Success on training people - success on holdout people) / (1 - the latter), beside guessing. The attacker "
        "knows all columns but one; nothing but the release; two halves of the columns.",
        "Article 29 Working Party 2014; Giomi et al. (anonymeter), PETS 2023.",
    ),
    Method(
        (
            *(_F.REPLICATED_UNIQUES, _F.REPLICATED_UNIQUES_EXCESS, _F.DISCLOSIVE, _F.DISCLOSIVE_EXCESS),
            _F.UNIQUE_VALUES_EXCESS,
        ),
        "Replicated uniques, disclosed attributes, single values",
        "The attacker knows the attributes that outsiders usually know (named at the figure). Share of people unique "
        "by them whose combination is unique in the release; share whose other attributes it gives away; values of "
        "one person only that reappear.",
        "Raab, Nowok and Dibben (repU, DiSCO), synthpop 2024.",
    ),
)  # fmt: skip

"""Detection: whether classifiers tell synthetic rows from real rows that no model saw, and from the training rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from synthcredit.datasets.schema import TableSchema
from synthcredit.evidence.model import Detail, Figure, Measure, Unit
from synthcredit.evidence.sides import Bin, Sides, cut, draw, fit_bins
from synthcredit.synthesizers.features import Discrete, Feature, Features

if TYPE_CHECKING:
    from xgboost import XGBClassifier

MAX_ROWS = 15_000
"""Rows a side that classifiers see: half of UCI default, where the published figures stand; more rows detect more."""
DECIDES_FROM = 2_000
"""Below this many rows a side detection saturates: independent columns look better than they are."""
_FOLDS = 5
_TREES = 200
_DEPTH = 6
_Z = 1.959964
"""Two-sided 95 %."""
_LARGEST = 1e30
"""Numbers beyond are cut to it: XGBoost holds 32-bit floats and refuses infinity."""
_FARTHEST = 10.0
"""Standard deviations from the training mean that a number may lie away for the logistic regression."""
_NAMED = 20
"""Columns that are named, and tried one by one."""

Matrix = NDArray[np.float64]
FitPredict = Callable[[Matrix, NDArray[np.int64], Matrix], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Fit on rows and labels, predict others: scores, shape (rows,), and the gain by column, shape (columns,)."""


@dataclass(frozen=True, slots=True)
class Detected:
    """How well one classifier tells two tables apart.

    Parameters
    ----------
    auc
        Mean over folds of the area under the ROC curve, not clamped.
    error
        Its standard error.
    gain
        Share of the gain that each column brought, shape (columns,); zeros where nothing was split on.
    """

    auc: float
    error: float
    gain: NDArray[np.float64]

    @property
    def bounds(self) -> tuple[float, float]:
        """The 95 % interval of the AUC."""
        return max(0.0, self.auc - _Z * self.error), min(1.0, self.auc + _Z * self.error)


def measure(
    sides: Sides,
    schema: TableSchema,  # noqa: ARG001 - every module of the evidence is called alike
    rng: np.random.Generator,
) -> tuple[tuple[Measure, ...], tuple[Detail, ...]]:
    """Measure how well classifiers tell synthetic from held-out rows, and from training rows, at equal row counts.

    Two-sample score ``1 - (2 max(AUC, .5) - 1)``: 1 cannot be told apart, 0 always; after Lopez-Paz and Oquab,
    "Revisiting classifier two-sample tests" (ICLR 2017), on the AUC as SDMetrics' detection has it. Five folds, the
    mean of their AUCs. Once by logistic regression, once by XGBoost (200 trees of depth 6). For the interval see
    `cross_validated`.

    Parameters
    ----------
    sides
        Learned columns as `encode` gives them.
    schema
        Their schema; not needed here.
    rng
        Draws the rows where a side has more than are compared.
    """
    why_not = sides.too_few()
    if why_not is not None:
        return tuple(_not_judged(name, why_not) for name in _TITLES), ()
    rows = min(sides.rows, MAX_ROWS)
    drawn = Sides(*(draw(side, rows, rng) for side in (sides.synthetic, sides.train, sides.holdout)))
    # One thread: on tables of this size several only wait for each other.
    with threadpool_limits(limits=1):
        logistic = _by_logistic_regression(drawn, rows)
        boosted, details = _by_boosting(drawn, rows, rng)
    return (logistic, *boosted), details


def c2st(auc: float) -> float:
    """Return the two-sample score of a detection AUC: 1 cannot be told apart, 0 always."""
    return 1.0 - (2.0 * max(auc, 0.5) - 1.0)


def cross_validated(real: Matrix, synthetic: Matrix, fit_predict: FitPredict) -> Detected:
    """Return how well a classifier tells two tables apart, over five folds of both.

    The AUC is the mean over the folds. Its variance is ``(1/k + 1/(k - 1)) v``, v the mean over the k folds of
    DeLong's variance: Nadeau and Bengio, "Inference for the generalization error" (Machine Learning 2003), who add the
    second term for training sets that overlap. Without it (LeDell et al., Electron. J. Stat. 2015) the 95 % interval
    of fresh rows holds .5 in 87 % of draws only.

    Parameters
    ----------
    real, synthetic
        Shape (rows, columns), at least five rows each.
    fit_predict
        The classifier.
    """
    rows = np.concatenate([real, synthetic])
    label = np.repeat([0, 1], [len(real), len(synthetic)])
    scored, gains = [], []
    for fit, check in StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(rows, label):
        predicted, gain = fit_predict(rows[fit], label[fit], rows[check])
        scored.append(delong(label[check] == 1, predicted))
        gains.append(gain)
    aucs, variances = np.array(scored).T
    total = np.sum(gains, axis=0)
    error = math.sqrt((1 / _FOLDS + 1 / (_FOLDS - 1)) * variances.mean())
    return Detected(float(aucs.mean()), error, total / (total.sum() or 1.0))


def delong(positive: NDArray[np.bool_], predicted: NDArray[np.float64]) -> tuple[float, float]:
    """Return the area under the ROC curve and its variance; ties count one half.

    DeLong, DeLong and Clarke-Pearson (Biometrics 1988): the variance of the shares of the other class that each row is
    placed above, divided by the rows, added over both classes.

    Parameters
    ----------
    positive
        Shape (rows,); at least two rows of each class.
    predicted
        Score, more is more positive; shape (rows,).
    """
    above, below = predicted[positive], predicted[~positive]
    of_positive, of_negative = _placed(above, below), 1 - _placed(below, above)
    variance = sum(float(of.var(ddof=1)) / len(of) for of in (of_positive, of_negative))
    return float(of_positive.mean()), variance


def _placed(rows: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of other scores below each score, shape (rows,); equal ones count one half."""
    ordered = np.sort(among)
    below, up_to = (np.searchsorted(ordered, rows, side=side) for side in ("left", "right"))
    return np.asarray((below + up_to) / (2 * len(among)))


# --- logistic regression ---------------------------------------------------------------------------------------------


def _by_logistic_regression(drawn: Sides, rows: int) -> Measure:
    bins = fit_bins(drawn.train)
    synthetic, train, holdout = (
        _design(side, drawn.train, bins) for side in (drawn.synthetic, drawn.train, drawn.holdout)
    )
    of_synthetic, of_fresh = (cross_validated(holdout, side, _fit_logistic) for side in (synthetic, train))
    return _two_sample(Figure.C2ST_LOGISTIC, of_synthetic, of_fresh, rows)


def _fit_logistic(
    rows: Matrix, label: NDArray[np.int64], others: Matrix
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    model = LogisticRegression(max_iter=300).fit(rows, label)
    return model.decision_function(others), np.zeros(rows.shape[1])


def _design(side: Features, train: Features, bins: dict[str, Bin]) -> Matrix:
    """Return a side for a linear model: numbers standardised on training rows, categories and missing as 0 or 1."""
    states = cut(side, bins)
    parts = []
    for name, feature in side.items():
        if isinstance(feature, Discrete):
            parts.append(np.eye(bins[name].size)[states[name]])
        else:
            parts.append(_standardised(_bounded(feature), _bounded(train[name])))
    return np.concatenate(parts, axis=1)


def _standardised(values: NDArray[np.float64], train: NDArray[np.float64]) -> Matrix:
    """Return standardised numbers and where they are missing, shape (n, 2); a missing one stands at the mean."""
    known = train[~np.isnan(train)]
    mean, spread = (known.mean(), known.std()) if known.size else (0.0, 0.0)
    missing = np.isnan(values)
    scaled = np.clip((values - mean) / (spread or 1.0), -_FARTHEST, _FARTHEST)
    return np.column_stack([np.where(missing, 0.0, scaled), missing])


# --- gradient boosting -----------------------------------------------------------------------------------------------


def _by_boosting(
    drawn: Sides, rows: int, rng: np.random.Generator
) -> tuple[tuple[Measure, Measure], tuple[Detail, ...]]:
    try:
        import xgboost  # noqa: F401 - only asks whether it is there
    except ImportError:
        why_not = "XGBoost is not installed; pip install xgboost-cpu"
        return (_not_judged(Figure.C2ST_BOOSTED, why_not), _not_judged(Figure.DETECTION_TRAIN, why_not)), ()
    synthetic, train, holdout = (as_numbers(side) for side in (drawn.synthetic, drawn.train, drawn.holdout))
    against_holdout, of_fresh, against_train = (
        cross_validated(real, other, _fit_boosting)
        for real, other in ((holdout, synthetic), (holdout, train), (train, synthetic))
    )
    telling = np.argsort(-against_holdout.gain, kind="stable")[:_NAMED]
    lost = lost_without(holdout, synthetic, telling, rng)
    return (
        _two_sample(Figure.C2ST_BOOSTED, against_holdout, of_fresh, rows),
        _against_train(against_train, against_holdout, of_fresh, rows),
    ), (_columns(list(drawn.train), telling, lost, against_holdout.gain, of_fresh.gain),)


def as_numbers(side: Features) -> Matrix:
    """Return a side for trees, shape (rows, columns): categories as codes, missing numbers as NaN."""
    return np.column_stack([_bounded(feature) for feature in side.values()])


def _bounded(feature: Feature) -> NDArray[np.float64]:
    if isinstance(feature, Discrete):
        return feature.codes.astype(np.float64)
    return np.clip(feature.values, -_LARGEST, _LARGEST)


def _fit_boosting(
    rows: Matrix, label: NDArray[np.int64], others: Matrix
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    model = _boosted(rows, label)
    gain = model.get_booster().get_score(importance_type="total_gain")
    by_column = np.array([gain.get(f"f{column}", 0.0) for column in range(rows.shape[1])])
    return model.predict_proba(others)[:, 1], by_column


def _boosted(rows: Matrix, label: NDArray[np.int64]) -> XGBClassifier:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=_TREES, max_depth=_DEPTH, n_jobs=1, random_state=0).fit(rows, label)


def lost_without(
    real: Matrix, synthetic: Matrix, columns: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return how much of the detection AUC is lost where one column is permuted, shape (columns,).

    Permutation importance (Breiman, "Random forests", Machine Learning 2001) on rows that the classifier did not learn
    from. The gain cannot say this: it is taken on the rows learned from, where columns of many values bring gain by
    chance, as for fresh rows.
    """
    rows = np.concatenate([real, synthetic])
    label = np.repeat([0, 1], [len(real), len(synthetic)])
    fit, check = next(StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(rows, label))
    model, judged, truth = _boosted(rows[fit], label[fit]), rows[check], label[check] == 1

    def auc(of: Matrix) -> float:
        return delong(truth, model.predict_proba(of)[:, 1])[0]

    whole, lost = auc(judged), []
    for column in columns:
        without = judged.copy()
        without[:, column] = rng.permutation(without[:, column])
        lost.append(whole - auc(without))
    return np.array(lost)


# --- what is said of it ----------------------------------------------------------------------------------------------

_TITLES = {
    Figure.C2ST_LOGISTIC: "Detection by logistic regression",
    Figure.C2ST_BOOSTED: "Detection by gradient boosting",
    Figure.DETECTION_TRAIN: "Detection against training rows, AUC",
}
_UNITS = {Figure.DETECTION_TRAIN: Unit.NUMBER}
_READINGS = {
    Figure.C2ST_LOGISTIC: (
        "How hard it is for a linear model to tell synthetic rows from real rows that no model saw: 1 impossible, 0 "
        "always told. It sees single columns only; columns that were drawn one by one pass it."
    ),
    Figure.C2ST_BOOSTED: (
        "How hard it is for boosted trees to tell synthetic rows from real rows that no model saw: 1 impossible, 0 "
        "always told. They see how columns depend on each other."
    ),
    Figure.DETECTION_TRAIN: (
        "How well boosted trees tell synthetic from training rows: .5 is chance. Far below the figure against holdout "
        "rows, or below .5, means that the model repeats its training rows."
    ),
}


def _not_judged(name: Figure, why_not: str) -> Measure:
    return Measure(
        name=name,
        title=_TITLES[name],
        unit=_UNITS.get(name, Unit.SCORE),
        value=None,
        reading=_READINGS[name],
        why_not=why_not,
    )


def _two_sample(name: Figure, of_synthetic: Detected, of_fresh: Detected, rows: int) -> Measure:
    few = f" Below {DECIDES_FROM:,} rows a side it is too mild to decide anything." if rows < DECIDES_FROM else ""
    low, high = of_synthetic.bounds
    return Measure(
        name=name,
        title=_TITLES[name],
        value=c2st(of_synthetic.auc),
        # The score falls as the AUC rises.
        low=c2st(high),
        high=c2st(low),
        fresh=c2st(of_fresh.auc),
        rows=rows,
        reading=_READINGS[name] + few,
    )


def _against_train(against_train: Detected, against_holdout: Detected, of_fresh: Detected, rows: int) -> Measure:
    low, high = against_train.bounds
    return Measure(
        name=Figure.DETECTION_TRAIN,
        title=_TITLES[Figure.DETECTION_TRAIN],
        unit=Unit.NUMBER,
        value=against_train.auc,
        low=low,
        high=high,
        fresh=of_fresh.auc,
        rows=rows,
        reading=f"{_READINGS[Figure.DETECTION_TRAIN]} Against holdout rows it is {against_holdout.auc:.3f}.",
    )


def _columns(
    names: Sequence[str],
    telling: NDArray[np.int64],
    lost: NDArray[np.float64],
    gain: NDArray[np.float64],
    gain_fresh: NDArray[np.float64],
) -> Detail:
    order = np.argsort(-lost, kind="stable")
    return Detail(
        name="detection_columns",
        title="The columns that give synthetic rows away",
        heading=("Column", "AUC lost without it", "Share of the gain", "Share of the gain, fresh real rows"),
        rows=tuple(
            (names[column], float(of), float(gain[column]), float(gain_fresh[column]))
            for column, of in zip(telling[order], lost[order], strict=True)
        ),
    )

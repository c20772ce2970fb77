"""Usefulness, further: the models, the reasons and the choices that synthetic rows lead to, beside real rows'."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from synthcredit.datasets.schema import Dtype, Kind, TableSchema
from synthcredit.evidence.model import Detail, Figure, Measure, Unit
from synthcredit.evidence.sides import Bin, Sides, cut, draw, fit_bins
from synthcredit.evidence.utility import (
    MIN_OF_A_CLASS,
    Predictor,
    Question,
    Task,
    boosted,
    by_score,
    fits,
    numbers,
    outcome,
    prepare,
    resamples,
    trained,
    with_interval,
)
from synthcredit.synthesizers.features import Discrete, Features, Numeric, rows_of, take, take_one

MAX_ROWS = 20_000
"""Rows a side at most: the AUC of a credit model is then sure to .005, and a bootstrap of it takes half a second."""
MAX_HALF_ROWS = 10_000
"""Rows at most that each of the four models learns from whose important columns are compared."""
_MOST_LEARNED = 70_000
"""Rows times columns times classes that a challenger learns from: 3,000 rows of 23 columns, with a hundred to train."""
MAX_RANKED_ROWS = 5_000
"""Holdout rows at most that challengers are ranked on: nearest neighbours look each of them up."""
MIN_COLUMNS = 3
"""The order of fewer columns than this says nothing: two are in the same order by a coin."""
_MOST_PERMUTED = 140_000
"""The same of the holdout rows that columns are shuffled in: every model predicts them once for every column."""
_LEAST_ROWS = 500
"""Rows that are used however many columns and classes there are."""
_PERMUTATIONS = 3
_PREDICTED_CELLS = 2_000_000
"""Rows times columns that a model predicts at once: 16 MB."""
_IMPORTANCE_DEPTH = 2
"""Small trees: two samples of 7,500 real rows of UCI default then agree to .63 on what matters, else to .39."""
_CUTS = 2
"""Times that rows are cut into halves: how two real halves agree is a chance result, and two are a steadier one."""
_FOLDS = 3
_EARLIER = 0.7
_WORST = 10
_SIGMAS = 5.0
"""Numbers further from the mean than this are brought in: one outlier must not decide a linear model."""

Scores = NDArray[np.float64]
Learner = Callable[[Features], Predictor]

_ABOUT = {
    Figure.TRTS: (
        "Trained on real, tested on synthetic (TRTS)",
        Unit.SCORE,
        (
            "How well a model that was trained on real rows predicts the target of synthetic ones. Below fresh, the "
            "target hangs on the other columns less than it should; above, more, or training rows are repeated."
        ),
    ),
    Figure.TSTR_LINEAR: (
        "Trained on synthetic, tested on real, linear model",
        Unit.SCORE,
        "What a linear model, the usual form of a scorecard, reaches on holdout rows when it saw synthetic rows only.",
    ),
    Figure.TSTR_LINEAR_LOSS: (
        "Loss of a linear model: TRTR minus TSTR",
        Unit.DIFFERENCE,
        "What using synthetic instead of real rows costs a linear model; near 0 is good.",
    ),
    Figure.KS_LOSS: (
        "Loss of Kolmogorov-Smirnov separation",
        Unit.DIFFERENCE,
        (
            "How much less a boosted model separates the two outcomes of the holdout, at its best cut-off, when it was "
            "trained on synthetic instead of real rows; near 0 is good."
        ),
    ),
    Figure.IMPORTANCE_AGREEMENT: (
        "Agreement on which columns matter",
        Unit.NUMBER,
        (
            "Spearman's rank correlation, from -1 to 1, of the columns' importance for models trained on synthetic and "
            "on real rows; fresh is that of two models trained on different real rows."
        ),
    ),
    Figure.RANK_AGREEMENT: (
        "Agreement on which model is better",
        Unit.NUMBER,
        (
            "Kendall's tau, from -1 to 1, of the order of challenger models when trained on synthetic and on real "
            "rows; fresh is that of two orders from different real rows."
        ),
    ),
    Figure.OUT_OF_TIME_LOSS: (
        "Loss out of time: TRTR minus TSTR",
        Unit.DIFFERENCE,
        (
            "What using synthetic instead of real rows costs a model that learns from the earlier rows and is used on "
            "the later ones; near 0 is good."
        ),
    ),
}


def measure(
    sides: Sides, schema: TableSchema, rng: np.random.Generator
) -> tuple[tuple[Measure, ...], tuple[Detail, ...]]:
    """Measure how models, reasons and choices that come from synthetic rows compare with those from real rows.

    Parameters
    ----------
    sides
        Learned columns as `encode` gives them; of each side at most `MAX_ROWS` drawn rows are used.
    schema
        Their schema; its target is what models predict.
    rng
        Draws rows, folds, permutations and resamples.

    Returns
    -------
    tuple
        TRTS; TSTR of a linear model, and its loss; loss of KS; agreement on important columns and on the order of
        challengers; loss out of time. With them the columns and challengers behind the two agreements. What could not
        be judged says why.
    """
    sides = Sides(*(draw(side, MAX_ROWS, rng) for side in (sides.synthetic, sides.train, sides.holdout)))
    question = prepare(sides, schema)
    # One thread: on tables of this size several only wait for each other, on a busy machine for minutes.
    with threadpool_limits(limits=1), np.errstate(all="ignore"), warnings.catch_warnings():
        # A linear model that has not settled to the last digit is as good a model.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if isinstance(question, str):
            return tuple(_not_judged(name, question) for name in _ABOUT), ()
        weights = resamples(len(question.task.truth), rng)
        importance, columns = _importance_agreement(question, rng)
        ranks, challengers = _rank_agreement(question, rng)
        measures = (
            *_of_boosted(question, weights, rng),
            *_of_linear(question, weights, rng),
            importance,
            ranks,
            _out_of_time(sides, schema, rng),
        )
    return measures, (*columns, *challengers)


# --- single models ---------------------------------------------------------------------------------------------------


def _of_boosted(question: Question, weights: Scores, rng: np.random.Generator) -> tuple[Measure, Measure]:
    real, synthetic = _models(question, lambda rows: boosted(rows, question.task, question.target), rng)
    return _trts(question, real, rng), _ks_loss(question, real, synthetic, weights)


def _of_linear(question: Question, weights: Scores, rng: np.random.Generator) -> tuple[Measure, Measure]:
    """Return TSTR of logistic regression, or of ridge regression for a number, and its loss ``TRTR - TSTR``.

    As `utility.measure` does it, after Esteban, Hyland and Rätsch (2017); scikit-learn's models, inputs standardised on
    real training rows.
    """
    prepared = Standardised.of(question.sides.train, question.target)
    real, synthetic = (
        _mean_scores(question.task, models, question.sides.holdout, weights)
        for models in _models(question, _linear(question, prepared), rng)
    )
    rows = _rows(question)
    return (
        _judged(Figure.TSTR_LINEAR, synthetic, rows, more=_score_of(question), fresh=float(real[0])),
        _judged(Figure.TSTR_LINEAR_LOSS, real - synthetic, rows, more=_score_of(question)),
    )


def _trts(question: Question, models: Sequence[Predictor], rng: np.random.Generator) -> Measure:
    """Return how models of real rows do on synthetic rows, beside what they do on as many holdout rows.

    ``score(model of real rows, synthetic rows)``: TRTS after Esteban, Hyland and Rätsch, "Real-valued (medical)
    time series generation with recurrent conditional GANs" (2017). The interval is a bootstrap over the synthetic rows.
    """
    rows = min(rows_of(question.sides.synthetic), rows_of(question.sides.holdout))
    tested = [draw(side, rows, rng) for side in (question.sides.synthetic, question.sides.holdout)]
    truths = [outcome(side[question.target]) for side in tested]
    kept = _testable(question.task, truths)
    if isinstance(kept, str):
        return _not_judged(Figure.TRTS, kept)
    weights = resamples(rows, rng)
    classes = question.task.classes if question.task.classes is None else question.task.classes[kept]
    tasks = [Task(classes, truth, question.task.label) for truth in truths]
    found, fresh = (
        np.mean([task.score(model(side)[:, kept], weights) for model in models], axis=0)
        for task, side in zip(tasks, tested, strict=True)
    )
    return _judged(
        Figure.TRTS, found, rows, more=f"{question.task.label} on {rows:,} rows a side.", fresh=float(fresh[0])
    )


def _testable(task: Task, truths: Sequence[Scores]) -> NDArray[np.bool_] | str:
    """Return which predictions can be scored on all sides, shape (classes,) or (1,), or why none can be."""
    if task.classes is None:
        one_value = any(np.ptp(truth) == 0 for truth in truths)
        return "the target has one value only among the rows tested on" if one_value else np.array([True])
    enough = [min(int((truth == label).sum()) for truth in truths) >= MIN_OF_A_CLASS for label in task.classes]
    if sum(enough) < 2:
        return f"fewer than two classes of the target have {MIN_OF_A_CLASS} synthetic and {MIN_OF_A_CLASS} holdout rows"
    return np.array(enough)


def _ks_loss(question: Question, real: Sequence[Predictor], synthetic: Sequence[Predictor], weights: Scores) -> Measure:
    """Return ``KS of models of real rows - KS of models of synthetic rows`` on the holdout; KS as `ks` has it.

    Thomas, Edelman and Crook, "Credit scoring and its applications" (2002), ch. 7.
    """
    task, holdout = question.task, question.sides.holdout
    if task.classes is None or len(np.unique(outcome(question.sides.train[question.target]))) != 2:
        return _not_judged(Figure.KS_LOSS, "the target has not two outcomes")
    positive = task.truth == task.classes[1]
    of_real, of_synthetic = (
        np.mean([ks(positive, model(holdout)[:, 1], weights) for model in models], axis=0)
        for models in (real, synthetic)
    )
    more = f"KS {of_synthetic[0]:.3f} trained on synthetic rows, {of_real[0]:.3f} on real ones."
    return _judged(Figure.KS_LOSS, of_real - of_synthetic, _rows(question), more=more)


def ks(positive: NDArray[np.bool_], predicted: Scores, weights: Scores) -> Scores:
    """Return the Kolmogorov-Smirnov statistic of each resample, shape (resamples,).

    The largest distance between the distribution functions of the prediction among positives and among negatives:
    the KS of credit scoring (Thomas, Edelman and Crook, "Credit Scoring and Its Applications", 2002); rows weighted by
    ``weights``, shape (resamples, rows). NaN where a resample has one class only.
    """
    shares = []
    for weight in by_score(positive, predicted, weights):
        total = weight.sum(axis=1, keepdims=True)
        shares.append(np.cumsum(weight, axis=1) / np.where(total > 0, total, np.nan))
    return np.asarray(np.abs(shares[0] - shares[1]).max(axis=1))


def _out_of_time(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Measure:
    """Return the loss where models learn from rows before a date and are scored on holdout rows from it on.

    The date is the 70 % quantile of the first date column of real training rows. Models do not see that column: nobody
    can learn from what lies in the future of all training rows. ``TRTR - TSTR`` as in `utility.measure` (Esteban,
    Hyland and Rätsch 2017), out of time as supervisors have scorecards validated (ECB guide to internal models, 2019).
    """
    name = Figure.OUT_OF_TIME_LOSS
    dates = [c.name for c in schema.learned if c.kind is Kind.DATETIME and c.dtype is not Dtype.TIME]
    if not dates:
        return _not_judged(name, "the table has no date column")
    date = dates[0]
    known = [_dates(side, date) for side in (sides.synthetic, sides.train, sides.holdout)]
    given = known[1][np.isfinite(known[1])]
    if not given.size:
        return _not_judged(name, f"'{date}' has no value in the training rows")
    when = float(np.quantile(given, _EARLIER))
    # Comparisons with missing dates are false: those rows are on neither side.
    early = [
        take(side, np.flatnonzero(day < when)) for side, day in zip((sides.synthetic, sides.train), known, strict=False)
    ]
    late = take(sides.holdout, np.flatnonzero(known[2] >= when))
    question = prepare(Sides(*(_without(side, date) for side in (*early, late))), schema)
    if isinstance(question, str):
        return _not_judged(name, f"rows before and after the cut by '{date}': {question}")
    weights = resamples(len(question.task.truth), rng)
    real, synthetic = (
        _mean_scores(question.task, models, question.sides.holdout, weights)
        for models in _models(question, lambda rows: boosted(rows, question.task, question.target), rng)
    )
    more = f"Cut by '{date}'; {_score_of(question)}"
    return _judged(name, real - synthetic, _rows(question), more=more)


def _dates(side: Features, date: str) -> Scores:
    feature = side[date]
    assert isinstance(feature, Numeric)  # noqa: S101 - dates are
    return feature.values


def _without(side: Features, name: str) -> Features:
    return {other: feature for other, feature in side.items() if other != name}


def _rows(question: Question) -> int:
    """Return how many rows each model learns from."""
    return fits(min(rows_of(question.sides.synthetic), rows_of(question.sides.train)))[1]


def _models(question: Question, learner: Learner, rng: np.random.Generator) -> tuple[list[Predictor], list[Predictor]]:
    """Train on as many real as synthetic rows; several times on draws of them where they are few, as utility does."""
    draws, rows = fits(min(rows_of(question.sides.synthetic), rows_of(question.sides.train)))
    real, synthetic = (
        [learner(draw(side, rows, rng)) for _ in range(draws)]
        for side in (question.sides.train, question.sides.synthetic)
    )
    return real, synthetic


def _mean_scores(task: Task, models: Sequence[Predictor], holdout: Features, weights: Scores) -> Scores:
    return np.asarray(np.mean([task.score(model(holdout), weights) for model in models], axis=0))


def _score_of(question: Question) -> str:
    return f"{question.task.label} on {len(question.task.truth):,} holdout rows."


# --- inputs of linear models -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standardised:
    """Inputs as models want them that know only numbers; fixed on real training rows.

    Numbers by their distance from the mean in standard deviations, at most 5, missing 0, with a column that says
    what is missing; a column for each of the 20 most frequent categories and one for the others.

    Parameters
    ----------
    bins
        States of discrete columns.
    scales
        Mean and standard deviation of numeric columns, which are missing where there is no value.
    """

    bins: Mapping[str, Bin]
    scales: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, train: Features, target: str) -> Standardised:
        """Fix the inputs, which are all columns but the target."""
        inputs = _without(train, target)
        discrete = {name: feature for name, feature in inputs.items() if isinstance(feature, Discrete)}
        return cls(fit_bins(discrete), {name: _scale(numbers(inputs[name])) for name in inputs if name not in discrete})

    def matrix(self, features: Features) -> Scores:
        """Return the inputs of some rows, shape (rows, inputs), all finite."""
        states = cut({name: features[name] for name in self.bins}, self.bins)
        parts = [np.eye(self.bins[name].size)[codes] for name, codes in states.items()]
        for name, (mean, deviation) in self.scales.items():
            values = numbers(features[name])
            distance = np.clip((values - mean) / deviation, -_SIGMAS, _SIGMAS)
            parts.append(np.column_stack([np.nan_to_num(distance), np.isnan(values)]))
        return np.concatenate(parts, axis=1)


def _scale(values: Scores) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    deviation = float(known.std())
    return float(known.mean()), deviation if 0 < deviation < np.inf else 1.0


def _linear(question: Question, prepared: Standardised, *, penalty: float = 1.0) -> Learner:
    if question.task.classes is None:
        return _plain(question, prepared, lambda _: Ridge(alpha=penalty))
    return _plain(question, prepared, lambda _: LogisticRegression(C=1 / penalty, max_iter=500))


def _plain(question: Question, prepared: Standardised, model: Callable[[int], object]) -> Learner:
    """Return a learner by a scikit-learn model, made for so many rows, on standardised inputs."""
    return lambda rows: trained(model(rows_of(rows)), prepared.matrix, rows, question.task, question.target)


# --- agreements ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Halves:
    """Equally many rows four times: two samples of real training rows without a common row, two of synthetic ones.

    Synthetic against real is then compared as real against real is, `fresh`: over different rows, equally many.
    """

    real: tuple[Features, Features]
    synthetic: tuple[Features, Features]


def _halves(question: Question, most: int, rng: np.random.Generator) -> tuple[int, list[_Halves]]:
    """Return how many rows a half has, ``most`` at most, and such halves, cut several times."""
    train, synthetic = question.sides.train, question.sides.synthetic
    rows = min(rows_of(synthetic) // 2, rows_of(train) // 2, most)
    return rows, [_Halves(_two(train, rows, rng), _two(synthetic, rows, rng)) for _ in range(_CUTS)]


def _affordable(cells: int, question: Question) -> int:
    """Return of how many rows columns times classes are so many cells."""
    classes = 1 if question.task.classes is None else len(question.task.classes) - 1
    return max(_LEAST_ROWS, cells // (len(_without(question.sides.train, question.target)) * classes))


def _some(question: Question, most: int, rng: np.random.Generator) -> tuple[Task, Features]:
    """Return some holdout rows, with the task on them: of every class as large a share as it has of all."""
    truth = question.task.truth
    by_outcome = np.lexsort((rng.random(len(truth)), truth))
    chosen = by_outcome[np.linspace(0, len(truth), min(most, len(truth)), endpoint=False).astype(np.int64)]
    return replace(question.task, truth=truth[chosen]), take(question.sides.holdout, chosen)


def _two(side: Features, rows: int, rng: np.random.Generator) -> tuple[Features, Features]:
    order = rng.permutation(rows_of(side))
    return take(side, order[:rows]), take(side, order[rows : 2 * rows])


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found on the two real and the two synthetic halves of one cut, each shape (resamples, things)."""

    real: tuple[Scores, Scores]
    synthetic: tuple[Scores, Scores]

    @classmethod
    def by(cls, find: Callable[[Features], Scores], halves: _Halves) -> _Found:
        (real, other_real), (synthetic, other_synthetic) = halves.real, halves.synthetic
        return cls((find(real), find(other_real)), (find(synthetic), find(other_synthetic)))


def _agreement(
    name: Figure, agree: Callable[[Scores, Scores], Scores], found: Sequence[_Found], rows: int, more: str
) -> Measure:
    """Return how synthetic orders agree with real ones on average, beside how two real ones agree."""
    pairs = [agree(one, other) for cut in found for one in cut.real for other in cut.synthetic]
    fresh = float(np.mean([agree(*cut.real)[0] for cut in found]))
    measure = _judged(name, np.mean(pairs, axis=0), rows, more=more, fresh=fresh)
    if measure.value is None or measure.low is None or measure.high is None:
        return measure
    # Resampling shuffles near ties, so that resamples agree less than the rows themselves: the value may lie above.
    inside = {"low": min(measure.low, measure.value), "high": max(measure.high, measure.value)}
    return measure.model_copy(update=inside)


def _means(found: Sequence[_Found]) -> tuple[Scores, Scores]:
    """Return what was found on real and on synthetic halves on average, without resampling; each shape (things,)."""
    return (
        np.asarray(np.mean([half[0] for cut in found for half in cut.real], axis=0)),
        np.asarray(np.mean([half[0] for cut in found for half in cut.synthetic], axis=0)),
    )


def _importance_agreement(question: Question, rng: np.random.Generator) -> tuple[Measure, tuple[Detail, ...]]:
    """Return the rank correlation of columns by importance, and the columns that differ most.

    The importance of a column is how much the squared error of a boosted model on holdout rows grows when its values
    are shuffled (permutation importance; Breiman, "Random forests", Machine Learning 2001); the correlation is
    Spearman's (American Journal of Psychology 1904), ``cov(ranks) / (sd sd')``. The interval is a bootstrap over
    holdout rows.
    """
    inputs = list(_without(question.sides.train, question.target))
    if len(inputs) < MIN_COLUMNS:
        return _not_judged(Figure.IMPORTANCE_AGREEMENT, f"fewer than {MIN_COLUMNS} columns to compare"), ()
    rows, halves = _halves(question, MAX_HALF_ROWS, rng)
    found = _importances(question, halves, inputs, rng)
    if any(np.ptp(half[0]) == 0 for cut in found for half in cut.real):
        why_not = "models that are trained on real rows make nothing of any column"
        return _not_judged(Figure.IMPORTANCE_AGREEMENT, why_not), ()
    more = f"{len(inputs)} columns; models of {rows:,} rows each."
    agreement = _agreement(Figure.IMPORTANCE_AGREEMENT, spearman, found, rows, more)
    return agreement, (_columns_detail(inputs, *_means(found)),)


def _importances(
    question: Question, halves: Sequence[_Halves], inputs: Sequence[str], rng: np.random.Generator
) -> list[_Found]:
    """Return the importance of each column for models of every half."""
    most = _affordable(_MOST_PERMUTED, question)
    task, holdout = _some(question, most, rng)
    rows = len(task.truth)
    weights = resamples(rows, rng) / rows
    times = int(np.clip(most // rows, 1, _PERMUTATIONS))
    # The same permutations for every model: their chance then cancels out.
    orders = {name: [rng.permutation(rows) for _ in range(times)] for name in inputs}

    def found(rows: Features) -> Scores:
        model = boosted(rows, task, question.target, depth=_IMPORTANCE_DEPTH)
        return weights @ importance(model, task, holdout, orders)

    return [_Found.by(found, cut) for cut in halves]


def importance(
    model: Predictor, task: Task, holdout: Features, orders: Mapping[str, Sequence[NDArray[np.int64]]]
) -> Scores:
    """Return how much the squared error of each row grows by shuffling each column, shape (rows, columns).

    Breiman, "Random forests", 2001; the mean over rows is a column's importance, as scikit-learn's
    permutation_importance has it. ``orders`` are the permutations by column.
    """
    rows, names = len(task.truth), list(orders)
    # Many columns at once: a prediction costs far more than a row of it.
    together = max(1, _PREDICTED_CELLS // (rows * len(orders[names[0]]) * len(holdout)))
    grown = [
        _shuffled_errors(model, task, holdout, {name: orders[name] for name in names[start : start + together]})
        for start in range(0, len(names), together)
    ]
    return np.asarray(np.concatenate(grown).T - squared_errors(task, model(holdout))[:, None])


def _shuffled_errors(
    model: Predictor, task: Task, holdout: Features, orders: Mapping[str, Sequence[NDArray[np.int64]]]
) -> Scores:
    """Return the mean squared error of each row where a column is shuffled, shape (columns, rows)."""
    times, rows = len(next(iter(orders.values()))), np.arange(len(task.truth))
    copies = len(orders) * times

    def under_each_other(name: str) -> NDArray[np.int64]:
        return np.concatenate([order if of == name else rows for of in orders for order in orders[of]])

    shuffled = {name: take_one(feature, under_each_other(name)) for name, feature in holdout.items()}
    errors = squared_errors(replace(task, truth=np.tile(task.truth, copies)), model(shuffled))
    return np.asarray(errors.reshape(len(orders), times, len(rows)).mean(axis=1))


def squared_errors(task: Task, predicted: Scores) -> Scores:
    """Return the squared error of each prediction, shape (rows,), over the variance of the truth.

    Over classes its mean is the Brier score (Brier, "Verification of forecasts expressed in terms of probability",
    1950).
    """
    truth = task.truth[:, None] if task.classes is None else (task.truth[:, None] == task.classes).astype(np.float64)
    variance = truth.var(axis=0).sum()
    return np.asarray(((predicted - truth) ** 2).sum(axis=1) / (variance if variance > 0 else 1.0))


def spearman(one: Scores, other: Scores) -> Scores:
    """Return Spearman's rank correlation of each row, shape (rows,), of two arrays of shape (rows, columns).

    Pearson's correlation of the ranks, ties at their mean rank (Spearman, 1904). 0 where one side has no order.
    """
    ranks = [rankdata(side, axis=1) for side in (one, other)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    spread = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    return np.asarray((centred[0] * centred[1]).sum(axis=1) / np.where(spread > 0, spread, 1.0))


def _columns_detail(inputs: Sequence[str], of_real: Scores, of_synthetic: Scores) -> Detail:
    ranks = [rankdata(-side) for side in (of_real, of_synthetic)]
    worst = np.argsort(-np.abs(ranks[0] - ranks[1]), kind="stable")[:_WORST]
    return Detail(
        name="importance_columns",
        title="Columns whose importance differs most between models of synthetic and of real rows",
        heading=(
            "Column",
            "Importance, trained on real (1: all the target's variance)",
            "Importance, trained on synthetic",
            "Rank, real",
            "Rank, synthetic",
        ),
        rows=tuple((inputs[i], *(float(side[i]) for side in (of_real, of_synthetic, *ranks))) for i in worst.tolist()),
    )


def _rank_agreement(question: Question, rng: np.random.Generator) -> tuple[Measure, tuple[Detail, ...]]:
    """Return Kendall's tau of challengers ranked by synthetic and by real training, and what choosing costs.

    Tau-b, ``(concordant - discordant pairs) / sqrt(untied pairs of the one x of the other)`` (Kendall, "The treatment
    of ties in ranking problems", Biometrika 1945). What choosing costs: the score of the best challenger less that of
    the chosen one, both trained on real rows.
    """
    task, holdout = _some(question, MAX_RANKED_ROWS, rng)
    weights = resamples(len(task.truth), rng)
    learners = _challengers(question)
    rows, halves = _halves(question, _affordable(_MOST_LEARNED, question), rng)

    def scores(rows: Features) -> Scores:
        return np.stack([task.score(learner(rows)(holdout), weights) for learner in learners.values()], axis=1)

    found = [_Found.by(scores, cut) for cut in halves]
    more = (
        f"{len(learners)} challengers, each trained on {rows:,} rows; {task.label} on {len(task.truth):,} holdout rows."
    )
    agreement = _agreement(Figure.RANK_AGREEMENT, kendall, found, rows, more)
    if agreement.value is None:
        return agreement, ()
    of_real, of_synthetic = _means(found)
    folds = [_validated(side[0], question, learners, rng) for side in (halves[0].real, halves[0].synthetic)]
    details = (
        _challengers_detail(list(learners), of_real, of_synthetic, *folds, task=task),
        _choice_detail(list(learners), of_real, *folds, task=task),
    )
    return agreement, details


def _challengers(question: Question) -> dict[str, Learner]:
    """Return models of unlike kinds that a team would try against each other, by name."""
    prepared = Standardised.of(question.sides.train, question.target)
    task, target = question.task, question.target
    forest, tree, neighbours = (
        (RandomForestRegressor, DecisionTreeRegressor, KNeighborsRegressor)
        if task.classes is None
        else (RandomForestClassifier, DecisionTreeClassifier, KNeighborsClassifier)
    )
    return {
        "linear": _linear(question, prepared),
        "linear, strongly penalised": _linear(question, prepared, penalty=1_000.0),
        "boosted trees": lambda rows: boosted(rows, task, target),
        "boosted trees, depth 2": lambda rows: boosted(rows, task, target, depth=2),
        "random forest": _plain(
            question,
            prepared,
            lambda _: forest(n_estimators=40, min_samples_leaf=5, max_features="sqrt", random_state=0),
        ),
        "decision tree": _plain(
            question, prepared, lambda rows: tree(min_samples_leaf=max(1, rows // 50), random_state=0)
        ),
        "nearest neighbours": _plain(question, prepared, lambda rows: neighbours(n_neighbors=min(25, rows))),
    }


def kendall(one: Scores, other: Scores) -> Scores:
    """Return Kendall's tau-b of each row, shape (rows,), of two arrays of shape (rows, models).

    Pairs in the same order minus pairs in the other, over the geometric mean of the pairs that either side puts in an
    order (Kendall, "The treatment of ties in ranking problems", Biometrika 1945). 0 where one side has no order.
    """
    left, right = np.triu_indices(one.shape[1], k=1)
    signs = [np.sign(side[:, left] - side[:, right]) for side in (one, other)]
    ordered = np.sqrt((signs[0] ** 2).sum(axis=1) * (signs[1] ** 2).sum(axis=1))
    return np.asarray((signs[0] * signs[1]).sum(axis=1) / np.where(ordered > 0, ordered, 1.0))


def _validated(rows: Features, question: Question, learners: Mapping[str, Learner], rng: np.random.Generator) -> Scores:
    """Return the cross-validated score of each challenger among some rows, shape (challengers,); NaN without one."""
    truth = outcome(rows[question.target])
    # Along the outcome, fold by fold: each has its share of every class, or of large and small numbers.
    fold = np.empty(len(truth), dtype=np.int64)
    fold[np.lexsort((rng.random(len(truth)), truth))] = np.arange(len(truth)) % _FOLDS
    scores = []
    for number in range(_FOLDS):
        checked = np.flatnonzero(fold == number)
        learned, new = take(rows, np.flatnonzero(fold != number)), take(rows, checked)
        task, once = replace(question.task, truth=truth[checked]), np.ones((1, len(checked)))
        scores.append([task.score(learner(learned)(new), once)[0] for learner in learners.values()])
    return np.asarray(np.mean(scores, axis=0))


def _challengers_detail(
    names: Sequence[str], of_real: Scores, of_synthetic: Scores, by_real: Scores, by_synthetic: Scores, *, task: Task
) -> Detail:
    worst = np.argsort(-np.abs(of_real - of_synthetic), kind="stable").tolist()
    return Detail(
        name="challengers",
        title="Challenger models, those first that fare most differently",
        heading=(
            "Challenger",
            f"{task.label} on the holdout, trained on real",
            "Trained on synthetic",
            "Cross-validated on real",
            "Cross-validated on synthetic",
        ),
        rows=tuple(
            (names[i], *(_finite(side[i]) for side in (of_real, of_synthetic, by_real, by_synthetic))) for i in worst
        ),
    )


def _choice_detail(names: Sequence[str], of_real: Scores, *cross_validated: Scores, task: Task) -> Detail:
    """Say what is lost by choosing on some rows and then training on real ones, against the best in hindsight."""
    rows: list[tuple[str | float | None, ...]] = []
    for on, scores in zip(("real", "synthetic"), cross_validated, strict=True):
        known = np.isfinite(scores).all()
        chosen = int(np.argmax(scores)) if known else None
        rows.append(
            (f"cross-validation on {on} rows", None, None, None)
            if chosen is None
            else (
                f"cross-validation on {on} rows",
                names[chosen],
                float(of_real[chosen]),
                float(of_real.max() - of_real[chosen]),
            )
        )
    best = int(np.argmax(of_real))
    return Detail(
        name="challenger_choice",
        title="What choosing a challenger on synthetic rows costs",
        heading=("Chosen by", "Challenger", f"{task.label} on the holdout, trained on real", "Lost to the best"),
        rows=(*reversed(rows), ("hindsight", names[best], float(of_real[best]), 0.0)),
    )


# --- figures ---------------------------------------------------------------------------------------------------------


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _judged(name: Figure, scores: Scores, rows: int, *, more: str, fresh: float | None = None) -> Measure:
    if not np.isfinite([scores[0], 0.0 if fresh is None else fresh]).all():
        return _not_judged(name, "the scores of the models are not finite")
    title, unit, reading = _ABOUT[name]
    return with_interval(scores, name, title, f"{reading} {more}", rows, unit=unit, fresh=fresh)


def _not_judged(name: Figure, why_not: str) -> Measure:
    title, unit, reading = _ABOUT[name]
    return Measure(name=name, title=title, unit=unit, value=None, reading=reading, why_not=why_not)

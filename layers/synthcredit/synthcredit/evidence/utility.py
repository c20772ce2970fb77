"""Usefulness: how a model that was trained on synthetic rows works on real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from synthcredit.datasets.schema import Kind, TableSchema
from synthcredit.evidence.model import Figure, Measure, Unit
from synthcredit.evidence.sides import Sides, draw
from synthcredit.synthesizers.features import Discrete, Feature, Features, rows_of, take

MIN_OF_A_CLASS = 10
"""A class with fewer holdout rows than this has no AUC worth the name."""
_MAX_CLASSES = 20
_MAX_ROWS = 50_000
_SMALL = 5_000
_SMALL_DRAWS = 5
_SMALL_SHARE = 0.8
_RESAMPLES = 200
_LEVEL = 0.95
_MOST_CATEGORIES = 254
"""HistGradientBoosting takes no more categories of one column; rarer ones share the last."""


Predictor = Callable[[Features], NDArray[np.float64]]
"""Predicts rows: shape (rows, classes of the task), or (rows, 1) for a number."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is predicted, and how a prediction scores.

    Parameters
    ----------
    classes
        The classes that are scored, ascending, shape (classes,); None where the target is a number.
    truth
        The outcome of the rows that are predicted, shape (rows,).
    label
        The name of the score.
    """

    classes: NDArray[np.float64] | None
    truth: NDArray[np.float64]
    label: str

    def score(self, predicted: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the score of each resample, shape (resamples,); ``weights`` as `resamples` gives them."""
        if self.classes is None:
            return r_squared(self.truth, predicted[:, 0], weights)
        scores = [
            auc(self.truth == label, predicted[:, position], weights) for position, label in enumerate(self.classes)
        ]
        # Of two classes, either one has the same AUC.
        return scores[1] if len(scores) == 2 else np.mean(scores, axis=0)


@dataclass(frozen=True, slots=True)
class Question:
    """A task with the rows to learn it from, all of which have a known target."""

    task: Task
    sides: Sides
    target: str


def measure(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> tuple[Measure, ...]:
    """Measure TSTR (train on synthetic, test on real), TRTR (train on real, test on real), and the loss between them.

    Gradient boosting learns the target from the other learned columns of as many synthetic as real rows; both models
    are scored on the holdout: AUC (one against the rest, the mean over classes, where there are more than two), or R
    squared for a number. Below 5,000 rows the mean of 5 fits, each on a fresh draw of 80 % of the rows. The interval is
    the 95 % percentile bootstrap over holdout rows, the same rows for both models; loss ``TRTR - TSTR``. TSTR after
    Esteban, Hyland and Rätsch, "Real-valued (medical) time series generation with recurrent conditional GANs" (2017).
    """
    question = prepare(sides, schema)
    if isinstance(question, str):
        return _not_measured(question)
    # One thread: on tables of this size several only wait for each other, on a busy machine for minutes.
    with threadpool_limits(limits=1, user_api="openmp"):
        return _measured(question, rng)


def prepare(sides: Sides, schema: TableSchema) -> Question | str:
    """Return what is to be predicted from rows whose target is known, or why it cannot be."""
    target = schema.target
    if target is None:
        return "no target was named"
    if not schema[target].learned or schema[target].kind is Kind.DATETIME:
        return f"the target is {schema[target].kind} and cannot be predicted"
    why_not = sides.too_few()
    if why_not is not None:
        return why_not
    sides = _with_outcome(sides, schema, target)
    why_not = _too_little_known(sides)
    if why_not is not None:
        return why_not
    task = task_of(sides.train[target], sides.holdout[target])
    return task if isinstance(task, str) else Question(task, sides, target)


def fits(rows: int) -> tuple[int, int]:
    """Return how many models a score is the mean of, and how many of so many rows each of them learns from."""
    return (_SMALL_DRAWS, int(rows * _SMALL_SHARE)) if rows < _SMALL else (1, rows)


def resamples(rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how often each row counts, shape (1 + bootstrap resamples, rows); first once each, the rows themselves."""
    return np.vstack([np.ones(rows), rng.multinomial(rows, np.full(rows, 1 / rows), size=_RESAMPLES)])


def _measured(question: Question, rng: np.random.Generator) -> tuple[Measure, ...]:
    sides, task, target = question.sides, question.task, question.target
    draws, rows = fits(min(rows_of(sides.synthetic), rows_of(sides.train), _MAX_ROWS))
    held = len(task.truth)
    weights = resamples(held, rng)

    def mean_score(side: Features) -> NDArray[np.float64]:
        predictions = (boosted(draw(side, rows, rng), task, target)(sides.holdout) for _ in range(draws))
        return np.asarray(np.mean([task.score(predicted, weights) for predicted in predictions], axis=0))

    tstr, trtr = mean_score(sides.synthetic), mean_score(sides.train)
    of = f"{task.label} on {held:,} holdout rows"
    return (
        with_interval(
            tstr,
            Figure.TSTR,
            "Trained on synthetic, tested on real (TSTR)",
            f"A model of '{target}' that saw synthetic rows only reaches this {of}.",
            rows,
            fresh=float(trtr[0]),
        ),
        with_interval(
            trtr,
            Figure.TRTR,
            "Trained on real, tested on real (TRTR)",
            f"The same model, trained on as many real rows, reaches this {of}.",
            rows,
        ),
        with_interval(
            trtr - tstr,
            Figure.TSTR_LOSS,
            "Loss: TRTR minus TSTR",
            f"What using synthetic instead of real rows costs a model of '{target}'; near 0 is good.",
            rows,
            unit=Unit.DIFFERENCE,
        ),
    )


def boosted(rows: Features, task: Task, target: str, *, depth: int | None = None) -> Predictor:
    """Train gradient boosting on some rows; ``depth`` limits its trees, which have 31 leaves otherwise."""
    inputs = [name for name in rows if name != target]
    settings = {
        "categorical_features": np.array([isinstance(rows[name], Discrete) for name in inputs]),
        "early_stopping": False,
        "random_state": 0,
        "max_depth": depth,
    }
    kind = HistGradientBoostingRegressor if task.classes is None else HistGradientBoostingClassifier

    # scikit-learn cannot bin a column without any value: for this model it is a constant.
    empty = {name for name in inputs if np.isnan(numbers(rows[name])).all()}

    def matrix(features: Features) -> NDArray[np.float64]:
        return np.column_stack(
            [np.zeros(rows_of(features)) if name in empty else numbers(features[name]) for name in inputs]
        )

    return trained(kind(**settings), matrix, rows, task, target)


def trained(
    model: Any,  # noqa: ANN401 - a scikit-learn model, which has no types
    matrix: Callable[[Features], NDArray[np.float64]],
    rows: Features,
    task: Task,
    target: str,
) -> Predictor:
    """Train a scikit-learn model on some rows, in the form that ``matrix`` gives them, shape (rows, inputs)."""
    y = outcome(rows[target])
    classes = task.classes
    if classes is None:
        model.fit(matrix(rows), y)
        return lambda new: np.asarray(model.predict(matrix(new)), dtype=np.float64).reshape(-1, 1)
    if len(np.unique(y)) == 1:
        # Synthetic rows of one class teach nothing: every prediction is the same, and the AUC .5.
        return lambda new: np.zeros((rows_of(new), len(classes)))
    model.fit(matrix(rows), y)
    return lambda new: _probabilities(model, matrix(new), classes)


def _probabilities(
    model: Any,  # noqa: ANN401
    x: NDArray[np.float64],
    classes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the probability of each class, shape (rows, classes); 0 of one that the model never saw."""
    predicted = np.zeros((len(x), len(classes)))
    found = {label: position for position, label in enumerate(model.classes_)}
    probabilities = model.predict_proba(x)
    for position, label in enumerate(classes):
        if label in found:
            predicted[:, position] = probabilities[:, found[label]]
    return predicted


def auc(
    positive: NDArray[np.bool_], predicted: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the area under the ROC curve of each resample, shape (resamples,); ties count one half.

    The share of (positive, negative) pairs in the right order (Hanley and McNeil, Radiology 1982), rows weighted by
    ``weights``, shape (resamples, rows). NaN where a resample has one class only.
    """
    of_positive, of_negative = by_score(positive, predicted, weights)
    below = np.cumsum(of_negative, axis=1) - of_negative / 2
    pairs = of_positive.sum(axis=1) * of_negative.sum(axis=1)
    right = (of_positive * below).sum(axis=1)
    return _divided(right, pairs)


def by_score(
    positive: NDArray[np.bool_], predicted: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight of positives, and of negatives, by prediction, ascending; each (resamples, predictions)."""
    order = np.argsort(predicted, kind="stable")
    starts = np.flatnonzero(np.diff(predicted[order], prepend=np.nan) != 0)
    sorted_weights = weights[:, order]
    return (
        np.add.reduceat(sorted_weights * positive[order], starts, axis=1),
        np.add.reduceat(sorted_weights * ~positive[order], starts, axis=1),
    )


def r_squared(
    truth: NDArray[np.float64], predicted: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return R squared of each resample, shape (resamples,): 1 minus the residual over the total sum of squares."""
    total = weights.sum(axis=1)
    mean = weights @ truth / total
    spread = weights @ truth**2 - total * mean**2
    residual = weights @ (truth - predicted) ** 2
    return 1 - _divided(residual, spread)


def _divided(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide, NaN where there is nothing to divide by."""
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def outcome(feature: Feature) -> NDArray[np.float64]:
    """Return a target as numbers: the code of a category, or the value."""
    return (feature.codes if isinstance(feature, Discrete) else feature.values).astype(np.float64)


def task_of(train: Feature, holdout: Feature) -> Task | str:
    """Return what is to be predicted, or why it cannot be."""
    real, truth = outcome(train), outcome(holdout)
    classes = np.unique(real)
    if len(classes) == 1:
        return "the target has one value only"
    if not isinstance(train, Discrete) and len(classes) > _MAX_CLASSES:
        return Task(None, truth, "R squared")
    if len(classes) > _MAX_CLASSES:
        return f"the target has more than {_MAX_CLASSES} classes"
    counts = np.array([(truth == label).sum() for label in classes])
    scored = classes[counts >= MIN_OF_A_CLASS]
    if len(scored) < 2:
        return f"fewer than two classes of the target have {MIN_OF_A_CLASS} holdout rows"
    return Task(scored, truth, "AUC" if len(scored) == 2 else "mean AUC of one class against the rest")


def _with_outcome(sides: Sides, schema: TableSchema, target: str) -> Sides:
    """Return the rows whose target is known."""
    categories = len(schema[target].categories or ())

    def known(side: Features) -> Features:
        feature = side[target]
        there = feature.codes < categories if isinstance(feature, Discrete) else np.isfinite(feature.values)
        return take(side, np.flatnonzero(there))

    return Sides(known(sides.synthetic), known(sides.train), known(sides.holdout))


def _too_little_known(sides: Sides) -> str | None:
    if len(sides.train) == 1:
        return "there is no other column to predict the target from"
    why_not = sides.too_few()
    return None if why_not is None else f"among rows with a known target: {why_not}"


def numbers(feature: Feature) -> NDArray[np.float64]:
    """Return an input as numbers, shape (n,): categories by code, values that are missing or infinite as NaN."""
    if not isinstance(feature, Discrete):
        return np.where(np.isfinite(feature.values), feature.values, np.nan)
    return np.minimum(feature.codes, _MOST_CATEGORIES).astype(np.float64)


def with_interval(
    scores: NDArray[np.float64],
    name: Figure,
    title: str,
    reading: str,
    rows: int,
    *,
    unit: Unit = Unit.SCORE,
    fresh: float | None = None,
) -> Measure:
    """Return a figure with its interval, of the scores of `resamples`, the first of which is the figure itself."""
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.nanpercentile(scores[1:], [tail, 100 - tail])
    return Measure(
        name=name,
        title=title,
        unit=unit,
        value=float(scores[0]),
        low=float(low),
        high=float(high),
        fresh=fresh,
        rows=rows,
        reading=reading,
    )


def _not_measured(why_not: str) -> tuple[Measure, ...]:
    reading = "How a model fares that was trained on synthetic rows and is used on real ones."
    return tuple(
        Measure(name=name, title=title, unit=unit, value=None, reading=reading, why_not=why_not)
        for name, title, unit in (
            (Figure.TSTR, "Trained on synthetic, tested on real (TSTR)", Unit.SCORE),
            (Figure.TRTR, "Trained on real, tested on real (TRTR)", Unit.SCORE),
            (Figure.TSTR_LOSS, "Loss: TRTR minus TSTR", Unit.DIFFERENCE),
        )
    )

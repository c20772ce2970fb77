"""Usefulness: how a model that was trained on synthetic rows works on real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from synthcredit.datasets.schema import Kind, TableSchema
from synthcredit.evidence.model import Figure, Measure, Unit
from synthcredit.evidence.sides import Sides, draw, rows_of, take
from synthcredit.synthesizers.features import Discrete, Feature, Features

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


@dataclass(frozen=True, slots=True)
class _Task:
    """What is predicted on the holdout, and how a prediction scores."""

    classes: NDArray[np.float64] | None
    truth: NDArray[np.float64]
    label: str

    def score(self, predicted: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the score of each resample."""
        if self.classes is None:
            return r_squared(self.truth, predicted[:, 0], weights)
        scores = [
            auc(self.truth == label, predicted[:, position], weights) for position, label in enumerate(self.classes)
        ]
        # Of two classes, either one has the same AUC.
        return scores[1] if len(scores) == 2 else np.mean(scores, axis=0)


def measure(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> tuple[Measure, ...]:
    """Measure TSTR (train on synthetic, test on real), TRTR (train on real, test on real), and the loss between them.

    Gradient boosting learns the target from the other learned columns of as many synthetic as real rows; both models
    are scored on the holdout: AUC (one against the rest, the mean over classes, where there are more than two), or R
    squared for a number. Below 5,000 rows the mean of 5 fits, each on a fresh draw of 80 % of the rows. The interval is
    the 95 % percentile bootstrap over holdout rows, the same rows for both models. TSTR after Esteban, Hyland and
    Rätsch, "Real-valued (medical) time series generation with recurrent conditional GANs" (2017).
    """
    target = schema.target
    if target is None:
        return _not_measured("no target was named")
    if not schema[target].learned or schema[target].kind is Kind.DATETIME:
        return _not_measured(f"the target is {schema[target].kind} and cannot be predicted")
    why_not = sides.too_few()
    if why_not is None:
        sides = _with_outcome(sides, schema, target)
        why_not = _too_little_known(sides)
    if why_not is not None:
        return _not_measured(why_not)
    task = _task(sides.train[target], sides.holdout[target])
    # One thread: on tables of this size several only wait for each other, on a busy machine for minutes.
    with threadpool_limits(limits=1, user_api="openmp"):
        return _not_measured(task) if isinstance(task, str) else _measured(task, sides, target, rng)


def _measured(task: _Task, sides: Sides, target: str, rng: np.random.Generator) -> tuple[Measure, ...]:
    rows = min(rows_of(sides.synthetic), rows_of(sides.train), _MAX_ROWS)
    draws, rows = (_SMALL_DRAWS, int(rows * _SMALL_SHARE)) if rows < _SMALL else (1, rows)
    held = len(task.truth)
    # The first "resample" is the holdout itself.
    weights = np.vstack([np.ones(held), rng.multinomial(held, np.full(held, 1 / held), size=_RESAMPLES)])

    def mean_score(side: Features) -> NDArray[np.float64]:
        predictions = (_predict(draw(side, rows, rng), sides.holdout, task, target) for _ in range(draws))
        return np.asarray(np.mean([task.score(predicted, weights) for predicted in predictions], axis=0))

    tstr, trtr = mean_score(sides.synthetic), mean_score(sides.train)
    of = f"{task.label} on {held:,} holdout rows"
    return (
        _with_interval(
            tstr,
            Figure.TSTR,
            "Trained on synthetic, tested on real (TSTR)",
            f"A model of '{target}' that saw synthetic rows only reaches this {of}.",
            rows,
            fresh=float(trtr[0]),
        ),
        _with_interval(
            trtr,
            Figure.TRTR,
            "Trained on real, tested on real (TRTR)",
            f"The same model, trained on as many real rows, reaches this {of}.",
            rows,
        ),
        _with_interval(
            trtr - tstr,
            Figure.TSTR_LOSS,
            "Loss: TRTR minus TSTR",
            f"What using synthetic instead of real rows costs a model of '{target}'; near 0 is good.",
            rows,
            unit=Unit.DIFFERENCE,
        ),
    )


def _predict(rows: Features, holdout: Features, task: _Task, target: str) -> NDArray[np.float64]:
    """Train on some rows and predict the holdout; shape (holdout rows, classes), or (holdout rows, 1) for a number."""
    inputs = {name: feature for name, feature in rows.items() if name != target}
    categorical = np.array([isinstance(feature, Discrete) for feature in inputs.values()])
    x = np.column_stack([_numbers(feature) for feature in inputs.values()])
    new = np.column_stack([_numbers(holdout[name]) for name in inputs])
    y = outcome(rows[target])
    settings = {"categorical_features": categorical, "early_stopping": False, "random_state": 0}
    if task.classes is None:
        predicted = HistGradientBoostingRegressor(**settings).fit(x, y).predict(new)
        return np.asarray(predicted, dtype=np.float64).reshape(-1, 1)
    seen = np.unique(y)
    predicted = np.zeros((len(new), len(task.classes)))
    if len(seen) == 1:
        # Synthetic rows of one class teach nothing: every prediction is the same, and the AUC .5.
        return predicted
    model = HistGradientBoostingClassifier(**settings).fit(x, y)
    found = {label: position for position, label in enumerate(model.classes_)}
    probabilities = model.predict_proba(new)
    for position, label in enumerate(task.classes):
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
    order = np.argsort(predicted, kind="stable")
    starts = np.flatnonzero(np.diff(predicted[order], prepend=np.nan) != 0)
    sorted_weights = weights[:, order]
    of_positive = np.add.reduceat(sorted_weights * positive[order], starts, axis=1)
    of_negative = np.add.reduceat(sorted_weights * ~positive[order], starts, axis=1)
    below = np.cumsum(of_negative, axis=1) - of_negative / 2
    pairs = of_positive.sum(axis=1) * of_negative.sum(axis=1)
    right = (of_positive * below).sum(axis=1)
    return _divided(right, pairs)


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


def _task(train: Feature, holdout: Feature) -> _Task | str:
    """Return what is to be predicted, or why it cannot be."""
    real, truth = outcome(train), outcome(holdout)
    classes = np.unique(real)
    if len(classes) == 1:
        return "the target has one value only"
    if not isinstance(train, Discrete) and len(classes) > _MAX_CLASSES:
        return _Task(None, truth, "R squared")
    if len(classes) > _MAX_CLASSES:
        return f"the target has more than {_MAX_CLASSES} classes"
    counts = np.array([(truth == label).sum() for label in classes])
    scored = classes[counts >= MIN_OF_A_CLASS]
    if len(scored) < 2:
        return f"fewer than two classes of the target have {MIN_OF_A_CLASS} holdout rows"
    return _Task(scored, truth, "AUC" if len(scored) == 2 else "mean AUC of one class against the rest")


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


def _numbers(feature: Feature) -> NDArray[np.float64]:
    if not isinstance(feature, Discrete):
        return np.where(np.isfinite(feature.values), feature.values, np.nan)
    return np.minimum(feature.codes, _MOST_CATEGORIES).astype(np.float64)


def _with_interval(
    scores: NDArray[np.float64],
    name: Figure,
    title: str,
    reading: str,
    rows: int,
    *,
    unit: Unit = Unit.SCORE,
    fresh: float | None = None,
) -> Measure:
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

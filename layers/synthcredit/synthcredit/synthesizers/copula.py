"""The `copula` family: a Gaussian copula of mixed columns, one for each class of the target, in numpy.

Every column is one or two standard normals behind a quantile table (`copula_margins`); what ties columns together is
the correlation of those normals (`copula_dependence`). Where the schema names a target of few classes, each class has
tables and correlations of its own: then what a scorecard looks for, how each column differs between good and bad, is
kept as it is, whatever its form. Nothing but tables and correlations is in the model, and sampling is one matrix
product and a few look-ups a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import ThreadpoolController

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import InvalidInputError, Problem
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers import copula_completion, people
from synthcredit.synthesizers.copula_dependence import (
    Scores,
    latent_correlation,
    nearest_correlation,
    normal_cdf,
    observed_correlation,
    shrink,
)
from synthcredit.synthesizers.copula_margins import (
    Choice,
    Latent,
    Margin,
    choice_order,
    choice_weights,
    latents,
    learn_amount,
    learn_choice,
)
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric, rows_of
from synthcredit.synthesizers.fitting import Fitting
from synthcredit.synthesizers.protocol import Synthesizer
from synthcredit.synthesizers.settings import CopulaSettings

_MOST_CLASSES = 10
"""A target of more categories than this is a column like the others."""
_CLASS_BINS = 10
"""Bins of k rows that a class must be good for, to have a copula of its own."""
_VALUE_LIMIT = 1e300
_BLAS = ThreadpoolController()


@dataclass(frozen=True, slots=True)
class Copula:
    """The distribution of all columns in some of the rows.

    Parameters
    ----------
    factor
        Shape (d, d), float32. Turns independent normals into the latent ones; its rows have length 1.
    margins
        One for each of the d latent variables.
    """

    factor: NDArray[np.float32]
    margins: list[Margin]

    def check(self) -> None:
        """Raise `ValueError` unless all shapes, dtypes and values fit together."""
        size = len(self.margins)
        if self.factor.dtype != np.float32 or self.factor.shape != (size, size):
            raise ValueError("a correlation factor does not fit to the columns")
        lengths = (self.factor.astype(np.float64) ** 2).sum(axis=1)
        if not (np.abs(lengths - 1) < 1e-3).all():
            raise ValueError("a correlation factor has rows of another length than 1")
        for margin in self.margins:
            margin.check()


class _Config(BaseModel):
    """What a model file says beside its arrays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    specials: list[Annotated[int, Field(ge=0)]]
    segments: Annotated[list[list[Annotated[int, Field(ge=1)]]], Field(min_length=1)]


class CopulaSynthesizer(Synthesizer):
    """Gaussian copula, one for each class of the target."""

    name: ClassVar[str] = "copula"
    completes: ClassVar[bool] = True
    settings: CopulaSettings

    _specials: list[NDArray[np.float64]]
    _chances: NDArray[np.float64]
    _copulas: list[Copula]
    _k_rows: int

    @property
    def givable(self) -> frozenset[str]:
        """The target, where each of its classes has a copula of its own: the given class's is then drawn from."""
        return frozenset() if self._own_classes() is None else frozenset({str(self.schema.target)})

    def _own_classes(self) -> NDArray[np.int32] | None:
        """Return the target's code in each copula, shape (copulas,); None where one has several, or there is none."""
        names = [column.name for column in self.schema.learned]
        target = self.schema.target
        if target not in names or not self.schema[target].discrete:
            return None
        place = names.index(target) + sum(len(states) > 0 for states in self._specials[: names.index(target)])
        margins = [copula.margins[place] for copula in self._copulas]
        if any(len(margin.low) != 1 for margin in margins):
            return None
        return np.array([margin.low[0] for margin in margins], dtype=np.int32)

    def _look(self, table: pa.Table, schema: TableSchema) -> Iterator[Problem]:
        self._k_rows = people.rows_behind(self.settings.k, table, schema)
        yield from people.too_few(self.settings.k, self._k_rows, table)

    def _fit(self, features: Features, fitting: Fitting) -> None:
        seed, progress = fitting.seed, fitting.progress
        k, bins = self._k_rows, self.settings.bins
        found, self._specials = latents(features, self.schema, k)
        groups = _groups(features, self.schema.target, _CLASS_BINS * k)
        orders, chances = _orders(found, k, bins)
        progress(0.1, "columns in order")

        learned = []
        for at, group in enumerate(groups):
            rng = generator(seed, "copula/bins", at)
            own = [latent.take(group, weights) for latent, weights in zip(found, chances, strict=True)]
            with _BLAS.limit(limits=1, user_api="blas"):
                learned.append(_learn(own, orders, k, bins, rng))
            progress(0.1 + 0.8 * (at + 1) / len(groups), f"class {at + 1} of {len(groups)}")
        weights = np.array([len(group) for group in groups], dtype=np.float64)
        self._chances = weights / weights.sum()
        with _BLAS.limit(limits=1, user_api="blas"):
            self._copulas = list(_copulas(learned, self._chances))
        progress(1.0, "correlations")

    def _draw(self, rng: np.random.Generator, given: Features) -> Features:
        noise = rng.standard_normal((len(self._copulas[0].margins), BLOCK_ROWS), dtype=np.float32)
        chosen = np.searchsorted(self._chances.cumsum()[:-1], rng.random(BLOCK_ROWS), side="right")
        if given:
            chosen = self._classes_of(given)
        by_class = np.argsort(chosen, kind="stable")
        groups = np.split(by_class, np.cumsum(np.bincount(chosen, minlength=len(self._copulas)))[:-1])
        # One thread: sums differ in their last bits with the number of threads, and a shard is one process of several.
        with _BLAS.limit(limits=1, user_api="blas"):
            uniform = [
                normal_cdf(copula.factor @ noise[:, group]) for copula, group in zip(self._copulas, groups, strict=True)
            ]
        return self._columns(uniform, np.argsort(by_class))

    def _classes_of(self, given: Features) -> NDArray[np.intp]:
        """Return the copula of each row's given class."""
        (told,) = given.values()
        own = self._own_classes()
        assert own is not None  # noqa: S101 - else nothing can be given
        assert isinstance(told, Discrete)  # noqa: S101 - the target has classes
        copula_of = np.full(told.size, len(own), dtype=np.intp)
        copula_of[own] = np.arange(len(own))
        chosen: NDArray[np.intp] = copula_of[told.codes]
        if (chosen == len(own)).any():
            raise InvalidInputError(
                Problem(
                    "conditions",
                    f"the model has not learned one of the classes of '{self.schema.target}' that are asked for",
                    "Ask for another class, or train on data that has more such rows.",
                )
            )
        return chosen

    def _columns(self, uniform: list[NDArray[np.float32]], back: NDArray[np.intp]) -> dict[str, Feature]:
        """Turn each class's uniform numbers, shape (d, its rows), into columns, and put all rows in their order."""
        drawn: dict[str, Feature] = {}
        at = 0
        for column, specials in zip(self.schema.learned, self._specials, strict=True):
            width = 1 + (len(specials) > 0)
            parts = [
                _values(copula.margins[at : at + width], part[at : at + width], specials)
                for copula, part in zip(self._copulas, uniform, strict=True)
            ]
            drawn[column.name] = _feature(np.concatenate(parts)[back], column)
            at += width
        return drawn

    def _complete(self, rng: np.random.Generator, known: Features, given: Mapping[str, NDArray[np.bool_]]) -> Features:
        rows = rows_of(known)
        latent, likely = [], []
        with _BLAS.limit(limits=1, user_api="blas"):
            for copula in self._copulas:
                told = copula_completion.known_of(copula.margins, self._specials, self.schema.learned, known, given)
                own, log_likelihood = copula_completion.draw(copula.factor.astype(np.float64), told, rng)
                latent.append(own)
                likely.append(log_likelihood)
        chosen = copula_completion.choose(np.stack(likely), self._chances, rng)
        groups = [np.flatnonzero(chosen == at) for at in range(len(self._copulas))]
        uniform = [normal_cdf(own[:, group].astype(np.float32)) for own, group in zip(latent, groups, strict=True)]
        made = self._columns(uniform, np.argsort(np.concatenate(groups), kind="stable")[:rows])
        return {name: copula_completion.put_back(made[name], known[name], given[name]) for name in made}

    def _config(self) -> dict[str, Any]:
        return _Config(
            specials=[len(each) for each in self._specials],
            segments=[[len(margin.bounds) for margin in copula.margins] for copula in self._copulas],
        ).model_dump()

    def _arrays(self) -> dict[str, NDArray[Any]]:
        margins = [margin for copula in self._copulas for margin in copula.margins]
        return {
            "specials": np.concatenate(self._specials),
            "chances": self._chances,
            "factors": np.stack([copula.factor for copula in self._copulas]),
            "bounds": np.concatenate([margin.bounds for margin in margins]),
            "low": np.concatenate([margin.low for margin in margins]),
            "high": np.concatenate([margin.high for margin in margins]),
        }

    def _restore(self, config: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        parsed = _Config.model_validate(config)
        columns = self.schema.learned
        specials = _cut(arrays["specials"], parsed.specials, "specials")
        lengths = [length for segments in parsed.segments for length in segments]
        parts = (_cut(arrays[name], lengths, name) for name in ("bounds", "low", "high"))
        margins = iter([Margin(*each) for each in zip(*parts, strict=True)])
        chances, factors = arrays["chances"], arrays["factors"]
        if chances.dtype != np.float64 or chances.shape != (len(parsed.segments),):
            raise ValueError("array 'chances' must hold one float64 a class")
        if not ((chances >= 0).all() and abs(chances.sum() - 1) < 1e-6):
            raise ValueError("array 'chances' must be probabilities of sum 1")
        self._copulas = []
        for factor, segments in zip(factors, parsed.segments, strict=True):
            copula = Copula(factor, [next(margins) for _ in segments])
            copula.check()
            _check_codes(copula, specials, columns)
            self._copulas.append(copula)
        self._specials, self._chances = specials, chances


def _groups(features: Features, target: str | None, least: int) -> list[NDArray[np.intp]]:
    """Return the rows of each class of the target; those of classes of fewer rows than ``least`` go together.

    All rows are one group where there is no target, or it has many values.
    """
    goal = features.get(target) if target is not None else None
    if not isinstance(goal, Discrete) or goal.size > _MOST_CLASSES:
        first = next(iter(features.values()))
        return [np.arange(len(first.codes if isinstance(first, Discrete) else first.values))]
    groups = sorted((np.flatnonzero(goal.codes == code) for code in range(goal.size)), key=len)
    while len(groups) > 1 and len(groups[0]) < least:
        # The two smallest together; the target is then a column like the others among their rows.
        groups = sorted([np.sort(np.concatenate(groups[:2])), *groups[2:]], key=len)
    return groups


def _orders(found: list[Latent], k: int, bins: int) -> tuple[list[NDArray[np.intp]], list[NDArray[np.float64]]]:
    """Return the order of each choice's codes and their weights in all rows; nothing for amounts."""
    weights = [choice_weights(each, k) if isinstance(each, Choice) else np.empty(0) for each in found]
    orders = [np.argsort(-each, kind="stable") for each in weights]
    # Quiet bins: here they only rank rows.
    reference = np.stack(
        [
            _row_scores(*_margin(each, order, k, bins, generator(0, "copula/order")))
            for each, order in zip(found, orders, strict=True)
        ]
    )
    for at, each in enumerate(found):
        if isinstance(each, Choice):
            orders[at] = choice_order(each, np.delete(reference, at, axis=0))
    return orders, weights


def _row_scores(margin: Margin, segments: NDArray[np.int32]) -> NDArray[np.float64]:
    return np.append(Scores.of(margin.bounds).scores, 0.0)[segments]


def _margin(
    latent: Latent, order: NDArray[np.intp], k: int, bins: int, rng: np.random.Generator
) -> tuple[Margin, NDArray[np.int32]]:
    return learn_choice(latent, order, k) if isinstance(latent, Choice) else learn_amount(latent, k, bins, rng)


@dataclass(frozen=True, slots=True)
class _Learned:
    """What one class has shown: its margins, and the correlation of their latent normals with its rows."""

    margins: list[Margin]
    correlation: NDArray[np.float64]
    rows: NDArray[np.float64]


def _learn(
    found: list[Latent], orders: list[NDArray[np.intp]], k: int, bins: int, rng: np.random.Generator
) -> _Learned:
    pairs = [_margin(latent, order, k, bins, rng) for latent, order in zip(found, orders, strict=True)]
    margins = [margin for margin, _ in pairs]
    scores = [Scores.of(margin.bounds) for margin in margins]
    observed, rows = observed_correlation([segments for _, segments in pairs], scores)
    # Too few people to tell of.
    return _Learned(margins, latent_correlation(np.where(rows >= k, observed, 0.0), scores), rows)


def _copulas(learned: list[_Learned], chances: NDArray[np.float64]) -> Iterator[Copula]:
    common = np.tensordot(chances, np.stack([each.correlation for each in learned]), 1)
    for each in learned:
        correlation = nearest_correlation(shrink(each.correlation, each.rows, common))
        factor = np.linalg.cholesky(correlation)
        yield Copula(factor.astype(np.float32), each.margins)


def _values(margins: list[Margin], uniform: NDArray[np.float32], specials: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one column's values or codes, from its latent variables."""
    values = margins[-1].values(uniform[-1])
    if not len(specials):
        return values
    codes = margins[0].codes(uniform[0])
    return np.where(codes == 0, values, np.append(0.0, specials)[codes])


def _feature(values: NDArray[np.float64], column: Column) -> Feature:
    if not column.discrete:
        return Numeric(values)
    return Discrete(values.astype(np.int32), _states(column))


def _states(column: Column) -> int:
    """Return how many states a categorical column has."""
    return len(column.categories or ()) + column.nullable


def _check_codes(copula: Copula, specials: list[NDArray[np.float64]], columns: tuple[Column, ...]) -> None:
    """Raise `ValueError` unless a copula can only give values that its columns can hold."""
    margins = iter(copula.margins)
    for column, states in zip(columns, specials, strict=True):
        if column.discrete:
            if len(states):
                raise ValueError("a categorical column has special values")
            next(margins).check_codes(_states(column))
        elif len(states):
            if np.isnan(states[:-1]).any() or (np.isnan(states[-1]) and not column.nullable):
                raise ValueError("a state is missing in a column without missing values")
            if not (np.abs(states[~np.isnan(states)]) <= _VALUE_LIMIT).all():
                raise ValueError("a special value is out of range")
            next(margins).check_codes(len(states) + 1)
            next(margins)
        else:
            next(margins)
    if next(margins, None) is not None:
        raise ValueError("it has more tables than columns")


def _cut(array: NDArray[Any], lengths: list[int], name: str) -> list[NDArray[np.float64]]:
    """Cut an array into pieces."""
    if array.dtype != np.float64 or array.shape != (sum(lengths),):
        raise ValueError(f"array '{name}' must hold {sum(lengths)} float64")
    return np.split(array, np.cumsum(lengths)[:-1])

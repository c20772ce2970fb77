"""The `diffusion` family: classes one by one, numbers by denoising; trained with torch, sampled with numpy alone.

What the networks learn, and which papers it is from, is told in `diffusion_training`; how columns become classes and
numbers in `diffusion_columns`; how rows are drawn in `diffusion_network`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from threadpoolctl import ThreadpoolController

from synthcredit.datasets.schema import Column, Kind, TableSchema
from synthcredit.errors import InvalidInputError, MissingPackageError, Problem
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers import people
from synthcredit.synthesizers.diffusion_columns import (
    UNUSED,
    Coding,
    Seen,
    learn_classes,
    recode,
    recounted,
    same_as_partner,
    with_partners,
)
from synthcredit.synthesizers.diffusion_network import ClassNet, Floats, Layout, NumberNet, one_hot
from synthcredit.synthesizers.features import Discrete, Feature, Features, rows_of, take
from synthcredit.synthesizers.fitting import Fitting
from synthcredit.synthesizers.people import MIN_ROWS
from synthcredit.synthesizers.protocol import Synthesizer
from synthcredit.synthesizers.settings import DiffusionSettings
from synthcredit.synthesizers.trees_states import (
    AMOUNT_STEPS,
    TIME_STEPS,
    CategoryStates,
    Codes,
    NumericStates,
    learn_categories,
    learn_numbers,
)

MOST_TARGET_CLASSES = 32
"""A target of more is drawn like any other column, not before all others."""
_PIECE_ROWS = 512
"""Rows that go through the networks at once: few enough for the processor's cache. Part of what a seed means."""
_CALIBRATION_ROWS = 16_384
_FIXED_MB = 450
"""Memory of the interpreter with torch, about."""
_WEIGHT_COPIES = 8
"""Copies of the weights in training: themselves, gradients, both moments, mean, best, and a checkpoint's two."""
_BLAS = ThreadpoolController()


class _State(BaseModel):
    """What a model file says beside its arrays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    columns: list[str]
    """Those learned, in order."""
    missing: list[bool]
    target: int | None
    """Place of the target where all else depends on it."""


class DiffusionSynthesizer(Synthesizer):
    """Diffusion of mixed columns: sampling needs numpy alone, training needs the `diffusion` extra."""

    name: ClassVar[str] = "diffusion"
    continues: ClassVar[bool] = True
    resumes: ClassVar[bool] = True
    settings: DiffusionSettings

    _codings: list[Coding]
    _target: int | None
    _weights: dict[str, dict[str, Floats]]
    _classes: ClassNet | None
    _numbers: NumberNet | None

    @property
    def givable(self) -> frozenset[str]:
        """The target, where it is categorical and varies."""
        if self._target is None or not self.schema.learned[self._target].discrete:
            return frozenset()
        return frozenset({self.schema.learned[self._target].name})

    def _look(self, table: pa.Table, schema: TableSchema) -> Iterator[Problem]:
        self._k_rows = people.rows_behind(self.settings.k, table, schema)
        yield from people.too_few(self.settings.k, self._k_rows, table)

    def _fit(self, features: Features, fitting: Fitting) -> None:
        try:
            from synthcredit.synthesizers import diffusion_training
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                Problem(
                    "synthesizer.name",
                    f"'diffusion' trains with the package '{error.name}', which is not installed",
                    "Install it: pip install 'synthcredit[diffusion]'. Generating from a trained model needs it not.",
                )
            ) from None
        previous = fitting.previous
        assert previous is None or isinstance(previous, DiffusionSynthesizer)  # noqa: S101 - `fit` has checked it
        if previous is not None:
            _refuse_other_shape(previous.settings, self.settings)
        fitting.progress(0.0, "finding the classes and bins of the columns")
        if rows_of(features) > self.settings.max_rows:
            rng = generator(fitting.seed, "diffusion/rows")
            features = take(features, np.sort(rng.choice(rows_of(features), self.settings.max_rows, replace=False)))
        rows = self._learn_columns(features, fitting.seed, previous)
        rows = self._within_memory(rows, fitting.seed)
        weights = diffusion_training.train(
            self._codings,
            rows,
            self._target,
            self._layout,
            self.settings,
            fitting,
            previous._weights if previous is not None else None,
        )
        self._adopt({part: dict(own) for part, own in weights.items()})
        shares = [
            np.bincount(seen.classes, minlength=coding.size) / len(seen.classes)
            for seen, coding in zip(rows, self._codings, strict=True)
        ]
        self._calibrate(shares, generator(fitting.seed, "diffusion/calibrate"))
        fitting.progress(1.0, "trained")

    def _learn_columns(self, features: Features, seed: int, previous: DiffusionSynthesizer | None) -> list[Seen]:
        """Find the coding of every column, or take those of the model before; return the rows as they are seen."""
        values = list(features.values())
        random = [generator(seed, f"diffusion/column/{name}") for name in features]
        if previous is not None:
            codings = previous._codings
            rows = [recode(*each) for each in zip(codings, values, random, strict=True)]
        else:
            learned = [
                _learned(feature, self.schema[name], self._k_rows, rng)
                for (name, feature), rng in zip(features.items(), random, strict=True)
            ]
            rows = [states for _, states in learned]
            codings = with_partners([coding for coding, _ in learned], rows, values, self._k_rows)
        self._codings, seen = [], []
        for at, (coding, states) in enumerate(zip(codings, rows, strict=True)):
            same = same_as_partner(coding, states, at, values)
            self._codings.append(recounted(coding, states, same, self._k_rows))
            seen.append(self._codings[at].see(states, same))
        self._target = _place_of_target(self._codings, self.schema)
        return seen

    def _within_memory(self, rows: list[Seen], seed: int) -> list[Seen]:
        """Return no more rows than the training has memory for."""
        layout, own = self._layout, self.settings
        width = own.width * (own.layers + 2)
        weights = 4 * (layout.inputs + layout.numbers + own.width * own.layers) * own.width
        weights += min(3_000_000, len(layout.classes) * layout.inputs * (own.width // 4))
        activations = own.batch_size * (3 * width + 4 * layout.inputs + len(layout.classes) * own.width)
        fixed = _FIXED_MB * 2**20 + 4 * (_WEIGHT_COPIES * weights + activations)
        a_row = layout.inputs * 2 + len(self._codings) * 24 + layout.numbers * 8
        most = int((self.settings.max_memory_mb * 2**20 - fixed) // a_row)
        count = len(rows[0].classes)
        if most >= count:
            return rows
        if most < MIN_ROWS:
            raise InvalidInputError(
                Problem(
                    "synthesizer.max_memory_mb",
                    f"the networks alone need about {fixed // 2**20:,} MB",
                    "Allow more memory, or choose a smaller width or batch_size.",
                )
            )
        chosen = np.sort(generator(seed, "diffusion/memory").choice(count, most, replace=False))
        return [seen.take(chosen) for seen in rows]

    @property
    def _drawn(self) -> list[int]:
        """The places of the columns whose class is drawn by the first network."""
        return [at for at, coding in enumerate(self._codings) if coding.size > 1 and at != self._target]

    @property
    def _layout(self) -> Layout:
        classes = tuple(self._codings[at].size for at in self._drawn)
        target = 0 if self._target is None else self._codings[self._target].size
        return Layout(target, classes, sum(coding.has_number for coding in self._codings))

    def _adopt(self, weights: dict[str, dict[str, Floats]]) -> None:
        """Take weights, after checking them.

        Raises
        ------
        ValueError, KeyError
            They do not fit to the columns, or to each other.
        """
        layout = self._layout
        own = self.settings
        self._weights = weights
        self._classes = ClassNet.of(weights["classes"], layout) if layout.classes else None
        self._numbers = (
            NumberNet.of(weights["numbers"], layout, steps=own.steps, layers=own.layers) if layout.numbers else None
        )

    def _calibrate(self, shares: list[NDArray[np.float64]], rng: np.random.Generator) -> None:
        """Set right what can be counted: how often each class comes, and how the numbers are spread.

        A network comes near these and does not settle on them. What it learned of how columns go together stays.

        Parameters
        ----------
        shares
            By column, how often each class came in the training rows.
        rng
            Draws the rows that are counted.
        """
        told = self._drawn_target(rng, _CALIBRATION_ROWS)
        with _BLAS.limit(limits=1, user_api="blas"):
            if self._classes is not None:
                bias = self._classes.calibrated([shares[at] for at in self._drawn], self._told(told), rng)
                self._adopt({**self._weights, "classes": {**self._weights["classes"], "last_bias": bias}})
            codes, numbers = self._draw_all(rng, told)
        number = 0
        for at, coding in enumerate(self._codings):
            if coding.has_number:
                self._codings[at] = coding.with_knots(codes[at], numbers[number])
                number += 1

    def _draw(self, rng: np.random.Generator, given: Features) -> Features:
        told = self._drawn_target(rng, BLOCK_ROWS)
        names = [column.name for column in self.schema.learned]
        for name, feature in given.items():
            assert isinstance(feature, Discrete)  # noqa: S101 - only categorical columns are givable
            told = self._class_of_code(names.index(name))[feature.codes]
        # One thread: sums differ in their last bits with the number of threads, and a shard is one process of several.
        with _BLAS.limit(limits=1, user_api="blas"):
            codes, numbers = self._draw_all(rng, told)
        drawn: list[Feature] = []
        number = 0
        for own, coding in zip(codes, self._codings, strict=True):
            drawn.append(coding.draw(own, numbers[number] if coding.has_number else None, drawn, rng))
            number += coding.has_number
        return dict(zip(names, drawn, strict=True)) | dict(given)

    def _class_of_code(self, at: int) -> Codes:
        """Return the class of each code of a categorical column."""
        coding = self._codings[at]
        assert isinstance(coding.states, CategoryStates)  # noqa: S101 - the column is categorical
        found = np.empty_like(coding.classes)
        found[coding.states.code] = coding.classes
        return found

    def _drawn_target(self, rng: np.random.Generator, count: int) -> Codes:
        """Return classes of the target as often as the training rows have them, shape (count,)."""
        if self._target is None:
            return np.full(count, UNUSED, dtype=np.int32)
        coding = self._codings[self._target]
        used = coding.classes >= 0
        ends = np.cumsum(np.bincount(coding.classes[used], coding.counts[used]))
        drawn: Codes = np.searchsorted(ends, rng.random(count) * ends[-1], side="right").astype(np.int32)
        return np.minimum(drawn, np.int32(coding.size - 1))

    def _told(self, told: Codes) -> Floats:
        """Return the inputs of the networks when of each row only the class of its target is known."""
        known = np.zeros((self._layout.inputs, len(told)), dtype=np.float32)
        if self._layout.target:
            known[: self._layout.target] = one_hot([told], [self._layout.target])
        return known

    def _draw_all(self, rng: np.random.Generator, told: Codes) -> tuple[Codes, Floats]:
        """Return the classes of every column, shape (columns, n), and the numbers, shape (numbers, n)."""
        pieces = [
            self._draw_piece(rng, told[start : start + _PIECE_ROWS]) for start in range(0, len(told), _PIECE_ROWS)
        ]
        codes, numbers = zip(*pieces, strict=True)
        return np.concatenate(codes, axis=1), np.concatenate(numbers, axis=1)

    def _draw_piece(self, rng: np.random.Generator, told: Codes) -> tuple[Codes, Floats]:
        known = self._told(told)
        codes = np.zeros((len(self._codings), len(told)), dtype=np.int32)
        if self._target is not None:
            # A category that the model does not know stays as it is given; here it only needs a class.
            codes[self._target] = np.maximum(told, 0)
        if self._classes is not None:
            codes[self._drawn] = self._classes.draw(known, rng)
        if self._numbers is None:
            return codes, np.empty((0, len(told)), dtype=np.float32)
        present = np.stack([coding.several[codes[at]] for at, coding in enumerate(self._codings) if coding.has_number])
        return codes, self._numbers.draw(known, present, rng)

    def _config(self) -> dict[str, Any]:
        missing = [isinstance(coding.states, NumericStates) and coding.states.missing for coding in self._codings]
        names = [column.name for column in self.schema.learned]
        return _State(columns=names, missing=missing, target=self._target).model_dump()

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {}
        for at, coding in enumerate(self._codings):
            arrays |= {f"{at}.{name}": array for name, array in coding.arrays().items()}
        for part, weights in self._weights.items():
            arrays |= {f"{part}.{name}": array for name, array in weights.items()}
        return arrays

    def _restore(self, config: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        state = _State.model_validate(config)
        columns = self.schema.learned
        if state.columns != [column.name for column in columns]:
            raise ValueError("its columns are not those of its schema")
        parts: dict[str, dict[str, NDArray[Any]]] = {str(at): {} for at in range(len(columns))}
        parts |= {"classes": {}, "numbers": {}}
        for key, array in arrays.items():
            part, _, name = key.partition(".")
            parts[part][name] = array
        self._codings = [
            _restored(parts[str(at)], column, missing, at)
            for at, (column, missing) in enumerate(zip(columns, state.missing, strict=True))
        ]
        if any(columns[place].discrete for coding in self._codings for place in coding.partners):
            raise ValueError("a partner is no numeric column")
        self._target = state.target
        if state.target != _place_of_target(self._codings, self.schema):
            raise ValueError("its target is not that of its schema")
        self._adopt({part: parts[part] for part in ("classes", "numbers") if parts[part]})


def _learned(feature: Feature, column: Column, k: int, rng: np.random.Generator) -> tuple[Coding, Codes]:
    states: CategoryStates | NumericStates
    if isinstance(feature, Discrete):
        missing = feature.size - 1 if column.nullable else None
        states, rows = learn_categories(feature, None, k=k, rng=rng, missing=missing)
    else:
        steps = TIME_STEPS if column.kind is Kind.DATETIME else AMOUNT_STEPS
        states, rows = learn_numbers(feature.values, column.special_values, steps, k=k, rng=rng)
    return learn_classes(states, rows, column.special_values), rows


def _place_of_target(codings: list[Coding], schema: TableSchema) -> int | None:
    """Return the place of the target, if it is one of few classes and varies."""
    for at, (column, coding) in enumerate(zip(schema.learned, codings, strict=True)):
        if column.name == schema.target and not coding.has_number and 1 < coding.size <= MOST_TARGET_CLASSES:
            return at
    return None


def _refuse_other_shape(before: DiffusionSettings, now: DiffusionSettings) -> None:
    problems = [
        Problem(
            f"synthesizer.{name}",
            f"the model to continue from has {getattr(before, name)}, not {getattr(now, name)}",
            "Give the same, or train a new model.",
        )
        for name in ("steps", "width", "layers")
        if getattr(before, name) != getattr(now, name)
    ]
    if problems:
        raise InvalidInputError(problems)


def _restored(arrays: Mapping[str, NDArray[Any]], column: Column, missing: bool, place: int) -> Coding:
    """Return the coding of a column from arrays that may be hostile; raises ValueError or KeyError."""
    states: CategoryStates | NumericStates
    if column.discrete:
        states = CategoryStates.from_arrays(arrays)
        if states.size != len(column.categories or ()) + column.nullable:
            raise ValueError("the states of a categorical column are not its categories")
    else:
        if missing and not column.nullable:
            raise ValueError("values are missing in a column without missing values")
        states = NumericStates.from_arrays(arrays, missing)
    return Coding.from_arrays(arrays, states, place)

"""What the families share that train a network with ctgan's modules and sample it with numpy alone.

Four things differ from the library's own `sample`, on the same weights:

- Batch normalisation uses the running statistics that training gathered. The library samples in training mode, where
  each row depends on the other 499 of its batch; then no block could be made again alone.
- Where the schema names a target of few values, every row is conditioned on a state of the target, drawn by its true
  frequency in the training rows or given, and has that state: the target rate is right by construction. Without a
  target, the condition is a state of any column, by true frequency within the column. The library draws from all
  columns by log-frequency, as it must in training, and so puts rare states far too often into the data, a default flag
  first. `tvae` has no conditions.
- Categories are drawn by inverting the cumulative softmax. CTGAN takes the largest entry of a Gumbel softmax, which has
  the same distribution at any temperature (Maddison, Mnih and Teh, "The Concrete Distribution", ICLR 2017) and needs
  one random number a category, where this needs one a column. TVAE takes the largest entry without any chance, though
  it was trained as a distribution; so rare states hardly come.
- The biases of the choices are calibrated after training (`ctgan_calibration`), so that states come as often as they
  do in the training rows, for each state of the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import ThreadpoolController

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import MissingPackageError, Problem
from synthcredit.randomness import BLOCK_ROWS
from synthcredit.synthesizers import people
from synthcredit.synthesizers.ctgan_network import KNOTS, NOTHING, Network, Part, draw_rows, to_feature
from synthcredit.synthesizers.features import Features, values_of
from synthcredit.synthesizers.fitting import Fitting
from synthcredit.synthesizers.protocol import Synthesizer
from synthcredit.synthesizers.settings import NetworkSettings

_PIECE_ROWS = 1024
"""Rows that go through the network at once: few enough for the processor's cache. Part of what a seed means."""
_VALUE_LIMIT = 1e300
_BLAS = ThreadpoolController()


class _ColumnConfig(BaseModel):
    """How many states and modes a column has, as the model file says it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    states: Annotated[int, Field(ge=1)]
    modes: Annotated[int, Field(ge=0)]


class _Config(BaseModel):
    """What a model file says beside its arrays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    columns: list[_ColumnConfig]
    given: Annotated[int, Field(ge=0)] | None


class NetworkSynthesizer(Synthesizer):
    """A family whose network was trained with torch; sampling needs numpy alone, training the `ctgan` extra."""

    continues: ClassVar[bool] = True
    resumes: ClassVar[bool] = True
    bent: ClassVar[bool] = False
    """Whether the network learned numeric columns made Gaussian."""
    noisy: ClassVar[bool] = False
    """Whether values have noise that the network learned the size of."""
    settings: NetworkSettings

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self._parts: tuple[Part, ...] = ()
        self._network: Network | None = None
        self._k_rows = settings.k

    @property
    def givable(self) -> frozenset[str]:
        """The target, where it is the condition and every code that it may have was learned."""
        given = self._fitted.given
        if given is None:
            return frozenset()
        column = self.schema.learned[given]
        known = column.discrete and len(self._parts[given].states) == len(column.categories or ()) + column.nullable
        return frozenset({column.name}) if known else frozenset()

    def adopt(self, parts: tuple[Part, ...], network: Network) -> None:
        """Take a trained network, after checking it against the schema.

        Raises
        ------
        ValueError
            It does not fit to the schema, or to itself.
        """
        network.check()
        for part, column in zip(parts, self.schema.learned, strict=True):
            _check(part, column)
        if network.given is not None:
            _check_given(parts[network.given], network)
        if sum(part.outputs for place, part in enumerate(parts) if place != network.given) != network.outputs:
            raise ValueError("the network's outputs do not fit to the columns")
        self._parts, self._network = parts, network

    def _look(self, table: pa.Table, schema: TableSchema) -> Iterator[Problem]:
        self._k_rows = people.rows_behind(self.settings.k, table, schema)
        yield from people.too_few(self.settings.k, self._k_rows, table)

    def _fit(self, features: Features, fitting: Fitting) -> None:
        try:
            from synthcredit.synthesizers import ctgan_fit
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                Problem(
                    "synthesizer.name",
                    f"'{self.name}' trains with the package '{error.name}', which is not installed",
                    "Install it: pip install 'synthcredit[ctgan]'; for the container: make image WITH_CTGAN=yes. "
                    "Generating from a trained model does not need it.",
                )
            ) from None
        before = fitting.previous
        previous = (before._parts, before._fitted) if isinstance(before, NetworkSynthesizer) else None
        trained = ctgan_fit.fit(
            self.name, features, self.schema, self.settings, fitting, k_rows=self._k_rows, previous=previous
        )
        self.adopt(*trained)

    def _draw(self, rng: np.random.Generator, given: Features) -> Features:
        conditions = self._conditions(given)
        # One thread: sums differ in their last bits with the number of threads, and a shard is one process of several.
        with _BLAS.limit(limits=1, user_api="blas"):
            pieces = [
                self._draw_piece(rng, None if conditions is None else conditions[start : start + _PIECE_ROWS])
                for start in range(0, BLOCK_ROWS, _PIECE_ROWS)
            ]
        columns = zip(self.schema.learned, zip(*pieces, strict=True), strict=True)
        return {column.name: to_feature(np.concatenate(values), column) for column, values in columns}

    def _conditions(self, given: Features) -> NDArray[np.intp] | None:
        """Return the condition of each row of a block where the target is given."""
        if not given:
            return None
        place = self._fitted.given
        assert place is not None  # noqa: S101 - `givable` names no other column
        codes = values_of(given[self.schema.learned[place].name])
        # States are in the order of codes, and `givable` holds that none is missing.
        return np.searchsorted(self._parts[place].states, codes)

    def _draw_piece(self, rng: np.random.Generator, conditions: NDArray[np.intp] | None) -> list[NDArray[np.float64]]:
        """Return `_PIECE_ROWS` values or codes of every learned column."""
        if conditions is None:
            conditions = self._fitted.draw_conditions(_PIECE_ROWS, rng)
        return draw_rows(self._fitted, self._parts, conditions, rng)

    @property
    def _fitted(self) -> Network:
        if self._network is None:
            raise RuntimeError("the model has not been fitted")
        return self._network

    def _config(self) -> dict[str, Any]:
        columns = [{"states": len(part.states), "modes": len(part.means)} for part in self._parts]
        return {"columns": columns, "given": self._fitted.given}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        measured = [part for part in self._parts if len(part.means)]
        more = {}
        if self.bent:
            more["bends"] = np.concatenate([NOTHING, *(part.bend for part in measured)])
        if self.noisy:
            more["noise"] = np.array([part.noise for part in measured], dtype=np.float64)
        return {
            "states": np.concatenate([part.states for part in self._parts]),
            "means": np.concatenate([part.means for part in self._parts]),
            "scales": np.concatenate([part.scales for part in self._parts]),
            **self._fitted.arrays(),
            **more,
        }

    def _restore(self, config: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        parsed = _Config.model_validate(config)
        columns = parsed.columns
        modes = [column.modes for column in columns]
        bends = [KNOTS * (self.bent and count > 0) for count in modes]
        noises = [int(self.noisy and count > 0) for count in modes]
        states = _cut(arrays["states"], [column.states for column in columns], "states")
        means, scales = _cut(arrays["means"], modes, "means"), _cut(arrays["scales"], modes, "scales")
        bend = _cut(arrays["bends"] if self.bent else NOTHING, bends, "bends")
        noise = _cut(arrays["noise"] if self.noisy else NOTHING, noises, "noise")
        each = zip(states, means, scales, bend, noise, strict=True)
        parts = tuple(Part(one, two, three, four, float(five.sum())) for one, two, three, four, five in each)
        self.adopt(parts, Network.from_arrays(arrays, parsed.given))


def _check(part: Part, column: Column) -> None:
    """Raise `ValueError` unless a part can only give values that its column can hold."""
    values = part.states
    if column.discrete:
        assert column.categories is not None  # noqa: S101 - a discrete column has them, by its own validator
        size = len(column.categories) + column.nullable
        if len(part.means) or not ((values >= 0) & (values < size) & (values == np.floor(values))).all():
            raise ValueError("a state is not a category of its column")
        if not (np.diff(values) > 0).all():
            raise ValueError("the states of a discrete column are out of order")
        return
    if np.isnan(values).any() and not column.nullable:
        raise ValueError("a state is missing in a column without missing values")
    if not (np.abs(values[~np.isnan(values)]) <= _VALUE_LIMIT).all():
        raise ValueError("a state is out of range")
    if len(part.means) and np.isnan(values[0]):
        raise ValueError("state 0 of a column with modes must be a number")
    _check_modes(part)


def _check_modes(part: Part) -> None:
    if not ((np.abs(part.means) <= _VALUE_LIMIT).all() and ((part.scales >= 0) & (part.scales <= _VALUE_LIMIT)).all()):
        raise ValueError("a mode is not finite or out of range")
    if not ((np.abs(part.bend) <= _VALUE_LIMIT).all() and (np.diff(part.bend) >= 0).all() and 0 <= part.noise <= 1):
        raise ValueError("a mode is bent out of order, or its noise is out of range")


def _check_given(part: Part, network: Network) -> None:
    """Raise `ValueError` unless the network's conditions are the states of a column."""
    if len(part.means) or len(part.states) != len(network.chances):
        raise ValueError("the given column does not fit to the conditions")


def _cut(array: NDArray[Any], lengths: list[int], name: str) -> list[NDArray[np.float64]]:
    """Cut an array into one piece a column."""
    if array.dtype != np.float64 or array.shape != (sum(lengths),):
        raise ValueError(f"array '{name}' must hold {sum(lengths)} float64")
    return np.split(array, np.cumsum(lengths)[:-1])

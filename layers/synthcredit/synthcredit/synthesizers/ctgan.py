"""The `ctgan` family: trained by ctgan with torch, exported to arrays, sampled with numpy alone.

Conditional GAN of Xu, Skoularidou, Cuesta-Infante and Veeramachaneni, "Modeling Tabular Data using Conditional GAN"
(NeurIPS 2019). Training is in `ctgan_training`, which nothing here needs in order to sample.

Four things differ from the library's own `sample`, on the same weights:

- Batch normalisation uses the running statistics that training gathered. The library samples in training mode, where
  each row depends on the other 499 of its batch; then no block could be made again alone.
- Where the schema names a target of few values, every row is conditioned on a state of the target, drawn by its true
  frequency in the training rows, and has that state: the target rate is right by construction. Without a target, the
  condition is a state of any column, by true frequency within the column. The library draws from all columns by
  log-frequency, as it must in training, and so puts rare states far too often into the data, a default flag first.
- Categories are drawn by inverting the cumulative softmax. The library takes the largest entry of a Gumbel softmax,
  which has the same distribution at any temperature (Maddison, Mnih and Teh, "The Concrete Distribution", ICLR 2017)
  and needs one random number a category, where this needs one a column.
- The biases of the choices are calibrated after training (`ctgan_calibration`), so that states come as often as they
  do in the training rows, for each state of the target.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import ThreadpoolController

from synthcredit.datasets.schema import Column
from synthcredit.errors import MissingPackageError, Problem
from synthcredit.randomness import BLOCK_ROWS
from synthcredit.synthesizers.ctgan_network import Network, Part, read_outputs
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric
from synthcredit.synthesizers.fitting import Fitting
from synthcredit.synthesizers.protocol import Synthesizer
from synthcredit.synthesizers.settings import CtganSettings

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


class CtganSynthesizer(Synthesizer):
    """Conditional GAN: sampling needs numpy alone, training needs the `ctgan` extra."""

    name: ClassVar[str] = "ctgan"
    settings: CtganSettings

    def __init__(self, settings: CtganSettings) -> None:
        super().__init__(settings)
        self._parts: tuple[Part, ...] = ()
        self._network: Network | None = None

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

    def _fit(self, features: Features, fitting: Fitting) -> None:
        seed, progress = fitting.seed, fitting.progress
        try:
            from synthcredit.synthesizers import ctgan_training
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                Problem(
                    "synthesizer.name",
                    f"'ctgan' trains with the package '{error.name}', which is not installed",
                    "Install it: pip install 'synthcredit[ctgan]'; for the container: make image WITH_CTGAN=yes. "
                    "Generating from a trained model does not need it.",
                )
            ) from None
        self.adopt(*ctgan_training.train(features, self.schema, self.settings, seed=seed, progress=progress))

    def _draw(self, rng: np.random.Generator, given: Features) -> Features:
        # One thread: sums differ in their last bits with the number of threads, and a shard is one process of several.
        with _BLAS.limit(limits=1, user_api="blas"):
            pieces = [self._draw_piece(rng) for _ in range(BLOCK_ROWS // _PIECE_ROWS)]
        columns = zip(self.schema.learned, zip(*pieces, strict=True), strict=True)
        return {column.name: _feature(np.concatenate(values), column) for column, values in columns}

    def _draw_piece(self, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        """Return `_PIECE_ROWS` values or codes of every learned column."""
        network = self._fitted
        noise = rng.standard_normal((network.noise_size, _PIECE_ROWS), dtype=np.float32)
        bounds = network.chances.cumsum()
        conditions = np.minimum(np.searchsorted(bounds, rng.random(_PIECE_ROWS), side="right"), len(bounds) - 1)
        outputs = network.forward(noise, conditions)
        return list(read_outputs(outputs, self._parts, rng, given=network.given, conditions=conditions))

    @property
    def _fitted(self) -> Network:
        if self._network is None:
            raise RuntimeError("the model has not been fitted")
        return self._network

    def _config(self) -> dict[str, Any]:
        columns = [{"states": len(part.states), "modes": len(part.means)} for part in self._parts]
        return {"columns": columns, "given": self._fitted.given}

    def _arrays(self) -> dict[str, NDArray[Any]]:
        network = self._fitted
        return {
            "states": np.concatenate([part.states for part in self._parts]),
            "means": np.concatenate([part.means for part in self._parts]),
            "scales": np.concatenate([part.scales for part in self._parts]),
            "direct": network.direct,
            "hidden0": network.hidden0,
            "hidden1": network.hidden1,
            "chances": network.chances,
        }

    def _restore(self, config: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        parsed = _Config.model_validate(config)
        columns = parsed.columns
        states = _cut(arrays["states"], [column.states for column in columns], "states")
        means = _cut(arrays["means"], [column.modes for column in columns], "means")
        scales = _cut(arrays["scales"], [column.modes for column in columns], "scales")
        network = Network(
            direct=arrays["direct"],
            hidden0=arrays["hidden0"],
            hidden1=arrays["hidden1"],
            chances=arrays["chances"],
            given=parsed.given,
        )
        self.adopt(tuple(Part(*each) for each in zip(states, means, scales, strict=True)), network)


def _feature(values: NDArray[np.float64], column: Column) -> Feature:
    if not column.discrete:
        return Numeric(values)
    assert column.categories is not None  # noqa: S101 - a discrete column has them, by its own validator
    return Discrete(values.astype(np.int32), len(column.categories) + column.nullable)


def _check(part: Part, column: Column) -> None:
    """Raise `ValueError` unless a part can only give values that its column can hold."""
    values = part.states
    if column.discrete:
        assert column.categories is not None  # noqa: S101 - as above
        size = len(column.categories) + column.nullable
        if len(part.means) or not ((values >= 0) & (values < size) & (values == np.floor(values))).all():
            raise ValueError("a state is not a category of its column")
        return
    if np.isnan(values).any() and not column.nullable:
        raise ValueError("a state is missing in a column without missing values")
    if not (np.abs(values[~np.isnan(values)]) <= _VALUE_LIMIT).all():
        raise ValueError("a state is out of range")
    if len(part.means) and np.isnan(values[0]):
        raise ValueError("state 0 of a column with modes must be a number")
    if not ((np.abs(part.means) <= _VALUE_LIMIT).all() and ((part.scales >= 0) & (part.scales <= _VALUE_LIMIT)).all()):
        raise ValueError("a mode is not finite or out of range")


def _check_given(part: Part, network: Network) -> None:
    """Raise `ValueError` unless the network's conditions are the states of a column."""
    if len(part.means) or len(part.states) != len(network.chances):
        raise ValueError("the given column does not fit to the conditions")


def _cut(array: NDArray[Any], lengths: list[int], name: str) -> list[NDArray[np.float64]]:
    """Cut an array into one piece a column."""
    if array.dtype != np.float64 or array.shape != (sum(lengths),):
        raise ValueError(f"array '{name}' must hold {sum(lengths)} float64")
    return np.split(array, np.cumsum(lengths)[:-1])

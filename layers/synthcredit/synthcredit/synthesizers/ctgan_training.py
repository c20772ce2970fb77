"""Training of the `ctgan` family. The only module that needs torch, ctgan and pandas.

What the schema does already (missing values, dates, rounding, ranges, personal data) is kept away from the library: it
sees a table of categories and standardised floats without gaps, and its own transformers have little left to undo. It
is `ctgan.CTGAN` that trains, the class that sdv's `CTGANSynthesizer` wraps: sdv's own layer of metadata, rounding and
anonymisation would repeat what the schema does and could not be inverted in numpy.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from ctgan import CTGAN
from joblib import parallel_config
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import InvalidInputError, Problem
from synthcredit.randomness import generator
from synthcredit.synthesizers.ctgan_calibration import calibrate
from synthcredit.synthesizers.ctgan_network import Network, Part
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric
from synthcredit.synthesizers.fitting import Progress
from synthcredit.synthesizers.settings import CtganSettings

MAX_UNITS = 10_000
"""Outputs of the generator; beyond, training takes days and gigabytes."""
_FEW_VALUES = 20
_ROWS_PER_VALUE = 5
_MODES = 10
"""Most modes that the library gives a column."""
_LEAN = 20
_NO_MODES: NDArray[np.float64] = np.empty(0)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One column as the library gets it.

    Parameters
    ----------
    states
        As in `Part`.
    codes
        Shape (n,), each row's state.
    standardised
        Shape (n,), float64, the values with mean 0 and deviation 1, no gaps; None where the states say it all.
    mean, deviation
        What undoes the standardisation.
    """

    states: NDArray[np.float64]
    codes: NDArray[np.intp]
    standardised: NDArray[np.float64] | None = None
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def units(self) -> int:
        """Most generator outputs that the column can take."""
        return len(self.states) + (_MODES + 1 if self.standardised is not None else 0)


def train(
    features: Features,
    schema: TableSchema,
    settings: CtganSettings,
    *,
    seed: int,
    progress: Progress,
) -> tuple[tuple[Part, ...], Network]:
    """Train a network and take it out of the library.

    Parameters
    ----------
    features
        The training rows.
    schema
        The special values of the columns become states of their own; the target becomes the condition.
    settings
        Epochs and batch size.
    seed
        The same seed gives the same network on one machine.
    progress
        Called after every epoch; what it raises ends the training.

    Returns
    -------
    parts, network
        What `CtganSynthesizer.adopt` takes.

    Raises
    ------
    InvalidInputError
        Nothing that varies, or more categories than a network can hold.
    """
    rng = generator(seed, "ctgan/encode")
    encoded = {name: encode(feature, schema[name].special_values, rng) for name, feature in features.items()}
    _refuse_unfit(encoded)
    progress(0.0, "fitting the modes of the numeric columns")
    columns = list(encoded.values())
    model = fit_library(columns, settings, seed=seed, progress=progress)
    given = _place_of_condition(encoded, schema.target)
    parts, network = export(model, columns, given=given)
    return parts, calibrated(network, parts, model, columns, seed=seed)


def _place_of_condition(encoded: Mapping[str, Encoded], target: str | None) -> int | None:
    """Return the place of the target, where its states can be conditioned on."""
    if target is None or target not in encoded:
        return None
    if encoded[target].standardised is not None or len(encoded[target].states) == 1:
        return None
    return list(encoded).index(target)


def fit_library(encoded: list[Encoded], settings: CtganSettings, *, seed: int, progress: Progress) -> CTGAN:
    """Fit the library's own CTGAN on encoded columns; parameters as for `train`."""
    model = _WatchedCtgan(settings, progress)
    # Given a seed, the library puts numpy's and torch's global states back after use.
    model.set_random_state(int(generator(seed, "ctgan/train").integers(2**32)))
    # Sequential: the library would start a process a processor to encode columns.
    with _one_thread(), parallel_config(backend="sequential"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model.fit(*frame(encoded))
    return model


class _WatchedCtgan(CTGAN):  # type: ignore[misc]
    """The library's CTGAN, which tells after every epoch how it stands.

    `fit` has no callback. It assigns the public attribute `loss_values` once at the end of each epoch, so a property of
    that name hears every epoch with its losses, and whatever it raises leaves `fit` between two epochs. The other hook,
    replacing the `tqdm` that the module imports, would change the module for everybody.
    """

    def __init__(self, settings: CtganSettings, progress: Progress) -> None:
        self._progress = progress
        self._losses: pd.DataFrame | None = None
        # Without a GPU: on one, the same seed does not give the same network.
        super().__init__(epochs=settings.epochs, batch_size=settings.batch_size, enable_gpu=False)

    @property
    def loss_values(self) -> pd.DataFrame | None:
        """Losses by epoch."""
        return self._losses

    @loss_values.setter
    def loss_values(self, losses: pd.DataFrame | None) -> None:
        self._losses = losses
        if losses is None or losses.empty:
            return
        last = losses.iloc[-1]
        self._progress(
            len(losses) / self._epochs,
            f"epoch {len(losses)} of {self._epochs}: generator loss {last['Generator Loss']:.2f}, "
            f"critic loss {last['Discriminator Loss']:.2f}",
        )


def encode(feature: Feature, special: tuple[float, ...], rng: np.random.Generator) -> Encoded:
    """Encode one column as states, as standardised values, or as both.

    A numeric column of few values (counts, ratings) becomes states: the library then keeps to these values, can
    condition on them, and fits no mixture to a handful of spikes. In any other numeric column, missing and each special
    value are states beside the ordinary values; rows in such a state get the value of a random ordinary row, so that no
    artificial spike appears where a mean would be filled in.
    """
    if isinstance(feature, Discrete):
        present, codes = np.unique(feature.codes, return_inverse=True)
        return Encoded(present.astype(np.float64), codes)
    # np.unique treats all NaN as one value, and sorts it last.
    states, codes, counts = np.unique(feature.values, return_inverse=True, return_counts=True)
    missing = np.isnan(states)
    if _few(counts[~missing]):
        return Encoded(states, codes)
    own_state = missing | np.isin(states, special)
    if own_state.all():
        return Encoded(states, codes)
    return _encode_values(feature, states[own_state], np.where(own_state, np.cumsum(own_state), 0)[codes], rng)


def _few(counts: NDArray[np.intp]) -> bool:
    return len(counts) <= 2 or (len(counts) <= _FEW_VALUES and counts.mean() >= _ROWS_PER_VALUE)


def _encode_values(
    feature: Numeric, other_states: NDArray[np.float64], codes: NDArray[np.intp], rng: np.random.Generator
) -> Encoded:
    ordinary = feature.values[codes == 0]
    # Standardised because the mixture's regularisation is absolute, and a date in seconds has ten digits.
    mean, deviation = float(ordinary.mean()), float(ordinary.std()) or 1.0
    filled = np.where(codes == 0, feature.values, rng.choice(ordinary, len(codes)))
    return Encoded(np.concatenate([[0.0], other_states]), codes, (filled - mean) / deviation, mean, deviation)


def _refuse_unfit(encoded: Mapping[str, Encoded]) -> None:
    units = sum(column.units for column in encoded.values())
    if all(len(column.states) == 1 and column.standardised is None for column in encoded.values()):
        raise InvalidInputError(
            Problem("data", "every column that could be learned has one value only", "Give data that varies.")
        )
    if units > MAX_UNITS:
        widest = max(encoded, key=lambda name: encoded[name].units)
        raise InvalidInputError(
            Problem(
                f"column '{widest}'",
                f"'ctgan' would need about {units:,} outputs and takes {MAX_UNITS:,}; this column needs the most",
                "Use the synthesizer 'trees', or give fewer columns or categories.",
            )
        )


def frame(encoded: list[Encoded]) -> tuple[pd.DataFrame, list[str]]:
    """Return the table that the library trains on, and the names of its discrete columns.

    Column ``3:state`` holds the states of the fourth learned column as text, ``3:value`` its standardised values; a
    column with one state has no ``:state``.
    """
    table: dict[str, Any] = {}
    for place, column in enumerate(encoded):
        if len(column.states) > 1:
            table[f"{place}:state"] = column.codes.astype(str)
        if column.standardised is not None:
            table[f"{place}:value"] = column.standardised
    return pd.DataFrame(table), [name for name in table if name.endswith(":state")]


def calibrated(
    network: Network, parts: tuple[Part, ...], model: CTGAN, encoded: list[Encoded], *, seed: int
) -> Network:
    """Return an exported network whose choices are made as often as in the training rows."""
    shares = choice_shares(model, encoded, network.given)
    return calibrate(network, parts, shares, generator(seed, "ctgan/calibrate"))


def choice_shares(model: CTGAN, encoded: list[Encoded], given: int | None) -> NDArray[np.float64]:
    """Return how often the training rows have each state and mode, by condition.

    Parameters
    ----------
    model
        Fitted on the table that `frame` made of ``encoded``.
    encoded
        The columns, in order.
    given
        Place of the column that is conditioned on; None for one row of shares over all conditions.

    Returns
    -------
    ndarray
        Shape (c, k), float64, in the order of the network's choices. The shares of a small group lean on those of all
        rows, as if it had `_LEAN` more rows like them.
    """
    spans = _spans(model)
    tanh = sum(info.column_type == "continuous" for _, info, _ in spans)
    chosen = model._transformer.transform(frame(encoded)[0])[:, _order(spans, given)[tanh:]]
    overall = np.asarray(chosen.mean(axis=0), dtype=np.float64)
    if given is None:
        return overall[None, :]
    codes = encoded[given].codes
    groups = (chosen[codes == state] for state in range(len(encoded[given].states)))
    return np.stack([(group.sum(axis=0) + _LEAN * overall) / (len(group) + _LEAN) for group in groups])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: the same network whatever the machine's processors, and no waiting for threads.

    The matrices are small. On two idle processors a second thread saves a fifth of the time at most; on busy ones,
    steps took ten times as long, most of it spent in waiting for each other.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


def export(model: CTGAN, encoded: list[Encoded], *, given: int | None) -> tuple[tuple[Part, ...], Network]:
    """Take a trained network out of the library.

    Parameters
    ----------
    model
        Fitted on the table that `frame` made of ``encoded``.
    encoded
        The columns, in order.
    given
        Place of the column whose states every row is conditioned on; None to condition on all columns alike.
    """
    spans = _spans(model)
    modes = {name: _modes(info.transform) for name, info, _ in spans if info.column_type == "continuous"}
    parts = tuple(_part(place, column, modes) for place, column in enumerate(encoded))
    conditions, chances = _conditions(spans, encoded, given)
    return parts, _network(model, _order(spans, given), conditions, chances, given)


def _spans(model: CTGAN) -> list[tuple[str, Any, int]]:
    """Return name, transform and first output of each column of the library's table."""
    infos = model._transformer._column_transform_info_list
    starts = np.cumsum([0, *(info.output_dimensions for info in infos)])
    return [(info.column_name, info, int(start)) for info, start in zip(infos, starts[:-1], strict=True)]


def _modes(normalizer: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # noqa: ANN401 - rdt has no types
    """Return means and deviations of the modes that rdt's ClusterBasedNormalizer kept."""
    kept = normalizer.valid_component_indicator
    mixture = normalizer._bgm_transformer
    return mixture.means_.reshape(-1)[kept], np.sqrt(mixture.covariances_.reshape(-1)[kept])


def _part(place: int, column: Encoded, modes: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Part:
    if column.standardised is None:
        return Part(column.states, _NO_MODES, _NO_MODES)
    means, deviations = modes[f"{place}:value"]
    # The library maps a mode's mean, plus and minus four deviations, to -1 and 1.
    return Part(column.states, means * column.deviation + column.mean, 4 * deviations * column.deviation)


def _state_units(info: Any) -> list[int]:  # noqa: ANN401 - ctgan has no types
    """Return which unit of a discrete column's one-hot span stands for each state."""
    units = {int(text): unit for unit, text in enumerate(info.transform.dummies)}
    return [units[code] for code in range(len(units))]


def _order(spans: list[tuple[str, Any, int]], given: int | None) -> list[int]:
    """Return the library's outputs in the order of `Network`: all tanh first, then the choices, states by code."""
    tanh: list[int] = []
    choices: list[int] = []
    for name, info, start in spans:
        if info.column_type == "continuous":
            tanh.append(start)
            modes = range(start + 1, start + info.output_dimensions)
            choices += modes if len(modes) > 1 else ()
        elif name != f"{given}:state":
            choices += [start + unit for unit in _state_units(info)]
    return tanh + choices


def _conditions(
    spans: list[tuple[str, Any, int]], encoded: list[Encoded], given: int | None
) -> tuple[list[int], NDArray[np.float64]]:
    """Return which of the library's conditions to keep, and how likely each is.

    Within a column, states are as likely as they are in the training rows; several columns are equally likely.
    """
    places: list[int] = []
    shares: list[NDArray[np.float64]] = []
    start = 0
    for name, info, _ in spans:
        if info.column_type == "continuous":
            continue
        if given is None or name == f"{given}:state":
            codes = encoded[int(name.removesuffix(":state"))].codes
            places += [start + unit for unit in _state_units(info)]
            shares.append(np.bincount(codes) / len(codes))
        start += info.output_dimensions
    return places, np.concatenate(shares) / len(shares) if shares else np.ones(1)


def _network(
    model: CTGAN, order: list[int], conditions: list[int], chances: NDArray[np.float64], given: int | None
) -> Network:
    first, second, last = model._generator.seq
    weight0, bias0 = _folded(first)
    weight1, bias1 = _folded(second)
    weight2, bias2 = (_floats(tensor)[order] for tensor in (last.weight, last.bias))
    # Each layer's input is [newest hidden, older hidden, noise, condition].
    width0, width1 = len(weight0), len(weight1)
    direct = np.concatenate([weight0, weight1[:, width0:], weight2[:, width1 + width0 :]])
    noise, condition = np.split(direct, [model._embedding_dim], axis=1)
    bias = np.concatenate([bias0, bias1, bias2])[:, None]
    return Network(
        direct=_float32(np.concatenate([noise, condition[:, conditions] + bias if conditions else bias], axis=1)),
        hidden0=_float32(np.concatenate([weight1[:, :width0], weight2[:, width1 : width1 + width0]])),
        hidden1=_float32(weight2[:, :width1]),
        chances=chances,
        given=given,
    )


def _folded(layer: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # noqa: ANN401 - torch has no types here
    """Return weight and bias of a linear layer and the batch normalisation after it, with running statistics."""
    norm = layer.bn
    factor = _floats(norm.weight) / np.sqrt(_floats(norm.running_var) + norm.eps)
    bias = (_floats(layer.fc.bias) - _floats(norm.running_mean)) * factor + _floats(norm.bias)
    return _floats(layer.fc.weight) * factor[:, None], bias


def _floats(tensor: torch.Tensor) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().numpy(), dtype=np.float64)


def _float32(array: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, dtype=np.float32)

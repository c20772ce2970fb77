"""From rows to a trained network: what `ctgan`, `copulagan` and `tvae` share. Needs torch and ctgan.

What the schema does already (missing values, dates, rounding, ranges, personal data) is kept away from the networks:
they see choices and standardised floats without gaps. sdv's own layer of metadata, rounding and anonymisation, which
wraps the same networks, would repeat what the schema does and could not be inverted in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from synthcredit.datasets.schema import TableSchema
from synthcredit.randomness import generator
from synthcredit.synthesizers import neural
from synthcredit.synthesizers.copulagan_margins import margin
from synthcredit.synthesizers.ctgan_calibration import calibrate
from synthcredit.synthesizers.ctgan_encoding import Bend, Encoded, Layout, Rows, encode, encode_as, refuse_unfit
from synthcredit.synthesizers.ctgan_network import Network, Part
from synthcredit.synthesizers.ctgan_scoring import Scorer, with_noise
from synthcredit.synthesizers.ctgan_training import CtganTraining
from synthcredit.synthesizers.features import Features, take
from synthcredit.synthesizers.fitting import Fitting
from synthcredit.synthesizers.rare import guarded
from synthcredit.synthesizers.settings import CopulaganSettings, GanSettings, NetworkSettings
from synthcredit.synthesizers.tvae_training import TvaeTraining

LOOKS = 60
"""Looks at what the network would give, over a whole training, at most."""
FEWEST_LOOK_STEPS = 50
"""Steps between two looks, at least: a look costs as much as some five steps."""

Trained = tuple[tuple[Part, ...], Network]


@dataclass(frozen=True, slots=True)
class Kind:
    """What is different from family to family.

    Parameters
    ----------
    training
        The networks.
    conditioned
        Whether they are told a condition.
    weights
        About how many weights all networks have together, from outputs, conditions and the rows of a pack.
    """

    training: type[CtganTraining] | type[TvaeTraining]
    conditioned: bool
    weights: Callable[[int, int, int], int]


def _gan_weights(outputs: int, conditions: int, pack: int) -> int:
    return (680 + 256 * pack) * outputs + (1_190 + 256 * pack) * conditions + 400_000


KINDS: Mapping[str, Kind] = {
    "ctgan": Kind(CtganTraining, True, _gan_weights),
    "copulagan": Kind(CtganTraining, True, _gan_weights),
    "tvae": Kind(TvaeTraining, False, lambda outputs, *_: 256 * outputs + 100_000),
}


def fit(
    family: str,
    features: Features,
    schema: TableSchema,
    settings: NetworkSettings,
    fitting: Fitting,
    *,
    k_rows: int,
    previous: Trained | None,
) -> Trained:
    """Train a network and take it out of torch.

    Parameters
    ----------
    family
        Which of `KINDS`.
    features
        The training rows.
    schema
        The special values of the columns become states of their own; the target becomes the condition.
    settings
        The family's.
    fitting
        Seed, progress and checkpoints. The same seed gives the same network on one machine; what progress raises ends
        the training.
    k_rows
        Rows that must stand behind whatever the network is shown of a column.
    previous
        The parts and the network to go on from; None to begin anew.

    Returns
    -------
    parts, network
        What `NetworkSynthesizer.adopt` takes.

    Raises
    ------
    InvalidInputError
        Nothing that varies, more categories than a network can hold, too little memory allowed, or rows that the
        previous network cannot express.
    """
    kind = KINDS[family]
    device = neural.device_for(settings.device)
    fitting.progress(0.0, "finding the modes of the numeric columns")
    with neural.one_seeded_thread(int(generator(fitting.seed, f"{family}/modules").integers(2**63))):
        columns = _encoded(family, features, schema, settings, fitting, k_rows, previous)
        parts = tuple(column.part for column in columns)
        rows = Rows.of(columns)
        batch = settings.batch_for(len(rows))
        packs = {"pack": settings.pack_for(len(rows))} if isinstance(settings, GanSettings) else {}
        needed_mb = memory_mb(kind, rows.layout, len(rows), batch, **packs)
        neural.refuse_too_large(needed_mb, settings.max_memory_mb, _SMALLER)
        learned, held = neural.hold_out(len(rows), fitting.seed, family)
        scorer = Scorer(
            parts,
            schema.learned,
            rows,
            _given(parts, schema) if kind.conditioned else None,
            kind.conditioned,
            neural.Likeness(take(features, held), features),
            fitting.seed,
        )
        training = kind.training(rows.take(learned), batch, fitting.seed, device, scorer, **packs)
        plan = _plan(settings, len(rows), kind.training.epoch_steps(len(learned), batch))
        if previous is not None:
            training.warm_start(previous[1], plan.steps)
        key = neural.key_of(
            family, settings.model_dump_json(), fitting.seed, device, rows.values, rows.choices, *_digested(parts),
            *(previous[1].arrays().values() if previous else ()),
        )  # fmt: skip
        arrays = neural.train(training, plan, fitting, key=key)
        network = Network.from_arrays(arrays, scorer.given)
        network.check()
        calibrated = calibrate(network, parts, scorer.shares, generator(fitting.seed, "ctgan/calibrate"))
    return with_noise(parts, arrays["noise"]), calibrated


_SMALLER = "give fewer rows, columns or categories, or a smaller batch_size"


def _encoded(
    family: str,
    features: Features,
    schema: TableSchema,
    settings: NetworkSettings,
    fitting: Fitting,
    k_rows: int,
    previous: Trained | None,
) -> list[Encoded]:
    safe = guarded(features, schema, k_rows, generator(fitting.seed, f"{family}/rare"))
    rng = generator(fitting.seed, "ctgan/encode")
    if previous is not None:
        named = zip(safe.items(), previous[0], strict=True)
        return [encode_as(name, feature, part, rng) for (name, feature), part in named]
    bend: Bend | None = None
    if isinstance(settings, CopulaganSettings):
        bend = margin(settings.distribution)
    encoded = {
        name: encode(feature, schema[name].special_values, rng, k=k_rows, bend=bend) for name, feature in safe.items()
    }
    refuse_unfit(encoded, family)
    return list(encoded.values())


def _given(parts: tuple[Part, ...], schema: TableSchema) -> int | None:
    """Return the place of the target, where its states can be conditioned on."""
    places = [at for at, column in enumerate(schema.learned) if column.name == schema.target]
    if not places or len(parts[places[0]].means) or len(parts[places[0]].states) == 1:
        return None
    return places[0]


def _plan(settings: NetworkSettings, rows: int, epoch_steps: int) -> neural.Plan:
    steps = settings.epochs_for(rows) * epoch_steps
    return neural.Plan(
        steps=steps,
        epoch_steps=epoch_steps,
        look_every=max(FEWEST_LOOK_STEPS, math.ceil(steps / LOOKS)),
        patience=settings.patience,
        max_seconds=None if settings.max_minutes is None else 60 * settings.max_minutes,
    )


def _digested(parts: tuple[Part, ...]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    return [array for part in parts for array in (part.states, part.means, part.scales, part.bend)]


def memory_mb(kind: Kind, layout: Layout, rows: int, batch: int, pack: int = 1) -> float:
    """Estimate what a training takes, in MB: torch, the encoded rows and their features, weights, and one step.

    A weight is kept some eight times (itself, its gradient, two moments, the best so far, and copies while a state is
    written), a row of a batch some twelve times. Counted, not measured.
    """
    conditions = sum(layout.spans[span][1] - layout.spans[span][0] for span in layout.states)
    weights = kind.weights(layout.outputs, conditions if kind.conditioned else 0, pack)
    table = rows * (8 * (layout.tanh + len(layout.spans)) + 16 * max(1, layout.tanh + len(layout.states)))
    step = 12 * batch * 4 * (layout.outputs + conditions + 1_000)
    return neural.BASE_MB + (table + 8 * 4 * weights + step) / 1e6

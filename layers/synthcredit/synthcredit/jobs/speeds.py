"""How much work a step is: seconds of one processor core, memory and disk, fitted to measurements.

Measured on one core of the machine of docs/benchmarks.md (AMD EPYC), 2026-11-21; each constant names its run. They are
meant to be right within a factor of two, which `place` allows for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from synthcredit.synthesizers.settings import NetworkSettings

MEASURED_ROWS = 250_000
"""Synthetic rows that are assessed at most: `evidence.assess.MAX_SYNTHETIC_ROWS`, which may not be imported here."""
MODELLED_ROWS = 30_000
"""Training rows from which on the models and attacks of the evidence take samples."""
BYTES_A_SECOND = 50e6
"""From and to S3, one stream; taken to be, not measured."""


class Load(Protocol):
    """What decides how much work a job is."""

    @property
    def shards(self) -> int:
        """How many shards there are."""

    @property
    def values(self) -> int:
        """Values of all rows that are delivered."""

    @property
    def field(self) -> str:
        """The field of the request to ask less of, where it is too much."""

    @property
    def least(self) -> Work | None:
        """The work of a training that keeps to its budget as far as it can; None where nothing is trained."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of what is trained."""

    @property
    def untrained(self) -> str:
        """Why nothing is trained, where that is so."""

    def works(self) -> Mapping[str, Work | None]:
        """Return the work of each step, in their order; of generate, that of the largest shard; None where no work."""


@dataclass(frozen=True, slots=True)
class Size:
    """What decides how much work a job is whose rows a model makes; see `Load`.

    Parameters
    ----------
    train_rows, columns
        The table that is learned, or was.
    rows
        Rows to generate.
    shard_rows
        Rows of its largest shard.
    shards
        How many shards there are.
    synthesizer, settings
        The family and its settings, complete.
    train
        Whether a model has to be trained.
    forms
        In which forms the data is delivered: ``parquet``, ``csv``, ``json``, ``jsonl``.
    """

    train_rows: int
    columns: int
    rows: int
    shard_rows: int
    shards: int
    synthesizer: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    train: bool = True
    forms: Sequence[str] = ("parquet",)

    @property
    def field(self) -> str:
        """What to ask less of, where it is too much."""
        return "rows"

    @property
    def values(self) -> int:
        """Values of all rows."""
        return self.rows * self.columns

    @property
    def untrained(self) -> str:
        """Why nothing is trained, where that is so."""
        return "the model is there already"

    @property
    def least(self) -> Work | None:
        """The work of a training that keeps to its budget as far as it can."""
        return least_training(self) if self.train else None

    def works(self) -> dict[str, Work | None]:
        """Return the work of each step; of generate, that of the largest shard."""
        return {
            "train": training(self) if self.train else None,
            "generate": generating(self),
            "assess": assessing(self),
            "publish": publishing(self),
        }


@dataclass(frozen=True, slots=True)
class Work:
    """What a step takes, or one shard of it.

    Parameters
    ----------
    seconds
        Of one core.
    memory_mb, disk_mb
        Megabytes.
    most_seconds
        Wall time after which the work ends by itself, on whichever machine: what the request allows.
    """

    seconds: float
    memory_mb: float
    disk_mb: float = 0.0
    most_seconds: float = math.inf

    def wall(self, speed: float) -> float:
        """Return the seconds that it takes on a core of a speed, 1 being the one that was measured."""
        return min(self.seconds / speed, self.most_seconds)


@dataclass(frozen=True, slots=True)
class _Network:
    """What the training of a network takes.

    Parameters
    ----------
    prepare, prepare_value
        Seconds before the first step, and for each value of the table.
    memory, memory_value
        Megabytes, and for each value of the table.
    steps
        Seconds of all steps together.
    """

    prepare: float
    prepare_value: float
    memory: float
    memory_value: float
    steps: Callable[[Size], float]

    def work(self, size: Size) -> Work:
        least = self.least(size)
        return replace(least, seconds=least.seconds + self.steps(size))

    def least(self, size: Size) -> Work:
        """Return the work of a training that is ended right after it has begun."""
        values = min(size.train_rows, int(size.settings.get("max_rows") or size.train_rows)) * size.columns
        return Work(self.prepare + self.prepare_value * values, self.memory + self.memory_value * values)


def _passes(networks: int, size: Size) -> float:
    """Return the seconds of all steps of a family that is trained with ctgan's modules."""
    known = NetworkSettings(**{name: size.settings.get(name) for name in ("epochs", "batch_size")})
    batch = known.batch_for(size.train_rows)
    steps = max(1, size.train_rows // batch) * known.epochs_for(size.train_rows)
    return steps * networks * (0.001 + 0.7e-6 * batch * size.columns)


def _denoising(size: Size) -> float:
    """Return the seconds of all steps of `diffusion`; most trainings end early."""
    batch, width, layers = (float(size.settings[name]) for name in ("batch_size", "width", "layers"))
    a_step = 1.3e-10 * batch * width * (layers * width + 8 * size.columns)
    return float(size.settings["max_steps"] or 6_000) * a_step


# 20,000 x 12 credit table: 3 s to prepare, 0.020 s a step of 500 rows, tvae 0.005 s; customers, 4,000 x 13: 0.011 s of
# 200 rows, looks included; all on a busy machine. A step of the other two trains two networks, with more passes.
_CTGAN = _Network(5.0, 5e-6, 600, 60e-6, partial(_passes, 4))
_NETWORKS = {
    "ctgan": _CTGAN,
    "copulagan": _CTGAN,
    "tvae": replace(_CTGAN, steps=partial(_passes, 1)),
    # UCI default, 15,000 x 24: 23 ms a step of 1,024 rows at most, the smaller networks with it.
    "diffusion": _Network(10.0, 3e-6, 700, 100e-6, _denoising),
}
"""Families that are trained step by step, and may be ended before all of them are done."""


def training(size: Size) -> Work:
    """Return the work of a fit: no more than the minutes that its settings allow."""
    work = _fitting(size)
    minutes = size.settings.get("max_minutes")
    return work if minutes is None else replace(work, most_seconds=60.0 * float(minutes))


def least_training(size: Size) -> Work:
    """Return the work of a fit that keeps to its budget as far as it can: of a network, of getting ready alone."""
    network = _NETWORKS.get(size.synthesizer)
    return _fitting(size) if network is None else network.least(size)


def _fitting(size: Size) -> Work:
    values = size.train_rows * size.columns
    if size.synthesizer in _NETWORKS:
        return _NETWORKS[size.synthesizer].work(size)
    if size.synthesizer == "copula":
        # UCI default, 15,000 x 24: 0.35 s; 1,000,000 x 12: 1.6 s, 430 MB with the table and 220 MB more.
        return Work(1.0 + 1e-6 * values, 300 + 60e-6 * values)
    # UCI default: 12.7 s and 330 MB for 21,000 x 24; 25.7 us a value for 24, 48 and 96 columns alike.
    learned = min(size.train_rows, int(size.settings.get("max_rows", size.train_rows))) * size.columns
    seconds = 1.0 + 26e-6 * learned * int(size.settings.get("trees", 8)) / 8 + 0.5e-6 * values
    if size.train_rows >= 3_000:
        # The search for an order, some 260 trees and one a column: 6.6 s for 15,000 x 24; wide tables ask more columns.
        seconds += 1.6e-6 * min(size.train_rows, 15_000) * (260 + size.columns) * min(size.columns, 54) / 24
    return Work(seconds, 300 + 200e-6 * learned + 50e-6 * values)


_DRAWING = {"diffusion": 2.5e-6}
"""Seconds a value of families that draw slower than the rest; UCI default: 50 to 60 us a row of 24 columns."""


def generating(size: Size) -> Work:
    """Return the work of the largest shard."""
    # 0.23 (german_credit) to 0.36 us a value (UCI default) with trees, through the Parquet writer; 0.31 with ctgan.
    # 250 to 390 MB for 24 to 96 columns; 1.6 bytes a value in the part.
    values = size.shard_rows * size.columns
    drawing = _DRAWING.get(size.synthesizer, 0.36e-6)
    return Work(1.0 + drawing * values + 2 * values / BYTES_A_SECOND, 300 + 2 * size.columns, 2e-6 * values)


def assessing(size: Size) -> Work:
    """Return the work of the evidence and its report."""
    # UCI default, 21,000 + 9,000 rows, 210,000 synthetic: 4 s imports, 43 s measures, 3 s report, 900 MB; german_credit
    # 6 s measures. A part is read whole: 4 ns and 16 bytes a value.
    measured = (min(max(size.rows, 10 * size.train_rows), MEASURED_ROWS) + size.train_rows) * size.columns
    modelled = min(size.train_rows, MODELLED_ROWS) * size.columns
    values = size.rows * size.columns
    seconds = 12.0 + 70e-6 * modelled + 1.5e-6 * measured + 0.1 * size.shards
    seconds += 4e-9 * values + 2 * values / BYTES_A_SECOND
    shard = size.shard_rows * size.columns
    return Work(seconds, 600 + 150e-6 * measured + 32e-6 * shard, 2e-6 * shard)


FORMS = {"csv": (35e-9, 14.0), "jsonl": (210e-9, 40.0), "json": (120e-9, 40.0)}
"""Seconds and bytes a value, german_credit, whose texts are long: 200,000 rows from Parquet, `write_tables`."""


def publishing(size: Size) -> Work:
    """Return the work of the other forms and of the registration."""
    values = size.rows * size.columns
    forms = [FORMS[form] for form in size.forms if form != "parquet"]
    seconds = 3.0 + 0.1 * size.shards
    disk = 0.0
    for cpu, width in forms:
        seconds += values * (cpu + (2 + width) / BYTES_A_SECOND)
        # One form at a time, but all parts of the table with it.
        disk = max(disk, values * (2 + width) / 1e6)
    return Work(seconds, 500, disk)


def loading(values: int) -> Work:
    """Return the work of loading so many values into a database, whose own work it waits for."""
    # MariaDB, 1,000,000 rows of 4 to 9 columns: 325,000 rows/s on two busy cores, server, indexes and keys included;
    # PostgreSQL 477,000, DuckDB 544,000. A server elsewhere may be slower: each part is kept, and a call that ran
    # out of time goes on with the next.
    return Work(5.0 + 0.6e-6 * values + 2 * values / BYTES_A_SECOND, 600, 2e-6 * values + 100)

"""Audit files: attack a model family on a dataset with models retrained for that alone, and keep what was found.

None of these models is registered or released, those with canaries least of all. What each one gave is kept as one
small file, so that an audit that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from threadpoolctl import threadpool_limits

from synthcredit import __version__
from synthcredit.datasets import detect, read
from synthcredit.datasets.schema import TableSchema
from synthcredit.datasets.split import split_rows
from synthcredit.errors import Problem, raise_all
from synthcredit.evidence import audit_canaries, audit_shadow, audit_whitebox
from synthcredit.evidence.audit import Audit, CanaryResult, Release, WhiteboxResult, audit_notes, judge
from synthcredit.evidence.audit_report import write_audit
from synthcredit.evidence.nearest import Space, fit_space
from synthcredit.evidence.sides import Sides
from synthcredit.hashing import file_hash
from synthcredit.jobs.job import now
from synthcredit.packages import versions
from synthcredit.randomness import generator
from synthcredit.synthesizers import modelfile, registry
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Features, take
from synthcredit.synthesizers.fitting import Progress, silent
from synthcredit.synthesizers.protocol import Synthesizer
from synthcredit.synthesizers.settings import Settings

REPEATS = (1, 8)
"""How often canaries are inserted: as one person is, and as something that many rows share."""
CANARY_MODELS = 3
"""Models for each number of repeats, each with canaries of its own."""
LEAST_SHADOWS, LEAST_RECORDS, LEAST_CANARIES = 6, 5, 5
LEAST_ROWS, LEAST_HOLDOUT = 100, 50
RELEASE = 10
"""Rows released for each training row; privacy is assessed at this many where fewer were asked for."""
ENDLESS = 50
"""The same for who holds the model file, and can sample as many as he likes."""
MOST_RELEASED = 200_000


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What is to be audited, and how thoroughly.

    Parameters
    ----------
    data, holdout
        The real rows; without a holdout 30 % are held out.
    synthesizer, settings
        The model family, and its settings as they were given.
    shadows
        Shadow models, an even number.
    records
        How many outlying records are attacked, and how many random ones.
    canaries
        Made-up records a model.
    release
        What is to be handed out: what leaks through anything else is shown and does not count.
    """

    data: Path
    target: str | None = None
    holdout: Path | None = None
    table_schema: TableSchema | None = None
    synthesizer: str = registry.DEFAULT
    settings: Mapping[str, Any] = field(default_factory=dict)
    shadows: int = 16
    records: int = 50
    canaries: int = 20
    seed: int = 0
    release: Release = Release.ROWS


def audit_files(asked: AuditRequest, folder: Path, *, progress: Progress = silent) -> Audit:
    """Run the whole audit, or what of it is left; write ``audit.json`` and ``audit.html`` into a folder.

    Raises
    ------
    InvalidInputError
        The data cannot be read, is too small, or a number or setting is out of range; all at once.
    MissingPackageError
        The family trains with a package that is not installed.
    """
    settings = registry.settings_for(asked.synthesizer, dict(asked.settings))
    raise_all(_number_problems(asked))
    schema = asked.table_schema or detect.detect_schema(asked.data, target=asked.target).schema
    # The made-up records keep no constraint, and what a model remembers of people is there before any row is left out.
    schema = schema.model_copy(update={"constraints": ()})
    room = _Room.of(asked, schema, settings)
    kept = _run(room.pieces(), folder / "work" / _key(asked, schema, settings), progress)
    audit = room.judged(kept)
    write_audit(folder, audit)
    progress(1.0, "audited")
    return audit


class _Kept(BaseModel):
    """What one model gave: all that is needed of it, and no row."""

    model_config = ConfigDict(extra="forbid")

    values: list[list[float]]
    exact: list[int]
    whitebox: WhiteboxResult | None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Piece:
    """One model to be trained and attacked."""

    name: str
    make: Callable[[Progress], _Kept]


@dataclass(frozen=True, slots=True)
class _Room:
    """The data, cut and encoded, and who is attacked."""

    asked: AuditRequest
    schema: TableSchema
    settings: Settings
    train: pa.Table
    holdout: pa.Table
    pool: pa.Table
    features: tuple[Features, Features, Features]
    """Of train, holdout and pool."""
    units: NDArray[np.int64]
    space: Space
    targets: audit_shadow.Targets
    inside: NDArray[np.bool_]
    canaries: tuple[audit_canaries.Canaries, ...]

    @classmethod
    def of(cls, asked: AuditRequest, schema: TableSchema, settings: Settings) -> _Room:
        """Read the data, and choose whom to attack."""
        table = read.read_table(asked.data, schema)
        if asked.holdout is None:
            _, train, holdout = split_rows(table, schema.customer)
        else:
            train, holdout = table, read.read_table(asked.holdout, schema)
        raise_all(_data_problems(asked, schema, train, holdout))
        pool = pa.concat_tables([train, holdout])
        features = (encode(train, schema), encode(holdout, schema), encode(pool, schema))
        space = fit_space(Sides(features[2], features[2], features[2]), generator(asked.seed, "audit/space"))
        units = _units(pool, schema.customer)
        with threadpool_limits(limits=1, user_api="blas"):
            targets = audit_shadow.choose_targets(
                features[2], units, space, asked.records, generator(asked.seed, "audit/targets")
            )
        return cls(
            asked=asked,
            schema=schema,
            settings=settings,
            train=train,
            holdout=holdout,
            pool=pool,
            features=features,
            units=units,
            space=space,
            targets=targets,
            inside=audit_shadow.design(
                int(units.max()) + 1, asked.shadows, generator(asked.seed, "audit/halves")
            ),
            canaries=tuple(
                audit_canaries.make_up(
                    features[0], schema, asked.canaries, asked.seed, generator(asked.seed, "audit/canaries", at)
                )
                for at in range(CANARY_MODELS)
            ),
        )  # fmt: skip

    def pieces(self) -> list[_Piece]:
        """Return every model that the audit needs."""
        return [
            *(_Piece(f"shadow-{at}", self._shadow(at)) for at in range(self.asked.shadows)),
            *(_Piece(f"plain-{at}", self._plain(at)) for at in range(CANARY_MODELS)),
            *(
                _Piece(f"canaries-{repeats}-{at}", self._canary(repeats, at))
                for repeats in REPEATS
                for at in range(CANARY_MODELS)
            ),
            _Piece("file", self._file),
        ]

    def _shadow(self, at: int) -> Callable[[Progress], _Kept]:
        def make(progress: Progress) -> _Kept:
            learned = self.pool.take(pa.array(np.flatnonzero(self.inside[at][self.units])))
            model = self._fit(learned, f"shadow-{at}", progress)
            released = self._release(model, RELEASE * learned.num_rows, f"shadow-{at}")
            found = audit_shadow.statistics(self._attacked, released, self.space)
            return _Kept(values=[_short(found)], exact=[], whitebox=None)

        return make

    def _plain(self, at: int) -> Callable[[Progress], _Kept]:
        """Train a model without canaries; it is asked about the canaries of all others."""

        def make(progress: Progress) -> _Kept:
            model = self._fit(self.train, f"plain-{at}", progress)
            released = self._release(model, RELEASE * self.train.num_rows, f"plain-{at}")
            return self._looked_for(self.canaries, released)

        return make

    def _canary(self, repeats: int, at: int) -> Callable[[Progress], _Kept]:
        def make(progress: Progress) -> _Kept:
            own = self.canaries[at]
            learned = audit_canaries.with_inserted(self.train, own, repeats)
            model = self._fit(learned, f"canaries-{repeats}-{at}", progress)
            released = self._release(model, RELEASE * self.train.num_rows, f"canaries-{repeats}-{at}")
            return self._looked_for([own], released)

        return make

    def _looked_for(self, canaries: Sequence[audit_canaries.Canaries], released: Features) -> _Kept:
        found = [audit_canaries.look_for(each, released, self.space) for each in canaries]
        return _Kept(values=[_short(each) for each, _ in found], exact=[exact for _, exact in found], whitebox=None)

    def _file(self, progress: Progress) -> _Kept:
        model = self._fit(self.train, "file", progress)
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "model"
            model.save(path)
            content = modelfile.read(path, model.name)
        released = self._release(model, ENDLESS * self.train.num_rows, "file")
        train, holdout, _ = self.features
        rng = generator(self.asked.seed, "audit/file")
        found = audit_whitebox.measure(content, model.name, train, holdout, released, self.space, rng)
        return _Kept(values=[], exact=[], whitebox=found)

    @property
    def _attacked(self) -> Features:
        return take(self.features[2], self.targets.rows)

    def _fit(self, learned: pa.Table, name: str, progress: Progress) -> Synthesizer:
        family = registry.family(self.asked.synthesizer).load_class()
        return family(self.settings).fit(learned, self.schema, seed=self._seed(f"fit/{name}"), progress=progress)

    def _release(self, model: Synthesizer, rows: int, name: str) -> Features:
        batches = model.sample(min(rows, MOST_RELEASED), self._seed(f"sample/{name}"))
        return encode(pa.Table.from_batches(list(batches)), self.schema)

    def _seed(self, purpose: str) -> int:
        return int(generator(self.asked.seed, f"audit/{purpose}").integers(2**31))

    def judged(self, kept: Mapping[str, _Kept]) -> Audit:
        """Put together what all models gave."""
        asked, seed = self.asked, self.asked.seed
        statistic = np.array([kept[f"shadow-{at}"].values[0] for at in range(asked.shadows)])
        inside = self.inside[:, self.units[self.targets.rows]]
        shadow = audit_shadow.measure(statistic, inside, self.targets.outlying, generator(seed, "audit/judge"))
        canaries = tuple(self._judged_canaries(repeats, kept) for repeats in (0, *REPEATS))
        whitebox = kept["file"].whitebox
        assert whitebox is not None  # noqa: S101 - that piece gives just this
        half = int(self.inside[0][self.units].sum())
        rows = {
            "train": self.train.num_rows,
            "holdout": self.holdout.num_rows,
            "shadow": half,
            "released": min(RELEASE * half, MOST_RELEASED),
            "canary_released": min(RELEASE * self.train.num_rows, MOST_RELEASED),
        }
        return Audit(
            dataset=self.schema.name,
            data_hash=file_hash(asked.data),
            target=self.schema.target,
            synthesizer=asked.synthesizer,
            settings=self.settings.model_dump(mode="json"),
            seed=seed,
            created_at=now(),
            rows=rows,
            shadows=asked.shadows,
            shadow=shadow,
            canaries=canaries,
            whitebox=whitebox,
            release=asked.release,
            findings=judge(
                shadow, canaries, whitebox, customers=self.schema.customer is not None, release=asked.release
            ),
            notes=audit_notes(rows, asked.shadows),
            seconds=sum(each.seconds for each in kept.values()),
            packages=versions(),
        )

    def _judged_canaries(self, repeats: int, kept: Mapping[str, _Kept]) -> CanaryResult:
        plain = [[np.array(each) for each in kept[f"plain-{at}"].values] for at in range(CANARY_MODELS)]
        every = range(CANARY_MODELS)
        if repeats:
            pieces = [kept[f"canaries-{repeats}-{at}"] for at in every]
            found = [np.array(piece.values[0]) for piece in pieces]
            exact = [piece.exact[0] for piece in pieces]
            beside = [[plain[other][at] for other in every] for at in every]
        else:
            found = [plain[at][at] for at in every]
            exact = [kept[f"plain-{at}"].exact[at] for at in every]
            beside = [[plain[other][at] for other in every if other != at] for at in every]
        rng = generator(self.asked.seed, "audit/exposure", repeats)
        return audit_canaries.measure(repeats, found, beside, exact, self.asked.canaries, rng)


def _number_problems(asked: AuditRequest) -> Iterator[Problem]:
    if asked.shadows < LEAST_SHADOWS or asked.shadows % 2:
        yield Problem(
            "shadows",
            f"{asked.shadows} shadow models make no balanced attack",
            f"Give an even number from {LEAST_SHADOWS} on.",
        )
    for name, given, least in (("records", asked.records, LEAST_RECORDS), ("canaries", asked.canaries, LEAST_CANARIES)):
        if given < least:
            yield Problem(name, f"{given} are too few to find anything", f"Give {least} at least.")
    if asked.seed < 0:
        yield Problem("seed", "it is negative", "Give 0 or more.")


def _data_problems(
    asked: AuditRequest, schema: TableSchema, train: pa.Table, holdout: pa.Table
) -> Iterator[Problem]:  # fmt: skip
    if not schema.learned:
        yield Problem(
            f"table '{schema.name}'", "no column of it is learned", "Add columns with a distribution to the data."
        )
    for side, rows, least in (("train", train.num_rows, LEAST_ROWS), ("hold out", holdout.num_rows, LEAST_HOLDOUT)):
        if rows < least:
            yield Problem(f"table '{schema.name}'", f"it has {rows} rows to {side}", f"Give {least} at least.")
    most = train.num_rows // max(REPEATS)
    if train.num_rows >= LEAST_ROWS and asked.canaries > most:
        yield Problem(
            "canaries",
            f"{asked.canaries}, each {max(REPEATS)} times, are more than the {train.num_rows:,} training rows",
            f"Give {most} at most.",
        )


def _units(table: pa.Table, customer: str | None) -> NDArray[np.int64]:
    """Return whose row each is, as numbers from 0 on, shape (n,); a row without a customer is its own."""
    rows = np.arange(table.num_rows)
    if customer is None:
        return rows
    known = table[customer].combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    _, units = np.unique(np.where(known < 0, -1 - rows, known), return_inverse=True)
    return np.asarray(units, dtype=np.int64)


def _short(values: NDArray[np.float64]) -> list[float]:
    return [round(value, 6) for value in values.tolist()]


def _key(asked: AuditRequest, schema: TableSchema, settings: Settings) -> str:
    """Return the name of the folder for what all that decides the models has given."""
    said = [
        __version__,
        file_hash(asked.data),
        None if asked.holdout is None else file_hash(asked.holdout),
        schema.model_dump(mode="json"),
        asked.synthesizer,
        settings.model_dump(mode="json"),
        [asked.shadows, asked.records, asked.canaries, asked.seed],
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _run(pieces: list[_Piece], folder: Path, progress: Progress) -> dict[str, _Kept]:
    """Make what was not made before; keep each as soon as it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {piece.name: found for piece in pieces if (found := _read(folder, piece.name)) is not None}
    todo = [piece for piece in pieces if piece.name not in kept]
    before, started = len(kept), time.monotonic()
    for at, piece in enumerate(todo):
        label = f"model {before + at + 1} of {len(pieces)} ({piece.name}){_left(started, at, len(todo))}"

        def within(done: float, message: str, at: int = at, label: str = label) -> None:
            progress((before + at + min(done, 0.99)) / len(pieces), f"{label}: {message}")

        within(0.0, "begun")
        begun = time.monotonic()
        with threadpool_limits(limits=1, user_api="blas"):
            made = piece.make(within)
        made.seconds = round(time.monotonic() - begun, 3)
        _write(folder, piece.name, made)
        kept[piece.name] = made
    return kept


def _left(started: float, done: int, of: int) -> str:
    if not done:
        return ""
    seconds = (time.monotonic() - started) / done * (of - done)
    return f", about {seconds:.0f} s left" if seconds < 100 else f", about {seconds / 60:.0f} min left"


def _read(folder: Path, name: str) -> _Kept | None:
    """Return what an earlier run has kept; None where there is nothing that can be used."""
    try:
        return _Kept.model_validate_json((folder / f"{name}.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _write(folder: Path, name: str, made: _Kept) -> None:
    partial = folder / f".{name}.{os.getpid()}.partial"
    partial.write_text(made.model_dump_json(), encoding="utf-8")
    partial.replace(folder / f"{name}.json")

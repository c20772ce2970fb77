"""Assess: measure one synthetic table against the real rows, all measures by one protocol.

Fidelity and usefulness are measured against the holdout, rows that no model saw, at equal row counts and beside
`fresh`: what the real training rows reach against the same holdout. Better than fresh would be copying.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import Problem, raise_all
from synthcredit.evidence import (
    attacks,
    challengers,
    constraints,
    coverage,
    credit,
    credit_panels,
    detection,
    fidelity,
    nearest,
    privacy,
    seeds,
    steered,
    utility,
    validity,
)
from synthcredit.evidence.model import Detail, Evidence, Figure, Level, Measure
from synthcredit.evidence.scores import score
from synthcredit.evidence.sides import Sides, draw
from synthcredit.randomness import generator
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.conditions import Steering
from synthcredit.synthesizers.features import Features, rows_of, take
from synthcredit.synthesizers.fitting import Progress, silent

MAX_ROWS = 100_000
"""Real rows a side that are measured; of larger ones a drawn sample; copies are looked for in all training rows."""
MAX_SYNTHETIC_ROWS = 250_000
"""Synthetic rows that are measured; of more, a drawn sample. An attacker has all of them, and more of them show more:
the rows of an attack on 20,000 training rows, ten for one, are all there."""
ROWS_A_TRAINING_ROW = 10
"""Synthetic rows for each training row that privacy is measured on at the least."""


def rows_to_measure(released: int, train: int) -> int:
    """Return how many synthetic rows are to be measured: those released or ten for each training row, if that is more.

    Privacy is measured on what an attacker may come to hold: a model that has released a few rows releases more.
    """
    return min(max(released, ROWS_A_TRAINING_ROW * train), MAX_SYNTHETIC_ROWS)


def assess(
    synthetic: pa.Table,
    train: pa.Table,
    holdout: pa.Table,
    schema: TableSchema,
    *,
    seed: int,
    rows_released: int,
    rows_asked: int | None = None,
    level: Level = Level.STANDARD,
    again: Sequence[pa.Table] = (),
    steering: Steering | None = None,
    data_docs: Path | None = None,
    progress: Progress | None = None,
) -> Evidence:
    """Measure validity, fidelity, usefulness and privacy of a synthetic table.

    Parameters
    ----------
    synthetic
        The synthetic rows, or a drawn sample of at most `MAX_SYNTHETIC_ROWS` of them; `rows_to_measure` says how many.
    train, holdout
        The real rows that the model learned from, and those that it never saw.
    schema
        The schema of all three tables; columns stand under their original names.
    seed
        Draws samples and resamples; the same input and seed give the same evidence.
    rows_released
        How many rows the whole synthetic dataset has.
    rows_asked
        How many it should have, where that is known.
    level
        How much is measured.
    again
        What the same model generates by other seeds, where the model is at hand: how far figures move between seeds.
    steering
        What the synthetic rows were asked to be like; they are compared with real rows that are so, too.
    data_docs
        A folder for the Data Docs of the validity checks; see `validity.check`.
    progress
        Hears how far it is.

    Returns
    -------
    Evidence
        What could not be measured is in it too, with the reason.

    Raises
    ------
    InvalidInputError
        A table lacks a column of the schema.
    """
    progress = progress or silent
    _require_columns({"synthetic": synthetic, "train": train, "holdout": holdout}, schema)
    progress(0.0, "checking validity")
    real = _compared(train, holdout, schema, steering, seed)
    checks = validity.check(synthetic, real.train, schema, docs=data_docs)
    progress(0.25, "comparing columns and pairs of columns")
    checks = (*checks, *constraints.check(synthetic, train, schema))
    made = encode(synthetic, schema)
    if steering:
        checks = (*checks, *steered.check(made, steering, schema, whole=synthetic.num_rows == rows_released))
    sides = _drawn(Sides(made, *real.features), seed)
    exposed = _drawn(Sides(made, *real.known), seed) if steering else sides
    faithful = fidelity.measure(sides, schema, generator(seed, "evidence/fidelity"))
    progress(0.4, "training models on synthetic and on real rows")
    useful = utility.measure(sides, schema, generator(seed, "evidence/utility"))
    progress(0.5, "looking for copied rows")
    private = privacy.measure(
        Sides(sides.synthetic, real.known[0], exposed.holdout), generator(seed, "evidence/privacy")
    )
    more = _More()
    spread: dict[Figure, float] = {}
    if level is Level.STANDARD:
        more = _measure_more(sides, exposed, schema, seed, progress)
        if again:
            progress(0.95, "comparing other generations of the same model")
            spread, detail = seeds.measure(sides, [encode(table, schema) for table in again], schema, seed)
            more = replace(more, details=(*more.details, detail))
    progress(1.0, "assessed")
    return score(
        Evidence(
            level=level,
            table=schema.name,
            target=schema.target,
            rows={
                "asked": rows_released if rows_asked is None else rows_asked,
                "released": rows_released,
                "synthetic": synthetic.num_rows,
                "train": train.num_rows,
                "holdout": holdout.num_rows,
            },
            validity=checks,
            fidelity=(*faithful.measures, *more.fidelity),
            columns=faithful.columns,
            columns_fresh=faithful.columns_fresh,
            utility=(*(seeds.widen(one, spread) for one in useful), *more.utility),
            privacy=(*private, *more.privacy),
            credit=more.credit,
            details=more.details,
            notes=(*real.notes, *_notes(schema, synthetic.num_rows, rows_released, level), *faithful.notes),
        )
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    """The real rows that synthetic ones are compared with.

    Parameters
    ----------
    train
        The training rows that are as the synthetic rows were asked to be.
    features
        These and such held-out rows, encoded.
    known
        For privacy: training and held-out rows that meet the same conditions, whatever their shares.
    notes
        What was left out.
    """

    train: pa.Table
    features: tuple[Features, Features]
    known: tuple[Features, Features]
    notes: tuple[str, ...] = ()


def _compared(
    train: pa.Table, holdout: pa.Table, schema: TableSchema, steering: Steering | None, seed: int
) -> _Compared:
    of_train, of_holdout = encode(train, schema), encode(holdout, schema)
    if not steering:
        return _Compared(train, (of_train, of_holdout), (of_train, of_holdout))
    among = steered.alike(of_train, steering, schema, generator(seed, "evidence/alike/training"))
    held = steered.alike(of_holdout, steering, schema, generator(seed, "evidence/alike/held-out"))
    counts = {
        side: (rows_of(features), len(found.inside), len(found.drawn))
        for side, features, found in (("training", of_train, among), ("held-out", of_holdout, held))
    }
    return _Compared(
        train.take(pa.array(among.drawn)),
        (take(of_train, among.drawn), take(of_holdout, held.drawn)),
        (take(of_train, among.inside), take(of_holdout, held.inside)),
        (steered.describe(steering, counts),),
    )


def _drawn(whole: Sides, seed: int) -> Sides:
    return Sides(
        draw(whole.synthetic, MAX_SYNTHETIC_ROWS, generator(seed, "evidence/synthetic")),
        draw(whole.train, MAX_ROWS, generator(seed, "evidence/train")),
        draw(whole.holdout, MAX_ROWS, generator(seed, "evidence/holdout")),
    )


@dataclass(frozen=True, slots=True)
class _More:
    """What is measured beyond the basic level."""

    fidelity: tuple[Measure, ...] = ()
    utility: tuple[Measure, ...] = ()
    credit: tuple[Measure, ...] = ()
    privacy: tuple[Measure, ...] = ()
    details: tuple[Detail, ...] = ()


def _measure_more(sides: Sides, exposed: Sides, schema: TableSchema, seed: int, progress: Progress) -> _More:
    detected = detection.measure(sides, schema, generator(seed, "evidence/detection"))
    covered = coverage.measure(sides, schema, generator(seed, "evidence/coverage"))
    progress(0.65, "choosing models on synthetic and on real rows")
    challenged = challengers.measure(sides, schema, generator(seed, "evidence/challengers"))
    progress(0.75, "building scorecards")
    credited = credit.measure(sides, schema, generator(seed, "evidence/credit"))
    over_time = credit_panels.measure(sides, schema, generator(seed, "evidence/credit_panels"))
    progress(0.85, "attacking single people")
    near = nearest.measure(exposed, schema, generator(seed, "evidence/nearest"))
    attacked = attacks.measure(exposed, schema, generator(seed, "evidence/attacks"))
    return _More(
        fidelity=(*detected[0], *covered[0]),
        utility=challenged[0],
        credit=(*credited[0], *over_time[0]),
        privacy=(*near[0], *attacked[0]),
        details=(
            *(*detected[1], *covered[1], *challenged[1], *credited[1], *over_time[1]),
            *(*near[1], *attacked[1]),
        ),
    )


def _notes(schema: TableSchema, assessed: int, released: int, level: Level) -> list[str]:
    notes = []
    made_new = [column.name for column in schema.columns if not column.learned]
    if made_new:
        notes.append(
            f"Made new for every row, never learned, and so not compared with real rows: {', '.join(made_new)}."
        )
    if level is Level.BASIC:
        notes.append("Basic evidence, for haste: no detection, no credit behaviour, no attacks. Not for sharing.")
    if assessed < released:
        notes.append(f"Measured on a drawn sample of {assessed:,} of {released:,} rows.")
    return notes


def _require_columns(tables: dict[str, pa.Table], schema: TableSchema) -> None:
    raise_all(
        Problem(
            f"column '{name}'",
            f"the {side} table does not have it",
            "Give tables that all have the columns of the schema.",
        )
        for side, table in tables.items()
        for name in schema.names
        if name not in table.column_names
    )

"""Assess: measure one synthetic table against the real rows, all measures by one protocol.

Fidelity and usefulness are measured against the holdout, rows that no model saw, at equal row counts and beside
`fresh`: what the real training rows reach against the same holdout. Better than fresh would be copying.
"""

from __future__ import annotations

import pyarrow as pa

from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import Problem, raise_all
from synthcredit.evidence import attacks, coverage, detection, fidelity, nearest, privacy, utility, validity
from synthcredit.evidence.model import Evidence
from synthcredit.evidence.sides import Sides, draw
from synthcredit.randomness import generator
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.protocol import Progress, silent

MAX_ROWS = 100_000
"""Rows a side that are measured; of larger ones a drawn sample; copies are looked for in all training rows."""


def assess(
    synthetic: pa.Table,
    train: pa.Table,
    holdout: pa.Table,
    schema: TableSchema,
    *,
    seed: int,
    rows_released: int,
    progress: Progress | None = None,
) -> Evidence:
    """Measure validity, fidelity, usefulness and privacy of a synthetic table.

    Parameters
    ----------
    synthetic
        The synthetic rows, or a drawn sample of at most `MAX_ROWS` of them.
    train, holdout
        The real rows that the model learned from, and those that it never saw.
    schema
        The schema of all three tables; columns stand under their original names.
    seed
        Draws samples and resamples; the same input and seed give the same evidence.
    rows_released
        How many rows the whole synthetic dataset has.
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
    checks = validity.check(synthetic, train, schema)
    progress(0.25, "comparing columns and pairs of columns")
    whole = Sides(encode(synthetic, schema), encode(train, schema), encode(holdout, schema))
    sides = Sides(
        draw(whole.synthetic, MAX_ROWS, generator(seed, "evidence/synthetic")),
        draw(whole.train, MAX_ROWS, generator(seed, "evidence/train")),
        draw(whole.holdout, MAX_ROWS, generator(seed, "evidence/holdout")),
    )
    faithful = fidelity.measure(sides, schema, generator(seed, "evidence/fidelity"))
    detected = detection.measure(sides, schema, generator(seed, "evidence/detection"))
    covered = coverage.measure(sides, schema, generator(seed, "evidence/coverage"))
    progress(0.5, "training models on synthetic and on real rows")
    useful = utility.measure(sides, schema, generator(seed, "evidence/utility"))
    progress(0.9, "looking for copied rows")
    private = privacy.measure(Sides(sides.synthetic, whole.train, sides.holdout), generator(seed, "evidence/privacy"))
    near = nearest.measure(sides, schema, generator(seed, "evidence/nearest"))
    attacked = attacks.measure(sides, schema, generator(seed, "evidence/attacks"))
    progress(1.0, "assessed")
    return Evidence(
        table=schema.name,
        target=schema.target,
        rows={
            "released": rows_released,
            "synthetic": synthetic.num_rows,
            "train": train.num_rows,
            "holdout": holdout.num_rows,
        },
        validity=checks,
        fidelity=(*faithful.measures, *detected[0], *covered[0]),
        columns=faithful.columns,
        columns_fresh=faithful.columns_fresh,
        utility=useful,
        privacy=(*private, *near[0], *attacked[0]),
        details=(*detected[1], *covered[1], *near[1], *attacked[1]),
        notes=(*_notes(schema, synthetic.num_rows, rows_released), *faithful.notes),
    )


def _notes(schema: TableSchema, assessed: int, released: int) -> list[str]:
    notes = []
    made_new = [column.name for column in schema.columns if not column.learned]
    if made_new:
        notes.append(
            f"Made new for every row, never learned, and so not compared with real rows: {', '.join(made_new)}."
        )
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

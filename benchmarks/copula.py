"""`copula` beside SDV's GaussianCopula: speed and memory on a made credit table, fidelity and privacy on a real one.

python benchmarks/copula.py speed [--rows 1000000]
python benchmarks/copula.py fidelity [--data FILE.csv --target COLUMN] [--seeds 3]

Both fit on the same rows. For speed each side generates in fresh processes, taking turns; ours streams typed Arrow
batches by the schema, SDV returns a pandas frame. Fidelity is measured as in `protocol`; SDV has one fit and as many
samples as we have seeds, each of ours a fit and a sample.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from fidelity import GERMAN_CREDIT, fresh, markdown, measure
from sampling import REAL_ROWS, TURNS, Run, credit_table, measured
from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.read import read_table
from synthcredit.datasets.schema import Kind, TableSchema

GOAL_RATIO = 8


def fit_theirs(table: pa.Table, schema: TableSchema) -> Any:  # noqa: ANN401 - SDV has no types
    """Fit SDV's GaussianCopula, as it comes, on the learned columns."""
    from sdv.metadata import Metadata
    from sdv.single_table import GaussianCopulaSynthesizer

    kinds = {Kind.CATEGORICAL: "categorical", Kind.BOOLEAN: "categorical", Kind.DATETIME: "datetime"}
    columns = {column.name: {"sdtype": kinds.get(column.kind, "numerical")} for column in schema.learned}
    synthesizer = GaussianCopulaSynthesizer(Metadata.load_from_dict({"tables": {"table": {"columns": columns}}}))
    synthesizer.fit({"table": table.select(list(columns)).to_pandas()})
    return synthesizer


def fit_ours(table: pa.Table, schema: TableSchema) -> Any:  # noqa: ANN401 - as above
    """Fit our copula with its defaults."""
    from synthcredit.synthesizers.copula import CopulaSynthesizer
    from synthcredit.synthesizers.settings import CopulaSettings

    return CopulaSynthesizer(CopulaSettings()).fit(table, schema, seed=1)


def sample_theirs(folder: Path, rows: int) -> Run:
    """Measure SDV's own sample."""
    from sdv.utils import load_synthesizer

    synthesizer = load_synthesizer(str(folder / "sdv.pkl"))
    synthesizer.sample(1000)
    return measured(rows, lambda: len(synthesizer.sample(rows)["table"]))


def sample_ours(folder: Path, rows: int) -> Run:
    """Measure the streaming of as many rows."""
    from synthcredit.synthesizers.copula import CopulaSynthesizer

    model = CopulaSynthesizer.load(folder / "ours.model")
    next(model.sample(1000, 1))
    return measured(rows, lambda: sum(batch.num_rows for batch in model.sample(rows, 2)))


SIDES = {"sdv": sample_theirs, "ours": sample_ours}


def in_fresh_process(side: str, folder: Path, rows: int) -> Run:
    """Measure one side in a process of its own."""
    command = [sys.executable, __file__, "side", "--side", side, "--folder", str(folder), "--rows", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def speed(folder: Path, rows: int) -> None:
    """Measure both sides and print a table in Markdown."""
    table, schema = credit_table()
    started = time.perf_counter()
    fit_theirs(table, schema).save(str(folder / "sdv.pkl"))
    between = time.perf_counter()
    fit_ours(table, schema).save(folder / "ours.model")
    ended = time.perf_counter()
    print(f"Fit on {REAL_ROWS:,} x 12, imports included: SDV {between - started:.1f} s, ours {ended - between:.1f} s\n")
    runs: dict[str, list[Run]] = {side: [] for side in SIDES}
    for turn in range(TURNS):
        for side in SIDES if turn % 2 == 0 else reversed(SIDES):
            runs[side].append(in_fresh_process(side, folder, rows))
    print(f"{rows:,} rows, {TURNS} turns each\n")
    print("| | rows/s, median | slowest | fastest | rows a processor second, most | peak memory |")
    print("|---|---|---|---|---|---|")
    medians = {}
    for side, of_side in runs.items():
        speeds = [rows / run.seconds for run in of_side]
        medians[side] = statistics.median(speeds)
        processor = max(rows / run.processor_seconds for run in of_side)
        peak = max(run.peak_mb for run in of_side)
        print(
            f"| {side} | {medians[side]:,.0f} | {min(speeds):,.0f} | {max(speeds):,.0f} "
            f"| {processor:,.0f} | {peak:,.0f} MB |"
        )
    print(f"\nRatio of medians: {medians['ours'] / medians['sdv']:.1f} (goal: at least {GOAL_RATIO})")
    five = in_fresh_process("ours", folder, 5 * rows).peak_mb
    print(f"Peak memory, ours, for {5 * rows:,} rows: {five:,.0f} MB")


def measure_theirs(
    train: pa.Table, holdout: pa.Table, schema: TableSchema, seeds: int
) -> list[dict[str, float | None]]:
    """Return all figures of SDV's copula: one fit, several samples."""
    import protocol

    started = time.perf_counter()
    synthesizer = fit_theirs(train, schema)
    seconds = time.perf_counter() - started
    real, held = (protocol.Measured.of(part, schema) for part in (train, holdout))
    found = []
    for _ in range(seeds):
        frame = synthesizer.sample(train.num_rows)["table"]
        types = arrow_schema(schema)
        # What SDV does not learn is left empty: no measure looks at it.
        columns = [
            pa.Array.from_pandas(frame[column.name]).cast(types.field(column.name).type)
            if column.learned
            else pa.nulls(len(frame), types.field(column.name).type)
            for column in schema.columns
        ]
        rows = protocol.Measured.of(pa.table(columns, schema=types), schema)
        figures = {**protocol.fidelity(real, held, rows, schema), **protocol.closeness(real, held, rows)}
        found.append({**figures, "fit, s": seconds})
    return found


def fidelity(data: Path, target: str | None, seeds: int) -> None:
    """Measure both on one real table and print a table in Markdown."""
    import protocol

    schema = detect_schema(data, target=target).schema
    train, holdout = protocol.halves(read_table(data, schema))
    columns = {
        "fresh": [fresh(train, holdout, schema)],
        "copula": [measure("copula", {}, train, holdout, schema, seed) for seed in range(1, seeds + 1)],
        "SDV GaussianCopula": measure_theirs(train, holdout, schema, seeds),
    }
    print(f"{data.name}: {train.num_rows} + {holdout.num_rows} rows, {seeds} seeds\n")
    print(markdown(columns))


def main() -> None:
    """Run one of the two benchmarks, or one side of the first in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "fidelity", "side"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, default=GERMAN_CREDIT, help="a real table (default: german_credit)")
    parser.add_argument("--target", help="its outcome column (default: creditability where --data is not given)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.what == "side":
        print(json.dumps(asdict(SIDES[given.side](given.folder, given.rows))))
    elif given.what == "speed":
        with tempfile.TemporaryDirectory() as name:
            speed(Path(name), given.rows)
    else:
        target = given.target or ("creditability" if given.data == GERMAN_CREDIT else None)
        fidelity(given.data, target, given.seeds)


if __name__ == "__main__":
    main()

"""`copula` beside SDV's GaussianCopula: speed and memory on a made credit table.

    python benchmarks/copula.py [--rows 1000000]

Both fit on the same rows. Each side generates in fresh processes, taking turns; ours streams typed Arrow batches by
the schema, SDV returns a pandas frame. Fidelity and privacy of both are in the table of `synthesizers.py`.
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

from sampling import REAL_ROWS, TURNS, Run, credit_table, measured
from synthcredit.datasets.schema import TableSchema
from synthesizers_contenders import STOCK, Sdv

GOAL_RATIO = 8


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
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--rows", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def speed(folder: Path, rows: int) -> None:
    """Measure both sides and print a table in Markdown."""
    table, schema = credit_table()
    started = time.perf_counter()
    theirs = Sdv(STOCK["SDV GaussianCopula"], {})
    theirs.fit(table, schema)
    theirs.save(folder / "sdv.pkl")
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


def main() -> None:
    """Run the benchmark, or one side of it in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.side:
        print(json.dumps(asdict(SIDES[given.side](given.folder, given.rows))))
        return
    with tempfile.TemporaryDirectory() as name:
        speed(Path(name), given.rows)


if __name__ == "__main__":
    main()

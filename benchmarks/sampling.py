"""Sampling speed and memory of `ctgan`: the exported network in numpy beside SDV's own `sample`.

    python benchmarks/sampling.py [--rows 1000000] [--epochs 5]

SDV's `CTGANSynthesizer` and ours each train a network of the same size on a made credit table, encoded by the same
rules; speed does not depend on what they learned. Then each side generates in fresh processes, taking turns, so that
neither profits from a warm machine; peak memory is the operating system's maximum resident set size.
Processor seconds are printed too, over all threads: they say more than the clock when the machine is busy.
Our side ends in the same place as SDV's or later: typed Arrow batches, by the schema, against a pandas frame.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa

from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema
from synthcredit.randomness import BLOCK_ROWS

REAL_ROWS = 20_000
GOAL_RATIO = 2.8
GOAL_MB = 400
TURNS = 3


def credit_table(rows: int = REAL_ROWS) -> tuple[pa.Table, TableSchema]:
    """Make a credit table of 12 columns from a Gaussian latent with three factors."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((rows, 3)) @ rng.standard_normal((3, 12)) + rng.standard_normal((rows, 12))
    latent /= latent.std(axis=0)

    def levels(place: int, names: list[str]) -> pa.Array:
        edges = np.quantile(latent[:, place], np.linspace(0, 1, len(names) + 1)[1:-1] ** 1.5)
        return pa.array(np.array(names)[np.searchsorted(edges, latent[:, place])])

    def amount(place: int, median: float, spread: float) -> pa.Array:
        return pa.array(np.round(median * np.exp(spread * latent[:, place]), 2))

    def whole(place: int, mean: float, spread: float, low: int, high: int) -> pa.Array:
        return pa.array(np.clip(np.rint(mean + spread * latent[:, place]), low, high).astype(np.int64))

    table = pa.table(
        {
            "age": whole(0, 42, 12, 18, 80),
            "income": amount(1, 32_000, 0.5),
            "loan_amount": amount(2, 9_000, 0.8),
            "interest_rate": pa.array(np.round(np.clip(8 + 3 * latent[:, 3], 1, 25), 2)),
            "months_employed": whole(4, 70, 50, 0, 480),
            "utilisation": pa.array(np.round(1 / (1 + np.exp(-latent[:, 5])), 3)),
            "term": pa.array(np.array([12, 24, 36, 48, 60])[np.digitize(latent[:, 6], [-1, -0.3, 0.3, 1])]),
            "purpose": levels(7, ["car", "furniture", "holiday", "house", "other", "repair", "studies"]),
            "housing": levels(8, ["free", "own", "rent"]),
            "employment": levels(9, ["civil servant", "employee", "retired", "self-employed", "unemployed"]),
            "region": levels(10, [f"region {number:02d}" for number in range(16)]),
            "default": pa.array(latent[:, 11] > np.quantile(latent[:, 11], 0.824)),
        }
    )
    columns = tuple(column(table[name], name, _DECIMALS.get(name)) for name in table.column_names)
    return table, TableSchema(name="credit", columns=columns, target="default")


_DECIMALS = {"income": 2, "loan_amount": 2, "interest_rate": 2, "utilisation": 3}


def column(values: pa.ChunkedArray, name: str, decimals: int | None, special: tuple[float, ...] = ()) -> Column:
    """Return the schema of a made column."""
    if pa.types.is_string(values.type) or pa.types.is_boolean(values.type):
        text = pa.types.is_string(values.type)
        return Column(
            name=name,
            storage_name=name,
            kind=Kind.CATEGORICAL if text else Kind.BOOLEAN,
            dtype=Dtype.STRING if text else Dtype.BOOL,
            categories=tuple(sorted(values.unique().to_pylist())),
        )
    whole, numbers = pa.types.is_integer(values.type), values.drop_null().to_numpy()
    return Column(
        name=name,
        storage_name=name,
        kind=Kind.INTEGER if whole else Kind.CONTINUOUS,
        dtype=Dtype.INT64 if whole else Dtype.DOUBLE,
        minimum=float(numbers.min()),
        maximum=float(numbers.max()),
        decimals=decimals,
        nullable=values.null_count > 0,
        special_values=special,
    )


def train(folder: Path, epochs: int) -> None:
    """Train with SDV and with ours, and save both."""
    from sdv.metadata import Metadata
    from sdv.single_table import CTGANSynthesizer

    from synthcredit.synthesizers.ctgan import CtganSynthesizer
    from synthcredit.synthesizers.settings import CtganSettings

    table, schema = credit_table()
    # As ours sees it: a column of few values is categorical.
    numeric = [c.name for c in schema.columns if not c.discrete and c.name != "term"]
    columns = {name: {"sdtype": "numerical" if name in numeric else "categorical"} for name in schema.names}
    theirs = CTGANSynthesizer(
        Metadata.load_from_dict({"tables": {"credit": {"columns": columns}}}), epochs=epochs, enable_gpu=False
    )
    theirs.fit({"credit": table.to_pandas()})
    theirs.save(str(folder / "sdv.pkl"))
    ours = CtganSynthesizer(CtganSettings(epochs=epochs)).fit(table, schema, seed=0)
    ours.save(folder / "ours.model")


@dataclass(frozen=True, slots=True)
class Run:
    """What one sampling took."""

    seconds: float
    processor_seconds: float
    peak_mb: float


def sample_theirs(folder: Path, rows: int, threads: int | None = None) -> Run:
    """Measure SDV's own sample, with torch's own choice of threads where none is given."""
    import torch
    from sdv.utils import load_synthesizer

    if threads:
        torch.set_num_threads(threads)
    synthesizer = load_synthesizer(str(folder / "sdv.pkl"))
    synthesizer.sample(1000)
    return measured(rows, lambda: len(synthesizer.sample(rows)["credit"]))


def sample_ours(folder: Path, rows: int) -> Run:
    """Measure the streaming of as many rows."""
    from synthcredit.synthesizers.ctgan import CtganSynthesizer

    model = CtganSynthesizer.load(folder / "ours.model")
    next(model.sample(1000, 1))
    return measured(rows, lambda: sum(batch.num_rows for batch in model.sample(rows, 2)))


def sample_ours_in_two(folder: Path, rows: int) -> Run:
    """Measure two processes that sample half of the rows each, their start included; memory is that of one."""

    def both() -> int:
        half = rows // 2 // BLOCK_ROWS * BLOCK_ROWS
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            done = list(pool.map(_sample_slice, [folder] * 2, [0, half], [half, rows - half]))
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(children.ru_utime + children.ru_stime)
        peaks.extend(peak for _, peak in done)
        return sum(count for count, _ in done)

    spent: list[float] = []
    peaks: list[float] = []
    run = measured(rows, both)
    return Run(run.seconds, run.processor_seconds + spent[0], max(peaks))


def _sample_slice(folder: Path, first_row: int, rows: int) -> tuple[int, float]:
    from synthcredit.synthesizers.ctgan import CtganSynthesizer

    model = CtganSynthesizer.load(folder / "ours.model")
    return sum(batch.num_rows for batch in model.sample(rows, 2, first_row=first_row)), peak_mb()


SIDES: dict[str, tuple[str, Callable[[Path, int], Run]]] = {
    "sdv": ("SDV sample()", sample_theirs),
    "sdv1": ("SDV sample(), torch in one thread", partial(sample_theirs, threads=1)),
    "ours": ("synthcredit, one process, one thread", sample_ours),
    "ours2": ("synthcredit, two processes, as a job does", sample_ours_in_two),
}


def measured(rows: int, sample: Callable[[], int]) -> Run:
    """Run a sampling that returns how many rows it made."""
    start, processor = time.perf_counter(), time.process_time()
    made = sample()
    seconds, processor_seconds = time.perf_counter() - start, time.process_time() - processor
    if made != rows:
        raise RuntimeError(f"{made} rows instead of {rows}")
    return Run(seconds, processor_seconds, peak_mb())


def peak_mb() -> float:
    """Return this process's peak memory in MB; Linux counts in KiB, macOS in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux's ru_maxrss starts at what the parent held when it forked; this figure starts anew with the program.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def in_fresh_process(side: str, folder: Path, rows: int) -> Run:
    """Measure one side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--rows", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def compare(folder: Path, rows: int) -> None:
    """Measure both sides and print a table in Markdown."""
    runs: dict[str, list[Run]] = {side: [] for side in SIDES}
    for turn in range(TURNS):
        for side in SIDES if turn % 2 == 0 else reversed(SIDES):
            runs[side].append(in_fresh_process(side, folder, rows))
    speeds = {side: [rows / run.seconds for run in of_side] for side, of_side in runs.items()}
    peaks = {side: max(run.peak_mb for run in of_side) for side, of_side in runs.items()}
    print(f"\n{rows:,} rows, {TURNS} turns each, fresh processes\n")
    print(
        "| | rows/s, median | slowest | fastest | processor seconds, least | peak memory |\n|---|---|---|---|---|---|"
    )
    for side, (label, _) in SIDES.items():
        speed, processor = speeds[side], min(run.processor_seconds for run in runs[side])
        print(
            f"| {label} | {statistics.median(speed):,.0f} | {min(speed):,.0f} | {max(speed):,.0f} "
            f"| {processor:.1f} | {peaks[side]:,.0f} MB |"
        )
    medians = {side: statistics.median(of_side) for side, of_side in speeds.items()}
    print(
        f"\nRatio, one thread each: {medians['ours'] / medians['sdv1']:.2f}; two processors each: "
        f"{medians['ours2'] / medians['sdv']:.2f} (goal: at least {GOAL_RATIO})"
    )
    five = in_fresh_process("ours", folder, 5 * rows).peak_mb
    print(
        f"Peak memory, numpy: {peaks['ours']:,.0f} MB for {rows:,} rows, {five:,.0f} MB for {5 * rows:,} "
        f"(goal: both under {GOAL_MB})"
    )


def main() -> None:
    """Run the benchmark, or one side of it in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.side:
        sample = SIDES[given.side][1]
        print(json.dumps(asdict(sample(given.folder, given.rows))))
        return
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        train(Path(name), given.epochs)
        print(f"Trained {given.epochs} epochs on {REAL_ROWS:,} x 12 in {time.perf_counter() - start:.0f} s")
        compare(Path(name), given.rows)


if __name__ == "__main__":
    main()

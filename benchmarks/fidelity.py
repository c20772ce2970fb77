"""How faithful and how private model families are on a real table; see `protocol`.

python benchmarks/fidelity.py
python benchmarks/fidelity.py --data FILE.csv --target COLUMN --seeds 3 --families trees
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa

from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.read import read_table
from synthcredit.datasets.schema import TableSchema
from synthcredit.synthesizers import registry

GERMAN_CREDIT = Path(__file__).parent.parent / "data" / "german_credit.csv"
SPEED_ROWS = 100_000


def generate(
    family: str, settings: dict[str, str], train: pa.Table, schema: TableSchema, seed: int
) -> tuple[pa.Table, dict[str, float | None]]:
    """Fit and sample in a process of their own, so that its peak memory is theirs."""
    chosen = registry.family(family)
    model = chosen.load_class()(registry.settings_for(family, dict(settings)))
    # Beside the clock: a busy machine stretches that, not the processor's own time.
    started, started_cpu = time.perf_counter(), time.process_time()
    model.fit(train, schema, seed=seed)
    fitted, fitted_cpu = time.perf_counter(), time.process_time()
    made = pa.Table.from_batches(model.sample(SPEED_ROWS, seed))
    sampled, sampled_cpu = time.perf_counter(), time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return made.slice(0, train.num_rows), {
        "fit, s": fitted - started,
        "fit, CPU s": fitted_cpu - started_cpu,
        "rows/s": SPEED_ROWS / (sampled - fitted),
        "rows/CPU s": SPEED_ROWS / (sampled_cpu - fitted_cpu),
        "peak memory, MB": peak / (2**20 if sys.platform == "darwin" else 2**10),
    }


def measure(
    family: str, settings: dict[str, str], train: pa.Table, holdout: pa.Table, schema: TableSchema, seed: int
) -> dict[str, float | None]:
    """Return all figures of one family and one seed."""
    import protocol  # Here, so that what it imports is not counted as the family's memory.

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        made, costs = process.submit(generate, family, settings, train, schema, seed).result()
    real, held, rows = (protocol.Measured.of(part, schema) for part in (train, holdout, made))
    return {**protocol.fidelity(real, held, rows, schema), **protocol.closeness(real, held, rows), **costs}


def fresh(train: pa.Table, holdout: pa.Table, schema: TableSchema) -> dict[str, float | None]:
    """Return the figures that real rows reach."""
    import protocol

    real, held = (protocol.Measured.of(part, schema) for part in (train, holdout))
    return {
        **protocol.fidelity(real, held, real, schema),
        "copied rows": protocol.copied(held.matrix, real.matrix),
        # By definition, for rows that come from where train and holdout come from.
        "excess closeness": 0.0,
        "membership AUC": 0.5,
        "membership TPR at 1 %": 0.01,
    }


def markdown(columns: dict[str, list[dict[str, float | None]]]) -> str:
    """Print one row a measure and one column a source, mean and standard deviation over seeds."""
    measures = list(dict.fromkeys(name for runs in columns.values() for name in runs[-1]))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in measures:
        cells = [_cell([run.get(name) for run in runs]) for runs in columns.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(found: list[float | None]) -> str:
    values = [value for value in found if value is not None]
    if not values:
        return ""
    mean, digits = float(np.mean(values)), 0 if np.mean(values) > 100 else 1 if np.mean(values) > 2 else 4
    spread = f" ± {np.std(values, ddof=1):,.{digits}f}" if len(values) > 1 else ""
    return f"{mean:,.{digits}f}{spread}"


def main() -> None:
    """Measure families on one table and print a markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=GERMAN_CREDIT, help="a real table (default: german_credit)")
    parser.add_argument("--target", help="its outcome column (default: creditability where --data is not given)")
    parser.add_argument("--seeds", type=int, default=3, help="fits and samples with seeds 1 to this")
    parser.add_argument("--families", nargs="+", default=["trees"], choices=list(registry.FAMILIES))
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings, e.g. trees=4")
    given = parser.parse_args()
    target = given.target or ("creditability" if given.data == GERMAN_CREDIT else None)
    settings = dict(pair.split("=", 1) for pair in given.set)

    import protocol

    schema = detect_schema(given.data, target=target).schema
    train, holdout = protocol.halves(read_table(given.data, schema))
    columns = {"fresh": [fresh(train, holdout, schema)]}
    for family in given.families:
        columns[family] = [
            measure(family, settings, train, holdout, schema, seed) for seed in range(1, given.seeds + 1)
        ]
    print(f"{given.data.name}: {train.num_rows} + {holdout.num_rows} rows, {given.seeds} seeds\n")
    print(markdown(columns))


if __name__ == "__main__":
    main()

"""How fast declared rows are made and written, and whether memory grows with them: each size in a process of its own.

python benchmarks/declared.py
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from synthcredit.declared.made import declared_rows
from synthcredit.declared.reading import load

EXAMPLE = Path(__file__).parents[1] / "data" / "examples" / "accounts.yaml"
SIZES = (20_000, 400_000)


def measure(customers: int) -> str:
    """Write the example with so many customers, and tell rows, speed and memory."""
    made = declared_rows(load(EXAMPLE), 7, {"customers": customers})
    with tempfile.TemporaryDirectory() as folder:
        clock, processor = time.perf_counter(), time.process_time()
        rows = sum(made.write(Path(folder)).rows.values())
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"| {customers:,} | {rows:,} | {rows / clock:,.0f} | {rows / processor:,.0f} | {peak:,.0f} MB |"


def main(sizes: tuple[int, ...]) -> None:
    """Print a row a size."""
    print("| customers | rows | rows/s | rows a processor second | peak memory |\n|---|---|---|---|---|")
    for size in sizes:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            print(pool.submit(measure, size).result())


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)

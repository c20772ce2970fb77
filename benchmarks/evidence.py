"""What the standard evidence takes, part by part, beside SDMetrics' quality report and mostlyai-qa's report.

    python benchmarks/evidence.py
    python benchmarks/evidence.py --data FILE.csv --target COLUMN --rows 30000 1000000 --mostlyai INTERPRETER

Without --data it takes UCI default of credit card clients where it lies at ../shared/data, else a made table of that
shape (30,000 x 24). Of the real rows 70 % train; `trees` makes the synthetic ones. As in a job, as many of those are
measured as `rows_to_measure` says: ten for each training row at the least, a drawn sample of a million.

Every contender runs alone, in a fresh process; peak memory is the operating system's maximum resident set size, the
tables it reads included. mostlyai-qa cannot be installed beside this project: --mostlyai, or MOSTLYAI_QA_PYTHON, names
an interpreter that has it (`pip install mostlyai-qa` in an environment of its own).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthcredit.datasets.schema import TableSchema

UCI = Path(__file__).parents[2] / "shared/data/uci_default_credit_card/default_of_credit_card_clients.csv"
UCI_TARGET = "default.payment.next.month"
TRAIN = 0.7
GOALS = {30_000: (90, 2_000), 1_000_000: (300, None)}
"""Seconds and MB at most, by rows released."""

MOSTLYAI = """
import json, resource, sys, tempfile, time, warnings
from importlib.metadata import version
warnings.simplefilter("ignore")
import pandas as pd
folder = sys.argv[1]
real, held, made = (pd.read_parquet(f"{folder}/{name}.parquet") for name in ("train", "holdout", "released"))
started = time.perf_counter()
from mostlyai import qa
with tempfile.TemporaryDirectory() as out:
    qa.report(syn_tgt_data=made, trn_tgt_data=real, hol_tgt_data=held, report_path=out + "/report.html")
seconds = time.perf_counter() - started
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu = sum(of.ru_utime + of.ru_stime for of in used)
print(json.dumps({"version": version("mostlyai-qa"), "seconds": seconds, "cpu": cpu, "peak": used[0].ru_maxrss}))
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What something took: seconds by the clock and of processors, and the process's peak memory in MB by then."""

    what: str
    seconds: float | None = None
    cpu: float | None = None
    peak: float | None = None
    remark: str = ""

    def row(self) -> str:
        """Return a row of the table."""
        seconds, cpu = ("" if value is None else f"{value:,.1f}" for value in (self.seconds, self.cpu))
        peak = "" if self.peak is None else f"{self.peak:,.0f}"
        return f"| {self.what} | {seconds} | {cpu} | {peak} | {self.remark} |"


def megabytes(peak: float | None = None) -> float:
    """Return the peak memory of this process, or what another one said, in MB."""
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if peak is None else peak
    return found / (2**20 if sys.platform == "darwin" else 2**10)


# --- ours ------------------------------------------------------------------------------------------------------------


def ours(folder: Path, released: int) -> list[Taken]:
    """Measure the tables in a folder and write a report, as a job does, part by part."""
    started = time.perf_counter()
    from synthcredit.evidence import assess as room
    from synthcredit.evidence.gate import Gate, judge
    from synthcredit.evidence.report import ReportContext, write_report

    taken = [Taken("imports", time.perf_counter() - started, time.process_time(), megabytes())]
    schema = TableSchema.model_validate_json((folder / "schema.json").read_text())
    made, train, holdout = (pq.read_table(folder / f"{name}.parquet") for name in ("measured", "train", "holdout"))
    with _clocks(room, taken):
        evidence = room.assess(made, train, holdout, schema, seed=1, rows_released=released)
    context = ReportContext(
        job_id="bench", dataset=schema.name, synthesizer="trees", model_id="", rows=released, seed=1,
        created_at=datetime.now(UTC), licence="", split="", packages={},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as out, _clock("report", taken):
        write_report(
            Path(out), evidence, judge(evidence, Gate()), context,
            synthetic=made, train=train, holdout=holdout, schema=schema,
        )  # fmt: skip
    seconds, cpu = time.perf_counter() - started, time.process_time()
    rest = seconds - sum(of.seconds or 0.0 for of in taken), cpu - sum(of.cpu or 0.0 for of in taken)
    taken.append(Taken("the rest (reading, encoding, scores)", *rest, megabytes()))
    return [*taken, Taken("all", seconds, cpu, megabytes())]


@contextmanager
def _clock(what: str, taken: list[Taken]) -> Iterator[None]:
    started, started_cpu = time.perf_counter(), time.process_time()
    yield
    taken.append(Taken(what, time.perf_counter() - started, time.process_time() - started_cpu, megabytes()))


@contextmanager
def _clocks(room: Any, taken: list[Taken]) -> Iterator[None]:  # noqa: ANN401 - a module
    """Put a clock on every part that the assessment calls."""
    parts = {
        name: "check" if name == "validity" else "measure"
        for name in (
            *("validity", "fidelity", "utility", "privacy", "detection", "coverage", "challengers", "credit"),
            *("nearest", "attacks"),
        )
    }
    whole = {name: getattr(getattr(room, name), function) for name, function in parts.items()}

    def clocked(name: str) -> Callable[..., Any]:
        def measure(*given: Any, **named: Any) -> Any:  # noqa: ANN401
            with _clock(name, taken):
                return whole[name](*given, **named)

        return measure

    for name, function in parts.items():
        setattr(getattr(room, name), function, clocked(name))
    try:
        yield
    finally:
        for name, function in parts.items():
            setattr(getattr(room, name), function, whole[name])


# --- others ----------------------------------------------------------------------------------------------------------


def sdmetrics(folder: Path, released: int) -> list[Taken]:
    """Make SDMetrics' quality report of the released against the training rows, as its users do."""
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sdmetrics as package
        from sdmetrics.reports.single_table import QualityReport

        schema = TableSchema.model_validate_json((folder / "schema.json").read_text())
        columns = {c.name: {"sdtype": "categorical" if c.discrete else "numerical"} for c in schema.learned}
        train, made = (
            pq.read_table(folder / f"{name}.parquet").select(list(columns)).to_pandas()
            for name in ("train", "released")
        )
        QualityReport().generate(train, made, {"columns": columns}, verbose=False)
    name = f"SDMetrics {package.__version__}, quality report alone"
    seconds = time.perf_counter() - started
    return [Taken(name, seconds, time.process_time(), megabytes(), f"{released:,} rows")]


def mostlyai(interpreter: str | None, folder: Path, released: int) -> Taken:
    """Make mostlyai-qa's report in an interpreter that has it."""
    if not interpreter:
        return Taken("mostlyai-qa, report", remark="not installed: see --mostlyai")
    done = subprocess.run([interpreter, "-c", MOSTLYAI, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        return Taken("mostlyai-qa, report", remark=f"failed: {done.stderr.strip().splitlines()[-1][:80]}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    name = f"mostlyai-qa {said['version']}, report"
    return Taken(name, said["seconds"], said["cpu"], megabytes(said["peak"]), f"{released:,} rows")


# --- the tables ------------------------------------------------------------------------------------------------------


def prepare(data: Path | None, target: str | None, released: int, folder: Path) -> str:
    """Write training, holdout, released and measured rows and their schema into a folder; say what they are."""
    from synthcredit.datasets.detect import detect_schema
    from synthcredit.datasets.read import read_table
    from synthcredit.evidence.assess import rows_to_measure
    from synthcredit.synthesizers import registry

    if data is None:
        table, schema = made_table()
    else:
        schema = detect_schema(data, target=target).schema
        table = read_table(data, schema)
    rng = np.random.default_rng(0)
    order, cut = rng.permutation(table.num_rows), int(TRAIN * table.num_rows)
    train, holdout = (table.take(pa.array(part)) for part in (order[:cut], order[cut:]))
    model = registry.family("trees").load_class()(registry.settings_for("trees", {}))
    model.fit(train, schema, seed=0)
    measured = rows_to_measure(released, train.num_rows)
    rows = pa.Table.from_batches(model.sample(max(released, measured), 0))
    drawn = (
        rows if rows.num_rows == measured else rows.take(pa.array(np.sort(rng.permutation(rows.num_rows)[:measured])))
    )
    for name, part in (
        ("train", train), ("holdout", holdout), ("released", rows.slice(0, released)), ("measured", drawn)
    ):  # fmt: skip
        pq.write_table(part, folder / f"{name}.parquet")
    (folder / "schema.json").write_text(schema.model_dump_json())
    return (
        f"{schema.name}: {train.num_rows:,} + {holdout.num_rows:,} real rows x {len(schema.columns)} columns, "
        f"{released:,} synthetic rows released, {measured:,} measured"
    )


def made_table(rows: int = 30_000) -> tuple[pa.Table, TableSchema]:
    """Make a credit table of 24 columns: the one of `sampling`, twice, side by side."""
    import sampling

    tables = [sampling.credit_table(rows) for _ in range(2)]
    names = [[*tables[0][0].column_names], [f"{name}_2" for name in tables[1][0].column_names]]
    # Shuffled against each other, so that the halves do not repeat each other.
    order = pa.array(np.random.default_rng(1).permutation(rows))
    table = pa.table([*tables[0][0].columns, *tables[1][0].take(order).columns], names=[*names[0], *names[1]])
    columns = (
        *tables[0][1].columns,
        *(
            column.model_copy(update={"name": f"{column.name}_2", "storage_name": f"{column.storage_name}_2"})
            for column in tables[1][1].columns
        ),
    )
    return table, tables[0][1].model_copy(update={"columns": columns})


def alone(part: str, folder: Path, released: int) -> list[Taken]:
    """Run a part in a fresh process."""
    return [Taken(*row) for row in json.loads(_fresh("--part", part, str(folder), str(released)))]


def _fresh(*arguments: str) -> str:
    """Return the last line that this script prints in a fresh process.

    On Linux a process starts with its parent's peak memory: so this one, the parent of all, does no work.
    """
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def markdown(title: str, taken: Sequence[Taken], released: int) -> str:
    """Return the table of one number of rows."""
    goal = GOALS.get(released)
    told = "" if goal is None else f" Goal: {goal[0]} s" + (f", {goal[1]:,} MB." if goal[1] else ".")
    lines = ["| | s | processor s | peak MB by then | |", "|---|---|---|---|---|", *(of.row() for of in taken)]
    return "\n".join([f"{title}.{told}", "", *lines])


def main() -> None:
    """Print a table for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a real table (default: UCI default, or a made one)")
    parser.add_argument("--target", help="its outcome column")
    parser.add_argument("--rows", type=int, nargs="+", default=[30_000], help="synthetic rows released")
    parser.add_argument("--mostlyai", default=os.environ.get("MOSTLYAI_QA_PYTHON"), help="Python with mostlyai-qa")
    parser.add_argument("--part", nargs=3, metavar=("PART", "FOLDER", "ROWS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    data, target = (UCI, UCI_TARGET) if given.data is None and UCI.exists() else (given.data, given.target)
    if given.part:
        part, folder, released = given.part
        if part == "prepare":
            print(prepare(data, target, int(released), Path(folder)))
            return
        taken = {"ours": ours, "sdmetrics": sdmetrics}[part](Path(folder), int(released))
        print(json.dumps([astuple(of) for of in taken]))
        return
    source = [*(["--data", str(given.data)] if given.data else []), *(["--target", target] if given.target else [])]
    for released in given.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            title = _fresh("--part", "prepare", name, str(released), *source)
            taken = alone("ours", folder, released) + alone("sdmetrics", folder, released)
            print(markdown(title, [*taken, mostlyai(given.mostlyai, folder, released)], released), flush=True)
            print()


if __name__ == "__main__":
    main()

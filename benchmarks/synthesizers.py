"""Every model family, stock SDV and mostlyai-engine on six real tables: fidelity, usefulness, privacy, time, memory.

    python benchmarks/synthesizers.py                            what is not kept yet, then the page and the plots
    python benchmarks/synthesizers.py --family trees copula --dataset uci_default --again
    python benchmarks/synthesizers.py --family trees --dataset uci_default --set k=20 leaf_rows=20
    python benchmarks/synthesizers.py --curve                    the curve of `trees` over k, UCI default
    python benchmarks/synthesizers.py --quick                    a rehearsal: few rows, epochs and seeds; keeps nothing
    python benchmarks/synthesizers.py --page                     only the page and the plots, from what is kept

Real rows are shuffled and cut into halves, train and holdout; see `protocol`. A contender fits once on train, in a
process of its own, and makes as many rows as train has once for every generation seed; each sample is measured, in
another process. What was found is kept as one small file under `results/synthesizers/`, and is not taken again
unless `--again`; what is to be taken again after a change of a family is for you to say.

mostlyai-engine cannot live beside this project: --engine, or MOSTLYAI_ENGINE_PYTHON, names an interpreter that has it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import protocol
import synthesizers_page as pages
from synthcredit.datasets.schema import TableSchema
from synthcredit.synthesizers import registry
from synthesizers_contenders import ENGINE_NAME, STOCK, Contender, make_by_engine
from synthesizers_data import DATASETS, ROOT

SEEDS = 5
QUICK_ROWS, QUICK_EPOCHS, QUICK_SEEDS = 1_000, 2, 1
CURVE = (10, 20, 40, 80)
CURVE_FAMILY, CURVE_DATASET = "trees", "uci_default"
PACKAGES = ("numpy", "pyarrow", "scikit-learn", "xgboost-cpu", "sdmetrics", "sdv", "ctgan", "torch")


def measure(folder: Path, seeds: int) -> dict[str, list[float | None]]:
    """Return each figure of each sample in a folder; without samples, those of fresh rows."""
    schema = TableSchema.model_validate_json((folder / "schema.json").read_text())
    train, holdout = (
        protocol.Measured.of(pq.read_table(folder / f"{part}.parquet"), schema) for part in ("train", "holdout")
    )
    if not seeds:
        return {name: [value] for name, value in protocol.fresh(train, holdout, schema).items()}
    runs = []
    for seed in range(1, seeds + 1):
        rows = protocol.Measured.of(pq.read_table(folder / f"made-{seed}.parquet"), schema)
        runs.append(
            {
                **protocol.fidelity(train, holdout, rows, schema),
                "rate error": protocol.rate_error(rows, train, schema.target),
                **protocol.closeness(train, holdout, rows),
            }
        )
    return {name: [run[name] for run in runs] for name in runs[0]}


def take(contender: Contender | None, dataset: str, seeds: int, *, quick: bool, engine: str | None) -> dict[str, Any]:
    """Fit, sample and measure one contender on one table; None is fresh rows. Returns what a result file holds."""
    table, schema = DATASETS[dataset].read()
    train, holdout = protocol.halves(table.slice(0, QUICK_ROWS) if quick else table)
    costs: dict[str, float] = {}
    load = _load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder, train, holdout, schema)
        if contender is not None and contender.name == ENGINE_NAME:
            costs = make_by_engine(str(engine), folder, train.num_rows, seeds, quick=quick)
        elif contender is not None:
            settings = {**contender.settings, **(_few_epochs(contender.name) if quick else {})}
            what = {"name": contender.name, "settings": settings, "folder": name}
            script = Path(__file__).with_name("synthesizers_contenders.py")
            costs = _in_fresh_process(script, json.dumps({**what, "rows": train.num_rows, "seeds": seeds}))
        # This process has read the table and nothing else: what measures is another one, for its memory.
        figures = _in_fresh_process(Path(__file__), "--measure", name, "--seeds", str(seeds if contender else 0))
    return {
        "dataset": dataset,
        "contender": contender.name if contender else pages.FRESH,
        "settings": dict(contender.settings) if contender else {},
        "seeds": seeds if contender else 0,
        "figures": {key: [_short(value) for value in values] for key, values in figures.items()},
        "costs": {key: _short(value) for key, value in costs.items()},
        "taken": {"rows": train.num_rows, **_circumstances(contender, engine), "load": round(max(load, _load()), 1)},
    }


def _write(folder: Path, train: pa.Table, holdout: pa.Table, schema: TableSchema) -> None:
    (folder / "schema.json").write_text(schema.model_dump_json())
    pq.write_table(train, folder / "train.parquet")
    pq.write_table(holdout, folder / "holdout.parquet")


def _few_epochs(name: str) -> dict[str, int]:
    """Return settings for a rehearsal: few epochs, where there are epochs."""
    if name in registry.FAMILIES:
        return {"epochs": QUICK_EPOCHS} if "epochs" in registry.family(name).settings.model_fields else {}
    return {} if name == "SDV GaussianCopula" else {"epochs": QUICK_EPOCHS}


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _in_fresh_process(script: Path, *arguments: str) -> Any:  # noqa: ANN401 - whatever JSON it prints
    # One thread: several would be measured by the clock and not by the processor, on a machine of unknown size.
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{script.name} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _circumstances(contender: Contender | None, engine: str | None) -> dict[str, Any]:
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    versions = {"python": platform.python_version(), **_versions()}
    if contender is not None and contender.name == ENGINE_NAME:
        code = f"from importlib.metadata import version; print(version('{ENGINE_NAME}'))"
        found = subprocess.run([str(engine), "-c", code], capture_output=True, text=True, check=True)
        versions[ENGINE_NAME] = found.stdout.strip()
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "commit": git.stdout.strip(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": versions,
    }


def _load() -> float:
    """Return how many processes wanted a core over the last minute: times by the clock of a busy machine are long."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def contenders(given: argparse.Namespace) -> Iterator[Contender | None]:
    """Yield who is to be measured: fresh rows first."""
    if given.curve:
        yield from (Contender(CURVE_FAMILY, {"k": k}) for k in CURVE)
        return
    settings = {key: json.loads(value) for key, value in (pair.split("=", 1) for pair in given.set)}
    everyone = [pages.FRESH, *registry.FAMILIES, *STOCK, *([ENGINE_NAME] if given.engine else [])]
    for name in given.family or everyone:
        yield None if name == pages.FRESH else Contender(name, settings)


def run(given: argparse.Namespace) -> int:
    """Measure what is not kept yet, one after the other; return how many failed."""
    seeds = given.seeds or (QUICK_SEEDS if given.quick else SEEDS)
    failed = 0
    for dataset in [CURVE_DATASET] if given.curve else given.dataset or list(DATASETS):
        if not DATASETS[dataset].path.exists():
            print(f"{dataset}: its file is not here, left out")
            continue
        for contender in contenders(given):
            label = contender.label if contender else pages.FRESH
            path = pages.place(given.results, dataset, label)
            if path.exists() and not given.again:
                continue
            started = time.perf_counter()
            try:
                found = take(contender, dataset, seeds, quick=given.quick, engine=given.engine)
            except RuntimeError as error:
                # One that fails must not keep the others from being measured; the exit code tells.
                print(f"{dataset}, {label}: {error}", file=sys.stderr)
                failed += 1
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found, indent=1) + "\n")
            print(f"{dataset}, {label}: {time.perf_counter() - started:.0f} s", flush=True)
    return failed


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", nargs="+", choices=[pages.FRESH, *registry.FAMILIES, *STOCK, ENGINE_NAME])
    parser.add_argument("--dataset", nargs="+", choices=list(DATASETS))
    parser.add_argument("--seeds", type=int, help=f"samples of each model (default: {SEEDS})")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings, e.g. k=20")
    parser.add_argument("--curve", action="store_true", help=f"{CURVE_FAMILY} with k of {CURVE}, {CURVE_DATASET}")
    parser.add_argument("--again", action="store_true", help="measure what is kept already, too")
    parser.add_argument("--quick", action="store_true", help="rehearse, and keep nothing")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("--engine", default=os.environ.get("MOSTLYAI_ENGINE_PYTHON"), help="a Python that has it")
    parser.add_argument("--results", type=Path, default=pages.RESULTS, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.family and ENGINE_NAME in given.family and not given.engine:
        parser.error("--engine is missing: name a Python that has mostlyai-engine")
    return given


def main() -> int:
    """Measure, print the tables, and keep them."""
    given = parse()
    warnings.simplefilter("ignore")
    if given.measure:
        print(json.dumps(measure(given.measure, given.seeds)))
        return 0
    if given.quick:
        with tempfile.TemporaryDirectory() as name:
            given.results = Path(name)
            failed = run(given)
            print(pages.page(pages.kept(given.results)))
        return int(failed > 0)
    failed = 0 if given.page else run(given)
    results = pages.kept(given.results)
    print(pages.page(results))
    pages.keep(results)
    pages.plot(results)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

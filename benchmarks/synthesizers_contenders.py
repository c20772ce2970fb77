"""Who makes the rows that are measured: our families, stock SDV, mostlyai-engine; each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.schema import Dtype, Kind, TableSchema
from synthcredit.synthesizers import registry

SPEED_ROWS = 100_000
FIT_SEED = 1

Settings = Mapping[str, Any]

# Left alone it trains for up to ten days: here ten minutes, about what stock CTGAN takes.
ENGINE = """
import json, resource, sys, tempfile, time, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import pandas as pd
folder, rows, seeds, speed_rows, quick = Path(sys.argv[1]), *map(int, sys.argv[2:6])
from mostlyai.engine import TabularARGN
train = pd.read_parquet(folder / "engine.parquet")
started, cpu = time.perf_counter(), time.process_time()
with tempfile.TemporaryDirectory() as workspace:
    more = {"max_epochs": 2} if quick else {"max_training_time": 10.0}
    model = TabularARGN(model="MOSTLY_AI/Medium", workspace_dir=workspace, random_state=1, verbose=0, **more)
    model.fit(train)
    fitted, fitted_cpu = time.perf_counter(), time.process_time()
    for seed in range(1, seeds + 1):
        # Rare categories would else come as a token of its own, which is none of the column's.
        made = model.sample(n_samples=rows, rare_category_replacement_method="sample")
        made.to_parquet(folder / f"engine-{seed}.parquet")
    begun, begun_cpu = time.perf_counter(), time.process_time()
    model.sample(n_samples=speed_rows)
    sampled, sampled_cpu = time.perf_counter(), time.process_time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
print(json.dumps({"fit, s": fitted - started, "fit, CPU s": fitted_cpu - cpu, "rows/s": speed_rows / (sampled - begun),
                  "rows/CPU s": speed_rows / (sampled_cpu - begun_cpu), "peak memory, MB": peak}))
"""


class Maker(ABC):
    """Fits one model and draws rows from it."""

    @abstractmethod
    def fit(self, table: pa.Table, schema: TableSchema) -> None:
        """Learn a table."""

    @abstractmethod
    def sample(self, rows: int, seed: int) -> pa.Table:
        """Return rows that conform to the schema."""

    @abstractmethod
    def stream(self, rows: int) -> int:
        """Generate as the product at hand does it, keep nothing, and return how many rows came."""


class Ours(Maker):
    """A family of the registry."""

    def __init__(self, family: str, settings: Settings) -> None:
        self._model = registry.family(family).load_class()(registry.settings_for(family, dict(settings)))

    def fit(self, table: pa.Table, schema: TableSchema) -> None:
        """Learn a table."""
        self._model.fit(table, schema, seed=FIT_SEED)

    def sample(self, rows: int, seed: int) -> pa.Table:
        """Return rows that conform to the schema."""
        return pa.Table.from_batches(self._model.sample(rows, seed))

    def stream(self, rows: int) -> int:
        """Generate block by block."""
        return sum(batch.num_rows for batch in self._model.sample(rows, FIT_SEED))


class Sdv(Maker):
    """A synthesizer of SDV, as it comes."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._name, self._settings = name, dict(settings)
        self._synthesizer: Any = None
        self._schema: TableSchema | None = None

    def fit(self, table: pa.Table, schema: TableSchema) -> None:
        """Learn the learned columns of a table."""
        import sdv.single_table
        from sdv.metadata import Metadata

        kinds = {Kind.CATEGORICAL: "categorical", Kind.BOOLEAN: "categorical", Kind.DATETIME: "datetime"}
        columns = {column.name: {"sdtype": kinds.get(column.kind, "numerical")} for column in schema.learned}
        metadata = Metadata.load_from_dict({"tables": {"table": {"columns": columns}}})
        self._synthesizer = getattr(sdv.single_table, self._name)(metadata, **self._settings)
        self._synthesizer.fit({"table": table.select(list(columns)).to_pandas()})
        self._schema = schema

    def sample(self, rows: int, seed: int) -> pa.Table:  # noqa: ARG002 - SDV takes no seed
        """Return the next rows: it goes on where the last call ended."""
        assert self._schema is not None  # noqa: S101 - it has been fitted
        return typed(self._synthesizer.sample(rows)["table"], self._schema)

    def stream(self, rows: int) -> int:
        """Sample as SDV does, all at once."""
        return len(self._synthesizer.sample(rows)["table"])

    def save(self, path: Path) -> None:
        """Write SDV's own file."""
        self._synthesizer.save(str(path))


STOCK = {
    "SDV GaussianCopula": "GaussianCopulaSynthesizer",
    "SDV CTGAN": "CTGANSynthesizer",
    "SDV TVAE": "TVAESynthesizer",
}
ENGINE_NAME = "mostlyai-engine"


@dataclass(frozen=True, slots=True)
class Contender:
    """Who is measured.

    Parameters
    ----------
    name
        A family, or a name of `STOCK`, or `ENGINE_NAME`.
    settings
        Other than its defaults.
    """

    name: str
    settings: Settings

    @property
    def label(self) -> str:
        """What tables call it."""
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.settings.items())])

    def maker(self) -> Maker:
        """Return what fits and samples."""
        if self.name in STOCK:
            return Sdv(STOCK[self.name], self.settings)
        return Ours(self.name, self.settings)


def typed(frame: pd.DataFrame, schema: TableSchema) -> pa.Table:
    """Return a stock library's rows by our schema; what is not learned stays empty, no measure looks at it."""
    types = arrow_schema(schema)
    arrays = []
    for column in schema.columns:
        kind = types.field(column.name).type
        if not column.learned:
            arrays.append(pa.nulls(len(frame), kind))
            continue
        values = frame[column.name]
        if column.dtype is Dtype.INT64:
            values = pd.to_numeric(values).round()
        elif column.dtype is Dtype.STRING:
            values = values.astype(object).where(values.notna(), None)
        arrays.append(pa.Array.from_pandas(values).cast(kind))
    return pa.table(arrays, schema=types)


def make(contender: Contender, folder: Path, rows: int, seeds: int) -> dict[str, float]:
    """Fit on the folder's training rows, write samples beside them, and return what it took.

    Run in a process of its own: its peak memory is then that of this contender, the training rows included.
    """
    from sampling import peak_mb

    schema = TableSchema.model_validate_json((folder / "schema.json").read_text())
    train = pq.read_table(folder / "train.parquet")
    maker = contender.maker()
    # Beside the clock: a busy machine stretches that, not the processor's own time.
    started, started_cpu = time.perf_counter(), time.process_time()
    maker.fit(train, schema)
    fitted, fitted_cpu = time.perf_counter(), time.process_time()
    maker.stream(1_000)
    begun, begun_cpu = time.perf_counter(), time.process_time()
    maker.stream(SPEED_ROWS)
    sampled, sampled_cpu = time.perf_counter(), time.process_time()
    peak = peak_mb()
    for seed in range(1, seeds + 1):
        pq.write_table(maker.sample(rows, seed), folder / f"made-{seed}.parquet")
    return {
        "fit, s": fitted - started,
        "fit, CPU s": fitted_cpu - started_cpu,
        "rows/s": SPEED_ROWS / (sampled - begun),
        "rows/CPU s": SPEED_ROWS / (sampled_cpu - begun_cpu),
        "peak memory, MB": peak,
    }


def make_by_engine(interpreter: str, folder: Path, rows: int, seeds: int, *, quick: bool) -> dict[str, float]:
    """Let mostlyai-engine fit and sample, in the environment that has it."""
    schema = TableSchema.model_validate_json((folder / "schema.json").read_text())
    names = [column.name for column in schema.learned]
    frame = pq.read_table(folder / "train.parquet", columns=names).to_pandas()
    for column in schema.learned:
        if column.discrete:
            frame[column.name] = frame[column.name].astype(object).where(frame[column.name].notna(), None).map(_text)
    frame.to_parquet(folder / "engine.parquet")
    command = [interpreter, "-c", ENGINE, str(folder), str(rows), str(seeds), str(SPEED_ROWS), str(int(quick))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"mostlyai-engine failed: {done.stderr[-2000:]}")
    for seed in range(1, seeds + 1):
        made = pd.read_parquet(folder / f"engine-{seed}.parquet")
        for column in schema.learned:
            if column.discrete:
                codes = {_text(category): category for category in column.categories or ()}
                made[column.name] = [None if pd.isna(value) else codes[str(value)] for value in made[column.name]]
        pq.write_table(typed(made, schema), folder / f"made-{seed}.parquet")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _text(value: object) -> str | None:
    return None if value is None or value is np.nan else str(value)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(
        json.dumps(
            make(Contender(given["name"], given["settings"]), Path(given["folder"]), given["rows"], given["seeds"])
        )
    )

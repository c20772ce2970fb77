"""Tables with known answers, and schemas for them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema, storage_name

ROOT = Path(__file__).parents[3]
GERMAN = ROOT / "data" / "german_credit.csv"
UCI = ROOT.parent / "shared" / "data" / "uci_default_credit_card" / "default_of_credit_card_clients.csv"


@pytest.fixture(scope="session")
def tables() -> ModuleType:
    """This module: the test files cannot import each other."""
    return sys.modules[__name__]


@pytest.fixture(scope="session")
def protocol() -> ModuleType:
    """The measures of the benchmarks, which the published figures were taken with."""
    return script("benchmarks/protocol.py")


def script(place: str) -> ModuleType:
    """Load a script of the repository, which is in no package."""
    spec = importlib.util.spec_from_file_location(f"script_{Path(place).stem}", ROOT / place)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def column_of(name: str, values: pd.Series, *, few: int = 2) -> Column:
    """Describe a column by its values: strings and numbers of few values are categories."""
    given = values.dropna()
    shared = {"name": name, "storage_name": storage_name(name), "nullable": bool(values.isna().any())}
    if values.dtype == object or given.nunique() <= few:
        dtype = Dtype.STRING if values.dtype == object else Dtype.DOUBLE if values.dtype == float else Dtype.INT64
        return Column(kind=Kind.CATEGORICAL, dtype=dtype, categories=tuple(sorted(given.unique().tolist())), **shared)
    if values.dtype.kind == "M":
        seconds = given.astype("datetime64[us]").astype("int64") / 1e6
        return Column(kind=Kind.DATETIME, dtype=Dtype.TIMESTAMP, minimum=seconds.min(), maximum=seconds.max(), **shared)
    whole = bool((given % 1 == 0).all())
    return Column(
        kind=Kind.INTEGER if whole else Kind.CONTINUOUS,
        dtype=Dtype.INT64 if whole else Dtype.DOUBLE,
        minimum=given.min(),
        maximum=given.max(),
        **shared,
    )


def schema_of(frame: pd.DataFrame, target: str | None = None, **roles: str) -> TableSchema:
    columns = tuple(column_of(name, frame[name]) for name in frame)
    return TableSchema(name="credit", columns=columns, target=target, **roles)


def table_of(frame: pd.DataFrame, schema: TableSchema) -> pa.Table:
    return pa.Table.from_pandas(frame[schema.names], schema=arrow_schema(schema), preserve_index=False)


def independent(frame: pd.DataFrame, seed: int, rows: int | None = None) -> pd.DataFrame:
    """Draw each column on its own: right margins, no dependence."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            name: rng.permutation(frame[name].to_numpy()) if rows is None else rng.choice(frame[name].to_numpy(), rows)
            for name in frame
        }
    )


def blurred(frame: pd.DataFrame, seed: int, rows: int, share: float = 0.15) -> pd.DataFrame:
    """A stand-in for a good model: real rows drawn with replacement, some cells exchanged between rows."""
    rng = np.random.default_rng(seed)
    drawn = frame.iloc[rng.integers(0, len(frame), rows)].reset_index(drop=True)
    for name in drawn:
        swap = rng.random(rows) < share
        drawn.loc[swap, name] = rng.choice(frame[name].to_numpy(), int(swap.sum()))
    return drawn


def three_ways(frame: pd.DataFrame, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Cut real rows into train (40 %), holdout (30 %) and fresh (30 %)."""
    mixed = frame.sample(frac=1, random_state=seed).reset_index(drop=True)
    a, b = int(len(mixed) * 0.4), int(len(mixed) * 0.7)
    return mixed[:a].reset_index(drop=True), mixed[a:b].reset_index(drop=True), mixed[b:].reset_index(drop=True)


def german() -> pd.DataFrame:
    return pd.read_csv(GERMAN)


def uci() -> pd.DataFrame:
    return pd.read_csv(UCI).drop(columns="ID", errors="ignore")


def applicants(rows: int, seed: int) -> pd.DataFrame:
    """Make credit-like rows: heavy tails, a mass point, dependence, a target that models can learn."""
    rng = np.random.default_rng(seed)
    risk, wealth = rng.normal(size=(2, rows))
    return pd.DataFrame(
        {
            "income": np.round(np.exp(9 + 0.5 * wealth - 0.3 * risk), 2),
            "balance": np.where(rng.random(rows) < 0.2, 0.0, np.round(np.exp(7 + risk + 0.4 * wealth), 2)),
            "payment": np.round(np.exp(5 + 0.6 * risk + 0.3 * rng.normal(size=rows)), 2),
            "score": np.round(600 - 50 * risk + 15 * rng.normal(size=rows)).astype(int),
            "age": np.clip(np.round(40 + 9 * wealth + 5 * rng.normal(size=rows)), 18, 80).astype(int),
            "purpose": rng.choice(["car", "home", "study", "other"], rows, p=[0.3, 0.4, 0.1, 0.2]),
            "employed": np.where(rng.random(rows) < 1 / (1 + np.exp(risk - wealth - 1)), "yes", "no"),
            "default": np.where(rng.random(rows) < 1 / (1 + np.exp(1.5 - 1.6 * risk)), "yes", "no"),
        }
    )


def noisy(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A copy with Gaussian noise, sd 1 % of each numeric column's; whole numbers stay whole, ranges are kept."""
    rng = np.random.default_rng(seed)
    moved = frame.copy()
    for name in frame.select_dtypes("number"):
        values = frame[name] + 0.01 * frame[name].std() * rng.normal(size=len(frame))
        whole = values.round().astype("int64") if frame[name].dtype.kind == "i" else values
        moved[name] = whole.clip(frame[name].min(), frame[name].max())
    return moved


def partly_copied(fresh: pd.DataFrame, train: pd.DataFrame, share: float = 0.2) -> pd.DataFrame:
    """Fresh rows of which a share is replaced by training rows."""
    copies = round(share * len(fresh))
    return pd.concat([train[:copies], fresh[copies:]], ignore_index=True)


def random_labels(frame: pd.DataFrame, target: str, seed: int) -> pd.DataFrame:
    """The same rows with the target dealt out anew."""
    return frame.assign(**{target: np.random.default_rng(seed).permutation(frame[target].to_numpy())})

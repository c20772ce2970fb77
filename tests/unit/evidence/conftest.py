"""Tables with known answers, and schemas for them."""

from __future__ import annotations

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

"""A made table with everything that a model family must cope with, and one small fitted model of each family."""

import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.synthesizers import registry

DAY = 86_400


def _column(name: str, kind: str, dtype: str, **more: object) -> Column:
    return Column(name=name, storage_name=name, kind=kind, dtype=dtype, **more)


@pytest.fixture(scope="session")
def made_schema() -> TableSchema:
    return TableSchema(
        name="applicants",
        columns=(
            _column("id", "identifier", "string", format="A-{:06d}"),
            _column("purpose", "categorical", "string", categories=("boat", "car", "house"), nullable=True),
            _column("owner", "boolean", "bool", categories=(False, True)),
            _column("children", "integer", "int64", minimum=0, maximum=5),
            _column("income", "continuous", "double", decimals=2, minimum=100.0, maximum=60_000.0, nullable=True),
            _column("overdue", "integer", "int64", minimum=-9, maximum=2_000, special_values=(-9.0, 0.0)),
            _column("limit", "integer", "int64", minimum=500, maximum=40_000),
            _column("opened", "datetime", "date32", minimum=10_000 * DAY, maximum=19_000 * DAY, nullable=True),
            _column("seen", "datetime", "timestamp[us]", minimum=0, maximum=2e9),
            _column("branch", "integer", "int64", minimum=7, maximum=7),
            _column("country", "categorical", "string", categories=("DE",)),
            _column("unused", "continuous", "double", nullable=True),
            _column("nothing", "categorical", "string", categories=(), nullable=True),
            _column("default", "categorical", "string", categories=("no", "yes")),
        ),
        primary_key="id",
        target="default",
    )


@pytest.fixture(scope="session")
def make_table(made_schema):
    """Return rows in which income depends on purpose, overdue on income, and the target on overdue."""

    def make(rows: int) -> pa.Table:
        rng = np.random.default_rng(5)
        purpose = rng.choice(3, rows, p=[0.2, 0.5, 0.3])
        income = np.clip(np.exp(rng.normal(7.5 + 0.7 * purpose, 0.5)), 100, 60_000).round(2)
        overdue = np.where(rng.random(rows) < 0.6, 0, rng.integers(1, 2_000, rows))
        overdue = np.where(rng.random(rows) < 0.05, -9, overdue)
        limit = np.clip(np.round(income / 500 + rng.integers(-2, 3, rows)), 1, 80) * 500
        opened = rng.integers(10_000, 19_000, rows)
        risk = 0.08 + 0.5 * (overdue > 800) + 0.1 * (income < 2_000)
        default = rng.random(rows) < risk
        no_income = rng.random(rows) < np.where(purpose == 0, 0.4, 0.05)
        names = np.array(["boat", "car", "house"])
        arrays = {
            "id": pa.array([f"A-{row:06d}" for row in range(rows)]),
            "purpose": pa.array(names[purpose], mask=rng.random(rows) < 0.1),
            "owner": pa.array(rng.random(rows) < 0.3),
            "children": pa.array(np.minimum(rng.poisson(1.0, rows), 5)),
            "income": pa.array(income, mask=no_income),
            "overdue": pa.array(overdue),
            "limit": pa.array(limit.astype(np.int64)),
            "opened": pa.array(opened.astype(np.int32), mask=rng.random(rows) < 0.2).cast(pa.date32()),
            "seen": pa.array(rng.integers(0, 2_000_000_000, rows) * 1_000_000).cast(pa.timestamp("us")),
            "branch": pa.array(np.full(rows, 7)),
            "country": pa.array(["DE"] * rows),
            "unused": pa.nulls(rows, pa.float64()),
            "nothing": pa.nulls(rows, pa.string()),
            "default": pa.array(np.where(default, "yes", "no")),
        }
        return pa.table({name: arrays[name] for name in made_schema.names})

    return make


@pytest.fixture(scope="session")
def quick() -> dict[str, dict]:
    """How each family trains within a test: the one table that a new family is entered in."""
    spec = importlib.util.spec_from_file_location("suite", Path(__file__).with_name("test_protocol.py"))
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)
    return suite.QUICK


@pytest.fixture(scope="session")
def new_family(quick):
    """Return an unfitted model of a family, in its quick settings; skip where its packages are missing."""

    def new(family: str):
        for package in quick[family]["packages"]:
            pytest.importorskip(package)
        return registry.family(family).load_class()(registry.settings_for(family, quick[family]["settings"]))

    return new


@pytest.fixture(scope="session")
def fitted(new_family, make_table, made_schema):
    """Return a model of a family fitted on 2,000 made rows, once a session."""
    models = {}

    def get(family: str):
        if family not in models:
            models[family] = new_family(family).fit(make_table(2_000), made_schema, seed=1)
        return models[family]

    return get

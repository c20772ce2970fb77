"""data/bank: made again, the same to the byte; and its tables belong together."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from synthcredit.datasets.schema import DatasetSchema

ROOT = Path(__file__).parents[2]
BANK = ROOT / "data" / "bank"
# As the image has it: sums and logarithms end otherwise on wider vector units.
SAME_BYTES = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    options = pacsv.ConvertOptions(column_types={"customer_id": pa.string()})
    return {path.stem: pacsv.read_csv(path, convert_options=options) for path in BANK.glob("*.csv")} | {
        path.stem: pq.read_table(path) for path in BANK.glob("*.parquet")
    }


def test_it_is_made_again_the_same_to_the_byte(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "data" / "make_bank.py", "--out", tmp_path],
        env=os.environ | SAME_BYTES, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in BANK.iterdir() if path.name != "README.md"}
    assert made.keys() == kept.keys()
    assert [name for name in kept if made[name] != kept[name]] == []
    assert sum(map(len, kept.values())) < 1_500_000


def test_every_key_is_one_row_s_and_every_parent_is_there(tables):
    schema = DatasetSchema.model_validate_json((BANK / "schema.json").read_bytes())
    assert {table.name for table in schema.tables} == set(tables)
    for table in schema.tables:
        rows = tables[table.name]
        assert rows.column_names == table.names
        assert pc.count_distinct(rows[table.primary_key]).as_py() == len(rows)
    assert len(schema.relations) == 3
    for relation in schema.relations:
        parents = tables[relation.parent][schema[relation.parent].primary_key]
        assert pc.all(pc.is_in(tables[relation.child][relation.foreign_key], parents)).as_py()


def test_customers_are_what_the_other_tables_say(tables):
    customers, moves = tables["customers"], tables["transactions"].sort_by("transaction_id")
    cents = np.rint(100 * moves["transaction_amount"].to_numpy()).astype(np.int64)
    balance = np.rint(100 * moves["account_balance"].to_numpy()).astype(np.int64)
    owner = moves["customer_id"].to_numpy(zero_copy_only=False)
    first = np.r_[True, owner[1:] != owner[:-1]]
    assert np.array_equal(np.where(first, cents, np.r_[0, balance[:-1]] + cents), balance)
    last = np.r_[first[1:], True]
    assert np.array_equal(owner[last], customers["customer_id"].to_numpy(zero_copy_only=False))
    assert np.array_equal(np.rint(100 * customers["account_balance"].to_numpy()).astype(np.int64), balance[last])
    assert set(customers["segment"].to_pylist()) == {"student", "senior", "private", "affluent", "mass"}
    # Those who defaulted scored lower.
    score, defaulted = customers["credit_score"].to_numpy(), customers["defaulted"].to_numpy(zero_copy_only=False)
    assert score[defaulted].mean() < score[~defaulted].mean() - 30

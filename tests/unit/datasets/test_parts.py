import pyarrow as pa
import pytest

from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.parts import read_parts
from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.datasets.write import write_part

SCHEMA = TableSchema(
    name="loans",
    columns=(
        Column(name="Loan.Amount", storage_name="loan_amount", kind="integer", dtype="int64", minimum=0, maximum=99),
        Column(name="purpose", storage_name="purpose", kind="categorical", dtype="string", categories=("car", "home")),
    ),
)


@pytest.fixture
def parts(tmp_path):
    paths = []
    for number in range(3):
        values = list(range(number * 10, number * 10 + 10))
        batch = pa.RecordBatch.from_arrays(
            [pa.array(values), pa.array(["car", "home"] * 5)], schema=arrow_schema(SCHEMA)
        )
        paths.append(tmp_path / f"part-{number}.parquet")
        write_part([batch], SCHEMA, paths[-1])
    return paths


def test_parts_are_read_in_order_under_the_original_names(parts):
    table = read_parts(parts, SCHEMA)
    assert table.column_names == ["Loan.Amount", "purpose"]
    assert table["Loan.Amount"].to_pylist() == list(range(30))


@pytest.mark.parametrize("limit", [1, 10, 15, 29])
def test_the_first_rows_are_enough(parts, limit):
    assert read_parts(parts, SCHEMA, limit)["Loan.Amount"].to_pylist() == list(range(limit))


def test_a_limit_above_the_rows_gives_all(parts):
    assert read_parts(parts, SCHEMA, 99).num_rows == 30

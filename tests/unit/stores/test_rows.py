import datetime as dt

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.bank_tables import CUSTOMERS, NOTES, bank, part

from synthcredit.errors import InvalidInputError
from synthcredit.stores import rows

UNESCAPED = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}


def unescape(field: str) -> str | None:
    """Read a field as COPY does."""
    if field == "\\N":
        return None
    out, place = "", 0
    while place < len(field):
        two = field[place : place + 2]
        out += UNESCAPED.get(two, field[place])
        place += 2 if two in UNESCAPED else 1
    return out


@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.integers(-(2**63), 2**63 - 1))))
def test_text_and_numbers_come_back_as_they_were(values):
    batch = pa.RecordBatch.from_arrays(
        [pa.array([text for text, _ in values], pa.string()), pa.array([n for _, n in values], pa.int64())], ["t", "n"]
    )
    text = bytes(rows.as_lines(batch)).decode()
    lines = text.split("\n")
    assert lines.pop() == ""
    read = [[unescape(field) for field in line.split("\t")] for line in lines]
    assert read == [[text, None if n is None else str(n)] for text, n in values]


def test_a_slice_of_a_batch_is_only_its_rows():
    batch = pa.RecordBatch.from_arrays([pa.array(["a", "b", "c", "d"])], ["t"])
    assert bytes(rows.as_lines(batch.slice(1, 2))) == b"b\nc\n"


def test_every_type_is_written_as_servers_read_it():
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([True, False, None]),
            pa.array([1.5, -1e300, None]),
            pa.array([dt.date(2024, 2, 29), None, dt.date(1, 1, 1)]),
            pa.array([dt.datetime(2024, 3, 31, 2, 30), None, None], pa.timestamp("us")),  # noqa: DTZ001
            pa.array([dt.time(23, 59, 59, 5), None, None], pa.time64("us")),
            pa.array([1.005, None, 2.0]).cast(pa.decimal128(12, 2), safe=False),
        ],
        list("bfdtsm"),
    )
    assert bytes(rows.as_lines(batch)).decode().splitlines() == [
        "1\t1.5\t2024-02-29\t2024-03-31 02:30:00.000000\t23:59:59.000005\t1.00",
        "0\t-1e+300\t\\N\t\\N\t\\N\t\\N",
        "\\N\t\\N\t0001-01-01\t\\N\t\\N\t2.00",
    ]


def goal(*columns):
    return sa.Table("customers", sa.MetaData(), *columns)


def read(table, *columns, names):
    batches = list(rows.batches(table.parts[0], table, goal(*columns), names))
    return pa.Table.from_batches(batches).to_pydict()


def test_chosen_columns_are_read_as_the_stores_types(tmp_path):
    table = next(table for table in bank(tmp_path).tables if table.schema is CUSTOMERS)
    found = read(
        table, sa.Column("income", sa.Numeric(12, 2)), sa.Column("customer_id", sa.Integer),
        names=["income", "customer_id"],
    )  # fmt: skip
    assert [str(value) for value in found["income"][:5]] == ["0.00", "1000.01", "2000.02", "None", "4000.04"]
    assert found["customer_id"][:3] == [0, 1, 2]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (sa.Column("income", sa.Numeric(5, 2)), r"do not fit its SQL type NUMERIC\(5, 2\)"),
        (sa.Column("name", sa.VARCHAR(3)), "longer than 3 characters"),
        (sa.Column("income", sa.Integer), "do not fit its SQL type INTEGER"),
    ],
)
def test_what_does_not_fit_is_refused_by_column_without_the_value(tmp_path, column, said):
    table = next(table for table in bank(tmp_path).tables if table.schema is CUSTOMERS)
    with pytest.raises(InvalidInputError, match=said) as caught:
        read(table, column, names=[column.name])
    assert caught.value.problems[0].field == f"column 'customers.{column.name}'"
    assert "O'Neil" not in str(caught.value)


def test_not_a_number_is_missing(tmp_path):
    table = bank(tmp_path).tables[0]
    path = part(tmp_path, table.schema, 9, {"group": ["a", "b"], "customer": [1, 1], "amount": [float("nan"), 2.0]})
    batches = rows.batches(path, table, goal(sa.Column("amount", sa.Double())), ["amount"])
    assert next(batches).to_pydict() == {"amount": [None, 2.0]}


def test_a_file_of_another_table_is_refused(tmp_path):
    other = part(tmp_path, NOTES, 0, {"text": ["a"]})
    with pytest.raises(InvalidInputError, match="its 1 columns are not the 10 columns of the table"):
        rows.file_columns(other, CUSTOMERS)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "part.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InvalidInputError, match="no whole Parquet file"):
        rows.file_columns(path, CUSTOMERS)

import csv
import datetime
import errno
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthcredit.datasets import write
from synthcredit.datasets.arrow import arrow_schema, to_original_names, to_storage_names
from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.read import read_table
from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema, storage_name
from synthcredit.errors import StorageError


def column(name, kind, dtype, **fields):
    return Column(name=name, storage_name=storage_name(name), kind=kind, dtype=dtype, nullable=True, **fields)


SCHEMA = TableSchema(
    name="t",
    columns=(
        column("Net Amount", Kind.CONTINUOUS, Dtype.DOUBLE, decimals=2),
        column("n", Kind.INTEGER, Dtype.INT64),
        column("with.dot", Kind.CATEGORICAL, Dtype.STRING, categories=('a,"b"\nc', "é\u2028\t", "plain")),
        column("flag", Kind.BOOLEAN, Dtype.BOOL, categories=(False, True)),
        column("day", Kind.DATETIME, Dtype.DATE, format="%d.%m.%Y"),
        column("at", Kind.DATETIME, Dtype.TIMESTAMP, format="%Y-%m-%dT%H:%M:%S.%f%z"),
        column("clock", Kind.DATETIME, Dtype.TIME),
        column("euro", Kind.CONTINUOUS, Dtype.DOUBLE, format="1.234,56", decimals=2),
        column("whole", Kind.INTEGER, Dtype.INT64, format="1 234,56"),
    ),
)
ROWS = [
    {
        "Net Amount": 0.1,
        "n": 2**60 + 1,
        "with.dot": 'a,"b"\nc',
        "flag": True,
        "day": datetime.date(2020, 2, 29),
        "at": datetime.datetime.fromisoformat("2020-02-29T23:59:58"),
        "clock": datetime.time(1, 2, 3),
        "euro": 1234567.5,
        "whole": 1234567,
    },
    {
        "Net Amount": -1e-7,
        "n": -5,
        "with.dot": "é\u2028\t",
        "flag": False,
        "day": datetime.date(1969, 12, 31),
        "at": datetime.datetime.fromisoformat("1969-12-31T00:00:00.5"),
        "clock": datetime.time(23, 59, 59),
        "euro": -0.25,
        "whole": -12,
    },
    dict.fromkeys(SCHEMA.names),
]


def batch(rows=ROWS):
    return pa.RecordBatch.from_pylist(rows, schema=arrow_schema(SCHEMA))


@pytest.fixture
def parts(tmp_path):
    for index, rows in enumerate((ROWS[:1] * 15, ROWS)):
        write.write_part([batch(rows)], SCHEMA, tmp_path / f"part-{index}.parquet")
    return [tmp_path / "part-0.parquet", tmp_path / "part-1.parquet"]


def test_names_change_and_change_back():
    stored = to_storage_names(batch(), SCHEMA)
    assert stored.schema.names[:3] == ["net_amount", "n", "with_dot"]
    assert to_original_names(stored, SCHEMA).equals(batch())


def test_parts_have_storage_names(parts):
    assert pq.read_schema(parts[0]).names == [c.storage_name for c in SCHEMA.columns]
    assert pq.read_table(parts[1]).rename_columns(SCHEMA.names).equals(pa.Table.from_batches([batch()]))


def test_the_same_rows_give_the_same_bytes_however_they_are_batched(tmp_path):
    rows = pa.Table.from_batches([batch()] * 60_000).combine_chunks()
    sizes = (1000, 8192, 150_000)
    for size in sizes:
        assert write.write_part(rows.to_batches(max_chunksize=size), SCHEMA, tmp_path / str(size)) == 180_000
    assert len({(tmp_path / str(size)).read_bytes() for size in sizes}) == 1
    groups = pq.ParquetFile(tmp_path / "1000").metadata
    assert [groups.row_group(i).num_rows for i in range(3)] == [65_536, 65_536, 48_928]


def test_parquet(parts, tmp_path):
    write.write_tables(parts, SCHEMA, "parquet", tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.to_pylist() == ROWS[:1] * 15 + ROWS


def test_csv(parts, tmp_path):
    path = tmp_path / "out.csv"
    write.write_tables(parts, SCHEMA, "csv", path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == SCHEMA.names
    assert rows[16] == [
        "0.1",
        str(2**60 + 1),
        'a,"b"\nc',
        "true",
        "29.02.2020",
        "2020-02-29T23:59:58.000000+00:00",
        "01:02:03",
        "1.234.567,50",
        "1 234 567",
    ]
    assert rows[18] == [""] * 9
    # The schema that wrote the file reads it back. Only white space around a category is lost, as in every file.
    again = read_table(path, edited_category(SCHEMA)).to_pylist()
    expected = [{**row, "with.dot": row["with.dot"] and row["with.dot"].strip()} for row in ROWS[:1] * 15 + ROWS]
    assert again[:17] == expected[:17]


def edited_category(schema):
    content = schema.model_dump()
    content["columns"][2]["categories"] = ('a,"b"\nc', "é", "plain")
    return TableSchema.model_validate(content)


@pytest.fixture(autouse=True)
def few_rows_are_enough(monkeypatch):
    monkeypatch.setattr("synthcredit.datasets.source.MIN_ROWS", 2)


def test_json_and_jsonl(parts, tmp_path):
    write.write_tables(parts, SCHEMA, "json", tmp_path / "out.json")
    write.write_tables(parts, SCHEMA, "jsonl", tmp_path / "out.jsonl")
    rows = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line) for line in lines[:-1]] == rows
    assert lines[-1] == ""
    assert len(rows) == 18
    assert rows[15] == {
        "Net Amount": 0.1,
        "n": 2**60 + 1,
        "with.dot": 'a,"b"\nc',
        "flag": True,
        "day": "2020-02-29",
        "at": "2020-02-29T23:59:58",
        "clock": "01:02:03",
        "euro": 1234567.5,
        "whole": 1234567,
    }
    assert rows[16]["Net Amount"] == -1e-7
    assert rows[17] == ROWS[2]


@pytest.mark.parametrize("form", ["parquet", "csv", "json", "jsonl"])
def test_no_rows_are_a_file_too(tmp_path, form):
    write.write_part([], SCHEMA, tmp_path / "part")
    write.write_tables([tmp_path / "part"], SCHEMA, form, tmp_path / f"out.{form}")
    if form == "json":
        assert json.loads((tmp_path / "out.json").read_text()) == []
    if form == "csv":
        assert (tmp_path / "out.csv").read_text().count("\n") == 1


def test_a_real_table_survives_every_format_that_is_read(german_credit, tmp_path):
    schema = detect_schema(german_credit).schema
    table = read_table(german_credit, schema)
    write.write_part(table.to_batches(), schema, tmp_path / "part")
    for form in ("csv", "parquet"):
        write.write_tables([tmp_path / "part"], schema, form, tmp_path / f"out.{form}")
        assert read_table(tmp_path / f"out.{form}", schema).equals(table)


def test_a_disk_that_refuses_leaves_nothing(tmp_path, parts, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("synthcredit.datasets.write.pc.strftime", full)
    with pytest.raises(StorageError, match="No space left on device") as error:
        write.write_tables(parts, SCHEMA, "csv", tmp_path / "out.csv")
    assert error.value.problems[0].fix == "Free some space."
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part-0.parquet", "part-1.parquet"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StorageError, match=r"part\.parquet"):
        write.write_part([batch()], SCHEMA, tmp_path / "gone" / "part.parquet")


def test_a_failure_on_the_way_leaves_nothing(tmp_path):
    def broken():
        yield batch()
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError):
        write.write_part(broken(), SCHEMA, tmp_path / "part.parquet")
    assert list(tmp_path.iterdir()) == []

import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.bank_tables import CUSTOMERS, NOTES, ORDERS, RELATIONS, TYPES, bank

from synthcredit import stores
from synthcredit.errors import InvalidInputError, NotFoundError
from synthcredit.stores.dataset import SCHEMA_FILE, TYPES_FILE


@pytest.fixture
def folder(tmp_path):
    """A folder as the portfolio leaves it."""
    dataset = bank(tmp_path)
    (tmp_path / SCHEMA_FILE).write_text(dataset.schema.model_dump_json())
    types = {table: {name: one.model_dump() for name, one in types.items()} for table, types in TYPES.items()}
    (tmp_path / TYPES_FILE).write_text(json.dumps(types))
    (tmp_path / "manifest.json").write_text('{"job_id": "job-7", "more": 1}')
    return tmp_path


def test_a_folder_is_read_with_keys_relations_and_types(folder):
    dataset = stores.read_folder(folder)
    assert dataset.dataset_id == "job-7"
    assert {table.schema.name for table in dataset.tables} == {"customers", "order", "notes"}
    assert [table.schema.name for table in dataset.in_order()].index("customers") == 0
    assert dataset.relations == RELATIONS
    customers = next(table for table in dataset.tables if table.schema.name == "customers")
    assert customers.type_of(CUSTOMERS["created at"]).default == "current_timestamp"
    assert [part.name for part in customers.parts] == [f"part-{n:05d}.parquet" for n in range(3)]


def test_a_folder_without_schema_has_the_types_of_its_files(folder):
    for name in (SCHEMA_FILE, TYPES_FILE, "manifest.json"):
        (folder / name).unlink()
    dataset = stores.read_folder(folder)
    customers = next(table for table in dataset.tables if table.schema.name == "customers")
    assert [column.dtype for column in customers.schema.columns] == [column.dtype for column in CUSTOMERS.columns]
    assert customers.schema.primary_key is None
    assert len(dataset.dataset_id) == 24
    assert stores.read_folder(folder).dataset_id == dataset.dataset_id
    assert stores.deliver(f"sqlite:///{folder}/a.db", dataset).rows == 180


def test_decimals_of_files_are_decimals_of_the_store(tmp_path):
    (tmp_path / "t").mkdir()
    pq.write_table(
        pa.table({"x": pa.array([Decimal("1.00"), Decimal("2.50")], pa.decimal128(12, 2))}),
        tmp_path / "t" / "part.parquet",
    )
    (table,) = stores.read_folder(tmp_path).tables
    assert table.types == {"x": stores.SqlType(type="decimal(12,2)")}


def test_a_table_may_be_called_data(tmp_path):
    for name in ("data", "more"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"x": [1]}), tmp_path / name / "part.parquet")
    assert [table.schema.name for table in stores.read_folder(tmp_path).tables] == ["data", "more"]


def test_a_folder_without_parts_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match="no Parquet parts"):
        stores.read_folder(tmp_path)


def test_what_a_folder_lacks_is_said_at_once(folder):
    for part in (folder / "data" / "order").iterdir():
        part.unlink()
    (folder / TYPES_FILE).write_text('{"nobody": {}}')
    with pytest.raises(InvalidInputError) as caught:
        stores.read_folder(folder)
    assert [problem.field for problem in caught.value.problems] == [
        f"{SCHEMA_FILE}: table 'order'",
        f"{TYPES_FILE}: table 'nobody'",
    ]


@pytest.mark.parametrize("name", [SCHEMA_FILE, TYPES_FILE])
def test_a_damaged_description_is_refused(folder, name):
    (folder / name).write_text("{")
    with pytest.raises(InvalidInputError, match=name):
        stores.read_folder(folder)


def test_types_that_no_table_has_are_refused(tmp_path):
    (tmp_path / "t").mkdir()
    pq.write_table(pa.table({"x": pa.array([[1]])}), tmp_path / "t" / "part.parquet")
    with pytest.raises(InvalidInputError, match="list"):
        stores.read_folder(tmp_path)


def test_relations_without_their_tables_are_refused():
    with pytest.raises(InvalidInputError, match="no table 'customers'"):
        stores.StoredDataset("d", (stores.StoredTable(ORDERS, ()),), RELATIONS)
    assert stores.StoredDataset("d", (stores.StoredTable(NOTES, ()),)).schema.tables == (NOTES,)

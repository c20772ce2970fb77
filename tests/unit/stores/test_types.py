import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from tests.bank_tables import CUSTOMERS, LONG, ORDERS, RELATIONS, TYPES, column

from synthcredit.datasets.schema import Dtype, TableSchema
from synthcredit.datasets.schema import Kind as ColumnKind
from synthcredit.errors import InvalidInputError
from synthcredit.stores import SqlType, StoredDataset, StoredTable
from synthcredit.stores.address import Kind
from synthcredit.stores.types import declare, family, short_name


@pytest.fixture
def dataset():
    tables = (StoredTable(ORDERS, ()), StoredTable(CUSTOMERS, (), TYPES["customers"]))
    return StoredDataset("job-1", tables, RELATIONS)


def ddl(dataset, kind, table, dialect):
    return str(sa.schema.CreateTable(declare(dataset, kind).tables[table]).compile(dialect=dialect))


def test_mysql_takes_the_declared_types(dataset):
    text = ddl(dataset, Kind.MYSQL, "customers", mysql.dialect())
    for written in (
        "customer_id BIGINT NOT NULL",
        "name VARCHAR(50)",
        "`select` VARCHAR(255)",
        "income NUMERIC(12, 2)",
        "ratio DOUBLE",
        "active BOOL",
        "born DATE",
        "created_at TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP",
        "calls_at TIME(6)",
        "PRIMARY KEY (customer_id)",
        "ENGINE=InnoDB",
        "COLLATE utf8mb4_bin",
    ):
        assert written in text, text
    assert "AUTO_INCREMENT" not in text


def test_reserved_words_are_quoted_and_keys_declared(dataset):
    text = ddl(dataset, Kind.POSTGRESQL, "order", postgresql.dialect())
    assert 'CREATE TABLE "order"' in text
    assert '"group" TEXT NOT NULL' in text
    assert "FOREIGN KEY(customer) REFERENCES customers (customer_id)" in text
    assert "CHECK" not in ddl(dataset, Kind.SQLITE, "customers", sqlite.dialect())


def test_foreign_keys_and_customers_are_indexed_once(dataset):
    order = declare(dataset, Kind.POSTGRESQL).tables["order"]
    assert [[column.name for column in index.columns] for index in order.indexes] == [["customer"]]
    owned = TableSchema.model_validate({**ORDERS.model_dump(), "customer": "customer"})
    alone = StoredDataset("job-1", (StoredTable(owned, ()),))
    assert [index.name for index in declare(alone, Kind.MYSQL).tables["order"].indexes] == ["ix_order_customer"]
    assert not declare(alone, Kind.SNOWFLAKE).tables["order"].indexes


def test_parents_come_first(dataset):
    assert list(declare(dataset, Kind.MYSQL).tables) == ["customers", "order"]


def test_long_names_are_cut_and_stay_apart():
    names = [short_name(f"{LONG}{end}") for end in ("", "a", "b")]
    assert len({*names}) == 3
    assert all(len(name) == 63 for name in names)
    assert short_name("short") == "short"


def test_long_categories_become_text():
    schema = TableSchema(
        name="t",
        columns=(
            column("long", ColumnKind.CATEGORICAL, Dtype.STRING, categories=("x" * 256,)),
            column("short", ColumnKind.CATEGORICAL, Dtype.STRING, categories=("x" * 255,)),
        ),
    )
    table = declare(StoredDataset("d", (StoredTable(schema, ()),)), Kind.MYSQL).tables["t"]
    assert [type(column.type) for column in table.columns] == [sa.Text, sa.VARCHAR]


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("varchar(50)", "text"), ("CHAR(2)", "text"), ("text", "text"), ("decimal(12, 2)", "number"),
        ("integer", "whole number"), ("bigint", "whole number"), ("boolean", "whole number"), ("double", "number"),
        ("date", "date"), ("timestamp", "timestamp"), ("datetime", "timestamp"), ("time", "time"),
    ],
)  # fmt: skip
def test_declared_types_are_read(written, kind):
    table = StoredTable(CUSTOMERS, (), {"income": SqlType(type=written)})
    declared = declare(StoredDataset("d", (table,)), Kind.POSTGRESQL).tables["customers"]
    assert family(declared.columns["income"].type) == kind


def test_all_wrong_types_are_said_at_once():
    types = {
        "income": SqlType(type="money"),
        "ratio": SqlType(type="decimal(12)"),
        "nobody": SqlType(type="text"),
        "born": SqlType(type="date); DROP TABLE x"),
        "name": SqlType(type="text", default="'x'"),
    }
    with pytest.raises(InvalidInputError) as caught:
        declare(StoredDataset("d", (StoredTable(CUSTOMERS, (), types),)), Kind.MYSQL)
    assert [problem.field.split(".")[-1] for problem in caught.value.problems] == [
        "income", "ratio", "nobody", "born", "name",
    ]  # fmt: skip

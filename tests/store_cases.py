"""What holds of every store: collected by the unit tests on files, and by the integration tests on real servers.

Each test takes ``url``: an empty store.
"""

import datetime as dt
import pickle
import signal
import subprocess
import sys
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from tests.bank_tables import CUSTOMERS, LONG, NOTES, ORDERS, RELATIONS, bank, column, orders, part

from synthcredit import stores
from synthcredit.datasets.schema import Dtype, TableSchema
from synthcredit.errors import ConflictError, InvalidInputError
from synthcredit.stores.address import Kind, parse
from synthcredit.stores.engines import opened
from synthcredit.stores.types import declare, short_name

KILLED = """
import os, pickle, signal, sys
from synthcredit import stores

def progress(done, message, heard=[]):
    heard += [message] * message.startswith(sys.argv[2])
    if len(heard) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

stores.deliver(sys.argv[1], pickle.load(sys.stdin.buffer), progress=progress)
"""
"""Each part with rows is heard of twice: when it is put but not yet kept, and when it is kept."""


def run(url, *statements):
    with opened(parse(url)) as store, store.transaction():
        return [store.execute(statement) for statement in statements][-1]


def counts(url, dataset):
    tables = declare(dataset, parse(url).kind).tables.values()
    return {table.name: run(url, sa.select(sa.func.count()).select_from(table))[0][0] for table in tables}


def plain(value):
    """Return a value as the tests compare it: SQLite keeps dates as text, MySQL booleans as numbers."""
    if isinstance(value, dt.timedelta):
        value = (dt.datetime(2000, 1, 1) + value).time()  # noqa: DTZ001
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, dt.time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal | bool):
        return float(value)
    return value


def rows_of(dataset, schema):
    paths = next(table.parts for table in dataset.tables if table.schema is schema)
    return [tuple(map(plain, row.values())) for path in paths for row in pq.read_table(path).to_pylist()]


def test_every_value_arrives(url, tmp_path):
    dataset = bank(tmp_path)
    summary = stores.deliver(url, dataset)
    assert [(table.name, table.rows, table.already) for table in summary.tables] == [
        ("customers", 60, 0), ("notes", 0, 0), ("order", 120, 0),
    ]  # fmt: skip
    assert summary.rows == 180
    kind = parse(url).kind
    for schema in (CUSTOMERS, ORDERS):
        table = declare(dataset, kind).tables[schema.name]
        plainly = (
            [sa.type_coerce(one, sa.types.NullType()) for one in table.columns] if kind is Kind.SQLITE else [table]
        )
        found = run(url, sa.select(*plainly).order_by(next(iter(table.primary_key))))
        assert [tuple(map(plain, row)) for row in found] == rows_of(dataset, schema)


def test_names_types_and_keys_are_as_declared(url, tmp_path):
    stores.deliver(url, bank(tmp_path))
    with opened(parse(url)) as store:
        customers, order = store.standing("customers"), store.standing("order")
    assert [one.name for one in customers.columns] == [
        "customer_id", "name", "select", "income", "ratio", "active", "born", "created_at", "calls_at",
        short_name(LONG),
    ]  # fmt: skip
    assert {index.name for index in order.indexes} >= {"ix_order_customer"}
    if parse(url).kind is not Kind.DUCKDB:
        assert [one.name for one in order.primary_key] == ["group"]
        assert [key.elements[0].target_fullname for key in order.foreign_key_constraints] == ["customers.customer_id"]


def test_foreign_keys_hold_afterwards(url, tmp_path):
    dataset = bank(tmp_path)
    stores.deliver(url, dataset)
    table = declare(dataset, parse(url).kind).tables["order"]
    with pytest.raises(InvalidInputError, match="names a parent that is not there"):
        run(url, sa.insert(table).values(group="new", customer=10**9, amount=1.0))


def test_again_does_nothing(url, tmp_path):
    dataset = bank(tmp_path)
    stores.deliver(url, dataset)
    again = stores.deliver(url, dataset)
    assert again.rows == 0
    assert {table.name: table.already for table in again.tables} == {"customers": 60, "notes": 0, "order": 120}


def test_another_dataset_is_appended(url, tmp_path):
    stores.deliver(url, bank(tmp_path / "a"))
    more = bank(tmp_path / "b", dataset_id="job-2", first=60)
    assert stores.deliver(url, more).rows == 180
    assert counts(url, more) == {"customers": 120, "notes": 0, "order": 240}


def test_an_append_that_clashes_is_refused_before_anything_is_written(url, tmp_path):
    stores.deliver(url, bank(tmp_path / "a"))
    clash = bank(tmp_path / "b", dataset_id="job-2", first=30)
    with pytest.raises(InvalidInputError) as caught:
        stores.deliver(url, clash)
    assert sorted((problem.field, problem.problem[:2]) for problem in caught.value.problems) == [
        ("table 'customers'", "30"), ("table 'order'", "60"),
    ]  # fmt: skip
    assert counts(url, clash) == {"customers": 60, "notes": 0, "order": 120}


def test_a_reset_has_to_be_confirmed(url, tmp_path):
    stores.deliver(url, bank(tmp_path / "a"))
    asked = {}

    def confirm(store, tables):
        asked.update(tables)
        return False

    other = bank(tmp_path / "b", dataset_id="job-2", rows=30)
    with pytest.raises(InvalidInputError, match="not confirmed"):
        stores.deliver(url, other, reset=True, confirm=confirm)
    assert asked == {"customers": 60, "notes": 0, "order": 120}
    assert counts(url, other)["customers"] == 60
    assert stores.deliver(url, other, reset=True, confirm=stores.yes).rows == 90
    assert counts(url, other) == {"customers": 30, "notes": 0, "order": 60}


@pytest.mark.parametrize(
    ("at", "moment", "kept"), [("customers", 1, 0), ("customers", 4, 40), ("order", 3, 100), ("adding", 1, 180)]
)
def test_a_load_that_was_killed_goes_on_without_loss_or_duplicates(url, tmp_path, at, moment, kept):
    dataset = bank(tmp_path)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url, at, str(moment)], input=pickle.dumps(dataset), timeout=60, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    before = counts(url, dataset)
    assert sum(before.values()) == kept
    summary = stores.deliver(url, dataset)
    assert summary.rows == 180 - kept
    assert counts(url, dataset) == {"customers": 60, "notes": 0, "order": 120}
    table = declare(dataset, parse(url).kind).tables["order"]
    keys = run(url, sa.select(sa.func.count(sa.distinct(table.c.group))))
    assert keys == [(120,)]
    with opened(parse(url)) as store:
        assert "ix_order_customer" in {index.name for index in store.standing("order").indexes}


def test_a_standing_table_with_other_columns_is_refused(url, tmp_path):
    text = sa.String(20)
    run(
        url,
        sa.schema.CreateTable(
            sa.Table(
                "customers", sa.MetaData(),
                sa.Column("customer_id", sa.BigInteger, primary_key=True, autoincrement=False),
                sa.Column("nickname", text), sa.Column("income", text),
            )
        ),
    )  # fmt: skip
    with pytest.raises(InvalidInputError) as caught:
        stores.deliver(url, bank(tmp_path))
    said = str(caught.value)
    assert "it is there, and lacks 'name', 'select'" in said
    assert "with other columns: 'nickname'" in said
    assert ("column 'income': it is a text, not a number" in said) == (parse(url).kind is not Kind.SQLITE)
    with opened(parse(url)) as store:
        assert store.standing("order") is None


def test_rows_that_somebody_deleted_are_missed(url, tmp_path):
    dataset = bank(tmp_path)
    stores.deliver(url, dataset)
    run(url, sa.delete(declare(dataset, parse(url).kind).tables["order"]))
    with pytest.raises(InvalidInputError, match="fewer rows than the 120 that were loaded"):
        stores.deliver(url, dataset)


def test_a_table_that_was_dropped_is_loaded_anew(url, tmp_path):
    dataset = bank(tmp_path)
    stores.deliver(url, dataset)
    run(url, sa.schema.DropTable(declare(dataset, parse(url).kind).tables["order"]))
    summary = stores.deliver(url, dataset)
    assert {table.name: table.rows for table in summary.tables} == {"customers": 0, "notes": 0, "order": 120}


def test_other_data_under_the_same_id_is_refused(url, tmp_path):
    dataset = bank(tmp_path)
    stores.deliver(url, dataset)
    part(tmp_path, ORDERS, 0, orders(1000, 40, 60))
    with pytest.raises(ConflictError, match="other data was loaded before"):
        stores.deliver(url, dataset)


def test_rows_without_parent_are_refused(url, tmp_path):
    dataset = bank(tmp_path)
    part(tmp_path, ORDERS, 2, orders(80, 40, 1000))
    with pytest.raises(InvalidInputError, match="parent|not there"):
        stores.deliver(url, dataset)


def test_keys_that_are_twice_in_the_data_are_refused(url, tmp_path):
    dataset = bank(tmp_path)
    part(tmp_path, ORDERS, 1, orders(0, 40, 60))
    with pytest.raises(InvalidInputError, match="a key is in it twice"):
        stores.deliver(url, dataset)
    # The part that was refused left nothing behind.
    assert counts(url, dataset)["order"] == 40


def test_values_that_do_not_fit_are_refused_by_column(url, tmp_path):
    dataset = bank(tmp_path)
    narrow = stores.StoredDataset(
        "job-1",
        tuple(
            stores.StoredTable(table.schema, table.parts, {"name": stores.SqlType(type="varchar(3)")})
            if table.schema is CUSTOMERS
            else table
            for table in dataset.tables
        ),
        RELATIONS,
    )
    if parse(url).kind is Kind.DUCKDB:
        pytest.skip("DuckDB keeps text of any length, whatever was declared")
    with pytest.raises(InvalidInputError, match=r"customers\.name.*longer than 3 characters"):
        stores.deliver(url, narrow)


def test_a_self_made_key_of_text_tells_case_and_accents_apart(url, tmp_path):
    schema = TableSchema(name="codes", primary_key="code", columns=(column("code", "identifier", Dtype.STRING),))
    path = part(tmp_path, schema, 0, {"code": ["a", "A", "ä", "é", "e"]})
    assert stores.deliver(url, stores.StoredDataset("d", (stores.StoredTable(schema, (path,)),))).rows == 5


def test_a_table_without_rows_and_key_is_made(url, tmp_path):
    path = part(tmp_path, NOTES, 0, {"text": []})
    dataset = stores.StoredDataset("d", (stores.StoredTable(NOTES, (path,)),))
    assert stores.deliver(url, dataset).rows == 0
    assert counts(url, dataset) == {"notes": 0}

"""A portfolio on real servers: the columns that the issue lists, table by table, and all rows."""

import json
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from synthcredit.cli import app
from synthcredit.stores.address import parse
from synthcredit.stores.engines import opened

pytestmark = pytest.mark.xdist_group("database servers")

ID = ("varchar(50)", None)
CREATED = {"created_at": ("timestamp", "current_timestamp()")}
LISTED = {
    "customers": {
        "customer_id": ID,
        "first_name": ("varchar(50)", None),
        "last_name": ("varchar(50)", None),
        "email": ("varchar(100)", None),
        "phone": ("varchar(20)", None),
        "date_of_birth": ("date", None),
        "ssn": ("varchar(11)", None),
        "address": ("text", None),
        "city": ("varchar(50)", None),
        "state": ("varchar(2)", None),
        "zip_code": ("varchar(10)", None),
        "employment_type": ("varchar(50)", None),
        "annual_income": ("decimal(12,2)", None),
        **CREATED,
    },
    "financial_records": {
        "record_id": ID,
        "customer_id": ID,
        "record_type": ("varchar(50)", None),
        "amount": ("decimal(12,2)", None),
        "description": ("text", None),
        "record_date": ("date", None),
        **CREATED,
    },
    "loan_applications": {
        "application_id": ID,
        "customer_id": ID,
        "loan_type": ("varchar(50)", None),
        "requested_amount": ("decimal(12,2)", None),
        "term_months": ("int(11)", None),
        "purpose": ("varchar(100)", None),
        "status": ("varchar(20)", None),
        "application_date": ("date", None),
        **CREATED,
    },
    "credit_history": {
        "history_id": ID,
        "customer_id": ID,
        "credit_score": ("int(11)", None),
        "payment_history": ("varchar(50)", None),
        "credit_utilization": ("decimal(5,2)", None),
        "record_date": ("date", None),
        **CREATED,
    },
    "market_data": {
        "data_id": ID,
        "data_type": ("varchar(50)", None),
        "value": ("decimal(10,4)", None),
        "date_recorded": ("date", None),
        "source": ("varchar(100)", None),
        **CREATED,
    },
    "transactions": {
        "transaction_id": ID,
        "customer_id": ID,
        "transaction_date": ("date", None),
        "transaction_amount": ("decimal(12,2)", None),
        "transaction_type": ("varchar(20)", None),
        "transaction_category": ("varchar(50)", None),
        "account_balance": ("decimal(12,2)", None),
    },
}
"""What issue 11 asks of MySQL: type and default. Tables may have more columns; these may have no other types."""
FOREIGN = {
    ("financial_records", "customer_id", "customers"),
    ("loan_applications", "customer_id", "customers"),
    ("credit_history", "customer_id", "customers"),
    ("transactions", "customer_id", "customers"),
    ("loans", "customer_id", "customers"),
    ("loans", "application_id", "loan_applications"),
    ("installments", "loan_id", "loans"),
    ("campaign_events", "campaign_id", "campaigns"),
}


def ask(url, text):
    with opened(parse(url)) as store:
        return store.execute(sa.text(text))


@pytest.fixture
def told(url):
    done = CliRunner().invoke(app, ["portfolio", "-n", "60", "--scenario", "downturn", "--to", url, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_every_row_is_there_with_keys_and_indexes(server, url, told):
    for table, rows in told["rows"].items():
        assert ask(url, f"SELECT count(*) FROM {table}") == [(rows,)], table
    # Balances to the cent, in SQL: all of a customer's movements, summed.
    wrong = ask(
        url,
        "SELECT count(*) FROM (SELECT customer_id, sum(transaction_amount) AS total, max(transaction_id) AS last "
        "FROM transactions GROUP BY customer_id) AS sums JOIN transactions AS latest "
        "ON latest.transaction_id = sums.last WHERE sums.total <> latest.account_balance",
    )
    assert wrong == [(0,)]
    with opened(parse(url)) as store:
        tables = {name: store.standing(name) for name in told["rows"]}
    found = {
        (name, key.parent.name, key.target_fullname.split(".")[0])
        for name, table in tables.items()
        for key in table.foreign_keys
    }
    assert found >= FOREIGN
    assert all(len(table.primary_key.columns) == 1 for table in tables.values())
    assert {index.name for index in tables["loans"].indexes} >= {"ix_loans_customer_id", "ix_loans_application_id"}


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
def test_information_schema_has_the_columns_that_the_issue_lists(server, url, told):
    database = urlsplit(url).path[1:]
    found = ask(
        url,
        "SELECT table_name, column_name, column_type, column_default FROM information_schema.columns "
        f"WHERE table_schema = '{database}'",
    )
    types = {
        (table, column): (kind, None if default in (None, "NULL") else default)
        for table, column, kind, default in found
    }
    for table, columns in LISTED.items():
        assert {name: types.get((table, name)) for name in columns} == columns, table
    # What holds of the columns that the issue lists by name holds of every table that has one of these names.
    said = {name: kind for columns in LISTED.values() for name, kind in columns.items()}
    for (table, name), kind in types.items():
        if table in told["rows"] and name in {"created_at", "status", "loan_type", "purpose", "customer_id"}:
            assert kind == said[name], (table, name)
    assert {table for table, _ in types} == {*told["rows"], "synthcredit_loads"}

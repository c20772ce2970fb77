"""Declared tables on real servers: types and keys as declared, all rows, and again nothing."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from synthcredit.cli import app
from synthcredit.stores.address import parse
from synthcredit.stores.engines import opened

pytestmark = pytest.mark.xdist_group("database servers")

EXAMPLE = Path(__file__).parents[3] / "data" / "examples" / "accounts.yaml"
TEXT = {"mysql": "VARCHAR(255)", "postgresql": "TEXT"}


def _told(url):
    done = CliRunner().invoke(app, ["declared", str(EXAMPLE), "-n", "60", "--to", url, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_every_row_is_there_with_types_and_keys(server, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = _told(url)
    assert not list(tmp_path.iterdir())
    with opened(parse(url)) as store:
        for table, rows in told["rows"].items():
            assert store.execute(sa.text(f"SELECT count(*) FROM {table}")) == [(rows,)], table
        tables = {name: store.standing(name) for name in told["rows"]}
        wrong = (
            "SELECT count(*) FROM customers c JOIN (SELECT customer_id, sum(transaction_amount) AS total "
            "FROM transactions GROUP BY customer_id) AS sums ON sums.customer_id = c.customer_id "
            "WHERE sums.total <> c.turnover"
        )
        # To the cent, since amounts are decimals.
        assert store.execute(sa.text(wrong)) == [(0,)]
    columns = {column.name: str(column.type).split(" COLLATE")[0] for column in tables["transactions"].columns}
    text = TEXT[server.kind]
    amount = {"mysql": "DECIMAL(18, 2)", "postgresql": "NUMERIC(18, 2)"}[server.kind]
    assert columns == {
        "transaction_id": text,
        "customer_id": text,
        "transaction_date": "DATE",
        "transaction_type": text,
        "transaction_category": text,
        "transaction_amount": amount,
        "merchant_reference": text,
        "account_balance": amount,
    }
    assert [column.name for column in tables["transactions"].primary_key] == ["transaction_id"]
    assert [key.target_fullname for key in tables["transactions"].foreign_keys] == ["customers.customer_id"]
    assert {one["rows"] for one in _told(url)["database"]["tables"].values()} == {0}

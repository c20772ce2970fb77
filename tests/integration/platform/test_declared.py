"""Declared tables on the real template: from the request to tables that SQL joins."""

from __future__ import annotations

import hashlib

import pytest

from synthcredit.declared.made import declared_rows
from synthcredit.declared.reading import parse

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("platform")]

CUSTOMERS = 150
DECLARATION = {
    "name": "ledger",
    "tables": {
        "customers": {
            "rows": 1_000,
            "columns": {
                "customer_id": {"type": "key", "format": "C{:06d}"},
                "segment": {"type": "text", "categories": {"retail": 0.8, "private": 0.2}},
                "opening": {"type": "number", "minimum": 0, "maximum": 5_000},
            },
        },
        "transactions": {
            "belongs_to": {"table": "customers", "children": {"kind": "range", "minimum": 1, "maximum": 9}},
            "columns": {
                "transaction_id": {"type": "key", "format": "{parent}-{:02d}"},
                "customer_id": {"type": "foreign_key", "of": "customers"},
                "booked": {"type": "date", "minimum": "2025-01-01", "maximum": "2025-12-31"},
                "amount": {"type": "integer", "minimum": 1, "maximum": 500},
                "balance": {"type": "number"},
            },
            "rules": [
                {
                    "kind": "running_balance", "column": "balance", "amount": "amount", "order_by": "booked",
                    "start": "customers.opening",
                }
            ],
        },
    },
}  # fmt: skip
SOURCE = {"kind": "schema", "declaration": DECLARATION, "rows": {"customers": CUSTOMERS}}


@pytest.fixture(scope="module")
def done(platform):
    """A job of declared tables that went well."""
    job = platform.end_of(platform.submit({"source": SOURCE, "seed": 4}, key="declared"))
    assert job["state"] == "succeeded", job
    return job


def test_every_declared_table_is_in_the_catalogue_and_sql_joins_them(platform, done):
    found = platform.http("GET", f"/jobs/{done['job_id']}/results").body["tables"]
    tables = {
        one["name"].removeprefix("ledger_").rpartition("_")[0]: (
            f"(SELECT * FROM {one['database']}.{one['name']} WHERE job = '{done['job_id']}')"
        )
        for one in found
    }
    assert set(tables) == {"customers", "transactions"}
    # Each customer's last balance is the opening one and all amounts, and everybody has transactions.
    joined = platform.sql(
        f"SELECT count(*), sum(CASE WHEN abs(c.opening + t.amounts - t.last) > 0.001 THEN 1 ELSE 0 END) "
        f"FROM {tables['customers']} c JOIN (SELECT customer_id, sum(amount) AS amounts, max(balance) AS last "
        f"FROM {tables['transactions']} x GROUP BY customer_id) t ON t.customer_id = c.customer_id"
    )
    assert joined == [[str(CUSTOMERS), "0"]]


def test_the_files_are_those_of_the_command_line(platform, done, tmp_path):
    declared_rows(parse(DECLARATION, "ledger"), 4, {"customers": CUSTOMERS}).write(tmp_path)
    manifest = platform.document(done["job_id"], "manifest.json")
    alone = {
        f"data/{path.relative_to(tmp_path).as_posix()}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tmp_path.glob("*/*.parquet")
    }
    assert {one["name"]: one["sha256"] for one in manifest["outputs"]} == alone
    assert done["synthesizer"] == "schema"
    accepted = platform.listener.wait_for(done["job_id"], "JobAccepted")
    assert accepted["detail"]["tables"] == 2


def test_what_is_wrong_with_a_declaration_is_said_at_once(platform):
    tables = {"customers": {"rows": 0, "columns": {"customer_id": {"type": "key", "colour": 1}}}}
    source = {"kind": "schema", "declaration": {"name": "ledger", "tables": tables}}
    answer = platform.http("POST", "/jobs", {"source": source})
    assert answer.status == 400
    assert {problem["field"] for problem in answer.body["problems"]} == {
        "source.declaration.tables.customers.rows",
        "source.declaration.tables.customers.columns.customer_id.colour",
    }
    assert platform.http("POST", "/estimates", {"source": SOURCE}).body["tables"]["transactions"] == 5 * CUSTOMERS

"""A portfolio job into a database: tables with keys, relations and the dictionary's types; again changes nothing."""

import sqlite3

import synthcredit
from synthcredit.jobs.job import State


def test_a_portfolio_job_fills_a_database(tmp_path):
    request = {
        "source": {"kind": "portfolio", "customers": 3_000, "tables": ["customers", "credit_history"]},
        "seed": 7,
        "to": {"url": f"sqlite:///{tmp_path}/book.db"},
    }
    place = {"home": tmp_path / "home", "out": tmp_path / "out"}
    done = synthcredit.run_request(request, **place)
    assert done.job.state is State.SUCCEEDED
    assert "load" in done.job.seconds
    with sqlite3.connect(tmp_path / "book.db") as database:
        assert database.execute("SELECT count(*) FROM customers").fetchone() == (3_000,)
        assert database.execute("PRAGMA foreign_key_list(credit_history)").fetchone()[2:5] == (
            "customers", "customer_id", "customer_id",
        )  # fmt: skip
        columns = {row[1]: (row[2], row[4]) for row in database.execute("PRAGMA table_info(customers)")}
    assert columns["annual_income"] == ("NUMERIC(12, 2)", None)
    assert columns["created_at"] == ("TIMESTAMP", "CURRENT_TIMESTAMP")
    assert synthcredit.run_request(request, **place).job.job_id == done.job.job_id

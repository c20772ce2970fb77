"""A job that names a database: loaded by Lambda and by SageMaker, by the one secret, and what a refusal leaves."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa
from tests.database_servers import DATABASE, PASSWORD, USER, Server, missing
from tests.integration.platform.conftest import SECRET

from synthcredit.stores.address import parse
from synthcredit.stores.engines import opened

TO = {"secret": SECRET}
TABLE = "german_credit"


@pytest.mark.slow
@pytest.mark.xdist_group("platform")
def test_on_lambda_a_refusal_leaves_the_rows_published_and_the_next_job_fills_the_database(platform, german, tmp_path):
    file = tmp_path / "bank.db"
    platform.keep_secret(engine="sqlite", host="this machine", dbname=str(file))
    with sqlite3.connect(file) as database:
        database.execute(f"CREATE TABLE {TABLE} (nickname text)")
    body = {"source": german, "rows": 600, "to": TO}
    job = platform.end_of(platform.submit(body))
    assert (job["state"], job["failure"]["step"]) == ("failed", "load"), job
    said = " ".join(problem["problem"] for problem in job["failure"]["problems"])
    assert "'nickname'" in said
    assert "the rows are published all the same" in said
    results = platform.http("GET", f"/jobs/{job['job_id']}/results").body
    assert [one["rows"] for one in results["files"] if one["name"].startswith("data/")] == [600]
    assert len(platform.partitions(job["job_id"])) == 1
    with sqlite3.connect(file) as database:
        database.execute(f"DROP TABLE {TABLE}")
    done = platform.end_of(platform.submit(body))
    assert done["state"] == "succeeded", done
    assert "load" in done["seconds"]
    assert {place["step"]: place["where"] for place in done["placement"]}["load"] == "lambda"
    with sqlite3.connect(file) as database:
        assert database.execute(f"SELECT count(*) FROM {TABLE}").fetchone() == (600,)
        assert database.execute("SELECT DISTINCT dataset FROM synthcredit_loads").fetchall() == [(done["job_id"],)]


@pytest.mark.slow
@pytest.mark.xdist_group("platform")
def test_another_secret_or_a_url_is_refused_at_once(platform, german):
    for to, field in (({"secret": "payroll/db"}, "to.secret"), ({"url": "postgresql://host/db"}, "to.url")):
        answer = platform.http("POST", "/jobs", {"source": german, "rows": 10, "to": to})
        assert (answer.status, [one["field"] for one in answer.body["problems"]]) == (400, [field])


@pytest.mark.slow
@pytest.mark.xdist_group("iam")
def test_on_sagemaker_with_the_rights_that_the_template_gives(guarded, source):
    if missing("postgresql"):
        pytest.skip(missing("postgresql"))
    server = Server("postgresql", ("-c", "fsync=off"))
    server.start()
    try:
        guarded.keep_secret(
            engine="postgres", host="127.0.0.1", port=server.port, username=USER, password=PASSWORD, dbname=DATABASE
        )
        job = guarded.end_of(guarded.submit({"source": source, "rows": 900, "to": TO}))
        assert job["state"] == "succeeded", job["failure"]
        assert {place["step"]: place["where"] for place in job["placement"]}["load"] == "sagemaker"
        with opened(parse(server.url)) as store:
            assert store.execute(sa.text(f"SELECT count(*) FROM {TABLE}")) == [(900,)]
        assert PASSWORD not in str(job)
    finally:
        server.remove()


@pytest.mark.slow
@pytest.mark.xdist_group("platform")
def test_a_portfolio_fills_the_database_with_its_keys(platform, tmp_path):
    file = tmp_path / "book.db"
    platform.keep_secret(engine="sqlite", host="this machine", dbname=str(file))
    source = {"kind": "portfolio", "customers": 2_000}
    answer = platform.http("POST", "/jobs", {"source": source, "seed": 3, "to": TO}, key="portfolio to a database")
    assert answer.status == 202, answer.body
    job = platform.end_of(answer.body["job_id"])
    assert job["state"] == "succeeded", job["failure"]
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT count(*) FROM customers").fetchone() == (2_000,)
        parents = {row[2] for row in database.execute("PRAGMA foreign_key_list(loans)")}
        tables = database.execute("SELECT count(DISTINCT table_name) FROM synthcredit_loads").fetchone()
    assert parents == {"customers", "loan_applications"}
    assert tables == (12,)

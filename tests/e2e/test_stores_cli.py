"""Databases from the command line: a job with --to, and a finished folder."""

import json
import sqlite3

import pytest


def rows_in(path, table):
    with sqlite3.connect(path) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.fixture
def job(german_credit):
    return (
        "run", "--data", german_credit, "--target", "creditability", "--rows", "100", "--evidence", "basic",
        "--max-tstr-loss", "1",
    )  # fmt: skip


def test_a_job_fills_a_database_and_again_changes_nothing(cli, job, tmp_path):
    done = cli(*job, "--to", "sqlite:///credit.db")
    assert done.returncode == 0, done.stderr
    assert "german_credit: 100 rows loaded" in done.stdout
    assert "LOADED into sqlite:///credit.db" in done.stdout
    assert rows_in(tmp_path / "credit.db", "german_credit") == 100
    again = json.loads(cli(*job, "--to", "sqlite:///credit.db", "--json").stdout)
    assert again["database"]["tables"] == {"german_credit": {"rows": 0, "already": 100}}
    refused = cli(*job, "--to", "sqlite:///credit.db", "--reset")
    assert refused.returncode == 2
    assert "not confirmed" in refused.stderr
    anew = cli(*job, "--to", "sqlite:///credit.db", "--reset", "--yes")
    assert "german_credit: 100 rows loaded" in anew.stdout
    (folder,) = (tmp_path / "out").iterdir()
    loaded = json.loads(
        cli("load", folder, "--to", "env", "--json", env={"DB_KIND": "duckdb", "DB_NAME": "b.duckdb"}).stdout
    )
    assert loaded["database"]["tables"] == {"german_credit": {"rows": 100, "already": 0}}


def test_a_database_that_cannot_be_reached_is_said_before_any_work(cli, job, free_port, tmp_path):
    done = cli(*job, "--to", f"mysql://bank:hidden@127.0.0.1:{free_port}/credit")
    assert done.returncode == 1
    assert "out of reach" in done.stderr
    assert "hidden" not in done.stdout + done.stderr
    assert not (tmp_path / "out").exists()
    (tmp_path / "request.json").write_text(
        json.dumps(
            {"source": {"kind": "dataset", "uri": str(job[2])}, "rows": 10, "to": {"url": "mysql://b:hidden@h/d"}}
        )
    )
    stored = cli("run", "request.json")
    assert stored.returncode == 2
    assert "to.url" in stored.stderr
    assert "hidden" not in stored.stdout + stored.stderr

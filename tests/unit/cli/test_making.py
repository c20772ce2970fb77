"""What the verbs have in common that make rows by rules: refusals, forms, databases, and going on."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from synthcredit.cli import app

EXAMPLE = Path(__file__).parents[3] / "data" / "examples" / "accounts.yaml"
DECLARED = ["declared", str(EXAMPLE), "-n", "40"]
PORTFOLIO = ["portfolio", "-n", "40"]
both = pytest.mark.parametrize("verb", [DECLARED, PORTFOLIO], ids=["declared", "portfolio"])

# Two uppermost tables, so two shards.
BANK = """
name: bank
tables:
  branches:
    rows: 5
    columns:
      branch_id: {type: key}
  customers:
    rows: 60
    columns:
      customer_id: {type: key, format: "C{:04d}"}
      branch_id: {type: foreign_key, of: branches}
  data:
    belongs_to: {table: customers, children: {kind: fixed, count: 3}}
    columns:
      id: {type: key}
      customer_id: {type: foreign_key, of: customers}
      value: {type: number, minimum: 0, maximum: 9}
"""
KILLED = """
import os, signal, sys
from contextlib import contextmanager
from synthcredit import console
from synthcredit.cli import app

@contextmanager
def progress(**_):
    def hear(step, done, message):
        if (step, message) == (sys.argv[1], sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
    yield hear

console.progress = progress
app(sys.argv[3:])
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _told(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def _refused(*words: str) -> dict[str, str]:
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 2, done.output
    return {problem["field"]: problem["problem"] for problem in json.loads(done.stdout)["problems"]}


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@both
def test_options_that_need_others_are_refused_together(verb: list[str]) -> None:
    assert [*_refused(*verb, "--reset", "--yes")] == ["--reset", "--yes"]
    assert [*_refused(*verb, "--to", "sqlite:///x.db", "--format", "csv")] == ["--format"]


@both
def test_the_same_command_goes_on_and_another_is_refused(verb: list[str], here: Path) -> None:
    first = _told(*verb, "--out", "rows")
    before = _digests(here / "rows")
    (here / "rows" / "transactions" / "part-00000.parquet").unlink()
    assert _told(*verb, "--out", "rows")["rows"] == first["rows"]
    assert _digests(here / "rows") == before
    (problem,) = _refused(*verb, "--seed", "1", "--format", "csv", "--out", "rows").values()
    assert "seed 0, not 1" in problem
    assert "format parquet, not csv" in problem
    with FileLock(here / "rows" / ".lock"):
        assert _refused(*verb, "--out", "rows") == {"--out rows": "another process is at work in it"}


def test_neither_goes_on_in_a_folder_of_the_other(here: Path) -> None:
    for name, verb in (("book", PORTFOLIO), ("tables", DECLARED)):
        _told(*verb, "--out", name)
    assert _refused(*PORTFOLIO, "--out", "tables") == {"--out tables": "it is there already, and holds no portfolio"}
    assert _refused(*DECLARED, "--out", "book") == {"--out book": "it is there already, and holds no declared tables"}
    (here / "file").touch()
    assert _refused(*DECLARED, "--out", "file") == {"--out file": "it is there already, and no folder"}


def test_a_database_alone_leaves_no_files_and_has_the_keys_and_types_of_the_declaration(here: Path) -> None:
    told = _told(*DECLARED, "--to", "sqlite:///accounts.db")
    assert [path.name for path in here.iterdir()] == ["accounts.db"]
    assert told["out"] is None
    assert told["rows"] == {name: one["rows"] for name, one in told["database"]["tables"].items()}
    with sqlite3.connect("accounts.db") as database:
        columns = {row[1]: (row[2], row[5]) for row in database.execute("PRAGMA table_info(transactions)")}
        assert columns["transaction_id"] == ("TEXT", 1)
        assert columns["transaction_date"] == ("DATE", 0)
        assert columns["account_balance"] == ("NUMERIC(18, 2)", 0)
        keys = {row[2:5] for row in database.execute("PRAGMA foreign_key_list(transactions)")}
        assert keys == {("customers", "customer_id", "customer_id")}
        assert not list(database.execute("PRAGMA foreign_key_check"))
        balances = (
            "SELECT count(*) FROM customers c JOIN (SELECT customer_id, sum(transaction_amount) AS amounts "
            "FROM transactions GROUP BY customer_id) t USING (customer_id) WHERE abs(turnover - amounts) < 0.001"
        )
        assert database.execute(balances).fetchone() == (40,)
    again = _told(*DECLARED, "--to", "sqlite:///accounts.db")
    assert {one["rows"] for one in again["database"]["tables"].values()} == {0}
    refused = _refused(*DECLARED, "--seed", "1", "--to", "sqlite:///accounts.db")
    assert set(refused) == {"table 'customers'", "table 'transactions'"}
    assert all("have a key that is in it already" in problem for problem in refused.values())
    anew = _told(*DECLARED, "--seed", "1", "--to", "sqlite:///accounts.db", "--reset", "--yes")
    assert anew["database"]["tables"]["customers"] == {"rows": 40, "already": 0}


def test_a_database_is_filled_as_a_job_fills_it(here: Path) -> None:
    _told(*DECLARED, "--to", "sqlite:///verb.db")
    job = ["--declaration", str(EXAMPLE), "--set", 'rows={"customers": 40}', "--home", "home", "--out", "out"]
    _told("run", *job, "--to", "sqlite:///job.db")
    found = []
    for name in ("verb.db", "job.db"):
        with sqlite3.connect(name) as database:
            made = sorted(database.execute("SELECT type, name, sql FROM sqlite_master"))
            rows = [sorted(database.execute(f"SELECT * FROM {table}")) for table in ("customers", "transactions")]
            found.append((made, rows))
    assert found[0] == found[1]


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_declared_tables_in_other_forms_and_a_database_together(here: Path, form: str) -> None:
    Path("bank.yaml").write_text(BANK, encoding="utf-8")
    told = _told("declared", "bank.yaml", "--out", "bank", "--format", form, "--to", "duckdb:///bank.duckdb")
    assert told["rows"] == {"branches": 5, "customers": 60, "data": 180}
    assert told["rows"] == {name: one["rows"] for name, one in told["database"]["tables"].items()}
    names = {f"{name}.{form}" for name in told["rows"]}
    assert {path.name for path in (here / "bank").iterdir()} == {*names, "declared-request.json"}
    assert told["bytes"] == sum((here / "bank" / name).stat().st_size for name in names)
    assert "C0060" in (here / "bank" / f"customers.{form}").read_text()


def _killed(step: str, message: str, *words: str) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, step, message, *words], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("step", "message", "form", "whole"),
    [
        ("declared", "1 of 2 shards", "parquet", "bank/branches/part-00000.parquet"),
        ("format", "customers.csv", "csv", "bank/branches.csv"),
    ],
)
def test_files_whose_making_was_killed_are_gone_on_with(
    here: Path, step: str, message: str, form: str, whole: str
) -> None:
    Path("bank.yaml").write_text(BANK, encoding="utf-8")
    verb = ["declared", "bank.yaml", "--workers", "1", "--format", form]
    _killed(step, message, *verb, "--out", "bank")
    (kept,) = (here / "bank").glob("*.csv" if form == "csv" else "*/*.parquet")
    assert kept == here / whole
    written = kept.stat().st_mtime_ns
    assert _told(*verb, "--out", "bank")["rows"] == _told(*verb, "--out", "fresh")["rows"]
    assert _digests(here / "bank") == _digests(here / "fresh")
    assert kept.stat().st_mtime_ns == written


def test_a_load_that_was_killed_goes_on_without_loss_or_duplicates(here: Path) -> None:
    Path("bank.yaml").write_text(BANK, encoding="utf-8")
    verb = ["declared", "bank.yaml", "--to", "sqlite:///bank.db"]
    # In the middle of a part: its rows are not there after it.
    _killed("load", "customers: 65 of 245 rows", *verb)
    assert len(list(here.glob(".declared-*/*/*.parquet"))) == 3
    tables = _told(*verb)["database"]["tables"]
    assert {name: (one["rows"], one["already"]) for name, one in tables.items()} == {
        "branches": (0, 5), "customers": (60, 0), "data": (180, 0),
    }  # fmt: skip
    with sqlite3.connect("bank.db") as database:
        for table, rows in {"branches": 5, "customers": 60, "data": 180}.items():
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)
    assert not list(here.glob(".declared-*"))


def test_rows_that_were_there_are_said_and_are_no_speed(here: Path) -> None:
    Path("bank.yaml").write_text(BANK, encoding="utf-8")
    verb = ["declared", "bank.yaml", "--out", "bank"]
    first, again = (CliRunner().invoke(app, verb) for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0), first.output + again.output
    assert "there before" not in first.output
    assert "245 rows, " in again.output
    assert "(0 rows/s), 245 of them there before: bank" in again.output

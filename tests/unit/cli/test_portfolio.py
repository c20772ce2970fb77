from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from synthcredit.cli import app


def test_a_book_is_written_and_told(tmp_path: Path) -> None:
    out = tmp_path / "book"
    done = CliRunner().invoke(app, ["portfolio", "--customers", "60", "--scenario", "downturn", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "loan_applications" in done.output
    assert (out / "customers" / "part-00000.parquet").exists()
    told = CliRunner().invoke(app, ["portfolio", "-n", "50", "--out", str(tmp_path / "other"), "--json"])
    assert json.loads(told.output[told.output.index("{") :])["rows"]["customers"] == 50


def test_answer_keys_are_made_when_they_are_asked_for(tmp_path: Path) -> None:
    asked = ["--answers", "reject_inference", "--answers", "fairness", "--answers", "drift"]
    done = CliRunner().invoke(app, ["portfolio", "-n", "60", "--out", str(tmp_path / "book"), *asked])
    assert done.exit_code == 0, done.output
    made = {path.name for path in (tmp_path / "book").iterdir()}
    assert {"reject_inference_mar", "reject_inference_mnar", "fairness_pairs", "drift_key"} <= made


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    done = CliRunner().invoke(
        app,
        [
            "portfolio",
            "-n",
            "0",
            "--scenario",
            "none",
            "--seed",
            "-1",
            "--out",
            str(tmp_path),
            "--answers",
            "truth",
            "--json",
        ],
    )
    assert done.exit_code == 2
    fields = {problem["field"] for problem in json.loads(done.output)["problems"]}
    assert fields == {"volumes.customers", "scenario none", "answers", "--seed", f"--out {tmp_path}"}


def _told(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["portfolio", "-n", "40", *words, "--json"])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_a_database_alone_leaves_no_files_and_again_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = _told("--to", "sqlite:///book.db")
    assert [path.name for path in tmp_path.iterdir()] == ["book.db"]
    assert told["out"] is None
    assert told["rows"] == {name: one["rows"] for name, one in told["database"]["tables"].items()}
    with sqlite3.connect("book.db") as database:
        assert database.execute("SELECT count(*) FROM customers").fetchone() == (40,)
        keys = {row[2:5] for row in database.execute("PRAGMA foreign_key_list(loans)")}
        assert ("customers", "customer_id", "customer_id") in keys
        indexes = [row[1] for row in database.execute("PRAGMA index_list(loans)")]
        assert "ix_loans_customer_id" in indexes
    again = _told("--to", "sqlite:///book.db")
    assert {one["rows"] for one in again["database"]["tables"].values()} == {0}
    done = CliRunner().invoke(app, ["portfolio", "-n", "40", "--seed", "1", "--to", "sqlite:///book.db"])
    assert done.exit_code == 2
    assert "have a key that is in it already" in done.output
    anew = _told("--seed", "1", "--to", "sqlite:///book.db", "--reset", "--yes")
    assert anew["database"]["tables"]["customers"] == {"rows": 40, "already": 0}


def test_files_and_database_together_and_the_folder_loads_as_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = _told("--out", "book", "--to", "duckdb:///book.duckdb", "--format", "csv")
    assert told["rows"]["customers"] == told["database"]["tables"]["customers"]["rows"] == 40
    assert (tmp_path / "book" / "customers.csv").read_text().count("\n") == 41
    assert not (tmp_path / "book" / ".parts").exists()
    assert told["bytes"] == sum(path.stat().st_size for path in (tmp_path / "book").glob("*.csv"))
    _told("--out", "parts")
    done = CliRunner().invoke(app, ["load", "parts", "--to", "duckdb:///book.duckdb", "--json"])
    assert json.loads(done.stdout)["database"]["tables"]["loans"]["rows"] == 0, done.output


def test_the_same_command_goes_on_and_another_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = _told("--out", "book")
    (tmp_path / "book" / "loans" / "part-00000.parquet").unlink()
    assert _told("--out", "book")["rows"] == first["rows"]
    done = CliRunner().invoke(app, ["portfolio", "-n", "41", "--out", "book"])
    assert done.exit_code == 2
    assert "it holds another portfolio: customers 40, not 41" in " ".join(done.output.split())


def test_options_that_need_others_are_refused_together(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["portfolio", "--reset", "--yes", "--out", str(tmp_path / "new"), "--json"])
    assert [problem["field"] for problem in json.loads(done.stdout)["problems"]] == ["--reset", "--yes"]
    done = CliRunner().invoke(app, ["portfolio", "--to", "sqlite:///x.db", "--format", "csv", "--json"])
    assert [problem["field"] for problem in json.loads(done.stdout)["problems"]] == ["--format"]


KILLED = """
import os, signal, sys
from contextlib import contextmanager
from synthcredit import console
from synthcredit.cli import app

@contextmanager
def progress(**_):
    def hear(step, done, message):
        if step == "load" and message.startswith("transactions"):
            os.kill(os.getpid(), signal.SIGKILL)
    yield hear

console.progress = progress
app(["portfolio", "-n", "40", "--to", "sqlite:///book.db"])
"""


def test_a_load_that_was_killed_goes_on_without_loss_or_duplicates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    killed = subprocess.run([sys.executable, "-c", KILLED], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    # The parts are still there, to go on from.
    assert len(list(tmp_path.glob(".portfolio-*/customers/*.parquet"))) == 1
    told = _told("--to", "sqlite:///book.db")["database"]["tables"]
    assert told["customers"] == {"rows": 0, "already": 40}
    assert told["transactions"]["rows"] > 0
    assert told["transactions"]["already"] == 0
    fresh = _told("--out", "book")["rows"]
    with sqlite3.connect("book.db") as database:
        for table, rows in fresh.items():
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)
    assert not list(tmp_path.glob(".portfolio-*"))


def test_answer_keys_go_into_the_database_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = _told("--answers", "fairness", "--answers", "reject_inference", "--to", "sqlite:///book.db")
    assert {"fairness_pairs", "fairness_key", "reject_inference_mar"} <= set(told["rows"])
    assert told["rows"] == {name: one["rows"] for name, one in told["database"]["tables"].items()}

from __future__ import annotations

import json
from pathlib import Path

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


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    done = CliRunner().invoke(
        app,
        ["portfolio", "-n", "0", "--scenario", "none", "--seed", "-1", "--out", str(tmp_path), "--json"],
    )
    assert done.exit_code == 2
    fields = {problem["field"] for problem in json.loads(done.output)["problems"]}
    assert fields == {"volumes.customers", "scenario none", "--seed", f"--out {tmp_path}"}

"""Requests for portfolios from options, and what they would take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synthcredit.cli import app
from synthcredit.portfolio.scenario import load


def _run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output


def _problems(*words: str) -> set[str]:
    code, said = _run(*words, "--json")
    assert code == 2, said
    return {problem["field"] for problem in json.loads(said)["problems"]}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHCREDIT_HOME", str(tmp_path / "home"))


def test_a_portfolio_is_estimated_before_anything_starts(tmp_path: Path) -> None:
    words = ("estimate", "--portfolio", "downturn", "--customers", "1000000", "--set", "history=24")
    code, said = _run(*words)
    assert code == 0, said
    assert "24,000,000  credit_history" in said
    assert "rows in all, about" in said
    assert "at list prices" in said
    found = json.loads(_run(*words, "--json")[1])
    assert found["rows"] == sum(found["tables"].values())
    assert {step["step"] for step in found["steps"]} == {"train", "generate", "assess", "publish"}
    # Nothing was made.
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_request_file_and_data_are_estimated_too(tmp_path: Path, german_credit: Path) -> None:
    asked = tmp_path / "request.json"
    asked.write_text(json.dumps({"source": {"kind": "portfolio", "customers": 50, "tables": ["loans"]}}))
    found = json.loads(_run("estimate", str(asked), "--json")[1])
    assert list(found["tables"]) == ["loans"]
    learned = json.loads(_run("estimate", "--data", str(german_credit), "--rows", "500", "--json")[1])
    assert (learned["rows"], learned["tables"]) == (500, {})
    assert learned["source_rows"] > 0


def test_what_costs_too_much_is_refused() -> None:
    assert _problems("estimate", "--portfolio", "baseline", "--customers", "50000000", "--max-cost", "0.1") == {
        "source.customers"
    }


def test_options_of_models_are_refused_beside_a_portfolio() -> None:
    words = ("--portfolio", "baseline", "--rows", "5", "--data", "a.csv", "--target-rate", "0.1", "--retrain")
    assert _problems("run", *words) == {
        "--data", "--rows", "--retrain", "--target-rate, --where, --balance, --share",
    }  # fmt: skip
    assert _problems("run", "--customers", "5", "--data", "a.csv") == {"--customers"}
    assert _problems("run") == {"--data"}
    assert _problems("submit", "--portfolio", "baseline", "--customers", "0") == {"source.customers"}
    assert _problems("submit", "--portfolio", "nothing") == {"scenario nothing"}


def test_a_scenario_of_ones_own_goes_with_the_request(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: downturn\nname: mine\npolicy:\n  min_score: {value: 600, unit: points, why: ours}\n")
    out = tmp_path / "out"
    code, said = _run(
        "run", "--portfolio", str(mine), "--customers", "120", "--set", 'tables=["customers"]', "--out", str(out)
    )
    assert code == 0, said
    (manifest,) = out.glob("*/manifest.json")
    found = json.loads(manifest.read_text())
    assert found["request"]["source"]["scenario"] == load(mine).model_dump(mode="json")
    assert found["book"]["parameters"]["policy"]["min_score"] == 600
    assert found["request"]["rows"] is None
    assert "mine" in said

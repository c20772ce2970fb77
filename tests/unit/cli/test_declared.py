from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from synthcredit.cli import app

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "declared.md"
EXAMPLE = ROOT / "data" / "examples" / "accounts.yaml"


def test_the_example_is_made_as_the_page_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the first part of docs/declared.md, with the output that stands there."""
    page = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    assert len(shown) >= 2
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    for block in shown:
        command, _, expected = block.removeprefix("$ ").partition("\n")
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert done.exit_code == 0, done.output
        for line in filter(None, map(str.strip, expected.splitlines())):
            # Seconds and speed are the machine's.
            wanted = re.sub(r"[\d.,]+ s \([\d.,]+ rows/s\)", "X", line)
            assert wanted in re.sub(r"[\d.,]+ s \([\d.,]+ rows/s\)", "X", done.output), done.output
    table = pq.read_table(tmp_path / "accounts" / "transactions")
    wanted_columns = (
        "customer_id transaction_date transaction_amount transaction_type transaction_category account_balance"
    )
    assert set(wanted_columns.split()) < set(table.column_names)


def test_rows_are_made_and_told(tmp_path: Path) -> None:
    out = tmp_path / "rows"
    arguments = ["declared", str(EXAMPLE), "--rows", "customers=40", "--out", str(out), "--workers", "1", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    told = json.loads(done.output[done.output.index("{") :])
    assert told["rows"]["customers"] == 40
    assert pq.read_metadata(out / "customers" / "part-00000.parquet").num_rows == 40
    assert (out / "schema.json").exists()


def test_check_only_checks(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["declared", str(EXAMPLE), "-n", "500", "--check", "--out", str(tmp_path / "x"), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {
        "declaration": "accounts",
        "expected_rows": {"customers": 500, "transactions": 12_000},
        "shards": 1,
    }
    assert not (tmp_path / "x").exists()


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    content = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    content["tables"]["branches"] = {"rows": 2, "columns": {"id": {"type": "key"}}}
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")

    def fields(*more: str) -> set[str]:
        done = CliRunner().invoke(app, ["declared", str(path), "--out", str(tmp_path), "--json", *more])
        assert done.exit_code == 2, done.output
        return {problem["field"] for problem in json.loads(done.output)["problems"]}

    assert fields("-n", "5", "-n", "x") == {"--rows 5", "--rows x", f"--out {tmp_path}"}
    assert fields("-n", "people=5", "-n", "branches=0") == {"rows of 'people'", f"--out {tmp_path}"}
    path.write_text("name: a\ntables: {}\n", encoding="utf-8")
    assert fields() == {f"{path}, line 2: tables", f"--out {tmp_path}"}


def test_a_schema_becomes_the_beginning_of_a_declaration(tmp_path: Path) -> None:
    data = ROOT / "data" / "german_credit.csv"
    done = CliRunner().invoke(app, ["schema", str(data), "--declaration", "--confirm", "purpose"])
    assert done.exit_code == 0, done.output
    columns = yaml.safe_load(done.stdout)["tables"]["german_credit"]["columns"]
    assert "education" in columns["purpose"]["categories"]
    assert columns["housing"] == {"type": "text", "categories": None}
    assert columns["credit.amount"]["minimum"] is None
    refused = CliRunner().invoke(app, ["schema", str(data), "--confirm", "purpose"])
    assert refused.exit_code == 2


def _problems(*words: str) -> dict[str, str]:
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 2, done.output
    return {problem["field"]: problem["problem"] for problem in json.loads(done.output)["problems"]}


def test_a_declaration_is_run_as_a_job_and_estimated_before(tmp_path: Path) -> None:
    words = ["--declaration", str(EXAMPLE), "--set", 'rows={"customers": 60}', "--home", str(tmp_path / "home")]
    done = CliRunner().invoke(app, ["estimate", *words, "--json"])
    assert json.loads(done.output)["tables"] == {"customers": 60, "transactions": 1_440}
    done = CliRunner().invoke(app, ["run", *words, "--seed", "3", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "customers, transactions" in done.output
    (folder,) = (tmp_path / "out").iterdir()
    alone = tmp_path / "alone"
    made = ["declared", str(EXAMPLE), "--rows", "60", "--seed", "3", "--out", str(alone), "--workers", "1"]
    assert CliRunner().invoke(app, made).exit_code == 0
    for name in ("customers", "transactions"):
        part = f"{name}/part-00000.parquet"
        assert (folder / "data" / part).read_bytes() == (alone / part).read_bytes()


def test_what_is_wrong_with_the_file_of_a_job_has_its_line_and_options_of_models_are_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: wrong\ntables:\n  people:\n    rows: 0\n    columns:\n      id: {type: key}\n")
    assert [*_problems("run", "--declaration", str(wrong))] == [f"{wrong}, line 4: tables.people.rows"]
    words = ("--declaration", str(EXAMPLE), "--rows", "5", "--customers", "5", "--retrain")
    assert set(_problems("submit", *words)) == {"--rows", "--customers", "--retrain"}
    assert set(_problems("run", "--declaration", str(EXAMPLE), "--set", 'rows={"transactions": 5}')) == {
        "source.rows.transactions"
    }

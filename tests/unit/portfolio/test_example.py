"""docs/portfolio.md: what it tells a newcomer to do, done as it is written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.unit.portfolio.conftest import made

from synthcredit.portfolio.book import Volumes
from synthcredit.portfolio.scenario import load
from synthcredit.portfolio.tables import TABLES, tables_of

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "layers" / "synthcredit" / "synthcredit"
# Runs in the changed copy: the checks and the dictionary must know the new table.
TOLD = """
import json, sys
import pyarrow.parquet as pq
from synthcredit.portfolio import checks, describe
from synthcredit.portfolio.scenario import load
from synthcredit.portfolio.tables import TABLES
book = {table.name: pq.read_table(f"{sys.argv[1]}/{table.name}", partitioning=None) for table in TABLES}
told = checks.check_book(book, load("baseline"), 0)
print(json.dumps({
    "failed": [check.detail for check in told if not check.passed],
    "checked": sum("complaints" in check.detail for check in told),
    "described": "## complaints" in describe.dictionary(),
}))
"""


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "portfolio.md").read_text(encoding="utf-8")


def block_of(page: str, language: str, mark: str) -> str:
    """Return the code block of the page that has a mark in it."""
    return next(block for block in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL) if mark in block)


def test_a_table_is_one_file_and_one_line(page: str, tmp_path: Path) -> None:
    """Copy the package, put the file and the line into it, and make a book."""
    package = tmp_path / "lib" / "synthcredit"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "docs" / "portfolio" / "complaints.py", package / "portfolio")
    line = block_of(page, "text", "complaints")
    assert len(line.strip().splitlines()) == 1
    tables = package / "portfolio" / "tables.py"
    text = tables.read_text(encoding="utf-8")
    tables.write_text(text.replace('    "true_outcomes",\n)', f'    "true_outcomes",\n{line})', 1), encoding="utf-8")
    # The copy is no part of what coverage is measured of.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment["PYTHONPATH"] = str(tmp_path / "lib")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    command = re.search(r"`synthcredit (portfolio --customers 1000 --out book)`", page).group(1)
    run("-c", "from synthcredit.cli import app; app()", *command.split(), "--workers", "1")
    told = json.loads(run("-c", TOLD, str(tmp_path / "book")))
    assert told == {"failed": [], "checked": told["checked"], "described": True}
    assert told["checked"] >= 4
    rows = pq.read_table(tmp_path / "book" / "complaints", partitioning=None)
    assert 20 < rows.num_rows < 300
    assert "collection" in rows["topic"].to_pylist()


def test_a_pattern_is_one_line_of_a_scenario(page: str, tmp_path: Path) -> None:
    file = tmp_path / "careful.yaml"
    file.write_text(block_of(page, "yaml", "name: careful"), encoding="utf-8")
    careful = load(file)
    base = load("baseline")
    assert careful.policy.min_score == 680
    same = {"name": base.name, "description": base.description, "policy": base.policy}
    assert careful.model_copy(update=same) == base
    small = Volumes(customers=1000, records=0, history=0, statement_months=0, contacts=0)
    scores = [made(one, small)["loans"].num_rows for one in (base, careful)]
    assert scores[1] < 0.85 * scores[0]


def test_answer_keys_of_a_scenario_of_ones_own(page: str, tmp_path: Path) -> None:
    file = tmp_path / "drifting.yaml"
    file.write_text(block_of(page, "yaml", "name: drifting"), encoding="utf-8")
    scenario = load(file)
    assert {one.name for one in tables_of(scenario)} - {one.name for one in TABLES} == {
        "drift_key", "fairness_pairs", "fairness_key",
    }  # fmt: skip
    found = made(scenario, Volumes(customers=100, records=0, history=0, statement_months=0, contacts=0))
    assert {*found["fairness_pairs"]["protected_group"].to_pylist()} == {"one", "other"}
    assert found["drift_key"].to_pylist()[0]["shift"] < 0


def test_the_other_scenario_of_the_page_is_one(page: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(block_of(page, "yaml", "name: mine"), encoding="utf-8")
    assert np.isclose(load(file).hazards.index.macro, 0.8)

"""The gate in one process: whatever must not be delivered is not, and the error says why.

The same on the real template: `platform/test_gate.py`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.gate_cases import MEMORISING, incomes

import synthcredit
from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.schema import Kind
from synthcredit.errors import GateNotMetError

pytestmark = pytest.mark.slow

INDEPENDENT = {
    "trees": 1, "leaf_rows": 10_000, "few_values_leaf_rows": 10_000, "target_leaf_rows": 10_000
}  # fmt: skip


def stopped(data: pd.DataFrame, folder: Path, **asked) -> dict[str, str]:
    """Run a job that the gate must stop; see that nothing was delivered; return the reasons by part."""
    path = folder / "applicants.csv"
    data.to_csv(path, index=False)
    with pytest.raises(GateNotMetError) as caught:
        synthcredit.run(path, **{"rows": 2_000, **asked}, home=folder / "home", out=folder / "out")
    assert not (folder / "out").exists()
    assert all(problem.fix for problem in caught.value.problems)
    # The words may name columns and counts, never a value of a row.
    assert str(data.iloc[0, 0]) not in str(caught.value)
    return {problem.field: problem.problem for problem in caught.value.problems}


def test_a_model_that_leaks_without_copying_is_stopped(german_credit, tmp_path):
    frame = pd.read_csv(german_credit)
    reasons = stopped(frame, tmp_path, target="creditability", rows=600, settings=MEMORISING)
    assert "copies" not in reasons
    assert "membership" in reasons


def test_failed_expectations_are_stopped(tmp_path):
    frame = incomes(1_000).assign(account=range(1_000))
    path = tmp_path / "described.csv"
    frame.to_csv(path, index=False)
    schema = detect_schema(path, target="default").schema
    # A key that is learned like an amount is not a key any more.
    columns = tuple(
        column.model_copy(update={"kind": Kind.INTEGER, "minimum": 0, "maximum": 999, "format": None})
        if column.name == "account"
        else column
        for column in schema.columns
    )
    described = schema.model_copy(update={"columns": columns, "primary_key": "account"})
    reasons = stopped(frame, tmp_path, schema=described)
    assert "Column 'account' should be different in every row" in reasons["validity"]


def test_data_that_anybody_can_tell_is_stopped(tmp_path):
    reasons = stopped(
        incomes(7_000), tmp_path, target="default", rows=5_000, gate={"profile": "sharing"}, settings=INDEPENDENT
    )
    assert "Detection by gradient boosting" in reasons["detection"]
    assert {"usefulness", "pair trends"} <= set(reasons)

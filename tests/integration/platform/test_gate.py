"""The gate on the real template: what must not be published is not, and the event says why.

More that it stops: `tests/integration/test_gate.py`.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.gate_cases import MEMORISING, incomes

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("platform")]


def branches(rows: int) -> pd.DataFrame:
    """Three codes whose combinations are mostly of one row: whoever learns the combinations copies rows."""
    rng = np.random.default_rng(0)
    codes = {name: [f"{name[0]}{code}" for code in rng.integers(0, 60, rows)] for name in ("branch", "item", "dealer")}
    return pd.DataFrame(codes | {"default": np.where(rng.random(rows) < 0.3, "yes", "no")})


def stopped(platform, frame: pd.DataFrame, folder, **asked) -> dict[str, str]:
    """Run a job that the gate must stop; see that nothing was published; return the reasons by part."""
    path = folder / "applicants.csv"
    frame.to_csv(path, index=False)
    source = {"kind": "dataset", "uri": platform.upload(path), "target": "default"} | asked.pop("source", {})
    job_id = platform.submit({"source": source, "rows": 2_000, "evidence": "standard", **asked})
    job = platform.end_of(job_id, seconds=240)
    assert job["state"] == "failed", job
    assert job["failure"]["error"] == "GateNotMet", job["failure"]
    event = platform.listener.wait_for(job_id, "JobFailed")
    assert event["detail"]["error"] == "GateNotMet"
    assert platform.rows_in_lake(job_id) == []
    assert platform.partitions(job_id) == []
    results = platform.http("GET", f"/jobs/{job_id}/results").body
    assert results["table"] is None
    assert not results.get("data_files")
    reasons = {problem["field"]: problem["problem"] for problem in job["failure"]["problems"]}
    announced = {problem["field"] for problem in event["detail"]["problems"]}
    assert announced
    assert announced <= set(reasons)
    assert all(problem["fix"] for problem in job["failure"]["problems"])
    # The words may name columns and counts, never a value of a row.
    assert str(frame.iloc[0, 0]) not in json.dumps(job["failure"])
    return reasons


def test_too_few_rows_prove_nothing(platform, tmp_path):
    reasons = stopped(platform, incomes(140), tmp_path)
    assert "only 42 holdout rows" in reasons["rows"].lower()


def test_a_model_that_copies_rows_is_stopped(platform, tmp_path):
    reasons = stopped(platform, branches(1_000), tmp_path, synthesizer={"name": "trees", **MEMORISING})
    assert "Copied rows" in reasons["copies"]
    assert {"closeness", "membership"} <= set(reasons)

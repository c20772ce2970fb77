from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from synthcredit.errors import InvalidInputError
from synthcredit.portfolio.scenario import load
from synthcredit.portfolio.view import modelling_view

DAY = dt.date(2022, 12, 31)


@pytest.fixture(scope="module")
def view(baseline: dict[str, pa.Table]) -> pa.Table:
    return modelling_view(baseline, DAY)


def test_nothing_after_the_observation_date_is_seen(baseline: dict[str, pa.Table], view: pa.Table) -> None:
    """Cut off all that came later: the features stay as they are."""
    day = pa.scalar(DAY)
    later = pa.scalar(DAY + dt.timedelta(days=366))
    cut = dict(baseline)
    history = baseline["credit_history"]
    cut["credit_history"] = history.filter(pc.less_equal(history["created_at"].cast(pa.date32()), day))
    rows = baseline["installments"]
    cut["installments"] = rows.filter(
        pc.or_(pc.less_equal(rows["status_date"], day), pc.greater_equal(rows["status_date"], later))
    )
    loans = baseline["loans"]
    cut["loans"] = loans.filter(pc.less_equal(loans["opened_date"], day))
    again = modelling_view(cut, DAY)
    assert again.drop_columns("outcome").equals(view.drop_columns("outcome"))
    assert set(again["outcome"].to_pylist()) == {"good"}


def test_outcomes_are_those_of_the_ledger(baseline: dict[str, pa.Table], view: pa.Table) -> None:
    rows = baseline["installments"].to_pandas()
    until = dt.date(2023, 12, 28)
    after = rows[(rows["status_date"] > DAY) & (rows["status_date"] <= until)]
    bad = set(after[after["status"].isin(["default", "probation", "written_off"])]["loan_id"])
    late = set(after[after["days_past_due"] >= 60]["loan_id"])
    for loan, outcome in zip(view["loan_id"].to_pylist(), view["outcome"].to_pylist(), strict=True):
        assert (outcome == "bad") == (loan in bad)
        if outcome == "good":
            assert loan not in late


def test_the_view_ranks_and_has_all_outcomes(view: pa.Table) -> None:
    outcome = np.array(view["outcome"].to_pylist())
    assert set(outcome) == {"good", "bad", "indeterminate"}
    assert 0.005 < (outcome == "bad").mean() < 0.08
    score = view["bureau_score"].to_numpy()
    assert np.nanmean(score[outcome == "bad"]) < np.nanmean(score[outcome == "good"]) - 25
    assert (pc.max(view["bureau_date"]).as_py()) <= DAY


def test_what_cannot_be_observed_is_told(baseline: dict[str, pa.Table]) -> None:
    with pytest.raises(InvalidInputError, match="ends on"):
        modelling_view(baseline, dt.date(2024, 6, 30))
    with pytest.raises(InvalidInputError) as caught:
        modelling_view({"loans": baseline["loans"]}, DAY)
    assert len(caught.value.problems) == 4


def test_every_scenario_is_observed_alike(downturn: dict[str, pa.Table], view: pa.Table) -> None:
    stressed = modelling_view(downturn, dt.date(2022, 6, 30))
    calm = np.mean([one == "bad" for one in view["outcome"].to_pylist()])
    assert load("downturn").macro.shock.month == 24
    assert np.mean([one == "bad" for one in stressed["outcome"].to_pylist()]) > 1.5 * calm

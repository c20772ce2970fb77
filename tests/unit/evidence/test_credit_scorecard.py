import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from synthcredit.evidence.credit_bins import BinnedRows, Columns, Setting
from synthcredit.evidence.credit_curves import curve
from synthcredit.evidence.credit_scorecard import (
    Card,
    approval_by_group,
    approve,
    characteristics,
    fit,
    wilson,
)


def rows_of(count: int, seed: int) -> BinnedRows:
    """Column a tells much, b tells the same with a little noise, c tells less, d nothing."""
    rng = np.random.default_rng(seed)
    a, c, d = (rng.integers(0, 4, count) for _ in range(3))
    b = np.where(rng.random(count) < 0.03, rng.integers(0, 4, count), a)
    bad = rng.random(count) < 1 / (1 + np.exp(2.0 - 1.0 * a - 0.4 * c + 1.5))
    return BinnedRows({"a": a, "b": b, "c": c, "d": d}, bad)


COLUMNS = Columns(
    sizes=dict.fromkeys("abcd", 4),
    labels=dict.fromkeys("abcd", ("0", "1", "2", "3")),
    shares=dict.fromkeys("abcd", np.full(4, 0.25)),
)


def test_points_are_600_at_odds_of_50_and_20_more_double_them():
    card = Card({"a": np.array([0.0, np.log(2)]), "b": np.array([0.0, -1.0])}, np.log(50))
    assert card.points("a")[0] + card.points("b")[0] == pytest.approx(600)
    assert card.points("a")[1] - card.points("a")[0] == pytest.approx(20)
    states = {"a": np.array([0, 1, 1]), "b": np.array([0, 0, 1])}
    assert card.score(states).tolist() == pytest.approx([np.log(50), np.log(100), np.log(100) - 1])


def test_a_scorecard_is_scikit_learns_regression_on_weights_of_evidence():
    rows = rows_of(3000, 0)
    card = fit(rows, ["a", "c"], COLUMNS)
    coded = []
    for name in ("a", "c"):
        counts = np.array([[np.sum((rows.states[name] == i) & (rows.bad == of)) for of in (False, True)]
                           for i in range(4)])  # fmt: skip
        coded.append(curve(counts[None].astype(float)).woe[0][rows.states[name]])
    model = LogisticRegression().fit(np.column_stack(coded), ~rows.bad)
    assert card.score(rows.states).tolist() == pytest.approx(
        model.decision_function(np.column_stack(coded)).tolist(), abs=1e-3
    )
    assert (np.diff(card.parts["a"]) < 0).all()


def test_rows_of_one_class_give_everyone_one_score():
    rows = rows_of(100, 0)
    card = fit(BinnedRows(rows.states, np.zeros(100, dtype=bool)), ["a"], COLUMNS)
    assert np.ptp(card.score(rows.states)) == 0
    assert card.constant == pytest.approx(np.log(100.5 / 0.5))


def test_characteristics_predict_and_are_not_alike():
    rows = rows_of(3000, 0)
    setting = Setting(rows, rows, rows, COLUMNS, {})
    assert characteristics(setting) in (["a", "c"], ["b", "c"])


def test_exactly_the_share_is_approved_and_ties_are_cut_the_same_way():
    ties = np.random.default_rng(0).permutation(10)
    assert approve(np.arange(10.0), ties, 0.7).tolist() == [False] * 3 + [True] * 7
    assert approve(np.zeros(10), ties, 0.7).sum() == 7
    assert approve(np.zeros(10), ties, 0.7).tolist() == (ties < 7).tolist()


def test_approval_by_group_by_hand():
    approved = np.array([True, False, True, True, True])
    groups = np.array([0, 0, 1, -1, 1])
    weights = np.array([[1.0, 1, 1, 1, 1], [3, 1, 0, 5, 0]])
    assert approval_by_group(approved, groups, weights).tolist() == [[0.5, 1.0], [0.75, 0.0]]


def test_wilson_by_hand():
    # (.1 + z2/200 -+ z sqrt(.09/100 + z2/40000)) / (1 + z2/100) with z = 1.96
    assert wilson(10, 100) == pytest.approx((0.05523, 0.17437), abs=1e-4)

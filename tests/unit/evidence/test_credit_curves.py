import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from synthcredit.evidence.credit_curves import chance, concordance, covariance, curve, stability


def test_information_value_and_weight_of_evidence_by_hand():
    # Good 90 % and 10 %, bad 40 % and 60 %; so many rows that the row added to a bin does not show.
    of = curve(np.array([[[9e8, 4e7], [1e8, 6e7]]]))
    assert of.woe[0].tolist() == pytest.approx([np.log(0.9 / 0.4), np.log(0.1 / 0.6)], abs=1e-6)
    # .5 ln 2.25 + .5 ln 6
    assert of.iv[0] == pytest.approx(1.301345, abs=1e-6)
    assert of.ks[0] == pytest.approx(0.5)
    # 1 - 2 (.1 .4 + .5 (.9 .4 + .1 .6)) = .5
    assert of.gini[0] == pytest.approx(0.5)
    assert of.rows[0].tolist() == [9.4e8, 1.6e8]


def test_a_row_of_average_odds_is_added_to_every_bin():
    of = curve(np.array([[[30.0, 0], [10, 20], [0, 0]]]))
    good, bad = np.array([30 + 2 / 3, 10 + 2 / 3, 2 / 3]) / 42, np.array([1 / 3, 20 + 1 / 3, 1 / 3]) / 21
    assert of.woe[0].tolist() == pytest.approx(np.log(good / bad).tolist())
    assert of.woe[0, 2] == pytest.approx(0)
    assert of.iv[0] == pytest.approx(((good - bad) * np.log(good / bad)).sum())


def test_one_class_says_nothing():
    of = curve(np.array([[[30.0, 0], [10, 0]]]))
    assert of.woe.tolist() == [[0, 0]]
    assert (of.iv[0], of.gini[0]) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=11))
def test_gini_and_ks_agree_with_scikit_learn_and_scipy(table):
    counts = np.array(table)
    if counts.sum(axis=0).min() == 0:
        return
    of = curve(counts[None].astype(float))
    odds = counts[:, 0] / np.maximum(counts[:, 0] / counts[:, 0].sum() + counts[:, 1] / counts[:, 1].sum(), 1e-12)
    order = np.argsort(odds, kind="stable")
    rank = np.argsort(order)
    good, bad = np.repeat(rank, counts[:, 0]), np.repeat(rank, counts[:, 1])
    area = roc_auc_score([1] * len(good) + [0] * len(bad), [*good, *bad])
    assert of.gini[0] == pytest.approx(2 * area - 1, abs=1e-9)
    assert of.ks[0] == pytest.approx(ks_2samp(good, bad).statistic, abs=1e-9)
    assert of.iv[0] >= 0


def test_chance_is_what_a_column_without_power_has():
    rng = np.random.default_rng(0)
    good, bad = (rng.multinomial(n, np.full(8, 1 / 8), size=2_000) for n in (400, 120))
    counts = np.stack([good, bad], axis=2).astype(float)
    # The mean of 2,000 values that vary by half of themselves: 1 %; the row added to a bin takes some per cent.
    assert curve(counts).iv.mean() == pytest.approx(chance(counts[0]), rel=0.08)


def test_stability_by_hand_and_by_chance():
    one, other = np.array([[5e8, 5e8]]), np.array([[4e8, 6e8]])
    assert stability(one, other)[0] == pytest.approx(0.1 * np.log(1.25) - 0.1 * np.log(5 / 6), abs=1e-8)
    assert stability(one, one)[0] == 0
    rng = np.random.default_rng(0)
    sides = [rng.multinomial(500, np.full(10, 0.1), size=2_000).astype(float) for _ in range(2)]
    assert stability(*sides).mean() == pytest.approx(2 * 9 / 500, rel=0.05)


def test_an_empty_bin_leaves_stability_a_number():
    assert 1 < stability(np.array([[100.0, 0]]), np.array([[50.0, 50]]))[0] < 10


def test_concordance_sees_scale_and_shift():
    weights = [np.array([0.5, 0.5])]
    curve_ = [np.array([[-1.0, 1.0]])]
    assert concordance(curve_, curve_, weights)[0] == pytest.approx(1)
    assert concordance(curve_, [-curve_[0]], weights)[0] == pytest.approx(-1)
    # Twice as steep: 2 * 2 / (1 + 4); shifted by 1: 2 / (1 + 1 + 1).
    assert concordance(curve_, [2 * curve_[0]], weights)[0] == pytest.approx(0.8)
    assert concordance(curve_, [curve_[0] + 1], weights)[0] == pytest.approx(2 / 3)
    assert concordance(curve_, [0 * curve_[0]], weights)[0] == 0


def test_covariance_is_weighted():
    x, y = np.array([[0.0, 1.0, 5.0]]), np.array([[0.0, 1.0, -5.0]])
    assert covariance(x, y, np.array([0.5, 0.5, 0.0]))[0] == pytest.approx(0.25)
    assert covariance(x, y, np.array([0.0, 0.5, 0.5]))[0] < 0

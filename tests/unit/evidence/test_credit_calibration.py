import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from synthcredit.evidence.credit_bins import BinnedRows, Columns, Setting
from synthcredit.evidence.credit_calibration import (
    hosmer_lemeshow,
    jeffreys,
    judge_grades,
    judge_probabilities,
    pairs_in_order,
    recalibrate,
)
from synthcredit.evidence.credit_scorecard import Card
from synthcredit.evidence.model import Detail, Figure


def outcomes(rows: int, seed: int, level: float = 0.0, slope: float = 1.0):
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1.5, 1.0, rows)
    return log_odds, rng.random(rows) < expit(level + slope * log_odds)


def test_right_probabilities_have_intercept_0_and_slope_1():
    level, slope = recalibrate(*outcomes(20_000, 0))
    assert abs(level[0]) < 3 * level[1]
    assert abs(slope[0] - 1) < 3 * slope[1]
    assert 0 < level[1] < 0.03


def test_the_slope_agrees_with_scikit_learn():
    log_odds, bad = outcomes(3_000, 1, level=0.5, slope=0.6)
    _, slope = recalibrate(log_odds, bad)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(log_odds[:, None], bad)
    assert slope[0] == pytest.approx(model.coef_[0, 0], abs=1e-4)
    assert slope[0] == pytest.approx(0.6, abs=0.15)


def test_the_intercept_makes_the_mean_probability_right():
    log_odds, bad = outcomes(3_000, 2, level=0.7)
    level, _ = recalibrate(log_odds, bad)
    assert expit(log_odds + level[0]).mean() == pytest.approx(bad.mean(), abs=1e-8)
    # Of equal log odds the error is 1 / sqrt(n p (1 - p)).
    even, _ = recalibrate(np.zeros(400), np.arange(400) < 100)
    assert even == pytest.approx((np.log(1 / 3), 1 / np.sqrt(400 * 0.25 * 0.75)), abs=1e-6)


def test_no_estimate_where_there_is_none():
    assert recalibrate(np.zeros(50), np.arange(50) < 10)[1] is None
    # Outcomes that the score separates have no slope, and those of one class no level.
    log_odds = np.linspace(-2, 2, 60)
    assert recalibrate(log_odds, log_odds > 0)[1] is None
    assert recalibrate(log_odds, np.zeros(60, dtype=bool)) == (None, None)


def test_the_brier_loss_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    rows = BinnedRows({"a": rng.integers(0, 2, 500)}, rng.random(500) < 0.3)
    columns = Columns({"a": 2}, {"a": ("0", "1")}, {"a": np.full(2, 0.5)})
    cards = {
        "real": Card({"a": np.array([0.5, -0.5])}, 1.0),
        "synthetic": Card({"a": np.array([-2.0, 2.0])}, 1.0),
    }
    weights = np.vstack([np.ones(500), rng.multinomial(500, np.full(500, 1 / 500), size=50)])
    judged = judge_probabilities(Setting(rows, rows, rows, columns, {}), cards, weights, 500, [])
    made, real = (brier_score_loss(rows.bad, expit(-cards[name].score(rows.states))) for name in ("synthetic", "real"))
    assert judged[Figure.BRIER_LOSS].value == pytest.approx(made - real, abs=1e-12)


def test_hosmer_lemeshow_by_hand():
    probability = np.repeat([0.1, 0.4], 50)
    bad = np.concatenate([np.arange(50) < 8, np.arange(50) < 20])
    # (8 - 5)^2 / (50 .1 .9) = 2; the other band is right; chi-squared with 2 degrees: exp(-1).
    assert hosmer_lemeshow(probability, bad) == pytest.approx((2.0, np.exp(-1)), abs=1e-9)


def test_jeffreys_by_hand():
    assert jeffreys(0.5, 5, 10) == pytest.approx(0.5)
    # No default among one applicant: density of Beta(1/2, 3/2), F(x) = 2/pi (asin sqrt x + sqrt(x (1 - x))).
    assert jeffreys(0.2, 0, 1) == pytest.approx(2 / np.pi * (np.arcsin(np.sqrt(0.2)) + np.sqrt(0.2 * 0.8)))
    assert jeffreys(0.02, 20, 100) < 1e-6
    assert jeffreys(0.4, 20, 100) > 0.999


def test_pairs_in_order_by_hand():
    counts = np.array([[[6.0, 4], [8, 2], [7, 3]], [[5, 5], [5, 5], [9, 1]]])
    assert pairs_in_order(counts).tolist() == pytest.approx([2 / 3, 2.5 / 3])
    assert np.isnan(pairs_in_order(counts[:, :1])).all()


def test_a_grade_of_few_applicants_is_not_told():
    columns = Columns({"a": 4}, {"a": ("0", "1", "2", "3")}, {"a": np.full(4, 0.25)})
    train = BinnedRows({"a": np.arange(400) % 4}, np.arange(400) % 8 == 0)
    # Of 95 applicants 9 are in the worst grade, 86 in the best two; of these one in ten, and one in 43 default.
    states = np.repeat([0, 2, 3], [9, 43, 43])
    holdout = BinnedRows({"a": states}, np.isin(np.arange(95), [0, 1, 10, 20, 30, 40, 60]))
    card = Card({"a": np.array([-1.0, 0.0, 1.0, 2.0])}, 1.0)
    details: list[Detail] = []
    setting = Setting(train, train, holdout, columns, {})
    judged = judge_grades(setting, {"synthetic": card, "real": card}, np.ones((3, 95)), 400, details)
    assert judged[Figure.GRADE_ORDER].value == 1.0
    grades = details[0].rows
    assert grades[0][1:] == (None,) * 6
    assert grades[1][1] is None
    assert [row[3] for row in grades[2:]] == pytest.approx([4 / 43, 1 / 43])
    assert grades[3][2] == pytest.approx(expit(-3))

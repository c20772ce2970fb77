import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, ks_2samp, spearmanr
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import permutation_importance
from sklearn.metrics import brier_score_loss, mean_squared_error

from synthcredit.datasets.schema import Dtype
from synthcredit.evidence import challengers
from synthcredit.evidence.challengers import Standardised, importance, kendall, ks, measure, spearman, squared_errors
from synthcredit.evidence.model import Figure, Unit
from synthcredit.evidence.sides import Sides
from synthcredit.evidence.utility import Task
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Numeric

LOSSES = (Figure.TSTR_LINEAR_LOSS, Figure.KS_LOSS, Figure.OUT_OF_TIME_LOSS)
AGREEMENTS = (Figure.IMPORTANCE_AGREEMENT, Figure.RANK_AGREEMENT)
ALL = (Figure.TRTS, Figure.TSTR_LINEAR, *LOSSES, *AGREEMENTS)


def sides_of(tables, synthetic, train, holdout, schema) -> Sides:
    return Sides(*(encode(tables.table_of(frame, schema), schema) for frame in (synthetic, train, holdout)))


def measured(tables, synthetic, train, holdout, schema) -> tuple[dict, dict]:
    measures, details = measure(sides_of(tables, synthetic, train, holdout, schema), schema, np.random.default_rng(0))
    return {m.name: m for m in measures}, {d.name: d for d in details}


@pytest.fixture
def quick(monkeypatch):
    """Fewer of everything, where a test is not about the figures."""
    monkeypatch.setattr("synthcredit.evidence.utility._RESAMPLES", 20)
    monkeypatch.setattr("synthcredit.evidence.utility._SMALL_DRAWS", 1)
    monkeypatch.setattr(challengers, "_CUTS", 1)
    monkeypatch.setattr(challengers, "_PERMUTATIONS", 1)
    monkeypatch.setattr(challengers, "MAX_ROWS", 300)


def made(rows: int, seed: int) -> pd.DataFrame:
    """Applicants over time: what they earn, owe and do drives default, and so does a category."""
    rng = np.random.default_rng(seed)
    income, debt = rng.normal(size=(2, rows))
    job = rng.choice(["clerk", "farmer", "smith"], rows)
    logit = 1.5 * debt - income + np.where(job == "smith", 1.0, 0.0) - 1
    return pd.DataFrame(
        {
            "income": np.where(rng.random(rows) < 0.05, np.nan, income),
            "debt": np.exp(debt),
            "age": rng.integers(18, 80, rows),
            "noise": rng.normal(size=rows),
            "job": job,
            "applied": pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
            "default": np.where(rng.random(rows) < 1 / (1 + np.exp(-logit)), "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def loans(tables):
    frame = made(5000, 1)
    return tables.schema_of(frame, "default"), *tables.three_ways(frame)


@pytest.fixture(scope="module")
def german(tables):
    frame = tables.german()
    return tables.schema_of(frame, "creditability"), *tables.three_ways(frame)


# --- formulas --------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), min_size=2, max_size=60))
def test_ks_agrees_with_scipy(rows):
    positive, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    ours = ks(positive, score.astype(float), np.vstack([np.ones(len(rows)), weight]))
    for value, times in zip(ours, (np.ones(len(rows), dtype=int), weight), strict=True):
        groups = [np.repeat(score[side], times[side]) for side in (positive, ~positive)]
        if all(len(group) for group in groups):
            assert value == pytest.approx(ks_2samp(*groups).statistic, abs=1e-9)
        else:
            assert np.isnan(value)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=20))
def test_rank_correlations_agree_with_scipy(rows):
    one, other = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    for ours, theirs in ((spearman, spearmanr), (kendall, kendalltau)):
        value = ours(one[None, :], other[None, :])[0]
        if np.ptp(one) and np.ptp(other):
            assert value == pytest.approx(theirs(one, other).statistic, abs=1e-9)
        else:
            # SciPy has no answer where there is no order; no order is no agreement.
            assert value == 0


def test_squared_errors_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    truth, p = rng.integers(0, 2, 80), rng.random(80)
    ours = squared_errors(Task(np.array([0.0, 1.0]), truth.astype(float), "AUC"), np.column_stack([1 - p, p]))
    assert ours.mean() == pytest.approx(brier_score_loss(truth, p) / truth.var(), abs=1e-9)
    number, guess = rng.random(80), rng.random(80)
    ours = squared_errors(Task(None, number, "R squared"), guess[:, None])
    assert ours.mean() == pytest.approx(mean_squared_error(number, guess) / number.var(), abs=1e-9)
    assert np.isfinite(squared_errors(Task(None, np.ones(5), "R squared"), np.zeros((5, 1)))).all()


class Sum(RegressorMixin, BaseEstimator):
    def fit(self, x, y):
        self.n_features_in_ = x.shape[1]
        return self

    def predict(self, x):
        return 2 * x[:, 0] + x[:, 1]


def test_importance_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    truth = 2 * x[:, 0] + x[:, 1] + rng.normal(size=400)
    holdout = {str(i): Numeric(x[:, i]) for i in range(3)}
    orders = {name: [rng.permutation(400) for _ in range(100)] for name in holdout}

    def model(rows):
        return (2 * rows["0"].values + rows["1"].values)[:, None]

    ours = importance(model, Task(None, truth, "R squared"), holdout, orders).mean(axis=0) * truth.var()
    theirs = permutation_importance(
        Sum().fit(x, truth), x, truth, scoring="neg_mean_squared_error", n_repeats=100, random_state=0
    )
    # 100 permutations each: a standard error of .5 % of the importance.
    assert ours == pytest.approx(theirs.importances_mean, rel=0.03, abs=1e-12)
    # By hand: shuffling a standard normal that counts twice adds 2 * 2 squared to the squared error, and 2 * 1.
    assert ours == pytest.approx([8, 2, 0], rel=0.15, abs=1e-12)


def test_inputs_are_standardised_on_real_training_rows():
    train = {
        "n": Numeric(np.array([1.0, 3.0, np.nan, np.inf])),
        "flat": Numeric(np.full(4, 7.0)),
        "empty": Numeric(np.full(4, np.nan)),
        "d": Discrete(np.array([0, 1, 1, 1], dtype=np.int32), 2),
        "y": Numeric(np.arange(4.0)),
    }
    new = {
        "n": Numeric(np.array([4.0, 1e9, -np.inf])),
        "flat": Numeric(np.array([7.0, 8.0, np.nan])),
        "empty": Numeric(np.array([0.0, np.nan, 9.0])),
        # The last code is a category that the schema does not know.
        "d": Discrete(np.array([1, 0, 2], dtype=np.int32), 2),
    }
    found = Standardised.of(train, "y").matrix(new)
    assert found.tolist() == [
        # d: most frequent, next, unknown; n and missing; flat and missing; empty and missing
        [1, 0, 0, 2, 0, 0, 0, 0, 0],
        [0, 1, 0, 5, 0, 1, 0, 0, 1],
        [0, 0, 1, 0, 1, 0, 1, 5, 0],
    ]


# --- known answers ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh_loans(tables, loans):
    schema, train, holdout, fresh = loans
    return measured(tables, fresh, train, holdout, schema)


@pytest.fixture(scope="module")
def independent_loans(tables, loans):
    schema, train, holdout, fresh = loans
    return measured(tables, tables.independent(fresh, 3), train, holdout, schema)


def test_fresh_rows_are_as_useful_as_real_ones(fresh_loans):
    found, _ = fresh_loans
    assert tuple(found) == (
        Figure.TRTS,
        Figure.KS_LOSS,
        Figure.TSTR_LINEAR,
        Figure.TSTR_LINEAR_LOSS,
        Figure.IMPORTANCE_AGREEMENT,
        Figure.RANK_AGREEMENT,
        Figure.OUT_OF_TIME_LOSS,
    )
    assert set(found) == set(ALL)
    for m in found.values():
        assert m.low <= m.value <= m.high
        assert m.rows
        assert m.why_not is None
    # 1,500 rows a side: the AUC of .82 is sure to .02, a loss on the same rows to less.
    assert found[Figure.TRTS].value == pytest.approx(found[Figure.TRTS].fresh, abs=0.06)
    assert found[Figure.TSTR_LINEAR].value == pytest.approx(found[Figure.TSTR_LINEAR].fresh, abs=0.02)
    for name in LOSSES:
        assert found[name].value == pytest.approx(0, abs=0.05)
        assert found[name].unit is Unit.DIFFERENCE
    # Three of six columns matter; chance orders the others. The order of seven challengers holds but for near ties.
    assert found[Figure.IMPORTANCE_AGREEMENT].value > 0.5
    assert found[Figure.IMPORTANCE_AGREEMENT].fresh > 0.5
    assert found[Figure.RANK_AGREEMENT].value > 0.5
    assert found[Figure.RANK_AGREEMENT].fresh > 0.5


def test_independent_columns_are_of_no_use(fresh_loans, independent_loans):
    fresh, _ = fresh_loans
    found, _ = independent_loans
    # A coin: 1,500 synthetic rows leave .5 plus or minus .03.
    assert found[Figure.TRTS].value == pytest.approx(0.5, abs=0.05)
    assert found[Figure.TRTS].high < fresh[Figure.TRTS].low
    for name in LOSSES:
        assert found[name].low > 0.1
    assert found[Figure.TSTR_LINEAR].high < fresh[Figure.TSTR_LINEAR].low
    for name in AGREEMENTS:
        assert found[name].value < fresh[name].value - 0.3
        assert found[name].value < found[name].fresh - 0.3


def test_a_copy_gives_itself_away_by_trts(tables, german, quick):
    schema, train, holdout, _ = german
    found, _ = measured(tables, train, train, holdout, schema)
    assert found[Figure.TRTS].low > found[Figure.TRTS].fresh + 0.1
    noise = np.random.default_rng(0)
    blurred = train.assign(
        **{
            name: train[name] + np.rint(noise.normal(0, 0.01 * train[name].std(), len(train))).astype(int)
            for name in ("credit.amount", "duration.in.month", "age.in.years")
        }
    )
    found, _ = measured(tables, blurred, train, holdout, schema)
    assert found[Figure.TRTS].low > found[Figure.TRTS].fresh + 0.1
    mixed = pd.concat([train[:80], tables.independent(train, 1)[:320]], ignore_index=True)
    assert measured(tables, mixed, train, holdout, schema)[0][Figure.TRTS].value < found[Figure.TRTS].value


def test_german_credit_fresh_beside_independent(tables, german):
    schema, train, holdout, fresh = german
    good, _ = measured(tables, fresh, train, holdout, schema)
    bad, _ = measured(tables, tables.independent(fresh, 0), train, holdout, schema)
    # 300 holdout rows leave .05 of noise on a loss.
    for name in (Figure.TSTR_LINEAR_LOSS, Figure.KS_LOSS):
        assert good[name].low < 0.05
        assert bad[name].low > 0.05
    for name in (Figure.TRTS, Figure.TSTR_LINEAR, *AGREEMENTS):
        assert bad[name].value < good[name].value - 0.1
    assert good[Figure.OUT_OF_TIME_LOSS].why_not == "the table has no date column"


def test_the_details_say_which_columns_and_challengers(fresh_loans, independent_loans):
    for _, details in (fresh_loans, independent_loans):
        assert list(details) == ["importance_columns", "challengers", "challenger_choice"]
        for detail in details.values():
            assert {len(row) for row in detail.rows} == {len(detail.heading)}
    columns = {row[0]: row[1:] for row in fresh_loans[1]["importance_columns"].rows}
    assert set(columns) == {"income", "debt", "age", "noise", "job", "applied"}
    assert columns["debt"][2] == columns["debt"][3] == 1
    assert abs(columns["noise"][0]) < 0.05 < columns["income"][0]
    gaps = [abs(row[3] - row[4]) for row in independent_loans[1]["importance_columns"].rows]
    assert gaps == sorted(gaps, reverse=True)
    tried = fresh_loans[1]["challengers"].rows
    assert len(tried) >= 6
    assert all(0.6 < score < 0.9 for row in tried for score in row[1:])


def test_regret_is_what_the_choice_loses_to_the_best(fresh_loans, independent_loans):
    for _, details in (fresh_loans, independent_loans):
        on_real = {row[0]: row[1] for row in details["challengers"].rows}
        by = {row[0]: row[1:] for row in details["challenger_choice"].rows}
        assert by["hindsight"][1] == max(on_real.values())
        for name, score, lost in by.values():
            assert score == on_real[name]
            assert lost == pytest.approx(max(on_real.values()) - score, abs=1e-12)
    # Real rows choose well here: the linear model is the true one.
    assert by["cross-validation on real rows"][2] < 0.02
    cross_validated = {row[0]: row[4] for row in details["challengers"].rows}
    assert by["cross-validation on synthetic rows"][0] == max(cross_validated, key=cross_validated.get)


def test_the_same_seed_gives_the_same_figures(tables, german, quick):
    schema, train, holdout, fresh = german
    sides = sides_of(tables, fresh, train, holdout, schema)
    first, second = (measure(sides, schema, np.random.default_rng(5)) for _ in range(2))
    assert first == second


# --- odd input -------------------------------------------------------------------------------------------------------


def test_one_synthetic_class_teaches_nothing(tables, loans, quick):
    schema, train, holdout, fresh = loans
    found, details = measured(tables, fresh.assign(default="yes"), train, holdout, schema)
    assert found[Figure.TSTR_LINEAR].value == 0.5
    assert found[Figure.RANK_AGREEMENT].value == 0
    assert found[Figure.IMPORTANCE_AGREEMENT].value == 0
    assert found[Figure.KS_LOSS].low > 0.1
    assert "fewer than two classes" in found[Figure.TRTS].why_not
    assert details["challenger_choice"].rows[0] == ("cross-validation on synthetic rows", None, None, None)
    assert {row[4] for row in details["challengers"].rows} == {None}


def test_a_number_is_predicted_too(tables, quick):
    frame = made(900, 2).drop(columns="default")
    frame["amount"] = 3 * frame["debt"] + np.random.default_rng(0).normal(size=len(frame))
    schema = tables.schema_of(frame, "amount")
    train, holdout, fresh = tables.three_ways(frame)
    found, details = measured(tables, fresh, train, holdout, schema)
    assert found[Figure.TSTR_LINEAR].value > 0.6
    assert "R squared" in found[Figure.TSTR_LINEAR].reading
    assert found[Figure.TRTS].value > 0.6
    assert found[Figure.KS_LOSS].why_not == "the target has not two outcomes"
    assert found[Figure.RANK_AGREEMENT].value is not None
    assert found[Figure.OUT_OF_TIME_LOSS].value == pytest.approx(0, abs=0.2)
    assert "R squared" in details["challengers"].heading[1]
    constant = measured(tables, fresh.assign(amount=1.0), train, holdout, schema)[0]
    assert "one value only" in constant[Figure.TRTS].why_not
    assert constant[Figure.TSTR_LINEAR].value < 0.1


def test_several_classes_are_predicted_too(tables, quick):
    frame = made(900, 3).drop(columns="default")
    frame["grade"] = pd.cut(frame["debt"], [0, 0.6, 1.5, 1e9], labels=["a", "b", "c"]).astype(object)
    schema = tables.schema_of(frame, "grade")
    train, holdout, fresh = tables.three_ways(frame)
    found, _ = measured(tables, fresh, train, holdout, schema)
    assert found[Figure.TSTR_LINEAR].value > 0.7
    assert found[Figure.KS_LOSS].value is None
    lacking, details = measured(tables, fresh[fresh["grade"] != "b"], train, holdout, schema)
    assert lacking[Figure.TRTS].value is not None
    assert lacking[Figure.TSTR_LINEAR].value < found[Figure.TSTR_LINEAR].value
    assert details["challenger_choice"].rows[0][1:] == (None, None, None)


def test_out_of_time_uses_the_earlier_rows_for_the_later(tables, loans, quick):
    schema, train, holdout, fresh = loans
    name = Figure.OUT_OF_TIME_LOSS
    # Two synthetic tables with the same rows but one: what happens after the cut must not matter, before it must.
    late = fresh["applied"] >= train["applied"].quantile(0.75)
    early = fresh["applied"] < train["applied"].quantile(0.65)
    mixed = fresh["default"].to_numpy()[np.random.default_rng(0).permutation(len(fresh))]
    good, after, before = (
        measured(tables, fresh.assign(default=default), train, holdout, schema)[0][name]
        for default in (fresh["default"], fresh["default"].where(~late, mixed), fresh["default"].where(~early, mixed))
    )
    assert (good.value, good.low, good.high) == (after.value, after.low, after.high)
    assert before.value > good.value + 0.1
    assert "'applied'" in good.reading


def test_out_of_time_says_why_not(tables, loans, quick):
    schema, train, holdout, fresh = loans
    name = Figure.OUT_OF_TIME_LOSS

    def why(synthetic, real):
        return measured(tables, synthetic, real, holdout, schema)[0][name].why_not

    assert "0 synthetic rows" in why(fresh.assign(applied=fresh["applied"].max()), train)
    assert why(fresh, train.assign(applied=pd.NaT)) == "'applied' has no value in the training rows"


def test_a_time_of_day_is_no_date(tables, loans, quick):
    schema, train, holdout, fresh = loans
    column = schema["applied"].model_copy(update={"dtype": Dtype.TIME})
    timed = schema.model_copy(update={"columns": tuple(column if c.name == "applied" else c for c in schema.columns)})
    sides = sides_of(tables, fresh, train, holdout, schema)
    measures, _ = measure(sides, timed, np.random.default_rng(0))
    assert measures[-1].why_not == "the table has no date column"


def test_too_few_columns_have_no_order(tables, loans, quick):
    _, train, holdout, fresh = loans
    kept = ["income", "debt", "default"]
    small = tables.schema_of(pd.concat([train, holdout, fresh])[kept], "default")
    found, details = measured(tables, *(frame[kept] for frame in (fresh, train, holdout)), small)
    assert "3 columns" in found[Figure.IMPORTANCE_AGREEMENT].why_not
    assert list(details) == ["challengers", "challenger_choice"]
    assert found[Figure.RANK_AGREEMENT].value is not None


def test_models_that_find_nothing_have_no_important_columns(tables, german, quick):
    schema, train, holdout, fresh = german
    # Halves of 30 rows: boosting makes no leaf of fewer than 20.
    found, _ = measured(tables, fresh[:60], train[:60], holdout, schema)
    assert "make nothing of any column" in found[Figure.IMPORTANCE_AGREEMENT].why_not
    assert found[Figure.TSTR_LINEAR].value is not None


def test_odd_columns_do_no_harm(tables, loans, quick):
    _, train, holdout, fresh = loans
    rng = np.random.default_rng(0)
    many = [f"k{i}" for i in range(300)]
    frames = [frame.assign(flat=1.0, empty=0.5, many=rng.choice(many, len(frame))) for frame in (fresh, train, holdout)]
    schema = tables.schema_of(pd.concat(frames), "default")

    def odd(side):
        wild = np.where(rng.random(len(side["debt"].values)) < 0.1, np.inf, side["debt"].values * 1e200)
        unknown = np.where(rng.random(len(wild)) < 0.1, 3, side["job"].codes).astype(np.int32)
        return {
            **side,
            "debt": Numeric(wild),
            "job": Discrete(unknown, side["job"].size),
            "empty": Numeric(np.full(len(wild), np.nan)),
        }

    sides = sides_of(tables, *frames, schema)
    measures, _ = measure(Sides(odd(sides.synthetic), odd(sides.train), odd(sides.holdout)), schema, rng)
    assert {m.name for m in measures} == set(ALL)
    assert all(np.isfinite([m.value, m.low, m.high]).all() for m in measures)


def test_scores_that_overflow_are_not_judged(tables, quick):
    frame = made(600, 4).drop(columns=["default", "applied"])
    schema = tables.schema_of(frame, "debt")
    sides = sides_of(tables, *tables.three_ways(frame), schema)

    def large(side):
        return {**side, "debt": Numeric(side["debt"].values * 1e200)}

    measures, details = measure(
        Sides(large(sides.synthetic), large(sides.train), large(sides.holdout)), schema, np.random.default_rng(0)
    )
    found = {m.name: m for m in measures}
    assert found[Figure.TSTR_LINEAR].value is None
    assert "not finite" in found[Figure.TSTR_LINEAR].why_not
    assert found[Figure.RANK_AGREEMENT].value is None
    assert "challengers" not in {detail.name for detail in details}


def test_a_rare_class_is_not_lost_by_sampling(tables, loans, quick, monkeypatch):
    monkeypatch.setattr(challengers, "MAX_RANKED_ROWS", 60)
    schema, train, holdout, fresh = loans
    rare = holdout.sort_values("default", ascending=False).iloc[np.r_[0:10, -290:0]]
    found, _ = measured(tables, fresh, train, rare, schema)
    # Of the 300 holdout rows 10 defaulted; of the 60 that challengers are ranked on, 2.
    assert found[Figure.RANK_AGREEMENT].value is not None


def test_what_cannot_be_judged_says_why(tables, german):
    schema, train, holdout, fresh = german

    def why(*frames, schema=schema):
        found, details = measured(tables, *frames, schema)
        assert set(found) == set(ALL)
        assert not details
        assert {m.value for m in found.values()} == {None}
        (reason,) = {m.why_not for m in found.values()}
        return reason

    assert "no target" in why(fresh, train, holdout, schema=schema.with_target(None))
    assert "30 synthetic rows" in why(fresh[:30], train, holdout)
    assert "one value" in why(*(frame.assign(creditability="good") for frame in (fresh, train, holdout)))

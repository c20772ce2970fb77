import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from synthcredit.evidence.model import Figure
from synthcredit.evidence.sides import Sides
from synthcredit.evidence.utility import auc, measure, r_squared
from synthcredit.synthesizers.codec import encode


def measured(tables, synthetic, train, holdout, schema) -> dict:
    sides = Sides(*(encode(tables.table_of(frame, schema), schema) for frame in (synthetic, train, holdout)))
    return {m.name: m for m in measure(sides, schema, np.random.default_rng(0))}


@pytest.fixture(scope="module")
def german(tables):
    frame = tables.german()
    return tables.schema_of(frame, "creditability"), *tables.three_ways(frame)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=60), st.randoms())
def test_auc_agrees_with_scikit_learn(rows: list[tuple[bool, int]], random):
    positive, score = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    weights = np.array([[1.0] * len(rows), [random.randint(0, 3) for _ in rows]])
    ours = auc(positive, score, weights)
    for value, weight in zip(ours, weights, strict=True):
        if weight[positive].sum() and weight[~positive].sum():
            assert value == pytest.approx(roc_auc_score(positive, score, sample_weight=weight), abs=1e-9)
        else:
            assert np.isnan(value)


def test_r_squared_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    truth, predicted, weight = rng.random(50), rng.random(50), rng.integers(0, 3, 50).astype(float)
    ours = r_squared(truth, predicted, np.vstack([np.ones(50), weight]))
    assert ours.tolist() == pytest.approx(
        [r2_score(truth, predicted), r2_score(truth, predicted, sample_weight=weight)], abs=1e-9
    )
    assert np.isnan(r_squared(np.ones(3), np.ones(3), np.ones((1, 3))))[0]


def test_fresh_rows_lose_nothing(tables, german):
    schema, train, holdout, fresh = german
    found = measured(tables, fresh, train, holdout, schema)
    loss = found[Figure.TSTR_LOSS]
    assert loss.value == pytest.approx(found[Figure.TRTR].value - found[Figure.TSTR].value, abs=1e-9)
    assert loss.low < 0.05
    assert loss.low <= loss.value <= loss.high
    assert 0.65 < found[Figure.TRTR].value < 0.85
    assert found[Figure.TSTR].rows == 240


def test_random_labels_give_a_coin(tables, german):
    schema, train, holdout, fresh = german
    fresh = fresh.assign(creditability=np.random.default_rng(0).permutation(fresh["creditability"]))
    found = measured(tables, fresh, train, holdout, schema)
    # 300 holdout rows and 300 random labels: .5 plus or minus .08 over seeds.
    assert found[Figure.TSTR].value == pytest.approx(0.5, abs=0.12)
    assert found[Figure.TSTR_LOSS].low > 0.05


def test_one_synthetic_class_is_a_coin_exactly(tables, german):
    schema, train, holdout, fresh = german
    found = measured(tables, fresh.assign(creditability="good"), train, holdout, schema)
    assert found[Figure.TSTR].value == 0.5
    assert found[Figure.TSTR_LOSS].low > 0.05


def made(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.random(rows)
    many = np.array([f"k{i}" for i in range(300)])
    return pd.DataFrame(
        {
            "x": np.where(rng.random(rows) < 0.05, np.nan, x),
            "many": rng.choice(many, rows),
            "amount": 3 * x + rng.normal(0, 0.2, rows),
            "grade": np.where(x < 0.3, "low", np.where(x < 0.7, "mid", "high")),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
        }
    )


def test_a_number_is_scored_by_r_squared(tables):
    frames = [made(400, i) for i in range(3)]
    found = measured(tables, *frames, tables.schema_of(pd.concat(frames), "amount"))
    assert found[Figure.TRTR].value > 0.7
    assert "R squared" in found[Figure.TRTR].reading
    assert found[Figure.TSTR_LOSS].value == pytest.approx(0, abs=0.1)


def test_several_classes_are_scored_one_against_the_rest(tables):
    frames = [made(400, i) for i in range(3)]
    found = measured(tables, *frames, tables.schema_of(pd.concat(frames), "grade"))
    assert found[Figure.TRTR].value > 0.9
    assert "one class against the rest" in found[Figure.TRTR].reading
    # A class that synthetic rows do not have costs a third of the distance to a coin.
    lacking = frames[0][frames[0]["grade"] != "mid"]
    worse = measured(tables, lacking, frames[1], frames[2], tables.schema_of(pd.concat(frames), "grade"))
    assert worse[Figure.TSTR].value < found[Figure.TSTR].value - 0.1


def test_large_sides_are_learned_once_whole(tables):
    frames = [made(5200, i)[["x", "grade"]] for i in range(3)]
    found = measured(tables, *frames, tables.schema_of(pd.concat(frames), "grade"))
    assert found[Figure.TSTR].rows == 5200


def why(found: dict) -> str:
    assert {m.value for m in found.values()} == {None}
    (reason,) = {m.why_not for m in found.values()}
    return reason


def test_what_cannot_be_judged_says_why(tables, german):
    schema, train, holdout, fresh = german
    assert "no target" in why(measured(tables, fresh, train, holdout, schema.with_target(None)))
    assert "30 holdout rows" in why(measured(tables, fresh, train, holdout[:30], schema))
    good = [frame.assign(creditability="good") for frame in (fresh, train, holdout)]
    assert "one value" in why(measured(tables, *good, schema))
    rare = holdout.assign(creditability=["bad"] * 5 + ["good"] * (len(holdout) - 5))
    assert "10 holdout rows" in why(measured(tables, fresh, train, rare, schema))


def test_targets_that_cannot_be_predicted_say_why(tables):
    frames = [made(200, i) for i in range(3)]
    everything = pd.concat(frames)
    assert "datetime" in why(measured(tables, *frames, tables.schema_of(everything, "when")))
    assert "more than 20 classes" in why(measured(tables, *frames, tables.schema_of(everything, "many")))
    alone = [frame[["grade"]] for frame in frames]
    assert "no other column" in why(measured(tables, *alone, tables.schema_of(everything[["grade"]], "grade")))
    empty = [frame.assign(amount=np.nan) for frame in frames]
    assert "known target" in why(measured(tables, *empty, tables.schema_of(everything, "amount")))


def test_rows_without_a_target_are_left_out(tables):
    frames = [made(200, i) for i in range(3)]
    frames[0].loc[:99, "grade"] = None
    found = measured(tables, *frames, tables.schema_of(pd.concat(frames), "grade"))
    assert found[Figure.TSTR].rows == 80


def test_columns_without_a_value_do_no_harm(tables):
    frames = [made(200, i).assign(empty=0.5) for i in range(3)]
    schema = tables.schema_of(pd.concat(frames).assign(empty=[0.1 * i for i in range(600)]), "grade")
    for sides in ({0}, {1}, {2}, {0, 1, 2}):
        lacking = [frame.assign(empty=np.nan) if i in sides else frame for i, frame in enumerate(frames)]
        assert measured(tables, *lacking, schema)[Figure.TSTR].value > 0.9

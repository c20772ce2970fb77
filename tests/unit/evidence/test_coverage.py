from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdmetrics.column_pairs import ContingencySimilarity
from sdmetrics.single_column import TVComplement

from synthcredit.evidence import coverage
from synthcredit.evidence.aggregates import MIN_CELL
from synthcredit.evidence.coverage import coordinates, measure
from synthcredit.evidence.model import Figure
from synthcredit.evidence.sides import Sides, fit_bins
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Numeric, rows_of, take

FIGURES = {
    Figure.ALPHA_PRECISION, Figure.BETA_RECALL, Figure.MISSING_PATTERNS, Figure.TAILS, Figure.TOP_DECILE,
    Figure.DEFAULTERS_SHAPES, Figure.DEFAULTERS_TRENDS, Figure.SEGMENT_SHAPES,
}  # fmt: skip


@pytest.fixture(scope="module")
def german(tables):
    frame = tables.german()
    return tables.schema_of(frame, "creditability"), *tables.three_ways(frame)


def sides_of(tables, synthetic, train, holdout, schema) -> Sides:
    return Sides(*(encode(tables.table_of(frame, schema), schema) for frame in (synthetic, train, holdout)))


def measured(sides, schema):
    measures, details = measure(sides, schema, np.random.default_rng(0))
    assert {m.name for m in measures} == FIGURES
    for m in measures:
        assert (m.value is None) == (m.why_not is not None)
        assert m.value is None or m.low <= m.value <= m.high
    return {m.name: m for m in measures}, {d.name: d for d in details}


def of(tables, synthetic, train, holdout, target=None):
    schema = tables.schema_of(pd.concat([synthetic, train, holdout]), target)
    return measured(sides_of(tables, synthetic, train, holdout, schema), schema)


def made(rows, seed):
    """Dependent columns with a long tail, values that are missing together, a region and a rare outcome."""
    rng = np.random.default_rng(seed)
    region = rng.choice(["north", "south", "west"], rows, p=[0.5, 0.3, 0.2])
    amount = (rng.lognormal(8, 0.8, rows) * np.where(region == "west", 2, 1)).round()
    income = (amount * rng.lognormal(1, 0.3, rows)).round()
    unknown = rng.random(rows) < 0.2
    bad = rng.random(rows) < np.where(region == "south", 0.4, 0.1)
    return pd.DataFrame({
        "region": region,
        "amount": amount,
        "income": np.where(unknown, np.nan, income),
        "job": np.where(unknown, None, np.where(income > 9000, "engineer", "clerk")),
        "bad": np.where(bad, "yes", "no"),
    })  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return made(1300, 1), made(1300, 2), made(1300, 3)


# --- the table as a whole --------------------------------------------------------------------------------------------


def test_fresh_rows_look_like_fresh(tables, world):
    train, holdout, fresh = world
    found, details = of(tables, fresh, train, holdout, "bad")
    for name in (
        Figure.ALPHA_PRECISION, Figure.BETA_RECALL, Figure.MISSING_PATTERNS, Figure.DEFAULTERS_SHAPES,
        Figure.DEFAULTERS_TRENDS,
    ):  # fmt: skip
        assert found[name].value == pytest.approx(found[name].fresh, abs=0.04)
    # The worst of six, for its bound.
    assert found[Figure.SEGMENT_SHAPES].high > found[Figure.SEGMENT_SHAPES].fresh - 0.02
    assert found[Figure.TAILS].value == pytest.approx(found[Figure.TAILS].fresh, abs=0.15)
    assert found[Figure.TOP_DECILE].low < 0 < found[Figure.TOP_DECILE].high
    assert set(details) == {"missing_shares", "tail_errors", "segment_shapes"}


def test_independent_columns_look_bad(tables, world):
    train, holdout, _ = world
    found, _ = of(tables, tables.independent(train, 4), train, holdout, "bad")
    for name in (
        Figure.BETA_RECALL, Figure.MISSING_PATTERNS, Figure.DEFAULTERS_SHAPES, Figure.DEFAULTERS_TRENDS,
        Figure.SEGMENT_SHAPES,
    ):  # fmt: skip
        assert found[name].high < found[name].fresh, name


def test_german_credit(tables, german):
    schema, train, holdout, fresh = german
    good, _ = measured(sides_of(tables, fresh, train, holdout, schema), schema)
    bad, _ = measured(sides_of(tables, tables.independent(train, 4), train, holdout, schema), schema)
    assert good[Figure.BETA_RECALL].value == pytest.approx(good[Figure.BETA_RECALL].fresh, abs=0.1)
    assert good[Figure.MISSING_PATTERNS].value == 1
    assert "No value is missing" in good[Figure.MISSING_PATTERNS].reading
    assert "1,000 values" in good[Figure.TAILS].why_not
    assert "'credit.amount'" in good[Figure.TOP_DECILE].reading
    for name in (Figure.BETA_RECALL, Figure.DEFAULTERS_SHAPES, Figure.DEFAULTERS_TRENDS):
        assert bad[name].value < good[name].value
    assert bad[Figure.BETA_RECALL].high < bad[Figure.BETA_RECALL].fresh


def test_the_same_input_gives_the_same_figures(tables, german):
    schema, train, holdout, fresh = german
    sides = sides_of(tables, fresh, train, holdout, schema)
    assert measured(sides, schema) == measured(sides, schema)


# --- alpha-precision and beta-recall ---------------------------------------------------------------------------------


def reference(real, synthetic):
    """The published formulas, level by level, with distances in full (as synthcity writes them)."""
    alphas = np.linspace(0, 1, 30)
    real, synthetic = real.astype(np.float64), synthetic.astype(np.float64)
    between = np.linalg.norm(real[:, None] - synthetic[None], axis=2)
    own = np.linalg.norm(real[:, None] - real[None], axis=2) + np.diag(np.full(len(real), np.inf))
    centre, synthetic_centre = real.mean(axis=0), synthetic.mean(axis=0)
    radii = np.quantile(np.linalg.norm(real - centre, axis=1), alphas)
    precision = [np.mean(np.linalg.norm(synthetic - centre, axis=1) <= radius) for radius in radii]
    from_centre = np.linalg.norm(synthetic[between.argmin(axis=1)] - synthetic_centre, axis=1)
    covered = between.min(axis=1) <= own.min(axis=1)
    recall = [np.mean(covered & (from_centre <= radius)) for radius in np.quantile(from_centre, alphas)]
    return [1 - np.abs(alphas - curve).sum() / alphas.sum() for curve in (precision, recall)]


def test_precision_and_recall_are_those_of_the_paper(tables, german):
    schema, train, holdout, _ = german
    train, synthetic = train[:300], tables.blurred(train, 3, 300)
    sides = sides_of(tables, synthetic, train, holdout, schema)
    found, _ = measured(sides, schema)
    points = [coordinates(side, sides, fit_bins(sides.train)) for side in (sides.holdout, sides.synthetic)]
    alpha, beta = reference(*points)
    # Points are 32-bit numbers: one row in a few hundred may fall on the other side of a radius.
    assert found[Figure.ALPHA_PRECISION].value == pytest.approx(alpha, abs=0.005)
    assert found[Figure.BETA_RECALL].value == pytest.approx(beta, abs=0.005)


def test_beta_recall_equals_the_protocol_of_the_benchmarks(tables, german, protocol):
    schema, train, holdout, _ = german
    train, synthetic = train[:300], tables.blurred(train, 3, 300)
    sides = sides_of(tables, synthetic, train, holdout, schema)
    found, _ = measured(sides, schema)
    real, rows, fresh = (
        protocol.coordinates(sides.train, sides.holdout, side) for side in (sides.holdout, sides.synthetic, sides.train)
    )
    assert found[Figure.BETA_RECALL].value == pytest.approx(protocol.beta_recall(real, rows), abs=0.005)
    assert found[Figure.BETA_RECALL].fresh == pytest.approx(protocol.beta_recall(real, fresh), abs=0.005)


def test_rows_of_one_kind_only_lack_recall_and_odd_rows_lack_precision(tables):
    rng = np.random.default_rng(5)
    train, holdout = (pd.DataFrame(rng.normal(size=(1000, 3)), columns=list("xyz")) for _ in range(2))
    middle, odd = (pd.DataFrame(rng.normal(size=(1000, 3)) * scale, columns=list("xyz")) for scale in (0.3, 10))
    good, few, far = (of(tables, side, train, holdout)[0] for side in (holdout, middle, odd))
    assert good[Figure.ALPHA_PRECISION].value == pytest.approx(1, abs=0.01)
    assert few[Figure.BETA_RECALL].value < good[Figure.BETA_RECALL].fresh - 0.1
    assert few[Figure.ALPHA_PRECISION].value < 0.6
    assert far[Figure.ALPHA_PRECISION].value < 0.6


def test_repeated_rows_are_covered(tables):
    # Every row is there many times: the distance to the nearest other row is exactly 0 on both sides.
    kinds = pd.DataFrame({"x": [1.5, 0.1, 7.3, 2.2] * 50, "k": ["a", "b", "c", "c"] * 50})
    train, holdout, synthetic = (kinds.sample(frac=1, random_state=seed) for seed in range(3))
    sides_schema = tables.schema_of(kinds)
    sides = sides_of(tables, synthetic, train, holdout, sides_schema)
    points = coordinates(sides.holdout, sides, fit_bins(sides.train))
    own, _ = coverage._nearest(points, points, 2)
    assert (own == 0).all()
    found, _ = measured(sides, sides_schema)
    assert found[Figure.BETA_RECALL].value == found[Figure.BETA_RECALL].fresh


# --- missing values --------------------------------------------------------------------------------------------------


def test_missing_patterns_are_compared_jointly(tables):
    train = holdout = pd.DataFrame({"x": [1.5, np.nan] * 100, "y": ["a", None] * 100, "z": [0.5, 0.7] * 100})
    # The same shares by column, but never both: no row of it has a real pattern.
    apart = train.assign(y=[None, "a"] * 100)
    half = pd.concat([train[:100], apart[100:]])
    for synthetic, expected in ((train, 1.0), (half, 0.5), (apart, 0.0)):
        found, details = of(tables, synthetic, train, holdout)
        assert found[Figure.MISSING_PATTERNS].value == pytest.approx(expected)
        assert found[Figure.MISSING_PATTERNS].fresh == pytest.approx(1)
        assert details["missing_shares"].rows == (("x", 0.5, 0.5, 0.5), ("y", 0.5, 0.5, 0.5))


def test_a_few_missing_real_values_are_not_told(tables):
    values = np.arange(200.0)
    few, many = (np.where(values < count, np.nan, values) for count in (MIN_CELL - 1, MIN_CELL))
    nearly_all = np.where(values < MIN_CELL - 1, values, np.nan)
    frame = pd.DataFrame({"few": few, "many": many, "rest": nearly_all})
    _, details = of(tables, frame.fillna(1.0), frame, frame)
    shown = {row[0]: row[1:] for row in details["missing_shares"].rows}
    assert shown == {"few": (0.0, None, None), "many": (0.0, 0.05, 0.05), "rest": (0.0, None, None)}


def test_categories_that_the_schema_does_not_know_are_missing(tables):
    real = pd.DataFrame({"k": ["a", "b"] * 100, "x": np.arange(200.0)})
    schema = tables.schema_of(real)
    sides = sides_of(tables, real.assign(k=["a", "c"] * 100), real, real, schema)
    found, _ = measured(sides, schema)
    assert found[Figure.MISSING_PATTERNS].value == pytest.approx(0.5)


# --- tails and exposure ----------------------------------------------------------------------------------------------


def test_tails_are_relative_to_the_distance_from_the_median(tables):
    # 1 to 10,000: the median is 5,000, the 99th percentile 9,900, the 99.9th 9,990.
    real = pd.DataFrame({"x": np.arange(1, 10_001.0), "y": np.arange(1, 10_001.0)[::-1] + 0.5})
    synthetic = real.assign(x=np.where(real["x"] > 9_895, real["x"] + 490, real["x"]))
    found, details = of(tables, synthetic, real, real)
    errors = [490 / 4_900, 490 / 4_990]
    assert found[Figure.TAILS].value == pytest.approx(np.mean([*errors, 0, 0]))
    assert found[Figure.TAILS].fresh == 0
    assert details["tail_errors"].rows[0] == ("x", pytest.approx(errors[0]), pytest.approx(errors[1]), 0, 0)
    assert details["tail_errors"].rows[1] == ("y", 0, 0, 0, 0)
    # Neither unit nor zero point matters.
    moved = [frame * 7 - 40_000 for frame in (synthetic, real, real)]
    assert of(tables, *moved)[0][Figure.TAILS].value == pytest.approx(found[Figure.TAILS].value)


def test_a_percentile_counts_where_enough_rows_lie_beyond(tables):
    real = pd.DataFrame({"x": np.arange(1000.0), "y": np.where(np.arange(1000) < 1, np.nan, np.arange(1000.0))})
    found, details = of(tables, real, real, real)
    assert [row[0] for row in details["tail_errors"].rows] == ["x"]
    assert details["tail_errors"].rows[0] == ("x", 0, None, 0, None)
    assert found[Figure.TAILS].value == 0


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9))
def test_tail_errors_are_signed_and_bounded(other, true, scale):
    error = coverage._relative(other, true, scale)
    assert -1 <= error <= 1
    assert np.sign(error) == np.sign(other - true) or error == 0
    assert coverage._relative(true, true, scale) == 0


def test_a_tail_that_is_missing_or_infinite_is_off_entirely():
    assert coverage._relative(5.0, 0.0, 0.0) == 1
    assert coverage._relative(np.inf, 7.0, 1.0) == 1
    assert coverage._relative(-np.inf, np.inf, np.inf) == -1


def test_the_share_of_the_top_decile(tables):
    # 100 of 1,000 rows hold 9,100 of 10,000 in real, 100 of 1,000 in synthetic rows.
    real = pd.DataFrame({"amount": np.r_[np.full(100, 91.0), np.ones(900)], "n": np.r_[np.arange(1000.0) / 1e4]})
    flat = real.assign(amount=10.0)
    found = of(tables, flat, real, real)[0][Figure.TOP_DECILE]
    assert found.value == pytest.approx(0.1 - 0.91)
    assert found.fresh == 0
    assert "'amount'" in found.reading
    assert "10.0%" in found.reading
    assert "91.0%" in found.reading


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ([{"k": ["a", "b"] * 60}] * 3, "no numeric column has a total above 0"),
        ([{"x": -np.arange(1, 121.0)}] * 3, "no numeric column has a total above 0"),
        ([{"x": np.arange(1, 91.0)}] * 3, "only 90 values"),
        ([{"x": -np.arange(1, 121.0)}, *[{"x": np.arange(1, 121.0)}] * 2], "no amount above 0"),
    ],
)
def test_no_exposure_to_judge(tables, frames, why):
    found, _ = of(tables, *(pd.DataFrame(frame) for frame in frames))
    assert why in found[Figure.TOP_DECILE].why_not


# --- defaulters ------------------------------------------------------------------------------------------------------


def test_shapes_and_trends_of_categories_equal_sdmetrics_within_the_rarer_class(tables):
    rng = np.random.default_rng(3)
    outcomes = ["no"] * 280 + ["yes"] * 120
    sides = [
        pd.DataFrame({name: rng.choice(list("abcd"), 400, p=p) for name in "xyz"} | {"bad": outcomes})
        for p in ([0.25] * 4, [0.4, 0.3, 0.2, 0.1], [0.3, 0.3, 0.2, 0.2])
    ]
    found, _ = of(tables, *sides, "bad")
    synthetic, train, holdout = (side[side["bad"] == "yes"] for side in sides)
    shapes = [TVComplement.compute(holdout[name], synthetic[name]) for name in "xyz"]
    trends = [ContingencySimilarity.compute(holdout[[*p]], synthetic[[*p]]) for p in combinations("xyz", 2)]
    fresh = [TVComplement.compute(holdout[name], train[name]) for name in "xyz"]
    assert found[Figure.DEFAULTERS_SHAPES].value == pytest.approx(np.mean(shapes), abs=1e-9)
    assert found[Figure.DEFAULTERS_SHAPES].fresh == pytest.approx(np.mean(fresh), abs=1e-9)
    assert found[Figure.DEFAULTERS_TRENDS].value == pytest.approx(np.mean(trends), abs=1e-9)
    assert found[Figure.DEFAULTERS_SHAPES].rows == 120


def test_what_is_wrong_among_defaulters_only_is_seen_there(tables, world):
    train, holdout, fresh = world
    wrong = fresh.copy()
    wrong.loc[wrong["bad"] == "yes", "amount"] /= 3
    (good, _), (bad, _) = (of(tables, side, train, holdout, "bad") for side in (fresh, wrong))
    assert bad[Figure.DEFAULTERS_SHAPES].high < good[Figure.DEFAULTERS_SHAPES].low
    assert bad[Figure.DEFAULTERS_TRENDS].high < good[Figure.DEFAULTERS_TRENDS].low


def test_a_numeric_target_of_two_values_has_defaulters_too(tables):
    frame = pd.DataFrame({"bad": [0, 1, 0, 0] * 100, "x": np.arange(400.0), "y": np.arange(400.0) % 7})
    schema = tables.schema_of(frame, "bad")
    numeric = tables.column_of("bad", frame["bad"], few=1)
    schema = schema.model_copy(update={"columns": (numeric, *schema.columns[1:])})
    found, _ = measured(sides_of(tables, frame, frame, frame, schema), schema)
    assert found[Figure.DEFAULTERS_SHAPES].value == 1
    assert found[Figure.DEFAULTERS_SHAPES].rows == 100


@pytest.mark.parametrize(
    ("target", "values", "why"),
    [
        (None, ["no", "yes"], "no target"),
        ("bad", ["no", "no"], "exactly two values"),
        ("bad", ["no", "yes", "late"], "exactly two values"),
        ("bad", ["no"] * 9 + ["yes"], "only 30 rows of the rarer class"),
    ],
)
def test_no_defaulters_to_judge(tables, target, values, why):
    frame = pd.DataFrame({"bad": (values * 300)[:300], "x": np.arange(300.0), "y": np.arange(300.0)})
    found, _ = of(tables, frame, frame, frame, target)
    assert why in found[Figure.DEFAULTERS_SHAPES].why_not
    assert why in found[Figure.DEFAULTERS_TRENDS].why_not


def test_a_target_that_is_not_learned_and_a_table_of_little_else(tables):
    frame = pd.DataFrame({"bad": ["no", "yes"] * 100})
    only, _ = of(tables, frame, frame, frame, "bad")
    assert "no column beside" in only[Figure.DEFAULTERS_SHAPES].why_not
    assert "no two columns beside" in only[Figure.DEFAULTERS_TRENDS].why_not
    assert "no state" in only[Figure.SEGMENT_SHAPES].why_not
    wider = frame.assign(x=np.arange(200.0))
    schema = tables.schema_of(wider, "bad")
    sides = sides_of(tables, wider, wider, wider, schema)
    without = Sides(*({"x": side["x"]} for side in (sides.synthetic, sides.train, sides.holdout)))
    columns = (schema.columns[0].model_copy(update={"kind": "text", "categories": None}), schema.columns[1])
    unlearned, _ = measured(without, schema.model_copy(update={"columns": columns}))
    assert "not learned" in unlearned[Figure.DEFAULTERS_SHAPES].why_not


def test_of_many_pairs_a_sample_is_drawn(tables, monkeypatch):
    monkeypatch.setattr(coverage, "CLASS_PAIRS", 2)
    seen = []
    similarity = coverage.similarity
    monkeypatch.setattr(coverage, "similarity", lambda *given: seen.append(given[3]) or similarity(*given))
    frame = made(400, 1)
    of(tables, frame, frame, frame, "bad")
    assert {len(pairs) for pairs in seen} == {2}


# --- segments --------------------------------------------------------------------------------------------------------


def test_the_worst_segment_is_found_and_named(tables, world):
    train, holdout, fresh = world
    wrong = fresh.copy()
    wrong.loc[wrong["region"] == "west", ["amount", "income"]] /= 2
    found, details = of(tables, wrong, train, holdout, "bad")
    segment = found[Figure.SEGMENT_SHAPES]
    assert segment.high < segment.fresh
    assert "region = west" in segment.reading
    column, label, rows, value, of_fresh = details["segment_shapes"].rows[0]
    assert (column, label) == ("region", "west")
    assert (segment.rows, segment.value, segment.fresh) == (rows, pytest.approx(value), pytest.approx(of_fresh))
    labels = {(row[0], row[1]) for row in details["segment_shapes"].rows}
    assert ("job", "missing") in labels


def test_small_segments_are_left_out_and_rare_categories_are_one(tables):
    rng = np.random.default_rng(2)
    names = [f"c{i:02d}" for i in range(30)]
    frame = pd.DataFrame({"k": [*names[:15] * 200, *names[15:] * 20], "x": rng.normal(size=3300)})
    frame["flag"] = np.where(frame.index < 99, "rare", "usual")
    _, details = of(tables, frame, frame, frame)
    labels = [row[1] for row in details["segment_shapes"].rows]
    # The 15 common ones; ten of 20 rows each; the other flag. Five more of 20 rows are too small alone.
    assert set(labels) == {*names[:15], "other", "usual"}
    assert "rare" not in labels
    assert min(row[2] for row in details["segment_shapes"].rows) >= coverage.SEGMENT_ROWS


def test_the_interval_of_the_worst_is_wider_than_that_of_one():
    rng = np.random.default_rng(1)
    noise = np.random.default_rng(2).normal(size=500)
    halves = [
        coverage._scored(
            lambda held, other: float(noise[held].mean()), lambda held, other: 0.0, (500, 500, 500), rng, tests=tests
        ).half
        for tests in (1, 100)
    ]
    # 1.96 standard errors of .045, and 3.48 of them; each from 50 resamples.
    assert halves[0] == pytest.approx(1.96 / np.sqrt(500), rel=0.35)
    assert halves[1] == pytest.approx(3.48 / np.sqrt(500), rel=0.35)


# --- odd input -------------------------------------------------------------------------------------------------------


def test_thirty_rows_are_not_judged(tables, german):
    schema, train, holdout, fresh = german
    found, details = measured(sides_of(tables, fresh[:30], train, holdout, schema), schema)
    assert all("30 synthetic rows" in m.why_not for m in found.values())
    assert details == {}


@pytest.mark.parametrize("value", [7.5, np.nan, np.inf, -np.inf, 1e300])
def test_a_column_of_one_odd_value_crashes_nothing(tables, value):
    plain = made(1100, 1)
    schema = tables.schema_of(plain, "bad")
    encoded = encode(tables.table_of(plain, schema), schema)
    odd = {
        **encoded,
        "amount": Numeric(np.full(1100, value)),
        "region": Discrete(np.full(1100, 3, np.int32), 3),
        "bad": Discrete(np.zeros(1100, np.int32), 2),
    }
    for sides in (Sides(odd, encoded, encoded), Sides(encoded, odd, odd), Sides(odd, odd, odd)):
        found, _ = measured(sides, schema)
        assert all(np.isfinite(m.value) and np.isfinite(m.fresh) for m in found.values() if m.value is not None)
        # One class only on a side.
        assert found[Figure.DEFAULTERS_SHAPES].value is None


def test_sides_of_different_sizes_are_compared_at_equal_counts(tables, world):
    train, holdout, fresh = world
    schema = tables.schema_of(pd.concat(world), "bad")
    sides = sides_of(tables, fresh, train, holdout, schema)
    small = Sides(sides.synthetic, sides.train, take(sides.holdout, np.arange(400)))
    found, _ = measured(small, schema)
    assert found[Figure.BETA_RECALL].rows == rows_of(small.holdout) == 400

"""Credit behaviour of tables whose answer is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from synthcredit.datasets.schema import Kind
from synthcredit.evidence.credit import measure
from synthcredit.evidence.credit_bins import MAX_ROWS
from synthcredit.evidence.model import Figure
from synthcredit.evidence.sides import Sides
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Numeric

CURVES = {Figure.IV_GAP, Figure.WOE_AGREEMENT, Figure.WOE_DIRECTION, Figure.PSI_WORST, Figure.GINI_GAP}
ALL = {
    *CURVES,
    *(Figure.SCORECARD_LOSS, Figure.SCORECARD_SIGNS, Figure.SWAP_SET, Figure.BAD_RATE_GAP, Figure.BRIER_LOSS),
    *(Figure.CALIBRATION_INTERCEPT, Figure.CALIBRATION_SLOPE, Figure.GRADE_ORDER, Figure.ADVERSE_IMPACT_GAP),
}
LESS_IS_BETTER = (
    *(Figure.IV_GAP, Figure.GINI_GAP, Figure.SCORECARD_LOSS, Figure.SWAP_SET, Figure.BAD_RATE_GAP, Figure.BRIER_LOSS),
)
MORE_IS_BETTER = (Figure.WOE_AGREEMENT, Figure.WOE_DIRECTION, Figure.SCORECARD_SIGNS, Figure.GRADE_ORDER)


def portfolio(rows: int, seed: int) -> pd.DataFrame:
    """Applicants whose risk hangs on eight columns; 22 % default."""
    rng = np.random.default_rng(seed)
    income, used, age = rng.lognormal(8, 0.5, rows), rng.beta(2, 3, rows), rng.integers(20, 75, rows)
    arrears, sex = rng.poisson(0.6, rows), rng.choice(["f", "m"], rows)
    purpose = rng.choice(["car", "home", "study", "boat", "yacht"], rows, p=[0.4, 0.3, 0.2, 0.09, 0.01])
    years, noise = rng.exponential(5, rows), rng.normal(size=rows)
    by_purpose = pd.Series({"car": 0.0, "home": -0.7, "study": 0.5, "boat": 1.0, "yacht": 1.5})
    log_odds = (
        -1.9 - 0.8 * (np.log(income) - 8) / 0.5 + 2.0 * (used - 0.4) + 0.7 * arrears - 0.03 * (age - 45)
        + by_purpose[purpose].to_numpy() - 0.08 * (years - 5) + 0.3 * (sex == "m")
    )  # fmt: skip
    return pd.DataFrame(
        {
            "income": np.where(rng.random(rows) < 0.08, np.nan, income),
            "used": used,
            "age": age,
            "arrears": arrears,
            "sex": sex,
            "purpose": purpose,
            "years": years,
            "noise": noise,
            "default": np.where(rng.random(rows) < 1 / (1 + np.exp(-log_odds)), "yes", "no"),
        }
    )


def sides_of(tables, frames, schema) -> Sides:
    return Sides(*(encode(tables.table_of(frame, schema), schema) for frame in frames))


def run(sides, schema, seed=0):
    measures, details = measure(sides, schema, np.random.default_rng(seed))
    assert {m.name for m in measures} == ALL
    for m in measures:
        assert (m.value is None) == (m.why_not is not None)
        if m.value is not None:
            assert np.isfinite([m.value, m.low, m.high]).all()
            assert m.low <= m.value <= m.high
    return {m.name: m for m in measures}, {d.name: d for d in details}


@pytest.fixture(scope="module")
def made(tables):
    train, holdout, fresh = (portfolio(4000, seed) for seed in range(3))
    return tables.schema_of(pd.concat([train, holdout, fresh]), "default"), train, holdout, fresh


@pytest.fixture(scope="module")
def found(tables, made):
    """What is measured of fresh rows, of a copy, and of independent columns."""
    schema, train, holdout, fresh = made
    synthetic = {"fresh": fresh, "copy": train, "independent": tables.independent(train, 0)}
    return {name: run(sides_of(tables, (of, train, holdout), schema), schema) for name, of in synthetic.items()}


@pytest.mark.parametrize("figure", [*LESS_IS_BETTER, *MORE_IS_BETTER, Figure.PSI_WORST, Figure.ADVERSE_IMPACT_GAP])
def test_fresh_rows_are_as_good_as_fresh(found, figure):
    of = found["fresh"][0][figure]
    assert of.low <= of.fresh <= of.high


def test_fresh_rows_are_calibrated_as_real_ones(found):
    of = found["fresh"][0]
    # 4,000 rows with 22 % bad: a standard error of .04 for the level and of .05 for the slope, on both sides.
    assert of[Figure.CALIBRATION_INTERCEPT].value == pytest.approx(0, abs=0.2)
    assert of[Figure.CALIBRATION_SLOPE].value == pytest.approx(1, abs=0.2)
    assert of[Figure.SCORECARD_LOSS].value == pytest.approx(0, abs=0.01)
    assert of[Figure.SCORECARD_LOSS].fresh == 0
    assert of[Figure.WOE_AGREEMENT].value > 0.9


@pytest.mark.parametrize("figure", sorted(CURVES))
def test_a_copy_is_what_real_rows_are(found, figure):
    of = found["copy"][0][figure]
    assert of.value == pytest.approx(of.fresh, abs=1e-12)


def test_a_copy_loses_nothing(found):
    for figure in (Figure.SCORECARD_LOSS, Figure.BRIER_LOSS):
        assert found["copy"][0][figure].value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("figure", LESS_IS_BETTER)
def test_independent_columns_are_worse(found, figure):
    of = found["independent"][0][figure]
    assert of.low > of.fresh
    assert of.low > found["fresh"][0][figure].high


@pytest.mark.parametrize("figure", MORE_IS_BETTER)
def test_independent_columns_keep_less(found, figure):
    of = found["independent"][0][figure]
    assert of.high < of.fresh


def test_independent_columns_say_nothing_of_risk(found):
    of = found["independent"][0]
    assert of[Figure.WOE_AGREEMENT].value == pytest.approx(0, abs=0.1)
    assert of[Figure.CALIBRATION_SLOPE].high < 0.8
    assert of[Figure.SCORECARD_LOSS].value > 0.15
    # Independent columns keep margins, the bad rate too: these two look right, and alone would pass.
    assert of[Figure.CALIBRATION_INTERCEPT].value == pytest.approx(0, abs=0.2)
    assert of[Figure.PSI_WORST].value < 0.05


def test_a_wrong_bad_rate_shows_as_the_level(tables, made):
    schema, train, holdout, fresh = made
    bad = fresh[fresh["default"] == "yes"]
    doubled = pd.concat([fresh, bad], ignore_index=True)
    of, _ = run(sides_of(tables, (doubled, train, holdout), schema), schema)
    # Twice as many bad rows are ln 2 in log odds; the ranking stays.
    assert of[Figure.CALIBRATION_INTERCEPT].value == pytest.approx(-np.log(2), abs=0.15)
    assert of[Figure.SCORECARD_LOSS].value == pytest.approx(0, abs=0.01)


def test_risk_turned_round_in_one_column_shows_there(tables, made):
    schema, train, holdout, fresh = made
    turned = fresh.assign(used=fresh["used"].max() - fresh["used"])
    _, details = run(sides_of(tables, (turned, train, holdout), schema), schema)
    agreement = {row[0]: row[-1] for row in details["credit_columns"].rows}
    assert agreement["used"] < -0.5
    assert agreement["arrears"] > 0.8


def test_a_moved_column_is_named_by_its_stability(tables, made):
    schema, train, holdout, fresh = made
    of, details = run(sides_of(tables, (fresh.assign(years=fresh["years"] * 2), train, holdout), schema), schema)
    assert of[Figure.PSI_WORST].low > 0.1
    assert "column 'years'" in of[Figure.PSI_WORST].reading
    assert details["credit_stability"].rows[0][0] == "years"


def test_which_class_is_bad_is_said(found, tables, made):
    assert all(m.reading.endswith("Bad: 'default' is yes.") for m in found["fresh"][0].values())
    _, train, holdout, fresh = made
    flags = [frame.assign(default=np.where(frame["default"] == "yes", 5.0, 6.0)) for frame in (fresh, train, holdout)]
    schema = tables.schema_of(pd.concat(flags), "default")
    number = schema["default"].model_copy(update={"kind": Kind.CONTINUOUS, "categories": None})
    columns = tuple(number if column.name == "default" else column for column in schema.columns)
    schema = schema.model_copy(update={"columns": columns})
    of, _ = run(sides_of(tables, flags, schema), schema)
    assert of[Figure.SWAP_SET].value == pytest.approx(found["fresh"][0][Figure.SWAP_SET].value, abs=0.02)
    assert of[Figure.SWAP_SET].reading.endswith("Bad: 'default' is 5.")


def test_details_hold_what_a_validator_looks_for(found):
    _, details = found["fresh"]
    assert set(details) == {
        *("credit_columns", "credit_stability", "credit_woe", "calibration", "grades_synthetic", "grades_real"),
        *("scorecard_points", "bad_rate_by_approval", "adverse_impact"),
    }
    assert all(len(row) == len(detail.heading) for detail in details.values() for row in detail.rows)
    assert {row[0] for row in details["adverse_impact"].rows} == {"age", "sex"}
    assert [row[0] for row in details["bad_rate_by_approval"].rows][0::8] == [0.5, 0.9]
    rates = [row[3] for row in details["grades_synthetic"].rows]
    assert len(rates) == 10
    assert rates[0] > 0.5
    assert rates[-1] < 0.1
    assert all(row[4] <= row[3] <= row[5] for row in details["grades_synthetic"].rows)
    assert "(the real scorecard's score)" in {row[0] for row in details["credit_stability"].rows}
    labels = [row[1] for row in details["credit_woe"].rows if row[0] == "income"]
    assert labels[-1] == "missing"
    assert labels[0].startswith("below ")


def test_a_protected_column_without_values_is_left_out(tables, made):
    schema, *frames = made
    columns = tuple(column.model_copy(update={"nullable": True}) for column in schema.columns)
    schema = schema.model_copy(update={"columns": columns})
    frames = [frame.assign(age=np.nan, sex=None) for frame in frames]
    of, details = run(sides_of(tables, (frames[2], frames[0], frames[1]), schema), schema)
    assert "protected characteristic" in of[Figure.ADVERSE_IMPACT_GAP].why_not
    assert "adverse_impact" not in details


def test_no_value_of_a_row_is_told(tables, made, found):
    """Labels are round numbers, or categories that many rows have."""
    _, details = found["fresh"]
    labels = {row[1] for name in ("credit_woe", "scorecard_points") for row in details[name].rows}
    assert "yacht" not in labels
    exact = {f"{value:,.10g}" for frame in made[1:] for name in ("income", "years", "used") for value in frame[name]}
    assert not exact & {word for label in labels for word in label.split()}


def test_german_credit(tables):
    frame = tables.german()
    train, holdout, fresh = tables.three_ways(frame)
    schema = tables.schema_of(frame, "creditability")
    good, _ = run(sides_of(tables, (fresh, train, holdout), schema), schema)
    wrong, _ = run(sides_of(tables, (tables.independent(train, 0), train, holdout), schema), schema)
    assert "'creditability' is bad" in good[Figure.SWAP_SET].reading
    assert "personal.status.and.sex" in good[Figure.ADVERSE_IMPACT_GAP].reading
    assert good[Figure.SCORECARD_LOSS].low < 0.03
    for figure in (Figure.SCORECARD_LOSS, Figure.SWAP_SET, Figure.BRIER_LOSS):
        assert wrong[figure].low > good[figure].value
    assert wrong[Figure.BAD_RATE_GAP].value > 2 * good[Figure.BAD_RATE_GAP].value
    assert wrong[Figure.WOE_AGREEMENT].high < good[Figure.WOE_AGREEMENT].value


def test_the_same_seed_gives_the_same_figures(tables, made, found):
    schema, train, holdout, fresh = made
    assert run(sides_of(tables, (fresh, train, holdout), schema), schema) == found["fresh"]


def test_large_sides_are_drawn_from(tables):
    frames = [portfolio(MAX_ROWS + 500, seed)[["used", "arrears", "default"]] for seed in range(3)]
    schema = tables.schema_of(pd.concat(frames), "default")
    of, _ = run(sides_of(tables, frames, schema), schema)
    assert of[Figure.IV_GAP].rows == MAX_ROWS
    assert of[Figure.SWAP_SET].rows == MAX_ROWS // 2
    assert "no learned column's name" in of[Figure.ADVERSE_IMPACT_GAP].why_not


# --- what cannot be judged -------------------------------------------------------------------------------------------


def why(found) -> str:
    of, details = found
    assert details == {}
    (reason,) = {m.why_not for m in of.values()}
    return reason


def test_no_target_and_targets_that_are_no_flag(tables, made):
    schema, *frames = made
    sides = sides_of(tables, (frames[2], frames[0], frames[1]), schema)
    assert "no target" in why(run(sides, schema.with_target(None)))
    assert "more than two classes" in why(run(sides, schema.with_target("purpose")))
    assert "more than two classes" in why(run(sides, schema.with_target("income")))


def test_too_few_rows_or_too_few_of_a_class(tables, made):
    schema, train, holdout, fresh = made
    assert "too few rows" in why(run(sides_of(tables, (fresh[:30], train[:30], holdout[:30]), schema), schema))
    one = fresh.assign(default="no")
    assert "0 of the synthetic rows" in why(run(sides_of(tables, (one, train, holdout), schema), schema))
    assert "one value only" in why(run(sides_of(tables, (fresh, train.assign(default="no"), holdout), schema), schema))


def test_columns_that_cannot_be_cut(tables, made):
    _, train, holdout, fresh = made
    frames = [frame[["default"]].assign(same=1.0, empty=np.nan, x=frame["used"]) for frame in (fresh, train, holdout)]
    schema = tables.schema_of(pd.concat(frames).assign(empty=0.5, same=lambda f: np.arange(len(f)) + 0.5), "default")
    columns = tuple(c.model_copy(update={"nullable": True}) for c in schema.columns)
    schema = schema.model_copy(update={"columns": columns})
    of, details = run(sides_of(tables, frames, schema), schema)
    assert [row[0] for row in details["credit_columns"].rows] == ["x"]
    assert of[Figure.SCORECARD_SIGNS].value == 1.0
    without = [frame.drop(columns="x") for frame in frames]
    schema = schema.model_copy(update={"columns": tuple(c for c in columns if c.name != "x")})
    assert "two bins" in why(run(sides_of(tables, without, schema), schema))


def test_columns_without_power_make_no_scorecard(tables, made):
    schema, *frames = made
    frames = [frame.assign(default=np.random.default_rng(i).permutation(frame["default"])) for i, frame in
              enumerate(frames)]  # fmt: skip
    of, details = run(sides_of(tables, (frames[2], frames[0], frames[1]), schema), schema)
    assert of[Figure.IV_GAP].value is not None
    assert of[Figure.PSI_WORST].value is not None
    for figure in ALL - (CURVES - {Figure.WOE_DIRECTION}):
        assert "tells good from bad" in of[figure].why_not
    assert "scorecard_points" not in details


def test_a_synthetic_scorecard_that_says_nothing(tables, made):
    """Synthetic columns that are constant leave every applicant with one score: half by chance, and no slope."""
    schema, train, holdout, fresh = made
    flat = fresh.assign(**{name: fresh[name].iloc[0] for name in fresh.columns.drop("default")})
    of, _ = run(sides_of(tables, (flat, train, holdout), schema), schema)
    assert of[Figure.SCORECARD_LOSS].low > 0.2
    assert of[Figure.SWAP_SET].value == pytest.approx(0.42, abs=0.05)
    assert of[Figure.PSI_WORST].value > 1
    assert "nearly the same probability" in of[Figure.CALIBRATION_SLOPE].why_not
    assert "one grade" in of[Figure.GRADE_ORDER].why_not


def test_odd_values_do_not_break_it(tables, made):
    """Infinities, categories that training rows do not have, a missing side of a column, a third class."""
    schema, train, holdout, fresh = made
    sides = sides_of(tables, (fresh, train, holdout), schema)
    rng = np.random.default_rng(0)
    synthetic = dict(sides.synthetic)
    used = synthetic["used"].values.copy()
    used[:50], used[50:90] = np.inf, -np.inf
    synthetic["used"], synthetic["years"] = Numeric(used), Numeric(np.full(len(used), np.nan))
    purpose = synthetic["purpose"]
    codes = purpose.codes.copy()
    codes[rng.integers(0, len(codes), 400)] = purpose.size
    synthetic["purpose"] = Discrete(codes, purpose.size)
    target = synthetic["default"]
    answers = target.codes.copy()
    answers[:60] = 2
    synthetic["default"] = Discrete(answers, target.size)
    of, _ = run(dataclasses.replace(sides, synthetic=synthetic), schema)
    assert of[Figure.PSI_WORST].value > 0.5
    assert "column 'years'" in of[Figure.PSI_WORST].reading


def test_a_third_class_of_synthetic_rows_is_neither_good_nor_bad(tables, made):
    _, train, holdout, fresh = made
    other = fresh.assign(default=np.where(np.arange(len(fresh)) < 500, "unknown", fresh["default"]))
    three = tables.schema_of(pd.concat([other, train]), "default")
    with_third, _ = run(sides_of(tables, (other, train, holdout), three), three)
    without, _ = run(sides_of(tables, (fresh[500:], train, holdout), three), three)
    assert with_third == without


def test_only_discrete_and_only_numeric_columns(tables, made):
    _, *frames = made
    for names in (["sex", "purpose", "default"], ["income", "used", "age", "years", "default"]):
        some = [frame[names] for frame in frames]
        schema = tables.schema_of(pd.concat(some), "default")
        of, _ = run(sides_of(tables, (some[2], some[0], some[1]), schema), schema)
        assert of[Figure.SCORECARD_LOSS].value == pytest.approx(0, abs=0.02)


def test_dates_are_named_by_their_place(tables, made):
    _, *frames = made
    dated = [
        frame[["default", "used"]].assign(
            since=pd.Timestamp("2020-01-01") + pd.to_timedelta(frame["years"] // 0.1, "D")
        )
        for frame in frames
    ]
    schema = tables.schema_of(pd.concat(dated), "default")
    _, details = run(sides_of(tables, (dated[2], dated[0], dated[1]), schema), schema)
    labels = [row[1] for row in details["credit_woe"].rows if row[0] == "since"]
    assert labels[0] == "interval 1 of 10"


def test_a_few_rows_are_enough_to_say_something_and_grades_stay_large(tables, made):
    schema, train, holdout, fresh = made
    of, details = run(sides_of(tables, (fresh[:120], train[:120], holdout[:120]), schema), schema)
    assert of[Figure.SWAP_SET].value is not None
    grades = [row[1] for row in details["grades_real"].rows]
    assert len(grades) <= 6
    assert all(rows is None or rows >= 10 for rows in grades)

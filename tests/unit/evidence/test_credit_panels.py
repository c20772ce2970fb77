"""Roll rates and vintages of tables whose answer is known."""

import time

import numpy as np
import pandas as pd
import pytest

from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema
from synthcredit.evidence.aggregates import MIN_CELL
from synthcredit.evidence.credit_panels import (
    MAX_COHORTS,
    MIN_COHORT_ROWS,
    MIN_COHORTS,
    fit_cohorts,
    measure,
    rates,
    roll_gap,
    shown_cells,
    vintage_gap,
)
from synthcredit.evidence.model import Figure
from synthcredit.evidence.sides import Sides
from synthcredit.synthesizers.codec import encode

BOTH = (Figure.ROLL_RATE_GAP, Figure.VINTAGE_GAP)
STATES = np.array(["current", "30 days", "60 days", "written off"])
ROLLS = np.array([[0.93, 0.07, 0.0, 0.0], [0.5, 0.2, 0.3, 0.0], [0.1, 0.1, 0.3, 0.5], [0.0, 0.0, 0.0, 1.0]])
MONTHS = 8


def loans(rows: int, seed: int, rolls=ROLLS) -> pd.DataFrame:
    """Loans of three years with a status a month; the later ones default more often."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 1096, rows)
    state = rng.choice(4, rows, p=[0.8, 0.1, 0.07, 0.03])
    frame = pd.DataFrame({"issued": pd.Timestamp("2020-01-01") + pd.to_timedelta(age, unit="D")})
    for month in range(1, MONTHS + 1):
        frame[f"status_{month}"] = STATES[state]
        state = (rng.random((rows, 1)) > rolls[state].cumsum(axis=1)).sum(axis=1).clip(0, 3)
    frame["income"] = rng.lognormal(8, 0.5, rows)
    frame["default"] = np.where(rng.random(rows) < 0.05 + 0.5 * age / 1096, "yes", "no")
    return frame


def sides_of(tables, frames, schema) -> Sides:
    return Sides(*(encode(tables.table_of(frame, schema), schema) for frame in frames))


def run(tables, frames, schema, seed=0):
    measures, details = measure(sides_of(tables, frames, schema), schema, np.random.default_rng(seed))
    assert tuple(m.name for m in measures) == BOTH
    for m in measures:
        assert (m.value is None) == (m.why_not is not None)
        if m.value is not None:
            assert 0 <= m.low <= m.value <= m.high <= 1
            assert 0 <= m.fresh <= 1
    for detail in details:
        assert all(len(row) == len(detail.heading) for row in detail.rows)
    return {m.name: m for m in measures}, {d.name: d for d in details}


def why_not(tables, frame, figure, target="default", **roles) -> str:
    """Measure a table cut in three, customers whole, and return why the figure is not there."""
    whose = frame[roles["customer"]] if roles else np.arange(len(frame))
    made, train, holdout = (frame[whose % 3 == part].reset_index(drop=True) for part in range(3))
    reason = run(tables, (made, train, holdout), tables.schema_of(frame, target, **roles))[0][figure].why_not
    assert reason is not None
    return reason


@pytest.fixture(scope="module")
def made(tables):
    train, holdout, fresh = (loans(3000, seed) for seed in range(3))
    return tables.schema_of(pd.concat([train, holdout, fresh]), "default"), train, holdout, fresh


@pytest.fixture(scope="module")
def found(tables, made):
    schema, train, holdout, fresh = made
    synthetic = {"fresh": fresh, "copy": train, "independent": tables.independent(train, 0)}
    return {name: run(tables, (of, train, holdout), schema) for name, of in synthetic.items()}


@pytest.mark.parametrize("figure", BOTH)
def test_fresh_rows_are_as_good_as_fresh(found, figure):
    of = found["fresh"][0][figure]
    assert of.low <= of.fresh <= of.high
    assert of.value < {Figure.ROLL_RATE_GAP: 0.02, Figure.VINTAGE_GAP: 0.05}[figure]
    assert of.rows == 3000


@pytest.mark.parametrize("figure", BOTH)
def test_a_copy_is_what_real_rows_are(found, figure):
    of = found["copy"][0][figure]
    assert of.value == of.fresh


@pytest.mark.parametrize("figure", BOTH)
def test_independent_columns_are_far_off(found, figure):
    of = found["independent"][0][figure]
    assert of.low > 1.5 * found["fresh"][0][figure].high
    assert of.low > 1.5 * of.fresh


def test_a_known_change_of_roll_rates_is_found(tables, made):
    schema, train, holdout, _ = made
    rolls = ROLLS.copy()
    rolls[0] = [0.73, 0.27, 0.0, 0.0]
    of, details = run(tables, (loans(3000, 5, rolls), train, holdout), schema)
    # Only those who are current move otherwise: by .2.
    states = {row[1]: row[2:] for row in details["roll_rate_states"].rows}
    assert states["current"][1] == pytest.approx(0.2, abs=0.02)
    assert of[Figure.ROLL_RATE_GAP].value == pytest.approx(0.2 * states["current"][0], abs=0.02)
    assert details["roll_rate_states"].rows[0][1] == "current"
    shares = {(row[1], row[2]): row[3:] for row in details["roll_rates"].rows}
    assert shares["current", "30 days"] == pytest.approx((0.07, 0.27, 0.07), abs=0.02)
    assert shares["written off", "written off"] == (1, 1, 1)
    for state in {row[1] for row in details["roll_rates"].rows}:
        assert np.sum([of for (start, _), of in shares.items() if start == state], axis=0) == pytest.approx(1)


def test_a_known_default_rate_stands_in_the_table_of_cohorts(found):
    rows = found["fresh"][1]["vintages"].rows
    assert len(rows) == 12
    assert rows[0][0] == "until 2020 Q1"
    assert rows[-1][0] == "2022 Q4 and later"
    for position, (_, share, of_made, real, low, high, *_, fresh) in enumerate(rows):
        assert share == pytest.approx(1 / 12, abs=0.025)
        assert of_made == pytest.approx(1 / 12, abs=0.025)
        assert low < real < high
        # A cohort has 250 rows: three standard errors are .1 at most.
        assert real == pytest.approx(0.05 + 0.5 * (position + 0.5) / 12, abs=0.1)
        assert fresh == pytest.approx(real, abs=0.14)
    flat = [row[6] for row in found["independent"][1]["vintages"].rows]
    assert np.ptp(flat) < 0.2 < 0.35 < np.ptp([row[3] for row in rows])


def test_the_reading_says_what_was_taken_as_time_and_as_bad(found):
    of = found["fresh"][0]
    assert "from 'status_1' to 'status_8'" in of[Figure.ROLL_RATE_GAP].reading
    assert "By 'issued', 12 periods. Bad: 'default' is yes." in of[Figure.VINTAGE_GAP].reading


def test_payment_status_of_real_people(tables):
    if not tables.UCI.exists():
        pytest.skip("UCI default is not here")
    frame = tables.uci().sample(6000, random_state=0)
    train, holdout, fresh = tables.three_ways(frame)
    schema = tables.schema_of(frame, "default.payment.next.month")
    of = {
        name: run(tables, (rows, train, holdout), schema)[0][Figure.ROLL_RATE_GAP]
        for name, rows in {"fresh": fresh, "independent": tables.independent(train, 0)}.items()
    }
    assert "from 'PAY_6' to 'PAY_0'" in of["fresh"].reading
    assert of["fresh"].low <= of["fresh"].fresh <= of["fresh"].high < 0.05
    # Measured: .48, a fresh .013.
    assert of["independent"].low > 0.4
    started = time.process_time()
    run(tables, (frame, frame, frame), schema)
    assert time.process_time() - started < 2


# --- which columns are a status over time ----------------------------------------------------------------------------


def test_a_missing_status_is_a_state(tables):
    # Half of the loans have no status in the first four months, since they began later.
    frame = loans(3000, 0)
    late = np.random.default_rng(1).random(3000) < 0.5
    for month in range(1, 5):
        frame.loc[late, f"status_{month}"] = None
    made, train, holdout = (frame[start::3].reset_index(drop=True) for start in range(3))
    of, details = run(tables, (made, train, holdout), tables.schema_of(frame, "default"))
    assert of[Figure.ROLL_RATE_GAP].value < 0.05
    assert "missing" in {row[1] for row in details["roll_rate_states"].rows}
    # Synthetic rows that never lack a status have nobody in that line; it then says nothing of its own.
    schema = tables.schema_of(frame, "default")
    whole = loans(1000, 3)
    off, details = run(tables, (whole, train, holdout), schema)
    assert off[Figure.ROLL_RATE_GAP].low > of[Figure.ROLL_RATE_GAP].high
    empty = [row for row in details["roll_rates"].rows if row[1] == "missing"]
    assert empty
    assert {row[4] for row in empty} == {None}


def test_numbers_with_missing_values_and_unseen_ones(tables):
    frame = loans(3000, 0)
    for month in range(1, MONTHS + 1):
        codes = frame[f"status_{month}"].map({state: float(code) for code, state in enumerate(STATES)})
        frame[f"status_{month}"] = codes.where(np.random.default_rng(month).random(3000) > 0.05)
    made, train, holdout = (frame[start::3].reset_index(drop=True) for start in range(3))
    schema = tables.schema_of(frame, "default")
    assert schema["status_1"].kind is Kind.INTEGER
    good = run(tables, (made, train, holdout), schema)[0][Figure.ROLL_RATE_GAP]
    assert good.low <= good.fresh <= good.high
    # States between the real ones are none of them.
    kinds = [c.model_copy(update={"dtype": Dtype.DOUBLE}) if c.name.startswith("status") else c for c in schema.columns]
    schema = schema.model_copy(update={"columns": tuple(kinds)})
    between = made.assign(**{f"status_{month}": made[f"status_{month}"] + 0.5 for month in range(1, MONTHS + 1)})
    assert run(tables, (between, train, holdout), schema)[0][Figure.ROLL_RATE_GAP].value > 0.3


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(lambda f: {f"flag_{k}": np.where(f["group"] == k, "y", "n") for k in range(4)}, id="indicators"),
        pytest.param(lambda f: {f"status_{k}": ["current"] * len(f) for k in range(4)}, id="constant"),
        pytest.param(lambda f: {f"bill_{k}": f["amount"] + k for k in range(4)}, id="amounts"),
        pytest.param(lambda f: {f"bill_{k}": f["amount"].round() for k in range(4)}, id="the same amounts"),
        pytest.param(lambda f: {f"status_{k}": ["a"] * 595 + list("bcdef") for k in range(4)}, id="one common state"),
        pytest.param(lambda f: {f"last_{k}m": f["few"] for k in (6, 12, 24)}, id="windows"),
        pytest.param(lambda f: {f"status_{k}": f["few"] for k in range(2)}, id="two"),
        pytest.param(lambda f: {f"status_{k}": f["few"] + 10 * k for k in range(4)}, id="nothing shared"),
        pytest.param(lambda f: {f"status_{k}": f["few"] for k in ("1", "01", "001")}, id="one number"),
        pytest.param(lambda f: {f"status_{k}": [np.nan] * len(f) for k in range(4)}, id="all missing"),
    ],
)
def test_other_numbered_columns_are_no_status(tables, columns):
    rng = np.random.default_rng(0)
    base = pd.DataFrame(
        {
            "group": rng.integers(0, 4, 600),
            "amount": rng.normal(100, 20, 600),
            "few": rng.integers(0, 5, 600),
            "default": rng.choice(["yes", "no"], 600),
        }
    )
    frame = base.assign(**columns(base))
    described = [name for name in frame if not frame[name].isna().all()]
    empty = tuple(
        Column(name=name, storage_name=name, kind=Kind.CONTINUOUS, dtype=Dtype.DOUBLE, nullable=True)
        for name in frame
        if name not in described
    )
    schema = tables.schema_of(frame[described], "default")
    schema = schema.model_copy(update={"columns": (*schema.columns, *empty)})
    parts = [frame[start::3].reset_index(drop=True) for start in range(3)]
    reason = run(tables, parts, schema)[0][Figure.ROLL_RATE_GAP].why_not
    assert reason == "no series of status columns (one name with numbers), and no column tells whose row it is"


# --- the rows of one customer ----------------------------------------------------------------------------------------


def payments(customers: int, seed: int, *, shuffled: bool = False) -> pd.DataFrame:
    """The same loans, a row a month, in any order."""
    wide = loans(customers, seed)
    rng = np.random.default_rng(seed)
    parts = [
        pd.DataFrame(
            {
                "customer": np.arange(customers),
                "opened": wide["issued"],
                "paid": wide["issued"] + pd.to_timedelta(30 * month, unit="D"),
                "gender": rng.choice(["f", "m"], customers),
                "status": wide[f"status_{month}"],
                "default": wide["default"],
            }
        )
        for month in range(1, MONTHS + 1)
    ]
    frame = pd.concat(parts).sample(frac=1, random_state=seed).reset_index(drop=True)
    return frame.assign(status=rng.permutation(frame["status"])) if shuffled else frame


def test_rows_of_one_customer_are_followed_by_date(tables):
    train, holdout = payments(800, 0), payments(600, 1)
    schema = tables.schema_of(pd.concat([train, holdout]), "default", customer="customer")
    good, details = run(tables, (payments(700, 2), train, holdout), schema)
    bad, _ = run(tables, (payments(700, 2, shuffled=True), train, holdout), schema)
    of = good[Figure.ROLL_RATE_GAP]
    assert "'status' of one customer by 'paid'" in of.reading
    assert of.low <= of.fresh <= of.high
    assert of.rows == 600 * MONTHS
    assert bad[Figure.ROLL_RATE_GAP].low > 3 * of.high
    shares = {(row[1], row[2]): row[3] for row in details["roll_rates"].rows}
    assert shares["current", "30 days"] == pytest.approx(0.07, abs=0.02)


def test_why_customers_cannot_be_followed(tables):
    def reason(frame, **changes):
        return why_not(tables, frame, Figure.ROLL_RATE_GAP, customer="customer", **changes)

    frame = payments(400, 0)
    assert "no date column" in reason(frame.drop(columns=["paid", "opened"]))
    assert "no column is named as a status" in reason(frame.drop(columns="status"))
    assert "no column is named as a status" in reason(
        frame.assign(status=np.random.default_rng(0).permutation(frame["status"]))
    )
    assert "no column is named as a status" in reason(frame.assign(status=np.arange(len(frame))))
    assert "do not have 3 rows" in reason(frame.assign(customer=np.arange(len(frame))))


def test_customers_that_are_made_new_have_no_past(tables):
    frame = payments(100, 0).drop(columns="customer")
    schema = tables.schema_of(frame, "default")
    who = Column(name="customer", storage_name="customer", kind=Kind.IDENTIFIER, dtype=Dtype.INT64, rows_per_value=8)
    schema = TableSchema(name="credit", columns=(who, *schema.columns), target="default", customer="customer")
    parts = [payments(100, seed) for seed in range(3)]
    assert "('customer') are made new for every row" in run(tables, parts, schema)[0][Figure.ROLL_RATE_GAP].why_not


# --- vintages --------------------------------------------------------------------------------------------------------


def test_why_there_are_no_vintages(tables):
    frame = loans(600, 0)

    def reason(other, **changes):
        return why_not(tables, other, Figure.VINTAGE_GAP, **changes)

    assert reason(frame.drop(columns="issued")) == "the table has no date column"
    assert reason(frame, target=None) == "no target was named"
    assert "does not cut the training rows into 4 periods" in reason(
        frame.assign(issued=pd.Timestamp("2020-03-01") + pd.to_timedelta(np.arange(600) % 20, unit="D"))
    )
    assert "more than two classes" in reason(frame.assign(default=np.arange(600) // 3 % 3), target="default")
    two = frame.rename(columns={"issued": "born"}).assign(paid=frame["issued"])
    assert "none is named as the beginning" in reason(two)


def test_the_beginning_is_found_by_its_name(tables):
    frame = loans(600, 0).assign(born=loans(600, 1)["issued"]).rename(columns={"issued": "OrigDate"})
    parts = [frame[start::3].reset_index(drop=True) for start in range(3)]
    of = run(tables, parts, tables.schema_of(frame, "default"))[0][Figure.VINTAGE_GAP]
    assert "By 'OrigDate'" in of.reading


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_dates_that_are_missing_on_one_side(tables, made, empty):
    schema, *frames = made
    columns = [c.model_copy(update={"nullable": True}) if c.name == "issued" else c for c in schema.columns]
    schema = schema.model_copy(update={"columns": tuple(columns)})
    frames[empty] = frames[empty].assign(issued=pd.NaT)
    of = run(tables, frames, schema)[0]
    assert "among rows with a value of 'issued': too few rows (0 " in of[Figure.VINTAGE_GAP].why_not
    assert of[Figure.ROLL_RATE_GAP].value is not None


def test_thirty_rows(tables, made):
    schema, *frames = made
    of = run(tables, [frame[:30] for frame in frames], schema)[0]
    assert all("too few rows (30 " in of[figure].why_not for figure in BOTH)


def test_a_number_as_target_and_an_empty_cohort(tables, made):
    _, *frames = made
    frames = [frame.assign(default=(frame["default"] == "yes").astype(float) + 1) for frame in frames]
    schema = tables.schema_of(pd.concat(frames))
    columns = [
        Column(name="default", storage_name="default", kind=Kind.INTEGER, dtype=Dtype.DOUBLE, minimum=1, maximum=2)
        if column.name == "default"
        else column
        for column in schema.columns
    ]
    schema = TableSchema(name="credit", columns=tuple(columns), target="default")
    frames[0] = frames[0][frames[0]["issued"] < "2022-01-01"].reset_index(drop=True)
    of, details = run(tables, frames, schema)
    assert "Bad: 'default' is 2." in of[Figure.VINTAGE_GAP].reading
    last = details["vintages"].rows[-1]
    assert last[2] == 0
    assert last[6:9] == (None, None, None)


def months_of(first: str, last: str, rows: int) -> np.ndarray:
    days = np.linspace(*(np.datetime64(day).astype("datetime64[D]").astype(int) for day in (first, last)), rows)
    return days.astype("int64").astype("datetime64[D]").astype("datetime64[M]").astype(int)


@pytest.mark.parametrize(
    ("first", "last", "rows", "step", "cohorts"),
    [
        ("2019-01-01", "2020-12-31", 2000, 3, 8),
        ("2010-01-01", "2019-12-31", 5000, 12, 10),
        ("1940-01-01", "2019-12-31", 50000, 60, 16),
        ("2020-01-01", "2020-06-30", 1000, 1, 6),
        # 360 rows in 40 quarters are 9 a quarter, and four quarters a cohort of 30.
        ("2010-01-01", "2019-12-31", 360, 3, 10),
    ],
)
def test_periods_are_as_long_as_it_takes(first, last, rows, step, cohorts):
    months = months_of(first, last, rows)
    of = fit_cohorts(months)
    assert of.step == step
    assert of.size == pytest.approx(cohorts, abs=1)
    assert MIN_COHORTS <= of.size <= MAX_COHORTS
    assert np.bincount(of.place(months)).min() >= MIN_COHORT_ROWS
    assert len(of.labels) == len(set(of.labels)) == of.size


def test_labels_of_periods_say_no_early_date():
    alone = np.concatenate([[np.datetime64("1950-01").astype(int)], months_of("2016-01-01", "2020-12-31", 700)])
    labels = fit_cohorts(alone).labels
    assert not any("1950" in label for label in labels)
    five = fit_cohorts(months_of("1940-01-01", "2019-12-31", 50000)).labels
    assert five[1] == "1945-1949"
    assert fit_cohorts(months_of("2020-01-01", "2020-06-30", 1000)).labels[1] == "2020-02"
    assert fit_cohorts(months_of("2010-01-01", "2019-12-31", 5000)).labels[1] == "2011"
    assert " to " in fit_cohorts(months_of("2010-01-01", "2019-12-31", 360)).labels[1]


# --- formulas --------------------------------------------------------------------------------------------------------


def test_formulas_by_hand():
    one, real = np.array([[[90.0, 10], [0, 0]]]), np.array([[[60.0, 40], [30, 70]]])
    # A row of the average line (.9, .1) is added, and is all that the empty line has; of real rows it is (.45, .55).
    assert rates(one)[0] == pytest.approx(np.array([[0.9, 0.1], [0.9, 0.1]]))
    held = np.array([(60 + 0.45) / 101, (30 + 0.45) / 101])
    assert roll_gap(one, real)[0] == pytest.approx(np.mean(0.9 - held))
    assert vintage_gap(one, real)[0] == pytest.approx(np.mean(0.9 - held))


def test_no_cell_stands_for_a_few_people():
    def who(*counts):
        people = np.zeros((sum(counts), len(counts)), dtype=bool)
        people[np.arange(len(people)), np.repeat(np.arange(len(counts)), counts)] = True
        return people

    assert shown_cells(who(50, 20, 0)) == [[0], [1], [2]]
    # Three people alone would follow from the rest: the next rarest joins them.
    assert shown_cells(who(50, 20, 3)) == [[0], [1, 2]]
    assert shown_cells(who(50, 20, 6, 6)) == [[0], [1], [2, 3]]
    # Either real side counts.
    assert shown_cells(who(50, 20, 12), who(50, 20, 4)) == [[0], [1, 2]]
    # One person in two cells is one person.
    twice = who(50, 20, 6, 6)
    twice[70:76, 3] = True
    twice = twice[:76]
    assert shown_cells(twice) == [[0], [1, 2, 3]]
    assert shown_cells(who(3, 4)) == [[0, 1]]


@pytest.mark.parametrize("side", ["train", "holdout"])
def test_one_person_who_stays_shows_nowhere(tables, made, side):
    _, train, holdout, fresh = made
    frames = {"made": fresh, "train": train, "holdout": holdout}
    columns = [f"status_{month}" for month in range(1, MONTHS + 1)]
    frames[side] = frames[side].copy()
    # Fewer people than may be shown, with many moves among them.
    frames[side].loc[: MIN_CELL - 6, columns] = "secret"
    schema = tables.schema_of(pd.concat(frames.values()), "default")
    _, details = run(tables, tuple(frames.values()), schema)
    assert not any("secret" in str(cell) for detail in details.values() for row in detail.rows for cell in row)

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthcredit.evidence import attacks
from synthcredit.evidence.attacks import measure, quasi_identifiers, residual_risk
from synthcredit.evidence.model import Figure, Unit
from synthcredit.evidence.sides import Sides
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Features, Numeric, rows_of, take

RNG = np.random.default_rng
RISKS = (Figure.ATTRIBUTE_RISK, Figure.SINGLING_OUT_RISK, Figure.LINKABILITY_RISK)
EXCESSES = (
    Figure.REPLICATED_UNIQUES_EXCESS,
    Figure.DISCLOSIVE_EXCESS,
    Figure.UNIQUE_VALUES_EXCESS,
    Figure.COPIED_SEGMENT_EXCESS,
)
BY_DISTANCE = (Figure.ATTRIBUTE_RISK, Figure.LINKABILITY_RISK)
ALL = {*RISKS, *EXCESSES, Figure.REPLICATED_UNIQUES, Figure.DISCLOSIVE}


def made(rows: int, seed: int) -> pd.DataFrame:
    """A credit table: few categories, amounts that depend on each other, a pile of zeros, missing values."""
    rng = RNG(seed)
    age = rng.integers(20, 75, rows)
    income = np.round(np.exp(rng.normal(7.5, 0.5, rows) + age / 100), 2)
    limit = np.round(income * rng.uniform(1, 5, rows))
    return pd.DataFrame(
        {
            "age": age,
            "sex": rng.choice(["f", "m"], rows),
            "region": rng.choice([f"r{i}" for i in range(12)], rows),
            "income": np.where(rng.random(rows) < 0.05, np.nan, income),
            "limit": limit,
            "balance": np.where(rng.random(rows) < 0.3, 0.0, np.round(limit * rng.beta(2, 3, rows), 2)),
            "default": np.where(rng.random(rows) < 0.1 + 0.2 * (income < 1500), "yes", "no"),
        }
    )


def joined(one: Features, other: Features) -> Features:
    return {
        name: Discrete(np.concatenate([f.codes, other[name].codes]), f.size)
        if isinstance(f, Discrete)
        else Numeric(np.concatenate([f.values, other[name].values]))
        for name, f in one.items()
    }


def noisy(side: Features, seed: int = 0) -> Features:
    rng = RNG(seed)
    return {
        name: f
        if isinstance(f, Discrete)
        else Numeric(f.values + rng.normal(0, 0.01 * np.nanstd(f.values), len(f.values)))
        for name, f in side.items()
    }


def shuffled(side: Features, seed: int = 0) -> Features:
    rng = RNG(seed)
    return {name: take({name: f}, rng.permutation(rows_of(side)))[name] for name, f in side.items()}


class Cut:
    """Real rows cut three ways, and the synthetic tables with a known answer."""

    def __init__(self, tables, frame: pd.DataFrame, target: str) -> None:
        self.schema = tables.schema_of(frame, target)
        whole = encode(tables.table_of(frame, self.schema), self.schema)
        order = np.array_split(RNG(11).permutation(len(frame)), 3)
        self.train, self.holdout, self.fresh = (take(whole, part) for part in order)
        rows = rows_of(self.train)
        self.copy = take(self.train, RNG(1).permutation(rows))
        self.noise = noisy(self.copy)
        self.fifth = joined(take(self.copy, np.arange(rows // 5)), take(self.fresh, np.arange(rows - rows // 5 - 1)))
        self.independent = shuffled(self.train)

    def figures(self, synthetic: Features) -> dict:
        found, _ = measure(Sides(synthetic, self.train, self.holdout), self.schema, RNG(0))
        return {m.name: m for m in found}

    def details(self, synthetic: Features) -> dict:
        return {d.name: d for d in measure(Sides(synthetic, self.train, self.holdout), self.schema, RNG(0))[1]}


@pytest.fixture(scope="module", params=["german", "made"])
def real(request, tables) -> Cut:
    if request.param == "german":
        return Cut(tables, tables.german(), "creditability")
    return Cut(tables, made(4000, 1), "default")


# --- known answers ---------------------------------------------------------------------------------------------------


def test_fresh_rows_show_no_leak(real):
    found = real.figures(real.fresh)
    assert set(found) == ALL
    for name in (*RISKS, *EXCESSES):
        assert found[name].low <= 0 <= found[name].high, name
        assert found[name].value == pytest.approx(0, abs=0.1)
        assert found[name].fresh == 0


def test_a_copy_is_caught_by_every_figure(real):
    found = real.figures(real.copy)
    for name in (*RISKS, Figure.UNIQUE_VALUES_EXCESS, Figure.COPIED_SEGMENT_EXCESS):
        assert found[name].value > 0.95, name
        assert found[name].low > 0.9, name
    for name in (Figure.REPLICATED_UNIQUES, Figure.DISCLOSIVE):
        assert found[name].value > 2 * found[name].fresh
    for name in EXCESSES:
        assert found[name].low > 0, name


def test_a_copy_with_one_per_cent_noise_is_caught_by_distance(real):
    found = real.figures(real.noise)
    for name in BY_DISTANCE:
        assert found[name].low > 0.3, name


def test_a_fifth_of_copies_is_caught(real):
    found = real.figures(real.fifth)
    for name in (*RISKS, Figure.UNIQUE_VALUES_EXCESS, Figure.COPIED_SEGMENT_EXCESS):
        assert found[name].low > 0, name
        assert 0.05 < found[name].value < 0.45, name


def test_independent_columns_give_nobody_away_but_repeat_single_values(real):
    found = real.figures(real.independent)
    assert found[Figure.ATTRIBUTE_RISK].value is None or found[Figure.ATTRIBUTE_RISK].low <= 0
    assert found[Figure.COPIED_SEGMENT_EXCESS].low <= 0
    assert found[Figure.UNIQUE_VALUES_EXCESS].value > 0.95


def test_an_attack_weaker_than_guessing_makes_no_statement(real):
    # Halves of independent columns are linked no better than by chance, most often worse: never called safe.
    backwards = attacks._Attack("x", np.zeros(100, dtype=bool), np.zeros(100, dtype=bool), 0.2)
    (one,) = attacks._risk(Figure.LINKABILITY_RISK, [backwards], same_people=True, reading="r", gain="g")
    assert one.value is None
    assert one.low is None
    assert one.why_not == "the attack was weaker than guessing: no statement"
    better = attacks._Attack("y", np.ones(100, dtype=bool), np.zeros(100, dtype=bool), 0.2)
    (two,) = attacks._risk(Figure.LINKABILITY_RISK, [backwards, better], same_people=True, reading="r", gain="g")
    assert two.value > 0.9
    assert "1 of 2 attacks were weaker" in two.reading


def test_a_good_dataset_is_seldom_stopped_by_chance(tables):
    # Each bound is one-sided 99 %: of 25 fresh cuts with 7 figures each, 1.75 alarms are expected.
    frame = made(900, 5)
    schema = tables.schema_of(frame, "default")
    whole = encode(tables.table_of(frame, schema), schema)
    alarms = 0
    for seed in range(25):
        cut = [take(whole, part) for part in np.array_split(RNG(seed).permutation(900), 3)]
        found, _ = measure(Sides(*cut), schema, RNG(seed))
        alarms += sum(m.low is not None and m.low > 0 for m in found)
    assert alarms <= 7


def test_a_leak_in_one_small_segment_is_found_there(tables):
    frame = made(6000, 3)
    cut = Cut(tables, frame, "default")
    segment = cut.schema["region"].categories.index("r7")
    of_train = np.flatnonzero(cut.train["region"].codes == segment)
    of_fresh = np.flatnonzero(cut.fresh["region"].codes != segment)
    leaky = joined(take(cut.train, of_train), take(cut.fresh, of_fresh))
    found = cut.figures(leaky)[Figure.COPIED_SEGMENT_EXCESS]
    assert found.value > 0.9
    assert "'region': r7" in found.reading
    top = cut.details(leaky)["copied_segments"].rows[0]
    assert top[:2] == ("region", "r7")
    assert top[3] > 0.95


# --- formulas --------------------------------------------------------------------------------------------------------


def test_residual_risk_agrees_with_anonymeters_formula():
    # By hand, anonymeter 1.1 with n_attacks=500, n_success=200, n_control=50, confidence_level=.98 (z = 2.3263479):
    # rates (200 + 2.70595) / 505.41190 = .4010708 and (50 + 2.70595) / 505.41190 = .1042832,
    # errors z / 505.41190 * sqrt(200 * 300 / 500 + 1.352974) = .0507067 and, of 50, .0313369,
    # risk .2967876 / .8957168 = .3313409, error sqrt((.0507067 / .8957168)^2 + (.0313369 * .5989292 / .8023086)^2).
    value, low, high = residual_risk(0.4, 500, 0.1, 500)
    error = math.hypot(0.0507067 / 0.8957168, 0.0313369 * 0.5989292 / 0.8023086)
    assert value == pytest.approx(0.3313409, abs=2e-5)
    assert (low, high) == pytest.approx((0.3313409 - error, 0.3313409 + error), abs=5e-5)


@given(st.floats(0, 1), st.integers(50, 5000), st.floats(0, 1), st.integers(50, 5000))
def test_a_risk_lies_in_its_interval(train, attacks_, control, control_attacks):
    value, low, high = residual_risk(train, attacks_, control, control_attacks)
    assert -1 <= low <= value <= high <= 1


def test_attacks_on_one_person_count_once_where_they_go_together():
    together = np.repeat(RNG(0).random((400, 1)) < 0.3, 20, axis=1)
    apart = RNG(0).random((400, 20)) < 0.3
    assert attacks._rate(together)[1] == pytest.approx(400, rel=0.01)
    assert 5000 < attacks._rate(apart)[1] <= 8000
    assert attacks._rate(np.ones((50, 3), dtype=bool)) == (1, 50)


def test_the_nearest_row_is_gowers():
    rng = RNG(3)
    people = {"a": rng.random(40).astype(np.float32), "b": rng.integers(0, 4, 40).astype(np.int32)}
    rows = {"a": rng.random(70).astype(np.float32), "b": rng.integers(0, 4, 70).astype(np.int32)}
    found = attacks._nearest_without(people, rows, ["a", "b"])
    gower = np.abs(people["a"][:, None] - rows["a"])
    assert (found[:, 1] == gower.argmin(axis=1)).all()
    assert (rows["b"][found[:, 0]] == people["b"]).all()
    both = gower + (people["b"][:, None] != rows["b"])
    few = np.sort(attacks._nearest(people, rows, ["a", "b"]), axis=1)
    assert (few == np.sort(np.argsort(both, axis=1)[:, : attacks._NEIGHBOURS], axis=1)).all()


def test_missing_is_far_from_numbers_and_near_to_missing():
    train = {"a": Numeric(np.array([0.0, 1.0, 2.0, 4.0, np.nan] * 20))}
    columns = attacks._coordinates(train, {"a": Numeric(np.array([np.nan, 0.0, 4.0, np.inf, -np.inf]))})["a"]
    assert attacks._apart(columns, columns).tolist() == [
        [0, 1, 1, 1, 1],
        [1, 0, 1, 1, 0],
        [1, 1, 0, 0, 1],
        [1, 1, 0, 0, 1],
        [1, 0, 1, 1, 0],
    ]


def test_what_counts_as_guessed():
    guess = Numeric(np.array([100.0, 100.0, -100.0, -100.0, 0.0, np.nan, np.nan, np.inf, np.inf]))
    truth = Numeric(np.array([105.0, 106.0, -104.0, 50.0, 0.0, np.nan, 1.0, np.inf, 3.0]))
    right = [True, False, True, False, True, True, False, True, False]
    assert attacks._guessed(guess, truth, None).tolist() == right
    days = Numeric(np.array([1e9, 1e9]))
    assert attacks._guessed(days, Numeric(np.array([1e9 + 50, 1e9 + 150])), 100.0).tolist() == [True, False]
    codes = Discrete(np.array([1, 2], dtype=np.int32), 3)
    assert attacks._guessed(codes, Discrete(np.array([1, 0], dtype=np.int32), 3), None).tolist() == [True, False]


def test_predicates_isolate():
    people = np.array([[1.0, 2.0, 3.0, np.nan], [0.0, 0.0, 1.0, 1.0]])
    missing, top = (0, np.equal, math.nan), (0, np.greater_equal, 2.0)
    assert attacks._isolates(people, [(missing,), (top,), (top, (1, np.equal, 1.0))]).tolist() == [True, False, True]


def test_single_values_and_ends_are_the_univariate_predicates():
    source = np.array([[1.0, 1.0, 2.0, 5.0], [0.0, 0.0, 0.0, 1.0]])
    found = attacks._univariate(source, np.array([True, False]), RNG(0))
    assert set(found) == {
        ((0, np.equal, 2.0),),
        ((0, np.equal, 5.0),),
        ((0, np.greater_equal, 5.0),),
        ((1, np.equal, 1.0),),
    }


def keyed(keys: list[int], secrets: list[int]) -> Features:
    return {"sex": Discrete(np.array(keys, dtype=np.int32), 40), "s": Discrete(np.array(secrets, dtype=np.int32), 3)}


def test_replicated_uniques_and_disclosure_by_hand(tables):
    # 60 rows a side. Keys 0 to 9 occur once in train; of these 0 to 3 once in synthetic, 4 and 5 twice, others never.
    schema = tables.TableSchema(
        name="t",
        columns=tuple(
            tables.Column(name=n, storage_name=n, kind="categorical", dtype="int64", categories=tuple(range(size)))
            for n, size in (("sex", 40), ("s", 3))
        ),
        target="s",
    )
    train = keyed([*range(10), *[20] * 50], [0] * 5 + [1] * 5 + [2] * 50)
    synthetic = keyed([0, 1, 2, 3, 4, 4, 5, 5, *[21] * 52], [0, 0, 1, 1, 0, 0, 1, 0, *[2] * 52])
    holdout = keyed([*[21] * 59, 0], [*[2] * 30, *[1] * 29, 0])
    found = {m.name: m for m in measure(Sides(synthetic, train, holdout), schema, RNG(0))[0]}
    unique = found[Figure.REPLICATED_UNIQUES]
    assert (unique.value, unique.fresh) == pytest.approx((4 / 60, 1 / 60))
    assert unique.unit is Unit.SHARE
    assert "sex finds" in unique.reading
    # Rightly disclosed: keys 0, 1 and 4; 2 and 3 wrongly, 5 not at all. In the holdout 30 of key 21, and key 0.
    disclosed = found[Figure.DISCLOSIVE]
    assert (disclosed.value, disclosed.fresh) == pytest.approx((3 / 60, 31 / 60))
    assert found[Figure.DISCLOSIVE_EXCESS].high < 0


def test_single_values_by_hand(tables):
    frame = pd.DataFrame({"v": [float(i) for i in range(200)]})
    schema = tables.schema_of(frame)
    train, holdout = Numeric(np.arange(0.0, 100)), Numeric(np.arange(99.0, 200))
    synthetic = Numeric(np.concatenate([np.arange(0.0, 40), np.arange(100.0, 110), np.full(20, 99.0)]))
    found = {m.name: m for m in measure(Sides(*({"v": v} for v in (synthetic, train, holdout))), schema, RNG(0))[0]}
    # 99 is in both: nobody's. 40 of train's other 99, 10 of the holdout's other 100.
    assert found[Figure.UNIQUE_VALUES_EXCESS].value == pytest.approx(40 / 99 - 10 / 100)
    assert found[Figure.ATTRIBUTE_RISK].why_not == "fewer than two columns have more than one value"
    assert found[Figure.LINKABILITY_RISK].value is None


def test_keys_are_chosen_by_name_then_by_size(tables):
    frame = tables.german()
    schema = tables.schema_of(frame, "creditability")
    whole = encode(tables.table_of(frame, schema), schema)
    keys = quasi_identifiers(whole, schema)
    assert keys[:2] == ["age.in.years", "personal.status.and.sex"]
    assert len(keys) == 5
    plain = frame.rename(columns={name: f"x{i}" for i, name in enumerate(frame)})
    target = plain.columns[-1]
    schema = tables.schema_of(plain, target)
    keys = quasi_identifiers(encode(tables.table_of(plain, schema), schema), schema)
    assert keys[0] == "x3"  # Purpose has most categories.
    assert len(keys) == 5
    assert target not in keys


# --- odd input -------------------------------------------------------------------------------------------------------


def test_too_few_rows_are_not_measured(real):
    found = real.figures(take(real.fresh, np.arange(30)))
    assert set(found) == ALL
    assert all(m.value is None and "30 synthetic rows" in m.why_not for m in found.values())


def odd(kind: str, rows: int, seed: int) -> pd.DataFrame:
    rng = RNG(seed)
    frame = made(rows, seed)
    return {
        "numeric": frame[["income", "limit", "balance"]],
        "discrete": frame[["sex", "region", "default"]],
        "constant": frame.assign(sex="f", limit=1.0, income=np.nan),
        "one value": pd.DataFrame({"a": np.ones(rows), "b": ["x"] * rows}),
        "dates": frame.assign(since=pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D")),
        "one column": frame[["sex"]],
        "all keys": frame[["sex", "region"]],
    }[kind]


@pytest.mark.parametrize("kind", ["numeric", "discrete", "constant", "one value", "dates", "one column", "all keys"])
def test_odd_tables_are_measured_or_say_why_not(tables, kind):
    whole = odd(kind, 360, 7)
    target = "default" if "default" in whole else None
    schema = tables.schema_of(whole, target)
    cut = [
        encode(tables.table_of(whole.iloc[i * 120 : (i + 1) * 120].reset_index(drop=True), schema), schema)
        for i in range(3)
    ]
    found, details = measure(Sides(*cut), schema, RNG(0))
    assert {m.name for m in found} == ALL
    for m in found:
        assert (m.value is None) == (m.why_not is not None), m.name
        assert m.value is None or math.isfinite(m.value)
    assert all(len(row) == len(d.heading) for d in details for row in d.rows)


def test_infinities_and_unknown_categories_do_not_crash(tables):
    frame = made(600, 9)
    frame["region"] = frame["region"].astype(object)
    cut = Cut(tables, frame, "default")
    rng = RNG(0)
    strange = dict(cut.fresh)
    values = strange["limit"].values.copy()
    values[:20], values[20:40] = np.inf, -np.inf
    strange["limit"] = Numeric(values)
    region = strange["region"]
    strange["region"] = Discrete(
        np.where(rng.random(200) < 0.1, len(cut.schema["region"].categories), region.codes).astype(np.int32),
        region.size,
    )
    for sides in (Sides(strange, cut.train, cut.holdout), Sides(cut.fresh, strange, cut.holdout)):
        found, _ = measure(sides, cut.schema, RNG(0))
        assert all(m.value is None or math.isfinite(m.value) for m in found)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.integers(50, 90))
def test_sides_of_any_size_are_measured(seed, rows):
    rng = RNG(seed)

    def side(n: int) -> Features:
        values = np.where(rng.random(n) < 0.3, np.nan, rng.integers(0, 9, n))
        return {"age": Numeric(values), "x": Discrete(rng.integers(0, 3, n).astype(np.int32), 3)}

    from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema

    schema = TableSchema(
        name="t",
        columns=(
            Column(name="age", storage_name="age", kind=Kind.INTEGER, dtype=Dtype.INT64, nullable=True),
            Column(name="x", storage_name="x", kind=Kind.CATEGORICAL, dtype=Dtype.INT64, categories=(0, 1, 2)),
        ),
        target="x",
    )
    found, _ = measure(Sides(side(rows), side(2 * rows), side(rows + 7)), schema, rng)
    assert all(m.low is None or -1 <= m.low <= m.value <= m.high <= 1 for m in found)


def test_the_same_seed_gives_the_same_figures(real):
    sides = Sides(real.fresh, real.train, real.holdout)
    assert measure(sides, real.schema, RNG(4)) == measure(sides, real.schema, RNG(4))


def test_a_wide_or_long_table_is_attacked_less(monkeypatch, real):
    monkeypatch.setattr(attacks, "MAX_CANDIDATES", 100)
    monkeypatch.setattr(attacks, "_DISTANCES", 1)
    found = real.figures(real.fresh)[Figure.ATTRIBUTE_RISK]
    assert found.rows == 250
    assert "100 synthetic rows" in found.reading


def test_tables_hold_many_rows_and_no_value_of_a_number(real):
    for detail in real.details(real.fresh).values():
        assert all(isinstance(cell, str | float) or cell is None for row in detail.rows for cell in row)
    for column, label, rows, _, held, *_ in real.details(real.fresh)["copied_segments"].rows:
        assert min(rows, held) >= attacks.MIN_CELL
        if not real.schema[column].discrete:
            assert label == "missing" or label.startswith("part ")

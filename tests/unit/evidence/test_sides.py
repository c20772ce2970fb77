import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from synthcredit.evidence.sides import MIN_ROWS, Sides, cut, draw, fit_bins
from synthcredit.synthesizers.features import Discrete, Numeric, rows_of, take

FLOATS = arrays.arrays(
    np.float64, st.integers(1, 60), elements=st.one_of(st.floats(-1e6, 1e6), st.just(np.nan), st.just(0.0))
)


def features(rows: int) -> dict:
    return {"a": Numeric(np.arange(rows, dtype=float)), "b": Discrete(np.arange(rows, dtype=np.int32) % 3, 3)}


def test_take_and_draw_keep_rows_together():
    side = features(60)
    some = take(side, np.array([5, 2]))
    assert some["a"].values.tolist() == [5, 2]
    assert some["b"].codes.tolist() == [2, 2]
    drawn = draw(side, 10, np.random.default_rng(0))
    assert len(set(drawn["a"].values)) == 10
    assert (drawn["a"].values % 3 == drawn["b"].codes).all()
    assert draw(side, 60, np.random.default_rng(0)) is side


def test_rows_of_nothing_is_zero():
    assert rows_of({}) == 0


def test_too_few_names_the_short_sides():
    assert Sides(features(60), features(60), features(60)).too_few() is None
    why = Sides(features(3), features(60), features(7)).too_few()
    assert "3 synthetic rows" in why
    assert "7 holdout rows" in why
    assert "training" not in why
    assert str(MIN_ROWS) in why
    assert Sides({}, {}, {}).too_few() == "no column is learned"


def test_quantile_bins_hold_a_tenth_each_and_missing_is_its_own():
    values = np.append(np.arange(1000.0), [np.nan] * 7)
    side = {"a": Numeric(values)}
    bins = fit_bins(side)
    counts = np.bincount(cut(side, bins)["a"], minlength=bins["a"].size)
    assert counts[:-1].tolist() == [100] * 10
    assert counts[-1] == 7


@given(FLOATS, FLOATS)
def test_every_value_has_a_state_and_missing_only_missing(train: np.ndarray, other: np.ndarray):
    bins = fit_bins({"a": Numeric(train)})
    states = cut({"a": Numeric(other)}, bins)["a"]
    assert states.min() >= 0
    assert states.max() < bins["a"].size
    assert ((states == bins["a"].size - 1) == np.isnan(other)).all()


@given(st.lists(st.integers(0, 39), min_size=1, max_size=200))
def test_rare_categories_share_one_state(codes: list[int]):
    side = {"b": Discrete(np.array(codes, dtype=np.int32), 40)}
    bins = fit_bins(side)
    states = cut(side, bins)["b"]
    assert bins["b"].size <= 21
    assert states.max() < bins["b"].size
    # Equal codes are in equal states.
    assert len({(code, int(state)) for code, state in zip(codes, states, strict=True)}) == len(set(codes))


def test_a_code_above_the_known_ones_has_a_state():
    # A column that is never missing gives unknown categories the code after the last.
    bins = fit_bins({"b": Discrete(np.array([0, 1, 1], dtype=np.int32), 2)})
    assert cut({"b": Discrete(np.array([2], dtype=np.int32), 2)}, bins)["b"][0] < bins["b"].size


@pytest.mark.parametrize("values", [[np.nan] * 5, [3.0] * 5])
def test_all_missing_and_constant_columns_have_bins(values: list[float]):
    side = {"a": Numeric(np.array(values))}
    assert len(set(cut(side, fit_bins(side))["a"].tolist())) == 1

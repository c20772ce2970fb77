import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.read import read_table
from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import InvalidInputError, ModelFileError
from synthcredit.randomness import generator
from synthcredit.synthesizers import trees
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete
from synthcredit.synthesizers.settings import TreesSettings
from synthcredit.synthesizers.trees import TreesSynthesizer
from synthcredit.synthesizers.trees_forest import Forest, grow
from synthcredit.synthesizers.trees_leaning import LeaningForest, lean, normal_score, normal_share
from synthcredit.synthesizers.trees_pooled import POWERS, TREES, PooledForest, grow_pooled
from synthcredit.synthesizers.trees_states import (
    TIME_STEPS,
    CategoryStates,
    NumericStates,
    learn_categories,
    learn_numbers,
)

K = 10


def rng(purpose: str = "test") -> np.random.Generator:
    return generator(1, purpose)


def numbers(values, special=(), k=K, **more):
    return learn_numbers(np.asarray(values, dtype=np.float64), special, k=k, rng=rng("states"), **more)


def categories(codes, size, reference=None, k=1):
    return learn_categories(Discrete(np.asarray(codes, dtype=np.int32), size), reference, k=k, rng=rng("states"))


# --- States ---------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    arrays_of.arrays(
        np.float64,
        st.integers(K, 400),
        elements=st.one_of(
            st.floats(-1e9, 1e9, allow_nan=False),
            st.integers(-50, 50).map(float),
            st.integers(-90, 90).map(lambda whole: whole * 1000.0),
            st.just(float("nan")),
        ),
    )
)
def test_every_state_has_k_rows_and_values_stay_inside_theirs(values):
    states, rows = numbers(values)
    assert np.bincount(rows, minlength=states.size).min() >= K
    assert (states.low <= states.high).all()
    drawn = states.draw(rows, rng()).values
    missing = np.isnan(drawn)
    assert missing.sum() in (0, np.isnan(values).sum(), len(values))
    low, high, step = states.low[rows[~missing]], states.high[rows[~missing]], states.step[rows[~missing]]
    slack = 1e-9 * np.abs(drawn[~missing]) + 1e-9
    assert (drawn[~missing] >= low - step / 2 - slack).all()
    assert (drawn[~missing] <= high + step / 2 + slack).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 60))
def test_drawn_values_have_the_mean_and_the_tail_of_the_real_ones(seed, k):
    values = np.exp(np.random.default_rng(seed).normal(8, 1.5, 3_000))
    states, rows = numbers(values, k=k)
    drawn = np.concatenate([states.draw(rows, rng(str(again))).values for again in range(9)])
    assert drawn.max() <= np.sort(values)[-k:].mean()
    # Only what the k largest lie above their mean is lost; the rest is sampling, of an exponential in each bin.
    assert drawn.mean() == pytest.approx(np.minimum(values, np.sort(values)[-k:].mean()).mean(), rel=0.01)
    if k <= 20:
        assert np.quantile(drawn, 0.99) == pytest.approx(np.quantile(values, 0.99), rel=0.12)


def test_a_bin_that_begins_at_next_to_nothing_stays_finite():
    values = np.concatenate([[3e-320, 1e-310, 1e-308], np.arange(1, 60) / 7e3, [-1e300, 1e300]])
    states, rows = numbers(values, k=2)
    drawn = states.draw(rows, rng()).values
    assert ((drawn >= values.min()) & (drawn <= values.max())).all()


def test_a_value_of_its_own_comes_back_exactly():
    values = np.repeat([0.1, 4_000.3, 1e9 / 3], 50)
    states, rows = numbers(values)
    assert np.array_equal(states.draw(rows, rng()).values, values)


def test_states_are_in_the_order_of_their_values():
    values = np.exp(rng().normal(8, 1, 5_000)).round(2)
    states, rows = numbers(values)
    order = np.argsort(values)
    assert (np.diff(states.low + states.high) > 0).all()
    assert (np.diff(rows[order]) >= 0).mean() > 0.99  # Bins of round and of other amounts overlap.


def test_a_frequent_value_is_a_state_and_others_share_bins():
    values = np.concatenate([rng().normal(1_000, 300, 3_000), np.full(500, 0.0)])
    states, rows = numbers(values)
    counts = np.bincount(rows, minlength=states.size)
    assert counts[states.high > states.low].min() >= K
    assert counts[states.high == states.low].tolist() == [500]


def test_frequent_and_special_values_are_states_of_their_own():
    values = np.concatenate([rng().normal(50_000, 9_000, 2_000), np.full(100, 12_345.0), np.full(K, -9.0)])
    states, _ = numbers(values, special=(-9.0,))
    alone = states.low[states.low == states.high]
    assert alone.tolist() == [-9.0, 12_345.0]


def test_a_code_that_fewer_than_k_rows_have_is_replaced():
    values = np.concatenate([rng().normal(50_000, 9_000, 2_000), np.full(K - 1, -9.0), np.full(K - 1, np.nan)])
    states, rows = numbers(values, special=(-9.0,))
    assert states.low.min() > 10_000
    assert not states.missing
    assert rows.max() < states.size


def test_values_of_fewer_than_k_rows_are_missing_where_others_are():
    states, rows = numbers(np.concatenate([np.arange(K - 1.0), np.full(40, np.nan)]))
    assert states.size == 1
    assert np.isnan(states.draw(rows, rng()).values).all()


def test_rare_codes_without_others_share_a_bin():
    states, rows = numbers(np.repeat([-9.0, -8.0], K - 1), special=(-9.0, -8.0))
    assert states.size == 1
    assert set(states.draw(rows, rng()).values) <= {-9.0, -8.0}


def test_few_values_are_all_states_where_k_rows_have_them():
    values = np.array([1.0, 2.0, 3.0] * 100 + [4.0] * K)
    states, rows = numbers(values)
    assert states.low.tolist() == states.high.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert np.array_equal(states.draw(rows, rng()).values, values)


def test_a_rare_one_of_few_values_becomes_the_nearest():
    values = np.array([1.0, 2.0, 4.0] * 100 + [3.4, 9.0, -1.0])
    states, rows = numbers(values)
    assert states.draw(rows, rng()).values[-3:].tolist() == [4.0, 4.0, 1.0]


def test_round_amounts_stay_round():
    source = rng()
    odd, even = source.integers(1_000, 900_000, 3_000), source.integers(1, 900, 1_500) * 1_000
    values = np.concatenate([odd, even]).astype(float)
    states, rows = numbers(values)
    drawn = states.draw(rows, rng()).values
    assert (drawn[3_000:] % 1_000 == 0).all()
    assert (drawn[:3_000] % 1_000 == 0).mean() < 0.02
    assert np.array_equal(drawn, drawn.round())  # All were whole, so all are.


def test_a_handful_of_odd_values_has_no_bin_of_its_own():
    even = rng().integers(1, 900, 2_000) * 1_000.0
    states, rows = numbers(np.append(even, [123_456.0, 654_321.0]))
    assert np.bincount(rows).min() >= K
    assert (states.step[states.high > states.low] == 1_000).all()


def test_dates_stay_at_midnight():
    days = rng().integers(10_000, 19_000, 3_000) * 86_400.0
    states, rows = numbers(days, steps=TIME_STEPS)
    assert (states.draw(rows, rng()).values % 86_400 == 0).all()


def test_no_single_value_is_kept():
    values = rng().normal(40_000, 9_000, 4_000)  # Every value is one row's.
    states, _ = numbers(values)
    assert not np.isin(np.concatenate([states.low, states.high]), values).any()
    assert states.low[0] == pytest.approx(np.sort(values)[:K].mean())
    assert states.high[-1] == pytest.approx(np.sort(values)[-K:].mean())


def test_edges_lie_anywhere_between_their_neighbours():
    values = np.arange(4_000) * 7.3
    states, _ = numbers(values)
    place = (states.low[1:] / 7.3) % 1
    assert place.std() == pytest.approx(12**-0.5, abs=0.04)  # Even from 0 to 1; midpoints would have none.
    other = learn_numbers(values, k=K, rng=rng("others"))[0]
    assert (states.low[1:] != other.low[1:]).all()


def test_a_column_of_nothing_is_one_state():
    states, rows = numbers(np.full(30, np.nan))
    assert states.size == 1
    assert np.isnan(states.draw(rows, rng()).values).all()


def test_categories_are_ordered_by_the_reference():
    codes = [0, 1, 2, 3] * 5
    states, rows = categories(codes, 5, np.array([0.5, 0.1, 0.9, 0.3] * 5))
    assert states.code.tolist() == [4, 1, 3, 0, 2]
    assert np.array_equal(states.draw(rows, rng()).codes, codes)


def test_a_category_that_fewer_than_k_rows_have_takes_that_of_others():
    codes = np.repeat([0, 1, 2, 3], [K - 1, 900, 2, 300])
    states, rows = categories(codes, 5, k=K)
    drawn = states.draw(rows, rng()).codes
    assert set(drawn) == {1, 3}
    assert np.array_equal(drawn[np.isin(codes, [1, 3])], codes[np.isin(codes, [1, 3])])


def test_where_no_category_has_k_rows_all_of_the_schema_are_drawn():
    states, rows = categories(np.repeat([0, 1, 2, 3], 5), 9, k=K)
    assert set(states.draw(rows, rng()).codes) > {0, 1, 2, 3}


# --- A forest -------------------------------------------------------------------------------------------------------


def grown(earlier, rows, size, **more) -> Forest:
    how = {"categories": True, "trees": 4, "leaf_rows": 10, "rng": rng(), "grown": lambda _: None}
    with ThreadPoolExecutor(2) as pool:
        return grow(earlier, np.arange(len(earlier)), rows, size, pool=pool, **(how | more))


@pytest.mark.parametrize("categories", [True, False])
def test_a_forest_draws_what_it_learned(categories):
    source = rng()
    earlier = source.integers(0, 4, (2, 4_000)).astype(np.int32)
    chance = np.array([0.1, 0.3, 0.6, 0.9])[earlier[0]]
    rows = (source.random(4_000) < chance).astype(np.int32)
    forest = grown(earlier, rows, 2, categories=categories)
    drawn = forest.draw(earlier, rng("draw"))
    for value in range(4):
        # Four standard deviations of a share of some 1,000 rows.
        assert drawn[earlier[0] == value].mean() == pytest.approx([0.1, 0.3, 0.6, 0.9][value], abs=0.07)


def test_each_leaf_counts_the_rows_that_walk_to_it():
    source = rng()
    earlier = source.integers(0, 50, (3, 2_000)).astype(np.int32)
    rows = (earlier.sum(axis=0) // 10).astype(np.int32)
    forest = grown(earlier, rows, 20, categories=False, trees=1, leaf_rows=20)
    leaves = forest.leaves(earlier, np.zeros(2_000, dtype=np.int32))
    for leaf in np.unique(leaves):
        span = slice(forest.start[leaf], forest.start[leaf + 1])
        held = dict(zip(forest.state[span].tolist(), np.diff(forest.before)[span].tolist(), strict=True))
        found, counts = np.unique(rows[leaves == leaf], return_counts=True)
        assert held == dict(zip(found.tolist(), counts.tolist(), strict=True))


def test_trees_see_more_of_a_distribution_than_its_mean():
    """States 0 and 8 where the parent is 1, state 4 where it is 0: one mean, two distributions."""
    source = rng()
    earlier = source.integers(0, 2, (1, 3_000)).astype(np.int32)
    rows = np.where(earlier[0] == 1, source.choice([0, 8], 3_000), 4).astype(np.int32)
    drawn = grown(earlier, rows, 9, categories=False).draw(earlier, rng("draw"))
    assert np.array_equal(drawn == 4, rows == 4)


def test_a_forest_does_not_depend_on_how_many_trees_grow_at_once(monkeypatch, make_table, made_schema):
    forests = []
    for workers in (1, 3):
        monkeypatch.setattr(trees, "MOST_WORKERS", workers)
        forests.append(TreesSynthesizer(TreesSettings(trees=3)).fit(make_table(400), made_schema, seed=1)._arrays())
    assert all(np.array_equal(forests[0][name], forests[1][name]) for name in forests[0])


def test_the_first_column_is_drawn_by_its_shares():
    rows = np.repeat([0, 1, 2], [100, 300, 600]).astype(np.int32)
    forest = grown(np.empty((0, 1_000), dtype=np.int32), rows, 3)
    drawn = forest.draw(np.empty((0, 8_192), dtype=np.int32), rng())
    assert np.bincount(drawn) / 8_192 == pytest.approx([0.1, 0.3, 0.6], abs=0.025)


def sound() -> tuple[dict[str, np.ndarray], int, int]:
    source = rng()
    earlier = source.integers(0, 9, (2, 500)).astype(np.int32)
    return grown(earlier, earlier[0], 9).arrays(), 2, 9


def test_a_forest_survives_its_arrays():
    arrays, columns, size = sound()
    forest = Forest.from_arrays(arrays, columns=columns, size=size)
    for name, array in forest.arrays().items():
        assert np.array_equal(array, arrays[name])
        assert array.dtype.kind == "u"


def _first(kind: str, arrays: dict[str, np.ndarray]) -> int:
    return int(np.flatnonzero((arrays["parent"] == 0) == (kind == "leaf"))[0])


HOSTILE = {
    "an unknown root": lambda a: a["root"].__setitem__(0, 60_000),
    "a column not yet drawn": lambda a: a["parent"].__setitem__(_first("inner", a), 3),
    "a way back": lambda a: a["other"].__setitem__(_first("inner", a), 0),
    "a way out": lambda a: a["other"].__setitem__(_first("inner", a), len(a["parent"])),
    "an unknown leaf": lambda a: a["other"].__setitem__(_first("leaf", a), len(a["sizes"])),
    "an inner last node": lambda a: a["parent"].__setitem__(-1, 1),
    "an empty leaf": lambda a: a["sizes"].__setitem__(0, 0),
    "leaves beyond the states": lambda a: a["sizes"].__setitem__(0, a["sizes"][0] + 1),
    "an unknown state": lambda a: a["state"].__setitem__(0, 9),
    "a state of no rows": lambda a: a["rows"].__setitem__(0, 0),
    "too few rows": lambda a: a.__setitem__("rows", a["rows"][:-1]),
    "too few thresholds": lambda a: a.__setitem__("threshold", a["threshold"][:-1]),
    "no trees": lambda a: a.__setitem__("root", a["root"][:0]),
    "numbers with decimals": lambda a: a.__setitem__("state", a["state"].astype(np.float64)),
    "numbers below zero": lambda a: a.__setitem__("other", a["other"].astype(np.int32)),
    "huge numbers": lambda a: a.__setitem__("rows", a["rows"].astype(np.uint64) + 2**63),
    "another shape": lambda a: a.__setitem__("state", a["state"][None]),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_hostile_trees_are_refused(change):
    arrays, columns, size = sound()
    arrays = {name: array.astype(np.uint32) for name, array in arrays.items()}
    change(arrays)
    with pytest.raises(ValueError, match="the trees of a column"):
        Forest.from_arrays(arrays, columns=columns, size=size)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_whatever_is_read_can_be_drawn_from(data):
    """Any change of any number is either refused or harmless."""
    arrays, columns, size = sound()
    arrays = {name: array.astype(np.uint32) for name, array in arrays.items()}
    for _ in range(data.draw(st.integers(1, 3))):
        array = arrays[data.draw(st.sampled_from(sorted(arrays)))]
        array[data.draw(st.integers(0, len(array) - 1))] = data.draw(st.integers(0, 2**32 - 1) | st.integers(0, 40))
    try:
        forest = Forest.from_arrays(arrays, columns=columns, size=size)
    except ValueError:
        return
    drawn = forest.draw(rng().integers(0, 9, (2, 300)).astype(np.int32), rng())
    assert ((drawn >= 0) & (drawn < size)).all()


@pytest.mark.parametrize(
    "change",
    [
        {"low": np.array([0.0, np.nan])},
        {"low": np.array([0.0, np.inf])},
        {"low": np.array([2.0, 9.0])},
        {"step": np.array([-1.0, 0.0])},
        {"step": np.array([0.0])},
        {"step": np.array([0.0, 1e-300]), "high": np.array([1.0, 1e100])},
        {"tilt": np.array([0.0, 51.0])},
        {"tilt": np.array([np.nan, 0.0])},
        {"high": np.array([[1.0, 2.0]])},
        {"high": np.array([1, 2])},
    ],
)
def test_hostile_numbers_are_refused(change):
    parts = {"low": np.array([0.0, 1.0]), "high": np.array([1.0, 2.0]), "step": np.zeros(2), "tilt": np.zeros(2)}
    assert NumericStates.from_arrays(parts, missing=False).size == 2
    with pytest.raises(ValueError, match="numeric column"):
        NumericStates.from_arrays(parts | change, missing=False)


@pytest.mark.parametrize("code", [[0, 0], [0, 2], [-1, 0], [[0, 1]], [0.0, 1.0]])
def test_hostile_categories_are_refused(code):
    dtype = np.float64 if isinstance(code[0], float) else np.int32
    with pytest.raises(ValueError, match="categorical column"):
        CategoryStates.from_arrays({"code": np.array(code, dtype=dtype)})


# --- A small table's target ------------------------------------------------------------------------------------------


def pooled(earlier, rows, size, leaf_rows=10, drawn=None) -> PooledForest:
    with ThreadPoolExecutor(2) as pool:
        return grow_pooled(
            earlier,
            np.arange(len(earlier)),
            rows,
            size,
            drawn=earlier if drawn is None else drawn,
            leaf_rows=leaf_rows,
            rng=rng(),
            pool=pool,
            grown=lambda _: None,
        )


def two_outcomes(count: int, columns: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return columns, outcomes, and how likely each outcome was: all columns matter a little."""
    source = rng("outcomes")
    earlier = source.integers(0, 4, (columns, count)).astype(np.int32)
    chance = 1 / (1 + np.exp(-(earlier - 1.5).sum(axis=0)))
    return earlier, (source.random(count) < chance).astype(np.int32), chance


def test_pooled_trees_are_as_sure_as_the_truth():
    earlier, rows, _ = two_outcomes(800)
    forest = pooled(earlier, rows, 2)
    assert len(forest.forest.root) == TREES
    assert forest.power > 1.0
    unseen = np.random.default_rng(7).integers(0, 4, (6, 5_000)).astype(np.int32)
    chance = 1 / (1 + np.exp(-(unseen - 1.5).sum(axis=0)))
    told = forest.chances(unseen)[:, 1]
    slope = np.polyfit(chance, told, 1)[0]
    # A mean of trees without the power reaches about .55 of the truth's spread.
    assert 0.7 < slope < 1.1
    assert told.mean() == pytest.approx(chance.mean(), abs=0.04)
    assert forest.draw(unseen, rng("draw")).mean() == pytest.approx(told.mean(), abs=0.03)


def test_blurred_rows_are_told_apart_as_surely_as_real_ones():
    earlier, rows, _ = two_outcomes(800)
    blurred = np.clip(earlier, 1, 2)
    real, raised = pooled(earlier, rows, 2), pooled(earlier, rows, 2, drawn=blurred)
    assert raised.power > real.power
    spread = [
        forest.chances(part)[:, 1].std() for forest, part in ((real, earlier), (real, blurred), (raised, blurred))
    ]
    assert spread[1] < spread[2] < spread[0] * 1.1


def test_where_nothing_tells_the_outcome_pooled_trees_claim_nothing():
    source = rng("nothing")
    earlier, rows = source.integers(0, 4, (4, 900)).astype(np.int32), source.integers(0, 2, 900).astype(np.int32)
    forest = pooled(earlier, rows, 2)
    assert forest.power == POWERS[0]
    assert forest.chances(earlier).std() < 0.2


def test_pooled_trees_never_draw_a_state_of_no_row():
    earlier, rows, _ = two_outcomes(400)
    assert set(pooled(earlier, rows * 2, 4).draw(earlier, rng("draw")).tolist()) == {0, 2}


def test_pooled_trees_survive_their_arrays_and_refuse_nonsense():
    earlier, rows, _ = two_outcomes(300)
    forest = pooled(earlier, rows, 2)
    arrays = forest.arrays()
    again = PooledForest.from_arrays(arrays, columns=6, size=2)
    assert np.array_equal(again.draw(earlier, rng("draw")), forest.draw(earlier, rng("draw")))
    for power in (np.array([np.nan]), np.array([0.0]), np.array([9.0]), np.array([2]), np.array([2.0, 2.0])):
        with pytest.raises(ValueError, match="power"):
            PooledForest.from_arrays(arrays | {"power": power}, columns=6, size=2)
    with pytest.raises(ValueError, match="so many states"):
        PooledForest.from_arrays(arrays, columns=6, size=10_000)


def test_only_a_small_tables_target_is_pooled(make_table, made_schema, made, monkeypatch):
    def pools(model: TreesSynthesizer) -> list[str]:
        return [name for name, f in zip(model._order, model._forests, strict=True) if isinstance(f, PooledForest)]

    assert pools(made[1]) == ["default"]
    table = make_table(300)
    number = TreesSynthesizer(TreesSettings(trees=1)).fit(table, made_schema.with_target("income"), seed=1)
    monkeypatch.setattr(trees, "LARGE_ROWS", 200)
    large = TreesSynthesizer(TreesSettings(trees=1)).fit(table, made_schema, seed=1)
    assert pools(number) == pools(large) == []


# --- Leaves that lean -----------------------------------------------------------------------------------------------


def line(count: int = 4_000, slope: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return two columns of 400 states, the second close to the first (or to its mirror image)."""
    source = rng("line")
    first = source.integers(0, 400, count)
    second = np.clip(first + source.integers(-8, 9, count), 0, 399)
    return first[None].astype(np.int32), (second if slope > 0 else 399 - second).astype(np.int32)


def leaning(earlier, rows, size=400, **more) -> LeaningForest:
    forest = grown(earlier, rows, size, categories=False, **more)
    return lean(forest, earlier, [400] * len(earlier), np.arange(len(earlier)), rows, size, rng("lean"))


@pytest.mark.parametrize("slope", [1, -1])
def test_inside_large_leaves_amounts_still_follow_each_other(slope):
    earlier, rows = line(slope=slope)
    flat = grown(earlier, rows, 400, categories=False, leaf_rows=400)
    tilted = leaning(earlier, rows, leaf_rows=400)
    drawn = [forest.draw(earlier, rng("draw")) for forest in (flat, tilted)]
    blur = [np.abs(each - rows).mean() for each in drawn]
    assert blur[1] < 0.5 * blur[0]
    assert tilted.strength.min() > 0.7
    assert np.sign(np.diff(tilted.tables[0]).sum()) == slope
    # What comes, and how often, stays: deciles of 4,000 rows, four standard deviations.
    for each in drawn:
        assert np.quantile(each, np.arange(1, 10) / 10) == pytest.approx(
            np.quantile(rows, np.arange(1, 10) / 10), abs=13
        )


def test_leaves_do_not_lean_by_what_tells_nothing():
    source = rng("nothing")
    earlier, rows = source.integers(0, 400, (2, 4_000)).astype(np.int32), source.integers(0, 400, 4_000)
    assert np.abs(leaning(earlier, rows.astype(np.int32), leaf_rows=400).strength).max() < 0.2


def test_without_anything_to_lean_by_a_forest_stays_as_it_is():
    constant, rows = np.zeros((1, 500), dtype=np.int32), np.arange(500, dtype=np.int32) % 400
    forest = grown(constant, rows, 400, categories=False)
    assert lean(forest, constant, [1], np.arange(1), rows, 400, rng()) is forest
    assert lean(forest, constant[:0], [], np.arange(0), rows, 400, rng()) is forest


def test_normal_shares_are_those_of_the_normal_distribution():
    scores = np.linspace(-3, 3, 61)
    truth = [NormalDist().cdf(score) for score in scores]
    assert normal_share(scores) == pytest.approx(truth, abs=2e-4)
    assert normal_score(normal_share(scores)) == pytest.approx(scores, abs=1e-3)


LEANING = {
    "another column": {"partners": np.array([5], dtype=np.int32)},
    "a column before the first": {"partners": np.array([-1], dtype=np.int32)},
    "no column": {"partners": np.zeros(0, dtype=np.int32)},
    "columns with decimals": {"partners": np.zeros(1)},
    "too short a table": {"tables": np.zeros(399, dtype=np.float32)},
    "no number": {"tables": np.full(400, np.nan, dtype=np.float32)},
    "another type": {"tables": np.zeros(400)},
    "a leaf less": {"middle": np.zeros(1, dtype=np.float32)},
    "a deep array": {"scale": np.zeros((1, 4), dtype=np.float32)},
}


@pytest.mark.parametrize("change", LEANING.values(), ids=LEANING)
def test_hostile_leanings_are_refused(change):
    forest = leaning(*line(600))
    arrays = forest.arrays()
    again = LeaningForest.from_arrays(arrays, earlier=[400], size=400)
    assert {name: array.tolist() for name, array in again.arrays().items()} == {
        name: array.tolist() for name, array in arrays.items()
    }
    with pytest.raises(ValueError, match="lean"):
        LeaningForest.from_arrays(arrays | change, earlier=[400], size=400)
    with pytest.raises(ValueError, match="too strongly"):
        LeaningForest.from_arrays(arrays | {"strength": arrays["strength"] + 2}, earlier=[400], size=400)


# --- Continuing on new rows ---


def test_continuing_counts_the_new_rows_in_the_old_leaves(made, make_table, made_schema):
    table, model = made
    before = [forest.before[-1] for forest in counted(model)]
    new = table.slice(0, 500)
    longer = TreesSynthesizer(TreesSettings()).fit(new, made_schema, seed=2, previous=model)
    assert longer._order == model._order
    for old, forest, rows in zip(counted(model), counted(longer), before, strict=True):
        assert forest.before[-1] == rows + 500 * len(forest.root)
        assert np.array_equal(old.parent, forest.parent)
        assert (np.diff(forest.before[forest.start]) >= np.diff(old.before[old.start])).all()
    assert [forest.before[-1] for forest in counted(model)] == before
    assert next(longer.sample(50, 1)).num_rows == 50


def test_continuing_moves_the_model_towards_the_new_rows(made, made_schema):
    table, model = made
    at = table.column_names.index("default")
    bad = table.set_column(at, "default", pa.array(["yes"] * table.num_rows))
    longer = TreesSynthesizer(TreesSettings()).fit(bad, made_schema, seed=2, previous=model)
    rates = [np.mean(np.array(next(m.sample(8_000, 1))["default"].to_pylist()) == "yes") for m in (model, longer)]
    assert rates[1] > rates[0] + 0.3


def test_what_is_new_and_rare_is_not_kept_when_continuing(make_table, made_schema):
    table = make_table(400)
    at = table.column_names.index("purpose")
    plain = table.set_column(at, "purpose", pa.array(["car", "house"] * 200))
    model = TreesSynthesizer(TreesSettings(trees=1, k=K)).fit(plain, made_schema, seed=1)
    for boats, kept in ((K - 1, False), (K, True)):
        names = ["boat"] * boats + ["car"] * (400 - boats)
        new = table.set_column(at, "purpose", pa.array(names))
        longer = TreesSynthesizer(TreesSettings(trees=1, k=K)).fit(new, made_schema, seed=1, previous=model)
        assert ("boat" in next(longer.sample(8_000, 1))["purpose"].to_pylist()) is kept


# --- The model file -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(make_table, made_schema) -> tuple[pa.Table, TreesSynthesizer]:
    table = make_table(3_000)
    return table, TreesSynthesizer(TreesSettings()).fit(table, made_schema, seed=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda config, _: config["order"].pop(),
        lambda config, _: config["order"].__setitem__(0, config["order"][1]),
        lambda config, _: config["missing"].pop(),
        lambda config, _: config.pop("missing"),
        lambda config, _: config.__setitem__("more", 1),
        lambda _, arrays: arrays.__setitem__("99.low", np.zeros(1)),
        lambda config, arrays: arrays.__setitem__(
            f"{config['order'].index('purpose')}.code", np.arange(9, dtype=np.int32)
        ),
    ],
    ids=["a column less", "a column twice", "a flag less", "no flags", "more fields", "more arrays", "more categories"],
)
def test_a_file_that_does_not_fit_its_schema_is_refused(made, change, tmp_path, monkeypatch):
    _, model = made
    config, arrays = model._config(), model._arrays()
    config = {name: list(part) for name, part in config.items()}
    change(config, arrays)
    monkeypatch.setattr(model, "_config", lambda: config)
    monkeypatch.setattr(model, "_arrays", lambda: arrays)
    model.save(tmp_path / "model")
    with pytest.raises(ModelFileError):
        TreesSynthesizer.load(tmp_path / "model")


def test_a_model_keeps_no_row_and_no_single_amount(made):
    table, model = made
    income = table["income"].drop_null().to_numpy()
    at = model._order.index("income")
    ends = np.concatenate([model._arrays()[f"{at}.{end}"] for end in ("low", "high")])
    assert not np.isin(ends, income).any()


def test_sampling_needs_numpy_alone(made, tmp_path):
    _, model = made
    model.save(tmp_path / "model")
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['sklearn', 'scipy', 'torch']));"
        "from pathlib import Path; from synthcredit.synthesizers.trees import TreesSynthesizer;"
        f"print(next(TreesSynthesizer.load(Path({str(tmp_path / 'model')!r})).sample(10, 1)).num_rows)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "10"


# --- The dial k ---


def counted(model: TreesSynthesizer) -> list[Forest]:
    return [forest if isinstance(forest, Forest) else forest.forest for forest in model._forests]


def test_k_people_stand_behind_every_state_and_every_leaf(make_table, made_schema):
    for k in (3, 40):
        model = TreesSynthesizer(TreesSettings(k=k, trees=2)).fit(make_table(2_000), made_schema, seed=1)
        for states, forest in zip(model._states, counted(model), strict=True):
            assert np.diff(forest.before[forest.start]).min() >= k
            held = np.bincount(forest.state, np.diff(forest.before), states.size)
            assert held[held > 0].min() >= k * len(forest.root)  # Each tree counts all rows.


def test_people_of_many_rows_count_once(make_table, made_schema):
    schema = made_schema.model_copy(update={"customer": "id", "primary_key": None})
    table = make_table(2_000)
    owner = pa.array([f"A-{row // 4:06d}" for row in range(2_000)])
    table = table.set_column(table.column_names.index("id"), "id", owner)
    model = TreesSynthesizer(TreesSettings(k=5, trees=1)).fit(table, schema, seed=1)
    # Any 17 rows belong to five people, if nobody has more than four.
    assert min(np.diff(forest.before[forest.start]).min() for forest in counted(model)) >= 17


def test_a_table_of_fewer_than_k_people_is_refused(make_table, made_schema):
    with pytest.raises(InvalidInputError, match=r"synthesizer\.k"):
        TreesSynthesizer(TreesSettings(k=301)).fit(make_table(300), made_schema, seed=1)
    assert TreesSynthesizer(TreesSettings(k=300)).fit(make_table(300), made_schema, seed=1)._order


def test_small_tables_have_larger_leaves_unless_told(make_table, made_schema, made):
    def leaf(rows: int, **given: int) -> int:
        model = TreesSynthesizer(TreesSettings(trees=1, **given)).fit(make_table(rows), made_schema, seed=1)
        return min(int(np.diff(f.before[f.start]).min()) for f in counted(model)[:-1])

    assert leaf(700) >= 19
    assert leaf(700, leaf_rows=12, few_values_leaf_rows=12) < 19


# --- The order, and large tables ------------------------------------------------------------------------------------


def test_columns_that_hang_together_come_first_and_the_target_last(make_table, made_schema):
    # Too few rows to search for another order.
    model = TreesSynthesizer(TreesSettings(trees=1)).fit(make_table(2_000), made_schema, seed=1)
    assert model._order[-1] == "default"
    assert {"income", "limit"} < set(model._order[:4])


def test_a_target_may_be_a_number(make_table, made_schema):
    schema = made_schema.with_target("income")
    model = TreesSynthesizer(TreesSettings(trees=1)).fit(make_table(300), schema, seed=1)
    assert model._order[-1] == "income"
    assert next(model.sample(20, 1)).num_rows == 20


def test_a_table_needs_no_target(make_table, made_schema):
    model = TreesSynthesizer(TreesSettings(trees=1)).fit(make_table(300), made_schema.with_target(None), seed=1)
    assert next(model.sample(20, 1)).num_rows == 20


def test_a_wide_table_asks_the_columns_associated_most(monkeypatch):
    monkeypatch.setattr(trees, "MOST_PARENTS", 2)
    values = rng().normal(size=(400, 1)) + rng("noise").normal(size=(400, 6)) * [0.1, 0.1, 0.1, 5, 5, 5]
    names = [f"c{at}" for at in range(6)]
    schema = TableSchema(
        name="wide",
        columns=tuple(Column(name=n, storage_name=n, kind="continuous", dtype="double") for n in names),
    )
    model = TreesSynthesizer(TreesSettings(trees=1)).fit(
        pa.table(dict(zip(names, values.T, strict=True))), schema, seed=1
    )
    asked = [set(forest.parent.tolist()) - {-1} for forest in counted(model)]
    assert set(model._order[:3]) == {"c0", "c1", "c2"}
    assert all(len(columns) <= 2 for columns in asked)


def test_a_large_table_is_learned_from_a_part_of_it(make_table, made_schema):
    model = TreesSynthesizer(TreesSettings(trees=1, max_rows=1_000)).fit(make_table(3_000), made_schema, seed=1)
    assert {int(forest.before[-1]) // len(forest.root) for forest in counted(model)} == {1_000}


def test_large_leaves_make_a_small_model(make_table, made_schema, made):
    coarse = TreesSettings(leaf_rows=200, few_values_leaf_rows=200, target_leaf_rows=200)
    small = TreesSynthesizer(coarse).fit(make_table(3_000), made_schema, seed=1)
    assert sum(len(f.start) for f in counted(small)) * 4 < sum(len(f.start) for f in counted(made[1]))


# --- Statistics -----------------------------------------------------------------------------------------------------
# Fixed seeds. Tolerances are stated for 20,000 drawn rows: a share has a standard deviation of at most .0036 from
# drawing; the rest is what a model of some 1,000 to 3,000 rows may lose.


def bins_of(table: pa.Table, schema: TableSchema, real: pa.Table) -> dict[str, np.ndarray]:
    """Return five bins a number with the real quintiles as edges, categories as they are, missing apart."""
    found, edges_from = encode(table, schema), encode(real, schema)
    bins = {}
    for name, feature in found.items():
        if isinstance(feature, Discrete):
            bins[name] = feature.codes
        else:
            known = edges_from[name].values[~np.isnan(edges_from[name].values)]
            edges = np.unique(np.quantile(known, [0.2, 0.4, 0.6, 0.8])) if len(known) else []
            bins[name] = np.where(np.isnan(feature.values), 9, np.searchsorted(edges, feature.values, side="left"))
    return bins


def apart(one: np.ndarray, two: np.ndarray) -> float:
    """Return the total variation distance of two samples of states."""
    size = int(max(one.max(), two.max())) + 1
    shares = [np.bincount(part, minlength=size) / len(part) for part in (one, two)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


@pytest.fixture(scope="module", params=["made", "german credit"])
def compared(request, made, german_credit: Path):
    if request.param == "made":
        table, model = made
    else:
        schema = detect_schema(german_credit, target="creditability").schema
        table = read_table(german_credit, schema)
        model = TreesSynthesizer(TreesSettings()).fit(table, schema, seed=1)
    drawn = pa.Table.from_batches(model.sample(20_000, 2))
    return table, drawn, model.schema


def test_marginals(compared):
    table, drawn, schema = compared
    real, made_bins = (bins_of(part, schema, table) for part in (table, drawn))
    distances = {name: apart(real[name], made_bins[name]) for name in real}
    assert max(distances.values()) < 0.06, distances
    assert np.mean(list(distances.values())) < 0.02


def test_pair_associations(compared):
    table, drawn, schema = compared
    real, made_bins = (bins_of(part, schema, table) for part in (table, drawn))
    names = list(real)
    distances = [
        apart(real[one] * 20 + real[two], made_bins[one] * 20 + made_bins[two])
        for at, one in enumerate(names)
        for two in names[:at]
    ]
    assert np.mean(distances) < 0.07
    assert max(distances) < 0.22


def test_target_rate(compared):
    table, drawn, schema = compared
    rates = [np.mean(encode(part, schema)[schema.target].codes) for part in (table, drawn)]
    assert rates[1] == pytest.approx(rates[0], abs=0.025)


def test_the_target_depends_on_what_it_depended_on(made):
    table, model = made
    drawn = pa.Table.from_batches(model.sample(20_000, 2))

    def rates(part: pa.Table) -> list[float]:
        late = part["overdue"].to_numpy() > 800
        default = np.array(part["default"].to_pylist()) == "yes"
        return [default[late].mean(), default[~late].mean()]

    assert rates(drawn) == pytest.approx(rates(table), abs=0.06)


def test_missing_patterns_and_mass_points(made):
    table, model = made
    drawn = pa.Table.from_batches(model.sample(20_000, 2))

    def shares(part: pa.Table) -> list[float]:
        missing = {name: part[name].is_null().to_numpy() for name in ("income", "purpose", "opened")}
        boat = np.array(part["purpose"].to_pylist()) == "boat"
        return [
            *(share.mean() for share in missing.values()),
            missing["income"][boat].mean(),
            missing["income"][~boat].mean(),
            np.mean(part["overdue"].to_numpy() == 0),
            np.mean(part["overdue"].to_numpy() == -9),
        ]

    assert shares(drawn) == pytest.approx(shares(table), abs=0.035)
    assert (drawn["limit"].to_numpy() % 500 == 0).mean() > 0.99

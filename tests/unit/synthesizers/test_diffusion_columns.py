"""Columns as classes and numbers, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, norm

from synthcredit.synthesizers.diffusion_columns import (
    UNUSED,
    Coding,
    learn_classes,
    recode,
    recounted,
    same_as_partner,
    with_partners,
)
from synthcredit.synthesizers.features import Discrete, Numeric
from synthcredit.synthesizers.trees_states import AMOUNT_STEPS, learn_categories, learn_numbers

K = 10


def learned(values, special=()) -> tuple[Coding, np.ndarray]:
    states, rows = learn_numbers(values, special, AMOUNT_STEPS, k=K, rng=np.random.default_rng(1))
    return learn_classes(states, rows, special), rows


def none(rows) -> np.ndarray:
    return np.full(len(rows), UNUSED, dtype=np.int32)


@pytest.fixture
def amounts() -> np.ndarray:
    """Return 0, missing, a special code, hundreds, and anything else."""
    rng = np.random.default_rng(4)
    values = np.exp(rng.normal(8, 1, 6_000)).round(2)
    values = np.where(rng.random(6_000) < 0.3, np.ceil(values / 100) * 100, values)
    values[rng.random(6_000) < 0.2] = 0.0
    values[rng.random(6_000) < 0.1] = np.nan
    values[rng.random(6_000) < 0.005] = -9.0
    return values


def test_frequent_values_codes_and_missing_are_classes_and_the_rest_has_a_number(amounts):
    coding, rows = learned(amounts, (-9.0,))
    seen = coding.see(rows, none(rows))
    for own in (amounts == 0, amounts == -9, np.isnan(amounts)):
        assert len(set(seen.classes[own])) == 1
        assert np.isnan(seen.low[own]).all()
    assert coding.has_number
    numbered = ~np.isnan(seen.low)
    assert (seen.low[numbered] < seen.high[numbered]).all()
    assert coding.several.sum() == 2, "hundreds are a class of their own"


def test_numbers_are_normal_scores(amounts):
    coding, rows = learned(amounts, (-9.0,))
    seen = coding.see(rows, none(rows))
    numbered = ~np.isnan(seen.low)
    shares = np.random.default_rng(1).uniform(seen.low[numbered], seen.high[numbered])
    assert ks_2samp(norm.ppf(shares), norm.ppf(np.arange(1, 5_000) / 5_000)).statistic < 0.01


def test_what_is_drawn_has_the_distribution_of_the_column(amounts):
    coding, rows = learned(amounts, (-9.0,))
    rng = np.random.default_rng(2)
    seen = coding.see(rows, none(rows))
    # A model that is off in place and width: the knots set that right.
    numbers = (rng.standard_normal(len(rows)) * 0.7 + 0.4).astype(np.float32)
    coding = coding.with_knots(seen.classes, numbers)
    drawn = coding.draw(seen.classes, numbers, [], rng).values
    assert np.array_equal(np.isnan(drawn), np.isnan(amounts))
    assert np.array_equal(drawn == -9, amounts == -9)
    for whole in (True, False):
        real, made = (v[(v > 0) & ((v % 100 == 0) == whole)] for v in (amounts, drawn))
        assert ks_2samp(real, made).statistic < 0.05


def test_few_values_are_classes_alone():
    values = np.random.default_rng(1).integers(0, 9, 500).astype(float)
    coding, rows = learned(values)
    assert coding.size == 9
    assert not coding.has_number
    seen = coding.see(rows, none(rows))
    assert np.array_equal(coding.draw(seen.classes, None, [], np.random.default_rng(1)).values, values)


def test_categories_are_classes():
    codes = np.repeat([0, 1, 3], [50, 30, 3]).astype(np.int32)
    states, rows = learn_categories(Discrete(codes, 4), None, k=K, rng=np.random.default_rng(1))
    coding = learn_classes(states, rows, ())
    assert coding.size == 2
    drawn = coding.draw(np.array([0, 1], dtype=np.int32), None, [], np.random.default_rng(1))
    assert drawn.codes.tolist() == [0, 1]


def test_a_value_of_another_column_is_a_class():
    rng = np.random.default_rng(3)
    bill = np.exp(rng.normal(7, 1, 3_000)).round(2)
    paid = np.where(rng.random(3_000) < 0.2, bill, np.exp(rng.normal(6, 1, 3_000)).round(2))
    features = [Numeric(bill), Numeric(paid), Discrete(np.zeros(3_000, dtype=np.int32), 1)]
    codings, rows = zip(learned(bill), learned(paid), strict=True)
    states, constant = learn_categories(features[2], None, k=K, rng=rng)
    found = with_partners([*codings, learn_classes(states, constant, ())], [*rows, constant], features, K)
    assert [coding.partners.tolist() for coding in found] == [[], [0], []]
    same = same_as_partner(found[1], rows[1], 1, features)
    assert np.array_equal(same == 0, bill == paid)
    coding = recounted(found[1], rows[1], same, K)
    seen = coding.see(rows[1], same)
    assert np.isnan(seen.low[bill == paid]).all()
    made = Numeric(np.arange(3_000.0))
    drawn = coding.draw(seen.classes, np.zeros(3_000, dtype=np.float32), [made], rng).values
    assert np.array_equal(drawn[bill == paid], made.values[bill == paid])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 2)), min_size=60, max_size=150),
    st.integers(0, 60),
)
def test_no_count_comes_from_fewer_than_k(values, repeated):
    table = np.array(values + values[:1] * repeated)
    coding, rows = learned(table)
    half = recounted(coding, rows[::2], none(rows[::2]), K)
    before = coding.counts
    assert np.array_equal(half.counts > 0, before > 0)
    ratios = half.counts[before > 0] / before[before > 0]
    # Each count is that of k rows and their neighbours, or what it was.
    for own in range(coding.own):
        members = np.flatnonzero(coding.classes == own)
        found = np.bincount(rows[::2], minlength=coding.states.size)[members]
        if found.sum() < K:
            assert np.array_equal(half.counts[members], before[members])
        else:
            assert half.counts[members].sum() == pytest.approx(found.sum())
    assert (ratios > 0).all()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50), st.booleans())
def test_new_rows_find_a_state_that_is_known(values, missing):
    rng = np.random.default_rng(1)
    known = np.append(np.exp(rng.normal(5, 1, 400)), np.zeros(40))
    if missing:
        known = np.append(known, np.full(30, np.nan))
    coding, _ = learned(known)
    rows = recode(coding, Numeric(np.array([*values, 0.0, np.nan])), rng)
    assert (coding.classes[rows] != UNUSED).all()
    assert coding.states.low[rows[-2]] == coding.states.high[rows[-2]] == 0.0
    assert (rows[-1] == coding.states.size - 1) == missing


def test_the_same_rows_find_their_states_again(amounts):
    coding, rows = learned(amounts, (-9.0,))
    again = recode(coding, Numeric(amounts), np.random.default_rng(1))
    assert np.mean(again == rows) > 0.95
    assert np.array_equal(coding.classes[again], coding.classes[rows])


def test_new_categories_become_known_ones():
    codes = np.repeat([0, 1], [50, 30]).astype(np.int32)
    states, rows = learn_categories(Discrete(codes, 3), None, k=K, rng=np.random.default_rng(1))
    coding = learn_classes(states, rows, ())
    again = recode(coding, Discrete(np.array([0, 1, 2, 2], dtype=np.int32), 3), np.random.default_rng(1))
    assert (coding.classes[again] != UNUSED).all()
    assert (recode(coding, Discrete(np.array([2], dtype=np.int32), 3), np.random.default_rng(1)) < 2).all()

"""Rows that were asked to be special are compared with real rows that are so, too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.datasets import detect, read
from synthcredit.evidence import steered
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.conditioning import resolve
from synthcredit.synthesizers.conditions import Conditions, Quota, Range, Steering
from synthcredit.synthesizers.features import take, values_of


@pytest.fixture(scope="module")
def real(german_credit):
    schema = detect.detect_schema(german_credit, target="creditability").schema
    return encode(read.read_table(german_credit, schema), schema), schema


def bad_share(features, rows) -> float:
    return float(np.mean(values_of(features["creditability"])[rows] == 0))


@given(rate=st.floats(0.05, 0.95))
def test_as_many_real_rows_are_drawn_as_have_the_asked_rate(real, rate):
    features, schema = real
    steering = resolve(Conditions(target_rate=rate), features, schema)
    found = steered.alike(features, steering, schema, np.random.default_rng(1))
    assert len(found.inside) == 1000
    assert bad_share(features, found.drawn) == pytest.approx(rate, abs=1 / len(found.drawn))
    # All rows of one class are there: no more could have been drawn.
    classes = np.bincount(values_of(features["creditability"])[found.drawn], minlength=2)
    assert classes[0] == 300 or classes[1] == 700


def test_rows_outside_of_where_are_left_out_even_for_privacy(real):
    features, schema = real
    steering = Steering(where={"age.in.years": Range(min=30, max=40)})
    found = steered.alike(features, steering, schema, np.random.default_rng(1))
    ages = values_of(features["age.in.years"])
    assert np.array_equal(found.inside, np.flatnonzero((ages >= 30) & (ages <= 40)))
    assert np.array_equal(found.inside, found.drawn)


def test_rows_that_break_a_condition_are_counted(real):
    features, schema = real
    steering = Steering(where={"housing": "own"})
    own = list(schema["housing"].categories).index("own")
    rows = np.flatnonzero(values_of(features["housing"]) == own)[:40]
    strangers = np.flatnonzero(values_of(features["housing"]) != own)[:3]
    (kept,) = steered.check(take(features, rows), steering, schema, whole=True)
    assert kept.passed
    (broken,) = steered.check(take(features, np.concatenate([rows, strangers])), steering, schema, whole=True)
    assert not broken.passed
    assert "3 of 43 rows" in broken.detail


def test_shares_are_exact_in_a_whole_dataset_and_near_in_a_sample(real):
    features, schema = real
    quota = Quota(column="creditability", groups=((0,), (1,)), shares=(0.5, 0.5), trained=(0.3, 0.7), labels=("a", "b"))
    codes = values_of(features["creditability"])
    good, bad = np.flatnonzero(codes == 1), np.flatnonzero(codes == 0)

    def checked(bad_rows: int, *, whole: bool) -> bool:
        rows = take(features, np.concatenate([good[: 400 - bad_rows], bad[:bad_rows]]))
        (found,) = steered.check(rows, Steering(quota=quota), schema, whole=whole)
        return found.passed

    assert checked(200, whole=True)
    assert not checked(197, whole=True)
    assert checked(185, whole=False)
    assert not checked(150, whole=False)


def test_the_note_tells_the_shift_and_the_rows_that_are_left(real):
    features, schema = real
    steering = resolve(Conditions(target_rate=0.5, where={"housing": "own"}), features, schema)
    said = steered.describe(steering, {"training": (700, 500, 260), "held-out": (300, 214, 111)})
    assert "bad 30.0% to 50.0%" in said
    assert "housing" in said
    assert "260 of 700 training rows; 111 of 300 held-out rows" in said

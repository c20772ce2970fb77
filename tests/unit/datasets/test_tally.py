import datetime

import numpy as np
import pyarrow as pa
import pytest

from synthcredit.datasets import tally
from synthcredit.datasets.tally import Tally, counted, hashed


def filled(values, block=7000):
    counts = Tally()
    for start in range(0, len(values), block):
        counts.add(*counted(values[start : start + block]))
    return counts


def test_few_values_are_counted_exactly():
    counts = filled(pa.array(["a", "b", None, "a"] * 5000))
    assert (counts.exact, counts.unique, counts.distinct, counts.count) == (True, False, 2, 15_000)
    assert dict(zip(counts.values.to_pylist(), counts.counts.tolist(), strict=True)) == {"a": 10_000, "b": 5000}


def test_nothing_is_counted_as_nothing():
    counts = filled(pa.nulls(3, pa.string()))
    assert (counts.distinct, counts.count, len(counts.values), len(counts.counts)) == (0, 0, 0, 0)


@pytest.mark.parametrize("as_text", [False, True])
def test_many_values_are_counted_in_bounded_memory(as_text):
    rng = np.random.default_rng(3)
    numbers = rng.permutation(300_000)
    numbers[rng.random(300_000) < 0.05] = -1
    distinct = len(np.unique(numbers))
    values = pa.array(numbers)
    counts = filled(values.cast(pa.string()) if as_text else values)
    assert not counts.exact
    assert len(counts.values) <= tally.FREQUENT_LIMIT
    # Three standard errors of the sketch.
    assert counts.distinct == pytest.approx(distinct, rel=3 / np.sqrt(tally.SKETCH_LIMIT))
    found = dict(zip(counts.values.to_pylist(), counts.counts.tolist(), strict=True))
    assert found["-1" if as_text else -1] == (numbers == -1).sum()


def test_uniqueness_is_told_beyond_what_is_kept():
    values = np.arange(200_000)
    assert filled(pa.array(values)).unique
    values[100_000:100_300] = np.arange(300)
    assert not filled(pa.array(values)).unique
    assert filled(pa.array(np.arange(50_000))).distinct == 50_000


def test_hashes_tell_values_apart_and_are_the_same_in_slices():
    words = pa.array([f"customer {i}" for i in range(50_000)])
    assert len(np.unique(hashed(words))) == 50_000
    assert hashed(words[100:200]).tolist() == hashed(words).tolist()[100:200]
    for array in (
        pa.array([True, False]),
        pa.array([datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)]),
        pa.array([1.5, -1.5]),
        pa.array([1, 2], pa.time64("us")),
        pa.array(["", "a"]),
    ):
        assert len(np.unique(hashed(array))) == 2
    assert hashed(pa.array(["", ""])).tolist() == hashed(pa.array(["", "x"])).tolist()[:1] * 2

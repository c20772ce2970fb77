import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthcredit.evidence.credit_bins import MAX_BINS, around, by_bin, merge_sparse, score_bands
from synthcredit.evidence.model import Figure

counts_of = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 40)), min_size=2, max_size=22)


@settings(max_examples=200)
@given(counts_of, st.booleans())
def test_every_bin_has_enough_of_both(states, ordered):
    counts = np.array(states, dtype=float)
    merged = merge_sparse(counts, ordered=ordered)
    size = merged.max() + 1
    assert set(merged.tolist()) == set(range(size))
    if size > 1:
        rows = np.array([counts[merged == bin_].sum(axis=0) for bin_ in range(size)])
        assert rows.min() >= 5
        assert rows.sum(axis=1).min() >= max(10, 0.05 * counts.sum())
    if ordered:
        assert (np.diff(merged[:-1]) >= 0).all()
    else:
        assert size <= MAX_BINS + 1


def test_ten_equal_bins_stay_and_missing_joins_the_largest_where_it_is_rare():
    counts = np.array([[80.0, 20.0]] * 10 + [[3.0, 2.0]])
    assert merge_sparse(counts, ordered=True).tolist() == [*range(10), 0]
    counts[-1] = [90, 30]
    assert merge_sparse(counts, ordered=True).tolist() == [*range(11)]


def test_sparse_intervals_join_the_next_and_the_last_the_one_before():
    counts = np.array([[100, 20], [4, 1], [100, 20], [100, 20], [6, 0], [0, 0]], dtype=float)
    assert merge_sparse(counts, ordered=True).tolist() == [0, 1, 1, 2, 2, 2]


def test_rare_categories_share_a_bin():
    counts = np.array([[100, 20], [3, 1], [100, 0], [60, 20], [0, 0]], dtype=float)
    # The third has no bad row; with the second that is one still, and too few: the next rarest joins them.
    assert merge_sparse(counts, ordered=False).tolist() == [0, 1, 1, 1, 1]


def test_rows_are_counted_by_bin_class_and_weight():
    states, bad = np.array([0, 0, 1, 1, 1]), np.array([True, False, False, False, True])
    table = by_bin(states, bad, 3, np.array([[1.0, 1, 1, 1, 1], [2, 0, 1, 0, 3]]))
    assert table.tolist() == [[[1, 1], [2, 1], [0, 0]], [[0, 2], [1, 3], [0, 0]]]


def test_bands_hold_equally_many_and_never_none():
    assert score_bands(np.arange(100.0), 4).tolist() == pytest.approx([24.75, 49.5, 74.25])
    assert score_bands(np.repeat([1.0, 2.0, 3.0], [10, 80, 10]), 4).tolist() == [2.0]
    assert score_bands(np.ones(9), 10).size == 0


def test_an_interval_stays_within_what_a_figure_can_be():
    values = np.array([0.9, 0.5, 1.3])
    judged = around(Figure.SWAP_SET, values, 0.1, 50)
    assert (judged.value, judged.low, judged.high) == (0.9, 0.0, 1.0)
    wider = around(Figure.IV_GAP, np.array([1.0, 0.9, 1.1]), 0.1, 50, besides=0.3)
    # Standard errors .1414 and .3, together .3317.
    assert wider.high == pytest.approx(1 + 1.959964 * 0.33166, abs=1e-4)

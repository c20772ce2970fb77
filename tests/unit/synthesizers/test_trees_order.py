"""The search for the order in which columns are drawn."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from synthcredit.randomness import generator
from synthcredit.synthesizers import trees_order
from synthcredit.synthesizers.trees_order import improve

SIZES = [49, 7, 2, 2]


def rows(count: int = 4_000) -> np.ndarray:
    """Return a column of 49 states, its remainder by 7, which large leaves cannot tell from it, and two coins."""
    source = generator(1, "rows")
    whole = source.integers(0, 49, count)
    return np.stack([whole, whole % 7, source.integers(0, 2, count), source.integers(0, 2, count)]).astype(np.int32)


def found(table, first=(0, 1, 2, 3), others=(), workers=1, heard=None, **more):
    how = {
        "sizes": SIZES,
        "leaf_rows": [200] * 4,
        "movable": 4,
        "parents": lambda _, before: np.array(before, dtype=np.int64),
        "rng": generator(1, "order"),
        "tried": (lambda _: None) if heard is None else heard.append,
    }
    with ThreadPoolExecutor(workers) as pool:
        return improve([first, *others], table, pool=pool, **(how | more))


def test_what_trees_learn_from_comes_before_what_they_learn():
    order = found(rows())
    assert sorted(order) == [0, 1, 2, 3]
    assert order.index(1) < order.index(0)
    best = found(rows(), first=(1, 0, 2, 3))
    assert best.index(1) < best.index(0)


def test_the_order_does_not_depend_on_how_many_work():
    assert found(rows(), workers=1) == found(rows(), workers=3)


def test_columns_that_may_not_move_stay_last():
    assert found(rows(), first=(2, 3, 0, 1), movable=3)[3] == 1


def test_a_search_with_nothing_to_move_or_to_judge_by_is_none():
    assert found(rows(), movable=1) == (0, 1, 2, 3)
    assert found(rows(trees_order.MIN_ROWS - 1)) == (0, 1, 2, 3)


def test_a_better_order_to_begin_with_is_kept_and_a_worse_one_is_not():
    better, worse = (3, 1, 0, 2), (0, 3, 1, 2)
    assert found(rows(), others=[better]) == better
    assert found(rows(), first=better, others=[worse]) != worse
    assert found(rows(trees_order.MIN_ROWS - 1), others=[better]) == (0, 1, 2, 3)


def test_the_search_ends_and_tells_how_far_it_is(monkeypatch):
    monkeypatch.setattr(trees_order, "MAX_TRIALS", 5)
    heard: list[float] = []
    found(rows(), heard=heard)
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1.0)


def test_only_the_columns_that_may_be_asked_are_asked():
    alone = found(rows(), parents=lambda *_: np.empty(0, dtype=np.int64))
    assert alone == (0, 1, 2, 3)  # Without parents all orders are equal, and equal is no better.

from __future__ import annotations

import numpy as np
import pytest

from synthcredit.declared.permutation import permuted


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 65_537])
def test_every_number_comes_once(size: int) -> None:
    found = permuted(np.arange(size), size, np.uint64(99))
    assert np.array_equal(np.sort(found), np.arange(size))


def test_each_key_is_another_order_and_a_part_is_a_part() -> None:
    numbers = np.arange(500)
    one, two = (permuted(numbers, 500, np.uint64(key)) for key in (1, 2))
    assert not np.array_equal(one, two)
    assert np.array_equal(permuted(numbers[100:200], 500, np.uint64(1)), one[100:200])
    keys = np.repeat(np.array([1, 2], np.uint64), 500)
    assert np.array_equal(permuted(np.tile(numbers, 2), 500, keys), np.concatenate([one, two]))


def test_it_looks_random() -> None:
    """A first value over 2,000 keys is spread evenly: chi-squared over 10 classes, below its 99.99 % point of 33.7."""
    first = permuted(np.zeros(2000, np.int64), 10, np.arange(2000, dtype=np.uint64) * np.uint64(7919))
    counts = np.bincount(first, minlength=10)
    assert ((counts - 200) ** 2 / 200).sum() < 33.7


def test_the_largest_size() -> None:
    found = permuted(np.array([0, 2**53 - 1]), 2**53, np.uint64(5))
    assert found.min() >= 0
    assert found.max() < 2**53

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.portfolio.draws import Draws

_MANY = np.arange(200_000, dtype=np.int64)


def test_uniform_is_uniform() -> None:
    found = Draws("t", 0, _MANY).uniform("a")
    assert found.min() >= 0
    assert found.max() < 1
    counts = np.bincount((found * 20).astype(int), minlength=20)
    # 4.5 standard errors of a cell of 10,000.
    assert np.abs(counts - 10_000).max() < 450


def test_normal_has_the_normal_moments_and_tails() -> None:
    found = Draws("t", 0, _MANY).normal("a")
    assert abs(found.mean()) < 0.01
    assert abs(found.std() - 1) < 0.01
    for far, share in ((1.0, 0.1587), (2.0, 0.02275), (3.0, 0.00135)):
        assert abs((found > far).mean() - share) < 4.5 * np.sqrt(share / len(_MANY))


def test_another_purpose_table_or_seed_gives_independent_numbers() -> None:
    base = Draws("t", 0, _MANY).normal("a")
    for other in (Draws("t", 0, _MANY).normal("b"), Draws("u", 0, _MANY).normal("a"), Draws("t", 1, _MANY).normal("a")):
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.012


def test_choice_takes_shares_of_all_or_of_each() -> None:
    shares = np.array([0.2, 0.0, 0.8])
    found = np.bincount(Draws("t", 0, _MANY).choice("a", shares), minlength=3) / len(_MANY)
    assert found[1] == 0
    assert abs(found[0] - 0.2) < 0.005
    each = np.tile([[1.0, 0.0], [0.0, 2.0]], (3, 1))
    assert Draws("t", 0, np.arange(6)).choice("a", each).tolist() == [0, 1] * 3


@given(st.lists(st.integers(0, 10**11), min_size=1, max_size=20, unique=True))
def test_an_entity_draws_the_same_numbers_whoever_stands_beside_it(numbers: list[int]) -> None:
    together = Draws("t", 3, np.array(numbers))
    for place, number in enumerate(numbers):
        alone = Draws("t", 3, np.array([number]))
        for kind in ("uniform", "normal"):
            assert getattr(together, kind)("a")[place] == getattr(alone, kind)("a")[0]
        children = together.children("c", 3).uniform("a")[place]
        assert (children == alone.children("c", 3).uniform("a")[0]).all()

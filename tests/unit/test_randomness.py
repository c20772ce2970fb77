import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.randomness import generator


@given(seed=st.integers(0, 2**63 - 1), block=st.integers(0, 2**40), purpose=st.text(max_size=20))
def test_same_key_gives_same_numbers(seed, block, purpose):
    first, second = (generator(seed, purpose, block).integers(0, 2**60, 8) for _ in range(2))
    assert (first == second).all()


@given(seed=st.integers(0, 2**62), block=st.integers(0, 2**40))
def test_other_seed_block_or_purpose_gives_other_numbers(seed, block):
    base = generator(seed, "rows", block).integers(0, 2**60, 4).tolist()
    assert generator(seed + 1, "rows", block).integers(0, 2**60, 4).tolist() != base
    assert generator(seed, "rows", block + 1).integers(0, 2**60, 4).tolist() != base
    assert generator(seed, "names", block).integers(0, 2**60, 4).tolist() != base


def test_blocks_are_uncorrelated_and_uniform():
    draws = np.array([generator(7, "rows", block).random(4096) for block in range(50)])
    correlation = np.corrcoef(draws)[~np.eye(50, dtype=bool)]
    # 2,450 correlations of 4,096 draws each: standard deviation 1/64, so 5 of them is .078.
    assert np.abs(correlation).max() < 0.078
    assert abs(draws.mean() - 0.5) < 5 * (1 / 12 / draws.size) ** 0.5


def test_numbers_are_the_same_on_every_machine():
    # Written down once: a change here changes every dataset that anybody has made.
    assert generator(42, "split").integers(0, 1000, 5).tolist() == [18, 818, 803, 329, 377]

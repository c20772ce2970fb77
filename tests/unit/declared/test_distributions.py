from __future__ import annotations

import numpy as np
import pytest

from synthcredit.declared.distributions import (
    Exponential,
    Lognormal,
    Normal,
    Pareto,
    Poisson,
    Shape,
    cut,
    poisson_shares,
)

SHAPES = [
    Normal(kind="normal", mean=10, spread=3),
    Lognormal(kind="lognormal", median=100, spread=0.5),
    Lognormal(kind="lognormal", median=100, spread=0.5, negative=True),
    Exponential(kind="exponential", mean=20),
    Pareto(kind="pareto", least=5, shape=1.5),
]


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_the_inverse_is_one(shape: Shape) -> None:
    shares = np.linspace(0.001, 0.999, 997)
    values = shape.value(shares)
    assert np.all(np.diff(values) > 0)
    assert np.allclose(shape.share(values), shares, atol=1e-9)
    ends = shape.value(np.array([0.0, 1.0]))
    assert np.all(np.isfinite(ends))
    assert np.allclose(shape.share(np.array([-np.inf, np.inf])), [0, 1])


@pytest.mark.parametrize(
    ("shape", "mean"),
    [
        (SHAPES[0], 10),
        (SHAPES[1], 100 * np.exp(0.125)),
        (SHAPES[2], -100 * np.exp(0.125)),
        (SHAPES[3], 20),
        (Poisson(kind="poisson", mean=4.2), 4.2),
        (Poisson(kind="poisson", mean=2000), 2000),
    ],
    ids=repr,
)
def test_means_are_the_textbook_ones(shape: Shape, mean: float) -> None:
    middles = (np.arange(200_000) + 0.5) / 200_000
    assert shape.value(middles).mean() == pytest.approx(mean, rel=2e-3)


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_cut_to_a_range_it_keeps_its_shape(shape: Shape) -> None:
    low, high = (np.full(20_000, float(end)) for end in shape.value(np.array([0.3, 0.8])))
    middles = (np.arange(20_000) + 0.5) / 20_000
    found = cut(shape, low, high, middles)
    assert np.all((found >= low) & (found <= high))
    # 0.4 of the way through the range's share is 0.5 of the whole.
    assert float(np.mean(found <= shape.value(np.array(0.5)))) == pytest.approx(0.4, abs=1e-3)


def test_cut_where_there_is_next_to_nothing_it_stays_inside() -> None:
    found = cut(SHAPES[0], np.array([1e6]), np.array([1e6 + 1]), np.array([0.5]))
    assert 1e6 <= found[0] <= 1e6 + 1


def test_poisson_shares_are_the_textbook_ones() -> None:
    expected = np.exp(-3.0) * np.cumsum([1, 3, 4.5, 4.5])
    assert np.allclose(poisson_shares(3.0)[:4], expected)
    assert poisson_shares(3.0)[-1] == 1

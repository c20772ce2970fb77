import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthcredit.synthesizers.ctgan_calibration import calibrate
from synthcredit.synthesizers.ctgan_network import Network, Part, read_outputs

NO_MODES = np.empty(0)
PARTS = (
    Part(np.arange(2.0), NO_MODES, NO_MODES),  # the given column
    Part(np.arange(4.0), NO_MODES, NO_MODES),
    Part(np.array([0.0, -1.0]), np.array([10.0, 20.0, 30.0]), np.ones(3)),  # modes, and one special value
    Part(np.array([5.0]), NO_MODES, NO_MODES),  # constant
)
CHOICES = 4 + 2 + 3


def _network(seed: int, given_place: int | None, conditions: int) -> Network:
    """A random generator: 6 noise inputs, two hidden layers of 8, one tanh and nine choices."""
    rng = np.random.default_rng(seed)
    choices = CHOICES if given_place is not None else CHOICES + 2
    shapes = {"direct": (17 + choices, 6 + conditions), "hidden0": (9 + choices, 8), "hidden1": (1 + choices, 8)}
    weights = {name: rng.normal(0, 0.6, shape).astype(np.float32) for name, shape in shapes.items()}
    return Network(**weights, chances=np.full(conditions, 1 / conditions), given=given_place)


def _drawn(network: Network, condition: int, rows: int = 60_000) -> list[np.ndarray]:
    rng = np.random.default_rng(9)
    conditions = np.full(rows, condition)
    noise = rng.standard_normal((network.noise_size, rows), dtype=np.float32)
    outputs = network.forward(noise, conditions)
    return list(read_outputs(outputs, PARTS, rng, given=network.given, conditions=conditions))


def _dirichlet(rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([rng.dirichlet(np.full(n, 2.0)) for n in (4, 2, 3)])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_choice_is_made_as_often_as_it_should_under_each_condition(seed):
    rng = np.random.default_rng(seed)
    shares = np.stack([_dirichlet(rng), _dirichlet(rng)])
    network = calibrate(_network(seed, 0, 2), PARTS, shares, np.random.default_rng(1))
    for condition in range(2):
        given_column, categories, amounts, constant = _drawn(network, condition)
        assert (given_column == condition).all()
        assert (constant == 5).all()
        seen = np.bincount(categories.astype(int), minlength=4) / len(categories)
        special = (amounts == -1).mean()
        # 8,192 rows of noise to fit on and 60,000 to look at: a standard error below .006.
        assert seen == pytest.approx(shares[condition, :4], abs=0.03)
        assert special == pytest.approx(shares[condition, 5], abs=0.03)


def test_without_a_given_column_shares_hold_over_all_conditions():
    rng = np.random.default_rng(3)
    shares = np.concatenate([[0.7, 0.3], _dirichlet(rng)])[None, :]
    network = calibrate(_network(3, None, 6), PARTS, shares, np.random.default_rng(1))
    categories = np.concatenate([_drawn(network, condition, 10_000)[1] for condition in range(6)])
    seen = np.bincount(categories.astype(int), minlength=4) / len(categories)
    assert seen == pytest.approx(shares[0, 2:6], abs=0.03)


def test_only_the_biases_of_choices_move():
    before = _network(1, 0, 2)
    shares = np.tile(np.concatenate([np.full(4, 1 / 4), np.full(2, 1 / 2), np.full(3, 1 / 3)]), (2, 1))
    after = calibrate(before, PARTS, shares, np.random.default_rng(1))
    assert (after.hidden0 == before.hidden0).all()
    assert (after.hidden1 == before.hidden1).all()
    assert (after.direct[:, :6] == before.direct[:, :6]).all()
    assert (after.direct[:17] == before.direct[:17]).all()
    assert (after.direct[17:, 6:] != before.direct[17:, 6:]).any()
    after.check()


def test_a_choice_that_is_never_made_in_training_hardly_ever_comes():
    shares = np.tile(np.concatenate([[0.5, 0.5, 0.0, 0.0], [1.0, 0.0], [0.2, 0.3, 0.5]]), (2, 1))
    network = calibrate(_network(2, 0, 2), PARTS, shares, np.random.default_rng(1))
    _, categories, amounts, _ = _drawn(network, 0)
    assert (categories >= 2).mean() < 0.001
    assert (amounts == -1).mean() < 0.001

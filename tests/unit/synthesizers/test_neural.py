import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from safetensors.numpy import load, save  # noqa: E402

from synthcredit.errors import InvalidInputError  # noqa: E402
from synthcredit.synthesizers import neural  # noqa: E402
from synthcredit.synthesizers.features import Discrete, Numeric  # noqa: E402
from synthcredit.synthesizers.fitting import Fitting  # noqa: E402
from synthcredit.synthesizers.neural import Likeness, Plan  # noqa: E402

KEY = b"k" * 32


class Memory:
    """Checkpoints in memory."""

    def __init__(self, content: bytes | None = None):
        self.content, self.writes = content, 0

    def read(self):
        return self.content

    def write(self, content):
        self.content, self.writes = content, self.writes + 1


class Walk:
    """A training whose only weight takes a random step; its scores are told."""

    def __init__(self, scores=()):
        self.weight, self.scores, self.steps = torch.zeros(3), list(scores), []
        self.count = torch.zeros(())

    def step(self, number):
        self.steps.append(number)
        self.count += 1
        self.weight += torch.randn(3, generator=neural.noise_for(np.random.default_rng(number), self.weight.device))

    def tensors(self):
        return {"weight": self.weight, "count": self.count}

    def candidate(self):
        score = self.scores[len(self.steps) // 10 - 1] if self.scores else float(-self.weight.abs().sum())
        return score, {"weight": self.weight.numpy().copy()}

    def told(self):
        return "walking"


def fitting(memory=None, heard=None):
    return Fitting(1, (lambda *told: heard.append(told)) if heard is not None else lambda *_: None, memory)


def plan(**more):
    return Plan(**{"steps": 100, "epoch_steps": 25, "look_every": 10, **more})


def test_the_best_is_kept_not_the_last():
    scores = [0.1, 0.5, 0.9, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1, 0.2]
    walk = Walk(scores)
    best = neural.train(walk, plan(), fitting(), key=KEY)
    other = Walk()
    for number in range(30):
        other.step(number)
    np.testing.assert_array_equal(best["weight"], other.weight)
    assert len(walk.steps) == 100


def test_it_stops_when_it_no_longer_gets_better():
    heard = []
    walk = Walk([0.1, 0.5, 0.4, 0.4, 0.4, 0.9, 0.9, 0.9, 0.9, 0.9])
    neural.train(walk, plan(patience=3), fitting(heard=heard), key=KEY)
    assert len(walk.steps) == 50
    assert heard[-1][0] == 1.0
    assert "no longer got better" in heard[-1][1]


def test_the_time_budget_ends_it_with_what_there_is(monkeypatch):
    clock = iter(np.arange(0, 10_000, 1.0))
    monkeypatch.setattr(neural.time, "monotonic", lambda: next(clock))
    heard = []
    walk = Walk()
    best = neural.train(walk, plan(max_seconds=7), fitting(heard=heard), key=KEY)
    assert 5 <= len(walk.steps) <= 8
    np.testing.assert_array_equal(best["weight"], walk.weight)
    assert "time was up" in heard[-1][1]


def test_progress_rises_and_tells_the_time_left():
    heard = []
    neural.train(Walk(), plan(), fitting(heard=heard), key=KEY)
    done = [each for each, _ in heard]
    assert done == sorted(done)
    assert len(heard) == 11
    assert "epoch 2 of 4: walking, best score" in heard[3][1]
    assert "left" in heard[3][1]


@pytest.mark.parametrize("seconds", [(5, "5 s"), (600, "10 min"), (7_200, "2.0 h")])
def test_time_in_words(seconds):
    assert neural._human(seconds[0]) == seconds[1]


@pytest.mark.parametrize("killed_at", [1, 37, 60, 99])
def test_one_that_was_killed_ends_like_one_that_was_not(monkeypatch, killed_at):
    monkeypatch.setattr(neural, "CHECKPOINT_SECONDS", 0.0)
    whole_walk, memory = Walk(), Memory()
    whole = neural.train(whole_walk, plan(), fitting(), key=KEY)

    class Killed(Walk):
        def step(self, number):
            if number == killed_at:
                raise KeyboardInterrupt
            super().step(number)

    with pytest.raises(KeyboardInterrupt):
        neural.train(Killed(), plan(), fitting(memory), key=KEY)
    heard = []
    again_walk = Walk()
    again = neural.train(again_walk, plan(), fitting(memory, heard), key=KEY)
    assert again_walk.steps == list(range(killed_at, 100))
    assert f"goes on at step {killed_at}" in heard[0][1]
    np.testing.assert_array_equal(again["weight"], whole["weight"])
    np.testing.assert_array_equal(again_walk.weight, whole_walk.weight)


def test_one_that_had_ended_does_nothing_again():
    memory, heard = Memory(), []
    whole = neural.train(Walk(), plan(), fitting(memory), key=KEY)
    again = Walk()
    found = neural.train(again, plan(), fitting(memory, heard), key=KEY)
    assert again.steps == []
    np.testing.assert_array_equal(found["weight"], whole["weight"])


def left() -> bytes:
    memory = Memory()
    neural.train(Walk(), plan(steps=20), fitting(memory), key=KEY)
    return memory.content


def begins_anew(content: bytes, key: bytes = KEY) -> bool:
    walk = Walk()
    heard = []
    neural.train(walk, plan(), fitting(Memory(content), heard), key=key)
    return walk.steps == list(range(100)) and "begins anew" in heard[0][1]


def test_a_state_of_another_training_is_not_used():
    assert not begins_anew(left())
    assert begins_anew(left(), key=b"o" * 32)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_not_used(content):
    assert begins_anew(content)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_state_is_not_used(share):
    content = left()
    assert begins_anew(content[: int(len(content) * share)])


@pytest.mark.parametrize(
    "change",
    [
        {"now.weight": np.zeros(4, np.float32)},
        {"now.weight": np.zeros(3, np.float64)},
        {"now.weight": np.full(3, np.nan, np.float32)},
        {"best.weight": np.zeros((3, 1), np.float32)},
        {"best.weight": np.full(3, np.inf, np.float32)},
        {"step": np.array([-1])},
        {"step": np.array([101])},
        {"step": np.array([1.0])},
        {"looks_since": np.array([50])},
        {"seconds": np.array([np.inf])},
        {"seconds": np.array([-1.0])},
        {"score": np.array([np.nan])},
        {"score": np.array([1.0, 2.0])},
    ],
)
def test_numbers_that_do_not_fit_are_not_used(change):
    assert begins_anew(save({**load(left()), **change}))


@pytest.mark.parametrize("missing", ["now.weight", "now.count", "best.weight", "step", "score", "key"])
def test_a_state_that_lacks_something_is_not_used(missing):
    assert begins_anew(save({name: array for name, array in load(left()).items() if name != missing}))


def test_a_state_is_left_now_and_then_and_at_the_end(monkeypatch):
    memory = Memory()
    neural.train(Walk(), plan(), fitting(memory), key=KEY)
    assert memory.writes == 1


def test_keys_depend_on_everything():
    rows = np.arange(6.0)
    keys = [
        neural.key_of("a", 1, rows),
        neural.key_of("a", 2, rows),
        neural.key_of("a", 1, rows[::-1]),
        neural.key_of("a", 1, rows.astype(np.float32)),
        neural.key_of("a", 1, rows.reshape(2, 3)),
        neural.key_of("a1", rows),
    ]
    assert len(set(keys)) == 6
    assert neural.key_of("a", 1, rows) == keys[0]


def test_adam_is_torchs():
    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
    theirs.load_state_dict(ours.state_dict())
    settings_of = {"rate": 0.01, "betas": (0.5, 0.9), "decay": 0.1}
    one = neural.Adam(ours, **settings_of)
    two = torch.optim.Adam(theirs.parameters(), lr=0.01, betas=(0.5, 0.9), weight_decay=0.1)
    for _ in range(5):
        batch = torch.randn(6, 4)
        for module, optimiser in ((ours, one), (theirs, two)):
            optimiser.zero_grad()
            module(batch).square().sum().backward()
            optimiser.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
    assert len(neural.tensors_of({"m": ours, "o": one})) == 2 + 6


def test_a_graphics_processor_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert neural.device_for("auto").type == neural.device_for("cpu").type == "cpu"
    with pytest.raises(InvalidInputError, match="no graphics processor"):
        neural.device_for("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert neural.device_for("auto").type == neural.device_for("gpu").type == "cuda"
    assert neural.device_for("cpu").type == "cpu"


def test_too_little_memory_is_refused():
    neural.refuse_too_large(900.0, None, "x")
    neural.refuse_too_large(900.0, 900, "x")
    with pytest.raises(InvalidInputError, match=r"max_memory_mb.*about 901 MB.*900"):
        neural.refuse_too_large(901.0, 900, "x")


def test_threads_and_torchs_randomness_are_put_back():
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    with neural.one_seeded_thread(3):
        first = torch.rand(1)
        assert torch.get_num_threads() == 1
    with neural.one_seeded_thread(3):
        assert torch.equal(first, torch.rand(1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_holding_out():
    learned, held = neural.hold_out(10_000, 1, "x")
    assert len(held) == 1_000
    assert sorted([*learned, *held]) == list(range(10_000))
    assert not np.array_equal(held, neural.hold_out(10_000, 2, "x")[1])
    assert len(neural.hold_out(200_000, 1, "x")[1]) == 5_000
    learned, held = neural.hold_out(neural.FEWEST_TO_HOLD_OUT - 1, 1, "x")
    assert len(learned) == len(held) == neural.FEWEST_TO_HOLD_OUT - 1


class TestLikeness:
    def rows(self, seed: int, tied: bool = True, count: int = 20_000) -> dict:
        rng = np.random.default_rng(seed)
        codes = rng.integers(0, 50, count).astype(np.int32)
        noise = rng.standard_normal(count)
        value = codes / 10 + noise if tied else rng.permutation(codes) / 10 + noise
        return {"a": Discrete(codes, 51), "b": Numeric(np.where(rng.random(count) < 0.1, np.nan, value))}

    def test_same_distribution_lost_ties_and_other_margins(self):
        likeness = Likeness(self.rows(1), self.rows(1))
        assert likeness.score(self.rows(1)) == pytest.approx(1)
        same, untied = likeness.score(self.rows(2)), likeness.score(self.rows(2, tied=False))
        shifted = self.rows(2)
        shifted["b"] = Numeric(shifted["b"].values + 3)
        assert same > 0.95
        assert same - untied > 0.05
        assert untied - likeness.score(shifted) > 0.05

    def test_one_column_and_columns_without_values(self):
        empty = {"a": Numeric(np.full(50, np.nan))}
        assert Likeness(empty, empty).score(empty) == pytest.approx(1)

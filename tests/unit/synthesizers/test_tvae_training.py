"""Our step does what the library's step does: its own loss is the reference, on the same random numbers."""

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ctgan")

from ctgan.data_transformer import SpanInfo  # noqa: E402
from ctgan.synthesizers.tvae import _loss_function  # noqa: E402

from synthcredit.synthesizers import neural  # noqa: E402
from synthcredit.synthesizers.ctgan_encoding import Encoded, Rows  # noqa: E402
from synthcredit.synthesizers.ctgan_network import Part, read_outputs  # noqa: E402
from synthcredit.synthesizers.ctgan_scoring import Scorer, with_noise  # noqa: E402
from synthcredit.synthesizers.tvae_training import TvaeTraining  # noqa: E402

COUNT = 90
PARTS = (
    Part(np.arange(3.0)),
    Part(np.array([0.0, -1.0]), np.array([10.0, 20.0]), np.array([2.0, 4.0])),
    Part(np.array([0.0]), np.array([5.0]), np.array([1.0])),
)


def training() -> TvaeTraining:
    rng = np.random.default_rng(1)

    def codes(size):
        return rng.integers(0, size, COUNT).astype(np.int32)

    def values():
        return rng.uniform(-0.9, 0.9, COUNT).astype(np.float32)

    nothing = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)
    rows = Rows.of(
        [
            Encoded(PARTS[0], codes(3), *nothing),
            Encoded(PARTS[1], codes(2), codes(2), values()),
            Encoded(PARTS[2], codes(1), codes(1), values()),
        ]
    )
    scorer = Scorer(PARTS, (), rows, None, False, SimpleNamespace(score=lambda rows: 0.5), 1)
    with neural.one_seeded_thread(7):
        return TvaeTraining(rows, 40, 3, torch.device("cpu"), scorer)


def test_the_gradients_are_the_librarys():
    ours = training()
    with torch.no_grad():
        ours.decoder.sigma.copy_(torch.linspace(0.05, 0.9, len(ours.decoder.sigma)))
    real, drawn = ours._batches.one_hot(torch.arange(40)), torch.randn((40, 128))
    info = [[SpanInfo(1, "tanh")] * 2, [SpanInfo(3, "softmax")], [SpanInfo(2, "softmax")], [SpanInfo(2, "softmax")]]
    mean, deviation, log_variance = ours.encoder(real)
    raw, sigmas = ours.decoder(drawn * deviation + mean)
    one, two = _loss_function(raw, real, sigmas, mean, log_variance, info, 2)
    (one + two).backward()
    parameters = [*ours.encoder.parameters(), *ours.decoder.parameters()]
    expected = [parameter.grad.clone() for parameter in parameters]
    ours._of_encoder.zero_grad()
    ours._of_decoder.zero_grad()
    loss = ours.learn(real, drawn)
    assert float(loss) == pytest.approx(float((one + two).detach()), rel=1e-5)
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)


def test_an_epoch_sees_every_row_once(monkeypatch):
    ours = training()
    seen = []
    monkeypatch.setattr(ours._batches, "one_hot", lambda rows: seen.append(rows) or torch.zeros((len(rows), 9)))
    monkeypatch.setattr(ours, "learn", lambda real, drawn: torch.zeros(()))
    monkeypatch.setattr(neural.Adam, "step", lambda self: None)
    assert ours.epoch_steps(COUNT, 40) == 3
    for number in range(6):
        ours.step(number)
    for epoch in (seen[:3], seen[3:]):
        assert sorted(torch.cat(epoch).tolist()) == list(range(COUNT))
    assert seen[0].tolist() != seen[3].tolist()


def test_the_exported_network_is_the_librarys_decoder():
    ours = training()
    with neural.one_seeded_thread(1):
        for number in range(5):
            ours.step(number)
    network = ours.network()
    network.check()
    noise = np.random.default_rng(0).standard_normal((512, 128), dtype=np.float32)
    with torch.no_grad():
        theirs = ours.decoder.eval()(torch.from_numpy(noise))[0].numpy()
    found = network.forward(np.ascontiguousarray(noise.T), np.zeros(512, dtype=np.intp))
    np.testing.assert_allclose(found, theirs.T, rtol=1e-5, atol=1e-5)


def test_values_have_the_noise_that_was_learned_and_stay_in_reach():
    parts = with_noise(PARTS, np.array([0.3, 0.01]))
    assert [part.noise for part in parts] == [0.0, 0.3, 0.01]
    rows = 100_000
    outputs = np.zeros((2, rows), dtype=np.float32)
    outputs[0] = np.arctanh(0.2)
    part = Part(np.array([0.0]), np.array([10.0]), np.array([2.0]), noise=0.3)
    (values,) = read_outputs(
        outputs[:1], (part,), np.random.default_rng(1), given=None, conditions=np.zeros(rows, dtype=np.intp)
    )
    assert values.mean() == pytest.approx(10.4, abs=0.02)
    assert values.std() == pytest.approx(0.6, abs=0.02)
    assert 8 <= values.min() < values.max() <= 12


def test_a_warm_start_gives_what_the_network_gave_and_lets_the_encoder_catch_up():
    ours = training()
    with neural.one_seeded_thread(1):
        for number in range(20):
            ours.step(number)
        before = ours.network()
        again = training()
        again.warm_start(before, 10)
        for name, array in again.network().arrays().items():
            np.testing.assert_array_equal(array, before.arrays()[name])
        again.step(0)
        np.testing.assert_array_equal(again.network().hidden1, before.hidden1)
        again.step(5)
        assert (again.network().hidden1 != before.hidden1).any()

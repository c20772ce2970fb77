"""Our step does what the library's step does: its own code is the reference, on the same random numbers."""

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ctgan")

from ctgan import CTGAN  # noqa: E402
from ctgan.data_sampler import DataSampler  # noqa: E402
from ctgan.data_transformer import SpanInfo  # noqa: E402

from synthcredit.synthesizers import ctgan_training, neural  # noqa: E402
from synthcredit.synthesizers.ctgan_encoding import Encoded, Rows  # noqa: E402
from synthcredit.synthesizers.ctgan_network import Part, read_outputs  # noqa: E402
from synthcredit.synthesizers.ctgan_scoring import Scorer  # noqa: E402
from synthcredit.synthesizers.ctgan_training import CtganTraining, Softmax, gumbel  # noqa: E402

BATCH, COUNT = 40, 300
NO_CODES, NO_VALUES = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)
CPU = torch.device("cpu")


def columns() -> list[Encoded]:
    """A category, amounts in three modes with a special value, a constant, and another category."""
    rng = np.random.default_rng(1)
    two = rng.random(COUNT) < 0.1
    return [
        Encoded(
            Part(np.arange(4.0)), rng.choice(4, COUNT, p=[0.5, 0.3, 0.15, 0.05]).astype(np.int32), NO_CODES, NO_VALUES
        ),
        Encoded(
            Part(np.array([0.0, -1.0]), np.array([10.0, 20.0, 30.0]), np.array([2.0, 4.0, 8.0])),
            two.astype(np.int32),
            rng.integers(0, 3, COUNT).astype(np.int32),
            rng.uniform(-0.9, 0.9, COUNT).astype(np.float32),
        ),
        Encoded(Part(np.array([5.0])), np.zeros(COUNT, np.int32), NO_CODES, NO_VALUES),
        Encoded(Part(np.arange(2.0)), (rng.random(COUNT) < 0.25).astype(np.int32), NO_CODES, NO_VALUES),
    ]


def scorer(rows: Rows, given: int | None, conditioned: bool = True) -> Scorer:
    parts = tuple(column.part for column in columns())
    return Scorer(parts, (), rows, given, conditioned, SimpleNamespace(score=lambda rows: 0.5), 1)


def training(given: int | None = 3, pack: int = 10) -> CtganTraining:
    rows = Rows.of(columns())
    with neural.one_seeded_thread(7):
        return CtganTraining(rows, BATCH, 3, CPU, scorer(rows, given), pack=pack)


def library(ours: CtganTraining) -> CTGAN:
    """The library's own class around our layout: tanh first, then the choices; modes are no discrete columns."""
    model = CTGAN(batch_size=BATCH, enable_gpu=False)
    layout = ours._layout
    info = [[SpanInfo(1, "tanh")] for _ in range(layout.tanh)]
    for place, (begin, end) in enumerate(layout.spans):
        softmax = SpanInfo(end - begin, "softmax")
        info.append([softmax] if place in layout.states else [SpanInfo(0, "tanh"), softmax])
    model._transformer = SimpleNamespace(output_info_list=info)
    return model


class Given(torch.nn.Module):
    """Dropout that keeps what it is told, pass after pass."""

    def __init__(self, *kept):
        super().__init__()
        self.kept = list(kept)

    def forward(self, x):
        return x * self.kept.pop(0)


def test_the_layout_and_the_dense_rows():
    rows = Rows.of(columns())
    assert (rows.layout.tanh, rows.layout.spans, rows.layout.states) == (
        1,
        ((1, 5), (5, 7), (7, 10), (10, 12)),
        (0, 1, 3),
    )
    dense = training()._batches.one_hot(torch.arange(COUNT)).numpy()
    for begin, end in rows.layout.spans:
        assert (dense[:, begin:end].sum(axis=1) == 1).all()
    np.testing.assert_array_equal(dense[:, 1:5].argmax(axis=1), columns()[0].states)
    np.testing.assert_array_equal(dense[:, 7:10].argmax(axis=1), columns()[1].modes)
    np.testing.assert_array_equal(dense[:, 0], columns()[1].values)


@pytest.mark.parametrize("pack", [1, 10])
def test_the_critics_gradients_are_the_librarys(pack):
    ours = training(pack=pack)
    noise = torch.Generator().manual_seed(1)
    size = ours._layout.outputs + ours.conditions.size
    made, real = torch.rand((BATCH, size), generator=noise), torch.rand((BATCH, size), generator=noise)
    packs = BATCH // pack
    kept = ours.critic.kept(3 * packs, noise)
    assert set(kept[0].unique().tolist()) == {0.0, 2.0}
    module = ours.critic.module
    dropouts = module.seq[2], module.seq[5]
    made_kept, real_kept, between = zip(*(part.split(packs) for part in kept), strict=True)
    for place, layer in enumerate((2, 5)):
        module.seq[layer] = Given(made_kept[place], real_kept[place], between[place])
    # The library draws alpha inside; the same seed gives both the same.
    torch.manual_seed(3)
    alpha = torch.rand(packs, 1, 1)
    y_made, y_real = module(made), module(real)
    torch.manual_seed(3)
    penalty = module.calc_gradient_penalty(real.requires_grad_(), made, "cpu", pack)
    loss = -(y_real.mean() - y_made.mean())
    penalty.backward(retain_graph=True)
    loss.backward()
    expected = [parameter.grad.clone() for parameter in module.parameters()]
    module.seq[2], module.seq[5] = dropouts
    found = ours.critic.learn(made.view(packs, -1), real.detach().view(packs, -1), alpha.view(packs, 1), kept)
    assert float(found) == pytest.approx(float(loss.detach()), abs=1e-5)
    for parameter, gradient in zip(module.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pack", [1, 10])
def test_the_generators_gradient_is_the_librarys(pack, monkeypatch):
    ours = training(pack=pack)
    model = library(ours)
    rng, noise = np.random.default_rng(2), torch.Generator().manual_seed(5)
    conditions, hot = ours._drawn(rng)
    raw = torch.randn((BATCH, ours._layout.outputs), generator=noise)
    kept = ours.critic.kept(BATCH // pack, noise)
    module = ours.critic.module

    tanh = ours._layout.tanh
    state = noise.get_state()
    drawn = gumbel(torch.rand((BATCH, ours._layout.outputs - tanh), generator=noise))
    noise.set_state(state)
    done = ours.activation.activated(raw, noise)
    loss, of_packs = ours.critic.judge(torch.cat([done, hot], dim=1).view(BATCH // pack, -1), kept)
    gradient = ours.activation.gradient(done, of_packs.view(BATCH, -1)[:, : ours._layout.outputs])
    loss = loss + ours.add_condition_loss(raw, torch.from_numpy(conditions), hot, gradient)

    starts = iter(begin - tanh for begin, _ in ours._layout.spans)

    def same_noise(logits, tau, **_):
        start = next(starts)
        return torch.softmax((logits + drawn[:, start : start + logits.shape[1]]) / tau, dim=-1)

    monkeypatch.setattr(torch.nn.functional, "gumbel_softmax", same_noise)
    module.seq[2], module.seq[5] = Given(kept[0]), Given(kept[1])
    theirs = raw.clone().requires_grad_()
    activated = model._apply_activate(theirs)
    torch.testing.assert_close(done, activated.detach(), rtol=1e-5, atol=1e-6)
    columns_of = ours.conditions.column[conditions]
    mask = torch.nn.functional.one_hot(torch.from_numpy(columns_of), ours.conditions.columns).float()
    expected = -module(torch.cat([activated, hot], dim=1)).mean() + model._cond_loss(theirs, hot, mask)
    expected.backward()
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-5)
    torch.testing.assert_close(gradient, theirs.grad, rtol=1e-4, atol=1e-6)


def test_conditions_are_drawn_as_the_librarys():
    rows = Rows.of(columns())
    info = library(training())._transformer.output_info_list
    dense = training()._batches.one_hot(torch.arange(COUNT)).numpy()
    sampler = DataSampler(dense, info, log_frequency=True)
    ours = ctgan_training.Conditions(rows)
    drawn = ours.draw(200_000, np.random.default_rng(0))
    probabilities = sampler._discrete_column_category_prob
    expected = probabilities[probabilities > 0] / len(probabilities)
    assert ours.size == len(expected) == sampler.dim_cond_vec()
    # Five standard deviations of a share at 200,000 draws.
    np.testing.assert_allclose(np.bincount(drawn) / 200_000, expected, atol=5 * 0.5 / 200_000**0.5)
    picked = ours.matching(drawn, np.random.default_rng(1))
    assert (dense[picked, ours.outputs[drawn]] == 1).all()
    some = picked[drawn == 0]
    assert len(np.unique(some)) == (columns()[0].states == 0).sum()


def test_softmax_of_spans_is_torchs_however_far_apart_the_logits():
    spans = ((3, 5), (5, 6), (6, 11))
    logits = torch.randn((50, 8)) * 200
    found = Softmax(spans, CPU)(logits)
    for begin, end in spans:
        torch.testing.assert_close(found[:, begin - 3 : end - 3], torch.softmax(logits[:, begin - 3 : end - 3], dim=1))


def test_gumbel_noise():
    drawn = gumbel(torch.rand(200_000, generator=torch.Generator().manual_seed(1)))
    assert torch.isfinite(gumbel(torch.tensor([0.0, 1.0]))).all()
    assert float(drawn.mean()) == pytest.approx(0.5772, abs=0.02)
    assert float(drawn.var()) == pytest.approx(np.pi**2 / 6, abs=0.04)


@pytest.mark.parametrize("given", [None, 3])
def test_the_exported_network_is_the_librarys_generator(given):
    ours = training(given)
    with neural.one_seeded_thread(1):
        for number in range(5):
            ours.step(number)
    network = ours.network()
    network.check()
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((512, 128), dtype=np.float32)
    picked = rng.integers(0, len(network.chances), 512)
    hot = np.zeros((512, ours.conditions.size), dtype=np.float32)
    hot[np.arange(512), ours._scorer.kept_conditions[picked]] = 1
    with torch.no_grad():
        theirs = ours.averaged.module.eval()(torch.from_numpy(np.hstack([noise, hot]))).numpy()
    found = network.forward(np.ascontiguousarray(noise.T), picked)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, theirs[:, ours._scorer.kept_outputs].T, rtol=1e-5, atol=1e-5)
    states = columns()[3].states
    expected = [1 - states.mean(), states.mean()] if given else None
    if expected:
        np.testing.assert_allclose(network.chances, expected)
    else:
        assert network.chances.sum() == pytest.approx(1)
        np.testing.assert_allclose(network.chances[-2:], np.array([1 - states.mean(), states.mean()]) / 3)


def test_values_are_read_as_the_librarys_transformer_reads_them():
    from rdt.transformers import ClusterBasedNormalizer

    part = columns()[1].part
    theirs = ClusterBasedNormalizer(max_clusters=3)
    theirs.valid_component_indicator = np.ones(3, dtype=bool)
    theirs._bgm_transformer = SimpleNamespace(means_=part.means[:, None], covariances_=(part.scales / 4) ** 2)
    rng = np.random.default_rng(1)
    tanh, mode = rng.uniform(-0.99, 0.99, 300), rng.integers(0, 3, 300)
    outputs = np.zeros((6, 300), dtype=np.float32)
    outputs[0] = np.arctanh(tanh)
    # So large a lead leaves our draw no other.
    outputs[1] = 1000
    outputs[3 + mode, np.arange(300)] = 1000
    (ours,) = read_outputs(outputs, (part,), rng, given=None, conditions=np.zeros(300, dtype=np.intp))
    expected = theirs._reverse_transform_helper(np.stack([tanh, mode], axis=1))
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_a_warm_start_gives_what_the_network_gave():
    ours = training()
    with neural.one_seeded_thread(1):
        for number in range(30):
            ours.step(number)
        before = ours.network()
        again = training()
        again.warm_start(before, 100)
        after = again.network()
    noise = np.random.default_rng(0).standard_normal((128, 400), dtype=np.float32)
    picked = np.arange(400) % 2
    np.testing.assert_allclose(after.forward(noise, picked), before.forward(noise, picked), rtol=1e-3, atol=2e-3)


def test_without_conditions():
    rows = Rows.of([_only_values()])
    plain = Scorer((_only_values().part,), (), rows, None, True, SimpleNamespace(score=lambda rows: 0.5), 1)
    with neural.one_seeded_thread(1):
        ours = CtganTraining(rows, BATCH, 3, CPU, plain, pack=10)
        ours.step(0)
        again = CtganTraining(rows, BATCH, 3, CPU, plain, pack=10)
        again.warm_start(ours.network(), 10)
    assert ours.conditions.size == 0
    assert ours.network().chances.tolist() == [1.0]


def _only_values() -> Encoded:
    whole = columns()[1]
    return Encoded(
        Part(np.array([0.0]), whole.part.means, whole.part.scales), np.zeros(COUNT, np.int32), whole.modes, whole.values
    )

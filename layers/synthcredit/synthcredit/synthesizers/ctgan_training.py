"""Training of `ctgan` and `copulagan`. With `tvae_training`, what needs torch and ctgan.

The networks are the library's own (`ctgan.synthesizers.ctgan.Generator` and `Discriminator`), and a step does what the
library's step does: a Wasserstein critic with gradient penalty on packs of rows, training by sampling, conditions
drawn by log-frequency, the cross-entropy of the condition in the generator's loss, the same Adam. The library spends
half of its time outside of matrix products; here, on the same losses:

- The critic's gradient is written out. Its layers are linear but for slopes that a row either has or not, so the
  gradient penalty, for which the library differentiates twice, is three products with the same matrices, and the three
  passes (made, real, between) are one.
- Nothing is differentiated that no one uses: not the generator in the critic's step, not the critic's weights in the
  generator's step.
- The activations of all columns are differentiated at once.
- Rows are encoded as numbers of choices and become one-hot a batch at a time; conditions and the rows that meet them
  are drawn for a batch at once.

What is kept is the moving average of the generator's weights, which the library does not take.

`tests/unit/synthesizers/test_ctgan_training.py` holds that gradients equal those of the library's code.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from ctgan.synthesizers.ctgan import Discriminator, Generator
from numpy.typing import NDArray

from synthcredit.randomness import generator
from synthcredit.synthesizers import neural
from synthcredit.synthesizers.ctgan_encoding import Layout, Rows
from synthcredit.synthesizers.ctgan_network import Network
from synthcredit.synthesizers.ctgan_scoring import Scorer

NOISE = 128
HIDDEN = (256, 256)
RATE = 2e-4
BETAS = (0.5, 0.9)
DECAY = 1e-6
PENALTY = 10
TEMPERATURE = 0.2
LEAK = 0.2
KEPT = 0.5
"""Share of the critic's units that dropout keeps."""

_WARM_ROWS = 2048

Tensor = torch.Tensor


class Conditions:
    """Training by sampling: draws a state of a column by log-frequency, and rows that are in it.

    Parameters
    ----------
    rows
        The training rows.
    """

    def __init__(self, rows: Rows) -> None:
        layout = rows.layout
        self.columns = len(layout.states)
        self._rows = len(rows)
        spans = [layout.spans[span] for span in layout.states]
        #: By condition, the output that it stands for, and its column.
        self.outputs = np.concatenate([np.arange(*span) for span in spans]) if spans else np.empty(0, dtype=np.int64)
        self.column = np.repeat(np.arange(len(spans)), [end - begin for begin, end in spans])
        bounds, order, counts = [], [], []
        for place, (span, (begin, end)) in enumerate(zip(layout.states, spans, strict=True)):
            of_column = rows.choices[:, span] - begin
            count = np.bincount(of_column, minlength=end - begin)
            weight = np.log1p(count)
            bounds.append(place + weight.cumsum() / weight.sum())
            order.append(np.argsort(of_column, kind="stable"))
            counts.append(count)
        self._bounds = np.concatenate(bounds) if bounds else np.empty(0)
        self._order = np.concatenate(order) if order else np.empty(0, dtype=np.int64)
        self._counts = np.concatenate(counts) if counts else np.empty(0, dtype=np.int64)
        self._starts = np.cumsum(self._counts) - self._counts

    @property
    def size(self) -> int:
        """Number of conditions."""
        return len(self.outputs)

    def draw(self, batch: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw conditions, shape (batch,): a column, each alike, and its state by log-frequency."""
        place = rng.integers(self.columns, size=batch) + rng.random(batch)
        return np.minimum(np.searchsorted(self._bounds, place, side="right"), self.size - 1)

    def matching(self, conditions: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw for each condition a row that meets it, shape (batch,)."""
        counts = self._counts[conditions]
        places = self._starts[conditions] + (rng.random(len(conditions)) * counts).astype(np.intp)
        return np.asarray(self._order[places])

    def any_rows(self, batch: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw rows where there is nothing to condition on."""
        return rng.integers(self._rows, size=batch)


class Softmax:
    """The softmax of each of several spans beside each other, all at once.

    Torch's own is slow on narrow spans. Exponentials of everything and one product with a matrix of zeros and ones,
    which sums each span, take half of the time.

    Parameters
    ----------
    spans
        Where they begin and end, one after the other without gaps.
    device
        Where to compute.
    """

    def __init__(self, spans: tuple[tuple[int, int], ...], device: torch.device) -> None:
        self._first = spans[0][0] if spans else 0
        self._spans = [(begin - self._first, end - self._first) for begin, end in spans]
        sizes = torch.tensor([end - begin for begin, end in spans], dtype=torch.long)
        self._of = torch.repeat_interleave(torch.arange(len(spans)), sizes).to(device)
        #: Shape (outputs, spans): which span an output belongs to.
        self._member = (self._of[:, None] == torch.arange(len(spans), device=device)).float()

    def __call__(self, logits: Tensor) -> Tensor:
        """Return the softmax, shape as ``logits``, which begin with the first span."""
        if not self._spans:
            return logits
        highest = torch.stack([logits[:, begin:end].amax(1) for begin, end in self._spans], dim=1)
        weights = (logits - highest[:, self._of]).exp_()
        return weights.mul_(self.spread((weights @ self._member).reciprocal_()))

    def sums(self, weights: Tensor) -> Tensor:
        """Return the sum of each span, shape (n, spans)."""
        return weights @ self._member

    def spread(self, of_spans: Tensor) -> Tensor:
        """Return the figure of its span for each output."""
        return of_spans[:, self._of]


class Activation:
    """What a generator's outputs become: tanh, or a Gumbel softmax a choice; and the gradient, written out."""

    def __init__(self, layout: Layout, device: torch.device) -> None:
        self._tanh = layout.tanh
        self.softmax = Softmax(layout.spans, device)

    def activated(self, raw: Tensor, noise: torch.Generator) -> Tensor:
        """Return what the critic sees, shape as ``raw``."""
        values, choices = raw[:, : self._tanh], raw[:, self._tanh :]
        uniform = torch.rand(choices.shape, generator=noise, device=raw.device)
        return torch.cat([torch.tanh(values), self.softmax((choices + gumbel(uniform)).div_(TEMPERATURE))], dim=1)

    def gradient(self, done: Tensor, of_done: Tensor) -> Tensor:
        """Return the gradient by ``raw`` where the one by what was activated is ``of_done``."""
        values, chances = done[:, : self._tanh], done[:, self._tanh :]
        weighted = chances * of_done[:, self._tanh :]
        of_choices = weighted - chances * self.softmax.spread(self.softmax.sums(weighted))
        return torch.cat([of_done[:, : self._tanh] * (1 - values**2), of_choices.div_(TEMPERATURE)], dim=1)


def gumbel(uniform: Tensor) -> Tensor:
    """Return Gumbel noise from uniform numbers, which are used up."""
    return uniform.clamp_min_(1e-30).log_().neg_().clamp_min_(1e-30).log_().neg_()


@dataclass(frozen=True, slots=True)
class Critic:
    """The library's critic with its gradients written out.

    Parameters
    ----------
    module
        Two layers of LeakyReLU and dropout, and a linear one.
    """

    module: Discriminator

    @property
    def _layers(self) -> tuple[torch.nn.Linear, torch.nn.Linear, torch.nn.Linear]:
        return self.module.seq[0], self.module.seq[3], self.module.seq[6]

    def kept(self, packs: int, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw which units dropout keeps, one factor a unit: 0, or 1 by the share that is kept."""
        device = self._layers[0].weight.device
        first, second = (
            torch.rand((packs, layer.out_features), generator=noise, device=device).lt_(KEPT).div_(KEPT)
            for layer in self._layers[:2]
        )
        return first, second

    @torch.no_grad()
    def learn(self, made: Tensor, real: Tensor, alpha: Tensor, kept: tuple[Tensor, Tensor]) -> Tensor:
        """Set the gradients of the critic's loss, gradient penalty included; return the loss without it.

        Parameters
        ----------
        made, real
            Shape (packs, pack outputs). Rows of the generator, and real ones.
        alpha
            Shape (packs, 1). How near the points of the penalty are to the real rows.
        kept
            As from `kept`, for three times as many packs: made, real, between.
        """
        one, two, last = self._layers
        packs, both = len(made), 2 * len(made)
        points = torch.cat([made, real, alpha * real + (1 - alpha) * made])
        slope1, hidden1 = _leaky(torch.addmm(one.bias, points, one.weight.T), kept[0])
        slope2, hidden2 = _leaky(torch.addmm(two.bias, hidden1, two.weight.T), kept[1])
        sign = torch.ones((both, 1), device=made.device)
        sign[packs:] = -1
        sign /= packs
        # The loss: backwards through made and real.
        by2 = sign * last.weight * slope2[:both]
        by1 = (by2 @ two.weight) * slope1[:both]
        # The penalty: the gradient at the points between, and how its length depends on each matrix.
        up2 = last.weight * slope2[both:]
        up1 = (up2 @ two.weight) * slope1[both:]
        gradient = up1 @ one.weight
        length = gradient.norm(dim=1, keepdim=True)
        wrong = gradient * ((2 * PENALTY / packs) * (length - 1) / length.clamp_min(1e-12))
        by_up1 = (wrong @ one.weight.T) * slope1[both:]
        by_up2 = (by_up1 @ two.weight.T) * slope2[both:]
        one.weight.grad = torch.cat([by1, up1]).T @ torch.cat([points[:both], wrong])
        two.weight.grad = torch.cat([by2, up2]).T @ torch.cat([hidden1[:both], by_up1])
        last.weight.grad = sign.T @ hidden2[:both] + by_up2.sum(0, keepdim=True)
        one.bias.grad, two.bias.grad = by1.sum(0), by2.sum(0)
        last.bias.grad = torch.zeros_like(last.bias)
        return (sign.T @ (hidden2[:both] @ last.weight.T + last.bias)).squeeze()

    @torch.no_grad()
    def judge(self, made: Tensor, kept: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return minus the mean judgement of made packs, and its gradient by them."""
        one, two, last = self._layers
        slope1, hidden1 = _leaky(torch.addmm(one.bias, made, one.weight.T), kept[0])
        slope2, hidden2 = _leaky(torch.addmm(two.bias, hidden1, two.weight.T), kept[1])
        loss = -(hidden2 @ last.weight.T + last.bias).mean()
        return loss, (((-last.weight / len(made)) * slope2) @ two.weight * slope1) @ one.weight


def _leaky(before: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slope of each unit, dropout included, and its output."""
    slope = torch.where(before > 0, kept, LEAK * kept)
    return slope, before * slope


class Batches:
    """The training rows, of which a batch at a time becomes one-hot."""

    def __init__(self, rows: Rows, device: torch.device) -> None:
        self._layout, self._device = rows.layout, device
        self._values = torch.from_numpy(rows.values).to(device)
        self._choices = torch.from_numpy(rows.choices).to(device)

    def one_hot(self, rows: Tensor) -> Tensor:
        """Return some of the rows as a network sees them, shape (n, outputs)."""
        rows = rows.to(self._device)
        dense = torch.zeros((len(rows), self._layout.outputs), device=self._device)
        dense[:, : self._layout.tanh] = self._values[rows]
        return dense.scatter_(1, self._choices[rows].long(), 1)


class CtganTraining:
    """A generator and its critic in training; see `neural.Training`.

    Parameters
    ----------
    rows
        The encoded training rows.
    batch
        Rows of a step, a multiple of ``pack``.
    seed
        The fit's.
    device
        Where to compute.
    scorer
        Says how good a network is.
    pack
        Rows that the critic judges together.
    """

    def __init__(self, rows: Rows, batch: int, seed: int, device: torch.device, scorer: Scorer, *, pack: int) -> None:
        self.conditions = Conditions(rows)
        self._batch, self._seed, self._device, self._scorer = batch, seed, device, scorer
        self._packs = batch // pack
        self._layout = rows.layout
        self._batches = Batches(rows, device)
        outputs, conditions = self._layout.outputs, self.conditions.size
        self.generator = Generator(NOISE + conditions, HIDDEN, outputs).to(device)
        self.critic = Critic(Discriminator(outputs + conditions, HIDDEN, pac=pack).to(device))
        self._of_generator = neural.Adam(self.generator, rate=RATE, betas=BETAS, decay=DECAY)
        self._of_critic = neural.Adam(self.critic.module, rate=RATE, betas=BETAS, decay=DECAY)
        self.averaged = neural.Average(self.generator)
        self.activation = Activation(self._layout, device)
        self._condition_outputs = torch.from_numpy(self.conditions.outputs).to(device)
        self._condition_column = torch.from_numpy(self.conditions.column).to(device)
        self._condition_softmax = Softmax(_spans_of(self.conditions.column), device)
        self._losses = torch.zeros(()), torch.zeros(())

    @staticmethod
    def epoch_steps(rows: int, batch: int) -> int:
        """Return the steps of an epoch, as the library counts them."""
        return max(1, rows // batch)

    def step(self, number: int) -> None:
        """Let the critic learn once, and the generator once."""
        rng = generator(self._seed, "ctgan/step", number)
        noise = neural.noise_for(rng, self._device)
        judged = self._critic_step(rng, noise)
        made = self._generator_step(rng, noise)
        self.averaged.take(number)
        self._losses = (made, judged)

    def _critic_step(self, rng: np.random.Generator, noise: torch.Generator) -> Tensor:
        conditions, hot = self._drawn(rng)
        order = rng.permutation(self._batch)
        with torch.no_grad():
            made = self.activation.activated(self.generator(self._input(hot, noise)), noise)
        if self.conditions.columns:
            picked = self.conditions.matching(conditions[order], rng)
        else:
            picked = self.conditions.any_rows(self._batch, rng)
        packs = self._packs
        alpha = torch.rand((packs, 1), generator=noise, device=self._device)
        real = torch.cat([self._batches.one_hot(torch.from_numpy(picked)), hot[torch.from_numpy(order)]], dim=1)
        loss = self.critic.learn(
            torch.cat([made, hot], dim=1).view(packs, -1),
            real.view(packs, -1),
            alpha,
            self.critic.kept(3 * packs, noise),
        )
        self._of_critic.step()
        return loss

    def _generator_step(self, rng: np.random.Generator, noise: torch.Generator) -> Tensor:
        conditions, hot = self._drawn(rng)
        raw = self.generator(self._input(hot, noise))
        outputs = raw.detach()
        done = self.activation.activated(outputs, noise)
        packs = self._packs
        loss, of_packs = self.critic.judge(
            torch.cat([done, hot], dim=1).view(packs, -1), self.critic.kept(packs, noise)
        )
        of_done = of_packs.view(self._batch, -1)[:, : self._layout.outputs]
        gradient = self.activation.gradient(done, of_done)
        if self.conditions.columns:
            loss = loss + self.add_condition_loss(outputs, torch.from_numpy(conditions), hot, gradient)
        self._of_generator.zero_grad()
        raw.backward(gradient)
        self._of_generator.step()
        return loss

    def add_condition_loss(self, raw: Tensor, conditions: Tensor, hot: Tensor, gradient: Tensor) -> Tensor:
        """Return the cross-entropy of the conditions, and add its gradient to that of the outputs."""
        chances = self._condition_softmax(raw[:, self._condition_outputs])
        conditions = conditions.to(self._device)
        asked = self._condition_column[conditions][:, None] == self._condition_column
        gradient[:, self._condition_outputs] += (chances - hot) * asked / len(raw)
        return -chances.gather(1, conditions[:, None]).clamp_min(1e-30).log().mean()

    def _drawn(self, rng: np.random.Generator) -> tuple[NDArray[np.intp], Tensor]:
        """Return conditions of a batch, and one-hot."""
        hot = torch.zeros((self._batch, self.conditions.size), device=self._device)
        if not self.conditions.columns:
            return np.empty(0, dtype=np.intp), hot
        conditions = self.conditions.draw(self._batch, rng)
        return conditions, hot.scatter_(1, torch.from_numpy(conditions)[:, None].to(self._device), 1)

    def _input(self, hot: Tensor, noise: torch.Generator) -> Tensor:
        drawn = torch.randn((self._batch, NOISE), generator=noise, device=self._device)
        return torch.cat([drawn, hot], dim=1)

    def warm_start(self, network: Network, steps: int) -> None:
        """Begin with a generator that was trained before; the critic, and conditions that it had not kept, are new.

        Batch normalisation had been folded into the weights: it is put back so that it changes nothing on the rows that
        the generator gives.
        """
        kept = torch.from_numpy(self._scorer.kept_conditions)
        bias = network.direct[:, NOISE:].astype(np.float64) @ network.chances
        first, second, last = self.generator.seq
        ends = np.cumsum(HIDDEN)
        direct = np.split(network.direct[:, :NOISE], ends)
        conditions = np.split(network.direct[:, NOISE:] - bias[:, None], ends)
        hidden0, hidden1 = np.split(network.hidden0, [HIDDEN[1]]), network.hidden1
        older = [[], [hidden0[0]], [hidden1, hidden0[1]]]
        all_rows = [np.arange(HIDDEN[0]), np.arange(HIDDEN[1]), self._scorer.kept_outputs]
        with torch.no_grad():
            for place, (layer, rows) in enumerate(zip((first.fc, second.fc, last), all_rows, strict=True)):
                weight = layer.weight[torch.from_numpy(rows)]
                weight[:, -self.conditions.size :] = 0
                known = np.concatenate([*older[place], direct[place]], axis=1)
                weight[:, : known.shape[1]] = torch.from_numpy(known)
                if len(kept):
                    weight[:, known.shape[1] + kept] = torch.from_numpy(conditions[place]).float()
                layer.weight[torch.from_numpy(rows)] = weight
                layer.bias[torch.from_numpy(rows)] = torch.from_numpy(np.split(bias, ends)[place]).float()
            self._neutralise((first, second), kept)
        self.averaged.take(0)

    def _neutralise(self, layers: tuple[Any, ...], kept: Tensor) -> None:
        """Set the batch normalisation of layers so that, on rows of the generator, it changes nothing."""
        rng = generator(self._seed, "ctgan/warm start")
        picked = rng.choice(len(self._scorer.chances), size=_WARM_ROWS, p=self._scorer.chances)
        seen = torch.randn((_WARM_ROWS, NOISE), generator=neural.noise_for(rng, self._device), device=self._device)
        hot = torch.zeros((_WARM_ROWS, self.conditions.size), device=self._device)
        if len(kept):
            hot[torch.arange(_WARM_ROWS), kept[torch.from_numpy(picked)]] = 1
        seen = torch.cat([seen, hot], dim=1)
        for layer in layers:
            before = layer.fc(seen)
            mean, variance = before.mean(0), before.var(0, unbiased=False)
            layer.bn.running_mean.copy_(mean)
            layer.bn.running_var.copy_(variance)
            layer.bn.bias.copy_(mean)
            layer.bn.weight.copy_((variance + layer.bn.eps).sqrt())
            seen = torch.cat([torch.relu(before), seen], dim=1)

    def tensors(self) -> dict[str, Tensor]:
        """Return both networks and their optimisers."""
        optimisers = {"of_generator": self._of_generator, "of_critic": self._of_critic}
        modules = {"generator": self.generator, "averaged": self.averaged.module, "critic": self.critic.module}
        return neural.tensors_of({**modules, **optimisers})

    def candidate(self) -> tuple[float, dict[str, NDArray[Any]]]:
        """Return the score of the network as it is, and its arrays, not yet calibrated."""
        network, noise = self.network(), np.zeros(self._layout.tanh)
        return self._scorer.score(network, noise), {**network.arrays(), "noise": noise}

    def network(self) -> Network:
        """Take the generator out of torch."""
        return export(self.averaged.module, self._scorer)

    def told(self) -> str:
        """Return the last losses in words."""
        return f"generator loss {float(self._losses[0]):.2f}, critic loss {float(self._losses[1]):.2f}"


def _spans_of(column: NDArray[np.intp]) -> tuple[tuple[int, int], ...]:
    """Return where the conditions of each column begin and end."""
    edges = np.searchsorted(column, np.arange(column.max() + 2)) if len(column) else np.zeros(1, dtype=np.intp)
    return tuple((int(begin), int(end)) for begin, end in pairwise(edges))


def export(module: Generator, scorer: Scorer) -> Network:
    """Take a trained generator out of the library.

    Parameters
    ----------
    module
        Its inputs are noise and all conditions, its outputs those of the scorer's rows.
    scorer
        Knows the parts, the condition that is kept, and how likely each is.
    """
    first, second, last = module.seq
    weight0, bias0 = _folded(first)
    weight1, bias1 = _folded(second)
    rows = scorer.kept_outputs
    weight2, bias2 = _floats(last.weight)[rows], _floats(last.bias)[rows]
    # Each layer's input is [newest hidden, older hidden, noise, condition].
    width0, width1 = len(weight0), len(weight1)
    direct = np.concatenate([weight0, weight1[:, width0:], weight2[:, width1 + width0 :]])
    noise, condition = np.split(direct, [NOISE], axis=1)
    bias = np.concatenate([bias0, bias1, bias2])[:, None]
    kept = scorer.kept_conditions
    return Network(
        direct=_float32(np.concatenate([noise, condition[:, kept] + bias if len(kept) else bias], axis=1)),
        hidden0=_float32(np.concatenate([weight1[:, :width0], weight2[:, width1 : width1 + width0]])),
        hidden1=_float32(weight2[:, :width1]),
        chances=scorer.chances,
        given=scorer.given,
    )


def _folded(layer: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # noqa: ANN401 - ctgan has no types
    """Return weight and bias of a linear layer and the batch normalisation after it, with running statistics."""
    norm = layer.bn
    factor = _floats(norm.weight) / np.sqrt(_floats(norm.running_var) + norm.eps)
    bias = (_floats(layer.fc.bias) - _floats(norm.running_mean)) * factor + _floats(norm.bias)
    return _floats(layer.fc.weight) * factor[:, None], bias


def _floats(tensor: Tensor) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def _float32(array: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, dtype=np.float32)

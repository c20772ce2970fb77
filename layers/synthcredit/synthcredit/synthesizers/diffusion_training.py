"""Training of `diffusion`, with torch. The only module of the family that needs it.

The target's classes are counted. All else is learned given the target, in two parts, in the order in which a row is
drawn:

1. **Classes** (categories, special codes, missing, frequent values, roundness): one column after the other, each from a
   small network over the columns before it; all of them trained at once as blocks of one masked network (MADE, Germain
   et al., ICML 2015). This is absorbing-state diffusion, as TabDiff (Shi et al., ICLR 2025) uses for categories, with a
   schedule of its own for each column taken to its end: one column a step. Hoogeboom et al., "Autoregressive diffusion
   models" (ICLR 2022), show that the two are one, and that fewer steps cost likelihood.
2. **Numbers** given the classes: Gaussian diffusion with the preconditioning, loss weight and noise levels of EDM
   (Karras et al., NeurIPS 2022), as in TabSyn (Zhang et al., ICLR 2024) and CDTD (Mueller et al., ICLR 2025), on
   normal scores (TabDDPM). Numbers that a row does not have are 0 in input and loss. Experts for ranges of noise are
   from eDiff-I (Balaji et al. 2022): they cost nothing when sampling. Trained at exactly the noise levels of the
   sampler, since a network this small had better know nothing else.
The target as a condition is what TabDDPM does. Drawn last, from a classifier of everything else, it was tried: TSTR was
.727 on UCI default, and .734 when the same model was given it.

The weights that are kept are moving averages, at the step at which a held-out share of the rows had the least loss.
"""

from __future__ import annotations

import hashlib
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from synthcredit.randomness import generator
from synthcredit.synthesizers.diffusion_columns import Coding, Seen
from synthcredit.synthesizers.diffusion_network import LARGEST, Layout, noise_levels, one_hot, scalings
from synthcredit.synthesizers.diffusion_state import SETS, Arrays, Place, State, from_bytes
from synthcredit.synthesizers.fitting import Fitting
from synthcredit.synthesizers.neural import one_thread
from synthcredit.synthesizers.settings import DiffusionSettings

HELD_OUT, SMALL_HELD_OUT, SMALL = 0.05, 0.1, 5_000
"""Share of rows that decide when to stop, and the same for tables of fewer rows than `SMALL`."""
MOST_HELD_OUT = 2_000
MOST_STEPS, LEAST_STEPS = 6_000, 1_000
"""Steps where the settings do not say, for tables from `SMALL` rows on and for the smallest."""
CHECKS = 40
"""How often the held-out loss is looked at over a whole training."""
CHECKPOINT_SECONDS = 15.0
_TOLD_EVERY = 20
_TELLING = 0.02
_WARM_UP = 100
_DECAY = 0.999
"""Of the moving average; less in the first steps, as its own weight would outlast them."""
_CLASS_BATCH = 512
_CHECKED_BATCHES = 10
_MOST_CLASS_WEIGHTS = 3_000_000

Tensors = dict[str, torch.Tensor]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rows:
    """Training rows as the networks see them.

    Parameters
    ----------
    layout
        Which columns there are.
    codes
        Shape (columns, n), int64, classes of all columns but the target.
    one_hot
        Shape (n, inputs), uint8: classes, the target's first.
    low, high
        Shape (n, numbers), float32: shares of the ordinary values below and up to the row's. NaN where it has none.
    """

    layout: Layout
    codes: torch.Tensor
    one_hot: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    @classmethod
    def of(
        cls, codings: Sequence[Coding], seen: Sequence[Seen], target: int | None, layout: Layout, device: torch.device
    ) -> Rows:
        """Put columns together; ``target`` is the place of the target that is drawn apart."""
        drawn = [at for at, coding in enumerate(codings) if coding.size > 1 and at != target]
        order = ([target] if target is not None else []) + drawn
        numbered = [own for own, coding in zip(seen, codings, strict=True) if coding.has_number]
        count = len(seen[0].classes)
        codes = [seen[at].classes for at in order]
        none = np.empty((count, 0), dtype=np.float32)

        def there(array: NDArray[Any]) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        return cls(
            layout,
            there(np.array([seen[at].classes for at in drawn], dtype=np.int64).reshape(len(drawn), count)),
            there(one_hot(codes, [codings[at].size for at in order]).T),
            there(np.stack([own.low for own in numbered], axis=1) if numbered else none),
            there(np.stack([own.high for own in numbered], axis=1) if numbered else none),
        )

    def known(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the one-hot classes of rows as float32."""
        return self.one_hot[rows].float()

    def numbers(self, rows: torch.Tensor, uniform: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return normal scores of rows, anywhere inside their states, and which there are."""
        low, high = self.low[rows], self.high[rows]
        present = ~torch.isnan(low)
        shares = torch.nan_to_num(low + (high - low) * uniform, nan=0.5)
        return torch.special.ndtri(shares).clamp(-LARGEST, LARGEST) * present, present.float()


class Part(ABC):
    """One of the networks in training: what it starts from, and how well it does on some rows."""

    name: str
    cost: float
    """About how much of the whole time it takes, per step."""

    def __init__(self, rows: Rows, settings: DiffusionSettings) -> None:
        self.rows, self.settings = rows, settings

    @property
    def most_steps(self) -> int:
        """Steps of the largest network, at most: a small table is soon learned by heart."""
        if self.settings.max_steps is not None:
            return self.settings.max_steps
        return max(LEAST_STEPS, int(MOST_STEPS * min(1.0, len(self.rows.one_hot) / SMALL) ** 0.5))

    @abstractmethod
    def start(self, rng: np.random.Generator) -> dict[str, Floats]:
        """Return random weights by name."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """Steps of a training, at most."""

    @property
    @abstractmethod
    def batch(self) -> int:
        """Rows a step."""

    @abstractmethod
    def loss(self, weights: Tensors, rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Return the mean loss of rows."""

    def checked(self, held: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Return which held-out rows the loss is taken of, in pieces of equal size."""
        return [held]

    def _tensor(self, array: NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(array).to(self.rows.one_hot.device)


def _random(rng: np.random.Generator, *shape: int, scale: float) -> Floats:
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)


class ClassPart(Part):
    """The first part; weights as in `ClassNet`."""

    name = "classes"
    cost = 1.5

    @property
    def width(self) -> int:
        """Width of each column's layers: a quarter of that of the numbers, less in tables of very many classes."""
        layout = self.rows.layout
        most = _MOST_CLASS_WEIGHTS // (len(layout.classes) * layout.inputs)
        return max(8, min(self.settings.width // 4, most))

    def start(self, rng: np.random.Generator) -> dict[str, Floats]:
        """Return random weights by name."""
        layout, width = self.rows.layout, self.width
        columns, classes = len(layout.classes), sum(layout.classes)
        return {
            "first": _random(rng, columns, width, layout.inputs, scale=0.15),
            "first_bias": np.zeros((columns, width), dtype=np.float32),
            "second": _random(rng, columns, width, width, scale=width**-0.5),
            "second_bias": np.zeros((columns, width), dtype=np.float32),
            "last": _random(rng, classes, width, scale=0.05),
            "last_bias": np.concatenate(
                [_log_shares(codes, size) for codes, size in zip(self.rows.codes, layout.classes, strict=True)]
            ),
        }

    @property
    def steps(self) -> int:
        """Steps of a training, at most."""
        return max(1, self.most_steps // 4)

    @property
    def batch(self) -> int:
        """Rows a step."""
        return self.settings.batch_size // 2

    def loss(self, weights: Tensors, rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Return the cross-entropy of a row's classes, summed over columns."""
        layout = self.rows.layout
        known = self.rows.known(rows)
        columns, width, _ = weights["first"].shape
        starts = torch.tensor(layout.starts, device=known.device)
        seen = torch.arange(layout.inputs, device=known.device) < starts[:, None]
        first = (weights["first"] * seen[:, None]).reshape(columns * width, -1)
        hidden = functional.relu(functional.linear(known, first, weights["first_bias"].flatten()))
        hidden = hidden.view(-1, columns, width).transpose(0, 1)
        more = torch.baddbmm(weights["second_bias"][:, None], hidden, weights["second"].transpose(1, 2))
        hidden = hidden + functional.relu(more)
        heads, biases = (torch.split(weights[name], list(layout.classes)) for name in ("last", "last_bias"))
        losses = [
            functional.cross_entropy(functional.linear(own, head, bias), codes[rows])
            for own, head, bias, codes in zip(hidden, heads, biases, self.rows.codes, strict=True)
        ]
        return torch.stack(losses).sum()


class NumberPart(Part):
    """The second part; weights as `NumberNet.of` takes them."""

    name = "numbers"
    cost = 1.0

    def __init__(self, rows: Rows, settings: DiffusionSettings) -> None:
        super().__init__(rows, settings)
        self._levels = noise_levels(settings.steps)
        self._experts = experts(settings.steps)

    def start(self, rng: np.random.Generator) -> dict[str, Floats]:
        """Return random weights by name."""
        own, layout = self.settings, self.rows.layout
        width, numbers, count = own.width, layout.numbers, self._experts
        return {
            "condition": _random(rng, count, width, layout.inputs, scale=0.15),
            "first": _random(rng, count, width, numbers, scale=(2 / numbers) ** 0.5),
            "hidden": _random(rng, count, own.layers, width, width, scale=width**-0.5),
            "last": _random(rng, count, numbers, width, scale=0.01),
            "gains": np.ones((own.steps, own.layers, width), dtype=np.float32),
            "biases": np.zeros((own.steps, own.layers + 1, width), dtype=np.float32),
            "last_bias": np.zeros((own.steps, numbers), dtype=np.float32),
        }

    @property
    def steps(self) -> int:
        """Steps of a training, at most."""
        return self.most_steps

    @property
    def batch(self) -> int:
        """Rows a step: as many for each noise level."""
        steps = self.settings.steps
        return max(1, self.settings.batch_size // steps) * steps

    def checked(self, held: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Return held-out rows over and over, each time at other noise levels."""
        return list(np.resize(held, (_CHECKED_BATCHES, self.batch)))

    def loss(self, weights: Tensors, rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Return the mean squared error of EDM's network output: its loss with its weights."""
        steps, numbers, count = self.settings.steps, self.rows.layout.numbers, self._experts
        each = len(rows) // steps
        shape = (steps, each, numbers)
        uniform = self._tensor(rng.random((len(rows), numbers), dtype=np.float32))
        noise = self._tensor(rng.standard_normal(shape, dtype=np.float32))
        clean, present = (part.view(shape) for part in self.rows.numbers(rows, uniform))
        scale_in, skip, scale_out = (
            self._tensor(part.astype(np.float32))[:, None, None] for part in scalings(self._levels)
        )
        sigma = self._tensor(self._levels.astype(np.float32))[:, None, None]
        noisy = (clean + sigma * noise) * present
        known = self.rows.known(rows).view(count, -1, self.rows.layout.inputs)
        output = self._outputs(weights, noisy * scale_in, known)
        missed = (output - (clean - skip * noisy) / scale_out) * present
        return missed.square().sum() / present.sum().clamp(min=1.0)

    def _outputs(self, weights: Tensors, noisy: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        steps, each, numbers = noisy.shape
        count, width = self._experts, self.settings.width

        def split(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.view(count, steps // count * each, -1)

        hidden = torch.bmm(split(noisy), weights["first"].transpose(1, 2))
        hidden = torch.baddbmm(hidden, known, weights["condition"].transpose(1, 2)).view(steps, each, width)
        hidden = functional.relu(hidden + weights["biases"][:, None, 0])
        for layer in range(self.settings.layers):
            more = torch.bmm(split(hidden), weights["hidden"][:, layer].transpose(1, 2)).view(steps, each, width)
            more = more * weights["gains"][:, None, layer] + weights["biases"][:, None, layer + 1]
            hidden = hidden + functional.relu(more)
        output = torch.bmm(split(hidden), weights["last"].transpose(1, 2)).view(steps, each, numbers)
        return output + weights["last_bias"][:, None]


def _log_shares(codes: torch.Tensor, size: int) -> Floats:
    """Return the logits that choose classes as often as they come: where a network had better start from."""
    counts = np.bincount(codes.cpu().numpy(), minlength=size)
    logits: Floats = np.log((counts + 0.5) / (len(codes) + 0.5 * size)).astype(np.float32)
    return logits


def experts(steps: int) -> int:
    """Return how many networks share the noise levels: as many as go into the steps evenly, 4 at most."""
    return max(count for count in (1, 2, 3, 4) if steps % count == 0)


def train(
    codings: Sequence[Coding],
    seen: Sequence[Seen],
    target: int | None,
    layout: Layout,
    settings: DiffusionSettings,
    fitting: Fitting,
    previous: Mapping[str, Arrays] | None = None,
) -> dict[str, Arrays]:
    """Train all networks.

    Parameters
    ----------
    codings, seen
        The columns, and their rows.
    target
        The place of the target that is drawn apart; None for none.
    layout
        What the networks see.
    settings
        The family's.
    fitting
        Seed, progress and checkpoints.
    previous
        Weights to start from, by part.

    Returns
    -------
    dict
        Weights by part.
    """
    with one_thread():
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        data = Rows.of(codings, seen, target, layout, device)
        parts: list[Part] = []
        if layout.classes:
            parts.append(ClassPart(data, settings))
        if layout.numbers:
            parts.append(NumberPart(data, settings))
        return _Trainer(parts, data, settings, fitting, _fingerprint(seen, settings, fitting.seed, previous)).run(
            previous or {}
        )


def _fingerprint(
    seen: Sequence[Seen], settings: DiffusionSettings, seed: int, previous: Mapping[str, Arrays] | None
) -> str:
    """Return what tells one training from another, so that none goes on with the state of another."""
    digest = hashlib.blake2b(f"{seed} {settings.model_dump_json()}".encode(), digest_size=16)
    for own in seen:
        for array in (own.classes, own.low, own.high):
            digest.update(np.ascontiguousarray(array).data)
    for part, weights in (previous or {}).items():
        for name, array in weights.items():
            digest.update(f"{part}/{name}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


class _Trainer:
    """Trains part after part, and keeps its state where it can be found again."""

    def __init__(self, parts: list[Part], data: Rows, settings: DiffusionSettings, fitting: Fitting, name: str) -> None:
        self._parts, self._settings, self._fitting, self._name = parts, settings, fitting, name
        self._device = data.one_hot.device
        count = len(data.one_hot)
        share = SMALL_HELD_OUT if count < SMALL else HELD_OUT
        order = generator(fitting.seed, "diffusion/held out").permutation(count)
        held = min(MOST_HELD_OUT, max(1, int(share * count)))
        self._held, self._learned = order[:held], order[held:]
        planned = [part.cost * part.steps for part in parts]
        self._shares = [own / sum(planned) for own in planned]

    def run(self, previous: Mapping[str, Arrays]) -> dict[str, Arrays]:
        """Train what is not trained yet; return the weights by part."""
        starts = {}
        for part in self._parts:
            fresh = part.start(generator(self._fitting.seed, f"diffusion/{part.name}/start"))
            starts[part.name] = previous.get(part.name, fresh)
        state = self._found({part: {name: array.shape for name, array in own.items()} for part, own in starts.items()})
        self._began = time.monotonic() - state.place.seconds
        self._written = time.monotonic()
        for at, part in enumerate(self._parts):
            if part.name not in state.finished:
                state = self._train(at, part, starts[part.name], state)
        return state.finished

    def _found(self, shapes: Mapping[str, Mapping[str, tuple[int, ...]]]) -> State:
        content = self._fitting.checkpoints.read() if self._fitting.checkpoints else None
        state = from_bytes(content, self._name, shapes) if content else None
        return state or State(Place(training=self._name, done=[]))

    def _train(self, at: int, part: Part, start: Arrays, state: State) -> State:
        """Train one part from its start, or from where a state of it is."""
        sets, place = self._sets(state, start), state.place
        total = part.steps
        optimiser = _optimiser(sets, place.step)
        for step in range(place.step, total):
            if step % self._every(part) == 0:
                self._look(part, sets, place, step)
                if step - place.best_step > self._settings.patience * self._every(part) or self._out_of_time():
                    break
            self._step(part, sets, optimiser, step)
            place.step = step + 1
            if step % _TOLD_EVERY == 0:
                self._tell(at, part, place)
            if time.monotonic() - self._written > CHECKPOINT_SECONDS:
                self._write(State(place, state.finished, {kind: _back(own) for kind, own in sets.items()}))
        self._look(part, sets, place, total)
        finished = {**state.finished, part.name: _back(sets["best"])}
        ended = State(Place(training=self._name, done=list(finished)), finished)
        self._write(ended)
        self._fitting.progress(sum(self._shares[: at + 1]), f"{part.name}: trained in {place.step:,} steps")
        return ended

    def _sets(self, state: State, start: Arrays) -> dict[str, Tensors]:
        if state.current:
            return {kind: self._there(own) for kind, own in state.current.items()}
        zero = {name: np.zeros_like(array) for name, array in start.items()}
        return {kind: self._there(zero if kind.endswith("moment") else start) for kind in SETS}

    def _every(self, part: Part) -> int:
        """Return after how many steps the held-out loss is looked at."""
        return max(1, part.steps // CHECKS)

    def _look(self, part: Part, sets: dict[str, Tensors], place: Place, step: int) -> None:
        """Keep the moving average if it does better on the held-out rows than any before."""
        loss = self._held_out(part, sets["mean"])
        if place.best_loss is None or loss < place.best_loss:
            place.best_loss, place.best_step = loss, step
            sets["best"] = {name: tensor.clone() for name, tensor in sets["mean"].items()}

    def _step(self, part: Part, sets: dict[str, Tensors], optimiser: torch.optim.Optimizer, step: int) -> None:
        # Random numbers by step: a training that goes on draws what one that was never stopped would have drawn.
        rng = generator(self._fitting.seed, f"diffusion/{part.name}/step", step)
        rows = self._learned[rng.integers(len(self._learned), size=part.batch)]
        # Warm-up, then half a cosine (Loshchilov and Hutter, ICLR 2017).
        warm = min(1.0, (step + 1) / min(_WARM_UP, 1 + part.steps // 10))
        share = warm * 0.5 * (1 + math.cos(math.pi * step / part.steps))
        for group in optimiser.param_groups:
            group["lr"] = self._settings.learning_rate * share
        loss = part.loss(sets["now"], torch.from_numpy(rows).to(self._device), rng)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        share = 1.0 - min(_DECAY, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(sets["mean"].values()), [own.detach() for own in sets["now"].values()], share)

    def _held_out(self, part: Part, weights: Tensors) -> float:
        """Return the loss of the held-out rows, always with the same noise."""
        rng = generator(self._fitting.seed, f"diffusion/{part.name}/check")
        with torch.no_grad():
            losses = [
                float(part.loss(weights, torch.from_numpy(rows).to(self._device), rng))
                for rows in part.checked(self._held)
            ]
        return sum(losses) / len(losses)

    def _out_of_time(self) -> bool:
        return time.monotonic() - self._began > self._settings.max_minutes * 60

    def _tell(self, at: int, part: Part, place: Place) -> None:
        done = sum(self._shares[:at]) + self._shares[at] * place.step / part.steps
        spent = time.monotonic() - self._began
        left = min(spent / done * (1 - done), max(0.0, self._settings.max_minutes * 60 - spent))
        loss = "" if place.best_loss is None else f", held-out loss {place.best_loss:.4f}"
        # The first steps tell nothing of how long the others take.
        ahead = f"; {_duration(left)} left at most" if done > _TELLING else ""
        self._fitting.progress(done, f"{part.name}: step {place.step:,} of {part.steps:,} at most{loss}{ahead}")

    def _write(self, state: State) -> None:
        if self._fitting.checkpoints is None:
            return
        state.place.seconds = time.monotonic() - self._began
        self._fitting.checkpoints.write(state.to_bytes())
        self._written = time.monotonic()

    def _there(self, arrays: Arrays) -> Tensors:
        return {name: torch.from_numpy(array.copy()).to(self._device) for name, array in arrays.items()}


def _back(tensors: Tensors) -> dict[str, Floats]:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _optimiser(sets: dict[str, Tensors], step: int) -> torch.optim.Adam:
    """Return Adam (Kingma and Ba, ICLR 2015) over the weights, with the moments that are kept of it."""
    weights = [tensor.requires_grad_() for tensor in sets["now"].values()]
    optimiser = torch.optim.Adam(weights, betas=(0.9, 0.99), fused=True)
    for name, tensor in sets["now"].items():
        optimiser.state[tensor] = {
            "step": torch.tensor(float(step), device=tensor.device),
            "exp_avg": sets["first_moment"][name],
            "exp_avg_sq": sets["second_moment"][name],
        }
    return optimiser

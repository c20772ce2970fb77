"""Training a network so that people can live with it: whatever the network is.

One loop for every family that trains with torch. It tells how long it will take, looks now and then at what the
network would give and keeps the best, stops when that no longer gets better or the time is up, and leaves its state
where one that was killed finds it.

All randomness of a step is drawn from generators keyed by the step's number. So there is no state of a random number
generator to keep, and a training that was killed ends with the same bytes as one that was not, wherever it stood.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from threadpoolctl import threadpool_limits
from torch.optim.adam import adam

from synthcredit.errors import InvalidInputError, Problem
from synthcredit.randomness import generator
from synthcredit.synthesizers.features import Discrete, Feature, Features, rows_of
from synthcredit.synthesizers.fitting import Fitting

CHECKPOINT_SECONDS = 30.0
"""A state is left at least this often."""
TELL_SECONDS = 1.0
"""Progress is told at least this often."""
HELD_OUT_SHARE = 0.1
HELD_OUT_ROWS = 5_000
FEWEST_TO_HOLD_OUT = 5_000
"""Of fewer rows none is held out. Tables of pairs are too coarse to learn by heart, and those of few held-out rows are
noise, next to which rows drawn column by column score best: with 70 of german_credit's 700 rows held out, a ctgan that
kept 8 % of the associations was taken for the best."""
MOST_BINS = 30
"""Categories of a column that have bins of their own in the score."""
BASE_MB = 450
"""What Python takes with torch, a round guess; everything else comes on top."""

Arrays = Mapping[str, NDArray[Any]]


class Training(Protocol):
    """A network in training, as the loop sees it."""

    def step(self, number: int) -> None:
        """Do one step; everything random in it depends on the number alone."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all that steps change, by name; the loop reads it, and writes into it when it resumes."""

    def candidate(self) -> tuple[float, dict[str, NDArray[Any]]]:
        """Return what the network would give now: its held-out score, higher is better, and its arrays."""

    def told(self) -> str:
        """Say in a few words how it stands, e.g. losses."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a training goes on.

    Parameters
    ----------
    steps
        Training steps, at most.
    epoch_steps
        Steps that make an epoch; for messages only.
    look_every
        Steps between two looks at what the network would give.
    patience
        Looks without a better score after which it stops; None to do all steps.
    max_seconds
        Seconds after which it stops, those before a resumption included; None for no limit.
    """

    steps: int
    epoch_steps: int
    look_every: int
    patience: int | None = None
    max_seconds: float | None = None


@dataclass(slots=True)
class _State:
    """Where a training stands, beside its tensors."""

    step: int = 0
    score: float = -np.inf
    looks_since: int = 0
    seconds: float = 0.0
    best: dict[str, NDArray[Any]] = field(default_factory=dict)


_SCALARS = {"step": np.int64, "score": np.float64, "looks_since": np.int64, "seconds": np.float64}


def train(training: Training, plan: Plan, fitting: Fitting, *, key: bytes, begin: float = 0.02) -> Arrays:
    """Train to the end of the plan and return the best arrays there were.

    Parameters
    ----------
    training
        The network.
    plan
        How long.
    fitting
        Who hears of it, and where the state is left.
    key
        What the training depends on, as `key_of` made it: a state with another key is not its own, and is not used.
    begin
        Share of the whole work that was done before.
    """
    state = _State()
    content = fitting.checkpoints.read() if fitting.checkpoints else None
    if content is not None:
        state = resumed(content, training.tensors(), training.candidate()[1], plan, key)
        fitting.progress(begin, f"goes on at step {state.step:,} of {plan.steps:,}" if state.step else _NOT_ITS_OWN)
    clock = _Clock(plan, state, begin, fitting)
    over = _over(state, plan)
    while not over:
        training.step(state.step)
        state.step += 1
        looked = state.step % plan.look_every == 0 or state.step == plan.steps
        if looked:
            _look(training, state)
        clock.tick()
        over = _over(state, plan)
        if over and not looked:
            _look(training, state)
        clock.tell(training, told=looked)
        clock.leave(training, key, now=over)
    fitting.progress(1.0, f"best score {state.score:.3f} after {state.step:,} steps, {_why(state, plan)}")
    return state.best


_NOT_ITS_OWN = "the state that was left belongs to another training, or is damaged: begins anew"


def _over(state: _State, plan: Plan) -> bool:
    return (
        state.step >= plan.steps
        or (plan.patience is not None and state.looks_since >= plan.patience)
        or (plan.max_seconds is not None and state.seconds >= plan.max_seconds)
    )


def _why(state: _State, plan: Plan) -> str:
    if state.step >= plan.steps:
        return "all that were planned"
    if plan.patience is not None and state.looks_since >= plan.patience:
        return "as it no longer got better"
    return "as the time was up"


def _look(training: Training, state: _State) -> None:
    score, arrays = training.candidate()
    state.looks_since += 1
    if score > state.score or not state.best:
        state.score, state.best, state.looks_since = score, arrays, 0


class _Clock:
    """Counts the time, tells how much is left, and leaves the state in time."""

    def __init__(self, plan: Plan, state: _State, begin: float, fitting: Fitting) -> None:
        self._plan, self._state, self._begin, self._fitting = plan, state, begin, fitting
        self._last = self._told = self._left = self._started = time.monotonic()
        self._first_step = state.step

    def tick(self) -> None:
        now = time.monotonic()
        self._state.seconds += now - self._last
        self._last = now

    def tell(self, training: Training, *, told: bool) -> None:
        if not told and self._last - self._told < TELL_SECONDS:
            return
        self._told = self._last
        step, plan = self._state.step, self._plan
        left = (self._last - self._started) / (step - self._first_step) * (plan.steps - step)
        if plan.max_seconds is not None:
            left = min(left, max(0.0, plan.max_seconds - self._state.seconds))
        epochs = -(-plan.steps // plan.epoch_steps)
        score = f", best score {self._state.score:.3f}" if self._state.best else ""
        # Stays below 1: the end is told once, and by the loop.
        self._fitting.progress(
            self._begin + (0.999 - self._begin) * step / plan.steps,
            f"epoch {-(-step // plan.epoch_steps)} of {epochs}: {training.told()}{score}, at most {_human(left)} left",
        )

    def leave(self, training: Training, key: bytes, *, now: bool) -> None:
        if self._fitting.checkpoints is None:
            return
        if now or self._last - self._left >= CHECKPOINT_SECONDS:
            self._fitting.checkpoints.write(_left(training.tensors(), self._state, key))
            self._left = time.monotonic()


def _human(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3600:.1f} h"


def key_of(*parts: object) -> bytes:
    """Return a digest of what a training depends on: settings, seed, and the encoded rows as arrays."""
    digest = hashlib.blake2b(digest_size=32)
    for part in (torch.__version__, *parts):
        array = part if isinstance(part, np.ndarray) else np.frombuffer(str(part).encode(), dtype=np.uint8)
        digest.update(f"{array.shape}{array.dtype}\0".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def _left(tensors: Mapping[str, torch.Tensor], state: _State, key: bytes) -> bytes:
    """Return the state as the bytes of a safetensors file."""
    arrays: dict[str, NDArray[Any]] = {f"now.{name}": tensor.cpu().numpy() for name, tensor in tensors.items()}
    arrays |= {f"best.{name}": array for name, array in state.best.items()}
    arrays |= {name: np.array([getattr(state, name)], dtype) for name, dtype in _SCALARS.items()}
    arrays["key"] = np.frombuffer(key, dtype=np.uint8)
    # Not `ascontiguousarray`, which gives a single number a dimension.
    return save({name: np.asarray(array, order="C") for name, array in arrays.items()})


def resumed(content: bytes, tensors: Mapping[str, torch.Tensor], kept: Arrays, plan: Plan, key: bytes) -> _State:
    """Take up a state that was left, written into the tensors; a new one where it is not this training's own.

    The content may be hostile: it is data alone, nothing in it is run, and every array must have the name, shape and
    type that this training gives it, which ``tensors`` and ``kept``, a candidate's arrays, tell.
    """
    try:
        arrays = load(content)
        state = _State(**{name: _scalar(arrays[name], dtype) for name, dtype in _SCALARS.items()})
        now = {name: _like(arrays[f"now.{name}"], tensor.detach().cpu().numpy()) for name, tensor in tensors.items()}
        if state.score > -np.inf:
            state.best = {name: _like(arrays[f"best.{name}"], own) for name, own in kept.items()}
        sound = arrays["key"].tobytes() == key and 0 <= state.looks_since <= state.step <= plan.steps
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError):
        return _State()
    if not sound or not 0 <= state.seconds < np.inf or np.isnan(state.score):
        return _State()
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(torch.from_numpy(now[name]))
    return state


def _scalar(found: NDArray[Any], dtype: type) -> Any:  # noqa: ANN401 - an int or a float
    return _same_form(found, np.empty(1, dtype))[0].item()


def _like(found: NDArray[Any], own: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(_same_form(found, own)).all():
        raise ValueError("a number is not finite")
    return found


def _same_form(found: NDArray[Any], own: NDArray[Any]) -> NDArray[Any]:
    if found.shape != own.shape or found.dtype != own.dtype:
        raise ValueError("an array has another form")
    return found


def device_for(setting: str) -> torch.device:
    """Return where to train.

    On one machine the same seed gives the same network on its processor. Graphics processors add in an order of their
    own; the same model of processor, driver and torch mostly, but not surely, gives the same network again.

    Raises
    ------
    InvalidInputError
        A graphics processor is wanted and there is none.
    """
    present = torch.cuda.is_available()
    if setting == "gpu" and not present:
        raise InvalidInputError(
            Problem("synthesizer.device", "this machine has no graphics processor", "Choose 'auto' or 'cpu'.")
        )
    return torch.device("cuda" if present and setting != "cpu" else "cpu")


def refuse_too_large(needed_mb: float, max_mb: int | None, hint: str) -> None:
    """Refuse a training that would take more memory than it may.

    Raises
    ------
    InvalidInputError
        It would; says how much it would take.
    """
    if max_mb is not None and needed_mb > max_mb:
        raise InvalidInputError(
            Problem(
                "synthesizer.max_memory_mb",
                f"the training would take about {needed_mb:,.0f} MB, and may take {max_mb:,}",
                f"Allow more, {hint}, or use the synthesizer 'trees'.",
            )
        )


class Adam:
    """Adam (Kingma and Ba, ICLR 2015) as in `torch.optim.Adam`, fused, its state there from the first step on.

    torch's own class makes its state when it first steps and spends as long in Python as on small matrices.

    Parameters
    ----------
    module
        Whose parameters it moves; each must have a gradient when it does.
    rate, betas, decay
        As ``lr``, ``betas`` and ``weight_decay``.
    """

    def __init__(
        self, module: torch.nn.Module, *, rate: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), decay: float
    ) -> None:
        self._parameters: list[torch.Tensor] = list(module.parameters())
        self._means = [torch.zeros_like(each) for each in self._parameters]
        self._squares = [torch.zeros_like(each) for each in self._parameters]
        self._steps = [torch.zeros((), device=each.device) for each in self._parameters]
        self._rate, self._betas, self._decay = rate, betas, decay

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters."""
        adam(
            self._parameters,
            [parameter.grad for parameter in self._parameters if parameter.grad is not None],
            self._means,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            maximize=False,
            lr=self._rate,
            beta1=self._betas[0],
            beta2=self._betas[1],
            weight_decay=self._decay,
            eps=1e-8,
        )

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the state by name."""
        parts = {"mean": self._means, "square": self._squares, "step": self._steps}
        return {f"{place}.{name}": each for name, part in parts.items() for place, each in enumerate(part)}


class Average:
    """The moving average of a network's weights over its steps: what is kept of it.

    A generator goes around the best weights rather than to them, and their average is better than any (Yazici et al.,
    "The Unusual Effectiveness of Averaging in GAN Training", ICLR 2019). Running statistics are averaged alike.

    Parameters
    ----------
    module
        The network.
    memory
        Steps that the average goes back, about; fewer at the beginning.
    """

    def __init__(self, module: torch.nn.Module, memory: int = 500) -> None:
        self.module = deepcopy(module)
        self._of, self._memory = module, memory

    @torch.no_grad()
    def take(self, number: int) -> None:
        """Take in the weights after a step; all of them after the first."""
        share = 1 / min(1 + number / 4, self._memory)
        own, new = ([each for each in part.state_dict().values() if each.is_floating_point()] for part in self._pair)
        torch._foreach_lerp_(own, new, share)

    @property
    def _pair(self) -> tuple[torch.nn.Module, torch.nn.Module]:
        return self.module, self._of


def tensors_of(parts: Mapping[str, torch.nn.Module | Adam]) -> dict[str, torch.Tensor]:
    """Return the tensors of modules and optimisers, by name."""
    return {
        f"{name}.{key}": tensor
        for name, part in parts.items()
        for key, tensor in (part.tensors() if isinstance(part, Adam) else part.state_dict()).items()
    }


def noise_for(rng: np.random.Generator, device: torch.device) -> torch.Generator:
    """Return torch's generator for one step, seeded from the step's own."""
    return torch.Generator(device).manual_seed(int(rng.integers(2**63)))


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread.

    The same network whatever the machine's processors, and no waiting for threads: the matrices are small. On two idle
    processors a second thread saves a fifth of the time at most; on busy ones, steps took ten times as long.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_seeded_thread(seed: int) -> Iterator[None]:
    """Compute in `one_thread`, and let torch's global generator, which initialises modules, begin with a seed."""
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def hold_out(rows: int, seed: int, purpose: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Part rows into those that are trained on and those that scores are measured against, by index."""
    everything = np.arange(rows)
    if rows < FEWEST_TO_HOLD_OUT:
        return everything, everything
    held = int(min(HELD_OUT_SHARE * rows, HELD_OUT_ROWS))
    order = generator(seed, f"{purpose}/held out").permutation(rows)
    return np.sort(order[held:]), np.sort(order[:held])


class Likeness:
    """How alike rows are to others in single columns and in pairs of columns: a score that costs one matrix product.

    1 less the mean total variation distance of the tables of all pairs of columns, each column with itself included;
    numbers are cut at deciles. A pair counts by how closely its columns hang together: in most tables most pairs hardly
    do, and columns drawn one by one would score almost as well as rows that are right. Rows of the same distribution do
    not quite reach 1: tables of few rows differ by chance.

    Parameters
    ----------
    real
        The rows to be alike to.
    cuts_from
        The rows that deciles and weights are taken from: more of them, and the same whoever is compared.
    """

    def __init__(self, real: Features, cuts_from: Features) -> None:
        self._cuts = {name: _cuts(feature) for name, feature in cuts_from.items()}
        self._sizes = [_bins(feature, self._cuts[name])[1] for name, feature in real.items()]
        self._real = self._pairs(real)
        self._weights = self._weights_of(self._pairs(cuts_from))

    def score(self, rows: Features) -> float:
        """Return how alike rows are, from 0 to 1."""
        distances = np.abs(self._pairs(rows) - self._real)
        return float(1 - (self._by_pair(distances) * self._weights).sum() / 2)

    def _weights_of(self, pairs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the weight of each pair: its distance from independence; on the diagonal the mean of the others."""
        shares = pairs.diagonal()
        tied = self._by_pair(np.abs(pairs - np.outer(shares, shares)))
        np.fill_diagonal(tied, 0.0)
        columns = len(tied)
        np.fill_diagonal(tied, tied.sum() / (columns * (columns - 1)) if tied.any() else 1.0)
        return np.asarray(tied / tied.sum())

    def _by_pair(self, cells: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the sum of the cells of each pair of columns, shape (columns, columns)."""
        starts = np.cumsum([0, *self._sizes[:-1]])
        return np.add.reduceat(np.add.reduceat(cells, starts, axis=0), starts, axis=1).astype(np.float64)

    def _pairs(self, rows: Features) -> NDArray[np.float32]:
        """Return the shares of rows that are in each two bins, shape (bins, bins)."""
        count = rows_of(rows)
        hot = np.zeros((count, sum(self._sizes)), dtype=np.float32)
        start = 0
        for (name, feature), size in zip(rows.items(), self._sizes, strict=True):
            hot[np.arange(count), start + _bins(feature, self._cuts[name])[0]] = 1
            start += size
        shares: NDArray[np.float32] = hot.T @ hot / np.float32(count)
        return shares


def _cuts(feature: Feature) -> NDArray[Any]:
    """Return the deciles of a numeric column; of a discrete one the bin of each code, all rare ones in one."""
    if isinstance(feature, Discrete):
        counts = np.bincount(feature.codes, minlength=feature.size)
        bins = np.full(feature.size, min(feature.size, MOST_BINS), dtype=np.intp)
        bins[np.argsort(-counts, kind="stable")[:MOST_BINS]] = np.arange(min(feature.size, MOST_BINS))
        return bins
    known = feature.values[~np.isnan(feature.values)]
    return np.unique(np.quantile(known, np.linspace(0.1, 0.9, 9))) if len(known) else np.empty(0)


def _bins(feature: Feature, cuts: NDArray[Any]) -> tuple[NDArray[np.intp], int]:
    """Return the bin of each row and the number of bins, the last of a numeric column for missing."""
    if isinstance(feature, Discrete):
        return cuts[feature.codes], min(feature.size, MOST_BINS) + 1
    places = np.searchsorted(cuts, feature.values, side="right")
    return np.where(np.isnan(feature.values), len(cuts) + 1, places), len(cuts) + 2

"""What surrounds a fit: who hears of it, where it leaves its state, what it continues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from synthcredit.synthesizers.protocol import Synthesizer


class Progress(Protocol):
    """Hears how far a long piece of work is. To cancel the work, raise `StoppedError` from it."""

    def __call__(self, done: float, message: str) -> None:
        """Take note: ``done`` from 0 to 1, and what is being done."""


def silent(done: float, message: str) -> None:
    """Progress that nobody wants to hear."""


class Checkpoints(Protocol):
    """Keeps the state of one training, so that one that was killed goes on where it was."""

    def read(self) -> bytes | None:
        """Return what was written last; None before the first time. May be hostile: it comes from a bucket."""

    def write(self, content: bytes) -> None:
        """Keep this instead of what was there, whole or not at all."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """The circumstances of one fit.

    Parameters
    ----------
    seed
        Same table, settings and seed give the same model on one machine.
    progress
        Called often, with the fraction done.
    checkpoints
        Where a long training leaves its state; families that fit in seconds leave none.
    previous
        A fitted model of the same family and columns to continue from; None to start anew.
    """

    seed: int
    progress: Progress = silent
    checkpoints: Checkpoints | None = None
    previous: Synthesizer | None = None

"""How long a training will go on, and who hears of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from synthcredit.jobs.job import Headway, in_words, now
from synthcredit.ports import World
from synthcredit.steps.standing import require_open
from synthcredit.synthesizers.fitting import Progress

LOG_STEP = 0.05
"""How much has to be done for another line in the log."""
LOOK_SECONDS = 5.0
"""How often a training looks whether it is still wanted, and says how far it is."""
ANNOUNCE_SECONDS = 60.0
"""How often the bus hears of it."""
_TOO_EARLY = 0.01
"""With less done than this since the first report, nobody can tell how long the rest takes."""

log = logging.getLogger("synthcredit.steps")

Clock = Callable[[], float]


class Remaining:
    """Tells how long work will go on, from how fast it went so far.

    Counted from the first report and not from nothing done: a training that goes on from a checkpoint begins with much
    done in no time.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None

    def __call__(self, done: float) -> float | None:
        """Return the seconds that are left with ``done`` of 1 done; None where that cannot be told yet."""
        time_now = self._clock()
        if self._first is None or done < self._first[1]:
            self._first = (time_now, done)
        begun, before = self._first
        if done >= 1.0:
            return 0.0
        if done - before < _TOO_EARLY:
            return None
        return (time_now - begun) * (1.0 - done) / (done - before)


class Told:
    """Hears of a training or another long step, writes a line of log now and then, and hands on what is said.

    With it goes the time that is left.

    Parameters
    ----------
    progress
        Who hears of it.
    look
        Called every `LOOK_SECONDS` or so with the fraction done and the seconds left; raises to end the training.
    clock
        Seconds.
    step
        Its name.
    """

    def __init__(
        self,
        progress: Progress,
        look: Callable[[float, float | None], None],
        clock: Clock = time.monotonic,
        *,
        step: str = "train",
    ) -> None:
        self._progress = progress
        self._look = look
        self._step = step
        self._clock = clock
        self._remaining = Remaining(clock)
        self._said = -1.0
        self._looked = clock()

    def __call__(self, done: float, message: str) -> None:
        """Take note: ``done`` from 0 to 1, and what is being done."""
        left = self._remaining(done)
        # A family that knows better, since it may stop early or has a time of its own, says so itself.
        if left is not None and 0 < done < 1 and " left" not in message:
            message = f"{message}, {in_words(left)}"
        self._progress(done, message)
        # A training that starts anew after a refused checkpoint begins at nothing again.
        if done < self._said or done - self._said >= LOG_STEP or done >= 1.0 > self._said:
            self._said = done
            log.info("%s: %.0f %%, %s", self._step, 100 * done, message)
        if self._clock() - self._looked >= LOOK_SECONDS:
            self._looked = self._clock()
            self._look(done, left)


class OnJob:
    """Keeps on a job how far its training or another step is, and ends it when the job is closed.

    Parameters
    ----------
    job_id, world
        The job, and where it is.
    clock
        Seconds.
    step
        Its name.
    """

    def __init__(self, job_id: str, world: World, clock: Clock = time.monotonic, *, step: str = "train") -> None:
        self._job_id = job_id
        self._step = step
        self._world = world
        self._clock = clock
        self._announced = clock()

    def __call__(self, done: float, left: float | None) -> None:
        """Take note.

        Raises
        ------
        StoppedError
            The job is closed; the checkpoint stays, so that the same request goes on where this one was.
        """
        job = require_open(self._world, self._job_id)
        seconds = None if left is None else round(left, 1)
        headway = Headway(step=self._step, done=round(min(max(done, 0.0), 1.0), 4), remaining_seconds=seconds, at=now())
        self._world.jobs.update(job.model_copy(update={"progress": headway}))
        if self._clock() - self._announced >= ANNOUNCE_SECONDS:
            self._announced = self._clock()
            detail = {"job_id": self._job_id, "step": self._step, "done": headway.done}
            self._world.events.emit(
                "JobProgressed", detail | ({} if seconds is None else {"remaining_seconds": seconds})
            )

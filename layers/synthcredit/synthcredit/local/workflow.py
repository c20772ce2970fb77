"""The state machine in one process: the same steps in the same order, with the shards in parallel processes."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread

from filelock import FileLock, Timeout

from synthcredit.errors import ConflictError, InvalidInputError, Problem, StoppedError, SynthcreditError
from synthcredit.jobs.job import Job, State
from synthcredit.jobs.planning import Plan
from synthcredit.jobs.request import JobRequest
from synthcredit.local.storage import refusals, require_writable, storage_error
from synthcredit.local.sweep import sweep
from synthcredit.local.world import open_world
from synthcredit.ports import Deliver, World
from synthcredit.steps.files import job_key, job_prefix
from synthcredit.steps.standing import step
from synthcredit.synthesizers.fitting import Progress

Listener = Callable[[str, float, str], None]
"""Hears of progress: the step, the fraction done, and what is being done."""


@dataclass(frozen=True, slots=True)
class Store:
    """A database that a job is loaded into, and what loads it."""

    to: str
    """As `synthcredit.stores.deliver` takes it; not in the request, which is kept, since it may hold a password."""
    deliver: Deliver


ROWS_WORTH_A_PROCESS = 100_000
"""Below this a second process costs more than it saves."""

ATTEMPTS = 3
"""How often shards are tried whose process was killed."""

log = logging.getLogger("synthcredit.steps")


def deaf(step_name: str, done: float, message: str) -> None:
    """Hear nothing."""


class Workflow:
    """Runs jobs on this machine.

    Parameters
    ----------
    home
        Where jobs and models are kept.
    out
        Where results appear.
    workers
        Processes that generate; all processors when None.
    """

    def __init__(self, home: Path, out: Path, *, workers: int | None = None) -> None:
        self.home = home
        self.out = out
        self.workers = workers or os.cpu_count() or 1
        self.world: World = open_world(home, out)

    def run(
        self,
        request: JobRequest,
        *,
        key: str,
        caller: str = "cli",
        again: bool = False,
        store: Store | None = None,
        listener: Listener = deaf,
    ) -> Job:
        """Run a request to its end, and load a database where one is given.

        The same key again continues a job that was interrupted, starts a failed one anew, and returns a finished one
        as it is (``again`` runs it anew). A job that only its database failed goes on with that.

        Raises
        ------
        SynthcreditError
            The job failed; it is closed, with the reason, and nothing is delivered.
        """
        from synthcredit.steps.claim import claim

        # Now, not after the work: a place that cannot be written to.
        require_writable(self.home)
        require_writable(self.out)
        sweep(self.home)
        job, new = claim(request, self.world, caller=caller, key=key)
        with self._alone(job.job_id):
            if not new:
                job = self.world.jobs.get(job.job_id)
                if job.published and not again and self._kept(job):
                    job = job if self._delivered(job) else self._deliver(job)
                    if job.state is State.SUCCEEDED and store is None:
                        return job
                    self.world.jobs.update(job.model_copy(update={"state": State.RUNNING, "failure": None}))
                    return self._logged(job.job_id, partial(self._finish, job.job_id, store, listener))
                self._reopen(job)
            return self._logged(job.job_id, partial(self._work, job.job_id, store, listener))

    def _logged(self, job_id: str, work: Callable[[], Job]) -> Job:
        with _log_to(self.home / "lake" / job_key(job_id, "run.log")):
            return self._steps(job_id, work)

    def _steps(self, job_id: str, work: Callable[[], Job]) -> Job:
        from synthcredit.steps.fail import fail

        try:
            return work()
        except SynthcreditError as error:
            reason = error
        except OSError as error:
            reason = storage_error(error, str(self.home))
        except MemoryError:
            reason = InvalidInputError(
                Problem(
                    "rows", "the machine has too little memory for this", "Ask for fewer rows, or use fewer workers."
                )
            )
        except Exception:
            # A fault of ours: closed like any failure, and raised as it is for the log and the reader.
            log.exception("a step raised what it should not")
            fail(job_id, SynthcreditError(Problem("synthcredit", "a fault of its own", "See run.log.")), self.world)
            raise
        log.error("failed: %s", reason)
        fail(job_id, reason, self.world)
        raise reason

    def _work(self, job_id: str, store: Store | None, listener: Listener) -> Job:
        # Imported where they are needed: each brings its own heavy packages.
        from synthcredit.steps.plan import plan

        listener("plan", 0.0, "reading the data")
        planned = plan(job_id, self.world)
        listener("plan", 1.0, planned.reason)
        for notice in planned.notices:
            log.info("data: %s", notice)

        from synthcredit.steps.train import train

        model_id = train(job_id, self.world, _as_progress(listener, "train"))
        if model_id is not None:
            listener("train", 1.0, model_id if planned.train else f"{model_id} is reused")
        self._generate(job_id, planned, listener)

        listener("assess", 0.0, "measuring")
        from synthcredit.steps.assess import assess

        assess(job_id, self.world, _as_progress(listener, "assess"))
        listener("assess", 1.0, "report written")

        from synthcredit.steps.gate import gate
        from synthcredit.steps.publish import publish

        gate(job_id, self.world)
        listener("gate", 1.0, "passed")
        listener("publish", 0.0, "delivering")
        publish(job_id, self.world)
        listener("publish", 1.0, "delivered")
        return self._finish(job_id, store, listener)

    def _finish(self, job_id: str, store: Store | None, listener: Listener) -> Job:
        """Do what comes after publishing."""
        from synthcredit.steps.load import load
        from synthcredit.steps.notify import notify

        if store is not None:
            load(job_id, self.world, store.deliver, _as_progress(listener, "load"), to=store.to)
        return notify(job_id, self.world)

    def _generate(self, job_id: str, planned: Plan, listener: Listener) -> None:
        whole, unit = sum(shard.rows for shard in planned.shards), planned.unit
        with step(self.world, job_id, "generate"):
            done = 0
            listener("generate", 0.0, f"{whole:,} {unit} in {len(planned.shards)} shards")
            for number in self._shards(job_id, planned):
                done += planned.shards[number].rows
                listener("generate", done / whole, f"{done:,} of {whole:,} {unit}")

    def _shards(self, job_id: str, planned: Plan) -> Iterator[int]:
        workers = min(self.workers, len(planned.shards), 1 + planned.rows // ROWS_WORTH_A_PROCESS)
        if workers == 1:
            from synthcredit.steps.generate import generate

            for shard in planned.shards:
                generate(job_id, shard.number, self.world)
                yield shard.number
            return
        left = {shard.number for shard in planned.shards}
        for _ in range(ATTEMPTS):
            try:
                for number in self._in_processes(job_id, sorted(left), workers):
                    left.discard(number)
                    yield number
            except BrokenProcessPool:
                log.warning("generate: a process was killed; %d shards are left", len(left))
        if left:
            raise StoppedError(
                Problem(
                    "generate",
                    f"processes were killed {ATTEMPTS} times, most likely for want of memory",
                    "Use fewer workers (--workers 1), then give the same command again.",
                )
            )

    def _in_processes(self, job_id: str, shards: list[int], workers: int) -> Iterator[int]:
        if not shards:
            return
        # spawn, since a fork of a process with running threads can hang; and one BLAS thread each, since the
        # processes already share the processors.
        with _environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"):
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent)
            try:
                for future in as_completed([pool.submit(_generate, job_id, n, self.home, self.out) for n in shards]):
                    yield future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _reopen(self, job: Job) -> None:
        """Make a job ready to run again: one that was interrupted goes on, any other begins anew."""
        if job.state in (State.ACCEPTED, State.RUNNING):
            return
        self.world.objects.delete(job_prefix(job.job_id))
        self.world.jobs.update(job.model_copy(update={"state": State.ACCEPTED, "failure": None, "seconds": {}}))

    def _kept(self, job: Job) -> bool:
        return self.world.objects.exists(job_key(job.job_id, "manifest.json"))

    def _delivered(self, job: Job) -> bool:
        places = [Path(place) for place in job.results.values()]
        return bool(places) and all(p.exists() and p.is_relative_to(self.out.absolute()) for p in places)

    def _deliver(self, job: Job) -> Job:
        """Deliver a finished job once more, to where it is wanted now."""
        from synthcredit.steps.notify import notify
        from synthcredit.steps.publish import publish

        publish(job.job_id, self.world)
        return notify(job.job_id, self.world)

    @contextmanager
    def _alone(self, job_id: str) -> Iterator[None]:
        lock = FileLock(self.home / "jobs" / f"{job_id}.lock")
        try:
            with lock.acquire(timeout=0):
                yield
        except Timeout:
            raise ConflictError(
                Problem(f"job {job_id}", "it is running in another process", "Wait for it to end.")
            ) from None


def _end_with_parent() -> None:
    """Let a process end when the one that started it is killed; by itself it would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()


def _generate(job_id: str, shard: int, home: Path, out: Path) -> int:
    """Generate one shard in a process of its own."""
    from synthcredit.steps.generate import generate

    generate(job_id, shard, open_world(home, out))
    return shard


def _as_progress(listener: Listener, name: str) -> Progress:
    def progress(done: float, message: str) -> None:
        listener(name, done, message)

    return progress


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Write the job's log beside its files."""
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_utc("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("synthcredit")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()


def _utc(pattern: str) -> logging.Formatter:
    formatter = logging.Formatter(pattern, datefmt="%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    return formatter

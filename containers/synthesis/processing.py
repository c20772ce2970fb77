"""The image as a SageMaker processing job: ``process --step generate --job-id ID``, on one machine or several."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread

from machine import Progress, check_stop, failure_written, heed_stop, read_config, root
from work import do

from synthcredit.aws.runtime import about, logger, world
from synthcredit.jobs.planning import Plan
from synthcredit.steps.files import job_key, read_document

WORKERS_VARIABLE = "SYNTHCREDIT_WORKERS"
MACHINE_FILE = "resourceconfig.json"


def process(step: str, job_id: str) -> None:
    """Do this machine's part of a step: every n-th shard of a generation; of all else the first machine does the whole.

    Parameters
    ----------
    step
        ``generate``, ``assess``, ``publish`` or ``load``.
    job_id
        The job.
    """
    folder = root()
    heed_stop()
    about(job_id)
    with failure_written(folder / "output" / "message"):
        place, machines = _machine(folder / "config" / MACHINE_FILE)
        if step == "generate":
            plan = read_document(world().objects, job_key(job_id, "plan.json"), Plan)
            _generate(job_id, [shard.number for shard in plan.shards[place::machines]])
        elif place == 0:
            do(step, job_id, world(), progress=Progress(step))
        else:
            logger.info("%s: the first machine does it", step)


def _machine(path: Path) -> tuple[int, int]:
    """Return which machine this is, from 0, and of how many."""
    config = read_config(path)
    hosts = sorted(config["hosts"])
    return hosts.index(config["current_host"]), len(hosts)


def _generate(job_id: str, shards: list[int]) -> None:
    progress = Progress("generate")
    for done, number in enumerate(_finished(job_id, shards), start=1):
        progress(done / len(shards), f"shard {number}, {done} of {len(shards)} of this machine")


def _finished(job_id: str, shards: list[int]) -> Iterator[int]:
    """Generate shards and yield each that is finished."""
    workers = min(int(os.environ.get(WORKERS_VARIABLE) or os.cpu_count() or 1), len(shards))
    left = set(shards)
    # A process that is killed most likely wanted more memory than there was for all of them: the rest one by one.
    for count in (workers, 1):
        try:
            for number in _in_processes(job_id, sorted(left), count):
                left.discard(number)
                yield number
        except BrokenProcessPool:
            logger.warning("generate: a process was killed; %d shards are left", len(left))
        if not left:
            return
    raise MemoryError("processes that generate are killed again and again")


def _in_processes(job_id: str, shards: list[int], workers: int) -> Iterator[int]:
    if workers <= 1:
        yield from _in_turn(job_id, shards)
        return
    # spawn, since a fork of a process with running threads can hang.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        for future in as_completed([pool.submit(_shard, job_id, number) for number in shards]):
            yield future.result()
            check_stop()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_turn(job_id: str, shards: Iterable[int]) -> Iterator[int]:
    for number in shards:
        check_stop()
        yield _shard(job_id, number)


def _shard(job_id: str, number: int) -> int:
    do("generate", job_id, world(), shard=number)
    return number


def _end_with_parent() -> None:
    """Let a process end when the one that started it is killed; by itself it would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()

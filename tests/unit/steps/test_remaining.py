"""What is said of a training while it runs: how far, how long still, and whether anybody still wants it."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.errors import Problem, StoppedError
from synthcredit.jobs.job import in_words
from synthcredit.jobs.request import parse_request
from synthcredit.local.world import open_world
from synthcredit.steps.claim import claim
from synthcredit.steps.fail import fail
from synthcredit.steps.remaining import ANNOUNCE_SECONDS, LOOK_SECONDS, OnJob, Remaining, Told
from synthcredit.steps.standing import step
from synthcredit.synthesizers.fitting import silent


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock():
    return Clock()


@given(start=st.floats(0, 0.9), rate=st.floats(1e-4, 10), at=st.floats(0.1, 0.9))
def test_steady_work_is_told_right_wherever_it_began(start, rate, at):
    clock = Clock()
    remaining = Remaining(clock)
    assert remaining(start) is None
    done = start + (1 - start) * at
    clock.time += (done - start) / rate
    left = remaining(done)
    if done - start >= 0.01:
        assert left == pytest.approx((1 - done) / rate, rel=1e-6)
    else:
        assert left is None
    assert remaining(1.0) == 0.0


def test_work_that_begins_anew_is_counted_anew(clock):
    remaining = Remaining(clock)
    remaining(0.5)
    clock.time += 1
    assert remaining(0.6) == pytest.approx(4.0)
    assert remaining(0.0) is None
    clock.time += 10
    assert remaining(0.5) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s left"), (89, "89 s left"), (90, "2 min left"), (600, "10 min left"), (5400, "1.5 h left")],
)
def test_times_are_said_as_people_say_them(seconds, words):
    assert in_words(seconds) == words


def test_the_time_that_is_left_is_handed_on_and_logged(clock, caplog):
    heard = []
    told = Told(lambda done, message: heard.append((done, message)), lambda *_: None, clock)
    with caplog.at_level(logging.INFO):
        for epoch in range(101):
            told(epoch / 100, f"epoch {epoch}")
            clock.time += 3
    assert heard[50] == (0.5, "epoch 50, 2 min left")
    assert heard[0] == (0.0, "epoch 0")
    assert heard[100] == (1.0, "epoch 100")
    lines = [record.getMessage() for record in caplog.records]
    assert "train: 51 %, epoch 51, 2 min left" in lines
    assert 18 <= len(lines) <= 22


def test_it_looks_around_now_and_then_and_ends_where_it_is_told_to(clock):
    looked = []

    def look(done, left):
        looked.append((done, left))
        if len(looked) == 3:
            raise StoppedError(Problem("job", "stopped", "Submit it again."))

    told = Told(silent, look, clock)
    with pytest.raises(StoppedError):
        for number in range(1000):
            clock.time += 1
            told(number / 1000, "")
    assert [round(1000 * done) + 1 for done, _ in looked] == [LOOK_SECONDS * n for n in (1, 2, 3)]


@pytest.fixture
def world(tmp_path):
    return open_world(tmp_path / "home", tmp_path / "out")


@pytest.fixture
def job_id(world):
    request = parse_request({"source": {"kind": "dataset", "uri": "s3://bank/applicants.csv"}, "rows": 10})
    return claim(request, world, caller="me", key="1")[0].job_id


def _progressed(world):
    lines = [json.loads(line) for line in world.events.path.read_text().splitlines()]
    return [line["detail"] for line in lines if line["detail-type"] == "JobProgressed"]


def test_a_job_shows_how_far_its_training_is_while_it_runs(world, job_id, clock):
    with step(world, job_id, "train"):
        OnJob(job_id, world, clock)(0.25, 300.04)
        progress = world.jobs.get(job_id).progress
        assert (progress.step, progress.done, progress.remaining_seconds) == ("train", 0.25, 300.0)
        OnJob(job_id, world, clock)(0.3, None)
        assert world.jobs.get(job_id).progress.remaining_seconds is None
    assert world.jobs.get(job_id).progress is None


def test_the_bus_hears_of_it_once_a_minute(world, job_id, clock):
    on_job = OnJob(job_id, world, clock)
    for number in range(13):
        on_job(number / 20, None if number < 12 else 35.0)
        clock.time += 10
    assert ANNOUNCE_SECONDS == 60
    assert _progressed(world) == [
        {"job_id": job_id, "step": "train", "done": 0.3},
        {"job_id": job_id, "step": "train", "done": 0.6, "remaining_seconds": 35.0},
    ]


def test_the_training_of_a_closed_job_ends(world, job_id, clock):
    fail(job_id, StoppedError(Problem("job", "stopped", "Submit it again.")), world)
    with pytest.raises(StoppedError):
        OnJob(job_id, world, clock)(0.5, 1.0)

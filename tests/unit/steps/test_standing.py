"""How a job's standing changes: a step begins, ends, fails; a job is closed."""

import json

import pytest

from synthcredit.errors import GateNotMetError, Problem, StoppedError, StorageError
from synthcredit.jobs.job import State
from synthcredit.jobs.request import parse_request
from synthcredit.local.world import open_world
from synthcredit.steps.claim import claim
from synthcredit.steps.fail import fail
from synthcredit.steps.mark import mark
from synthcredit.steps.standing import require_open, step

FULL = StorageError(Problem("disk", "it is full", "Make room."))


@pytest.fixture
def world(tmp_path):
    return open_world(tmp_path / "home", tmp_path / "out")


@pytest.fixture
def job_id(world):
    request = parse_request({"source": {"kind": "dataset", "uri": "s3://bank/applicants.csv"}, "rows": 10})
    return claim(request, world, caller="me", key="1")[0].job_id


def _events(world, *kinds):
    lines = [json.loads(line) for line in world.events.path.read_text().splitlines()]
    return [line for line in lines if line["detail-type"] in kinds]


def test_a_step_of_many_machines_is_marked_by_its_begin_and_its_end(world, job_id):
    mark(job_id, "generate", "begin", world)
    assert world.jobs.get(job_id).step == "generate"
    assert world.jobs.get(job_id).state is State.RUNNING
    mark(job_id, "generate", "end", world)
    assert 0 <= world.jobs.get(job_id).seconds["generate"] < 60


def test_a_stopped_job_begins_nothing(world, job_id):
    fail(job_id, StoppedError(Problem("job", "stopped", "Submit it again.")), world)
    with pytest.raises(StoppedError):
        mark(job_id, "generate", "begin", world)
    assert world.jobs.get(job_id).state is State.STOPPED


def test_why_an_attempt_failed_stays_on_the_job_until_an_attempt_succeeds(world, job_id):
    with pytest.raises(StorageError), step(world, job_id, "train"):
        raise FULL
    failure = world.jobs.get(job_id).failure
    assert failure is not None
    assert (failure.step, failure.error, failure.problems[0]["fix"]) == ("train", "Storage", "Make room.")
    with step(world, job_id, "train"):
        pass
    assert world.jobs.get(job_id).failure is None


def test_a_failed_job_says_so_once_and_its_rows_are_gone(world, job_id):
    for key in ("data/applicants/part-00000.parquet", "shards/00000.json", "report.html"):
        with world.objects.scratch() as folder:
            (folder / "file").write_text("made")
            world.objects.put(folder / "file", f"jobs/{job_id}/{key}")
    error = GateNotMetError([Problem(f"part {i}", "not good enough", "Try more epochs.") for i in range(30)])
    first = fail(job_id, error, world)
    assert first.state is State.FAILED
    assert fail(job_id, FULL, world) == first
    assert list(world.objects.keys(f"jobs/{job_id}/")) == [f"jobs/{job_id}/report.html"]
    (event,) = _events(world, "JobFailed")
    assert event["detail"]["error"] == "GateNotMet"
    assert len(json.dumps(event)) < 8192
    assert len(first.failure.problems) == 30


@pytest.mark.parametrize("error", [FULL, StoppedError(Problem("job", "stopped", "Submit it again."))])
def test_nothing_more_is_made_for_a_job_that_was_closed_elsewhere(world, job_id, error):
    fail(job_id, error, world)
    with pytest.raises(StoppedError, match="it was stopped|it has failed"):
        require_open(world, job_id)

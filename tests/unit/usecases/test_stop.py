import pytest

from synthcredit.answers import reason_for, stopped
from synthcredit.errors import NotFoundError
from synthcredit.jobs.job import State
from synthcredit.usecases.end import end
from synthcredit.usecases.stop import stop


def test_a_job_that_nothing_runs_yet_is_closed_at_once(put_job, world, machine, events):
    job = stop(put_job().job_id, world, machine, caller="jane")
    assert job.state is State.STOPPED
    assert world.jobs.get(job.job_id).state is State.STOPPED
    assert machine.stopped == [job.job_id]
    ((kind, detail),) = events()
    assert kind == "JobStopped"
    assert "jane" in detail["problems"][0]["problem"]


def test_a_job_that_runs_is_ended_and_closed_by_what_follows(put_job, world, machine, events):
    job = stop(put_job(State.RUNNING, step="generate").job_id, world, machine, caller="jane")
    assert (job.state, machine.stopped, events()) == (State.RUNNING, [job.job_id], [])
    # What the closing function does with the event that follows.
    closed, now = end(job.job_id, stopped, world)
    assert (closed.state, now) == (State.STOPPED, True)
    assert closed.failure.step == "generate"
    assert "jane" in closed.failure.problems[0]["problem"]
    assert [kind for kind, _ in events()] == ["JobStopped"]


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.STOPPED])
def test_a_closed_job_stays_as_it_is(state, put_job, world, machine, events):
    job = put_job(state)
    assert stop(job.job_id, world, machine, caller="jane") == job
    assert end(job.job_id, lambda job: reason_for(job, "States.Timeout", ""), world) == (job, False)
    assert (machine.stopped, events()) == ([], [])


def test_a_job_that_nobody_knows_cannot_be_stopped(world, machine):
    with pytest.raises(NotFoundError):
        stop("0" * 24, world, machine, caller="jane")


def test_two_that_close_the_same_job_at_once_close_it_once(put_job, world, monkeypatch):
    job = put_job(State.RUNNING)

    def closed_by_another(*_):
        world.jobs.update(job.model_copy(update={"state": State.FAILED}))
        raise stopped(job)

    monkeypatch.setattr("synthcredit.usecases.end.fail", closed_by_another)
    found, now = end(job.job_id, stopped, world)
    assert (found.state, now) == (State.FAILED, False)

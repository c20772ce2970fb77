import pytest

from synthcredit.errors import ConflictError, InvalidInputError, NotFoundError, Problem, StorageError
from synthcredit.jobs.job import State
from synthcredit.usecases.submit import submit


def _submit(request, desk, machine, key="monday"):
    return submit(request, desk, machine, caller="me", key=key)


def test_a_request_becomes_a_job_that_is_started(ask, desk, machine, events):
    job, new = _submit(ask(), desk, machine)
    assert new
    assert desk.world.jobs.get(job.job_id).state is State.ACCEPTED
    assert machine.started == [job.job_id]
    assert [kind for kind, _ in events()] == ["JobAccepted"]


def test_the_same_request_twice_is_one_job(ask, desk, machine, events):
    first, _ = _submit(ask(), desk, machine)
    again, new = _submit(ask(), desk, machine)
    assert (again.job_id, new) == (first.job_id, False)
    assert len(list(desk.world.jobs.all())) == 1
    assert [kind for kind, _ in events()] == ["JobAccepted"]


def test_a_job_that_was_put_and_not_started_is_started_by_the_resend(ask, desk, machine):
    machine.refuses = StorageError(Problem("state machine", "out of reach", "Try again."))
    with pytest.raises(StorageError):
        _submit(ask(), desk, machine)
    machine.refuses = None
    job, new = _submit(ask(), desk, machine)
    assert (machine.started, new) == ([job.job_id], False)


def test_a_job_that_runs_is_not_started_again(ask, desk, machine):
    job, _ = _submit(ask(), desk, machine)
    desk.world.jobs.update(job.model_copy(update={"state": State.RUNNING}))
    _submit(ask(), desk, machine)
    assert machine.started == [job.job_id]


def test_another_request_under_the_same_key_is_a_conflict(ask, desk, machine):
    _submit(ask(), desk, machine)
    with pytest.raises(ConflictError):
        _submit(ask(rows=2000), desk, machine)


def test_the_same_key_of_another_caller_is_another_job(ask, desk, machine):
    first, _ = _submit(ask(), desk, machine)
    second, new = submit(ask(), desk, machine, caller="somebody else", key="monday")
    assert new
    assert second.job_id != first.job_id


def test_a_resend_is_answered_even_where_the_data_is_gone(ask, desk, machine, bucket):
    job, _ = _submit(ask(), desk, machine)
    (bucket.root / "inbox/uploads/1/applicants.csv").unlink()
    assert _submit(ask(), desk, machine)[0].job_id == job.job_id


def test_a_request_for_data_that_is_not_there_is_no_job(ask, desk, machine, events):
    with pytest.raises(NotFoundError) as caught:
        _submit(ask(source={"uri": "s3://inbox/uploads/2/applicants.csv"}), desk, machine)
    assert caught.value.problems[0].field == "source.uri"
    assert "POST /datasets" in caught.value.problems[0].fix
    assert (machine.started, list(desk.world.jobs.all()), events()) == ([], [], [])


def test_everything_wrong_is_said_at_once(ask, desk, machine):
    request = ask(
        rows=2_000_000,
        source={"uri": "s3://inbox/none.csv", "holdout": "s3://inbox/neither.csv"},
        synthesizer={"name": "ctgan"},
    )
    with pytest.raises(InvalidInputError) as caught:
        _submit(request, desk, machine)
    assert {problem.field for problem in caught.value.problems} == {"rows", "source.uri", "source.holdout"}
    # Something is wrong beside what is missing, so that the request is what has to be mended.
    assert not isinstance(caught.value, NotFoundError)

import json
from datetime import UTC, datetime

import pytest

from synthcredit import errors
from synthcredit.answers import http_answer, reason_for, stopped
from synthcredit.errors import (
    ConflictError,
    GateNotMetError,
    GoneError,
    InvalidInputError,
    MissingPackageError,
    ModelFileError,
    NotFoundError,
    NotReadyError,
    Problem,
    StoppedError,
    StorageError,
    SynthcreditError,
)
from synthcredit.jobs.job import Failure, Job, State
from synthcredit.jobs.request import parse_request

PRIVATE = "Jane Doe, 4111 1111 1111 1111"
PROBLEM = Problem("rows", "there are none", "Ask for some.")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (InvalidInputError, 400),
        (ModelFileError, 400),
        (NotFoundError, 404),
        (NotReadyError, 409),
        (GoneError, 410),
        (ConflictError, 422),
        (StorageError, 503),
        (GateNotMetError, 409),
        (StoppedError, 409),
        (MissingPackageError, 500),
        (SynthcreditError, 500),
    ],
)
def test_every_error_has_its_status(kind, status):
    answer = http_answer(kind(PROBLEM), "request-1")
    assert answer.status == answer.body.status == status
    assert answer.body.error == kind.name
    assert answer.body.type == f"urn:synthcredit:problem:{kind.name}"
    assert answer.body.instance == "request-1"
    assert answer.body.title
    assert [item.model_dump() for item in answer.body.problems] == [
        {"field": "rows", "problem": "there are none", "fix": "Ask for some."}
    ]


def test_no_error_was_forgotten():
    known = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SynthcreditError)}
    tested = {case[0] for case in test_every_error_has_its_status.pytestmark[0].args[1]}
    assert known == tested


def test_all_problems_are_answered_at_once():
    answer = http_answer(InvalidInputError([PROBLEM, Problem("seed", "it is -1", "Give 0.")]), "")
    assert [item.field for item in answer.body.problems] == ["rows", "seed"]
    assert answer.body.detail == "rows: there are none. Ask for some. seed: it is -1. Give 0."


def test_storage_that_is_out_of_reach_says_when_to_try_again():
    assert int(http_answer(StorageError(PROBLEM), "").headers["Retry-After"]) > 0
    assert http_answer(InvalidInputError(PROBLEM), "").headers == {}


def test_of_a_fault_nothing_is_told():
    answer = http_answer(ValueError(PRIVATE), "request-1")
    assert answer.status == 500
    assert PRIVATE not in answer.body.model_dump_json()
    assert "ValueError" not in answer.body.model_dump_json()


# ---------------------------------------------------------------- what a state machine says


def _job(**changes) -> Job:
    born = datetime(2026, 1, 1, tzinfo=UTC)
    request = parse_request({"source": {"kind": "dataset", "uri": "s3://inbox/a.csv"}, "rows": 10})
    kept = {"request": request, "created_at": born, "updated_at": born, "state": State.RUNNING, "step": "gate"}
    return Job(job_id="a" * 24, caller="me", **(kept | changes))


def _failure(error: str, step: str = "gate") -> Failure:
    left = {"field": "copies", "problem": "too many", "fix": "More rows."}
    return Failure(step=step, error=error, problems=(left,))


def _said(kind: str, message: str) -> str:
    """What Lambda says of an exception."""
    return json.dumps({"errorMessage": message, "errorType": kind, "requestId": "1", "stackTrace": [PRIVATE]})


def test_an_error_of_ours_is_rebuilt_from_what_the_step_left():
    error = reason_for(_job(failure=_failure("GateNotMet")), "GateNotMetError", _said("GateNotMetError", "cut"))
    assert type(error) is GateNotMetError
    assert error.problems == (Problem("copies", "too many", "More rows."),)


def test_what_an_earlier_attempt_left_is_not_taken_for_another_error():
    job = _job(failure=_failure("Storage"))
    error = reason_for(job, "States.Timeout", "")
    assert "longer" in str(error)
    error = reason_for(job, "GateNotMetError", _said("GateNotMetError", "copies: too many. More rows."))
    assert type(error) is GateNotMetError
    assert "copies: too many" in str(error)


def test_our_own_words_are_kept_where_nothing_was_left():
    said = _said("InvalidInputError", "rows: there are none. Ask for some.\nseed: it is -1. Give 0.")
    error = reason_for(_job(step="plan"), "InvalidInputError", said)
    assert type(error) is InvalidInputError
    assert [problem.problem for problem in error.problems] == [
        "rows: there are none. Ask for some",
        "seed: it is -1. Give 0",
    ]
    assert PRIVATE not in str(error)


@pytest.mark.parametrize("cause", ["", "no JSON", "[1]", "{}"])
def test_an_error_of_ours_without_words_is_known_by_its_name(cause):
    error = reason_for(_job(), "StorageError", cause)
    assert type(error) is StorageError
    assert "gate" in str(error)


@pytest.mark.parametrize("error", ["States.Timeout", "Sandbox.Timedout"])
def test_what_took_too_long(error):
    reason = reason_for(_job(step="train"), error, PRIVATE)
    assert "step train: it ran longer" in str(reason)
    assert PRIVATE not in str(reason)


@pytest.mark.parametrize("error", ["Lambda.Unknown", "Runtime.ExitError", "Runtime.OutOfMemory"])
def test_what_was_killed(error):
    reason = reason_for(_job(step="assess"), error, PRIVATE)
    assert "memory" in str(reason)
    assert "LambdaMemory" in str(reason)
    assert PRIVATE not in str(reason)


@pytest.mark.parametrize(
    ("use", "parameter"), [("training job", "TrainingInstanceType"), ("processing job", "ProcessingInstanceType")]
)
@pytest.mark.parametrize("error", ["SageMaker.ResourceLimitExceeded", "SageMaker.AmazonSageMakerException"])
def test_a_refused_quota_names_machine_and_both_ways_out(use, parameter, error):
    cause = (
        f"The account-level service limit 'ml.m5.xlarge for {use} usage' is 0 Instances, with current utilization of 0 "
        "Instances and a request delta of 1 Instances. (Service: AmazonSageMaker; Status Code: 400; "
        "Error Code: ResourceLimitExceeded; Request ID: 1)"
    )
    (problem,) = reason_for(_job(step="train"), error, cause).problems
    assert "ml.m5.xlarge" in problem.field
    assert f"'ml.m5.xlarge for {use} usage'" in problem.fix
    assert parameter in problem.fix


def test_a_refused_quota_is_told_even_where_aws_words_it_otherwise():
    (problem,) = reason_for(_job(), "SageMaker.ResourceLimitExceeded", "You have reached a limit").problems
    assert "Service Quotas" in problem.fix


def _described(reason: str) -> str:
    """How SageMaker describes a job that failed."""
    return json.dumps({"TrainingJobName": "a-train-0", "TrainingJobStatus": "Failed", "FailureReason": reason})


def test_a_machine_that_failed_with_an_error_of_ours_is_told_as_the_step_left_it():
    job = _job(step="train", failure=_failure("Storage", "train"))
    for reason in ("AlgorithmError: StorageError: the disk is full, exit code: 1", "AlgorithmError: , exit code: 1"):
        error = reason_for(job, "States.TaskFailed", _described(reason))
        assert type(error) is StorageError
        assert error.problems == (Problem("copies", "too many", "More rows."),)


def test_what_another_step_left_says_nothing_of_this_one():
    job = _job(step="train", failure=_failure("Storage", "plan"))
    error = reason_for(job, "States.TaskFailed", _described("AlgorithmError: exit code: 1"))
    assert type(error) is SynthcreditError
    assert "a-train-0" in str(error)


def test_the_words_of_a_machine_are_not_repeated():
    error = reason_for(_job(step="train"), "States.TaskFailed", _described(f"AlgorithmError: {PRIVATE}, exit code: 1"))
    assert "a-train-0" in str(error)
    assert "Jane" not in str(error)


def test_a_machine_that_was_killed_or_took_too_long():
    killed = reason_for(_job(), "States.TaskFailed", _described("AlgorithmError: , exit code: 137"))
    assert "memory" in str(killed)
    late = reason_for(_job(), "States.TaskFailed", _described("MaxRuntimeExceeded"))
    assert "longer" in str(late)


def test_a_shard_that_failed():
    name = "States.ExceedToleratedFailureThreshold"
    assert "shard" in str(reason_for(_job(step="generate"), name, ""))
    job = _job(step="generate", failure=_failure("InvalidModelFile", "generate"))
    assert type(reason_for(job, name, "")) is ModelFileError


def test_anything_else_is_a_fault_of_which_nothing_is_told():
    error = reason_for(_job(), "KeyError", _said("KeyError", PRIVATE))
    assert type(error) is SynthcreditError
    assert "fault" in str(error)
    assert PRIVATE not in str(error)
    assert "a" * 24 in str(error)


def test_a_failure_whose_name_nobody_knows_is_a_failure():
    error = reason_for(_job(failure=_failure("Unheard")), "SynthcreditError", "")
    assert type(error) is SynthcreditError
    assert error.problems[0].field == "copies"


def test_who_stopped_a_job_is_told_where_it_is_known():
    assert "by jane" in str(stopped(_job(), "jane"))
    left = stopped(_job(), "jane")
    failure = Failure(step="gate", error="Stopped", problems=({f: getattr(left.problems[0], f) for f in
                      ("field", "problem", "fix")},))  # fmt: skip
    assert "by jane" in str(stopped(_job(failure=failure)))
    assert "by jane" in str(reason_for(_job(failure=failure), "StoppedError", ""))
    assert "it was stopped" in str(stopped(_job(failure=_failure("Storage"))))
    assert type(reason_for(_job(), "StoppedError", "")) is StoppedError

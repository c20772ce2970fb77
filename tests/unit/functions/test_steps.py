"""The functions of the state machine, and those that hear of its end and of what is dropped."""

import json
from datetime import UTC, datetime

import pytest
from jsonschema import Draft202012Validator

from synthcredit.aws import runtime
from synthcredit.errors import GateNotMetError, NotFoundError, StoppedError
from synthcredit.evidence.model import Evidence
from synthcredit.jobs.job import Failure, Job, State
from synthcredit.jobs.request import parse_request
from synthcredit.steps.files import job_key, write_document

JOB = "5f0c1e7a9b3d4c2e8a6f1b0d"
INBOX = "synthcredit-inbox-123456789012"
EMPTY = Evidence(table="credit", target=None, rows={}, validity=(), fidelity=(), columns={}, utility=(), privacy=())

# Powertools warns of every call that counts nothing, and pytest undoes the filter of aws/runtime.py.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(autouse=True)
def _events_fit_their_schemas(aws, request):
    """Whatever a test makes the platform say, it fits the schema that is given out."""
    yield
    folder = request.path.parents[3] / "events" / "schemas"
    for kind, detail in aws.events:
        schema = json.loads((folder / f"{kind}.json").read_text())
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(detail)
        assert len(json.dumps(detail)) < 8 * 1024


@pytest.fixture
def put(aws):
    """Put the job that the samples name."""

    def put(state=State.RUNNING, **changes) -> Job:
        born = datetime(2026, 1, 1, tzinfo=UTC)
        asked = {"source": {"kind": "dataset", "uri": f"s3://{INBOX}/a.csv", "target": "creditability"}, "rows": 1000}
        kept = {"request": parse_request(asked), "created_at": born, "updated_at": born, "state": state}
        job = Job(job_id=JOB, caller="me", **(kept | changes))
        assert runtime.world().jobs.create(job)
        return job

    return put


def _kinds(aws):
    return [kind for kind, _ in aws.events]


def _stands() -> Job:
    return runtime.world().jobs.get(JOB)


def test_claim_takes_an_open_job_up_however_often(put, call):
    put(State.ACCEPTED)
    for _ in range(2):
        assert call("claim") == {"job_id": JOB}
        assert _stands().state is State.RUNNING


@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED, State.SUCCEEDED])
def test_claim_refuses_a_closed_job(state, put, call):
    put(state)
    with pytest.raises(StoppedError):
        call("claim")
    assert _stands().state is state


def test_claim_refuses_a_job_that_nobody_knows(call):
    with pytest.raises(NotFoundError):
        call("claim")


def test_plan_says_where_each_step_runs(put, call, aws, german):
    aws.put("a.csv", german)
    put()
    told = call("plan")
    assert told == {
        "job_id": JOB,
        "train": "lambda",
        "generate": "lambda",
        "assess": "lambda",
        "publish": "lambda",
        "load": "nowhere",
        "shards": [0],
        "instances": 1,
        "train_seconds": 172_800,
        "trainings": 1,
    }
    assert json.loads(json.dumps(told)) == told
    assert {place.step for place in _stands().placement} == {"train", "generate", "assess", "publish"}


def test_plan_numbers_no_shards_for_machines(put, call, aws, german, monkeypatch):
    aws.put("a.csv", german)
    monkeypatch.setenv("SYNTHCREDIT_LAMBDA_MEMORY_MB", "128")
    # moto has no Service Quotas.
    monkeypatch.setattr(runtime, "instance_quota", lambda *_: None)
    put()
    told = call("plan")
    assert (told["generate"], told["shards"]) == ("sagemaker", [])
    assert told["instances"] >= 1


def test_gate_stops_what_was_not_proven(put, call, aws):
    put()
    write_document(runtime.world().objects, job_key(JOB, "evidence.json"), EMPTY)
    with pytest.raises(GateNotMetError):
        call("gate")
    assert _stands().failure.error == "GateNotMet"


def test_notify_closes_and_counts(put, call, aws, capsys):
    put(results={"report.html": "s3://lake/report.html"})
    assert call("notify") == {"job_id": JOB}
    assert _stands().state is State.SUCCEEDED
    assert _kinds(aws) == ["JobSucceeded"]
    assert "JobsSucceeded" in capsys.readouterr().out


def test_fail_closes_with_what_can_be_done(put, call, aws, capsys):
    put(step="train")
    assert call("fail") == {"job_id": JOB}
    job = _stands()
    assert (job.state, job.failure.step) == (State.FAILED, "train")
    assert "Service Quotas" in job.failure.problems[0]["fix"]
    assert _kinds(aws) == ["JobFailed"]
    assert "JobsFailed" in capsys.readouterr().out
    # A second delivery changes and says nothing.
    assert call("fail") == {"job_id": JOB}
    assert _stands() == job
    assert _kinds(aws) == ["JobFailed"]
    assert "JobsFailed" not in capsys.readouterr().out


def test_fail_clears_the_rows_away(put, call, aws):
    put()
    aws.put(job_key(JOB, "data/credit/part-00000.parquet"), b"rows", bucket="synthcredit-lake-123456789012")
    aws.put(job_key(JOB, "report.html"), b"report", bucket="synthcredit-lake-123456789012")
    call("fail")
    assert list(runtime.world().objects.keys(f"jobs/{JOB}/")) == [job_key(JOB, "report.html")]


@pytest.mark.parametrize("error", [None, {}, {"Error": None, "Cause": None}, {"Error": "KeyError", "Cause": "Jane"}])
def test_fail_closes_a_job_whatever_the_error_looks_like(error, put, call):
    put()
    call("fail", {"job_id": JOB, "error": error})
    assert _stands().state is State.FAILED
    assert "Jane" not in _stands().model_dump_json()


def test_fail_announces_as_much_as_an_event_holds(put, call, aws):
    problems = tuple({"field": f"column {i}", "problem": "ü" * 3000, "fix": "ü" * 3000} for i in range(12))
    put(failure=Failure(step="claim", error="InvalidInput", problems=problems))
    call("fail", {"job_id": JOB, "error": {"Error": "InvalidInputError", "Cause": ""}})
    assert len(_stands().failure.problems) == 12
    ((_, detail),) = aws.events
    assert detail["problems"]


def test_close_stops_the_job_of_a_stopped_execution(put, call, aws, capsys):
    stopped = {"field": "job", "problem": "it was stopped by jane", "fix": "Submit it again."}
    put(failure=Failure(step="train", error="Stopped", problems=(stopped,)))
    for _ in range(2):
        assert call("close") == {"job_id": JOB}
    job = _stands()
    assert job.state is State.STOPPED
    assert job.failure.problems[0]["problem"] == "it was stopped by jane"
    assert _kinds(aws) == ["JobStopped"]
    assert capsys.readouterr().out.count('"JobsStopped":') == 1


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        ("TIMED_OUT", None, "ran longer"),
        ("FAILED", "States.Runtime", "a fault of its own"),
        ("FAILED", None, "a fault of its own"),
        ("FAILED", "Runtime.ExitError", "memory"),
    ],
)
def test_close_fails_the_job_of_an_execution_that_broke_off(status, error, words, put, call, sample, aws):
    put(step="assess")
    event = sample("close")
    event["detail"] |= {"status": status, "error": error, "cause": None}
    call("close", event)
    assert _stands().state is State.FAILED
    assert words in _stands().failure.problems[0]["problem"]
    assert _kinds(aws) == ["JobFailed"]


def test_close_ignores_a_job_that_nobody_knows(call, aws, logged):
    assert call("close") == {"job_id": JOB}
    assert aws.events == []
    assert [line["level"] for line in logged()] == ["WARNING"]


def test_drop_makes_a_job_of_data(call, aws, german, sample, capsys):
    event = sample("drop")
    event["detail"]["object"]["version-id"] = aws.put("drop/german_credit.csv", german)
    job_id = call("drop", event)["job_id"]
    job = runtime.world().jobs.get(job_id)
    assert job.caller == f"drop:{INBOX}"
    assert job.request.rows == 10_000
    assert call("drop", event)["job_id"] == job_id
    assert _kinds(aws) == ["JobAccepted"]
    assert capsys.readouterr().out.count('"JobsAccepted":') == 1


def test_drop_announces_what_it_refuses(call, aws, sample, capsys):
    # The sample's object is not there: it was deleted meanwhile.
    job_id = call("drop")["job_id"]
    ((kind, detail),) = aws.events
    assert (kind, detail["job_id"]) == ("JobFailed", job_id)
    assert '"JobsRefused":' in capsys.readouterr().out


def test_drop_passes_over_folders(call, aws, sample):
    event = sample("drop")
    event["detail"]["object"]["key"] = "drop/"
    assert call("drop", event) == {"job_id": None}
    assert aws.events == []


def test_mark_notes_begin_and_end(put, call):
    put()
    assert call("mark") == {"job_id": JOB}
    assert _stands().step == "generate"
    call("mark", {"job_id": JOB, "step": "generate", "phase": "end"})
    assert "generate" in _stands().seconds


def test_the_log_names_the_job(put, call, logged):
    put()
    call("mark")
    assert {line["job_id"] for line in logged()} == {JOB}

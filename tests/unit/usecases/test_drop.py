import json
from dataclasses import replace

import pytest

from synthcredit.errors import Problem, StorageError
from synthcredit.jobs.job import job_id_for
from synthcredit.usecases import drop as module
from synthcredit.usecases.drop import Dropped, drop


@pytest.fixture
def put(bucket):
    """Drop something into the inbox."""

    def put(name: str, content: str, version: str | None = "v1") -> Dropped:
        bucket.drop(f"drop/{name}", content)
        return Dropped(bucket="inbox", key=f"drop/{name}", size=len(content), version=version, etag="e1")

    return put


def test_a_request_that_is_dropped_becomes_a_job(put, csv, desk, machine):
    dropped = put("monday.json", json.dumps({"source": {"kind": "dataset", "uri": csv}, "rows": 7}))
    job, new = drop(dropped, desk, machine)
    assert new
    assert (job.request.rows, job.caller, machine.started) == (7, "drop:inbox", [job.job_id])
    assert job.job_id == dropped.job_id == job_id_for("drop:inbox", "drop/monday.json:v1")


def test_data_that_is_dropped_becomes_a_job_of_that_version(put, desk, machine):
    job, _ = drop(put("applicants.csv", "a,b\n1,2\n"), desk, machine)
    assert job.request.rows == 10_000
    assert job.request.source.uri == "s3://inbox/drop/applicants.csv?versionId=v1"


def test_a_bucket_without_versions_tells_its_objects_by_their_tag(put, desk, machine):
    job, _ = drop(put("applicants.csv", "a,b\n1,2\n", version=None), desk, machine)
    assert job.request.source.uri == "s3://inbox/drop/applicants.csv"
    assert job.job_id == job_id_for("drop:inbox", "drop/applicants.csv:e1")


def test_the_same_delivery_twice_is_one_job_and_a_new_version_another(put, desk, machine):
    dropped = put("applicants.csv", "a,b\n1,2\n")
    first, _ = drop(dropped, desk, machine)
    again, new = drop(dropped, desk, machine)
    other, newer = drop(replace(dropped, version="v2"), desk, machine)
    assert (again.job_id, new, newer) == (first.job_id, False, True)
    assert other.job_id != first.job_id


@pytest.mark.parametrize(
    ("name", "content", "field"),
    [
        ("a.json", '{"rows": 0}', "source"),
        ("a.json", "no json", "request"),
        ("a.json", '{"source": {"kind": "dataset", "uri": "s3://inbox/none.csv"}, "rows": 1}', "source.uri"),
        ("a.exe", "x", "file drop/a.exe"),
    ],
)
def test_what_cannot_be_worked_with_is_announced_as_failed(name, content, field, put, desk, machine, events):
    dropped = put(name, content)
    assert drop(dropped, desk, machine) == (None, False)
    ((kind, detail),) = events()
    assert (kind, detail["job_id"], detail["step"]) == ("JobFailed", dropped.job_id, "claim")
    assert field in {problem["field"] for problem in detail["problems"]}
    assert (machine.started, list(desk.world.jobs.all())) == ([], [])


def test_a_request_as_large_as_data_is_not_read(put, desk, machine, events, monkeypatch):
    monkeypatch.setattr(module, "MAX_REQUEST_BYTES", 5)
    assert drop(put("a.json", "{      }"), desk, machine) == (None, False)
    assert "8 bytes" in events()[0][1]["problems"][0]["problem"]


def test_what_may_do_later_is_raised_so_that_it_is_tried_again(put, desk, machine, events):
    machine.refuses = StorageError(Problem("state machine", "out of reach", "Try again."))
    with pytest.raises(StorageError):
        drop(put("applicants.csv", "a,b\n1,2\n"), desk, machine)
    assert "JobFailed" not in {kind for kind, _ in events()}

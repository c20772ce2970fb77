"""A job on the real template: from the request to the rows by SQL, and everything that may go otherwise."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import urllib3

import synthcredit
from synthcredit.errors import InvalidInputError
from synthcredit.signing import SUFFIX, Signature, require_signed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("platform")]


DONE = {"rows": 30_000, "seed": 5, "evidence": "standard", "gate": {"profile": "sharing"}}
NOWHERE = {"kind": "dataset", "uri": "s3://no-such-bucket-1/a.csv"}


@pytest.fixture(scope="module")
def done(platform, german):
    """One job that went well."""
    job_id = platform.submit(DONE | {"source": german}, key="done")
    job = platform.end_of(job_id)
    assert job["state"] == "succeeded", job
    return job


def test_a_request_becomes_rows_that_sql_finds(platform, done):
    results = platform.http("GET", f"/jobs/{done['job_id']}/results").body
    name, _, job_id = results["table"]["partition"].partition("=")
    rows = f"FROM {results['table']['database']}.{results['table']['name']} WHERE {name} = '{job_id}'"
    assert platform.sql(f"SELECT count(*) {rows}") == [["30000"]]
    by_class = dict(platform.sql(f"SELECT creditability, count(*) {rows} GROUP BY 1"))
    assert 0.2 < int(by_class["bad"]) / 30_000 < 0.4


def test_the_answer_says_where_each_step_ran_and_why(done):
    placed = {placement["step"]: placement for placement in done["placement"]}
    assert set(placed) == {"train", "generate", "assess", "publish"}
    assert {placement["where"] for placement in placed.values()} == {"lambda"}
    assert all(placement["why"] and placement["cost_usd"] >= 0 for placement in placed.values())
    assert set(done["seconds"]) == {"plan", "train", "generate", "assess", "gate", "publish"}


def test_the_listener_hears_of_every_step(platform, done):
    platform.listener.wait_for(done["job_id"], "JobSucceeded")
    heard = platform.listener.events(done["job_id"])
    assert heard[0] == "JobAccepted"
    assert heard.count("JobSucceeded") == 1
    assert heard.count("JobProgressed") == 6


def test_each_shard_is_a_child_run_of_its_own(platform, done):
    steps = platform.client("stepfunctions")
    (run,) = steps.list_map_runs(executionArn=platform.execution(done["job_id"]))["mapRuns"]
    children = steps.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    inputs = [json.loads(steps.describe_execution(executionArn=c["executionArn"])["input"]) for c in children]
    # 30,000 rows are four blocks, and each block is a shard.
    assert sorted(inputs, key=lambda one: one["shard"]) == [
        {"step": "generate", "job_id": done["job_id"], "shard": shard} for shard in range(4)
    ]
    assert len(platform.rows_in_lake(done["job_id"])) == 4


def test_the_rows_are_those_of_a_run_in_one_process(platform, done, german_credit, tmp_path):
    manifest = platform.document(done["job_id"], "manifest.json")
    alone = synthcredit.run(
        german_credit, target="creditability", rows=30_000, seed=5, out=tmp_path / "out", home=tmp_path / "home"
    )
    assert manifest["dataset_hash"] == alone.manifest.dataset_hash


def test_a_second_request_reuses_the_model(platform, german, done):
    again = platform.end_of(platform.submit({"source": german, "rows": 500, "seed": 6}))
    assert again["state"] == "succeeded", again
    first, second = (platform.document(job["job_id"], "manifest.json") for job in (done, again))
    assert first["model_id"] == second["model_id"]
    assert second["model_reused"]
    assert not first["model_reused"]
    assert "train" not in again["seconds"]
    card = platform.http("GET", f"/models/{first['model_id']}").body
    assert card["released"] == {done["job_id"]: 30_000, again["job_id"]: 500}


def test_the_same_request_delivered_twice_makes_one_job(platform, german, done):
    assert platform.submit(DONE | {"source": german}, key="done") == done["job_id"]
    runs = platform.client("stepfunctions").list_executions(stateMachineArn=platform.outputs["StateMachineArn"])
    assert [run["name"] for run in runs["executions"]].count(done["job_id"]) == 1


def test_the_same_key_with_another_request_is_refused(platform, german, done):
    answer = platform.http("POST", "/jobs", {"source": german, "rows": 7}, key="done")
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["problems"][0]["field"] == "idempotency key"


def test_a_failed_gate_publishes_nothing_and_says_why(platform, german):
    job_id = platform.submit({"source": german, "rows": 600, "gate": {"min_pair_trends": 1.0}})
    job = platform.end_of(job_id)
    assert job["state"] == "failed"
    assert job["failure"]["error"] == "GateNotMet"
    assert job["failure"]["problems"]
    event = platform.listener.wait_for(job_id, "JobFailed")
    assert event["detail"]["error"] == "GateNotMet"
    assert platform.rows_in_lake(job_id) == []
    assert platform.partitions(job_id) == []
    failed = [e for e in platform.history(platform.execution(job_id)) if e["type"] == "ExecutionFailed"]
    assert failed[0]["executionFailedEventDetails"]["error"] == "GateNotMetError"
    # What was measured stays, to learn from.
    listed = platform.client("s3").list_objects_v2(Bucket=platform.outputs["LakeBucket"], Prefix=f"jobs/{job_id}/")
    assert f"jobs/{job_id}/report.html" in [item["Key"] for item in listed["Contents"]]


def test_bad_data_fails_with_every_problem(platform, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("age,default\n" + "\n".join(f"{20 + i % 9},0" for i in range(100)) + "\n")
    source = {"kind": "dataset", "uri": platform.upload(path), "target": "no_such_column"}
    job = platform.end_of(platform.submit({"source": source, "rows": 10}))
    assert job["state"] == "failed"
    assert job["failure"]["step"] == "plan"
    assert "no_such_column" in json.dumps(job["failure"]["problems"])


def test_a_stopped_job_stays_stopped_and_shows_nothing(platform, german):
    job_id = platform.submit({"source": german, "rows": 900_000, "seed": 11})
    platform.wait_until(lambda: platform.job(job_id)["step"] in ("train", "generate"), "the job at work")
    assert platform.http("DELETE", f"/jobs/{job_id}").status == 202
    assert platform.end_of(job_id)["state"] == "stopped"
    platform.listener.wait_for(job_id, "JobStopped")
    assert platform.partitions(job_id) == []
    # Twice is as once.
    assert platform.http("DELETE", f"/jobs/{job_id}").status == 202
    assert platform.job(job_id)["state"] == "stopped"
    assert platform.listener.events(job_id).count("JobStopped") == 1


def _workers(platform) -> list[int]:
    """Return the processes of the embedded AWS that run the image."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == platform.pid and b"handler.handler" in words:
            found.append(int(path.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes by /proc")
def test_a_killed_shard_is_made_again_and_the_rows_are_the_same(platform, german, done, german_credit, tmp_path):
    job_id = platform.submit({"source": german, "rows": 800_000, "seed": 5})
    platform.wait_until(lambda: len(platform.rows_in_lake(job_id)) >= 1, "the first shard")
    for worker in _workers(platform):
        os.kill(worker, signal.SIGKILL)
    job = platform.end_of(job_id)
    assert job["state"] == "succeeded", job
    steps = platform.client("stepfunctions")
    (run,) = steps.list_map_runs(executionArn=platform.execution(job_id))["mapRuns"]
    children = steps.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    errors = [
        event["taskFailedEventDetails"]["error"]
        for child in children
        for event in platform.history(child["executionArn"])
        if event["type"] == "TaskFailed"
    ]
    assert errors, "nothing was killed while it worked"
    assert set(errors) <= {"Runtime.ExitError", "Lambda.Unknown"}
    alone = synthcredit.run(
        german_credit, target="creditability", rows=800_000, seed=5, out=tmp_path / "out", home=tmp_path / "home"
    )
    assert platform.document(job_id, "manifest.json")["dataset_hash"] == alone.manifest.dataset_hash


def test_a_dropped_file_becomes_a_job(platform, german_credit):
    s3, inbox = platform.client("s3"), platform.outputs["InboxBucket"]
    before = {job["job_id"] for job in platform.http("GET", "/jobs").body["jobs"]}
    request = {"source": {"kind": "dataset", "uri": platform.upload(german_credit)}, "rows": 300}
    s3.put_object(Bucket=inbox, Key="drop/request.json", Body=json.dumps(request).encode())

    def arrived():
        return {job["job_id"] for job in platform.http("GET", "/jobs").body["jobs"]} - before

    (job_id,) = platform.wait_until(arrived, "the job of the dropped file")
    assert platform.end_of(job_id)["state"] == "succeeded"


def test_results_are_links_that_anyone_can_open_for_a_while(platform, done):
    results = platform.http("GET", f"/jobs/{done['job_id']}/results").body
    names = {file["name"] for file in results["files"]}
    assert {"report.html", "evidence.json", "manifest.json"} <= names
    report = next(file for file in results["files"] if file["name"] == "report.html")
    got = urllib3.request("GET", report["url"])
    assert got.status == 200
    assert b"<html" in got.data
    assert report["expires_at"]


def test_the_manifest_is_signed_by_the_platforms_key(platform, done):
    files = platform.http("GET", f"/jobs/{done['job_id']}/results").body["files"]
    contents = {file["name"]: urllib3.request("GET", file["url"]).data for file in files if "manifest" in file["name"]}
    signature = Signature.model_validate_json(contents[f"manifest.json{SUFFIX}"])
    require_signed("manifest.json", contents["manifest.json"], signature)
    with pytest.raises(InvalidInputError):
        require_signed("manifest.json", contents["manifest.json"] + b" ", signature)


def test_only_health_is_open(platform):
    assert platform.http("GET", "/healthz", signed=False).status == 200
    assert platform.http("GET", "/jobs", signed=False).status == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("GET", f"/jobs/{'0' * 24}", None, 404, "job_id"),
        ("DELETE", f"/jobs/{'0' * 24}", None, 404, "job_id"),
        ("POST", "/jobs", {"source": NOWHERE, "rows": 1}, 404, "source.uri"),
        ("POST", "/jobs", {"source": NOWHERE, "rows": 2_000_000_000}, 400, "rows"),
        ("POST", "/jobs", "x" * 300_000, 413, "request"),
        ("POST", "/jobs", "{", 400, "request"),
        ("POST", "/jobs", {"rows": "many", "seed": -1}, 400, "source"),
    ],
    ids=["unknown", "stop unknown", "missing bucket", "too many rows", "too large", "no JSON", "faults"],
)  # fmt: skip
def test_a_refusal_names_field_and_fix(platform, method, path, body, status, field):
    answer = platform.http(method, path, body)
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert field in [problem["field"] for problem in answer.body["problems"]]
    assert all(problem["fix"] for problem in answer.body["problems"])


def test_a_link_that_expired_unused_is_explained(platform):
    link = platform.http("POST", "/datasets", {"name": "never.csv", "size": 10}).body
    source = {"kind": "dataset", "uri": link["uri"]}
    answer = platform.http("POST", "/jobs", {"source": source, "rows": 10})
    assert answer.status == 404
    (problem,) = answer.body["problems"]
    assert problem["field"] == "source.uri"
    assert "POST /datasets" in problem["fix"]

import json
import logging
import os
import sys

import pytest
from jsonschema import Draft202012Validator

from synthcredit.jobs.job import Job, State, job_id_for

KEY = "uploads/1f0c9a/german_credit.csv"

# Powertools warns of every call that counts nothing, and pytest undoes the filter of aws/runtime.py.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture
def http(load, sample, context):
    """Send a request to the API: method, path, body; return status, headers and content."""
    app = load("api")

    def http(method, path, body=None, *, headers=None, query=None, identity=None, raw=None):
        event = sample("api")
        event |= {"httpMethod": method, "path": path, "resource": path}
        event["body"] = raw if raw is not None else None if body is None else json.dumps(body)
        given = {"Content-Type": "application/json"} | (headers or {})
        event["headers"] = {name: value for name, value in given.items() if value is not None}
        event["multiValueHeaders"] = {name: [value] for name, value in event["headers"].items()}
        event["queryStringParameters"] = query
        event["multiValueQueryStringParameters"] = {name: [value] for name, value in (query or {}).items()}
        if identity is not None:
            event["requestContext"]["identity"] = identity
        answer = app.handler(event, context)
        headers = {name: value[0] for name, value in answer.get("multiValueHeaders", {}).items()}
        headers |= answer.get("headers", {})
        return answer["statusCode"], headers, json.loads(answer["body"])

    return http


@pytest.fixture
def data(aws, german):
    aws.put(KEY, german)
    return f"s3://synthcredit-inbox-123456789012/{KEY}"


def _request(uri, **changes):
    return {"source": {"kind": "dataset", "uri": uri, "target": "creditability"}, "rows": 1000} | changes


def _is_problem(status, headers, content, expected):
    assert status == expected
    assert headers["Content-Type"] == "application/problem+json"
    assert content["status"] == expected
    assert content["instance"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    assert content["problems"]
    assert all(set(item) == {"field", "problem", "fix"} and all(item.values()) for item in content["problems"])
    return {item["field"] for item in content["problems"]}


def test_a_request_is_accepted_and_found_again(http, data, aws):
    status, headers, job = http("POST", "/jobs", _request(data), headers={"Idempotency-Key": "a"})
    assert (status, job["state"], job["rows"]) == (202, "accepted", 1000)
    assert headers["Location"] == f"jobs/{job['job_id']}"
    assert job["links"] == {"self": f"/jobs/{job['job_id']}", "results": f"/jobs/{job['job_id']}/results"}
    executions = aws.states.list_executions(stateMachineArn=os.environ["SYNTHCREDIT_STATE_MACHINE"])["executions"]
    assert [execution["name"] for execution in executions] == [job["job_id"]]
    assert http("GET", f"/jobs/{job['job_id']}")[2] == job
    assert [kind for kind, _ in aws.events] == ["JobAccepted"]


def test_the_same_key_is_the_same_job_and_another_request_under_it_a_conflict(http, data):
    key = {"idempotency-key": "a"}
    first = http("POST", "/jobs", _request(data), headers=key)[2]
    assert http("POST", "/jobs", _request(data), headers=key)[2]["job_id"] == first["job_id"]
    answer = http("POST", "/jobs", _request(data, rows=2000), headers=key)
    assert _is_problem(*answer, 422) == {"idempotency key"}
    assert first["job_id"] == job_id_for("arn:aws:sts::123456789012:assumed-role/Analyst", "a")


def test_without_a_key_every_request_is_a_job(http, data):
    ids = {http("POST", "/jobs", _request(data))[2]["job_id"] for _ in range(2)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("identity", "caller"),
    [
        ({"userArn": "arn:aws:iam::123456789012:user/jane", "accountId": "1"}, "arn:aws:iam::123456789012:user/jane"),
        ({"userArn": "arn:aws:sts::1:assumed-role/Analyst/jane"}, "arn:aws:sts::1:assumed-role/Analyst"),
        ({"userArn": None, "accountId": "123456789012"}, "123456789012"),
        ({}, "anonymous"),
    ],
)
def test_the_caller_is_the_identity_without_its_session(identity, caller, http, data):
    assert http("POST", "/jobs", _request(data), identity=identity)[2]["caller"] == caller


def test_everything_wrong_with_a_request_is_said_at_once(http):
    body = {"source": {"kind": "dataset"}, "rows": 0, "colour": 1, "synthesizer": {"name": "trees", "leafs": 2}}
    answer = http("POST", "/jobs", body, headers={"Idempotency-Key": "k" * 201})
    assert _is_problem(*answer, 400) == {"source.uri", "rows", "colour", "synthesizer.leafs", "idempotency-key"}


def test_settings_alone_can_be_wrong(http, data):
    answer = http("POST", "/jobs", _request(data, synthesizer={"name": "trees", "trees": 0}))
    assert _is_problem(*answer, 400) == {"synthesizer.trees"}


@pytest.mark.parametrize("path", ["/jobs", "/estimates", "/datasets"])
def test_what_is_no_json_object_is_refused(path, http):
    for raw in (
        "", "no json", "{", '{"rows": NaN}', "[" * 100_000, "9" * 5000, "[]", "null", '"text"', "\ud800", "{}", "[1]",
        '{"name": "\\ud800.csv", "size": 1, "source": {"kind": "dataset", "uri": "\\ud800"}, "rows": 1}',
    ):  # fmt: skip
        assert _is_problem(*http("POST", path, raw=raw), 400)


def test_a_body_over_the_limit_is_not_parsed(http):
    answer = http("POST", "/jobs", raw="x" * (200 * 1024 + 1))
    assert _is_problem(*answer, 413) == {"request"}
    assert "204,800" in answer[2]["problems"][0]["problem"]
    assert _is_problem(*http("POST", "/jobs", raw="x" * (200 * 1024)), 400)


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"])
def test_other_content_is_refused(kind, http):
    assert _is_problem(*http("POST", "/jobs", raw="a=1", headers={"Content-Type": kind}), 415)


def test_json_may_say_its_encoding_or_nothing(http, data):
    for kind in ("application/json; charset=utf-8", None):
        assert http("POST", "/jobs", _request(data), headers={"Content-Type": kind})[0] == 202


@pytest.mark.parametrize(
    ("uri", "field"),
    [
        (f"s3://synthcredit-inbox-123456789012/{KEY}", "source.uri"),
        ("s3://there-is-no-such-bucket/a.csv", "source.uri"),
    ],
)
def test_data_that_is_not_there_is_not_found(uri, field, http, aws):
    answer = http("POST", "/jobs", _request(uri))
    assert _is_problem(*answer, 404) == {field}
    assert "POST /datasets" in answer[2]["problems"][0]["fix"]
    assert aws.events == []


def test_more_rows_than_the_ceiling_are_refused(http, data):
    assert _is_problem(*http("POST", "/jobs", _request(data, rows=1_000_001)), 400) == {"rows"}


def test_jobs_are_listed_page_by_page(http, data):
    ids = [http("POST", "/jobs", _request(data))[2]["job_id"] for _ in range(3)]
    first = http("GET", "/jobs", query={"limit": "2"})[2]
    second = http("GET", "/jobs", query={"limit": "2", "next": first["next"]})[2]
    assert [job["job_id"] for job in (*first["jobs"], *second["jobs"])] == ids[::-1]
    assert second["next"] is None
    assert http("GET", "/jobs", query={"state": "failed"})[2]["jobs"] == []


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"state": "lost"}, {"next": "x"}, {"next": "x" * 401}]
)
def test_a_list_that_cannot_be_made(query, http):
    assert _is_problem(*http("GET", "/jobs", query=query), 400) == set(query)


@pytest.mark.parametrize("job_id", ["0" * 24, "x", "..", "x" * 3000])
@pytest.mark.parametrize(("method", "below"), [("GET", ""), ("DELETE", ""), ("GET", "/results")])
def test_a_job_that_nobody_knows(method, below, job_id, http):
    assert _is_problem(*http(method, f"/jobs/{job_id}{below}"), 404)


def test_a_job_is_stopped_and_stopping_again_changes_nothing(http, data, aws):
    job_id = http("POST", "/jobs", _request(data))[2]["job_id"]
    for _ in range(2):
        status, headers, job = http("DELETE", f"/jobs/{job_id}")
        assert (status, headers["Location"], job["state"]) == (202, job_id, "stopped")
    assert "Analyst" in job["failure"]["problems"][0]["problem"]
    assert [kind for kind, _ in aws.events] == ["JobAccepted", "JobStopped"]


def test_results_of_an_open_job_are_not_ready(http, data):
    job_id = http("POST", "/jobs", _request(data))[2]["job_id"]
    assert _is_problem(*http("GET", f"/jobs/{job_id}/results"), 409) == {f"job {job_id}"}


def test_results_that_were_cleared_away_are_gone(http, data):
    from synthcredit.aws.runtime import world

    job_id = http("POST", "/jobs", _request(data))[2]["job_id"]
    world().jobs.update(world().jobs.get(job_id).model_copy(update={"state": State.SUCCEEDED}))
    assert _is_problem(*http("GET", f"/jobs/{job_id}/results"), 410)


def test_an_estimate_starts_nothing(http, data, aws):
    status, _, told = http("POST", "/estimates", _request(data))
    assert (status, [step["step"] for step in told["steps"]]) == (200, ["train", "generate", "assess", "publish"])
    assert told["source_rows"] == pytest.approx(1000, rel=0.1)
    assert told["source_columns"] == 21
    assert aws.events == []


def test_a_dear_estimate_is_refused(http, data, monkeypatch):
    monkeypatch.setenv("SYNTHCREDIT_MAX_COST_USD", "0.0001")
    for path in ("/estimates", "/jobs"):
        assert _is_problem(*http("POST", path, _request(data)), 400) == {"rows"}


def test_models(http):
    status, _, page = http("GET", "/models")
    assert status == 200
    for card in page["models"]:
        assert http("GET", f"/models/{card['model_id']}")[2] == card
    for model_id in ("none", "x" * 300, "UPPER"):
        assert _is_problem(*http("GET", f"/models/{model_id}"), 404)


def test_an_upload_link(http):
    status, _, link = http("POST", "/datasets", {"name": "applicants.csv", "size": 12})
    assert status == 200
    assert link["uri"].startswith("s3://synthcredit-inbox-123456789012/uploads/")
    assert link["headers"] == {"Content-Length": "12"}
    assert "X-Amz-Signature" in link["url"]
    answer = http("POST", "/datasets", {"name": "../a.csv", "size": 0, "more": 1})
    assert _is_problem(*answer, 400) == {"name", "size", "more"}


def test_health_asks_nothing_of_aws(load, sample, context, monkeypatch):
    app = load("api")
    monkeypatch.setattr(app, "world", None)
    event = sample("api") | {"httpMethod": "GET", "path": "/healthz", "body": None}
    assert json.loads(app.handler(event, context)["body"]) == {"ok": True, "version": "0.1.0"}


@pytest.mark.parametrize("path", ["/", "/nothing", "/jobs/a/b/c", "/JOBS"])
def test_a_path_that_is_not_there(path, http):
    assert _is_problem(*http("GET", path), 404) == {"path"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/jobs", "GET, POST"),
        ("PATCH", "/jobs/" + "0" * 24, "DELETE, GET"),
        ("GET", "/datasets", "POST"),
        ("HEAD", "/jobs", "GET, POST"),
    ],
)
def test_a_method_that_a_path_does_not_have(method, path, allowed, http):
    answer = http(method, path)
    assert _is_problem(*answer, 405) == {"method"}
    assert answer[1]["Allow"] == allowed


def test_a_fault_is_logged_and_nothing_of_it_told(http, monkeypatch, logged):
    def broken(*_, **__):
        raise ValueError("Jane Doe, 4111")

    monkeypatch.setattr(sys.modules["app"].listing, "list_jobs", broken)
    answer = http("GET", "/jobs")
    assert _is_problem(*answer, 500) == {"synthcredit"}
    assert "Jane" not in json.dumps(answer[2])
    assert [line["exception_name"] for line in logged()] == ["ValueError"]


def test_an_answer_of_ours_that_does_not_fit_is_our_fault(http, monkeypatch):
    monkeypatch.setattr(sys.modules["app"].listing, "list_jobs", lambda *_, **__: {"jobs": "none"})
    assert _is_problem(*http("GET", "/jobs"), 500) == {"synthcredit"}


def test_storage_that_is_out_of_reach_may_be_asked_again(http, aws):
    aws.table.delete_table(TableName="jobs")
    answer = http("GET", "/jobs")
    assert _is_problem(*answer, 503)
    assert answer[1]["Retry-After"] == "5"


def test_the_openapi_document_is_the_one_that_is_checked_in(load):
    load("api")
    made = sys.modules["openapi"]
    assert json.loads(made.GOAL.read_text()) == json.loads(json.dumps(made.document()))


def test_the_openapi_document_says_what_the_api_does(http, data):
    document = json.loads(sys.modules["openapi"].GOAL.read_text())
    assert document["openapi"].startswith("3.1")
    job_id = http("POST", "/jobs", _request(data))[2]["job_id"]
    answers = {
        ("/jobs", "post"): http("POST", "/jobs", _request(data)),
        ("/jobs", "get"): http("GET", "/jobs"),
        ("/jobs/{job_id}", "get"): http("GET", f"/jobs/{job_id}"),
        ("/jobs/{job_id}", "delete"): http("DELETE", f"/jobs/{job_id}"),
        ("/jobs/{job_id}/results", "get"): http("GET", f"/jobs/{job_id}/results"),
        ("/estimates", "post"): http("POST", "/estimates", _request(data)),
        ("/models", "get"): http("GET", "/models"),
        ("/models/{model_id}", "get"): http("GET", "/models/none"),
        ("/datasets", "post"): http("POST", "/datasets", {"name": "a.csv", "size": 1}),
        ("/healthz", "get"): http("GET", "/healthz"),
    }
    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == set(answers)
    for (path, method), (status, headers, content) in answers.items():
        operation = document["paths"][path][method]
        assert operation["summary"]
        assert operation["description"]
        schema = operation["responses"][str(status)]["content"][headers["Content-Type"]]["schema"]
        Draft202012Validator({**schema, "components": document["components"]}).validate(content)
        assert operation.get("security") == ([] if path == "/healthz" else None)
        for body in operation.get("requestBody", {}).get("content", {}).values():
            assert body["examples"]
    assert document["security"] == [{"sigv4": []}]


def test_the_librarys_log_is_the_functions_log(http, logged):
    http("GET", "/healthz")
    logging.getLogger("synthcredit.steps").info("heard")
    (line,) = logged()
    assert (line["message"], line["level"]) == ("heard", "INFO")
    assert line["function_request_id"]


def test_accepted_jobs_are_counted(http, data, capsys):
    http("POST", "/jobs", _request(data))
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [metric["JobsAccepted"] for metric in metrics] == [[1.0]]
    assert metrics[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "synthcredit"


def test_a_job_is_shown_as_it_is_kept(http, data):
    from synthcredit.aws.runtime import world

    shown = http("POST", "/jobs", _request(data))[2]
    kept: Job = world().jobs.get(shown["job_id"])
    assert shown["request"] == json.loads(kept.request.model_dump_json(by_alias=True))


DECLARED = {
    "name": "shop",
    "tables": {
        "people": {"rows": 50, "columns": {"person_id": {"type": "key"}, "paid": {"type": "boolean", "share": 0.5}}}
    },
}


def test_declared_tables_are_accepted_and_estimated(http):
    body = {"source": {"kind": "schema", "declaration": DECLARED, "rows": {"people": 70}}}
    status, _, job = http("POST", "/jobs", body)
    assert (status, job["synthesizer"], job["rows"]) == (202, "schema", None)
    status, _, told = http("POST", "/estimates", body)
    assert (status, told["rows"], told["tables"]) == (200, 70, {"people": 70})
    assert told["bytes"] > 70


def test_a_declaration_that_is_wrong_is_refused_with_every_place(http):
    wrong = {"name": "Shop", "tables": {"people": {"rows": 50, "columns": {"paid": {"type": "boolean", "share": 2}}}}}
    answer = http("POST", "/jobs", {"source": {"kind": "schema", "declaration": wrong}, "rows": 5})
    assert _is_problem(*answer, 400) == {
        "source.declaration.name", "source.declaration.tables.people.columns.paid.share", "rows",
    }  # fmt: skip


def test_more_declared_rows_than_the_platform_takes_are_refused(http):
    body = {"source": {"kind": "schema", "declaration": DECLARED, "rows": {"people": 999_999_999}}}
    assert _is_problem(*http("POST", "/jobs", body), 400) == {"source.declaration"}

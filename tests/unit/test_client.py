"""The client against a small platform on loopback: what goes over the wire, and what is made of the answers."""

import json
import sys
from hashlib import sha256

import pytest
import pytest_socket
from tests.fake_api import EXPIRED, serving

from synthcredit import client
from synthcredit.client import place as places
from synthcredit.client.answers import LakeTable
from synthcredit.client.http import Http
from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema
from synthcredit.errors import (
    ConflictError,
    GateNotMetError,
    InvalidInputError,
    MissingPackageError,
    NotFoundError,
    NotReadyError,
    Problem,
    StoppedError,
    StorageError,
    SynthcreditError,
)
from synthcredit.jobs.job import State

REQUEST = {"source": {"kind": "model", "model_id": "trees-a-0123456789ab"}, "rows": 100}
PROBLEM = {"field": "a", "problem": "b", "fix": "c"}
JOB = "0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _no_own_settings(monkeypatch, tmp_path):
    for name in ("SYNTHCREDIT_ENDPOINT", "SYNTHCREDIT_HOME", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def loopback(socket_enabled):
    """Sockets, to this machine alone."""
    pytest_socket.socket_allow_hosts(["127.0.0.1"])


@pytest.fixture
def api(loopback):
    with serving() as api:
        yield api


@pytest.fixture
def platform(api, tmp_path):
    """A client with short pauses."""
    api.platform_file(tmp_path)
    place = places.find(home=tmp_path)
    return client.Platform(place, Http(place, retries=2, backoff=0.01))


# ---------------------------------------------------------------- where


def test_every_request_is_signed_with_throw_away_credentials(api, platform, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREALONE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    platform.submit(REQUEST, "key-1")
    (asked,) = api.asked
    signature = asked.headers["Authorization"]
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=test/")
    assert "/eu-west-1/execute-api/aws4_request" in signature
    assert asked.headers["Idempotency-Key"] == "key-1"
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.json() == REQUEST


def test_a_platform_is_found_by_url_by_variable_or_by_the_file_of_the_embedded_one(api, tmp_path, monkeypatch):
    with pytest.raises(NotFoundError, match="synthcredit up"):
        client.Platform.open(home=tmp_path)
    assert client.Platform.open(f"{api.url}/", home=tmp_path).place.api_url == api.url
    assert client.Platform.open(api.url, home=tmp_path).place.outputs == {}
    api.platform_file(tmp_path)
    assert client.Platform.open(home=tmp_path).place.embedded
    # Its own URL names the embedded platform, stack and all.
    assert client.Platform.open(api.url, home=tmp_path).place.outputs["Workgroup"] == "synthcredit"
    monkeypatch.setenv("SYNTHCREDIT_ENDPOINT", "http://localhost:1")
    assert client.Platform.open(home=tmp_path).place.api_url == "http://localhost:1"


@pytest.mark.parametrize("content", ["{", "{}", '{"endpoint_url": 1}', "[]"])
def test_a_damaged_platform_file_is_named(tmp_path, content):
    path = client.platform_file(tmp_path)
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(SynthcreditError, match="synthcredit up"):
        client.Platform.open(home=tmp_path)


def test_the_region_of_a_deployed_platform_is_in_its_url_or_with_the_credentials(monkeypatch, tmp_path):
    place = places.find("https://abc.execute-api.eu-north-1.amazonaws.com/prod")
    assert (place.region, place.embedded) == ("eu-north-1", False)
    with pytest.raises(SynthcreditError, match="AWS_REGION"):
        places.find("https://credit.example.com")
    (tmp_path / "config").write_text("[profile bank]\nregion = eu-south-1\n")
    assert places.find("https://credit.example.com", profile="bank").region == "eu-south-1"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"endpoint": "http://credit.example.com"}, "--endpoint"),
        ({"endpoint": "credit"}, "--endpoint"),
        ({"endpoint": "https://a.example.com", "stack": "s"}, "--endpoint"),
        ({"profile": "bank"}, "--profile"),
        ({"profile": "absent", "stack": "s"}, "--profile"),
    ],
)
def test_what_leads_nowhere_is_refused(tmp_path, given, field):
    with pytest.raises(InvalidInputError) as caught:
        client.Platform.open(**given, home=tmp_path)
    assert caught.value.problems[0].field == field


def test_a_stack_is_found_by_its_outputs(monkeypatch):
    from moto import mock_aws

    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        import boto3

        made = {"Queue": {"Type": "AWS::SQS::Queue"}}
        urls = {"ApiUrl": {"Value": "https://a.example.com/dev/"}, "Workgroup": {"Value": "w"}}
        stacks = boto3.client("cloudformation")
        for name, outputs in {"bank": urls, "other": {}}.items():
            stacks.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": made, "Outputs": outputs}))
        place = places.find(stack="bank")
        assert (place.api_url, place.region) == ("https://a.example.com/dev", "eu-west-1")
        assert place.outputs["Workgroup"] == "w"
        with pytest.raises(InvalidInputError, match="ApiUrl"):
            places.find(stack="other")
        with pytest.raises(SynthcreditError, match="absent"):
            places.find(stack="absent")


def test_without_credentials_or_region_nothing_is_sent(monkeypatch):
    platform = client.Platform(places.find("https://abc.execute-api.eu-north-1.amazonaws.com/prod"))
    with pytest.raises(SynthcreditError, match="aws sso login"):
        platform.job(JOB)
    with pytest.raises(SynthcreditError, match="AWS_REGION"):
        places.find(stack="bank")


def test_without_boto3_the_package_that_brings_it_is_named(monkeypatch, api, tmp_path):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingPackageError, match="synthcredit\\[aws\\]"):
        client.Platform.open(api.url, home=tmp_path)


# ---------------------------------------------------------------- requests and refusals


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(api, platform, status):
    api.trouble = [("/jobs", status, b"{}"), ("/jobs", status, b"{}")]
    job = platform.submit(REQUEST, "key")
    assert job.state is State.ACCEPTED
    assert len(api.of("POST", "/jobs")) == 3
    assert len({asked.headers["Idempotency-Key"] for asked in api.asked}) == 1


def test_what_does_not_pass_is_said(api, platform):
    api.trouble = [("/jobs", 503, b'{"message": "Service Unavailable"}')] * 9
    with pytest.raises(SynthcreditError, match="503: Service Unavailable"):
        platform.submit(REQUEST, "key")
    assert len(api.asked) == 3


def test_a_refusal_is_tried_once_and_has_the_class_and_words_that_it_has_here(api, platform):
    with pytest.raises(InvalidInputError) as caught:
        platform.submit({**REQUEST, "rows": 0, "seed": -1}, "key")
    assert type(caught.value) is InvalidInputError
    assert {problem.field for problem in caught.value.problems} == {"rows", "seed"}
    assert all(problem.fix for problem in caught.value.problems)
    assert len(api.asked) == 1
    platform.submit(REQUEST, "key")
    with pytest.raises(ConflictError, match="another request"):
        platform.submit({**REQUEST, "rows": 7}, "key")
    with pytest.raises(NotFoundError, match="no such job"):
        platform.job(JOB)
    with pytest.raises(NotReadyError):
        platform.results(next(iter(api.jobs)))


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (403, b'{"message": "Missing Authentication Token"}', SynthcreditError, "--profile"),
        (403, b'{"Message": "User: x is not authorized"}', SynthcreditError, "x is not authorized"),
        (413, b'{"message": "Request Too Long"}', InvalidInputError, "Request Too Long"),
        (404, b"<html>nothing</html>", NotFoundError, "404: no reason given"),
        (400, json.dumps({"error": "NewKind", "problems": [PROBLEM]}).encode(), InvalidInputError, "a: b. c"),
        (418, b'{"problems": "odd", "detail": "a teapot"}', SynthcreditError, "a teapot"),
    ],
)  # fmt: skip
def test_answers_that_are_not_ours_are_understood_too(api, platform, status, body, kind, words):
    api.trouble = [("/jobs/.*", status, body)]
    with pytest.raises(kind) as caught:
        platform.job(JOB)
    assert type(caught.value) is kind
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"[1]", b"no json", b'{"job_id": "x", "state": "odd"}'])
def test_an_answer_that_is_not_understood_is_said(api, platform, content):
    api.trouble = [("/jobs/.*", 200, content)]
    with pytest.raises(SynthcreditError, match="not understood"):
        platform.job(JOB)


def test_a_newer_platform_may_say_more(api, platform):
    api.trouble = [("/jobs/.*", 200, json.dumps({"job_id": JOB, "state": "running", "mood": "good"}).encode())]
    assert platform.job(JOB).state is State.RUNNING


def test_a_platform_that_is_gone_is_named_with_the_fix(loopback, tmp_path):
    with serving() as api:
        api.platform_file(tmp_path)
        place = places.find(home=tmp_path)
    platform = client.Platform(place, Http(place, retries=1, backoff=0.01))
    with pytest.raises(SynthcreditError, match="nobody answers there.*synthcredit up"):
        platform.job(JOB)
    with pytest.raises(SynthcreditError, match="not up"):
        platform.require_healthy()


def test_health_needs_no_signature(api, platform):
    platform.require_healthy()
    assert "Authorization" not in api.asked[0].headers
    api.trouble = [("/healthz", 500, b"")]
    with pytest.raises(SynthcreditError, match="synthcredit up"):
        platform.require_healthy(timeout=1)


def test_a_proxy_is_used_where_one_is_set_but_not_for_this_machine(api, platform, monkeypatch):
    from synthcredit.client.http import pool

    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert pool("http://credit.example.com", retries=1, backoff=0.1).proxy.host == "proxy.example.com"
    assert pool(api.url, retries=1, backoff=0.1).proxy is None


# ---------------------------------------------------------------- jobs


def test_jobs_and_models_come_page_by_page(api, platform):
    ids = [platform.submit(REQUEST, str(number)).job_id for number in range(5)]
    assert [job.job_id for job in platform.jobs(4)] == ids[:4]
    assert [job.job_id for job in platform.jobs(50)] == ids
    list(platform.jobs(1, State.FAILED))
    assert api.asked[-1].query["state"] == ["failed"]
    assert list(platform.models()) == []


def test_following_hears_every_look_until_the_end(api, platform, monkeypatch):
    monkeypatch.setattr("synthcredit.client.platform._PAUSE", 0.01)
    api.course = [{"state": State.RUNNING, "step": "plan"}, {"state": State.SUCCEEDED}]
    heard = []
    job = platform.submit(REQUEST, "key")
    assert platform.follow(job.job_id, heard.append).state is State.SUCCEEDED
    assert [look.state for look in heard] == [State.ACCEPTED, State.RUNNING, State.SUCCEEDED]


def test_stopping(api, platform):
    job = platform.submit(REQUEST, "key")
    assert platform.stop(job.job_id).state is State.STOPPED


@pytest.mark.parametrize(
    ("state", "failure", "kind"),
    [
        ("failed", {"step": "gate", "error": "GateNotMet", "problems": [PROBLEM]}, GateNotMetError),
        ("failed", {"step": "plan", "error": "NotFound", "problems": [PROBLEM]}, NotFoundError),
        ("failed", {"step": "plan", "error": "SomethingNew", "problems": [PROBLEM]}, SynthcreditError),
        ("failed", None, SynthcreditError),
        ("stopped", None, StoppedError),
        ("stopped", {"step": "plan", "error": "Stopped", "problems": [PROBLEM]}, StoppedError),
    ],
)  # fmt: skip
def test_a_job_that_failed_there_raises_what_it_would_raise_here(state, failure, kind):
    job = client.JobStatus.model_validate({"job_id": JOB, "state": state, "failure": failure})
    with pytest.raises(kind) as caught:
        client.raise_unless_succeeded(job)
    assert type(caught.value) is kind
    if failure:
        assert caught.value.problems == (Problem("a", "b", "c"),)


def test_a_job_that_succeeded_raises_nothing():
    client.raise_unless_succeeded(client.JobStatus(job_id=JOB, state="succeeded"))


# ---------------------------------------------------------------- files there


def _request(path, **source):
    return {"source": {"kind": "dataset", "uri": str(path), **source}, "rows": 100}


def test_local_files_are_uploaded_once_and_uris_are_left_alone(api, platform, tmp_path):
    data, holdout = tmp_path / "größe 1.csv", tmp_path / "later.csv"
    data.write_bytes(b"a,b\n1,2\n")
    holdout.write_bytes(b"a,b\n3,4\n")
    memory = client.Uploads(tmp_path, api.url)
    request = _request(data, holdout=holdout.as_uri())
    sent = platform.with_uploads(request, memory)
    assert sorted(api.inbox.values()) == [b"a,b\n1,2\n", b"a,b\n3,4\n"]
    assert sent["source"]["uri"].endswith("/gr__e 1.csv")
    assert "Authorization" not in api.of("PUT", ".*")[0].headers
    assert platform.with_uploads(request, client.Uploads(tmp_path, api.url)) == sent
    assert len(api.inbox) == 2
    data.write_bytes(b"a,b\n5,6\n")
    assert platform.with_uploads(request, memory)["source"]["uri"] != sent["source"]["uri"]
    # Of another platform nothing is remembered.
    assert (
        client.Uploads(tmp_path, "https://other").find(holdout.name, sha256(holdout.read_bytes()).hexdigest()) is None
    )
    elsewhere = _request("s3://bucket/data.csv")
    assert platform.with_uploads(elsewhere, memory) == elsewhere
    assert platform.with_uploads(REQUEST, memory) == REQUEST


def test_a_damaged_memory_of_uploads_is_no_memory(tmp_path):
    for content in ("{", "[1]"):
        (tmp_path / "uploads.json").write_text(content)
        assert client.Uploads(tmp_path, "u").find("a", "b") is None


def test_what_is_no_file_is_not_uploaded(platform, tmp_path):
    memory = client.Uploads(tmp_path, "u")
    with pytest.raises(NotFoundError, match="absent.csv"):
        platform.with_uploads(_request(tmp_path / "absent.csv"), memory)
    with pytest.raises(InvalidInputError, match="folder"):
        platform.with_uploads(_request(tmp_path), memory)


def test_an_upload_that_is_refused_is_said(api, platform, tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    api.trouble = [("/inbox/.*", 403, EXPIRED)]
    with pytest.raises(SynthcreditError, match="does not let you in"):
        platform.upload(tmp_path / "a.csv")


def test_the_same_request_has_the_same_key_and_another_has_another(api, platform, tmp_path):
    data = tmp_path / "a.csv"
    data.write_text("a\n1\n")
    memory = client.Uploads(tmp_path, api.url)
    first = platform.submit_files(_request(data), memory)
    assert platform.submit_files(_request(data), memory).job_id == first.job_id
    assert platform.submit_files({**_request(data), "rows": 7}, memory).job_id != first.job_id
    assert platform.submit_files(_request(data), memory, again=True).job_id != first.job_id
    data.write_text("a\n2\n")
    assert platform.submit_files(_request(data), memory).job_id != first.job_id


def test_data_that_is_not_there_is_not_sent_again_where_it_was_never_sent(api, platform, tmp_path):
    api.inbox["/inbox/other"] = b""
    with pytest.raises(NotFoundError):
        platform.submit_files(_request("s3://inbox/absent.csv"), client.Uploads(tmp_path, api.url))
    assert len(api.of("POST", "/jobs")) == 1


# ---------------------------------------------------------------- files here


@pytest.fixture
def done(api, platform):
    """A job that has succeeded, with more files than are fetched at a time."""
    api.course = [{"state": State.SUCCEEDED}]
    job_id = platform.submit(REQUEST, "key").job_id
    platform.job(job_id)
    parts = {f"data/a/part-{number:05d}.parquet": f"rows {number}".encode() for number in range(12)}
    api.files[job_id] = {"report.html": b"<html>", "manifest.json": b"{}", "plots/a b.png": b"png", **parts}
    return platform.results(job_id)


def _read(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_job_is_fetched_whole_in_the_place_of_an_older_one(api, platform, done, tmp_path):
    (tmp_path / "out" / done.job_id).mkdir(parents=True)
    (tmp_path / "out" / done.job_id / "old").touch()
    folder = platform.download(done, tmp_path / "out")
    assert _read(folder) == api.files[done.job_id]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [done.job_id]
    assert folder.stat().st_mode & 0o777 == 0o755
    # A link is a right by itself; ours would only confuse the store.
    assert not any("Authorization" in asked.headers for asked in api.of("GET", "/files/.*"))


def test_expired_links_are_asked_for_anew_once(api, platform, done, tmp_path):
    api.good_token = api.tokens + 1
    before = len(api.of("GET", "/jobs/.*/results"))
    folder = platform.download(done, tmp_path)
    assert _read(folder) == api.files[done.job_id]
    assert len(api.of("GET", "/jobs/.*/results")) == before + 1


def test_links_that_stay_refused_end_it_and_leave_nothing(api, platform, done, tmp_path):
    api.good_token = 99
    with pytest.raises(SynthcreditError, match="403"):
        platform.download(done, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_is_not_the_one_that_was_made_is_refused(api, platform, done, tmp_path):
    api.files[done.job_id]["data/a/part-00003.parquet"] = b"changed"
    with pytest.raises(StorageError, match="part-00003.parquet.*not the one"):
        platform.download(done, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_fetch_is_tried_again(api, platform, done, tmp_path):
    api.trouble = [("/files/.*report.html", 503, b"slow down")]
    assert _read(platform.download(done, tmp_path)) == api.files[done.job_id]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\\..\\evil"])
def test_no_name_leads_out_of_the_folder(platform, done, tmp_path, name):
    results = done.model_copy(update={"files": (done.files[0].model_copy(update={"name": name}),)})
    with pytest.raises(SynthcreditError, match="leads out"):
        platform.download(results, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_named(platform, done, tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(StorageError, match="file is where a folder has to be|exists"):
        platform.download(done, tmp_path / "out" / "below")


def test_too_many_files_are_left_where_they_are(platform, done, tmp_path):
    folder = platform.download(done.model_copy(update={"data_files_left_out": 3}), tmp_path)
    assert set(_read(folder)) == {"report.html", "manifest.json", "plots/a b.png"}


def test_a_report_alone(platform, done, tmp_path):
    assert platform.download_report(done, tmp_path / "r" / "report.html")
    assert (tmp_path / "r" / "report.html").read_bytes() == b"<html>"
    assert not platform.download_report(done.model_copy(update={"files": ()}), tmp_path / "none.html")


# ---------------------------------------------------------------- questions


def test_athena_is_asked_in_the_workgroup_of_the_stack(api, platform, monkeypatch):
    monkeypatch.setattr("synthcredit.client.platform._PAUSE", 0.01)
    api.answer = [["purpose", "rows"], ["car", "12"], [None, "3"]]
    assert platform.query("SELECT 1") == [{"purpose": "car", "rows": "12"}, {"purpose": None, "rows": "3"}]
    asked = api.of("POST", "/")[0]
    assert (asked.json()["QueryString"], asked.json()["WorkGroup"]) == ("SELECT 1", "synthcredit")


def test_an_answer_without_a_heading_keeps_its_first_row(api, platform):
    api.answer = [["5", "6"]]
    api.headings = ["a", "b"]
    assert platform.query("SELECT 1") == [{"a": "5", "b": "6"}]


@pytest.mark.parametrize("status", [{"State": "FAILED", "StateChangeReason": "SYNTAX_ERROR"}, {"State": "CANCELLED"}])
def test_a_question_that_is_refused_says_why(api, platform, status):
    api.athena = status
    with pytest.raises(SynthcreditError, match=status.get("StateChangeReason", "cancelled")):
        platform.query("SELECT")


def test_a_refusal_of_athena_itself_is_said(api, platform):
    api.trouble = [("/", 400, b'{"__type": "AccessDeniedException", "message": "not yours"}')]
    with pytest.raises(SynthcreditError, match="AccessDeniedException not yours"):
        platform.query("SELECT 1")


def test_without_the_stack_there_is_no_workgroup_to_ask_in(api, tmp_path):
    with pytest.raises(InvalidInputError, match="--stack"):
        client.Platform.open(api.url, home=tmp_path).query("SELECT 1")


def _column(name, kind, dtype, **more):
    return Column(name=name, storage_name=name, kind=kind, dtype=dtype, **more)


OUTCOME = _column("default", Kind.CATEGORICAL, Dtype.STRING, categories=("no", "yes"))
PURPOSE = _column("purpose", Kind.CATEGORICAL, Dtype.STRING, categories=("car", "tv"))
AMOUNT = _column("amount", Kind.CONTINUOUS, Dtype.DOUBLE)
AT = _column("at", Kind.DATETIME, Dtype.DATE)
SHARE = 'round(1e2 * count(*) / sum(count(*)) OVER (), 1) AS "percent"'
MEAN = 'round(avg(CAST("amount" AS double)), 3) AS "mean amount"'
END = " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5"
FROM = """ FROM "d"."t" WHERE "job" = 'it''s'"""


@pytest.mark.parametrize(
    ("columns", "target", "sql"),
    [
        ((PURPOSE, OUTCOME), "default", f'SELECT "default", count(*) AS "rows", {SHARE}{FROM}{END}'),
        ((PURPOSE, AMOUNT), "amount", f'SELECT "purpose", count(*) AS "rows", {MEAN}{FROM}{END}'),
        ((AMOUNT, AT), "amount", f'SELECT count(*) AS "rows", {MEAN}{FROM}'),
        ((PURPOSE, AMOUNT), None, f'SELECT "purpose", count(*) AS "rows", {SHARE}{FROM}{END}'),
        ((AMOUNT, AT), "at", f'SELECT count(*) AS "rows"{FROM}'),
    ],
)  # fmt: skip
def test_the_question_suits_the_schema(columns, target, sql):
    schema = TableSchema(name="t", columns=columns, target=target)
    assert client.question(schema, LakeTable(database="d", name="t", partition="job=it's")) == sql


def test_names_are_quoted():
    odd = AMOUNT.model_copy(update={"name": 'a"b', "storage_name": 'a"b'})
    schema = TableSchema(name="t", columns=(odd,), target='a"b')
    sql = client.question(schema, LakeTable(database="d", name="t", partition="job=1"))
    assert '"a""b"' in sql
    assert '"mean a""b"' in sql

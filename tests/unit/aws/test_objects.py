import errno
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from hypothesis import assume, example, given
from hypothesis import strategies as st

from synthcredit.aws import objects as module
from synthcredit.aws.objects import S3Objects, S3Uri, parse_uri
from synthcredit.errors import InvalidInputError, NotFoundError, StorageError

from .conftest import INBOX, LAKE

BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", fullmatch=True)
KEYS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=60)
VERSIONS = st.none() | st.from_regex(r"[A-Za-z0-9._~+/=-]{1,40}", fullmatch=True)


def _put(objects, key, content=b"rows"):
    with objects.scratch() as folder:
        (folder / "file").write_bytes(content)
        objects.put(folder / "file", key)


def _refusing(s3, call, code, status=400, **stubs):
    stub = Stubber(s3)
    stub.add_client_error(call, code, http_status_code=status)
    stub.activate()
    return S3Objects(s3, LAKE), stub


# What a request names


@given(BUCKETS, KEYS, VERSIONS)
@example("bucket", "uploads/1/my file?%41#b.csv", "3.L4kq~")
@example("bucket", "a?versionId=", None)
def test_what_is_written_as_a_uri_is_read_back(bucket, key, version):
    assume("?versionId=" not in key and key.rsplit("/", 1)[-1] not in ("", ".", ".."))
    place = S3Uri(bucket, key, version)
    assert parse_uri(str(place)) == place


@given(st.text(max_size=80) | st.text(max_size=80).map(lambda text: f"s3://bucket/{text}"))
def test_whatever_is_given_is_parsed_or_refused_and_its_name_stays_in_its_folder(uri):
    try:
        place = parse_uri(uri)
    except InvalidInputError as error:
        assert {problem.field for problem in error.problems} == {"source.uri"}
        assert all(problem.fix for problem in error.problems)
    else:
        assert (Path("/scratch") / place.name).parent == Path("/scratch")
        assert os.path.normpath(f"/scratch/{place.name}").startswith("/scratch/")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("applicants.csv", "path of another machine"),
        ("/home/me/applicants.csv", "path of another machine"),
        ("file:///home/me/applicants.csv", "'file' cannot be read"),
        ("https://host/applicants.csv", "'https' cannot be read"),
        ("S3://bucket/a.csv", "'S3' cannot be read"),
        ("s3://", "names no bucket"),
        ("s3://Bad_Bucket/a.csv", "names no bucket"),
        ("s3://bucket\n/a.csv", "names no bucket"),
        ("s3://bucket", "names no file"),
        ("s3://bucket/folder/", "names no file"),
        ("s3://bucket/folder/..", "names no file"),
        ("s3://bucket/a\0.csv", "names no file"),
        ("s3://bucket/\ud800/a.csv", "names no file"),
        (f"s3://bucket/{'a' * 256}.csv", "names no file"),
        (f"s3://bucket/{'a/' * 512}a.csv", "names no file"),
        ("s3://bucket/a.csv?versionId=", "malformed version"),
        ("s3://bucket/a.csv?versionId=a b", "malformed version"),
        (f"s3://{LAKE}/jobs/1/data/loans/part-00000.parquet", "platform's own bucket"),
    ],
)
def test_what_is_no_uri_of_a_file_is_refused_before_anything_is_asked(objects, uri, words):
    for ask in (lambda: objects.source(uri).__enter__(), lambda: objects.size(uri), lambda: objects.head(uri, 1)):
        with pytest.raises(InvalidInputError, match=words) as caught:
            ask()
        assert caught.value.problems[0].field == "source.uri"


def test_paths_are_told_how_to_upload(objects):
    with pytest.raises(InvalidInputError, match="POST /datasets or `synthcredit submit --data FILE`"):
        objects.size("applicants.csv")


def test_a_source_keeps_its_name_and_its_bytes_and_is_gone_afterwards(objects, s3):
    s3.put_object(Bucket=INBOX, Key="uploads/1/my data.csv", Body=b"a,b\n1,2\n")
    with objects.source(f"s3://{INBOX}/uploads/1/my data.csv") as path:
        assert path.name == "my data.csv"
        assert path.read_bytes() == b"a,b\n1,2\n"
    assert not path.parent.exists()


def test_a_version_is_read_as_it_was(objects, s3):
    first = s3.put_object(Bucket=INBOX, Key="a.csv", Body=b"first")["VersionId"]
    s3.put_object(Bucket=INBOX, Key="a.csv", Body=b"and second")
    uri = f"s3://{INBOX}/a.csv?versionId={first}"
    with objects.source(uri) as path:
        assert (path.name, path.read_bytes()) == ("a.csv", b"first")
    assert objects.size(uri) == 5
    assert objects.size(f"s3://{INBOX}/a.csv") == 10
    assert objects.head(uri, 3) == b"fir"


def test_the_head_is_no_more_than_there_is(objects, s3):
    s3.put_object(Bucket=INBOX, Key="a.csv", Body=b"abc")
    s3.put_object(Bucket=INBOX, Key="empty.csv", Body=b"")
    assert objects.head(f"s3://{INBOX}/a.csv", 100) == b"abc"
    assert objects.head(f"s3://{INBOX}/empty.csv", 100) == b""


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s3://no-such-bucket/a.csv", "there is no bucket 'no-such-bucket'"),
        (f"s3://{INBOX}/none.csv", "none.csv does not exist"),
        (f"s3://{INBOX}/a.csv?versionId=00000000-0000-0000-0000-000000000000", "no such version"),
        (f"s3://{INBOX}/a.csv?versionId=bad", "no such version"),
    ],
)
def test_a_source_that_is_not_there_is_said_to_be_not_there(objects, s3, uri, words):
    s3.put_object(Bucket=INBOX, Key="a.csv", Body=b"abc")
    for ask in (lambda: objects.source(uri).__enter__(), lambda: objects.size(uri), lambda: objects.head(uri, 1)):
        with pytest.raises(NotFoundError, match=words) as caught:
            ask()
        assert caught.value.problems[0].field == "source.uri"


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [("403", 403, "may not read it"), ("InvalidObjectState", 403, "archived")],
)
def test_a_source_that_may_not_be_read_is_the_requests_fault(s3, code, status, words):
    objects, stub = _refusing(s3, "head_object", code, status)
    with stub, pytest.raises(InvalidInputError, match=words) as caught:
        objects.size(f"s3://{INBOX}/a.csv")
    assert not isinstance(caught.value, NotFoundError)


def test_a_store_that_does_not_answer_is_not_the_requests_fault(s3):
    objects, stub = _refusing(s3, "head_object", "503", 503)
    with stub, pytest.raises(StorageError, match="no capacity"):
        objects.size(f"s3://{INBOX}/a.csv")
    objects, stub = _refusing(s3, "get_object", "SlowDown", 503)
    with stub, pytest.raises(StorageError, match="no capacity"):
        objects.head(f"s3://{INBOX}/a.csv", 1)


def test_a_bucket_that_may_not_be_looked_at_is_taken_to_be_there(s3):
    stub = Stubber(s3)
    stub.add_client_error("head_object", "404", http_status_code=404)
    stub.add_client_error("head_bucket", "403", http_status_code=403)
    with stub, pytest.raises(NotFoundError, match="a.csv does not exist"):
        S3Objects(s3, LAKE).size(f"s3://{INBOX}/a.csv")


def test_a_full_disk_is_named(objects, s3, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(s3, "download_file", refuse)
    with pytest.raises(StorageError, match="no space left"), objects.source(f"s3://{INBOX}/a.csv"):
        pass


# What the platform keeps


def test_what_is_put_can_be_fetched_and_is_moved(objects, s3):
    with objects.scratch() as folder:
        path = folder / "file"
        path.write_bytes(b"rows")
        objects.put(path, "jobs/1/data/part.parquet")
        assert not path.exists()
    assert objects.exists("jobs/1/data/part.parquet")
    with objects.fetch("jobs/1/data/part.parquet") as path:
        assert (path.name, path.read_bytes()) == ("part.parquet", b"rows")
    assert not path.exists()
    assert objects.read("jobs/1/data/part.parquet") == b"rows"
    assert objects.link("jobs/1/data/part.parquet") == f"s3://{LAKE}/jobs/1/data/part.parquet"
    assert objects.free_bytes() is None


def test_large_files_go_up_in_parts_and_every_file_with_a_checksum(objects, s3):
    calls = []
    s3.meta.events.register("before-call.s3", lambda model, params, **_: calls.append((model.name, params["headers"])))
    content = os.urandom(9 * 2**20)
    _put(objects, "jobs/1/large.parquet", content)
    _put(objects, "jobs/1/small.parquet")
    names = [name for name, _ in calls]
    assert names.count("UploadPart") == 2
    assert names.count("PutObject") == 1
    sent = [headers for name, headers in calls if name in ("UploadPart", "PutObject")]
    assert all(
        any(header.lower().startswith("x-amz-checksum-") or header == "X-Amz-Trailer" for header in h) for h in sent
    )
    assert objects.read("jobs/1/large.parquet") == content


def test_the_report_is_known_to_be_html(objects, s3):
    _put(objects, "jobs/1/report.html")
    _put(objects, "jobs/1/data.parquet")
    kinds = [
        s3.head_object(Bucket=LAKE, Key=f"jobs/1/{name}")["ContentType"] for name in ("report.html", "data.parquet")
    ]
    assert kinds == ["text/html", "application/octet-stream"]


def test_keys_are_sorted_and_below_their_prefix_however_many(objects, s3):
    for number in range(1005):
        s3.put_object(Bucket=LAKE, Key=f"jobs/1/{number:04}", Body=b"")
    _put(objects, "jobs/12/c")
    keys = list(objects.keys("jobs/1/"))
    assert keys == [f"jobs/1/{number:04}" for number in range(1005)]
    assert list(objects.keys("jobs/1")) == keys
    assert list(objects.keys("jobs/none/")) == []
    objects.delete("jobs/1")
    assert list(objects.keys("jobs/")) == ["jobs/12/c"]


def test_deleting_takes_every_version_below_the_prefix_and_nothing_else(objects, s3):
    for content in (b"one", b"two"):
        _put(objects, "jobs/1/data/a", content)
    s3.delete_object(Bucket=LAKE, Key="jobs/1/data/a")
    _put(objects, "jobs/1/report.html")
    objects.delete("jobs/1/data/")
    objects.delete("jobs/1/data/")
    left = s3.list_object_versions(Bucket=LAKE)
    assert [version["Key"] for version in left["Versions"]] == ["jobs/1/report.html"]
    assert "DeleteMarkers" not in left


def test_what_cannot_be_deleted_is_said(objects, s3, monkeypatch):
    _put(objects, "jobs/1/data/a")
    answer = {"Errors": [{"Key": "jobs/1/data/a", "Code": "AccessDenied"}]}
    monkeypatch.setattr(s3, "delete_objects", lambda **_: answer)
    with pytest.raises(StorageError, match="access is denied"):
        objects.delete("jobs/1/data/")


def test_scratch_is_in_tmpdir_and_gone_afterwards_even_after_an_error(objects, tmp_path, monkeypatch):
    monkeypatch.setattr(module.tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(RuntimeError), objects.scratch() as folder:
        (folder / "half").write_bytes(b"x")
        assert folder.parent == tmp_path
        raise RuntimeError
    assert not folder.exists()
    monkeypatch.setattr(module.tempfile, "tempdir", None)


@given(st.text(max_size=40))
@example("../outside")
@example("jobs/../../outside")
@example("/etc/passwd")
@example("")
@example(".")
def test_keys_cannot_lead_out_of_the_store_nor_name_all_of_it(key):
    try:
        kept = module._key(key)
    except InvalidInputError as error:
        assert "leads out" in str(error)
    else:
        assert ".." not in kept.split("/")
        assert kept and not kept.startswith("/")
        assert module._key(kept) == kept


@pytest.mark.parametrize("key", ["../outside", "jobs/../../outside", "/etc/passwd", "", "."])
def test_every_verb_looks_at_the_key(objects, tmp_path, key):
    verbs = (
        objects.exists,
        objects.read,
        objects.delete,
        lambda key: list(objects.keys(key)),
        lambda key: objects.put(tmp_path / "file", key),
        lambda key: objects.fetch(key).__enter__(),
    )
    for verb in verbs:
        with pytest.raises(InvalidInputError, match="leads out"):
            verb(key)


def test_missing_files_are_named(objects):
    assert not objects.exists("jobs/1/plan.json")
    with pytest.raises(NotFoundError, match="jobs/1/plan.json"), objects.fetch("jobs/1/plan.json"):
        pass
    with pytest.raises(NotFoundError, match="jobs/1/plan.json"):
        objects.read("jobs/1/plan.json")


@pytest.mark.parametrize(("code", "words"), [("AccessDenied", "access is denied"), ("Odd", "AWS refused it: Odd")])
def test_what_s3_refuses_is_said_clearly_and_the_file_stays(s3, tmp_path, code, words):
    path = tmp_path / "file"
    path.write_bytes(b"rows")
    objects, stub = _refusing(s3, "put_object", code, 403)
    with stub, pytest.raises(StorageError, match=words) as caught:
        objects.put(path, "jobs/1/data")
    assert caught.value.problems[0].field == f"s3://{LAKE}/jobs/1/data"
    assert path.exists()


def test_a_bucket_that_is_gone_is_no_missing_file(s3):
    lost = S3Objects(s3, "no-such-bucket")
    with pytest.raises(StorageError, match="does not exist"):
        list(lost.keys("jobs/1/"))


def test_access_denied_is_no_missing_file(s3):
    for call, ask in (
        ("head_object", lambda objects: objects.exists("jobs/1/a")),
        ("get_object", lambda objects: objects.read("jobs/1/a")),
        ("list_objects_v2", lambda objects: list(objects.keys("jobs/1/"))),
    ):
        objects, stub = _refusing(s3, call, "AccessDenied", 403)
        with stub, pytest.raises(StorageError, match="access is denied") as caught:
            ask(objects)
        assert isinstance(caught.value.__cause__, ClientError)


def test_an_aws_out_of_reach_is_said(objects, s3, monkeypatch):
    def refuse(**_):
        raise EndpointConnectionError(endpoint_url="https://s3")

    monkeypatch.setattr(s3, "head_object", refuse)
    with pytest.raises(StorageError, match="out of reach: EndpointConnectionError"):
        objects.exists("jobs/1/a")

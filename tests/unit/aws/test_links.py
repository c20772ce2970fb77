from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.aws.clients import make_client
from synthcredit.aws.links import MAX_UPLOAD_BYTES, S3Links, _problems
from synthcredit.aws.objects import parse_uri
from synthcredit.errors import InvalidInputError, StorageError

from .conftest import INBOX, LAKE


@pytest.fixture
def links(s3):
    return S3Links(make_client("s3", addressing="virtual"), LAKE, INBOX, 600)


def _query(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_a_link_reads_one_file_for_a_while_and_names_it(links):
    url = links.download("jobs/1/data/loans/part-00000.parquet")
    parts, query = urlsplit(url), _query(url)
    assert parts.hostname == f"{LAKE}.s3.eu-central-1.amazonaws.com"
    assert parts.path == "/jobs/1/data/loans/part-00000.parquet"
    assert query["response-content-disposition"] == 'attachment; filename="part-00000.parquet"'
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert int(query["X-Amz-Expires"]) == links.seconds == 600


def test_a_name_cannot_add_to_the_header(links):
    query = _query(links.download('jobs/1/a"; x=\r\ny.csv'))
    assert query["response-content-disposition"] == 'attachment; filename="a___x___y.csv"'


def test_an_upload_is_for_one_name_and_one_size(links):
    url, uri = links.upload("my data (1).csv", 12)
    place = parse_uri(uri)
    assert (place.bucket, place.name) == (INBOX, "my data (1).csv")
    assert place.key.split("/")[0] == "uploads"
    assert len(place.key.split("/")[1]) == 32
    assert urlsplit(url).hostname == f"{INBOX}.s3.eu-central-1.amazonaws.com"
    # The size is signed; nothing else is that the sender would have to know.
    assert _query(url)["X-Amz-SignedHeaders"] == "content-length;host"
    assert not [name for name in _query(url) if "checksum" in name.lower()]


def test_two_uploads_of_one_name_do_not_meet(links):
    assert links.upload("a.csv", 1)[1] != links.upload("a.csv", 1)[1]


@pytest.mark.parametrize(
    "name", ["", "../a.csv", "a/b.csv", ".csv", "a?versionId=1.csv", "a\n.csv", "a" * 101, "ä.csv"]
)
def test_names_are_plain(links, name):
    with pytest.raises(InvalidInputError, match="plain file name"):
        links.upload(name, 1)


@pytest.mark.parametrize("size", [0, -1, MAX_UPLOAD_BYTES + 1])
def test_sizes_are_what_s3_takes_at_once(links, size):
    with pytest.raises(InvalidInputError, match="cannot be uploaded by a link"):
        links.upload("a.csv", size)


def test_all_that_is_wrong_is_said_at_once(links):
    with pytest.raises(InvalidInputError) as caught:
        links.upload("a/b", 0)
    assert [problem.field for problem in caught.value.problems] == ["name", "size"]


@given(st.text(max_size=30))
def test_every_name_that_is_taken_makes_a_uri_that_is_read(name):
    if not _problems(name, 1):
        assert parse_uri(f"s3://{INBOX}/uploads/1/{name}").name == name


def test_without_credentials_nothing_is_signed(links, monkeypatch):
    def refuse(*_, **__):
        raise NoCredentialsError

    monkeypatch.setattr(links._client, "generate_presigned_url", refuse)
    with pytest.raises(StorageError, match="NoCredentialsError"):
        links.download("jobs/1/report.html")

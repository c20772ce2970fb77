"""An AWS in this process, made anew for every test."""

import os

import pytest
from moto import mock_aws

from synthcredit.aws import clients
from synthcredit.aws.clients import make_client
from synthcredit.aws.objects import S3Objects
from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema

LAKE, INBOX = "the-lake", "the-inbox"


@pytest.fixture(autouse=True, scope="module")
def _own_session():
    """Keep a module's session, which is slow to make, and nobody else's."""
    clients.session.cache_clear()
    yield
    clients.session.cache_clear()


@pytest.fixture(autouse=True)
def aws(monkeypatch):
    """Let no profile, endpoint or role of this machine have a part in a test."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    with mock_aws():
        yield


@pytest.fixture
def s3():
    client = make_client("s3")
    for bucket in (LAKE, INBOX):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture
def objects(s3):
    return S3Objects(s3, LAKE)


@pytest.fixture
def schema():
    """One column of each type."""
    columns = [
        Column(name="Number", storage_name="number", kind=Kind.INTEGER, dtype=Dtype.INT64),
        Column(name="amount.in.EUR", storage_name="amount_in_eur", kind=Kind.CONTINUOUS, dtype=Dtype.DOUBLE),
        Column(name="Notes\nand more", storage_name="notes_and_more", kind=Kind.TEXT, dtype=Dtype.STRING),
        Column(name="ok", storage_name="ok", kind=Kind.BOOLEAN, dtype=Dtype.BOOL, categories=(True, False)),
        Column(name="day", storage_name="day", kind=Kind.DATETIME, dtype=Dtype.DATE),
        Column(name="at", storage_name="at", kind=Kind.DATETIME, dtype=Dtype.TIMESTAMP),
        Column(name="hour", storage_name="hour", kind=Kind.DATETIME, dtype=Dtype.TIME),
    ]
    return TableSchema(name="loans", columns=columns)

from datetime import timedelta

import pytest
from pydantic import ValidationError

from synthcredit.datasets import source
from synthcredit.jobs.job import now
from synthcredit.usecases.upload import MAX_BYTES, SUFFIXES, UploadRequest, upload


def test_a_link_for_one_file_of_one_size(linker):
    told = upload(UploadRequest(name="my applicants.csv", size=12), linker)
    assert told.url == "https://inbox/my applicants.csv?size=12"
    assert told.uri == "s3://inbox/uploads/1/my applicants.csv"
    assert (told.method, told.headers) == ("PUT", {"Content-Length": "12"})
    assert timedelta(seconds=590) < told.expires_at - now() <= timedelta(seconds=600)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("a.csv", 0),
        ("a.csv", MAX_BYTES + 1),
        ("", 1),
        ("../a.csv", 1),
        ("folder/a.csv", 1),
        ("a.exe", 1),
        ("csv", 1),
        (".csv", 1),
        ("a" * 97 + ".csv", 1),
        ("a\n.csv", 1),
    ],
)
def test_what_is_no_file_of_data_is_refused(name, size):
    with pytest.raises(ValidationError):
        UploadRequest(name=name, size=size)


def test_what_may_be_uploaded_is_what_can_be_read():
    assert set(SUFFIXES) == {*source._TEXT_SUFFIXES, *source._PARQUET_SUFFIXES}

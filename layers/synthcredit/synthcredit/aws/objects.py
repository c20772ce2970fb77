"""The object store on S3: one bucket of the platform's own, and whatever data a request names."""

from __future__ import annotations

import mimetypes
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from synthcredit.aws.clients import Client
from synthcredit.aws.refusals import code_of, refusals
from synthcredit.aws.settings import BUCKET_PATTERN
from synthcredit.errors import InvalidInputError, NotFoundError, Problem

_VERSION = "?versionId="
_UNPRINTABLE = r"[\x00-\x1f\x7f\ud800-\udfff]"
_GONE = ("404", "NoSuchKey", "NoSuchBucket", "NotFound")
_NO_VERSION = ("400", "405", "InvalidArgument", "MethodNotAllowed", "NoSuchVersion")
_DENIED = ("403", "AccessDenied")
_UPLOAD = "upload the file by POST /datasets or `synthcredit submit --data FILE`"


@dataclass(frozen=True, slots=True)
class S3Uri:
    """``s3://bucket/key``, or one version of it: ``s3://bucket/key?versionId=v``."""

    bucket: str
    key: str
    version: str | None = None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}" + (f"{_VERSION}{self.version}" if self.version else "")

    @property
    def name(self) -> str:
        """The file's name; its suffix decides how the file is read."""
        return self.key.rsplit("/", 1)[-1]

    @property
    def arguments(self) -> dict[str, str]:
        """What S3's calls want to know of it."""
        return {"Bucket": self.bucket, "Key": self.key} | ({"VersionId": self.version} if self.version else {})


def parse_uri(uri: str) -> S3Uri:
    """Parse what a request named as its data. A key is taken as it is: nothing in it is decoded.

    Raises
    ------
    InvalidInputError
        It is no S3 URI of one file.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme != "s3":
        what = f"'{scheme}' cannot be read on AWS" if separator else f"'{uri}' is a path of another machine"
        raise _unfit(what, f"Give s3://bucket/key, or {_UPLOAD}.")
    bucket, _, path = rest.partition("/")
    key, versioned, version = path.partition(_VERSION)
    if not re.fullmatch(BUCKET_PATTERN, bucket):
        raise _unfit(f"'{uri}' names no bucket", "Give s3://bucket/key.")
    if re.search(_UNPRINTABLE, key) or len(key.encode()) > 1024 or not _is_file_name(key.rsplit("/", 1)[-1]):
        raise _unfit(f"'{uri}' names no file", "Give the key of one CSV or Parquet file: s3://bucket/key.")
    if versioned and not re.fullmatch(r"[!-~]{1,1024}", version):
        raise _unfit(f"'{uri}' has a malformed version", "Give the version as S3 lists it, or leave it out.")
    return S3Uri(bucket, key, version or None)


def _is_file_name(name: str) -> bool:
    return name not in ("", ".", "..") and len(name.encode()) <= 255


def _unfit(problem: str, fix: str) -> InvalidInputError:
    return InvalidInputError(Problem("source.uri", problem, fix))


class S3Objects:
    """Files in one bucket.

    Parameters
    ----------
    client
        An S3 client of boto3.
    bucket
        The lake: what a job makes, and models.
    """

    def __init__(self, client: Client, bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    @contextmanager
    def source(self, uri: str) -> Iterator[Path]:
        """Give a copy of the file that a request names, under its own name."""
        place = self._source(uri)
        with self.scratch() as folder:
            path = folder / place.name
            with self._reading(place):
                extra = {"VersionId": place.version} if place.version else None
                self.client.download_file(place.bucket, place.key, str(path), ExtraArgs=extra)
            yield path

    def size(self, uri: str) -> int:
        """Return the size of the file that a request names, in bytes; raises what `source` does."""
        place = self._source(uri)
        with self._reading(place):
            return int(self.client.head_object(**place.arguments)["ContentLength"])

    def head(self, uri: str, nbytes: int) -> bytes:
        """Return the first bytes of the file that a request names; raises what `source` does."""
        place = self._source(uri)
        with self._reading(place):
            try:
                answer = self.client.get_object(**place.arguments, Range=f"bytes=0-{nbytes - 1}")
            except ClientError as error:
                if code_of(error) == "InvalidRange":
                    # The file is empty.
                    return b""
                raise
            return bytes(answer["Body"].read())

    @contextmanager
    def fetch(self, key: str) -> Iterator[Path]:
        """Give a copy of the file at a key."""
        key = _key(key)
        with self.scratch() as folder:
            path = folder / PurePosixPath(key).name
            with refusals(self.link(key)), _missing(key):
                self.client.download_file(self.bucket, key, str(path))
            yield path

    def read(self, key: str) -> bytes:
        """Return the content of a small file.

        Raises
        ------
        NotFoundError
            There is no such file.
        """
        key = _key(key)
        with refusals(self.link(key)), _missing(key):
            return bytes(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def put(self, path: Path, key: str) -> None:
        """Upload a finished file, in parts where it is large; boto3 sends checksums that S3 verifies."""
        key = _key(key)
        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        with refusals(self.link(key)):
            self.client.upload_file(str(path), self.bucket, key, ExtraArgs={"ContentType": kind})
            path.unlink()

    def exists(self, key: str) -> bool:
        """Tell whether there is a file at a key."""
        key = _key(key)
        with refusals(self.link(key)):
            try:
                self.client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if code_of(error) in _GONE:
                    return False
                raise
            return True

    def entries(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Yield what S3 lists under a prefix, sorted by key: Key, ETag, LastModified, Size."""
        folder = _folder(prefix)
        with refusals(self.link(folder)):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=folder):
                yield from page.get("Contents", ())

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, sorted."""
        for entry in self.entries(prefix):
            yield entry["Key"]

    def delete(self, prefix: str) -> None:
        """Remove everything under a prefix, every version of it: rows that failed the gate must not lie about."""
        folder = _folder(prefix)
        with refusals(self.link(folder)):
            pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=folder)
            # All listed first: a listing that goes on where an object has gone is for each store to make sense of.
            for page in list(pages):
                found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                self._delete([{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found])

    def _delete(self, found: list[dict[str, str]]) -> None:
        if not found:
            return
        answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": found, "Quiet": True})
        for refused in answer.get("Errors", ()):
            # Said in an answer of 200, object by object; the first tells.
            raise ClientError({"Error": {"Code": refused["Code"]}}, "DeleteObjects")

    def link(self, key: str) -> str:
        """Return the S3 URI of a file."""
        return f"s3://{self.bucket}/{key}"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give an empty folder, in $TMPDIR where that is set."""
        with tempfile.TemporaryDirectory(prefix="synthcredit-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def free_bytes(self) -> None:
        """Return None: a bucket has no limit."""

    def _source(self, uri: str) -> S3Uri:
        place = parse_uri(uri)
        if place.bucket == self.bucket:
            # Else a request could learn rows that no gate has let through yet, of whoever's job.
            raise _unfit(f"'{uri}' is in the platform's own bucket", f"Name the data where it came from, or {_UPLOAD}.")
        return place

    @contextmanager
    def _reading(self, place: S3Uri) -> Iterator[None]:
        """Say of a request's data why it cannot be read: by the request's fault, or by the store's."""
        with refusals(str(place)):
            try:
                yield
            except ClientError as error:
                problem = self._why_not(place, code_of(error))
                if problem is None:
                    raise
                raise problem from error

    def _why_not(self, place: S3Uri, code: str) -> InvalidInputError | None:
        if code in _DENIED:
            return _unfit(
                f"{place} does not exist, or the platform may not read it",
                f"Look at the key, and let the platform's role read the bucket; or {_UPLOAD}.",
            )
        if code == "InvalidObjectState":
            return _unfit(f"{place} is archived", "Restore it, then submit the request again.")
        if place.version and code in (*_GONE, *_NO_VERSION):
            problem, fix = f"{place} has no such version", "Give a version that S3 lists, or leave it out."
        elif code in _GONE and self._bucket_is_missing(place.bucket):
            problem, fix = f"there is no bucket '{place.bucket}'", f"Look at the name, or {_UPLOAD}."
        elif code in _GONE:
            problem, fix = f"{place} does not exist", f"Look at the key, or {_UPLOAD}."
        else:
            return None
        return NotFoundError(Problem("source.uri", problem, fix))

    def _bucket_is_missing(self, bucket: str) -> bool:
        # The answer to a HEAD of a file has no body that would tell a missing bucket from a missing key.
        try:
            self.client.head_bucket(Bucket=bucket)
        except ClientError as error:
            return code_of(error) in _GONE
        return False


@contextmanager
def _missing(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code_of(error) not in _GONE:
            raise
        raise NotFoundError(Problem(f"file {key}", "it does not exist", "Run the job again.")) from error


def _key(key: str) -> str:
    parts = PurePosixPath(key).parts
    if not parts or ".." in parts or PurePosixPath(key).is_absolute():
        raise InvalidInputError(Problem("key", "it leads out of the store", "Use a relative key without '..'."))
    return "/".join(parts)


def _folder(prefix: str) -> str:
    # With its slash: jobs/1 is not the beginning of jobs/12.
    return f"{_key(prefix)}/"

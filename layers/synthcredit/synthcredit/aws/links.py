"""Links to S3 that work for a while without any other right."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any
from uuid import uuid4

from synthcredit.aws.clients import Client
from synthcredit.aws.objects import S3Uri
from synthcredit.aws.refusals import refusals
from synthcredit.errors import Problem, raise_all

MAX_UPLOAD_BYTES = 5 * 2**30
"""S3 takes no more in one PUT."""
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_ .()+-]{0,99}"


class S3Links:
    """Presigned links to the lake, and into the inbox.

    Parameters
    ----------
    client
        An S3 client of boto3. A link works no longer than the credentials that this client signs with.
    lake, inbox
        The names of the buckets.
    seconds
        How long a link works.
    """

    def __init__(self, client: Client, lake: str, inbox: str, seconds: int) -> None:
        self._client = client
        self._lake = lake
        self._inbox = inbox
        self._seconds = seconds

    @property
    def seconds(self) -> int:
        """How long a link works."""
        return self._seconds

    def download(self, key: str) -> str:
        """Return a link to read the file at a key, which a browser saves under the file's name."""
        name = re.sub(r"[^\w.-]", "_", PurePosixPath(key).name, flags=re.ASCII)
        named = {"ResponseContentDisposition": f'attachment; filename="{name}"'}
        return self._signed("get_object", {"Bucket": self._lake, "Key": key, **named})

    def upload(self, name: str, size: int) -> tuple[str, str]:
        """Return a link to put a file of exactly this size into the inbox, and the URI it will have there.

        The size is part of the signature. The content type is not: the caller is free to send one or none. The bucket
        encrypts by its own default.

        Raises
        ------
        InvalidInputError
            The name cannot be a file's name, or the size is nothing or too much.
        """
        raise_all(_problems(name, size))
        place = S3Uri(self._inbox, f"uploads/{uuid4().hex}/{name}")
        return self._signed("put_object", {**place.arguments, "ContentLength": size}), str(place)

    def _signed(self, call: str, arguments: dict[str, Any]) -> str:
        with refusals(f"bucket {arguments['Bucket']}"):
            return str(self._client.generate_presigned_url(call, Params=arguments, ExpiresIn=self._seconds))


def _problems(name: str, size: int) -> list[Problem]:
    problems = []
    if not re.fullmatch(_NAME, name):
        problem = "it is no plain file name of at most 100 letters, digits, spaces and . _ - + ( )"
        problems.append(Problem("name", problem, "Give the file's own name, without folders."))
    if not 1 <= size <= MAX_UPLOAD_BYTES:
        problem = f"a file of {size:,} bytes cannot be uploaded by a link"
        problems.append(Problem("size", problem, f"Give 1 to {MAX_UPLOAD_BYTES:,} bytes; put larger ones into S3."))
    return problems

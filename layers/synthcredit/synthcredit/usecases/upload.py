"""Ask for a link by which real data can be brought in."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from synthcredit.jobs.job import now
from synthcredit.ports import Links

SUFFIXES = (".csv", ".tsv", ".txt", ".psv", ".tab", ".parquet", ".pq")
"""What can be read, as `datasets.source` knows it; restated, since that needs Arrow."""
MAX_BYTES = 5 * 1024**3
"""Amazon S3 takes no more in one PUT."""


class UploadRequest(BaseModel):
    """A file that is to be brought in."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ .()+-]*$",
            description="The file's name, without folders, e.g. applicants.csv.",
        ),
    ]
    size: Annotated[int, Field(ge=1, le=MAX_BYTES, description="The file's size in bytes.")]

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        if PurePosixPath(value).suffix.lower() not in SUFFIXES:
            raise ValueError(f"the extension is not known; give a file with one of: {', '.join(SUFFIXES)}")
        return value


class Upload(BaseModel):
    """Where to send a file, and how a request names it then."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    url: Annotated[str, Field(description="Send the file here.")]
    method: Annotated[str, Field(description="How to send it.")] = "PUT"
    headers: Annotated[dict[str, str], Field(description="What to send along: the link holds for this size alone.")]
    uri: Annotated[str, Field(description="What to give as source.uri once the file is there.")]
    expires_at: Annotated[datetime, Field(description="When the link ends.")]


def upload(request: UploadRequest, links: Links) -> Upload:
    """Return a link by which one file can be put into the inbox."""
    until = now() + timedelta(seconds=links.seconds)
    url, uri = links.upload(request.name, request.size)
    return Upload(url=url, uri=uri, headers={"Content-Length": str(request.size)}, expires_at=until)

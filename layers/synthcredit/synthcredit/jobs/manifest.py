"""The manifest: what went in, what came out, and what it takes to make the same again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.datasets.split import Split
from synthcredit.evidence.model import Finding
from synthcredit.jobs.planning import Book, Declared
from synthcredit.jobs.request import JobRequest
from synthcredit.synthesizers.conditions import Steering


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Output(_Model):
    """One file that a job delivered."""

    name: str
    rows: int | None = None
    size: Annotated[int, Field(description="In bytes.")]
    sha256: str


class Manifest(_Model):
    """The provenance of one dataset."""

    version: int = 2
    job_id: str
    created_at: datetime
    request: JobRequest
    request_hash: str
    data_hash: Annotated[str | None, Field(description="SHA-256 of the training data file.")] = None
    schema_fingerprint: Annotated[str | None, Field(description="Of the one table of a model.")] = None
    split: Split | None = None
    model_id: Annotated[str | None, Field(description="The model; none where rules made the rows.")] = None
    model_hash: str | None = None
    model_reused: bool = False
    book: Annotated[Book | None, Field(description="What a portfolio was made of.")] = None
    declared: Annotated[Declared | None, Field(description="The tables that were made as the request declares.")] = None
    seed: int
    rows: Annotated[int, Field(description="Of all tables.")]
    dataset_hash: Annotated[str, Field(description="SHA-256 over the SHA-256 of every data part, in order.")]
    steering: Annotated[
        Steering | None,
        Field(description="What the rows were asked to be like, and which shares of the training rows that shifts."),
    ] = None
    outputs: tuple[Output, ...]
    documents: Annotated[tuple[Output, ...], Field(description="Report and evidence, by their hashes.")] = ()
    findings: tuple[Finding, ...]
    packages: dict[str, str]


def dataset_hash(parts: Iterable[str]) -> str:
    """Return one hash for a dataset from the hex hashes of its parts, in order."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()

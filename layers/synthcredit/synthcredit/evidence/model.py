"""Evidence as data: what was measured about one synthetic dataset, beside what real rows reach."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Status(StrEnum):
    """What became of one question."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_JUDGED = "not judged"
    """It could not be measured; never to be read as good."""


class Measure(_Model):
    """One figure about the synthetic data, beside the same figure for fresh real rows."""

    name: str
    value: float | None
    fresh: Annotated[float | None, Field(description="The same figure for real training rows against the holdout.")] = None
    rows: Annotated[int | None, Field(description="Rows a side that the figure was taken over.")] = None
    reading: Annotated[str, Field(description="One plain sentence: what the figure says.")]
    why_not: Annotated[str | None, Field(description="Why it could not be measured, where value is None.")] = None


class Finding(_Model):
    """What the gate says of one part."""

    part: str
    status: Status
    reason: str
    try_this: Annotated[str | None, Field(description="What to try where it failed.")] = None


class Check(_Model):
    """One validity check, from the Great Expectations suite."""

    expectation: str
    column: str | None
    passed: bool
    detail: str


class Evidence(_Model):
    """All that was measured about one synthetic dataset."""

    version: int = 1
    table: str
    target: str | None
    rows: dict[str, int]
    validity: tuple[Check, ...]
    fidelity: tuple[Measure, ...]
    columns: Annotated[dict[str, float], Field(description="SDMetrics column shape by column.")]
    utility: tuple[Measure, ...]
    privacy: tuple[Measure, ...]
    notes: tuple[str, ...] = ()

"""Evidence as data: what was measured about one synthetic dataset, beside what real rows reach."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Status(StrEnum):
    """What became of one question."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_JUDGED = "not judged"
    """It could not be measured; never to be read as good."""


class Figure(StrEnum):
    """The figures that are measured, by the names that evidence, gate and report know them by."""

    PAIR_TRENDS = "pair_trends"
    ASSOCIATIONS_KEPT = "associations_kept"
    SDMETRICS_QUALITY = "sdmetrics_quality"
    SDMETRICS_SHAPES = "sdmetrics_column_shapes"
    SDMETRICS_TRENDS = "sdmetrics_pair_trends"
    SDMETRICS_DIAGNOSTIC = "sdmetrics_diagnostic"
    TSTR = "tstr"
    TRTR = "trtr"
    TSTR_LOSS = "tstr_loss"
    COPIED = "copied_rows"
    COPIED_EXCESS = "copied_rows_excess"
    COPIED_DISTINCT = "copied_distinct_rows"
    COPIED_DISTINCT_EXCESS = "copied_distinct_rows_excess"


class Unit(StrEnum):
    """How a figure is to be read."""

    SCORE = "score"
    """From 0 to 1, more is better."""
    SHARE = "share"
    """A share of rows, from 0 to 1."""
    DIFFERENCE = "difference"
    """The difference of two scores or shares, from -1 to 1."""


class Measure(_Model):
    """One figure about the synthetic data, beside the same figure for fresh real rows."""

    name: Figure
    title: Annotated[str, Field(description="The name for people.")]
    unit: Unit = Unit.SCORE
    value: float | None
    low: Annotated[float | None, Field(description="Lower bound of the interval, where there is one.")] = None
    high: Annotated[float | None, Field(description="Upper bound of the interval, where there is one.")] = None
    fresh: Annotated[
        float | None, Field(description="The same figure for real rows: training rows against the holdout.")
    ] = None
    rows: Annotated[int | None, Field(description="Rows that the figure was taken over, a side.")] = None
    fresh_rows: Annotated[int | None, Field(description="Rows of the fresh figure, where they are not as many.")] = None
    reading: Annotated[str, Field(description="One plain sentence: what the figure says.")]
    why_not: Annotated[str | None, Field(description="Why it could not be measured, where value is None.")] = None


class Finding(_Model):
    """What the gate says of one part."""

    part: str
    status: Status
    reason: str
    try_this: Annotated[str | None, Field(description="What to try where it failed.")] = None
    required: Annotated[
        bool, Field(description="Whether it stops publication where it could not be judged; failed always stops.")
    ] = True


class Check(_Model):
    """One validity check, from the Great Expectations suite."""

    expectation: Annotated[str, Field(description="The name that Great Expectations has for it.")]
    column: Annotated[str | None, Field(description="The column; None where it is about the table.")]
    passed: bool
    detail: Annotated[str, Field(description="What was expected and how many rows break it; never a value.")]


class Evidence(_Model):
    """All that was measured about one synthetic dataset."""

    version: int = 1
    table: str
    target: str | None
    rows: Annotated[
        dict[str, int], Field(description="Rows by side: released, synthetic (assessed), train and holdout.")
    ]
    validity: tuple[Check, ...]
    fidelity: tuple[Measure, ...]
    columns: Annotated[dict[str, float], Field(description="SDMetrics column shape by column, against the holdout.")]
    columns_fresh: Annotated[dict[str, float], Field(description="The same for real training rows.")] = {}
    utility: tuple[Measure, ...]
    privacy: tuple[Measure, ...]
    notes: tuple[str, ...] = ()

    def measure(self, name: Figure) -> Measure | None:
        """Return one figure, or None where this evidence does not have it."""
        return next((m for m in (*self.fidelity, *self.utility, *self.privacy) if m.name is name), None)

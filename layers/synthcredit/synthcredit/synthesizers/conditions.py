"""What synthetic rows are asked to be like: conditions as a request states them, and as a plan has checked them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synthcredit.datasets.schema import Value


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Range(_Model):
    """Numbers, dates or times from ``min`` to ``max``, both included; either may be open. Never missing.

    A day alone as ``max`` of a column of dates with times is that day's end.
    """

    min: float | str | None = None
    max: float | str | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a range needs min, max or both")
        return self


Wanted = Value | None | Range | tuple[Value | None, ...]
"""One value, a range, or a list of values; null is missing."""


class Shares(_Model):
    """How often some categories of a column are to come; the others share what is left as they do in the model."""

    column: str
    of: Annotated[dict[str, Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)]


class Conditions(_Model):
    """What synthetic rows are asked to be like. Without any, they are like the training rows."""

    target_rate: Annotated[
        float | None,
        Field(ge=0, le=1, description="Share of rows with the rarer class of the target, such as default; exact."),
    ] = None
    where: Annotated[
        dict[str, Wanted],
        Field(description="By column: a value, a list of values, or a range {min, max} that every row has."),
    ] = {}
    balance: Annotated[str | None, Field(description="A column whose categories are all to come equally often.")] = None
    shares: Annotated[
        Shares | None, Field(description="A column, and how often some of its categories are to come.")
    ] = None

    @model_validator(mode="after")
    def _one_quota(self) -> Self:
        given = [name for name in ("target_rate", "balance", "shares") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} cannot be met at once: choose one of them")
        return self

    def __bool__(self) -> bool:
        return self != Conditions()


class Quota(_Model):
    """How often each of some groups of categories is to come: exact over all rows of a dataset.

    Parameters
    ----------
    column
        A categorical or boolean column.
    groups
        Codes by group: no code in two groups.
    shares
        How often each group is to come; they add up to 1.
    trained
        How often it came in the training rows: the prior that is shifted.
    labels
        What people call each group.
    """

    column: str
    groups: tuple[tuple[int, ...], ...]
    shares: tuple[float, ...]
    trained: tuple[float, ...]
    labels: tuple[str, ...]

    def counts(self, rows: int) -> list[int]:
        """Return how many of the first ``rows`` rows of a dataset each group has.

        Of two groups each has its share, rounded; of more, each is within two rows of its share. More rows never mean
        fewer of a group, so that between any two places of a dataset there is a number of rows for each.
        """
        return _halved(self.shares, rows)


def _halved(shares: Sequence[float], rows: int) -> list[int]:
    """Cut groups in two of about equal share and round there, and so on in each half.

    Rounding the running sum of shares instead would be within one row, but at times take one away from a group.
    """
    if len(shares) == 1:
        return [rows]
    total = sum(shares)
    at = min(range(1, len(shares)), key=lambda cut: abs(sum(shares[:cut]) - total / 2))
    left = min(rows, math.floor(sum(shares[:at]) / total * rows + 0.5))
    return _halved(shares[:at], left) + _halved(shares[at:], rows - left)


class Steering(_Model):
    """Conditions, checked against one table: what its rows must be, and how often what is to come."""

    where: dict[str, Wanted] = {}
    quota: Quota | None = None

    def __bool__(self) -> bool:
        return bool(self.where) or self.quota is not None

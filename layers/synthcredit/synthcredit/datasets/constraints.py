"""What must hold in every row of a table, as a schema declares it. Whether rows keep it is judged in `rules`.

Light on purpose: requests are parsed with these models where no numpy is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Value = bool | int | float | str
Columns = Annotated[tuple[str, ...], Field(min_length=2, max_length=50)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Constraint(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class _OfColumns(_Constraint):
    """What constraints on several columns alike share."""

    columns: tuple[str, ...]

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("it names a column twice")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it is about."""
        return self.columns


class RangeConstraint(_Constraint):
    """Numbers or dates from ``minimum`` to ``maximum``, both included. Missing values are in every range."""

    kind: Literal["range"]
    column: str
    minimum: Annotated[Finite | str | None, Field(description="A number, or a date or time in ISO 8601.")] = None
    maximum: Annotated[Finite | str | None, Field(description="As minimum.")] = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError("a range needs minimum, maximum or both")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it is about."""
        return (self.column,)

    @property
    def says(self) -> str:
        """It in words, without its bounds: those may be extremes of real rows."""
        return f"'{self.column}' inside its declared range"


class OrderConstraint(_OfColumns):
    """Numbers or dates that never decrease from left to right. Missing values are passed over."""

    kind: Literal["order"]
    columns: Columns
    strict: Annotated[bool, Field(description="Whether equal values are refused too.")] = False

    @property
    def says(self) -> str:
        """It in words."""
        return (" < " if self.strict else " <= ").join(f"'{name}'" for name in self.columns)


class CombinationsConstraint(_OfColumns):
    """Only combinations of values that training rows have, those of at least k people."""

    kind: Literal["combinations"]
    columns: Columns

    @property
    def says(self) -> str:
        """It in words."""
        return f"a combination of {_quoted(self.columns)} that real rows have"


class FormulaConstraint(_Constraint):
    """A column is a sum: of coefficients times columns, and a constant, rounded to the column's own decimals.

    Judged where none of its columns is missing.
    """

    kind: Literal["formula"]
    column: str
    terms: Annotated[
        dict[str, Finite],
        Field(min_length=1, max_length=50, description="The coefficient of each column that is summed."),
    ]
    constant: Finite = 0.0

    @model_validator(mode="after")
    def _sums(self) -> Self:
        if self.column in self.terms:
            raise ValueError("the column is one of its own terms")
        if not all(self.terms.values()):
            raise ValueError("a coefficient is 0")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it is about."""
        return (self.column, *self.terms)

    @property
    def says(self) -> str:
        """It in words."""
        terms = [_term(factor, name) for name, factor in self.terms.items()]
        terms += [_signed(self.constant)] if self.constant else []
        return f"'{self.column}' = {' '.join(terms).removeprefix('+ ')}"


class NullsConstraint(_Constraint):
    """A column is missing where other columns have certain values, and, if ``only``, nowhere else."""

    kind: Literal["nulls"]
    column: str
    when: Annotated[
        dict[str, Annotated[tuple[Value | None, ...], Field(min_length=1, max_length=1_000)]],
        Field(
            min_length=1, max_length=20,
            description="By column, the values of it where `column` is missing; null: missing. All columns must agree.",
        ),
    ]  # fmt: skip
    only: Annotated[bool, Field(description="Whether it is missing nowhere else.")] = True

    @model_validator(mode="after")
    def _other(self) -> Self:
        if self.column in self.when:
            raise ValueError("the column decides on itself")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it is about."""
        return (self.column, *self.when)

    @property
    def says(self) -> str:
        """It in words."""
        return f"'{self.column}' missing {'exactly ' if self.only else ''}where {_quoted(self.when)} say so"


class UniqueConstraint(_OfColumns):
    """Values, or combinations of them, that come once in a dataset. Rows in which one is missing are not judged."""

    kind: Literal["unique"]
    columns: Annotated[tuple[str, ...], Field(min_length=1, max_length=50)]

    @property
    def says(self) -> str:
        """It in words."""
        return f"{_quoted(self.columns)} different in every row"


Constraint = Annotated[
    RangeConstraint | OrderConstraint | CombinationsConstraint | FormulaConstraint | NullsConstraint | UniqueConstraint,
    Field(discriminator="kind"),
]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _term(factor: float, name: str) -> str:
    if abs(factor) == 1:
        return f"{'-' if factor < 0 else '+'} '{name}'"
    return f"{_signed(factor)} '{name}'"


def _signed(number: float) -> str:
    return f"{'-' if number < 0 else '+'} {abs(number):g}"


def without_kind(field: str) -> str:
    """Return a field as whoever wrote the schema knows it: pydantic puts the kind of a constraint into its path."""
    return re.sub(r"(^|\.)(constraints\.\d+)\.(range|order|combinations|formula|nulls|unique)(?=\.|$)", r"\1\2", field)

"""The declaration: tables, columns, what fills them, and the rules that every row keeps.

What is wrong in one place is refused here; what contradicts something elsewhere, in `consistency`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from synthcredit.datasets.constraints import FormulaConstraint, NullsConstraint, OrderConstraint, UniqueConstraint
from synthcredit.datasets.schema import MAX_FORMAT, Pii
from synthcredit.declared.distributions import Distribution, Finite

MAX_CHILDREN = 100_000
MAX_ROWS = 1_000_000_000


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _equal_shares(given: Any) -> Any:  # noqa: ANN401 - whatever the file says; pydantic decides
    """Read a list of categories as equally frequent ones."""
    if not isinstance(given, list | tuple):
        return given
    if not all(isinstance(one, str | int) for one in given):
        raise ValueError("it lists something that is no category")
    if len({str(one) for one in given}) < len(given):
        raise ValueError("a category stands in it twice")
    return {one: 1 / len(given) for one in given}


def _adds_up(shares: dict[Any, float]) -> dict[Any, float]:
    total = math.fsum(shares.values())
    if not math.isclose(total, 1, abs_tol=1e-6):
        raise ValueError(f"the shares add up to {total:.6g}, not to 1")
    return shares


def _texts(given: Any) -> Any:  # noqa: ANN401 - as above
    """Read the keys of a mapping as text: true and false as JSON writes them, numbers by their digits."""
    if not isinstance(given, Mapping):
        return given
    return {str(key).lower() if isinstance(key, bool) else str(key): value for key, value in given.items()}


Share = Annotated[float, Field(ge=0, le=1)]
_Shares = Annotated[float, Field(gt=0, le=1)]
_Size = Field(min_length=1, max_length=10_000)
Texts = Annotated[
    dict[Annotated[str, Field(max_length=1_000)], _Shares],
    _Size,
    BeforeValidator(_equal_shares),
    AfterValidator(_adds_up),
]
Whole = Annotated[int, Field(ge=-(10**15), le=10**15)]
Wholes = Annotated[dict[Whole, _Shares], _Size, BeforeValidator(_equal_shares), AfterValidator(_adds_up)]


class GivenTexts(_Section):
    """Other categories for each category of another column."""

    column: Annotated[str, Field(description="A column of categories; `table.column` for one of a table above.")]
    categories: Annotated[
        dict[str, Texts], BeforeValidator(_texts), Field(description="By category of that column, this one's.")
    ]


class GivenWholes(_Section):
    """Other whole numbers for each category of another column."""

    column: Annotated[str, Field(description="A column of categories; `table.column` for one of a table above.")]
    categories: Annotated[
        dict[str, Wholes], BeforeValidator(_texts), Field(description="By category of that column, this one's.")
    ]


class GivenShares(_Section):
    """Another share of true for each category of another column."""

    column: Annotated[str, Field(description="A column of categories; `table.column` for one of a table above.")]
    shares: Annotated[
        dict[str, Share], BeforeValidator(_texts), Field(description="By category of that column, the share of true.")
    ]


class GivenDistributions(_Section):
    """Another distribution for each category of another column."""

    column: Annotated[str, Field(description="A column of categories; `table.column` for one of a table above.")]
    distributions: Annotated[
        dict[str, Distribution],
        BeforeValidator(_texts),
        Field(description="By category of that column, the distribution of this one."),
    ]


TAG = "~"
"""What begins those parts of pydantic's paths that are not in the file."""


def _which(given: Any) -> str:  # noqa: ANN401 - as above
    names = given if isinstance(given, Mapping) else getattr(given, "model_fields_set", ())
    return f"{TAG}categories" if "categories" in names else f"{TAG}distributions"


GivenOfIntegers = Annotated[
    Annotated[GivenWholes, Tag(f"{TAG}categories")] | Annotated[GivenDistributions, Tag(f"{TAG}distributions")],
    Discriminator(_which),
]
Missing = Annotated[float, Field(ge=0, lt=1, description="Share of rows in which it is missing, by chance.")]


class KeyColumn(_Section):
    """Tells the rows of its table apart, and follows from their parents' keys."""

    type: Literal["key"]
    format: Annotated[
        str | None,
        Field(
            max_length=MAX_FORMAT,
            description="Its pattern: 'C{:08d}', or '{parent}-{:03d}' in a child. Without one it is a whole number.",
        ),
    ] = None


class ForeignKeyColumn(_Section):
    """The key of a row of another table: of the one above, or of one that is drawn at random."""

    type: Literal["foreign_key"]
    of: Annotated[str, Field(description="A table above this one, or any other that belongs to none.")]
    missing: Missing = 0


class InheritedColumn(_Section):
    """The value that a table above has."""

    type: Literal["inherited"]
    of: Annotated[str, Field(description="`table.column`, of a table above.")]


class TextColumn(_Section):
    """Text: categories, or made-up personal data, a pattern or sentences."""

    type: Literal["text"]
    categories: Annotated[
        Texts | None, Field(description="The categories with their shares, or a list of equally frequent ones.")
    ] = None
    given: Annotated[GivenTexts | None, Field(description="Categories that depend on another column.")] = None
    fake: Annotated[
        Pii | Literal["sentence"] | None,
        Field(description="Personal data of nobody, the row's, or a neutral sentence."),
    ] = None
    format: Annotated[
        str | None, Field(max_length=MAX_FORMAT, description="A pattern that counts, such as 'CARD-{:06d}', or {uuid}.")
    ] = None
    missing: Missing = 0

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(one is not None for one in (self.categories, self.given, self.fake, self.format)) != 1:
            raise ValueError("it needs one of categories, given, fake and format")
        return self


class _Numbers(_Section):
    """What columns of numbers share."""

    minimum: Annotated[Finite | None, Field(description="Smallest value; distributions are cut to it.")] = None
    maximum: Annotated[Finite | None, Field(description="Largest value.")] = None
    distribution: Annotated[
        Distribution | None, Field(description="How its values are spread; uniform where it has only a range.")
    ] = None
    missing: Missing = 0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is above maximum")
        return self


class NumberColumn(_Numbers):
    """Amounts and measures with decimals, exact to the last of them."""

    type: Literal["number"]
    decimals: Annotated[int, Field(ge=0, le=6, description="Decimal places.")] = 2
    given: Annotated[GivenDistributions | None, Field(description="Distributions that depend on another column.")] = (
        None
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.distribution is not None and self.given is not None:
            raise ValueError("it has both distribution and given")
        return self


class IntegerColumn(_Numbers):
    """Whole numbers: counts, or codes that are listed."""

    type: Literal["integer"]
    categories: Annotated[
        Wholes | None, Field(description="The numbers that there are, with their shares, or a list.")
    ] = None
    given: Annotated[
        GivenOfIntegers | None, Field(description="Distributions, or categories, that depend on another column.")
    ] = None

    @property
    def listed(self) -> bool:
        """Whether its values are categories."""
        return self.categories is not None or isinstance(self.given, GivenWholes)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(one is not None for one in (self.categories, self.given, self.distribution)) > 1:
            raise ValueError("it has more than one of categories, given and distribution")
        if self.listed and (self.minimum is not None or self.maximum is not None):
            raise ValueError("its values are listed, so that minimum and maximum say nothing more")
        return self


class BooleanColumn(_Section):
    """True or false."""

    type: Literal["boolean"]
    share: Annotated[Share | None, Field(description="Share of true.")] = None
    given: Annotated[GivenShares | None, Field(description="Shares that depend on another column.")] = None
    missing: Missing = 0

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.share is None) == (self.given is None):
            raise ValueError("it needs share or given")
        return self


class DateColumn(_Section):
    """Days, all between the two ends equally often."""

    type: Literal["date"]
    minimum: Annotated[dt.date, Field(description="The first day.")]
    maximum: Annotated[dt.date, Field(description="The last day.")]
    missing: Missing = 0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError("minimum is after maximum")
        return self


class TimestampColumn(_Section):
    """Moments to the second, without a zone."""

    type: Literal["timestamp"]
    minimum: Annotated[dt.datetime, Field(description="The first moment.")]
    maximum: Annotated[dt.datetime, Field(description="The last moment.")]
    missing: Missing = 0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum.tzinfo is not None or self.maximum.tzinfo is not None:
            raise ValueError("moments have no zone here; leave it out")
        if self.minimum > self.maximum:
            raise ValueError("minimum is after maximum")
        return self


Column = Annotated[
    KeyColumn
    | ForeignKeyColumn
    | InheritedColumn
    | TextColumn
    | NumberColumn
    | IntegerColumn
    | BooleanColumn
    | DateColumn
    | TimestampColumn,
    Field(discriminator="type"),
]
Numeric = NumberColumn | IntegerColumn
Timed = DateColumn | TimestampColumn


class Fixed(_Section):
    """As many children for every parent."""

    kind: Literal["fixed"]
    count: Annotated[int, Field(ge=0, le=MAX_CHILDREN, description="Children of every parent.")]


class Between(_Section):
    """A number of children between two, all equally likely."""

    kind: Literal["range"]
    minimum: Annotated[int, Field(ge=0, le=MAX_CHILDREN, description="Fewest.")]
    maximum: Annotated[int, Field(ge=0, le=MAX_CHILDREN, description="Most.")]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError("minimum is above maximum")
        return self


class PoissonChildren(_Section):
    """A Poisson number of children."""

    kind: Literal["poisson"]
    mean: Annotated[float, Field(gt=0, le=MAX_CHILDREN / 2, description="Children on average.")]


Cardinality = Annotated[Fixed | Between | PoissonChildren, Field(discriminator="kind")]


class BelongsTo(_Section):
    """Whose children the rows of a table are."""

    table: Annotated[str, Field(description="The table above.")]
    children: Annotated[Cardinality, Field(description="How many rows each row of it has.")]


class RunningBalance(_Section):
    """A ledger: each balance is the one before plus the signed amount, row by row of one parent in order of time."""

    kind: Literal["running_balance"]
    column: Annotated[str, Field(description="The balance.")]
    amount: Annotated[str, Field(description="The amount that changes it.")]
    order_by: Annotated[str, Field(description="A date or timestamp; the rows of a parent are in its order.")]
    start: Annotated[
        Finite | str, Field(description="The balance before the first row: a number, or `table.column` of one above.")
    ] = 0.0
    minus: Annotated[
        dict[str, Annotated[tuple[str, ...], BeforeValidator(lambda given: _listed(given)), Field(min_length=1)]]
        | None,
        Field(
            min_length=1,
            max_length=1,
            description="A column of categories, and those of which the amount is taken away.",
        ),
    ] = None


class SumOfChildren(_Section):
    """A column that is the sum of a column of the table's children, to the cent."""

    kind: Literal["sum_of_children"]
    column: Annotated[str, Field(description="The sum; 0 where there are no children.")]
    table: Annotated[str, Field(description="The table of the children.")]
    of: Annotated[str, Field(description="Its column that is summed.")]


def _listed(given: Any) -> Any:  # noqa: ANN401 - as above
    """Read categories as text, as `_texts` does."""
    if not isinstance(given, list | tuple):
        return given
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in given)


Rule = Annotated[
    OrderConstraint | FormulaConstraint | NullsConstraint | UniqueConstraint | RunningBalance | SumOfChildren,
    Field(discriminator="kind"),
]


class Table(_Section):
    """One table."""

    rows: Annotated[int | None, Field(ge=1, le=MAX_ROWS, description="Rows, for a table that belongs to no other.")] = (
        None
    )
    belongs_to: Annotated[BelongsTo | None, Field(description="The table whose rows have the rows of this one.")] = None
    columns: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=200)], Column],
        Field(min_length=1, max_length=500, description="By name."),
    ]
    rules: Annotated[tuple[Rule, ...], Field(max_length=200, description="What holds in every row.")] = ()

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.rows is None) == (self.belongs_to is None):
            raise ValueError("it needs rows or belongs_to")
        if sum(isinstance(one, KeyColumn) for one in self.columns.values()) > 1:
            raise ValueError("it has more than one column of type key")
        return self

    @property
    def key(self) -> str | None:
        """The column that is the primary key."""
        return next((name for name, one in self.columns.items() if isinstance(one, KeyColumn)), None)


class Declaration(_Section):
    """Tables that are to be made."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$", description="Lower snake case.")]
    description: Annotated[str, Field(max_length=2_000, description="What it is, for people.")] = ""
    tables: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")], Table],
        Field(min_length=1, max_length=50, description="By name, in lower snake case."),
    ]

"""Decide what a column is from what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synthcredit.datasets import identifiers, pii
from synthcredit.datasets.arrow import to_floats
from synthcredit.datasets.forms import FEW_VALUES, Form
from synthcredit.datasets.profile import NumberProfile
from synthcredit.datasets.schema import Column, Dtype, Kind, Pii, Value, storage_name
from synthcredit.datasets.source import MIN_ROWS
from synthcredit.datasets.special import special_dates, special_values
from synthcredit.datasets.tally import Tally

MAX_CATEGORIES = 2000
"""Words of more distinct values than this are text."""
TEXT_DISTINCT = 500
"""Words of more distinct values than this are text where they are also more than `TEXT_SHARE` of the rows."""
TEXT_SHARE = 0.2
NEARLY_UNIQUE = 0.95
_CODE_REPEATS = 10
_LONG_NUMBER = 10
_TARGET_CLASSES = 10

_YES = frozenset({"yes", "y", "true", "t", "ja", "j", "oui", "o", "si", "sí", "s", "1", "on"})
_PAIRS = frozenset(
    {
        ("no", "yes"),
        ("n", "y"),
        ("false", "true"),
        ("f", "t"),
        ("ja", "nein"),
        ("j", "n"),
        ("non", "oui"),
        ("n", "o"),
        ("no", "si"),
        ("no", "sí"),
        ("n", "s"),
        ("off", "on"),
        ("0", "1"),
    }
)
_NOMINAL = frozenset(
    (
        *("sex", "gender", "education", "marriage", "marital", "status", "type", "class", "grade", "category", "code"),
        *("region", "purpose", "housing", "occupation", "job"),
    )
)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one column when its kind is decided.

    Parameters
    ----------
    name
        The column's name.
    form
        How it is stored and written.
    tally
        Its values, missing ones left out.
    numbers
        Its figures, where it holds numbers, dates or times.
    rows
        Of the table, missing values included.
    is_target
        Whether it is the outcome to predict.
    from_text
        Whether the file declares no type for it.
    """

    name: str
    form: Form
    tally: Tally
    numbers: NumberProfile | None
    rows: int
    is_target: bool
    from_text: bool

    @property
    def nullable(self) -> bool:
        """Whether values are missing."""
        return self.tally.count < self.rows

    @property
    def share(self) -> float:
        """Distinct values as a share of all."""
        return self.tally.distinct / self.tally.count

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        numeric = self.form.dtype in (Dtype.INT64, Dtype.DOUBLE)
        return numeric and self.numbers is not None and self.numbers.decimals == 0 and self._exact

    @property
    def _exact(self) -> bool:
        assert self.numbers is not None  # noqa: S101 - asked for numeric columns only
        return self.form.dtype is Dtype.INT64 or max(-self.numbers.minimum, self.numbers.maximum) <= 2**53

    @property
    def few(self) -> bool:
        """Whether a handful of values repeat again and again."""
        distinct = self.tally.distinct
        return distinct <= FEW_VALUES and self.tally.count >= _CODE_REPEATS * distinct

    def sample(self) -> list[str]:
        """Return some distinct values as text."""
        values = self.tally.values[: pii.SAMPLE]
        if self.whole:
            values = values.cast(pa.int64())
        return [str(value) for value in values.to_pylist()]


def decide(facts: Facts) -> Column:
    """Return the column."""
    if facts.tally.count == 0:
        # No category and only missing values: encodes to one state, decodes to nulls.
        return _column(facts, Kind.CATEGORICAL, categories=())
    if facts.whole or facts.form.dtype is Dtype.STRING:
        personal = pii.recognise(facts.name, facts.sample(), distinct=facts.tally.distinct, count=facts.tally.count)
        if personal is not None:
            return _personal(facts, personal)
        if _is_identifier(facts):
            return _identifier(facts)
    if facts.form.dtype in (Dtype.DATE, Dtype.TIMESTAMP, Dtype.TIME):
        return _datetime(facts)
    if facts.form.dtype is Dtype.BOOL:
        return _column(facts, Kind.BOOLEAN, categories=_categories(facts))
    return _number(facts) if facts.numbers is not None else _words(facts)


def _column(facts: Facts, kind: Kind, **fields: object) -> Column:
    defaults: dict[str, Any] = {"dtype": facts.form.dtype, "format": facts.form.format}
    return Column(
        name=facts.name,
        storage_name=storage_name(facts.name),
        kind=kind,
        nullable=facts.nullable,
        **(defaults | fields),
    )


def _personal(facts: Facts, personal: Pii) -> Column:
    words = personal in (Pii.FIRST_NAME, Pii.LAST_NAME, Pii.FULL_NAME, Pii.ADDRESS)
    pattern = None
    if personal is Pii.NATIONAL_ID:
        pattern = _national_id_format(facts.sample())
    return _column(facts, Kind.TEXT if words else Kind.IDENTIFIER, dtype=Dtype.STRING, format=pattern, pii=personal)


def _national_id_format(values: list[str]) -> str | None:
    """Return the pattern of national ids that are no US social security numbers; those have a maker of their own."""
    if pii.share(values, pii.is_ssn) >= 0.5:
        return None
    if pii.share(values, pii.is_nino) >= 0.5:
        # HMRC never issues the prefix QQ and uses it in its examples.
        return "QQ{:06d}C"
    return identifiers.fallback_format(values)


def _is_identifier(facts: Facts) -> bool:
    if facts.is_target:
        return False
    if identifiers.says_identifier(facts.name) or identifiers.customer_rank(facts.name) is not None:
        return not facts.few
    if facts.tally.distinct < MIN_ROWS or facts.share < NEARLY_UNIQUE:
        return False
    if facts.form.dtype is Dtype.STRING:
        return identifiers.text_format(facts.sample()) is not None
    return facts.tally.unique and _is_sequence_or_long(facts)


def _is_sequence_or_long(facts: Facts) -> bool:
    assert facts.numbers is not None  # noqa: S101 - numbers, by the caller's test
    low, high = facts.numbers.minimum, facts.numbers.maximum
    sequence = high - low + 1 == facts.tally.count and not facts.nullable
    long = low >= 10 ** (_LONG_NUMBER - 1) and len(str(int(low))) == len(str(int(high)))
    return sequence or long


def _identifier(facts: Facts) -> Column:
    repeats = None if facts.tally.unique else max(1.0, round(facts.tally.count / facts.tally.distinct, 3))
    if facts.form.dtype is Dtype.STRING:
        values = facts.sample()
        pattern = identifiers.text_format(values) if len(values) > 1 else None
        return _column(
            facts,
            Kind.IDENTIFIER,
            format=pattern or identifiers.fallback_format(values),
            rows_per_value=repeats,
        )
    assert facts.numbers is not None  # noqa: S101 - no string, so numbers
    # New numbers begin at a power of ten: as long as the real ones, without telling one of them.
    low = int(max(facts.numbers.minimum, 0))
    minimum = 0 if low == 0 else 10 ** (len(str(low)) - 1)
    return _column(
        facts,
        Kind.IDENTIFIER,
        dtype=Dtype.INT64,
        format="{:d}",
        minimum=minimum if facts.numbers.minimum >= 0 else None,
        rows_per_value=repeats,
    )


def _datetime(facts: Facts) -> Column:
    assert facts.numbers is not None  # noqa: S101 - dates have figures
    return _column(
        facts,
        Kind.DATETIME,
        minimum=facts.numbers.minimum,
        maximum=facts.numbers.maximum,
        special_values=special_dates(facts.numbers, to_floats(facts.tally.values)),
    )


def _number(facts: Facts) -> Column:
    assert facts.numbers is not None  # noqa: S101 - by the caller's test
    # Text files write whole numbers with gaps as 1.0; a declared double stays one.
    dtype = Dtype.INT64 if facts.whole and facts.from_text else facts.form.dtype
    distinct = facts.tally.distinct
    if facts.whole and distinct == 2 and set(facts.tally.values.to_pylist()) == {0, 1}:
        return _column(facts, Kind.BOOLEAN, dtype=dtype, categories=_categories(facts, dtype))
    few_classes = facts.is_target and 1 < distinct <= _TARGET_CLASSES
    if facts.whole and (few_classes or _is_nominal(facts)):
        return _column(facts, Kind.CATEGORICAL, dtype=dtype, categories=_categories(facts, dtype))
    return _column(
        facts,
        Kind.INTEGER if facts.whole else Kind.CONTINUOUS,
        dtype=dtype,
        minimum=facts.numbers.minimum,
        maximum=facts.numbers.maximum,
        decimals=None if dtype is Dtype.INT64 else facts.numbers.decimals,
        special_values=special_values(facts.numbers),
    )


def _is_nominal(facts: Facts) -> bool:
    """Tell whether whole numbers are codes without an order: by name, and by how few there are."""
    words = set(storage_name(facts.name).split("_"))
    return facts.few and facts.tally.distinct > 1 and bool(words & _NOMINAL)


def _words(facts: Facts) -> Column:
    distinct = facts.tally.distinct
    many = not facts.tally.exact or distinct > MAX_CATEGORIES
    free = distinct > TEXT_DISTINCT and facts.share > TEXT_SHARE
    own = distinct > MIN_ROWS and facts.share > NEARLY_UNIQUE
    if many or free or own:
        return _column(facts, Kind.TEXT)
    categories = _categories(facts)
    pair = tuple(sorted(str(category).lower() for category in categories))
    if len(categories) == 2 and pair in _PAIRS:
        in_order = sorted(categories, key=lambda category: str(category).lower() in _YES)
        return _column(facts, Kind.BOOLEAN, categories=tuple(in_order))
    return _column(facts, Kind.CATEGORICAL, categories=categories)


def _categories(facts: Facts, dtype: Dtype | None = None) -> tuple[Value, ...]:
    values = facts.tally.values.to_pylist()
    if dtype is Dtype.INT64:
        values = [int(value) for value in values]
    return tuple(sorted(values))

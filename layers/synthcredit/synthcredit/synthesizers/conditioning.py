"""What conditions mean for one table: checked against its schema and training rows, and told of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets import contradictions
from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema, Value, as_number
from synthcredit.errors import InvalidInputError, Problem
from synthcredit.synthesizers.codec import settled
from synthcredit.synthesizers.conditions import Conditions, Quota, Range, Shares, Steering, Wanted
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric, rarer, rows_of, values_of

CLASSES = 2
"""A target rate is the share of one of so many classes."""
_NAMED = 12
"""Categories that an error names at most."""
_DAY_TEXT = len("2026-03-31")
_LAST_OF_DAY = 86_399
_DAY = 86_400.0
_SHOWN = 40
"""Characters of a wrong value that an error repeats: it comes from the request, not from the data."""


def resolve(conditions: Conditions, features: Features, schema: TableSchema) -> Steering:
    """Check conditions against a table and its training rows.

    Parameters
    ----------
    conditions
        As the request has them.
    features
        The training rows, encoded: which class of the target is rarer, which shares are shifted, and what no model of
        them can know.
    schema
        Their schema.

    Raises
    ------
    InvalidInputError
        A column that is not there or not learned, a category it does not have, values that the column cannot take,
        categories or missing values that no training row has, a range that is empty, shares that do not add up; all
        at once.
    """
    problems = [
        problem for name, wanted in conditions.where.items() for problem in _wrong(name, wanted, features, schema)
    ]
    quota = None
    try:
        quota = _quota(conditions, features, schema)
    except InvalidInputError as error:
        problems += error.problems
    if quota is not None and quota.column in conditions.where:
        problems.append(
            Problem(
                f"conditions.where.{quota.column}",
                "how often its categories come is asked for already",
                "Leave it out of where, or leave out the rate, the balance or the shares.",
            )
        )
    if not problems:
        problems += _against_constraints(conditions.where, schema)
    if problems:
        raise InvalidInputError(problems)
    return Steering(where=conditions.where, quota=quota)


def _against_constraints(where: Mapping[str, Wanted], schema: TableSchema) -> list[Problem]:
    """Return what conditions contradict among the table's constraints."""
    spans, values = {}, {}
    for name, wanted in where.items():
        if isinstance(wanted, Range):
            spans[name] = contradictions.Span(*bounds(wanted, schema[name]))
            continue
        values[name] = wanted if isinstance(wanted, tuple) else (wanted,)
        if not schema[name].discrete and None not in values[name]:
            numbers = [as_number(value, schema[name]) for value in values[name] if value is not None]
            spans[name] = contradictions.Span(min(numbers), max(numbers))
    return contradictions.with_conditions(spans, values, schema)


def _quota(conditions: Conditions, features: Features, schema: TableSchema) -> Quota | None:
    if conditions.target_rate is not None:
        column = _rated(schema, features)
        counts = np.bincount(_codes(features, column), minlength=len(column.categories or ()))
        rare = rarer(counts)
        return _of(column, features, {rare: conditions.target_rate, 1 - rare: 1.0 - conditions.target_rate})
    if conditions.balance is not None:
        column = _categorical(conditions.balance, "conditions.balance", schema)
        present = np.unique(_codes(features, column))
        present = present[present < len(column.categories or ())]
        if not len(present):
            raise InvalidInputError(
                Problem("conditions.balance", f"column '{column.name}' is always missing", "Choose another column.")
            )
        return _of(column, features, {int(code): 1.0 / len(present) for code in present})
    if conditions.shares is not None:
        return _shared(conditions.shares, features, schema)
    return None


def _rated(schema: TableSchema, features: Features) -> Column:
    field = "conditions.target_rate"
    if schema.target is None:
        raise InvalidInputError(Problem(field, "the data has no target", "Name one: source.target."))
    column = _categorical(schema.target, field, schema)
    if len(column.categories or ()) != CLASSES:
        raise InvalidInputError(
            Problem(
                field,
                f"the target '{column.name}' has {len(column.categories or ())} classes, a rate is of one of {CLASSES}",
                "Say with conditions.shares how often each class is to come.",
            )
        )
    codes = _codes(features, column)
    if len(np.unique(codes[codes < CLASSES])) < CLASSES:
        raise InvalidInputError(
            Problem(field, f"the training rows have one class of '{column.name}' only", "Give rows of both classes.")
        )
    return column


def _shared(shares: Shares, features: Features, schema: TableSchema) -> Quota:
    field = "conditions.shares"
    column = _categorical(shares.column, f"{field}.column", schema)
    codes = {label: category_code(label, column) for label in shares.of}
    problems = [_unknown_category(f"{field}.of", column)] if None in codes.values() else []
    known = [code for code in codes.values() if code is not None]
    if len(set(known)) < len(known):
        problems.append(Problem(f"{field}.of", "it names a category twice", "Name each category once."))
    total = sum(shares.of.values())
    if total > 1 + 1e-9:
        problems.append(Problem(f"{field}.of", f"the shares add up to {total:g}", "Let them add up to 1 at most."))
    if problems:
        raise InvalidInputError(problems)
    asked = dict(zip(known, shares.of.values(), strict=True))
    rest = tuple(code for code in range(len(column.categories or ()) + column.nullable) if code not in asked)
    if rest and total < 1 - 1e-9:
        return _of(column, features, asked, rest=rest)
    if abs(total - 1) > 1e-9:
        raise InvalidInputError(
            Problem(f"{field}.of", f"the shares of all categories add up to {total:g}", "Let them add up to 1.")
        )
    return _of(column, features, asked)


def _of(column: Column, features: Features, asked: Mapping[int, float], rest: tuple[int, ...] = ()) -> Quota:
    categories = (*(column.categories or ()), "missing")
    groups = [(code,) for code in asked] + ([rest] if rest else [])
    labels = [str(categories[code]) for code in asked] + (["all others"] if rest else [])
    shares = list(asked.values()) + ([1.0 - sum(asked.values())] if rest else [])
    codes = _codes(features, column)
    trained = [float(np.isin(codes, group).mean()) for group in groups]
    never = [label for label, share, was in zip(labels, shares, trained, strict=True) if share > 0 and was == 0]
    if never:
        raise InvalidInputError(
            Problem(
                f"conditions, column '{column.name}'",
                f"{len(never)} of the categories asked for came in no training row, so no model knows them",
                "Ask for categories that the training rows have.",
            )
        )
    kept = [at for at, share in enumerate(shares) if share > 0]
    return Quota(
        column=column.name,
        groups=tuple(groups[at] for at in kept),
        shares=tuple(shares[at] for at in kept),
        trained=tuple(trained[at] for at in kept),
        labels=tuple(labels[at] for at in kept),
    )


def _categorical(name: str, field: str, schema: TableSchema) -> Column:
    column = _learned(name, field, schema)
    if not column.discrete:
        raise InvalidInputError(
            Problem(field, f"column '{name}' is {column.kind}, not categorical", "Choose a categorical column.")
        )
    return column


def _learned(name: str, field: str, schema: TableSchema) -> Column:
    if name not in schema.names:
        raise InvalidInputError(Problem(field, f"'{name}' is not a column", _instead(name, schema)))
    if not schema[name].learned:
        raise InvalidInputError(
            Problem(
                field,
                f"column '{name}' is made new for every row and cannot be asked for",
                f"Choose: {', '.join(column.name for column in schema.learned)}.",
            )
        )
    return schema[name]


def _instead(name: str, schema: TableSchema) -> str:
    learned = [column.name for column in schema.learned]
    near = get_close_matches(name, learned, n=3, cutoff=0.4) or learned[:_NAMED]
    return f"Choose: {', '.join(near)}{' ...' if len(near) == _NAMED else ''}."


def _codes(features: Features, column: Column) -> NDArray[np.int32]:
    feature = features[column.name]
    assert isinstance(feature, Discrete)  # noqa: S101 - the column is discrete
    return feature.codes


def _wrong(name: str, wanted: Wanted, features: Features, schema: TableSchema) -> Iterator[Problem]:
    field = f"conditions.where.{name}"
    try:
        column = _learned(name, field, schema)
    except InvalidInputError as error:
        yield from error.problems
        return
    found = [*_wrong_in_itself(wanted, column, field)]
    yield from found
    # Numbers that no row has may lie between others'; categories cannot.
    states_only = column.discrete or wanted is None or wanted == (None,)
    if not found and states_only and not met(wanted, features[name], column).any():
        yield Problem(
            field, "no training row has it, so no model knows such rows", "Ask for what the training rows have."
        )


def _wrong_in_itself(wanted: Wanted, column: Column, field: str) -> Iterator[Problem]:
    if isinstance(wanted, Range):
        yield from _wrong_range(wanted, column, field)
        return
    values = wanted if isinstance(wanted, tuple) else (wanted,)
    if not values:
        yield Problem(field, "the list is empty, so no row can have it", "Name at least one value.")
    if None in values and not column.nullable:
        yield Problem(field, "it asks for missing values and the column has none", "Ask for values.")
    known = [value for value in values if value is not None]
    if not column.discrete:
        yield from _wrong_numbers(known, column, field)
    elif any(category_code(value, column) is None for value in known):
        yield _unknown_category(field, column)


def _wrong_range(wanted: Range, column: Column, field: str) -> Iterator[Problem]:
    if column.discrete:
        yield Problem(field, f"a range needs numbers or dates and the column is {column.kind}", "Name its categories.")
        return
    found = [problem for bound in (wanted.min, wanted.max) if bound is not None
             for problem in _wrong_numbers([bound], column, field, exact=False)]  # fmt: skip
    yield from found
    if found:
        return
    low, high = bounds(wanted, column)
    if low > high:
        yield Problem(field, "its min is above its max", "Swap them.")
    elif low > (np.inf if column.maximum is None else column.maximum) or high < (
        -np.inf if column.minimum is None else column.minimum
    ):
        yield Problem(field, "it lies outside of what the column can be", "See minimum and maximum in the schema.")
    elif np.isfinite(low) and np.isfinite(high) and not _between(low, high, column):
        yield Problem(field, "no value of the column lies between its min and its max", "Widen the range.")


def _between(low: float, high: float, column: Column) -> bool:
    """Tell whether a range of finite ends holds a value that the column can take."""
    if column.dtype is Dtype.DOUBLE and column.decimals is None:
        return True
    step = {Dtype.DOUBLE: 10.0 ** -(column.decimals or 0), Dtype.DATE: _DAY}.get(column.dtype, 1.0)
    # The last value up to ``high``; by a hair more, since steps such as 0.01 are no exact numbers.
    return _settled(np.floor(high / step + 1e-9) * step, column) >= low


def _settled(number: float, column: Column) -> float:
    return float(values_of(settled(Numeric(np.array([number])), column))[0])


def _wrong_numbers(values: Sequence[Value], column: Column, field: str, *, exact: bool = True) -> Iterator[Problem]:
    """Yield what is wrong with numbers, dates and times; as ends of a range they need not be ``exact``."""
    for value in values:
        try:
            number = as_number(value, column)
        except (TypeError, ValueError, OverflowError):
            what = "a number" if column.kind is not Kind.DATETIME else _example(column)
            yield Problem(field, f"'{str(value)[:_SHOWN]}' is not {what}", f"Give {what}.")
            continue
        if not np.isfinite(number):
            yield Problem(field, "it is not a finite number", "Give a finite number.")
        elif exact and _settled(number, column) != number:
            yield Problem(
                field,
                f"'{str(value)[:_SHOWN]}' is no value that the column can take",
                "See minimum, maximum, dtype and decimals in the schema, or ask for a range.",
            )


def _example(column: Column) -> str:
    return {Dtype.DATE: "a date such as 2026-03-31", Dtype.TIME: "a time such as 13:45:00"}.get(
        column.dtype, "a date and time such as 2026-03-31T13:45:00"
    )


def _unknown_category(field: str, column: Column) -> Problem:
    categories = [str(category) for category in column.categories or ()]
    named = ", ".join(categories[:_NAMED]) + (
        f" and {len(categories) - _NAMED} more" if len(categories) > _NAMED else ""
    )
    return Problem(field, f"it names a category that column '{column.name}' does not have", f"Choose: {named}.")


def category_code(value: Value, column: Column) -> int | None:
    """Return the code of a category, as JSON or a command line writes it; None where the column has no such.

    Numbers are compared as numbers (1 is 1.0 and "1"), truth values in any case ("true" is True), text as it is, but
    for a truth value, which files of text write as ``true`` or ``True``.
    """
    keys = [_category_key(category, column) for category in column.categories or ()]
    for wanted in (_category_key(value, column), str(value).lower() if isinstance(value, bool) else None):
        if wanted is not None and wanted in keys:
            return keys.index(wanted)
    return None


def _category_key(value: Value, column: Column) -> str | float | None:
    if column.dtype is Dtype.STRING:
        return str(value)
    if column.dtype is Dtype.BOOL:
        return str(value).lower()
    try:
        # A truth value is no number, though Python counts with it.
        return None if isinstance(value, bool) else float(value)
    except (ValueError, OverflowError):
        return None


def bounds(wanted: Range, column: Column) -> tuple[float, float]:
    """Return the least and the largest number of a range, as features have them."""
    low = -np.inf if wanted.min is None else as_number(wanted.min, column)
    high = np.inf if wanted.max is None else as_number(wanted.max, column)
    if column.dtype is Dtype.TIMESTAMP and isinstance(wanted.max, str) and len(wanted.max) == _DAY_TEXT:
        high += _LAST_OF_DAY
    return low, high


def met(wanted: Wanted, feature: Feature, column: Column) -> NDArray[np.bool_]:
    """Tell which rows of a feature are as wanted, shape (n,)."""
    if isinstance(feature, Discrete):
        values = () if isinstance(wanted, Range) else wanted if isinstance(wanted, tuple) else (wanted,)
        missing = len(column.categories or ())
        codes = [missing if value is None else category_code(value, column) for value in values]
        return np.isin(feature.codes, [code for code in codes if code is not None])
    if isinstance(wanted, Range):
        low, high = bounds(wanted, column)
        # A missing value is in no range: comparisons with NaN are false.
        return (feature.values >= low) & (feature.values <= high)
    values = wanted if isinstance(wanted, tuple) else (wanted,)
    numbers = [as_number(value, column) for value in values if value is not None]
    found = np.isin(feature.values, numbers)
    return found | np.isnan(feature.values) if None in values else found


def all_met(where: Mapping[str, Wanted], features: Features, schema: TableSchema) -> NDArray[np.bool_]:
    """Tell which rows meet every condition, shape (n,)."""
    rows = np.ones(rows_of(features), dtype=bool)
    for name, wanted in where.items():
        rows &= met(wanted, features[name], schema[name])
    return rows

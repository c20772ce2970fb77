"""What conditions mean for one table: checked against its schema and training rows, and told of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema, Value
from synthcredit.errors import InvalidInputError, Problem
from synthcredit.synthesizers.conditions import Conditions, Quota, Range, Shares, Steering, Wanted
from synthcredit.synthesizers.features import Discrete, Feature, Features, rows_of

CLASSES = 2
"""A target rate is the share of one of so many classes."""
_NAMED = 12
"""Categories that an error names at most."""


def resolve(conditions: Conditions, features: Features, schema: TableSchema) -> Steering:
    """Check conditions against a table and its training rows.

    Parameters
    ----------
    conditions
        As the request has them.
    features
        The training rows, encoded: which class of the target is rarer, and which shares are shifted.
    schema
        Their schema.

    Raises
    ------
    InvalidInputError
        A column that is not there or not learned, a category it does not have, a range that is empty, shares that
        do not add up; all at once.
    """
    problems = [problem for name, wanted in conditions.where.items() for problem in _wrong(name, wanted, schema)]
    quota = None
    try:
        quota = _quota(conditions, features, schema)
    except InvalidInputError as error:
        problems += error.problems
    if quota is not None and not problems and quota.column in conditions.where:
        problems.append(
            Problem(
                f"conditions.where.{quota.column}",
                "how often its categories come is asked for already",
                "Leave it out of where, or leave out the rate, the balance or the shares.",
            )
        )
    if problems:
        raise InvalidInputError(problems)
    return Steering(where=conditions.where, quota=quota)


def _quota(conditions: Conditions, features: Features, schema: TableSchema) -> Quota | None:
    if conditions.target_rate is not None:
        column = _rated(schema, features)
        counts = np.bincount(_codes(features, column), minlength=len(column.categories or ()))
        # Of equally many, the second: the rule of the evidence, too.
        rarer = 1 if counts[1] <= counts[0] else 0
        return _of(column, features, {rarer: conditions.target_rate, 1 - rarer: 1.0 - conditions.target_rate})
    if conditions.balance is not None:
        column = _categorical(conditions.balance, "conditions.balance", schema)
        present = np.unique(_codes(features, column))
        present = present[present < len(column.categories or ())]
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
    if len(np.unique(_codes(features, column))) < CLASSES:
        raise InvalidInputError(
            Problem(field, f"the training rows have one class of '{column.name}' only", "Give rows of both classes.")
        )
    return column


def _shared(shares: Shares, features: Features, schema: TableSchema) -> Quota:
    field = "conditions.shares"
    column = _categorical(shares.column, f"{field}.column", schema)
    codes = {str(category): code for code, category in enumerate(column.categories or ())}
    unknown = [label for label in shares.of if label not in codes]
    problems = [_unknown_category(f"{field}.of", column) for _ in unknown[:1]]
    total = sum(shares.of.values())
    if total > 1 + 1e-9:
        problems.append(Problem(f"{field}.of", f"the shares add up to {total:g}", "Let them add up to 1 at most."))
    if problems:
        raise InvalidInputError(problems)
    asked = {codes[label]: share for label, share in shares.of.items()}
    size = len(codes) + column.nullable
    rest = tuple(code for code in range(size) if code not in asked)
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


def _wrong(name: str, wanted: Wanted, schema: TableSchema) -> Iterator[Problem]:
    field = f"conditions.where.{name}"
    try:
        column = _learned(name, field, schema)
    except InvalidInputError as error:
        yield from error.problems
        return
    values = wanted if isinstance(wanted, tuple) else (wanted,)
    if not values:
        yield Problem(field, "the list is empty, so no row can have it", "Name at least one value.")
    if None in values and not column.nullable:
        yield Problem(field, "it asks for missing values and the column has none", "Ask for values.")
    if isinstance(wanted, Range):
        yield from _wrong_range(wanted, column, field)
    elif column.discrete:
        if not all(value is None or _codes_of(value, column) for value in values):
            yield _unknown_category(field, column)
    else:
        yield from _wrong_numbers([value for value in values if isinstance(value, Value)], column, field)


def _wrong_range(wanted: Range, column: Column, field: str) -> Iterator[Problem]:
    if column.discrete:
        yield Problem(field, f"a range needs numbers or dates and the column is {column.kind}", "Name its categories.")
        return
    found = [problem for bound in (wanted.min, wanted.max) if bound is not None
             for problem in _wrong_numbers([bound], column, field)]  # fmt: skip
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


def _wrong_numbers(values: list[Value], column: Column, field: str) -> Iterator[Problem]:
    for value in values:
        try:
            number = as_number(value, column)
        except (TypeError, ValueError):
            what = "a number" if column.kind is not Kind.DATETIME else _example(column)
            yield Problem(field, f"{value!r} is not {what}", f"Give {what}.")
            continue
        if not np.isfinite(number):
            yield Problem(field, "it is not a finite number", "Give a finite number.")


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


def as_number(value: Value, column: Column) -> float:
    """Return a value of a numeric or datetime column as features have it.

    Raises
    ------
    ValueError, TypeError
        It is none.
    """
    if column.kind is not Kind.DATETIME or isinstance(value, int | float):
        if isinstance(value, bool):
            raise TypeError("a truth value is no number")
        return float(value)
    if column.dtype is Dtype.TIME:
        parsed = time.fromisoformat(value)
        return parsed.hour * 3600.0 + parsed.minute * 60.0 + parsed.second
    if column.dtype is Dtype.DATE:
        midnight = datetime.combine(date.fromisoformat(value), time(), UTC)
        return midnight.timestamp()
    return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()


def bounds(wanted: Range, column: Column) -> tuple[float, float]:
    """Return the least and the largest number of a range, as features have them."""
    low = -np.inf if wanted.min is None else as_number(wanted.min, column)
    high = np.inf if wanted.max is None else as_number(wanted.max, column)
    return low, high


def _codes_of(value: Wanted, column: Column) -> list[int]:
    """Return the codes of the category that a value names; a truth value in a file may be written either way."""
    names = {str(value), str(value).lower()} if isinstance(value, bool) else {str(value)}
    return [code for code, category in enumerate(column.categories or ()) if str(category) in names]


def met(wanted: Wanted, feature: Feature, column: Column) -> NDArray[np.bool_]:
    """Tell which rows of a feature are as wanted, shape (n,)."""
    if isinstance(feature, Discrete):
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        missing = [len(column.categories or ())] if None in values else []
        codes = [code for value in values if value is not None for code in _codes_of(value, column)]
        return np.isin(feature.codes, codes + missing)
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

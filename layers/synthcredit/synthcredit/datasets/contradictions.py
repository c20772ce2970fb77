"""Constraints that cannot be kept, found before any work is done. Light: where requests are parsed no numpy is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from synthcredit.datasets.constraints import (
    CombinationsConstraint,
    Constraint,
    FormulaConstraint,
    NullsConstraint,
    OrderConstraint,
    RangeConstraint,
    UniqueConstraint,
    Value,
)
from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema, as_number
from synthcredit.errors import Problem

_DAY = 86_400.0
_EXAMPLES = {Dtype.DATE: "a date such as 2026-03-31", Dtype.TIME: "a time such as 13:45:00"}


class Span(NamedTuple):
    """What a number can be, both ends included."""

    low: float
    high: float

    @property
    def empty(self) -> bool:
        """Whether no number is in it."""
        return self.low > self.high


Spans = Mapping[str, Span]


def problems(schema: TableSchema, field: str = "constraints") -> list[Problem]:
    """Return everything for which the constraints of a table cannot be kept together; nothing where they can.

    Parameters
    ----------
    field
        What the constraints are called where they were written, e.g. ``source.schema.constraints``.
    """
    found: list[Problem] = []
    sound: dict[str, Constraint] = {}
    for position, constraint in enumerate(schema.constraints):
        place = f"{field}.{position}"
        wrong = [*_unknown(constraint, schema, place)]
        if not wrong and constraint.kind in _CHECKS:
            wrong += _CHECKS[constraint.kind](constraint, schema, place)
        found += wrong
        if not wrong:
            sound[place] = constraint
    found += _twice(sound)
    found += _circles(sound)
    if not found:
        found += _against_ranges(sound, schema)
    return found


def unique_learned(schema: TableSchema) -> tuple[str, ...]:
    """Return the columns, if any, that must be unique though they are learned: those need one shard for all rows."""
    return tuple(
        dict.fromkeys(
            name
            for constraint in schema.constraints
            if isinstance(constraint, UniqueConstraint) and is_learned(constraint, schema)
            for name in constraint.columns
        )
    )


def is_learned(constraint: UniqueConstraint, schema: TableSchema) -> bool:
    """Tell whether only drawing can keep a unique constraint; an identifier that never repeats keeps it by itself."""
    return all(schema[name].learned for name in constraint.columns)


def too_many(schema: TableSchema, rows: int, field: str = "constraints") -> Iterator[Problem]:
    """Yield the unique constraints whose columns cannot have as many values as rows are asked for."""
    for position, constraint in enumerate(schema.constraints):
        if isinstance(constraint, UniqueConstraint) and is_learned(constraint, schema):
            possible = math.prod(_states(schema[name]) for name in constraint.columns)
            if possible < rows and not any(schema[name].nullable for name in constraint.columns):
                yield Problem(
                    f"{field}.{position}",
                    f"its columns can have {possible:,.0f} values and {rows:,} rows are asked for",
                    "Ask for fewer rows, or drop the constraint.",
                )


def _states(column: Column) -> float:
    if column.discrete:
        return len(column.categories or ())
    step = grid(column)
    if column.minimum is None or column.maximum is None or not step:
        return math.inf
    return math.floor((column.maximum - column.minimum) / step + 1e-9) + 1


def with_conditions(spans: Spans, values: Mapping[str, tuple[Value | None, ...]], schema: TableSchema) -> list[Problem]:
    """Return what conditions on every row contradict among the constraints, as far as that can be told at once.

    Parameters
    ----------
    spans
        By column of numbers or dates, the range that every row is to be in.
    values
        By column, the list of values of which every row is to have one.
    """
    own = {f"constraints.{position}": one for position, one in enumerate(schema.constraints)}
    tightened = {
        name: Span(max(span.low, spans[name].low), min(span.high, spans[name].high)) if name in spans else span
        for name, span in _own_spans(own, schema).items()
    }
    found = [
        Problem(f"conditions.where.{name}", "no row can have it and keep the constraints", "Widen one of the two.")
        for name in spans
        if name in tightened and tightened[name].empty
    ]
    if not found:
        found += [
            Problem("conditions.where", f"it contradicts {place}: {one.says}", "Widen one of the two.")
            for place, one in own.items()
            if isinstance(one, OrderConstraint)
            and any(span.empty for span in _ordered({place: one}, tightened, schema).values())
        ]
    present = {*spans, *(name for name, listed in values.items() if None not in listed)}
    for place, one in own.items():
        if isinstance(one, NullsConstraint) and one.column in present and _always(one, values):
            found.append(
                Problem(
                    f"conditions.where.{one.column}", f"it is missing in such rows by {place}", "Ask for other rows."
                )
            )
    return found


def _always(constraint: NullsConstraint, values: Mapping[str, tuple[Value | None, ...]]) -> bool:
    return all(
        name in values and {_text(value) for value in values[name]} <= {_text(value) for value in listed}
        for name, listed in constraint.when.items()
    )


def _text(value: Value | None) -> str | None:
    return None if value is None else str(value)


def _unknown(constraint: Constraint, schema: TableSchema, place: str) -> Iterator[Problem]:
    """Yield columns that are not there, or not for a model to draw."""
    for name in constraint.names:
        own = f"{place}.{_field(constraint, name)}"
        if name not in schema.names:
            yield Problem(own, f"'{name}' is not a column", f"Choose: {', '.join(schema.names)}.")
        elif not schema[name].learned and not _made_unique(constraint, schema[name]):
            yield Problem(
                own,
                f"column '{name}' is made new for every row, so that nothing can be asked of it",
                f"Choose: {', '.join(column.name for column in schema.learned)}.",
            )


def _field(constraint: Constraint, name: str) -> str:
    """Return where in a constraint a column is named."""
    if isinstance(constraint, OrderConstraint | CombinationsConstraint | UniqueConstraint):
        return "columns"
    if name == constraint.column:
        return "column"
    return f"{'terms' if isinstance(constraint, FormulaConstraint) else 'when'}.{name}"


def _made_unique(constraint: Constraint, column: Column) -> bool:
    once = column.kind is Kind.IDENTIFIER and column.pii is None and column.rows_per_value is None
    return once and isinstance(constraint, UniqueConstraint)


def _range(constraint: RangeConstraint, schema: TableSchema, place: str) -> Iterator[Problem]:
    column = schema[constraint.column]
    if column.discrete:
        yield _not_numbers(f"{place}.column", column)
        return
    wrong = [
        Problem(f"{place}.{end}", f"it is not {_example(column)}", f"Give {_example(column)}.")
        for end, bound in (("minimum", constraint.minimum), ("maximum", constraint.maximum))
        if bound is not None and _number(bound, column) is None
    ]
    yield from wrong
    if wrong:
        return
    low, high = bounds(constraint, column)
    if low > high:
        yield Problem(f"{place}.minimum", "it is above the maximum", "Swap them.")
    elif _inward(Span(low, high), column).empty:
        yield Problem(place, "no value of the column's type lies inside the range", "Widen it.")
    elif _inward(_cut(Span(low, high), _given(column)), column).empty:
        yield Problem(
            place, "it lies outside of what the column can be", "See the column's minimum and maximum in the schema."
        )


def _order(constraint: OrderConstraint, schema: TableSchema, place: str) -> Iterator[Problem]:
    columns = [schema[name] for name in constraint.columns]
    discrete = [column for column in columns if column.discrete]
    yield from (_not_numbers(f"{place}.columns", column) for column in discrete)
    if len({_measure(column) for column in columns if not column.discrete}) > 1:
        yield Problem(
            f"{place}.columns",
            "numbers, dates and times of day cannot be put in one order",
            "Name columns of one sort only.",
        )


def _combinations(constraint: CombinationsConstraint, schema: TableSchema, place: str) -> Iterator[Problem]:
    for name in constraint.columns:
        if schema[name].dtype is Dtype.DOUBLE and not schema[name].discrete and schema[name].decimals is None:
            yield Problem(
                f"{place}.columns",
                f"column '{name}' is a measure of any number of decimals, of which no two rows need be alike",
                "Name columns of few values, or give the column its decimals.",
            )


def _formula(constraint: FormulaConstraint, schema: TableSchema, place: str) -> Iterator[Problem]:
    for name in constraint.names:
        column = schema[name]
        if column.discrete or column.kind is Kind.DATETIME:
            yield Problem(
                f"{place}.{_field(constraint, name)}",
                f"column '{name}' is {column.kind}, and a formula is of numbers",
                "Name columns of numbers.",
            )


def _nulls(constraint: NullsConstraint, schema: TableSchema, place: str) -> Iterator[Problem]:
    if not schema[constraint.column].nullable:
        yield Problem(
            f"{place}.column",
            f"column '{constraint.column}' is never missing by the schema",
            "Set nullable for it, or drop the constraint.",
        )
    for name, listed in constraint.when.items():
        column, field = schema[name], f"{place}.when.{name}"
        if None in listed and not column.nullable:
            yield Problem(field, "it names missing and the column is never missing", "Name values.")
        given = [value for value in listed if value is not None]
        if column.discrete:
            known = {str(category) for category in column.categories or ()}
            unknown = sum(str(value) not in known for value in given)
            if unknown:
                yield Problem(
                    field,
                    f"{unknown} of its values are no categories of column '{name}'",
                    "See the column's categories in the schema.",
                )
        elif any(_number(value, column) is None for value in given):
            yield Problem(field, f"a value is not {_example(column)}", f"Give {_example(column)}.")


# What can be wrong with one constraint by itself, its columns being there. With a unique one, nothing more.
_CHECKS: Mapping[str, Callable[[Any, TableSchema, str], Iterator[Problem]]] = {
    "range": _range,
    "order": _order,
    "combinations": _combinations,
    "formula": _formula,
    "nulls": _nulls,
}


def _not_numbers(field: str, column: Column) -> Problem:
    return Problem(
        field, f"column '{column.name}' is {column.kind}, which has no order", "Name columns of numbers or dates."
    )


def _measure(column: Column) -> str:
    if column.kind is not Kind.DATETIME:
        return "numbers"
    return "times" if column.dtype is Dtype.TIME else "dates"


def _number(value: Value, column: Column) -> float | None:
    try:
        number = as_number(value, column)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _example(column: Column) -> str:
    if column.kind is not Kind.DATETIME:
        return "a number"
    return _EXAMPLES.get(column.dtype, "a date and time such as 2026-03-31T13:45:00")


def bounds(constraint: RangeConstraint, column: Column) -> Span:
    """Return a range in numbers, as models have them."""
    low = -math.inf if constraint.minimum is None else as_number(constraint.minimum, column)
    high = math.inf if constraint.maximum is None else as_number(constraint.maximum, column)
    return Span(low, high)


def _twice(constraints: Mapping[str, Constraint]) -> Iterator[Problem]:
    """Yield columns that two constraints decide on."""
    formulas: dict[str, str] = {}
    nulls: dict[str, tuple[str, NullsConstraint]] = {}
    for place, one in constraints.items():
        if isinstance(one, FormulaConstraint):
            if one.column in formulas:
                yield Problem(
                    f"{place}.column",
                    f"column '{one.column}' follows from {formulas[one.column]} already",
                    "Keep one formula for it.",
                )
            formulas.setdefault(one.column, place)
        elif isinstance(one, NullsConstraint):
            if one.column in nulls and (one.only or nulls[one.column][1].only):
                yield Problem(
                    f"{place}.column",
                    f"where column '{one.column}' is missing is decided by {nulls[one.column][0]} already",
                    "Keep one of them, or set only to false in both.",
                )
            nulls.setdefault(one.column, (place, one))


def derived(constraints: Iterable[Constraint]) -> list[FormulaConstraint | NullsConstraint]:
    """Return those constraints by which a column follows from others, each after those that it needs.

    Raises
    ------
    ValueError
        They run in a circle.
    """
    waiting = [one for one in constraints if isinstance(one, FormulaConstraint | NullsConstraint)]
    placed: list[FormulaConstraint | NullsConstraint] = []
    while waiting:
        ready = [one for one in waiting if not any(_before(other, one) for other in waiting if other is not one)]
        if not ready:
            raise ValueError(", ".join(sorted({one.column for one in waiting})))
        placed += ready
        waiting = [one for one in waiting if one not in ready]
    return placed


def _before(first: FormulaConstraint | NullsConstraint, then: FormulaConstraint | NullsConstraint) -> bool:
    needs = then.terms if isinstance(then, FormulaConstraint) else then.when
    sum_first = isinstance(first, FormulaConstraint) and isinstance(then, NullsConstraint)
    return first.column in needs or (sum_first and first.column == then.column)


def _circles(constraints: Mapping[str, Constraint]) -> Iterator[Problem]:
    """Yield columns that follow from each other, and orders that run in a circle."""
    field = next(iter(constraints), "constraints.0").rpartition(".")[0]
    try:
        derived(constraints.values())
    except ValueError as error:
        yield Problem(
            field, f"formulas and nulls of these columns need each other in a circle: {error}", "Drop one of them."
        )
    above: dict[str, set[str]] = {}
    for one in constraints.values():
        if isinstance(one, OrderConstraint):
            for lower, upper in zip(one.columns, one.columns[1:], strict=False):
                above.setdefault(lower, set()).add(upper)
    for place, one in constraints.items():
        if isinstance(one, OrderConstraint) and any(_reaches(above, name, name) for name in one.columns):
            yield Problem(
                f"{place}.columns",
                "with the other orders it runs in a circle",
                "Drop one of them; for columns that are equal, declare a formula.",
            )


def _reaches(above: Mapping[str, set[str]], start: str, goal: str) -> bool:
    seen: set[str] = set()
    waiting = [*above.get(start, ())]
    while waiting:
        name = waiting.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            waiting += above.get(name, ())
    return False


def _against_ranges(constraints: Mapping[str, Constraint], schema: TableSchema) -> Iterator[Problem]:
    spans = _own_spans(constraints, schema)
    for place, one in constraints.items():
        if isinstance(one, RangeConstraint) and spans[one.column].empty:
            yield Problem(place, f"no value of column '{one.column}' is in all its ranges", "Widen one of them.")
    ordered = _ordered(constraints, spans, schema)
    for place, one in constraints.items():
        if isinstance(one, OrderConstraint) and _emptied(one.columns, spans, ordered):
            yield Problem(
                f"{place}.columns",
                "the ranges of its columns leave no such order",
                "Widen the ranges (minimum and maximum in the schema count too), or drop the order.",
            )
        if isinstance(one, FormulaConstraint) and not spans[one.column].empty:
            low, high = _sum(one, spans)
            half = grid(schema[one.column]) / 2
            if high + half < spans[one.column].low or low - half > spans[one.column].high:
                yield Problem(
                    f"{place}.column",
                    "by the ranges of its terms the sum lies outside of the column's own range",
                    "Correct the coefficients, or widen the ranges (minimum and maximum in the schema count too).",
                )


def _emptied(columns: Iterable[str], before: Spans, after: Spans) -> bool:
    return any(after[name].empty and not before[name].empty for name in columns)


def _sum(constraint: FormulaConstraint, spans: Spans) -> Span:
    low = high = constraint.constant
    for name, factor in constraint.terms.items():
        ends = sorted((factor * spans[name].low, factor * spans[name].high))
        low, high = low + ends[0], high + ends[1]
    return Span(low, high)


def spans_of(schema: TableSchema) -> dict[str, Span]:
    """Return, by column of numbers or dates, what it can be by its schema, its ranges and the orders that it is in.

    Along an order neither ends decrease, so that cutting rows that are in order to their spans keeps the order.
    """
    constraints = {str(position): one for position, one in enumerate(schema.constraints)}
    return _ordered(constraints, _own_spans(constraints, schema), schema)


def _own_spans(constraints: Mapping[str, Constraint], schema: TableSchema) -> dict[str, Span]:
    spans = {column.name: _inward(_given(column), column) for column in schema.learned if not column.discrete}
    for one in constraints.values():
        if isinstance(one, RangeConstraint):
            column = schema[one.column]
            spans[one.column] = _inward(_cut(spans[one.column], bounds(one, column)), column)
    return spans


def _ordered(constraints: Mapping[str, Constraint], spans: Spans, schema: TableSchema) -> dict[str, Span]:
    found = dict(spans)
    orders = [one for one in constraints.values() if isinstance(one, OrderConstraint)]
    # Each pass carries bounds at least one column further; the longest way is through all columns of all orders.
    for _ in range(sum(len(one.columns) for one in orders)):
        before = dict(found)
        for one in orders:
            for lower, upper in zip(one.columns, one.columns[1:], strict=False):
                a, b = found[lower], found[upper]
                found[upper] = Span(max(b.low, _least(a.low, schema[upper], strict=one.strict)), b.high)
                most = _most(found[upper].high, schema[lower], strict=one.strict)
                found[lower] = Span(a.low, min(a.high, most))
        if found == before:
            break
    return found


def _least(bound: float, column: Column, *, strict: bool) -> float:
    """Return the least value of a column that is not below a bound, or above it."""
    low = _inward(Span(bound, math.inf), column).low
    return low + grid(column) if strict and low <= bound else low


def _most(bound: float, column: Column, *, strict: bool) -> float:
    high = _inward(Span(-math.inf, bound), column).high
    return high - grid(column) if strict and high >= bound else high


def _given(column: Column) -> Span:
    low = -math.inf if column.minimum is None else column.minimum
    return Span(low, math.inf if column.maximum is None else column.maximum)


def _cut(one: Span, other: Span) -> Span:
    return Span(max(one.low, other.low), min(one.high, other.high))


def grid(column: Column) -> float:
    """Return the distance between two neighbouring values of a column of numbers or dates; 0 where there is none."""
    if column.dtype is Dtype.DOUBLE:
        return 0.0 if column.decimals is None else 10.0**-column.decimals
    return _DAY if column.dtype is Dtype.DATE else 1.0


def _inward(span: Span, column: Column) -> Span:
    """Return a span whose ends are values that the column can have."""
    step = grid(column)
    if not step:
        return span
    digits = 0 if column.decimals is None or column.dtype is not Dtype.DOUBLE else column.decimals
    low, high = (
        end if math.isinf(end) else round(snap(end / step) * step, digits)
        for end, snap in ((span.low, _up), (span.high, _down))
    )
    return Span(low, high)


def _up(number: float) -> float:
    return math.ceil(number - 1e-6) if abs(number) < 2**50 else number


def _down(number: float) -> float:
    return math.floor(number + 1e-6) if abs(number) < 2**50 else number

"""What a declaration contradicts in itself, all of it at once, before a row is made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from synthcredit.datasets.identifiers import UUID_FORMAT
from synthcredit.datasets.schema import storage_name
from synthcredit.declared import rulefaults
from synthcredit.declared.distributions import Poisson, Shape, Uniform
from synthcredit.declared.faults import Fault, Path, choose, quoted
from synthcredit.declared.model import (
    Declaration,
    ForeignKeyColumn,
    GivenDistributions,
    GivenShares,
    GivenTexts,
    GivenWholes,
    InheritedColumn,
    IntegerColumn,
    KeyColumn,
    NumberColumn,
    Table,
    TextColumn,
)
from synthcredit.declared.plan import MOST_UNITS, Place, Plan, shapes

PARENT = "{parent}"
"""In the format of a key: the key of the row above."""
NOTHING_FILLS = "without a distribution of another kind it needs minimum and maximum"
MOST_ROWS_A_PARENT = 1_000_000
_COUNTER = re.compile(r"[^{}]*\{:(?:(?:0?\d{1,3})?d|0?(?:1[6-9]|[2-9]\d)x)\}[^{}]*")
"""Hexadecimal digits are sixteen or more: fewer are hashes that two rows may share."""
_PATTERN = "Write one counter, such as C{:08d}, {:016x} or {uuid}."


def faults(declaration: Declaration) -> list[Fault]:
    """Return everything that is wrong with a declaration whose every part is sound by itself.

    What can only be judged once other things are right is judged then: tables, then columns, then rules.
    """
    found = [*_tables(declaration)]
    if found:
        return found
    plan = Plan(declaration, {name: table.rows or 0 for name, table in declaration.tables.items()})
    found = [*_sizes(plan), *_references(plan)]
    if found:
        return found
    for table in declaration.tables:
        found += [*_columns(plan, table), *rulefaults.rules(plan, table)]
    found += [] if found else rulefaults.circles(plan)
    if not found:
        for table in declaration.tables:
            found += rulefaults.contradicted(plan, table)
    if not found:
        for table in declaration.tables:
            found += [*rulefaults.from_above(plan, table), *rulefaults.beyond(plan, table)]
            found += _left_over(plan, table)
            found += [*rulefaults.too_long(plan, table), *rulefaults.uniques(plan, table)]
    return found


def too_many(plan: Plan) -> list[Fault]:
    """Return what cannot be had in as many rows as are asked for."""
    return [*_sizes(plan), *(fault for table in plan.tables for fault in rulefaults.uniques(plan, table))]


def _tables(declaration: Declaration) -> Iterator[Fault]:
    for name, table in declaration.tables.items():
        yield from _belonging(declaration, name, table)
        for column, one in table.columns.items():
            if isinstance(one, ForeignKeyColumn):
                yield from _foreign_key(declaration, name, column, one)
        stored: dict[str, str] = {}
        for column in table.columns:
            if stored.setdefault(storage_name(column), column) != column:
                clash = f"its name in lower snake case is that of column '{stored[storage_name(column)]}'"
                yield Fault(("tables", name, "columns", column), clash, "Rename one of the two.")


def _belonging(declaration: Declaration, name: str, table: Table) -> Iterator[Fault]:
    tables, owner = declaration.tables, table.belongs_to
    path: Path = ("tables", name)
    if owner is None:
        return
    if owner.table not in tables:
        yield Fault((*path, "belongs_to", "table"), f"there is no table '{owner.table}'", choose(tables))
    elif owner.table not in _held(table):
        fix = f"Add a column of type foreign_key, of '{owner.table}'."
        yield Fault((*path, "columns"), "none of its columns says to which row above a row belongs", fix)
    seen, above = [name], table.belongs_to
    while above is not None and above.table in tables and above.table not in seen:
        seen.append(above.table)
        above = tables[above.table].belongs_to
    if above is not None and above.table == name:
        yield Fault((*path, "belongs_to"), "it belongs to itself, by way of other tables", "Give one of them rows.")


def _held(table: Table) -> set[str]:
    return {one.of for one in table.columns.values() if isinstance(one, ForeignKeyColumn)}


def _foreign_key(declaration: Declaration, table: str, name: str, column: ForeignKeyColumn) -> Iterator[Fault]:
    path: Path = ("tables", table, "columns", name)
    other = declaration.tables.get(column.of)
    if other is None:
        yield Fault((*path, "of"), f"there is no table '{column.of}'", choose(declaration.tables))
    elif other.key is None:
        yield Fault((*path, "of"), f"table '{column.of}' has no column of type key", "Give it one.")


def _sizes(plan: Plan) -> Iterator[Fault]:
    for name in plan.tables:
        path: Path = ("tables", name)
        if plan.numbers(name) > MOST_UNITS:
            yield Fault(path, "its rows cannot be counted, with so many children of children", "Ask for fewer.")
    for root in plan.roots:
        if plan.expected(root) > MOST_ROWS_A_PARENT:
            rows = f"one row of it has {plan.expected(root):,.0f} rows below it on average"
            yield Fault(("tables", root), rows, f"Ask for at most {MOST_ROWS_A_PARENT:,}.")


def _references(plan: Plan) -> Iterator[Fault]:
    for name, table in plan.tables.items():
        for column, one in table.columns.items():
            path: Path = ("tables", name, "columns", column)
            if isinstance(one, ForeignKeyColumn):
                above = one.of in plan.above(name)
                if not above and (one.of not in plan.roots or one.of == name):
                    yield Fault(
                        (*path, "of"),
                        f"table '{one.of}' is neither above '{name}', nor another one that belongs to none",
                        choose([*plan.above(name), *(root for root in plan.roots if root != name)]),
                    )
                if above and one.missing:
                    yield Fault((*path, "missing"), "a row always has the row above it", "Remove it.")
            if isinstance(one, InheritedColumn):
                found = plan.resolve(name, one.of)
                if found is None or found.table == name:
                    fix = "Name a column as table.column."
                    yield Fault((*path, "of"), f"'{one.of}' is no column of a table above", fix)


def _columns(plan: Plan, table: str) -> Iterator[Fault]:
    for name, column in plan.tables[table].columns.items():
        place, path = Place(table, name), ("tables", table, "columns", name)
        if isinstance(column, KeyColumn):
            yield from _key_format(plan, table, column, path)
        if isinstance(column, TextColumn) and column.format is not None and not _counts(column.format):
            yield Fault((*path, "format"), "it is no pattern that counts", _PATTERN)
        if (given := getattr(column, "given", None)) is not None:
            yield from _given(plan, table, given, (*path, "given"))
        if isinstance(column, NumberColumn | IntegerColumn):
            yield from _numbers(plan, place, column, path)


def _counts(pattern: str) -> bool:
    return pattern == UUID_FORMAT or _COUNTER.fullmatch(pattern) is not None


def _key_format(plan: Plan, table: str, column: KeyColumn, path: Path) -> Iterator[Fault]:
    if column.format is None:
        return
    begins = column.format.startswith(PARENT)
    if not _counts(column.format.removeprefix(PARENT)):
        yield Fault((*path, "format"), "it is no pattern that counts", f"{_PATTERN} {PARENT} may stand before it.")
    owner = plan.owner(table)
    if begins and (owner is None or plan.tables[owner.table].key is None):
        yield Fault((*path, "format"), "there is no key above", f"Leave {PARENT} out, or give the table above a key.")


def _given(
    plan: Plan, table: str, given: GivenTexts | GivenWholes | GivenShares | GivenDistributions, path: Path
) -> Iterator[Fault]:
    place = plan.resolve(table, given.column)
    options = None if place is None else plan.options(place)
    if place is None or options is None:
        yield Fault((*path, "column"), f"'{given.column}' is no column of categories", "Name one, or table.column.")
        return
    if plan.nullable(place):
        yield Fault((*path, "column"), f"'{given.column}' can be missing", "Name a column that is always there.")
    inside = next(name for name in ("shares", "distributions", "categories") if hasattr(given, name))
    listed = getattr(given, inside)
    lacking = [option for option in options if option not in listed]
    unknown = [option for option in listed if option not in options]
    if lacking:
        yield Fault(
            (*path, inside), f"it says nothing of {quoted(lacking)}", f"Add every category of '{given.column}'."
        )
    if unknown:
        yield Fault((*path, inside), f"{quoted(unknown)} is no category of '{given.column}'", "Remove it.")


def _numbers(plan: Plan, place: Place, column: NumberColumn | IntegerColumn, path: Path) -> Iterator[Fault]:
    listed = isinstance(column, IntegerColumn) and column.listed
    if plan.computed(place) is not None:
        if listed or column.distribution is not None or column.given is not None or column.missing:
            yield Fault(path, "a rule computes it, so nothing else can fill it", "Remove one of the two.")
    elif not listed:
        wrong = [*_shapes(plan, place, column, path)]
        yield from wrong
        if not wrong:
            yield from _range(plan, place, path)


def _shapes(plan: Plan, place: Place, column: NumberColumn | IntegerColumn, path: Path) -> Iterator[Fault]:
    for at, shape in enumerate(shapes(column)):
        own: Path = path if column.distribution is None else (*path, "distribution")
        if isinstance(column.given, GivenDistributions):
            own = (*path, "given", "distributions", list(column.given.distributions)[at])
        if isinstance(shape, Uniform):
            if column.minimum is None or column.maximum is None:
                yield Fault(own, NOTHING_FILLS, "Give both.")
        elif isinstance(shape, Poisson) and not isinstance(column, IntegerColumn):
            yield Fault(own, "it is a distribution of whole numbers", "Make the column an integer.")
        elif not _overlaps(shape, column.minimum, column.maximum, plan.decimals(place)):
            yield Fault(own, "it has next to no values between minimum and maximum", "Correct one of them.")


def _range(plan: Plan, place: Place, path: Path) -> Iterator[Fault]:
    units = plan.own_units(place)
    if units is not None and units.low > units.high:
        yield Fault(path, "no value of its decimals is in its range", "Widen it.")
    elif units is not None and max(abs(units.low), abs(units.high)) > MOST_UNITS:
        yield Fault(path, "its values have more digits than can be kept exactly", "Fewer decimals, or a lower maximum.")


def _left_over(plan: Plan, table: str) -> Iterator[Fault]:
    """Yield columns of whose distributions the orders that they are in leave nothing."""
    for name, column in plan.tables[table].columns.items():
        units = plan.units(Place(table, name))
        if not isinstance(column, NumberColumn | IntegerColumn) or units is None:
            continue
        decimals = plan.decimals(Place(table, name))
        low, high = (end / 10**decimals for end in units)
        own = [shape for shape in shapes(column) if not isinstance(shape, Uniform)]
        if not all(_overlaps(shape, low, high, decimals) for shape in own):
            problem = "the orders that it is in leave next to nothing of its distribution"
            yield Fault(
                ("tables", table, "columns", name), problem, "Correct the ranges of the others, or drop an order."
            )


def _overlaps(shape: Shape, minimum: float | None, maximum: float | None, decimals: int) -> bool:
    half = 0.5 / 10**decimals
    low = -math.inf if minimum is None else minimum - half
    high = math.inf if maximum is None else maximum + half
    below, until = shape.share(np.array([low, high]))
    return bool(until - below > 1e-4)

"""What a declaration contradicts in itself, all of it at once, before a row is made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from synthcredit.datasets import contradictions
from synthcredit.datasets.constraints import FormulaConstraint, NullsConstraint, OrderConstraint, UniqueConstraint
from synthcredit.datasets.identifiers import UUID_FORMAT
from synthcredit.datasets.schema import Pii, storage_name
from synthcredit.declared.distributions import Poisson, Uniform
from synthcredit.declared.model import (
    BooleanColumn,
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
    RunningBalance,
    SumOfChildren,
    Table,
    TextColumn,
    Timed,
)
from synthcredit.declared.plan import MOST_UNITS, Place, Plan, Units, ends, shapes

PARENT = "{parent}"
"""In the format of a key: the key of the row above."""
MOST_ROWS_A_PARENT = 1_000_000
_COUNTER = re.compile(r"[^{}]*\{:(0?\d{1,3})?[dx]\}[^{}]*")
_PATTERN = "Write one counter, such as C{:08d}, {:012x} or {uuid}."
PERSONS: Mapping[str, int] = {
    Pii.EMAIL: MOST_UNITS,
    Pii.NATIONAL_ID: 55_000_000,
    Pii.IBAN: 10**9,
    Pii.CARD_NUMBER: 10**9,
}
"""Personal data that differs from person to person, and for how many persons."""
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where it stands."""

    path: Path
    problem: str
    fix: str


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
        found += [*_columns(plan, table), *_rules(plan, table)]
    found += [] if found else _circles(plan)
    if not found:
        for table in declaration.tables:
            found += [*_contradictions(plan, table), *_from_above(plan, table)]
    if not found:
        for table in declaration.tables:
            found += [*_reach(plan, table), *_uniques(plan, table)]
    return found


def too_many(plan: Plan) -> list[Fault]:
    """Return what cannot be had in as many rows as are asked for."""
    return [*_sizes(plan), *(fault for table in plan.tables for fault in _uniques(plan, table))]


def _tables(declaration: Declaration) -> Iterator[Fault]:
    tables = declaration.tables
    for name, table in tables.items():
        path: Path = ("tables", name)
        owner = table.belongs_to
        if owner is not None and owner.table not in tables:
            yield Fault((*path, "belongs_to", "table"), f"there is no table '{owner.table}'", _choose(tables))
        seen, above = [name], owner
        while above is not None and above.table in tables and above.table not in seen:
            seen.append(above.table)
            above = tables[above.table].belongs_to
        if above is not None and above.table == name:
            yield Fault((*path, "belongs_to"), "it belongs to itself, by way of other tables", "Give one of them rows.")
        for column, one in table.columns.items():
            if isinstance(one, ForeignKeyColumn):
                yield from _foreign_key(declaration, name, column, one)
        if owner is not None and owner.table in tables and owner.table not in _held(table):
            fix = f"Add a column of type foreign_key, of '{owner.table}'."
            yield Fault((*path, "columns"), "none of its columns says to which row above a row belongs", fix)
        stored: dict[str, str] = {}
        for column in table.columns:
            if stored.setdefault(storage_name(column), column) != column:
                clash = f"its name in lower snake case is that of column '{stored[storage_name(column)]}'"
                yield Fault((*path, "columns", column), clash, "Rename one of the two.")


def _held(table: Table) -> set[str]:
    return {one.of for one in table.columns.values() if isinstance(one, ForeignKeyColumn)}


def _foreign_key(declaration: Declaration, table: str, name: str, column: ForeignKeyColumn) -> Iterator[Fault]:
    path: Path = ("tables", table, "columns", name)
    other = declaration.tables.get(column.of)
    if other is None:
        yield Fault((*path, "of"), f"there is no table '{column.of}'", _choose(declaration.tables))
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
                        _choose([*plan.above(name), *(root for root in plan.roots if root != name)]),
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
        if isinstance(column, TextColumn) and column.format not in (None, UUID_FORMAT):
            if not _COUNTER.fullmatch(column.format or ""):
                yield Fault((*path, "format"), "it is no pattern that counts", _PATTERN)
        if (given := getattr(column, "given", None)) is not None:
            yield from _given(plan, table, given, (*path, "given"))
        if isinstance(column, NumberColumn | IntegerColumn):
            yield from _numbers(plan, place, column, path)


def _key_format(plan: Plan, table: str, column: KeyColumn, path: Path) -> Iterator[Fault]:
    if column.format is None or column.format == UUID_FORMAT:
        return
    begins = column.format.startswith(PARENT)
    if not _COUNTER.fullmatch(column.format.removeprefix(PARENT)):
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
    inside = (
        "shares"
        if isinstance(given, GivenShares)
        else "distributions"
        if isinstance(given, GivenDistributions)
        else "categories"
    )
    listed = getattr(given, inside)
    lacking = [option for option in options if option not in listed]
    unknown = [option for option in listed if option not in options]
    if lacking:
        yield Fault(
            (*path, inside), f"it says nothing of {_quoted(lacking)}", f"Add every category of '{given.column}'."
        )
    if unknown:
        yield Fault((*path, inside), f"{_quoted(unknown)} is no category of '{given.column}'", "Remove it.")


def _numbers(plan: Plan, place: Place, column: NumberColumn | IntegerColumn, path: Path) -> Iterator[Fault]:
    listed = isinstance(column, IntegerColumn) and column.listed
    if plan.computed(place) is not None:
        filled = listed or column.distribution is not None or column.given is not None or column.missing
        if filled:
            yield Fault(path, "a rule computes it, so nothing else can fill it", "Remove one of the two.")
        return
    if listed:
        return
    bounded = column.minimum is not None and column.maximum is not None
    for at, shape in enumerate(shapes(column)):
        own: Path = path
        if isinstance(column.given, GivenDistributions):
            own = (*path, "given", "distributions", list(column.given.distributions)[at])
        elif column.distribution is not None:
            own = (*path, "distribution")
        if isinstance(shape, Uniform) and not bounded:
            yield Fault(own, "a uniform distribution needs the column's minimum and maximum", "Give both.")
        elif isinstance(shape, Poisson) and not isinstance(column, IntegerColumn):
            yield Fault(own, "it is a distribution of whole numbers", "Make the column an integer.")
        elif not _overlaps(plan, place, column, at):
            yield Fault(own, "it has next to no values between minimum and maximum", "Correct one of them.")
    units = plan.own_units(place) if bounded or all(math.isfinite(sum(ends(one))) for one in shapes(column)) else None
    if units is not None and units.low > units.high:
        yield Fault(path, "no value of its decimals is in its range", "Widen it.")
    if units is not None and max(abs(units.low), abs(units.high)) > MOST_UNITS:
        yield Fault(path, "its values have more digits than can be kept exactly", "Fewer decimals, or a lower maximum.")


def _overlaps(plan: Plan, place: Place, column: NumberColumn | IntegerColumn, at: int) -> bool:
    shape = shapes(column)[at]
    if isinstance(shape, Uniform):
        return True
    half = 0.5 / 10 ** plan.decimals(place)
    low = -math.inf if column.minimum is None else column.minimum - half
    high = math.inf if column.maximum is None else column.maximum + half
    below, until = shape.share(np.array([low, high]))
    return bool(until - below > 1e-4)


def _rules(plan: Plan, table: str) -> Iterator[Fault]:
    for at, rule in enumerate(plan.tables[table].rules):
        path: Path = ("tables", table, "rules", at)
        if isinstance(rule, OrderConstraint):
            yield from _order(plan, table, rule, path)
        elif isinstance(rule, FormulaConstraint):
            yield from _own(plan, table, rule.names, path)
            if isinstance(plan.tables[table].columns.get(rule.column), InheritedColumn):
                yield Fault((*path, "column"), f"'{rule.column}' is fixed by a table above", "Name another column.")
        elif isinstance(rule, NullsConstraint):
            yield from _nulls(plan, table, rule, path)
        elif isinstance(rule, UniqueConstraint):
            yield from _own(plan, table, rule.columns, path)
        elif isinstance(rule, RunningBalance):
            yield from _balance(plan, table, rule, path)
        else:
            yield from _sum(plan, table, rule, path)
    yield from _twice(plan.tables[table], ("tables", table, "rules"))


def _own(plan: Plan, table: str, names: tuple[str, ...], path: Path) -> Iterator[Fault]:
    columns = plan.tables[table].columns
    for name in names:
        if name not in columns:
            yield Fault(path, f"'{name}' is not a column of '{table}'", _choose(columns))


def _order(plan: Plan, table: str, rule: OrderConstraint, path: Path) -> Iterator[Fault]:
    for at, name in enumerate(rule.columns):
        place = plan.resolve(table, name)
        if place is None:
            yield Fault((*path, "columns"), f"'{name}' is not a column", f"{_choose(plan.tables[table].columns)}")
            continue
        fixed = plan.origin(place) != Place(table, name)
        if fixed and at:
            yield Fault((*path, "columns"), f"'{name}' is fixed by a table above", "It can only stand first.")
        if plan.computed(plan.origin(place)) is not None:
            problem = f"'{name}' is computed, and an order can only be kept by what is drawn"
            yield Fault((*path, "columns"), problem, "Leave it out.")


def _nulls(plan: Plan, table: str, rule: NullsConstraint, path: Path) -> Iterator[Fault]:
    wrong = [*_own(plan, table, rule.names, path)]
    yield from wrong
    if wrong:
        return
    place = Place(table, rule.column)
    column = plan.column(place)
    if isinstance(column, InheritedColumn):
        yield Fault((*path, "column"), f"'{rule.column}' is fixed by a table above", "Declare it there.")
    elif plan.computed(place) is not None:
        yield Fault((*path, "column"), f"'{rule.column}' is computed", "Declare where its terms are missing.")
    elif rule.only and getattr(column, "missing", 0):
        problem = f"'{rule.column}' is missing by chance too, and by this rule only where it says so"
        yield Fault(path, problem, "Set only to false, or remove missing.")


def _numeric(plan: Plan, place: Place) -> bool:
    column = plan.source(place)
    return isinstance(column, NumberColumn) or (isinstance(column, IntegerColumn) and not column.listed)


def _balance(plan: Plan, table: str, rule: RunningBalance, path: Path) -> Iterator[Fault]:
    if plan.owner(table) is None:
        yield Fault(
            path, f"'{table}' belongs to no table, so there is nobody whose balance it is", "Give it belongs_to."
        )
    named = [rule.column, rule.amount, rule.order_by, *(rule.minus or ())]
    wrong = [*_own(plan, table, tuple(named), path)]
    yield from wrong
    if wrong:
        return
    balance, amount, order = (Place(table, name) for name in (rule.column, rule.amount, rule.order_by))
    yield from _result(plan, balance, (amount,), (*path, "column"))
    column = plan.column(balance)
    if isinstance(column, NumberColumn | IntegerColumn) and (column.minimum is not None or column.maximum is not None):
        fix = "Remove minimum and maximum, or narrow the amounts."
        yield Fault((*path, "column"), f"'{rule.column}' goes where its amounts take it, beyond any range", fix)
    yield from _summed(plan, amount, (*path, "amount"))
    if not isinstance(plan.column(order), Timed):
        yield Fault((*path, "order_by"), f"'{rule.order_by}' is no date or timestamp of the table", "Name one.")
    elif plan.nullable(order):
        yield Fault((*path, "order_by"), f"'{rule.order_by}' can be missing", "Name a column that is always there.")
    yield from _start(plan, table, rule, path)
    for name, listed in (rule.minus or {}).items():
        place = Place(table, name)
        options = plan.options(place)
        if options is None or plan.nullable(place):
            yield Fault((*path, "minus"), f"'{name}' is no column of categories that is always there", "Name one.")
        elif unknown := [one for one in listed if one not in options]:
            yield Fault((*path, "minus", name), f"{_quoted(unknown)} is no category of '{name}'", _choose(options))


def _start(plan: Plan, table: str, rule: RunningBalance, path: Path) -> Iterator[Fault]:
    most = plan.decimals(Place(table, rule.column))
    if not isinstance(rule.start, str):
        if _decimals(rule.start) > most:
            yield Fault((*path, "start"), f"it has more decimals than '{rule.column}'", "Round it.")
        return
    place = plan.resolve(table, rule.start)
    if place is None or place.table == table or not _numeric(plan, place):
        yield Fault((*path, "start"), f"'{rule.start}' is no column of numbers of a table above", "Write table.column.")
    elif plan.nullable(place) or plan.decimals(place) > most:
        problem = f"'{rule.start}' can be missing, or has more decimals than '{rule.column}'"
        yield Fault((*path, "start"), problem, "Name another column.")


def _sum(plan: Plan, table: str, rule: SumOfChildren, path: Path) -> Iterator[Fault]:
    yield from _own(plan, table, (rule.column,), path)
    child = plan.tables.get(rule.table)
    if child is None or child.belongs_to is None or child.belongs_to.table != table:
        yield Fault((*path, "table"), f"'{rule.table}' does not belong to '{table}'", "Name a table that does.")
        return
    if rule.of not in child.columns:
        yield Fault((*path, "of"), f"'{rule.of}' is not a column of '{rule.table}'", _choose(child.columns))
        return
    yield from _summed(plan, Place(rule.table, rule.of), (*path, "of"))
    if rule.column in plan.tables[table].columns:
        yield from _result(plan, Place(table, rule.column), (Place(rule.table, rule.of),), (*path, "column"))
        column = plan.column(Place(table, rule.column))
        if getattr(column, "minimum", None) is not None or getattr(column, "maximum", None) is not None:
            yield Fault((*path, "column"), f"'{rule.column}' is what its children add up to", "Remove its range.")


def _summed(plan: Plan, place: Place, path: Path) -> Iterator[Fault]:
    if not _numeric(plan, place):
        yield Fault(path, f"'{place.column}' is no column of numbers", "Name one.")
    elif plan.nullable(place):
        yield Fault(path, f"'{place.column}' can be missing, which has no sum", "Name a column that is always there.")


def _result(plan: Plan, place: Place, terms: tuple[Place, ...], path: Path) -> Iterator[Fault]:
    if not _numeric(plan, place) or isinstance(plan.column(place), InheritedColumn):
        yield Fault(path, f"'{place.column}' is no column of numbers of the table", "Name one.")
    elif any(plan.decimals(term) > plan.decimals(place) for term in terms):
        yield Fault(path, f"'{place.column}' has fewer decimals than what it is made of", "Give it as many.")


def _twice(table: Table, path: Path) -> Iterator[Fault]:
    seen: set[str] = set()
    orders = set()
    for at, rule in enumerate(table.rules):
        if isinstance(rule, FormulaConstraint | RunningBalance | SumOfChildren):
            if rule.column in seen:
                yield Fault((*path, at, "column"), f"'{rule.column}' follows from another rule already", "Keep one.")
            seen.add(rule.column)
        if isinstance(rule, RunningBalance):
            orders.add(rule.order_by)
            if len(orders) > 1:
                problem = "another balance of the table is in another order"
                yield Fault((*path, at, "order_by"), problem, "Rows have one order: name one column in both.")


def _circles(plan: Plan) -> Iterator[Fault]:
    done: set[Place] = set()
    for table, own in plan.tables.items():
        for name in own.columns:
            if (circle := _circle(plan, Place(table, name), done)) is not None:
                way = " needs ".join(f"{place.table}.{place.column}" for place in circle)
                yield Fault(("tables", table, "columns", name), f"columns need each other: {way}", "Drop a rule.")
                return


def _circle(plan: Plan, start: Place, done: set[Place]) -> list[Place] | None:
    way: list[Place] = []
    waiting = [iter([start])]
    while waiting:
        place = next(waiting[-1], None)
        if place is None:
            waiting.pop()
            if way:
                done.add(way.pop())
        elif place in way:
            return [*way[way.index(place) :], place]
        elif place not in done:
            way.append(place)
            waiting.append(plan.needs(place))
    return None


def _contradictions(plan: Plan, table: str) -> Iterator[Fault]:
    """Yield what the constraints contradict, as `datasets.contradictions` finds it."""
    schema = plan.schema(table, rules=True)
    kept = {at: rule for at, rule in enumerate(plan.tables[table].rules) if rule in schema.constraints}
    places = list(kept)
    for problem in contradictions.problems(schema, "rules"):
        parts: list[str | int] = list(problem.field.split(".")[1:])
        if parts:
            parts[0] = places[int(parts[0])]
        yield Fault(("tables", table, "rules", *parts), problem.problem, problem.fix)
    for name, column in plan.tables[table].columns.items():
        rule = plan.computed(Place(table, name))
        bounded = getattr(column, "minimum", None) is not None or getattr(column, "maximum", None) is not None
        if isinstance(rule, FormulaConstraint) and bounded and not _inside(plan, table, rule, column):
            yield Fault(
                ("tables", table, "columns", name),
                "by the ranges of its terms the sum can leave the column's range",
                "Narrow the terms, or remove minimum and maximum.",
            )


def _inside(plan: Plan, table: str, rule: FormulaConstraint, column: object) -> bool:
    reach = span(plan, Place(table, rule.column))
    scale = 10 ** plan.decimals(Place(table, rule.column))
    low, high = getattr(column, "minimum", None), getattr(column, "maximum", None)
    return (low is None or reach.low >= low * scale) and (high is None or reach.high <= high * scale)


def span(plan: Plan, place: Place) -> Units:
    """Return what a column of numbers can be, in units; of a computed one, what follows from its terms."""
    place = plan.origin(place)
    rule = plan.computed(place)
    if rule is None:
        found = plan.units(place)
        assert found is not None  # noqa: S101 - a column of numbers, by the checks before
        return found
    scale = 10 ** plan.decimals(place)
    if isinstance(rule, FormulaConstraint):
        terms = [(Place(place.table, name), factor) for name, factor in rule.terms.items()]
        low = high = rule.constant * scale
        for term, factor in terms:
            reach = span(plan, term)
            ratio = factor * scale / 10 ** plan.decimals(term)
            low += min(ratio * reach.low, ratio * reach.high)
            high += max(ratio * reach.low, ratio * reach.high)
        return Units(math.floor(low), math.ceil(high))
    if isinstance(rule, SumOfChildren):
        term, count, start = Place(rule.table, rule.of), plan.most(rule.table), Units(0, 0)
    else:
        term, count = Place(place.table, rule.amount), plan.most(place.table)
        start = _start_span(plan, place, rule)
    reach = span(plan, term)
    most = max(abs(reach.low), abs(reach.high)) if isinstance(rule, RunningBalance) and rule.minus else None
    ratio = scale // 10 ** plan.decimals(term)
    low, high = (-most, most) if most is not None else (min(reach.low, 0), max(reach.high, 0))
    return Units(start.low + low * ratio * count, start.high + high * ratio * count)


def _start_span(plan: Plan, place: Place, rule: RunningBalance) -> Units:
    scale = 10 ** plan.decimals(place)
    if not isinstance(rule.start, str):
        return Units(round(rule.start * scale), round(rule.start * scale))
    found = plan.resolve(place.table, rule.start)
    assert found is not None  # noqa: S101 - looked for by the checks before
    reach, ratio = span(plan, found), scale // 10 ** plan.decimals(found)
    return Units(reach.low * ratio, reach.high * ratio)


def _from_above(plan: Plan, table: str) -> Iterator[Fault]:
    """Yield orders for which what a table above has leaves no room."""
    spans = contradictions.spans_of(plan.schema(table, rules=True))
    for at, rule in enumerate(plan.tables[table].rules):
        if not isinstance(rule, OrderConstraint):
            continue
        first = plan.resolve(table, rule.columns[0])
        if first is None or plan.origin(first) == Place(table, rule.columns[0]):
            continue
        own = plan.schema(table, rules=True)[rule.columns[0]].maximum
        if own is not None and spans[rule.columns[0]].high < own:
            yield Fault(
                ("tables", table, "rules", at, "columns"),
                f"'{rule.columns[0]}' can be later or larger than '{rule.columns[1]}' ever is",
                "Lower its maximum, or raise the other's.",
            )


def _reach(plan: Plan, table: str) -> Iterator[Fault]:
    for at, rule in enumerate(plan.tables[table].rules):
        if isinstance(rule, FormulaConstraint | RunningBalance | SumOfChildren):
            reach = span(plan, Place(table, rule.column))
            finest = _finest(plan, table, rule) if isinstance(rule, FormulaConstraint) else 0
            if max(abs(reach.low), abs(reach.high)) * 10**finest > MOST_UNITS:
                yield Fault(
                    ("tables", table, "rules", at),
                    "its sums can have more digits than can be kept exactly",
                    "Fewer children, smaller amounts, or fewer decimals in factors.",
                )


def _finest(plan: Plan, table: str, rule: FormulaConstraint) -> int:
    own = plan.decimals(Place(table, rule.column))
    return max(0, formula_decimals(plan, table, rule) - own)


def formula_decimals(plan: Plan, table: str, rule: FormulaConstraint) -> int:
    """Return the decimals in which a formula is exact."""
    terms = [plan.decimals(Place(table, name)) + _decimals(factor) for name, factor in rule.terms.items()]
    return max(*terms, _decimals(rule.constant), plan.decimals(Place(table, rule.column)))


def _decimals(number: float) -> int:
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _uniques(plan: Plan, table: str) -> Iterator[Fault]:
    for at, rule in enumerate(plan.tables[table].rules):
        if isinstance(rule, UniqueConstraint):
            path: Path = ("tables", table, "rules", at, "columns")
            yield from _unique(plan, table, rule, path)


def _unique(plan: Plan, table: str, rule: UniqueConstraint, path: Path) -> Iterator[Fault]:
    if any(isinstance(plan.tables[table].columns[name], KeyColumn) for name in rule.columns):
        return
    place = Place(table, rule.columns[-1])
    column = plan.column(place)
    needed = plan.numbers(table)
    if len(rule.columns) == 2:
        first = plan.column(Place(table, rule.columns[0]))
        owner = plan.owner(table)
        if not (isinstance(first, ForeignKeyColumn) and owner is not None and first.of == owner.table):
            yield Fault(path, "of two columns, the first must be the key of the table above", "Put it first.")
            return
        needed = plan.most(table)
    elif len(rule.columns) > 2:
        yield Fault(path, "it names more than two columns", "Name one, or the key of the table above and one.")
        return
    if isinstance(column, TextColumn) and (column.format is not None or column.fake in PERSONS):
        if len(rule.columns) == 1 and column.fake is not None and plan.numbers(table) > PERSONS[column.fake]:
            yield Fault(path, f"there are {PERSONS[column.fake]:,} of them at most", "Ask for fewer rows.")
        return
    if not drawn_evenly(plan, place):
        problem = f"'{place.column}' is not drawn evenly from a range or a list, in no order"
        yield Fault(path, problem, "Name a key, a format, an e-mail, or a uniform column.")
    elif (size := states(plan, place)) < needed:
        yield Fault(path, f"'{place.column}' has {size:,} values and {needed:,} rows are counted", "Widen its range.")


def drawn_evenly(plan: Plan, place: Place) -> bool:
    """Tell whether a column takes each value of a range or a list equally often, whatever the others are."""
    column = plan.column(place)
    if (
        isinstance(column, BooleanColumn | InheritedColumn)
        or plan.computed(place) is not None
        or _in_order(plan, place)
    ):
        return False
    if isinstance(column, Timed):
        return True
    if isinstance(column, TextColumn | IntegerColumn) and column.categories is not None:
        shares = list(column.categories.values())
        return max(shares) - min(shares) < 1e-6
    if not isinstance(column, NumberColumn | IntegerColumn) or column.given is not None:
        return False
    return column.distribution is None or isinstance(column.distribution, Uniform)


def _in_order(plan: Plan, place: Place) -> bool:
    rules = plan.tables[place.table].rules
    return any(isinstance(rule, OrderConstraint) and place.column in rule.columns for rule in rules)


def states(plan: Plan, place: Place) -> int:
    """Return how many values an evenly drawn column has."""
    if (listed := plan.categories(place)) is not None:
        return len(listed)
    units = plan.units(place)
    assert units is not None  # noqa: S101 - drawn from a range
    return units.high - units.low + 1


def _choose(names: Mapping[str, object] | list[str] | tuple[str, ...]) -> str:
    return f"Choose: {', '.join(list(names)[:20])}." if names else "There is none to choose."


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:10])

"""What is wrong with the rules of a declaration: unknown columns, sums of nothing, circles, contradictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from synthcredit.datasets import contradictions
from synthcredit.datasets.constraints import FormulaConstraint, NullsConstraint, OrderConstraint, UniqueConstraint
from synthcredit.datasets.schema import Pii
from synthcredit.declared.faults import Fault, Path, choose, quoted
from synthcredit.declared.model import (
    ForeignKeyColumn,
    InheritedColumn,
    KeyColumn,
    RunningBalance,
    SumOfChildren,
    Table,
    TextColumn,
    Timed,
)
from synthcredit.declared.plan import MOST_UNITS, Place, Plan, missing_share
from synthcredit.declared.reach import decimals_of, drawn_evenly, formula_decimals, numeric, span, states

PERSONS: Mapping[Pii, int] = {
    Pii.EMAIL: MOST_UNITS,
    Pii.NATIONAL_ID: 55_000_000,
    Pii.IBAN: 10**9,
    Pii.CARD_NUMBER: 10**9,
}
"""Personal data that differs from person to person, and for how many persons."""


def rules(plan: Plan, table: str) -> Iterator[Fault]:
    """Yield what is wrong with the rules of a table, each by itself."""
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
            yield Fault(path, f"'{name}' is not a column of '{table}'", choose(columns))


def _order(plan: Plan, table: str, rule: OrderConstraint, path: Path) -> Iterator[Fault]:
    for at, name in enumerate(rule.columns):
        place = plan.resolve(table, name)
        if place is None:
            yield Fault((*path, "columns"), f"'{name}' is not a column", f"{choose(plan.tables[table].columns)}")
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
    elif rule.only and missing_share(column):
        problem = f"'{rule.column}' is missing by chance too, and by this rule only where it says so"
        yield Fault(path, problem, "Set only to false, or remove missing.")


def _balance(plan: Plan, table: str, rule: RunningBalance, path: Path) -> Iterator[Fault]:
    if plan.owner(table) is None:
        yield Fault(path, f"'{table}' belongs to no table: nobody has the balance", "Give it belongs_to.")
        return
    wrong = [*_own(plan, table, (rule.column, rule.amount, rule.order_by, *(rule.minus or ())), path)]
    yield from wrong
    if wrong:
        return
    balance, amount, order = (Place(table, name) for name in (rule.column, rule.amount, rule.order_by))
    yield from _result(plan, balance, (amount,), (*path, "column"))
    yield from _summed(plan, amount, (*path, "amount"))
    if not isinstance(plan.column(order), Timed):
        yield Fault((*path, "order_by"), f"'{rule.order_by}' is no date or timestamp of the table", "Name one.")
    elif plan.nullable(order):
        yield Fault((*path, "order_by"), f"'{rule.order_by}' can be missing", "Name a column that is always there.")
    yield from _start(plan, table, rule, path)
    yield from _minus(plan, table, rule, (*path, "minus"))


def _minus(plan: Plan, table: str, rule: RunningBalance, path: Path) -> Iterator[Fault]:
    for name, listed in (rule.minus or {}).items():
        options = plan.options(Place(table, name))
        if options is None or plan.nullable(Place(table, name)):
            yield Fault(path, f"'{name}' is no column of categories that is always there", "Name one.")
        elif unknown := [one for one in listed if one not in options]:
            yield Fault((*path, name), f"{quoted(unknown)} is no category of '{name}'", choose(options))


def _start(plan: Plan, table: str, rule: RunningBalance, path: Path) -> Iterator[Fault]:
    most = plan.decimals(Place(table, rule.column))
    if not isinstance(rule.start, str):
        if decimals_of(rule.start) > most:
            yield Fault((*path, "start"), f"it has more decimals than '{rule.column}'", "Round it.")
        return
    place = plan.resolve(table, rule.start)
    if place is None or place.table == table or not numeric(plan, place):
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
        yield Fault((*path, "of"), f"'{rule.of}' is not a column of '{rule.table}'", choose(child.columns))
        return
    yield from _summed(plan, Place(rule.table, rule.of), (*path, "of"))
    if rule.column in plan.tables[table].columns:
        yield from _result(plan, Place(table, rule.column), (Place(rule.table, rule.of),), (*path, "column"))


def _summed(plan: Plan, place: Place, path: Path) -> Iterator[Fault]:
    if not numeric(plan, place):
        yield Fault(path, f"'{place.column}' is no column of numbers", "Name one.")
    elif plan.nullable(place):
        yield Fault(path, f"'{place.column}' can be missing, which has no sum", "Name a column that is always there.")


def _result(plan: Plan, place: Place, terms: tuple[Place, ...], path: Path) -> Iterator[Fault]:
    if not numeric(plan, place) or isinstance(plan.column(place), InheritedColumn):
        yield Fault(path, f"'{place.column}' is no column of numbers of the table", "Name one.")
    elif any(plan.decimals(term) > plan.decimals(place) for term in terms):
        yield Fault(path, f"'{place.column}' has fewer decimals than what it is made of", "Give it as many.")
    elif _bounded(plan, place):
        problem = f"'{place.column}' goes where its amounts take it, beyond any range"
        yield Fault(path, problem, "Remove its minimum and maximum.")


def _bounded(plan: Plan, place: Place) -> bool:
    column = plan.column(place)
    return getattr(column, "minimum", None) is not None or getattr(column, "maximum", None) is not None


def _twice(table: Table, path: Path) -> Iterator[Fault]:
    seen: set[str] = set()
    orders = set()
    for at, rule in enumerate(table.rules):
        if rule in table.rules[:at]:
            yield Fault((*path, at), "it is another rule of the table again", "Remove it.")
            continue
        if isinstance(rule, FormulaConstraint | RunningBalance | SumOfChildren):
            if rule.column in seen:
                yield Fault((*path, at, "column"), f"'{rule.column}' follows from another rule already", "Keep one.")
            seen.add(rule.column)
        if isinstance(rule, RunningBalance):
            orders.add(rule.order_by)
            if len(orders) > 1:
                problem = "another balance of the table is in another order"
                yield Fault((*path, at, "order_by"), problem, "Rows have one order: name one column in both.")


def circles(plan: Plan) -> Iterator[Fault]:
    """Yield columns of which none can be made before the others."""
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


def contradicted(plan: Plan, table: str) -> Iterator[Fault]:
    """Yield what the constraints contradict, as `datasets.contradictions` finds it."""
    schema = plan.schema(table, rules=True)
    kept = {at: rule for at, rule in enumerate(plan.tables[table].rules) if rule in schema.constraints}
    places = list(kept)
    for problem in contradictions.problems(schema, "rules"):
        parts: list[str | int] = list(problem.field.split(".")[1:])
        if parts:
            parts[0] = places[int(parts[0])]
        yield Fault(("tables", table, "rules", *parts), problem.problem, problem.fix)


def beyond(plan: Plan, table: str) -> Iterator[Fault]:
    """Yield sums that can leave the range of their column."""
    for name in plan.tables[table].columns:
        place = Place(table, name)
        rule = plan.computed(place)
        if isinstance(rule, FormulaConstraint) and _bounded(plan, place) and not _inside(plan, place):
            yield Fault(
                ("tables", table, "columns", name),
                "by the ranges of its terms the sum can leave the column's range",
                "Narrow the terms, or remove minimum and maximum.",
            )


def _inside(plan: Plan, place: Place) -> bool:
    reach, scale, column = span(plan, place), 10 ** plan.decimals(place), plan.column(place)
    low, high = getattr(column, "minimum", None), getattr(column, "maximum", None)
    return (low is None or reach.low >= low * scale) and (high is None or reach.high <= high * scale)


def from_above(plan: Plan, table: str) -> Iterator[Fault]:
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


def too_long(plan: Plan, table: str) -> Iterator[Fault]:
    """Yield sums that may be too long to be exact."""
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


def uniques(plan: Plan, table: str) -> Iterator[Fault]:
    """Yield columns that cannot differ in every row."""
    for at, rule in enumerate(plan.tables[table].rules):
        if isinstance(rule, UniqueConstraint):
            path: Path = ("tables", table, "rules", at, "columns")
            yield from _unique(plan, table, rule, path)


def _unique(plan: Plan, table: str, rule: UniqueConstraint, path: Path) -> Iterator[Fault]:
    if any(isinstance(plan.tables[table].columns[name], KeyColumn) for name in rule.columns):
        return
    if len(rule.columns) > 2 or (len(rule.columns) == 2 and not _holds_owner(plan, table, rule.columns[0])):
        problem = "it is neither a column alone, nor the key of the table above and a column"
        yield Fault(path, problem, "Name those, in that order.")
        return
    needed = plan.numbers(table) if len(rule.columns) == 1 else plan.most(table)
    place = Place(table, rule.columns[-1])
    column = plan.column(place)
    if isinstance(column, TextColumn) and isinstance(column.fake, Pii) and column.fake in PERSONS:
        # A person's number, not its place below the one above, makes the difference.
        needed, size = plan.numbers(table), PERSONS[column.fake]
    elif isinstance(column, TextColumn) and column.format is not None:
        return
    elif not drawn_evenly(plan, place):
        problem = f"'{place.column}' is not drawn evenly from a range or a list, in no order"
        yield Fault(path, problem, "Name a key, a format, an e-mail, or a uniform column.")
        return
    else:
        size = states(plan, place)
    if size < needed:
        yield Fault(path, f"'{place.column}' has {size:,} values and {needed:,} rows are counted", "Widen its range.")


def _holds_owner(plan: Plan, table: str, name: str) -> bool:
    column, owner = plan.tables[table].columns[name], plan.owner(table)
    return isinstance(column, ForeignKeyColumn) and owner is not None and column.of == owner.table

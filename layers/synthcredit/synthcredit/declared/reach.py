"""What the columns of a sound declaration can be, computed ones too, and how many values they have."""

from __future__ import annotations

import math
from decimal import Decimal

from synthcredit.datasets.constraints import FormulaConstraint, OrderConstraint
from synthcredit.declared.distributions import Uniform
from synthcredit.declared.model import (
    BooleanColumn,
    InheritedColumn,
    IntegerColumn,
    NumberColumn,
    RunningBalance,
    SumOfChildren,
    TextColumn,
    Timed,
)
from synthcredit.declared.plan import Place, Plan, Units


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


def formula_decimals(plan: Plan, table: str, rule: FormulaConstraint) -> int:
    """Return the decimals in which a formula is exact."""
    terms = [plan.decimals(Place(table, name)) + decimals_of(factor) for name, factor in rule.terms.items()]
    return max(*terms, decimals_of(rule.constant), plan.decimals(Place(table, rule.column)))


def decimals_of(number: float) -> int:
    """Return the decimals of a number as it is written."""
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def numeric(plan: Plan, place: Place) -> bool:
    """Tell whether a column is of numbers that can be added up."""
    column = plan.source(place)
    return isinstance(column, NumberColumn) or (isinstance(column, IntegerColumn) and not column.listed)


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

"""Constraints that real rows seem to keep: suggested, with what speaks for each, for a person to confirm or drop.

Every suggestion holds in all rows, and would hardly do so by chance. None is ever applied by itself: that it held so
far does not make it a rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthcredit.datasets import contradictions, rules
from synthcredit.datasets.constraints import (
    CombinationsConstraint,
    Constraint,
    FormulaConstraint,
    NullsConstraint,
    OrderConstraint,
)
from synthcredit.datasets.rules import Floats, Rows
from synthcredit.datasets.schema import Column, Kind, TableSchema, Value
from synthcredit.randomness import generator

MIN_SUPPORT = 20
"""Rows that speak for a suggestion, at least."""
MOST_TERMS = 4
"""Columns that a suggested formula sums, at most."""
_LARGEST_FACTOR = 12
"""Largest coefficient: months of a year."""
_LOOKED_AT = 1_000
"""Distinct rows in which formulas are looked for, before all rows are asked."""
_RELATIVE = 1e-7
_CHANCE = 1e-6
"""A suggestion that rows without any such rule would keep with a larger probability is none."""
_LEAST_BROKEN = 0.01
"""Share of shuffled rows that has to break an order, or it says no more than that one column is larger."""
_FEW_VALUES = 50
"""Numbers of so few values count as codes, for combinations and missing values."""
_FEW_PEOPLE = 10
"""The usual k of models: rarer combinations are not kept."""
_FAR_FEWER = 0.5
"""Share of the combinations that shuffled rows have, at most."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One constraint that all real rows keep.

    Parameters
    ----------
    constraint
        As a schema has it.
    support
        How many rows it could be broken in, and was not.
    why
        What speaks for it, in counts.
    """

    constraint: Constraint
    support: int
    why: str

    @property
    def says(self) -> str:
        """It in words, with its support."""
        return f"{self.constraint.says}: {self.why}"


def suggest(table: pa.Table, schema: TableSchema) -> tuple[Suggestion, ...]:
    """Look for constraints that all rows of a table keep.

    Parameters
    ----------
    table
        Real rows that conform to the schema.
    schema
        Constraints that it declares already are not suggested again.

    Returns
    -------
    tuple of Suggestion
        Formulas, orders (of dates first), conditional nulls, combinations. Together with those that the schema has
        they are free of contradictions.
    """
    values = rules.table_values(table, schema, [column.name for column in schema.learned])
    numbers = [column for column in schema.learned if not column.discrete and len(np.unique(values[column.name])) > 1]
    amounts = [column for column in numbers if column.kind is not Kind.DATETIME]
    found = [*_formulas(amounts, values, schema)]
    sums = [one.constraint for one in found if isinstance(one.constraint, FormulaConstraint)]
    found += _orders(numbers, values, sums)
    found += _nulls(schema, values)
    found += _fixed(schema, values)
    return tuple(_without_contradictions(found, schema))


def _without_contradictions(found: Iterable[Suggestion], schema: TableSchema) -> Iterator[Suggestion]:
    declared = list(schema.constraints)
    for one in found:
        more = schema.model_copy(update={"constraints": (*declared, one.constraint)})
        if one.constraint not in declared and not contradictions.problems(more):
            declared.append(one.constraint)
            yield one


# Formulas


def _formulas(columns: list[Column], values: rules.Values, schema: TableSchema) -> Iterator[Suggestion]:
    """Yield sums that are exact in all rows; of the ways to turn one round, that without minus signs."""
    names = [column.name for column in columns]
    best: dict[frozenset[str], FormulaConstraint] = {}
    for group in _present_together(names, values):
        whole = np.stack([values[name] for name in group], axis=1)
        distinct = np.unique(whole[~np.isnan(whole).any(axis=1)], axis=0)
        if len(distinct) < MIN_SUPPORT + len(group):
            continue
        some = generator(0, "suggest/formulas").permutation(len(distinct))[:_LOOKED_AT]
        for position, name in enumerate(group):
            one = _sum_of(position, group, distinct[some])
            if one is None or not rules.keeps(one, values, schema).all():
                continue
            key = frozenset((name, *one.terms))
            if key not in best or _plainness(one) < _plainness(best[key]):
                best[key] = one
    for one in best.values():
        judged = ~np.isnan(rules.total(one, values) + values[one.column])
        support = len(np.unique(np.stack([values[name][judged] for name in one.names], axis=1), axis=0))
        yield Suggestion(one, int(judged.sum()), f"exact in {int(judged.sum()):,} rows, {support:,} of them distinct")


def _present_together(names: list[str], values: rules.Values) -> Iterator[list[str]]:
    """Yield sets of columns to look for formulas in: those never missing, and those there in half of the rows."""
    missing = {name: float(np.isnan(values[name]).mean()) for name in names}
    never = [name for name in names if missing[name] == 0]
    often = [name for name in names if missing[name] < 0.5]
    if len(never) > 1:
        yield never
    if len(often) > len(never):
        yield often


def _plainness(one: FormulaConstraint) -> tuple[int, float]:
    return sum(factor < 0 for factor in one.terms.values()), sum(abs(factor) for factor in one.terms.values())


def _sum_of(position: int, names: list[str], rows: Floats) -> FormulaConstraint | None:
    """Return a column as a sum of few others with whole coefficients, or None where it is none."""
    target = rows[:, position]
    terms = [at for at in range(len(names)) if at != position]
    factors, constant, exact = _fitted(rows, terms, target)
    if not exact:
        return None
    # The column follows from all others. Those without which it still does are left out, the least weighty first.
    spread = rows.std(axis=0)
    order = sorted(range(len(terms)), key=lambda at: abs(factors[at]) * spread[terms[at]])
    for at in [terms[own] for own in order]:
        fewer = [term for term in terms if term != at]
        if fewer and _fitted(rows, fewer, target)[2]:
            terms = fewer
    factors, constant, _ = _fitted(rows, terms, target)
    whole = np.rint(factors)
    scale = max(1.0, float(np.abs(target).max()))
    if (
        len(terms) > MOST_TERMS
        or np.abs(factors - whole).max() > 1e-4
        or not whole.all()
        or np.abs(whole).max() > _LARGEST_FACTOR
    ):
        return None
    rest = target - rows[:, terms] @ whole
    constant = 0.0 if np.abs(rest).max() <= _RELATIVE * scale else float(np.round(np.median(rest), 6))
    named = {names[term]: float(factor) for term, factor in zip(terms, whole, strict=True)}
    return FormulaConstraint(kind="formula", column=names[position], terms=named, constant=constant)


def _fitted(rows: Floats, terms: list[int], target: Floats) -> tuple[Floats, float, bool]:
    """Fit by least squares; return coefficients, constant, and whether nothing is left over."""
    if not terms:
        return np.zeros(0), 0.0, False
    design = rows[:, terms]
    middle, spread = design.mean(axis=0), design.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = (design - middle) / spread
    found = np.linalg.lstsq(scaled, target - target.mean(), rcond=1e-10)[0]
    left = np.abs(target - target.mean() - scaled @ found).max()
    factors = found / spread
    # A rounded sum is off by half a unit at most; one that is off by more is no formula.
    exact = bool(left <= _RELATIVE * target.std())
    return factors, float(target.mean() - middle @ factors), exact


# Orders


def _orders(columns: list[Column], values: rules.Values, sums: list[FormulaConstraint]) -> Iterator[Suggestion]:
    """Yield chains of columns that never decrease, of dates first; not what follows from a sum of parts."""
    rng = generator(0, "suggest/orders")
    dates = [column for column in columns if column.kind is Kind.DATETIME]
    amounts = [column for column in columns if column.kind is not Kind.DATETIME]
    for group in (dates, amounts):
        support: dict[tuple[str, str], int] = {}
        for one, other in combinations(group, 2):
            for low, high in ((one.name, other.name), (other.name, one.name)):
                rows = _in_order(values[low], values[high], rng)
                if rows and not _implied(low, high, sums, values):
                    support[low, high] = rows
        for chain in _chains(_direct(set(support))):
            least = min(support[pair] for pair in pairwise(chain))
            yield Suggestion(
                OrderConstraint(kind="order", columns=tuple(chain)),
                least,
                f"never the other way round in {least:,} rows in which both are there",
            )


def _in_order(low: Floats, high: Floats, rng: np.random.Generator) -> int:
    """Return in how many rows one column is not above another; 0 where it is in one, or where that says little."""
    both = ~np.isnan(low) & ~np.isnan(high)
    low, high = low[both], high[both]
    if len(low) < MIN_SUPPORT or (low > high).any() or np.array_equal(low, high):
        return 0
    # Above the lowest value of the higher: that none of 0 is below 0 makes no order of two measures.
    shuffled = rng.permutation(high)
    broken = float(np.mean((low > shuffled) & (shuffled > high.min())))
    by_chance = len(low) * math.log1p(-min(broken, 1 - 1e-12))
    return len(low) if broken >= _LEAST_BROKEN and by_chance < math.log(_CHANCE) else 0


def _implied(low: str, high: str, sums: list[FormulaConstraint], values: rules.Values) -> bool:
    """Tell whether a part is not above its sum merely since no part is below 0."""
    return any(
        one.column == high
        and low in one.terms
        and all(factor >= 1 and np.nanmin(values[name]) >= 0 for name, factor in one.terms.items())
        for one in sums
    )


def _direct(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the pairs that follow from no two others."""
    names = {name for pair in pairs for name in pair}
    return {
        (low, high) for low, high in pairs if not any((low, one) in pairs and (one, high) in pairs for one in names)
    }


def _chains(pairs: set[tuple[str, str]]) -> Iterator[list[str]]:
    """Yield chains that have each pair once, the longest ways first joined."""
    left = sorted(pairs)
    while left:
        chain = list(left.pop(0))
        while following := [pair for pair in left if pair[0] == chain[-1]]:
            chain.append(following[0][1])
            left.remove(following[0])
        while before := [pair for pair in left if pair[1] == chain[0]]:
            chain.insert(0, before[0][0])
            left.remove(before[0])
        yield chain


# Missing values


def _nulls(schema: TableSchema, values: rules.Values) -> Iterator[Suggestion]:
    """Yield, for each column with gaps, the column whose values say best where it is missing."""
    decided: set[str] = set()
    for column in schema.learned:
        missing = np.isnan(values[column.name])
        if not 0 < missing.mean() < 1:
            continue
        found = [
            one
            for other in schema.learned
            if other.name != column.name and other.name not in decided
            for one in _told_by(column, missing, other, values[other.name])
        ]
        if found:
            # Exact rules before others, few values before many.
            yield min(found, key=_exactness)
            decided.add(column.name)


def _exactness(one: Suggestion) -> tuple[bool, int]:
    assert isinstance(one.constraint, NullsConstraint)  # noqa: S101 - what `_nulls` looks at
    return not one.constraint.only, sum(len(listed) for listed in one.constraint.when.values())


def _told_by(column: Column, missing: Rows, other: Column, own: Floats) -> Iterator[Suggestion]:
    gaps = np.isnan(own)
    states = np.unique(own[~gaps])
    if not other.discrete and len(states) > _FEW_VALUES:
        if gaps.any():
            # Of an amount, only whether it is there.
            yield from _rule(column, missing, other, gaps, (None,))
        return
    told = [state for state in states if missing[own == state].all()]
    also_gaps = bool(gaps.any() and missing[gaps].all())
    if missing.sum() > np.isin(own, told).sum() + (gaps.sum() if also_gaps else 0):
        # Where they do not say it all, a state of a few rows may be missing by chance.
        told = [state for state in told if (own == state).sum() >= MIN_SUPPORT]
    listed: list[Value | None] = [_written(state, other) for state in told]
    where = np.isin(own, told)
    if also_gaps:
        listed.append(None)
        where |= gaps
    if 0 < len(listed) < len(states) + gaps.any():
        yield from _rule(column, missing, other, where, tuple(listed))


def _rule(
    column: Column, missing: Rows, other: Column, where: Rows, listed: tuple[Value | None, ...]
) -> Iterator[Suggestion]:
    rows, elsewhere = int(where.sum()), int(missing.sum()) - int((missing & where).sum())
    if rows < MIN_SUPPORT or not missing[where].all() or rows * math.log(missing.mean()) > math.log(_CHANCE):
        return
    only = elsewhere == 0 and len(missing) - rows >= MIN_SUPPORT
    constraint = NullsConstraint(kind="nulls", column=column.name, when={other.name: listed}, only=only)
    said = "and in no other" if only else f"and in {elsewhere:,} others"
    yield Suggestion(constraint, rows, f"missing in all {rows:,} such rows {said}")


def _written(state: float, column: Column) -> Value:
    if column.discrete:
        return (column.categories or ())[int(state)]
    return int(state) if state == int(state) else float(state)


# Combinations


def _fixed(schema: TableSchema, values: rules.Values) -> Iterator[Suggestion]:
    """Yield columns of codes of which one decides the others, such as a city its state."""
    codes = {column.name: _coded(values[column.name]) for column in schema.learned if _is_coded(column, values)}
    rng = generator(0, "suggest/combinations")
    groups: list[tuple[str, ...]] = []
    for name in sorted(codes, key=lambda name: -int(codes[name].max())):
        others = [other for other in codes if other != name and _decides(codes[name], codes[other], rng)]
        together = tuple(column for column in codes if column == name or column in others)
        if others and not any(set(together) <= set(group) for group in groups):
            groups.append(together)
    for group in groups:
        rows = np.stack([codes[name] for name in group], axis=1)
        possible = math.prod(int(codes[name].max()) + 1 for name in group)
        counts = np.unique(rows, axis=0, return_counts=True)[1]
        rare = int(counts[counts < _FEW_PEOPLE].sum())
        yield Suggestion(
            CombinationsConstraint(kind="combinations", columns=group),
            len(rows),
            f"{len(counts):,} combinations of {possible:,} possible ones in {len(rows):,} rows, "
            f"{rare:,} rows with one of fewer than {_FEW_PEOPLE}, which would not come",
        )


def _is_coded(column: Column, values: rules.Values) -> bool:
    states = len(np.unique(values[column.name]))
    return states > 1 and (column.discrete or (column.kind is Kind.INTEGER and states <= _FEW_VALUES))


def _coded(values: Floats) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return found


def _decides(one: NDArray[np.int64], other: NDArray[np.int64], rng: np.random.Generator) -> bool:
    """Tell whether a column decides another, in rows enough, where shuffled rows have far more combinations."""
    states, others = int(one.max()) + 1, int(other.max()) + 1
    if states < others or states < 3 or len(one) < MIN_SUPPORT * states / 4:
        return False
    if len(np.unique(one * others + other)) > states:
        return False
    return bool(states <= _FAR_FEWER * len(np.unique(one * others + rng.permutation(other))) or others == 2)

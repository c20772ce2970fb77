"""How the tables of a declaration hang together, and what each column can be: worked out once, before any row."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from synthcredit.datasets import contradictions
from synthcredit.datasets.constraints import FormulaConstraint, NullsConstraint, OrderConstraint, UniqueConstraint
from synthcredit.datasets.schema import Column as SchemaColumn
from synthcredit.datasets.schema import DatasetSchema, Dtype, Kind, Relation, TableSchema, storage_name
from synthcredit.declared.distributions import Distribution, Uniform, poisson_most
from synthcredit.declared.model import (
    BelongsTo,
    Between,
    BooleanColumn,
    Cardinality,
    Column,
    DateColumn,
    Declaration,
    Fixed,
    ForeignKeyColumn,
    GivenDistributions,
    InheritedColumn,
    IntegerColumn,
    KeyColumn,
    NumberColumn,
    RunningBalance,
    SumOfChildren,
    Table,
    TextColumn,
    TimestampColumn,
)

MOST_UNITS = 2**53
"""Numbers below it are exact as doubles, whatever their decimals."""
BLOCK_ROWS = 1 << 16
"""About so many rows of all tables are in one block."""
BLOCK_PARENTS = 8192
"""Most rows of the uppermost table in one block."""
SHARD_BLOCKS = 4
"""Blocks of one part file. Both are part of what makes the files the same whoever writes them."""
_EPOCH = dt.date(1970, 1, 1)

Computed = FormulaConstraint | RunningBalance | SumOfChildren
InRow = OrderConstraint | FormulaConstraint | NullsConstraint


class Place(NamedTuple):
    """A column of a table."""

    table: str
    column: str


class Units(NamedTuple):
    """What a column of numbers, dates or moments can be, both ends included: last decimals, days or seconds."""

    low: int
    high: int


@dataclass(frozen=True)
class Plan:
    """A declaration whose tables are known to hang together, and how many rows its uppermost tables have."""

    declaration: Declaration
    rows: Mapping[str, int]

    @property
    def tables(self) -> Mapping[str, Table]:
        """The tables by name."""
        return self.declaration.tables

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """The tables that belong to none."""
        return tuple(name for name, table in self.tables.items() if table.belongs_to is None)

    def above(self, table: str) -> tuple[str, ...]:
        """Return the tables above one, the nearest first."""
        found: list[str] = []
        owner = self.tables[table].belongs_to
        while owner is not None:
            found.append(owner.table)
            owner = self.tables[owner.table].belongs_to
        return tuple(found)

    def below(self, root: str) -> tuple[str, ...]:
        """Return a table and those below it, parents first, in the order of the declaration."""
        tree = [name for name in self.tables if root in (name, *self.above(name))]
        return tuple(sorted(tree, key=lambda name: len(self.above(name))))

    def most(self, table: str) -> int:
        """Return the most rows that one row of the table above can have."""
        owner = self.tables[table].belongs_to
        return 1 if owner is None else most_children(owner.children)

    def numbers(self, table: str) -> int:
        """Return how many numbers the rows of a table are counted in; not every number has a row."""
        return self.rows[self.root(table)] * math.prod(self.most(one) for one in (table, *self.above(table)))

    def root(self, table: str) -> str:
        """Return the uppermost table above one, or itself."""
        return (table, *self.above(table))[-1]

    def expected_rows(self, table: str) -> float:
        """Return how many rows a table has, on average."""
        means = [mean_children(owner.children) for one in (table, *self.above(table)) if (owner := self.owner(one))]
        return self.rows[self.root(table)] * math.prod(means)

    def expected(self, root: str) -> float:
        """Return how many rows of all tables one row of an uppermost table has, on average."""
        return math.fsum(self.expected_rows(name) / self.rows[root] for name in self.below(root))

    def owner(self, table: str) -> BelongsTo | None:
        """Return whose children a table's rows are."""
        return self.tables[table].belongs_to

    def block_parents(self, root: str) -> int:
        """Return how many rows of an uppermost table are in one block."""
        return int(max(1, min(BLOCK_PARENTS, BLOCK_ROWS // max(1.0, self.expected(root)))))

    def blocks(self, root: str) -> int:
        """Return how many blocks the rows of an uppermost table make."""
        return -(-self.rows[root] // self.block_parents(root))

    def resolve(self, table: str, name: str) -> Place | None:
        """Return the column that is meant by a name: one of the table's, or `table.column` of a table above."""
        if name in self.tables[table].columns:
            return Place(table, name)
        other, dot, column = name.partition(".")
        if dot and other in self.above(table) and column in self.tables[other].columns:
            return Place(other, column)
        return None

    def origin(self, place: Place) -> Place:
        """Return where an inherited value comes from in the end; the place itself where it is not inherited."""
        column = self.column(place)
        while isinstance(column, InheritedColumn):
            found = self.resolve(place.table, column.of)
            assert found is not None  # noqa: S101 - looked for by consistency
            place, column = found, self.column(found)
        return place

    def column(self, place: Place) -> Column:
        """Return what is declared of a column."""
        return self.tables[place.table].columns[place.column]

    def source(self, place: Place) -> Column:
        """Return what is declared of a column where its values come from."""
        return self.column(self.origin(place))

    def computed(self, place: Place) -> Computed | None:
        """Return the rule by which a column follows from others, if any."""
        rules = self.tables[place.table].rules
        return next(
            (
                one
                for one in rules
                if isinstance(one, FormulaConstraint | RunningBalance | SumOfChildren) and one.column == place.column
            ),
            None,
        )

    def nulls(self, place: Place) -> tuple[NullsConstraint, ...]:
        """Return the rules by which a column is missing."""
        rules = self.tables[place.table].rules
        return tuple(one for one in rules if isinstance(one, NullsConstraint) and one.column == place.column)

    def before(self, place: Place) -> tuple[tuple[Place, bool], ...]:
        """Return the columns that a column does not come before by orders, and whether it must be after them."""
        found = []
        for one in self.tables[place.table].rules:
            if isinstance(one, OrderConstraint):
                for lower, upper in zip(one.columns, one.columns[1:], strict=False):
                    if upper == place.column and (known := self.resolve(place.table, lower)) is not None:
                        found.append((known, one.strict))
        return tuple(found)

    def unique(self, place: Place) -> UniqueConstraint | None:
        """Return the rule by which a column is different in every row, alone or within its parent."""
        own = self.tables[place.table]
        rules = (one for one in own.rules if isinstance(one, UniqueConstraint) and one.columns[-1] == place.column)
        # With the table's key in it a rule is kept already; different in all rows is different within a parent too.
        kept = (one for one in rules if not any(isinstance(own.columns[name], KeyColumn) for name in one.columns))
        return min(kept, key=lambda one: len(one.columns), default=None)

    def nullable(self, place: Place, seen: tuple[Place, ...] = ()) -> bool:
        """Tell whether a column can be missing.

        Parameters
        ----------
        seen
            Columns that are being asked already: formulas may run in a circle, which is refused later.
        """
        place = self.origin(place)
        if place in seen:
            return False
        column, rule = self.column(place), self.computed(place)
        if self.nulls(place) or missing_share(column) > 0:
            return True
        return isinstance(rule, FormulaConstraint) and any(
            self.nullable(Place(place.table, name), (*seen, place))
            for name in rule.terms
            if name in self.tables[place.table].columns
        )

    def order_by(self, table: str) -> str | None:
        """Return the column in whose order the rows of one parent are."""
        return next((one.order_by for one in self.tables[table].rules if isinstance(one, RunningBalance)), None)

    def categories(self, place: Place) -> tuple[str, ...] | tuple[int, ...] | None:
        """Return the categories of a column; None where it has none."""
        column = self.source(place)
        if not isinstance(column, TextColumn | IntegerColumn):
            return None
        if column.categories is not None:
            return tuple(column.categories)  # type: ignore[return-value]
        if column.given is None or isinstance(column.given, GivenDistributions):
            return None
        every = (name for one in column.given.categories.values() for name in one)
        return tuple(dict.fromkeys(every))  # type: ignore[return-value]

    def options(self, place: Place) -> tuple[str, ...] | None:
        """Return the categories of a column as text, true and false too, as `given` names them."""
        if isinstance(self.source(place), BooleanColumn):
            return ("false", "true")
        found = self.categories(place)
        return None if found is None else tuple(map(str, found))

    def decimals(self, place: Place) -> int:
        """Return the decimal places of a column of numbers."""
        column = self.source(place)
        return column.decimals if isinstance(column, NumberColumn) else 0

    def own_units(self, place: Place) -> Units | None:
        """Return what a column that is drawn can be by itself; None where it is computed, or has no order."""
        place = self.origin(place)
        column = self.column(place)
        if isinstance(column, DateColumn):
            return Units((column.minimum - _EPOCH).days, (column.maximum - _EPOCH).days)
        if isinstance(column, TimestampColumn):
            return Units(_seconds(column.minimum, up=True), _seconds(column.maximum, up=False))
        if not isinstance(column, NumberColumn | IntegerColumn) or self.computed(place) is not None:
            return None
        if isinstance(column, IntegerColumn) and column.listed:
            return None
        return _number_units(column, self.decimals(place))

    def units(self, place: Place) -> Units | None:
        """Return what a column can be once the orders that it is in leave room for the others.

        Of a computed one, what follows from its terms; None where nothing is known.
        """
        place = self.origin(place)
        return self._units[place.table].get(place.column)

    @cached_property
    def _units(self) -> dict[str, dict[str, Units]]:
        """Every table's columns of numbers, dates and moments."""
        return {name: self._table_units(name) for root in self.roots for name in self.below(root)}

    def _table_units(self, table: str) -> dict[str, Units]:
        schema = self.schema(table, rules=True)
        found = {}
        for name, span in contradictions.spans_of(schema).items():
            if name in self.tables[table].columns and (own := self.own_units(Place(table, name))) is not None:
                scale = self._scale(Place(table, name))
                low = own.low if math.isinf(span.low) else round(span.low * scale)
                high = own.high if math.isinf(span.high) else round(span.high * scale)
                found[name] = Units(max(own.low, low), min(own.high, high))
        return found

    def _scale(self, place: Place) -> float:
        column = self.source(place)
        if isinstance(column, DateColumn):
            return 1 / 86_400
        return 10.0 ** self.decimals(place)

    def schema(self, table: str, *, rules: bool = False) -> TableSchema:
        """Return a table as the rest of synthcredit knows it.

        Parameters
        ----------
        rules
            Whether its constraints are in it, and the columns of tables above that orders name: to be reasoned about.
        """
        own = self.tables[table]
        columns = [self._schema_column(Place(table, name), name) for name in own.columns]
        kept: tuple[InRow, ...] = ()
        if rules:
            kept = tuple(
                one for one in own.rules if isinstance(one, OrderConstraint | FormulaConstraint | NullsConstraint)
            )
            columns += [
                self._schema_column(found, name)
                for name in self.names_above(table)
                if (found := self.resolve(table, name)) is not None
            ]
        return TableSchema(
            name=table,
            columns=tuple(columns),
            primary_key=own.key,
            customer=self._customer(table),
            constraints=kept,
        )

    def names_above(self, table: str) -> tuple[str, ...]:
        """Return the columns of tables above, as `table.column`, that the orders of a table name."""
        own = self.tables[table]
        orders = (one for one in own.rules if isinstance(one, OrderConstraint))
        return tuple(dict.fromkeys(name for one in orders for name in one.columns if name not in own.columns))

    def _customer(self, table: str) -> str | None:
        if not self.above(table):
            return None
        columns = self.tables[table].columns.items()
        root = self.root(table)
        return next((name for name, one in columns if isinstance(one, ForeignKeyColumn) and one.of == root), None)

    def _schema_column(self, place: Place, name: str) -> SchemaColumn:
        column = self.source(place)
        shared: dict[str, Any] = {"name": name, "storage_name": storage_name(name), "nullable": self.nullable(place)}
        categories = self.categories(place)
        if isinstance(column, KeyColumn | ForeignKeyColumn):
            return SchemaColumn(**shared, kind=Kind.IDENTIFIER, dtype=self.key_dtype(self.origin(place)))
        if isinstance(column, BooleanColumn):
            return SchemaColumn(**shared, kind=Kind.BOOLEAN, dtype=Dtype.BOOL, categories=(False, True))
        if categories is not None:
            dtype = Dtype.STRING if isinstance(column, TextColumn) else Dtype.INT64
            return SchemaColumn(**shared, kind=Kind.CATEGORICAL, dtype=dtype, categories=categories)
        if isinstance(column, TextColumn):
            return _text_column(column, shared)
        return self._ordered_column(place, shared)

    def _ordered_column(self, place: Place, shared: dict[str, Any]) -> SchemaColumn:
        column, units, scale = self.source(place), self.own_units(place), self._scale(place)
        bounds = {"minimum": getattr(column, "minimum", None), "maximum": getattr(column, "maximum", None)}
        if units is not None:
            bounds = {"minimum": units.low / scale, "maximum": units.high / scale}
        given: dict[str, Any] = {**shared, **bounds}
        if isinstance(column, NumberColumn):
            return SchemaColumn(**given, kind=Kind.CONTINUOUS, dtype=Dtype.DOUBLE, decimals=column.decimals)
        if isinstance(column, IntegerColumn):
            return SchemaColumn(**given, kind=Kind.INTEGER, dtype=Dtype.INT64)
        dtype = Dtype.DATE if isinstance(column, DateColumn) else Dtype.TIMESTAMP
        return SchemaColumn(**given, kind=Kind.DATETIME, dtype=dtype)

    def key_dtype(self, place: Place) -> Dtype:
        """Return how a key is stored, or that which a foreign key holds."""
        column = self.column(place)
        if isinstance(column, ForeignKeyColumn):
            key = self.tables[column.of].key
            assert key is not None  # noqa: S101 - looked for by consistency
            return self.key_dtype(Place(column.of, key))
        return Dtype.INT64 if isinstance(column, KeyColumn) and column.format is None else Dtype.STRING

    def grain(self, place: Place) -> int:
        """Return how many units make one: of numbers one, of dates and moments a day."""
        column = self.source(place)
        return 86_400 if isinstance(column, TimestampColumn) else 10 ** self.decimals(place)

    @cached_property
    def dataset(self) -> DatasetSchema:
        """The tables with their keys and relations."""
        relations = [
            Relation(parent=one.of, child=name, foreign_key=column)
            for name, table in self.tables.items()
            for column, one in table.columns.items()
            if isinstance(one, ForeignKeyColumn)
        ]
        return DatasetSchema(tables=tuple(self.schema(name) for name in self.tables), relations=tuple(relations))

    def needs(self, place: Place) -> Iterator[Place]:
        """Yield the columns that must be known before a column is."""
        column, rule = self.column(place), self.computed(place)
        named: list[str] = []
        if isinstance(rule, FormulaConstraint):
            named += rule.terms
        elif isinstance(rule, SumOfChildren):
            yield Place(rule.table, rule.of)
        elif isinstance(rule, RunningBalance):
            named += [rule.amount, rule.order_by, *(rule.minus or ())]
            named += [rule.start] if isinstance(rule.start, str) else []
        if isinstance(column, InheritedColumn):
            named.append(column.of)
        if isinstance(column, KeyColumn | ForeignKeyColumn):
            yield from self._order_of(place)
        named += [given.column] if (given := getattr(column, "given", None)) is not None else []
        named += [name for one in self.nulls(place) for name in one.when]
        yield from (before for before, _ in self.before(place))
        yield from (found for name in named if (found := self.resolve(place.table, name)) is not None)

    def _order_of(self, place: Place) -> Iterator[Place]:
        """Yield the columns on which the numbers of a key depend."""
        for name in (place.table, *self.above(place.table)):
            if (column := self.order_by(name)) is not None:
                yield Place(name, column)


def _text_column(column: TextColumn, shared: dict[str, Any]) -> SchemaColumn:
    if column.format is not None:
        return SchemaColumn(**shared, kind=Kind.IDENTIFIER, dtype=Dtype.STRING, format=column.format)
    pii = None if column.fake == "sentence" else column.fake
    return SchemaColumn(**shared, kind=Kind.TEXT, dtype=Dtype.STRING, pii=pii)


def _seconds(moment: dt.datetime, *, up: bool) -> int:
    found = moment.replace(tzinfo=dt.UTC).timestamp()
    return math.ceil(found) if up else math.floor(found)


def _number_units(column: NumberColumn | IntegerColumn, decimals: int) -> Units | None:
    """Return the range of a column in units: its bounds, or where its distributions end."""
    lows, highs = zip(*(ends(shape) for shape in shapes(column)), strict=True)
    low = min(lows) if column.minimum is None else max(column.minimum, min(lows))
    high = max(highs) if column.maximum is None else min(column.maximum, max(highs))
    if math.isinf(low) or math.isinf(high):
        return None
    scale = 10**decimals
    # Bounds are decimals that doubles hold not quite: 0.07 * 100 is a little more than 7.
    return Units(math.ceil(round(low * scale, 6)), math.floor(round(high * scale, 6)))


def shapes(column: NumberColumn | IntegerColumn) -> tuple[Distribution, ...]:
    """Return the distributions that a column has: one, or one for each category of another."""
    if isinstance(column.given, GivenDistributions):
        return tuple(column.given.distributions.values())
    return (column.distribution or Uniform(kind="uniform"),)


def ends(shape: Distribution) -> tuple[float, float]:
    """Return the least and the most that a distribution gives; a uniform one has no ends of its own."""
    if isinstance(shape, Uniform):
        return -math.inf, math.inf
    low, high = shape.value(np.array([0.0, 1.0]))
    return float(low), float(high)


def missing_share(column: object) -> float:
    """Return the share of rows in which a column is missing by chance."""
    return float(getattr(column, "missing", 0.0))


def most_children(cardinality: Cardinality) -> int:
    """Return the most children that a parent can have."""
    if isinstance(cardinality, Fixed):
        return cardinality.count
    if isinstance(cardinality, Between):
        return cardinality.maximum
    return poisson_most(cardinality.mean)


def mean_children(cardinality: Cardinality) -> float:
    """Return how many children a parent has on average."""
    if isinstance(cardinality, Fixed):
        return cardinality.count
    if isinstance(cardinality, Between):
        return (cardinality.minimum + cardinality.maximum) / 2
    return cardinality.mean

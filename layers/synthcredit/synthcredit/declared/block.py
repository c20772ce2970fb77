"""One block: a run of rows of an uppermost table with all that belongs to them, made alone.

A column is made when it is first asked for, after the columns that it needs. Rows are made in slots: the children of a
parent one after the other. Where a ledger orders them by time, the order is worked out over the slots, and rows are
numbered and written in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthcredit.datasets import fakepersons, fakes, fromnumpy, rules
from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.constraints import FormulaConstraint
from synthcredit.datasets.draws import Bools, EntityDraws, Floats, Ints, key_of
from synthcredit.datasets.keyed import KeyedRows
from synthcredit.datasets.schema import Column as SchemaColumn
from synthcredit.datasets.schema import Dtype, Kind, storage_name
from synthcredit.declared.consistency import PARENT
from synthcredit.declared.distributions import Distribution, Uniform, cut, poisson_shares
from synthcredit.declared.model import (
    Between,
    BooleanColumn,
    DateColumn,
    Fixed,
    ForeignKeyColumn,
    GivenDistributions,
    GivenShares,
    InheritedColumn,
    IntegerColumn,
    KeyColumn,
    NumberColumn,
    RunningBalance,
    SumOfChildren,
    TextColumn,
)
from synthcredit.declared.permutation import permuted
from synthcredit.declared.plan import Place, Plan, missing_share, shapes
from synthcredit.declared.reach import drawn_evenly, formula_decimals, states


@dataclass(frozen=True, slots=True)
class Cells:
    """One column of a block, slot by slot.

    Parameters
    ----------
    values
        Shape (n,), int64: units of the last decimal, days, seconds, or codes of categories. None for text.
    text
        Keys, personal data, patterns and sentences.
    valid
        Shape (n,): where it is not missing; None: everywhere.
    """

    values: Ints | None = None
    text: pa.Array | None = None
    valid: Bools | None = None

    @property
    def numbers(self) -> Ints:
        """The values of a column that is no free text."""
        assert self.values is not None  # noqa: S101 - asked of columns of numbers and categories only
        return self.values

    def take(self, rows: Ints) -> Cells:
        """Return the cells of some slots."""
        return Cells(
            None if self.values is None else self.values[rows],
            None if self.text is None else self.text.take(pa.array(rows)),
            None if self.valid is None else self.valid[rows],
        )

    def within(self, valid: Bools | None) -> Cells:
        """Return the cells, missing in more slots."""
        if valid is None:
            return self
        return Cells(self.values, self.text, valid if self.valid is None else self.valid & valid)


@dataclass
class Block:
    """One block of the tree of an uppermost table.

    Parameters
    ----------
    number
        Which one, counted from 0.
    """

    plan: Plan
    seed: int
    root: str
    number: int
    _cells: dict[Place, Cells] = field(default_factory=dict)
    _slots: dict[str, tuple[Ints, Ints, Ints]] = field(default_factory=dict)
    _ranks: dict[str, tuple[Ints, Ints]] = field(default_factory=dict)

    def table(self, name: str) -> pa.RecordBatch:
        """Return the rows of a table in its order, under the columns' storage names; categories as dictionaries."""
        order = self._order(name)[0]
        columns = [self._arrow(Place(name, column), order) for column in self.plan.tables[name].columns]
        return pa.RecordBatch.from_arrays(columns, schema=made_schema(self.plan, name))

    def slots(self, table: str) -> tuple[Ints, Ints, Ints]:
        """Return the numbers of a table's slots, the slot of the row above each, and its place under that.

        Numbers tell entities apart for random numbers: those of children follow from those of their parents.
        """
        if table not in self._slots:
            self._slots[table] = self._make_slots(table)
        return self._slots[table]

    def _make_slots(self, table: str) -> tuple[Ints, Ints, Ints]:
        owner = self.plan.owner(table)
        if owner is None:
            size = self.plan.block_parents(table)
            first = self.number * size
            numbers = np.arange(first, min(first + size, self.plan.rows[table]), dtype=np.int64)
            return numbers, np.arange(len(numbers)), np.zeros(len(numbers), np.int64)
        above = self.slots(owner.table)[0]
        counts = self._counts(table, above)
        parents = np.repeat(np.arange(len(above)), counts)
        places = np.arange(len(parents)) - np.repeat(np.cumsum(counts) - counts, counts)
        return above[parents] * self.plan.most(table) + places, parents, places

    def _counts(self, table: str, above: Ints) -> Ints:
        owner = self.plan.owner(table)
        assert owner is not None  # noqa: S101 - asked of children only
        children = owner.children
        if isinstance(children, Fixed):
            return np.full(len(above), children.count, np.int64)
        uniform = EntityDraws(f"declared/{table}", self.seed, above).uniform("children")
        if isinstance(children, Between):
            return children.minimum + (uniform * (children.maximum - children.minimum + 1)).astype(np.int64)
        return np.searchsorted(poisson_shares(children.mean), uniform, side="right").astype(np.int64)

    def _order(self, table: str) -> tuple[Ints, Ints]:
        """Return the slots of a table in the order of its rows, and the place of each slot in that order."""
        if table not in self._ranks:
            numbers, parents, _ = self.slots(table)
            owner = self.plan.owner(table)
            order = np.arange(len(numbers))
            if owner is not None:
                above = self._order(owner.table)[1][parents]
                by = self.plan.order_by(table)
                time = order if by is None else self.cells(Place(table, by)).numbers
                order = np.lexsort((order, time, above))
            ranks = np.empty(len(order), np.int64)
            ranks[order] = np.arange(len(order))
            self._ranks[table] = order, ranks
        return self._ranks[table]

    def key_numbers(self, table: str) -> tuple[Ints, Ints]:
        """Return the numbers that the keys of a table's slots are made of, and the place of each under its parent."""
        numbers, parents, _ = self.slots(table)
        owner = self.plan.owner(table)
        if owner is None:
            return numbers, np.zeros(len(numbers), np.int64)
        order = self._order(table)[0]
        counts = np.bincount(parents, minlength=len(self.slots(owner.table)[0]))[parents[order]]
        starts = np.flatnonzero(np.diff(parents[order], prepend=-1))
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order)) - np.repeat(starts, counts[starts])
        return self.key_numbers(owner.table)[0][parents] * self.plan.most(table) + places, places

    def cells(self, place: Place) -> Cells:
        """Return a column, made now if it is asked for for the first time."""
        if place not in self._cells:
            self._cells[place] = self._make(place)
        return self._cells[place]

    def _draws(self, place: Place) -> EntityDraws:
        return EntityDraws(f"declared/{place.table}", self.seed, self.slots(place.table)[0])

    def _make(self, place: Place) -> Cells:
        column = self.plan.column(place)
        if isinstance(column, InheritedColumn):
            found = self.plan.resolve(place.table, column.of)
            assert found is not None  # noqa: S101 - looked for by consistency
            return self.seen_from(place.table, found)
        made = self._computed(place) or self._drawn(place)
        return made.within(self._present(place))

    def seen_from(self, table: str, place: Place) -> Cells:
        """Return a column of a table, or of one above it, in the slots of the table."""
        cells = self.cells(place)
        return cells if place.table == table else cells.take(self._slots_above(table, place.table))

    def _slots_above(self, table: str, other: str) -> Ints:
        rows = np.arange(len(self.slots(table)[0]))
        while table != other:
            rows = self.slots(table)[1][rows]
            owner = self.plan.owner(table)
            assert owner is not None  # noqa: S101 - the other table is above this one
            table = owner.table
        return rows

    def _present(self, place: Place) -> Bools | None:
        """Return where a column is not missing, by chance and by rules; None: everywhere."""
        column = self.plan.column(place)
        share = missing_share(column)
        draws = self._draws(place)
        missing = draws.chance(f"{place.column}/missing", share) if share else np.zeros(len(draws.numbers), np.bool_)
        told = self.plan.nulls(place)
        for rule in told:
            schema = self.plan.dataset[place.table]
            values = {name: self._floats(Place(place.table, name)) for name in rule.when}
            values[place.column] = np.zeros(len(missing))
            missing |= rules.told(rule, values, schema)
        return ~missing if share or told else None

    def _floats(self, place: Place) -> Floats:
        """Return a column as `datasets.rules` knows it: numbers, seconds or codes; NaN is missing."""
        cells, column = self.cells(place), self.plan.source(place)
        values = cells.numbers.astype(np.float64)
        if self.plan.options(place) is None:
            values = values * 86_400 if isinstance(column, DateColumn) else values / 10.0 ** self.plan.decimals(place)
        return values if cells.valid is None else np.where(cells.valid, values, np.nan)

    # Drawn

    def _drawn(self, place: Place) -> Cells:
        column = self.plan.column(place)
        if isinstance(column, KeyColumn):
            return self._key(place, column)
        if isinstance(column, ForeignKeyColumn):
            return self._foreign_key(place, column)
        if isinstance(column, BooleanColumn):
            return self._truth(place, column)
        if isinstance(column, TextColumn) and column.categories is None and column.given is None:
            return Cells(text=self._text(place, column))
        if self.plan.unique(place) is not None and drawn_evenly(self.plan, place):
            return Cells(self._once(place))
        if self.plan.categories(place) is not None:
            return Cells(self._category(place))
        return Cells(self._number(place))

    def _key(self, place: Place, column: KeyColumn) -> Cells:
        numbers, places = self.key_numbers(place.table)
        owner = self.plan.owner(place.table)
        if column.format is None:
            return Cells(numbers + 1)
        if owner is None or not column.format.startswith(PARENT):
            return Cells(text=self._counted(place, column.format, numbers))
        above = self.plan.tables[owner.table].key
        assert above is not None  # noqa: S101 - looked for by consistency
        cells = self.seen_from(place.table, Place(owner.table, above))
        start = pa.array(cells.numbers).cast(pa.string()) if cells.text is None else cells.text
        end = self._counted(place, column.format.removeprefix(PARENT), places)
        return Cells(text=pc.binary_join_element_wise(start, end, ""))

    def _counted(self, place: Place, pattern: str, numbers: Ints) -> pa.Array:
        column = SchemaColumn(
            name=place.column,
            storage_name=storage_name(place.column),
            kind=Kind.IDENTIFIER,
            dtype=Dtype.STRING,
            format=pattern,
        )
        return fakes.identifiers(column, KeyedRows(f"declared/{place.table}", self.seed, numbers))

    def _foreign_key(self, place: Place, column: ForeignKeyColumn) -> Cells:
        key = self.plan.tables[column.of].key
        assert key is not None  # noqa: S101 - looked for by consistency
        other = Place(column.of, key)
        if column.of in self.plan.above(place.table):
            return self.seen_from(place.table, other)
        chosen = self._draws(place).below(f"{place.column}/which", self.plan.rows[column.of])
        declared = self.plan.column(other)
        assert isinstance(declared, KeyColumn)  # noqa: S101 - by its name
        if declared.format is None:
            return Cells(chosen + 1)
        # The other table's keys follow from its numbers alone: its rows need not be made.
        return Cells(text=self._counted(other, declared.format, chosen))

    def _truth(self, place: Place, column: BooleanColumn) -> Cells:
        share: float | Floats = column.share if column.share is not None else 0.0
        if isinstance(column.given, GivenShares):
            codes, names = self._given(place, column.given.column)
            share = np.array([column.given.shares[name] for name in names])[codes]
        return Cells(self._draws(place).chance(place.column, share).astype(np.int64))

    def _text(self, place: Place, column: TextColumn) -> pa.Array:
        rows = KeyedRows(f"declared/{place.table}", self.seed, self.slots(place.table)[0])
        schema_column = self.plan.dataset[place.table][place.column]
        if column.format is not None:
            return self._counted(place, column.format, self.key_numbers(place.table)[0])
        return (
            fakes.sentences(rows, schema_column) if column.fake == "sentence" else fakepersons.make(schema_column, rows)
        )

    def _given(self, place: Place, name: str) -> tuple[Ints, tuple[str, ...]]:
        """Return the codes of the column that another depends on, and what they stand for."""
        found = self.plan.resolve(place.table, name)
        assert found is not None  # noqa: S101 - looked for by consistency
        options = self.plan.options(found)
        assert options is not None  # noqa: S101 - as above
        return self.seen_from(place.table, found).numbers, options

    def _category(self, place: Place) -> Ints:
        column, draws = self.plan.column(place), self._draws(place)
        assert isinstance(column, TextColumn | IntegerColumn)  # noqa: S101 - by the caller's test
        if column.categories is not None:
            return _chosen(draws.uniform(place.column), np.array(list(column.categories.values())))
        assert column.given is not None and not isinstance(column.given, GivenDistributions)  # noqa: S101
        codes, names = self._given(place, column.given.column)
        every = self.plan.categories(place) or ()
        uniform = draws.uniform(place.column)
        found = np.empty(len(uniform), np.int64)
        for code, name in enumerate(names):
            rows = np.flatnonzero(codes == code)
            own = column.given.categories[name]
            at = np.array([every.index(one) for one in own])
            found[rows] = at[_chosen(uniform[rows], np.array(list(own.values())))]
        return found

    def _once(self, place: Place) -> Ints:
        """Return values that differ from row to row, or from row to row of one parent."""
        rule = self.plan.unique(place)
        assert rule is not None  # noqa: S101 - by the caller's test
        numbers, parents, places = self.slots(place.table)
        size = states(self.plan, place)
        units = self.plan.units(place)
        low = 0 if units is None or self.plan.categories(place) is not None else units.low
        if len(rule.columns) == 1:
            return low + permuted(numbers, size, key_of(self.seed, f"declared/{place.table}/{place.column}"))
        owner = self.plan.owner(place.table)
        assert owner is not None  # noqa: S101 - looked for by consistency
        above = EntityDraws(f"declared/{place.table}", self.seed, self.slots(owner.table)[0])
        return low + permuted(places, size, above.bits(place.column)[parents])

    def _number(self, place: Place) -> Ints:
        """Return numbers, days or seconds: drawn from what is left of the distribution after the orders."""
        units, decimals = self.plan.units(place), self.plan.decimals(place)
        assert units is not None  # noqa: S101 - looked for by consistency
        uniform = self._draws(place).uniform(place.column)
        high = np.array(units.high)
        low = self._least(place, units.low)
        column = self.plan.column(place)
        if not isinstance(column, NumberColumn | IntegerColumn):
            return _even(low, high, uniform)
        if not isinstance(column.given, GivenDistributions):
            return _rounded(shapes(column)[0], low, high, uniform, decimals)
        codes, names = self._given(place, column.given.column)
        found = np.empty(len(uniform), np.int64)
        for code, name in enumerate(names):
            rows = np.flatnonzero(codes == code)
            shape = column.given.distributions[name]
            found[rows] = _rounded(shape, low[rows] if low.ndim else low, high, uniform[rows], decimals)
        return found

    def _least(self, place: Place, low: int) -> Ints:
        """Return the least that a column can be, given the columns that it does not come before; () or (n,)."""
        least = np.array(low)
        for before, strict in self.plan.before(place):
            cells = self.seen_from(place.table, before)
            at = _rescaled_up(cells.numbers, self.plan.grain(before), self.plan.grain(place), strict=strict)
            if cells.valid is not None and before.table != place.table:
                at = np.where(cells.valid, at, low)
            least = np.maximum(least, at)
        return least

    # Computed

    def _computed(self, place: Place) -> Cells | None:
        rule = self.plan.computed(place)
        if isinstance(rule, FormulaConstraint):
            return self._formula(place, rule)
        if isinstance(rule, RunningBalance):
            return Cells(self._balance(place, rule))
        if isinstance(rule, SumOfChildren):
            return Cells(self._sum(place, rule))
        return None

    def _formula(self, place: Place, rule: FormulaConstraint) -> Cells:
        """Return a sum in whole numbers of the finest decimals, rounded half up once, at the end."""
        finest = formula_decimals(self.plan, place.table, rule)
        total = np.full(len(self.slots(place.table)[0]), _units(rule.constant, finest))
        valid: Bools | None = None
        for name, factor in rule.terms.items():
            term = Place(place.table, name)
            cells = self.cells(term)
            total = total + cells.numbers * _units(factor, finest - self.plan.decimals(term))
            if cells.valid is not None:
                valid = cells.valid if valid is None else valid & cells.valid
        step = 10 ** (finest - self.plan.decimals(place))
        return Cells((2 * total + step) // (2 * step) if step > 1 else total).within(valid)

    def _balance(self, place: Place, rule: RunningBalance) -> Ints:
        amount = Place(place.table, rule.amount)
        decimals = self.plan.decimals(place)
        change = self.cells(amount).numbers * 10 ** (decimals - self.plan.decimals(amount))
        for name, listed in (rule.minus or {}).items():
            options = self.plan.options(Place(place.table, name)) or ()
            minus = np.array([option in listed for option in options])
            change = np.where(minus[self.cells(Place(place.table, name)).numbers], -change, change)
        order = self._order(place.table)[0]
        parents = self.slots(place.table)[1][order]
        total = np.cumsum(change[order])
        starts = np.flatnonzero(np.diff(parents, prepend=-1))
        before = np.repeat(total[starts] - change[order][starts], np.diff([*starts, len(order)]))
        found = np.empty(len(order), np.int64)
        found[order] = total - before
        return found + self._start(place, rule, decimals)

    def _start(self, place: Place, rule: RunningBalance, decimals: int) -> Ints | int:
        if not isinstance(rule.start, str):
            return _units(rule.start, decimals)
        found = self.plan.resolve(place.table, rule.start)
        assert found is not None  # noqa: S101 - looked for by consistency
        scale = 10 ** (decimals - self.plan.decimals(found))
        return np.asarray(self.seen_from(place.table, found).numbers * scale)

    def _sum(self, place: Place, rule: SumOfChildren) -> Ints:
        child = Place(rule.table, rule.of)
        running = np.concatenate([[0], np.cumsum(self.cells(child).numbers)])
        counts = np.bincount(self.slots(rule.table)[1], minlength=len(self.slots(place.table)[0]))
        ends = np.cumsum(counts)
        scale = 10 ** (self.plan.decimals(place) - self.plan.decimals(child))
        return np.asarray((running[ends] - running[ends - counts]) * scale, np.int64)

    # To Arrow

    def _arrow(self, place: Place, order: Ints) -> pa.Array:
        cells, column = self.cells(place).take(order), self.plan.source(place)
        if cells.text is not None:
            return cells.text if cells.valid is None else pc.if_else(pa.array(cells.valid), cells.text, None)
        values, categories = cells.numbers, self.plan.categories(place)
        if isinstance(column, BooleanColumn):
            flags = fromnumpy.flags(values.astype(np.bool_))
            return flags if cells.valid is None else pc.if_else(pa.array(cells.valid), flags, None)
        if categories is not None and isinstance(column, TextColumn):
            return fromnumpy.labels(values, categories, cells.valid)
        if categories is not None:
            return fromnumpy.whole(np.array(categories)[values], cells.valid)
        if isinstance(column, NumberColumn):
            return fromnumpy.real(values / 10.0**column.decimals, cells.valid)
        if isinstance(column, IntegerColumn | KeyColumn | ForeignKeyColumn):
            return fromnumpy.whole(values, cells.valid)
        if isinstance(column, DateColumn):
            return fromnumpy.dates(values, cells.valid)
        return fromnumpy.instants(values, cells.valid)


def made_schema(plan: Plan, table: str) -> pa.Schema:
    """Return columns, by their storage names, and types as blocks have them: categories of text as a dictionary."""
    codes = pa.dictionary(pa.int32(), pa.string())
    fields = arrow_schema(plan.dataset[table])
    coded_ones = coded(plan, table)
    return pa.schema(
        [pa.field(storage_name(one.name), codes if one.name in coded_ones else one.type) for one in fields]
    )


def coded(plan: Plan, table: str) -> tuple[str, ...]:
    """Return the columns of a table that are made as codes and a dictionary."""
    return tuple(
        name
        for name in plan.tables[table].columns
        if plan.categories(Place(table, name)) is not None and isinstance(plan.source(Place(table, name)), TextColumn)
    )


def _chosen(uniform: Floats, shares: Floats) -> Ints:
    edges = np.cumsum(shares)
    return np.searchsorted(edges[:-1] / edges[-1], uniform, side="right").astype(np.int64)


def _even(low: Ints, high: Ints, uniform: Floats) -> Ints:
    """Return whole numbers from ``low`` to ``high``, each equally often."""
    # The product can round up to the size itself.
    return np.minimum(low + np.floor(uniform * (high - low + 1)).astype(np.int64), high)


def _rounded(shape: Distribution, low: Ints, high: Ints, uniform: Floats, decimals: int) -> Ints:
    """Return units of a distribution between two: half a unit more at each end, so that the ends have their share."""
    if isinstance(shape, Uniform):
        return _even(low, high, uniform)
    scale = 10.0**decimals
    drawn = cut(shape, np.asarray((low - 0.5) / scale), np.asarray((high + 0.5) / scale), uniform)
    return np.clip(np.rint(drawn * scale).astype(np.int64), low, high)


def _rescaled_up(values: Ints, grain: int, wanted: int, *, strict: bool) -> Ints:
    """Return the least units of one grain that are not below, or are above, values of another."""
    if wanted >= grain:
        return values * (wanted // grain) + (1 if strict else 0)
    step = grain // wanted
    return values // step + 1 if strict else -(-values // step)


def _units(number: float, decimals: int) -> int:
    """Return a number, as it is written, in units of so many decimals."""
    return int(Decimal(repr(number)).scaleb(decimals))

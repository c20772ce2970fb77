"""The proof of declared rows, from their files alone: keys, relations, ledgers, ranges, and shares found again.

A rule must hold in every row; a share or a distribution must be found again within what chance allows. Files are read
shard by shard. What must be unique in all of them is kept as 8 bytes a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthcredit.datasets import rules
from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.constraints import FormulaConstraint, NullsConstraint, OrderConstraint, UniqueConstraint
from synthcredit.datasets.draws import Bools, Floats, Ints
from synthcredit.datasets.keyed import mix
from synthcredit.declared.distributions import Distribution, Uniform
from synthcredit.declared.model import (
    Between,
    BooleanColumn,
    ForeignKeyColumn,
    GivenDistributions,
    InheritedColumn,
    IntegerColumn,
    KeyColumn,
    NumberColumn,
    PoissonChildren,
    RunningBalance,
    SumOfChildren,
    TextColumn,
    TimestampColumn,
)
from synthcredit.declared.plan import Place, Plan, Units, mean_children, missing_share, shapes
from synthcredit.declared.reach import drawn_evenly
from synthcredit.evidence.model import About, Check

MAX_ERRORS = 4.0
"""Standard errors that chance may put between what is declared and what is found: once in 16,000 checks."""
_POINTS = (0.1, 0.5, 0.9)
"""Where a distribution is compared: the shares of values that should be at most so large."""
Hashes = NDArray[np.uint64]


class What(NamedTuple):
    """What one check is about."""

    about: About
    name: str
    column: str | None
    says: str


class Expected(NamedTuple):
    """A mean that should be found again."""

    what: What
    mean: float
    deviation: float
    """Of one value."""


@dataclass
class Proof:
    """What was counted so far, over some shards."""

    broken: dict[What, list[int]] = field(default_factory=dict)
    """Rows that break a rule, and all of them."""
    means: dict[Expected, list[float]] = field(default_factory=dict)
    """Sum and number of values."""
    unique: dict[What, list[Hashes]] = field(default_factory=dict)
    keys: dict[str, list[Hashes]] = field(default_factory=dict)
    """By table, the keys that there are."""
    held: dict[tuple[What, str], list[Hashes]] = field(default_factory=dict)
    """Keys of tables of other shards that are held, and which table's."""

    def rule(self, what: What, bad: Bools | int, rows: int) -> None:
        """Count rows that break a rule."""
        count = int(np.count_nonzero(bad)) if isinstance(bad, np.ndarray) else bad
        tally = self.broken.setdefault(what, [0, 0])
        tally[0] += count
        tally[1] += rows

    def mean(self, expected: Expected, values: Bools | Ints) -> None:
        """Add up values whose mean should be found again."""
        tally = self.means.setdefault(expected, [0.0, 0.0])
        tally[0] += float(np.sum(values))
        tally[1] += len(values)

    def checks(self) -> Iterator[Check]:
        """Yield the checks, of every kind that evidence must have."""
        for what, (bad, rows) in self.broken.items():
            yield _check(what, int(bad), int(rows))
        for what, parts in self.unique.items():
            # Sorted: where nearly all differ, that is several times as fast as np.unique.
            every = np.sort(np.concatenate(parts))
            yield _check(what, int(np.count_nonzero(every[1:] == every[:-1])), len(every))
        for (what, table), parts in self.held.items():
            every = np.concatenate(parts)
            known = np.concatenate(self.keys.get(table, [np.empty(0, np.uint64)]))
            yield _check(what, int(np.count_nonzero(~np.isin(every, known))), len(every))
        for expected, (total, count) in self.means.items():
            if count:
                yield _found_again(expected, total / count, count)


def check_folder(plan: Plan, folder: Path, shards: int) -> tuple[Check, ...]:
    """Check what was written to ``folder/<table>/part-*.parquet``.

    Returns
    -------
    tuple of Check
        Of every kind that evidence of rule-based data must have: keys, ledgers, time order, plausibility, parameters
        and validity. Where nothing of a kind is declared, a check says so and passes. ``detail`` names no value.
    """
    return check_shards(plan, (_read(plan, folder, shard) for shard in range(shards)))


def _read(plan: Plan, folder: Path, shard: int) -> dict[str, pa.Table]:
    paths = {name: folder / name / f"part-{shard:05d}.parquet" for name in plan.tables}
    return {name: pq.read_table(path, partitioning=None) for name, path in paths.items() if path.exists()}


def check_shards(plan: Plan, shards: Iterable[Mapping[str, pa.Table]]) -> tuple[Check, ...]:
    """Check shards as they were written, one at a time: what `check_folder` returns."""
    proof = Proof()
    there: set[str] = set()
    for tables in shards:
        there.update(tables)
        _count(plan, tables, proof)
    for name in plan.tables:
        what = What(About.VALIDITY, "table_has_rows", None, f"{name}: its part files are there")
        proof.rule(what, 0 if name in there else 1, 1)
    return _complete(proof)


def check_tables(plan: Plan, tables: Mapping[str, pa.Table]) -> tuple[Check, ...]:
    """Check tables in memory: all of them, or those of some blocks of one uppermost table, under storage names."""
    proof = Proof()
    _count(plan, tables, proof)
    return _complete(proof)


def _complete(proof: Proof) -> tuple[Check, ...]:
    found = [*proof.checks()]
    for about in About:
        if not any(check.about is about for check in found):
            says = f"declares nothing of {about}, so that nothing of it can be broken"
            found.append(Check(expectation="nothing_declared", about=about, column=None, passed=True, detail=says))
    return tuple(found)


def _check(what: What, bad: int, rows: int) -> Check:
    detail = what.says if not bad else f"should be so: {what.says}; {bad:,} of {rows:,} rows are not"
    return Check(expectation=what.name, about=what.about, column=what.column, passed=not bad, detail=detail)


def _found_again(expected: Expected, mean: float, count: float) -> Check:
    what = expected.what
    # Four values more: shares so small that they are no normal numbers.
    passed = abs(mean - expected.mean) <= MAX_ERRORS * expected.deviation / count**0.5 + MAX_ERRORS / count
    says = f"{what.says}: {mean:.4g} found, {expected.mean:.4g} declared"
    return Check(expectation=what.name, about=what.about, column=what.column, passed=bool(passed), detail=says)


def _count(plan: Plan, tables: Mapping[str, pa.Table], proof: Proof) -> None:
    there = {}
    for name, table in tables.items():
        schema = plan.dataset[name]
        wanted = arrow_schema(schema, storage_names=True)
        what = What(About.VALIDITY, "columns_as_declared", None, f"{name}: columns and types are the declared ones")
        proof.rule(what, int(not table.schema.equals(wanted)), 1)
        if table.schema.equals(wanted):
            there[name] = table.rename_columns(schema.names)
    family = Family(plan, there)
    for name in there:
        _values(family, name, proof)
        _keys(family, name, proof)
        _rules(family, name, proof)
        _parameters(family, name, proof)


@dataclass(frozen=True)
class Family:
    """Tables that hang together, whole, under their columns' own names."""

    plan: Plan
    tables: Mapping[str, pa.Table]

    @cached_property
    def _known_hashes(self) -> dict[Place, Hashes]:
        return {}

    @cached_property
    def _known_rows(self) -> dict[tuple[str, str], Ints]:
        return {}

    def array(self, place: Place) -> pa.Array:
        """Return a column."""
        return self.tables[place.table][place.column].combine_chunks()

    def present(self, place: Place) -> Bools:
        """Return where a column is not missing."""
        return np.asarray(self.array(place).is_valid().to_numpy(zero_copy_only=False))

    def units(self, place: Place) -> Ints:
        """Return numbers in units of the last decimal, days or seconds; what is missing is 0."""
        array, column = self.array(place), self.plan.source(place)
        if isinstance(column, NumberColumn):
            numbers = pc.fill_null(array, 0.0).to_numpy()
            return np.asarray(np.rint(numbers * 10.0**column.decimals).astype(np.int64))
        if pa.types.is_date32(array.type):
            array = array.cast(pa.int32())
        found = np.asarray(pc.fill_null(array.cast(pa.int64()), 0).to_numpy(), np.int64)
        return found // 1_000_000 if isinstance(column, TimestampColumn) else found

    def codes(self, place: Place) -> Ints:
        """Return the place of each value among the column's categories; -1 where it is none of them."""
        names = (False, True) if isinstance(self.plan.source(place), BooleanColumn) else self.plan.categories(place)
        array = self.array(place)
        found = pc.index_in(array, value_set=pa.array(names, array.type))
        return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)

    def hashes(self, place: Place) -> Hashes:
        """Return a number for each value; equal ones have equal numbers, others but for once in 2^64 pairs."""
        if place not in self._known_hashes:
            self._known_hashes[place] = _hashes(self.array(place))
        return self._known_hashes[place]

    def above(self, table: str, other: str) -> Ints:
        """Return where in a table above each row's own row is; -1 where it is not there."""
        if (table, other) not in self._known_rows:
            self._known_rows[table, other] = self._find_above(table, other)
        return self._known_rows[table, other]

    def _find_above(self, table: str, other: str) -> Ints:
        owner = self.plan.owner(table)
        assert owner is not None  # noqa: S101 - the other table is above this one
        held = next(
            name
            for name, one in self.plan.tables[table].columns.items()
            if isinstance(one, ForeignKeyColumn) and one.of == owner.table
        )
        key = self.plan.tables[owner.table].key
        assert key is not None  # noqa: S101 - it is held
        rows = _position(self.hashes(Place(owner.table, key)), self.hashes(Place(table, held)))
        if owner.table == other:
            return rows
        further = self.above(owner.table, other)
        return np.where(rows < 0, -1, further[rows]) if len(further) else np.full(len(rows), -1)

    def seen_from(self, table: str, place: Place) -> tuple[Place, Ints | None]:
        """Return a column of a table or of one above it, and the rows of it that belong to the table's."""
        return place, None if place.table == table else self.above(table, place.table)

    def units_from(self, table: str, place: Place) -> Ints:
        """Return the units of a column of a table, or of one above it, row by row of the table."""
        return _taken(self.units(place), self.seen_from(table, place)[1])

    def codes_from(self, table: str, place: Place) -> Ints:
        """Return the codes of a column of a table, or of one above it, row by row of the table."""
        return _taken(self.codes(place), self.seen_from(table, place)[1])


def _taken(values: Ints, rows: Ints | None) -> Ints:
    if rows is None:
        return values
    return values[rows] if len(values) else np.zeros(len(rows), np.int64)


def _position(known: Hashes, wanted: Hashes) -> Ints:
    if not len(known):
        return np.full(len(wanted), -1)
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
    return np.where(known[order][at] == wanted, order[at], -1)


def _hashes(array: pa.Array) -> Hashes:
    if not len(array):
        return np.empty(0, np.uint64)
    if not pa.types.is_string(array.type):
        if pa.types.is_floating(array.type):
            return mix(np.ascontiguousarray(array.to_numpy(zero_copy_only=False) + 0.0).view(np.uint64))
        whole = array.cast(pa.int32()) if pa.types.is_date32(array.type) else array
        return mix(pc.fill_null(whole.cast(pa.int64()), -(2**62)).to_numpy().astype(np.uint64))
    return _text_hashes(array)


def _text_hashes(array: pa.Array) -> Hashes:
    """Hash text eight bytes at a time, over all rows at once; what is missing is as empty text."""
    _, offsets_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    data = np.frombuffer(data_buffer or b"\0", np.uint8)
    starts, lengths = offsets[:-1], np.diff(offsets)
    found = mix(lengths.astype(np.uint64))
    for first in range(0, int(lengths.max(initial=0)), 8):
        word = np.zeros(len(array), np.uint64)
        for at in range(first, first + 8):
            byte = data[np.minimum(starts + at, len(data) - 1)]
            word |= np.where(at < lengths, byte, 0).astype(np.uint64) << np.uint64(8 * (at - first))
        found = np.where(first < lengths, mix(found ^ word), found)
    return found


# Values and ranges


def _values(family: Family, table: str, proof: Proof) -> None:
    plan = family.plan
    for name in plan.tables[table].columns:
        place = Place(table, name)
        rows = family.tables[table].num_rows
        present = family.present(place)
        if not plan.nullable(place):
            what = What(About.VALIDITY, "never_missing", name, f"{table}: never missing")
            proof.rule(what, ~present, rows)
        if plan.options(place) is not None:
            what = What(About.VALIDITY, "one_of_categories", name, f"{table}: one of the declared categories")
            proof.rule(what, present & (family.codes(place) < 0), rows)
        if isinstance(plan.source(place), NumberColumn):
            decimals = plan.decimals(place)
            exact = family.units(place) / 10.0**decimals
            numbers = pc.fill_null(family.array(place), 0.0).to_numpy()
            says = f"{table}: of {decimals} decimals"
            proof.rule(What(About.VALIDITY, "decimals", name, says), exact != numbers, rows)
        if (units := plan.own_units(place)) is not None:
            found = family.units(place)
            what = What(About.PLAUSIBILITY, "in_range", name, f"{table}: inside the declared range")
            proof.rule(what, present & ((found < units.low) | (found > units.high)), rows)


# Keys and relations


def _keys(family: Family, table: str, proof: Proof) -> None:
    plan, own = family.plan, family.plan.tables[table]
    if own.key is not None:
        hashes = family.hashes(Place(table, own.key))
        proof.keys.setdefault(table, []).append(hashes)
        what = What(About.KEYS, "key_unique", own.key, f"{table}: different in every row")
        proof.unique.setdefault(what, []).append(hashes)
    for name, column in own.columns.items():
        if isinstance(column, ForeignKeyColumn):
            _foreign_key(family, Place(table, name), column, proof)
        if isinstance(column, InheritedColumn):
            _inherited(family, Place(table, name), column, proof)
    if plan.owner(table) is not None:
        _children(family, table, proof)


def _foreign_key(family: Family, place: Place, column: ForeignKeyColumn, proof: Proof) -> None:
    plan, table = family.plan, place.table
    what = What(About.KEYS, "foreign_key_known", place.column, f"{table}: a key of {column.of}")
    if column.of not in plan.above(table):
        # The other table's keys are in other shards: they are compared at the end.
        held = family.hashes(place)[family.present(place)]
        proof.held.setdefault((what, column.of), []).append(np.unique(held))
        return
    known = family.above(table, column.of)
    theirs = _taken(family.hashes(Place(column.of, plan.tables[column.of].key or "")).view(np.int64), known)
    proof.rule(what, (known < 0) | (theirs != family.hashes(place).view(np.int64)), len(known))


def _inherited(family: Family, place: Place, column: InheritedColumn, proof: Proof) -> None:
    found = _known(family.plan, place.table, column.of)
    rows = family.above(place.table, found.table)
    theirs = _taken(family.hashes(found).view(np.int64), rows)
    there, present = _taken(family.present(found).astype(np.int64), rows) > 0, family.present(place)
    bad = (there != present) | (present & (theirs != family.hashes(place).view(np.int64)))
    what = What(About.KEYS, "as_above", place.column, f"{place.table}: as in {column.of}")
    proof.rule(what, bad, len(rows))


def _children(family: Family, table: str, proof: Proof) -> None:
    owner = family.plan.owner(table)
    assert owner is not None  # noqa: S101 - by the caller's test
    rows = family.above(table, owner.table)
    counts = np.bincount(rows[rows >= 0], minlength=family.tables[owner.table].num_rows)
    children = owner.children
    least = (
        0
        if isinstance(children, PoissonChildren)
        else children.minimum
        if isinstance(children, Between)
        else children.count
    )
    most = family.plan.most(table)
    what = What(About.KEYS, "children_per_parent", None, f"{table}: as many rows of each of {owner.table} as declared")
    proof.rule(what, (counts < least) | (counts > most), len(counts))
    mean = mean_children(children)
    variance = mean if isinstance(children, PoissonChildren) else ((most - least + 1) ** 2 - 1) / 12
    what = What(About.PARAMETERS, "children", None, f"{table}: rows of each of {owner.table} on average")
    proof.mean(Expected(what, mean, variance**0.5), counts)


# Rules


def _rules(family: Family, table: str, proof: Proof) -> None:
    plan, rows = family.plan, family.tables[table].num_rows
    for rule in plan.tables[table].rules:
        if isinstance(rule, UniqueConstraint):
            _unique(family, table, rule, proof)
        elif isinstance(rule, RunningBalance):
            _balance(family, table, rule, proof)
        elif isinstance(rule, SumOfChildren):
            _sum(family, table, rule, proof)
        elif isinstance(rule, OrderConstraint):
            timed = plan.grain(_known(plan, table, rule.columns[-1])) == 86_400 or not _is_number(plan, table, rule)
            what = What(About.TIME_ORDER if timed else About.PLAUSIBILITY, "order", None, f"{table}: {rule.says}")
            proof.rule(what, ~_in_order(family, table, rule), rows)
        else:
            about = About.LEDGERS if isinstance(rule, FormulaConstraint) else About.PLAUSIBILITY
            what = What(about, rule.kind, rule.column, f"{table}: {rule.says}")
            proof.rule(what, ~_kept(family, table, rule), rows)


def _known(plan: Plan, table: str, name: str) -> Place:
    found = plan.resolve(table, name)
    assert found is not None  # noqa: S101 - looked for by consistency
    return found


def _is_number(plan: Plan, table: str, rule: OrderConstraint) -> bool:
    return isinstance(plan.source(_known(plan, table, rule.columns[-1])), NumberColumn | IntegerColumn)


def _in_order(family: Family, table: str, rule: OrderConstraint) -> Bools:
    """Tell which rows are in order; missing values are passed over."""
    highest: Floats | None = None
    kept = np.ones(family.tables[table].num_rows, np.bool_)
    for name in rule.columns:
        place = _known(family.plan, table, name)
        rows = family.seen_from(table, place)[1]
        # Divided, two numbers of different decimals compare as they are written.
        values = family.units_from(table, place) / family.plan.grain(place)
        present = family.present(place) if rows is None else _taken(family.present(place).astype(np.int64), rows) > 0
        if highest is None:
            highest = np.where(present, values, -np.inf)
            continue
        kept &= ~present | (values > highest if rule.strict else values >= highest)
        highest = np.where(present, values, highest)
    return kept


def _kept(family: Family, table: str, rule: FormulaConstraint | NullsConstraint) -> Bools:
    """Tell which rows keep a rule, as `datasets.rules` judges it for learned rows too."""
    schema = family.plan.dataset[table]
    names = tuple(dict.fromkeys(rule.names))
    return rules.keeps(rule, rules.table_values(family.tables[table], schema, names), schema)


def _unique(family: Family, table: str, rule: UniqueConstraint, proof: Proof) -> None:
    rows = family.tables[table].num_rows
    found, present = np.zeros(rows, np.uint64), np.ones(rows, np.bool_)
    for name in rule.columns:
        found = mix(found ^ family.hashes(Place(table, name)))
        present &= family.present(Place(table, name))
    what = What(About.KEYS, "unique", rule.columns[-1], f"{table}: {rule.says}")
    proof.unique.setdefault(what, []).append(found[present])


def _balance(family: Family, table: str, rule: RunningBalance, proof: Proof) -> None:
    plan = family.plan
    owner = plan.owner(table)
    assert owner is not None  # noqa: S101 - looked for by consistency
    parents = family.above(table, owner.table)
    balance, amount = Place(table, rule.column), Place(table, rule.amount)
    scale = 10 ** (plan.decimals(balance) - plan.decimals(amount))
    change = family.units(amount) * scale
    for name, listed in (rule.minus or {}).items():
        options = plan.options(Place(table, name)) or ()
        minus = np.isin(family.codes(Place(table, name)), [options.index(one) for one in listed])
        change = np.where(minus, -change, change)
    first = np.diff(parents, prepend=-2) != 0
    if isinstance(rule.start, str):
        place = _known(plan, table, rule.start)
        start = family.units_from(table, place) * 10 ** (plan.decimals(balance) - plan.decimals(place))
    else:
        start = round(rule.start * 10 ** plan.decimals(balance))
    found = family.units(balance)
    before = np.where(first, start, np.roll(found, 1))
    what = What(About.LEDGERS, "balance_carries", rule.column, f"{table}: the balance before plus the amount, exactly")
    proof.rule(what, found != before + change, len(found))
    together = int(np.count_nonzero(first)) - int(np.count_nonzero(np.bincount(parents + 1)))
    what = What(About.LEDGERS, "ledger_is_together", None, f"{table}: a row of {owner.table} has its rows together")
    proof.rule(what, together, len(found))
    when = family.units(Place(table, rule.order_by))
    what = What(About.TIME_ORDER, "ledger_in_order", rule.order_by, f"{table}: never before the row before")
    proof.rule(what, ~first & (when < np.roll(when, 1)), len(when))


def _sum(family: Family, table: str, rule: SumOfChildren, proof: Proof) -> None:
    plan = family.plan
    parents, units = family.above(rule.table, table), family.units(Place(rule.table, rule.of))
    total = np.zeros(family.tables[table].num_rows, np.int64)
    np.add.at(total, parents[parents >= 0], units[parents >= 0])
    scale = 10 ** (plan.decimals(Place(table, rule.column)) - plan.decimals(Place(rule.table, rule.of)))
    says = f"{table}: the sum of {rule.of} over its {rule.table}, exactly"
    what = What(About.LEDGERS, "sum_of_children", rule.column, says)
    proof.rule(what, total * scale != family.units(Place(table, rule.column)), len(total))


# Parameters


def _parameters(family: Family, table: str, proof: Proof) -> None:
    plan = family.plan
    for name, column in plan.tables[table].columns.items():
        place = Place(table, name)
        if isinstance(column, KeyColumn | InheritedColumn) or plan.computed(place) is not None:
            continue
        present = family.present(place)
        share = missing_share(column)
        if share and not plan.nulls(place):
            what = What(About.PARAMETERS, "missing", name, f"{table}: share of rows in which it is missing")
            proof.mean(_share(what, share), ~present)
        if plan.unique(place) is not None and drawn_evenly(plan, place):
            continue
        for says, rows, expected in _declared(family, place):
            what = What(About.PARAMETERS, "share", name, f"{table}: {says}")
            proof.mean(_share(what, expected), rows[1][present & rows[0]])


def _share(what: What, share: float) -> Expected:
    return Expected(what, share, (share * (1 - share)) ** 0.5)


_Rows = tuple[Bools, Bools]
"""Which rows a share is of, and which of them count."""


def _declared(family: Family, place: Place) -> Iterator[tuple[str, _Rows, float]]:
    """Yield every share that is declared of a column: what it says, its rows, and how large it is."""
    column = family.plan.column(place)
    if isinstance(column, BooleanColumn):
        true = family.codes(place) == 1
        for says, rows, key in _cases(family, place):
            declared = column.share if column.share is not None else column.given.shares[key] if column.given else 0.0
            yield f"share of true{says}", (rows, true), declared
    elif isinstance(column, TextColumn | IntegerColumn) and (names := family.plan.categories(place)) is not None:
        codes = family.codes(place)
        for says, rows, key in _cases(family, place):
            shares: Mapping[str, float] | Mapping[int, float] | None = column.categories
            if shares is None and column.given is not None and not isinstance(column.given, GivenDistributions):
                shares = column.given.categories[key]
            for code, name in enumerate(names):
                # Named by its place: what is declared may itself be confidential.
                declared = (shares or {}).get(name, 0.0)  # type: ignore[call-overload]
                yield f"share of category {code + 1}{says}", (rows, codes == code), declared
    elif (units := family.plan.units(place)) is not None and not family.plan.before(place):
        yield from _spread(family, place, units)


def _cases(family: Family, place: Place) -> Iterator[tuple[str, Bools, str]]:
    """Yield each category that a column depends on; or all rows."""
    given = getattr(family.plan.column(place), "given", None)
    if given is None:
        yield "", np.ones(family.tables[place.table].num_rows, np.bool_), ""
        return
    other = _known(family.plan, place.table, given.column)
    codes = family.codes_from(place.table, other)
    for code, name in enumerate(family.plan.options(other) or ()):
        yield f" in category {code + 1} of {given.column}", codes == code, name


def _spread(family: Family, place: Place, units: Units) -> Iterator[tuple[str, _Rows, float]]:
    column, found = family.plan.column(place), family.units(place)
    for says, rows, key in _cases(family, place):
        shape: Distribution = Uniform(kind="uniform")
        if isinstance(column, NumberColumn | IntegerColumn):
            given = column.given
            shape = given.distributions[key] if isinstance(given, GivenDistributions) else shapes(column)[0]
        for point in _POINTS:
            at, share = _at(shape, units, point, 10.0 ** family.plan.decimals(place))
            yield f"share up to the point of {point:.0%}{says}", (rows, found <= at), share


def _at(shape: Distribution, units: Units, point: float, scale: float) -> tuple[int, float]:
    """Return the units up to which about a share of the values should be, and exactly which share."""
    if isinstance(shape, Uniform):
        size = units.high - units.low + 1
        at = units.low + int(size * point)
        return at, (at - units.low + 1) / size
    ends = np.array([units.low - 0.5, units.high + 0.5]) / scale
    below, until = shape.share(ends)
    at = int(np.clip(np.rint(shape.value(np.array(below + point * (until - below))) * scale), units.low, units.high))
    return at, float((shape.share(np.array((at + 0.5) / scale)) - below) / (until - below))

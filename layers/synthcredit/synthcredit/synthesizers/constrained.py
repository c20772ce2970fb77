"""Keeping the constraints of a table in every row that a model draws.

Models learn all columns as they are. Of what they draw, columns that follow from others are made to follow, and rows
that break a constraint are left out: what is kept comes as often, among itself, as it does in the model. Where a model
keeps a constraint too seldom for that, rows are repaired. All is judged on values as they will be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthcredit.datasets import contradictions, rules
from synthcredit.datasets.constraints import (
    CombinationsConstraint,
    FormulaConstraint,
    NullsConstraint,
    OrderConstraint,
    UniqueConstraint,
)
from synthcredit.datasets.rules import Allowed, Floats, Rows
from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.datasets.textfile import listed
from synthcredit.errors import Problem, raise_all
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers.codec import encode, settled
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric, rows_of, take
from synthcredit.synthesizers.settings import Settings
from synthcredit.synthesizers.steering import Draw, Wish, fill

FEWEST = 10
"""People behind a combination, at least, where a family's settings have no k of their own."""
PATIENCE = 20
"""Blocks that are drawn for one block, at most, before rows are repaired: a model that keeps the constraints in one row
of twenty has none repaired, and one that hardly ever does costs no more than twenty times the drawing."""
MOST_COMBINATIONS = 2_000_000
"""In a model file, of one constraint."""
_REPAIRS = 8
"""Repairs that undo each other are tried so often; rows are then left out."""
_PREFIX = "constraints."
NAMED = 5
"""Rows that an error names, at most."""
_NOTHING = Wish({}, {}, None, given=False)

Places = Callable[[Sequence[int], int], str]
"""Says where rows are: positions of the first few, and how many there are in all."""


def unkept(
    table: pa.Table, schema: TableSchema, *, field: str = "constraints", places: Places | None = None
) -> Iterator[Problem]:
    """Yield the constraints that real rows break, with how many do and where; none may.

    Parameters
    ----------
    table
        Real rows that conform to the schema.
    schema
        Free of contradictions.
    field
        What its constraints are called where they were written.
    places
        Says where rows are in the file that they come from; else they are counted in the table.
    """
    names = [name for name in schema.names if any(name in one.names for one in schema.constraints)]
    values = rules.table_values(table, schema, names)
    for position, one in enumerate(schema.constraints):
        if isinstance(one, CombinationsConstraint):
            # Those of the real rows are what is allowed.
            continue
        broken = np.flatnonzero(~rules.keeps(one, values, schema))
        if broken.size:
            where = (places or rows_named)([int(row) for row in broken[:NAMED]], broken.size)
            yield Problem(
                f"{field}.{position}",
                f"{broken.size:,} of {table.num_rows:,} real rows break it ({one.says}): {where}",
                "Drop the constraint, or clean the rows.",
            )


def rows_named(rows: Sequence[int], total: int) -> str:
    """Say where rows are in a table, counted from 1."""
    return listed("row", [row + 1 for row in rows], total)


def fewest_people(settings: Settings) -> int:
    """Return how many people have to be behind a combination that a model of these settings keeps."""
    return int(getattr(settings, "k", FEWEST))


def notices(table: pa.Table, schema: TableSchema, k: int) -> Iterator[str]:
    """Yield what users should know of combinations: how many real rows have one of too few people."""
    for position, (_, dropped) in _combinations(table, schema, k).items():
        if dropped:
            columns = ", ".join(schema.constraints[position].names)
            yield (
                f"constraint {position} (combinations of {columns}): {dropped:,} of {table.num_rows:,} rows have one "
                f"of fewer than {k} people, which is not kept and will not come."
            )


def _combinations(table: pa.Table, schema: TableSchema, k: int) -> dict[int, tuple[Allowed, int]]:
    """Return what is allowed by each combinations constraint, and how many rows have something else."""
    wanted = [(at, one) for at, one in enumerate(schema.constraints) if isinstance(one, CombinationsConstraint)]
    if not wanted:
        return {}
    features, people = encode(table, schema), _people(table, schema)
    rows = [np.stack([stored(features[name], schema[name]) for name in one.columns], axis=1) for _, one in wanted]
    return {at: rules.learn_combinations(own, people, k) for (at, _), own in zip(wanted, rows, strict=True)}


class Keeper:
    """The constraints of one table, and what was learned for them.

    Parameters
    ----------
    schema
        Free of contradictions.
    allowed
        For each combinations constraint, by its position among the constraints, what there may be.
    """

    def __init__(self, schema: TableSchema, allowed: Mapping[int, Allowed]) -> None:
        self.schema, self.allowed = schema, allowed
        # Identifiers are made unique by their row number; no model draws them.
        self._constraints = {
            position: one
            for position, one in enumerate(schema.constraints)
            if not isinstance(one, UniqueConstraint) or contradictions.is_learned(one, schema)
        }
        named = {name for one in self._constraints.values() for name in one.names}
        self.columns = tuple(column for column in schema.learned if column.name in named)
        self._derived = contradictions.derived(self._constraints.values())
        self._orders = [one for one in self._constraints.values() if isinstance(one, OrderConstraint)]
        self._spans = contradictions.spans_of(schema)

    @classmethod
    def learn(cls, table: pa.Table, schema: TableSchema, k: int) -> Keeper:
        """Learn what the constraints leave open: the combinations that at least ``k`` people have.

        Raises
        ------
        InvalidInputError
            Nobody shares a combination with so many others.
        """
        learned = _combinations(table, schema, k)
        raise_all(
            Problem(
                f"constraints.{position}",
                f"no combination of its columns is that of {k} people, so that none may be kept",
                "Name columns of fewer values, or drop the constraint.",
            )
            for position, (found, _) in learned.items()
            if not len(found)
        )
        return cls(schema, {position: found for position, (found, _) in learned.items()})

    def __bool__(self) -> bool:
        return bool(self._constraints)

    @property
    def unique(self) -> bool:
        """Whether rows have to differ, so that no block can be drawn without those before it."""
        return any(isinstance(one, UniqueConstraint) for one in self._constraints.values())

    def arrays(self) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """Return what was learned, by names that no family uses."""
        return {
            f"{_PREFIX}{position}.{part}": array
            for position, found in self.allowed.items()
            for part, array in (("values", found.values), ("counts", found.counts))
        }

    @classmethod
    def restore(
        cls, schema: TableSchema, arrays: Mapping[str, NDArray[np.generic]]
    ) -> tuple[Keeper, dict[str, NDArray[np.generic]]]:
        """Take what was learned from the arrays of a model file, which may be hostile; return the family's own too.

        Raises
        ------
        InvalidInputError
            The schema's constraints contradict each other.
        ValueError
            Arrays that do not fit the constraints.
        """
        raise_all(contradictions.problems(schema))
        own = {name: array for name, array in arrays.items() if name.startswith(_PREFIX)}
        allowed = {
            position: _restored(
                own.pop(f"{_PREFIX}{position}.values"), own.pop(f"{_PREFIX}{position}.counts"),
                [schema[name] for name in one.columns],
            )
            for position, one in enumerate(schema.constraints)
            if isinstance(one, CombinationsConstraint)
        }  # fmt: skip
        if own:
            raise ValueError("it has combinations for no constraint")
        return cls(schema, allowed), {name: array for name, array in arrays.items() if not name.startswith(_PREFIX)}

    def read(self, features: Features) -> dict[str, Floats]:
        """Return the columns that constraints are about, as they will be stored."""
        return {column.name: stored(features[column.name], column) for column in self.columns}

    def write(self, features: Features, values: Mapping[str, Floats]) -> Features:
        """Return features with those columns in them."""
        return {
            name: _feature(values[name], feature) if name in values else feature for name, feature in features.items()
        }

    def keeps(self, values: Mapping[str, Floats]) -> Rows:
        """Tell which rows keep all constraints but unique ones, which no row keeps or breaks alone; shape (n,)."""
        kept = np.ones(_length(values), dtype=bool)
        for position, one in self._constraints.items():
            if not isinstance(one, UniqueConstraint):
                kept &= rules.keeps(one, values, self.schema, self.allowed.get(position))
        return kept

    def uniques(self, values: Mapping[str, Floats]) -> Iterator[tuple[int, NDArray[np.uint64], Rows]]:
        """Yield each unique constraint's position, its rows' numbers, and which rows it judges."""
        for position, one in self._constraints.items():
            if isinstance(one, UniqueConstraint):
                yield position, *rules.keys(one, values)

    def derive(self, values: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return values in which columns follow where they have to; missing sums stay missing."""
        found = dict(values)
        for one in self._derived:
            own = found[one.column]
            if isinstance(one, FormulaConstraint):
                due = rules.total(one, found)
                found[one.column] = self._stored(np.where(np.isnan(own) | np.isnan(due), own, due), one.column)
            else:
                found[one.column] = np.where(rules.told(one, found, self.schema), np.nan, own)
        return found

    def solve(self, values: Mapping[str, Floats], given: Mapping[str, Rows]) -> dict[str, Floats]:
        """Return values in which, where a sum is given, the first of its terms that is not given makes it up."""
        found = dict(values)
        for one in [one for one in self._derived if isinstance(one, FormulaConstraint)]:
            waiting = given[one.column]
            for name, factor in one.terms.items():
                due = found[name] + (found[one.column] - rules.total(one, found)) / factor
                solvable = waiting & ~given[name] & ~np.isnan(due)
                found[name] = np.where(solvable, self._stored(due, name), found[name])
                waiting = waiting & ~solvable
        return found

    def repair(self, values: Mapping[str, Floats], broken: Rows, rng: np.random.Generator) -> dict[str, Floats]:
        """Return values in which broken rows were made to keep the constraints, as far as that can be done."""
        found = {name: own[broken] for name, own in values.items()}
        for _ in range(_REPAIRS):
            if self.keeps(found).all():
                break
            self._fill_missing(found, values, rng)
            for position, allowed in self.allowed.items():
                self._combine(found, self.schema.constraints[position].names, allowed, rng)
            for name in [name for name in found if name in self._spans]:
                found[name] = self._stored(np.clip(found[name], *self._spans[name]), name)
            for one in self._orders:
                self._sort(found, one)
            found = self.derive(found)
        whole = {name: own.copy() for name, own in values.items()}
        for name, own in found.items():
            whole[name][broken] = own
        return whole

    def _fill_missing(self, values: dict[str, Floats], pool: Mapping[str, Floats], rng: np.random.Generator) -> None:
        """Give rows that may not be missing the value of some other row."""
        for one in self._derived:
            if isinstance(one, NullsConstraint) and one.only:
                own = values[one.column]
                lacking = np.isnan(own) & ~rules.told(one, values, self.schema)
                donors = pool[one.column][~np.isnan(pool[one.column])]
                if donors.size and lacking.any():
                    own = own.copy()
                    own[lacking] = rng.choice(donors, int(lacking.sum()))
                    values[one.column] = own

    def _combine(
        self, values: dict[str, Floats], names: tuple[str, ...], allowed: Allowed, rng: np.random.Generator
    ) -> None:
        rows = np.stack([values[name] for name in names], axis=1)
        strange = ~allowed.knows(rows)
        if strange.any():
            rows[strange] = allowed.nearest(rows[strange], rng)
            values.update(zip(names, rows.T.copy(), strict=True))

    def _sort(self, values: dict[str, Floats], one: OrderConstraint) -> None:
        """Sort what is there within each row, then move neighbours apart where rounding or strictness asks for it."""
        rows = np.stack([values[name] for name in one.columns], axis=1)
        present = ~np.isnan(rows)
        ranked = np.sort(np.where(present, rows, np.inf), axis=1)
        place = np.maximum(np.cumsum(present, axis=1) - 1, 0)
        rows = np.where(present, np.take_along_axis(ranked, place, axis=1), np.nan)
        for at, name in enumerate(one.columns):
            rows[:, at] = self._stored(np.clip(rows[:, at], *self._spans[name]), name)
        self._push(rows, one, up=True)
        self._push(rows, one, up=False)
        values.update(zip(one.columns, rows.T.copy(), strict=True))

    def _push(self, rows: Floats, one: OrderConstraint, *, up: bool) -> None:
        """Move values that are below those on their left up, or values that are above those on their right down."""
        sign = 1.0 if up else -1.0
        before = np.full(len(rows), -np.inf)
        for at in range(len(one.columns)) if up else reversed(range(len(one.columns))):
            column = self.schema[one.columns[at]]
            own = sign * rows[:, at]
            with np.errstate(invalid="ignore"):
                wrong = own <= before if one.strict else own < before
            own = np.where(wrong, _next(before, contradictions.grid(column), strict=one.strict), own)
            low, high = self._spans[column.name]
            rows[:, at] = self._stored(np.clip(sign * own, low, high), column.name)
            before = np.where(np.isnan(rows[:, at]), before, sign * rows[:, at])

    def _stored(self, values: Floats, name: str) -> Floats:
        return stored(Numeric(values), self.schema[name])


def _next(values: Floats, step: float, *, strict: bool) -> Floats:
    """Return the least values on a grid that are not below the given ones, or above them."""
    if not step:
        return np.nextafter(values, np.inf) if strict else values
    at = np.ceil(values / step - 1e-6)
    if strict:
        at = np.where(at * step <= values + step * 1e-6, at + 1, at)
    found: Floats = at * step
    return found


class Seen:
    """What came already of columns whose values come once."""

    def __init__(self, keeper: Keeper, numbers: Mapping[int, NDArray[np.uint64]] | None = None) -> None:
        self._keeper = keeper
        self._numbers = dict(numbers or {})

    def copy(self) -> Seen:
        """Return this as it stands."""
        return Seen(self._keeper, self._numbers)

    def new(self, values: Mapping[str, Floats], rows: Rows) -> Rows:
        """Tell which of some rows have nothing that came before; those are seen from now on."""
        new = rows.copy()
        for position, numbers, judged in self._keeper.uniques(values):
            at = np.flatnonzero(new & judged)
            seen = self._numbers.get(position, numbers[:0])
            first = rules.first_of_each(numbers[at]) & ~np.isin(numbers[at], seen)
            self._numbers[position] = np.concatenate([seen, numbers[at[first]]])
            new[at[~first]] = False
        return new


class Filling:
    """One dataset being drawn: blocks one after the other, each of rows that keep the constraints.

    Parameters
    ----------
    keeper
        The constraints.
    wish
        What else the rows are to be; None for like the training rows.
    seed
        The dataset's.
    """

    def __init__(self, keeper: Keeper, wish: Wish | None, seed: int) -> None:
        self._keeper, self._wish, self._seed = keeper, wish or _NOTHING, seed
        derived = {
            one.column for one in keeper.schema.constraints if isinstance(one, FormulaConstraint | NullsConstraint)
        }
        # What follows from other columns is tested once it does, not as the model drew it.
        early = {name: test for name, test in self._wish.tests.items() if name not in derived}
        self._drawn = replace(self._wish, tests=early)
        self._seen = Seen(keeper)

    def block(self, draw: Draw, first_row: int, rows: int) -> Features:
        """Return the rows of one block; where rows have to differ, blocks must come in order.

        Raises
        ------
        InvalidInputError
            The model gives too few such rows.
        """
        before = self._seen.copy()
        attempts = iter(range(10**9))

        def finish(candidates: Features) -> tuple[Features, Rows]:
            attempt = next(attempts)
            rng = None
            if attempt >= PATIENCE:
                rng = generator(self._seed, f"{self._keeper.schema.name}/repair/{attempt}", first_row // BLOCK_ROWS)
            return self._finish(candidates, rng)

        def force(candidates: Features, rng: np.random.Generator) -> Features:
            finished, stays = self._finish(candidates, rng)
            return take(finished, stays)

        filled = fill(
            draw, self._drawn, self._keeper.schema, finish=finish, force=force,
            first_row=first_row, rows=rows, seed=self._seed,
        )  # fmt: skip
        # Of what was looked at, only what was taken is seen from now on.
        self._seen = before
        self._seen.new(self._keeper.read(filled), np.ones(rows_of(filled), dtype=bool))
        return filled

    def _finish(self, candidates: Features, rng: np.random.Generator | None) -> tuple[Features, Rows]:
        """Make columns follow, repair rows where there is an ``rng`` for it, and tell which rows may stay."""
        keeper = self._keeper
        values = keeper.derive(keeper.read(candidates))
        stays = keeper.keeps(values)
        if rng is not None and not stays.all():
            values = keeper.repair(values, ~stays, rng)
            stays = keeper.keeps(values)
        finished = keeper.write(candidates, values)
        stays &= self._wished(finished)
        return finished, self._seen.new(values, stays)

    def _wished(self, features: Features) -> Rows:
        """Tell which rows still are what was wished, now that columns were changed."""
        stays = np.ones(rows_of(features), dtype=bool)
        for column in self._keeper.columns:
            feature = features[column.name]
            if column.name in self._wish.tests:
                stays &= self._wish.tests[column.name](feature)
            if column.name in self._wish.fixed and isinstance(feature, Discrete):
                stays &= feature.codes == self._wish.fixed[column.name].codes[0]
        return stays


def stored(feature: Feature, column: Column) -> Floats:
    """Return a column as it will be stored: numbers, or codes; NaN is missing."""
    kept = settled(feature, column)
    if isinstance(kept, Discrete):
        categories = len(column.categories or ())
        return np.where(kept.codes == categories, np.nan, kept.codes)
    return kept.values


def _feature(values: Floats, like: Feature) -> Feature:
    if isinstance(like, Discrete):
        # Only where a column is nullable are values missing, and its last state is that.
        return Discrete(np.where(np.isnan(values), like.size - 1, values).astype(np.int32), like.size)
    return Numeric(values)


def _length(values: Mapping[str, Floats]) -> int:
    return len(next(iter(values.values()))) if values else 0


def _people(table: pa.Table, schema: TableSchema) -> NDArray[np.int64] | None:
    if schema.customer is None:
        return None
    codes = table[schema.customer].combine_chunks().dictionary_encode(null_encoding="encode").indices
    found: NDArray[np.int64] = codes.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _restored(values: NDArray[np.generic], counts: NDArray[np.generic], columns: Sequence[Column]) -> Allowed:
    """Check combinations from a file: every value one that its column can have as it is stored, no two alike."""
    if values.dtype != np.float64 or values.ndim != 2 or values.shape[1] != len(columns):
        raise ValueError("its combinations are not those of the constraint's columns")
    if not 0 < len(values) <= MOST_COMBINATIONS:
        raise ValueError("it has no combinations, or too many")
    if counts.dtype != np.int64 or counts.shape != values.shape[:1] or counts.min() < 1 or counts.max() >= 2**40:
        raise ValueError("the counts of its combinations are not whole numbers above 0")
    for column, own in zip(columns, values.T, strict=True):
        missing = np.isnan(own)
        if missing.any() and not column.nullable:
            raise ValueError("a combination lacks what is never missing")
        if not np.array_equal(own[~missing], _possible(own[~missing], column)):
            raise ValueError("a combination has a value that its column cannot have")
    if len(np.unique(np.where(np.isnan(values), np.inf, values), axis=0)) < len(values):
        raise ValueError("a combination comes twice")
    return Allowed(values.astype(np.float64), counts.astype(np.int64))


def _possible(values: Floats, column: Column) -> Floats:
    """Return the values nearest to given ones that a column can have; infinite ones change."""
    if column.discrete:
        return np.clip(np.rint(values), 0, len(column.categories or ()) - 1)
    return stored(Numeric(np.clip(values, -(2.0**62), 2.0**62)), column)

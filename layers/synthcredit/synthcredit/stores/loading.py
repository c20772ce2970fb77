"""Delivering a dataset to a store: schema first, parents first, each part once, nothing written where keys clash."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import sqlalchemy as sa

from synthcredit.errors import ConflictError, InvalidInputError, Problem, raise_all
from synthcredit.hashing import file_hash
from synthcredit.ports import Secrets
from synthcredit.stores import rows
from synthcredit.stores.address import FILES, Kind, parse
from synthcredit.stores.connections import Connections, connected
from synthcredit.stores.dataset import StoredDataset, StoredTable
from synthcredit.stores.engines import Store, opened
from synthcredit.stores.model import Confirm, Progress, Summary, TableSummary
from synthcredit.stores.types import Declared, declare, family

log = logging.getLogger("synthcredit.stores")

_KEYS = "synthcredit_keys"
_KEYS_LATER: dict[Kind, tuple[sa.Executable | None, sa.Executable | None]] = {
    Kind.POSTGRESQL: (None, None),
    # With its own check MySQL would copy the whole table; we have looked by ourselves.
    Kind.MYSQL: (sa.text("SET SESSION foreign_key_checks = 0"), sa.text("SET SESSION foreign_key_checks = 1")),
}
"""Engines that take foreign keys for tables that stand, and what is said before and after; others take them at once."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One file of a table, and whether its rows are in the store."""

    path: Path
    rows: int
    content: str
    loaded: bool = False


def deliver(
    to: str,
    dataset: StoredDataset,
    *,
    reset: bool,
    confirm: Confirm,
    progress: Progress,
    environ: Mapping[str, str],
    secrets: Secrets | None,
) -> Summary:
    """Deliver a dataset, see `synthcredit.stores.deliver`."""
    address = parse(to, environ=environ, secrets=secrets)
    _require_files(dataset)
    with connected(address) as (store, connections):
        declared = declare(dataset, store.kind)
        if reset:
            _drop(store, declared, address.shown, confirm)
        _require_alike(store, declared)
        _make(store, declared)
        parts = {table.schema.name: _parts(store, declared, dataset.dataset_id, table) for table in dataset.tables}
        _require_whole(store, declared)
        raise_all(
            problem
            for table in dataset.tables
            for problem in _clashes(store, declared, table, parts[table.schema.name], dataset.dataset_id)
        )
        summaries = _load(connections, declared, dataset, parts, progress)
        progress(1.0, "adding indexes and foreign keys")
        _complete(store, declared)
        return Summary(address.shown, tuple(summaries))


def reach(to: str, *, environ: Mapping[str, str], secrets: Secrets | None) -> None:
    """Open a store and leave it, see `synthcredit.stores.reach`; a file is only looked for, not made."""
    address = parse(to, environ=environ, secrets=secrets)
    if address.kind not in FILES:
        with opened(address):
            return
    folder = Path(str(address.url.database)).absolute().parent
    if not folder.is_dir():
        raise InvalidInputError(Problem(f"database {address.shown}", "its folder does not exist", "Make the folder."))


def _require_files(dataset: StoredDataset) -> None:
    problems: list[Problem] = []
    for table in dataset.tables:
        names = [path.name for path in table.parts]
        if len(set(names)) < len(names):
            problems.append(Problem(f"table '{table.schema.name}'", "two of its parts have one name", "Rename one."))
        for path in table.parts:
            try:
                rows.file_columns(path, table.schema)
            except InvalidInputError as error:
                problems += error.problems
            except FileNotFoundError:
                problems.append(Problem(str(path), "it does not exist", "Complete the folder."))
    raise_all(problems)


def _drop(store: Store, declared: Declared, shown: str, confirm: Confirm) -> None:
    there = [table for table in declared.tables.values() if store.standing(table.name) is not None]
    standing = {table.name: _count(store, table) for table in there}
    if not standing:
        return
    if not confirm(shown, standing):
        raise InvalidInputError(
            Problem("reset", "it was not confirmed, so nothing was dropped", "Agree, or give --yes in a script.")
        )
    with store.transaction():
        for table in reversed(there):
            store.execute(sa.schema.DropTable(table))
    log.info("%s: dropped %s", shown, ", ".join(standing))


def _require_alike(store: Store, declared: Declared) -> None:
    """Refuse tables that stand and have other columns; all differences at once."""
    raise_all(problem for table in declared.tables.values() for problem in _differences(store, table))


def _differences(store: Store, wanted: sa.Table) -> list[Problem]:
    found = store.standing(wanted.name)
    if found is None:
        return []
    problems = []
    fix = "Use --reset to replace the table, or another database."
    field = f"table '{wanted.name}'"
    names, there = ([column.name for column in table.columns] for table in (wanted, found))
    lacking = [name for name in names if name not in there]
    other = [name for name in there if name not in names]
    if lacking:
        problems.append(Problem(field, f"it is there, and lacks {_listed(lacking)}", fix))
    if other:
        problems.append(Problem(field, f"it is there, with other columns: {_listed(other)}", fix))
    for column in wanted.columns:
        if column.name in there:
            is_, shall = family(found.columns[column.name].type), family(column.type)
            # SQLite keeps what it is told, whatever it was told of the type.
            if is_ != shall and store.kind is not Kind.SQLITE:
                problems.append(Problem(f"{field}: column '{column.name}'", f"it is a {is_}, not a {shall}", fix))
    keys = [[column.name for column in table.primary_key] for table in (found, wanted)]
    if store.kind not in (Kind.DUCKDB, Kind.SNOWFLAKE) and keys[0] != keys[1]:
        problems.append(Problem(field, f"its primary key is {_listed(keys[0])}, not {_listed(keys[1])}", fix))
    return problems


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _make(store: Store, declared: Declared) -> None:
    """Make the tables that are not there, parents first; as one, where the engine can."""
    with store.transaction():
        if store.standing(declared.books.name) is None:
            store.execute(sa.schema.CreateTable(declared.books))
        for table in declared.tables.values():
            if store.standing(table.name) is None:
                # What the books say of a table that was dropped is not so any more. First, since MySQL makes tables
                # outside of transactions: whoever is killed in between begins anew.
                store.execute(sa.delete(declared.books).where(declared.books.c.table_name == table.name))
                keys: list[sa.ForeignKeyConstraint] | None = [] if store.kind in _KEYS_LATER else None
                store.execute(sa.schema.CreateTable(table, include_foreign_key_constraints=keys))


def _complete(store: Store, declared: Declared) -> None:
    """Add the indexes and foreign keys that lack, once the rows are there: many times faster than before.

    Whoever was killed in between lacks some: the next delivery adds them.
    """
    for table in declared.tables.values():
        standing = store.standing(table.name)
        indexes = set() if standing is None else {index.name for index in standing.indexes}
        keys = set() if standing is None else {key.name for key in standing.foreign_key_constraints}
        with store.transaction():
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                if index.name not in indexes:
                    store.execute(sa.schema.CreateIndex(index))
            for key in table.foreign_key_constraints:
                if store.kind in _KEYS_LATER and key.name not in keys:
                    _add_foreign_key(store, key)


def _add_foreign_key(store: Store, key: sa.ForeignKeyConstraint) -> None:
    child, pair = key.table, key.elements[0]
    parent = pair.column
    orphans = (
        sa.select(sa.func.count())
        .select_from(child.outerjoin(parent.table, pair.parent == parent))
        .where(pair.parent.is_not(None))
        .where(parent.is_(None))
    )
    number = int(store.execute(orphans)[0][0])
    if number:
        raise InvalidInputError(
            Problem(
                f"table '{child.name}'",
                f"{number:,} of its rows name a row of '{parent.table.name}' that is not there; "
                "the rows are loaded, the foreign key is not made",
                "Load the whole dataset, with --reset.",
            )
        )
    before, after = _KEYS_LATER[store.kind]
    for statement in (before, sa.schema.AddConstraint(key), after):
        if statement is not None:
            store.execute(statement)


def _parts(store: Store, declared: Declared, dataset_id: str, table: StoredTable) -> list[_Part]:
    """Return the parts of a table, and which of them are in the store."""
    books = declared.books
    found = {
        str(name): str(content)
        for name, content in store.execute(
            sa.select(books.c.part, books.c.content)
            .where(books.c.dataset == dataset_id)
            .where(books.c.table_name == declared.tables[table.schema.name].name)
        )
    }
    parts = [_Part(path, pq.read_metadata(path).num_rows, file_hash(path), path.name in found) for path in table.parts]
    changed = [part.path.name for part in parts if part.loaded and found[part.path.name] != part.content]
    if changed or set(found) - {part.path.name for part in parts}:
        raise ConflictError(
            Problem(
                f"table '{table.schema.name}'",
                f"other data was loaded before under the dataset id {dataset_id}",
                "Use --reset to replace it.",
            )
        )
    return parts


def _require_whole(store: Store, declared: Declared) -> None:
    """Refuse tables that hold fewer rows than were put: going on would leave holes."""
    problems = []
    for table in declared.tables.values():
        put = _booked(store, declared, table)
        if put and _count(store, table) < put:
            problems.append(
                Problem(
                    f"table '{table.name}'",
                    f"it holds fewer rows than the {put:,} that were loaded into it",
                    "Somebody deleted some. Use --reset to load it anew.",
                )
            )
    raise_all(problems)


def _booked(store: Store, declared: Declared, table: sa.Table, dataset_id: str | None = None) -> int:
    books = declared.books
    query = sa.select(sa.func.sum(books.c.row_count)).where(books.c.table_name == table.name)
    if dataset_id is not None:
        query = query.where(books.c.dataset == dataset_id)
    return int(store.execute(query)[0][0] or 0)


def _count(store: Store, table: sa.Table) -> int:
    return int(store.execute(sa.select(sa.func.count()).select_from(table))[0][0])


def _clashes(
    store: Store, declared: Declared, table: StoredTable, parts: Sequence[_Part], dataset_id: str
) -> list[Problem]:
    """Look for keys of parts that are not loaded among the rows that others have put."""
    goal = declared.tables[table.schema.name]
    pending = [part for part in parts if not part.loaded]
    others = _count(store, goal) - _booked(store, declared, goal, dataset_id)
    if table.schema.primary_key is None or not pending or not others:
        return []
    key = table.schema[table.schema.primary_key].storage_name
    there = next(iter(goal.primary_key))
    keys = sa.Table(
        _KEYS,
        sa.MetaData(),
        sa.Column(there.name, there.type, autoincrement=False),
        prefixes=["TEMPORARY"],
        **{name: value for name, value in goal.dialect_kwargs.items() if name.startswith("mysql")},
    )
    with store.transaction():
        store.execute(sa.schema.CreateTable(keys))
        for part in pending:
            store.put(keys, table, part.path, [key], lambda _: None)
        same = sa.select(sa.func.count()).select_from(keys.join(goal, keys.c[there.name] == there))
        twice = int(store.execute(same)[0][0])
        store.execute(sa.schema.DropTable(keys))
    if not twice:
        return []
    return [
        Problem(
            f"table '{goal.name}'",
            f"{twice:,} of the new rows have a key that is in it already; nothing was written",
            "Use --reset to replace what is there, or another database.",
        )
    ]


def _load(
    connections: Connections,
    declared: Declared,
    dataset: StoredDataset,
    parts: Mapping[str, Sequence[_Part]],
    progress: Progress,
) -> list[TableSummary]:
    tally = _Tally(sum(part.rows for of_table in parts.values() for part in of_table), progress)
    summaries = []
    for table in dataset.in_order():
        goal = declared.tables[table.schema.name]
        of_table = parts[table.schema.name]
        pending = [part for part in of_table if not part.loaded]
        put = sum(part.rows for part in pending)
        already = sum(part.rows for part in of_table) - put
        if already:
            tally.add(already, goal.name)
        began = time.monotonic()
        connections.each(pending, put, partial(_put, declared, goal, table, dataset.dataset_id, tally))
        summaries.append(TableSummary(goal.name, put, already, time.monotonic() - began))
        log.info("%s: %d rows put, %d were there", goal.name, put, already)
    return summaries


class _Tally:
    """Counts rows, whoever puts them, and tells of them."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total, self._progress = total, progress
        self._done = 0
        self._counting = threading.Lock()

    def add(self, rows: int, name: str) -> None:
        """Count rows of a table."""
        # Told inside: two at a time would be told out of order.
        with self._counting:
            self._done += rows
            self._progress(self._done / max(1, self._total), f"{name}: {self._done:,} of {self._total:,} rows")


def _put(
    declared: Declared,
    goal: sa.Table,
    table: StoredTable,
    dataset_id: str,
    tally: _Tally,
    store: Store,
    part: _Part,
    go_on: Callable[[], None],
) -> None:
    """Put one part, and the row of the books that says so, in one transaction."""
    names = [column.storage_name for column in table.schema.columns]
    told = 0

    def heard(rows: int) -> None:
        nonlocal told
        go_on()
        tally.add(rows - told, goal.name)
        told = rows

    with store.transaction():
        # The books first: of two who load the same part at a time one waits here, and is then refused.
        store.execute(
            sa.insert(declared.books).values(
                dataset=dataset_id, table_name=goal.name, part=part.path.name, content=part.content, row_count=part.rows
            )
        )
        put = store.put(goal, table, part.path, names, heard)
        if put != part.rows:
            raise ConflictError(
                Problem(
                    f"table '{goal.name}'",
                    f"the database took {put:,} of {part.rows:,} rows of {part.path.name}, so none was kept",
                    "Look at the keys of the data.",
                )
            )
    heard(part.rows)

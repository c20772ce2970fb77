"""The engines: how each is opened, what stands in it, and its own way of taking many rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from synthcredit.stores import rows
from synthcredit.stores.address import Address, Kind, package_missing
from synthcredit.stores.dataset import StoredTable
from synthcredit.stores.refusals import code_error, refusals

Statement = sa.Executable
Heard = Callable[[int], None]
"""Hears how many rows were put so far."""


class Store(Protocol):
    """A store that is open."""

    kind: Kind

    def transaction(self) -> Any:  # noqa: ANN401 - a context manager
        """Do what is in the block as one: all of it or, where it raises, nothing."""

    def execute(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Run a statement; return its rows."""

    def standing(self, table: str) -> sa.Table | None:
        """Return the columns, types, key and indexes that a table has, or None where there is none."""

    def put(self, goal: sa.Table, source: StoredTable, part: Path, names: Sequence[str], heard: Heard) -> int:
        """Put chosen columns of a part into a table, by the engine's bulk path; return how many rows it took.

        Parameters
        ----------
        goal
            The table; its columns are the chosen ones, in their order.
        names
            The storage names of the columns.
        """

    def close(self) -> None:
        """Leave it."""


@contextmanager
def opened(address: Address) -> Iterator[Store]:
    """Open a store; its refusals are told without password and without values."""
    with refusals(address):
        store = _STORES[address.kind](address)
        try:
            yield store
        finally:
            store.close()


class _Connected:
    """A store that SQLAlchemy is connected to."""

    kind: Kind
    driver: str
    options: dict[str, Any] = {}  # noqa: RUF012 - read only

    def __init__(self, address: Address) -> None:
        self.address = address
        url = address.url.set(drivername=self.driver)
        try:
            # Parameters would be shown in errors, and they are values of rows.
            self.engine = sa.create_engine(url, hide_parameters=True, poolclass=sa.pool.NullPool, **self._options())
        except ModuleNotFoundError as error:
            raise package_missing(str(error.name)) from None
        except sa.exc.NoSuchModuleError:
            raise package_missing(f"for {address.kind}") from None
        self.connection = self.engine.connect()
        self._prepare()

    def _options(self) -> dict[str, Any]:
        return {}

    def _prepare(self) -> None:
        """Set up the session."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.connection.rollback()
        with self.connection.begin():
            yield

    def execute(self, statement: Statement) -> list[tuple[Any, ...]]:
        result = self.connection.execute(statement)
        return [tuple(row) for row in result] if result.returns_rows else []

    def standing(self, table: str) -> sa.Table | None:
        inspector = sa.inspect(self.connection)
        if not inspector.has_table(table):
            return None
        return sa.Table(table, sa.MetaData(), autoload_with=self.connection, resolve_fks=False)

    def close(self) -> None:
        # Where the server is gone there is nothing to close.
        try:
            self.connection.close()
        except Exception:  # noqa: BLE001
            self.connection.invalidate()
        self.engine.dispose()

    def quoted(self, goal: sa.Table) -> tuple[str, str]:
        """Return a table's name and its columns' names as the engine quotes them."""
        quote = self.engine.dialect.identifier_preparer.quote
        return quote(goal.name), ", ".join(quote(column.name) for column in goal.columns)


class _Sqlite(_Connected):
    kind = Kind.SQLITE
    driver = "sqlite"

    def _prepare(self) -> None:
        for pragma in (
            "foreign_keys = ON",
            # Safe where the process is killed, and where the power fails all but the last parts are kept.
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "cache_size = -65536",
        ):
            self.connection.exec_driver_sql(f"PRAGMA {pragma}")
        self.connection.commit()
        # Python's own transactions leave tables and indexes out of them; these are begun by hand.
        self.connection.connection.dbapi_connection.isolation_level = None  # type: ignore[union-attr]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():
            self.connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield

    def put(self, goal: sa.Table, source: StoredTable, part: Path, names: Sequence[str], heard: Heard) -> int:
        """Put rows by executemany, in the transaction that is open: SQLite has no other bulk path."""
        table, columns = self.quoted(goal)
        insert = f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(goal.columns))})"  # noqa: S608
        cursor = self.connection.connection.cursor()
        done = 0
        for batch in rows.batches(part, source, goal, names):
            values = [rows.as_plain(array).to_pylist() for array in batch.columns]
            cursor.executemany(insert, list(zip(*values, strict=True)))
            done += batch.num_rows
            heard(done)
        return done

    def close(self) -> None:
        # A file that is handed on should be one file, and readable where its folder is not writable.
        try:
            self.connection.rollback()
            self.connection.exec_driver_sql("PRAGMA journal_mode = DELETE")
        except sa.exc.DBAPIError:
            pass
        super().close()


class _Mysql(_Connected):
    kind = Kind.MYSQL
    driver = "mysql+pymysql"

    def _options(self) -> dict[str, Any]:
        return {"connect_args": {"local_infile": True, "charset": "utf8mb4", "connect_timeout": 10}}

    def _prepare(self) -> None:
        # Timestamps are put as they are written, whatever the server's zone; there are no hours that summer time skips.
        self.connection.exec_driver_sql("SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES'")
        self.connection.commit()

    def put(self, goal: sa.Table, source: StoredTable, part: Path, names: Sequence[str], heard: Heard) -> int:
        r"""Put rows by LOAD DATA LOCAL INFILE, a file of text a batch."""
        table, columns = self.quoted(goal)
        done = 0
        with tempfile.TemporaryDirectory(prefix="synthcredit-") as folder:
            path = Path(folder) / "rows.txt"
            load = (
                f"LOAD DATA LOCAL INFILE '{path.as_posix()}' INTO TABLE {table} CHARACTER SET utf8mb4 "
                rf"FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' ({columns})"
            )
            cursor = self.connection.connection.cursor()
            for text, number in rows.lines(part, source, goal, names):
                path.write_bytes(text)
                cursor.execute(load)
                # LOCAL makes a warning of every error: rows that were skipped, values that were cut.
                if cursor.rowcount != number or cursor.warning_count:
                    cursor.execute("SHOW WARNINGS LIMIT 1")
                    warning = cursor.fetchone()
                    raise code_error(int(warning[1]) if warning else 0, self.address)
                done += number
                heard(done)
        return done


class _Postgresql(_Connected):
    kind = Kind.POSTGRESQL
    driver = "postgresql+psycopg"

    def _options(self) -> dict[str, Any]:
        return {"connect_args": {"connect_timeout": 10}}

    def put(self, goal: sa.Table, source: StoredTable, part: Path, names: Sequence[str], heard: Heard) -> int:
        """Put rows by COPY FROM STDIN."""
        table, columns = self.quoted(goal)
        done = 0
        cursor = self.connection.connection.cursor()
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for text, number in rows.lines(part, source, goal, names):
                copy.write(text)
                done += number
                heard(done)
        return int(cursor.rowcount)


class _Snowflake(_Connected):
    kind = Kind.SNOWFLAKE
    driver = "snowflake"

    def standing(self, table: str) -> sa.Table | None:
        return _described(self, table)

    def put(self, goal: sa.Table, source: StoredTable, part: Path, names: Sequence[str], heard: Heard) -> int:
        """Put a Parquet part by PUT to the user's stage and COPY INTO, which may stand in a transaction."""
        table, columns = self.quoted(goal)
        stage = f"@~/synthcredit/{goal.name}"
        fields = rows.file_columns(part, source.schema)
        chosen = ", ".join(f"$1:{_quoted_field(fields[name])}" for name in names)
        uri = part.absolute().as_posix().replace("'", "\\'")
        self._run(f"PUT 'file://{uri}' '{stage}' AUTO_COMPRESS = FALSE OVERWRITE = TRUE")
        # By our books, not by Snowflake's: those of ours are put in the same transaction as the rows.
        loaded = self._run(
            f"COPY INTO {table} ({columns}) FROM (SELECT {chosen} FROM '{stage}/{part.name}') "  # noqa: S608
            "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) ON_ERROR = ABORT_STATEMENT FORCE = TRUE"
        )
        self._run(f"REMOVE '{stage}/{part.name}'")
        done = sum(int(row[3]) for row in loaded)
        heard(done)
        return done

    def _run(self, statement: str) -> list[tuple[Any, ...]]:
        result = self.connection.exec_driver_sql(statement.replace("%", "%%"))
        return [tuple(row) for row in result] if result.returns_rows else []


def _quoted_field(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _Duckdb:
    """DuckDB by its own driver: what SQLAlchemy writes for PostgreSQL is DuckDB's SQL too."""

    kind = Kind.DUCKDB

    def __init__(self, address: Address) -> None:
        try:
            import duckdb
        except ModuleNotFoundError:
            raise package_missing("duckdb") from None
        self.connection = duckdb.connect(str(address.url.database))
        # Not the order of insertion, which costs memory: a table has none.
        self.connection.execute("SET preserve_insertion_order = false")
        self._dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.connection.begin()
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    def execute(self, statement: Statement) -> list[tuple[Any, ...]]:
        options = {} if isinstance(statement, sa.schema.ExecutableDDLElement) else {"literal_binds": True}
        text = str(statement.compile(dialect=self._dialect, compile_kwargs=options))  # type: ignore[attr-defined]
        return self.connection.execute(text).fetchall()

    def standing(self, table: str) -> sa.Table | None:
        found = _described(self, table)
        if found is not None:
            names = self.connection.execute("SELECT index_name FROM duckdb_indexes() WHERE table_name = ?", [table])
            for (name,) in names.fetchall():
                # By name is how they are told apart; of which columns does not matter.
                sa.Index(name, *found.columns)
        return found

    def put(self, goal: sa.Table, source: StoredTable, part: Path, names: Sequence[str], heard: Heard) -> int:
        """Put a Parquet part, which DuckDB reads by itself."""
        quote = self._dialect.identifier_preparer.quote_identifier
        fields = rows.file_columns(part, source.schema)
        pairs = zip(names, goal.columns, strict=True)
        chosen = ", ".join(self._read(quote(fields[name]), column) for name, column in pairs)
        columns = ", ".join(quote(column.name) for column in goal.columns)
        found = self.connection.execute(
            f"INSERT INTO {quote(goal.name)} ({columns}) SELECT {chosen} FROM read_parquet(?)",  # noqa: S608
            [str(part)],
        ).fetchall()
        done = int(found[0][0])
        heard(done)
        return done

    def _read(self, field: str, column: sa.Column[Any]) -> str:
        if not isinstance(column.type, sa.Numeric):
            return field
        # Not a number is no number that every store knows: it is missing.
        return f"CASE WHEN isnan({field}::DOUBLE) THEN NULL ELSE {field} END"

    def close(self) -> None:
        self.connection.close()


def _described(store: Store, table: str) -> sa.Table | None:
    """Return a table as information_schema describes it."""
    names = ("table_name", "table_schema", "column_name", "data_type", "ordinal_position")
    described = sa.table("columns", *map(sa.column, names), schema="information_schema").c
    found = store.execute(
        sa.select(described.column_name, described.data_type)
        .where(sa.func.lower(described.table_name) == table.lower())
        .where(described.table_schema == sa.func.current_schema())
        .order_by(described.ordinal_position)
    )
    if not found:
        return None
    columns = [
        sa.Column(str(name).lower(), _described_type(str(written)), autoincrement=False) for name, written in found
    ]
    return sa.Table(table, sa.MetaData(), *columns)


def _described_type(written: str) -> sa.types.TypeEngine[Any]:
    word = written.split("(")[0].split(" ")[0].upper()
    return _DESCRIBED.get(word, sa.types.NullType)()


_DESCRIBED: dict[str, type[sa.types.TypeEngine[Any]]] = {
    **dict.fromkeys(("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT", "UBIGINT"), sa.BigInteger),
    **dict.fromkeys(("DOUBLE", "FLOAT", "REAL"), sa.Double),
    **dict.fromkeys(("DECIMAL", "NUMERIC", "NUMBER"), sa.Numeric),
    **dict.fromkeys(("VARCHAR", "TEXT", "CHAR"), sa.String),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_NTZ", "DATETIME"), sa.DateTime),
    "DATE": sa.Date,
    "TIME": sa.Time,
    "BOOLEAN": sa.Boolean,
}

_STORES: dict[Kind, Callable[[Address], Store]] = {
    Kind.SQLITE: _Sqlite,
    Kind.DUCKDB: _Duckdb,
    Kind.MYSQL: _Mysql,
    Kind.POSTGRESQL: _Postgresql,
    Kind.SNOWFLAKE: _Snowflake,
}

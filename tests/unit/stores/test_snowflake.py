"""Snowflake by its SQLAlchemy dialect, against a stand-in: DuckDB, told of the statements that only it has.

What this proves: the statements are what the dialect and Snowflake's manual call for, and the loader's books and checks
work over them. Not that a Snowflake account takes them: none was at hand.
"""

import re
import shutil

import duckdb
import pytest
import sqlalchemy as sa
from tests.bank_tables import bank

from synthcredit import stores
from synthcredit.errors import InvalidInputError
from synthcredit.stores import engines
from synthcredit.stores.address import Kind
from synthcredit.stores.types import declare

URL = "snowflake://bank:hidden@account/credit/public"


class StandIn:
    """A DB-API module as the dialect wants it, over one DuckDB; PUT copies a file, COPY INTO reads it."""

    paramstyle = "pyformat"
    apilevel = "2.0"
    threadsafety = 1
    Error = duckdb.Error

    def __init__(self, stage):
        self.stage = stage
        self.database = duckdb.connect()
        self.said = []

    def connect(self, *args, **kwargs):
        return self

    def cursor(self, *args):
        return Cursor(self)

    def commit(self):
        self._ending("COMMIT")

    def rollback(self):
        self._ending("ROLLBACK")

    def _ending(self, word):
        if self.begun:
            self.database.execute(word)
        self.begun = False

    begun = False

    def close(self):
        pass


class Cursor:
    arraysize = 1
    rowcount = -1
    description = None
    sfqid = "1"

    def __init__(self, standin):
        self.standin = standin
        self.rows = []

    def execute(self, text, parameters=None, **more):
        self.standin.said.append(text)
        self.description = None
        put = re.fullmatch(r"PUT 'file://(.+)' '@~/(.+)' AUTO_COMPRESS = FALSE OVERWRITE = TRUE", text)
        remove = re.fullmatch(r"REMOVE '@~/(.+)'", text)
        copy = re.fullmatch(
            r"COPY INTO (\S+) \((.+)\) FROM \(SELECT (.+) FROM '@~/(.+)'\) FILE_FORMAT = \(TYPE = PARQUET "
            r"USE_LOGICAL_TYPE = TRUE\) ON_ERROR = ABORT_STATEMENT FORCE = TRUE",
            text,
        )
        if put:
            goal = self.standin.stage / put[2]
            goal.mkdir(parents=True, exist_ok=True)
            shutil.copy(put[1], goal)
        elif remove:
            (self.standin.stage / remove[1]).unlink()
        elif copy:
            path = self.standin.stage / copy[4]
            number = self._run(
                f"INSERT INTO {copy[1]} ({copy[2]}) SELECT {copy[3].replace('$1:', '')} FROM read_parquet('{path}')"
            )[0][0]
            self.rows = [(path.name, "LOADED", number, number)]
            self.description = [(name,) + (None,) * 6 for name in ("file", "status", "rows_parsed", "rows_loaded")]
        else:
            # The names of the parameters as DuckDB has them.
            named = re.sub(r"%\((\w+)\)s", r"$\1", text).replace("%%", "%")
            self.rows = self._run(named, parameters or {})
            self.description = self.standin.database.description
        return self

    def _run(self, text, parameters=None):
        if not self.standin.begun and text.split()[0] in ("INSERT", "DELETE", "CREATE", "DROP"):
            self.standin.database.begin()
            self.standin.begun = True
        used = {name: value for name, value in (parameters or {}).items() if f"${name}" in text}
        return self.standin.database.execute(text, used).fetchall()

    def fetchall(self):
        return self.rows

    def fetchone(self):
        return self.rows.pop(0) if self.rows else None

    def fetchmany(self, size=None):
        rows, self.rows = self.rows, []
        return rows

    def close(self):
        pass


@pytest.fixture
def standin(tmp_path, monkeypatch):
    standin = StandIn(tmp_path / "stage")
    made = sa.create_engine

    def create(url, **options):
        return made(url, module=standin, _initialize=False, **options)

    monkeypatch.setattr(engines.sa, "create_engine", create)
    return standin


def test_the_dialect_writes_the_tables(tmp_path):
    from snowflake.sqlalchemy import snowdialect

    declared = declare(bank(tmp_path), Kind.SNOWFLAKE)
    texts = [
        str(sa.schema.CreateTable(table).compile(dialect=snowdialect.dialect())) for table in declared.tables.values()
    ]
    assert "income NUMERIC(12, 2)" in texts[0]
    assert "created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP" in texts[0]
    assert 'CREATE TABLE "order"' in texts[2]
    assert "FOREIGN KEY(customer) REFERENCES customers (customer_id)" in texts[2]


def test_parts_are_put_copied_and_booked_in_one_transaction(standin, tmp_path):
    dataset = bank(tmp_path)
    assert stores.deliver(URL, dataset).rows == 180
    assert standin.database.execute('SELECT count(*) FROM "order"').fetchone() == (120,)
    assert standin.database.execute("SELECT count(*), sum(row_count) FROM synthcredit_loads").fetchone() == (7, 180)
    assert not list(standin.stage.rglob("*.parquet"))
    assert stores.deliver(URL, dataset).rows == 0


def test_keys_that_clash_are_refused_though_snowflake_would_take_them(standin, tmp_path):
    stores.deliver(URL, bank(tmp_path / "a"))
    with pytest.raises(InvalidInputError, match="30 of the new rows have a key"):
        stores.deliver(URL, bank(tmp_path / "b", dataset_id="job-2", first=30))
    assert standin.database.execute("SELECT count(*) FROM customers").fetchone() == (60,)

"""What databases refuse, in words; without what they say themselves."""

import os
import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from tests.bank_tables import bank

from synthcredit import stores
from synthcredit.errors import InvalidInputError, MissingPackageError, StorageError
from synthcredit.stores.address import parse
from synthcredit.stores.engines import opened
from synthcredit.stores.refusals import refusals

ADDRESS = "postgresql://bank:hidden@host/credit"


def _driver(module, name, **more):
    return type(name, (Exception,), {"__module__": module, **more})


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (_driver("pymysql.err", "OperationalError")(1114, "The table 'hidden' is full"), StorageError, "disk is full"),
        (_driver("pymysql.err", "OperationalError")(2013, "Lost hidden"), StorageError, "broke off"),
        (_driver("pymysql.err", "OperationalError")(3948, "hidden"), InvalidInputError, "LOCAL INFILE"),
        (_driver("pymysql.err", "OperationalError")(3159, "hidden"), InvalidInputError, "TLS"),
        (_driver("pymysql.err", "InternalError")(9999, "hidden"), StorageError, "code 9999"),
        (_driver("psycopg.errors", "DiskFull", sqlstate="53100")("hidden"), StorageError, "disk is full"),
        (_driver("psycopg.errors", "AdminShutdown", sqlstate="57P01")("hidden"), StorageError, "broke off"),
        (_driver("psycopg.errors", "X", sqlstate="22003")("hidden"), InvalidInputError, "does not fit"),
        (_driver("psycopg", "OperationalError")("connection to hidden failed: refused"), StorageError, "out of reach"),
        (_driver("_duckdb", "IOException")("hidden: No space left on device"), StorageError, "disk is full"),
        (_driver("_duckdb", "IOException")("Could not set lock on hidden"), StorageError, "somebody else"),
        (_driver("snowflake.connector.errors", "DatabaseError", errno=250001)("hidden"), StorageError, "out of reach"),
        (OSError(28, "hidden"), StorageError, "no space left"),
    ],
)
def test_what_drivers_say_is_told_in_words_without_theirs(error, kind, said, caplog):
    with pytest.raises(kind, match=said) as caught, refusals(parse(ADDRESS, environ={})):
        raise error
    assert "hidden" not in str(caught.value) + caplog.text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_our_own_faults_stay_what_they_are():
    with pytest.raises(ZeroDivisionError), refusals(parse(ADDRESS, environ={})):
        raise ZeroDivisionError


def test_a_missing_driver_names_the_extra(monkeypatch, tmp_path):
    for name in ("psycopg", "duckdb"):
        monkeypatch.setitem(sys.modules, name, None)
    for url in (ADDRESS, f"duckdb:///{tmp_path}/a"):
        with pytest.raises(MissingPackageError, match=r"synthcredit\[databases\]"):
            stores.deliver(url, bank(tmp_path))


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_file_of_another_kind_is_refused(kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"this is no database, " * 1000)
    with pytest.raises(StorageError, match="damaged, or of another kind"):
        stores.deliver(f"{kind}:///{path}", bank(tmp_path))


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_folder_that_is_not_there_is_said(kind, tmp_path):
    url = f"{kind}:///{tmp_path}/none/file"
    with pytest.raises(StorageError, match="cannot be written to"):
        stores.deliver(url, bank(tmp_path))
    with pytest.raises(InvalidInputError, match="folder does not exist"):
        stores.reach(url)
    stores.reach(f"{kind}:///{tmp_path}/file")
    assert not (tmp_path / "file").exists()


def test_a_database_that_somebody_writes_to_is_said(tmp_path):
    path = tmp_path / "a.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE t (x)")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="somebody else is writing"):
        stores.deliver(f"sqlite:///{path}?timeout=0.1", bank(tmp_path))
    other.close()


def test_a_full_disk_is_said_and_the_load_goes_on_when_there_is_room(tmp_path, monkeypatch):
    dataset = bank(tmp_path, rows=6000)
    url = f"sqlite:///{tmp_path}/a.db"

    def cramped(connection, _):
        # The file may have so many pages: SQLite then says what it says of a full disk.
        connection.execute("PRAGMA max_page_count = 60")

    sa.event.listen(sa.pool.NullPool, "connect", cramped)
    try:
        with pytest.raises(StorageError, match="its disk is full"):
            stores.deliver(url, dataset)
    finally:
        sa.event.remove(sa.pool.NullPool, "connect", cramped)
    assert sum(table.rows + table.already for table in stores.deliver(url, dataset).tables) == 18_000


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_full_file_system_is_said(kind, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder]).returncode:
        pytest.skip("a small file system needs the right to mount one")
    try:
        dataset = bank(tmp_path, rows=60_000)
        with pytest.raises(StorageError, match="its disk is full"):
            stores.deliver(f"{kind}:///{folder}/a", dataset)
    finally:
        subprocess.run(["umount", folder], check=True)


def test_parameters_are_not_shown(tmp_path):
    with opened(parse(f"sqlite:///{tmp_path}/a.db")) as store:
        assert store.engine.hide_parameters

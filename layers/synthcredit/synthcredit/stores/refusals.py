"""Clear words for what databases refuse. Their own words are not passed on: they may hold values or passwords."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from synthcredit.errors import InvalidInputError, Problem, StorageError, SynthcreditError
from synthcredit.stores.address import Address

log = logging.getLogger("synthcredit.stores")


@dataclass(frozen=True, slots=True)
class _Refusal:
    error: type[SynthcreditError]
    problem: str
    fix: str


_LOGIN = _Refusal(InvalidInputError, "user or password is wrong", "Correct the URL, or DB_USER and DB_PASSWORD.")
_NO_DATABASE = _Refusal(InvalidInputError, "there is no such database", "Create it, or correct the name.")
_NO_HOST = _Refusal(
    StorageError, "the server is out of reach", "Look at host and port, at the network, and whether the server runs."
)
_GONE = _Refusal(StorageError, "the connection broke off", "Give the same command again: it goes on where this ended.")
_FULL = _Refusal(StorageError, "its disk is full", "Free some space there, then give the same command again.")
_NO_RIGHT = _Refusal(
    InvalidInputError,
    "this user may not do that",
    "Grant him CREATE, DROP, SELECT, INSERT, REFERENCES, INDEX and temporary tables on the database.",
)
_NO_LOCAL = _Refusal(
    InvalidInputError,
    "it takes no LOAD DATA LOCAL INFILE",
    "Set local_infile=ON on the server, which bulk loads need.",
)
_TLS = _Refusal(
    InvalidInputError,
    "there is no agreement on TLS",
    "MySQL: add ?ssl_ca=FILE to the URL; PostgreSQL: ?sslmode=require or verify-full&sslrootcert=FILE.",
)
_CLASH = _Refusal(
    InvalidInputError, "a key is in it twice", "Look at the keys of the data; use --reset to replace what is there."
)
_NO_PARENT = _Refusal(
    InvalidInputError, "a row names a parent that is not there", "Deliver all tables of the dataset together."
)
_IN_USE = _Refusal(
    InvalidInputError,
    "other tables hang on a table of it",
    "Drop their foreign keys first, or choose another database.",
)
_UNFIT = _Refusal(InvalidInputError, "a value does not fit its column", "Declare a wider type.")
_BUSY = _Refusal(StorageError, "somebody else is writing to it", "Wait for the other load to end, then try again.")
_READ_ONLY = _Refusal(StorageError, "it cannot be written to", "Choose a file or folder that may be written to.")
_NO_FILE = _Refusal(StorageError, "its file is damaged, or of another kind", "Name another file.")

_MYSQL = {
    **dict.fromkeys((1045, 1698, 1251), _LOGIN),
    **dict.fromkeys((1049,), _NO_DATABASE),
    **dict.fromkeys((2002, 2003, 2005, 1130, 1040), _NO_HOST),
    **dict.fromkeys((2006, 2013, 1053, 1927, 4031), _GONE),
    **dict.fromkeys((1114, 1021, 1026, 1030, 3, 28), _FULL),
    **dict.fromkeys((1044, 1142, 1143, 1227, 1410), _NO_RIGHT),
    **dict.fromkeys((1148, 3948, 4166, 3950), _NO_LOCAL),
    **dict.fromkeys((2026, 3159), _TLS),
    **dict.fromkeys((1062, 1022), _CLASH),
    **dict.fromkeys((1452, 1216), _NO_PARENT),
    **dict.fromkeys((1217, 1451, 3730), _IN_USE),
    **dict.fromkeys((1264, 1265, 1292, 1366, 1406, 1048, 1263, 1261, 1262), _UNFIT),
    **dict.fromkeys((1205, 1213), _BUSY),
    **dict.fromkeys((1290, 1836), _READ_ONLY),
}
_POSTGRESQL = {
    "28P01": _LOGIN,
    "28000": _LOGIN,
    "3D000": _NO_DATABASE,
    "53100": _FULL,
    "42501": _NO_RIGHT,
    "23505": _CLASH,
    "23503": _NO_PARENT,
    "2BP01": _IN_USE,
    "55P03": _BUSY,
    "40P01": _BUSY,
    "25006": _READ_ONLY,
    "22": _UNFIT,
    "23502": _UNFIT,
    "08": _GONE,
    "57P": _GONE,
    "53300": _NO_HOST,
}
"""By SQLSTATE, or how it begins."""
_SQLITE = {
    "SQLITE_FULL": _FULL,
    "SQLITE_CONSTRAINT_PRIMARYKEY": _CLASH,
    "SQLITE_CONSTRAINT_UNIQUE": _CLASH,
    "SQLITE_CONSTRAINT_FOREIGNKEY": _NO_PARENT,
    "SQLITE_CONSTRAINT": _UNFIT,
    "SQLITE_BUSY": _BUSY,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_CANTOPEN": _READ_ONLY,
    "SQLITE_NOTADB": _NO_FILE,
    "SQLITE_CORRUPT": _NO_FILE,
    "SQLITE_IOERR": _FULL,
}
_SNOWFLAKE = {
    390100: _LOGIN,
    390144: _LOGIN,
    250001: _NO_HOST,
    250003: _NO_HOST,
    2043: _NO_DATABASE,
    3001: _NO_RIGHT,
    100038: _UNFIT,
    100078: _UNFIT,
}
_WORDS = (
    # Drivers that give no code when they cannot connect, and DuckDB, which has none.
    ("password authentication failed", _LOGIN),
    ("no password supplied", _LOGIN),
    ("certificate", _TLS),
    ("ssl", _TLS),
    ("no pg_hba.conf entry", _NO_RIGHT),
    ("no space left", _FULL),
    ("could not set lock", _BUSY),
    ("permission denied", _READ_ONLY),
    ("read-only", _READ_ONLY),
    ("not a valid duckdb", _NO_FILE),
    ("no such file", _READ_ONLY),
    ("cannot open file", _READ_ONLY),
    ("duplicate key", _CLASH),
    ("primary key", _CLASH),
    ("foreign key", _NO_PARENT),
    ("out of memory", _FULL),
    ("conversion error", _UNFIT),
    ("not null constraint", _UNFIT),
    ("server closed the connection", _GONE),
    ("connection is lost", _GONE),
    ("the connection is closed", _GONE),
    ("consuming input failed", _GONE),
    ("does not exist", _NO_DATABASE),
)


@contextmanager
def refusals(address: Address) -> Iterator[None]:
    """Turn what a database refuses into an error for the person who asked, without values and without password.

    Raises
    ------
    InvalidInputError, StorageError
        Not chained to the driver's error, whose words may hold values of rows: its code is in the log.
    """
    try:
        yield
    except SynthcreditError:
        raise
    except sa.exc.DBAPIError as error:
        raise _told(error.orig or error, address) from None
    except ssl.SSLError as error:
        raise _error(_TLS, address, error.reason) from None
    except OSError as error:
        # A file of this machine: the temporary folder, a certificate, the file of the store.
        reason = os.strerror(error.errno).lower() if error.errno else "it refused the work"
        place = str(error.filename or f"the disk, on the way to {address.shown}")
        raise StorageError(Problem(place, reason, "Look at the disk and the path, then try again.")) from None
    except Exception as error:
        if not _is_drivers(error):
            raise
        raise _told(error, address) from None


def code_error(code: int, address: Address) -> SynthcreditError:
    """Return what is said of a code that MySQL gave as a warning."""
    return _error(_MYSQL.get(code, _UNFIT), address, code)


def _is_drivers(error: BaseException) -> bool:
    return type(error).__module__.split(".")[0].lstrip("_") in ("duckdb", "psycopg", "pymysql", "sqlite3", "snowflake")


def _told(error: BaseException, address: Address) -> SynthcreditError:
    refusal, code = _found(error)
    return _error(refusal, address, code)


def _error(refusal: _Refusal | None, address: Address, code: object) -> SynthcreditError:
    log.warning("%s refused with code %s", address.shown, code)
    if refusal is None:
        refusal = _Refusal(StorageError, f"it refused the work (code {code})", "Look up the code in its manual.")
    return refusal.error(Problem(f"database {address.shown}", refusal.problem, refusal.fix))


def _found(error: BaseException) -> tuple[_Refusal | None, object]:
    state = getattr(error, "sqlstate", None)
    module = type(error).__module__.split(".")[0]
    if module == "psycopg" and state:
        return next((_POSTGRESQL[state[:n]] for n in (5, 3, 2) if state[:n] in _POSTGRESQL), None), state
    if module == "pymysql" and error.args and isinstance(error.args[0], int):
        # Who is told to connect by TLS and cannot gets the code of a server out of reach.
        tls = error.args[0] == 2003 and "ssl" in str(error).lower()
        return (_TLS if tls else _MYSQL.get(error.args[0])), error.args[0]
    name = getattr(error, "sqlite_errorname", None)
    if name:
        found = next((_SQLITE[key] for key in (name, "_".join(name.split("_")[:2])) if key in _SQLITE), None)
        return found, name
    number = getattr(error, "errno", None)
    if module == "snowflake" and number in _SNOWFLAKE:
        return _SNOWFLAKE[number], number
    words = str(error).lower()
    by_words = next((refusal for part, refusal in _WORDS if part in words), None)
    unreachable = module == "psycopg" and by_words is None
    return (_NO_HOST if unreachable else by_words), type(error).__name__

"""Where a store is: by URL, by environment variables, or by a secret. The password is never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from synthcredit.errors import InvalidInputError, MissingPackageError, Problem, raise_all
from synthcredit.ports import Secrets

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


class Kind(StrEnum):
    """A kind of store."""

    SQLITE = "sqlite"
    DUCKDB = "duckdb"
    MYSQL = "mysql"
    """MySQL and MariaDB: they speak the same protocol."""
    POSTGRESQL = "postgresql"
    SNOWFLAKE = "snowflake"


FROM_ENVIRONMENT = "env"
FROM_SECRET = "secret:"  # noqa: S105 - a prefix, not a password

_KINDS = {
    "sqlite": Kind.SQLITE,
    "duckdb": Kind.DUCKDB,
    "mysql": Kind.MYSQL,
    "mariadb": Kind.MYSQL,
    "postgresql": Kind.POSTGRESQL,
    "postgres": Kind.POSTGRESQL,
    "aurora-mysql": Kind.MYSQL,
    "aurora-postgresql": Kind.POSTGRESQL,
    "snowflake": Kind.SNOWFLAKE,
}
"""Also by the names that Secrets Manager gives engines."""
FILES = (Kind.SQLITE, Kind.DUCKDB)
_EXAMPLES = (
    "sqlite:///file.db, duckdb:///file.duckdb, mysql://user@host/db, postgresql://user@host/db or snowflake://..."
)
_VARIABLES = {
    "kind": "DB_KIND",
    "host": "DB_HOST",
    "port": "DB_PORT",
    "database": "DB_NAME",
    "username": "DB_USER",
    "password": "DB_PASSWORD",
}
_SECRET_KEYS = {
    "kind": ("engine",),
    "host": ("host",),
    "port": ("port",),
    "database": ("dbname", "database"),
    "username": ("username", "user"),
    "password": ("password",),
}


@dataclass(frozen=True, slots=True)
class Address:
    """A store, and how to get in.

    Parameters
    ----------
    kind
        Which engine.
    url
        With the password; its ``repr`` hides it.
    """

    kind: Kind
    url: URL

    @property
    def shown(self) -> str:
        """How people are told of it: without password, and without options that may hold a token."""
        return self.url.set(password=None, query={}).render_as_string(hide_password=True)


def parse(to: str, *, environ: Mapping[str, str] = os.environ, secrets: Secrets | None = None) -> Address:
    """Find out where a store is.

    Parameters
    ----------
    to
        A URL, ``env`` for the environment variables DB_KIND, DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD, or
        ``secret:NAME`` for a secret with the keys that Secrets Manager gives databases.
    environ
        Also gives user and password to a URL that has none.
    secrets
        Reads secrets; those of AWS Secrets Manager where None is given.

    Raises
    ------
    InvalidInputError
        It names no store; says everything that is wrong, and never the password.
    MissingPackageError
        SQLAlchemy is not installed.
    """
    if to == FROM_ENVIRONMENT:
        return _from_environment(environ)
    if to.startswith(FROM_SECRET):
        return _from_secret(to.removeprefix(FROM_SECRET), secrets)
    return _from_url(to, environ)


def package_missing(package: str = "sqlalchemy") -> MissingPackageError:
    """Return what is said where a package of the extra is not installed."""
    return MissingPackageError(
        Problem(
            "database", f"the package {package} is not installed", "Install it: pip install 'synthcredit[databases]'."
        )
    )


def _from_url(text: str, environ: Mapping[str, str]) -> Address:
    try:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError
    except ModuleNotFoundError:
        raise package_missing() from None
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Without the text: it may hold a password.
        raise InvalidInputError(
            Problem(
                "database",
                "its URL cannot be read",
                f"Write {_EXAMPLES}; in a password, write @ as %40, / as %2F and : as %3A.",
            )
        ) from None
    kind = _KINDS.get(url.get_backend_name())
    if kind is None:
        raise InvalidInputError(
            Problem("database", f"there is no store '{url.get_backend_name()}'", f"Write {_EXAMPLES}.")
        )
    if kind not in FILES:
        # Set to what they are where there is nothing else: as if they were not named.
        url = url.set(
            username=url.username or environ.get("DB_USER"),
            password=url.password if url.password is not None else environ.get("DB_PASSWORD"),
        )
    raise_all(_missing(kind, url))
    return Address(kind, url)


def _missing(kind: Kind, url: URL) -> list[Problem]:
    needed = {"database": "the file" if kind in FILES else "a database", "host": "a host"}
    if kind in FILES:
        del needed["host"]
    return [
        Problem("database", f"its URL does not name {what}", f"Write {_EXAMPLES}.")
        for part, what in needed.items()
        if not getattr(url, part)
    ]


def _from_environment(environ: Mapping[str, str]) -> Address:
    given = {part: environ[name] for part, name in _VARIABLES.items() if environ.get(name)}
    names = {part: f"environment variable {name}" for part, name in _VARIABLES.items()}
    raise_all(
        Problem(names[part], "it is not set", "Set it; .env.example shows all of them.")
        for part in ("kind", "database")
        if part not in given
    )
    return _assembled(given, names)


def _on_aws() -> Secrets:
    try:
        from synthcredit.aws.clients import make_client
        from synthcredit.aws.secrets import SecretsManager
    except ModuleNotFoundError:
        raise MissingPackageError(
            Problem("boto3", "it is not installed, and reading a secret needs it", "pip install 'synthcredit[aws]'")
        ) from None
    return SecretsManager(make_client("secretsmanager"))


def _from_secret(name: str, secrets: Secrets | None) -> Address:
    content = (secrets or _on_aws()).read(name)
    given = {
        part: str(content[key]) for part, keys in _SECRET_KEYS.items() for key in reversed(keys) if content.get(key)
    }
    names = {part: f"secret {name}: key {keys[0]}" for part, keys in _SECRET_KEYS.items()}
    raise_all(
        Problem(names[part], "it is not there", "Add it to the secret.")
        for part in ("kind", "host", "database")
        if part not in given
    )
    return _assembled(given, names)


def _assembled(given: Mapping[str, str], names: Mapping[str, str]) -> Address:
    """Put an address together; ``names`` tells what each piece is called where it comes from."""
    try:
        from sqlalchemy.engine import URL
    except ModuleNotFoundError:
        raise package_missing() from None
    kind = _KINDS.get(given["kind"].lower())
    if kind is None:
        raise InvalidInputError(Problem(names["kind"], "it names no store", f"Name one of {', '.join(_KINDS)}."))
    port = given.get("port")
    if port is not None and not port.isdigit():
        raise InvalidInputError(Problem(names["port"], "it is no number", "Give the port's number."))
    if kind in FILES:
        return Address(kind, URL.create(kind, database=given["database"]))
    url = URL.create(
        kind,
        username=given.get("username"),
        password=given.get("password"),
        host=given.get("host", "localhost"),
        port=None if port is None else int(port),
        database=given["database"],
    )
    return Address(kind, url)

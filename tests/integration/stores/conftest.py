"""A real MariaDB and a real PostgreSQL, started once for these tests."""

import socket

import pytest
from tests.database_servers import DATABASE, Server, missing

# These servers are thrown away: they need not survive a power cut.
HASTY = {
    "mysql": ("--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=2"),
    "postgresql": ("-c", "fsync=off"),
}


def _server(kind):
    why_not = missing(kind)
    if why_not:
        pytest.skip(why_not)
    server = Server(kind, HASTY[kind])
    server.start()
    return server


@pytest.fixture(scope="session")
def mysql():
    server = _server("mysql")
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgresql():
    server = _server("postgresql")
    yield server
    server.remove()


@pytest.fixture(params=["mysql", "postgresql"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def url(server):
    """The database, emptied."""
    if server.kind == "mysql":
        server.administer(f"DROP DATABASE {DATABASE}", f"CREATE DATABASE {DATABASE}")
    else:
        server.administer("DROP SCHEMA public CASCADE", "CREATE SCHEMA public AUTHORIZATION bank")
    return server.url


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

"""Several connections at once: each piece done once, errors raised, the others broken off, all closed."""

import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from synthcredit.errors import Problem, StorageError
from synthcredit.stores import connections
from synthcredit.stores.address import Kind, parse

ADDRESS = parse("mysql://user:password@host/db", environ={})
MOST = connections.MOST[Kind.MYSQL]
MANY = 10 * connections.ROWS_EACH


@pytest.fixture
def opened(monkeypatch):
    """Stand-ins for connections, and which of them are open."""
    are_open = []

    @contextmanager
    def stand_in(address):
        assert address is ADDRESS
        store = SimpleNamespace(kind=Kind.MYSQL)
        are_open.append(store)
        yield store
        are_open.remove(store)

    monkeypatch.setattr(connections, "opened", stand_in)
    return are_open


def together():
    """Return work that ends when as many are at it as there are connections, and what was done by whom."""
    all_at_it, done = threading.Barrier(MOST, timeout=20), []

    def work(store, piece, go_on):
        if piece < MOST:
            all_at_it.wait()
        go_on()
        done.append((piece, id(store)))

    return work, done


def test_a_server_is_given_several_connections_each_with_its_own_piece(opened):
    work, done = together()
    with connections.connected(ADDRESS) as (_, several):
        several.each(range(3 * MOST), MANY, work)
        assert len(opened) == MOST
        assert sorted(piece for piece, _ in done) == list(range(3 * MOST))
        assert len({store for _, store in done}) == MOST
        # The next table has the same ones.
        several.each(range(MOST), MANY, together()[0])
        assert len(opened) == MOST
    assert not opened


@pytest.mark.parametrize(("kind", "rows"), [(Kind.SQLITE, MANY), (Kind.SNOWFLAKE, MANY), (Kind.MYSQL, 1_000)])
def test_files_and_few_rows_have_one_connection_and_their_order(opened, kind, rows):
    done = []
    with connections.connected(ADDRESS) as (store, several):
        store.kind = kind
        several.each(range(5), rows, lambda by, piece, _: done.append((piece, by is store)))
        assert len(opened) == 1
    assert done == [(piece, True) for piece in range(5)]


def test_where_one_fails_the_others_break_off_and_nothing_more_is_taken(opened):
    all_at_it, broken_off = threading.Barrier(MOST, timeout=20), []

    def work(_, piece, go_on):
        all_at_it.wait()
        if piece == 1:
            raise ValueError("the second is bad")
        try:
            # As a part of many batches, which asks after each.
            for _ in range(2_000):
                go_on()
                time.sleep(0.01)
        except BaseException:
            broken_off.append(piece)
            raise

    with connections.connected(ADDRESS) as (_, several), pytest.raises(ValueError, match="the second is bad"):
        several.each(range(50), MANY, work)
    assert sorted(broken_off) == sorted({*range(MOST)} - {1})
    assert not opened


def test_a_server_that_gives_no_more_connections_is_served_by_one(opened, monkeypatch):
    given, done = connections.opened, []

    def only_one(address):
        if opened:
            raise StorageError(Problem("database", "it has too many connections", "Wait."))
        return given(address)

    monkeypatch.setattr(connections, "opened", only_one)
    with connections.connected(ADDRESS) as (store, several):
        several.each(range(5), MANY, lambda by, piece, _: done.append((piece, by is store)))
    assert done == [(piece, True) for piece in range(5)]

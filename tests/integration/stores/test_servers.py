"""The stores on real servers: every case that holds of all stores, and what only a server can refuse."""

import pickle
import signal
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from tests.bank_tables import CUSTOMERS, ORDERS, bank, orders, part
from tests.database_servers import PASSWORD, WRITTEN, Server, missing
from tests.integration.stores.conftest import HASTY
from tests.store_cases import *  # noqa: F403 - every case, on servers

from synthcredit import stores
from synthcredit.errors import InvalidInputError, StorageError
from synthcredit.stores import connections
from synthcredit.stores.address import parse
from synthcredit.stores.engines import opened
from synthcredit.stores.types import declare

pytestmark = pytest.mark.xdist_group("database servers")

DECLARED = {
    "mysql": {
        "customer_id": ("bigint(20)", "NO", None),
        "name": ("varchar(50)", "YES", None),
        "select": ("varchar(255)", "YES", None),
        "income": ("decimal(12,2)", "YES", None),
        "ratio": ("double", "YES", None),
        "active": ("tinyint(1)", "YES", None),
        "born": ("date", "YES", None),
        "created_at": ("timestamp", "YES", "current_timestamp()"),
        "calls_at": ("time(6)", "YES", None),
    },
    "postgresql": {
        "customer_id": ("bigint", "NO", None),
        "name": ("character varying", "YES", None),
        "select": ("text", "YES", None),
        "income": ("numeric", "YES", None),
        "ratio": ("double precision", "YES", None),
        "active": ("boolean", "YES", None),
        "born": ("date", "YES", None),
        "created_at": ("timestamp without time zone", "YES", "CURRENT_TIMESTAMP"),
        "calls_at": ("time without time zone", "YES", None),
    },
}


def test_information_schema_has_the_declared_types(server, url, tmp_path):
    stores.deliver(url, bank(tmp_path))
    shown = "column_type" if server.kind == "mysql" else "data_type"
    database = urlsplit(url).path[1:] if server.kind == "mysql" else "public"
    with opened(parse(url)) as store:
        found = store.execute(
            sa.text(
                f"SELECT column_name, {shown}, is_nullable, column_default FROM information_schema.columns "
                f"WHERE table_name = 'customers' AND table_schema = '{database}'"
            )
        )
        exact = store.execute(
            sa.text(
                "SELECT character_maximum_length, numeric_precision, numeric_scale FROM information_schema.columns "
                f"WHERE table_name = 'customers' AND table_schema = '{database}' AND column_name IN ('name', 'income') "
                "ORDER BY column_name"
            )
        )
    as_found = {
        name: (kind, null, None if default in (None, "NULL") else default) for name, kind, null, default in found
    }
    assert {name: as_found[name] for name in DECLARED[server.kind]} == DECLARED[server.kind]
    assert exact == [(None, 12, 2), (50, None, None)]


@pytest.mark.parametrize(
    ("user", "password", "database", "said"),
    [
        ("bank", "wrong%2Fhidden", "credit", "user or password is wrong"),
        ("nobody_here", "wrong%2Fhidden", "credit", "user or password is wrong"),
        ("bank", WRITTEN, "no_such_base", "there is no such database|may not do that"),
    ],
)
def test_who_may_not_in_is_told_so_without_the_password(server, user, password, database, said, tmp_path, caplog):
    with pytest.raises(InvalidInputError, match=said) as caught:
        stores.deliver(server.url_as(user, password, database), bank(tmp_path))
    for secret in ("wrong/hidden", "wrong%2Fhidden", PASSWORD, WRITTEN):
        assert secret not in str(caught.value)
        assert secret not in caplog.text
    assert caught.value.__cause__ is None


def test_who_may_only_read_is_told_so(server, url, tmp_path):
    name = urlsplit(url).path[1:]
    if server.kind == "mysql":
        server.administer(
            "CREATE OR REPLACE USER reader@127.0.0.1 IDENTIFIED BY 'r'", f"GRANT SELECT ON {name}.* TO reader@127.0.0.1"
        )
    else:
        server.administer(
            "DROP ROLE IF EXISTS reader", "CREATE USER reader PASSWORD 'r'", "GRANT USAGE ON SCHEMA public TO reader"
        )
    with pytest.raises(InvalidInputError, match="this user may not do that"):
        stores.deliver(server.url_as("reader", "r", name), bank(tmp_path))


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_nobody_at_the_port_is_said(kind, free_port, tmp_path):
    with pytest.raises(StorageError, match="out of reach"):
        stores.deliver(f"{kind}://bank:hidden@127.0.0.1:{free_port}/credit", bank(tmp_path))


def test_no_tls_where_it_is_demanded_is_said(server, tmp_path):
    demand = "?ssl_ca=/dev/null" if server.kind == "mysql" else "?sslmode=require"
    with pytest.raises((InvalidInputError, StorageError), match="TLS") as caught:
        stores.deliver(server.url + demand, bank(tmp_path))
    assert WRITTEN not in str(caught.value)


def test_a_server_without_local_infile_says_so(mysql, tmp_path):
    mysql.administer("SET GLOBAL local_infile = 0")
    try:
        with pytest.raises(InvalidInputError, match="LOAD DATA LOCAL INFILE"):
            stores.deliver(mysql.url, bank(tmp_path))
    finally:
        mysql.administer("SET GLOBAL local_infile = 1")


def test_another_loader_of_the_same_dataset_waits_and_is_refused_or_finds_it_done(server, url, tmp_path):
    dataset = bank(tmp_path, rows=6000)
    ends = []

    def load():
        try:
            ends.append(stores.deliver(url, dataset).rows)
        except (InvalidInputError, StorageError) as error:
            ends.append(type(error))

    both = [threading.Thread(target=load) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    stores.deliver(url, dataset)
    assert counts(url, dataset) == {"customers": 6000, "notes": 0, "order": 12000}  # noqa: F405
    assert len(ends) == 2


def test_several_connections_put_every_row_once(server, url, tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "ROWS_EACH", 1)
    dataset, heard = bank(tmp_path, rows=6000), []
    summary = stores.deliver(url, dataset, progress=lambda done, _: heard.append(done))
    assert {table.name: table.rows for table in summary.tables} == {"customers": 6000, "notes": 0, "order": 12000}
    assert heard == sorted(heard)
    assert heard[-1] == 1
    for schema in (CUSTOMERS, ORDERS):
        table = declare(dataset, parse(url).kind).tables[schema.name]
        found = run(url, sa.select(table).order_by(next(iter(table.primary_key))))  # noqa: F405
        assert sorted(map(repr, (tuple(map(plain, row)) for row in found))) == sorted(  # noqa: F405
            map(repr, rows_of(dataset, schema))  # noqa: F405
        )


@pytest.mark.parametrize("moment", [1, 4])
def test_several_connections_that_are_killed_leave_nothing_half_written(server, url, tmp_path, moment):
    dataset = bank(tmp_path, rows=600)
    at_once = "from synthcredit.stores import connections; connections.ROWS_EACH = 1\n" + KILLED  # noqa: F405
    killed = subprocess.run(
        [sys.executable, "-c", at_once, url, "order", str(moment)], input=pickle.dumps(dataset), timeout=60, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    # A part whose commit was on its way when the process died may have been kept since.
    found = {table.name: table for table in stores.deliver(url, dataset).tables}["order"]
    assert found.already in {0, 400, 800, 1200}
    assert found.rows == 1200 - found.already
    assert counts(url, dataset) == {"customers": 600, "notes": 0, "order": 1200}  # noqa: F405


def test_one_bad_part_of_several_at_once_is_told_and_not_kept(server, url, tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "ROWS_EACH", 1)
    dataset = bank(tmp_path)
    part(tmp_path, ORDERS, 1, orders(0, 40, 60))
    with pytest.raises(InvalidInputError, match="a key is in it twice"):
        stores.deliver(url, dataset)
    # Of the two with the same keys one was kept at most, and the third has its own.
    assert counts(url, dataset)["order"] in {0, 40, 80}  # noqa: F405


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_server_that_went_away_is_said_and_the_load_goes_on_when_it_is_back(kind, tmp_path):
    if missing(kind):
        pytest.skip(missing(kind))
    own = Server(kind, HASTY[kind])
    own.start()
    try:
        dataset = bank(tmp_path)
        heard = []

        def stop_at_orders(done, message):
            heard.append(message)
            if message.startswith("order") and own.process is not None:
                own.stop(signal.SIGKILL if kind == "mysql" else signal.SIGQUIT)

        with pytest.raises(StorageError, match="broke off|out of reach") as caught:
            stores.deliver(own.url, dataset, progress=stop_at_orders)
        assert PASSWORD not in str(caught.value)
        own.launch()
        assert {table.name: table.already for table in stores.deliver(own.url, dataset).tables}["customers"] == 60
        assert counts(own.url, dataset)["order"] == 120  # noqa: F405
    finally:
        own.remove()

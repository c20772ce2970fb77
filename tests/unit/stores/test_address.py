import pytest

from synthcredit.errors import InvalidInputError, MissingPackageError
from synthcredit.stores.address import Kind, parse

PASSWORD = "open sesame"  # noqa: S105


class Vault:
    def __init__(self, **content):
        self.content = content

    def read(self, name):
        return self.content


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite:///file.db", Kind.SQLITE),
        ("duckdb:////tmp/file.duckdb", Kind.DUCKDB),
        ("mysql://u:p@host/db", Kind.MYSQL),
        ("mariadb://u:p@host:3307/db", Kind.MYSQL),
        ("mysql+pymysql://u:p@host/db", Kind.MYSQL),
        ("postgresql://u:p@host/db?sslmode=require", Kind.POSTGRESQL),
        ("postgres://u:p@host/db", Kind.POSTGRESQL),
        ("snowflake://u:p@account/db/schema?warehouse=w", Kind.SNOWFLAKE),
    ],
)
def test_a_url_names_a_kind(url, kind):
    address = parse(url, environ={})
    assert address.kind is kind
    assert ":p@" not in address.shown
    assert ":p@" not in repr(address)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("oracle://u:hidden@host/db", "there is no store 'oracle'"),
        ("no url with hidden", "cannot be read"),
        ("mysql://u:hidden@host:port/db", "cannot be read"),
        ("mysql://u:hidden@host", "does not name a database"),
        ("sqlite://", "does not name the file"),
        ("postgresql:///db", "does not name a host"),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url, said):
    with pytest.raises(InvalidInputError, match=said) as caught:
        parse(url, environ={})
    assert "hidden" not in str(caught.value)


def test_a_url_without_user_takes_the_environments():
    address = parse("mysql://host/db", environ={"DB_USER": "bank", "DB_PASSWORD": PASSWORD})
    assert (address.url.username, address.url.password) == ("bank", PASSWORD)
    given = parse("mysql://me:mine@host/db", environ={"DB_USER": "bank", "DB_PASSWORD": PASSWORD})
    assert (given.url.username, given.url.password) == ("me", "mine")


def test_the_environment_names_a_store():
    address = parse(
        "env",
        environ={
            "DB_KIND": "MariaDB", "DB_HOST": "db.bank.example", "DB_PORT": "3307", "DB_NAME": "credit",
            "DB_USER": "bank", "DB_PASSWORD": PASSWORD,
        },
    )  # fmt: skip
    assert address.kind is Kind.MYSQL
    assert (address.url.host, address.url.port, address.url.database) == ("db.bank.example", 3307, "credit")
    assert address.url.password == PASSWORD
    assert parse("env", environ={"DB_KIND": "sqlite", "DB_NAME": "a.db"}).url.database == "a.db"


def test_all_that_the_environment_lacks_is_said_at_once():
    with pytest.raises(InvalidInputError) as caught:
        parse("env", environ={"DB_PASSWORD": PASSWORD})
    assert [problem.field for problem in caught.value.problems] == [
        "environment variable DB_KIND",
        "environment variable DB_NAME",
    ]


@pytest.mark.parametrize(("name", "value"), [("DB_KIND", "oracle"), ("DB_PORT", "many")])
def test_a_wrong_variable_is_named(name, value):
    environ = {"DB_KIND": "mysql", "DB_NAME": "credit", "DB_PASSWORD": PASSWORD, name: value}
    with pytest.raises(InvalidInputError, match=name) as caught:
        parse("env", environ=environ)
    assert PASSWORD not in str(caught.value)


def test_a_secret_as_rds_writes_it_names_a_store():
    vault = Vault(engine="postgres", host="db", port=5433, username="bank", password=PASSWORD, dbname="credit")
    address = parse("secret:credit/db", environ={}, secrets=vault)
    assert address.kind is Kind.POSTGRESQL
    assert (address.url.host, address.url.port, address.url.database) == ("db", 5433, "credit")
    assert (address.url.username, address.url.password) == ("bank", PASSWORD)


def test_what_a_secret_lacks_is_said_at_once():
    with pytest.raises(InvalidInputError) as caught:
        parse("secret:credit/db", environ={}, secrets=Vault(password=PASSWORD))
    assert [problem.field.split()[-1] for problem in caught.value.problems] == ["engine", "host", "dbname"]
    assert PASSWORD not in str(caught.value)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy.engine", None)
    with pytest.raises(MissingPackageError, match=r"synthcredit\[databases\]"):
        parse("sqlite:///file.db", environ={})

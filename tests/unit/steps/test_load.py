"""Loading what a job has published: one table or many, again, interrupted, refused; what is published stays."""

import json
import shutil
import sqlite3
from functools import partial

import pytest
from tests.bank_tables import CUSTOMERS, NOTES, ORDERS, RELATIONS, TYPES, bank

from synthcredit import stores
from synthcredit.datasets.schema import DatasetSchema
from synthcredit.datasets.split import Rule, Split
from synthcredit.errors import InvalidInputError, Problem, StoppedError, StorageError
from synthcredit.jobs.job import State
from synthcredit.jobs.planning import Plan, Shard, Training
from synthcredit.jobs.request import parse_request
from synthcredit.local.world import open_world
from synthcredit.ports import PublishedTable
from synthcredit.steps import load as module
from synthcredit.steps.claim import claim
from synthcredit.steps.fail import fail
from synthcredit.steps.files import data_prefix, job_key, write_document
from synthcredit.steps.load import Loaded, load
from synthcredit.steps.standing import STILL_PUBLISHED, step

SECRET = "bank/db"  # noqa: S105 - its name


class Secrets:
    """One secret, which names a file."""

    def __init__(self, path):
        self.path = path

    def read(self, name):
        assert name == SECRET
        return {"engine": "sqlite", "host": "here", "dbname": str(self.path)}


@pytest.fixture
def world(tmp_path):
    return open_world(tmp_path / "home", tmp_path / "out")


@pytest.fixture
def database(tmp_path):
    return tmp_path / "bank.db"


@pytest.fixture
def deliver(database):
    return partial(stores.deliver_tables, secrets=Secrets(database))


@pytest.fixture
def job_id(world, tmp_path):
    """A job that has published a table of customers."""
    request = {"source": {"kind": "dataset", "uri": "a.csv"}, "rows": 60, "to": {"secret": SECRET}}
    made = claim(parse_request(request), world, caller="me", key="1")[0].job_id
    training = Training(
        dataset="bank", data_uri="a.csv", data_hash="0", table_schema=CUSTOMERS, synthesizer="trees",
        settings={}, seed=0, split=Split(rule=Rule.ROWS, train_rows=7, holdout_rows=3, hash="0"),
    )  # fmt: skip
    shards = (Shard(number=0, first_row=0, rows=60),)
    plan = Plan(training=training, model_id="m", train=False, reason="none", shards=shards)
    write_document(world.objects, job_key(made, "plan.json"), plan)
    for table in bank(tmp_path / "made").tables:
        for path in table.parts:
            copy = tmp_path / path.name
            shutil.copy(path, copy)
            world.objects.put(copy, data_prefix(made, table.schema.name) + path.name)
    with step(world, made, "publish"):
        pass
    return made


def count(database, table):
    with sqlite3.connect(database) as connection:
        return connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]


def test_the_published_table_is_loaded_and_again_changes_nothing(world, job_id, deliver, database):
    heard = []
    summary = load(job_id, world, deliver, lambda done, message: heard.append((done, message)))
    assert [(one.name, one.rows, one.already) for one in summary.tables] == [("customers", 60, 0)]
    assert count(database, "customers") == 60
    assert heard[-1][0] == 1.0
    job = world.jobs.get(job_id)
    assert (job.state, job.step) == (State.RUNNING, "load")
    assert job.seconds["load"] >= 0
    assert load(job_id, world, deliver).rows == 0
    note = Loaded.model_validate_json((world.objects.root / job_key(job_id, "load.json")).read_bytes())
    assert [(one.name, one.rows, one.already) for one in note.tables] == [("customers", 0, 60)]


def test_many_tables_with_their_relations_and_types(world, job_id, deliver, database, tmp_path, monkeypatch):
    tables = [PublishedTable("bank", schema, data_prefix(job_id, schema.name)) for schema in (ORDERS, CUSTOMERS, NOTES)]
    monkeypatch.setattr(module, "published_tables", lambda *_: tables)
    schema = DatasetSchema(tables=(CUSTOMERS, ORDERS, NOTES), relations=RELATIONS)
    write_document(world.objects, job_key(job_id, "schema.json"), schema)
    types = {table: {name: one.model_dump() for name, one in columns.items()} for table, columns in TYPES.items()}
    (tmp_path / "types").write_text(json.dumps(types))
    world.objects.put(tmp_path / "types", job_key(job_id, "sql_types.json"))
    assert [one.name for one in load(job_id, world, deliver).tables] == ["customers", "notes", "order"]
    with sqlite3.connect(database) as connection:
        assert connection.execute('PRAGMA foreign_key_list("order")').fetchall()[0][2:5] == (
            "customers", "customer", "customer_id",
        )  # fmt: skip
        declared = {row[1]: row[2] for row in connection.execute("PRAGMA table_info(customers)")}
    assert (declared["name"], declared["income"]) == ("VARCHAR(50)", "NUMERIC(12, 2)")


def test_a_database_beside_the_request(world, job_id, tmp_path):
    assert load(job_id, world, stores.deliver_tables, to=f"sqlite:///{tmp_path}/other.db").rows == 60
    assert count(tmp_path / "other.db", "customers") == 60


def test_a_refusal_leaves_what_is_published_and_says_so(world, job_id, database, deliver):
    def refused(*_, **__):
        raise InvalidInputError(Problem("database", "user or password is wrong", "Correct them."))

    with pytest.raises(InvalidInputError) as caught:
        load(job_id, world, refused)
    assert caught.value.problems[-1] == STILL_PUBLISHED
    closed = fail(job_id, caught.value, world)
    assert (closed.state, closed.failure.step, closed.published) == (State.FAILED, "load", True)
    assert [one["problem"] for one in closed.failure.problems] == [
        "user or password is wrong", STILL_PUBLISHED.problem,
    ]  # fmt: skip
    assert len(list(world.objects.keys(data_prefix(job_id, "customers")))) == 3
    with pytest.raises(StoppedError):
        load(job_id, world, deliver)


def test_a_load_that_never_began_leaves_what_is_published_too(world, job_id):
    # As where Lambda or SageMaker cannot be started.
    closed = fail(job_id, StorageError(Problem("step publish", "its machine did not start", "Try again.")), world)
    assert closed.failure.step == "load"
    assert STILL_PUBLISHED.problem in [one["problem"] for one in closed.failure.problems]
    assert list(world.objects.keys(data_prefix(job_id)))


def test_a_job_that_is_stopped_meanwhile_ends_and_its_rows_go(world, job_id):
    def stopped(*_, progress, **__):
        raise StoppedError(Problem("job", "stopped", "Submit it again."))

    with pytest.raises(StoppedError) as caught:
        load(job_id, world, stopped)
    assert len(caught.value.problems) == 1
    assert fail(job_id, caught.value, world).state is State.STOPPED
    assert not list(world.objects.keys(data_prefix(job_id)))


def test_an_attempt_that_broke_off_goes_on(world, job_id, deliver, database):
    def breaks(done, message):
        if done > 0.5:
            raise StorageError(Problem("database", "the connection broke off", "Try again."))

    with pytest.raises(StorageError):
        load(job_id, world, deliver, breaks)
    assert 0 < count(database, "customers") < 60
    summary = load(job_id, world, deliver)
    assert 0 < summary.tables[0].already < 60
    assert count(database, "customers") == 60
    assert world.jobs.get(job_id).failure is None


def test_nothing_is_loaded_where_nothing_is_named(world, job_id, deliver):
    job = world.jobs.get(job_id)
    world.jobs.update(job.model_copy(update={"request": job.request.model_copy(update={"to": None})}))
    with pytest.raises(InvalidInputError, match="no database is named"):
        load(job_id, world, deliver)

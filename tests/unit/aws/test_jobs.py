from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier, Lock

import pytest
from moto.dynamodb.models.table import Table

from synthcredit.aws.clients import make_client
from synthcredit.aws.jobs import DynamoJobs
from synthcredit.errors import InvalidInputError, NotFoundError, StoppedError, StorageError
from synthcredit.jobs.job import Failure, Job, State, job_id_for
from synthcredit.jobs.request import parse_request

REQUEST = parse_request({"source": {"kind": "dataset", "uri": "s3://bucket/a.csv"}, "rows": 10})
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = {"AttributeType": "S"}


def _job(key="k", **changes) -> Job:
    fields = {"job_id": job_id_for("me", key), "caller": "me", "request": REQUEST}
    return Job(**{**fields, "created_at": CREATED, "updated_at": CREATED, **changes})


@pytest.fixture
def client():
    client = make_client("dynamodb")
    client.create_table(
        TableName="jobs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, **TEXT} for name in ("job_id", "kind", "created_at")],
        KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "newest",
                "KeySchema": [
                    {"AttributeName": "kind", "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return client


@pytest.fixture
def jobs(client):
    return DynamoJobs(client, "jobs")


def test_a_job_is_kept_as_it_is(jobs):
    failure = Failure(step="plan", error="InvalidInput", problems=({"field": "ä", "problem": "p", "fix": "f"},))
    job = _job(failure=failure, seconds={"plan": 0.5})
    assert jobs.create(job)
    assert jobs.get(job.job_id) == job


def test_an_item_is_forgotten_after_400_days(jobs, client):
    jobs.create(_job())
    (item,) = client.scan(TableName="jobs")["Items"]
    assert int(item["expires_at"]["N"]) == CREATED.timestamp() + 400 * 86_400
    assert (item["state"]["S"], item["kind"]["S"]) == ("accepted", "job")


def test_a_job_is_created_once_whoever_comes_first(jobs, client, monkeypatch):
    # DynamoDB looks at the condition and puts in one step; moto does in two.
    lock, put = Lock(), Table.put_item

    def whole(*args, **kwargs):
        with lock:
            return put(*args, **kwargs)

    monkeypatch.setattr(Table, "put_item", whole)
    # Whatever each looks at before it puts, all have looked by then.
    barrier = Barrier(8)

    def wait(**_):
        barrier.wait(30)

    client.meta.events.register("before-call.dynamodb.PutItem", wait)

    def create(number):
        return jobs.create(_job(seconds={"by": float(number)}))

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert sum(won) == 1
    assert jobs.get(_job().job_id).seconds == {"by": float(won.index(True))}
    client.meta.events.unregister("before-call.dynamodb.PutItem", wait)
    assert not jobs.create(_job(state=State.FAILED))
    assert jobs.get(_job().job_id).state is State.ACCEPTED


@pytest.mark.parametrize("closed", [State.SUCCEEDED, State.FAILED, State.STOPPED])
def test_a_closed_job_stays_as_it_was_closed(jobs, closed):
    jobs.create(_job())
    jobs.update(_job(state=State.RUNNING, step="train"))
    jobs.update(_job(state=closed))
    for other in set(State) - {State.SUCCEEDED}:
        with pytest.raises(StoppedError, match=f"closed meanwhile: {closed}"):
            jobs.update(_job(state=other, seconds={"train": 1.0}))
    assert jobs.get(_job().job_id) == _job(state=closed)


def test_that_a_job_has_succeeded_may_be_said_twice(jobs):
    jobs.create(_job())
    for _ in range(2):
        jobs.update(_job(state=State.SUCCEEDED))
    assert jobs.get(_job().job_id).state is State.SUCCEEDED


def test_of_a_stop_and_a_success_at_once_one_holds(jobs):
    jobs.create(_job(state=State.RUNNING))
    seen_by_the_step = jobs.get(_job().job_id)
    jobs.update(_job(state=State.STOPPED))
    with pytest.raises(StoppedError):
        jobs.update(seen_by_the_step.model_copy(update={"state": State.SUCCEEDED}))
    with pytest.raises(StoppedError):
        jobs.update(seen_by_the_step.model_copy(update={"seconds": {"train": 1.0}}))
    assert jobs.get(_job().job_id).state is State.STOPPED


def test_what_was_never_created_cannot_be_updated(jobs):
    with pytest.raises(NotFoundError, match="no such job"):
        jobs.update(_job())
    assert list(jobs.all()) == []


@pytest.mark.parametrize("job_id", ["0" * 24, "../../etc/passwd", ""])
def test_unknown_jobs_are_said_to_be_unknown(jobs, job_id):
    with pytest.raises(NotFoundError, match="no such job"):
        jobs.get(job_id)


def test_the_newest_comes_first_whatever_the_zone_and_however_many(jobs):
    east = timezone(timedelta(hours=9))
    times = [CREATED + timedelta(seconds=number, microseconds=number % 3) for number in range(250)]
    for number, time in enumerate(times):
        jobs.create(_job(str(number), created_at=time.astimezone(east) if number % 2 else time))
    assert [job.created_at for job in jobs.all()] == times[::-1]


def test_jobs_are_read_as_they_are_taken(jobs, client):
    for number in range(250):
        jobs.create(_job(str(number)))
    calls = []
    client.meta.events.register("before-call.dynamodb.Query", lambda **_: calls.append(1))
    next(jobs.all())
    assert len(calls) == 1


def test_a_request_that_the_table_cannot_hold_is_refused(jobs):
    request = REQUEST.model_copy(update={"source": REQUEST.source.model_copy(update={"uri": "ä" * 100_000})})
    with pytest.raises(InvalidInputError, match="at most 200,000 can be kept") as caught:
        jobs.create(_job(request=request))
    assert caught.value.problems[0].field == "request"
    assert list(jobs.all()) == []


def test_a_table_that_is_gone_is_said(client):
    lost = DynamoJobs(client, "none")
    for ask in (
        lambda: lost.get("1"),
        lambda: lost.create(_job()),
        lambda: lost.update(_job()),
        lambda: next(lost.all()),
    ):
        with pytest.raises(StorageError, match="table none: it does not exist"):
            ask()


def test_a_job_is_read_as_the_last_update_left_it(jobs, client):
    jobs.create(_job())
    asked = []
    client.meta.events.register("provide-client-params.dynamodb.GetItem", lambda params, **_: asked.append(params))
    jobs.get(_job().job_id)
    assert [params["ConsistentRead"] for params in asked] == [True]

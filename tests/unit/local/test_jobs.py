from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from synthcredit.errors import NotFoundError
from synthcredit.jobs.job import Job, State, job_id_for
from synthcredit.jobs.request import parse_request
from synthcredit.local.jobs import FolderJobs

REQUEST = parse_request({"source": {"kind": "dataset", "uri": "a.csv"}, "rows": 10})
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def _job(key="k", **changes) -> Job:
    fields = {"job_id": job_id_for("me", key), "caller": "me", "request": REQUEST}
    return Job(**{**fields, "created_at": CREATED, "updated_at": CREATED, **changes})


def test_a_job_is_kept_as_it_is(tmp_path):
    jobs = FolderJobs(tmp_path)
    assert jobs.create(_job())
    assert jobs.get(_job().job_id) == _job()


def test_a_job_is_created_once_whoever_comes_first(tmp_path):
    jobs = FolderJobs(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: jobs.create(_job()), range(32))) == 1
    assert not jobs.create(_job(state=State.FAILED))
    assert jobs.get(_job().job_id).state is State.ACCEPTED


def test_updates_replace_and_the_newest_comes_first(tmp_path):
    jobs = FolderJobs(tmp_path)
    jobs.create(_job("old"))
    jobs.create(_job("new", created_at=CREATED + timedelta(hours=1)))
    jobs.update(_job("old", state=State.SUCCEEDED))
    assert [job.state for job in jobs.all()] == [State.ACCEPTED, State.SUCCEEDED]


@pytest.mark.parametrize("job_id", ["0" * 24, "../../etc/passwd", ""])
def test_unknown_jobs_are_said_to_be_unknown(tmp_path, job_id):
    with pytest.raises(NotFoundError, match="no such job"):
        FolderJobs(tmp_path).get(job_id)


def test_job_ids_depend_on_caller_and_key():
    assert job_id_for("a", "bc") != job_id_for("ab", "c")
    assert len(job_id_for("a", "b")) == 24

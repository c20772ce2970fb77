from datetime import timedelta

import pytest

from synthcredit.errors import GoneError, NotFoundError, NotReadyError
from synthcredit.jobs.job import Failure, State, now
from synthcredit.steps.files import job_key
from synthcredit.usecases import results as module
from synthcredit.usecases.results import results


def _results(job, world, linker):
    return results(job.job_id, world, linker, database="lake")


def test_links_to_everything_that_came_out(finish, world, linker):
    job = finish()
    told = _results(job, world, linker)
    assert [file.name for file in told.files] == [
        "report.html",
        "evidence.json",
        "manifest.json",
        "plots/age.png",
        "data/applicants/part-00000.parquet",
        "data/applicants/part-00001.parquet",
    ]
    assert told.files[0].url == f"https://lake/jobs/{job.job_id}/report.html?signed"
    assert (told.files[-1].rows, told.files[-1].size, told.files[-1].sha256) == (500, 9, "0")
    assert timedelta(seconds=590) < told.files[0].expires_at - now() <= timedelta(seconds=600)
    assert told.data_files_left_out == 0


def test_the_question_names_table_and_partition(finish, world, linker, schema):
    job = finish()
    told = _results(job, world, linker)
    name = f"applicants_applicants_{schema.fingerprint[:8]}"
    assert (told.table.database, told.table.name, told.table.partition) == ("lake", name, f"job={job.job_id}")
    assert told.sql == f'SELECT * FROM "lake"."{name}" WHERE job = \'{job.job_id}\' LIMIT 10'


def test_no_question_where_no_parquet_was_asked_for(finish, world, linker, ask):
    told = _results(finish(request=ask(deliver=["csv"])), world, linker)
    assert (told.table, told.sql) == (None, None)


def test_many_parts_are_told_to_be_more(finish, world, linker, monkeypatch):
    monkeypatch.setattr(module, "MAX_DATA_LINKS", 2)
    told = _results(finish(outputs=5), world, linker)
    assert told.data_files_left_out == 3
    assert sum(file.name.startswith("data/") for file in told.files) == 2
    assert told.data_uri.rstrip("/").endswith("/data")


@pytest.mark.parametrize("state", [State.ACCEPTED, State.RUNNING])
def test_an_open_job_is_not_ready(state, put_job, world, linker):
    with pytest.raises(NotReadyError) as caught:
        _results(put_job(state), world, linker)
    assert "GET /jobs/" in caught.value.problems[0].fix


@pytest.mark.parametrize("name", ["manifest.json", "data/applicants/part-00000.parquet"])
def test_files_that_were_cleared_away_are_gone(name, finish, world, linker):
    job = finish()
    (world.objects.root / job_key(job.job_id, name)).unlink()
    with pytest.raises(GoneError):
        _results(job, world, linker)


def test_a_job_that_failed_leaves_its_report_to_learn_from(finish, world, linker):
    job = finish()
    failed = job.model_copy(update={"state": State.FAILED})
    world.jobs.update(failed)
    told = _results(failed, world, linker)
    assert "report.html" in {file.name for file in told.files}
    assert not any(file.name.startswith("data/") for file in told.files)
    assert told.sql is None


def test_a_job_that_failed_early_has_nothing(put_job, world, linker):
    with pytest.raises(NotFoundError) as caught:
        _results(put_job(State.FAILED), world, linker)
    assert not isinstance(caught.value, GoneError)


def test_the_rows_of_a_job_that_only_its_database_failed_are_there(finish, world, linker):
    job = finish()
    failure = Failure(step="load", error="Storage", problems=())
    world.jobs.update(job.model_copy(update={"state": State.FAILED, "failure": failure}))
    told = _results(job, world, linker)
    assert told.state is State.FAILED
    assert told.table is not None
    assert told.files[-1].name.startswith("data/")
    world.jobs.update(
        job.model_copy(update={"state": State.FAILED, "failure": Failure(**(dict(failure) | {"step": "gate"}))})
    )
    assert _results(job, world, linker).table is None

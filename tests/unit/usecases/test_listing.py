import base64
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.errors import InvalidInputError, NotFoundError
from synthcredit.jobs.job import State
from synthcredit.usecases import listing


def test_jobs_come_newest_first_page_by_page(put_job, world):
    jobs = [put_job() for _ in range(5)][::-1]
    first = listing.list_jobs(world, limit=2)
    second = listing.list_jobs(world, limit=2, after=first.next)
    third = listing.list_jobs(world, limit=2, after=second.next)
    assert [[job.job_id for job in page.jobs] for page in (first, second, third)] == [
        [job.job_id for job in jobs[:2]],
        [job.job_id for job in jobs[2:4]],
        [job.job_id for job in jobs[4:]],
    ]
    assert third.next is None


def test_a_page_that_is_just_full_is_the_last(put_job, world):
    put_job()
    assert listing.list_jobs(world, limit=1).next is None


def test_jobs_of_one_instant_are_each_listed_once(put_job, world):
    born = put_job().created_at
    ids = {put_job(created_at=born - timedelta(days=1)).job_id for _ in range(4)}
    seen, token = [], None
    while True:
        page = listing.list_jobs(world, limit=1, after=token)
        seen += [job.job_id for job in page.jobs]
        token = page.next
        if token is None:
            break
    assert len(seen) == len(set(seen)) == 5
    assert set(seen[1:]) == ids


def test_a_job_that_comes_meanwhile_moves_no_page(put_job, world):
    old = [put_job() for _ in range(3)][::-1]
    first = listing.list_jobs(world, limit=1)
    put_job()
    assert listing.list_jobs(world, limit=1, after=first.next).jobs[0].job_id == old[1].job_id


def test_jobs_in_one_state(put_job, world):
    put_job()
    failed = put_job(State.FAILED)
    page = listing.list_jobs(world, limit=10, state=State.FAILED)
    assert [job.job_id for job in page.jobs] == [failed.job_id]


@given(st.text(max_size=60) | st.text(max_size=60).map(lambda text: base64.urlsafe_b64encode(text.encode()).decode()))
def test_a_token_that_was_not_given_out_is_refused(token):
    with pytest.raises(InvalidInputError) as caught:
        listing._place(token)
    assert caught.value.problems[0].field == "next"


def test_a_job_is_shown_with_all_that_is_known_of_it(put_job):
    job = put_job(seconds={"plan": 1.5}, results={"report.html": "s3://lake/report.html"})
    shown = listing.show_job(job)
    assert (shown.rows, shown.seconds, shown.results) == (1000, job.seconds, job.results)
    assert shown.links.results == f"/jobs/{job.job_id}/results"
    assert set(type(job).model_fields) <= set(type(shown).model_fields)


def test_models_are_listed_and_found(card, world):
    page = listing.list_models(world.models, limit=100)
    assert card.model_id in {model.model_id for model in page.models}
    assert listing.get_model(card.model_id, world.models) == card
    with pytest.raises(NotFoundError):
        listing.get_model("none", world.models)

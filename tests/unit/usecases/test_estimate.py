from dataclasses import replace

import pytest

from synthcredit.errors import InvalidInputError, NotFoundError
from synthcredit.jobs.placement import Where
from synthcredit.jobs.request import SynthesizerChoice, parse_request
from synthcredit.usecases.estimate import estimate


def test_it_says_where_each_step_would_run_and_starts_nothing(ask, desk, events):
    told = estimate(ask(), desk)
    assert [step.step for step in told.steps] == ["train", "generate", "assess", "publish"]
    assert all(step.why for step in told.steps)
    assert told.cost_usd == pytest.approx(sum(step.cost_usd for step in told.steps), abs=1e-5)
    assert told.seconds == pytest.approx(sum(step.seconds for step in told.steps), abs=1)
    assert (list(desk.world.jobs.all()), events()) == ([], [])


def test_rows_and_columns_of_a_csv_file_are_told_from_its_head(ask, desk, bucket):
    line = "1,2,3,4,5\n"
    bucket.drop("big.csv", "a,b,c,d,e\n" + line * 100_000)
    told = estimate(ask(source={"uri": "s3://inbox/big.csv"}), desk)
    assert told.source_columns == 5
    assert told.source_rows == pytest.approx(100_000, rel=0.01)
    assert any("64 KB" in note for note in told.notes)


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_other_separators_are_seen(mark, ask, desk, bucket):
    bucket.drop("other.csv", f"a{mark}b{mark}c\n" + f"1,5{mark}2,5{mark}3,5\n" * 50)
    assert estimate(ask(source={"uri": "s3://inbox/other.csv"}), desk).source_columns == 3


@pytest.mark.parametrize("content", ["", "a,b", "a,b\n", "a,b\n1,2"])
def test_a_file_of_hardly_anything_is_estimated_too(content, ask, desk, bucket):
    bucket.drop("small.csv", content)
    assert estimate(ask(source={"uri": "s3://inbox/small.csv"}), desk).source_rows == 1


def test_a_parquet_file_is_judged_by_its_size(ask, desk, bucket):
    bucket.drop("table.parquet", b"PAR1" * 90_000)
    told = estimate(ask(source={"uri": "s3://inbox/table.parquet?versionId=7"}), desk)
    assert told.source_rows == 18_000
    assert any("Parquet" in note for note in told.notes)


def test_more_data_takes_longer_to_learn(ask, desk, bucket):
    bucket.drop("more.csv", "a,b,c\n" + "1,2,3\n" * 60_000)
    small, large = (estimate(ask(source=s), desk) for s in ({}, {"uri": "s3://inbox/more.csv"}))
    assert large.steps[0].seconds > small.steps[0].seconds


def test_a_holdout_of_its_own_leaves_all_rows_to_train(ask, desk, bucket, csv):
    def train(**source):
        return (
            estimate(ask(synthesizer={"name": "ctgan", "epochs": 50, "batch_size": 50}, source=source), desk)
            .steps[0]
            .seconds
        )

    assert train(holdout=csv) > train()


def test_a_model_that_exists_is_not_trained(card, desk):
    told = estimate(parse_request({"source": {"kind": "model", "model_id": card.model_id}, "rows": 10}), desk)
    assert told.steps[0].where is Where.NOWHERE
    assert (told.source_rows, told.source_columns) == (5000, 2)


def test_a_model_that_is_not_there_is_not_found(desk):
    with pytest.raises(NotFoundError) as caught:
        estimate(parse_request({"source": {"kind": "model", "model_id": "none"}, "rows": 10}), desk)
    assert [problem.field for problem in caught.value.problems] == ["source.model_id"]


def test_the_data_that_a_model_is_proven_against_has_to_be_there(card, desk, bucket):
    (bucket.root / "inbox/uploads/1/applicants.csv").unlink()
    with pytest.raises(NotFoundError) as caught:
        estimate(parse_request({"source": {"kind": "model", "model_id": card.model_id}, "rows": 10}), desk)
    assert [problem.field for problem in caught.value.problems] == ["source.uri"]


def test_too_many_rows_are_refused_with_the_ceiling(ask, desk):
    with pytest.raises(InvalidInputError, match="2,000,000.*1,000,000"):
        estimate(ask(rows=2_000_000), desk)
    estimate(ask(rows=1_000_000), desk)


def test_too_dear_a_job_is_refused_with_estimate_and_ceiling(ask, desk):
    request = ask(rows=1_000_000)
    cost = estimate(request, desk).cost_usd
    poor = replace(desk, limits=replace(desk.limits, max_cost_usd=cost / 2))
    with pytest.raises(InvalidInputError) as caught:
        estimate(request, poor)
    (problem,) = caught.value.problems
    assert problem.field == "rows"
    assert problem.problem.count("$") == 2
    assert "MaxCostUsd" in problem.fix


def test_settings_that_do_not_fit_are_refused(ask, desk):
    request = ask().model_copy(update={"synthesizer": SynthesizerChoice(name="trees", epochs=3)})
    with pytest.raises(InvalidInputError) as caught:
        estimate(request, desk)
    assert [problem.field for problem in caught.value.problems] == ["synthesizer.epochs"]


def test_a_model_to_continue_has_to_be_there_and_of_the_family(ask, desk, card):
    with pytest.raises(NotFoundError, match=r"source\.continue_from: there is no model 'trees-x-0'"):
        estimate(ask(source={"continue_from": "trees-x-0"}), desk)
    assert estimate(ask(source={"continue_from": card.model_id}), desk).steps
    with pytest.raises(InvalidInputError, match="is of family 'trees', and 'copula' is asked for"):
        estimate(ask(source={"continue_from": card.model_id}, synthesizer={"name": "copula"}), desk)


def test_a_database_is_loaded_by_the_secret_of_the_deployment_alone(ask, desk):
    named = ask(to={"secret": "credit/db"})
    with pytest.raises(InvalidInputError, match="to: this platform has no secret of a database"):
        estimate(named, desk)
    has_one = replace(desk, database_secret=named.to.secret)
    told = estimate(named, has_one)
    assert [step.step for step in told.steps] == ["train", "generate", "assess", "publish", "load"]
    assert told.seconds > estimate(ask(), has_one).seconds
    with pytest.raises(InvalidInputError, match=r"to\.url: this platform takes databases by their secret alone"):
        estimate(ask(to={"url": "postgresql://host/db"}), has_one)
    with pytest.raises(InvalidInputError, match=r"to\.secret: this platform may not read that secret") as caught:
        estimate(ask(to={"secret": "payroll/db"}, rows=5_000_000), has_one)
    assert {problem.field for problem in caught.value.problems} == {"to.secret", "rows"}

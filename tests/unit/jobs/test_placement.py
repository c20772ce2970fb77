"""Where steps run: what fits, what is cheap, what the account allows, and that more work never takes less."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.errors import InvalidInputError
from synthcredit.evidence.assess import MAX_SYNTHETIC_ROWS
from synthcredit.jobs import prices, speeds
from synthcredit.jobs.placement import (
    SAGEMAKER_LIMIT,
    SAGEMAKER_START,
    WAITING_USD_HOUR,
    Limits,
    Where,
    kind_of,
    over_budget,
    place,
    totals,
    training_limit,
)
from synthcredit.jobs.planning import cut_into_shards
from synthcredit.jobs.request import Format, parse_request
from synthcredit.jobs.speeds import Size
from synthcredit.local.world import open_world
from synthcredit.randomness import BLOCK_ROWS
from synthcredit.steps.claim import claim
from synthcredit.steps.plan import plan
from synthcredit.synthesizers import registry

TREES = {"trees": 8, "max_rows": 100_000}
CTGAN = {"epochs": 300, "batch_size": 500}
STEPS = ("train", "generate", "assess", "publish")
RICH = Limits(max_cost_usd=1e9)
BOTH = (("training", "ml.m5.xlarge"), ("processing", "ml.m5.xlarge"))


def _size(rows=10_000, columns=24, train_rows=21_000, **changes) -> Size:
    shards = cut_into_shards(rows, BLOCK_ROWS)
    given = {"synthesizer": "trees", "settings": TREES, **changes}
    return Size(
        train_rows=train_rows, columns=columns, rows=rows, shard_rows=shards[0].rows, shards=len(shards), **given
    )


def _where(size, limits=RICH, quotas=None):
    return {placement.step: placement.where for placement in place(size, limits, quotas)}


def test_a_small_job_runs_on_lambda_at_once_and_the_answer_says_why():
    placements = place(_size(), Limits())
    assert [placement.step for placement in placements] == list(STEPS)
    assert {placement.where for placement in placements} == {Where.LAMBDA}
    train = placements[0]
    assert train.why == "40 s on Lambda for $0.0020; SageMaker would take 4 min to start"
    seconds, cost = totals(placements)
    assert seconds == pytest.approx(sum(placement.seconds for placement in placements))
    assert 0 < cost < 0.01


def test_a_copula_is_trained_much_sooner_than_trees():
    seconds = {
        name: place(_size(synthesizer=name, settings=given, train_rows=100_000), RICH)[0].seconds
        for name, given in (("trees", TREES), ("copula", {"k": 10, "bins": 500}))
    }
    assert seconds["copula"] * 3 < seconds["trees"]


def test_a_model_that_is_there_is_not_trained():
    train = place(_size(train=False), Limits())[0]
    assert (train.where, train.seconds, train.cost_usd) == (Where.NOWHERE, 0, 0)


def test_a_long_training_goes_to_sagemaker():
    train = place(_size(synthesizer="ctgan", settings=CTGAN, train_rows=20_000), RICH)[0]
    assert (train.where, train.instances) == (Where.SAGEMAKER, 1)
    assert "may not end within the 15 min of a Lambda call" in train.why
    assert _where(_size(synthesizer="ctgan", settings={**CTGAN, "epochs": 5}))["train"] is Where.LAMBDA


def test_a_billion_rows_are_generated_by_several_machines_for_less():
    generate = place(_size(rows=10**9), RICH)[1]
    assert (generate.where, generate.instances) == (Where.SAGEMAKER, 4)
    assert "Lambda would take" in generate.why


def test_what_has_no_room_in_lambda_goes_to_sagemaker():
    small = replace(RICH, lambda_memory_mb=512)
    assert "of memory and Lambda has 0.5 GB" in place(_size(), small)[2].why
    assert set(_where(_size(rows=10_000), replace(RICH, lambda_memory_mb=128)).values()) == {Where.SAGEMAKER}
    files = place(_size(rows=2_000_000, forms=(Format.JSONL,)), replace(RICH, lambda_disk_mb=512))[3]
    assert (files.where, "of disk" in files.why) == (Where.SAGEMAKER, True)


def test_more_memory_makes_lambda_faster_until_it_has_one_processor():
    seconds = [place(_size(), replace(RICH, lambda_memory_mb=mb))[1].seconds for mb in (442, 884, 1769, 3538)]
    assert seconds[0] > seconds[1] > seconds[2] == seconds[3]


def test_a_database_is_loaded_where_there_is_one_on_lambda_while_it_is_soon_done():
    assert [placement.step for placement in place(_size(), RICH)] == list(STEPS)
    *others, small = place(_size(), RICH, database=True)
    assert tuple(others) == place(_size(), RICH)
    assert (small.step, small.where, small.instances) == ("load", Where.LAMBDA, 1)
    large = place(_size(rows=100_000_000), RICH, database=True)[-1]
    assert (large.step, large.where, large.instances) == ("load", Where.SAGEMAKER, 1)
    assert large.cost_usd > small.cost_usd > 0


@pytest.mark.parametrize("name", ["ml.m5.xlarge", "ml.c5.2xlarge"])
def test_a_quota_of_none_is_refused_with_its_name_and_both_ways_out(name):
    size = _size(synthesizer="ctgan", settings=CTGAN, train_rows=20_000)
    limits = replace(RICH, training_instance=name)
    with pytest.raises(InvalidInputError) as caught:
        place(size, limits, {("training", name): 0})
    (problem,) = caught.value.problems
    assert problem.field == f"quota '{name} for training job usage'"
    assert "Service Quotas" in problem.fix
    assert "TrainingInstanceType" in problem.fix


def test_a_quota_that_several_steps_lack_is_named_once():
    with pytest.raises(InvalidInputError) as caught:
        place(_size(), replace(RICH, lambda_memory_mb=128), dict.fromkeys(BOTH, 0))
    assert [p.field for p in caught.value.problems] == [
        "quota 'ml.m5.xlarge for training job usage'",
        "quota 'ml.m5.xlarge for processing job usage'",
    ]


def test_a_small_quota_gives_fewer_machines():
    two = place(_size(rows=10**9), RICH, {BOTH[1]: 2})[1]
    assert (two.where, two.instances) == (Where.SAGEMAKER, 2)
    assert "quota of ml.m5.xlarge is 2" in two.why


def test_without_machines_lambda_does_what_it_can():
    without = place(_size(rows=10**8), RICH, dict.fromkeys(BOTH, 0))
    assert {placement.where for placement in without} == {Where.LAMBDA}
    assert "quota of ml.m5.xlarge is 0" in without[1].why


def test_an_unknown_quota_is_no_obstacle():
    size = _size(rows=10**9)
    assert place(size, RICH, dict.fromkeys(BOTH)) == place(size, RICH)


def test_a_job_that_costs_too_much_is_refused_on_its_rows():
    with pytest.raises(InvalidInputError, match=r"rows: the job would cost about \$3\.\d\d, and \$1\.00 is the most"):
        place(_size(rows=10**10), replace(RICH, max_cost_usd=1))


@pytest.mark.parametrize(
    ("size", "field", "words"),
    [
        (_size(columns=3000, train_rows=10**6), "source.uri", "of memory"),
        (_size(rows=10**9, forms=("json",)), "deliver", "of disk"),
        (_size(synthesizer="ctgan", settings={**CTGAN, "epochs": 10_000}, train_rows=200_000), "synthesizer", "48.0 h"),
        (_size(rows=10**10, columns=1000), "rows", "24.0 h"),
    ],
)
def test_what_no_machine_can_do_is_refused(size, field, words):
    with pytest.raises(InvalidInputError) as caught:
        place(size, RICH)
    assert any(problem.field == field and words in problem.problem for problem in caught.value.problems)
    assert all(problem.fix for problem in caught.value.problems)


def test_a_machine_of_unknown_price_is_refused():
    with pytest.raises(InvalidInputError) as caught:
        place(_size(), replace(RICH, training_instance="ml.x9.large", processing_instance="ml.x9.large"))
    assert [p.field.split()[-1] for p in caught.value.problems] == ["TrainingInstanceType", "ProcessingInstanceType"]


def test_the_constant_that_may_not_be_imported_is_right():
    assert speeds.MEASURED_ROWS == MAX_SYNTHETIC_ROWS
    assert {kind_of(step) for step in STEPS} == set(SAGEMAKER_START)


ROWS = st.integers(1, 10**9)
COLUMNS = st.integers(1, 60)


@given(rows=ROWS, more=ROWS, columns=COLUMNS)
def test_more_rows_never_weigh_less(rows, more, columns):
    # Cost and waiting together: the choice may turn to a place that is dearer and sooner, or cheaper and later.
    def weight(count):
        seconds, cost = totals(place(_size(rows=count, columns=columns), RICH))
        return cost + seconds / 3600 * WAITING_USD_HOUR

    few, many = sorted((rows, more))
    # Whole waves of shards make steps: a few rows more may fill one wave better than the last.
    assert weight(few) <= weight(many) * 1.15 + 0.001


@given(rows=ROWS, train_rows=st.integers(20, 10**6), columns=COLUMNS)
def test_whatever_is_placed_can_be_done_there(rows, train_rows, columns):
    size = _size(rows=rows, train_rows=train_rows, columns=columns)
    works = dict(
        zip(
            STEPS, (f(size) for f in (speeds.training, speeds.generating, speeds.assessing, speeds.publishing)),
            strict=True,
        )
    )  # fmt: skip
    for placement in place(size, RICH):
        work = works[placement.step]
        assert placement.seconds > 0
        assert placement.cost_usd > 0
        if placement.where is Where.LAMBDA:
            assert work.memory_mb <= RICH.lambda_memory_mb
            assert work.seconds <= RICH.lambda_seconds / 2
            assert placement.instances <= min(RICH.lambda_concurrency, size.shards)
        else:
            assert placement.instances <= RICH.processing_instances
            assert work.memory_mb <= prices.INSTANCES[RICH.processing_instance].memory_gb * 1024


@given(quota=st.integers(0, 8))
def test_a_quota_is_never_exceeded(quota):
    for placement in place(_size(rows=10**8), RICH, dict.fromkeys(BOTH, quota)):
        assert placement.where is Where.LAMBDA or placement.instances <= quota


@pytest.fixture
def accepted(german_credit, tmp_path):
    """A world with jobs in it, by their request's changes."""
    world = open_world(tmp_path / "home", tmp_path / "out")

    def put(**changes):
        body = {"source": {"kind": "dataset", "uri": str(german_credit), "reuse": False}, "rows": 100, **changes}
        return claim(parse_request(body), world, caller="test", key=str(changes))[0].job_id, world

    return put


def test_plan_says_in_plan_and_job_where_each_step_runs_and_logs_why(accepted, caplog):
    job_id, world = accepted()
    with caplog.at_level("INFO", "synthcredit"):
        made = plan(job_id, world, Limits())
    assert [placement.step for placement in made.placement] == list(STEPS)
    assert world.jobs.get(job_id).placement == made.placement
    assert "plan: train on lambda: " in caplog.text
    assert "in all" in caplog.text


def test_a_plan_that_is_there_keeps_its_placement_and_the_job_gets_it(accepted):
    job_id, world = accepted()
    made = plan(job_id, world, Limits())
    # As if the function had been killed between the two.
    world.jobs.update(world.jobs.get(job_id).model_copy(update={"placement": ()}))
    assert plan(job_id, world, replace(RICH, lambda_memory_mb=128)) == made
    assert world.jobs.get(job_id).placement == made.placement


def test_without_limits_nothing_is_placed(accepted):
    job_id, world = accepted()
    assert plan(job_id, world).placement == ()
    assert world.jobs.get(job_id).placement == ()


def test_only_quotas_that_matter_are_asked_for(accepted):
    asked = []

    def quotas(kind, name):
        asked.append((kind, name))
        return 1

    job_id, world = accepted()
    plan(job_id, world, Limits(), quotas)
    assert asked == []
    job_id, world = accepted(synthesizer={"name": "ctgan", "epochs": 9_000, "batch_size": 20})
    made = plan(job_id, world, Limits(), quotas)
    assert asked == [("training", "ml.m5.xlarge")]
    assert made.placement[0].where is Where.SAGEMAKER


def test_a_plan_that_no_quota_allows_fails_the_step(accepted):
    job_id, world = accepted(rows=200)
    with pytest.raises(InvalidInputError, match="Service Quotas"):
        plan(job_id, world, Limits(lambda_memory_mb=128), lambda *_: 0)
    assert world.jobs.get(job_id).failure.step == "plan"


# ---------------------------------------------------------------- what a training may take


@pytest.mark.parametrize("family", ["ctgan", "tvae", "copulagan", "diffusion"])
@given(minutes=st.floats(0.5, 10_000), rows=st.integers(100, 1_000_000))
def test_a_training_is_never_estimated_above_its_minutes(family, minutes, rows):
    settings = registry.settings_for(family, {"max_minutes": minutes}).model_dump(mode="json")
    size = _size(train_rows=rows, synthesizer=family, settings=settings)
    try:
        train = place(size, RICH)[0]
    except InvalidInputError as error:
        assert {"synthesizer.max_minutes"} & {problem.field for problem in error.problems} or rows > 100_000
        return
    assert train.seconds <= 60 * minutes + max(SAGEMAKER_START["training"], 10) + 1


def test_minutes_bring_a_long_training_onto_lambda():
    settings = CTGAN | {"epochs": 1_200}
    long = _size(train_rows=20_000, columns=12, synthesizer="ctgan", settings=settings)
    assert _where(long)["train"] is Where.SAGEMAKER
    short = replace(long, settings=settings | {"max_minutes": 5})
    assert _where(short)["train"] is Where.LAMBDA
    # Twice the estimate would not fit, but it ends by itself.
    assert _where(replace(long, settings=settings | {"max_minutes": 14.5}))["train"] is Where.SAGEMAKER


def test_a_budget_that_cannot_be_kept_is_refused_with_what_it_takes():
    size = _size(train_rows=1_000_000, synthesizer="ctgan", settings=CTGAN | {"max_minutes": 0.5, "max_memory_mb": 500})
    with pytest.raises(InvalidInputError) as refused:
        place(size, RICH)
    assert [problem.field for problem in refused.value.problems] == [
        "synthesizer.max_minutes",
        "synthesizer.max_memory_mb",
    ]
    assert "3 min, and 0.5 min are allowed" in refused.value.problems[0].problem
    assert list(over_budget(replace(size, train=False))) == []
    assert list(over_budget(_size(synthesizer="ctgan", settings=CTGAN | {"max_minutes": 0.5}))) == []


def test_sagemaker_leaves_a_training_the_time_that_it_is_allowed_and_some_more():
    assert training_limit({}) == training_limit({"max_minutes": None}) == SAGEMAKER_LIMIT["training"]
    assert training_limit({"max_minutes": 10}) > 600 + SAGEMAKER_START["training"]
    assert training_limit({"max_minutes": 1e6}) == SAGEMAKER_LIMIT["training"]


def test_settings_that_follow_from_the_rows_are_followed():
    left_open = {"epochs": None, "batch_size": None, "max_minutes": None}
    size = _size(train_rows=20_000, columns=12, synthesizer="tvae", settings=left_open)
    given_ = replace(size, settings={"epochs": 300, "batch_size": 500})
    assert speeds.training(size).seconds == speeds.training(given_).seconds
    steps = replace(
        size, synthesizer="diffusion", settings=registry.settings_for("diffusion", {"max_steps": 10_000}).model_dump()
    )
    assert 100 < speeds.training(steps).seconds < 600
    assert speeds.generating(steps).seconds > speeds.generating(size).seconds

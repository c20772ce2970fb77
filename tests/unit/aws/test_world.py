import pytest

from synthcredit.aws.clients import make_client
from synthcredit.aws.settings import Settings
from synthcredit.aws.world import open_executions, open_links, open_world
from synthcredit.errors import InvalidInputError, NotFoundError

from .conftest import INBOX, LAKE

ARN = "arn:aws:states:eu-central-1:123456789012:stateMachine:synthesis"


def _settings(**changes):
    given = {"lake_bucket": LAKE, "inbox_bucket": INBOX, "jobs_table": "jobs", "bus": "bus", "database": "lake"}
    return Settings(**{**given, **changes})


def test_the_world_is_that_of_the_settings(s3):
    make_client("events").create_event_bus(Name="bus")
    make_client("dynamodb").create_table(
        TableName="jobs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
    )
    world = open_world(_settings())
    assert world.objects.link("a") == f"s3://{LAKE}/a"
    world.events.emit("JobAccepted", {"job_id": "1"})
    with pytest.raises(NotFoundError):
        world.jobs.get("1")
    assert [card.synthesizer for card in world.models.all()] == ["ctgan"]
    assert world.catalogue.register("j1", [], []) == {}


def test_links_work_as_long_as_the_settings_say(s3):
    links = open_links(_settings(link_seconds=77))
    assert links.seconds == 77
    assert f"//{LAKE}.s3.eu-central-1.amazonaws.com/" in links.download("jobs/1/report.html")


def test_who_starts_nothing_has_no_state_machine():
    with pytest.raises(InvalidInputError, match="SYNTHCREDIT_STATE_MACHINE: it is not set"):
        open_executions(_settings())
    open_executions(_settings(state_machine=ARN)).stop("job1")


def test_clients_do_not_wait_for_ever_and_are_of_the_region():
    config = make_client("s3").meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 60)
    assert config.retries == {"mode": "standard", "total_max_attempts": 5}
    assert config.region_name == "eu-central-1"


def test_an_embedded_aws_is_found_and_asked_by_path(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert make_client("dynamodb").meta.endpoint_url == "http://127.0.0.1:4566"
    links = open_links(_settings())
    assert links.download("jobs/1/report.html").startswith(f"http://127.0.0.1:4566/{LAKE}/jobs/1/report.html?")
    assert links.upload("a.csv", 1)[0].startswith(f"http://127.0.0.1:4566/{INBOX}/uploads/")

"""Every handler answers its sample over the real Lambda Runtime API, with AWS's own client and emulator of it.

The emulator (RIE) comes with the `sam` program; no container is needed. AWS is moto, in a thread.
"""

import json
import os
import platform
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from synthcredit.aws import clients
from synthcredit.aws.settings import Settings
from synthcredit.aws.world import open_world
from synthcredit.datasets.split import Rule, Split
from synthcredit.evidence.model import Check, Evidence, Figure, Measure
from synthcredit.jobs.job import Job, State
from synthcredit.jobs.planning import Plan, Shard, Training
from synthcredit.jobs.request import parse_request
from synthcredit.local.models import FolderModels
from synthcredit.steps.files import job_key, write_document

ROOT = Path(__file__).parents[2]
ACCOUNT, REGION = "123456789012", "eu-central-1"
LAKE, INBOX = f"synthcredit-lake-{ACCOUNT}", f"synthcredit-inbox-{ACCOUNT}"
JOB = "5f0c1e7a9b3d4c2e8a6f1b0d"
SETTINGS = {
    "SYNTHCREDIT_LAKE_BUCKET": LAKE,
    "SYNTHCREDIT_INBOX_BUCKET": INBOX,
    "SYNTHCREDIT_JOBS_TABLE": "jobs",
    "SYNTHCREDIT_BUS": "bus",
    "SYNTHCREDIT_DATABASE": "lake",
    "SYNTHCREDIT_STATE_MACHINE": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:synthcredit-synthesis",
}
STARTS_WITHIN = 60


def emulator() -> Path:
    """Return AWS's Runtime Interface Emulator, which the environment of `sam` holds."""
    sam = Path(os.environ.get("SYNTHCREDIT_SAM", ROOT / ".venv-sam" / "bin" / "sam"))
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    found = list(sam.parent.parent.glob(f"lib/python3.*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"))
    if sys.platform != "linux" or not found:
        pytest.skip(f"no Runtime Interface Emulator beside {sam} ($SYNTHCREDIT_SAM)")
    return found[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(folder: Path, handler: str, environment: dict[str, str], log: Path) -> Iterator[str]:
    """Serve one handler; give the URL by which it is invoked."""
    port, runtime = free_port(), free_port()
    command = [
        str(emulator()),
        *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{runtime}"),
        *(sys.executable, "-m", "awslambdaric", handler),
    ]
    own = {"LAMBDA_TASK_ROOT": str(folder), "AWS_LAMBDA_FUNCTION_NAME": folder.name, "PYTHONPATH": str(folder)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment | own, stdout=output, stderr=output)
        try:
            yield f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        finally:
            process.terminate()
            process.wait(20)


def invoke(url: str, event: object) -> dict:
    """Invoke a handler that may still be starting."""
    request = urllib.request.Request(url, json.dumps(event).encode(), method="POST")  # noqa: S310 - our own address
    end = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            with urllib.request.urlopen(request, timeout=STARTS_WITHIN) as answer:  # noqa: S310
                return json.loads(answer.read())
        except ConnectionError:
            if time.monotonic() > end:
                raise
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionError) or time.monotonic() > end:
                raise
        time.sleep(0.05)


@pytest.fixture(scope="module")
def aws():
    """An AWS on a port of this machine, with what the template would make; its environment for functions."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = SETTINGS | {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SYNTHCREDIT_"))}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        clients.session.cache_clear()
        _make()
        yield kept | given
        clients.session.cache_clear()
    server.stop()


def _make() -> None:
    s3 = boto3.client("s3")
    for bucket in (LAKE, INBOX):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    german = (ROOT / "data" / "german_credit.csv").read_bytes()
    for key in ("uploads/1f0c9a/german_credit.csv", "drop/german_credit.csv"):
        s3.put_object(Bucket=INBOX, Key=key, Body=german)
    boto3.client("dynamodb").create_table(
        TableName="jobs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
    )
    boto3.client("events").create_event_bus(Name="bus")
    boto3.client("stepfunctions").create_state_machine(
        name="synthcredit-synthesis",
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/machine",
    )


@pytest.fixture
def world(aws):
    return open_world(Settings.from_environment())


@pytest.fixture
def job(world):
    """The job that the samples name, as it stands when the state machine calls the functions."""
    born = datetime(2026, 1, 1, tzinfo=UTC)
    source = {"kind": "dataset", "uri": f"s3://{INBOX}/uploads/1f0c9a/german_credit.csv", "target": "creditability"}
    made = Job(
        job_id=JOB, caller="me", request=parse_request({"source": source, "rows": 100}), state=State.RUNNING,
        step="train", created_at=born, updated_at=born,
    )  # fmt: skip
    boto3.client("dynamodb").delete_item(TableName="jobs", Key={"job_id": {"S": JOB}})
    world.objects.delete(f"jobs/{JOB}/")
    assert world.jobs.create(made)
    write_document(world.objects, job_key(JOB, "evidence.json"), _good_evidence())
    return made


def _put_plan(world) -> None:
    """Plan rows of the model that comes with the package."""
    models = FolderModels(ROOT / "nowhere")
    card = next(iter(models.all()))
    training = Training(
        dataset=card.dataset, data_uri=card.data_uri, data_hash=card.data_hash, table_schema=card.table_schema,
        split=Split(rule=Rule.ROWS, train_rows=700, holdout_rows=300, hash="0"), synthesizer=card.synthesizer,
        settings=card.settings, seed=card.seed,
    )  # fmt: skip
    shards = (Shard(number=0, first_row=0, rows=100),)
    plan = Plan(training=training, model_id=card.model_id, train=False, reason="it is shipped", shards=shards)
    with models.fetch(card.model_id) as file, world.objects.scratch() as folder:
        copy = folder / "model.safetensors"
        copy.write_bytes(file.read_bytes())
        world.models.put(card, copy)
    write_document(world.objects, job_key(JOB, "plan.json"), plan)


def _good_evidence() -> Evidence:
    def measure(name, value, **more):
        return Measure(name=name, title=name, value=value, reading="A figure.", **more)

    return Evidence(
        table="credit",
        target="creditability",
        level="basic",
        rows={"asked": 100, "released": 100, "train": 700, "holdout": 300},
        validity=(Check(expectation="e", column="age", passed=True, detail="inside the schema's range"),),
        columns={},
        fidelity=(
            measure(Figure.PAIR_TRENDS, 0.96, fresh=0.97),
            measure(Figure.ASSOCIATIONS_KEPT, 0.9, fresh=1.0),
        ),
        utility=(measure(Figure.TSTR_LOSS, 0.01, low=-0.01, high=0.03),),
        privacy=(
            measure(Figure.COPIED, 0.001, fresh=0.001),
            measure(Figure.COPIED_EXCESS, 0.0, low=-0.01, high=0.01),
            measure(Figure.COPIED_DISTINCT, 0.001, fresh=0.001),
            measure(Figure.COPIED_DISTINCT_EXCESS, 0.0, low=-0.01, high=0.01),
        ),
    )


HANDLERS = {path.parent.name: (path.parent, "app.handler") for path in sorted(ROOT.glob("functions/*/app.py"))}
HANDLERS["synthesis"] = (ROOT / "containers" / "synthesis", "handler.handler")


def sample(name: str) -> dict:
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


def prepared(name: str) -> dict:
    """Return a sample, with what an AWS decides by itself as this one has decided it."""
    event = sample(name)
    if name == "drop":
        version = boto3.client("s3").head_object(Bucket=INBOX, Key="drop/german_credit.csv")["VersionId"]
        event["detail"]["object"]["version-id"] = version
    return event


STATES = {
    "claim": State.RUNNING,
    "plan": State.RUNNING,
    "mark": State.RUNNING,
    "gate": State.RUNNING,
    "synthesis": State.RUNNING,
    "notify": State.SUCCEEDED,
    "fail": State.FAILED,
    "close": State.STOPPED,
}
"""How the job stands after each function of the state machine."""


def test_every_function_has_a_sample_and_every_sample_a_function():
    assert set(HANDLERS) == {path.stem for path in (ROOT / "events").glob("*.json")} == {*STATES, "api", "drop"}


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_a_handler_answers_its_sample(name, aws, job, world, tmp_path):
    if name in ("synthesis", "fail", "close"):
        _put_plan(world)
    folder, handler = HANDLERS[name]
    log = tmp_path / "log"
    with served(folder, handler, aws, log) as url:
        answer = invoke(url, prepared(name))
        again = invoke(url, prepared(name))
    assert "errorType" not in answer, (answer, log.read_text())
    # A second delivery is answered as the first.
    assert "errorType" not in again, (again, log.read_text())
    if name == "api":
        told = json.loads(answer["body"])
        assert (answer["statusCode"], told["state"]) == (202, "accepted")
        assert json.loads(again["body"])["job_id"] == told["job_id"]
        assert world.jobs.get(told["job_id"]).caller == f"arn:aws:sts::{ACCOUNT}:assumed-role/Analyst"
    elif name == "drop":
        assert world.jobs.get(answer["job_id"]).caller == f"drop:{INBOX}"
    else:
        assert answer["job_id"] == again["job_id"] == JOB
        assert world.jobs.get(JOB).state is STATES[name]
    if name == "plan":
        assert (answer["shards"], answer["generate"]) == ([0], "lambda")
    if name == "synthesis":
        assert world.objects.exists(job_key(JOB, "shards/00000.json"))
    # No call here is traced, which is nothing to speak of.
    assert "segment" not in log.read_text()


@pytest.mark.parametrize(
    ("name", "error"),
    [("claim", "NotFoundError"), ("gate", "NotFoundError"), ("synthesis", "NotFoundError")],
)
def test_errors_keep_their_names_so_that_the_state_machine_can_catch_them(name, error, aws, tmp_path):
    folder, handler = HANDLERS[name]
    unknown = sample(name) | {"job_id": "0" * 24}
    with served(folder, handler, aws, tmp_path / "log") as url:
        answer = invoke(url, unknown)
    assert answer["errorType"] == error
    assert "there is no such job" in answer["errorMessage"] or "does not exist" in answer["errorMessage"]


def test_a_gate_that_is_not_met_is_told_by_its_name(aws, job, world, tmp_path):
    bad = _good_evidence().model_copy(update={"validity": ()})
    write_document(world.objects, job_key(JOB, "evidence.json"), bad)
    folder, handler = HANDLERS["gate"]
    with served(folder, handler, aws, tmp_path / "log") as url:
        answer = invoke(url, sample("gate"))
    assert answer["errorType"] == "GateNotMetError"
    assert world.jobs.get(JOB).failure.error == "GateNotMet"

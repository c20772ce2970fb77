"""The image's real entry points, as SageMaker and Lambda start them, over an AWS in memory (moto's server).

Whoever makes a shard, its bytes are those of the same request run in one process.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import boto3
import pytest

import synthcredit
from synthcredit.aws.settings import Settings
from synthcredit.aws.world import open_world
from synthcredit.jobs.job import State
from synthcredit.jobs.manifest import Manifest
from synthcredit.jobs.placement import Limits, Where
from synthcredit.jobs.request import parse_request
from synthcredit.portfolio.scenario import load
from synthcredit.portfolio.tables import TABLES
from synthcredit.portfolio.volumes import Volumes
from synthcredit.portfolio.write import write
from synthcredit.steps.claim import claim
from synthcredit.steps.files import job_key, read_document
from synthcredit.steps.gate import gate
from synthcredit.steps.notify import notify
from synthcredit.steps.plan import plan
from synthcredit.synthesizers import registry

pytest.importorskip("moto.server")

ENTRYPOINT = Path(__file__).parents[2] / "containers" / "synthesis" / "entrypoint.py"
ROWS = 40_000
EASY = {"max_tstr_loss": 1.0, "min_pair_trends": 0.5}
NAMES = {
    "SYNTHCREDIT_LAKE_BUCKET": "lake",
    "SYNTHCREDIT_INBOX_BUCKET": "inbox",
    "SYNTHCREDIT_JOBS_TABLE": "jobs",
    "SYNTHCREDIT_BUS": "synthcredit",
    "SYNTHCREDIT_DATABASE": "synthcredit",
}


@pytest.fixture(scope="module")
def cloud():
    """An empty account with what the template makes of it, and the environment that a container has there."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    environment = {
        **NAMES,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        for bucket in ("lake", "inbox"):
            place = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
            boto3.client("s3").create_bucket(Bucket=bucket, **place)
        boto3.client("dynamodb").create_table(
            TableName="jobs",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
        )
        boto3.client("events").create_event_bus(Name="synthcredit")
        boto3.client("glue").create_database(DatabaseInput={"Name": "synthcredit"})
        yield environment
    server.stop()


@pytest.fixture(scope="module")
def world(cloud):
    return open_world(Settings.from_environment(NAMES))


@pytest.fixture(scope="module")
def source(cloud, applicants):
    boto3.client("s3").upload_file(str(applicants), "inbox", "applicants.csv")
    return "s3://inbox/applicants.csv"


def _request(uri, **changes):
    body = {
        "source": {"kind": "dataset", "uri": uri, "target": "default"},
        "rows": ROWS,
        "gate": EASY,
        "evidence": "basic",
        **changes,
    }
    return parse_request(json.loads(json.dumps(body)))


def _planned(world, uri, key, **changes):
    job, new = claim(_request(uri, **changes), world, caller="test", key=key)
    assert new
    plan(job.job_id, world, Limits())
    return job.job_id


def _start(cloud, root, *arguments, **more):
    return subprocess.Popen(
        [sys.executable, ENTRYPOINT, *arguments],
        env={**os.environ, **cloud, "SYNTHCREDIT_ML_ROOT": str(root), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # As in a container: nothing but the entry point gets the signal.
        start_new_session=True,
    )


def _end(process) -> tuple[int, str]:
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


def _train(cloud, root, job_id, **more):
    config = root / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps({"job_id": job_id}))
    return _start(cloud, root, "train", **more)


def _process(cloud, root, step, job_id, machine=0, machines=1, **more):
    config = root / "config"
    config.mkdir(parents=True)
    hosts = [f"algo-{number + 1}" for number in range(machines)]
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": hosts[machine], "hosts": hosts}))
    return _start(cloud, root, "process", "--step", step, "--job-id", job_id, **more)


@pytest.fixture(scope="module")
def in_one_process(applicants, tmp_path_factory) -> Manifest:
    """What the same request gives where everything runs in one process."""
    place = tmp_path_factory.mktemp("one")
    body = _request(str(applicants)).model_dump(mode="json", by_alias=True)
    return synthcredit.run_request(body, home=place / "home", out=place / "out", workers=1).manifest


@pytest.fixture(scope="module")
def trained(cloud, world, source, tmp_path_factory):
    """A job whose model the training container has made, and the container's folder."""
    job_id = _planned(world, source, "trained")
    root = tmp_path_factory.mktemp("training")
    code, said = _end(_train(cloud, root, job_id))
    assert code == 0, said
    return job_id, root, said


def _parts(world, job_id) -> dict[str, bytes]:
    keys = list(world.objects.keys(job_key(job_id, "data/applicants/")))
    parts = {}
    for key in keys:
        with world.objects.fetch(key) as path:
            parts[path.name] = path.read_bytes()
    return parts


def test_training_registers_the_model_and_leaves_a_copy(trained, world, in_one_process):
    job_id, root, said = trained
    (card,) = [card for card in world.models.all() if card.dataset == "applicants"]
    assert (card.model_id, card.model_hash) == (in_one_process.model_id, in_one_process.model_hash)
    assert json.loads((root / "model" / "card.json").read_text())["model_id"] == card.model_id
    with world.models.fetch(card.model_id) as path:
        assert (root / "model" / "model.safetensors").read_bytes() == path.read_bytes()
    assert not (root / "output" / "failure").exists()
    lines = [json.loads(line) for line in said.splitlines()]
    assert {line["job_id"] for line in lines if line["message"].startswith("train: ")} == {job_id}
    assert any("%, column" in line["message"] for line in lines)
    assert "train" in world.jobs.get(job_id).seconds


def test_two_machines_make_the_rows_of_one_process_and_one_of_them_proves_and_publishes(
    trained, cloud, world, in_one_process, tmp_path
):
    job_id, _, _ = trained
    machines = [
        _process(cloud, tmp_path / f"m{at}", "generate", job_id, at, 2, SYNTHCREDIT_WORKERS=str(1 + at))
        for at in range(2)
    ]
    logs = []
    for machine in machines:
        code, said = _end(machine)
        assert code == 0, said
        logs.append(said)
    shards = len(list(world.objects.keys(job_key(job_id, "shards/"))))
    assert shards == 5
    # Each made its own: 0, 2, 4 and 1, 3.
    assert [sum("of this machine" in line for line in log.splitlines()) for log in logs] == [3, 2]

    idle = _process(cloud, tmp_path / "idle", "assess", job_id, 1, 2)
    assert _end(idle)[0] == 0
    assert not world.objects.exists(job_key(job_id, "evidence.json"))
    code, said = _end(_process(cloud, tmp_path / "assess", "assess", job_id, 0, 2))
    assert code == 0, said
    gate(job_id, world)
    code, said = _end(_process(cloud, tmp_path / "publish", "publish", job_id))
    assert code == 0, said
    assert notify(job_id, world).state is State.SUCCEEDED
    manifest = read_document(world.objects, job_key(job_id, "manifest.json"), Manifest)
    assert manifest.dataset_hash == in_one_process.dataset_hash
    assert manifest.rows == ROWS
    (table,) = boto3.client("glue").get_tables(DatabaseName="synthcredit")["TableList"]
    partitions = boto3.client("glue").get_partitions(DatabaseName="synthcredit", TableName=table["Name"])
    assert [found["Values"] for found in partitions["Partitions"]] == [[job_id]]


def test_a_machine_that_is_killed_is_made_good_to_the_byte(trained, cloud, world, source, tmp_path):
    undisturbed, killed = (_planned(world, source, key, rows=300_000) for key in ("undisturbed", "killed"))
    assert _end(_process(cloud, tmp_path / "undisturbed", "generate", undisturbed, SYNTHCREDIT_WORKERS="2"))[0] == 0
    process = _process(cloud, tmp_path / "killed", "generate", killed, SYNTHCREDIT_WORKERS="1")
    notes = job_key(killed, "shards/")
    while not list(world.objects.keys(notes)):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert _end(process)[0] == -signal.SIGKILL
    assert 0 < len(list(world.objects.keys(notes))) < 13
    code, said = _end(_process(cloud, tmp_path / "again", "generate", killed))
    assert code == 0, said
    assert len(list(world.objects.keys(notes))) == 13
    assert _parts(world, killed) == _parts(world, undisturbed)


def test_two_machines_make_the_portfolio_of_the_command_line(cloud, world, tmp_path):
    few = {"customers": 33_000, "records": 1, "applications": 1, "history": 0, "statement_months": 0, "contacts": 1}
    tables = ["customers", "market_data", "loan_applications", "loans", "campaign_events"]
    request = parse_request({"source": {"kind": "portfolio", "tables": tables, **few}, "seed": 4})
    job, _ = claim(request, world, caller="test", key="portfolio")
    made = plan(job.job_id, world, Limits())
    assert len(made.shards) == 2
    assert {placement.step: placement.where for placement in made.placement}["train"] is Where.NOWHERE
    machines = [_process(cloud, tmp_path / f"m{at}", "generate", job.job_id, at, 2) for at in range(2)]
    for machine in machines:
        code, said = _end(machine)
        assert code == 0, said
        # Each made its own.
        assert sum("of this machine" in line for line in said.splitlines()) == 1
    alone = tmp_path / "alone"
    wanted = [table for table in TABLES if table.name in tables]
    write(load("baseline"), Volumes(**few), 4, alone, tables=wanted)
    prefix = job_key(job.job_id, "data/")
    found = {}
    for key in world.objects.keys(prefix):
        with world.objects.fetch(key) as path:
            found[key.removeprefix(prefix)] = path.read_bytes()
    assert found == {path.relative_to(alone).as_posix(): path.read_bytes() for path in alone.rglob("*.parquet")}
    # Two parts a table but for the one that belongs to the whole book.
    assert len(found) == 9


STEPPER = {"name": "stepper", "steps": 100, "seconds": 0.02, "keep_every": 5}


@pytest.fixture
def stepper(monkeypatch) -> dict[str, str]:
    """A family that is trained in steps, here and in containers that get these variables."""
    from tests import training_families

    monkeypatch.setattr(registry, "FAMILIES", dict(registry.FAMILIES))
    training_families.register()
    root = Path(__file__).parents[2]
    package = Path(synthcredit.__file__).parents[1]
    return {"PYTHONPATH": os.pathsep.join(map(str, (root / "tests" / "integration" / "stepper", root, package)))}


def _checkpoints(world) -> list[str]:
    return list(world.objects.keys("training"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_a_training_container_that_ends_early_goes_on_to_the_same_model(
    cloud, world, source, tmp_path, stepper, how, applicants
):
    seed = int(how)
    fresh = {"kind": "dataset", "uri": source, "target": "default", "reuse": False}
    job_id = _planned(world, source, f"stepper-{how}", synthesizer=STEPPER, seed=seed, source=fresh)
    process = _train(cloud, tmp_path / "first", job_id, **stepper)
    while not _checkpoints(world):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    os.kill(process.pid, how)
    code, said = _end(process)
    assert code == (-signal.SIGKILL if how is signal.SIGKILL else 1), said
    assert [card for card in world.models.all() if card.seed == seed] == []
    (kept,) = _checkpoints(world)

    code, said = _end(_train(cloud, tmp_path / "second", job_id, **stepper))
    assert code == 0, said
    assert "train: goes on from a checkpoint" in said
    assert " left" in said
    (card,) = [card for card in world.models.all() if card.seed == seed]
    assert kept == f"training/{card.model_id}/checkpoint"
    assert _checkpoints(world) == []
    settings = {name: value for name, value in STEPPER.items() if name != "name"}
    alone = synthcredit.train(
        applicants, target="default", synthesizer="stepper", settings=settings, seed=seed, home=tmp_path / "home"
    )
    assert card.model_hash == alone.model_hash
    assert world.jobs.get(job_id).progress is None


def test_a_container_that_is_stopped_says_so_and_leaves_no_model(cloud, world, source, tmp_path):
    slow = {"name": "trees", "trees": 64, "leaf_rows": 2}
    job_id = _planned(world, source, "stopped", synthesizer=slow)
    process = _train(cloud, tmp_path, job_id)
    for line in process.stdout:
        if "%, column" in line:
            break
    os.kill(process.pid, signal.SIGTERM)
    code, said = _end(process)
    assert code == 1, said
    assert (tmp_path / "output" / "failure").read_text().startswith("StoppedError: job: SageMaker was told to stop it")
    assert "Traceback" not in said
    assert not (tmp_path / "model").exists()
    assert [card for card in world.models.all() if card.settings.get("trees") == 64] == []


def test_a_step_that_fails_says_why_where_sagemaker_looks(cloud, world, source, tmp_path):
    job_id = _planned(world, source, "no model")
    code, said = _end(_process(cloud, tmp_path, "assess", job_id))
    assert code == 1
    reason = (tmp_path / "output" / "message").read_text()
    assert reason.startswith("NotFoundError: ")
    assert "\n" not in reason
    assert "Traceback" not in said
    # What the state machine can no longer tell, the job can.
    assert world.jobs.get(job_id).failure.error == "NotFound"


@pytest.mark.parametrize("step", ["train", "process"])
def test_a_container_that_sagemaker_did_not_start_is_refused(cloud, tmp_path, step):
    arguments = ["train"] if step == "train" else ["process", "--step", "assess", "--job-id", "x"]
    code, said = _end(_start(cloud, tmp_path, *arguments))
    assert code == 1
    written = tmp_path / "output" / ("failure" if step == "train" else "message")
    # The kind alone: the text of what was not raised on purpose may hold anything.
    assert written.read_text() == "RuntimeError"
    assert "SYNTHCREDIT_ML_ROOT" in said


def test_missing_settings_are_named(cloud, tmp_path):
    config = tmp_path / "config"
    config.mkdir()
    (config / "resourceconfig.json").write_text('{"current_host": "a", "hosts": ["a"]}')
    code, _ = _end(_start(cloud, tmp_path, "process", "--step", "publish", "--job-id", "x", SYNTHCREDIT_LAKE_BUCKET=""))
    assert code == 1
    assert (
        "InvalidInputError: environment variable SYNTHCREDIT_LAKE_BUCKET"
        in (tmp_path / "output" / "message").read_text()
    )


def test_plan_says_on_the_job_where_each_step_runs(world, source):
    job_id = _planned(world, source, "placed")
    placement = world.jobs.get(job_id).placement
    assert [item.step for item in placement] == ["train", "generate", "assess", "publish"]
    assert placement[1].where is Where.LAMBDA


class _RuntimeApi:
    """The side of Lambda: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html ."""

    def __init__(self):
        self.events, self.answers = Queue(), Queue()
        api = self

        class Serve(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = json.dumps(api.events.get()).encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() + 60) * 1000))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:0:function:f")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                api.answers.put((self.path.rsplit("/", 1)[-1], json.loads(body)))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Serve)
        self.server.daemon_threads = True
        # The client is killed at the end, in the middle of its next question.
        self.server.handle_error = lambda *_: None
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def call(self, event):
        self.events.put(event)
        return self.answers.get(timeout=60)


@pytest.fixture
def function(cloud, tmp_path):
    """Call the image as Lambda does: its entry point, AWS's runtime client, the handler."""
    pytest.importorskip("awslambdaric")
    api = _RuntimeApi()
    more = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server.server_address[1]}",
        "AWS_LAMBDA_FUNCTION_NAME": "synthesis",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "POWERTOOLS_TRACE_DISABLED": "1",
    }
    process = _start(cloud, tmp_path, "lambda", **more)
    yield api.call
    process.kill()
    process.communicate()
    api.server.shutdown()


def test_lambda_makes_the_same_shards(trained, function, cloud, world, source, tmp_path):
    first, _, _ = trained
    job_id = _planned(world, source, "on lambda")
    for shard in (3, 0, 4, 1, 2, 0):
        assert function({"step": "generate", "job_id": job_id, "shard": shard}) == ("response", {"job_id": job_id})
    if not _parts(world, first):
        assert _end(_process(cloud, tmp_path / "first", "generate", first))[0] == 0
    assert _parts(world, job_id) == _parts(world, first)


def test_lambda_names_the_error_for_the_state_machine(function, world, source):
    kind, answer = function({"step": "generate", "job_id": "nothing"})
    assert (kind, answer["errorType"]) == ("error", "InvalidInputError")
    assert "shard" in answer["errorMessage"]
    kind, answer = function({"step": "publish", "job_id": "unknown"})
    assert (kind, answer["errorType"]) == ("error", "NotFoundError")
    job_id = _planned(world, source, "lambda fails")
    kind, answer = function({"step": "publish", "job_id": job_id})
    assert (kind, answer["errorType"]) == ("error", "NotFoundError")
    assert world.jobs.get(job_id).failure.step == "publish"

"""The embedded AWS fills ministack's gaps: seen over HTTP only, on a small stack of its own."""

import http.server
import io
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

boto3 = pytest.importorskip("boto3")
botocore_exceptions = pytest.importorskip("botocore.exceptions")

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "embedded"
AWS_PYTHON = Path(os.environ.get("SYNTHCREDIT_AWS_PYTHON") or ROOT / ".venv-aws" / "bin" / "python")

pytestmark = pytest.mark.skipif(not AWS_PYTHON.is_file(), reason="the embedded AWS is not set up (make up)")
sys.path.append(str(ROOT / "local"))

import server as embedded  # noqa: E402  # a script's neighbour, no package


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Listener:
    """An HTTP server that keeps what it is sent."""

    def __init__(self) -> None:
        kept = self.kept = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept.put((json.loads(body), self.headers.get("X-Api-Key")))
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/events"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait_for(self, wanted, seconds=15):
        """The first event that `wanted` is true of, with the key that came with it."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            event, key = self.kept.get(timeout=left)
            if wanted(event):
                return event, key
        raise AssertionError("no such event")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Aws:
    """A running embedded AWS with the tiny stack on it."""

    def __init__(self, home: Path, listener: Listener) -> None:
        self.place = embedded.Place(home)
        self.port = free_port()
        self.listener = listener
        self.start()

    def start(self, **options):
        self.server = embedded.start(
            self.place, self.port, aws_python=AWS_PYTHON, images=TINY / "images.json", **options
        )

    def client(self, name, **options):
        return boto3.client(
            name, endpoint_url=self.server.url, region_name="us-east-1",
            **{"aws_access_key_id": "test", "aws_secret_access_key": "test", **options},
        )  # fmt: skip

    def deploy(self) -> None:
        s3 = self.client("s3")
        s3.create_bucket(Bucket="code")
        s3.put_object(Bucket="code", Key="function.zip", Body=zipped(TINY / "function"))
        s3.put_object(Bucket="code", Key="layer.zip", Body=zipped(TINY / "layer"))
        for file in TINY.glob("*.asl.yaml"):
            s3.upload_file(str(file), "code", file.name)
        stacks = self.client("cloudformation")
        values = {"Code": "code", "Runtime": "python{}.{}".format(*sys.version_info), "CallbackUrl": self.listener.url}
        stacks.create_stack(
            StackName="tiny",
            TemplateBody=(TINY / "template.yaml").read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        stacks.get_waiter("stack_create_complete").wait(StackName="tiny", WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    def invoke(self, function, event):
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    def begin(self, machine, content):
        machine = f"arn:aws:states:us-east-1:000000000000:stateMachine:{machine}"
        return self.client("stepfunctions").start_execution(stateMachineArn=machine, input=json.dumps(content))[
            "executionArn"
        ]

    def ended(self, execution, seconds=60):
        states = self.client("stepfunctions")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = states.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING":
                return found
            time.sleep(0.05)
        raise AssertionError("the execution still runs")

    def run(self, machine, content):
        return self.ended(self.begin(machine, content))


def zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in folder.rglob("*.py"):
            archive.write(file, file.relative_to(folder))
    return content.getvalue()


@pytest.fixture(scope="module")
def listener():
    one = Listener()
    yield one
    one.close()


@pytest.fixture(scope="module")
def aws(tmp_path_factory, listener):
    one = Aws(tmp_path_factory.mktemp("home"), listener)
    try:
        one.deploy()
        yield one
    finally:
        embedded.stop(one.place)


# ---------------------------------------------------------------- functions


def test_a_zip_function_runs_with_its_layer_its_environment_and_its_time(aws):
    failed, answer = aws.invoke("tiny-zip", {"n": 1})
    assert failed is None
    assert answer["layer"] == "from the layer"
    assert answer["event"] == {"n": 1}
    assert answer["stage"] == "test"
    assert answer["endpoint"] == aws.server.url
    assert 2000 < answer["left_ms"] <= 3000


def test_a_second_invocation_finds_the_process_warm(aws):
    one, two = (aws.invoke("tiny-zip", {})[1]["process"] for _ in range(2))
    assert one == two


def test_invocations_at_the_same_time_have_a_process_each(aws):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(aws.invoke("tiny-zip", {"what": "sleep", "seconds": 1})[1]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer["process"] for answer in answers}) == 4
    # Each sleeps before it looks at the clock: one after the other they would lie 3 s apart.
    assert max(answer["started"] for answer in answers) - min(answer["started"] for answer in answers) < 2.5


def test_an_error_keeps_its_own_name(aws):
    failed, answer = aws.invoke("tiny-zip", {"what": "raise"})
    assert failed == "Unhandled"
    assert (answer["errorType"], answer["errorMessage"]) == ("GateNotMetError", "too few rows")


def test_a_timeout_is_named_as_on_aws(aws):
    _, answer = aws.invoke("tiny-zip", {"what": "sleep", "seconds": 10})
    assert answer["errorType"] == "Sandbox.Timedout"
    assert answer["errorMessage"].endswith("Error: Task timed out after 3.00 seconds")


def test_a_killed_runtime_is_named_as_on_aws_and_the_next_invocation_works(aws):
    _, answer = aws.invoke("tiny-zip", {"what": "die"})
    assert answer["errorType"] == "Runtime.ExitError"
    assert answer["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert aws.invoke("tiny-zip", {})[0] is None


def test_a_module_that_is_not_there_is_named_as_on_aws(aws):
    _, answer = aws.invoke("tiny-broken", {})
    assert answer["errorType"] == "Runtime.ImportModuleError"


def test_an_image_function_runs_its_own_entry_point(aws):
    assert aws.invoke("tiny-image", {"shard": 3})[1]["folder"] == "image"
    assert aws.invoke("tiny-image", {"what": "raise"})[1]["errorType"] == "StorageError"


def test_a_condition_on_an_empty_list_is_false(aws):
    buckets = [bucket["Name"] for bucket in aws.client("s3").list_buckets()["Buckets"]]
    assert "tiny-data" in buckets
    assert "tiny-listed" not in buckets


# ---------------------------------------------------------------- executions


def test_a_retry_by_error_name_ends_well(aws, tmp_path):
    found = aws.run("tiny-machine", {"what": "count", "failures": 2, "folder": str(tmp_path)})
    assert (found["status"], json.loads(found["output"])) == ("SUCCEEDED", {"calls": 3})


def test_a_catch_by_error_name_sees_name_and_cause(aws):
    found = aws.run("tiny-machine", {"what": "raise"})
    caught = json.loads(found["output"])["caught"]
    assert found["status"] == "SUCCEEDED"
    assert caught["Error"] == "GateNotMetError"
    cause = json.loads(caught["Cause"])
    assert (cause["errorType"], cause["errorMessage"]) == ("GateNotMetError", "too few rows")


@pytest.mark.parametrize(("what", "error"), [("die", "Runtime.ExitError"), ("sleep", "Sandbox.Timedout")])
def test_a_state_machine_sees_how_a_runtime_ended(aws, what, error):
    found = aws.run("tiny-machine", {"what": what, "seconds": 9})
    assert (found["status"], found["error"]) == ("FAILED", error)


def test_a_task_times_out_by_an_expression(aws):
    found = aws.run("tiny-machine", {"what": "sleep", "seconds": 2, "limit": 1})
    assert (found["status"], found["error"]) == ("FAILED", "States.Timeout")


def test_stopping_an_execution_ends_it_and_says_so(aws):
    execution = aws.begin("tiny-machine", {"what": "sleep", "seconds": 2})
    time.sleep(0.5)
    aws.client("stepfunctions").stop_execution(executionArn=execution, error="Stopped", cause="by the test")
    event, _ = aws.listener.wait_for(
        lambda event: event["detail"].get("status") == "ABORTED" and event["detail"]["executionArn"] == execution
    )
    assert event["detail-type"] == "Step Functions Execution Status Change"
    time.sleep(2.5)  # the invocation under way ends meanwhile, and must change nothing
    assert aws.ended(execution)["status"] == "ABORTED"


def test_an_execution_that_takes_too_long_times_out_and_says_so(aws, tmp_path):
    """Sleeps 2 s a try over the machine's limit of 5 s."""
    begun = aws.begin("tiny-machine", {"what": "sleep", "seconds": 2.9, "limit": 60})
    assert aws.ended(begun)["status"] == "SUCCEEDED"
    states = aws.client("stepfunctions")
    role = "arn:aws:iam::000000000000:role/any"
    definition = {"StartAt": "W", "TimeoutSeconds": 1, "States": {"W": {"Type": "Wait", "Seconds": 30, "End": True}}}
    states.create_state_machine(name="slow", definition=json.dumps(definition), roleArn=role)
    execution = aws.begin("slow", {})
    assert aws.ended(execution, 5)["status"] == "TIMED_OUT"
    aws.listener.wait_for(
        lambda event: event["detail"].get("status") == "TIMED_OUT" and event["detail"]["executionArn"] == execution
    )


def test_a_distributed_map_runs_the_image_function_once_a_shard(aws):
    execution = aws.begin("tiny-map", {"shards": [0, 1, 2, 3, 4], "what": "echo", "most": 2})
    found = aws.ended(execution)
    answers = json.loads(found["output"])
    assert [answer["shard"] for answer in answers] == [0, 1, 2, 3, 4]
    assert len({answer["process"] for answer in answers}) <= 2
    states = aws.client("stepfunctions")
    (run,) = states.list_map_runs(executionArn=execution)["mapRuns"]
    children = states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    inputs = [json.loads(states.describe_execution(executionArn=one["executionArn"])["input"]) for one in children]
    assert sorted(one["shard"] for one in inputs) == [0, 1, 2, 3, 4]


# ---------------------------------------------------------------- SageMaker


def training(name, **more):
    return {"kind": "train", "name": name, "parameters": {"job_id": "j1"}, "channels": [], "most_seconds": 60, **more}


def test_a_training_job_leaves_its_model(aws):
    s3 = aws.client("s3")
    s3.put_object(Bucket="tiny-data", Key="real/rows.csv", Body=b"a,b\n1,2\n")
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://tiny-data/real/", "S3DataDistributionType": "FullyReplicated"}
    channels = [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
    found = aws.run("tiny-sagemaker", training("first", channels=channels))
    answer = json.loads(found["output"])
    assert answer["TrainingJobStatus"] == "Completed"
    assert answer["ModelArtifacts"]["S3ModelArtifacts"] == "s3://tiny-data/models/first/output/model.tar.gz"
    packed = s3.get_object(Bucket="tiny-data", Key="models/first/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert json.load(archive.extractfile("model.json")) == {"seen": "a,b\n1,2\n", "stage": "test"}
    logs = aws.client("logs").filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs")["events"]
    assert any("training {'job_id': 'j1'}" in one["message"] for one in logs)


def test_a_training_job_that_fails_says_why(aws):
    found = aws.run("tiny-sagemaker", training("second", parameters={"what": "fail"}))
    assert (found["status"], found["error"]) == ("FAILED", "States.TaskFailed")
    cause = json.loads(found["cause"])
    assert cause["TrainingJobStatus"] == "Failed"
    assert cause["FailureReason"] == "AlgorithmError: InvalidInputError: no rows, exit code: 3"


def test_a_name_that_was_used_is_refused(aws):
    assert aws.run("tiny-sagemaker", training("third"))["status"] == "SUCCEEDED"
    assert aws.run("tiny-sagemaker", training("third"))["error"] == "SageMaker.ResourceInUseException"


def test_a_job_stops_with_its_execution(aws, tmp_path):
    mark = tmp_path / "mark"
    execution = aws.begin("tiny-sagemaker", training("fourth", parameters={"what": "sleep", "mark": str(mark)}))
    until(lambda: mark.exists() and mark.read_text() == "began")
    aws.client("stepfunctions").stop_execution(executionArn=execution)
    until(lambda: mark.read_text() == "stopped")


def test_a_job_that_runs_too_long_is_stopped(aws, tmp_path):
    mark = tmp_path / "mark"
    more = {"parameters": {"what": "sleep", "mark": str(mark)}, "most_seconds": 1}
    found = aws.run("tiny-sagemaker", training("fifth", **more))
    assert json.loads(found["cause"])["TrainingJobStatus"] == "Stopped"
    assert mark.read_text() == "stopped"


def test_a_processing_job_runs_a_process_an_instance(aws):
    s3 = aws.client("s3")
    for name in ("a", "b", "c"):
        s3.put_object(Bucket="tiny-data", Key=f"rows/{name}.csv", Body=b"1")
    found = aws.run("tiny-sagemaker", {"kind": "process", "name": "many"})
    assert json.loads(found["output"])["ProcessingJobStatus"] == "Completed"
    answers = [
        json.load(s3.get_object(Bucket="tiny-data", Key=f"answers/{host}.json")["Body"])
        for host in ("algo-1", "algo-2")
    ]
    assert all(answer["hosts"] == ["algo-1", "algo-2"] and answer["step"] == "generate" for answer in answers)
    assert [answer["found"] for answer in answers] == [["a.csv", "c.csv"], ["b.csv"]]


def until(wanted, seconds=15):
    end = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


# ---------------------------------------------------------------- events


def test_an_object_in_a_bucket_is_told_with_its_version_and_the_key(aws):
    version = aws.client("s3").put_object(Bucket="tiny-data", Key="drop/new.csv", Body=b"1")["VersionId"]
    event, key = aws.listener.wait_for(lambda event: event["detail"].get("object", {}).get("key") == "drop/new.csv")
    assert event["detail-type"] == "Object Created"
    assert event["detail"]["object"]["version-id"] == version
    assert key == "secret"


def test_a_connection_does_not_tell_its_key(aws):
    (stack,) = aws.client("cloudformation").describe_stacks(StackName="tiny")["Stacks"]
    name = stack["Outputs"][0]["OutputValue"]
    found = aws.client("events").describe_connection(Name=name)
    assert "secret" not in json.dumps(found, default=str)


# ---------------------------------------------------------------- Athena


@pytest.fixture(scope="module")
def lake(aws):
    """A table with two files at prefixes of their own; only what a test registers is to be seen."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    s3, glue = aws.client("s3"), aws.client("glue")
    s3.create_bucket(Bucket="lake")
    for job, amounts in {"one": [1.5, 2.5], "two": [10.0], "hidden": [99.0]}.items():
        content = io.BytesIO()
        parquet.write_table(pyarrow.table({"amount": amounts, "Purpose": ["car"] * len(amounts)}), content)
        s3.put_object(Bucket="lake", Key=f"jobs/{job}/data/loans/part-0.parquet", Body=content.getvalue())
    columns = [
        {"Name": "amount", "Type": "double"},
        {"Name": "purpose", "Type": "string"},
        {"Name": "never_written", "Type": "int"},
    ]
    glue.create_database(DatabaseInput={"Name": "credit"})
    table = {
        "Name": "loans",
        "StorageDescriptor": storage("s3://lake/jobs/", columns),
        "PartitionKeys": [{"Name": "job", "Type": "string"}],
    }
    glue.create_table(DatabaseName="credit", TableInput=table)
    aws.client("athena").create_work_group(
        Name="questions", Configuration={"ResultConfiguration": {"OutputLocation": "s3://lake/athena/"}}
    )
    return columns


def storage(location, columns):
    return {
        "Columns": columns,
        "Location": location,
        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
    }


def ask(aws, sql):
    athena = aws.client("athena")
    query = athena.start_query_execution(
        QueryString=sql, WorkGroup="questions", QueryExecutionContext={"Database": "credit"}
    )["QueryExecutionId"]
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
        if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
            break
        time.sleep(0.05)
    assert found["Status"]["State"] == "SUCCEEDED", found["Status"].get("StateChangeReason")
    rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    return [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows], found["ResultConfiguration"][
        "OutputLocation"
    ]


def test_a_query_reads_the_registered_partitions_only_with_glue_names(aws, lake):
    assert ask(aws, "SELECT * FROM loans")[0] == [["amount", "purpose", "never_written", "job"]]
    glue = aws.client("glue")
    for job in ("one", "two"):
        glue.create_partition(
            DatabaseName="credit", TableName="loans",
            PartitionInput={"Values": [job], "StorageDescriptor": storage(f"s3://lake/jobs/{job}/data/loans/", lake)},
        )  # fmt: skip
    rows, place = ask(
        aws, "SELECT job, purpose, never_written, sum(amount) AS total FROM loans GROUP BY 1, 2, 3 ORDER BY job"
    )
    assert rows[1:] == [["one", "car", None, "4.0"], ["two", "car", None, "10.0"]]
    bucket, _, key = place.removeprefix("s3://").partition("/")
    assert aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().startswith(b"job,purpose")
    joined = "SELECT count(*) AS n FROM credit.loans a JOIN loans b ON a.job = b.job WHERE a.job = 'one'"
    assert ask(aws, joined)[0][1] == ["4"]
    glue.delete_partition(DatabaseName="credit", TableName="loans", PartitionValues=["two"])
    assert ask(aws, "SELECT count(*) FROM loans")[0][1] == ["2"]


def test_what_is_no_select_is_refused(aws, lake):
    with pytest.raises(botocore_exceptions.ClientError, match="SELECT"):
        ask(aws, "DROP TABLE loans")
    with pytest.raises(AssertionError, match="TABLE_NOT_FOUND"):
        ask(aws, "SELECT * FROM nowhere")


# ---------------------------------------------------------------- the server


def test_only_the_loopback_address_is_listened_on(aws):
    listing = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("there is no ss here")
    ours = [line.split()[3] for line in listing.stdout.splitlines() if f"pid={aws.server.pid}," in line]
    assert f"127.0.0.1:{aws.port}" in ours
    assert all(address.startswith("127.0.0.1:") for address in ours)


def test_a_taken_port_is_said(aws, tmp_path):
    with pytest.raises(embedded.PlatformError, match=f"port {aws.port} .* is taken"):
        embedded.start(embedded.Place(tmp_path), aws.port, aws_python=AWS_PYTHON)


def test_another_ministack_is_refused(tmp_path):
    command = [sys.executable, str(ROOT / "local" / "serve.py"), "--state", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "needs ministack 1.5.33" in ended.stderr


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (["--parameter", "Stage"], {}, "--parameter wants KEY=VALUE, not Stage"),
        ([], {"SYNTHCREDIT_AWS_PYTHON": "/nowhere/python"}, "/nowhere/python is missing: run `make up`"),
        ([], {"SYNTHCREDIT_SAM": "/nowhere/sam"}, "/nowhere/sam is missing: run `make up`"),
    ],
)
def test_up_says_what_is_missing(tmp_path, words, variables, said):
    command = [
        sys.executable,
        str(ROOT / "local" / "up.py"),
        "--home",
        str(tmp_path),
        "--port",
        str(free_port()),
        *words,
    ]
    environment = {**os.environ, "SYNTHCREDIT_AWS_PYTHON": str(AWS_PYTHON), **variables}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    embedded.stop(embedded.Place(tmp_path))
    assert ended.returncode == 1
    assert said in ended.stderr


def test_down_and_status_without_a_server(tmp_path):
    for script, said, code in (("down.py", "does not run", 0), ("status.py", '"running": false', 1)):
        command = [sys.executable, str(ROOT / "local" / script), "--home", str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ended.returncode, said in ended.stdout) == (code, True)


@pytest.fixture(scope="module")
def jobs(aws):
    aws.client("dynamodb").create_table(
        TableName="jobs",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )


def test_what_was_there_is_there_after_a_stop_and_a_start(aws, lake, jobs):
    """Last, because it stops the server under everybody."""
    aws.client("dynamodb").put_item(TableName="jobs", Item={"id": {"S": "j1"}, "cost": {"N": "1.5"}})
    aws.client("s3").put_object(Bucket="tiny-data", Key="kept.txt", Body=b"kept")
    partitions = aws.client("glue").get_partitions(DatabaseName="credit", TableName="loans")["Partitions"]
    rows = ask(aws, "SELECT count(*) FROM loans")[0]
    process = aws.invoke("tiny-zip", {})[1]["process"]
    running = aws.begin("tiny-machine", {"what": "sleep", "seconds": 2})
    assert embedded.stop(aws.place)
    assert embedded.running(aws.place) is None
    with pytest.raises(ProcessLookupError):
        os.kill(process, signal.SIGCONT)
    aws.start()
    assert aws.client("dynamodb").get_item(TableName="jobs", Key={"id": {"S": "j1"}})["Item"]["cost"] == {"N": "1.5"}
    assert aws.client("s3").get_object(Bucket="tiny-data", Key="kept.txt")["Body"].read() == b"kept"
    assert len(aws.client("s3").list_object_versions(Bucket="tiny-data", Prefix="kept.txt")["Versions"]) == 1
    again = aws.client("glue").get_partitions(DatabaseName="credit", TableName="loans")["Partitions"]
    assert [one["Values"] for one in again] == [one["Values"] for one in partitions]
    assert ask(aws, "SELECT count(*) FROM loans")[0] == rows
    assert aws.invoke("tiny-zip", {})[0] is None
    assert aws.run("tiny-machine", {})["status"] == "SUCCEEDED"
    event, _ = aws.listener.wait_for(
        lambda event: event["detail"].get("executionArn") == running and event["detail"]["status"] == "FAILED"
    )
    assert event["detail"]["error"] == "States.ServiceRestart"


def test_what_was_there_survives_a_server_that_is_killed(aws, jobs):
    aws.client("dynamodb").put_item(TableName="jobs", Item={"id": {"S": "j2"}})
    saved = aws.place.state / "services" / "dynamodb.json"
    until(lambda: '"j2"' in saved.read_text())
    os.kill(aws.server.pid, signal.SIGKILL)
    until(lambda: embedded.running(aws.place) is None)
    aws.start()
    assert "Item" in aws.client("dynamodb").get_item(TableName="jobs", Key={"id": {"S": "j2"}})
    assert aws.invoke("tiny-zip", {})[0] is None


def test_with_enforcement_a_function_may_do_what_its_role_may(aws):
    """After the test above: it too needs a start of its own."""
    aws.client("s3").put_object(Bucket="tiny-data", Key="kept.txt", Body=b"kept")
    embedded.stop(aws.place)
    aws.start(auth=True)
    assert aws.invoke("tiny-zip", {"what": "look"}) == (None, ["kept.txt"])
    failed, answer = aws.invoke("tiny-narrow", {"what": "look"})
    assert failed == "Unhandled"
    assert "AccessDenied" in answer["errorMessage"]
    assert aws.invoke("tiny-narrow", {"what": "say", "source": "tiny"}) == (None, 0)
    assert "AccessDenied" in aws.invoke("tiny-narrow", {"what": "say", "source": "other"})[1]["errorMessage"]
    assert aws.run("tiny-sagemaker", training("with-enforcement"))["status"] == "SUCCEEDED"

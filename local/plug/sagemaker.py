"""`sagemaker:createTrainingJob.sync` and `sagemaker:createProcessingJob.sync` in a state machine.

ministack has no SageMaker at all. Here a job runs the entry point of the container's own folder (`local/images.json`)
in a subprocess a host, over a temporary tree laid out like /opt/ml; `SYNTHCREDIT_ML_ROOT` names the tree. What a job
writes to its standard output goes to the log group that SageMaker uses. Jobs live as long as the server: the
SageMaker API itself (`describe_training_job` from outside) is not there.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs, stepfunctions

from plug import executions, hooks, images

Document = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_GRACE_SECONDS = 10  # SageMaker gives 120 s between SIGTERM and SIGKILL; nobody waits that long at a laptop
_used_names: set[tuple[str, str]] = set()
_names_lock = threading.Lock()
_processes: set[subprocess.Popen[bytes]] = set()


class _JobFailedError(RuntimeError):
    """A host of the job failed, or its execution was stopped."""


class _OverTimeError(RuntimeError):
    """The job ran longer than its StoppingCondition allows."""


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


class _Store:
    """S3 with the permissions of the job's role, which is what SageMaker copies files with."""

    def __init__(self, credentials: dict[str, str]) -> None:
        self._client = boto3.client(
            "s3",
            region_name=get_region(),
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=credentials["AWS_SESSION_TOKEN"] or None,
        )

    def download(self, uri: str, target: Path, share: tuple[int, int] = (0, 1)) -> None:
        """Copy the objects under a prefix; `share` is (host, hosts): every hosts-th object from host on."""
        target.mkdir(parents=True, exist_ok=True)
        bucket, prefix = _split(uri)
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = sorted(one["Key"] for page in pages for one in page.get("Contents", []) if not one["Key"].endswith("/"))
        for key in keys[share[0] :: share[1]]:
            file = target / (key.removeprefix(prefix).lstrip("/") or Path(key).name)
            file.parent.mkdir(parents=True, exist_ok=True)
            self._client.download_file(bucket, key, str(file))

    def upload(self, uri: str, file: Path) -> None:
        """Copy one file."""
        self._client.upload_file(str(file), *_split(uri))


def train(_: str, request: Document) -> Document:
    """Run one training job and answer as DescribeTrainingJob does.

    Raises
    ------
    stepfunctions._ExecutionError
        `SageMaker.*` when the request is refused; `States.TaskFailed`, with the description as its cause, when the job
        fails.
    """
    name = _claim("training", request, "TrainingJobName")
    _require(request, "OutputDataConfig", "ResourceConfig", "AlgorithmSpecification", "RoleArn", "StoppingCondition")
    hosts = [f"algo-{number}" for number in range(1, int(request["ResourceConfig"].get("InstanceCount", 1)) + 1)]
    description = _describe(request, name, "training")
    place = f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output/model.tar.gz"
    image = images.find(request["AlgorithmSpecification"]["TrainingImage"])
    job = _Job(request, name, "training", image)
    with _tree() as root, _described(description, "training"):
        for host in hosts:
            _lay_training(root / host, request, host, hosts, job.store)
        job.run(root, {host: [image.python, *image.command("train")] for host in hosts})
        job.store.upload(place, _packed(root / hosts[0] / "model", root / "model.tar.gz"))
    return {**description, "ModelArtifacts": {"S3ModelArtifacts": place}}


def process(_: str, request: Document) -> Document:
    """Run one processing job, a subprocess an instance, and answer as DescribeProcessingJob does.

    Raises
    ------
    stepfunctions._ExecutionError
        As `train`.
    """
    name = _claim("processing", request, "ProcessingJobName")
    _require(request, "AppSpecification", "ProcessingResources", "RoleArn")
    count = int(request["ProcessingResources"]["ClusterConfig"].get("InstanceCount", 1))
    hosts = [f"algo-{number}" for number in range(1, count + 1)]
    description = _describe(request, name, "processing")
    image = images.find(request["AppSpecification"]["ImageUri"])
    job = _Job(request, name, "processing", image)
    with _tree() as root, _described(description, "processing"):
        for host in hosts:
            _lay_processing(root / host, request, host, hosts, job.store)
        job.run(root, dict.fromkeys(hosts, _entry_point(request["AppSpecification"], image)))
        for host in hosts:
            _upload_outputs(root / host, request, job.store)
    return description


def _claim(kind: str, request: Document, field: str) -> str:
    """Return the job's name, which no other job of the account ever had."""
    name = str(request.get(field, ""))
    if not _NAME.fullmatch(name):
        raise _refusal(
            "AmazonSageMakerException", f"{field} {name!r} must satisfy the regular expression {_NAME.pattern}"
        )
    with _names_lock:
        taken = (kind, name) in _used_names
        _used_names.add((kind, name))
    if taken:
        arn = f"arn:aws:sagemaker:{get_region()}:{get_account_id()}:{kind}-job/{name}"
        title = kind.capitalize()
        raise _refusal(
            "ResourceInUseException",
            f"{title} job names must be unique within an AWS account and region, "
            f"and a {kind} job with this name already exists ({arn})",
        )
    return name


def _require(request: Document, *fields: str) -> None:
    missing = [field for field in fields if field not in request]
    if missing:
        raise _refusal("AmazonSageMakerException", f"1 validation error detected: missing {', '.join(missing)}")


def _refusal(name: str, message: str) -> Exception:
    error: Exception = stepfunctions._ExecutionError(f"SageMaker.{name}", message)
    return error


def _describe(request: Document, name: str, kind: str) -> Document:
    arn = f"arn:aws:sagemaker:{get_region()}:{get_account_id()}:{kind}-job/{name}"
    now = int(time.time() * 1000)
    title = kind.capitalize()
    return {
        **request,
        f"{title}JobArn": arn,
        f"{title}JobStatus": "InProgress",
        "CreationTime": now,
        f"{title}StartTime": now,
    }


@contextmanager
def _described(description: Document, kind: str) -> Iterator[None]:
    """Write the job's end into the description; a job that fails, fails the task with the description as its cause."""
    title = kind.capitalize()
    failure = ""
    try:
        yield
        description[f"{title}JobStatus"] = "Completed"
    except _OverTimeError as error:
        description[f"{title}JobStatus"], failure = "Stopped", str(error)
    except (_JobFailedError, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        description[f"{title}JobStatus"], failure = "Failed", str(error)
    finally:
        description[f"{title}EndTime"] = description["LastModifiedTime"] = int(time.time() * 1000)
    if failure:
        description["FailureReason"] = failure[:1024]
        raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(description))


@contextmanager
def _tree() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="opt-ml-"))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _lay_training(root: Path, request: Document, host: str, hosts: list[str], store: _Store) -> None:
    for folder in ("input/config", "input/data", "model", "output/data"):
        (root / folder).mkdir(parents=True)
    channels = request.get("InputDataConfig", [])
    config = root / "input" / "config"
    _write(
        config / "hyperparameters.json", {key: str(value) for key, value in request.get("HyperParameters", {}).items()}
    )
    _write(config / "inputdataconfig.json", {one["ChannelName"]: _channel_config(one) for one in channels})
    _write(config / "resourceconfig.json", {"current_host": host, "hosts": hosts, "network_interface_name": "lo"})
    for one in channels:
        store.download(one["DataSource"]["S3DataSource"]["S3Uri"], root / "input" / "data" / one["ChannelName"])


def _channel_config(channel: Document) -> Document:
    return {
        "TrainingInputMode": channel.get("InputMode", "File"),
        "S3DistributionType": channel["DataSource"]["S3DataSource"].get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }


def _lay_processing(root: Path, request: Document, host: str, hosts: list[str], store: _Store) -> None:
    for folder in ("config", "processing", "output"):
        (root / folder).mkdir(parents=True)
    _write(root / "config" / "processingjobconfig.json", request)
    _write(root / "config" / "resourceconfig.json", {"current_host": host, "hosts": hosts})
    for one in request.get("ProcessingInputs", []):
        source = one["S3Input"]
        shared = source.get("S3DataDistributionType", "FullyReplicated") == "FullyReplicated"
        share = (0, 1) if shared else (hosts.index(host), len(hosts))
        store.download(source["S3Uri"], _inside(root, source["LocalPath"]), share)


def _inside(root: Path, path: str) -> Path:
    """Where /opt/ml/... lies in the temporary tree."""
    return root / Path(path).relative_to("/opt/ml")


def _entry_point(application: Document, image: images.Image) -> list[str]:
    """Return the command of one host; the container's python is the project's."""
    words = [*application.get("ContainerEntrypoint", []), *application.get("ContainerArguments", [])]
    if not application.get("ContainerEntrypoint"):
        return [image.python, *image.command("process"), *words]
    return [image.python if re.fullmatch(r"(/\S+/)?python3?", words[0]) else words[0], *words[1:]]


def _write(path: Path, content: Document) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


class _Job:
    """One job: its environment, its store and its limit."""

    def __init__(self, request: Document, name: str, kind: str, image: images.Image) -> None:
        credentials = _credentials(request["RoleArn"], name)
        self.store = _Store(credentials)
        self._folder = image.folder
        self._name = name
        self._kind = kind
        self._limit = int(request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400))
        self._environment = {
            **_base_environment(),
            **image.environment,
            **credentials,
            f"{kind.upper()}_JOB_NAME": name,
            **request.get("Environment", {}),
        }

    def run(self, root: Path, commands: dict[str, list[str]]) -> None:
        """Run every host's command to its end; the first that fails ends the others."""
        started = {}
        logs = {host: root / f"{host}.log" for host in commands}
        try:
            for host, command in commands.items():
                environment = {**self._environment, "SYNTHCREDIT_ML_ROOT": str(root / host)}
                started[host] = _start(command, self._folder, environment, logs[host])
            _wait(started, root, self._limit)
        finally:
            _end(list(started.values()))
            for host, log in logs.items():
                _send_log(f"/aws/sagemaker/{self._kind.capitalize()}Jobs", f"{self._name}/{host}", log)


def _base_environment() -> dict[str, str]:
    """Return the server's own environment without its settings."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "AWS_ENDPOINT_URL", "AWS_CONFIG_FILE",
            "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED")  # fmt: skip
    base = {key: os.environ[key] for key in kept if key in os.environ}
    return {**base, "AWS_REGION": get_region(), "AWS_DEFAULT_REGION": get_region(), "PYTHONUNBUFFERED": "1"}


def _credentials(role: str, session: str) -> dict[str, str]:
    """Those of the job's role, as for a function: its permissions hold when enforcement is on."""
    stand_in = f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:sagemaker-{session}"
    credentials: dict[str, str] = lambda_runtime.execution_credentials(
        {"FunctionArn": stand_in, "FunctionName": "SageMaker", "Role": role}
    )
    return credentials


def _start(command: list[str], folder: Path, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    _processes.add(process)
    return process


def _wait(hosts: dict[str, subprocess.Popen[bytes]], root: Path, limit: int) -> None:
    run = executions.current()
    stopped = run.stopped if run else threading.Event()
    end = time.monotonic() + limit
    while True:
        codes = {host: process.poll() for host, process in hosts.items()}
        for host, code in codes.items():
            if code:
                raise _JobFailedError(_reason(root / host, code))
        if all(code == 0 for code in codes.values()):
            return
        if stopped.wait(0.05):
            raise _JobFailedError("the job was stopped")
        if time.monotonic() > end:
            raise _OverTimeError(f"the job ran longer than MaxRuntimeInSeconds ({limit})")


def _reason(root: Path, code: int) -> str:
    """As SageMaker words it: what the container left in output/failure or output/message, and its exit code."""
    for name in ("failure", "message"):
        file = root / "output" / name
        if file.exists():
            return (
                f"AlgorithmError: {file.read_text(encoding='utf-8', errors='replace')[:900]}, exit code: {_shell(code)}"
            )
    return f"AlgorithmError: See job logs for more information, exit code: {_shell(code)}"


def _shell(code: int) -> int:
    return code if code >= 0 else 128 - code


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ask every process to stop, wait, then kill what is left."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
        _processes.discard(process)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)


def end_all() -> None:
    """End the jobs that run when the server stops."""
    _end(list(_processes))


def _send_log(group: str, stream: str, file: Path) -> None:
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []
    if not lines:
        return
    now = int(time.time() * 1000)
    cloudwatch_logs._create_log_group({"logGroupName": group})
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    events = [{"timestamp": now, "message": line} for line in lines[-5000:]]
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})


def _packed(folder: Path, target: Path) -> Path:
    with tarfile.open(target, mode="w:gz", compresslevel=1) as archive:
        for file in sorted(folder.rglob("*")):
            archive.add(file, file.relative_to(folder).as_posix(), recursive=False)
    return target


def _upload_outputs(root: Path, request: Document, store: _Store) -> None:
    for one in request.get("ProcessingOutputConfig", {}).get("Outputs", []):
        target = one["S3Output"]
        source = _inside(root, target["LocalPath"])
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            store.upload(f"{target['S3Uri'].rstrip('/')}/{file.relative_to(source).as_posix()}", file)


def install() -> None:
    """Answer the two integrations."""
    hooks.need(stepfunctions, "_SERVICE_DISPATCH", "_ExecutionError")
    hooks.need(cloudwatch_logs, "_create_log_group", "_create_log_stream", "_put_log_events")
    hooks.need(lambda_runtime, "execution_credentials")
    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sagemaker:createTrainingJob"] = train
    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sagemaker:createProcessingJob"] = process

"""`template.yaml`, unchanged, on an embedded AWS of the tests' own; seen over HTTP only."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROOT = Path(__file__).parents[3]
REGION = "us-east-1"
KEY = "the-listeners-key"
SECRET = "bank/warehouse"  # noqa: S105 - its name
CLOSED = ("succeeded", "failed", "stopped")


@dataclass
class Listener:
    """What an API destination delivers to: it keeps the events, and the header that proves who sent them."""

    server: ThreadingHTTPServer
    heard: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/events"

    def events(self, job_id: str) -> list[str]:
        return [e["detail-type"] for e in self.heard if e["detail"].get("job_id") == job_id]

    def wait_for(self, job_id: str, kind: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            return next(
                (e for e in self.heard if e["detail"].get("job_id") == job_id and e["detail-type"] == kind), None
            )

        return wait_until(found, f"{kind} at the listener")


@dataclass
class Answer:
    status: int
    headers: Any
    body: Any


@dataclass
class Platform:
    """One deployed platform."""

    home: Path
    url: str
    outputs: dict[str, str]
    pid: int
    listener: Listener
    keys: Credentials

    @staticmethod
    def wait_until(look: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        return wait_until(look, what, seconds)

    def http(self, method: str, path: str, body: Any = None, *, key: str | None = None, signed: bool = True) -> Answer:
        """Send one signed request to the API."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        data = body if isinstance(body, str | bytes | None) else json.dumps(body)
        request = AWSRequest(method, self.outputs["ApiUrl"] + path, headers=headers, data=data)
        if signed:
            SigV4Auth(self.keys, "execute-api", REGION).add_auth(request)
        got = urllib3.request(method, request.url, body=data, headers=dict(request.headers), timeout=60, retries=False)
        content = got.data.decode()
        kind = got.headers.get("Content-Type", "")
        return Answer(got.status, got.headers, json.loads(content) if "json" in kind else content)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.keys.access_key,
            aws_secret_access_key=self.keys.secret_key,
        )

    def upload(self, path: Path) -> str:
        """Bring a file into the inbox as a client does: ask for a link, put the file there."""
        link = self.http("POST", "/datasets", {"name": path.name, "size": path.stat().st_size})
        assert link.status == 200, link.body
        put = urllib3.request("PUT", link.body["url"], body=path.read_bytes(), headers=link.body.get("headers"))
        assert put.status == 200, put.data
        return str(link.body["uri"])

    def keep_secret(self, name: str = SECRET, **content: Any) -> None:
        """Put a secret into Secrets Manager, or another content into one that is there."""
        secrets = self.client("secretsmanager")
        try:
            secrets.create_secret(Name=name, SecretString=json.dumps(content))
        except secrets.exceptions.ResourceExistsException:
            secrets.put_secret_value(SecretId=name, SecretString=json.dumps(content))

    def submit(self, body: dict[str, Any], key: str | None = None) -> str:
        # Basic evidence where a test asks for no other: it is the way of a job that most of them follow.
        answer = self.http("POST", "/jobs", {"evidence": "basic", **body}, key=key or uuid4().hex)
        assert answer.status == 202, answer.body
        return str(answer.body["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.http("GET", f"/jobs/{job_id}")
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def end_of(self, job_id: str, seconds: float = 150) -> dict[str, Any]:
        def closed() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["state"] in CLOSED else None

        return wait_until(closed, f"the end of job {job_id}", seconds)

    def sql(self, query: str) -> list[list[str | None]]:
        """Ask Athena; return the rows without the heading."""
        athena = self.client("athena")
        started = athena.start_query_execution(QueryString=query, WorkGroup=self.outputs["Workgroup"])
        asked = started["QueryExecutionId"]

        def ended() -> dict[str, Any] | None:
            status = athena.get_query_execution(QueryExecutionId=asked)["QueryExecution"]["Status"]
            return status if status["State"] in ("SUCCEEDED", "FAILED", "CANCELLED") else None

        status = wait_until(ended, "Athena's answer", 60)
        assert status["State"] == "SUCCEEDED", status
        rows = athena.get_query_results(QueryExecutionId=asked)["ResultSet"]["Rows"]
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows[1:]]

    def partitions(self, job_id: str) -> list[dict[str, Any]]:
        """Return every partition of every table that shows a job's rows."""
        glue = self.client("glue")
        database = self.outputs["Database"]
        tables = glue.get_tables(DatabaseName=database)["TableList"]
        found = [
            partition
            for table in tables
            for partition in glue.get_partitions(DatabaseName=database, TableName=table["Name"])["Partitions"]
        ]
        return [partition for partition in found if partition["Values"] == [job_id]]

    def rows_in_lake(self, job_id: str) -> list[str]:
        listed = self.client("s3").list_objects_v2(Bucket=self.outputs["LakeBucket"], Prefix=f"jobs/{job_id}/data/")
        return [item["Key"] for item in listed.get("Contents", [])]

    def document(self, job_id: str, name: str) -> dict[str, Any]:
        """Fetch one of a job's documents through its presigned link."""
        results = self.http("GET", f"/jobs/{job_id}/results")
        assert results.status == 200, results.body
        url = next(file["url"] for file in results.body["files"] if file["name"] == name)
        return dict(json.loads(urllib3.request("GET", url).data))

    def execution(self, job_id: str) -> str:
        machine = self.outputs["StateMachineArn"]
        return machine.replace(":stateMachine:", ":execution:") + f":{job_id}"

    def history(self, arn: str) -> list[dict[str, Any]]:
        return list(self.client("stepfunctions").get_execution_history(executionArn=arn, maxResults=1000)["events"])


def wait_until(look: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Look again and again until there is something."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.25)
    pytest.fail(f"waited {seconds} s in vain for {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("X-Api-Key") == KEY:
                heard.heard.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    heard = Listener(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    threading.Thread(target=heard.server.serve_forever, daemon=True).start()
    yield heard
    heard.server.shutdown()


@pytest.fixture(scope="session")
def deploy(tmp_path_factory, listener) -> Iterator[Callable[..., Platform]]:
    """Deploy the template; every platform is taken down at the end."""
    homes: list[Path] = []

    def deployed(*flags: str, **parameters: str) -> Platform:
        home = tmp_path_factory.mktemp("platform")
        homes.append(home)
        given = {"CallbackUrl": listener.url, "CallbackKey": KEY, **parameters}
        words = [word for name, value in given.items() for word in ("--parameter", f"{name}={value}")]
        done = subprocess.run(
            [sys.executable, ROOT / "local" / "up.py", "--home", home, "--port", str(free_port()), *words, *flags],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        made = json.loads((home / "aws" / "platform.json").read_text())
        keys = Credentials("test", "test")
        return Platform(home, made["endpoint_url"], made["outputs"], made["pid"], listener, keys)

    yield deployed
    for home in homes:
        subprocess.run([sys.executable, ROOT / "local" / "down.py", "--home", home, "--delete"], check=True)


@pytest.fixture(scope="session")
def platform(deploy) -> Platform:
    return deploy(MaxRows="1000000", MaxCostUsd="5", LinkSeconds="600", DatabaseSecret=SECRET)


@pytest.fixture(scope="session")
def guarded(deploy) -> Platform:
    """A platform with the emulator's IAM enforcement on, on which every heavy step runs on SageMaker."""
    # No step fits 128 MB.
    return deploy("--auth", LambdaMemory="128", DatabaseSecret=SECRET)


@pytest.fixture(scope="session")
def source(guarded, german_credit) -> dict[str, Any]:
    """German credit, uploaded there, as a request's source."""
    return {"kind": "dataset", "uri": guarded.upload(german_credit), "target": "creditability"}


@pytest.fixture(scope="session")
def german(platform, german_credit) -> dict[str, Any]:
    """German credit, uploaded, as a request's source."""
    return {"kind": "dataset", "uri": platform.upload(german_credit), "target": "creditability"}

"""A small platform in a thread: real HTTP on loopback, answering in the API's own models.

It keeps what was asked of it, so that tests see what went over the wire.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import parse_qs, unquote, urlsplit

from synthcredit.answers import http_answer
from synthcredit.errors import ConflictError, NotFoundError, NotReadyError, Problem, SynthcreditError
from synthcredit.jobs.job import Job, State, job_id_for, now
from synthcredit.jobs.request import parse_request
from synthcredit.synthesizers.card import ModelCard
from synthcredit.usecases.listing import JobPage, JobSummary, ModelPage, show_job
from synthcredit.usecases.results import FileLink, LakeTable, Results
from synthcredit.usecases.upload import Upload, UploadRequest

EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)


@dataclass
class FakeApi:
    """What the platform holds, and what goes wrong with it."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    trouble: list[tuple[str, int, bytes]] = field(default_factory=list)
    """Answers (path pattern, status, body) that are given once each, before the right ones."""
    jobs: dict[str, list[Job]] = field(default_factory=dict)
    """Where each job stands at one look after the other; the last look stays."""
    course: list[dict] = field(default_factory=list)
    """Updates that a new job goes through, one at each look."""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    table: LakeTable | None = None
    left_out: int = 0
    models: list[ModelCard] = field(default_factory=list)
    inbox: dict[str, bytes] = field(default_factory=dict)
    good_token: int = 0
    """Links carry the number of the answer that they came with; those below this one have expired."""
    athena: dict = field(default_factory=lambda: {"State": "SUCCEEDED"})
    answer: list[list[str | None]] = field(default_factory=list)
    headings: list[str] | None = None
    """Names of the answer's columns; its first row where None, as Athena has it."""
    tokens: int = 0
    lock: Lock = field(default_factory=Lock)

    def of(self, method: str, pattern: str) -> list[Asked]:
        """Return what was asked of a path."""
        return [each for each in self.asked if each.method == method and re.fullmatch(pattern, each.path)]

    # ------------------------------------------------------------ routes

    def respond(self, asked: Asked) -> tuple[int, bytes, str]:
        with self.lock:
            self.asked.append(asked)
            for index, (pattern, status, body) in enumerate(self.trouble):
                if re.fullmatch(pattern, asked.path):
                    del self.trouble[index]
                    return status, body, "application/json"
            try:
                return self._route(asked)
            except SynthcreditError as error:
                answer = http_answer(error, "request-1")
                return answer.status, answer.body.model_dump_json().encode(), "application/problem+json"

    def _route(self, asked: Asked) -> tuple[int, bytes, str]:
        parts = asked.path.strip("/").split("/")
        name = f"{asked.method} {parts[0]}" + (f"/{len(parts)}" if len(parts) > 1 else "")
        if parts[0] == "files":
            return self._file(parts)
        if asked.method == "PUT":
            self.inbox[asked.path] = asked.body
            return 200, b"", "text/plain"
        if asked.headers.get("X-Amz-Target", "").startswith("AmazonAthena."):
            return 200, json.dumps(self._athena(asked)).encode(), "application/x-amz-json-1.1"
        if name == "GET healthz":
            return 200, b"{}", "application/json"
        status, model = {
            "POST jobs": self._submit,
            "GET jobs": self._list,
            "GET jobs/2": self._look,
            "DELETE jobs/2": self._stop,
            "GET jobs/3": self._results,
            "GET models": self._list_models,
            "GET models/2": self._model,
            "POST datasets": self._upload,
        }[name](asked, parts[-1] if len(parts) < 3 else parts[1])
        return status, model.model_dump_json(by_alias=True).encode(), "application/json"

    def _submit(self, asked: Asked, _: str):
        request = parse_request(asked.body)
        job_id = job_id_for("tester", asked.headers["Idempotency-Key"])
        if job_id not in self.jobs:
            self._require_source(request.source)
            job = Job(job_id=job_id, caller="tester", request=request, created_at=now(), updated_at=now())
            self.jobs[job_id] = [job, *(job.model_copy(update=update) for update in self.course)]
        elif self.jobs[job_id][0].request.digest != request.digest:
            raise ConflictError(Problem("idempotency key", "it was used for another request", "Use a new key."))
        return 202, show_job(self.jobs[job_id][0])

    def _require_source(self, source) -> None:
        uri = source.uri or ""
        if uri.startswith("s3://inbox/") and uri.removeprefix("s3:/") not in self.inbox:
            raise NotFoundError(Problem("source.uri", "there is no such object", "Upload it."))

    def _look(self, _: Asked, job_id: str):
        looks = self._job(job_id)
        return 200, show_job(looks.pop(0) if len(looks) > 1 else looks[0])

    def _stop(self, _: Asked, job_id: str):
        looks = self._job(job_id)
        if not looks[0].state.closed:
            self.jobs[job_id] = [looks[0].model_copy(update={"state": State.STOPPED})]
        return 202, show_job(self.jobs[job_id][0])

    def _list(self, asked: Asked, _: str):
        jobs = [looks[0] for looks in self.jobs.values()]
        begin, size = int(asked.query.get("next", ["0"])[0]), int(asked.query["limit"][0])
        size = min(size, 2)
        page = tuple(
            JobSummary.model_validate(
                {k: v for k, v in show_job(job).model_dump().items() if k in JobSummary.model_fields}
            )
            for job in jobs[begin : begin + size]
        )
        return 200, JobPage(jobs=page, next=str(begin + size) if begin + size < len(jobs) else None)

    def _job(self, job_id: str) -> list[Job]:
        if job_id not in self.jobs:
            raise NotFoundError(Problem("job_id", "there is no such job", "See GET /jobs."))
        return self.jobs[job_id]

    def _results(self, _: Asked, job_id: str):
        job = self._job(job_id)[0]
        if not job.state.closed:
            raise NotReadyError(Problem(f"job {job_id}", "it is running", "Ask again."))
        if not self.files.get(job_id):
            raise NotFoundError(Problem(f"job {job_id}", "it ended before it had made anything", "See `failure`."))
        self.tokens += 1
        files = tuple(
            FileLink(
                name=name,
                url=f"{self.url}/files/{self.tokens}/{job_id}/{name}",
                expires_at=now() + timedelta(hours=1),
                sha256=sha256(content).hexdigest() if name.startswith("data/") else None,
            )
            for name, content in self.files[job_id].items()
        )
        return 200, Results(
            job_id=job_id, state=job.state, rows=job.request.rows, files=files, data_uri=f"s3://lake/jobs/{job_id}/data/",
            data_files_left_out=self.left_out, table=self.table, sql=None,
        )  # fmt: skip

    def _file(self, parts: Sequence[str]) -> tuple[int, bytes, str]:
        token, job_id, name = int(parts[1]), parts[2], "/".join(parts[3:])
        if token < self.good_token:
            return 403, EXPIRED, "application/xml"
        return 200, self.files[job_id][unquote(name)], "application/octet-stream"

    def _list_models(self, asked: Asked, _: str):
        begin = int(asked.query.get("next", ["0"])[0])
        return 200, ModelPage(
            models=tuple(self.models[begin : begin + 1]), next=str(begin + 1) if begin + 1 < len(self.models) else None
        )

    def _model(self, _: Asked, model_id: str):
        found = [card for card in self.models if card.model_id == model_id]
        if not found:
            raise NotFoundError(Problem("model_id", "there is no such model", "See GET /models."))
        return 200, found[0]

    def _upload(self, asked: Asked, _: str):
        request = UploadRequest.model_validate_json(asked.body)
        self.tokens += 1
        place = f"/inbox/uploads/{self.tokens}/{request.name}"
        headers = {"Content-Length": str(request.size)}
        return 200, Upload(url=f"{self.url}{place}", headers=headers, uri=f"s3:/{place}", expires_at=now())

    def _athena(self, asked: Asked) -> dict:
        operation = asked.headers["X-Amz-Target"].partition(".")[2]
        if operation == "StartQueryExecution":
            return {"QueryExecutionId": "11111111-2222-3333-4444-555555555555"}
        if operation == "GetQueryExecution":
            return {"QueryExecution": {"Status": self.athena}}
        rows = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in self.answer]
        columns = [{"Name": name, "Type": "varchar"} for name in self.headings or self.answer[0]]
        return {"ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": columns}}}

    def platform_file(self, home: Path, **changes: object) -> Path:
        """Write where this platform is as the embedded one does."""
        path = home / "aws" / "platform.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        outputs = {"ApiUrl": self.url, "Workgroup": "synthcredit", "Database": "synthcredit"}
        content = {
            "endpoint_url": self.url,
            "region": "eu-west-1",
            "stack": "synthcredit",
            "outputs": outputs,
            "pid": 1,
        }
        path.write_text(json.dumps(content | changes))
        return path


@contextmanager
def serving() -> Iterator[FakeApi]:
    """Serve a platform until the block ends."""
    api = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = Asked(self.command, unquote(url.path), parse_qs(url.query), dict(self.headers.items()), body)
            status, content, kind = api.respond(asked)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - as http.server names them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

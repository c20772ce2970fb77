"""The verbs of a platform that runs somewhere else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from synthcredit.api import Result, request_key, schemas_of
from synthcredit.client.answers import JobList, JobStatus, ModelPage, Results, Upload
from synthcredit.client.http import Http, named
from synthcredit.client.place import Place, aws_refusals, find
from synthcredit.client.transfer import Fetcher, put
from synthcredit.client.uploads import Uploads
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, StoppedError, SynthcreditError
from synthcredit.evidence.model import Evidence
from synthcredit.hashing import file_hash
from synthcredit.jobs.job import Job, State, now
from synthcredit.jobs.manifest import Manifest
from synthcredit.jobs.request import parse_request
from synthcredit.local.storage import refusals, write_whole
from synthcredit.synthesizers.card import ModelCard

Answer = TypeVar("Answer", bound=BaseModel)
_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
"""Seconds between two looks at a job: short while it is young, longer as it lasts."""
_REPORT = "report.html"


class Platform:
    """One deployed or embedded platform.

    Parameters
    ----------
    place
        Where it is; see `open`.
    http
        Sends its requests.
    """

    def __init__(self, place: Place, http: Http | None = None) -> None:
        self.place = place
        self._http = http or Http(place)

    @classmethod
    def open(
        cls,
        endpoint: str | None = None,
        profile: str | None = None,
        stack: str | None = None,
        home: str | Path | None = None,
    ) -> Platform:
        """Find a platform: by URL, by stack, by $SYNTHCREDIT_ENDPOINT, else the embedded one of ``home``.

        Raises
        ------
        InvalidInputError
            What was given contradicts itself or leads nowhere.
        NotFoundError
            Nothing was given, and no embedded platform was ever started here.
        MissingPackageError
            boto3 is not installed.
        """
        return cls(find(endpoint, profile, stack, home))

    def require_healthy(self, timeout: float = 5.0) -> None:
        """Make sure that it answers within some seconds.

        Raises
        ------
        SynthcreditError
            It does not.
        """
        if not self._http.open("/healthz", timeout):
            fix = (
                "Start it: synthcredit up" if self.place.embedded else "Look at the URL, and at the platform's alarms."
            )
            raise SynthcreditError(Problem(f"platform {self.place.api_url}", "it is not up", fix))

    def submit(self, request: Mapping[str, Any], key: str) -> JobStatus:
        """Submit a request under an idempotency key: the same key again finds the same job.

        Raises
        ------
        InvalidInputError
            The request cannot be worked with, or the key was used for another request.
        """
        return self._ask(JobStatus, "POST", "/jobs", body=request, headers={"Idempotency-Key": key})

    def job(self, job_id: str) -> JobStatus:
        """Return where a job stands.

        Raises
        ------
        NotFoundError
            There is no such job.
        """
        return self._ask(JobStatus, "GET", f"/jobs/{quote(job_id, safe='')}")

    def jobs(self, limit: int = 20, state: State | None = None) -> Iterator[JobStatus]:
        """Yield the newest jobs, at most ``limit``, in one state or in any."""
        query: dict[str, Any] = {"limit": min(limit, 100)} | ({"state": str(state)} if state else {})
        while limit > 0:
            page = self._ask(JobList, "GET", "/jobs", query=query)
            yield from page.jobs[:limit]
            limit -= len(page.jobs)
            if not page.next:
                return
            query["next"] = page.next

    def stop(self, job_id: str) -> JobStatus:
        """Stop a job; one that has ended stays as it is."""
        return self._ask(JobStatus, "DELETE", f"/jobs/{quote(job_id, safe='')}")

    def results(self, job_id: str) -> Results:
        """Return links to a job's files, which work for a while, and how to ask for its rows.

        Raises
        ------
        NotFoundError
            There is no such job, or it has no results (yet).
        """
        return self._ask(Results, "GET", f"/jobs/{quote(job_id, safe='')}/results")

    def models(self) -> Iterator[ModelCard]:
        """Yield the cards of all models, newest first."""
        query: dict[str, Any] = {}
        while True:
            page = self._ask(ModelPage, "GET", "/models", query=query)
            yield from page.models
            if not page.next:
                return
            query["next"] = page.next

    def model(self, model_id: str) -> ModelCard:
        """Return a model's card.

        Raises
        ------
        NotFoundError
            There is no such model.
        """
        return self._ask(ModelCard, "GET", f"/models/{quote(model_id, safe='')}")

    def follow(self, job_id: str, heard: Callable[[JobStatus], None]) -> JobStatus:
        """Wait until a job has ended; each look at it is heard.

        Raises
        ------
        SynthcreditError
            The platform cannot be reached any more; the job goes on.
        """
        begun = time.monotonic()
        while True:
            job = self.job(job_id)
            heard(job)
            if job.state.closed:
                return job
            time.sleep(min(_LONGEST_PAUSE, _PAUSE + (time.monotonic() - begun) / 60))

    def submit_files(
        self, request: Mapping[str, Any], uploads: Uploads, *, key: str | None = None, again: bool = False
    ) -> JobStatus:
        """Submit a request whose data may be local files; they are uploaded first.

        Parameters
        ----------
        request
            As `submit` takes it; ``source.uri`` and ``source.holdout`` may be paths.
        uploads
            What was uploaded before.
        key
            The idempotency key; where None, made from the request and its data, so that the same request again finds
            the same job.
        again
            Submit it under a new key, to be run anew.

        Raises
        ------
        InvalidInputError
            The request cannot be worked with, a file does not exist, or the key was used for another request.
        """
        fresh = f"-{uuid4().hex[:12]}" if again else ""

        def send(sent: dict[str, Any]) -> JobStatus:
            return self.submit(sent, f"{key or request_key(parse_request(sent))}{fresh}")

        try:
            return send(self.with_uploads(request, uploads))
        except NotFoundError:
            if not uploads.used:
                raise
        # The inbox clears old files away.
        return send(self.with_uploads(request, uploads, anew=True))

    def with_uploads(self, request: Mapping[str, Any], uploads: Uploads, *, anew: bool = False) -> dict[str, Any]:
        """Put the local files of a request into the inbox and return the request with the URIs that they have there.

        A file that was put there before, by the memory of ``uploads``, is not put there again, unless ``anew``.

        Raises
        ------
        NotFoundError
            There is no such file.
        """
        source = dict(request["source"])
        for name in ("uri", "holdout"):
            path = local_path(source.get(name))
            if path is not None:
                source[name] = self._once(path, uploads, anew=anew)
        return {**request, "source": source}

    def _once(self, path: Path, uploads: Uploads, *, anew: bool) -> str:
        _require_file(path)
        sha256 = file_hash(path)
        known = None if anew else uploads.find(path.name, sha256)
        if known is not None:
            return known
        uri = self.upload(path)
        uploads.note(path.name, sha256, uri)
        return uri

    def upload(self, path: str | Path) -> str:
        """Put a file into the platform's inbox; return its URI, for a request's source.

        Raises
        ------
        NotFoundError
            There is no such file.
        """
        path = Path(path)
        _require_file(path)
        asked = {"name": _plain_name(path), "size": path.stat().st_size}
        upload = self._ask(Upload, "POST", "/datasets", body=asked)
        put(upload, path, self.place)
        return upload.uri

    def download(self, results: Results, folder: str | Path) -> Path:
        """Bring all of a job's files into ``folder/<job_id>``, which appears whole or not at all.

        Every data file is compared with the hash that it was made with. A dataset of so many files that there are
        no links to all of them is not fetched: it is read at ``results.data_uri``.

        Raises
        ------
        StorageError
            The disk takes no more, or a file is not the one that was made.
        SynthcreditError
            A link is refused, or its host cannot be reached.
        """
        names = [link.name for link in results.files]
        if results.data_files_left_out:
            names = [name for name in names if not name.startswith("data/")]
        goal = Path(folder) / results.job_id
        self._fetcher(results).fetch(names, goal)
        return goal

    def download_report(self, results: Results, goal: Path) -> bool:
        """Bring a job's report to a path; False where it has none. A job that missed the gate has one too."""
        if all(link.name != _REPORT for link in results.files):
            return False
        write_whole(goal, self._fetcher(results).read(_REPORT))
        return True

    def result(self, job: JobStatus, folder: Path) -> Result:
        """Return a downloaded job as `synthcredit.run` returns one.

        Raises
        ------
        NotFoundError
            The model that says what the rows consist of is gone.
        """
        with refusals(folder):
            manifest = _parsed(Manifest, (folder / "manifest.json").read_bytes())
            evidence = _parsed(Evidence, (folder / "evidence.json").read_bytes())
        at = job.updated_at or now()
        return Result(
            job=Job(
                job_id=job.job_id, caller="", request=manifest.request, state=job.state, step=job.step,
                created_at=manifest.created_at, updated_at=at, seconds=job.seconds, results=job.results,
            ),
            evidence=evidence,
            manifest=manifest,
            folder=folder,
            data=tuple(path for output in manifest.outputs if (path := folder / output.name).exists()),
            parts=tuple(sorted((folder / "data").glob("*/part-*.parquet"))),
            schemas=schemas_of(manifest, self.model),
        )  # fmt: skip

    def query(self, sql: str) -> list[dict[str, str | None]]:
        """Ask Athena, in the stack's workgroup; return the rows as text by column name.

        Raises
        ------
        InvalidInputError
            The stack, and so its workgroup, is not known: the platform was named by its URL alone.
        SynthcreditError
            Athena refuses the question, or the right to ask it.
        """
        workgroup = self.place.outputs.get("Workgroup")
        if workgroup is None:
            raise InvalidInputError(
                Problem(
                    "Workgroup", "it is not known in which workgroup to ask Athena", "Name the platform by --stack."
                )
            )
        with aws_refusals("Athena"):
            athena = self.place.service("athena")
            asked = athena.start_query_execution(QueryString=sql, WorkGroup=workgroup)["QueryExecutionId"]
            status = _answered(athena, asked)
            if status["State"] != "SUCCEEDED":
                reason = status.get("StateChangeReason") or status["State"].lower()
                raise SynthcreditError(Problem("Athena", f"it does not answer: {reason}", "Ask it in the console."))
            found = athena.get_query_results(QueryExecutionId=asked)["ResultSet"]
        names = [column["Name"] for column in found["ResultSetMetadata"]["ColumnInfo"]]
        # The first row of Athena's own answer to a SELECT repeats the names.
        rows = [[value.get("VarCharValue") for value in row["Data"]] for row in found["Rows"]]
        return [dict(zip(names, row, strict=True)) for row in (rows[1:] if rows[:1] == [names] else rows)]

    def _fetcher(self, results: Results) -> Fetcher:
        return Fetcher(results.files, lambda: self.results(results.job_id).files, self.place)

    def _ask(self, kind: type[Answer], method: str, path: str, **how: Any) -> Answer:  # noqa: ANN401 - handed on
        return _parsed(kind, self._http.call(method, path, **how))


def local_path(uri: object) -> Path | None:
    """Return the local file that a request's URI names, or None where it is none or lies elsewhere."""
    if not isinstance(uri, str) or not uri:
        return None
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    # A drive letter of Windows reads as a scheme of one character.
    return None if len(parts.scheme) > 1 else Path(uri)


def _require_file(path: Path) -> None:
    if not path.exists():
        raise NotFoundError(Problem(f"file {path}", "it does not exist", "Check the path."))
    if not path.is_file():
        raise InvalidInputError(Problem(f"file {path}", "it is a folder", "Give the path of a file."))


def _plain_name(path: Path) -> str:
    """Return a file's name as the inbox takes it: letters, digits and a few signs."""
    stem = re.sub(r"[^A-Za-z0-9_ .()+-]", "_", path.stem)[: 100 - len(path.suffix)]
    return f"{stem if stem[:1].isalnum() else f'_{stem[1:]}'}{path.suffix}"


def _answered(athena: Any, query_id: str) -> dict[str, Any]:  # noqa: ANN401 - boto3 makes its clients at run time
    """Wait for Athena's answer and return the status that it ends with."""
    while True:
        status: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            return status
        time.sleep(_PAUSE)


def _parsed(kind: type[Answer], content: object) -> Answer:
    try:
        return kind.model_validate_json(content) if isinstance(content, bytes) else kind.model_validate(content)
    except ValidationError:
        raise SynthcreditError(
            Problem(
                "platform",
                f"its answer is not understood ({kind.__name__})",
                "Look at the URL; and use the same version of synthcredit as the platform.",
            )
        ) from None


def raise_unless_succeeded(job: JobStatus) -> None:
    """Raise the error that a closed job ended with, as it was raised where the job ran."""
    if job.state is State.SUCCEEDED:
        return
    problems = [Problem(p["field"], p["problem"], p["fix"]) for p in (job.failure.problems if job.failure else ())]
    if job.state is State.STOPPED:
        raise StoppedError(problems or Problem(f"job {job.job_id}", "it was stopped", "Submit it again with --again."))
    name = job.failure.error if job.failure else ""
    raise named(name, problems or [Problem(f"job {job.job_id}", "it failed", "Look at the platform's log.")])

"""The world of the use cases: folders in the place of buckets, and state machines that only note what is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema
from synthcredit.datasets.split import Rule, Split
from synthcredit.errors import NotFoundError, Problem
from synthcredit.evidence.model import Evidence
from synthcredit.jobs.job import Job, State, job_id_for
from synthcredit.jobs.manifest import Manifest, Output
from synthcredit.jobs.placement import Limits
from synthcredit.jobs.planning import Plan, Shard, Training
from synthcredit.jobs.request import parse_request
from synthcredit.local.objects import FolderObjects
from synthcredit.local.world import open_world
from synthcredit.steps.files import job_key, write_document
from synthcredit.synthesizers.card import ModelCard
from synthcredit.usecases.estimate import Desk

BORN = datetime(2026, 1, 1, tzinfo=UTC)


class Bucket(FolderObjects):
    """A folder that also is the bucket s3://inbox."""

    def _file(self, uri: str) -> Path:
        key, _, self.version = uri.removeprefix("s3://inbox/").partition("?versionId=")
        path = self.root / "inbox" / key
        if not uri.startswith("s3://inbox/") or not path.is_file():
            raise NotFoundError(Problem("source.uri", f"there is no '{uri}'", "Ask for a new link by POST /datasets."))
        return path

    @contextmanager
    def source(self, uri: str) -> Iterator[Path]:
        yield self._file(uri)

    def size(self, uri: str) -> int:
        return self._file(uri).stat().st_size

    def head(self, uri: str, nbytes: int) -> bytes:
        return self._file(uri).read_bytes()[:nbytes]

    def drop(self, key: str, content: str | bytes) -> str:
        path = self.root / "inbox" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return f"s3://inbox/{key}"


@dataclass
class Machine:
    """A state machine that notes what is asked of it, and may be out of reach."""

    started: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    refuses: Exception | None = None

    def start(self, job_id: str) -> None:
        if self.refuses:
            raise self.refuses
        self.started.append(job_id)

    def stop(self, job_id: str) -> None:
        self.stopped.append(job_id)


class Linker:
    """Links that tell what they lead to."""

    seconds = 600

    def download(self, key: str) -> str:
        return f"https://lake/{key}?signed"

    def upload(self, name: str, size: int) -> tuple[str, str]:
        return f"https://inbox/{name}?size={size}", f"s3://inbox/uploads/1/{name}"


@pytest.fixture
def bucket(tmp_path) -> Bucket:
    return Bucket(tmp_path / "lake")


@pytest.fixture
def world(tmp_path, bucket):
    return replace(open_world(tmp_path, tmp_path / "out"), objects=bucket)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def linker() -> Linker:
    return Linker()


@pytest.fixture
def desk(world, bucket) -> Desk:
    return Desk(world=world, sources=bucket, limits=Limits(), max_rows=1_000_000)


@pytest.fixture
def events(tmp_path):
    """What was announced: (detail type, detail)."""
    import json

    def read():
        path = tmp_path / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(event["detail-type"], event["detail"]) for event in map(json.loads, lines)]

    return read


@pytest.fixture
def csv(bucket) -> str:
    rows = "".join(f"{i},{i * 7 % 90},{'car' if i % 3 else 'home'},{i % 2}\n" for i in range(5000))
    return bucket.drop("uploads/1/applicants.csv", f"id,age,purpose,default\n{rows}")


@pytest.fixture
def ask(csv):
    """A request of 1,000 rows like those of the CSV file, with changes."""

    def ask(**changes):
        source = {"kind": "dataset", "uri": csv} | changes.pop("source", {})
        return parse_request({"source": source, "rows": 1000} | changes)

    return ask


@pytest.fixture
def schema() -> TableSchema:
    columns = (
        Column(name="age", storage_name="age", kind=Kind.INTEGER, dtype=Dtype.INT64),
        Column(name="late", storage_name="late", kind=Kind.CATEGORICAL, dtype=Dtype.INT64, categories=(0, 1)),
    )
    return TableSchema(name="applicants", columns=columns, target="late")


@pytest.fixture
def card(world, schema, csv, tmp_path) -> ModelCard:
    """A model in the registry."""
    made = ModelCard(
        model_id="trees-applicants-0123456789ab",
        synthesizer="trees",
        settings={},
        seed=0,
        dataset="applicants",
        table_schema=schema,
        schema_fingerprint=schema.fingerprint,
        data_uri=csv,
        data_hash="0" * 64,
        split=Split(rule=Rule.ROWS, train_rows=3500, holdout_rows=1500, hash="0" * 64),
        model_hash="0" * 64,
        created_at=BORN,
        fit_seconds=1.0,
        packages={},
        licence="none",
    )
    model = tmp_path / "model"
    model.write_bytes(b"arrays")
    world.models.put(made, model)
    return made


@pytest.fixture
def put_job(world, ask):
    """Put a job; each is a minute younger than the one before."""
    count = 0

    def put_job(state=State.ACCEPTED, **changes) -> Job:
        nonlocal count
        count += 1
        born = BORN + timedelta(minutes=count)
        kept = {"created_at": born, "updated_at": born, "request": ask(), "state": state} | changes
        job = Job(**({"job_id": job_id_for("me", str(count)), "caller": "me"} | kept))
        assert world.jobs.create(job)
        return job

    return put_job


@pytest.fixture
def finish(world, schema, put_job):
    """Put a job that has succeeded, with its files."""

    def finish(outputs=2, **changes) -> Job:
        job = put_job(State.SUCCEEDED, **changes)
        training = Training(
            dataset="applicants",
            data_uri="s3://inbox/applicants.csv",
            data_hash="0" * 64,
            table_schema=schema,
            split=Split(rule=Rule.ROWS, train_rows=70, holdout_rows=30, hash="0" * 64),
            synthesizer="trees",
            settings={},
            seed=0,
        )
        shards = (Shard(number=0, first_row=0, rows=1000),)
        plan = Plan(training=training, model_id=training.model_id, train=True, reason="none", shards=shards)
        parts = [f"data/applicants/part-{i:05d}.parquet" for i in range(outputs)]
        manifest = Manifest(
            job_id=job.job_id, created_at=job.created_at, request=job.request, request_hash="0", data_hash="0",
            schema_fingerprint=schema.fingerprint, split=training.split, model_id=plan.model_id, model_hash="0",
            model_reused=False, seed=0, rows=1000, dataset_hash="0",
            outputs=tuple(Output(name=name, rows=500, size=9, sha256="0") for name in parts),
            findings=(), packages={},
        )  # fmt: skip
        write_document(world.objects, job_key(job.job_id, "plan.json"), plan)
        write_document(world.objects, job_key(job.job_id, "manifest.json"), manifest)
        write_document(world.objects, job_key(job.job_id, "evidence.json"), Evidence.model_construct())
        for name in ("report.html", "plots/age.png", *parts):
            with world.objects.scratch() as folder:
                (folder / "file").write_bytes(b"something")
                world.objects.put(folder / "file", job_key(job.job_id, name))
        return job

    return finish

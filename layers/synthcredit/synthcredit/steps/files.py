"""Where a job's files are, and small documents in and out of the object store."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

from synthcredit.datasets.folder import SCHEMA_FILE as SCHEMA_FILE
from synthcredit.datasets.folder import TYPES_FILE as TYPES_FILE
from synthcredit.jobs.planning import Plan
from synthcredit.ports import ObjectStore, PublishedTable

Document = TypeVar("Document", bound=BaseModel)


def job_prefix(job_id: str) -> str:
    """Return the prefix of everything that a job has made."""
    return f"jobs/{job_id}/"


def job_key(job_id: str, name: str) -> str:
    """Return the key of one of a job's files."""
    return f"{job_prefix(job_id)}{name}"


def data_prefix(job_id: str, table: str | None = None) -> str:
    """Return the prefix of a job's rows, of one table or of all."""
    return job_key(job_id, "data/") + (f"{table}/" if table else "")


def published_tables(job_id: str, plan: Plan) -> list[PublishedTable]:
    """Return the tables of a job as analysts see them."""
    return [PublishedTable(plan.dataset, schema, data_prefix(job_id, schema.name)) for schema in plan.tables]


def read_document(objects: ObjectStore, key: str, kind: type[Document]) -> Document:
    """Read a JSON document that an earlier step wrote."""
    with objects.fetch(key) as path:
        return kind.model_validate_json(path.read_bytes())


def write_document(objects: ObjectStore, key: str, document: BaseModel) -> None:
    """Write a JSON document, whole or not at all."""
    with objects.scratch() as folder:
        path = folder / "document.json"
        path.write_text(document.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")
        objects.put(path, key)

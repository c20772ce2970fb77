"""What the steps need of the world. Implemented by `synthcredit.local` on a folder and by `synthcredit.aws` on AWS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from synthcredit.jobs.job import Job
from synthcredit.synthesizers.card import ModelCard


class ObjectStore(Protocol):
    """Files by key. A file is written once and whole; keys look like ``jobs/<job_id>/data/<table>/part-00000.parquet``."""

    def fetch(self, uri: str) -> AbstractContextManager[Path]:
        """Give a local path to read a file from: a key of this store, or what a request named as its source.

        Raises
        ------
        NotFoundError
            There is no such file.
        """

    def put(self, path: Path, key: str) -> None:
        """Move a finished local file to a key, atomically.

        Raises
        ------
        StorageError
            The store is full, read-only or out of reach; nothing is at the key then.
        """

    def exists(self, key: str) -> bool:
        """Tell whether there is a file at a key."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, sorted."""

    def delete(self, prefix: str) -> None:
        """Remove every file under a prefix."""

    def link(self, key: str) -> str:
        """Return where a person finds the file."""

    def scratch(self) -> AbstractContextManager[Path]:
        """Give an empty folder for work, gone afterwards; `put` moves files out of it."""


class JobStore(Protocol):
    """Where each job stands."""

    def create(self, job: Job) -> bool:
        """Put a new job; False where there is one with its id already, which then stays as it is."""

    def get(self, job_id: str) -> Job:
        """Return a job.

        Raises
        ------
        NotFoundError
            There is no such job.
        """

    def update(self, job: Job) -> None:
        """Replace a job."""

    def all(self) -> Iterator[Job]:
        """Yield every job, newest first."""


class ModelRegistry(Protocol):
    """Trained models, each a file and a card."""

    def put(self, card: ModelCard, model: Path) -> None:
        """Register a model; the card last, so that no card is found without its model."""

    def find(self, model_id: str) -> ModelCard | None:
        """Return a model's card, or None where there is no such model."""

    def fetch(self, model_id: str) -> AbstractContextManager[Path]:
        """Give a local path to the model file."""

    def all(self) -> Iterator[ModelCard]:
        """Yield every card, newest first."""

    def count_released(self, model_id: str, job_id: str, rows: int) -> None:
        """Note on the card that a job has released rows; the same job counts once."""


class Catalogue(Protocol):
    """What analysts see: a dataset becomes visible by one registration."""

    def register(self, job: Job, tables: dict[str, str]) -> dict[str, str]:
        """Make a job's tables visible: table name to key prefix in, table name to where it now is out."""


class EventBus(Protocol):
    """Announcements to people and programs."""

    def emit(self, detail_type: str, detail: dict[str, Any]) -> None:
        """Announce something; links instead of data."""


@dataclass(frozen=True, slots=True)
class World:
    """All that a step needs of the world."""

    objects: ObjectStore
    jobs: JobStore
    models: ModelRegistry
    catalogue: Catalogue
    events: EventBus

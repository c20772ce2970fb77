"""What the steps need of the world. Implemented by `synthcredit.local` on a folder and by `synthcredit.aws` on AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from synthcredit.datasets.schema import DatasetSchema, TableSchema, storage_name
from synthcredit.jobs.job import Job
from synthcredit.signing import Signature
from synthcredit.synthesizers.card import ModelCard


class ObjectStore(Protocol):
    """Files by key, each written once and whole: ``jobs/<job_id>/data/<table>/part-00000.parquet``."""

    def source(self, uri: str) -> AbstractContextManager[Path]:
        """Give a local path to read what a request named as its data.

        Raises
        ------
        NotFoundError
            There is no such file.
        """

    def fetch(self, key: str) -> AbstractContextManager[Path]:
        """Give a local path to read the file at a key.

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

    def free_bytes(self) -> int | None:
        """Return how much may still be written, or None where there is no limit."""


class Sources(Protocol):
    """What can be told of the data that a request names, before a job of it begins."""

    def size(self, uri: str) -> int:
        """Return the size of a source in bytes.

        Raises
        ------
        NotFoundError
            There is no such bucket or object.
        InvalidInputError
            The URI is none that can be read.
        """

    def head(self, uri: str, nbytes: int) -> bytes:
        """Return the first bytes of a source, fewer where it is shorter; raises as `size` does."""


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
        """Replace a job.

        Raises
        ------
        StoppedError
            The job was closed meanwhile, by somebody else, and stays so.
        """

    def all(self) -> Iterator[Job]:
        """Yield every job, newest first."""


class ModelRegistry(Protocol):
    """Trained models, each a file and a card."""

    def put(self, card: ModelCard, model: Path) -> None:
        """Register a model; the card last, so that no card is found without its model."""

    def find(self, model_id: str) -> ModelCard | None:
        """Return a model's card, or None where there is no such model."""

    def alone(self, model_id: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Train a model while nobody else on this machine does.

        Whoever comes second waits, and calls ``waiting`` about every second meanwhile, which may raise to wait no
        longer. Machines of their own do not wait for each other: waiting costs there what training does.
        """

    def fetch(self, model_id: str) -> AbstractContextManager[Path]:
        """Give a local path to the model file.

        Raises
        ------
        NotFoundError
            There is no such model.
        ModelFileError
            The file is not the one that was registered.
        """

    def all(self) -> Iterator[ModelCard]:
        """Yield every card, newest first."""

    def note_release(self, model_id: str, job_id: str, rows: int, scores: dict[str, float]) -> None:
        """Note on the card what a job released and how it scored; the same job counts once."""


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One table of Parquet files that is to be seen by analysts."""

    dataset: str
    schema: TableSchema
    prefix: str
    """Key prefix of the files: ``jobs/<job_id>/data/<table>/``."""

    @property
    def name(self) -> str:
        """Its name in the lake: ``<dataset>_<table>_<first 8 of the schema's fingerprint>``."""
        return f"{storage_name(self.dataset)}_{self.schema.name}_{self.schema.fingerprint[:8]}"

    @property
    def partition(self) -> str:
        """The column that tells jobs apart: ``job``, or ``synthetic_job`` where the data has a column ``job``."""
        names = {column.storage_name for column in self.schema.columns}
        key = "job"
        while key in names:
            key = f"synthetic_{key}"
        return key


class Catalogue(Protocol):
    """What analysts see: a dataset becomes visible by one registration."""

    def register(self, job_id: str, tables: Sequence[PublishedTable], files: Sequence[str]) -> dict[str, str]:
        """Make a job's results visible, all at once; twice is as once.

        Parameters
        ----------
        job_id
            The job.
        tables
            The tables of Parquet files.
        files
            Keys of everything else: report, evidence, manifest, data in other formats.

        Returns
        -------
        dict
            Where each table (by name) and each file (by file name) is now.
        """

    def withdraw(self, job_id: str, tables: Sequence[PublishedTable]) -> None:
        """Take a job's tables out of sight again; no matter whether they were in it."""


class EventBus(Protocol):
    """Announcements to people and programs."""

    def emit(self, detail_type: str, detail: dict[str, Any]) -> None:
        """Announce something; links instead of data."""


class Executions(Protocol):
    """Running the state machine on jobs that were put."""

    def start(self, job_id: str) -> None:
        """Start the execution that has the job's name; one that was started stays as it is."""

    def stop(self, job_id: str) -> None:
        """Stop a job's execution; one that has ended, or never began, stays as it is."""


class Links(Protocol):
    """Links that work for a while without any other right."""

    def download(self, key: str) -> str:
        """Return a link to read the file at a key."""

    def upload(self, name: str, size: int) -> tuple[str, str]:
        """Return a link to put (HTTP PUT) a file of a size in bytes into the inbox, and the URI it will have there."""

    @property
    def seconds(self) -> int:
        """How long a link works."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Tables on their way into a database."""

    dataset_id: str
    """What tells them from others, such as the job's id."""
    schema: DatasetSchema
    """Tables, keys and relations."""
    parts: Mapping[str, tuple[Path, ...]]
    """By table: Parquet files, in the order of their rows, under storage names."""
    types: Mapping[str, Mapping[str, Mapping[str, str]]]
    """By table and column, where they are not to follow from the schema: the exact SQL type, as
    ``{"type": "varchar(50)", "default": "current_timestamp"}``."""


@dataclass(frozen=True, slots=True)
class TableSummary:
    """What became of one table in a database."""

    name: str
    rows: int
    """Rows that were put now."""
    already: int
    """Rows of this dataset that were there before."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a delivery to a database."""

    store: str
    """Without password."""
    tables: tuple[TableSummary, ...]

    @property
    def rows(self) -> int:
        """Rows that were put now, over all tables."""
        return sum(table.rows for table in self.tables)


class Deliver(Protocol):
    """Puts tables into a database."""

    def __call__(self, to: str, tables: Delivery, *, progress: Callable[[float, str], None]) -> Summary:
        """Put them there, each part once: what was killed goes on, what is finished does nothing.

        Raises
        ------
        SynthcreditError
            As `synthcredit.stores.deliver` does; the database, its tables or the rows do not do.
        """


class Secrets(Protocol):
    """Where passwords are kept."""

    def read(self, name: str) -> Mapping[str, Any]:
        """Return what a secret holds, by key.

        Raises
        ------
        NotFoundError
            There is no such secret.
        InvalidInputError
            It holds no JSON object.
        StorageError
            It may not be read, or is out of reach.
        """


class Signer(Protocol):
    """Vouches for documents with a key that nobody else has."""

    def sign(self, content: bytes) -> Signature:
        """Sign a document.

        Raises
        ------
        StorageError
            The key cannot be used.
        """


@dataclass(frozen=True, slots=True)
class World:
    """All that a step needs of the world."""

    objects: ObjectStore
    jobs: JobStore
    models: ModelRegistry
    catalogue: Catalogue
    events: EventBus
    signer: Signer | None = None
    """None where no key is set up; documents are then not signed, and say so when they are verified."""

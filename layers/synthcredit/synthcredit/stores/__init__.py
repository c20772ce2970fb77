"""Stores: datasets delivered to databases, each by its own bulk path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import ModuleType

from synthcredit.ports import Delivery, Secrets
from synthcredit.stores.address import package_missing
from synthcredit.stores.dataset import SqlType, StoredDataset, StoredTable, read_folder
from synthcredit.stores.model import Confirm, Progress, Summary, TableSummary, nobody, silent, yes

__all__ = [
    "SqlType",
    "StoredDataset",
    "StoredTable",
    "Summary",
    "TableSummary",
    "deliver",
    "deliver_tables",
    "reach",
    "read_folder",
    "yes",
]


def deliver(
    to: str,
    dataset: StoredDataset,
    *,
    reset: bool = False,
    confirm: Confirm = nobody,
    progress: Progress = silent,
    environ: Mapping[str, str] = os.environ,
    secrets: Secrets | None = None,
) -> Summary:
    """Deliver a dataset to a store.

    Tables that are not there are made, with keys and indexes. Each part is put in one transaction with a row in the
    table ``synthcredit_loads`` that names it, so that a delivery that was killed goes on with the parts that lack, and
    a finished one that is given again does nothing.

    Parameters
    ----------
    to
        A URL, ``env`` or ``secret:NAME``, see `synthcredit.stores.address.parse`.
    dataset
        Tables, files, relations.
    reset
        Drop the dataset's tables first, whoever filled them, if ``confirm`` agrees.
    confirm
        Asked where tables would be dropped that stand.
    progress
        Hears of each batch; from several threads, but one at a time.
    environ, secrets
        Where user, password and secrets are looked up.

    Raises
    ------
    InvalidInputError
        The store, its tables or the data cannot be worked with. Nothing was written where keys clash with rows that
        are there, or where tables have other columns.
    ConflictError
        Other data was loaded under the same dataset id, or somebody loads it now.
    StorageError
        The store is out of reach, full, or not to be written to. What was put stays, and the same call goes on.
    MissingPackageError
        The engine's driver is not installed; names the extra.
    """
    summary: Summary = _loading().deliver(
        to, dataset, reset=reset, confirm=confirm, progress=progress, environ=environ, secrets=secrets
    )
    return summary


def deliver_tables(
    to: str,
    tables: Delivery,
    *,
    reset: bool = False,
    confirm: Confirm = nobody,
    progress: Progress = silent,
    environ: Mapping[str, str] = os.environ,
    secrets: Secrets | None = None,
) -> Summary:
    """Deliver what a step of a job hands on, see `deliver` and `synthcredit.ports.Deliver`."""
    dataset = StoredDataset(
        tables.dataset_id,
        tuple(
            StoredTable(
                schema,
                tables.parts[schema.name],
                {
                    name: SqlType.model_validate(declared)
                    for name, declared in tables.types.get(schema.name, {}).items()
                },
            )
            for schema in tables.schema.tables
        ),
        tables.schema.relations,
    )
    return deliver(to, dataset, reset=reset, confirm=confirm, progress=progress, environ=environ, secrets=secrets)


def reach(to: str, *, environ: Mapping[str, str] = os.environ, secrets: Secrets | None = None) -> None:
    """Make sure, before any work, that a store can be reached and entered; raises as `deliver` does."""
    _loading().reach(to, environ=environ, secrets=secrets)


def _loading() -> ModuleType:
    try:
        # Only now: nobody else needs SQLAlchemy.
        from synthcredit.stores import loading
    except ModuleNotFoundError as error:
        raise package_missing(str(error.name)) from None
    return loading

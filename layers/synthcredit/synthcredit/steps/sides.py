"""The real rows of a job, read again and cut as they were for training."""

from __future__ import annotations

import pyarrow as pa

from synthcredit.datasets import read
from synthcredit.datasets.split import Rule, split_rows
from synthcredit.errors import ConflictError, Problem
from synthcredit.hashing import file_hash
from synthcredit.jobs.planning import Training
from synthcredit.ports import World


def read_sides(training: Training, world: World) -> tuple[pa.Table, pa.Table]:
    """Read the real rows again, cut as they were for training.

    Returns
    -------
    train, holdout

    Raises
    ------
    ConflictError
        The data is no longer what the model was trained on, so that no holdout of it is known.
    """
    with world.objects.source(training.data_uri) as data:
        _require_same(file_hash(data), training.data_hash, training.data_uri)
        table = read.read_table(data, training.table_schema)
    if training.split.rule is not Rule.GIVEN:
        split, train, holdout = split_rows(table, training.split.customer)
        _require_same(split.hash, training.split.hash, training.data_uri)
        return train, holdout
    assert training.split.holdout_uri is not None  # noqa: S101 - the split's own validator holds it
    with world.objects.source(training.split.holdout_uri) as path:
        _require_same(file_hash(path), training.split.hash, training.split.holdout_uri)
        return table, read.read_table(path, training.table_schema)


def _require_same(found: str, expected: str, uri: str) -> None:
    if found != expected:
        raise ConflictError(
            Problem(
                f"data {uri}",
                "it has changed since the model was trained, so its holdout is no longer known",
                "Give the file as it was, or train a new model on the new data.",
            )
        )

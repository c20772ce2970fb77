"""What every model family does: fit, sample, save, load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import Problem, raise_all
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers import modelfile, registry
from synthcredit.synthesizers.codec import decode, encode
from synthcredit.synthesizers.features import Features
from synthcredit.synthesizers.settings import Settings


class Progress(Protocol):
    """Hears how far a long piece of work is. To cancel the work, raise `StoppedError` from it."""

    def __call__(self, done: float, message: str) -> None:
        """Take note: ``done`` from 0 to 1, and what is being done."""


def silent(done: float, message: str) -> None:
    """Progress that nobody wants to hear."""


MIN_ROWS = 20
"""Fewer rows than this show no distribution."""


def _too_little(table: pa.Table, schema: TableSchema) -> Iterator[Problem]:
    if not schema.learned:
        yield Problem(
            f"table '{schema.name}'",
            "it has nothing to learn: every column is an identifier, free text or personal data",
            "Add columns with a distribution, or correct the kinds in the schema.",
        )
    if table.num_rows < MIN_ROWS:
        yield Problem(
            f"table '{schema.name}'",
            f"it has {table.num_rows} rows to learn from; a model needs {MIN_ROWS}",
            "Give more rows.",
        )


class Synthesizer(ABC):
    """A model family. Subclasses implement the four underscored methods; this class does the rest.

    A model holds its schema, its settings and arrays: never a training row, never code.
    """

    name: ClassVar[str]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._schema: TableSchema | None = None

    @property
    def schema(self) -> TableSchema:
        """The schema of the table that the model was fitted on."""
        if self._schema is None:
            raise RuntimeError("the model has not been fitted")
        return self._schema

    def fit(self, table: pa.Table, schema: TableSchema, *, seed: int, progress: Progress = silent) -> Self:
        """Learn a table.

        Parameters
        ----------
        table
            Rows that conform to ``schema``; missing values are nulls.
        schema
            Only the columns in ``schema.learned`` are learned.
        seed
            Same table, settings and seed give the same model on one machine.
        progress
            Called often, with the fraction done.

        Raises
        ------
        InvalidInputError
            The table has too few rows or nothing to learn.
        MissingPackageError
            The family trains with a package that is not installed.
        """
        raise_all(_too_little(table, schema))
        self._schema = schema
        self._fit(encode(table, schema), seed=seed, progress=progress)
        return self

    def sample(self, rows: int, seed: int, *, first_row: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield synthetic rows, one record batch a block.

        Parameters
        ----------
        rows
            How many rows.
        seed
            The dataset's seed.
        first_row
            Where in the dataset these rows begin: a multiple of `BLOCK_ROWS`. The rows ``first_row`` to
            ``first_row + rows`` are the same to the byte whatever else is generated.
        """
        if first_row % BLOCK_ROWS:
            raise ValueError(f"first_row must be a multiple of {BLOCK_ROWS}")
        for start in range(first_row, first_row + rows, BLOCK_ROWS):
            count = min(BLOCK_ROWS, first_row + rows - start)
            block = start // BLOCK_ROWS
            # A short last block must begin like a full one, so each family draws full blocks and cuts.
            features = self._draw(generator(seed, f"{self.schema.name}/rows", block))
            yield decode(features, self.schema, first_row=start, rows=count, seed=seed)

    def save(self, path: Path) -> None:
        """Write the model file, atomically."""
        config = {"schema": self.schema.model_dump(mode="json"), "state": self._config()}
        modelfile.write(path, self.name, self.settings, config, self._arrays())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a model file of this family.

        Raises
        ------
        ModelFileError
            The file is damaged, of another family, or its arrays do not fit together.
        """
        content = modelfile.read(path, cls.name)
        model = cls(content.settings)
        model._schema = content.schema
        with modelfile.refusing_nonsense(path):
            model._restore(content.state, content.arrays)
        return model

    @abstractmethod
    def _fit(self, features: Features, *, seed: int, progress: Progress) -> None:
        """Learn from encoded columns."""

    @abstractmethod
    def _draw(self, rng: np.random.Generator) -> Features:
        """Return one full block, `BLOCK_ROWS` rows, of every learned column."""

    @abstractmethod
    def _config(self) -> dict[str, Any]:
        """Return what the model knows beside its arrays, as JSON."""

    @abstractmethod
    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Return the model's arrays by name."""

    @abstractmethod
    def _restore(self, config: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take config and arrays from a file that may be hostile: check every shape, dtype and index.

        Raises
        ------
        ValueError, KeyError, TypeError
            Anything does not fit; the caller turns these into `ModelFileError`.
        """


def load_model(path: Path) -> Synthesizer:
    """Read a model file of whichever family it is.

    Raises
    ------
    ModelFileError
        The file is damaged or hostile.
    """
    return registry.family(modelfile.family_of(path)).load_class().load(path)

"""What every model family does: fit, sample, save, load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthcredit.datasets import contradictions
from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import InvalidInputError, Problem, raise_all
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers import constrained, modelfile, registry
from synthcredit.synthesizers.codec import decode, encode, encode_known, keep_known
from synthcredit.synthesizers.conditions import Steering
from synthcredit.synthesizers.constrained_given import Completing
from synthcredit.synthesizers.features import Features, rows_of, take
from synthcredit.synthesizers.fitting import Checkpoints, Fitting, Progress, silent
from synthcredit.synthesizers.people import MIN_ROWS as MIN_ROWS
from synthcredit.synthesizers.settings import Settings
from synthcredit.synthesizers.steering import Test, Wish, fill, prepare


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
    completes: ClassVar[bool] = False
    """Whether the family can complete partly given rows."""
    continues: ClassVar[bool] = False
    """Whether the family can continue from a fitted model on new rows."""
    resumes: ClassVar[bool] = False
    """Whether the family leaves checkpoints while it trains, and goes on from one to the same model."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._schema: TableSchema | None = None
        self._keeper: constrained.Keeper | None = None

    @property
    def schema(self) -> TableSchema:
        """The schema of the table that the model was fitted on."""
        if self._schema is None:
            raise RuntimeError("the model has not been fitted")
        return self._schema

    @property
    def givable(self) -> frozenset[str]:
        """The discrete columns of which the model can draw rows with given codes; all others are met by rejection."""
        return frozenset()

    def fit(
        self,
        table: pa.Table,
        schema: TableSchema,
        *,
        seed: int,
        progress: Progress = silent,
        checkpoints: Checkpoints | None = None,
        previous: Synthesizer | None = None,
    ) -> Self:
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
        checkpoints
            Where a long training leaves its state, and finds it again.
        previous
            A fitted model of the same family and schema to continue from on these rows.

        Raises
        ------
        InvalidInputError
            The table has too few rows or nothing to learn, constraints contradict each other or are broken by rows of
            it, or ``previous`` cannot be continued from.
        MissingPackageError
            The family trains with a package that is not installed.
        """
        raise_all(contradictions.problems(schema))
        broken = constrained.unkept(table, schema)
        unfit = self._look(table, schema)
        raise_all((*_too_little(table, schema), *self._not_continuable(previous, schema), *unfit, *broken))
        self._keeper = constrained.Keeper.learn(table, schema, constrained.fewest_people(self.settings))
        self._schema = schema
        fitting = Fitting(seed=seed, progress=progress, checkpoints=checkpoints, previous=previous)
        self._fit(encode(table, schema), fitting)
        return self

    def _not_continuable(self, previous: Synthesizer | None, schema: TableSchema) -> Iterator[Problem]:
        if previous is None:
            return
        field = "source.continue_from"
        if not self.continues:
            yield Problem(field, f"'{self.name}' cannot continue a training", "Train a new model on all rows.")
        elif previous.name != self.name:
            yield Problem(field, f"that model is of family '{previous.name}', not '{self.name}'", "Choose that family.")
        elif previous.schema.fingerprint != schema.fingerprint:
            yield Problem(field, "that model has other columns", "Give data with the same columns.")

    def sample(
        self, rows: int, seed: int, *, first_row: int = 0, steering: Steering | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield synthetic rows, one record batch a block.

        Parameters
        ----------
        rows
            How many rows.
        seed
            The dataset's seed.
        first_row
            Where in the dataset these rows begin: a multiple of `BLOCK_ROWS`. The rows ``first_row`` to
            ``first_row + rows`` are the same to the byte whatever else is generated. Where a constraint wants values
            that come once, all rows before them are drawn too, to know what came.
        steering
            What the rows are to be like; None for like the training rows.

        Raises
        ------
        InvalidInputError
            The model gives too few rows that meet the conditions; says how few.
        """
        if first_row % BLOCK_ROWS:
            raise ValueError(f"first_row must be a multiple of {BLOCK_ROWS}")
        wish = prepare(steering, self.schema, self.givable) if steering else None
        filling = constrained.Filling(self._keeper, wish, seed) if self._keeper else None
        begin = 0 if self._keeper and self._keeper.unique else first_row
        for start in range(begin, first_row + rows, BLOCK_ROWS):
            count = min(BLOCK_ROWS, first_row + rows - start)
            features = self._block(start, count, seed, wish, filling)
            if start >= first_row:
                yield decode(features, self.schema, first_row=start, rows=count, seed=seed)

    def _block(
        self, start: int, count: int, seed: int, wish: Wish | None, filling: constrained.Filling | None
    ) -> Features:
        if filling is not None:
            return filling.block(self._draw_meeting, start, count)
        if wish is None:
            # A short last block must begin like a full one, so each family draws full blocks and cuts.
            return self._draw(generator(seed, f"{self.schema.name}/rows", start // BLOCK_ROWS), {})
        return fill(
            self._draw_meeting,
            wish,
            self.schema,
            finish=lambda candidates: (candidates, np.ones(rows_of(candidates), dtype=bool)),
            force=None,
            first_row=start,
            rows=count,
            seed=seed,
        )

    def complete(self, table: pa.Table, seed: int) -> Iterator[pa.RecordBatch]:
        """Yield given rows with what they lack drawn by the model, one record batch a block.

        Parameters
        ----------
        table
            Some or all columns of the schema, conforming to it. A null is completed; every other value is kept.
        seed
            The dataset's seed.

        Raises
        ------
        InvalidInputError
            The family cannot complete rows, or what is given leaves no way to keep the constraints.
        """
        if not self.completes:
            raise InvalidInputError(
                Problem("model", f"'{self.name}' cannot complete given rows", "Use a model of 'trees' or 'copula'.")
            )
        completing = Completing(self._keeper, seed) if self._keeper else None
        for start in range(0, table.num_rows, BLOCK_ROWS):
            rows = table.slice(start, BLOCK_ROWS)
            known, given = encode_known(rows, self.schema)
            draw = partial(self._completed, start // BLOCK_ROWS, seed)
            made = draw(0, known, given) if completing is None else completing.block(draw, known, given, start)
            batch = decode(made, self.schema, first_row=start, rows=rows.num_rows, seed=seed)
            yield keep_known(batch, rows, self.schema)

    def _completed(
        self, block: int, seed: int, attempt: int, known: Features, given: Mapping[str, NDArray[np.bool_]]
    ) -> Features:
        purpose = f"{self.schema.name}/complete" + (f"/{attempt}" if attempt else "")
        return self._complete(generator(seed, purpose, block), known, given)

    def save(self, path: Path) -> None:
        """Write the model file, atomically."""
        config = {"schema": self.schema.model_dump(mode="json"), "state": self._config()}
        arrays = self._arrays() | (self._keeper.arrays() if self._keeper else {})
        modelfile.write(path, self.name, self.settings, config, arrays)

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
            model._keeper, arrays = constrained.Keeper.restore(content.schema, content.arrays)
            model._restore(content.state, arrays)
        return model

    def _look(self, table: pa.Table, schema: TableSchema) -> Iterable[Problem]:
        """Look at the rows before they are encoded; return what makes them unfit for this family."""
        return ()

    @abstractmethod
    def _fit(self, features: Features, fitting: Fitting) -> None:
        """Learn from encoded columns."""

    @abstractmethod
    def _draw(self, rng: np.random.Generator, given: Features) -> Features:
        """Return one full block, `BLOCK_ROWS` rows, of every learned column.

        ``given`` has codes of `givable` columns for all rows of the block; they come back as they are.
        """

    def _draw_meeting(self, rng: np.random.Generator, given: Features, tests: Mapping[str, Test]) -> Features:
        """Return those rows of one block that pass all tests; a family that can tell early overrides this."""
        drawn = self._draw(rng, given)
        passed = np.ones(BLOCK_ROWS, dtype=bool)
        for name, test in tests.items():
            passed &= test(drawn[name])
        return take(drawn, passed)

    def _complete(self, rng: np.random.Generator, known: Features, given: Mapping[str, NDArray[np.bool_]]) -> Features:
        """Return rows with what is not given drawn from the model; families that set `completes` override this.

        Parameters
        ----------
        known
            Every learned column, `BLOCK_ROWS` rows at most; arbitrary where it is not given.
        given
            By learned column, shape (n,), which rows have their value.
        """
        raise NotImplementedError

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

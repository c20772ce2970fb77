"""Deciding how a job is done: which model, in which shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synthcredit.datasets.contradictions import unique_learned
from synthcredit.datasets.schema import TableSchema
from synthcredit.datasets.split import Split
from synthcredit.errors import InvalidInputError, Problem
from synthcredit.jobs.placement import Placement
from synthcredit.portfolio.volumes import BLOCK_CUSTOMERS, SHARD_BLOCKS, Volumes
from synthcredit.synthesizers.card import ModelCard
from synthcredit.synthesizers.conditions import Steering

PORTFOLIO = "portfolio"
"""The dataset that simulated tables belong to."""
SHARDS = 16
"""A job is cut into about this many shards, so that a few workers keep busy and a lost shard costs little."""
MAX_SHARD_BLOCKS = 128
"""Blocks of the largest shard: about a million rows, minutes of work."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, populate_by_name=True)


class Training(_Model):
    """What a model is made from. Equal trainings give equal models, so its hash names the model."""

    dataset: str
    data_uri: str
    data_hash: str
    table_schema: Annotated[TableSchema, Field(alias="schema")]
    split: Split
    synthesizer: str
    settings: dict[str, Any]
    seed: int
    continued_from: Annotated[str | None, Field(description="The model that is continued; none starts anew.")] = None

    @property
    def model_id(self) -> str:
        """A readable name and 12 hex characters of the hash of everything that makes the model."""
        left_out = {"data_uri"} | ({"continued_from"} if self.continued_from is None else set())
        content = self.model_dump(mode="json", by_alias=True, exclude=left_out)
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return f"{self.synthesizer}-{self.dataset}-{digest[:12]}"


def training_of(card: ModelCard) -> Training:
    """Return what a model was made from, as its card has it."""
    return Training(
        dataset=card.dataset,
        data_uri=card.data_uri,
        data_hash=card.data_hash,
        table_schema=card.table_schema,
        split=card.split,
        synthesizer=card.synthesizer,
        settings=card.settings,
        seed=card.seed,
        continued_from=card.continued_from,
    )


CONTINUE_FIELD = "source.continue_from"


def other_family(card: ModelCard, name: str) -> Iterator[Problem]:
    """Yield what is wrong where a model is to be continued as one of another family."""
    if card.synthesizer != name:
        yield Problem(
            CONTINUE_FIELD,
            f"model '{card.model_id}' is of family '{card.synthesizer}', and '{name}' is asked for",
            f"Ask for the synthesizer '{card.synthesizer}', or train a new model.",
        )


class Shard(_Model):
    """One independent, restartable slice of a generation: a run of whole blocks, of rows or of customers."""

    number: int
    first_row: int
    rows: Annotated[
        int,
        Field(description="Rows; of a book customers, of declared tables rows of an uppermost one, with all theirs."),
    ]

    @property
    def file(self) -> str:
        """The name of the file that the shard writes."""
        return f"part-{self.number:05d}.parquet"


class Book(_Model):
    """What a portfolio is made of."""

    parameters: Annotated[dict[str, Any], Field(description="Every parameter of its scenario.")]
    volumes: Volumes
    tables: Annotated[tuple[TableSchema, ...], Field(min_length=1, description="What is delivered, parents first.")]
    rows: Annotated[dict[str, int], Field(description="Rows that each of them will have, estimated where need be.")]

    @property
    def scenario(self) -> str:
        """The name of its scenario."""
        return str(self.parameters["name"])


class Declared(_Model):
    """What declared tables are made of, beside the declaration, which the request has."""

    name: Annotated[str, Field(description="The declaration's.")]
    tables: Annotated[tuple[TableSchema, ...], Field(min_length=1, description="Parents first.")]
    rows: Annotated[dict[str, int], Field(description="Rows that each will have, on average where chance decides.")]


class Plan(_Model):
    """How one job is done: with a model (`training`), by simulation (`book`), or as it is declared (`declared`)."""

    training: Training | None = None
    book: Book | None = None
    declared: Declared | None = None
    model_id: str | None = None
    train: Annotated[bool, Field(description="Whether the model has to be trained first.")]
    reason: Annotated[str, Field(description="Why this model, or what is simulated, in words.")]
    shards: tuple[Shard, ...]
    steering: Annotated[
        Steering | None, Field(description="The request's conditions, checked against the training rows.")
    ] = None
    notices: Annotated[tuple[str, ...], Field(description="What the user should know of the data.")] = ()
    placement: Annotated[
        tuple[Placement, ...], Field(description="Where each step runs; none where all run in one process.")
    ] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = sum(way is not None for way in (self.training, self.book, self.declared))
        if ways != 1 or (self.training is None) != (self.model_id is None):
            raise ValueError("a plan has either a training and a model, or a book, or declared tables")
        return self

    @property
    def by_rules(self) -> Book | Declared | None:
        """What is made by rules, without a model."""
        return self.book or self.declared

    @property
    def learned(self) -> Learned:
        """What a plan with a model says of it."""
        assert self.training is not None  # noqa: S101 - whoever asks has planned it
        assert self.model_id is not None  # noqa: S101
        return Learned(self.training, self.model_id)

    @property
    def dataset(self) -> str:
        """What the job's tables belong to."""
        if self.declared is not None:
            return self.declared.name
        return PORTFOLIO if self.training is None else self.training.dataset

    @property
    def tables(self) -> tuple[TableSchema, ...]:
        """The tables that the job delivers, parents first."""
        return self.by_rules.tables if self.by_rules is not None else (self.learned.training.table_schema,)

    @property
    def unit(self) -> str:
        """What shards are counted in."""
        if self.declared is not None:
            return "rows of uppermost tables"
        return "customers" if self.book is not None else "rows"

    @property
    def rows(self) -> int:
        """Rows of all tables, estimated where rules make them."""
        return sum(self.by_rules.rows.values() if self.by_rules else (shard.rows for shard in self.shards))


class Learned(NamedTuple):
    """A model, and what it is made from."""

    training: Training
    model_id: str


def cut_into_shards(rows: int, block_rows: int) -> tuple[Shard, ...]:
    """Cut a generation into shards.

    The cut depends on the number of rows alone, never on who does the work, so that the same request always gives
    the same files.
    """
    blocks = -(-rows // block_rows)
    size = min(MAX_SHARD_BLOCKS, -(-blocks // SHARDS)) * block_rows
    return tuple(
        Shard(number=number, first_row=first, rows=min(size, rows - first))
        for number, first in enumerate(range(0, rows, size))
    )


def book_shards(volumes: Volumes) -> tuple[Shard, ...]:
    """Cut a book into shards: the part files that `synthcredit portfolio` writes, however large the book is."""
    size = SHARD_BLOCKS * BLOCK_CUSTOMERS
    return tuple(
        Shard(number=number, first_row=number * size, rows=min(size, volumes.customers - number * size))
        for number in range(volumes.shards)
    )


def shards_for(rows: int, schema: TableSchema | None, block_rows: int) -> tuple[Shard, ...]:
    """Cut a generation into shards; where learned columns are to be unique, all rows are one shard.

    Raises
    ------
    InvalidInputError
        Such columns, and more rows than one shard has.
    """
    unique = () if schema is None else unique_learned(schema)
    most = MAX_SHARD_BLOCKS * block_rows
    if unique and rows > most:
        raise InvalidInputError(
            Problem(
                "rows",
                f"{rows:,} are asked for, and the schema wants {', '.join(map(repr, unique))} unique, which is kept "
                f"within one shard only, of {most:,} rows at most",
                "Ask for fewer rows, or drop the constraint: identifiers are unique in any number of rows.",
            )
        )
    return (Shard(number=0, first_row=0, rows=rows),) if unique else cut_into_shards(rows, block_rows)


def choose_model(
    training: Training, cards: Iterable[ModelCard], *, asked: Mapping[str, Any], reuse: bool
) -> tuple[ModelCard | None, str]:
    """Look for a model that suits a training.

    Suitable is a model of the same synthesizer, with the settings that were asked for, fitted on the same data under
    the same schema and split, continued from the same model if from any, that has not expired. Where no settings were
    asked for, any will do: whoever leaves them to us wants the model that there is. The seed may differ: it is a choice
    of noise, not of data.

    Parameters
    ----------
    training
        What a new model would be made from.
    cards
        The models that there are.
    asked
        The settings that the request names; the rest of ``training.settings`` are defaults.
    reuse
        Whether a model may be reused at all.

    Returns
    -------
    card, reason
        The newest suitable model or None, and why, in words for the user.
    """
    if not reuse:
        return None, "a new model was asked for"
    near = [card for card in cards if card.synthesizer == training.synthesizer]
    suitable = [card for card in near if _suits(card, training, asked)]
    fresh = [card for card in suitable if not card.expired()]
    if fresh:
        best = max(fresh, key=lambda card: card.created_at)
        return best, f"model {best.model_id} was trained on the same data"
    if suitable:
        return None, "the model of this data and these settings has expired"
    same_data = any(card.data_hash == training.data_hash for card in near)
    return None, f"no {training.synthesizer} model of this {'data has these settings' if same_data else 'data exists'}"


def _suits(card: ModelCard, training: Training, asked: Mapping[str, Any]) -> bool:
    return (
        card.schema_fingerprint == training.table_schema.fingerprint
        and card.table_schema == training.table_schema
        and card.data_hash == training.data_hash
        and card.split.hash == training.split.hash
        and card.continued_from == training.continued_from
        and all(card.settings.get(name) == training.settings[name] for name in asked)
    )

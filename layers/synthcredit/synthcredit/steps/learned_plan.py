"""Plan rows that a model makes: look at the data, decide on the model, cut the work into shards."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

from synthcredit.datasets import contradictions, detect, read
from synthcredit.datasets.schema import TableSchema
from synthcredit.datasets.source import open_source
from synthcredit.datasets.split import Split, given_holdout, split_rows
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, raise_all
from synthcredit.hashing import file_hash
from synthcredit.jobs.job import Job
from synthcredit.jobs.planning import Plan, Shard, Training, choose_model, shards_for, training_of
from synthcredit.jobs.request import DatasetSource, JobRequest, ModelSource, SynthesizerChoice
from synthcredit.ports import World
from synthcredit.randomness import BLOCK_ROWS
from synthcredit.steps.continuing import NOTICE, model_to_continue, reading_by
from synthcredit.steps.sides import read_sides
from synthcredit.synthesizers import constrained, registry
from synthcredit.synthesizers.card import ModelCard
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.conditioning import all_met, resolve
from synthcredit.synthesizers.conditions import Steering

FEW_ROWS = 50
"""With fewer real rows that meet the conditions, nothing can be measured: `evidence.sides.MIN_ROWS`."""
_CONSTRAINTS = "source.schema.constraints"


def plan_learned(job: Job, world: World) -> Plan:
    """Plan a job whose rows a model makes, as `sources.Source.plan`."""
    request = job.request
    if isinstance(request.source, ModelSource):
        card = _card(request.source.model_id, world)
        training = _training_of(card, request.source, world)
        reason = f"model {card.model_id} was asked for"
        steering, notices = _steering(request, training, world)
        shards = _shards(request, training.table_schema)
        return Plan(
            training=training,
            model_id=card.model_id,
            train=False,
            reason=reason,
            shards=shards,
            steering=steering,
            notices=notices,
        )
    assert isinstance(request.source, DatasetSource)  # noqa: S101 - the only other kind with a model
    training, notices = plan_training(request.source, request.synthesizer, request.seed, world)
    steering, seen = _steering(request, training, world)
    shards = _shards(request, training.table_schema)
    asked = request.synthesizer.given
    found, reason = choose_model(training, world.models.all(), asked=asked, reuse=request.source.reuse)
    return Plan(
        training=training,
        model_id=found.model_id if found else training.model_id,
        train=found is None,
        reason=reason,
        shards=shards,
        steering=steering,
        notices=(*notices, *seen),
    )


def _shards(request: JobRequest, schema: TableSchema) -> tuple[Shard, ...]:
    raise_all(contradictions.too_many(schema, request.rows_wanted, _CONSTRAINTS))
    return shards_for(request.rows_wanted, schema, BLOCK_ROWS)


def _steering(request: JobRequest, training: Training, world: World) -> tuple[Steering | None, tuple[str, ...]]:
    """Check the request's conditions against the training rows; say where too few real rows could prove the result."""
    if not request.conditions:
        return None, ()
    schema = training.table_schema
    train, holdout = (encode(side, schema) for side in read_sides(training, world))
    steering = resolve(request.conditions, train, schema)
    few = []
    for name, side in (("training", train), ("held-out", holdout)):
        rows = int(np.sum(all_met(steering.where, side, schema)))
        if rows < FEW_ROWS:
            few.append(f"{rows} {name} rows")
    if not few:
        return steering, ()
    notice = f"Only {' and '.join(few)} meet the conditions: too few to prove the result by, so no gate may be met."
    return steering, (notice,)


def plan_training(
    source: DatasetSource, choice: SynthesizerChoice, seed: int, world: World
) -> tuple[Training, tuple[str, ...]]:
    """Say what a model of a dataset is made from.

    Returns
    -------
    training, notices
        What defines the model, and what the user should know of the data.

    Raises
    ------
    InvalidInputError
        The data cannot be read or does not fit the schema, its constraints or the target, or the model that is to be
        continued cannot.
    """
    settings = registry.settings_for(choice.name, choice.given)
    continued = model_to_continue(source, choice, world)
    with ExitStack() as stack:
        data = stack.enter_context(world.objects.source(source.uri))
        # The rows of a model that is continued are read by its own schema: it knows no other values.
        schema, notices = _schema(data, source) if continued is None else _schema_of(continued)
        raise_all(contradictions.problems(schema, _CONSTRAINTS))
        holdout = stack.enter_context(world.objects.source(source.holdout)) if source.holdout else None
        opened = open_source(data)
        with reading_by(continued):
            table = read.read_table(opened, schema)
        raise_all(constrained.unkept(table, schema, field=_CONSTRAINTS, places=opened.places))
        notices = (*notices, *constrained.notices(table, schema, constrained.fewest_people(settings)))
        training = Training(
            dataset=schema.name,
            data_uri=source.uri,
            data_hash=file_hash(data),
            table_schema=schema,
            split=_split(table, schema, source, holdout),
            synthesizer=choice.name,
            settings=settings.model_dump(mode="json"),
            seed=seed,
            continued_from=None if continued is None else continued.model_id,
        )
    return training, notices


def _schema_of(card: ModelCard) -> tuple[TableSchema, tuple[str, ...]]:
    return card.table_schema, (NOTICE.format(card.model_id),)


def _schema(data: Path, source: DatasetSource) -> tuple[TableSchema, tuple[str, ...]]:
    if source.table_schema is None:
        detected = detect.detect_schema(data, target=source.target)
        return detected.schema, detected.notices
    schema = source.table_schema
    if source.target not in (None, *schema.names):
        raise InvalidInputError(
            Problem("source.target", f"'{source.target}' is not a column of the schema", f"Choose: {schema.names}.")
        )
    return schema.with_target(source.target or schema.target), ()


def _split(table: pa.Table, schema: TableSchema, source: DatasetSource, holdout: Path | None) -> Split:
    if holdout is None or source.holdout is None:
        return split_rows(table, schema.customer)[0]
    rows = read.read_table(holdout, schema).num_rows
    return given_holdout(table.num_rows, rows, uri=source.holdout, file_hash=file_hash(holdout))


def _card(model_id: str, world: World) -> ModelCard:
    card = world.models.find(model_id)
    if card is None:
        raise NotFoundError(
            Problem("source.model_id", f"there is no model '{model_id}'", "See `synthcredit models` for all models.")
        )
    return card


def _training_of(card: ModelCard, source: ModelSource, world: World) -> Training:
    split = card.split.model_copy(update={"holdout_uri": source.holdout or card.split.holdout_uri})
    training = training_of(card).model_copy(update={"data_uri": source.uri or card.data_uri, "split": split})
    # Now rather than after an hour of generating: without the real rows nothing can be proven.
    read_sides(training, world)
    return training

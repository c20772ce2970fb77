"""Continuing a model on new rows: from which one, and that no row it has learned judges the new one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import ConflictError, InvalidInputError, NotFoundError, Problem, StorageError, raise_all
from synthcredit.jobs.planning import CONTINUE_FIELD, Training, other_family, training_of
from synthcredit.jobs.request import DatasetSource, SynthesizerChoice
from synthcredit.ports import World
from synthcredit.steps.sides import read_sides
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.card import ModelCard

NOTICE = (
    "It continues model {}, so that it holds what that one learned of its own rows too. The evidence is measured on "
    "the new rows alone; what was measured of the earlier rows is on that model's card."
)
_UNREAD = (
    "The rows that model {} learned from could not be read again, so that nobody knows whether some of them are in the "
    "holdout; such rows would make the figures look better than they are."
)


def model_to_continue(source: DatasetSource, choice: SynthesizerChoice, world: World) -> ModelCard | None:
    """Return the card of the model that a request continues, None where it starts anew.

    Raises
    ------
    InvalidInputError
        There is no such model, or it cannot be continued so; everything found is said at once.
    """
    if source.continue_from is None:
        return None
    card = world.models.find(source.continue_from)
    if card is None:
        raise NotFoundError(
            Problem(
                CONTINUE_FIELD,
                f"there is no model '{source.continue_from}'",
                "See `synthcredit models` for all models.",
            )
        )
    raise_all((*other_family(card, choice.name), *_cannot(choice), *_other_columns(card.table_schema, source)))
    return card


def _cannot(choice: SynthesizerChoice) -> Iterator[Problem]:
    if not registry.family(choice.name).load_class().continues:
        yield Problem(CONTINUE_FIELD, f"'{choice.name}' cannot continue a training", "Train a new model on all rows.")


def _other_columns(known: TableSchema, source: DatasetSource) -> Iterator[Problem]:
    if source.target not in (None, known.target):
        yield Problem(
            "source.target",
            f"the model that is continued has the target '{known.target}'",
            "Leave the target out, or train a new model.",
        )
    if source.table_schema is None:
        return
    # The name is the table's own, and says nothing of its columns.
    given = source.table_schema.model_copy(update={"name": known.name})
    if given.fingerprint != known.fingerprint:
        yield Problem(
            CONTINUE_FIELD,
            "that model has other columns",
            "Give data with the same columns, or train a new model on all rows.",
        )
    elif given != known:
        yield Problem(
            "source.schema",
            "it has other values than the schema of the model that is continued",
            "Leave it out: the new rows are read by the model's own schema.",
        )


@contextmanager
def reading_by(card: ModelCard | None) -> Iterator[None]:
    """Say of rows that do not fit whose schema it is, where that is a model's: the schema cannot be changed then."""
    try:
        yield
    except InvalidInputError as error:
        if card is None:
            raise
        why = f"the rows do not fit the schema of model '{card.model_id}', which knows no other columns and values"
        problem = Problem(CONTINUE_FIELD, why, "Leave out the rows that do not fit, or train a new model on all rows.")
        raise InvalidInputError([*error.problems, problem]) from None


def ancestors(training: Training, world: World) -> Iterator[tuple[str, ModelCard | None]]:
    """Yield the models that a training continues, newest first, with their cards where there still are any."""
    seen: set[str] = set()
    model_id = training.continued_from
    while model_id is not None and model_id not in seen:
        seen.add(model_id)
        card = world.models.find(model_id)
        yield model_id, card
        model_id = None if card is None else card.continued_from


def require_unseen(training: Training, holdout: pa.Table, world: World) -> tuple[str, ...]:
    """Refuse a holdout of which a continued model has learned rows, by more than coincidence.

    Returns
    -------
    tuple of str
        What the evidence has to say: of each earlier model whose rows could not be read again.

    Raises
    ------
    InvalidInputError
        The holdout is none; says how many rows, and of which model.
    """
    if training.continued_from is None:
        return ()
    # pandas and scipy, which a training that starts anew does without.
    from synthcredit.evidence.contamination import require_disjoint

    notes = []
    for model_id, card in ancestors(training, world):
        learned = None if card is None else _learned_by(card, world)
        if learned is None:
            notes.append(_UNREAD.format(model_id))
            continue
        try:
            require_disjoint(learned, holdout, training.table_schema)
        except InvalidInputError as error:
            raise InvalidInputError(
                [
                    Problem(
                        CONTINUE_FIELD,
                        f"rows that model '{model_id}' learned from are in the holdout of the new data: {one.problem}",
                        "Give rows that it has not learned from, or train a new model on all rows.",
                    )
                    for one in error.problems
                ]
            ) from None
    return tuple(notes)


def _learned_by(card: ModelCard, world: World) -> pa.Table | None:
    try:
        return read_sides(training_of(card), world)[0]
    except (NotFoundError, ConflictError, StorageError, InvalidInputError):
        return None

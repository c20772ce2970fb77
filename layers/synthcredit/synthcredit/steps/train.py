"""Train: fit the model that the plan asks for, and register it with its card."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from synthcredit.hashing import file_hash
from synthcredit.jobs.job import now
from synthcredit.jobs.planning import Plan, Training
from synthcredit.packages import versions
from synthcredit.ports import World
from synthcredit.steps.checkpoints import StoredCheckpoints, resuming
from synthcredit.steps.continuing import require_unseen
from synthcredit.steps.files import job_key, read_document
from synthcredit.steps.remaining import OnJob, Told
from synthcredit.steps.sides import read_sides
from synthcredit.steps.standing import step
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.card import ModelCard
from synthcredit.synthesizers.fitting import Checkpoints, Progress, silent
from synthcredit.synthesizers.protocol import Synthesizer, load_model

LIFETIME = timedelta(days=365)
"""How long a model is reused: populations drift, and models of them are reviewed yearly."""

Look = Callable[[float, float | None], None]
"""Hears now and then how far a training is, and how many seconds are left; may raise to end it."""


def _unseen(done: float, left: float | None) -> None:
    """Nobody looks."""


class _RegisteredMeanwhile(Exception):  # noqa: N818 - no error: somebody else was faster
    """The model that is being trained has been registered by another job."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card


def train(job_id: str, world: World, progress: Progress = silent) -> str | None:
    """Train the job's model if its plan says so and nobody has; return the model's id, None where there is no model.

    Raises
    ------
    StoppedError
        The job was stopped; the checkpoint stays, so that the same request goes on where this one was.
    """
    plan = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
    if plan.train:
        with step(world, job_id, "train"):
            train_model(plan.learned.training, world, progress, OnJob(job_id, world))
    return plan.model_id


def train_model(training: Training, world: World, progress: Progress = silent, look: Look = _unseen) -> ModelCard:
    """Fit a model on its training side and register it; one that is registered and has not expired is returned.

    A training that was killed goes on from its checkpoint. Where several jobs train the same model, the first that
    registers it counts, and the others take that one: at once where they can wait for each other, as on one machine,
    else as soon as they notice.
    """
    with world.models.alone(training.model_id, lambda: progress(0.0, "another job trains this model; waiting for it")):
        standing = _standing(training, world)
        return standing or _trained(training, world, progress, look)


def _standing(training: Training, world: World) -> ModelCard | None:
    card = world.models.find(training.model_id)
    return None if card is None or card.expired() else card


def _trained(training: Training, world: World, progress: Progress, look: Look) -> ModelCard:
    def look_around(done: float, left: float | None) -> None:
        standing = _standing(training, world)
        if standing is not None:
            raise _RegisteredMeanwhile(standing)
        look(done, left)

    family = registry.family(training.synthesizer).load_class()
    table, holdout = read_sides(training, world)
    require_unseen(training, holdout, world)
    previous = _previous(training, world)
    told = Told(progress, look_around)

    def fit(kept: Checkpoints) -> Synthesizer:
        model = family(registry.settings_for(training.synthesizer, training.settings))
        schema, seed = training.table_schema, training.seed
        return model.fit(table, schema, seed=seed, progress=told, checkpoints=kept, previous=previous)

    checkpoints = StoredCheckpoints(world.objects, training.model_id)
    begun = time.perf_counter()
    try:
        model = resuming(fit, checkpoints)
        card = _standing(training, world) or _register(model, training, world, time.perf_counter() - begun)
    except _RegisteredMeanwhile as found:
        card = found.card
    checkpoints.remove()
    return card


def _previous(training: Training, world: World) -> Synthesizer | None:
    if training.continued_from is None:
        return None
    with world.models.fetch(training.continued_from) as path:
        return load_model(path)


def _register(model: Synthesizer, training: Training, world: World, seconds: float) -> ModelCard:
    with world.objects.scratch() as folder:
        path = folder / "model.safetensors"
        model.save(path)
        card = ModelCard(
            model_id=training.model_id,
            synthesizer=training.synthesizer,
            settings=training.settings,
            seed=training.seed,
            dataset=training.dataset,
            table_schema=training.table_schema,
            schema_fingerprint=training.table_schema.fingerprint,
            data_uri=training.data_uri,
            data_hash=training.data_hash,
            split=training.split,
            continued_from=training.continued_from,
            model_hash=file_hash(path),
            created_at=now(),
            expires_at=now() + LIFETIME,
            fit_seconds=round(seconds, 3),
            packages=versions(),
            licence=registry.family(training.synthesizer).licence,
        )
        if world.signer is not None:
            card = card.model_copy(update={"signature": world.signer.sign(card.signed_content)})
        world.models.put(card, path)
    return card

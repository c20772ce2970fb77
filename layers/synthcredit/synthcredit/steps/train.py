"""Train: fit the model that the plan asks for, and register it with its card."""

from __future__ import annotations

import time
from datetime import timedelta

from synthcredit.hashing import file_hash
from synthcredit.jobs.job import now
from synthcredit.jobs.planning import Plan, Training
from synthcredit.packages import versions
from synthcredit.ports import World
from synthcredit.steps.files import job_key, read_document
from synthcredit.steps.plan import read_sides
from synthcredit.steps.standing import step
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.card import ModelCard
from synthcredit.synthesizers.fitting import Progress, silent

LIFETIME = timedelta(days=365)
"""How long a model is reused: populations drift, and models of them are reviewed yearly."""


def train(job_id: str, world: World, progress: Progress = silent) -> str:
    """Train the job's model if its plan says so and nobody has; return the model's id."""
    plan = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
    if plan.train:
        with step(world, job_id, "train"):
            train_model(plan.training, world, progress)
    return plan.model_id


def train_model(training: Training, world: World, progress: Progress = silent) -> ModelCard:
    """Fit a model on its training side and register it; one that is registered and has not expired is returned."""
    standing = world.models.find(training.model_id)
    if standing is not None and not standing.expired():
        return standing
    family = registry.family(training.synthesizer)
    table, _ = read_sides(training, world)
    model = family.load_class()(registry.settings_for(training.synthesizer, training.settings))
    begun = time.perf_counter()
    model.fit(table, training.table_schema, seed=training.seed, progress=progress)
    seconds = time.perf_counter() - begun
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
            model_hash=file_hash(path),
            created_at=now(),
            expires_at=now() + LIFETIME,
            fit_seconds=round(seconds, 3),
            packages=versions(),
            licence=family.licence,
        )
        if world.signer is not None:
            card = card.model_copy(update={"signature": world.signer.sign(card.signed_content)})
        world.models.put(card, path)
    return card

"""Rows that a model makes: from a dataset that it learns, or from a model that exists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from synthcredit.evidence.model import Evidence
from synthcredit.jobs.job import Job
from synthcredit.jobs.planning import Plan, Shard
from synthcredit.jobs.request import JobRequest
from synthcredit.jobs.speeds import Load, Size
from synthcredit.ports import World
from synthcredit.steps.parts import Part
from synthcredit.steps.sources import Made
from synthcredit.synthesizers.fitting import Progress


class LearnedSource:
    """How models make rows; see `sources.Source`."""

    def plan(self, job: Job, world: World) -> Plan:
        """Look at the data and decide on the model."""
        from synthcredit.steps.learned_plan import plan_learned

        return plan_learned(job, world)

    def load(self, request: JobRequest, plan: Plan) -> Load:
        """Return the size of table, model and job."""
        training = plan.learned.training
        return Size(
            train_rows=training.split.train_rows,
            columns=len(training.table_schema.columns),
            rows=request.rows_wanted,
            shard_rows=plan.shards[0].rows,
            shards=len(plan.shards),
            synthesizer=training.synthesizer,
            settings=training.settings,
            train=plan.train,
            forms=request.deliver,
        )

    def generate(self, job: Job, plan: Plan, shard: Shard, folder: Path, world: World) -> Iterator[Made]:
        """Sample a run of blocks. Rows are never compared with training rows."""
        from synthcredit.datasets import write
        from synthcredit.synthesizers.protocol import load_model

        with world.models.fetch(plan.learned.model_id) as file:
            model = load_model(file)
            part = folder / shard.file
            batches = model.sample(shard.rows, job.request.seed, first_row=shard.first_row, steering=plan.steering)
            rows = write.write_part(batches, model.schema, part)
        yield Made(plan.learned.training.table_schema.name, part, rows)

    def assess(
        self, job: Job, plan: Plan, parts: Sequence[Part], folder: Path, world: World, progress: Progress
    ) -> Evidence:
        """Prove the rows against both sides of the real ones."""
        from synthcredit.steps.learned_assess import assess_learned

        return assess_learned(job, plan, parts, folder, world, progress)

    def provenance(self, plan: Plan, world: World) -> dict[str, Any]:
        """Return data, schema, split and model."""
        training, model_id = plan.learned
        card = world.models.find(model_id)
        return {
            "data_hash": training.data_hash,
            "schema_fingerprint": training.table_schema.fingerprint,
            "split": training.split,
            "model_id": model_id,
            "model_hash": card.model_hash if card else "",
            "model_reused": not plan.train,
            "steering": plan.steering,
        }

    def released(self, job: Job, plan: Plan, evidence: Evidence, world: World) -> None:
        """Note on the model how many rows were released, and how good they were."""
        scores = {
            str(measure.name): measure.value
            for measure in (*evidence.fidelity, *evidence.utility)
            if measure.value is not None
        }
        world.models.note_release(plan.learned.model_id, job.job_id, job.request.rows_wanted, scores)

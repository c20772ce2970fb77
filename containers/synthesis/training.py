"""The image as a SageMaker training job: ``docker run image train``."""

from __future__ import annotations

import shutil
from pathlib import Path

from machine import check_stop, failure_written, heed_stop, read_config, root
from work import do

from synthcredit.aws.runtime import about, world
from synthcredit.jobs.planning import Plan
from synthcredit.ports import World
from synthcredit.steps.files import job_key, read_document


def train() -> None:
    """Train the model of the job that the hyperparameters name, and register it.

    However often this container is killed and started again, the training goes on from the checkpoint that the step
    keeps in the lake. A copy of the model and its card is left in ``model/``, where SageMaker archives it with the
    training job.
    """
    folder = root()
    heed_stop()
    with failure_written(folder / "output" / "failure"):
        job_id = str(read_config(folder / "input" / "config" / "hyperparameters.json")["job_id"])
        about(job_id)
        # The step writes the log of a training itself.
        do("train", job_id, world(), progress=lambda *_: check_stop())
        _leave_copy(job_id, world(), folder / "model")


def _leave_copy(job_id: str, where: World, folder: Path) -> None:
    plan = read_document(where.objects, job_key(job_id, "plan.json"), Plan)
    model_id = plan.learned.model_id
    card = where.models.find(model_id)
    folder.mkdir(parents=True, exist_ok=True)
    with where.models.fetch(model_id) as path:
        shutil.copyfile(path, folder / "model.safetensors")
    if card is not None:
        (folder / "card.json").write_text(card.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")

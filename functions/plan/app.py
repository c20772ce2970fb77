"""Plan: look at the data, decide on the model, and say where each step runs."""

from __future__ import annotations

from typing import Any

from synthcredit.aws.runtime import about, entry, limits, quota, world
from synthcredit.jobs.placement import Where, training_limit
from synthcredit.steps.plan import plan


@entry
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
    """Plan a job; what comes out is what the state machine chooses by."""
    about(event["job_id"])
    made = plan(event["job_id"], world(), limits(), quota)
    places = {placement.step: placement for placement in made.placement}
    on_lambda = places["generate"].where is Where.LAMBDA
    return {
        "job_id": event["job_id"],
        **{step: places[step].where for step in ("train", "generate", "assess", "publish")},
        "load": places["load"].where if "load" in places else Where.NOWHERE,
        "shards": [shard.number for shard in made.shards] if on_lambda else [],
        "instances": places["generate"].instances,
        "train_seconds": training_limit({} if made.training is None else made.training.settings),
        "trainings": 1,
    }

"""The steps that this image does, by name; each brings in its own heavy packages when it is asked for."""

from __future__ import annotations

from synthcredit.ports import World
from synthcredit.steps.standing import noting_failure
from synthcredit.synthesizers.fitting import Progress, silent

STEPS = ("train", "generate", "assess", "publish", "load")


def do(step: str, job_id: str, world: World, *, shard: int | None = None, progress: Progress = silent) -> None:
    """Do one step of a job, or one shard of its generation.

    Raises
    ------
    SynthcreditError
        The step failed; why is kept on the job too, since a Distributed Map hands on no error's name.
    """
    if step == "train":
        from synthcredit.steps.train import train

        train(job_id, world, progress)
    elif step == "generate":
        from synthcredit.steps.generate import generate

        if shard is None:
            raise ValueError("a shard has to be named")
        # The state machine says when the step begins and ends: its shards are many.
        with noting_failure(world, job_id, step):
            generate(job_id, shard, world)
    elif step == "assess":
        from synthcredit.steps.assess import assess

        assess(job_id, world, progress)
    elif step == "publish":
        from synthcredit.steps.publish import publish

        publish(job_id, world)
    elif step == "load":
        from synthcredit.steps.load import load
        from synthcredit.stores import deliver_tables

        load(job_id, world, deliver_tables, progress)
    else:
        raise ValueError(f"there is no step '{step}'; there are {', '.join(STEPS)}")

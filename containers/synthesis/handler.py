"""The image on Lambda: one step of a job, or one shard of its generation, a call."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from work import do

from synthcredit.aws.runtime import about, entry, logger, world
from synthcredit.errors import from_validation


class Task(BaseModel):
    """What the state machine asks of the function."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: Literal["train", "generate", "assess", "publish", "load"]
    job_id: Annotated[str, Field(min_length=1)]
    shard: Annotated[int | None, Field(ge=0, description="Which shard to generate.")] = None

    @model_validator(mode="after")
    def _shard_is_for_generate(self) -> Self:
        if (self.shard is not None) != (self.step == "generate"):
            raise ValueError("a shard belongs to generate, and to generate alone")
        return self


@entry
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
    """Do what the event says."""
    try:
        task = Task.model_validate(event)
    except ValidationError as error:
        raise from_validation(error, "event") from None
    about(task.job_id)
    if task.shard is not None:
        logger.append_keys(shard=task.shard)
    do(task.step, task.job_id, world(), shard=task.shard)
    return {"job_id": task.job_id}

"""Where each step of a job runs, what that takes and what it costs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Where(StrEnum):
    """What a step runs on."""

    NOWHERE = "nowhere"
    """The step has nothing to do: a model that is reused is not trained."""
    LAMBDA = "lambda"
    SAGEMAKER = "sagemaker"


class Placement(BaseModel):
    """Where one step runs, and why there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str
    where: Where
    instances: Annotated[int, Field(ge=1, description="Machines, or Lambda functions at a time.")] = 1
    seconds: Annotated[float, Field(description="Estimated wall time.")]
    cost_usd: Annotated[float, Field(description="Estimated cost, list price.")]
    why: str

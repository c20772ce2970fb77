"""Where the platform lies in its account, and its limits: from environment variables, parsed once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthcredit.errors import InvalidInputError, Problem
from synthcredit.jobs.placement import Limits

PREFIX = "SYNTHCREDIT_"
"""What every variable begins with; the rest is the name of the setting in capitals."""

BUCKET_PATTERN = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
_INSTANCE = Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")


class Settings(BaseModel):
    """What a function, a container or a person's machine has to know of the deployed platform."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    lake_bucket: Annotated[str, Field(pattern=BUCKET_PATTERN)]
    inbox_bucket: Annotated[str, Field(pattern=BUCKET_PATTERN)]
    jobs_table: Annotated[str, Field(min_length=1)]
    bus: Annotated[str, Field(min_length=1)]
    database: Annotated[str, Field(min_length=1, description="The Glue database.")]
    state_machine: Annotated[
        str | None,
        Field(pattern=r"^arn:[^:]+:states:[^:]+:\d{12}:stateMachine:[^:]+$", description="Who starts jobs has it."),
    ] = None
    database_secret: Annotated[
        str | None, Field(description="The secret by which jobs may load a database; none loads none.")
    ] = None
    signing_key: Annotated[str | None, Field(description="The KMS key that signs; none signs nothing.")] = None
    max_rows: Annotated[int, Field(ge=1, description="More rows than this are refused.")] = 100_000_000
    max_cost_usd: Annotated[float, Field(gt=0, description="Jobs estimated to cost more are refused.")] = 50.0
    link_seconds: Annotated[int, Field(ge=1, le=604_800, description="How long a link works; a week at most.")] = 3600
    lambda_memory_mb: Annotated[int, Field(ge=128, le=10_240)] = 3008
    lambda_concurrency: Annotated[int, Field(ge=1, description="Shards that Lambda generates at a time.")] = 8
    training_instance: Annotated[str, _INSTANCE] = "ml.m5.xlarge"
    processing_instance: Annotated[str, _INSTANCE] = "ml.m5.xlarge"
    processing_instances: Annotated[int, Field(ge=1, le=100, description="Machines of one job, at most.")] = 4

    @property
    def limits(self) -> Limits:
        """What a job may use, as far as it can be set."""
        return Limits(
            lambda_memory_mb=self.lambda_memory_mb,
            lambda_concurrency=self.lambda_concurrency,
            training_instance=self.training_instance,
            processing_instance=self.processing_instance,
            processing_instances=self.processing_instances,
            max_cost_usd=self.max_cost_usd,
        )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; an empty variable is one that is not set.

        Raises
        ------
        InvalidInputError
            Variables are missing or malformed; names all of them.
        """
        names = {name: f"{PREFIX}{name.upper()}" for name in cls.model_fields}
        given = {name: environ[variable] for name, variable in names.items() if environ.get(variable)}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise InvalidInputError(
                [_problem(names[str(item["loc"][0])], item["type"], item["msg"]) for item in error.errors()]
            ) from None


def unset(variable: str) -> Problem:
    """Return what is said of a variable that is not set."""
    return Problem(f"environment variable {variable}", "it is not set", "Set it as the outputs of the stack name it.")


def _problem(variable: str, kind: str, message: str) -> Problem:
    if kind == "missing":
        return unset(variable)
    return Problem(f"environment variable {variable}", message[0].lower() + message[1:], "Correct it.")

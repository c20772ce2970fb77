"""The thresholds that evidence must meet before data is published."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.evidence.model import Evidence, Finding


class Profile(StrEnum):
    """How demanding the gate is."""

    DEVELOPMENT = "development"
    """For test data and experiments inside the team."""


class Gate(BaseModel):
    """The gate of one request: a profile, and thresholds that replace the profile's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Profile = Profile.DEVELOPMENT
    max_tstr_loss: Annotated[
        float | None, Field(ge=0, le=1, description="Largest allowed TRTR minus TSTR.")
    ] = None
    min_pair_trends: Annotated[
        float | None, Field(ge=0, le=1, description="Smallest allowed share of the fresh pair trends.")
    ] = None


def judge(evidence: Evidence, gate: Gate) -> list[Finding]:
    """Return one finding for each part of the gate, met or not; a good part never makes up for a failed one."""
    raise NotImplementedError

"""The settings of every model family, checked without importing any of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Base of all settings: frozen, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TreesSettings(Settings):
    """Settings of the `trees` family."""

    trees: Annotated[int, Field(ge=1, le=64, description="Trees a column; each row is drawn from one.")] = 8


class CtganSettings(Settings):
    """Settings of the `ctgan` family."""

    epochs: Annotated[int, Field(ge=1, le=10_000, description="Passes over the training rows.")] = 300
    batch_size: Annotated[
        int, Field(ge=20, le=10_000, multiple_of=10, description="Rows a training step; a multiple of 10.")
    ] = 500

"""The settings of every model family, checked without importing any of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Base of all settings: frozen, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class TreesSettings(Settings):
    """Settings of the `trees` family."""

    trees: Annotated[int, Field(ge=1, le=64, description="Trees a column; each row is drawn from one.")] = 8
    k: Annotated[
        int, Field(ge=2, le=10_000, description="People behind every state and leaf that the model keeps, at least.")
    ] = 10
    leaf_rows: Annotated[
        int | None, Field(ge=2, le=10_000, description="Rows in a leaf for amounts, at least; default: by table size.")
    ] = None
    few_values_leaf_rows: Annotated[
        int | None,
        Field(ge=2, le=10_000, description="Rows in a leaf for columns of few values; default: by table size."),
    ] = None
    target_leaf_rows: Annotated[
        int | None, Field(ge=2, le=10_000, description="Rows in a leaf for the target; default: by table size.")
    ] = None
    max_rows: Annotated[
        int, Field(ge=1_000, le=10_000_000, description="Rows learned from; of a larger table, a random subset.")
    ] = 100_000


class CtganSettings(Settings):
    """Settings of the `ctgan` family.

    An epoch has ``rows // batch_size`` training steps, and it is steps that teach: some 3,000 on german_credit. The
    defaults suit tables from 5,000 rows; smaller ones want more epochs and batches of 200.
    """

    epochs: Annotated[int, Field(ge=1, le=10_000, description="Passes over the training rows.")] = 300
    batch_size: Annotated[
        int, Field(ge=20, le=10_000, multiple_of=10, description="Rows a training step; a multiple of 10.")
    ] = 500


class CopulaSettings(Settings):
    """Settings of the `copula` family."""

    k: Annotated[
        int, Field(ge=2, le=1_000, description="People that everything kept of the data comes from, at least.")
    ] = 10
    bins: Annotated[
        int, Field(ge=10, le=2_000, description="Values and bins of one column, at most; each has at least k rows.")
    ] = 500


class DiffusionSettings(Settings):
    """Settings of the `diffusion` family."""

    k: Annotated[int, Field(ge=2, le=10_000, description="People behind every category, value and bin, at least.")] = 10
    steps: Annotated[
        int, Field(ge=4, le=256, description="Noise levels, which are the steps in which rows are drawn.")
    ] = 12
    width: Annotated[int, Field(ge=16, le=1024, description="Units of a layer.")] = 256
    layers: Annotated[int, Field(ge=1, le=6, description="Hidden layers after the first.")] = 2
    batch_size: Annotated[int, Field(ge=64, le=65_536, description="Rows a training step.")] = 1024
    max_steps: Annotated[
        int | None,
        Field(
            ge=1, le=1_000_000, description="Steps of the largest network, at most; default: 6,000, fewer rows fewer."
        ),
    ] = None
    patience: Annotated[
        int, Field(ge=1, le=40, description="Looks at the held-out loss, 40 a training, without gain before it ends.")
    ] = 8
    learning_rate: Annotated[float, Field(gt=0, le=0.1, description="Of Adam, at the start.")] = 0.002
    max_minutes: Annotated[
        float, Field(gt=0, le=10_080, description="Time after which training ends with what it has.")
    ] = 60.0
    max_memory_mb: Annotated[
        int, Field(ge=512, le=1_000_000, description="Memory of the training; a larger table is learned in part.")
    ] = 4_096
    max_rows: Annotated[
        int, Field(ge=1_000, le=10_000_000, description="Rows learned from; of a larger table, a random subset.")
    ] = 200_000

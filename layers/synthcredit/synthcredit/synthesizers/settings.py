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

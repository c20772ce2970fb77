"""The settings of every model family, checked without importing any of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Base of all settings: frozen, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class TreesSettings(Settings):
    """Settings of the `trees` family."""

    trees: Annotated[int, Field(ge=1, le=64, description="Trees a column; each row is drawn from one.")] = 8
    k: Annotated[
        int, Field(ge=2, le=10_000, description="People behind every state and leaf that the model keeps, at least.")
    ] = 5
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


USUAL_STEPS = 12_000
"""Training steps where no epochs are given: stock CTGAN's 300 epochs of 20,000 rows in batches of 500."""
USUAL_EPOCHS = 300
"""Of stock CTGAN and TVAE."""
_BATCHES = ((5_000, 500), (2_000, 200), (500, 100), (0, 50))
"""From how many rows on a step has how many: an epoch of a small table in batches of 500 would be one step."""


_PACKS = ((5_000, 10), (2_000, 1), (0, 10))
"""From how many rows on the critic judges how many together.

Packs of ten make 20 of a batch of 200, of which it learns pairs of columns badly: single rows brought Belanche's
credit data from a C2ST of .16 to .28, pairs of rows to .29. In batches of 500 nothing was gained (UCI default). Below
2,000 rows small packs learn people by heart: with one or two rows the excess closeness of German credit was .18 instead
of .10, its C2ST the same.
"""


class NetworkSettings(Settings):
    """Settings that every family has that trains a network with ctgan's modules.

    An epoch has ``rows // batch_size`` training steps, and it is steps that teach. So, where they are not given, both
    follow from the rows: small batches for small tables, and epochs that make some 12,000 steps.
    """

    epochs: Annotated[
        int | None, Field(ge=1, le=100_000, description="Passes over the training rows, at most; default: by rows.")
    ] = None
    batch_size: Annotated[
        int | None,
        Field(ge=20, le=10_000, multiple_of=10, description="Rows a training step; default: 500, fewer for few rows."),
    ] = None
    patience: Annotated[
        int | None,
        Field(ge=1, le=1_000, description="Looks (60 in all) without a better score before it stops; none: no stop."),
    ] = 30
    max_minutes: Annotated[
        float | None, Field(gt=0, le=10_080, description="Minutes of training, at most; the best so far is kept.")
    ] = None
    max_memory_mb: Annotated[
        int | None, Field(ge=100, description="Refuse, before it begins, a training that would take more.")
    ] = None
    device: Annotated[
        Literal["auto", "cpu", "gpu"], Field(description="Where to train: auto takes a graphics processor if present.")
    ] = "auto"
    k: Annotated[
        int, Field(ge=1, le=10_000, description="People behind every category, code and end of a range, at least.")
    ] = 10

    def batch_for(self, rows: int) -> int:
        """Return the rows of a step for a table of so many rows."""
        if self.batch_size is not None:
            return self.batch_size
        return next(batch for least, batch in _BATCHES if rows >= least)

    def epochs_for(self, rows: int) -> int:
        """Return the epochs for a table of so many rows."""
        if self.epochs is not None:
            return self.epochs
        return max(1, -(-USUAL_STEPS // max(1, rows // self.batch_for(rows))))


class GanSettings(NetworkSettings):
    """Settings that `ctgan` and `copulagan` share."""

    pack: Annotated[
        Literal[1, 2, 5, 10] | None,
        Field(description="Rows that the critic judges together: 10 in the library; default: by rows."),
    ] = None

    def pack_for(self, rows: int) -> int:
        """Return the rows of a pack for a table of so many rows."""
        if self.pack is not None:
            return self.pack
        return next(pack for least, pack in _PACKS if rows >= least)


class CtganSettings(GanSettings):
    """Settings of the `ctgan` family."""


class TvaeSettings(NetworkSettings):
    """Settings of the `tvae` family."""

    def epochs_for(self, rows: int) -> int:
        """Return the epochs for a table of so many rows; by default stock's 300 at most.

        An autoencoder learns rows by heart where few come often: with some 2,400 epochs of 500 rows of German credit
        the excess closeness of what it made was .38 and the membership AUC .63, with 300 it was .09 and .54.
        """
        epochs = super().epochs_for(rows)
        return epochs if self.epochs is not None else min(epochs, USUAL_EPOCHS)


class CopulaganSettings(GanSettings):
    """Settings of the `copulagan` family."""

    distribution: Annotated[
        Literal["best", "beta", "gamma", "norm"],
        Field(description="What makes numeric columns Gaussian; best: what lies nearest, column by column."),
    ] = "best"


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

"""A model family that is trained in steps, for tests of what surrounds a training. Known answers, no packages."""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from safetensors.numpy import load, save

from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.features import Discrete, Numeric, rows_of, take_one, values_of
from synthcredit.synthesizers.protocol import Synthesizer
from synthcredit.synthesizers.registry import Family
from synthcredit.synthesizers.settings import Settings


class StepperSettings(Settings):
    """How many steps, how long each takes, and after how many of them the state is kept."""

    steps: Annotated[int, Field(ge=1)] = 10
    seconds: float = 0.0
    keep_every: int = 2
    max_minutes: float | None = None


class Stepper(Synthesizer):
    """Draws each column of the training rows on its own.

    Its training is a walk of numbers, each step of which depends on all before.
    """

    name = "stepper"
    continues: ClassVar[bool] = True
    resumes: ClassVar[bool] = True

    def _fit(self, features, fitting):
        self._rows = features
        walk, first = np.zeros(4), 0
        if isinstance(fitting.previous, Stepper):
            walk = fitting.previous.walk.copy()
        kept = None if fitting.checkpoints is None else fitting.checkpoints.read()
        if kept is not None:
            state = load(kept)
            walk, first = state["walk"], int(state["step"][0])
            if walk.shape != (4,) or not 0 <= first <= self.settings.steps:
                raise ValueError("it is of another training")
        for step in range(first, self.settings.steps):
            walk = 0.9 * walk + generator(fitting.seed, "stepper", step).normal(size=4)
            time.sleep(self.settings.seconds)
            if fitting.checkpoints is not None and (step + 1) % self.settings.keep_every == 0:
                fitting.checkpoints.write(save({"walk": walk, "step": np.array([step + 1])}))
            fitting.progress((step + 1) / self.settings.steps, f"step {step + 1}")
        self.walk = walk

    def _draw(self, rng, given):
        n = rows_of(self._rows)
        return {name: take_one(feature, rng.integers(0, n, BLOCK_ROWS)) for name, feature in self._rows.items()}

    def _config(self) -> dict[str, Any]:
        return {"sizes": {name: one.size for name, one in self._rows.items() if isinstance(one, Discrete)}}

    def _arrays(self):
        return {"walk": self.walk} | {f"rows/{name}": values_of(feature) for name, feature in self._rows.items()}

    def _restore(self, config, arrays):
        self.walk, sizes = arrays["walk"], config["sizes"]
        self._rows = {
            column.name: Discrete(arrays[f"rows/{column.name}"], sizes[column.name])
            if column.name in sizes
            else Numeric(arrays[f"rows/{column.name}"])
            for column in self.schema.learned
        }


def register() -> None:
    """Make the family known to this process."""
    location = "tests.training_families:Stepper"
    registry.FAMILIES["stepper"] = Family("stepper", "", StepperSettings, location, "")

"""The state of a training of `diffusion`, as bytes that may come back hostile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors.numpy import load, save

Arrays = Mapping[str, NDArray[np.float32]]

SETS = ("now", "mean", "best", "first_moment", "second_moment")
"""What is kept of the weights in training: as they are, their moving average, the best of these, and the optimiser's
two moments."""
_KEY = "synthcredit"


class Place(BaseModel):
    """How far a training is."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    training: str
    """Fingerprint of rows, settings and seed."""
    done: list[str]
    """The parts that are trained."""
    seconds: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Time spent, over all attempts."""
    step: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Steps of the current part."""
    best_loss: float | None = None
    best_step: Annotated[int, Field(ge=0, le=10**9)] = 0


@dataclass
class State:
    """A training at one moment.

    Parameters
    ----------
    place
        How far it is.
    finished
        By part, its weights.
    current
        The sets (`SETS`) of the weights of the part in training; empty before its first step.
    """

    place: Place
    finished: dict[str, Arrays] = field(default_factory=dict)
    current: dict[str, Arrays] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the state as safetensors."""
        arrays = {f"done/{part}/{name}": array for part, own in self.finished.items() for name, array in own.items()}
        arrays |= {f"{kind}/{name}": array for kind, own in self.current.items() for name, array in own.items()}
        return save(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()},
            metadata={_KEY: self.place.model_dump_json()},
        )


def from_bytes(content: bytes, training: str, shapes: Mapping[str, Mapping[str, tuple[int, ...]]]) -> State | None:
    """Read the state of a training.

    Parameters
    ----------
    content
        What `State.to_bytes` returned, or anything.
    training
        The fingerprint it must have.
    shapes
        By part, in their order, by name, the shapes that its weights must have.

    Returns
    -------
    State or None
        None where it is of another training, damaged, or does not fit together.
    """
    try:
        place = _place(content)
        if place.training != training:
            return None
        return _fitted(place, load(content), shapes)
    except Exception:  # noqa: BLE001 - whatever a bad file raises: a training can always start anew
        return None


def _place(content: bytes) -> Place:
    length = int.from_bytes(content[:8], "little")
    if length > len(content) - 8:
        raise ValueError("the header does not fit")
    return Place.model_validate_json(json.loads(content[8 : 8 + length])["__metadata__"][_KEY])


def _fitted(place: Place, arrays: Arrays, shapes: Mapping[str, Mapping[str, tuple[int, ...]]]) -> State:
    order = list(shapes)
    if place.done != order[: len(place.done)]:
        raise ValueError("parts are out of order")
    finished: dict[str, Arrays] = {part: _taken(arrays, f"done/{part}/", shapes[part]) for part in place.done}
    current: dict[str, Arrays] = {}
    if place.step and len(place.done) < len(order):
        own = shapes[order[len(place.done)]]
        current = {kind: _taken(arrays, f"{kind}/", own) for kind in SETS}
        if any((array < 0).any() for array in current["second_moment"].values()):
            raise ValueError("a square is negative")
    return State(place, finished, current)


def _taken(arrays: Arrays, prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    found = {}
    for name, shape in shapes.items():
        array = arrays[prefix + name]
        if array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
            raise ValueError("weights do not fit")
        found[name] = array
    return found

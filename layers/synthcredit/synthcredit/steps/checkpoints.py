"""The checkpoint of a training: one object a model, so that a training that was killed goes on where it was."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

import synthcredit
from synthcredit.errors import MissingPackageError, NotFoundError, StoppedError, StorageError
from synthcredit.ports import ObjectStore
from synthcredit.synthesizers.fitting import Checkpoints

PREFIX = "training/"
"""Where checkpoints are. Apart from the models, since far fewer may read them: a state of training is not a model that
has been made safe to keep."""
KEPT_DAYS = 7
"""After so many days an abandoned checkpoint is removed; `template.yaml` says the same to S3."""
MAX_BYTES = 2 * 2**30
"""More than any family writes; an object that is larger is not read."""

_MARK = b"synthcredit checkpoint 1\n"
_MAX_HEADER_BYTES = 4096

log = logging.getLogger("synthcredit.steps")

Fitted = TypeVar("Fitted")


class _Header(BaseModel):
    """The line before what the family wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_id: str
    version: str
    sha256: str


class StoredCheckpoints(Checkpoints):
    """The checkpoint of one model in the object store.

    What a family wrote is kept behind a line that says of which model and package version it is, and its hash: what was
    cut off or damaged, or written by another version, is never given to the family.

    Parameters
    ----------
    objects
        Where it is kept; an object is replaced whole or not at all.
    model_id
        The model that is trained.
    """

    def __init__(self, objects: ObjectStore, model_id: str) -> None:
        self._objects = objects
        self._model_id = model_id
        self._folder = f"{PREFIX}{model_id}/"
        self._key = f"{self._folder}checkpoint"
        self.unproven = False
        """Whether what was read last may be at fault: it was given out, and nothing has been written since."""

    def read(self) -> bytes | None:
        """Return what was written last; None where there is nothing, or nothing that can be used."""
        content = self._stored()
        if content is None:
            return None
        try:
            state = _opened(content, self._model_id)
        except ValueError as error:
            log.warning("train: the checkpoint cannot be used, %s; training starts anew", error)
            return None
        log.info("train: goes on from a checkpoint of %.1f MB", len(state) / 1e6)
        self.unproven = True
        return state

    def write(self, content: bytes) -> None:
        """Keep this instead of what was there. That it cannot be kept is no reason to end a training."""
        self.unproven = False
        header = _Header(
            model_id=self._model_id, version=synthcredit.__version__, sha256=hashlib.sha256(content).hexdigest()
        )
        try:
            with self._objects.scratch() as folder:
                path = folder / "checkpoint"
                path.write_bytes(b"".join((_MARK, header.model_dump_json().encode(), b"\n", content)))
                self._objects.put(path, self._key)
        except (StorageError, OSError) as error:
            log.warning("train: no checkpoint was kept (%s); a training that is killed now starts anew", error)

    def remove(self) -> None:
        """Remove it: the model is there, or the checkpoint is of no use."""
        self.unproven = False
        try:
            self._objects.delete(self._folder)
        except StorageError as error:
            log.warning("train: the checkpoint was not removed (%s); it goes after %d days", error, KEPT_DAYS)

    def _stored(self) -> bytes | None:
        try:
            with self._objects.fetch(self._key) as path:
                if path.stat().st_size > MAX_BYTES:
                    log.warning("train: the checkpoint is larger than any can be; training starts anew")
                    return None
                return path.read_bytes()
        except NotFoundError:
            return None


def _opened(content: bytes, model_id: str) -> bytes:
    """Return what the family wrote.

    Raises
    ------
    ValueError
        It is not what was written, or of another model or version; says which, without any of the content.
    """
    if not content.startswith(_MARK):
        raise ValueError("it is none")
    end = content.find(b"\n", len(_MARK), len(_MARK) + _MAX_HEADER_BYTES)
    if end < 0:
        raise ValueError("it has no header")
    try:
        header = _Header.model_validate(json.loads(content[len(_MARK) : end]))
    except (ValidationError, ValueError, RecursionError):
        raise ValueError("its header is damaged") from None
    if header.model_id != model_id:
        raise ValueError("it is of another model")
    if header.version != synthcredit.__version__:
        raise ValueError("another version of synthcredit wrote it")
    state = content[end + 1 :]
    if hashlib.sha256(state).hexdigest() != header.sha256:
        raise ValueError("it is damaged")
    return state


def resuming(fit: Callable[[StoredCheckpoints], Fitted], checkpoints: StoredCheckpoints) -> Fitted:
    """Fit from the checkpoint, or anew where the family cannot work with it.

    The one place that says what happens to a checkpoint that a family refuses. Whatever goes wrong after it was read
    and before the family wrote the next one is taken for its fault, once: it is removed, and the training starts anew.

    Parameters
    ----------
    fit
        Fits a new, empty model each time that it is called.
    checkpoints
        What it reads and writes.
    """
    try:
        return fit(checkpoints)
    except (StoppedError, StorageError, MissingPackageError, MemoryError):
        raise
    except Exception as error:
        if not checkpoints.unproven:
            raise
        # The kind alone: the text may hold whatever was in the checkpoint.
        log.warning("train: the family refuses the checkpoint (%s); training starts anew", type(error).__name__)
    checkpoints.remove()
    return fit(checkpoints)

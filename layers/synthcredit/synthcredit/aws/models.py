"""The model registry on S3: one prefix a model, and the models that came with the package."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from synthcredit.aws.objects import S3Objects
from synthcredit.errors import ModelFileError, Problem
from synthcredit.jobs.job import now
from synthcredit.steps.files import write_document
from synthcredit.synthesizers.card import ModelCard
from synthcredit.synthesizers.shipped import (
    CARD_FILE,
    MODEL_FILE,
    SHIPPED,
    is_plain,
    no_such_model,
    read_card,
    require_same,
)

PREFIX = "models/"
_RELEASE = re.compile(r"releases/(?P<job>[A-Za-z0-9]+)\.(?P<rows>\d{1,18})\.json")
_Parsed = TypeVar("_Parsed")
_Entry = dict[str, Any]
"""What S3 lists of one object: Key, ETag, LastModified."""


class _Release(BaseModel):
    """What one job released from a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str
    rows: int
    scores: dict[str, float]
    time: datetime


class S3Models:
    """One prefix a model: ``model.safetensors``, ``card.json``, and one small object for each job that released rows.

    So two jobs that release at the same time never write the same object. The number of rows is in the object's name,
    and one listing tells them all.

    Parameters
    ----------
    objects
        The lake.
    shipped
        Models that came with the package.
    """

    def __init__(self, objects: S3Objects, shipped: Path = SHIPPED) -> None:
        self._objects = objects
        self._shipped = shipped
        self._read_before: dict[str, tuple[str, Any]] = {}

    def put(self, card: ModelCard, model: Path) -> None:
        """Register a model; the card last, so that no card is found without its model."""
        self._objects.put(model, _key(card.model_id, MODEL_FILE))
        write_document(self._objects, _key(card.model_id, CARD_FILE), card)

    def find(self, model_id: str) -> ModelCard | None:
        """Return a model's card, with what was released from it."""
        if not is_plain(model_id):
            return None
        return self._card(model_id, list(self._objects.entries(_key(model_id, ""))))

    def alone(self, model_id: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:  # noqa: ARG002 - the port's
        """Do not wait: every training here has a machine of its own."""
        return nullcontext()

    @contextmanager
    def fetch(self, model_id: str) -> Iterator[Path]:
        """Give the model file, after a look that it is the one that was registered."""
        card = self.find(model_id)
        if card is None:
            raise no_such_model(model_id)
        shipped = self._shipped / model_id / MODEL_FILE
        key = _key(model_id, MODEL_FILE)
        if self._objects.exists(key):
            with self._objects.fetch(key) as path:
                require_same(path, card, self._objects.link(_key(model_id, "")))
                yield path
        elif shipped.is_file():
            require_same(shipped, card, str(shipped.parent))
            yield shipped
        else:
            raise no_such_model(model_id)

    def all(self) -> Iterator[ModelCard]:
        """Yield every card, newest first."""
        entries: dict[str, list[_Entry]] = {path.parent.name: [] for path in self._shipped.glob(f"*/{CARD_FILE}")}
        for entry in self._objects.entries(PREFIX):
            entries.setdefault(entry["Key"].split("/")[1], []).append(entry)
        cards = [self._card(model_id, found) for model_id, found in entries.items() if is_plain(model_id)]
        yield from sorted(filter(None, cards), key=lambda card: card.created_at, reverse=True)

    def note_release(self, model_id: str, job_id: str, rows: int, scores: dict[str, float]) -> None:
        """Note what a job released; the same job counts once."""
        if self.find(model_id) is not None:
            release = _Release(job_id=job_id, rows=rows, scores=scores, time=now())
            write_document(self._objects, _key(model_id, f"releases/{job_id}.{rows}.json"), release)

    def _card(self, model_id: str, entries: Sequence[_Entry]) -> ModelCard | None:
        prefix = _key(model_id, "")
        by_name = {entry["Key"].removeprefix(prefix): entry for entry in entries}
        shipped = self._shipped / model_id
        if CARD_FILE in by_name:
            place = self._objects.link(prefix)
            card = self._read(by_name[CARD_FILE], lambda content: read_card(content, model_id, place))
        elif (shipped / CARD_FILE).is_file():
            card = read_card((shipped / CARD_FILE).read_bytes(), model_id, str(shipped))
        else:
            return None
        releases = {match: entry for name, entry in by_name.items() if (match := _RELEASE.fullmatch(name))}
        if not releases:
            return card
        newest = max(releases.values(), key=lambda entry: (entry["LastModified"], entry["Key"]))
        released = {**card.released, **{match["job"]: int(match["rows"]) for match in releases}}
        return card.model_copy(update={"released": released, "scores": self._read(newest, _scores)})

    def _read(self, entry: _Entry, parse: Callable[[bytes], _Parsed]) -> _Parsed:
        """Read what a listing named, unless this process has read the same before."""
        tag, value = self._read_before.get(entry["Key"], (None, None))
        if tag != entry["ETag"]:
            value = parse(self._objects.read(entry["Key"]))
            self._read_before[entry["Key"]] = (entry["ETag"], value)
        return value  # type: ignore[return-value]


def _key(model_id: str, name: str) -> str:
    return f"{PREFIX}{model_id}/{name}"


def _scores(content: bytes) -> dict[str, float]:
    try:
        return _Release.model_validate_json(content).scores
    except ValidationError:
        raise ModelFileError(
            Problem("model", "what a job noted on it is damaged", f"Delete the model's objects under {PREFIX}.")
        ) from None

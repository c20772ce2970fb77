"""The model registry on a folder: one folder a model, and the models that came with the package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from synthcredit.local.storage import refusals, write_whole
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

_LOOK_SECONDS = 1.0


class FolderModels:
    """One folder a model: ``model.safetensors`` and ``card.json``."""

    def __init__(self, root: Path, shipped: Path = SHIPPED) -> None:
        self.root = root
        self.shipped = shipped

    def put(self, card: ModelCard, model: Path) -> None:
        """Register a model; the card last, so that no card is found without its model."""
        folder = self.root / card.model_id
        with refusals(folder):
            folder.mkdir(parents=True, exist_ok=True)
            model.replace(folder / MODEL_FILE)
        _write(folder, card)

    def find(self, model_id: str) -> ModelCard | None:
        """Return a model's card; what was released is noted on a copy of a shipped card."""
        for root in (self.root, self.shipped):
            path = root / model_id / CARD_FILE
            if is_plain(model_id) and path.is_file():
                return _read(path)
        return None

    @contextmanager
    def alone(self, model_id: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Train a model while no other process does; the lock of a process that is killed is free."""
        if not is_plain(model_id):
            raise no_such_model(model_id)
        folder = self.root / ".training"
        with refusals(folder):
            folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{model_id}.lock")
        while not lock.is_locked:
            try:
                lock.acquire(timeout=_LOOK_SECONDS)
            except Timeout:
                waiting()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def fetch(self, model_id: str) -> Iterator[Path]:
        """Give the model file, after a look that it is the one that was registered."""
        card = self.find(model_id)
        found = [root / model_id / MODEL_FILE for root in (self.root, self.shipped)]
        path = next((path for path in found if path.is_file()), None)
        if card is None or path is None:
            raise no_such_model(model_id)
        require_same(path, card, str(path.parent))
        yield path

    def all(self) -> Iterator[ModelCard]:
        """Yield every card, newest first."""
        paths = {path.parent.name: path for root in (self.shipped, self.root) for path in root.glob(f"*/{CARD_FILE}")}
        yield from sorted(map(_read, paths.values()), key=lambda card: card.created_at, reverse=True)

    def note_release(self, model_id: str, job_id: str, rows: int, scores: dict[str, float]) -> None:
        """Note what a job released; the same job counts once."""
        folder = self.root / model_id
        with refusals(folder):
            folder.mkdir(parents=True, exist_ok=True)
        # Two jobs may release from one model at the same time.
        with FileLock(folder / ".lock"):
            card = self.find(model_id)
            if card is not None:
                released = {**card.released, job_id: rows}
                _write(folder, card.model_copy(update={"released": released, "scores": scores}))


def _write(folder: Path, card: ModelCard) -> None:
    write_whole(folder / CARD_FILE, (card.model_dump_json(by_alias=True, indent=1) + "\n").encode())


def _read(path: Path) -> ModelCard:
    return read_card(path.read_bytes(), path.parent.name, str(path.parent))

"""What every model registry does alike: names of files, cards that may be hostile, and the models of the package."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError

from synthcredit.errors import ModelFileError, NotFoundError, Problem
from synthcredit.hashing import file_hash
from synthcredit.synthesizers.card import ModelCard

SHIPPED = Path(__file__).parents[1] / "shipped"
"""Models that come with the package; never written to."""
MODEL_FILE = "model.safetensors"
CARD_FILE = "card.json"


def is_plain(model_id: str) -> bool:
    """Tell whether a model id is a name and nothing else: no path, no pattern."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", model_id) is not None


def read_card(content: bytes, model_id: str, place: str) -> ModelCard:
    """Read a model card.

    Parameters
    ----------
    content
        The JSON, hostile until it is parsed.
    model_id, place
        Which model it is of, and where that is.

    Raises
    ------
    ModelFileError
        It is no model card.
    """
    try:
        return ModelCard.model_validate_json(content)
    except ValidationError as error:
        places = sorted({".".join(map(str, item["loc"])) for item in error.errors(include_input=False)})
        raise ModelFileError(
            Problem(
                f"model card {model_id}",
                f"it is wrong at {', '.join(places[:5]) or 'its first byte'}",
                f"Delete {place} and train again.",
            )
        ) from None


def require_same(path: Path, card: ModelCard, place: str) -> None:
    """Refuse a model file that is not the one that was registered with the card.

    Raises
    ------
    ModelFileError
        It is another one.
    """
    if file_hash(path) != card.model_hash:
        raise ModelFileError(
            Problem(
                f"model {card.model_id}",
                "its file is not the one that was registered",
                f"Delete {place} and train again.",
            )
        )


def no_such_model(model_id: str) -> NotFoundError:
    """Return the error that says that a model does not exist."""
    return NotFoundError(
        Problem("model_id", f"there is no model '{model_id}'", "See `synthcredit models` for all models.")
    )

"""The model families by name. Adding one is a file, a settings class and a line here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from synthcredit.errors import InvalidInputError, Problem, from_validation
from synthcredit.synthesizers.settings import (
    CopulaganSettings,
    CopulaSettings,
    CtganSettings,
    DiffusionSettings,
    Settings,
    TreesSettings,
    TvaeSettings,
)

if TYPE_CHECKING:
    from synthcredit.synthesizers.protocol import Synthesizer


@dataclass(frozen=True, slots=True)
class Family:
    """One model family: where it is, what it can be told, and under which licence it trains."""

    name: str
    summary: str
    settings: type[Settings]
    location: str
    licence: str

    def load_class(self) -> type[Synthesizer]:
        """Import the family; only this needs its packages."""
        module, _, name = self.location.partition(":")
        return getattr(import_module(module), name)  # type: ignore[no-any-return]


_BUSL = "Trained with sdv and ctgan (BUSL-1.1): no commercial synthetic data service to third parties."

FAMILIES = {
    family.name: family
    for family in (
        Family(
            "trees",
            "Forests, one column after the other. The default: fast, faithful, no torch.",
            TreesSettings,
            "synthcredit.synthesizers.trees:TreesSynthesizer",
            "Trains with scikit-learn (BSD-3-Clause).",
        ),
        Family(
            "copula",
            "Gaussian copula, one for each class of the target: fits and samples fastest, less faithful than trees.",
            CopulaSettings,
            "synthcredit.synthesizers.copula:CopulaSynthesizer",
            "Trains with numpy (BSD-3-Clause).",
        ),
        Family(
            "ctgan",
            "Conditional GAN (Xu et al. 2019), trained with torch; samples without.",
            CtganSettings,
            "synthcredit.synthesizers.ctgan:CtganSynthesizer",
            _BUSL,
        ),
        Family(
            "tvae",
            "Variational autoencoder (Xu et al. 2019), trained with torch; samples without. Steered by rejection.",
            TvaeSettings,
            "synthcredit.synthesizers.tvae:TvaeSynthesizer",
            _BUSL,
        ),
        Family(
            "copulagan",
            "CTGAN on numeric columns made Gaussian by their own distributions, trained with torch; samples without.",
            CopulaganSettings,
            "synthcredit.synthesizers.copulagan:CopulaganSynthesizer",
            _BUSL,
        ),
        Family(
            "diffusion",
            "Diffusion of mixed columns, trained with torch in minutes; samples without it.",
            DiffusionSettings,
            "synthcredit.synthesizers.diffusion:DiffusionSynthesizer",
            "Trains with torch (BSD-3-Clause).",
        ),
    )
}

DEFAULT = "trees"


def family(name: str) -> Family:
    """Return the family of that name.

    Raises
    ------
    InvalidInputError
        There is none; says which there are.
    """
    if name not in FAMILIES:
        raise InvalidInputError(
            Problem("synthesizer.name", f"there is no synthesizer '{name}'", f"Choose one of: {', '.join(FAMILIES)}.")
        )
    return FAMILIES[name]


def settings_for(name: str, given: dict[str, Any]) -> Settings:
    """Check and complete what was given as settings of a family.

    Raises
    ------
    InvalidInputError
        Unknown family, unknown setting, or a value out of range; all at once.
    """
    try:
        return family(name).settings.model_validate(given)
    except ValidationError as error:
        raise from_validation(error, "synthesizer") from None

"""The `tvae` family: a variational autoencoder for tables, trained with torch, sampled with numpy alone.

Xu, Skoularidou, Cuesta-Infante and Veeramachaneni, "Modeling Tabular Data using Conditional GAN" (NeurIPS 2019),
section 4.5. It has no conditions, so that every steering is by rejection; shares of single columns, that of the target
too, are calibrated. Training is in `ctgan_fit` and `tvae_training`, which nothing here needs in order to sample.
"""

from __future__ import annotations

from typing import ClassVar

from synthcredit.synthesizers.ctgan_base import NetworkSynthesizer
from synthcredit.synthesizers.settings import TvaeSettings


class TvaeSynthesizer(NetworkSynthesizer):
    """Variational autoencoder: sampling needs numpy alone, training needs the `ctgan` extra."""

    name: ClassVar[str] = "tvae"
    noisy: ClassVar[bool] = True
    settings: TvaeSettings

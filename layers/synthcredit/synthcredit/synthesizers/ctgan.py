"""The `ctgan` family: a conditional GAN, trained with torch, exported to arrays, sampled with numpy alone.

Xu, Skoularidou, Cuesta-Infante and Veeramachaneni, "Modeling Tabular Data using Conditional GAN" (NeurIPS 2019).
Training is in `ctgan_fit` and `ctgan_training`, which nothing here needs in order to sample.
"""

from __future__ import annotations

from typing import ClassVar

from synthcredit.synthesizers.ctgan_base import NetworkSynthesizer
from synthcredit.synthesizers.settings import CtganSettings


class CtganSynthesizer(NetworkSynthesizer):
    """Conditional GAN: sampling needs numpy alone, training needs the `ctgan` extra."""

    name: ClassVar[str] = "ctgan"
    settings: CtganSettings

"""The `copulagan` family: a conditional GAN on numeric columns made Gaussian by their own fitted distributions.

As SDV's `CopulaGANSynthesizer`: the dependence is CTGAN's, the margins begin as those of a Gaussian copula. See
`copulagan_margins`; all else is `ctgan`.
"""

from __future__ import annotations

from typing import ClassVar

from synthcredit.synthesizers.ctgan_base import NetworkSynthesizer
from synthcredit.synthesizers.settings import CopulaganSettings


class CopulaganSynthesizer(NetworkSynthesizer):
    """CTGAN behind fitted margins: sampling needs numpy alone, training needs the `ctgan` extra."""

    name: ClassVar[str] = "copulagan"
    bent: ClassVar[bool] = True
    settings: CopulaganSettings

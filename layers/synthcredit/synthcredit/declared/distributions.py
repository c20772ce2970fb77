"""Distributions by their distribution function and its inverse: so any of them can be cut to a range, row by row.

A value between ``low`` and ``high`` is the inverse at ``F(low) + u (F(high) - F(low))`` with ``u`` uniform: the
declared shape, cut off and nothing else (inverse transform sampling, Devroye 1986, II.2).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from synthcredit.datasets.draws import KNOTS, Floats, normal_quantiles

Positive = Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)]
Finite = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
_LARGEST = 1 - 2.0**-53


class Shape(BaseModel):
    """A distribution with a shape of its own, wherever a range cuts it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def share(self, value: Floats) -> Floats:
        """Return the distribution function F at values of any shape; at infinities 0 and 1."""
        raise NotImplementedError

    def value(self, share: Floats) -> Floats:
        """Return the inverse of F at shares from 0 to 1, of any shape; finite everywhere."""
        raise NotImplementedError


class _Signed(Shape):
    negative: Annotated[
        bool, Field(description="Whether amounts are below 0 instead of above: the same shape, mirrored.")
    ] = False

    def share(self, value: Floats) -> Floats:
        """Return F."""
        return 1 - self._share(-value) if self.negative else self._share(value)

    def value(self, share: Floats) -> Floats:
        """Return the inverse of F."""
        return -self._value(1 - share) if self.negative else self._value(share)

    def _share(self, value: Floats) -> Floats:
        raise NotImplementedError

    def _value(self, share: Floats) -> Floats:
        raise NotImplementedError


def _standard_share(z: Floats) -> Floats:
    return np.interp(z, normal_quantiles(), np.linspace(0.0, 1.0, KNOTS + 1))


def _standard_value(share: Floats) -> Floats:
    # The knots are evenly spaced, so that no search is needed.
    place = np.minimum((share * KNOTS).astype(np.int64), KNOTS - 1)
    quantiles = normal_quantiles()
    low = quantiles[place]
    return np.asarray(low + (share * KNOTS - place) * (quantiles[place + 1] - low))


class Uniform(BaseModel):
    """Every value between the column's minimum and maximum equally often."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    kind: Literal["uniform"]


class Normal(Shape):
    """Around a mean, cut at 4.5 standard deviations."""

    kind: Literal["normal"]
    mean: Annotated[Finite, Field(description="Its mean.")]
    spread: Annotated[Positive, Field(description="Its standard deviation.")]

    def share(self, value: Floats) -> Floats:
        """Return F."""
        return _standard_share((value - self.mean) / self.spread)

    def value(self, share: Floats) -> Floats:
        """Return the inverse of F."""
        return self.mean + self.spread * _standard_value(share)


class Lognormal(_Signed):
    """Above 0, with a long tail: incomes, amounts."""

    kind: Literal["lognormal"]
    median: Annotated[Positive, Field(description="Half of the values are below.")]
    spread: Annotated[Positive, Field(le=5, description="Standard deviation of the logarithm; incomes: 0.4 to 0.7.")]

    def _share(self, value: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return _standard_share(np.log(np.maximum(value, 0.0) / self.median) / self.spread)

    def _value(self, share: Floats) -> Floats:
        return self.median * np.exp(self.spread * _standard_value(share))


class Exponential(_Signed):
    """Above 0, small ones most: waiting times."""

    kind: Literal["exponential"]
    mean: Annotated[Positive, Field(description="Its mean.")]

    def _share(self, value: Floats) -> Floats:
        return -np.expm1(-np.maximum(value, 0.0) / self.mean)

    def _value(self, share: Floats) -> Floats:
        return -self.mean * np.log1p(-np.minimum(share, _LARGEST))


class Pareto(_Signed):
    """From a least value on, with a heavy tail: large exposures."""

    kind: Literal["pareto"]
    least: Annotated[Positive, Field(description="The least value.")]
    shape: Annotated[float, Field(ge=0.5, le=100, description="The tail's exponent; wealth: about 1.5.")]

    def _share(self, value: Floats) -> Floats:
        return 1 - (self.least / np.maximum(value, self.least)) ** self.shape

    def _value(self, share: Floats) -> Floats:
        return self.least * (1 - np.minimum(share, _LARGEST)) ** (-1 / self.shape)


class Poisson(Shape):
    """How many events there are in a time; for whole numbers."""

    kind: Literal["poisson"]
    mean: Annotated[float, Field(gt=0, le=1e6, description="Its mean.")]

    def share(self, value: Floats) -> Floats:
        """Return F."""
        reached = poisson_shares(self.mean)
        place = np.clip(np.floor(value), -1, len(reached) - 1).astype(np.int64)
        return np.where(place < 0, 0.0, reached[np.maximum(place, 0)])

    def value(self, share: Floats) -> Floats:
        """Return the inverse of F."""
        reached = poisson_shares(self.mean)
        return np.minimum(np.searchsorted(reached, share, side="right"), len(reached) - 1).astype(np.float64)


Distribution = Annotated[Uniform | Normal | Lognormal | Exponential | Pareto | Poisson, Field(discriminator="kind")]


def poisson_most(mean: float) -> int:
    """Return the number at which a Poisson distribution is cut: once in a thousand million draws."""
    return int(np.ceil(mean + 6 * np.sqrt(mean) + 10))


@lru_cache(maxsize=64)
def poisson_shares(mean: float) -> Floats:
    """Return the distribution function at 0, 1, ...; its last is 1."""
    counts = np.arange(poisson_most(mean) + 1)
    # Sums of logarithms: the terms themselves leave the range of doubles from about 750 on.
    logs = counts * np.log(mean) - mean - np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])
    reached = np.cumsum(np.exp(logs))
    return np.asarray(reached / reached[-1])


def cut(shape: Shape, low: Floats, high: Floats, uniform: Floats) -> Floats:
    """Return values of a distribution cut to a range.

    Parameters
    ----------
    low, high
        Shape (n,), or () where all have one range.
    uniform
        Shape (n,): numbers from 0 to below 1.
    """
    below, until = shape.share(low), shape.share(high)
    return np.clip(shape.value(below + uniform * (until - below)), low, high)

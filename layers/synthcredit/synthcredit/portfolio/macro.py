"""The calendar of the window, and one macro path that drives the rest."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from synthcredit.portfolio.draws import Draws, Floats, Ints
from synthcredit.portfolio.scenario import SERIES, Macro, Scenario, Shock, Time

AHEAD = 72
"""Months after the window that the path goes on: outcomes of the last applicants, and expected losses, need them."""
_LONGEST = 360
"""Months of the longest contract: the calendar has to reach its end."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Months of the window, counted from 0, and days since 1970-01-01."""

    starts: Ints
    """First day of each month, those ahead included."""
    months: int

    @classmethod
    def of(cls, time: Time) -> Calendar:
        """Return the calendar of a scenario."""
        first = np.datetime64(time.start.isoformat(), "M")
        starts = (first + np.arange(time.months + _LONGEST + AHEAD)).astype("datetime64[D]").astype(np.int64)
        return cls(starts, time.months)

    @property
    def first(self) -> int:
        """The first day of the window."""
        return int(self.starts[0])

    @property
    def last(self) -> int:
        """The last day of the window: what comes after is not known."""
        return int(self.starts[self.months]) - 1

    def month(self, days: Ints) -> Ints:
        """Return the month that a day lies in; -1 where it is before the window."""
        return np.searchsorted(self.starts, days, side="right") - 1

    def day_in(self, months: Ints, day: Ints) -> Ints:
        """Return a day of the month, 1 to 28, as days since 1970-01-01."""
        return self.starts[months] + day - 1

    def end_of(self, months: Ints) -> Ints:
        """Return the last day of months."""
        return self.starts[months + 1] - 1


@dataclass(frozen=True, slots=True)
class MacroPath:
    """What the economy does, month by month; each array has the months of the window and those ahead."""

    series: dict[str, Floats]
    """By the names in `SERIES`; rates in per cent, the house price index as an index."""
    index: Floats
    """The macro index: 0 at long-run levels, higher is worse."""
    persistence: float
    """How much of today's index is left a month later, as the lender expects it."""


def macro_path(scenario: Scenario, seed: int) -> MacroPath:
    """Return the path of a scenario.

    Each series is ``long_run + d``, where ``d`` is a share ``persistence`` of last month's plus a shake, and the
    shock's profile times ``stress``. Shakes depend on the seed alone, so that two scenarios of one seed differ by the
    shock alone. ``index = sum of weight * (series - long_run)``, house prices by their yearly growth.
    """
    macro = scenario.macro
    count = scenario.time.months + AHEAD + 1
    draws = Draws("market_data", seed, np.arange(count, dtype=np.int64))
    profile = _profile(macro.shock, count)
    rates = {name: _rate(macro, name, draws, profile) for name in SERIES}
    index = np.sum([macro.series(name).weight * (rates[name] - macro.series(name).long_run) for name in SERIES], axis=0)
    growth = 1 + rates["house_price_index"] / 100
    level = macro.house_price_index.start * np.cumprod(growth ** (1 / 12)) / growth[0] ** (1 / 12)
    return MacroPath(rates | {"house_price_index": level}, index, macro.unemployment_rate.persistence)


def _rate(macro: Macro, name: str, draws: Draws, profile: Floats) -> Floats:
    path = macro.series(name)
    shakes = draws.normal(f"shake of {name}") * path.shaken
    gap = 0.0 if name == "house_price_index" else path.start - path.long_run
    gaps = np.empty(len(shakes))
    for month, shake in enumerate(shakes):
        gaps[month] = gap
        gap = gap * path.persistence + shake
    return np.maximum(path.lowest, path.long_run + gaps + path.stress * profile)


def _profile(shock: Shock, count: int) -> Floats:
    """Return the shock's height, 0 to 1: it rises, stays and fades in straight lines."""
    corners = np.cumsum([shock.month, shock.rise, shock.stay, shock.fade])
    return np.interp(np.arange(count), corners, [0.0, 1.0, 1.0, 0.0])


def day_of(date: dt.date) -> int:
    """Return a date as days since 1970-01-01."""
    return (date - dt.date(1970, 1, 1)).days

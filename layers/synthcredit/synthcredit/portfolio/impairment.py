"""IFRS 9: what the lender expects of its loans, in which stage they are, and the loss that it provides for.

The lender knows no future. It expects the macro index of the reporting date to fade, ``index rho^h``, and takes PDs
from the same monthly moves (`hazards`) that loans make, without the frailty that nobody sees. PDs are worked out on a
grid of the index, exactly, and read between its points in straight lines of the logarithm.

- Stage 3: in default, probation included.
- Stage 2: 12-month PD at least ``relative`` times and ``absolute`` more than at origination, or ``backstop_days`` past
  due.
- Stage 1: the rest.

``ECL = sum over years y of (marginal PD of y) LGD (EAD in the middle of y) / (1 + EIR)^(y - 1/2)``: one year in stage
1, the rest of the contract in stage 2; ``LGD EAD`` in stage 3. Years after the fifth have the fifth's hazard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthcredit.portfolio import hazards
from synthcredit.portfolio.draws import Bools, Floats, Ints
from synthcredit.portfolio.ledger import mean_severity
from synthcredit.portfolio.macro import Calendar, MacroPath
from synthcredit.portfolio.scenario import Scenario

YEARS = 5
_GRID = np.linspace(-5.0, 5.0, 51)
_OLDEST = 36
"""Months on book from which the season hardly changes."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Cumulative PDs that the lender expects."""

    reports: Ints
    """Months at whose ends it reports."""
    terms: Floats
    """Logarithms of cumulative PDs: shape (reports, ages, states, grid, years)."""
    fresh: Floats
    """Logarithms of the 12-month PD of a loan that is opened, shape (months, grid)."""

    @classmethod
    def of(cls, scenario: Scenario, calendar: Calendar, macro: MacroPath) -> Expected:
        """Work out the grid of a scenario."""
        every = scenario.ifrs9.report_every
        reports = np.arange(every - 1, calendar.months, every)
        weighted = scenario.hazards.index.macro * macro.index
        terms = _cumulative(scenario, weighted[reports], macro.persistence, ages=_OLDEST + 1, states=3, years=YEARS)
        fresh = _cumulative(scenario, weighted[: calendar.months], macro.persistence, ages=1, states=1, years=1)
        return cls(reports, terms, np.ascontiguousarray(fresh[:, 0, 0, :, 0]))

    def pd(self, report: Ints, age: Ints, state: Ints, index: Floats) -> Floats:
        """Return cumulative PDs over 1 to 5 years, shape (n, 5)."""
        low, within = _between(index)
        _, ages, states, points, years = self.terms.shape
        place = ((report * ages + np.minimum(age, _OLDEST)) * states + state) * points + low
        flat = self.terms.reshape(-1, years)
        left, right = flat[place], flat[place + 1]
        return np.asarray(np.exp(left + within[:, None] * (right - left)))

    def pd_at_opening(self, month: Ints, index: Floats) -> Floats:
        """Return the 12-month PD that was expected when loans were opened, shape (n,)."""
        low, within = _between(index)
        left, right = self.fresh[month, low], self.fresh[month, low + 1]
        return np.asarray(np.exp(left + within * (right - left)))


def _between(index: Floats) -> tuple[Ints, Floats]:
    place = (np.clip(index, _GRID[0], _GRID[-1]) - _GRID[0]) / (_GRID[1] - _GRID[0])
    low = np.minimum(place.astype(np.int64), len(_GRID) - 2)
    return low, np.asarray(place - low)


def _cumulative(scenario: Scenario, macro: Floats, persistence: float, *, ages: int, states: int, years: int) -> Floats:
    """Return logarithms of cumulative PDs, shape (len(macro), ages, states, grid, years)."""
    shape = (len(macro), ages, states, len(_GRID))
    starts = np.arange(states)[:, None]
    occupied = [np.broadcast_to((starts == state).astype(np.float64), shape) for state in range(3)]
    lost = np.zeros(shape)
    found = np.empty((*shape, years))
    first = np.arange(ages)
    for step in range(1, 12 * years + 1):
        seasons = hazards.season(scenario.hazards, np.minimum(first + step, 10 * _OLDEST))
        risk = _GRID + (macro[:, None] * persistence**step + seasons)[:, :, None, None]
        occupied, default = hazards.move(scenario.hazards, occupied, risk)
        lost = lost + default
        if step % 12 == 0:
            found[..., step // 12 - 1] = np.log(lost)
    return found


def severe_share(scenario: Scenario, product: Ints, index: Floats) -> Floats:
    """Return the probability of the high hump of LGD: the product's, more in a downturn.

    ``logit(share) = logit(product's share) + macro_severity index``.
    """
    share = np.clip(np.array([one.severe for one in scenario.products]), 1e-6, 1 - 1e-6)
    odds = np.log(share / (1 - share))[product] + scenario.default.macro_severity * index
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))


def expected_lgd(scenario: Scenario, product: Ints, index: Floats, in_default: Bools) -> Floats:
    """Return LGDs: the mean loss of those that are not cured, times the share that is not cured."""
    rules = scenario.default
    uncured = (1.0 - rules.cure) ** rules.cure_months
    lgd = mean_severity(rules, severe_share(scenario, product, index))
    return np.asarray(lgd * np.where(in_default, np.sqrt(uncured), uncured))


def stages(scenario: Scenario, now: Floats, origin: Floats, days: Ints, in_default: Bools) -> Ints:
    """Return stages 1 to 3."""
    rules = scenario.ifrs9
    worse = (now >= rules.relative * origin) & (now - origin >= rules.absolute)
    return np.where(in_default, 3, np.where(worse | (days >= rules.backstop_days), 2, 1))


def expected_loss(stage: Ints, cumulative: Floats, lgd: Floats, balance: Ints, rate: Ints, remaining: Ints) -> Ints:
    """Return expected credit losses in cents, shape (n,).

    Parameters
    ----------
    cumulative
        Shape (n, 5): PDs over 1 to 5 years.
    rate, remaining
        Effective interest in basis points a year, months to the contract's end.
    """
    loss = np.where(stage == 3, 1.0, 0.0)
    for year in range(1, int(-(-remaining.max(initial=1) // 12)) + 1):
        rows = (
            np.flatnonzero((stage == 1) | (stage == 2))
            if year == 1
            else np.flatnonzero((stage == 2) & (remaining > 12 * (year - 1)))
        )
        if not len(rows):
            break
        loss[rows] += _year_loss(year, cumulative[rows], rate[rows], remaining[rows])
    return np.rint(balance * lgd * loss).astype(np.int64)


def _year_loss(year: int, cumulative: Floats, rate: Ints, remaining: Ints) -> Floats:
    """Return marginal PD times the share of today's balance that is left, discounted, for one year ahead."""
    before = np.zeros(len(rate)) if year == 1 else cumulative[:, min(year, YEARS) - 2]
    here = cumulative[:, min(year, YEARS) - 1]
    hazard = (here - before) / (1.0 - before)
    survived = (1.0 - before) * (1.0 - hazard) ** max(year - YEARS, 0)
    # The contract's last year is cut short.
    share = np.clip((remaining - 12.0 * (year - 1)) / 12.0, 0.0, 1.0)
    share = np.where(remaining <= 0, 1.0, share)
    monthly = np.maximum(rate, 1) / 120_000.0
    middle = 12.0 * (year - 1) + 6.0 * share
    left = np.maximum(remaining, 1).astype(np.float64)
    growth = (1.0 + monthly) ** left
    exposure = np.where(remaining <= 0, 1.0, (growth - (1.0 + monthly) ** np.minimum(middle, left)) / (growth - 1.0))
    discount = (1.0 + rate / 10_000.0) ** (middle / 12.0)
    return np.asarray(survived * hazard * share * exposure / discount)

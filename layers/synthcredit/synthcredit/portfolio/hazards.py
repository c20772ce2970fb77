"""How loans move between days past due, and the 12-month PD that those moves imply.

A performing loan is in state 0, 1 or 2: so many instalments missed, 30 days past due each (30/360). In its month ``a``
on book, ``e = x + w M(month) + s(a)`` is its risk: the index ``x`` that it was granted with, the macro index ``M`` and
the season ``s``. Each month it

- is found unlikely to pay with probability ``u(e)``: default;
- else misses the instalment with probability ``m_state(e)``: one state on; from state 2, 90 days past due: default;
- else pays: from 0 one instalment, or all (prepayment); from 1 and 2 one instalment, some, or all that is missed.

``u`` and ``m`` are logistic: ``1 / (1 + exp(-(level + slope e)))``. The PD over h months is what a distribution over
the states 0, 1, 2, started in one of them and moved h times, has lost to default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthcredit.portfolio.draws import Bools, Floats, Ints
from synthcredit.portfolio.scenario import DefaultRules, Hazard, Hazards, Index, Scenario

REFERENCE_SCORE = 700.0
REFERENCE_INCOME = 45_000.0
REFERENCE_DEBT = 0.25
REFERENCE_UTILISATION = 0.30
HORIZON = 12
"""Months over which a PD is taken and an applicant's outcome is observed."""

PERFORMING, WORKOUT, PROBATION = 0, 1, 2
OPEN, REPAID, PREPAID, WRITTEN_OFF = 0, 1, 2, 3
NO_DEFAULT, PAST_DUE, UNLIKELY = 0, 1, 2


def risk_index(weights: Index, score: Floats, income: Floats, debt: Floats, utilisation: Floats) -> Floats:
    """Return what score, income (USD a year), debt to income and utilisation (shares) add to the index."""
    return np.asarray(
        weights.score * (score - REFERENCE_SCORE) / 100
        + weights.income * np.log(income / REFERENCE_INCOME)
        + weights.debt * (debt - REFERENCE_DEBT)
        + weights.utilisation * (utilisation - REFERENCE_UTILISATION)
    )


def logistic(hazard: Hazard, risk: Floats | float) -> Floats:
    """Return a monthly hazard at some risks."""
    return np.asarray(1.0 / (1.0 + np.exp(-(hazard.level + hazard.slope * risk))))


def season(hazards: Hazards, ages: Ints) -> Floats:
    """Return what the months on book add to the index: it rises as the loan seasons, and fades as the weak are gone."""
    rise = -hazards.season_depth * np.exp(-ages / hazards.season_months)
    return np.asarray(rise - hazards.fade_depth * (1 - np.exp(-ages / hazards.fade_months)))


def move(hazards: Hazards, occupied: list[Floats], risk: Floats) -> tuple[list[Floats], Floats]:
    """Move a distribution over the states 0, 1, 2 by one month.

    Parameters
    ----------
    occupied
        Three arrays of one shape: the probability of each state.
    risk
        ``e`` of the month, of a shape that fits.

    Returns
    -------
    tuple
        The three arrays after the month, and what went into default in it.
    """
    unlikely = logistic(hazards.unlikely_to_pay, risk)
    missed = [logistic(one, risk) for one in (hazards.current, hazards.one_missed, hazards.two_missed)]
    likely = 1.0 - unlikely
    paid = [likely * (1.0 - miss) * share for miss, share in zip(missed, occupied, strict=True)]
    skipped = [likely * miss * share for miss, share in zip(missed, occupied, strict=True)]
    full, part = hazards.catch_up_from_two, hazards.part_from_two
    after = [
        paid[0] * (1.0 - hazards.prepayment) + paid[1] * hazards.catch_up + paid[2] * full,
        skipped[0] + paid[1] * (1.0 - hazards.catch_up) + paid[2] * part,
        skipped[1] + paid[2] * (1.0 - full - part),
    ]
    return after, np.asarray(unlikely * (occupied[0] + occupied[1] + occupied[2]) + skipped[2])


def monthly_hazards(hazards: Hazards, index: Floats, macro: Floats, opened: Ints) -> Floats:
    """Return the hazards of default of new loans in their first twelve months, shape (n, 12).

    The hazard of a month is the probability of default in it, for a loan that is neither in default nor prepaid before.

    Parameters
    ----------
    index
        Shape (n,): ``x`` of each loan, with its frailty.
    macro
        The macro index month by month, times its weight.
    opened
        Shape (n,): month of the window in which each was opened.
    """
    occupied = [np.ones_like(index), np.zeros_like(index), np.zeros_like(index)]
    found = np.empty((len(index), HORIZON))
    seasons = season(hazards, np.arange(HORIZON + 1))
    for age in range(1, HORIZON + 1):
        alive = occupied[0] + occupied[1] + occupied[2]
        occupied, lost = move(hazards, occupied, index + macro[opened + age] + seasons[age])
        found[:, age - 1] = lost / alive
    return found


def implied_pd(hazards: Hazards, index: Floats, macro: Floats, opened: Ints) -> Floats:
    """Return the 12-month PD of new loans, shape (n,): what the monthly moves lose to default in twelve months."""
    occupied = [np.ones_like(index), np.zeros_like(index), np.zeros_like(index)]
    total = np.zeros_like(index)
    seasons = season(hazards, np.arange(HORIZON + 1))
    for age in range(1, HORIZON + 1):
        occupied, lost = move(hazards, occupied, index + macro[opened + age] + seasons[age])
        total += lost
    return total


@dataclass(frozen=True, slots=True)
class Paths:
    """What becomes of loans, month by month on book; arrays of shape (n, months + 1) start at 0, the opening."""

    paid: Ints
    """Instalments paid so far (int16); only what the schedule asks for, neither prepayments nor recoveries."""
    status: Ints
    """`PERFORMING`, `WORKOUT` or `PROBATION` after the month (int8); the last two are default."""
    clock: Ints
    """Months since the default, in workout, or of probation (int16)."""
    last: Ints
    """Shape (n,): the last month of the path."""
    closed: Ints
    """Shape (n,): `OPEN`, `REPAID`, `PREPAID` or `WRITTEN_OFF` at the end."""
    default: Ints
    """Shape (n,): month on book of the first default, 0 where there is none."""
    reason: Ints
    """Shape (n,): `PAST_DUE` or `UNLIKELY` of the first default."""
    defaults: Ints
    """Shape (n,): how many times the loan went into default or, in probation, back."""

    @classmethod
    def none(cls) -> Paths:
        """Return the paths of no loan."""
        wide: list[Any] = [np.zeros((0, 1), dtype) for dtype in (np.int16, np.int8, np.int16)]
        return cls(*wide, *(np.zeros(0, np.int64) for _ in range(5)))

    def take(self, rows: Ints) -> Paths:
        """Return some loans' paths."""
        return Paths(*(getattr(self, name)[rows] for name in Paths.__dataclass_fields__))


def simulate(
    scenario: Scenario,
    index: Floats,
    term: Ints,
    needed: Ints,
    opened: Ints,
    until: Ints,
    macro: Floats,
    luck: Callable[[Ints, int], Floats],
) -> Paths:
    """Let loans live from their opening to the end of what is watched.

    Parameters
    ----------
    index, term, needed, opened, until
        Shape (n,): index with frailty, months of the contract, how many missed instalments are material, month of
        opening, and month on book to go to.
    macro
        The macro index month by month, times its weight.
    luck
        Called with the places of loans and a month on book; returns one uniform number each, which decides all of the
        loan's month. Small is bad: a worse economy adds defaults and takes none away while a loan is performing.
    """
    walk = _Walk.start(scenario, term, needed, int(until.max(initial=0)))
    live = np.flatnonzero(until > 0)
    seasons = season(scenario.hazards, np.arange(walk.paid.shape[1]))
    for age in range(1, walk.paid.shape[1]):
        if not len(live):
            break
        risk = index[live] + macro[opened[live] + age] + seasons[age]
        walk.step(age, live, risk, luck(live, age))
        live = live[(walk.closed[live] == OPEN) & (until[live] > age)]
    return Paths(walk.paid, walk.status, walk.clock, walk.last, walk.closed, walk.default, walk.reason, walk.defaults)


@dataclass(slots=True)
class _Walk:
    """The loans on their way; arrays as in `Paths`."""

    hazards: Hazards
    rules: DefaultRules
    term: Ints
    needed: Ints
    paid: Ints
    status: Ints
    clock: Ints
    last: Ints
    closed: Ints
    default: Ints
    reason: Ints
    defaults: Ints

    @classmethod
    def start(cls, scenario: Scenario, term: Ints, needed: Ints, months: int) -> _Walk:
        shape = (len(term), months + 1)
        wide = [np.zeros(shape, dtype) for dtype in (np.int16, np.int8, np.int16)]
        narrow = [np.zeros(len(term), np.int64) for _ in range(5)]
        return cls(scenario.hazards, scenario.default, term, needed, *wide, *narrow)

    def step(self, age: int, live: Ints, risk: Floats, luck: Floats) -> None:
        """Move the loans that are alive from month ``age - 1`` to ``age``."""
        self.last[live] = age
        performing = self.status[live, age - 1] == PERFORMING
        self._perform(age, live[performing], risk[performing], luck[performing])
        if not performing.all():
            rest = ~performing
            self._recover(age, live[rest], risk[rest], luck[rest])

    def _perform(self, age: int, live: Ints, risk: Floats, luck: Floats) -> None:
        """Move performing loans: most are not late and have ordinary luck, and pay one instalment."""
        current = self.paid[live, age - 1] == age - 1
        ordinary = current & (luck >= self._most_bad(risk)) & (luck < 1.0 - self.hazards.prepayment)
        self.paid[live[ordinary], age] = age
        self.closed[live[ordinary & (self.term[live] <= age)]] = REPAID
        rest = ~ordinary
        self._decide(age, live[rest], risk[rest], luck[rest])

    def _most_bad(self, risk: Floats) -> float:
        """Return the largest probability that any of the loans, if it is not late, does not pay."""
        worst = risk.max(initial=-50.0)
        unlikely = float(logistic(self.hazards.unlikely_to_pay, worst))
        return unlikely + (1.0 - unlikely) * float(logistic(self.hazards.current, worst))

    def _decide(self, age: int, live: Ints, risk: Floats, luck: Floats) -> None:
        hazards, term = self.hazards, self.term[live]
        paid = self.paid[live, age - 1].astype(np.int64)
        missed = age - 1 - paid
        unlikely, skips, rest = _bad_luck(hazards, missed, risk, luck)
        pays = ~(unlikely | skips)
        one, two = pays & (missed == 1), pays & (missed >= 2)
        full = (one & (rest < hazards.catch_up)) | (two & (rest < hazards.catch_up_from_two))
        part = two & ~full & (rest < hazards.catch_up_from_two + hazards.part_from_two)
        prepays = pays & (missed == 0) & (rest >= 1.0 - hazards.prepayment)
        after = np.minimum(np.where(full, age, paid + pays + part), term)
        # After the contract's end fewer than three instalments may be owed: 90 days past due, but not material.
        material = np.minimum(age, term) - after >= self.needed[live]
        defaults = unlikely | (age - after >= 3) & (after < term) & material
        self.paid[live, age] = after
        self.status[live[defaults], age] = WORKOUT
        self.closed[live] = np.where(after >= term, REPAID, np.where(prepays, PREPAID, OPEN))
        self._note(age, live[defaults], unlikely[defaults])

    def _note(self, age: int, loans: Ints, unlikely: Bools) -> None:
        first = self.default[loans] == 0
        self.default[loans[first]] = age
        self.reason[loans[first]] = np.where(unlikely[first], UNLIKELY, PAST_DUE)
        self.defaults[loans] += 1

    def _recover(self, age: int, live: Ints, risk: Floats, luck: Floats) -> None:
        """Move loans that are in default."""
        workout = self.status[live, age - 1] == WORKOUT
        self._work_out(age, live[workout], luck[workout])
        if not workout.all():
            rest = ~workout
            self._prove(age, live[rest], risk[rest], luck[rest])

    def _work_out(self, age: int, live: Ints, luck: Floats) -> None:
        """Cure loans in workout, or bring them a month nearer to their end."""
        rules = self.rules
        clock = self.clock[live, age - 1] + 1
        cured = (clock <= rules.cure_months) & (luck < rules.cure)
        after = np.where(cured, np.minimum(age, self.term[live]), self.paid[live, age - 1])
        self.paid[live, age] = after
        self.status[live, age] = np.where(cured, PROBATION, WORKOUT)
        self.clock[live, age] = np.where(cured, 0, clock)
        self.closed[live[after >= self.term[live]]] = REPAID
        self.closed[live[~cured & (clock >= rules.recovery_months[-1])]] = WRITTEN_OFF

    def _prove(self, age: int, live: Ints, risk: Floats, luck: Floats) -> None:
        """Move loans in probation: a month without a missed instalment, or back into workout."""
        paid, term = self.paid[live, age - 1].astype(np.int64), self.term[live]
        clock = self.clock[live, age - 1] + 1
        unlikely, skips, _ = _bad_luck(self.hazards, np.zeros_like(paid), risk, luck)
        fails = unlikely | skips
        healed = ~fails & (clock >= self.rules.probation_months)
        after = np.minimum(paid + ~fails, term)
        self.paid[live, age] = after
        self.status[live, age] = np.where(fails, WORKOUT, np.where(healed, PERFORMING, PROBATION))
        self.clock[live, age] = np.where(fails | healed, 0, clock)
        self.closed[live[after >= term]] = REPAID
        self._note(age, live[fails], unlikely[fails])


def _bad_luck(hazards: Hazards, missed: Ints, risk: Floats, luck: Floats) -> tuple[Bools, Bools, Floats]:
    """Return who is found unlikely to pay, who misses, and the luck that is left to those who pay, from 0 to 1."""
    unlikely = logistic(hazards.unlikely_to_pay, risk)
    states = (hazards.current, hazards.one_missed, hazards.two_missed)
    place = np.minimum(missed, 2)
    level = np.array([one.level for one in states])[place]
    slope = np.array([one.slope for one in states])[place]
    miss = 1.0 / (1.0 + np.exp(-(level + slope * risk)))
    bad = unlikely + (1.0 - unlikely) * miss
    found = luck < unlikely
    return found, (luck < bad) & ~found, np.asarray((luck - bad) / (1.0 - bad))

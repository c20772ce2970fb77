from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from synthcredit.portfolio import hazards
from synthcredit.portfolio.draws import Draws
from synthcredit.portfolio.hazards import HORIZON, OPEN, PERFORMING, PROBATION, WORKOUT, WRITTEN_OFF
from synthcredit.portfolio.scenario import load, with_changes

SCENARIO = load("baseline")
MACRO = 0.4 * np.sin(np.arange(140) / 9)


def _luck(key: int) -> Callable[[np.ndarray, int], np.ndarray]:
    return lambda loans, age: Draws("t", key, loans * 100 + age).uniform("luck")


def _simulated(index: float, count: int = 40_000, months: int = 12, scenario: object = SCENARIO) -> hazards.Paths:
    luck = _luck(0)
    full = np.full
    return hazards.simulate(
        scenario, full(count, index), full(count, 60), full(count, 3), full(count, 10), full(count, months), MACRO, luck
    )  # fmt: skip


@pytest.mark.parametrize("index", [-1.0, 0.5, 2.0])
def test_the_implied_pd_is_what_the_moves_bring(index: float) -> None:
    paths = _simulated(index)
    bad = (paths.default > 0) & (paths.default <= HORIZON)
    pd = float(hazards.implied_pd(SCENARIO.hazards, np.array([index]), MACRO, np.array([10]))[0])
    # Four standard errors.
    assert abs(bad.mean() - pd) < 4 * np.sqrt(pd * (1 - pd) / len(bad))


def test_the_monthly_hazards_are_what_the_moves_bring() -> None:
    paths = _simulated(1.5)
    found = hazards.monthly_hazards(SCENARIO.hazards, np.array([1.5]), MACRO, np.array([10]))[0]
    for age in range(3, HORIZON + 1):
        at_risk = ((paths.default == 0) | (paths.default >= age)) & (paths.last >= age)
        rate = (paths.default[at_risk] == age).mean()
        assert abs(rate - found[age - 1]) < 4.5 * np.sqrt(found[age - 1] / at_risk.sum())


def test_hazards_and_pd_agree() -> None:
    index = np.linspace(-3, 3, 7)
    opened = np.full(7, 4)
    monthly = hazards.monthly_hazards(SCENARIO.hazards, index, MACRO, opened)
    pd = hazards.implied_pd(SCENARIO.hazards, index, MACRO, opened)
    # Prepayment takes loans away, so the product of survivals is an upper bound, near at hand.
    upper = 1 - np.prod(1 - monthly, axis=1)
    assert (pd <= upper).all()
    assert (pd >= 0.85 * upper).all()
    no_prepayment = with_changes(SCENARIO, {"hazards.prepayment": 0.0}).hazards
    exact = 1 - np.prod(1 - hazards.monthly_hazards(no_prepayment, index, MACRO, opened), axis=1)
    np.testing.assert_allclose(hazards.implied_pd(no_prepayment, index, MACRO, opened), exact, rtol=1e-12)


def test_moves_lose_nobody() -> None:
    occupied = [np.full(5, share) for share in (0.7, 0.2, 0.1)]
    after, lost = hazards.move(SCENARIO.hazards, occupied, np.linspace(-4, 4, 5))
    gone = 0.7 * SCENARIO.hazards.prepayment
    total = sum(after) + lost
    assert (total <= 1 + 1e-12).all()
    assert (total >= 1 - gone - 1e-12).all()


def test_a_worse_economy_adds_defaults_and_takes_no_first_default_away() -> None:
    calm = _simulated(1.0, 5_000)
    luck = _luck(0)
    full = np.full
    worse = hazards.simulate(
        SCENARIO, full(5_000, 1.0), full(5_000, 60), full(5_000, 3), full(5_000, 10), full(5_000, 12), MACRO + 0.5, luck
    )  # fmt: skip
    assert (worse.default > 0).sum() > (calm.default > 0).sum()
    months = np.arange(13)
    first_miss = [((p.paid < months) & (months <= p.last[:, None])).argmax(axis=1) for p in (calm, worse)]
    missed = first_miss[0] > 0
    assert ((first_miss[1][missed] <= first_miss[0][missed]) & (first_miss[1][missed] > 0)).all()


def test_probation_lasts_as_long_as_stated_and_workout_ends() -> None:
    paths = _simulated(3.0, 4_000, months=48)
    status = paths.status
    for loan in range(0, 4_000, 7):
        run = status[loan, : paths.last[loan] + 1]
        starts = np.flatnonzero((run[1:] == PROBATION) & (run[:-1] == WORKOUT)) + 1
        for start in starts:
            after = run[start:]
            length = int(np.argmax(after != PROBATION)) if (after != PROBATION).any() else None
            if length is not None and after[length] == PERFORMING:
                assert length == SCENARIO.default.probation_months
    written = paths.closed == WRITTEN_OFF
    assert written.any()
    clock = paths.clock[np.flatnonzero(written), paths.last[written]]
    assert (clock == SCENARIO.default.recovery_months[-1]).all()


def test_after_the_contract_small_arrears_are_no_default() -> None:
    count, months = 3_000, 20
    luck = _luck(1)
    full = np.full
    common = (full(count, 2.0), full(count, 12))
    strict = hazards.simulate(SCENARIO, *common, full(count, 1), full(count, 0), full(count, months), MACRO, luck)
    lax = hazards.simulate(SCENARIO, *common, full(count, 3), full(count, 0), full(count, months), MACRO, luck)
    assert (lax.default > 0).sum() < (strict.default > 0).sum()
    late = (lax.default == 0) & (lax.closed == OPEN)
    assert (months - lax.paid[late, -1] >= 3).any()


def test_the_index_weighs_what_it_is_told() -> None:
    weights = SCENARIO.hazards.index
    one = np.ones(1)
    base = hazards.risk_index(weights, 700 * one, 45_000 * one, 0.25 * one, 0.3 * one)[0]
    assert base == 0
    assert hazards.risk_index(weights, 800 * one, 45_000 * one, 0.25 * one, 0.3 * one)[0] == pytest.approx(
        weights.score
    )
    assert hazards.risk_index(weights, 700 * one, 45_000 * one, 1.25 * one, 0.3 * one)[0] == pytest.approx(weights.debt)

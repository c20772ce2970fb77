from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from synthcredit.portfolio import hazards, impairment
from synthcredit.portfolio.book import Volumes, world_of
from synthcredit.portfolio.scenario import load

SCENARIO = load("downturn")
WORLD = world_of(SCENARIO, Volumes(), 7)


@pytest.mark.parametrize(("report", "age", "state", "index"), [(3, 0, 0, 0.37), (9, 12, 1, -1.13), (11, 30, 2, 2.2)])
def test_expected_pds_are_those_of_the_moves(report: int, age: int, state: int, index: float) -> None:
    expected = WORLD.expected
    found = expected.pd(*(np.array([value]) for value in (report, age, state)), np.array([index]))[0]
    occupied = [np.array([1.0 if place == state else 0.0]) for place in range(3)]
    now, lost = WORLD.weighted[expected.reports[report]], 0.0
    for step in range(1, 61):
        season = hazards.season(SCENARIO.hazards, np.array([age + step]))
        occupied, default = hazards.move(
            SCENARIO.hazards, occupied, index + now * WORLD.macro.persistence**step + season
        )
        lost += float(default[0])
        if step % 12 == 0:
            # What is read between the points of the grid is within half a per cent.
            assert found[step // 12 - 1] == pytest.approx(lost, rel=0.005)


def test_the_lender_knows_no_future() -> None:
    """Before the shock it expects the same of a loan whether or not the shock will come."""
    calm = world_of(load("baseline"), Volumes(), 7).expected
    before = calm.reports < SCENARIO.macro.shock.month
    assert (calm.terms[before] == WORLD.expected.terms[before]).all()
    assert (calm.terms[~before][1] < WORLD.expected.terms[~before][1]).all()


def test_stages_follow_their_rules(downturn: dict[str, pa.Table]) -> None:
    table = downturn["impairments"]
    stage, days, origin, now = (
        table[name].to_numpy() for name in ("stage", "days_past_due", "pd_origination", "pd_12m")
    )
    rules = SCENARIO.ifrs9
    worse = (now >= rules.relative * origin) & (now - origin >= rules.absolute)
    assert ((stage == 3) == (now == 1)).all()
    assert ((stage == 2) == ((worse | (days >= rules.backstop_days)) & (stage != 3))).all()
    assert (stage[days >= 90] == 3).mean() > 0.98
    shares = [(stage == one).mean() for one in (1, 2, 3)]
    assert shares[0] > 0.6
    assert min(shares[1:]) > 0.01


def test_losses_rise_with_the_stage(downturn: dict[str, pa.Table]) -> None:
    table = downturn["impairments"]
    stage, loss, exposure, lgd, pd = (table[name].to_numpy() for name in ("stage", "ecl", "ead", "lgd", "pd_12m"))
    coverage = [loss[stage == one].sum() / exposure[stage == one].sum() for one in (1, 2, 3)]
    assert coverage[0] < coverage[1] < coverage[2]
    assert (loss <= exposure * lgd + 0.01).all()
    first = stage == 1
    assert (loss[first] <= pd[first] * lgd[first] * exposure[first] + 0.02).all()
    third = stage == 3
    np.testing.assert_allclose(loss[third], exposure[third] * lgd[third], atol=0.006)


def test_a_lifetime_is_more_than_a_year() -> None:
    one = np.ones(3)
    stage = np.array([1, 2, 3])
    cumulative = np.tile(np.array([0.04, 0.08, 0.11, 0.13, 0.15]), (3, 1))
    whole = np.full(3, 10_000_00)
    loss = impairment.expected_loss(stage, cumulative, 0.5 * one, whole, np.full(3, 600), np.full(3, 240))
    # A year ahead: PD, half a year's discount, and an exposure that has hardly been repaid.
    assert loss[0] == pytest.approx(0.04 * 0.5 * 10_000_00 / 1.06**0.5, rel=0.02)
    assert loss[0] < 3 * loss[0] < loss[1] < loss[2] == 5_000_00
    alone = (cumulative[:1], 0.5 * one[:1], whole[:1], np.full(1, 600))
    short, over = (impairment.expected_loss(np.full(1, 2), *alone, np.full(1, left)) for left in (6, -2))
    assert short[0] < loss[0]
    assert over[0] > 0

from __future__ import annotations

import datetime as dt

import numpy as np

from synthcredit.portfolio.macro import Calendar, day_of, macro_path
from synthcredit.portfolio.scenario import SERIES, load, with_changes


def test_the_shock_is_all_that_two_scenarios_of_a_seed_differ_by() -> None:
    calm, bad = macro_path(load("baseline"), 5), macro_path(load("downturn"), 5)
    shock = load("downturn").macro.shock
    for name in SERIES:
        assert (calm.series[name][: shock.month + 1] == bad.series[name][: shock.month + 1]).all()
    height = slice(shock.month + shock.rise, shock.month + shock.rise + shock.stay)
    gap = bad.series["unemployment_rate"][height] - calm.series["unemployment_rate"][height]
    np.testing.assert_allclose(gap, 6.0, atol=1e-9)
    over = shock.month + shock.rise + shock.stay + shock.fade
    assert (calm.index[over:] == bad.index[over:]).all()


def test_the_path_stays_near_its_long_run_without_a_shock() -> None:
    found = np.concatenate([macro_path(load("baseline"), seed).series["unemployment_rate"] for seed in range(40)])
    path = load("baseline").macro.unemployment_rate
    spread = path.shaken / np.sqrt(1 - path.persistence**2)
    assert abs(found.mean() - path.long_run) < 0.2
    assert 0.7 * spread < found.std() < 1.3 * spread


def test_house_prices_grow_and_floors_hold() -> None:
    path = macro_path(load("baseline"), 1).series["house_price_index"]
    assert path[0] == 100
    floor = with_changes(load("downturn"), {"macro.policy_rate.stress": -50.0})
    assert macro_path(floor, 1).series["policy_rate"].min() == floor.macro.policy_rate.lowest


def test_the_calendar_knows_its_months() -> None:
    calendar = Calendar.of(load("baseline").time)
    assert calendar.first == day_of(dt.date(2020, 1, 1))
    assert calendar.last == day_of(dt.date(2024, 12, 31))
    days = np.array([day_of(dt.date(2020, 2, 29)), day_of(dt.date(2020, 3, 1)), calendar.first - 1])
    assert calendar.month(days).tolist() == [1, 2, -1]
    assert calendar.end_of(np.array([1]))[0] == days[0]
    assert calendar.day_in(np.array([2]), np.array([1]))[0] == days[1]

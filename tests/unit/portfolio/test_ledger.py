from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.portfolio.draws import Draws
from synthcredit.portfolio.ledger import Schedule, instalment, mean_severity, severity
from synthcredit.portfolio.scenario import load


@given(st.integers(10_000, 90_000_000), st.integers(0, 3_500), st.integers(12, 60))
def test_a_schedule_repays_the_principal_to_the_cent(principal: int, rate: int, term: int) -> None:
    schedule = Schedule.of(np.array([principal]), np.array([rate]), np.array([term]), 60)
    repaid, due = schedule.principal[0], schedule.due[0]
    assert repaid[term] == principal
    assert (np.diff(repaid[: term + 1]) >= 0).all()
    assert (np.diff(due)[term:] == 0).all()
    balance = principal
    for age in range(1, term + 1):
        exact = Decimal(balance) * rate / Decimal(120_000)
        interest = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
        assert due[age] - due[age - 1] - (repaid[age] - repaid[age - 1]) == interest
        balance = principal - int(repaid[age])
    equal = int(instalment(np.array([principal]), np.array([rate]), np.array([term]))[0])
    assert (np.diff(due)[: term - 1] == equal).sum() >= term - 2
    # The last instalment makes up for rounding: a cent a month at most, and the interest on it.
    assert abs(int(due[term] - due[term - 1]) - equal) <= 2 * term


def test_losses_have_two_humps_about_their_means() -> None:
    rules = load("baseline").default
    draws = Draws("t", 0, np.arange(40_000, dtype=np.int64))
    found = severity(rules, np.full(40_000, 0.6), draws)
    assert abs(found.mean() - float(mean_severity(rules, np.array([0.6]))[0])) < 0.01
    counts, _ = np.histogram(found, 10, (0, 1))
    low, valley, high = counts[:3].max(), counts[3:6].min(), counts[6:].max()
    assert valley < 0.2 * min(low, high)
    assert found.min() >= 0
    assert found.max() <= 1

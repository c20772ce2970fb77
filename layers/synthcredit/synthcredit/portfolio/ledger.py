"""Money of loans, in whole cents: what the contract asks for, what is paid, recovered and written off.

Amortisation by equal instalments. Interest of a month is the balance times the yearly rate over twelve, rounded to the
cent, half up, in whole numbers: ``(2 balance rate + 120000) // 240000`` with the rate in basis points. The last
instalment is what is left. Payments go to the oldest instalment first. In default interest is not added to what is owed
(it is in suspense); recoveries and write-offs are of principal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthcredit.portfolio.draws import Bools, Draws, Floats, Ints
from synthcredit.portfolio.hazards import PREPAID, WORKOUT, WRITTEN_OFF, Paths
from synthcredit.portfolio.scenario import DefaultRules


def instalment(principal: Ints, rate: Ints, term: Ints) -> Ints:
    """Return the equal instalment of an annuity, in cents.

    ``P i / (1 - (1 + i)^-n)``, rounded to the cent; with no interest ``P / n``.

    Parameters
    ----------
    principal, rate, term
        Cents, basis points a year, months.
    """
    monthly = np.maximum(rate, 1) / 120_000.0
    equal = principal * monthly / (1.0 - (1.0 + monthly) ** -term.astype(np.float64))
    return np.rint(np.where(rate > 0, equal, principal / term)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Schedule:
    """What contracts ask for: sums up to each month, shape (n, months + 1), in cents; 0 at month 0."""

    due: Ints
    principal: Ints

    @classmethod
    def of(cls, principal: Ints, rate: Ints, term: Ints, months: int) -> Schedule:
        """Return the amortisation of loans over their first months."""
        equal = instalment(principal, rate, term)
        balance = principal.copy()
        due = np.zeros((len(principal), months + 1), np.int64)
        repaid = np.zeros_like(due)
        for age in range(1, months + 1):
            interest = (2 * balance * rate + 120_000) // 240_000
            part = np.where(term == age, balance, np.clip(equal - interest, 0, balance))
            part[term < age] = 0
            due[:, age] = due[:, age - 1] + part + interest
            repaid[:, age] = repaid[:, age - 1] + part
            balance -= part
        return cls(due, repaid)


@dataclass(frozen=True, slots=True)
class Ledger:
    """One row a loan and month, sorted by loan and month; all arrays of shape (rows,), amounts in cents."""

    loan: Ints
    """Place of the loan in its block."""
    age: Ints
    """Month on book, from 1."""
    due: Ints
    due_principal: Ints
    paid_principal: Ints
    paid_interest: Ints
    prepaid: Ints
    recovered: Ints
    written_off: Ints
    balance: Ints
    """Principal owed after the month."""
    arrears: Ints
    """Due and not paid after the month, interest included."""
    missed: Ints
    """Instalments missed after the month."""
    status: Ints
    """As in `Paths.status`."""
    starts: Ints
    """Shape (loans + 1,): where each loan's rows begin."""


def keep_ledger(
    rules: DefaultRules, paths: Paths, schedule: Schedule, principal: Ints, term: Ints, lost: Floats
) -> Ledger:
    """Write the ledger of loans.

    Parameters
    ----------
    lost
        Shape (n, months + 1): the loss, as a share of exposure, of a default in each month on book.
    """
    starts = np.concatenate([[0], np.cumsum(paths.last)])
    loan = np.repeat(np.arange(len(principal)), paths.last)
    age = np.arange(len(loan)) - starts[loan] + 1
    # One flat place a (loan, month) serves every array.
    width = paths.paid.shape[1]
    here = loan * width + age
    paid = paths.paid.ravel()[here].astype(np.int64)
    status = paths.status.ravel()[here]
    old, new = here - age + paths.paid.ravel()[here - 1], here - age + paid
    all_due, all_principal = schedule.due.ravel(), schedule.principal.ravel()
    due_so_far, repaid = all_due[here], all_principal[new]
    paid_amount = all_due[new] - all_due[old]
    paid_principal = repaid - all_principal[old]
    owed = principal[loan] - repaid
    last = np.zeros(len(loan), np.bool_)
    last[starts[1:][paths.last > 0] - 1] = True
    prepaid = np.where(last & (paths.closed[loan] == PREPAID), owed, 0)
    recovered, recovered_so_far = _recoveries(rules, paths, here, loan, age, owed, lost, status == WORKOUT)
    written_off = np.where(last & (paths.closed[loan] == WRITTEN_OFF), owed - recovered_so_far, 0)
    # Past due counts until the last instalment is paid, prepaid or written off.
    missed = np.where(prepaid > 0, 0, np.where(paid >= term[loan], 0, age - paid))
    return Ledger(
        loan=loan,
        age=age,
        due=due_so_far - all_due[here - 1],
        due_principal=all_principal[here] - all_principal[here - 1],
        paid_principal=paid_principal,
        paid_interest=paid_amount - paid_principal,
        prepaid=prepaid,
        recovered=recovered,
        written_off=written_off,
        balance=owed - prepaid - recovered_so_far - written_off,
        arrears=due_so_far - all_due[new],
        missed=missed,
        status=status,
        starts=starts,
    )


def _recoveries(
    rules: DefaultRules, paths: Paths, here: Ints, loan: Ints, age: Ints, owed: Ints, lost: Floats, workout: Bools
) -> tuple[Ints, Ints]:
    """Return what is recovered in each row, and so far: three parts, of which the last takes what rounding left."""
    now, so_far = np.zeros_like(owed), np.zeros_like(owed)
    rows = np.flatnonzero(workout)
    clock = paths.clock.ravel()[here[rows]].astype(np.int64)
    began = age[rows] - clock
    total = np.rint(owed[rows] * (1.0 - lost[loan[rows], began])).astype(np.int64)
    third = total // 3
    parts = np.stack([third, third, total - 2 * third])
    months = np.array(rules.recovery_months)[:, None]
    now[rows] = np.where(clock == months, parts, 0).sum(axis=0)
    so_far[rows] = np.where(clock >= months, parts, 0).sum(axis=0)
    return now, so_far


def severity(rules: DefaultRules, severe: Floats, draws: Draws) -> Floats:
    """Return the loss of defaults that are not cured, as a share of exposure: one of two humps, cut to 0 and 1.

    Parameters
    ----------
    severe
        Probability of the high hump, of a shape that fits.
    """
    high = draws.chance("which hump", severe)
    mean = np.where(high, rules.severe_loss, rules.mild_loss)
    spread = np.where(high, rules.severe_spread, rules.mild_spread)
    return np.clip(mean + spread * draws.normal("loss"), 0.0, 1.0)


def mean_severity(rules: DefaultRules, severe: Floats) -> Floats:
    """Return the mean loss of defaults that are not cured, cuts aside."""
    return np.asarray(severe * rules.severe_loss + (1 - severe) * rules.mild_loss)

"""Applications: who asks for what, what the lender knows of them then, and what it decides.

Slot by slot, so that a second application sees what became of the first: its instalments are debt, its arrears cost
points of the score. Every applicant's loan is let to live, of those who are turned down for twelve months: the true
outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays, hazards, ledger
from synthcredit.portfolio.customers import People
from synthcredit.portfolio.draws import CHILDREN, Bools, Draws, Floats, Ints
from synthcredit.portfolio.hazards import HORIZON, Paths
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block, World

STATUSES = ("approved", "rejected", "withdrawn", "pending")
APPROVED, REJECTED, WITHDRAWN, PENDING = range(4)
_STEP = 10_000
"""Requested amounts are whole hundreds of dollars."""


@dataclass(slots=True)
class Standing:
    """What is known of customers at the start of each month, from their own loans; shape (n, months).

    A month knows what was closed in the cycles that ended before it.
    """

    balance: Ints
    """Principal owed, in cents."""
    service: Ints
    """Instalments a month of open loans, in cents."""
    worst: Ints
    """Most instalments missed in any cycle of the month before, 4 in default (int8)."""

    @classmethod
    def of(cls, people: int, months: int) -> Standing:
        """Return the standing of customers without loans."""
        shape = (people, months)
        return cls(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int8))

    def recent(self) -> Ints:
        """Return the worst of the twelve months before each month, that month's news included; shape (n, months)."""
        found = self.worst.copy()
        # Windows of 2, 4, 8 and then 12 months.
        for step in (1, 2, 4, 4):
            found[:, step:] = np.maximum(found[:, step:], found[:, :-step].copy())
        return found


@dataclass(slots=True)
class Slot:
    """Every customer's k-th application; arrays of shape (n,), in customer order."""

    draws: Draws
    day: Ints
    product: Ints
    amount: Ints
    term: Ints
    purpose: Ints
    score: Ints
    utilisation: Floats
    rate: Ints
    debt: Floats
    decided: Ints
    status: Ints
    overridden: Bools
    opened: Ints
    """The day on which the loan is, or would be, paid out."""
    month: Ints
    """Its month in the window."""
    index: Floats
    """Risk index with frailty."""
    instalment: Ints
    paths: Paths = field(repr=False)


def make_slots(world: World, people: People, count: int) -> tuple[list[Slot], Standing]:
    """Return the applications of customers, slot by slot, and the standing that their loans leave."""
    standing = Standing.of(len(people), world.calendar.months)
    numbers = people.draws.children("loan_applications", count)
    days = _days(world, people, numbers)
    slots = []
    for place in range(count):
        draws = Draws("loan_applications", people.draws.seed, numbers.numbers[:, place])
        slot = _apply(world, people, standing, draws, days[:, place])
        slots.append(slot)
        _learn(world, standing, slot)
    return slots, standing


def _days(world: World, people: People, draws: Draws) -> Ints:
    """Return the days of each customer's applications, rising, shape (n, slots): not before they joined."""
    first = np.maximum(people.joined, world.calendar.first)[:, None]
    span = world.calendar.last + 1 - first
    return np.asarray(first + np.floor(np.sort(draws.uniform("day"), axis=1) * span).astype(np.int64))


def _apply(world: World, people: People, standing: Standing, draws: Draws, day: Ints) -> Slot:
    scenario, calendar = world.scenario, world.calendar
    month = calendar.month(day)
    product, amount, term, purpose = _wish(world, people, draws, day)
    recent = standing.recent()[np.arange(len(people)), month]
    score = world.score(people, draws.normal("score"), recent, day)
    utilisation = world.utilisation(people, draws.normal("utilisation"), day)
    rate = _rate(world, product, score, month)
    equal = ledger.instalment(amount, rate, term)
    debt = (
        world.external_debt(people) + 12.0 * (equal + standing.service[np.arange(len(people)), month]) / people.income
    )
    decided = day + 1 + draws.below("days to decide", scenario.policy.decision_days)
    status, overridden = _decide(world, people, draws, score, debt, recent)
    status = np.where(decided > calendar.last, PENDING, status)
    # Paid out the day after the decision; at the latest on the 28th, so that every month has the day.
    opened = decided + 1
    late = opened - calendar.starts[calendar.month(opened)] - 27
    opened = opened - np.maximum(late, 0)
    moved = opened <= decided
    opened = np.where(moved, calendar.starts[calendar.month(opened) + 1], opened)
    status = np.where((opened > calendar.last) & (status == APPROVED), PENDING, status)
    opened_month = calendar.month(opened)
    index = people.frailty + hazards.risk_index(
        scenario.hazards.index, score.astype(np.float64), people.income / 100.0, debt, utilisation
    )
    needed = -(-(scenario.default.materiality_amount + term) // equal)
    paths = _live(world, draws, index, term, needed, opened_month, status == APPROVED)
    return Slot(
        draws, day, product, amount, term, purpose, score, utilisation, rate, debt, decided, status, overridden,
        opened, opened_month, index, equal, paths,
    )  # fmt: skip


def _wish(world: World, people: People, draws: Draws, day: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Return product, amount in cents, term in months and purpose (its place among the product's)."""
    products = world.scenario.products
    product = draws.choice("product", np.array([one.share for one in products]))
    multiple = np.array([one.income_multiple for one in products])[product]
    spread = np.array([one.spread for one in products])[product]
    moved = world.moved("loan_applications.requested_amount", day)
    wanted = people.income * multiple * np.exp(spread * draws.normal("amount") + moved)
    low = np.array([one.minimum for one in products])[product]
    high = np.array([one.maximum for one in products])[product]
    amount = np.clip(np.rint(wanted / _STEP).astype(np.int64) * _STEP, low, high)
    terms = _padded([one.terms for one in products])
    counts = np.array([len(one.terms) for one in products])[product]
    term = terms[product, np.floor(draws.uniform("term") * counts).astype(np.int64)]
    purposes = np.array([len(one.purposes) for one in products])[product]
    return product, amount, term, np.floor(draws.uniform("purpose") * purposes).astype(np.int64)


def _padded(options: list[tuple[int, ...]]) -> Ints:
    widest = max(map(len, options))
    return np.array([(*one, *[0] * (widest - len(one))) for one in options], np.int64)


def _rate(world: World, product: Ints, score: Ints, month: Ints) -> Ints:
    """Return yearly rates in basis points: the policy rate, the product's margin, and a price for risk."""
    policy = world.scenario.policy
    margin = np.array([one.margin for one in world.scenario.products])[product]
    base = np.rint(world.macro.series["policy_rate"][month] * 100).astype(np.int64)
    surcharge = np.maximum(policy.base_score - score, 0) * policy.risk_price // 100
    return np.asarray(np.clip(base + margin + surcharge, 0, policy.max_rate))


def _decide(world: World, people: People, draws: Draws, score: Ints, debt: Floats, recent: Ints) -> tuple[Ints, Bools]:
    policy = world.scenario.policy
    affordable = (debt <= policy.max_debt_to_income) & (people.income >= policy.min_income * 100) & (recent < 2)
    overridden = draws.chance("override", policy.override)
    good = affordable & ((score >= policy.min_score) != overridden)
    taken = draws.chance("take up", policy.take_up)
    return np.where(good, np.where(taken, APPROVED, WITHDRAWN), REJECTED), overridden & affordable


def _live(world: World, draws: Draws, index: Floats, term: Ints, needed: Ints, month: Ints, approved: Bools) -> Paths:
    until = np.maximum(np.where(approved, world.calendar.months - 2 - month, 0), HORIZON)

    def luck(loans: Ints, age: int) -> Floats:
        return Draws("installments", draws.seed, draws.numbers[loans] * CHILDREN + age).uniform("luck of the month")

    return hazards.simulate(world.scenario, index, term, needed, month, until, world.weighted, luck)


def _learn(world: World, standing: Standing, slot: Slot) -> None:
    """Add what becomes of the slot's loans to the standing, as later months know it."""
    granted = np.flatnonzero(slot.status == APPROVED)
    if not len(granted):
        return
    months = world.calendar.months
    paths = slot.paths.take(granted)
    schedule = ledger.Schedule.of(slot.amount[granted], slot.rate[granted], slot.term[granted], paths.paid.shape[1] - 1)
    # The cycle of month a ends in month opened + a + 1, and is known from the month after that on: one entry a loan and
    # month, from the one after the opening to the one that knows the last cycle.
    opened = slot.month[granted]
    counts = np.maximum(np.minimum(opened + 2 + paths.last, months - 1) - opened, 0)
    loan = np.repeat(np.arange(len(granted)), counts)
    known = np.maximum(np.arange(len(loan)) - (np.cumsum(counts) - counts)[loan] - 1, 0)
    month = np.arange(len(loan)) - (np.cumsum(counts) - counts - opened)[loan] + 1
    width = paths.paid.shape[1]
    place = loan * width + known
    paid = paths.paid.ravel()[place].astype(np.int64)
    missed = np.where(paths.status.ravel()[place] != hazards.PERFORMING, 4, np.clip(known - paid, 0, 3))
    # Flat places in the standing, each once: one loan a customer and slot.
    entry = granted[loan] * months + month
    worst, balance, service = (one.reshape(-1) for one in (standing.worst, standing.balance, standing.service))
    worst[entry] = np.maximum(worst[entry], missed)
    alive = (known < paths.last[loan]) | (paths.closed == hazards.OPEN)[loan]
    owed = slot.amount[granted][loan] - schedule.principal.ravel()[loan * width + paid]
    balance[entry] += np.where(alive, owed, 0)
    service[entry] += np.where(alive, slot.instalment[granted][loan], 0)


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table."""
    applied = block.applied
    products = block.world.scenario.products
    names = tuple(product.name for product in products)
    purposes = tuple(purpose for product in products for purpose in product.purposes)
    offsets = np.cumsum([0, *(len(product.purposes) for product in products)])[:-1]
    return [
        arrays.text(applied.words),
        block.customer_key(applied.customer),
        arrays.labels(applied.product, names),
        arrays.money(applied.amount),
        arrays.whole(applied.term),
        arrays.labels(offsets[applied.product] + applied.purpose, purposes),
        arrays.labels(applied.status, STATUSES),
        arrays.dates(applied.day),
        arrays.whole(applied.score),
        arrays.real(np.rint(applied.debt * 10_000) / 10_000),
        arrays.real(np.rint(applied.utilisation * 10_000) / 100),
        arrays.money(applied.rate),
        arrays.dates(applied.decided, applied.status != PENDING),
        arrays.moments(applied.day, applied.seconds),
    ]


TABLE = Table(
    name="loan_applications",
    about="Who asked for what, what was known of them then, and what was decided.",
    key="application_id",
    make=make,
    parents={"customer_id": "customers"},
    fields=(
        text_key("application_id", "Key: A, the customer's number, and the application's."),
        text_key("customer_id", "Who asked."),
        Field("loan_type", "varchar(50)", "Product.", categories=()),
        Field("requested_amount", "decimal(12,2)", "USD.", low=0),
        Field("term_months", "integer", "Months to repay.", low=12, high=360),
        Field("purpose", "varchar(100)", "What for; each product has its own.", categories=()),
        Field(
            "status", "varchar(20)", "Approved, rejected by policy, withdrawn by the applicant, or not decided yet.",
            categories=STATUSES,
        ),
        Field("application_date", "date", "Not before the customer joined."),
        Field("credit_score", "integer", "Score on that day, own arrears included.", low=300, high=850),
        Field("debt_to_income", "decimal(9,4)", "Yearly debt service, this loan included, over income.", low=0),
        Field("credit_utilization", "decimal(5,2)", "Per cent of card limits in use on that day.", low=0, high=100),
        Field("offered_rate", "decimal(5,2)", "Per cent a year: policy rate, margin and price for risk.", low=0),
        Field("decision_date", "date", "Empty while pending.", nullable=True),
        Field("created_at", "timestamp", "When it was entered."),
    ),
)  # fmt: skip

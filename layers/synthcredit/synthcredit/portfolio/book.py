"""The book: a world (scenario, volumes, seed), cut into blocks of customers that can each be made alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays, drift, hazards, impairment, ledger, loan_applications
from synthcredit.portfolio.customers import People, make_people
from synthcredit.portfolio.draws import CHILDREN, Draws, Floats, Ints
from synthcredit.portfolio.drift import Shift
from synthcredit.portfolio.hazards import Paths
from synthcredit.portfolio.ledger import Ledger, Schedule
from synthcredit.portfolio.loan_applications import APPROVED, Slot, Standing
from synthcredit.portfolio.macro import Calendar, MacroPath, macro_path
from synthcredit.portfolio.scenario import DriftColumn, Scenario
from synthcredit.portfolio.volumes import BLOCK_CUSTOMERS
from synthcredit.portfolio.volumes import Volumes as Volumes

_DENSE_FROM = 740.0
"""Scores above this are denser than standings are."""


@dataclass(frozen=True)
class World:
    """What is the same for all customers."""

    scenario: Scenario
    volumes: Volumes
    seed: int
    trial: Mapping[DriftColumn, Shift] | None = None
    """Shifts that are tried while those of the scenario's drifts are looked for."""

    @cached_property
    def shifts(self) -> Mapping[DriftColumn, Shift]:
        """What columns that drift are moved by, and since when."""
        return drift.solved(self) if self.trial is None else self.trial

    def moved(self, column: DriftColumn, days: Ints) -> Floats | float:
        """Return what is added to a column's drawn number on some days."""
        shift = self.shifts.get(column)
        return 0.0 if shift is None else shift.at(days)

    def reference(self, customers: int, trial: Mapping[DriftColumn, Shift]) -> Iterator[Block]:
        """Return the first customers of the book, however many it has, under shifts that are tried."""
        world = World(self.scenario, self.volumes.model_copy(update={"customers": customers}), self.seed, trial)
        return (Block(world, number) for number in range(world.volumes.blocks))

    @cached_property
    def calendar(self) -> Calendar:
        """The months of the window."""
        return Calendar.of(self.scenario.time)

    @cached_property
    def macro(self) -> MacroPath:
        """The economy."""
        return macro_path(self.scenario, self.seed)

    @cached_property
    def weighted(self) -> Floats:
        """The macro index as it stands in the risk of loans."""
        return self.scenario.hazards.index.macro * self.macro.index

    @cached_property
    def prices(self) -> Floats:
        """The price level, 1 at the start of the window, month by month."""
        rates = self.macro.series["inflation_rate"]
        return np.concatenate([[1.0], np.cumprod((1 + rates / 100) ** (1 / 12))[:-1]])

    @cached_property
    def expected(self) -> impairment.Expected:
        """What the lender expects of loans, at each reporting date."""
        return impairment.Expected.of(self.scenario, self.calendar, self.macro)

    def score(self, people: People, noise: Floats, recent: Ints, days: Ints) -> Ints:
        """Return scores: standing, noise, and a penalty for the worst of the last twelve months (0 to 4).

        ``noise``, ``recent`` and ``days`` have the shape (n,) or (n, k).
        """
        bureau = self.scenario.bureau
        thin = people.thin == 1
        base = bureau.score_mean - bureau.score_spread * people.risk - np.where(thin, bureau.thin_file_discount, 0.0)
        spread = np.where(thin, bureau.thin_file_noise, bureau.score_noise)
        penalty = np.array([0.0, *bureau.penalties])[recent]
        wide = (slice(None),) + (None,) * (noise.ndim - 1)
        raw = base[wide] + spread[wide] * noise + self.moved("loan_applications.credit_score", days)
        # The scale ends at 850: good files are pressed together before it instead of piling up on it.
        room = 850.0 - _DENSE_FROM
        above = np.maximum(raw - _DENSE_FROM, 0.0)
        raw = np.minimum(raw, _DENSE_FROM) + room * (1.0 - np.exp(-above / room))
        found = np.clip(np.rint(raw - penalty), 300, 850)
        return np.asarray(found.astype(np.int64))

    def utilisation(self, people: People, noise: Floats, days: Ints) -> Floats:
        """Return the share of card limits in use, 0 to 1; shapes as in `score`."""
        bureau = self.scenario.bureau
        level = bureau.utilisation_level + bureau.utilisation_risk * people.risk
        level = level + bureau.utilisation_spread * people.draws.normal("utilisation")
        wide = (slice(None),) + (None,) * (noise.ndim - 1)
        level = level[wide] + self.moved("loan_applications.credit_utilization", days)
        economy = self.macro.index[self.calendar.month(days)]
        drawn = bureau.utilisation_macro * economy + bureau.utilisation_noise * noise
        return np.asarray(np.clip(1.0 / (1.0 + np.exp(-level)) + drawn, 0.0, 1.0))

    def card_limit(self, people: People) -> Ints:
        """Return the limits of customers' cards, in cents: whole hundreds of dollars."""
        bureau = self.scenario.bureau
        share = (
            bureau.limit_share * np.exp(0.3 * people.draws.normal("card limit")) * np.where(people.thin == 1, 0.5, 1)
        )
        return np.maximum(np.rint(people.income * share / 10_000).astype(np.int64), 5) * 10_000

    def external_debt(self, people: People) -> Floats:
        """Return yearly debt service to other lenders, as a share of income."""
        bureau = self.scenario.bureau
        normal = 0.3 * people.risk + people.draws.normal("debt elsewhere")
        return np.minimum(bureau.external_debt * np.exp(bureau.external_debt_spread * normal), 0.6)


@dataclass(frozen=True, slots=True)
class Applied:
    """All applications of a block, customer by customer; arrays of shape (rows,) as in `Slot`."""

    draws: Draws
    customer: Ints
    """Place of the customer in the block."""
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
    opened: Ints
    month: Ints
    index: Floats
    instalment: Ints
    overridden: Ints
    paths: Paths
    words: arrays.Words
    seconds: Ints


@dataclass(frozen=True, slots=True)
class Loans:
    """The loans of a block, by customer and application; arrays of shape (n,)."""

    application: Ints
    """Place of the application in the block."""
    customer: Ints
    product: Ints
    principal: Ints
    rate: Ints
    term: Ints
    opened: Ints
    month: Ints
    instalment: Ints
    index: Floats
    seen: Floats
    """The index without frailty: what the lender knows."""
    paths: Paths
    words: arrays.Words


class Block:
    """A run of customers, and everything about them; each part is made when it is first asked for."""

    def __init__(self, world: World, number: int) -> None:
        first = number * BLOCK_CUSTOMERS
        last = min(first + BLOCK_CUSTOMERS, world.volumes.customers)
        self.world = world
        self.number = number
        self.people: People = make_people(world, np.arange(first, last, dtype=np.int64))

    @cached_property
    def _slots(self) -> tuple[list[Slot], Standing]:
        return loan_applications.make_slots(self.world, self.people, self.world.volumes.applications)

    @property
    def standing(self) -> Standing:
        """What is known of customers month by month, from their own loans."""
        return self._slots[1]

    @cached_property
    def recent(self) -> Ints:
        """The worst of the last twelve months, shape (customers, months)."""
        return self.standing.recent()

    @cached_property
    def _customer_words(self) -> pa.Array:
        return arrays.text(self.people.words)

    def customer_key(self, places: Ints) -> pa.Array:
        """Return the keys of customers by their places in the block."""
        return arrays.labels(places, self._customer_words)

    @cached_property
    def applied(self) -> Applied:
        """All applications, customer by customer."""
        slots = self._slots[0]
        count = len(slots)
        customer = np.repeat(np.arange(len(self.people)), count)
        draws = self.people.draws.children("loan_applications", count)
        draws = Draws(draws.table, draws.seed, draws.numbers.ravel())

        def woven(name: str) -> Any:  # noqa: ANN401 - whole or real, as the slot has it
            if not slots:
                return np.empty(0, np.float64 if name in ("utilisation", "debt", "index") else np.int64)
            return np.stack([getattr(slot, name) for slot in slots], axis=1).ravel()

        names = (
            "day", "product", "amount", "term", "purpose", "score", "utilisation", "rate", "debt", "decided", "status",
            "opened", "month", "index", "instalment", "overridden",
        )  # fmt: skip
        words = arrays.child_words(arrays.lettered(self.people.words, "A")[customer], draws.numbers % CHILDREN)
        seconds = 28_800 + draws.below("time of day", 36_000)
        # On the day of joining, the application comes after the customer.
        same = woven("day") == self.people.joined[customer]
        seconds = np.where(same, 72_000 + seconds % 10_000, seconds)
        return Applied(
            draws=draws,
            customer=customer,
            **{name: woven(name) for name in names},
            paths=_woven_paths(slots),
            words=words,
            seconds=seconds,
        )

    @cached_property
    def loans(self) -> Loans:
        """The loans that were paid out."""
        applied = self.applied
        granted = np.flatnonzero(applied.status == APPROVED)
        customer = applied.customer[granted]
        return Loans(
            application=granted,
            customer=customer,
            product=applied.product[granted],
            principal=applied.amount[granted],
            rate=applied.rate[granted],
            term=applied.term[granted],
            opened=applied.opened[granted],
            month=applied.month[granted],
            instalment=applied.instalment[granted],
            index=applied.index[granted],
            seen=applied.index[granted] - self.people.frailty[customer],
            paths=self._watched(granted),
            words=arrays.lettered(applied.words[granted], "L"),
        )

    def _watched(self, granted: Ints) -> Paths:
        """Return the paths of loans as far as the window goes: what comes after is for the answer key alone."""
        paths, month = self.applied.paths.take(granted), self.applied.month[granted]
        limit = np.maximum(self.world.calendar.months - 2 - month, 0)
        cut = paths.last > limit
        default = np.where(paths.default > limit, 0, paths.default)
        return Paths(
            paid=paths.paid,
            status=paths.status,
            clock=paths.clock,
            last=np.minimum(paths.last, limit),
            closed=np.where(cut, hazards.OPEN, paths.closed),
            default=default,
            reason=np.where(default > 0, paths.reason, hazards.NO_DEFAULT),
            defaults=paths.defaults,
        )

    @cached_property
    def lost(self) -> Floats:
        """Loss of a default that starts in each month on book, as a share of exposure; 0 where none starts."""
        loans = self.loans
        begins = (loans.paths.status == hazards.WORKOUT) & (loans.paths.clock == 0)
        loan, age = np.nonzero(begins)
        numbers = self.applied.draws.numbers[loans.application[loan]] * CHILDREN + age
        found = np.zeros(begins.shape)
        draws = Draws("loans", self.world.seed, numbers)
        month = np.minimum(loans.month[loan] + age, len(self.world.macro.index) - 1)
        severe = impairment.severe_share(self.world.scenario, loans.product[loan], self.world.macro.index[month])
        found[loan, age] = ledger.severity(self.world.scenario.default, severe, draws)
        return found

    @cached_property
    def ledger(self) -> Ledger:
        """Every month of every loan."""
        loans = self.loans
        schedule = Schedule.of(loans.principal, loans.rate, loans.term, loans.paths.paid.shape[1] - 1)
        return ledger.keep_ledger(
            self.world.scenario.default, loans.paths, schedule, loans.principal, loans.term, self.lost
        )

    @cached_property
    def loan_key(self) -> pa.Array:
        """The keys of the loans, in their order."""
        return arrays.text(self.loans.words)


def _woven_paths(slots: list[Slot]) -> Paths:
    """Return the paths of all slots, customer by customer, as wide as the widest."""
    if not slots:
        return Paths.none()
    width = max(slot.paths.paid.shape[1] for slot in slots)
    woven: list[Any] = []
    for name in Paths.__dataclass_fields__:
        parts = [getattr(slot.paths, name) for slot in slots]
        if parts[0].ndim == 1:
            woven.append(np.stack(parts, axis=1).ravel())
            continue
        whole = np.zeros((len(parts[0]), len(parts), width), parts[0].dtype)
        for place, part in enumerate(parts):
            whole[:, place, : part.shape[1]] = part
        woven.append(whole.reshape(-1, width))
    return Paths(*woven)


@lru_cache(maxsize=4)
def _world(scenario: str, volumes: Volumes, seed: int) -> World:
    return World(Scenario.model_validate_json(scenario), volumes, seed)


def world_of(scenario: Scenario, volumes: Volumes, seed: int) -> World:
    """Return the world of a scenario; the same one again for the same three."""
    return _world(scenario.model_dump_json(), volumes, seed)


def make_block(scenario: Scenario, volumes: Volumes, seed: int, block: int) -> dict[str, pa.RecordBatch]:
    """Make all rows of one block of customers.

    Parameters
    ----------
    block
        From 0 to ``volumes.blocks - 1``; block 0 also has the tables of the whole book, such as market_data.

    Returns
    -------
    dict of str to pa.RecordBatch
        By table, parents first. Text may be dictionary-encoded; `arrays.plain` makes it plain. The same rows, to the
        byte, whenever and wherever they are made with the same versions of the packages.
    """
    # Here, for the tables know what a block is.
    from synthcredit.portfolio.tables import tables_of

    made = Block(world_of(scenario, volumes, seed), block)
    return {table.name: table.rows(made) for table in tables_of(scenario) if not table.once or block == 0}

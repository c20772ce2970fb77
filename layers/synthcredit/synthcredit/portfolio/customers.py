"""Customers: who they are, where they live, what they earn, and how risky they truly are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthcredit.datasets import fakepersons
from synthcredit.datasets import fakepools as pools
from synthcredit.datasets.schema import Column, Dtype, Kind, Pii
from synthcredit.portfolio import arrays, places
from synthcredit.portfolio.draws import Draws, Floats, Ints
from synthcredit.portfolio.macro import Calendar
from synthcredit.portfolio.scenario import Scenario
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block, World

YEAR = 365.2425
BEFORE_DAYS = 3652
"""Customers of before the window joined within ten years before it."""
_LAST_JOINERS = 2
"""Nobody joins in the last months of the window: applications need some days."""


@dataclass(frozen=True, slots=True)
class People:
    """The customers of a block; arrays of shape (n,), amounts in cents, days since 1970-01-01."""

    draws: Draws
    joined: Ints
    born: Ints
    band: Ints
    job: Ints
    place: Ints
    income: Ints
    """A year's."""
    income_normal: Floats
    """Income within age, job and place, as a standard normal number."""
    risk: Floats
    """True standing, as a standard normal number; high is bad."""
    frailty: Floats
    """What is in the risk index and nobody sees."""
    thin: Ints
    """1 where the credit file is thin."""
    words: arrays.Words
    """Keys, shape (n, 3)."""

    def __len__(self) -> int:
        return len(self.joined)


def make_people(world: World, numbers: Ints) -> People:
    """Return customers by their numbers in the book."""
    scenario, calendar = world.scenario, world.calendar
    draws = Draws("customers", world.seed, numbers)
    population = scenario.population
    joined = _joined(scenario, calendar, draws)
    edges = np.array(population.age_edges)
    band = draws.choice("age band", np.array(population.age_shares))
    age = edges[band] + draws.uniform("age") * (edges[band + 1] - edges[band])
    # Two days more than the years ask for: leap days never make anybody too young.
    born = joined - np.floor(age * YEAR).astype(np.int64) - 2
    shares = np.array([job.shares for job in population.jobs]).T
    job = draws.choice("job", shares[band])
    place = draws.choice("place", np.array(places.WEIGHTS, np.float64))
    income_normal = draws.normal("income")
    rho = population.income_risk_correlation
    risk = -rho * income_normal + np.sqrt(1 - rho**2) * draws.normal("risk")
    return People(
        draws=draws,
        joined=joined,
        born=born,
        band=band,
        job=job,
        place=place,
        income=_income(scenario, age, job, place, income_normal, world.moved("customers.annual_income", joined)),
        income_normal=income_normal,
        risk=risk,
        frailty=scenario.hazards.index.frailty * draws.normal("frailty"),
        thin=draws.chance("thin file", population.thin_file).astype(np.int64),
        words=arrays.customer_words(numbers, "C"),
    )


def _joined(scenario: Scenario, calendar: Calendar, draws: Draws) -> Ints:
    """Return the days on which customers joined: before the window, or in it, more every month."""
    population = scenario.population
    before = draws.chance("joined before", population.share_at_start)
    months = calendar.months - _LAST_JOINERS
    weights = (1 + population.growth) ** (np.arange(months) / 12)
    reached = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
    inside = np.interp(draws.uniform("joined"), reached, calendar.starts[: months + 1].astype(np.float64))
    earlier = calendar.first - 1 - draws.below("joined earlier", BEFORE_DAYS)
    return np.where(before, earlier, np.floor(inside).astype(np.int64))


def _income(scenario: Scenario, age: Floats, job: Ints, place: Ints, normal: Floats, moved: Floats | float) -> Ints:
    """Return incomes: the job's median, by age and state, lognormal around it; ``moved`` is added to the logarithm."""
    population = scenario.population
    median = np.array([one.income for one in population.jobs])[job]
    by_age = np.interp(age, population.income_ages, population.income_by_age)
    region = np.array(places.INCOMES)[place] ** population.region_strength
    dollars = median * by_age * region * np.exp(population.income_spread * normal + moved)
    return np.maximum(np.rint(dollars * 100).astype(np.int64), 300_000)


@cache
def _personal(pii: Pii) -> Column:
    return Column(name=pii.value, storage_name=pii.value, kind=Kind.TEXT, dtype=Dtype.STRING, pii=pii)


def _streets(draws: Draws) -> pa.Array:
    number = pa.array(draws.below("house", 9_899) + 101).cast(pa.string())
    names = draws.pick("street", pools.LAST_NAMES)
    return pc.binary_join_element_wise(number, names, draws.pick("street ends", pools.STREET_SUFFIXES), " ")


def _zips(people: People) -> pa.Array:
    end = pc.utf8_lpad(pa.array(people.draws.below("zip code", 99) + 1).cast(pa.string()), 2, "0")
    starts = arrays.labels(people.place, places.ZIP_STARTS).cast(pa.string())
    return pc.binary_join_element_wise(starts, end, "")


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table."""
    people = block.people
    draws = people.draws
    names = {pii: fakepersons.make(_personal(pii), draws) for pii in (Pii.FIRST_NAME, Pii.LAST_NAME)}
    # As fakepersons makes addresses, from the names that are there already.
    email = pc.binary_join_element_wise(
        pc.ascii_lower(names[Pii.FIRST_NAME]), ".", pc.ascii_lower(names[Pii.LAST_NAME]),
        pa.array(draws.numbers + 1).cast(pa.string()), "@", draws.pick("mail of person", pools.MAIL_DOMAINS), "",
    )  # fmt: skip
    jobs = tuple(job.name for job in block.world.scenario.population.jobs)
    return [
        arrays.text(people.words),
        names[Pii.FIRST_NAME],
        names[Pii.LAST_NAME],
        email,
        fakepersons.make(_personal(Pii.PHONE), draws),
        arrays.dates(people.born),
        fakepersons.make(_personal(Pii.NATIONAL_ID), draws),
        _streets(draws),
        arrays.labels(people.place, places.CITIES),
        arrays.labels(people.place, places.STATES),
        _zips(people),
        arrays.labels(people.job, jobs),
        arrays.money(people.income),
        arrays.moments(people.joined, 28_800 + draws.below("time of day", 36_000)),
    ]


TABLE = Table(
    name="customers",
    about="Who the customers are. Nobody: names, numbers and addresses are from ranges that are nobody's.",
    key="customer_id",
    make=make,
    fields=(
        text_key("customer_id", "Key: C and eleven digits."),
        Field("first_name", "varchar(50)", "A common first name.", pii=Pii.FIRST_NAME),
        Field("last_name", "varchar(50)", "A common last name.", pii=Pii.LAST_NAME),
        Field("email", "varchar(100)", "Unique; in a domain reserved by RFC 2606.", pii=Pii.EMAIL),
        Field("phone", "varchar(20)", "A number reserved for fiction: 555-01xx.", pii=Pii.PHONE),
        Field("date_of_birth", "date", "At least 18 years before created_at."),
        Field(
            "ssn", "varchar(11)", "Unique; area 9xx with groups that are not issued as ITINs: nobody's.",
            pii=Pii.NATIONAL_ID,
        ),
        Field("address", "text", "House number and street, made up.", pii=Pii.ADDRESS),
        Field("city", "varchar(50)", "City; fits state and zip_code.", categories=tuple(sorted(set(places.CITIES)))),
        Field("state", "varchar(2)", "State; incomes differ by it.", categories=tuple(sorted(set(places.STATES)))),
        Field("zip_code", "varchar(10)", "Postal code of the city's region."),
        Field("employment_type", "varchar(50)", "Kind of employment, by age.", categories=()),
        Field("annual_income", "decimal(12,2)", "USD a year on joining, by age, job and state.", low=3000),
        Field("created_at", "timestamp", "When the customer joined."),
    ),
)  # fmt: skip

"""Credit history: scores, payment behaviour and card utilisation, at even distances up to the end of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays
from synthcredit.portfolio.customers import YEAR
from synthcredit.portfolio.draws import Draws, Ints
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

HISTORIES = ("no_history", "on_time", "late_30", "late_60", "late_90", "default")
_NONE, _ON_TIME = 0, 1


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table."""
    world, people = block.world, block.people
    count = world.volumes.history
    draws = people.draws.children("credit_history", count)
    days = _days(block, count)
    month = world.calendar.month(days)
    recent = np.take_along_axis(block.recent, month, axis=1)
    score = world.score(people, draws.normal("score"), recent, days)
    limit = world.card_limit(people)[:, None]
    balance = np.rint(world.utilisation(people, draws.normal("utilisation"), days) * limit).astype(np.int64)
    per_cent = (2 * balance * 10_000 + limit) // (2 * limit)
    customer = np.repeat(np.arange(len(people)), count)
    flat = draws.numbers.ravel() % 1000
    return [
        arrays.text(arrays.child_words(arrays.lettered(people.words, "H")[customer], flat)),
        block.customer_key(customer),
        arrays.whole(score.ravel()),
        arrays.labels(_behaviour(block, draws, recent, month).ravel(), HISTORIES),
        arrays.real(per_cent.ravel() / 100.0),
        arrays.money(balance.ravel()),
        arrays.money(np.broadcast_to(limit, balance.shape).ravel()),
        arrays.dates(days.ravel()),
        # What was before the customer joined is loaded that day.
        arrays.moments(np.maximum(days, people.joined[:, None]).ravel(), 79_200),
    ]


def _days(block: Block, count: int) -> Ints:
    """Return days at even distances, from the window's start or the customer's 18th birthday to its end."""
    calendar = block.world.calendar
    grown = block.people.born + int(18 * YEAR) + 2
    first = np.maximum(calendar.first, grown)[:, None]
    return np.asarray(first + (np.arange(1, count + 1) * (calendar.last - first)) // max(count, 1))


def _behaviour(block: Block, draws: Draws, recent: Ints, month: Ints) -> Ints:
    """Return the worst payment of twelve months: own loans', or elsewhere's if that is worse."""
    world, people = block.world, block.people
    late = np.minimum(world.scenario.bureau.elsewhere_late * np.exp(0.8 * people.risk), 0.9)[:, None]
    luck = draws.uniform("late elsewhere") / late
    # Of those who are late somewhere six in ten are 30 days late, a quarter 60, the rest 90.
    elsewhere = np.where(luck >= 1, 0, np.where(luck >= 0.4, 1, np.where(luck >= 0.15, 2, 3)))
    thin = (people.thin == 1)[:, None]
    unknown = thin & (np.take_along_axis(block.standing.balance, month, axis=1) == 0) & (recent == 0)
    worst = np.maximum(recent, np.where(thin, 0, elsewhere))
    return np.where(unknown, _NONE, worst + _ON_TIME)


TABLE = Table(
    name="credit_history",
    about="What a credit bureau says of customers, as it was on each day.",
    key="history_id",
    make=make,
    parents={"customer_id": "customers"},
    fields=(
        text_key("history_id", "Key: H, the customer's number, and the entry's."),
        text_key("customer_id", "Whose."),
        Field(
            "credit_score", "integer", "300 to 850; arrears of the last twelve months cost points.", low=300, high=850
        ),
        Field("payment_history", "varchar(50)", "Worst payment of the last twelve months.", categories=HISTORIES),
        Field(
            "credit_utilization", "decimal(5,2)", "Per cent of card limits in use: balance over limit.", low=0, high=100
        ),
        Field("card_balance", "decimal(12,2)", "USD owed on cards.", low=0),
        Field("card_limit", "decimal(12,2)", "USD that cards allow.", low=0),
        Field("record_date", "date", "The day that it describes."),
        Field("created_at", "timestamp", "When the lender got it: not before the customer joined."),
    ),
)

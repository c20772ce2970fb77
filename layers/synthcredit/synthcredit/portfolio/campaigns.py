"""Campaigns: what the lender offered, to whom, when and through which channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays
from synthcredit.portfolio.draws import Draws, Ints
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block, World

CHANNELS = ("email", "letter", "phone", "app")
LENGTH_DAYS = 60


@dataclass(frozen=True, slots=True)
class Campaigns:
    """The campaigns of the book; arrays of shape (n,), in order of their start."""

    start: Ints
    channel: Ints
    product: Ints
    budget: Ints
    words: arrays.Words


def make_campaigns(world: World) -> Campaigns:
    """Return the campaigns: at even distances over the window, the last ended before it does."""
    count = world.volumes.campaigns
    draws = Draws("campaigns", world.seed, np.arange(count, dtype=np.int64))
    calendar = world.calendar
    span = calendar.last - calendar.first - 2 * LENGTH_DAYS
    start = calendar.first + (np.arange(count) * span) // max(count, 1) + draws.below("start", 20)
    return Campaigns(
        start=start,
        channel=draws.below("channel", len(CHANNELS)),
        product=draws.below("product", len(world.scenario.products)),
        budget=(20 + draws.below("budget", 180)) * 100_000,
        words=arrays.child_words(arrays.customer_words(np.arange(count), "K"), np.zeros(count, np.int64)),
    )


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table: of the whole book."""
    found = make_campaigns(block.world)
    names = tuple(product.name for product in block.world.scenario.products)
    titles = tuple(f"{name.replace('_', ' ')} by {channel}" for name in names for channel in CHANNELS)
    return [
        arrays.text(found.words),
        arrays.labels(found.product * len(CHANNELS) + found.channel, titles),
        arrays.labels(found.channel, CHANNELS),
        arrays.labels(found.product, names),
        arrays.dates(found.start),
        arrays.dates(found.start + LENGTH_DAYS - 1),
        arrays.money(found.budget),
        arrays.moments(found.start - 14, 36_000),
    ]


TABLE = Table(
    name="campaigns",
    about="What the lender offered, when and how.",
    key="campaign_id",
    make=make,
    once=True,
    fields=(
        text_key("campaign_id", "Key."),
        Field("campaign_name", "varchar(100)", "Product and channel.", categories=()),
        Field("channel", "varchar(20)", "How customers were reached.", categories=CHANNELS),
        Field("loan_type", "varchar(50)", "The product on offer.", categories=()),
        Field("start_date", "date", "First day."),
        Field("end_date", "date", "Last day."),
        Field("budget", "decimal(12,2)", "USD.", low=0),
        Field("created_at", "timestamp", "When it was planned."),
    ),
)

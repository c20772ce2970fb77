"""Campaign events: whom campaigns reached, and how far: sent, opened, clicked, responded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays
from synthcredit.portfolio.campaigns import LENGTH_DAYS, make_campaigns
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

EVENTS = ("sent", "opened", "clicked", "responded")
_REACHED = np.array([1.0, 0.35, 0.08, 0.02])
"""Share of contacts that get so far; riskier customers respond more, as adverse selection has it."""
_WITHIN = 10


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table."""
    people, campaigns = block.people, make_campaigns(block.world)
    count = block.world.volumes.contacts if len(campaigns.start) else 0
    draws = people.draws.children("campaign_events", count)
    # Only campaigns that began after the customer had joined reach anybody.
    first = np.searchsorted(campaigns.start, people.joined, side="right")[:, None]
    left = len(campaigns.start) - first
    campaign = first + np.floor(draws.uniform("campaign") * left).astype(np.int64)
    eager = np.exp(0.3 * people.risk)[:, None, None]
    reached = draws.uniform("how far")[..., None] < np.minimum(_REACHED * np.where(_REACHED < 1, eager, 1.0), 1.0)
    customer, contact, step = np.nonzero(reached & (left > 0)[..., None])
    campaign = campaign[customer, contact]
    sent = campaigns.start[campaign] + draws.below("day", LENGTH_DAYS - len(EVENTS) * _WITHIN)[customer, contact]
    gap = 1 + draws.below("gap", _WITHIN - 1)[customer, contact]
    days = sent + step * gap
    words = arrays.lettered(people.words, "X")[customer]
    return [
        arrays.text(arrays.child_words(words, 10 * contact + step + 1)),
        arrays.labels(campaign, arrays.text(campaigns.words)),
        block.customer_key(customer),
        arrays.labels(step, EVENTS),
        arrays.dates(days),
        arrays.moments(days, 36_000 + 3_600 * step),
    ]


TABLE = Table(
    name="campaign_events",
    about="Whom campaigns reached, and how far.",
    key="event_id",
    make=make,
    parents={"campaign_id": "campaigns", "customer_id": "customers"},
    fields=(
        text_key("event_id", "Key: X, the customer's number, and contact and step."),
        text_key("campaign_id", "The campaign."),
        text_key("customer_id", "Who was reached."),
        Field("event_type", "varchar(20)", "How far it got.", categories=EVENTS),
        Field("event_date", "date", "Within the campaign, after the customer joined."),
        Field("created_at", "timestamp", "When it was recorded."),
    ),
)

"""Complaints: who complains about what, and when. A whole table in one file, as an example; see docs/portfolio.md.

The tests put this file into the package, add the line of registration that the page shows, and make a book with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

TOPICS = ("fees", "service", "collection")
MOST = 3
"""Complaints of one customer at most."""
SHARE = 0.02
"""Chance of each where nothing was late in the last twelve months; chosen."""
LATE_SHARE = 0.15
"""And where something was; chosen."""


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table, in the order of its fields."""
    people, calendar = block.people, block.world.calendar
    # Each complaint has numbers of its own, by customer and place: the same in any block, for any number of customers.
    draws = people.draws.children("complaints", MOST)
    first = np.maximum(people.joined + 1, calendar.first)[:, None]
    days = first + np.floor(draws.uniform("day") * (calendar.last + 1 - first)).astype(np.int64)
    late = np.take_along_axis(block.recent, calendar.month(days), axis=1) > 0
    customer, place = np.nonzero(draws.chance("complains", np.where(late, LATE_SHARE, SHARE)))
    late, days = late[customer, place], days[customer, place]
    topic = np.where(late, TOPICS.index("collection"), draws.below("topic", 2)[customer, place])
    return [
        arrays.text(arrays.child_words(arrays.lettered(people.words, "B")[customer], place + 1)),
        block.customer_key(customer),
        arrays.labels(topic, TOPICS),
        arrays.dates(days),
        arrays.moments(days, 50_400),
    ]


TABLE = Table(
    name="complaints",
    about="Who complained about what.",
    key="complaint_id",
    make=make,
    parents={"customer_id": "customers"},
    fields=(
        text_key("complaint_id", "Key: B, the customer's number, and the complaint's."),
        text_key("customer_id", "Who complained."),
        Field("topic", "varchar(50)", "What about.", categories=TOPICS),
        Field("complaint_date", "date", "After the customer joined."),
        Field("created_at", "timestamp", "When it was entered."),
    ),
)

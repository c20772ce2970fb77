"""Market data: the macro path as the market publishes it, series by series at even distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import arrays
from synthcredit.portfolio.scenario import SERIES
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

_SOURCES = tuple(f"synthcredit scenario, {name.replace('_', ' ')}" for name in SERIES)
_PUBLISHED = 1
"""Days after a date on which its value is published."""


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table: of the whole book."""
    world, calendar = block.world, block.world.calendar
    total = world.volumes.market_points
    counts = [len(range(place, total, len(SERIES))) for place in range(len(SERIES))]
    kind = np.repeat(np.arange(len(SERIES)), counts)
    point = np.concatenate([np.arange(count) for count in counts])
    of_kind = np.array(counts)[kind]
    # The last day but one, so that all of them are published within the window.
    days = calendar.first + (point + 1) * (calendar.last - calendar.first - _PUBLISHED) // np.maximum(of_kind, 1)
    month = calendar.month(days)
    values = np.stack([world.macro.series[name] for name in SERIES])[kind, month]
    number = np.arange(total)
    words = arrays.child_words(arrays.customer_words(number, "M"), np.zeros(total, np.int64))
    return [
        arrays.text(words),
        arrays.labels(kind, SERIES),
        arrays.real(np.rint(values * 10_000) / 10_000),
        arrays.dates(days),
        arrays.labels(kind, _SOURCES),
        arrays.moments(days + _PUBLISHED, 36_000),
    ]


TABLE = Table(
    name="market_data",
    about="The macro path that drives the rest, as the market publishes it.",
    key="data_id",
    make=make,
    once=True,
    fields=(
        text_key("data_id", "Key."),
        Field("data_type", "varchar(50)", "The series.", categories=SERIES),
        Field("value", "decimal(10,4)", "Per cent; the house price index is 100 at the start."),
        Field("date_recorded", "date", "The day that it describes: the value of its month."),
        Field("source", "varchar(100)", "Where it is from.", categories=_SOURCES),
        Field("created_at", "timestamp", "When it was published."),
    ),
)

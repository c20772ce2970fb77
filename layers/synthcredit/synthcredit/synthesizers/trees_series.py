"""Columns that are one thing at several times, by their names: BILL_AMT1 to BILL_AMT6.

A balance follows from the one a month before and from what was paid since. Orders that go month by month keep these
together, and a search that moves one column at a time does not find its way from another order to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import permutations

MIN_TIMES = 3
MOST_PERMUTED = 3
"""Series whose orders within a month are all tried; of more, the one given and its reverse."""
_NUMBERED = re.compile(r"(.*?)(\d{1,9})(\D*)")

Order = tuple[int, ...]


def series_orders(first: Order, names: Sequence[str]) -> Iterator[Order]:
    """Yield orders that go number by number, up and down; none where no columns are numbered.

    Parameters
    ----------
    first
        An order of the columns. Those that are not numbered follow in it.
    names
        The names of the columns.
    """
    series = list(_series(first, names).values())
    numbered = {column for own in series for column in own.values()}
    others = tuple(column for column in first if column not in numbered)
    for within in permutations(series) if len(series) <= MOST_PERMUTED else (series, series[::-1]):
        if not within:
            return
        numbers = sorted({number for own in within for number in own})
        for ordered in (numbers, numbers[::-1]):
            yield tuple(own[number] for number in ordered for own in within if number in own) + others


def _series(first: Order, names: Sequence[str]) -> dict[tuple[str, str], dict[int, int]]:
    """Return the columns of each series by their number."""
    found: dict[tuple[str, str], dict[int, int]] = {}
    for column in first:
        if named := _NUMBERED.fullmatch(names[column]):
            before, number, after = named.groups()
            # Of names that differ in leading zeros alone, the first is meant.
            found.setdefault((before, after), {}).setdefault(int(number), column)
    return {stem: own for stem, own in found.items() if len(own) >= MIN_TIMES}

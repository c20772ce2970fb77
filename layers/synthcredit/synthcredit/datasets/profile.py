"""What one column holds, gathered block by block in bounded memory: first as text, then as numbers or dates."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthcredit.datasets import datetext, numbertext
from synthcredit.datasets.convert import Converted, is_marker, is_missing, trimmed
from synthcredit.datasets.tally import Tally, counted

MAX_DECIMALS = 8
"""Numbers with more decimal places than this are kept in full precision."""
SENTINELS = (*(float("9" * n) for n in range(2, 10)), *(-float("9" * n) for n in range(1, 10)))
"""Codes that stand in for a number where there is none: 99, 999, -9, -99 and so on."""
SAMPLE = 200
"""Values that the shape of dates is guessed from."""


class TextProfile:
    """A column of strings."""

    def __init__(self, name: str, *, prefers_comma: bool) -> None:
        self._says_date = any(part in name.lower() for part in ("date", "dt", "day", "birth", "dob"))
        self._prefers_comma = prefers_comma
        self._date_formats: tuple[str, ...] | None = None
        self.tally = Tally()
        """Every value that is not missing anywhere; markers such as '?' are among them."""
        self.markers = 0
        """Values that mean missing among numbers and dates."""
        self.whole = 0
        """Whole numbers without any separator that fit into 64 bits."""
        self.endless = 0
        """Whole numbers of more digits than that."""
        self.padded = 0
        """Whole numbers with leading zeros: codes rather than numbers."""
        self.numbers: Counter[str] = Counter()
        """How many values are numbers, by number format."""
        self.dates: Counter[str] = Counter()
        """How many values are dates or times, by strptime format."""

    @property
    def count(self) -> int:
        """Values that are neither missing nor markers."""
        return self.tally.count - self.markers

    def add(self, array: pa.Array) -> None:
        """Take a block of strings in."""
        values, counts = counted(trimmed(array))
        present = pc.invert(is_missing(values))
        values, counts = values.filter(present), counts.filter(present)
        self.tally.add(values, counts)
        marker = is_marker(values)
        self.markers += _total(counts, marker)
        ordinary = pc.invert(marker)
        values, counts = values.filter(ordinary), counts.filter(ordinary)
        if len(values):
            self._add_numbers(values, counts)
            self._add_dates(values, counts)

    def _add_numbers(self, values: pa.Array, counts: pa.Array) -> None:
        plain = numbertext.is_plain(values)
        whole = _total(counts, pc.match_substring_regex(values, pattern=r"^[+-]?\d{1,18}$"))
        self.whole += whole
        self.endless += _total(counts, pc.match_substring_regex(values, pattern=r"^[+-]?\d{19,}$"))
        self.padded += _total(counts, pc.match_substring_regex(values, pattern=r"^0\d+$"))
        self.numbers["plain"] += _total(counts, plain)
        if pc.all(plain).as_py() and not self._prefers_comma:
            # The quick way: where commas separate fields, a point before digits is a decimal point.
            for number_format, (_, _, decimal) in numbertext.FORMATS.items():
                self.numbers[number_format] += _total(counts, plain) if decimal == "." else whole
            return
        values = numbertext.undecorated(values)
        for number_format in numbertext.FORMATS:
            self.numbers[number_format] += _total(counts, numbertext.written_as(values, number_format))

    def _add_dates(self, values: pa.Array, counts: pa.Array) -> None:
        if self._date_formats is None:
            sample = values[:SAMPLE].to_pylist()
            self._date_formats = datetext.candidates(sample, compact=self._says_date)
        for date_format in self._date_formats:
            valid = pc.is_valid(datetext.parse_datetime(values, date_format))
            self.dates[date_format] += _total(counts, valid)


class NumberProfile:
    """A column of numbers, or of dates as seconds."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.minimum = np.inf
        self.maximum = -np.inf
        self.inner_minimum = np.inf
        """Smallest number that is none of `SENTINELS`."""
        self.inner_maximum = -np.inf
        self.decimals: int | None = 0
        """Decimal places, None where there are more than `MAX_DECIMALS`."""

    def add(self, array: pa.Array, floats: NDArray[np.float64]) -> None:
        """Take a block in: the typed array for counting, and its numbers, NaN where missing."""
        self.tally.add(*counted(array))
        numbers = np.unique(floats[~np.isnan(floats)])
        if not len(numbers):
            return
        self.minimum = min(self.minimum, float(numbers[0]))
        self.maximum = max(self.maximum, float(numbers[-1]))
        inner = numbers[~np.isin(numbers, SENTINELS)]
        if len(inner):
            self.inner_minimum = min(self.inner_minimum, float(inner[0]))
            self.inner_maximum = max(self.inner_maximum, float(inner[-1]))
        while self.decimals is not None and not _has_decimals(numbers, self.decimals):
            self.decimals = self.decimals + 1 if self.decimals < MAX_DECIMALS else None


class Fault:
    """Values of one column that have one fault: how many, and the positions of the first few."""

    def __init__(self) -> None:
        self.count = 0
        self.records: list[int] = []

    def add(self, mask: NDArray[np.bool_], first: int) -> None:
        """Take note of a block that begins at record ``first``."""
        found = np.flatnonzero(mask)
        self.count += len(found)
        self.records += [first + int(index) for index in found[: 5 - len(self.records)]]


class Faults:
    """What did not fit into one column."""

    def __init__(self) -> None:
        self.bad = Fault()
        """Neither missing nor of the dtype."""
        self.infinite = Fault()
        self.unknown = Fault()
        """None of the schema's categories."""
        self.missing = Fault()

    def add(self, converted: Converted, first: int, unknown: NDArray[np.bool_] | None = None) -> None:
        """Take a converted block in that begins at record ``first``."""
        absent = pc.is_null(converted.values).to_numpy(zero_copy_only=False) & ~converted.bad & ~converted.infinite
        self.bad.add(converted.bad, first)
        self.infinite.add(converted.infinite, first)
        if unknown is not None:
            self.unknown.add(unknown, first)
            absent &= ~unknown
        self.missing.add(absent, first)


def _total(counts: pa.Array, mask: pa.Array) -> int:
    return int(pc.sum(counts.filter(mask)).as_py() or 0)


def _has_decimals(numbers: NDArray[np.float64], decimals: int) -> bool:
    # Sums of cents leave 4e-16 where there should be 0: such dust is no decimal place.
    return np.allclose(np.round(numbers, decimals), numbers, rtol=1e-15, atol=numbertext.DUST)

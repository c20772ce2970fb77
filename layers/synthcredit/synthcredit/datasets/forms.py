"""Decide how a column of a text file is written: as numbers, dates or words."""

from __future__ import annotations

from dataclasses import dataclass

from synthcredit.datasets import identifiers
from synthcredit.datasets.profile import TextProfile
from synthcredit.datasets.schema import Dtype

FEW_VALUES = 20
"""Up to so many distinct values can be categories even where most are numbers."""
_MIXED_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Form:
    """How a column is stored and written."""

    dtype: Dtype
    format: str | None = None
    notice: str | None = None


def text_form(name: str, profile: TextProfile, *, decimal_comma: bool) -> Form:
    """Decide whether strings are numbers, dates or words.

    Numbers or dates with up to one in five words among more than twenty distinct values are taken for numbers or dates:
    the words are then reported as faults. With fewer distinct values they are categories, such as 1, 2, 3 and 5+.
    """
    count = profile.count
    if count == 0:
        return Form(Dtype.STRING)
    # Nearly all, where the rest is more likely a fault than a meaning.
    needed = count * _MIXED_SHARE if profile.tally.distinct > FEW_VALUES else count
    if profile.dates and max(profile.dates.values()) >= needed:
        return _date_form(profile)
    number_format, numbers = _number_format(profile, decimal_comma=decimal_comma)
    codes = profile.padded or profile.endless or (numbers < count and identifiers.says_identifier(name))
    if numbers < needed or codes:
        return Form(Dtype.STRING)
    dtype = Dtype.INT64 if profile.whole >= numbers else Dtype.DOUBLE
    if number_format is None:
        return Form(dtype)
    return Form(dtype, number_format, f"its numbers are read as written like {number_format}")


def uses_decimal_comma(profile: TextProfile) -> bool:
    """Tell whether a column can only be read with a decimal comma."""
    comma = max(profile.numbers["1234,56"], profile.numbers["1.234,56"])
    return comma > max(profile.numbers["plain"], profile.numbers["1,234.56"]) and comma >= _MIXED_SHARE * profile.count


def _number_format(profile: TextProfile, *, decimal_comma: bool) -> tuple[str | None, int]:
    order = ["plain", "1234.56", "1,234.56", "1234,56", "1.234,56", "1 234,56", "1'234.56"]
    if decimal_comma:
        order = ["1234,56", "1.234,56", "plain", *order[1:3], *order[5:]]
        if profile.whole == profile.count:
            return None, profile.whole
    best = max(order, key=lambda number_format: profile.numbers[number_format])
    return (None if best == "plain" else best), profile.numbers[best]


def _date_form(profile: TextProfile) -> Form:
    best, count = profile.dates.most_common(1)[0]
    swapped = best.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
    notice = None
    if swapped != best and profile.dates[swapped] == count:
        notice = f"its dates can be read as {best} or as {swapped}; {best} was taken, set its format if that is wrong"
    parts = set(best.replace("%", ""))
    if not parts & set("HI"):
        return Form(Dtype.DATE, best, notice)
    return Form(Dtype.TIMESTAMP if parts & set("Yy") else Dtype.TIME, best, notice)

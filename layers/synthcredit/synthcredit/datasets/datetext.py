"""Dates and times as text files write them, by strptime format."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_DAY_MICROS = 86_400_000_000

_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "d": r"(?P<d>\d{1,2})",
    "b": r"(?P<b>[A-Za-z]{3})",
    "B": r"(?P<b>[A-Za-z]{3,9})",
    "H": r"(?P<H>\d{1,2})",
    "I": r"(?P<I>\d{1,2})",
    "M": r"(?P<M>\d{2})",
    "S": r"(?P<S>\d{2})",
    "p": r"(?P<p>[AaPp][Mm])",
    "z": r"(?P<z>Z|[+-]\d{2}:?\d{2})",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

# Where day and month can be exchanged, the day-first one stands first: it wins a tie, with a notice.
_DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
    "%d-%m-%y",
    "%m-%d-%y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d/%b/%Y",
    "%d-%b-%y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b-%Y",
    "%b %Y",
    "%Y-%m",
    "%m/%Y",
)
_TIMES = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
_COMPACT = "%Y%m%d"
_STAMPS = tuple(
    f"{date}{separator}{time}{zone}"
    for date, separator, time, zone in itertools.product(_DATES[:20], (" ", "T"), _TIMES, ("", "%z"))
)
FORMATS = (*_DATES, *_TIMES, *_STAMPS)
DATE_PARTS = frozenset("YymdbB")
TIME_PARTS = frozenset("HIMSpf")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A strptime format as a regular expression.

    Parameters
    ----------
    regex
        For RE2 and Python alike, with one named group a directive.
    groups
        The names of the groups, in order.
    """

    regex: str
    groups: tuple[str, ...]


def compile_format(date_format: str) -> Pattern:
    """Translate a strptime format.

    Seconds with a fraction (``%S.%f``) also accept a value without one, as Python and pandas write whole seconds.

    Raises
    ------
    ValueError
        The format has an unknown directive, the same one twice, or neither a year nor an hour.
    """
    pieces, groups = [], []
    rest = date_format
    while rest:
        if rest.startswith(".%f"):
            piece, used = r"(?:\.(?P<f>\d{1,9}))?", 3
            groups.append("f")
        elif rest.startswith("%") and rest[1:2] in _DIRECTIVES:
            piece, used = _DIRECTIVES[rest[1]], 2
            groups.append("b" if rest[1] == "B" else rest[1])
        elif rest.startswith("%"):
            raise ValueError(f"'{rest[:2]}' is not known; use {', '.join(f'%{d}' for d in _DIRECTIVES)} and .%f")
        else:
            piece, used = re.escape(rest[0]), 1
        pieces.append(piece)
        rest = rest[used:]
    if len(groups) != len(set(groups)) or not set(groups) & {"Y", "y", "H", "I"}:
        raise ValueError("it needs a year or an hour, and every part once")
    return Pattern(f"^{''.join(pieces)}$", tuple(groups))


def candidates(samples: Sequence[str], *, compact: bool) -> tuple[str, ...]:
    """Return the formats that at least four in five of some values have the shape of.

    Parameters
    ----------
    samples
        Values of one column, trimmed, none missing.
    compact
        Whether eight digits may be a date: only where the column's name says so.
    """
    formats = (*FORMATS, _COMPACT) if compact else FORMATS
    compiled = [(name, re.compile(compile_format(name).regex)) for name in formats] if samples else []
    needed = max(1, round(0.8 * len(samples)))
    return tuple(name for name, regex in compiled if sum(bool(regex.match(value)) for value in samples) >= needed)


def parse_datetime(array: pa.Array, date_format: str) -> pa.Array:
    """Turn trimmed strings into microseconds since 1970-01-01 (UTC where there is a zone), or since midnight.

    Returns
    -------
    pa.Array
        int64, null where a string does not have the format or is no real date.
    """
    pattern = compile_format(date_format)
    parts = pc.extract_regex(array, pattern=pattern.regex)
    found = np.asarray(pc.is_valid(parts).to_numpy(zero_copy_only=False))
    texts = {name: pc.fill_null(pc.struct_field(parts, [name]), "") for name in pattern.groups}
    days, valid_day = _days(texts, len(array))
    micros, valid_time = _micros(texts, len(array))
    valid = found & valid_day & valid_time
    total = np.where(valid, days * _DAY_MICROS + micros - _offset(texts, len(array)), 0)
    return pa.array(total, mask=~valid)


def _numbers(texts: dict[str, pa.Array], name: str, length: int, default: int) -> NDArray[np.int64]:
    if name not in texts:
        return np.full(length, default, dtype=np.int64)
    text = pc.if_else(pc.equal(texts[name], ""), str(default), texts[name])
    return np.asarray(pc.cast(text, pa.int64()).to_numpy(zero_copy_only=False))


def _days(texts: dict[str, pa.Array], length: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if not DATE_PARTS & texts.keys():
        return np.zeros(length, dtype=np.int64), np.ones(length, dtype=bool)
    year = _numbers(texts, "Y", length, 1970)
    if "y" in texts:
        # POSIX: 69-99 are 1969-1999, 00-68 are 2000-2068.
        short = _numbers(texts, "y", length, 0)
        year = np.where(short >= 69, 1900, 2000) + short
    if "b" in texts:
        names = pc.utf8_lower(pc.utf8_slice_codeunits(texts["b"], 0, 3))
        month = pc.fill_null(pc.index_in(names, value_set=pa.array(_MONTHS)), -1).to_numpy(zero_copy_only=False) + 1
    else:
        month = _numbers(texts, "m", length, 1)
    day = _numbers(texts, "d", length, 1)
    months = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    valid = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]") == months)
    return days.astype(np.int64), valid


def _micros(texts: dict[str, pa.Array], length: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    hour = _numbers(texts, "H", length, 0)
    valid = (hour >= 0) & (hour < 24)
    if "I" in texts:
        twelve = _numbers(texts, "I", length, 12)
        valid &= (twelve >= 1) & (twelve <= 12)
        hour = twelve % 12
        if "p" in texts:
            late = pc.equal(pc.utf8_lower(texts["p"]), "pm").to_numpy(zero_copy_only=False)
            hour = hour + 12 * late.astype(np.int64)
    minute, second = _numbers(texts, "M", length, 0), _numbers(texts, "S", length, 0)
    valid &= (minute < 60) & (second < 60)
    micros = ((hour * 60 + minute) * 60 + second) * 1_000_000
    if "f" in texts:
        digits = pc.utf8_slice_codeunits(pc.utf8_rpad(texts["f"], 6, "0"), 0, 6)
        micros = micros + pc.cast(digits, pa.int64()).to_numpy(zero_copy_only=False)
    return micros, valid


def _offset(texts: dict[str, pa.Array], length: int) -> NDArray[np.int64]:
    if "z" not in texts:
        return np.zeros(length, dtype=np.int64)
    digits = pc.replace_substring_regex(texts["z"], pattern="[^0-9]", replacement="")
    digits = pc.if_else(pc.equal(digits, ""), "0000", digits)
    number = np.asarray(pc.cast(digits, pa.int64()).to_numpy(zero_copy_only=False))
    sign = np.where(pc.starts_with(texts["z"], "-").to_numpy(zero_copy_only=False), -1, 1)
    return np.asarray(sign * (number // 100 * 60 + number % 100) * 60_000_000)

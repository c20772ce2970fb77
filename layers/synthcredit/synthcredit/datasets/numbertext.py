"""Numbers as text files write them: decimal comma, thousands separators, currency and percent signs."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
DUST = 1e-10
"""What floating-point sums leave over: numbers that differ by less are the same."""
_INTEGER = r"^-?\d{1,18}$"
_LONGEST = r"^-?\d{19}$"
_LARGEST = str(2**63 - 1)
_QUOTE = "['\u2019]"
_SPACE = "[ \u00a0\u202f]"

FORMATS: dict[str, tuple[str, str, str]] = {
    # format: what a value looks like, what separates thousands, what separates decimals.
    "1234.56": (PLAIN, "", "."),
    "1,234.56": (r"^[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?$", ",", "."),
    "1234,56": (r"^[+-]?(\d+(,\d*)?|,\d+)$", "", ","),
    "1.234,56": (r"^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?$", r"\.", ","),
    "1 234,56": (rf"^[+-]?(\d{{1,3}}({_SPACE}\d{{3}})+|\d+)(,\d+)?$", _SPACE, ","),
    "1'234.56": (rf"^[+-]?(\d{{1,3}}({_QUOTE}\d{{3}})+|\d+)(\.\d+)?$", _QUOTE, "."),
}
"""How numbers may be written, by the name that stands in a column's ``format``. Currency signs, percent signs and
accounting brackets around such numbers are dropped. A column without a format has plain numbers and nothing else."""

_SIGNS = r"(?i:US\$|[$€£¥₹%]|USD|EUR|GBP|CHF|JPY|INR)"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"


def undecorated(array: pa.Array) -> pa.Array:
    """Return trimmed strings without currency signs, percent signs and accounting brackets around the number."""
    array = pc.replace_substring_regex(array, pattern=r"^\((.*)\)$", replacement=r"-\1")
    array = pc.replace_substring_regex(array, pattern="^\u2212", replacement="-")
    array = pc.replace_substring_regex(array, pattern=rf"^([+-]?)\s*{_SIGNS}\s*([+-]?)", replacement=r"\1\2")
    return pc.replace_substring_regex(array, pattern=rf"\s*{_SIGNS}$", replacement="")


def written_as(array: pa.Array, number_format: str) -> pa.Array:
    """Tell which of the undecorated strings are numbers in one of `FORMATS`, as booleans."""
    return pc.match_substring_regex(array, pattern=FORMATS[number_format][0])


def is_plain(array: pa.Array) -> pa.Array:
    """Tell which strings are plain numbers such as ``-12.5`` or ``1e6``, or infinite."""
    return pc.or_(pc.match_substring_regex(array, pattern=PLAIN), is_infinite(array))


def is_infinite(array: pa.Array) -> pa.Array:
    """Tell which strings stand for an infinite number."""
    return pc.match_substring_regex(array, pattern=_INFINITE)


def parse_floats(array: pa.Array, number_format: str | None) -> pa.Array:
    """Turn trimmed strings into float64; null where a string is no number in that format."""
    return pc.cast(_plain_text(array, number_format), pa.float64())


def parse_integers(array: pa.Array, number_format: str | None) -> pa.Array:
    """Turn trimmed strings into int64; null where a string is no whole number. ``12.0`` is one.

    Digits are parsed as integers where possible, because float64 holds only 53 bits.
    """
    plain = _plain_text(array, number_format)
    # Digits of one length are ordered as text like the numbers are.
    longest = pc.match_substring_regex(plain, pattern=_LONGEST)
    fitting = pc.and_(longest, pc.less_equal(pc.utf8_ltrim(plain, "-"), _LARGEST))
    short = pc.match_substring_regex(plain, pattern=_INTEGER)
    whole = pc.cast(pc.if_else(pc.or_(short, fitting), plain, None), pa.int64())
    if whole.null_count == plain.null_count:
        return whole
    return pc.coalesce(whole, whole_numbers(pc.cast(plain, pa.float64())))


def whole_numbers(floats: pa.Array) -> pa.Array:
    """Turn float64 into int64; null where a number is not whole or not exact as a float."""
    nearest = pc.round(floats)
    whole = pc.less_equal(pc.abs(pc.subtract(floats, nearest)), DUST)
    exact = pc.and_(whole, pc.less_equal(pc.abs(floats), float(2**53)))
    return pc.cast(pc.if_else(exact, nearest, None), pa.int64())


def write_numbers(array: pa.Array, number_format: str, decimals: int | None) -> pa.Array:
    """Write numbers as strings in one of `FORMATS`, without currency or percent signs; null stays null."""
    _, thousands, decimal = FORMATS[number_format]
    # The separator is what stands between the 1 and the 2 of the format's own name.
    grouping = number_format[1] if thousands else ""
    swap = str.maketrans({",": grouping, ".": decimal})
    places = "," if decimals is None or pa.types.is_integer(array.type) else f",.{decimals}f"
    return pa.array(
        [None if value is None else format(value, places).translate(swap) for value in array.to_pylist()], pa.string()
    )


def _plain_text(array: pa.Array, number_format: str | None) -> pa.Array:
    if number_format is not None:
        pattern, thousands, decimal = FORMATS[number_format]
        array = undecorated(array)
        array = pc.if_else(pc.match_substring_regex(array, pattern=pattern), array, None)
        if thousands:
            array = pc.replace_substring_regex(array, pattern=thousands, replacement="")
        if decimal == ",":
            array = pc.replace_substring(array, pattern=",", replacement=".")
    array = pc.if_else(pc.match_substring_regex(array, pattern=PLAIN), array, None)
    return pc.replace_substring_regex(array, pattern=r"^\+", replacement="")

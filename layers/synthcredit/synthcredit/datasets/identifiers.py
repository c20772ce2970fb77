"""Recognise identifiers by name and by pattern, and customers among them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from synthcredit.datasets.schema import storage_name

UUID_FORMAT = "{uuid}"
"""The format of an identifier column that holds UUIDs."""

# The likelier a column is to tell whose a row is, the further left.
_CUSTOMERS = (
    *("customer", "cust", "client", "borrower", "applicant", "debtor", "obligor", "kunde", "kunden", "person"),
    *("household", "member", "party", "user", "holder", "policyholder", "account", "acct"),
)
_ENTITIES = (
    *_CUSTOMERS,
    *("loan", "contract", "application", "card", "policy", "invoice", "transaction", "trans", "order", "basket"),
    *("product", "reference", "employee", "branch", "facility", "deal", "case", "record", "row", "merchant"),
    *("vendor", "supplier", "coupon"),
)
_ID_SUFFIX = r"(ids?|uuid|guid|key|pk|ref|identifier|upc|ean|isin|lei|cif)"
_NUMBER_SUFFIX = r"(no|nr|num|number|code)"
_ID_NAME = re.compile(rf"(^|_){_ID_SUFFIX}$|(^|_)({'|'.join(_ENTITIES)})_?{_NUMBER_SUFFIX}$|^sk_id|^id_|(^|[a-z])id$")
_WORDS_IN_ID = re.compile(
    r"(^|_)(paid|valid|covid|bid|grid|void|avoid|liquid|rapid|unpaid|prepaid|solid|fluid|hybrid|aid)$"
)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(?=.*\d)[0-9a-f]{12,64}")


def says_identifier(name: str) -> bool:
    """Tell whether a column's name says that it is an identifier."""
    stored = storage_name(name)
    return bool(_ID_NAME.search(stored)) and not _WORDS_IN_ID.search(stored)


def customer_rank(name: str) -> int | None:
    """Return how likely a column is to tell whose a row is, 0 the likeliest; None where it is not.

    ``customer_id``, ``CUST_NO`` and a bare ``customer`` are; ``customer_age`` is not.
    """
    stored = storage_name(name)
    for rank, entity in enumerate(_CUSTOMERS):
        if stored == entity or re.search(rf"(^|_){entity}_?({_ID_SUFFIX}|{_NUMBER_SUFFIX})$", stored):
            return rank
    return None


def text_format(values: Sequence[str]) -> str | None:
    """Return the pattern that identifiers follow, such as ``CUST-{:06d}``.

    Parameters
    ----------
    values
        Some distinct values, at least two.

    Returns
    -------
    str or None
        ``{uuid}``; ``{:032x}`` for hexadecimal hashes; a common beginning, a number and a common end, the number padded
        with zeros where all are of one length; None where the values follow no such pattern.
    """
    if all(_UUID.fullmatch(value) for value in values):
        return UUID_FORMAT
    lengths = {len(value) for value in values}
    # Nine digits in ten hashes hold a letter; plain numbers never do.
    if len(lengths) == 1 and all(_HEX.fullmatch(value) for value in values) and any(not v.isdigit() for v in values):
        return f"{{:0{lengths.pop()}x}}"
    return _counter_format(values)


def _counter_format(values: Sequence[str]) -> str | None:
    start = re.sub(r"\d+$", "", _common_start(values))
    rests = [value[len(start) :] for value in values]
    end = _common_start([rest[::-1] for rest in rests])[::-1]
    end = re.sub(r"^\d+", "", end)
    numbers = [rest[: len(rest) - len(end)] for rest in rests]
    if not all(number.isascii() and number.isdigit() for number in numbers):
        return None
    widths = {len(number) for number in numbers}
    padded = len(widths) == 1 or any(number.startswith("0") for number in numbers if len(number) > 1)
    number = f"{{:0{max(widths)}d}}" if padded else "{:d}"
    return f"{_escaped(start)}{number}{_escaped(end)}"


def _common_start(values: Sequence[str]) -> str:
    # What the first and the last in order have in common, all between them have.
    first, last = min(values), max(values)
    differing = (index for index, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(differing, min(len(first), len(last)))]


def fallback_format(values: Sequence[str]) -> str:
    """Return a pattern of about the same length for identifiers that follow none."""
    width = max(6, sorted(len(value) for value in values)[len(values) // 2] - 1)
    return f"X{{:0{width}d}}"


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")

"""Personal data of nobody: each kind from ranges that are reserved for tests and fiction."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthcredit.datasets import fakepools as pools
from synthcredit.datasets.keyed import KeyedRows
from synthcredit.datasets.schema import Column, Pii, storage_name

_OTHER_PERSON = re.compile(
    r"(?:^|_)(co|co_?applicant|co_?borrower|spouse|partner|guarantor|referee|mother|father|secondary|joint|beneficiary)_"
)
_SSN_AREAS = 100
_SSN_SERIALS = 9999
_CARD_ACCOUNTS = 10**9
_ACCOUNTS = 10**9


def make(column: Column, persons: KeyedRows) -> pa.Array:
    """Return one kind of personal data for some persons, as strings.

    What belongs to one person fits together: the full name is first and last name, the e-mail address has both.
    A ``spouse_first_name`` is another person's.
    """
    assert column.pii is not None  # noqa: S101 - asked for personal data only
    found = _OTHER_PERSON.search(storage_name(column.name))
    return _MAKERS[column.pii](persons, found[1] if found else "person")


def _first_names(persons: KeyedRows, who: str) -> pa.Array:
    return persons.pick(f"first name of {who}", pools.FIRST_NAMES)


def _last_names(persons: KeyedRows, who: str) -> pa.Array:
    return persons.pick(f"last name of {who}", pools.LAST_NAMES)


def _full_names(persons: KeyedRows, who: str) -> pa.Array:
    return pc.binary_join_element_wise(_first_names(persons, who), _last_names(persons, who), " ")


def _emails(persons: KeyedRows, who: str) -> pa.Array:
    """Make addresses, unique by the person's number."""
    first = pc.utf8_lower(_first_names(persons, who))
    last = pc.utf8_lower(_last_names(persons, who))
    domain = persons.pick(f"mail of {who}", pools.MAIL_DOMAINS)
    number = pa.array(persons.numbers + 1).cast(pa.string())
    return pc.binary_join_element_wise(first, ".", last, number, "@", domain, "")


def _phones(persons: KeyedRows, who: str) -> pa.Array:
    area = persons.pick(f"area of {who}", pools.AREA_CODES)
    line = _digits(persons.below(f"line of {who}", 100), 2)
    return pc.binary_join_element_wise("(", area, ") 555-01", line, "")


def _addresses(persons: KeyedRows, who: str) -> pa.Array:
    number = pa.array(persons.below(f"house of {who}", 9_899) + 101).cast(pa.string())
    street = persons.pick(f"street of {who}", pools.LAST_NAMES)
    suffix = persons.pick(f"suffix of {who}", pools.STREET_SUFFIXES)
    city = persons.pick(f"city of {who}", pools.LAST_NAMES)
    end = persons.pick(f"city end of {who}", pools.CITY_ENDS)
    state = persons.pick(f"state of {who}", pools.STATES)
    road = pc.binary_join_element_wise(number, street, suffix, " ")
    return pc.binary_join_element_wise(road, ", ", city, end, ", ", state, "")


def _national_ids(persons: KeyedRows, who: str) -> pa.Array:
    """Social security numbers that nobody has, unique for 55 million persons."""
    groups = len(pools.SSN_GROUPS)
    number = persons.shuffled(f"national id of {who}", _SSN_AREAS * groups * _SSN_SERIALS)
    number, serial = np.divmod(number, _SSN_SERIALS)
    area, group = np.divmod(number, groups)
    middle = np.array(pools.SSN_GROUPS)[group]
    return pc.binary_join_element_wise(_digits(area + 900, 3), _digits(middle, 2), _digits(serial + 1, 4), "-")


def _ibans(persons: KeyedRows, who: str) -> pa.Array:
    """German IBANs of a bank that does not exist, unique for 10**9 persons."""
    account = persons.shuffled(f"account of {who}", _ACCOUNTS)
    # ISO 7064, MOD 97-10: 98 less the remainder of bank code, account, DE as 1314, and 00.
    head = int(pools.BANK_CODE) * pow(10, 16, 97) % 97
    rest = (head + account % 97 * (10**6 % 97) + 131_400) % 97
    return pc.binary_join_element_wise("DE", _digits(98 - rest, 2), pools.BANK_CODE, _digits(account, 10), "")


def _card_numbers(persons: KeyedRows, who: str) -> pa.Array:
    """Sixteen digits with a test card's beginning and a valid check digit, unique for 10**9 persons."""
    account = _digits(persons.shuffled(f"card of {who}", _CARD_ACCOUNTS), 9)
    partial = pc.binary_join_element_wise(persons.pick(f"issuer of {who}", pools.CARD_PREFIXES), account, "")
    return pc.binary_join_element_wise(partial, _digits(_luhn(partial), 1), "")


def _luhn(partial: pa.Array) -> NDArray[np.int64]:
    """Return the check digit (ISO/IEC 7812-1, annex B) of numbers of 15 digits, shape (n,)."""
    number = pc.cast(partial, pa.int64()).to_numpy()
    places = 10 ** np.arange(14, -1, -1, dtype=np.int64)
    digits = number[:, None] // places % 10
    doubled = 2 * digits[:, ::2]
    return np.asarray(-((doubled // 10 + doubled % 10).sum(axis=1) + digits[:, 1::2].sum(axis=1)) % 10)


def _digits(numbers: NDArray[np.int64], width: int) -> pa.Array:
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


_MAKERS: dict[Pii, Callable[[KeyedRows, str], pa.Array]] = {
    Pii.FIRST_NAME: _first_names,
    Pii.LAST_NAME: _last_names,
    Pii.FULL_NAME: _full_names,
    Pii.EMAIL: _emails,
    Pii.PHONE: _phones,
    Pii.ADDRESS: _addresses,
    Pii.NATIONAL_ID: _national_ids,
    Pii.IBAN: _ibans,
    Pii.CARD_NUMBER: _card_numbers,
}

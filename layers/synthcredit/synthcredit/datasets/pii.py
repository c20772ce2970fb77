"""Recognise personal data by what a column is called and by what it holds.

A telling name alone is never enough: the content must look like it too, so that ``telephone`` with yes and none stays a
category, and amounts or long numbers never become phone or card numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from faker.providers.address.en_US import Provider as Streets
from faker.providers.person.en_US import Provider as EnglishNames

from synthcredit.datasets.schema import Pii, storage_name

SAMPLE = 1000
"""Distinct values that are looked at."""

_FIRST_NAMES = frozenset(name.lower() for name in EnglishNames.first_names)

_NAMES: tuple[tuple[Pii, str], ...] = (
    (Pii.EMAIL, r"e_?mails?|mail_address"),
    (Pii.IBAN, r"ibans?"),
    (Pii.CARD_NUMBER, r"(credit_|debit_|bank_)?(card|cc)_?(number|num|no|nr)|pan"),
    (
        Pii.NATIONAL_ID,
        (
            r"ssn|social_security(_(number|no))?|nino|national_(id|insurance)(_(number|no))?|tax_(id|number|no)|tin|itin"
            r"|passport(_(number|no|id))?|nif|dni|cpf|pesel|sin|personal_(id|number|code)|identity_(card|number|no)"
            r"|driv(er|ers|ing)_licen[cs]e(_(number|no))?"
        ),
    ),
    (Pii.PHONE, r"(tele)?phone|mobile|cell(phone)?|tel|fax|telephone_number|handy"),
    (Pii.FIRST_NAME, r"first_?name|given_?name|fore_?name|fname|vorname|prenom"),
    (Pii.LAST_NAME, r"last_?name|sur_?name|family_?name|lname|nachname"),
    (Pii.ADDRESS, r"address|street|addr|address_line|street_name|strasse|anschrift"),
    (Pii.FULL_NAME, r"(full_?)?name"),
)
_OTHER_NAMES = re.compile(
    r"(product|item|company|brand|branch|bank|file|city|country|state|county|region|store|shop|merchant|campaign|user"
    r"|column|event|plan|type|category|department|employer|school|organi[sz]ation)_?name"
)

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_PHONE_LOOSE = re.compile(r"\+?[\d\s()./-]{7,22}(\s?(x|ext\.?)\s?\d+)?")
_PHONE_STRICT = re.compile(
    r"\+\d[\d\s()./-]{7,20}|(1[-. ])?\(\d{3}\) ?\d{3}[-. ]\d{4}|(1[-. ])?\d{3}[-. ]\d{3}[-. ]\d{4}"
    r"|0\d{2,4}[ /-]\d[\d ]{4,9}"
)
_SSN = re.compile(r"(?!000|666)\d{3}-(?!00)\d{2}-(?!0000)\d{4}")
_NINO = re.compile(r"(?![DFIQUV])[A-Z](?![DFIOQUV])[A-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]")
_ID_LOOSE = re.compile(r"(?=.*\d)[A-Z0-9][A-Z0-9 ./-]{5,24}", re.IGNORECASE)
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_CARD = re.compile(r"(4\d{12}|4\d{15}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|6(011|5\d\d)\d{12}|35\d{14})")
_WORDS = re.compile(r"[^\W\d_]+([ '.\u2019-]+[^\W\d_]+)*\.?")
_FULL_NAME = re.compile(r"[^\W\d_]+\.?,?( [^\W\d_]\.?)?( [^\W\d_][\w'\u2019-]+){1,2}")
_SUFFIXES = "|".join(
    sorted({"st", "ave", "rd", "ln", "dr", "blvd", "ct", "pl"} | {s.lower() for s in Streets.street_suffixes})
)
_STREET = re.compile(
    rf"\d{{1,6}}[a-z]? [\w .'-]+ ({_SUFFIXES})\b.*|[\w .'-]+(straße|strasse|str\.|weg|platz|allee|gasse) ?\d{{1,5}}.*",
    re.IGNORECASE,
)


def recognise(name: str, values: Sequence[str], *, distinct: int, count: int) -> Pii | None:
    """Tell what personal data a column holds, if any.

    Parameters
    ----------
    name
        The column's name.
    values
        Some of its distinct values, trimmed, none missing.
    distinct, count
        Of the whole column: distinct values, and values that are not missing.
    """
    values = values[:SAMPLE]
    if not values:
        return None
    telling = named(name)
    if telling is not None and _plausible(telling, values, distinct, count):
        return telling
    no_person = _OTHER_NAMES.search(storage_name(name))
    for kind, holds in _BY_CONTENT:
        if not (no_person and kind in (Pii.FULL_NAME, Pii.FIRST_NAME)) and holds(values, distinct, count):
            return kind
    return None


def named(name: str) -> Pii | None:
    """Tell what personal data a column's name speaks of, if any."""
    stored = storage_name(name)
    if _OTHER_NAMES.search(stored):
        return None
    for kind, pattern in _NAMES:
        if re.search(rf"(^|_)({pattern})(_?\d{{1,2}})?(_(number|num|no|nr|home|work))?$", stored):
            return kind
    return None


def share(values: Sequence[str], holds: Callable[[str], object]) -> float:
    """Return the share of values that something holds for."""
    return sum(bool(holds(value)) for value in values) / len(values)


def luhn(digits: str) -> bool:
    """Tell whether a number's last digit is the check digit of ISO/IEC 7812-1, annex B."""
    numbers = [int(digit) for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(sum(divmod(2 * number, 10)) for number in numbers[1::2])) % 10 == 0


def iban(value: str) -> bool:
    """Tell whether an IBAN's check digits are right (ISO 7064, MOD 97-10)."""
    compact = value.replace(" ", "").upper()
    if not _IBAN.fullmatch(compact):
        return False
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1


def card(value: str) -> bool:
    """Tell whether a value is a payment card number: issuer prefix, length and check digit."""
    digits = value.replace(" ", "").replace("-", "")
    return bool(_CARD.fullmatch(digits)) and luhn(digits)


def is_ssn(value: str) -> bool:
    """Tell whether a value is written like a US social security number."""
    return bool(_SSN.fullmatch(value) or re.fullmatch(r"\d{9}", value))


def is_nino(value: str) -> bool:
    """Tell whether a value is written like a UK national insurance number."""
    return bool(_NINO.fullmatch(value))


def _plausible(kind: Pii, values: Sequence[str], distinct: int, count: int) -> bool:
    """Tell whether values look like what the column's name promises."""
    if kind is Pii.EMAIL:
        return share(values, _EMAIL.fullmatch) >= 0.5
    if kind is Pii.IBAN:
        return share(values, lambda value: _IBAN.fullmatch(value.replace(" ", "").upper())) >= 0.5
    if kind is Pii.CARD_NUMBER:
        return share(values, lambda value: re.fullmatch(r"[\d*Xx -]{12,23}", value)) >= 0.8
    if kind is Pii.PHONE:
        return share(values, lambda value: _PHONE_LOOSE.fullmatch(value) and _digits(value) >= 7) >= 0.5
    if kind is Pii.NATIONAL_ID:
        return distinct > 0.5 * count and share(values, _ID_LOOSE.fullmatch) >= 0.8
    if kind is Pii.ADDRESS:
        return share(values, lambda value: re.search(r"[^\W\d_]{3}", value)) >= 0.8 and distinct > max(10, 0.2 * count)
    if kind is Pii.FULL_NAME:
        return share(values, _FULL_NAME.fullmatch) >= 0.6 and distinct > 10
    return share(values, _WORDS.fullmatch) >= 0.8 and distinct > 5


def _digits(value: str) -> int:
    return sum(character.isdigit() for character in value)


def _national_id(values: Sequence[str], distinct: int, count: int) -> bool:
    return (
        distinct > 0.5 * count and share(values, lambda value: _SSN.fullmatch(value) or _NINO.fullmatch(value)) >= 0.95
    )


def _full_names(values: Sequence[str], distinct: int, count: int) -> bool:
    return distinct > max(15, 0.2 * count) and share(values, _known_person) >= 0.6


def _known_person(value: str) -> bool:
    words = value.replace(",", " ").lower().split()
    return (
        len(words) in (2, 3)
        and bool(_FULL_NAME.fullmatch(value))
        and (words[0] in _FIRST_NAMES or words[-1] in _FIRST_NAMES)
    )


def _first_names(values: Sequence[str], distinct: int, _: int) -> bool:
    return distinct > 20 and share(values, lambda value: value.lower() in _FIRST_NAMES) >= 0.8


_BY_CONTENT: tuple[tuple[Pii, Callable[[Sequence[str], int, int], bool]], ...] = (
    (Pii.EMAIL, lambda values, _distinct, _count: share(values, _EMAIL.fullmatch) >= 0.8),
    (Pii.IBAN, lambda values, _distinct, _count: share(values, iban) >= 0.8),
    (Pii.CARD_NUMBER, lambda values, distinct, _count: distinct >= 10 and share(values, card) >= 0.95),
    (Pii.NATIONAL_ID, _national_id),
    (Pii.PHONE, lambda values, distinct, _count: distinct >= 10 and share(values, _PHONE_STRICT.fullmatch) >= 0.8),
    (Pii.ADDRESS, lambda values, distinct, _count: distinct >= 10 and share(values, _STREET.fullmatch) >= 0.6),
    (Pii.FULL_NAME, _full_names),
    (Pii.FIRST_NAME, _first_names),
)

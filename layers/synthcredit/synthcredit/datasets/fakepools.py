"""Words that fakes are put together from. Street, city and state names are common ones; no real address is meant."""

from __future__ import annotations

from faker.providers.address.en_US import Provider as _Address
from faker.providers.person.en_US import Provider as _Person

FIRST_NAMES = tuple(sorted(set(_Person.first_names)))
LAST_NAMES = tuple(sorted(set(_Person.last_names)))
STREET_SUFFIXES = (
    "Street",
    "Avenue",
    "Road",
    "Lane",
    "Drive",
    "Court",
    "Way",
    "Place",
)
CITY_ENDS = tuple(sorted({suffix.lower() for suffix in _Address.city_suffixes}))
STATES = tuple(sorted(_Address.states_abbr))

MAIL_DOMAINS = (
    "example.com",
    "example.org",
    "example.net",
)
"""Reserved for documentation by RFC 2606: no mail can reach a person."""
AREA_CODES = (
    *("201", "202", "206", "212", "213", "214", "215", "216", "303", "305", "312", "313", "314", "404", "405"),
    *("412", "415", "502", "503", "504", "512", "513", "602", "612", "614", "615", "617", "702", "713", "801"),
    *("804", "816", "901", "919"),
)
"""Assigned area codes. The numbers 555-0100 to 555-0199 in them are reserved for fiction."""
CARD_PREFIXES = (
    "411111",
    "424242",
    "555555",
    "510510",
)
"""The beginnings of the test cards that payment providers document: no bank issues under them for use."""
SSN_GROUPS = (
    *range(1, 50),
    *range(66, 70),
    89,
    93,
)
"""Middle numbers that no ITIN has. With areas from 900 up, which no SSN has, the number is nobody's."""
BANK_CODE = "99999999"
"""A German bank code of an area (9) that does not exist."""

TEXT_STARTS = (
    "Customer asked about",
    "Branch noted",
    "Applicant explained",
    "Call centre recorded",
    "Adviser reviewed",
    "File contains",
    "Customer confirmed",
    "Letter received about",
)
TEXT_SUBJECTS = (
    "the repayment schedule",
    "the credit limit",
    "a change of income",
    "the purpose of the loan",
    "the monthly instalment",
    "an early repayment",
    "the account statement",
    "the interest rate",
    "a payment holiday",
    "the insurance of the loan",
)
TEXT_ENDS = (
    "and needs no further action.",
    "and documents were requested.",
    "and an appointment was made.",
    "and the case was closed.",
    "and an answer was sent.",
    "and a follow-up is planned.",
    "and the terms were explained.",
)

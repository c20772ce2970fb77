"""Every kind of fault that checks look for, put into a book, is found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.portfolio.conftest import SEED, made

from synthcredit.evidence.model import About
from synthcredit.portfolio import checks
from synthcredit.portfolio.book import Volumes
from synthcredit.portfolio.scenario import ANSWERS, load, with_answers, with_changes


def _failed(tables: dict[str, pa.Table], name: str = "baseline", **changes: float) -> set[str]:
    scenario = with_changes(load(name), {key.replace("__", "."): value for key, value in changes.items()})
    return {check.expectation for check in checks.check_book(tables, scenario, SEED) if not check.passed}


def _with(tables: dict[str, pa.Table], table: str, column: str, change: Callable[[list], None]) -> dict[str, pa.Table]:
    old = tables[table]
    values = old[column].to_pylist()
    change(values)
    place = old.schema.get_field_index(column)
    return tables | {table: old.set_column(place, column, pa.array(values, old.schema.field(column).type))}


def _put(place: int, value: object) -> Callable[[list], None]:
    def change(values: list) -> None:
        values[place] = value(values[place]) if callable(value) else value

    return change


@pytest.mark.parametrize(
    ("table", "column", "value", "rule"),
    [
        ("customers", "ssn", "900-00-00000", "declared_values"),
        ("installments", "status", "fine", "declared_values"),
        ("credit_history", "credit_score", 900, "declared_values"),
        ("loans", "customer_id", "C99999999999", "foreign_key_known"),
        ("installments", "balance", lambda cents: cents + 0.01, "balance_carries"),
        ("installments", "amount_paid", lambda cents: cents + 0.01, "paid_adds_up"),
        ("installments", "interest_due", lambda cents: cents + 0.01, "interest_of_the_month"),
        ("transactions", "account_balance", lambda cents: cents - 0.01, "account_carries"),
        ("loans", "balance", lambda cents: cents + 1, "balance_is_the_ledger's"),
        ("credit_history", "credit_utilization", lambda share: share + 1, "utilisation_is_balance_over_limit"),
    ],
)
def test_one_wrong_cell_is_found(
    baseline: dict[str, pa.Table], table: str, column: str, value: object, rule: str
) -> None:
    assert rule in _failed(_with(baseline, table, column, _put(5, value)))


def test_a_row_that_stands_twice_is_found(baseline: dict[str, pa.Table]) -> None:
    twice = pa.concat_tables([baseline["customers"], baseline["customers"].slice(0, 1)])
    found = [
        one for one in checks.check_book(baseline | {"customers": twice}, load("baseline"), SEED) if not one.passed
    ]
    assert {"key_unique", "unique"} <= {one.expectation for one in found}
    assert all("1 of" in one.detail for one in found if one.about is About.KEYS)


def test_events_out_of_time_are_found(baseline: dict[str, pa.Table]) -> None:
    late = np.datetime64("2031-01-01").item()
    early = np.datetime64("1990-01-01").item()
    rules = {
        ("loan_applications", "application_date", early): "applies_within_the_window",
        ("installments", "status_date", late): "cycle_ends_in_the_window",
        ("loans", "opened_date", early): "opened_after_the_decision",
        ("transactions", "transaction_date", early): "accounts_in_order",
        ("impairments", "reporting_date", early): "no_report_before_opening_or_after_closing",
        ("customers", "date_of_birth", late): "of_age_when_joining",
    }
    for (table, column, value), rule in rules.items():
        assert rule in _failed(_with(baseline, table, column, _put(3, value))), rule


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"hazards__current__level": -3.9}, "hazard"),
        ({"hazards__index__macro": 1.4}, "hazard"),
        ({"population__income_spread": 0.1, "population__region_strength": 0.0}, "income"),
        ({"default__cure": 0.2}, "cure"),
    ],
)
def test_a_book_of_other_parameters_is_found(
    downturn: dict[str, pa.Table], change: dict[str, float], rule: str
) -> None:
    assert rule in _failed(downturn, "downturn", **change)


def test_a_score_that_says_nothing_is_found(baseline: dict[str, pa.Table]) -> None:
    def shuffle(values: list) -> None:
        values[:] = np.random.default_rng(0).permutation(values).tolist()

    assert "gini_of_scores" in _failed(_with(baseline, "loan_applications", "credit_score", shuffle))


def test_gini_counts_ties_half() -> None:
    assert checks.gini(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False])) == 1
    assert checks.gini(np.array([1.0, 1.0, 1.0]), np.array([True, False, False])) == 0


@pytest.mark.parametrize("applications", [0, 2])
def test_answer_keys_of_a_tiny_book_are_not_judged_by_chance(applications: int) -> None:
    scenario = with_answers(load("baseline"), ANSWERS)
    found = made(scenario, Volumes(customers=40, applications=applications))
    told = checks.check_book(found, scenario, SEED)
    assert [check.detail for check in told if not check.passed] == []
    assert not {"psi", "override"} & {check.expectation for check in told}

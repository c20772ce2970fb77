"""Fairness pairs: what the scenario states of the disparity is what a fairness test finds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.portfolio.conftest import SEED, made

from synthcredit.errors import InvalidInputError
from synthcredit.portfolio import checks
from synthcredit.portfolio.book import Volumes
from synthcredit.portfolio.scenario import Scenario, load, with_answers, with_changes

SCENARIO = with_answers(load("baseline"), ["fairness"])
SMALL = Volumes(customers=6000, records=0, history=0, statement_months=0, contacts=0)


def treated(disparity: float) -> Scenario:
    return with_changes(SCENARIO, {"answers.fairness.disparity": disparity})


@pytest.fixture(scope="module")
def book() -> dict[str, pa.Table]:
    return made(SCENARIO, SMALL)


def approvals(pairs: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return who is approved, by group, pair by pair."""
    approved = pairs["decision"].to_numpy().astype(str) == "approved"
    group = pairs["protected_group"].to_numpy().astype(str)
    first, second = SCENARIO.answers.fairness.groups
    return approved[group == first], approved[group == second]


def test_twins_differ_in_the_attribute_and_the_decision_only(book: dict[str, pa.Table]) -> None:
    pairs = book["fairness_pairs"]
    same = [name for name in pairs.column_names if name not in ("twin_id", "protected_group", "decision")]
    one, other = (pairs.take(pa.array(np.arange(place, pairs.num_rows, 2))) for place in (0, 1))
    assert one.select(same).equals(other.select(same))
    assert {*one["protected_group"].to_pylist()} == {SCENARIO.answers.fairness.groups[0]}
    assert {*other["protected_group"].to_pylist()} == {SCENARIO.answers.fairness.groups[1]}
    decided = np.isin(book["loan_applications"]["status"].to_numpy().astype(str), ("approved", "rejected", "withdrawn"))
    assert one.num_rows == decided.sum()


def test_the_first_twin_has_the_books_decision(book: dict[str, pa.Table]) -> None:
    applications = book["loan_applications"].to_pandas().set_index("application_id")["status"]
    key = book["fairness_key"].to_pandas().set_index("application_id")["policy_decision"]
    assert ((key == "rejected") == (applications[key.index] == "rejected")).all()


@pytest.mark.parametrize("disparity", [0.05, 0.25, 0.6])
def test_the_stated_disparity_is_found(disparity: float) -> None:
    """The adverse impact ratio is 1 - disparity, within four binomial standard errors."""
    first, second = approvals(made(treated(disparity), SMALL)["fairness_pairs"])
    error = np.sqrt(disparity * (1 - disparity) / first.sum())
    assert abs(second.sum() / first.sum() - (1 - disparity)) < 4 * error
    assert 4 * error < disparity
    assert not (second & ~first).any()


def test_a_significance_test_of_pairs_must_find_it(book: dict[str, pa.Table]) -> None:
    """McNemar's test (1947), on the pairs that were decided differently."""
    first, second = approvals(book["fairness_pairs"])
    worse, better = (first & ~second).sum(), (second & ~first).sum()
    assert (worse - better) ** 2 / (worse + better) > 100
    # Four fifths: 29 CFR 1607.4(D).
    assert second.mean() / first.mean() < 0.8


def test_where_none_is_stated_there_is_none() -> None:
    found = made(treated(0.0), SMALL)
    first, second = approvals(found["fairness_pairs"])
    assert (first == second).all()
    assert not np.array(found["fairness_key"]["rejected_for_group"].to_pylist()).any()


def test_the_key_names_exactly_those_who_are_treated_differently(book: dict[str, pa.Table]) -> None:
    first, second = approvals(book["fairness_pairs"])
    assert (book["fairness_key"]["rejected_for_group"].to_numpy() == (first & ~second)).all()
    assert (
        book["fairness_key"]["application_id"].to_pylist() == book["fairness_pairs"]["application_id"].to_pylist()[::2]
    )


def test_the_checks_recover_it_and_find_a_fault(book: dict[str, pa.Table]) -> None:
    assert all(check.passed for check in checks.check_book(book, SCENARIO, SEED))
    failed = {check.expectation for check in checks.check_book(book, treated(0.4), SEED) if not check.passed}
    assert failed == {"disparity"}


def test_groups_must_be_told_apart() -> None:
    with pytest.raises(InvalidInputError, match="both have one name"):
        with_changes(SCENARIO, {"answers.fairness.groups": ["one", "one"]})
    with pytest.raises(InvalidInputError) as caught:
        with_answers(load("baseline"), ["fairness", "truth", "more"])
    assert len(caught.value.problems) == 2

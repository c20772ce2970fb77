"""Reject inference: what the accepted teach is right in the first set, and wrong by what is stated in the second."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.portfolio.conftest import SEED, VOLUMES, made

from synthcredit.portfolio import checks
from synthcredit.portfolio.book import Volumes
from synthcredit.portfolio.scenario import load, with_answers, with_changes

SCENARIO = with_answers(load("baseline"), ["reject_inference"])
STRENGTH = SCENARIO.answers.reject_inference.override_strength
SETS = ("reject_inference_mar", "reject_inference_mnar")


@pytest.fixture(scope="module")
def book() -> dict[str, pa.Table]:
    return made(SCENARIO, Volumes(customers=16_384, records=0, history=0, statement_months=0, contacts=0))


def text(table: pa.Table, column: str) -> np.ndarray:
    return table[column].to_numpy().astype(str)


def design(table: pa.Table) -> np.ndarray:
    """Return a scorecard's columns: score, its square, debt, utilisation and income."""
    score = (table["credit_score"].to_numpy() - 640) / 60
    return np.stack(
        [
            np.ones(len(score)), score, score**2, table["debt_to_income"].to_numpy() - 0.25,
            table["credit_utilization"].to_numpy() / 100 - 0.3, np.log(table["annual_income"].to_numpy() / 45_000),
        ],
        axis=1,
    )  # fmt: skip


def fitted(rows: np.ndarray, bad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return logistic weights and their standard errors, by Newton's method."""
    weights = np.zeros(rows.shape[1])
    weights[0] = -2.5
    for _ in range(15):
        risk = 1 / (1 + np.exp(-rows @ weights))
        information = rows.T @ (rows * (risk * (1 - risk))[:, None])
        weights += np.linalg.solve(information, rows.T @ (bad - risk))
    return weights, np.sqrt(np.diag(np.linalg.inv(information)))


def bias(book: dict[str, pa.Table], name: str) -> tuple[float, float]:
    """Return the mean error, in logits, of a model of the accepted on all applicants, and its standard error.

    The truth is the same model, fitted to all outcomes; the accepted fit one parameter to it, the level, so that
    nothing else is judged.
    """
    table, truth = book[name], text(book["reject_inference_key"], "outcome") == "bad"
    rows = design(table)
    weights, _ = fitted(rows, truth)
    offset = rows @ weights
    accepted = text(table, "decision") == "accepted"
    level = 0.0
    for _ in range(15):
        risk = 1 / (1 + np.exp(-(offset[accepted] + level)))
        level += (truth[accepted] - risk).sum() / (risk * (1 - risk)).sum()
    return level, float(1 / np.sqrt((risk * (1 - risk)).sum()))


def test_only_the_accepted_show_their_outcome(book: dict[str, pa.Table]) -> None:
    key = book["reject_inference_key"]
    for name in SETS:
        table = book[name]
        rejected = text(table, "decision") == "rejected"
        assert table["application_id"].equals(key["application_id"])
        assert (np.array(table["outcome"].is_null().to_pylist()) == rejected).all()
        assert (text(table, "outcome")[~rejected] == text(key, "outcome")[~rejected]).all()
        assert ((text(key, f"rejected_by_{name.rpartition('_')[2]}") == "none") == ~rejected).all()
        assert 0.1 < rejected.mean() < 0.4


def test_outcomes_are_the_books_true_outcomes(book: dict[str, pa.Table]) -> None:
    key, truth = book["reject_inference_key"], book["true_outcomes"]
    place = pc.index_in(key["application_id"].combine_chunks(), value_set=truth["application_id"].combine_chunks())
    found = truth.take(place)
    assert (found["default_12m"].to_numpy() == (text(key, "outcome") == "bad")).all()
    assert found["opening_month"].to_numpy().max() + 12 < SCENARIO.time.months


def test_the_second_set_hides_what_the_first_hides_and_what_the_override_turns_down(book: dict[str, pa.Table]) -> None:
    key = book["reject_inference_key"]
    first, second = text(key, "rejected_by_mar"), text(key, "rejected_by_mnar")
    assert ((first == "score") == (second == "score")).all()
    assert set(second[first == "none"]) == {"none", "override"}
    same = [name for name in book[SETS[0]].column_names if name not in ("decision", "outcome")]
    assert book[SETS[0]].select(same).equals(book[SETS[1]].select(same))


def test_a_model_of_the_accepted_is_unbiased_given_the_score_in_the_first_set(book: dict[str, pa.Table]) -> None:
    found, error = bias(book, SETS[0])
    assert abs(found) < 4 * error
    assert 4 * error < STRENGTH / 2


def test_and_too_low_by_the_stated_strength_in_the_second(book: dict[str, pa.Table]) -> None:
    found, error = bias(book, SETS[1])
    assert abs(found + STRENGTH) < 4 * error
    assert found < -4 * error


def test_no_slope_is_biased_in_either(book: dict[str, pa.Table]) -> None:
    bad = text(book["reject_inference_key"], "outcome") == "bad"
    rows = design(book[SETS[0]])
    all_weights, _ = fitted(rows, bad)
    for name in SETS:
        accepted = text(book[name], "decision") == "accepted"
        weights, errors = fitted(rows[accepted], bad[accepted])
        assert (np.abs(weights - all_weights)[1:] < 4 * errors[1:]).all(), name


def test_without_strength_the_override_hides_at_random_too() -> None:
    scenario = with_changes(SCENARIO, {"answers.reject_inference.override_strength": 0.0})
    found = made(scenario, Volumes(customers=8192, records=0, history=0, statement_months=0, contacts=0))
    level, error = bias(found, SETS[1])
    assert abs(level) < 4 * error
    assert "override" in text(found["reject_inference_key"], "rejected_by_mnar")


def test_the_book_itself_is_not_touched(baseline: dict[str, pa.Table]) -> None:
    found = made(with_answers(load("baseline"), ["reject_inference", "fairness"]), VOLUMES)
    for name, table in baseline.items():
        assert table.equals(found[name]), name
    assert set(found) - set(baseline) == {*SETS, "reject_inference_key", "fairness_pairs", "fairness_key"}


def test_the_checks_recover_it_and_find_a_fault(book: dict[str, pa.Table]) -> None:
    told = {check.expectation: check for check in checks.check_book(book, SCENARIO, SEED)}
    assert told["override"].passed and told["reject_by_score"].passed
    assert all(check.passed for check in told.values())
    other = with_changes(SCENARIO, {"answers.reject_inference.override_strength": 2.0})
    failed = {check.expectation for check in checks.check_book(book, other, SEED) if not check.passed}
    assert failed == {"override"}

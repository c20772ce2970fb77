"""Drift: the stated index is found again, nothing before the date changes, and the book stays one truth."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.portfolio.conftest import SEED, VOLUMES, made

from synthcredit.errors import InvalidInputError
from synthcredit.portfolio import checks, drift, write
from synthcredit.portfolio.book import Volumes, World
from synthcredit.portfolio.scenario import Scenario, load, with_changes

SINCE = dt.date(2023, 1, 1)


def drifting(*moves: tuple[str, float, str], name: str = "baseline") -> Scenario:
    rows = [{"column": column, "since": SINCE, "psi": psi, "direction": way} for column, psi, way in moves]
    return with_changes(load(name), {"answers.drift.wanted": True, "answers.drift.moves": rows})


ALL = drifting(
    ("customers.annual_income", 0.2, "down"),
    ("loan_applications.requested_amount", 0.25, "up"),
    ("loan_applications.credit_score", 0.4, "down"),
    ("loan_applications.credit_utilization", 0.1, "up"),
)


@pytest.fixture(scope="module")
def moved() -> dict[str, pa.Table]:
    return made(ALL)


def sides(table: pa.Table, column: str) -> Iterator[np.ndarray]:
    later = table["created_at"].to_numpy().astype("datetime64[D]") >= np.datetime64(SINCE)
    for rows in (~later, later):
        yield table[column].to_numpy()[rows]


def test_the_index_is_the_textbook_one() -> None:
    """Ten even bins before, the first emptied into the last after: (0.2 - 0.1) ln 2 + (0 - 0.1) ln(0 / 0.1)."""
    before = np.arange(100_000.0)
    after = np.where(before < 10_000, 99_999.0, before)
    half = 0.5 / 100_005
    wanted = (0.2 - 0.1) * np.log(2) + (half - 0.1) * np.log(half / 0.1)
    assert drift.psi(before, after) == pytest.approx(wanted, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 400))
def test_the_index_is_never_negative_and_nothing_where_nothing_moved(seed: int, values: int) -> None:
    one = np.random.default_rng(seed).integers(0, values, 500)
    assert drift.psi(one, one) == 0
    assert drift.psi(one, one + 1) >= 0
    assert np.isfinite(drift.psi(one, one + 10**6))


def test_every_stated_index_is_found_again(moved: dict[str, pa.Table]) -> None:
    """Within four standard errors of the two samples, of the book and of the customers that the shift was found on."""
    for move in ALL.moves:
        table, column = move.column.split(".")
        before, after = sides(moved[table], column)
        reference = 1 + VOLUMES.customers / drift.COLUMNS[move.column].customers
        error = drift.psi_error(move.psi, len(before), len(after)) * np.sqrt(reference)
        chance = 9 * (1 / len(before) + 1 / len(after))
        assert abs(drift.psi(before, after) - chance - move.psi) < 4 * error, move
        assert 4 * error < 0.75 * move.psi
        assert (np.median(after) > np.median(before)) == (move.direction == "up")


def test_the_shift_is_solved_for_on_the_customers_that_it_is_found_on() -> None:
    for column in ("customers.annual_income", "loan_applications.credit_score"):
        scenario = drifting((column, 0.25, "up"))
        world = World(scenario, Volumes(customers=100), SEED)
        shift = world.shifts[column]
        assert shift.amount > 0
        assert abs(drift.index_under(world, world.shifts, scenario.moves[0]) / 0.25 - 1) < 0.006
        assert drift.index_under(world, {}, scenario.moves[0]) < 0.01


def test_nothing_that_was_entered_before_the_date_changes(
    baseline: dict[str, pa.Table], moved: dict[str, pa.Table]
) -> None:
    first = np.datetime64(SINCE)
    for name, table in baseline.items():
        if name in ("loans", "true_outcomes", "impairments", "installments", "transactions"):
            continue
        before = pa.array(table["created_at"].to_numpy().astype("datetime64[D]") < first)
        assert table.filter(before).equals(moved[name].filter(before)), name
        assert 0.2 < np.mean(before.to_pylist()) < 0.9
    applied = pa.array(baseline["loan_applications"]["application_date"].to_numpy() < first)
    assert baseline["true_outcomes"].filter(applied).equals(moved["true_outcomes"].filter(applied))
    for name, day, key in (
        ("installments", "status_date", "installment_id"),
        ("impairments", "reporting_date", "impairment_id"),
        ("loans", "opened_date", "loan_id"),
    ):
        rows = [
            table.filter(pa.array(table[day].to_numpy().astype("datetime64[D]") < first)).sort_by(key)
            for table in (baseline[name], moved[name])
        ]
        assert rows[0].num_rows > 1000
        assert rows[0].equals(rows[1]), name


def test_the_drifting_book_is_still_one_truth(moved: dict[str, pa.Table]) -> None:
    told = checks.check_book(moved, ALL, SEED)
    assert [check.detail for check in told if not check.passed] == []
    assert sum(check.expectation == "psi" for check in told) == 4


def test_lower_scores_bring_more_rejections_and_defaults(
    baseline: dict[str, pa.Table], moved: dict[str, pa.Table]
) -> None:
    later = baseline["loan_applications"]["application_date"].to_numpy() >= np.datetime64(SINCE)
    rejected, bad = (
        [np.mean(values[later]) for values in found]
        for found in (
            [book["loan_applications"]["status"].to_numpy() == "rejected" for book in (baseline, moved)],
            [book["true_outcomes"]["pd_12m"].to_numpy() for book in (baseline, moved)],
        )
    )
    assert rejected[1] > 1.2 * rejected[0]
    assert bad[1] > 1.2 * bad[0]


def test_the_key_says_what_was_done(moved: dict[str, pa.Table]) -> None:
    rows = moved["drift_key"].to_pylist()
    assert [(f"{row['table_name']}.{row['column_name']}", row["psi"], row["direction"]) for row in rows] == [
        (move.column, move.psi, move.direction) for move in ALL.moves
    ]
    assert all(row["since_date"] == SINCE for row in rows)
    assert all((row["shift"] > 0) == (row["direction"] == "up") for row in rows)


def test_a_fault_in_the_drift_is_found(moved: dict[str, pa.Table], baseline: dict[str, pa.Table]) -> None:
    faulty = moved | {"loan_applications": baseline["loan_applications"]}
    failed = {check.expectation for check in checks.check_book(faulty, ALL, SEED) if not check.passed}
    assert "psi" in failed


def test_what_cannot_be_is_refused_at_once_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "_DOUBLINGS", 0)
    scenario = drifting(("customers.annual_income", 1.0, "down"), ("loan_applications.requested_amount", 0.0001, "up"))
    with pytest.raises(InvalidInputError) as caught:
        write.write(scenario, Volumes(customers=10), SEED, tmp_path / "book")
    assert [problem.fix for problem in caught.value.problems] == ["State less.", "State more."]
    assert not (tmp_path / "book").exists()


def test_more_customers_change_no_row_that_was_there(moved: dict[str, pa.Table]) -> None:
    few = made(ALL, Volumes(customers=200))
    for name in ("customers", "loan_applications", "credit_history", "drift_key"):
        assert few[name].equals(moved[name].slice(0, few[name].num_rows)), name


def test_without_applications_there_is_nothing_to_move() -> None:
    scenario = drifting(("loan_applications.credit_score", 0.25, "up"))
    found = made(scenario, Volumes(customers=50, applications=0))
    assert found["drift_key"].num_rows == 0


def test_dates_and_columns_must_fit() -> None:
    moves = [{"column": "loan_applications.credit_score", "since": dt.date(2020, 2, 1), "psi": 0.2, "direction": "up"}]
    with pytest.raises(InvalidInputError, match="since must be from 2020-07-01 to 2024-07-01"):
        with_changes(load("baseline"), {"answers.drift.wanted": True, "answers.drift.moves": moves})
    with pytest.raises(InvalidInputError) as caught:
        with_changes(
            load("baseline"),
            {"answers.drift.moves": [{"column": "customers.ssn", "since": SINCE, "psi": 2, "direction": "on"}]},
        )
    fields = {problem.field.rpartition(".")[2] for problem in caught.value.problems}
    assert {"column", "psi", "direction"} <= fields
    twice = [{**moves[0], "since": SINCE}] * 2
    with pytest.raises(InvalidInputError, match="two are of one column"):
        with_changes(load("baseline"), {"answers.drift.moves": twice})

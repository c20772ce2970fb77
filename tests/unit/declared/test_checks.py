"""Every kind of check fails where its rule is broken: each is shown one table with a fault."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.unit.declared.conftest import BANK, changed, rows_of, tables_of

from synthcredit.declared.checks import check_tables
from synthcredit.declared.made import DeclaredRows
from synthcredit.declared.reading import parse
from synthcredit.evidence.model import About


def _set(column: str, row: int, value: object) -> Callable[[pd.DataFrame], None]:
    def change(frame: pd.DataFrame) -> None:
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value

    return change


def _more(column: str, by: object, row: int = 5) -> Callable[[pd.DataFrame], None]:
    def change(frame: pd.DataFrame) -> None:
        frame.loc[row, column] = frame.loc[row, column] + by

    return change


def _swapped(frame: pd.DataFrame) -> None:
    account = frame["account_id"].value_counts().index[0]
    first, second = frame.index[frame["account_id"] == account][:2]
    frame.loc[[first, second]] = frame.loc[[second, first]].to_numpy()


def _twice(frame: pd.DataFrame) -> None:
    frame.loc[1, "product"] = frame.loc[0, "product"]
    frame.loc[1, "customer_id"] = frame.loc[0, "customer_id"]


def _lottery(frame: pd.DataFrame) -> None:
    frame.loc[1, "lottery"] = frame.loc[0, "lottery"]


def _last_first(frame: pd.DataFrame) -> None:
    row = int(frame["left"].first_valid_index() or 0)
    frame.loc[row, ["joined", "left"]] = [frame.loc[row, "left"], frame.loc[row, "joined"]]


@pytest.mark.parametrize(
    ("table", "change", "about", "name", "column"),
    [
        ("customers", _set("customer_id", 1, "C000001"), About.KEYS, "key_unique", "customer_id"),
        ("customers", _set("branch_id", 1, 99), About.KEYS, "foreign_key_known", "branch_id"),
        ("bookings", _set("account_id", 3, "nobody"), About.KEYS, "foreign_key_known", "account_id"),
        ("bookings", _set("customer_id", 3, "C000399"), About.KEYS, "foreign_key_known", "customer_id"),
        ("accounts", _set("segment", 3, "neither"), About.KEYS, "as_above", "segment"),
        ("accounts", _twice, About.KEYS, "unique", "product"),
        ("customers", _lottery, About.KEYS, "unique", "lottery"),
        ("customers", _set("name", 1, None), About.VALIDITY, "never_missing", "name"),
        ("customers", _set("segment", 1, "other"), About.VALIDITY, "one_of_categories", "segment"),
        ("bookings", _more("amount", 0.001), About.VALIDITY, "decimals", "amount"),
        ("customers", _more("lottery", 5000), About.PLAUSIBILITY, "in_range", "lottery"),
        ("customers", _set("left", 1, pd.Timestamp("2031-01-01").date()), About.PLAUSIBILITY, "in_range", "left"),
        ("bookings", _more("balance", 0.01), About.LEDGERS, "balance_carries", "balance"),
        ("bookings", _more("fees", 0.001), About.LEDGERS, "balance_carries", "fees"),
        ("bookings", _more("amount", 1.0), About.LEDGERS, "balance_carries", "balance"),
        ("bookings", _swapped, About.TIME_ORDER, "ledger_in_order", "booked"),
        ("customers", _more("money", 0.01), About.LEDGERS, "sum_of_children", "money"),
        ("customers", _more("tax", 0.02), About.LEDGERS, "formula", "tax"),
        ("customers", _last_first, About.TIME_ORDER, "order", None),
    ],
)
def test_a_broken_rule_is_found(
    bank: DeclaredRows,
    tables: dict[str, pa.Table],
    table: str,
    change: Callable[[pd.DataFrame], None],
    about: About,
    name: str,
    column: str | None,
) -> None:
    frame = tables[table].to_pandas()
    change(frame)
    broken = tables | {table: pa.Table.from_pandas(frame, tables[table].schema, preserve_index=False)}
    failed = [check for check in check_tables(bank.plan, broken) if not check.passed]
    assert (about, name, column) in {(check.about, check.expectation, check.column) for check in failed}


def test_a_missing_null_and_too_many_children_are_found(bank: DeclaredRows, tables: dict[str, pa.Table]) -> None:
    frame = tables["customers"].to_pandas()
    row = frame.index[frame["left"].isna()][0]
    frame.loc[row, "left"] = pd.Timestamp("2024-01-01").date()
    broken = tables | {"customers": pa.Table.from_pandas(frame, tables["customers"].schema, preserve_index=False)}
    failed = [check for check in check_tables(bank.plan, broken) if not check.passed]
    assert [(check.expectation, check.column) for check in failed] == [("nulls", "left")]
    assert failed[0].detail.startswith("should be so: customers: 'left' missing exactly where")
    frame = tables["accounts"].to_pandas()
    frame["customer_id"] = "C000001"
    crowded = tables | {"accounts": pa.Table.from_pandas(frame, tables["accounts"].schema, preserve_index=False)}
    assert "children_per_parent" in {
        check.expectation for check in check_tables(bank.plan, crowded) if not check.passed
    }


@pytest.mark.parametrize(
    ("path", "to", "column"),
    [
        (("customers", "columns", "segment", "categories"), {"retail": 0.5, "private": 0.5}, "segment"),
        (("customers", "columns", "active", "share"), 0.5, "active"),
        (("customers", "columns", "net", "missing"), 0.3, "net"),
        (("customers", "columns", "net", "distribution", "median"), 3200, "net"),
        (("customers", "columns", "joined", "maximum"), "2030-12-31", "joined"),
        (("accounts", "columns", "flagged", "given", "shares", "retail"), 0.5, "flagged"),
        (("bookings", "columns", "items", "distribution", "mean"), 3.5, "items"),
        (("bookings", "columns", "kind", "given", "categories", "credit"), {"salary": 0.2, "other": 0.8}, "kind"),
        (("bookings", "columns", "amount", "given", "distributions", "other", "mean"), 120, "amount"),
        (("accounts", "belongs_to", "children"), {"kind": "range", "minimum": 0, "maximum": 6}, None),
    ],
)
def test_another_parameter_is_not_found_again(
    tables: dict[str, pa.Table], path: tuple[str, ...], to: object, column: str | None
) -> None:
    """Rows of one declaration are held against another, which differs in one parameter."""
    content = changed(*path, to=to)
    content["tables"]["customers"]["columns"]["left"]["maximum"] = "2034-12-31"
    del content["tables"]["bookings"]["rules"][0]
    del content["tables"]["accounts"]["rules"]
    failed = [check for check in check_tables(rows_of(content).plan, tables) if not check.passed]
    assert (About.PARAMETERS, column) in {(check.about, check.column) for check in failed}
    assert all("declared" in check.detail for check in failed if check.about is About.PARAMETERS)


def test_parameters_are_found_again_with_many_seeds() -> None:
    """Four standard errors: of 20 seeds times 60 parameters none is expected to fail; more than one is no chance."""
    failed = []
    for seed in range(20):
        made = rows_of(BANK, seed=seed, rows={"customers": 120})
        failed += [check for check in check_tables(made.plan, tables_of(made)) if not check.passed]
    assert len(failed) <= 1, failed


def test_files_are_checked_as_they_lie(tmp_path: Path) -> None:
    made = rows_of(BANK)
    made.write(tmp_path)
    found = made.checks(tmp_path)
    assert all(check.passed for check in found)
    assert {check.about for check in found} == set(About)
    shutil.rmtree(tmp_path / "branches")
    assert {(check.expectation, check.about) for check in made.checks(tmp_path) if not check.passed} == {
        ("table_has_rows", About.VALIDITY),
        ("foreign_key_known", About.KEYS),
    }
    # A column of another type is told, and stops nothing.
    renamed = pa.table({"x": np.arange(3)})
    assert "columns_as_declared" in {
        c.expectation for c in check_tables(made.plan, {"branches": renamed}) if not c.passed
    }


def test_where_nothing_of_a_kind_is_declared_a_check_says_so() -> None:
    content = {"name": "few", "tables": {"a": {"rows": 3, "columns": {"b": {"type": "text", "fake": "sentence"}}}}}
    made = rows_of(content)
    found = check_tables(made.plan, tables_of(made))
    assert {check.about for check in found if check.expectation == "nothing_declared"} == set(About) - {About.VALIDITY}
    assert all(check.passed for check in found)
    assert parse(content, "x").tables["a"].key is None

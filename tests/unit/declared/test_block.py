"""The rows keep what is declared, to the last one. Recomputed with pandas here, not with the code that checks them."""

from __future__ import annotations

import copy
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.unit.declared.conftest import BANK, rows_of, tables_of

from synthcredit.declared.checks import check_tables
from synthcredit.declared.made import DeclaredRows


@pytest.fixture(scope="module")
def frames(tables: dict[str, pa.Table]) -> dict[str, pd.DataFrame]:
    return {name: table.to_pandas() for name, table in tables.items()}


def test_all_checks_hold(bank: DeclaredRows, tables: dict[str, pa.Table]) -> None:
    found = check_tables(bank.plan, tables)
    assert [check for check in found if not check.passed] == []
    assert len(found) > 100


def test_keys_follow_from_parents(frames: dict[str, pd.DataFrame]) -> None:
    assert frames["branches"]["branch_id"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert frames["customers"]["customer_id"].iloc[:2].tolist() == ["C000001", "C000002"]
    accounts = frames["accounts"]
    counted = accounts.groupby("customer_id").cumcount() + 1
    assert (accounts["account_id"] == accounts["customer_id"] + "-" + counted.map("{:02d}".format)).all()
    for name, key in (("customers", "customer_id"), ("accounts", "account_id"), ("bookings", "booking_id")):
        assert frames[name][key].is_unique
    bookings = frames["bookings"].merge(accounts, on="account_id", suffixes=("", "_above"))
    assert len(bookings) == len(frames["bookings"])
    assert (bookings["customer_id"] == bookings["customer_id_above"]).all()
    held = frames["customers"]["branch_id"].dropna()
    assert set(held) <= set(frames["branches"]["branch_id"])
    assert 0.04 < frames["customers"]["branch_id"].isna().mean() < 0.17


def test_ledgers_are_exact_in_order_of_time(frames: dict[str, pd.DataFrame]) -> None:
    bookings = frames["bookings"].merge(frames["accounts"][["account_id", "opening"]], on="account_id")
    assert bookings["account_id"].is_monotonic_increasing
    for _, rows in bookings.groupby("account_id", sort=False):
        assert rows["booked"].is_monotonic_increasing
        balance, fees = Decimal(str(rows["opening"].iloc[0])), Decimal("-1.5")
        for row in rows.itertuples():
            balance += Decimal(str(row.amount)) * (-1 if row.side == "debit" else 1)
            fees += Decimal(str(row.fee))
            assert Decimal(str(row.balance)) == balance
            assert Decimal(str(row.fees)) == fees


def test_sums_of_children_and_formulas_are_exact(frames: dict[str, pd.DataFrame]) -> None:
    customers, accounts = frames["customers"], frames["accounts"]
    cents = (accounts["opening"] * 100).round().astype(int).groupby(accounts["customer_id"]).sum()
    expected = customers["customer_id"].map(cents).fillna(0).astype(int)
    assert ((customers["money"] * 100).round().astype(int) == expected).all()
    for row in customers.dropna(subset=["net"]).itertuples():
        tax = (Decimal(str(row.net)) * Decimal("0.19")).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert Decimal(str(row.tax)) == tax
        assert Decimal(str(row.gross)) == Decimal(str(row.net)) + tax
    assert (customers["net"].isna() == customers["tax"].isna()).all()
    assert customers["net"].isna().any()


def test_orders_nulls_and_unique_columns_hold(frames: dict[str, pd.DataFrame]) -> None:
    customers, bookings = frames["customers"], frames["bookings"]
    both = customers.dropna(subset=["left"])
    assert (pd.to_datetime(both["joined"]) < pd.to_datetime(both["left"])).all()
    assert (customers["left"].isna() == (customers["segment"] == "private")).all()
    assert customers["lottery"].is_unique
    assert customers["lottery"].between(1000, 1999).all()
    assert customers["email"].is_unique
    assert customers["card"].is_unique
    assert not frames["accounts"].duplicated(["customer_id", "product"]).any()
    joined = bookings["customer_id"].map(customers.set_index("customer_id")["joined"])
    assert (pd.to_datetime(joined) <= bookings["booked"]).all()
    assert (bookings["booked"] <= pd.to_datetime(bookings["valued"])).all()


def test_what_depends_on_another_column_does(frames: dict[str, pd.DataFrame]) -> None:
    bookings = frames["bookings"]
    assert set(bookings.loc[bookings["side"] == "credit", "kind"]) == {"salary", "other"}
    assert set(bookings.loc[bookings["side"] == "debit", "kind"]) == {"rent", "other"}
    assert (bookings.loc[bookings["kind"] == "rent", "amount"] >= 300).all()
    assert set(bookings.loc[bookings["side"] == "credit", "tries"]) == {1}
    assert (bookings["fee"] < 0).all()
    flagged = frames["accounts"].groupby("segment")["flagged"].mean()
    assert flagged["private"] > 0.4 > flagged["retail"]
    above = frames["accounts"].merge(frames["customers"], on="customer_id")
    assert (above["segment_x"] == above["segment_y"]).all()


def test_a_row_does_not_depend_on_how_many_there_are(tables: dict[str, pa.Table]) -> None:
    more = tables_of(rows_of(BANK, rows={"customers": 900}))
    for name in ("customers", "accounts", "bookings"):
        assert more[name].slice(0, tables[name].num_rows).equals(tables[name]), name


def test_a_block_alone_is_the_same(monkeypatch: pytest.MonkeyPatch, tables: dict[str, pa.Table]) -> None:
    # Rows do not depend on the size of blocks either, so that many small ones are the one.
    monkeypatch.setattr("synthcredit.declared.plan.BLOCK_ROWS", 900)
    made = rows_of(BANK)
    assert made.plan.blocks("customers") > 4
    assert tables_of(made)["bookings"].equals(tables["bookings"])
    alone = made.block("customers", 3).table("bookings")
    every = [made.block("customers", number).table("bookings") for number in range(5)]
    assert alone.equals(every[3])


def test_another_seed_gives_other_rows(tables: dict[str, pa.Table]) -> None:
    other = tables_of(rows_of(BANK, seed=4))
    assert not other["bookings"].equals(tables["bookings"])


def test_a_column_can_be_unique_in_more_than_one_way() -> None:
    content = copy.deepcopy(BANK)
    accounts = content["tables"]["accounts"]
    accounts["columns"]["number"] = {"type": "integer", "minimum": 1, "maximum": 5000}
    more = (["customer_id", "number"], ["number"], ["account_id", "product"])
    accounts["rules"] += [{"kind": "unique", "columns": columns} for columns in more]
    made = rows_of(content)
    found = tables_of(made)
    assert found["accounts"].to_pandas()["number"].is_unique
    assert [check for check in check_tables(made.plan, found) if not check.passed] == []


def test_tables_with_no_children_at_all(tables: dict[str, pa.Table]) -> None:
    content = copy.deepcopy(BANK)
    content["tables"]["accounts"]["belongs_to"]["children"] = {"kind": "fixed", "count": 0}
    found = tables_of(rows_of(content))
    assert found["bookings"].num_rows == found["accounts"].num_rows == 0
    assert set(np.unique(found["customers"]["money"].to_numpy())) == {0.0}

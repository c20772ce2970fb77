"""Detection and reading over every real credit table."""

import pytest

from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.read import read_table
from synthcredit.datasets.schema import Dtype, Kind

FILES = {
    "statlog_german_credit/german_credit.csv": 1000,
    "uci_default_credit_card/default_of_credit_card_clients.csv": 30_000,
    "uci_credit_approval_crx/crx.csv": 690,
    "uci_bank_marketing/bank_full.csv": 45_211,
    "credit_data_belanche/credit_data.csv": 4454,
    "lending_club_2016q1/lending_club.csv": 9857,
    "complete_journey/campaign_descriptions.csv": 27,
    "complete_journey/campaigns.csv": 6589,
    "complete_journey/coupon_redemptions.csv": 2102,
    "complete_journey/coupons.csv": 116_204,
    "complete_journey/households_demographics.csv": 801,
    "complete_journey/products_in_sample.csv": 20_897,
    "complete_journey/transactions_sample.csv": 75_000,
}


@pytest.mark.parametrize(("file", "rows"), FILES.items())
def test_every_file_gives_a_schema_that_reads_it_back(shared_data, file, rows):
    detected = detect_schema(shared_data / file)
    table = read_table(shared_data / file, detected.schema)
    assert detected.rows == table.num_rows == rows
    assert table.schema == arrow_schema(detected.schema)
    for column in detected.schema.columns:
        assert column.nullable == (table[column.name].null_count > 0), column.name
        assert column.pii is None, column.name


def kinds(schema):
    return {column.name: column.kind for column in schema.columns}


def test_german_credit(german_credit):
    detected = detect_schema(german_credit, target="creditability")
    schema = detected.schema
    assert schema.name == "german_credit"
    assert len(schema.learned) == 21
    assert detected.notices == ()
    assert schema["creditability"].kind is Kind.CATEGORICAL
    assert schema["creditability"].categories == ("bad", "good")
    assert schema["telephone"].kind is Kind.CATEGORICAL
    assert schema["personal.status.and.sex"].kind is Kind.CATEGORICAL
    assert "none" in schema["other.debtors.or.guarantors"].categories
    assert schema["foreign.worker"].kind is Kind.BOOLEAN
    assert schema["foreign.worker"].categories == ("no", "yes")
    assert schema["credit.amount"].kind is Kind.INTEGER
    assert (schema["credit.amount"].minimum, schema["credit.amount"].maximum) == (250, 18424)
    assert not any(column.nullable for column in schema.columns)


def test_uci_default(shared_data):
    path = shared_data / "uci_default_credit_card/default_of_credit_card_clients.csv"
    schema = detect_schema(path, target="default.payment.next.month").schema
    assert schema["default.payment.next.month"].kind is Kind.BOOLEAN
    assert schema["default.payment.next.month"].categories == (0, 1)
    assert schema["default.payment.next.month"].dtype is Dtype.INT64
    assert schema["SEX"].categories == (1, 2)
    assert schema["EDUCATION"].categories == (0, 1, 2, 3, 4, 5, 6)
    for name in ("PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6"):
        assert schema[name].kind is Kind.INTEGER
        assert schema[name].special_values == (-2, -1, 0)
    assert schema["BILL_AMT1"].special_values == (0,)
    assert schema["AGE"].special_values == ()
    assert len(schema.learned) == 24


def test_crx(shared_data):
    schema = detect_schema(shared_data / "uci_credit_approval_crx/crx.csv", target="A16").schema
    assert (schema["A2"].kind, schema["A2"].nullable, schema["A2"].decimals) == (Kind.CONTINUOUS, True, 2)
    assert (schema["A14"].kind, schema["A14"].dtype) == (Kind.CATEGORICAL, Dtype.STRING)
    assert "00202" in schema["A14"].categories
    assert schema["A16"].categories == ("+", "-")
    assert schema["A9"].categories == ("f", "t")


def test_bank_marketing(shared_data):
    schema = detect_schema(shared_data / "uci_bank_marketing/bank_full.csv", target="y").schema
    assert schema["y"].kind is Kind.BOOLEAN
    assert schema["pdays"].special_values == (-1,)
    assert "unknown" in schema["poutcome"].categories
    assert not schema["poutcome"].nullable
    assert "month" in [column.name for column in schema.learned if column.kind is Kind.CATEGORICAL]


def test_credit_data_has_missing_incomes(shared_data):
    schema = detect_schema(shared_data / "credit_data_belanche/credit_data.csv", target="Status").schema
    assert (schema["Income"].kind, schema["Income"].nullable) == (Kind.INTEGER, True)
    assert schema["Home"].nullable
    assert not schema["Age"].nullable


def test_lending_club(shared_data):
    schema = detect_schema(shared_data / "lending_club_2016q1/lending_club.csv", target="Class").schema
    assert len(schema.learned) == 23
    assert (schema["int_rate"].kind, schema["int_rate"].decimals) == (Kind.CONTINUOUS, 2)
    assert schema["total_bal_il"].special_values == (0,)
    assert schema["addr_state"].kind is Kind.CATEGORICAL


def test_transactions_belong_to_households(shared_data):
    schema = detect_schema(shared_data / "complete_journey/transactions_sample.csv").schema
    assert schema.customer == "household_id"
    assert schema.primary_key is None
    assert schema["household_id"].rows_per_value == pytest.approx(75_000 / 2377, abs=0.01)
    ids = [column.name for column in schema.columns if column.kind is Kind.IDENTIFIER]
    assert ids == ["household_id", "store_id", "basket_id", "product_id"]
    assert (schema["transaction_timestamp"].kind, schema["transaction_timestamp"].dtype) == (
        Kind.DATETIME,
        Dtype.TIMESTAMP,
    )
    assert schema["sales_value"].decimals == 2


def test_households_have_a_key_and_bands(shared_data):
    schema = detect_schema(shared_data / "complete_journey/households_demographics.csv").schema
    assert (schema.primary_key, schema.customer) == ("household_id", None)
    # 91.8 % numbers and "5+": categories, not a mix of types.
    assert schema["household_size"].categories == ("1", "2", "3", "4", "5+")


def test_campaigns_have_dates_or_nothing_to_learn(shared_data):
    folder = shared_data / "complete_journey"
    described = detect_schema(folder / "campaign_descriptions.csv").schema
    assert (described["start_date"].dtype, described["start_date"].format) == (Dtype.DATE, "%Y-%m-%d")
    assert described.primary_key == "campaign_id"
    assert detect_schema(folder / "campaigns.csv").schema.learned == ()

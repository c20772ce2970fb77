from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.portfolio.conftest import SEED, VOLUMES, made

from synthcredit.datasets.schema import DatasetSchema
from synthcredit.portfolio import arrays, book, checks, spec, tables, volumes
from synthcredit.portfolio.book import Block, Volumes, make_block, world_of
from synthcredit.portfolio.scenario import Scenario, load

SMALL = Volumes(customers=600, contacts=3)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "BLOCK_CUSTOMERS", 100)
    monkeypatch.setattr(volumes, "BLOCK_CUSTOMERS", 100)


def _bytes(block: dict[str, pa.RecordBatch]) -> bytes:
    sink = pa.BufferOutputStream()
    for name in block:
        table = arrays.plain(block[name])
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    return bytes(sink.getvalue())


def test_volumes_are_as_asked(baseline: dict[str, pa.Table]) -> None:
    people = VOLUMES.customers
    rows = {name: table.num_rows for name, table in baseline.items()}
    assert rows["customers"] == people
    assert rows["financial_records"] == 5 * people
    assert rows["loan_applications"] == rows["true_outcomes"] == 2 * people
    assert rows["credit_history"] == 10 * people
    assert rows["market_data"] == 100
    assert set(rows) == {table.name for table in tables.TABLES}


def test_defaults_are_those_of_the_issue() -> None:
    found = Volumes()
    assert (found.customers, found.records, found.applications, found.history, found.market_points) == (
        1_000, 5, 2, 10, 100,
    )  # fmt: skip


@settings(max_examples=6, deadline=None)
@given(st.permutations(range(6)))
def test_blocks_are_the_same_bytes_in_any_order(order: list[int]) -> None:
    scenario = load("baseline")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book, "BLOCK_CUSTOMERS", 100)
        patch.setattr(volumes, "BLOCK_CUSTOMERS", 100)
        first = order[0]
        alone = _bytes(make_block(scenario, SMALL, 3, first))
        book._world.cache_clear()
        others = {number: _bytes(make_block(scenario, SMALL, 3, number)) for number in order[1:3]}
        assert _bytes(make_block(scenario, SMALL, 3, first)) == alone
        assert alone not in others.values()


def test_the_block_size_changes_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = load("baseline")
    whole = made(scenario, SMALL, 3)
    monkeypatch.setattr(book, "BLOCK_CUSTOMERS", 77)
    monkeypatch.setattr(volumes, "BLOCK_CUSTOMERS", 77)
    cut = made(scenario, SMALL, 3)
    for name, table in whole.items():
        assert table.equals(cut[name]), name


def test_more_customers_or_children_change_no_row_that_was_there() -> None:
    scenario = load("baseline")
    few, many = made(scenario, SMALL, 3), made(scenario, SMALL.model_copy(update={"customers": 900, "contacts": 3}), 3)
    for name, table in few.items():
        if not tables.table(name).once:
            assert table.equals(many[name].slice(0, table.num_rows)), name


def test_another_seed_gives_another_book() -> None:
    scenario = load("baseline")
    one, other = made(scenario, SMALL, 3), made(scenario, SMALL, 4)
    for name in ("customers", "loan_applications", "credit_history", "market_data"):
        assert not one[name].equals(other[name])


def test_every_check_holds_in_every_scenario(baseline: dict[str, pa.Table], downturn: dict[str, pa.Table]) -> None:
    for name, found in (("baseline", baseline), ("downturn", downturn)):
        told = checks.check_book(found, load(name), SEED)
        assert [check.detail for check in told if not check.passed] == []
        assert {check.about.value for check in told} == {
            "keys", "ledgers", "time order", "plausibility", "parameters",
        }  # fmt: skip


@pytest.mark.parametrize("name", ["rapid_growth", "thin_file"])
def test_the_other_scenarios_hold_too(name: str) -> None:
    found = made(load(name), Volumes(customers=4096))
    told = checks.check_book(found, load(name), SEED)
    assert [check.detail for check in told if not check.passed] == []


def test_a_downturn_changes_only_what_it_should(baseline: dict[str, pa.Table], downturn: dict[str, pa.Table]) -> None:
    for name in ("customers", "campaigns", "campaign_events"):
        assert baseline[name].equals(downturn[name])
    drawn = ["application_id", "customer_id", "loan_type", "requested_amount", "term_months", "purpose"]
    drawn += ["application_date", "created_at"]
    assert baseline["loan_applications"].select(drawn).equals(downturn["loan_applications"].select(drawn))
    shock = np.datetime64("2020-01") + load("downturn").macro.shock.month
    before = baseline["loan_applications"]["application_date"].to_numpy() < shock.astype("datetime64[D]")
    mask = pa.array(before)
    assert baseline["loan_applications"].filter(mask).equals(downturn["loan_applications"].filter(mask))
    calm, bad = (found["true_outcomes"]["pd_12m"].to_numpy() for found in (baseline, downturn))
    opened = baseline["true_outcomes"]["opening_month"].to_numpy()
    month = load("downturn").macro.shock.month
    assert (calm[opened <= month - 12] == bad[opened <= month - 12]).all()
    hit = (opened > month) & (opened < month + 12)
    assert bad[hit].mean() > 1.8 * calm[hit].mean()


def test_the_macro_weight_is_recovered_from_monthly_moves(downturn: dict[str, pa.Table]) -> None:
    """Logistic regression of missed first instalments on the true index and the macro index, by Newton's method."""
    scenario = load("downturn")
    world = world_of(scenario, VOLUMES, SEED)
    designs, answers = [], []
    for number in range(VOLUMES.blocks):
        block = Block(world, number)
        ledger, loans = block.ledger, block.loans
        rows = np.flatnonzero(
            (ledger.age == 1) | np.concatenate([[False], (ledger.missed[:-1] == 0) & (ledger.status[:-1] == 0)])
        )
        loan, age = ledger.loan[rows], ledger.age[rows]
        from synthcredit.portfolio.hazards import season

        steady = loans.index[loan] + season(scenario.hazards, age)
        designs.append(np.stack([np.ones(len(rows)), steady, world.macro.index[loans.month[loan] + age]], axis=1))
        answers.append(ledger.paid_principal[rows] + ledger.prepaid[rows] == 0)
    design, answer = np.concatenate(designs), np.concatenate(answers)
    weights = np.array([-4.0, 0.5, 0.0])
    for _ in range(12):
        fitted = 1 / (1 + np.exp(-design @ weights))
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        weights += np.linalg.solve(information, design.T @ (answer - fitted))
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    current, macro = scenario.hazards.current, scenario.hazards.index.macro
    # The unlikely to pay are among those who do not pay: they lift the level by a twentieth.
    for found, declared, error in zip(
        weights, (current.level, current.slope, current.slope * macro), errors, strict=True
    ):
        assert abs(found - declared) < 4 * error + 0.06


def test_identities_are_nobodys(baseline: dict[str, pa.Table]) -> None:
    people = baseline["customers"].to_pylist()
    for person in people[::50]:
        area, group, serial = (int(part) for part in person["ssn"].split("-"))
        assert 900 <= area <= 999
        assert not (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)
        assert serial > 0
        assert person["email"].split("@")[1] in ("example.com", "example.org", "example.net")
        assert "555-01" in person["phone"]
        assert len(person["zip_code"]) == 5


def test_the_schema_is_one_dataset() -> None:
    found = tables.dataset_schema()
    assert isinstance(found, DatasetSchema)
    assert found.in_order()[0].name == "customers"
    assert {relation.name for relation in found.relations} >= {
        "loans.application_id of loan_applications", "installments.loan_id of loans",
    }  # fmt: skip
    assert len(tables.dataset_schema(tables.EVERY).in_order()) == len(tables.EVERY)
    for table in tables.EVERY:
        assert table.arrow.names == [field.name for field in table.fields]
        assert all(field.about for field in table.fields)


ISSUE = {
    "customers": "customer_id first_name last_name email phone date_of_birth ssn address city state zip_code "
    "employment_type annual_income created_at",
    "financial_records": "record_id customer_id record_type amount description record_date created_at",
    "loan_applications": "application_id customer_id loan_type requested_amount term_months purpose status "
    "application_date created_at",
    "credit_history": "history_id customer_id credit_score payment_history credit_utilization record_date created_at",
    "market_data": "data_id data_type value date_recorded source created_at",
    "transactions": "transaction_id customer_id transaction_date transaction_amount transaction_type "
    "transaction_category account_balance",
}
SQL = {
    "varchar(50)": "first_name last_name city employment_type record_type loan_type payment_history data_type",
    "varchar(100)": "email purpose source",
    "varchar(20)": "phone status",
    "varchar(11)": "ssn",
    "varchar(2)": "state",
    "varchar(10)": "zip_code",
    "text": "address description",
    "timestamp": "created_at",
    "decimal(12,2)": "annual_income amount requested_amount",
    "decimal(5,2)": "credit_utilization",
    "decimal(10,4)": "value",
    "integer": "credit_score",
}


def test_tables_have_the_columns_and_types_of_the_issue() -> None:
    types = {name: sql for sql, names in SQL.items() for name in names.split()}
    for name, columns in ISSUE.items():
        fields = {field.name: field for field in tables.table(name).fields}
        wanted = columns.split()
        assert [column for column in fields if column in wanted] == wanted
        assert tables.table(name).key == wanted[0]
        for column in wanted:
            if fields[column].key:
                assert fields[column].sql == "varchar(50)"
            elif column in types:
                assert fields[column].sql == types[column], (name, column)


def test_a_further_table_is_one_object_and_one_line(monkeypatch: pytest.MonkeyPatch, small_blocks: None) -> None:
    extra = spec.Table(
        name="branches",
        about="Where each customer banks.",
        key="branch_id",
        parents={"customer_id": "customers"},
        make=lambda block: [
            arrays.text(arrays.lettered(block.people.words, "B")),
            block.customer_key(np.arange(len(block.people))),
            arrays.whole(block.people.draws.below("branch", 40)),
        ],
        fields=(
            spec.text_key("branch_id", "Key."),
            spec.text_key("customer_id", "Whose."),
            spec.Field("branch", "integer", "Number of the branch.", low=0, high=39),
        ),
    )
    monkeypatch.setattr(tables, "TABLES", (*tables.TABLES, extra))
    found = make_block(load("baseline"), SMALL, 3, 1)["branches"]
    assert found.num_rows == 100
    assert found.column("customer_id").to_pylist()[0] == "C00000000101"


@pytest.mark.parametrize(
    "name", ["records", "applications", "history", "market_points", "statement_months", "campaigns", "contacts"]
)
def test_a_volume_may_be_nothing(name: str) -> None:
    found = made(load("baseline"), Volumes(customers=50, **{name: 0}))
    assert found["customers"].num_rows == 50


def test_wide_volumes_keep_keys_unique() -> None:
    scenario: Scenario = load("baseline")
    volumes = Volumes(customers=20, records=40, applications=6, history=60, statement_months=60, contacts=30)
    found = made(scenario, volumes)
    told = checks.check_book(found, scenario, SEED)
    wrong = [
        check.detail for check in told if not check.passed and check.about.value in ("keys", "ledgers", "time order")
    ]
    assert wrong == []

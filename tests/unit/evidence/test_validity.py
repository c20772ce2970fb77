from datetime import UTC, date, datetime, time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.datasets import fakes
from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.schema import Column, Dtype, Kind, Pii, TableSchema
from synthcredit.evidence.validity import check, missing_band


def at(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()


SCHEMA = TableSchema(
    name="credit",
    primary_key="id",
    columns=(
        Column(name="id", storage_name="id", kind=Kind.IDENTIFIER, dtype=Dtype.STRING, format="C-{:04d}"),
        Column(name="age", storage_name="age", kind=Kind.INTEGER, dtype=Dtype.INT64, minimum=18, maximum=90),
        Column(
            name="income", storage_name="income", kind=Kind.CONTINUOUS, dtype=Dtype.DOUBLE,
            minimum=0, maximum=9e4, nullable=True,
        ),
        Column(
            name="$job <b>", storage_name="job", kind=Kind.CATEGORICAL, dtype=Dtype.STRING, nullable=True,
            categories=("clerk", "cook"),
        ),
        Column(name="good", storage_name="good", kind=Kind.BOOLEAN, dtype=Dtype.BOOL, categories=(True, False)),
        Column(
            name="since", storage_name="since", kind=Kind.DATETIME, dtype=Dtype.DATE,
            minimum=at(datetime(2019, 1, 1)), maximum=at(datetime(2021, 1, 1)),  # noqa: DTZ001
        ),
        Column(
            name="seen", storage_name="seen", kind=Kind.DATETIME, dtype=Dtype.TIMESTAMP,
            minimum=at(datetime(2019, 1, 1)), maximum=at(datetime(2021, 1, 1)),  # noqa: DTZ001
        ),
        Column(
            name="call", storage_name="call", kind=Kind.DATETIME, dtype=Dtype.TIME,
            minimum=8 * 3600, maximum=18 * 3600,
        ),
        Column(name="mail", storage_name="mail", kind=Kind.TEXT, dtype=Dtype.STRING, pii=Pii.EMAIL),
        Column(name="who", storage_name="who", kind=Kind.TEXT, dtype=Dtype.STRING, pii=Pii.FULL_NAME),
        Column(name="memo", storage_name="memo", kind=Kind.TEXT, dtype=Dtype.STRING, nullable=True),
        Column(name="code", storage_name="code", kind=Kind.IDENTIFIER, dtype=Dtype.INT64, nullable=True),
    ),
)  # fmt: skip
ROWS = 100


def values() -> dict[str, list]:
    return {
        "id": [f"C-{i:04d}" for i in range(ROWS)],
        "age": [18 + i % 73 for i in range(ROWS)],
        "income": [None if i % 10 == 0 else 10.5 * i for i in range(ROWS)],
        "$job <b>": [("clerk", "cook", None)[i % 3] for i in range(ROWS)],
        "good": [i % 2 == 0 for i in range(ROWS)],
        "since": [date(2020, 1, 1 + i % 28) for i in range(ROWS)],
        "seen": [datetime(2020, 1, 1 + i % 28, 3) for i in range(ROWS)],  # noqa: DTZ001
        "call": [time(8 + i % 10, 30) for i in range(ROWS)],
        "mail": [f"a{i}@example.org" for i in range(ROWS)],
        "who": [f"A. B{i}" for i in range(ROWS)],
        "memo": [None] * ROWS,
        "code": [None] * ROWS,
    }


def table(**replaced: list) -> pa.Table:
    return pa.table({**values(), **replaced}, schema=arrow_schema(SCHEMA))


def broken(made: pa.Table) -> dict[str | None, str]:
    return {item.column: item.detail for item in check(made, table(), SCHEMA) if not item.passed}


def test_rows_like_the_real_ones_pass_every_check():
    checks = check(table(), table(), SCHEMA)
    assert all(item.passed for item in checks), broken(table())
    assert {item.column for item in checks} == {None, *SCHEMA.names}
    # In the order of the schema, whatever order Great Expectations runs them in.
    seen = list(dict.fromkeys(item.column for item in checks))
    assert seen == [None, *SCHEMA.names]
    assert {item.expectation for item in checks} == {
        "expect_table_columns_to_match_ordered_list",
        "expect_column_values_to_be_of_type",
        "expect_column_values_to_not_be_null",
        "expect_column_proportion_of_non_null_values_to_be_between",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_be_between",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_match_regex",
    }


@pytest.mark.parametrize(
    ("column", "bad", "says"),
    [
        ("id", "C-0001", "different in every row"),
        ("id", "D-0001", "right format"),
        ("age", 17, "range"),
        ("age", None, "never missing"),
        ("income", 9.1e4, "range"),
        ("$job <b>", "spy", "categories"),
        ("since", date(2022, 1, 1), "range"),
        ("seen", datetime(2018, 12, 31, 23), "range"),  # noqa: DTZ001
        ("call", time(7, 59), "range"),
        ("mail", "nobody", "right format"),
        ("who", "  ", "right format"),
    ],
)
def test_one_bad_value_fails_and_its_column_is_named(column: str, bad: object, says: str):
    replaced = values()[column]
    replaced[50] = bad
    found = broken(table(**{column: replaced}))
    assert list(found) == [column]
    assert says in found[column]
    assert f"of {ROWS} rows are not" in found[column]
    # Never a value in a message.
    assert not str(bad).strip() or str(bad) not in found[column]


def test_an_unknown_yes_or_no_fails():
    only_yes = SCHEMA.model_copy(
        update={"columns": tuple(
            c.model_copy(update={"categories": (True,)}) if c.name == "good" else c for c in SCHEMA.columns
        )}
    )  # fmt: skip
    assert [c.column for c in check(table(), table(), only_yes) if not c.passed] == ["good"]


def test_a_missing_share_far_from_the_real_one_fails():
    found = broken(table(income=[None] * 60 + [1.0] * 40))
    assert list(found) == ["income"]
    assert "60.0% are" in found["income"]


def test_another_type_fails_without_a_crash():
    made = table()
    position = made.column_names.index("age")
    as_text = made.set_column(position, "age", pa.array([str(v) for v in values()["age"]]))
    found = [item for item in check(as_text, table(), SCHEMA) if not item.passed]
    assert {item.column for item in found} == {"age"}
    assert any("of type int64" in item.detail for item in found)


def test_columns_in_another_order_fail():
    made = table()
    found = [c for c in check(made.select(made.column_names[::-1]), table(), SCHEMA) if not c.passed]
    assert [item.column for item in found] == [None]


def test_whole_numbers_keep_their_type_beside_missing_ones():
    schema = TableSchema(
        name="t",
        columns=(
            Column(
                name="n", storage_name="n", kind=Kind.INTEGER, dtype=Dtype.INT64,
                nullable=True, minimum=0, maximum=2**60,
            ),
        ),
    )  # fmt: skip
    made = pa.table({"n": pa.array([1, None, 2**60] * 50)})
    assert all(item.passed for item in check(made, made, schema))


@pytest.mark.parametrize(
    ("template", "bad"),
    [
        ("[{:d}]", "7"),
        ("{{A}}-{:04d}/x", "A-0001/x"),
        ("{:016x}", "xyz"),
        ("{uuid}", "5"),
        ("LOAN", "7"),
        (None, " "),
    ],
)
def test_identifiers_made_by_their_pattern_pass_and_others_do_not(template: str | None, bad: str):
    made_new = Column(name="n", storage_name="n", kind=Kind.IDENTIFIER, dtype=Dtype.STRING, format=template)
    schema = TableSchema(name="t", columns=(made_new,), primary_key="n")
    good = pa.table(fakes.make_columns(schema, first_row=0, rows=500, seed=1))
    assert all(item.passed for item in check(good, good, schema)), good["n"][0]
    wrong = check(pa.table({"n": [bad]}), good, schema)
    assert [item.detail.split(";")[0] for item in wrong if not item.passed] == ["should be in the right format"]


def test_personal_data_made_new_passes():
    schema = TableSchema(
        name="t",
        columns=tuple(Column(name=pii, storage_name=pii, kind=Kind.TEXT, dtype=Dtype.STRING, pii=pii) for pii in Pii),
    )
    made = fakes.make_columns(schema, first_row=0, rows=500, seed=1)
    table = pa.table([made[name] for name in schema.names], names=schema.names)
    assert [item for item in check(table, table, schema) if not item.passed] == []


def test_german_credit_passes_its_own_suite(tables):
    frame = tables.german()
    schema = tables.schema_of(frame, "creditability")
    made = tables.table_of(frame, schema)
    checks = check(made, made, schema)
    assert len(checks) >= 3 * 21
    assert all(item.passed for item in checks)


@given(st.integers(0, 500), st.integers(1, 500), st.integers(1, 10_000))
def test_the_band_holds_the_real_share(missing: int, more: int, rows: int):
    real = missing + more
    low, high = missing_band(missing, real, rows)
    assert 0 <= low <= missing / real <= high <= 1
    # More synthetic rows never widen it.
    wider = missing_band(missing, real, max(1, rows // 2))
    assert wider[0] <= low + 1e-12
    assert wider[1] >= high - 1e-12


def test_the_band_without_rows_is_open():
    assert missing_band(0, 0, 10) == (0, 1)


def test_data_docs_are_kept_where_a_folder_is_given(tables, tmp_path):
    frame = tables.german()[:60]
    schema = tables.schema_of(frame)
    rows = tables.table_of(frame, schema)
    checks = check(rows, rows, schema, docs=tmp_path)
    assert checks == check(rows, rows, schema)
    pages = [path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.html")]
    assert sorted(pages) == ["expectations", "index.html", "validations"]
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.*") if path.is_file()) < 1_000_000

import json
import re
import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.datasets import pii
from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.fakes import WINDOW_ROWS, make_columns
from synthcredit.datasets.keyed import KeyedRows, mix
from synthcredit.datasets.schema import Column, Dtype, Kind, Pii, TableSchema

WORDS = (Pii.FIRST_NAME, Pii.LAST_NAME, Pii.FULL_NAME, Pii.ADDRESS)


def column(name, kind=Kind.IDENTIFIER, dtype=Dtype.STRING, **fields):
    return Column(name=name, storage_name=name, kind=kind, dtype=dtype, **fields)


def personal(kind, name=None, **fields):
    return column(name or kind.value, Kind.TEXT if kind in WORDS else Kind.IDENTIFIER, pii=kind, **fields)


def table(*columns, **roles):
    return TableSchema(name="people", columns=columns, **roles)


ALL = table(
    column("id", format="CUST-{:06d}"),
    column("number", dtype=Dtype.INT64, minimum=1000),
    column("token", format="{uuid}"),
    column("digest", format="{:040x}"),
    column("short", format="{:012x}"),
    column("plain", format="{:d}"),
    column("odd", format="no counter"),
    column("unknown"),
    column("store", dtype=Dtype.INT64, minimum=10, rows_per_value=50.0),
    column("memo", Kind.TEXT),
    *(personal(kind) for kind in Pii),
)


def make(schema, rows=2000, first_row=0, seed=7):
    return make_columns(schema, first_row=first_row, rows=rows, seed=seed)


WHOLE = make(ALL, rows=30_600)


@given(first=st.integers(0, 30_000), rows=st.integers(1, 500))
def test_rows_are_the_same_however_they_are_sliced(first, rows):
    part = make(ALL, rows=rows, first_row=first)
    assert all(part[name].equals(WHOLE[name].slice(first, rows)) for name in WHOLE)


def test_every_column_is_filled_and_typed():
    made = make(ALL)
    assert list(made) == ALL.names
    for name, array in made.items():
        assert array.type == (pa.int64() if ALL[name].dtype is Dtype.INT64 else pa.string())
        assert (len(array), array.null_count) == (2000, 0)
        array.validate(full=True)


def test_another_seed_and_another_table_give_other_people():
    other_table = ALL.model_copy(update={"name": "others"})
    for other in (make(ALL, seed=8), make(other_table)):
        for name in ("token", "full_name", "address", "card_number"):
            assert pc.sum(pc.equal(make(ALL)[name], other[name])).as_py() < 20


def test_what_must_be_unique_is():
    made = make(ALL, rows=100_000, first_row=5_000_000_000)
    unique = ["id", "number", "token", "digest", "short", "plain", "odd", "unknown"]
    for name in [*unique, "email", "national_id", "iban", "card_number"]:
        assert pc.count_distinct(made[name]).as_py() == 100_000, name


def test_identifiers_follow_their_pattern():
    made = make(ALL, rows=3)
    assert made["id"].to_pylist() == ["CUST-000001", "CUST-000002", "CUST-000003"]
    assert made["number"].to_pylist() == [1000, 1001, 1002]
    assert made["plain"].to_pylist() == ["1", "2", "3"]
    uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(uuid, value) for value in made["token"].to_pylist())
    assert all(re.fullmatch("[0-9a-f]{40}", value) for value in made["digest"].to_pylist())
    assert all(re.fullmatch("[0-9a-f]{12}", value) for value in made["short"].to_pylist())
    braces = make(table(column("a", format="{{{:03d}}}")), rows=1)
    assert braces["a"].to_pylist() == ["{001}"]


def test_a_person_fits_together():
    schema = table(*(personal(k) for k in Pii), personal(Pii.FIRST_NAME, "spouse_first_name"))
    for row in pa.table(make(schema, rows=200)).to_pylist():
        assert row["full_name"] == f"{row['first_name']} {row['last_name']}"
        assert row["email"].startswith(f"{row['first_name']}.{row['last_name']}".lower())
    made = make(schema)
    assert pc.sum(pc.equal(made["first_name"], made["spouse_first_name"])).as_py() < 30


def test_personal_data_is_nobodys():
    made = {name: array.to_pylist() for name, array in make(ALL, rows=5000).items()}
    assert all(re.fullmatch(r"[^@ ]+@example\.(com|org|net)", value) for value in made["email"])
    assert all(re.fullmatch(r"\(\d{3}\) 555-01\d\d", value) for value in made["phone"])
    assert all(pii.iban(value) and value[4:12] == "99999999" for value in made["iban"])
    assert all(pii.card(value) and len(value) == 16 for value in made["card_number"])
    prefixes = {value[:6] for value in made["card_number"]}
    assert prefixes == {"411111", "424242", "555555", "510510"}
    itin = {*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)}
    for value in made["national_id"]:
        area, group, serial = map(int, value.split("-"))
        assert (900 <= area <= 999, 1 <= group <= 99, group in itin, serial > 0) == (True, True, False, True)
        assert len(value) == 11


def test_other_national_ids_follow_their_pattern():
    made = make(table(personal(Pii.NATIONAL_ID, format="QQ{:06d}C")), rows=2)
    assert made["national_id"].to_pylist() == ["QQ000001C", "QQ000002C"]


def test_fakes_are_recognised_as_what_they_are(tmp_path):
    schema = table(*(personal(k) for k in Pii))
    path = tmp_path / "fakes.csv"
    rows = pa.table(make(schema, rows=300)).to_pylist()
    path.write_text("\n".join(["\t".join(schema.names), *("\t".join(row.values()) for row in rows)]))
    found = detect_schema(path).schema
    assert {column.name: column.pii for column in found.columns} == {kind.value: kind for kind in Pii}


def test_rows_of_a_customer_follow_each_other_and_share_the_person():
    customer = column("customer_id", dtype=Dtype.INT64, minimum=100, rows_per_value=2.5)
    schema = table(customer, personal(Pii.EMAIL), column("ref"), customer="customer_id")
    made = make(schema, rows=20_000)
    ids = made["customer_id"].to_numpy()
    assert (np.diff(ids) >= 0).all()
    assert 20_000 / len(np.unique(ids)) == pytest.approx(2.5, rel=0.001)
    assert len(set(zip(ids.tolist(), made["email"].to_pylist(), strict=True))) == len(np.unique(ids))
    assert pc.count_distinct(made["ref"]).as_py() == 20_000


@pytest.mark.parametrize("repeats", [1.6, 50.0, 4000.0, 1e6])
def test_other_identifiers_repeat_about_as_often(repeats):
    schema = table(column("store", dtype=Dtype.INT64, rows_per_value=repeats), column("id"))
    store = make(schema, rows=10 * WINDOW_ROWS)["store"]
    # A window of rows draws at random from its own stock: some of a stock of rare values are not drawn.
    drawn = 1 - np.exp(-repeats)
    expected = min(repeats, WINDOW_ROWS) / drawn
    assert len(store) / pc.count_distinct(store).as_py() == pytest.approx(expected, rel=0.05)


@given(size=st.integers(2, 3000), start=st.integers(0, 10_000))
def test_shuffled_visits_every_number_once(size, start):
    rows = KeyedRows("t", 1, np.arange(start, start + size))
    assert sorted(rows.shuffled("x", size)) == list(range(size))


def test_draws_are_even_and_independent():
    rows = KeyedRows("t", 1, np.arange(100_000))
    counts = np.bincount(rows.below("a", 10), minlength=10)
    # Ten even classes: chi-squared with 9 degrees of freedom is below 27.9 in 99.9 % of cases.
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 27.9
    assert abs(np.corrcoef(rows.below("a", 1000), rows.below("b", 1000))[0, 1]) < 0.02
    assert len(np.unique(mix(np.arange(100_000, dtype=np.uint64)))) == 100_000


def test_fast_enough():
    schema = table(column("id", format="C-{:08d}"), personal(Pii.FULL_NAME), personal(Pii.EMAIL))
    make(schema, rows=1000)
    start = time.perf_counter()
    make(schema, rows=300_000)
    # Stated: 300,000 rows a second. Measured: over 1,000,000; the margin is for busy machines.
    assert time.perf_counter() - start < 1.0


def test_text_is_made_of_harmless_words():
    memos = make(ALL)["memo"].to_pylist()
    assert all(re.fullmatch(r"[A-Z][a-z -]+\.", memo) for memo in memos)
    assert json.loads(json.dumps(memos)) == memos

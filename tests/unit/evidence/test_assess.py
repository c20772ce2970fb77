import pandas as pd
import pytest

from synthcredit.datasets.schema import Column, Dtype, Kind
from synthcredit.errors import InvalidInputError
from synthcredit.evidence import assess as room
from synthcredit.evidence.assess import assess
from synthcredit.evidence.gate import Gate, judge, verdict
from synthcredit.evidence.model import Evidence, Figure, Finding, Status


def proven(tables, synthetic, train, holdout, schema, **more) -> tuple[Evidence, dict[str, Finding], bool]:
    evidence = assess(
        *(tables.table_of(frame, schema) for frame in (synthetic, train, holdout)),
        schema,
        **{"seed": 1, "rows_released": len(synthetic), **more},
    )
    found = judge(evidence, Gate())
    return evidence, {item.part: item for item in found}, verdict(found)


@pytest.fixture(scope="module")
def german(tables):
    frame = tables.german()
    return tables.schema_of(frame, "creditability"), *tables.three_ways(frame)


@pytest.mark.parametrize("cut", [0, 1])
def test_fresh_real_rows_pass(tables, cut):
    frame = tables.german()
    train, holdout, fresh = tables.three_ways(frame, cut)
    evidence, parts, passed = proven(tables, fresh, train, holdout, tables.schema_of(frame, "creditability"))
    assert passed, parts
    assert evidence.rows == {"released": 300, "synthetic": 300, "train": 400, "holdout": 300}


@pytest.mark.parametrize("cut", [0, 1])
def test_independent_columns_fail_on_pair_trends(tables, cut):
    frame = tables.german()
    train, holdout, _ = tables.three_ways(frame, cut)
    made = tables.independent(train, cut, 2000)
    _, parts, passed = proven(tables, made, train, holdout, tables.schema_of(frame, "creditability"))
    assert not passed
    assert parts["pair trends"].status is Status.FAILED
    assert parts["validity"].status is Status.PASSED
    assert parts["copies"].status is Status.PASSED


def test_a_copy_and_a_fifth_of_copies_fail_on_copies_alone(tables, german):
    schema, train, holdout, fresh = german
    for made in (train, pd.concat([train[:60], fresh[60:]], ignore_index=True)):
        _, parts, passed = proven(tables, made, train, holdout, schema)
        assert not passed
        assert [part for part, item in parts.items() if item.status is not Status.PASSED] == ["copies"]


def test_a_bad_value_fails_validity_with_its_column(tables, german):
    schema, train, holdout, fresh = german
    fresh = fresh.copy()
    fresh.loc[3, "age.in.years"] = 7
    _, parts, passed = proven(tables, fresh, train, holdout, schema)
    assert not passed
    assert "age.in.years" in parts["validity"].reason


def test_thirty_rows_are_not_judged_and_do_not_pass(tables, german):
    schema, train, holdout, fresh = german
    _, parts, passed = proven(tables, fresh[:30], train[:21], holdout[:9], schema)
    assert not passed
    assert {parts[part].status for part in ("usefulness", "pair trends", "copies")} == {Status.NOT_JUDGED}


def test_without_a_target_the_rest_decides(tables, german):
    schema, train, holdout, fresh = german
    _, parts, passed = proven(tables, fresh, train, holdout, schema.with_target(None))
    assert passed
    assert parts["usefulness"].status is Status.NOT_JUDGED


def test_the_same_seed_gives_the_same_evidence(tables, german):
    schema, train, holdout, fresh = german
    few = fresh[:60], train[:60], holdout[:60]
    one, two = (proven(tables, *few, schema)[0] for _ in range(2))
    assert one == two
    assert one != proven(tables, *few, schema, seed=2)[0]


def test_progress_and_samples_are_told(tables, german, monkeypatch):
    monkeypatch.setattr(room, "MAX_ROWS", 200)
    schema, train, holdout, fresh = german
    heard = []
    evidence, _, _ = proven(
        tables, fresh, train, holdout, schema, rows_released=10_000, progress=lambda done, _: heard.append(done)
    )
    assert heard == sorted(heard)
    assert heard[0] == 0
    assert heard[-1] == 1
    assert any("300 of 10,000 rows" in note for note in evidence.notes)
    # Copies are looked for in all training rows all the same.
    assert all(m.rows <= 200 for m in evidence.privacy if m.name in (Figure.COPIED, Figure.COPIED_DISTINCT))


def test_what_is_made_new_is_said(tables, german):
    schema, train, holdout, fresh = german
    named = schema.model_copy(
        update={"columns": (
            *schema.columns,
            Column(name="id", storage_name="id", kind=Kind.IDENTIFIER, dtype=Dtype.STRING),
        )}
    )  # fmt: skip
    frames = [frame.assign(id=[f"r{i}" for i in range(len(frame))]) for frame in (fresh, train, holdout)]
    evidence, _, passed = proven(tables, *frames, named)
    assert passed
    assert "id" not in evidence.columns
    assert any(note.endswith(": id.") for note in evidence.notes)


def test_a_table_that_lacks_columns_is_refused_with_all_of_them(tables, german):
    schema, train, holdout, fresh = german
    made, known, held = (tables.table_of(frame, schema) for frame in (fresh, train, holdout))
    with pytest.raises(InvalidInputError) as refused:
        assess(
            made.drop_columns(["job", "housing"]), known, held.drop_columns(["job"]), schema, seed=0, rows_released=1
        )
    assert [problem.field for problem in refused.value.problems] == ["column 'housing'", "column 'job'", "column 'job'"]


def test_uci_default_known_answers(tables):
    if not tables.UCI.exists():
        pytest.skip("there is no real credit data beside the checkout")
    frame = tables.uci().sample(4000, random_state=0)
    schema = tables.schema_of(frame, "default.payment.next.month")
    train, holdout, fresh = tables.three_ways(frame)
    assert proven(tables, fresh, train, holdout, schema)[2]
    _, parts, _ = proven(tables, tables.independent(train, 0), train, holdout, schema)
    assert parts["pair trends"].status is Status.FAILED
    assert parts["usefulness"].status is Status.FAILED

import pytest

from synthcredit.datasets.schema import Column, Dtype, Kind
from synthcredit.errors import InvalidInputError
from synthcredit.evidence import assess as room
from synthcredit.evidence.assess import assess
from synthcredit.evidence.gate import Gate, judge, verdict
from synthcredit.evidence.model import Evidence, Figure, Finding, Level, Status


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
    assert {parts[part].status for part in ("usefulness", "pair trends", "copies", "closeness")} == {Status.NOT_JUDGED}
    assert parts["rows"].status is Status.FAILED


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
    haste = {"level": Level.BASIC}
    assert proven(tables, *few, schema, **haste)[0] != proven(tables, *few, schema, seed=2, **haste)[0]


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
    # Real sides are drawn to that size; the synthetic rows are all there, and copies are looked for in all of train.
    assert evidence.measure(Figure.CLOSENESS_EXCESS).rows <= 300


def test_more_synthetic_rows_than_are_measured_are_sampled(tables, german, monkeypatch):
    monkeypatch.setattr(room, "MAX_SYNTHETIC_ROWS", 100)
    schema, train, holdout, fresh = german
    evidence, _, _ = proven(tables, fresh, train, holdout, schema, level=Level.BASIC)
    assert evidence.measure(Figure.COPIED).rows == 100


@pytest.mark.parametrize(
    ("released", "train", "measured"), [(100, 700, 7_000), (9_000, 700, 9_000), (10**7, 700, 250_000)]
)
def test_privacy_is_measured_on_ten_rows_for_each_training_row_or_on_all_released(released, train, measured):
    assert room.rows_to_measure(released, train) == measured


def test_fewer_rows_than_were_asked_for_are_stopped(tables, german):
    schema, train, holdout, fresh = german
    _, parts, passed = proven(tables, fresh, train, holdout, schema, rows_asked=301, level=Level.BASIC)
    assert not passed
    assert "300 synthetic rows are there, 301 were asked for" in parts["rows"].reason


def test_basic_evidence_leaves_out_attacks_and_says_so(tables, german):
    schema, train, holdout, fresh = german
    evidence, parts, passed = proven(tables, fresh, train, holdout, schema, level=Level.BASIC)
    assert passed
    assert evidence.credit == ()
    assert evidence.measure(Figure.CLOSENESS_EXCESS) is None
    assert parts["closeness"].status is Status.NOT_JUDGED
    assert any("Not for sharing" in note for note in evidence.notes)


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

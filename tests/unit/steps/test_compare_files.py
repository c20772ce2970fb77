"""Two assessments side by side."""

import json

import pytest

from synthcredit import api
from synthcredit.errors import InvalidInputError
from synthcredit.evidence.gate import Gate
from synthcredit.evidence.model import Evidence, Figure, Level, Measure
from synthcredit.steps.compare_files import compare


def evidence(loss: float, table: str = "loans", *, half: float = 0.01, **changes) -> Evidence:
    measure = Measure(
        name=Figure.TSTR_LOSS, title="Loss", value=loss, low=loss - half, high=loss + half, fresh=0.0, reading="."
    )
    rows = {"released": 100, "synthetic": 100, "train": 70, "holdout": 30}
    made = Evidence(
        table=table, target="default", rows=rows, validity=(), fidelity=(), columns={}, utility=(measure,), privacy=()
    )
    return made.model_copy(update=changes)


def _written(folder, name, found):
    (folder / name).mkdir()
    (folder / name / "evidence.json").write_text(found.model_dump_json())
    return folder / name


def test_figures_stand_side_by_side_with_difference_and_intervals(tmp_path):
    one, other = _written(tmp_path, "one", evidence(0.01)), _written(tmp_path, "<other>", evidence(0.05))
    found = api.compare(one, other / "evidence.json", out=tmp_path / "out")
    (loss,) = found.measures
    assert loss.difference == pytest.approx(0.04)
    assert loss.apart is True
    assert found.names == ("one", "<other>")
    assert json.loads((tmp_path / "out" / "compare.json").read_text())["passed"] == [False, False]
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "do not overlap" in page
    assert "&lt;other&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


def test_intervals_that_overlap_or_are_not_there_are_told():
    assert compare(evidence(0.01), evidence(0.02), Gate()).measures[0].apart is False
    bare = evidence(0.01).model_copy(update={"utility": ()})
    (loss,) = compare(bare, evidence(0.02), Gate()).measures
    assert (loss.values, loss.difference, loss.apart) == ((None, 0.02), None, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"table": "cards"}, "table"),
        ({"target": None}, "target"),
        ({"level": Level.BASIC}, "level"),
    ],
)
def test_different_questions_are_compared_only_when_said(changes, field):
    one, other = evidence(0.01, columns={"a": 1.0}), evidence(0.01, columns={"b": 1.0}, **changes)
    with pytest.raises(InvalidInputError) as caught:
        compare(one, other, Gate())
    assert [problem.field for problem in caught.value.problems] == [field, "columns"]
    notes = compare(one, other, Gate(), anyway=True).notes
    assert notes[0].startswith(field)


def test_other_holdouts_are_noted():
    rows = {"released": 100, "synthetic": 100, "train": 70, "holdout": 31}
    assert any("holdout rows are not the same: 30 and 31" in one for one in
               compare(evidence(0.01), evidence(0.01, rows=rows), Gate()).notes)  # fmt: skip


def test_what_is_no_evidence_is_refused(tmp_path):
    good = _written(tmp_path, "good", evidence(0.01))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match=r"no evidence\.json"):
        api.compare(good, tmp_path / "empty", out=tmp_path / "out")
    (tmp_path / "bad.json").write_text('{"version": 1}')
    with pytest.raises(InvalidInputError, match="table"):
        api.compare(good, tmp_path / "bad.json", out=tmp_path / "out")
    (tmp_path / "tables.json").write_text('{"tables": {}, "tables_passed": {}}')
    with pytest.raises(InvalidInputError, match="several tables"):
        api.compare(good, tmp_path / "tables.json", out=tmp_path / "out")

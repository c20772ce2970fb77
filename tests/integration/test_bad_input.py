"""Bad input at the public surface: each kind gives one clear error with field and fix, and leaves nothing behind."""

import numpy as np
import pytest

import synthcredit
from synthcredit.errors import InvalidInputError, SynthcreditError


def _lines(rows: int = 60) -> list[str]:
    rng = np.random.default_rng(1)
    body = [f"{rng.integers(18, 80)},{rng.normal(30_000, 5_000):.2f},{'car' if i % 3 else 'home'}" for i in range(rows)]
    return ["age,income,purpose", *body]


def _with(line: int, text: str) -> bytes:
    lines = _lines()
    lines[line - 1] = text
    return "\n".join(lines).encode()


BAD = {
    "empty file": (b"", "empty"),
    "blank lines": (b"\n\n\n", "empty|header"),
    "header only": (b"age,income\n", "no rows|header|rows"),
    "one row": (b"age,income\n30,2000\n", "20"),
    "one column": (("age\n" + "30\n" * 50).encode(), "column"),
    "duplicate names": (b"age,age\n" + b"30,31\n" * 50, "age"),
    "empty name": (b"age,\n" + b"30,31\n" * 50, "name"),
    "mixed types": (_with(17, "forty,30000.00,car"), r"'age'.*17"),
    "ragged row": (_with(23, "40,30000.00,car,extra"), "23"),
    "infinite": (_with(9, "40,inf,car"), r"'income'.*9"),
    "binary": (bytes(range(256)) * 40, "text|binary|encoding"),
    "2,000 columns": (
        ("\n".join([",".join(f"c{i}" for i in range(2000)), *[",".join("1" * 2000)] * 30])).encode(),
        "2,?000 columns",
    ),
    "storage names clash": (b"Loan.Amount,loan amount\n" + b"30,31\n40,50\n" * 25, "Loan.Amount"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_refused_with_field_and_fix(tmp_path, kind):
    content, words = BAD[kind]
    path = tmp_path / "real" / "applicants.csv"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=f"(?s){words}") as caught:
        synthcredit.run(path, rows=100, home=tmp_path / "home", out=tmp_path / "out")
    for problem in caught.value.problems:
        assert problem.field
        assert problem.problem
        assert problem.fix
        # Places, never values: not even the one that is wrong.
        assert "forty" not in str(problem)
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "home").rglob("*.parquet"))


def test_every_problem_of_a_file_is_said_at_once(tmp_path):
    path = tmp_path / "applicants.csv"
    lines = _lines()
    lines[4] = "forty,30000.00,car"
    lines[8] = "40,inf,car"
    path.write_text("\n".join(lines))
    with pytest.raises(InvalidInputError) as caught:
        synthcredit.run(path, target="default", rows=100, home=tmp_path / "home", out=tmp_path / "out")
    assert {"column 'age'", "column 'income'"} <= {problem.field for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("column", "words"),
    [("", "missing|empty"), ("7", "one value|constant"), ("1,234.50", "thousands|1,234.56|number")],
)
def test_what_can_be_worked_with_runs_and_is_noted(tmp_path, column, words):
    """An all-missing or constant column, or numbers with separators, need no refusal: a note says what became of it."""
    path = tmp_path / "applicants.csv"
    rng = np.random.default_rng(2)
    lines = _lines(400)
    extra = [f'"{value:,.2f}"' if column == "1,234.50" else column for value in rng.uniform(1_000, 90_000, 400)]
    path.write_text("\n".join([lines[0] + ",odd", *(f"{a},{b}" for a, b in zip(lines[1:], extra, strict=True))]))
    gate = {"min_pair_trends": 0.5, "min_associations_kept": 0.0, "max_tstr_loss": 1.0}
    done = synthcredit.run(path, rows=200, gate=gate, evidence="basic", home=tmp_path / "home", out=tmp_path / "out")
    made = done.to_arrow()["odd"].to_pylist()
    if column == "":
        assert made == [None] * 200
    elif column == "7":
        assert made == [7] * 200
    else:
        assert all(1_000 <= value <= 90_000 for value in made)
    log = (done.folder / "run.log").read_text()
    assert "'odd'" in log


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rows": 0}, "rows"),
        ({"rows": 10**12}, "rows"),
        ({"seed": -1}, "seed"),
        ({"synthesizer": "magic"}, "synthesizer.name"),
        ({"settings": {"depth": 1}}, "synthesizer.depth"),
        ({"target": "nothing"}, "target"),
        ({"gate": {"profile": "none"}}, "gate.profile"),
        ({"gate": {"max_tstr_loss": 2}}, "gate.max_tstr_loss"),
        ({"evidence": "some"}, "evidence"),
    ],
)
def test_bad_requests_are_refused_with_field_and_fix(applicants, tmp_path, changes, field):
    request = {"target": "default", "rows": 100, **changes}
    with pytest.raises(SynthcreditError) as caught:
        synthcredit.run(applicants, **request, home=tmp_path / "home", out=tmp_path / "out")
    assert caught.value.exit_code == 2
    assert any(field in problem.field for problem in caught.value.problems)
    assert not (tmp_path / "out").exists()


def test_a_holdout_that_overlaps_the_data_is_refused(german_credit, tmp_path):
    header, *lines = german_credit.read_text().splitlines()
    # The file is sorted by some of its columns: cut as it is, a category stands on one side only.
    lines = [header, *(lines[i] for i in np.random.default_rng(1).permutation(len(lines)))]
    held = tmp_path / "held.csv"
    held.write_text("\n".join([lines[0], *lines[1:40], *lines[701:]]) + "\n")
    train = tmp_path / "train.csv"
    train.write_text("\n".join(lines[:701]) + "\n")
    with pytest.raises(InvalidInputError, match="overlaps the real data: 39 of its 339 rows"):
        synthcredit.run(train, target="creditability", holdout=held, rows=100, home=tmp_path / "h", out=tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_basic_evidence_says_that_it_is_not_for_sharing(german_credit, tmp_path):
    done = synthcredit.run(
        german_credit, target="creditability", rows=1000, evidence="basic", home=tmp_path / "h", out=tmp_path / "o"
    )
    assert any("Not for sharing" in note for note in done.evidence.notes)
    assert not done.evidence.credit

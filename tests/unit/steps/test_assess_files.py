"""Anybody's data through `api.assess`: bad input, no holdout, contaminated holdouts, folders."""

import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthcredit import api
from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import InvalidInputError, NotFoundError
from synthcredit.evidence.model import Evidence, Figure, Level, Status
from synthcredit.steps import assess_files

ROOT = Path(__file__).parents[3]


def people(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    income = rng.lognormal(10, 0.5, rows).round(2)
    return pd.DataFrame(
        {
            "income": income,
            "months": rng.integers(6, 72, rows),
            "purpose": rng.choice(["car", "home", "school"], rows),
            "default": (rng.random(rows) < 1 / (1 + np.exp(2 * (np.log(income) - 10)))).astype(int),
        }
    )


@pytest.fixture
def assess(tmp_path):
    """Write data frames to CSV files and assess them."""

    def run(real, synthetic, holdout=None, **options):
        paths = {}
        for side, frame in (("real", real), ("synthetic", synthetic), ("holdout", holdout)):
            if frame is not None:
                paths[side] = tmp_path / f"{side}.csv"
                frame.to_csv(paths[side], index=False)
        options = {"target": "default", "evidence": "basic", "home": tmp_path, "out": tmp_path / "out"} | options
        return api.assess(paths["real"], paths["synthetic"], holdout=paths.get("holdout"), **options)

    return run


def _same(frame: pd.DataFrame, **changes: object) -> pd.DataFrame:
    return frame.assign(**changes)


REFUSED = {
    "other columns": (lambda s: s.rename(columns={"income": "salary"}), "column 'income'", "column 'salary'"),
    "columns missing": (lambda s: s[["income", "default"]], "column 'months'", "column 'purpose'"),
    "other dtypes": (lambda s: _same(s, months="long", income="much"), "column 'months'", "column 'income'"),
    "dates for numbers": (lambda s: _same(s, months="2024-01-01"), "column 'months'"),
    "one column": (lambda s: s[["income"]], "synthetic synthetic.csv"),
    "no rows": (lambda s: s[:0], "synthetic synthetic.csv"),
    "ten rows": (lambda s: s[:10], "synthetic synthetic.csv"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_synthetic_rows_that_cannot_be_compared_are_refused_with_all_columns_named(assess, kind):
    change, *fields = REFUSED[kind]
    with pytest.raises(InvalidInputError) as caught:
        assess(people(200, 1), change(people(200, 2)), people(150, 3))
    said = [problem.field for problem in caught.value.problems]
    assert all(any(field in one for one in said) for field in fields), said
    assert all(one.startswith("synthetic synthetic.csv") for one in said)
    assert all(problem.fix for problem in caught.value.problems)


def test_problems_of_all_files_are_said_at_once(assess):
    with pytest.raises(InvalidInputError) as caught:
        assess(people(200, 1), people(200, 2)[["income", "default"]], people(150, 3).drop(columns="months"))
    assert {problem.field.split(" ")[0] for problem in caught.value.problems} == {"synthetic", "holdout"}


def test_an_empty_file_is_refused_and_a_missing_one(assess, tmp_path):
    (tmp_path / "empty.csv").write_bytes(b"")
    people(200, 1).to_csv(tmp_path / "real.csv", index=False)
    with pytest.raises(InvalidInputError, match=r"empty\.csv"):
        api.assess(tmp_path / "real.csv", tmp_path / "empty.csv", out=tmp_path / "out")
    with pytest.raises(InvalidInputError, match=r"(?s)nothing\.csv.*nowhere\.csv"):
        api.assess(tmp_path / "nothing.csv", tmp_path / "nowhere.csv", out=tmp_path / "out")


@pytest.mark.parametrize("target", ["nothing", "default "])
def test_a_missing_target_is_refused_with_the_columns_there_are(assess, target):
    with pytest.raises(InvalidInputError, match="purpose"):
        assess(people(200, 1), people(200, 2), target=target)
    schema = api.detect_schema(people(200, 1), target="default")
    with pytest.raises(InvalidInputError, match="purpose"):
        assess(people(200, 1), people(200, 2), target=target, schema=schema)


def test_a_bad_gate_and_a_bad_level_are_refused(assess):
    with pytest.raises(InvalidInputError, match="profile"):
        assess(people(200, 1), people(200, 2), gate={"profile": "lax"})
    with pytest.raises(InvalidInputError, match="basic or standard"):
        assess(people(200, 1), people(200, 2), evidence="some")


JUDGED = {
    "other categories": lambda s: _same(s, purpose=s["purpose"].replace("car", "boat")),
    "missing values": lambda s: _same(s, purpose=s["purpose"].where(s.index % 3 > 0)),
    "missing numbers": lambda s: _same(s, months=s["months"].astype("Int64").where(s.index % 3 > 0)),
    "an all-missing column": lambda s: _same(s, income=np.nan),
    "an all-missing category": lambda s: _same(s, purpose=None),
    "single-class target": lambda s: _same(s, default=1),
    "constant columns": lambda s: _same(s, income=1.5, months=7, purpose="car"),
    "30 rows": lambda s: s[:30],
    "values far out": lambda s: _same(s, income=s["income"] * 1e12),
}


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("kind", JUDGED)
def test_odd_synthetic_rows_get_a_report_that_says_what_is_not_judged(assess, kind, level):
    found = assess(people(300, 1), JUDGED[kind](people(300, 2)), people(200, 3), evidence=level)
    _every_gap_has_its_reason(found)
    assert level is Level.BASIC or not found.passed


REAL = {
    "30 rows": lambda f: f[:30],
    "an all-missing column": lambda f: _same(f, income=np.nan),
    "constant columns": lambda f: _same(f, income=1.5, months=7),
    "single-class target": lambda f: _same(f, default=0),
    "all discrete": lambda f: _same(f, income=f["income"].gt(2e4).map({True: "high", False: "low"}), months="x"),
    "two columns": lambda f: f[["purpose", "default"]],
    "target alone": lambda f: f[["default"]].assign(nothing=np.nan),
    "three-class target": lambda f: _same(f, default=f["months"] % 3),
    "a number as target": lambda f: _same(f, default=f["income"]),
}


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("kind", REAL)
def test_odd_real_rows_get_a_report_that_says_what_is_not_judged(assess, kind, level):
    change = REAL[kind]
    found = assess(change(people(300, 1)), change(people(300, 2)), change(people(200, 3)), evidence=level)
    _every_gap_has_its_reason(found)


def _every_gap_has_its_reason(found):
    evidence = found.evidence
    for measure in (*evidence.fidelity, *evidence.utility, *evidence.credit, *evidence.privacy):
        assert measure.value is not None or measure.why_not, measure.name
        assert measure.value is None or np.isfinite(measure.value), measure.name
    assert all(finding.reason for finding in found.findings)
    assert found.report.exists()
    assert Evidence.model_validate_json((found.folder / "evidence.json").read_text()) == evidence


def test_basic_evidence_that_could_not_be_measured_does_not_pass(assess):
    assert not assess(people(300, 1), people(300, 2)[:30], people(200, 3), evidence="basic").passed


def test_categories_that_real_rows_do_not_have_fail_validity_in_counts(assess):
    found = assess(people(300, 1), JUDGED["other categories"](people(300, 2)), people(200, 3))
    failed = [check for check in found.evidence.validity if not check.passed]
    assert [check.column for check in failed] == ["purpose"]
    assert "of 300 rows are not" in failed[0].detail
    assert "boat" not in found.report.read_text()


def test_a_category_that_only_the_holdout_has_is_real(assess):
    held = people(200, 3).assign(purpose="boat")
    found = assess(people(300, 1), people(300, 2), held)
    assert all(check.passed for check in found.evidence.validity)


def test_without_a_holdout_fidelity_is_marked_and_privacy_is_not_judged(assess):
    found = assess(people(300, 1), people(300, 2), evidence="standard")
    evidence = found.evidence
    assert assess_files.CUT_BY_US in evidence.notes
    assert evidence.measure(Figure.PAIR_TRENDS).value is not None
    raw = {Figure.COPIED, Figure.COPIED_DISTINCT}
    for measure in evidence.privacy:
        assert (measure.value is not None) == (measure.name in raw), measure.name
        assert measure.fresh is None
        assert measure.name in raw or measure.why_not
    assert not {detail.name for detail in evidence.details} & assess_files._PRIVATE_DETAILS
    (privacy,) = [score for score in evidence.scores if score.name == "privacy"]
    assert privacy.points is None
    assert not found.passed
    assert Status.NOT_JUDGED in {finding.status for finding in found.findings}


def test_what_private_details_are_called_is_known(assess):
    """Where an attack gets another table, it must be left out without a holdout, too."""
    with_holdout = assess(people(1200, 1), people(1200, 2), people(1100, 3), evidence="standard").evidence
    without = assess_files.without_holdout(with_holdout)
    assert {one.name for one in with_holdout.details} - {one.name for one in without.details}


def test_a_holdout_that_is_another_file_is_refused(assess, tmp_path):
    for side in ("real", "synthetic"):
        sides = {"real": people(200, 1), "synthetic": people(200, 2)}
        with pytest.raises(InvalidInputError, match=f"same file as the {side}") as caught:
            assess(**sides, holdout=sides[side])
        assert caught.value.exit_code == 2


def test_a_holdout_with_rows_of_train_or_of_synthetic_is_refused_in_counts(assess):
    real, made, held = people(400, 1), people(400, 2), people(300, 3)
    with pytest.raises(InvalidInputError, match="overlaps the real data: 15 of its 300 rows"):
        assess(real, made, pd.concat([held[15:], real[:15]]))
    with pytest.raises(InvalidInputError, match="repeat it: of 300 rows that only one real person has, 20 stand"):
        assess(real, pd.concat([made, held[:20]]), held)


def test_a_folder_of_parts_and_parts_under_storage_names_are_tables(tmp_path):
    frame = people(300, 1).rename(columns={"income": "Annual Income"})
    for side, seed in (("real", 1), ("made", 2), ("held", 3)):
        (tmp_path / side).mkdir()
        rows = people(300, seed).rename(columns={"income": "Annual Income"})
        if side == "made":
            rows = rows.rename(columns={"Annual Income": "annual_income"})
        for part in range(3):
            rows[part * 100 : part * 100 + 100].to_parquet(tmp_path / side / f"part-{part}.parquet", index=False)
    found = api.assess(
        tmp_path / "real", tmp_path / "made", holdout=tmp_path / "held", target="default", evidence="basic",
        out=tmp_path / "out",
    )  # fmt: skip
    assert found.evidence.rows["synthetic"] == 300
    assert found.evidence.table == "real"
    assert set(found.evidence.columns) == set(frame)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "without a table"),
        ({"a.csv": 1, "b.parquet": 2}, "several forms"),
        ({"a.parquet": 1, "b.parquet": None}, "not those of a.parquet"),
        ({"one/a.parquet": 1, "two/a.parquet": 1}, "several tables"),
    ],
)
def test_folders_that_are_no_table_are_refused(tmp_path, files, words):
    place = tmp_path / "made"
    place.mkdir()
    for name, seed in files.items():
        (place / name).parent.mkdir(exist_ok=True)
        frame = people(100, seed or 1)
        if seed is None:
            frame = frame.drop(columns="months")
        frame.to_csv(place / name, index=False) if name.endswith("csv") else frame.to_parquet(place / name)
    people(200, 1).to_csv(tmp_path / "real.csv", index=False)
    with pytest.raises(InvalidInputError, match=words):
        api.assess(tmp_path / "real.csv", place, out=tmp_path / "out")


def test_the_schema_of_evidence_that_is_checked_in_is_the_code_s():
    made = runpy.run_path(str(ROOT / "docs" / "schema" / "write.py"))
    assert made["GOAL"].read_text() == made["document"](), "make schema"
    assert json.loads(made["GOAL"].read_text())["title"] == "Evidence"


def test_a_schema_that_was_given_is_kept_to(assess):
    schema = api.detect_schema(people(300, 1), target="default")
    assert isinstance(schema, TableSchema)
    far = people(300, 2).assign(months=1000)
    found = assess(people(300, 1), far, people(200, 3), schema=schema)
    assert [check.column for check in found.evidence.validity if not check.passed] == ["months"]


def test_nothing_at_a_path_is_said(tmp_path):
    with pytest.raises(NotFoundError):
        api.compare(tmp_path, tmp_path / "b", out=tmp_path / "out")

"""The audit from end to end, with model families whose answer is known."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from synthcredit.datasets import detect
from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import InvalidInputError, StoppedError
from synthcredit.evidence.audit import Audit, Release
from synthcredit.evidence.model import Status
from synthcredit.randomness import BLOCK_ROWS
from synthcredit.steps.audit_files import CANARY_MODELS, AuditRequest, _units, audit_files
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.features import Discrete, rows_of, take
from synthcredit.synthesizers.protocol import Synthesizer
from synthcredit.synthesizers.registry import Family
from synthcredit.synthesizers.settings import Settings

PIECES = 6 + 3 * CANARY_MODELS + 1


class _Kept(Synthesizer):
    """What both families share: they keep their training rows, and count how often they are fitted."""

    fits = 0

    def _fit(self, features, fitting):
        type(self).fits += 1
        fitting.progress(0.5, "half way")
        self._rows = features

    def _config(self):
        return {}

    def _restore(self, config, arrays):
        raise NotImplementedError


class Memory(_Kept):
    """Gives out its training rows again, and writes them into its file."""

    name = "memory"

    def _draw(self, rng, given):
        return take(self._rows, rng.integers(0, rows_of(self._rows), BLOCK_ROWS))

    def _arrays(self):
        return {k: f.codes if isinstance(f, Discrete) else f.values for k, f in self._rows.items()}


class Margins(_Kept):
    """Draws each column on its own; its file says nothing."""

    name = "margins"

    def _draw(self, rng, given):
        n = rows_of(self._rows)
        return {name: take({name: f}, rng.integers(0, n, BLOCK_ROWS))[name] for name, f in self._rows.items()}

    def _arrays(self):
        return {"none": np.zeros(1)}


@pytest.fixture(autouse=True)
def families(monkeypatch):
    monkeypatch.setitem(sys.modules, "known_families", SimpleNamespace(Memory=Memory, Margins=Margins))
    for each in (Memory, Margins):
        family = Family(each.name, "", Settings, f"known_families:{each.__name__}", "")
        monkeypatch.setitem(registry.FAMILIES, each.name, family)
        monkeypatch.setattr(each, "fits", 0)


@pytest.fixture(scope="module")
def request_for(german_credit):
    def make(synthesizer, **more):
        sizes = {"shadows": 6, "records": 20, "canaries": 10} | more
        return AuditRequest(german_credit, target="creditability", synthesizer=synthesizer, **sizes)

    return make


def by_part(audit):
    return {finding.part: finding for finding in audit.findings}


def test_a_model_that_memorises_is_found_by_every_attack(request_for, tmp_path):
    audit = audit_files(request_for("memory"), tmp_path)
    assert audit.leaks
    found = by_part(audit)
    assert {part for part, finding in found.items() if finding.status is Status.FAILED} == {
        "outlying records",
        "random records",
        "canaries",
        "canaries, 8 times",
        "model file, values",
        "model file, sampling",
    }
    assert [finding.part for finding in audit.findings if not finding.counts] == [
        "canaries, 8 times",
        "model file, values",
        "model file, sampling",
    ]
    assert audit.shadow[0].auc.low > 0.95
    none, once, often = audit.canaries
    assert none.p_value > 0.01
    assert none.exact.value == 0
    assert (once.p_value, often.p_value) == (1 / 200, 1 / 200)
    assert once.nearest.value > 0.9
    assert once.exact.value > 0.9
    assert audit.whitebox.values_excess.low > 0.9


def test_a_model_of_margins_is_not_accused(request_for, tmp_path):
    audit = audit_files(request_for("margins", shadows=32, records=100, release=Release.MODEL), tmp_path)
    assert audit.verdict == "No leak was found by these attacks."
    assert all(finding.status is Status.PASSED for finding in audit.findings)
    assert all(finding.counts for finding in audit.findings if finding.part != "canaries, 8 times")
    assert audit.shadow[0].auc.low < 0.55
    assert [result.repeats for result in audit.canaries] == [0, 1, 8]
    assert all(result.exposure.low < result.by_chance for result in audit.canaries)


def test_constraints_change_nothing_of_an_audit(request_for, german_credit, tmp_path):
    schema = detect.detect_schema(german_credit, target="creditability").schema
    order = {"kind": "order", "columns": ["duration.in.month", "credit.amount"]}
    declared = TableSchema.model_validate(schema.model_dump() | {"constraints": [order]})
    asked = request_for("margins")
    audit = audit_files(replace(asked, table_schema=declared), tmp_path / "one")
    assert audit.shadow == audit_files(replace(asked, table_schema=schema), tmp_path / "other").shadow


@pytest.mark.parametrize("seed", range(1, 3))
def test_a_model_of_margins_is_not_accused_with_other_seeds(request_for, tmp_path, seed):
    audit = audit_files(request_for("margins", seed=seed), tmp_path)
    assert all(finding.status is not Status.FAILED for finding in audit.findings)


def test_trees_are_audited_through_their_file_too(request_for, tmp_path):
    settings = {"k": 2, "trees": 1, "leaf_rows": 2, "few_values_leaf_rows": 2, "target_leaf_rows": 2}
    audit = audit_files(request_for("trees", settings=settings, release=Release.MODEL), tmp_path)
    assert audit.leaks
    assert audit.shadow[0].auc.low > 0.6
    assert by_part(audit)["model file, likelihood"].status is Status.FAILED
    assert audit.settings == settings | {"max_rows": 100_000}


def test_an_interrupted_audit_goes_on_and_ends_as_if_it_had_not_been(request_for, tmp_path):
    whole = audit_files(request_for("memory", canaries=5), tmp_path / "one")
    assert Memory.fits == PIECES
    said = []

    def stop(done, message):
        said.append((done, message))
        if "model 9 of" in message:
            raise StoppedError([])

    with pytest.raises(StoppedError):
        audit_files(request_for("memory", canaries=5), tmp_path / "two", progress=stop)
    assert [done for done, _ in said] == sorted(done for done, _ in said)
    assert any("model 3 of 16 (shadow-2), about" in message for _, message in said)
    before = Memory.fits
    again = audit_files(request_for("memory", canaries=5), tmp_path / "two")
    assert Memory.fits - before == PIECES - 8
    assert again.findings == whole.findings
    assert again.model_dump(exclude={"created_at", "seconds"}) == whole.model_dump(exclude={"created_at", "seconds"})

    before = Memory.fits
    audit_files(request_for("memory", canaries=5, release=Release.MODEL), tmp_path / "two")
    assert Memory.fits == before
    (work,) = (tmp_path / "two" / "work").iterdir()
    assert {path.suffix for path in work.iterdir()} == {".json"}
    (work / "file.json").write_text("{}")
    (work / "plain-1.json").write_text("half a fi")
    audit_files(request_for("memory", canaries=5), tmp_path / "two")
    assert Memory.fits == before + 2
    audit_files(request_for("memory", canaries=5, seed=1), tmp_path / "two")
    assert Memory.fits == before + 2 + PIECES


def test_the_findings_are_written_for_programs_and_for_people(request_for, tmp_path):
    audit = audit_files(request_for("memory"), tmp_path)
    assert Audit.model_validate_json((tmp_path / "audit.json").read_bytes()) == audit
    html = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert "A leak was found." in html
    assert "Does not count: the model file is not handed out." in html
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    for finding in audit.findings:
        assert finding.part.capitalize() in html


def test_what_is_kept_of_a_model_is_no_row(request_for, tmp_path):
    audit_files(request_for("memory"), tmp_path)
    for path in (tmp_path / "work").rglob("*.json"):
        content = json.loads(path.read_text())
        assert set(content) == {"seconds", "values", "exact", "whitebox"}
        # Logarithms of distances: no amount and no age of this table is among them.
        assert all(-8 < value < 8 for values in content["values"] for value in values)


def test_a_holdout_of_its_own_leaves_all_of_the_data_to_train(german_credit, tmp_path):
    frame = pd.read_csv(german_credit)
    frame[:600].to_csv(tmp_path / "train.csv", index=False)
    frame[600:].to_csv(tmp_path / "holdout.csv", index=False)
    schema = detect.detect_schema(german_credit, target="creditability").schema
    asked = AuditRequest(
        tmp_path / "train.csv", None, tmp_path / "holdout.csv", schema, "margins", {}, shadows=6, canaries=5, records=5
    )
    audit = audit_files(asked, tmp_path)
    assert (audit.rows["train"], audit.rows["holdout"], audit.rows["shadow"]) == (600, 400, 500)


def test_where_people_have_several_rows_repeated_canaries_count(german_credit, tmp_path):
    frame = pd.read_csv(german_credit)
    frame.insert(0, "customer_id", [f"C-{at // 2:05d}" for at in range(len(frame))])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    found = detect.detect_schema(tmp_path / "rows.csv", target="creditability").schema
    schema = TableSchema.model_validate(found.model_dump() | {"customer": "customer_id", "primary_key": None})
    asked = AuditRequest(
        tmp_path / "rows.csv", None, None, schema, "memory", {}, shadows=6, canaries=5, records=20
    )  # fmt: skip
    audit = audit_files(asked, tmp_path)
    assert by_part(audit)["canaries, 8 times"].counts
    assert audit.rows["shadow"] == 500


def test_a_row_without_a_customer_is_its_own():
    import pyarrow as pa

    table = pa.table({"who": ["a", None, "b", "a", None]})
    units = _units(table, "who")
    assert units[0] == units[3]
    assert sorted(set(units)) == [0, 1, 2, 3]
    assert _units(table, None).tolist() == [0, 1, 2, 3, 4]


def test_numbers_out_of_range_are_all_said_at_once(request_for, tmp_path):
    with pytest.raises(InvalidInputError) as error:
        audit_files(request_for("memory", shadows=7, records=1, canaries=2, seed=-1), tmp_path)
    assert {problem.field for problem in error.value.problems} == {"shadows", "records", "canaries", "seed"}
    with pytest.raises(InvalidInputError, match="canaries"):
        audit_files(request_for("memory", canaries=100), tmp_path)
    with pytest.raises(InvalidInputError, match="nonsense"):
        audit_files(request_for("nonsense"), tmp_path)


def test_data_that_is_too_small_or_has_nothing_to_learn_is_refused(german_credit, tmp_path):
    pd.read_csv(german_credit).head(90).to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(InvalidInputError) as error:
        audit_files(AuditRequest(tmp_path / "few.csv", synthesizer="memory"), tmp_path)
    assert len(error.value.problems) == 2
    pd.DataFrame({name: [f"{name}-{at:06d}" for at in range(400)] for name in "XY"}).to_csv(
        tmp_path / "ids.csv", index=False
    )
    with pytest.raises(InvalidInputError, match="no column of it is learned"):
        audit_files(AuditRequest(tmp_path / "ids.csv", synthesizer="memory"), tmp_path)
    with pytest.raises(InvalidInputError):
        audit_files(AuditRequest(Path("nowhere.csv"), synthesizer="memory"), tmp_path)

"""A whole job in one process: what comes out, what is reused, and what happens when something goes wrong."""

import errno
import hashlib
import json
import os
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.json as pj
import pyarrow.parquet as pq
import pytest

import synthcredit
from synthcredit.errors import (
    ConflictError,
    GateNotMetError,
    InvalidInputError,
    NotFoundError,
    Problem,
    StoppedError,
    StorageError,
)
from synthcredit.jobs.job import State
from synthcredit.jobs.manifest import Manifest, dataset_hash
from synthcredit.local import workflow
from synthcredit.local.world import open_world

# Small tables are noisy; what is tested here is the way of a job, not how good the model is. Basic evidence is faster.
EASY = {"max_tstr_loss": 1.0, "min_pair_trends": 0.5}
HASTE = {"gate": EASY, "evidence": "basic"}


@pytest.fixture
def place(tmp_path):
    return {"home": tmp_path / "home", "out": tmp_path / "out"}


def _run(data, place, **changes):
    return synthcredit.run(data, **{"target": "default", "rows": 300, **HASTE, **place, **changes})


def _own_models(place):
    return [card for card in synthcredit.models(place["home"]) if card.dataset == "applicants"]


def _events(place) -> list[str]:
    lines = (place["home"] / "events.jsonl").read_text().splitlines()
    return [json.loads(line)["detail-type"] for line in lines]


def test_a_job_delivers_data_proof_and_provenance(applicants, place):
    done = _run(applicants, place)
    folder = place["out"] / done.job.job_id
    assert done.job.state is State.SUCCEEDED
    for name in ("report.html", "evidence.json", "manifest.json", "run.log", "plots"):
        assert (folder / name).exists(), name
    assert list((folder / "data" / "applicants").glob("*.parquet"))
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    for output in manifest.outputs:
        content = (folder / output.name).read_bytes()
        assert (output.sha256, output.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert manifest.dataset_hash == dataset_hash(output.sha256 for output in manifest.outputs)
    assert manifest.data_hash == hashlib.sha256(applicants.read_bytes()).hexdigest()
    assert _events(place) == ["JobAccepted", *["JobProgressed"] * 6, "JobSucceeded"]
    assert set(done.job.seconds) == {"plan", "train", "generate", "assess", "gate", "publish"}


def test_rows_look_like_the_real_ones_and_people_are_made_up(applicants, place):
    done = _run(applicants, place)
    table = done.to_arrow()
    assert table.column_names == pc.read_csv(applicants).column_names
    assert table.num_rows == 300
    real = pc.read_csv(applicants)
    for column in ("e-mail", "customer id"):
        made = table[column].to_pylist()
        assert len(set(made)) == 300
        assert not set(made) & set(real[column].to_pylist()) or column == "customer id"
    assert done.to_pandas(5).shape == (5, 8)
    log = (done.folder / "run.log").read_text()
    assert not any(mail in log for mail in real["e-mail"].to_pylist())


def test_the_same_request_is_the_same_job_and_again_gives_the_same_bytes(applicants, place):
    first = _run(applicants, place)
    second = _run(applicants, place)
    assert second.job == first.job
    heard = []
    third = _run(applicants, place, again=True, listener=lambda step, done, message: heard.append(step))
    assert "generate" in heard
    assert third.job.job_id == first.job.job_id
    assert third.manifest.dataset_hash == first.manifest.dataset_hash
    assert third.manifest.model_reused


def test_a_finished_job_is_delivered_once_more_to_another_place(applicants, place, tmp_path):
    first = _run(applicants, place)
    heard = []
    second = _run(applicants, {**place, "out": tmp_path / "elsewhere"}, listener=lambda step, *_: heard.append(step))
    assert heard == []
    assert second.folder == tmp_path / "elsewhere" / first.job.job_id
    assert second.report.read_bytes() == first.report.read_bytes()


def test_a_model_is_reused_for_the_same_data_and_trained_for_other_data(applicants, place, tmp_path):
    first = _run(applicants, place)
    second = _run(applicants, place, seed=1)
    assert (first.manifest.model_reused, second.manifest.model_reused) == (False, True)
    assert second.manifest.model_id == first.manifest.model_id
    assert second.manifest.dataset_hash != first.manifest.dataset_hash
    (card,) = _own_models(place)
    assert card.rows_released == 600
    assert card.scores
    fewer = tmp_path / "applicants.csv"
    fewer.write_text("\n".join(applicants.read_text().splitlines()[:500]) + "\n")
    assert not _run(fewer, place).manifest.model_reused
    assert not _run(applicants, place, seed=2, reuse=False).manifest.model_reused


def test_the_number_of_processes_cannot_be_seen_in_the_data(applicants, tmp_path, monkeypatch):
    monkeypatch.setattr(workflow, "ROWS_WORTH_A_PROCESS", 10_000)
    body = {
        "source": {"kind": "dataset", "uri": str(applicants), "target": "default"},
        "rows": 30_000,
        **HASTE,
    }
    hashes = {
        synthcredit.run_request(
            body, home=tmp_path / f"home{workers}", out=tmp_path / f"out{workers}", workers=workers
        ).manifest.dataset_hash
        for workers in (1, 2)
    }
    assert len(hashes) == 1


def test_data_can_come_from_memory(applicants, place):
    frame = pc.read_csv(applicants).to_pandas()
    done = _run(frame, place)
    assert done.manifest.rows == 300
    assert _run(pc.read_csv(applicants), place).manifest.rows == 300


def test_a_holdout_can_be_given_and_then_all_data_trains(applicants, place, tmp_path):
    lines = applicants.read_text().splitlines()
    train, held = tmp_path / "train.csv", tmp_path / "held.csv"
    train.write_text("\n".join(lines[:451]) + "\n")
    held.write_text("\n".join([lines[0], *lines[451:]]) + "\n")
    done = _run(train, place, holdout=held)
    split = done.manifest.split
    assert (split.rule, split.train_rows, split.holdout_rows) == ("given", 450, 150)
    assert done.manifest.request.source.holdout == str(held)
    again = synthcredit.generate(done.manifest.model_id, rows=50, **HASTE, **place)
    assert again.manifest.split.hash == split.hash


def test_rows_come_from_a_model_by_its_id(applicants, place):
    card = synthcredit.train(applicants, target="default", home=place["home"])
    done = synthcredit.generate(card.model_id, rows=120, **HASTE, **place)
    assert done.manifest.model_reused
    assert done.to_arrow().num_rows == 120
    assert synthcredit.train(applicants, target="default", home=place["home"]) == _own_models(place)[0]
    model = synthcredit.load_model(card.model_id, place["home"])
    assert sum(batch.num_rows for batch in model.sample(10, seed=1)) == 10


def test_a_model_is_not_judged_by_other_data(applicants, german_credit, place, tmp_path):
    copy = tmp_path / "copy.csv"
    copy.write_bytes(applicants.read_bytes())
    card = synthcredit.train(copy, target="default", home=place["home"])
    with pytest.raises(ConflictError, match="changed since the model was trained"):
        synthcredit.generate(card.model_id, data=german_credit, **place)
    copy.unlink()
    with pytest.raises(NotFoundError, match="does not exist"):
        synthcredit.generate(card.model_id, **place)
    moved = synthcredit.generate(card.model_id, data=applicants, rows=50, **HASTE, **place)
    assert moved.manifest.rows == 50


def test_an_unknown_model_is_said_to_be_unknown(place):
    with pytest.raises(NotFoundError, match="no model 'trees-nothing'"):
        synthcredit.generate("trees-nothing", **place)


def test_a_gate_that_is_not_met_delivers_nothing_and_keeps_the_proof(applicants, place):
    with pytest.raises(GateNotMetError) as caught:
        _run(applicants, place, gate={"min_pair_trends": 1.0, "max_tstr_loss": 1.0})
    (problem,) = caught.value.problems
    assert "pair" in problem.field
    assert problem.fix
    assert not place["out"].exists()
    (job,) = open_world(**place).jobs.all()
    assert (job.state, job.step, job.failure.error) == (State.FAILED, "gate", "GateNotMet")
    kept = place["home"] / "lake" / "jobs" / job.job_id
    assert (kept / "report.html").exists()
    assert (kept / "evidence.json").exists()
    assert not list(kept.rglob("*.parquet"))
    assert _events(place)[-1] == "JobFailed"


STEPS = {
    "plan": "synthcredit.steps.learned_plan.plan_learned",
    "train": "synthcredit.steps.train.train_model",
    "generate": "synthcredit.datasets.write.write_part",
    "assess": "synthcredit.evidence.assess.assess",
    "gate": "synthcredit.steps.gate.judge",
    "publish": "synthcredit.steps.publish._manifest",
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", ["refusal", "full disk", "own fault"])
def test_a_job_that_fails_says_where_and_why_and_leaves_nothing(applicants, place, monkeypatch, step, fault):
    raised, expected = {
        "refusal": (InvalidInputError(Problem("x", "y", "z")), InvalidInputError),
        "full disk": (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/file"), StorageError),
        "own fault": (ZeroDivisionError("ours"), ZeroDivisionError),
    }[fault]

    def fail(*_args, **_kwargs):
        raise raised

    with monkeypatch.context() as patch:
        _import(STEPS[step])
        patch.setattr(STEPS[step], fail)
        with pytest.raises(expected):
            _run(applicants, place)
    (job,) = open_world(**place).jobs.all()
    assert (job.state, job.step) == (State.FAILED, step)
    assert job.failure.problems
    assert not place["out"].exists() or not list(place["out"].iterdir())
    assert not list((place["home"] / "lake").rglob("*.parquet"))
    assert _events(place)[-1] == "JobFailed"
    # What was mended runs through, under the same job.
    done = _run(applicants, place)
    assert (done.job.job_id, done.job.state, done.job.failure) == (job.job_id, State.SUCCEEDED, None)


def test_a_database_that_fails_leaves_what_is_published_and_the_same_request_goes_on(applicants, place, tmp_path):
    request = {
        "source": {"kind": "dataset", "uri": str(applicants), "target": "default"}, "rows": 300, "evidence": "basic",
        "gate": EASY, "to": {"url": f"sqlite:///{tmp_path}/bank.db"},
    }  # fmt: skip
    # What stands there has other columns.
    with sqlite3.connect(tmp_path / "bank.db") as database:
        database.execute("CREATE TABLE applicants (nickname text)")
    with pytest.raises(InvalidInputError, match="the rows are published all the same"):
        synthcredit.run_request(request, **place)
    (job,) = open_world(**place).jobs.all()
    assert (job.state, job.failure.step, job.published) == (State.FAILED, "load", True)
    assert _events(place)[-1] == "JobFailed"
    delivered = place["out"] / job.job_id / "data" / "applicants" / "part-00000.parquet"
    assert pq.read_metadata(delivered).num_rows == 300
    with sqlite3.connect(tmp_path / "bank.db") as database:
        database.execute("DROP TABLE applicants")
    heard = []
    done = synthcredit.run_request(request, **place, listener=lambda step, *_: heard.append(step))
    assert (done.job.state, done.job.failure) == (State.SUCCEEDED, None)
    assert set(heard) == {"load"}
    with sqlite3.connect(tmp_path / "bank.db") as database:
        assert database.execute("SELECT count(*) FROM applicants").fetchone() == (300,)


def _import(name: str) -> None:
    __import__(name.rsplit(".", 1)[0])


@pytest.mark.parametrize("step", ["train", "assess"])
def test_a_job_is_stopped_from_its_progress(applicants, place, step):
    def stop(name, done, message):
        if name == step:
            raise StoppedError(Problem("job", "stopped by hand", "Submit it again."))

    with pytest.raises(StoppedError):
        _run(applicants, place, listener=stop)
    (job,) = open_world(**place).jobs.all()
    assert job.state is State.STOPPED
    assert _events(place)[-1] == "JobStopped"


def test_a_job_cannot_run_twice_at_once(applicants, place):
    def start_again(name, done, message):
        if name == "generate":
            with pytest.raises(ConflictError, match="running in another process"):
                _run(applicants, place)

    assert _run(applicants, place, listener=start_again).job.state is State.SUCCEEDED


def test_there_has_to_be_room_for_the_rows(applicants, place):
    with pytest.raises(InvalidInputError, match="GB are free"):
        _run(applicants, place, rows=10**10)


def test_a_schema_can_be_changed_and_passed_back(applicants, place):
    schema = synthcredit.detect_schema(applicants, target="default")

    def with_most_months(most: float):
        columns = (c.model_copy(update={"maximum": most}) if c.name == "months" else c for c in schema.columns)
        return schema.model_copy(update={"columns": tuple(columns)})

    done = _run(applicants, place, schema=with_most_months(48))
    assert done.schema == with_most_months(48)
    assert max(done.to_arrow()["months"].to_pylist()) == 48
    # Another schema is another model.
    assert not _run(applicants, place, schema=with_most_months(60)).manifest.model_reused
    without = schema.model_copy(update={"columns": schema.columns[1:], "primary_key": None})
    with pytest.raises(InvalidInputError, match="customer id"):
        _run(applicants, place, schema=without)


def _json(path: Path) -> pa.Table:
    return pa.Table.from_pylist(json.loads(path.read_text()))


@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "parquet"])
def test_one_file_is_delivered_where_it_was_asked_for(applicants, tmp_path, form):
    goal = tmp_path / "deep" / f"rows.{form}"
    done = _run(applicants, {"home": tmp_path / "home", "out": goal}, rows=50)
    assert done.data == (goal,)
    table = {"csv": pc.read_csv, "jsonl": pj.read_json, "parquet": pq.read_table, "json": _json}[form](goal)
    assert table.column_names == pc.read_csv(applicants).column_names
    assert table.num_rows == 50
    assert {path.name for path in goal.parent.iterdir()} == {goal.name}


def test_several_forms_at_once(applicants, place):
    body = {
        "source": {"kind": "dataset", "uri": str(applicants), "target": "default"},
        "rows": 40,
        **HASTE,
        "deliver": ["csv", "parquet", "jsonl"],
    }
    done = synthcredit.run_request(body, **place)
    assert {Path(path).suffix for path in done.data} == {".csv", ".parquet", ".jsonl"}
    assert all(path.exists() for path in done.data)


def test_conditions_are_met_recorded_and_proven(applicants, place):
    asked = {"target_rate": 0.5, "where": {"months": {"min": 12, "max": 60}, "purpose": ["car", "home"]}}
    done = _run(applicants, place, rows=1_001, synthesizer="copula", conditions=asked)
    frame = done.to_pandas()
    assert frame["months"].between(12, 60).all()
    counts = frame["default"].value_counts()
    assert abs(counts.iloc[0] - counts.iloc[1]) == 1
    quota = done.manifest.steering.quota
    assert quota.shares == (0.5, 0.5)
    assert min(quota.trained) < 0.5
    assert done.manifest.request.conditions.target_rate == 0.5
    checks = {(check.expectation, check.column): check.passed for check in done.evidence.validity}
    assert checks["conditions_where", "months"]
    assert checks["conditions_shares", "default"]
    assert any("shares of 'default' shifted" in note for note in done.evidence.notes)


def test_conditions_nobody_can_meet_are_refused_before_the_work(applicants, place):
    asked = {"target_rate": 0.5, "where": {"month": 3, "months": {"min": "young"}}}
    with pytest.raises(InvalidInputError) as refused:
        _run(applicants, place, conditions=asked)
    assert [problem.field for problem in refused.value.problems] == [
        "conditions.where.month",
        "conditions.where.months",
    ]


def test_a_segment_of_few_real_rows_is_said_to_be_unprovable(applicants, place):
    with pytest.raises(GateNotMetError):
        _run(applicants, place, synthesizer="copula", conditions={"where": {"months": {"min": 30, "max": 30}}})
    (log,) = place["out"].rglob("run.log") if place["out"].exists() else (place["home"].rglob("run.log"))
    assert "too few to prove the result by" in log.read_text()


def test_given_rows_are_completed(applicants, place, tmp_path):
    card = synthcredit.train(applicants, target="default", synthesizer="copula", home=place["home"])
    given = tmp_path / "given.csv"
    given.write_text("months,annual income\n40,\n,25000\n55,30000\n")
    out = synthcredit.complete(given, card.model_id, tmp_path / "whole.csv", home=place["home"])
    whole = pc.read_csv(out)
    assert whole.column_names == card.table_schema.names
    assert whole["months"].to_pylist()[::2] == [40, 55]
    assert whole["annual income"].to_pylist()[1:] == [25_000, 30_000]
    assert whole["default"].null_count == 0

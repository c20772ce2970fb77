"""What the shell shows of jobs that run elsewhere."""

import io
import re
from datetime import UTC, datetime

import pytest
from rich.console import Console

from synthcredit import console
from synthcredit.client import JobStatus
from synthcredit.evidence.model import Evidence, Grade, Score, ScorePart

JOB = "0123456789abcdef01234567"
PLACES = [
    {"step": "generate", "where": "lambda", "instances": 8, "seconds": 2.0, "cost_usd": 0.0012, "why": "it is small"},
    {"step": "train", "where": "nowhere", "why": "a model is [reused]"},
]


def _job(state="running", **more):
    return JobStatus.model_validate({"job_id": JOB, "state": state, **more})


@pytest.fixture
def shown(monkeypatch):
    """What standard output and standard error get, without colours."""
    text = io.StringIO()
    for name in ("out", "err"):
        monkeypatch.setattr(console, name, Console(file=text, width=100, highlight=False))
    return text


def _watched(*looks):
    with console.progress(elsewhere=True) as listener:
        watch = console.Watch(listener)
        for look in looks:
            watch(look)
    return listener


def test_a_training_is_shown_with_how_far_it_is_and_how_long_still(shown):
    def look(done, left):
        progress = {"step": "train", "done": done, "remaining_seconds": left}
        return _job(step="train", seconds={"plan": 0.5}, progress=progress)

    _watched(_job(step="train", seconds={"plan": 0.5}), look(0.1, None), look(0.2, 90), look(0.4, 60))
    lines = [line for line in shown.getvalue().splitlines() if line.startswith("train")]
    assert lines == ["train       ..  ", "train      10%  ", "train      40%  60 s left"]
    # What is left over from a step that has ended says nothing of the next.
    assert look(0.4, 60).model_copy(update={"step": "assess"}).done is None
    console.print_job(look(0.4, 60))
    assert "at step train, 40% done, 60 s left" in shown.getvalue()


def test_a_job_is_shown_a_line_a_step_with_where_and_why(shown):
    looks = [
        _job("accepted"),
        _job(step="plan"),
        _job(step="plan"),
        _job(step="generate", seconds={"plan": 0.5}, placement=PLACES),
        _job("succeeded", step="notify", seconds={"publish": 0.2, "plan": 0.5, "generate": 1.25}, placement=PLACES),
    ]
    _watched(*looks)
    assert shown.getvalue().splitlines() == [
        f"claim       ..  job {JOB}",
        f"claim     100%  job {JOB}",
        "plan        ..  ",
        "plan      100%  0.5 s",
        "train     100%  nowhere: a model is [reused]",
        "generate    ..  lambda x 8: it is small",
        "generate  100%  1.2 s, lambda x 8: it is small",
        "publish   100%  0.2 s",
    ]


def test_an_attempt_that_failed_and_a_stop_under_way_are_said_once_each(shown):
    _watched(
        _job(step="train"),
        *[_job(step="train", failure={"step": "train", "error": "Storage"})] * 2,
        _job(step="train", failure={"step": "train", "error": "Stopped"}),
    )
    assert [line.split("..")[1].strip() for line in shown.getvalue().splitlines()[1:]] == [
        "",
        "an attempt failed: Storage",
        "being stopped",
    ]


def test_the_step_that_a_job_ended_at_is_told(shown):
    failure = {"step": "gate", "error": "GateNotMet"}
    _watched(_job(step="gate"), _job("failed", step="gate", failure=failure))
    _watched(_job("stopped", step="train", failure={"step": "train", "error": "Stopped"}))
    lines = shown.getvalue().splitlines()
    assert lines[1:3] == ["gate        ..  ", "gate        0%  failed: GateNotMet"]
    assert lines[-1] == "train       0%  stopped"


def test_on_a_terminal_every_step_is_a_bar_that_ends(monkeypatch):
    text = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=text, width=100, force_terminal=True, highlight=False))
    listener = _watched(
        _job(step="plan"), _job(step="generate", seconds={"plan": 0.5}, placement=PLACES), _job("failed", step="gate")
    )
    assert set(listener.seen) == {"claim", "plan", "train", "generate", "gate"}
    bars = text.getvalue()
    for words in ("plan", "generate", "lambda x 8: it is small", "✓"):
        assert words in bars


def test_one_job_is_shown_in_full(shown):
    job = _job(
        "failed",
        rows=2000,
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        seconds={"plan": 0.5, "generate": 1.0},
        placement=PLACES,
        failure={"step": "gate", "error": "GateNotMet", "problems": [{"field": "a", "problem": "b", "fix": "C."}]},
        results={"manifest.json": "s3://lake/manifest.json"},
    )
    console.print_job(job)
    for words in (
        f"Job {JOB}: failed",
        "2,000 rows, asked 2026-01-02 03:04:05 UTC",
        "train nowhere a model is [reused]",
        "generate 1.0 s 2.0 s $0.0012 lambda x 8 it is small",
        "Failed at step gate:",
        "a: b. C.",
        "manifest.json s3://lake/manifest.json",
    ):
        assert words in re.sub(" +", " ", shown.getvalue()), words


def test_a_job_under_way_says_where_it_is_and_what_went_wrong_before(shown):
    console.print_job(_job(step="train", failure={"step": "train", "error": "Storage"}))
    assert f"Job {JOB}: running, at step train" in shown.getvalue()
    assert "Last attempt failed at step train:" in shown.getvalue()


def test_jobs_are_a_table_of_a_line_each(shown):
    console.out.print(console.jobs_table([_job(rows=5, created_at=datetime(2026, 1, 2, tzinfo=UTC)), _job("stopped")]))
    lines = shown.getvalue().splitlines()
    assert [line.split() for line in lines[1:]] == [
        [JOB, "running", "claim", "5", "2026-01-02", "00:00"],
        [JOB, "stopped", "claim"],
    ]


def test_steps_come_in_their_order_and_unknown_ones_last():
    assert console.in_order(["publish", "other", "plan", "train"]) == ["plan", "train", "publish", "other"]


def test_a_question_is_for_programs_too():
    assert console.asked_as_json(None) == {}
    asked = console.Asked("SELECT 1", [{"a": "1"}])
    assert console.asked_as_json(asked) == {"sql": "SELECT 1", "answer": [{"a": "1"}]}


def test_the_worst_parts_of_a_score_are_shown_and_one_that_is_not_judged_is_said(shown):
    parts = [ScorePart(name=f"part {i}", points=10.0 * i, reason=f"reason [{i}]") for i in range(5)]
    scores = (
        Score(name="quality", points=0.0, grade=Grade.VERY_POOR, parts=tuple(parts), reason="Part 0 decides."),
        Score(name="privacy", points=None, grade=None, parts=(), reason="No score."),
    )
    evidence = Evidence(
        table="t", target=None, rows={}, validity=(), fidelity=(), columns={}, utility=(), privacy=(), scores=scores
    )
    console.print_evidence(evidence, [])
    said = shown.getvalue()
    assert "Quality: 0 of 100, Very poor. Part 0 decides." in said
    assert "Privacy: not judged. No score." in said
    assert "part 2: reason [2]" in said
    assert "part 3" not in said

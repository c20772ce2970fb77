"""What the command line shows: progress, summaries, tables and errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from synthcredit.errors import Problem, StoppedError, SynthcreditError
from synthcredit.evidence.model import Figure
from synthcredit.jobs.job import State, in_words

if TYPE_CHECKING:
    from synthcredit.api import Assessment, Result, TablesAssessment
    from synthcredit.client import JobStatus
    from synthcredit.client.answers import StepPlace, StepProgress
    from synthcredit.evidence.model import Evidence, Finding, Score
    from synthcredit.steps.compare_files import Comparison
    from synthcredit.synthesizers.card import ModelCard

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

STEPS = ("claim", "plan", "train", "generate", "assess", "gate", "publish", "load", "notify")
"""The steps of a job, in order."""
_WORST = 3
"""Parts of a score that the shell shows, the worst ones."""
_SHOWN = {"report": "report.html", "evidence": "evidence.json", "manifest": "manifest.json", "log": "run.log"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was put to published rows, and its answer or why there is none."""

    sql: str
    rows: Sequence[Mapping[str, str | None]] = ()
    why_not: str | None = None


def in_order(steps: Iterable[str]) -> list[str]:
    """Return names of steps in the order in which they run; a store may have shuffled them."""
    return sorted(steps, key=lambda name: STEPS.index(name) if name in STEPS else len(STEPS))


def as_json(result: Result) -> dict[str, Any]:
    """Return what a program wants to know of a result."""
    return {
        "job_id": result.job.job_id,
        "state": result.job.state,
        "model_id": result.manifest.model_id,
        "rows": result.manifest.rows,
        "dataset_hash": result.manifest.dataset_hash,
        "seconds": result.job.seconds,
        "findings": [finding.model_dump(mode="json") for finding in result.findings],
        "data": [str(path) for path in result.data],
        "folder": str(result.folder),
    }


def asked_as_json(asked: Asked | None) -> dict[str, Any]:
    """Return what a program wants to know of a question."""
    return {} if asked is None else {"sql": asked.sql, "answer": asked.rows}


def summary(result: Result, *, new: bool, places: Mapping[str, str] | None = None, asked: Asked | None = None) -> None:
    """Show scores, verdict, times, places and a taste of a result.

    Parameters
    ----------
    result
        A job that has succeeded.
    new
        Whether it was done now.
    places
        Where it lies besides; by name.
    asked
        A question that was put to the published rows, with its answer.
    """
    job, manifest = result.job, result.manifest
    if not new:
        when = job.updated_at.strftime("%Y-%m-%d %H:%M UTC")
        out.print(f"This job was done before ({when}); --again runs it anew.\n")
    print_evidence(result.evidence, result.findings)
    _print_times(job.seconds)
    out.print()
    out.print("[italic]Where it lies[/italic]")
    for name, place in (_places(result) | dict(places or {})).items():
        out.print(f"{name:9} {escape(place)}", soft_wrap=True)
    out.print()
    _print_taste(result)
    if asked is not None:
        _print_asked(asked)
    out.print(f"\n[bold green]PASSED[/bold green]: {manifest.rows:,} synthetic rows met the gate and were delivered.")


def _print_times(seconds: Mapping[str, float]) -> None:
    times = Table(title="Time", title_justify="left", box=None, padding=(0, 2, 0, 0))
    known = in_order(seconds)
    for name in known:
        times.add_column(name, justify="right")
    times.add_column("total", justify="right")
    times.add_row(*(f"{seconds[name]:.1f} s" for name in known), f"{sum(seconds.values()):.1f} s")
    out.print(times)


def _places(result: Result) -> dict[str, str]:
    places = {}
    if result.data:
        folders = {path.parent for path in result.data}
        several = result.folder / "data" if len(folders) > 1 else result.data[0].parent
        places["data"] = str(several if len(result.data) > 1 else result.data[0])
    files = {name: result.folder / file for name, file in _SHOWN.items()}
    places |= {name: str(path) for name, path in files.items() if path.exists()}
    if result.manifest.book is not None:
        return places | {"scenario": result.manifest.book.scenario}
    if result.manifest.declared is not None:
        return places | {"tables": ", ".join(table.name for table in result.manifest.declared.tables)}
    how = "reused" if result.manifest.model_reused else "trained now"
    return places | {"model": f"{result.manifest.model_id} ({how})"}


def _print_asked(asked: Asked) -> None:
    out.print("\n[italic]A question to Athena[/italic]")
    out.print(escape(asked.sql), soft_wrap=True)
    if asked.why_not:
        out.print(f"Not asked: {escape(asked.why_not)}", soft_wrap=True)
        return
    answer = Table(box=None, padding=(0, 2, 0, 0))
    for name in asked.rows[0] if asked.rows else ():
        answer.add_column(escape(name))
    for row in asked.rows:
        answer.add_row(*(escape(value or "") for value in row.values()))
    out.print(answer)


_TOLD = frozenset(
    {
        Figure.PAIR_TRENDS,
        Figure.ASSOCIATIONS_KEPT,
        Figure.SDMETRICS_QUALITY,
        Figure.SDMETRICS_SHAPES,
        Figure.SDMETRICS_TRENDS,
        Figure.SDMETRICS_DIAGNOSTIC,
        Figure.TSTR,
        Figure.TRTR,
        Figure.TSTR_LOSS,
        Figure.COPIED,
        Figure.COPIED_EXCESS,
        Figure.CLOSENESS_EXCESS,
        Figure.MEMBERSHIP_NEAREST,
        Figure.ATTRIBUTE_RISK,
        Figure.SINGLING_OUT_RISK,
        Figure.LINKABILITY_RISK,
    }
)
"""What the shell shows of the figures; the report has them all."""


def print_evidence(evidence: Evidence, findings: Sequence[Finding]) -> None:
    """Show both scores with their worst parts, figures beside fresh real rows, and what the gate says."""
    if evidence.scores:
        out.print("[italic]Scores[/italic]")
    for score in evidence.scores:
        out.print(f"[bold]{score.name.capitalize()}: {_graded(score)}[/bold]. {escape(score.reason)}", soft_wrap=True)
        for part in [part for part in score.parts if part.points is not None][:_WORST]:
            out.print(f"  {part.points:3.0f}  {escape(part.name)}: {escape(part.reason)}", soft_wrap=True)
    if evidence.scores:
        out.print()
    figures = Table(title="Figures", title_justify="left", box=None, padding=(0, 2, 0, 0))
    figures.add_column("measure")
    figures.add_column("synthetic", justify="right")
    figures.add_column("fresh real rows", justify="right")
    measures = (*evidence.fidelity, *evidence.utility, *evidence.credit, *evidence.privacy)
    for measure in filter(lambda one: one.name in _TOLD, measures):
        value = "not judged" if measure.value is None else f"{measure.value:.3f}"
        figures.add_row(measure.title, value, "" if measure.fresh is None else f"{measure.fresh:.3f}")
    if measures:
        out.print(figures)
    more = sum(measure.name not in _TOLD for measure in measures)
    out.print(f"and {more} more in the report.\n" if more else "")
    _print_findings("Gate", findings)
    out.print()


def _print_findings(title: str, findings: Sequence[Finding]) -> None:
    verdict = Table(title=escape(title), title_justify="left", box=None, padding=(0, 2, 0, 0))
    verdict.add_column("part", no_wrap=True)
    verdict.add_column("", no_wrap=True)
    verdict.add_column("why")
    for finding in findings:
        verdict.add_row(escape(finding.part), _coloured(finding), escape(finding.reason))
    out.print(verdict)


def _graded(score: Score) -> str:
    return "not judged" if score.points is None else f"{score.points:.0f} of 100, {score.grade}"


def print_assessment(found: Assessment | TablesAssessment) -> None:
    """Show what was found of anybody's data: of one table, or of several."""
    from synthcredit.api import Assessment

    if isinstance(found, Assessment):
        print_evidence(found.evidence, found.findings)
    else:
        for name, one in found.tables.items():
            out.print(f"[bold underline]{escape(name)}[/bold underline]")
            print_evidence(one.evidence, one.findings)
        for relation in found.evidence.relations:
            _print_findings(relation.relation.name, relation.findings)
    out.print(f"\n[bold]{'The gate is met.' if found.passed else 'The gate is not met.'}[/bold]")
    out.print(f"Report: {found.report}", soft_wrap=True)


def print_comparison(found: Comparison) -> None:
    """Show two assessments side by side: verdicts, scores, figures, differences."""
    out.print(f"{escape(found.table)}: A is {escape(found.names[0])}, B is {escape(found.names[1])}\n", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for name in ("A", "B", "B - A"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("intervals")
    table.add_row("gate", *("met" if passed else "not met" for passed in found.passed))
    for score in found.scores:
        shown = [
            "not judged" if points is None else f"{points:.0f}, {grade}"
            for points, grade in zip(score.points, score.grades, strict=True)
        ]
        table.add_row(f"score of {score.name}", *shown)
    for measure in found.measures:
        values = ["not judged" if value is None else f"{value:.3f}" for value in measure.values]
        difference = "" if measure.difference is None else f"{measure.difference:+.3f}"
        apart = {True: "[bold]do not overlap[/bold]", False: "overlap", None: ""}[measure.apart]
        table.add_row(escape(measure.title), *values, difference, apart)
    out.print(table)
    for note in found.notes:
        out.print(f"Note: {escape(note)}", soft_wrap=True)


def _coloured(finding: Finding) -> str:
    colour = {"passed": "green", "failed": "red"}.get(finding.status, "yellow")
    return f"[{colour}]{finding.status}[/{colour}]"


def _print_taste(result: Result) -> None:
    """Print five synthetic rows, as many columns as fit."""
    rows = result.to_arrow(5).to_pylist() if result.parts else []
    if not rows:
        return
    room = max(1, out.width // 14)
    names = list(rows[0])
    shown = names if len(names) <= room else [*names[: room - 2], *names[-1:]]
    taste = Table(title="A taste", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in shown:
        taste.add_column(escape(name), overflow="ellipsis", no_wrap=True, max_width=14)
    for row in rows:
        taste.add_row(*(escape(str(row[name])) for name in shown))
    out.print(taste)
    if len(shown) < len(names):
        out.print(f"… and {len(names) - len(shown)} more columns.")


def models_table(cards: list[ModelCard]) -> Table:
    """Return the models as a table, a line each."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("model", no_wrap=True)
    table.add_column("target", overflow="fold")
    for name in ("learned", "released", "made"):
        table.add_column(name, no_wrap=True, justify="right")
    for card in cards:
        table.add_row(
            card.model_id,
            escape(card.table_schema.target or ""),
            f"{card.split.train_rows:,}",
            f"{card.rows_released:,}",
            f"{card.created_at:%Y-%m-%d}",
        )
    return table


def card_table(card: ModelCard) -> Table:
    """Return one model card as a table."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    rows = {
        "model": card.model_id,
        "dataset": f"{card.dataset}, {len(card.table_schema.columns)} columns, target {card.table_schema.target}",
        "settings": json.dumps(card.settings),
        "split": card.split.describe(),
        **({"continues": card.continued_from} if card.continued_from else {}),
        "fit": f"{card.fit_seconds:.1f} s, seed {card.seed}, {card.created_at:%Y-%m-%d %H:%M UTC}",
        "scores": ", ".join(f"{name} {value:.3f}" for name, value in card.scores.items()) or "not assessed yet",
        "released": f"{card.rows_released:,} rows in {len(card.released)} jobs",
        "expires": f"{card.expires_at:%Y-%m-%d}" if card.expires_at else "never",
        "licence": card.licence,
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table


def jobs_table(jobs: Iterable[JobStatus]) -> Table:
    """Return jobs as a table, a line each."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("job", "state", "step"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "asked (UTC)"):
        table.add_column(name, no_wrap=True, justify="right")
    for job in jobs:
        rows = "" if job.rows is None else f"{job.rows:,}"
        asked = "" if job.created_at is None else f"{job.created_at:%Y-%m-%d %H:%M}"
        table.add_row(job.job_id, _state(job.state), job.step, rows, asked)
    return table


def print_job(job: JobStatus) -> None:
    """Show where one job stands, where its steps run and why, and why it failed if it did."""
    at = "" if job.state.closed else f", at step {job.step}{_so_far(job)}"
    out.print(f"Job {job.job_id}: {_state(job.state)}{at}")
    if job.rows is not None and job.created_at is not None:
        out.print(f"{job.rows:,} rows, asked {job.created_at:%Y-%m-%d %H:%M:%S UTC}")
    steps = in_order({place.step for place in job.placement} | set(job.seconds))
    if steps:
        out.print()
        out.print(_steps_table(job, steps))
    if job.failure is not None:
        out.print(f"\n{'Failed' if job.state.closed else 'Last attempt failed'} at step {job.failure.step}:")
        for problem in job.failure.problems:
            print_problem(out, Problem(problem["field"], problem["problem"], problem["fix"]))
    if job.results:
        out.print("\n[italic]Where it lies[/italic]")
        for name, place in sorted(job.results.items()):
            out.print(f"{name:14} {escape(place)}", soft_wrap=True)


def _so_far(job: JobStatus) -> str:
    if job.done is None or job.progress is None:
        return ""
    return f", {_and(f'{job.done:.0%} done', _headway(job.progress))}"


def _steps_table(job: JobStatus, steps: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("step", no_wrap=True)
    for name in ("took", "estimate", "cost"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("where", no_wrap=True)
    table.add_column("why there")
    for step in steps:
        took = f"{job.seconds[step]:.1f} s" if step in job.seconds else ""
        place = job.place_of(step)
        if place is None:
            table.add_row(step, took)
        elif place.where == "nowhere":
            table.add_row(step, took, "", "", place.where, escape(place.why))
        else:
            cost = f"${place.cost_usd:.4f}"
            table.add_row(step, took, f"{place.seconds:.1f} s", cost, _where(place), escape(place.why))
    return table


def _where(place: StepPlace) -> str:
    return f"{place.where} x {place.instances}" if place.instances > 1 else place.where


def _state(state: State) -> str:
    colour = {State.SUCCEEDED: "green", State.FAILED: "red", State.STOPPED: "yellow"}.get(state)
    return f"[{colour}]{state}[/{colour}]" if colour else str(state)


class Watch:
    """Tells a listener what is new each time that one looks at a job that runs elsewhere.

    Parameters
    ----------
    listener
        Shows progress; see `progress`.
    """

    def __init__(self, listener: _Steps) -> None:
        self._listener = listener
        self._ended: set[str] = set()

    def __call__(self, job: JobStatus) -> None:
        """Tell of the steps that have ended since, and of the one that runs."""
        ended = {*job.seconds, *(place.step for place in job.placement if place.where == "nowhere")}
        if job.step != STEPS[0]:
            ended.add(STEPS[0])
        for step in in_order(ended - self._ended):
            self._ended.add(step)
            took = f"{job.seconds[step]:.1f} s" if step in job.seconds else ""
            self._listener(step, 1.0, _and(took, _described(job, step)))
        if job.step not in self._ended and job.state is not State.SUCCEEDED:
            done = 0.0 if job.state.closed else job.done
            self._listener(job.step, done, _and(_attempt(job), _described(job, job.step)))


def _described(job: JobStatus, step: str) -> str:
    if step == STEPS[0]:
        return f"job {job.job_id}"
    place = job.place_of(step)
    return "" if place is None else f"{_where(place)}: {place.why}"


def _attempt(job: JobStatus) -> str:
    if job.failure is None:
        return "" if job.progress is None or job.state.closed else _headway(job.progress)
    if job.failure.error == StoppedError.name:
        return "stopped" if job.state.closed else "being stopped"
    return f"failed: {job.failure.error}" if job.state.closed else f"an attempt failed: {job.failure.error}"


def _headway(progress: StepProgress) -> str:
    return "" if progress.remaining_seconds is None else in_words(progress.remaining_seconds)


def _and(*said: str) -> str:
    return ", ".join(filter(None, said))


class _Steps:
    """Shows the steps of a job: bars on a terminal, plain lines elsewhere."""

    def __init__(self, bars: Progress | None) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._waits: dict[str, str] = {}

    @property
    def seen(self) -> dict[str, float]:
        """The steps that have run, and how far."""
        return self._said

    def __call__(self, step: str, done: float | None, message: str) -> None:
        """Show how far a step is; None where it runs and nobody knows how far."""
        if self._bars is not None:
            self._bar(self._bars, step, done, message)
        elif done is None:
            self._wait(step, message)
        else:
            self._line(step, done, message)

    def _bar(self, bars: Progress, step: str, done: float | None, message: str) -> None:
        if step not in self._tasks:
            self._tasks[step] = bars.add_task(step, total=None, message="")
        total = None if done is None else 1.0
        # update() takes a total of None for "as before", and a bar without a total is one that pulses.
        bars.update(self._tasks[step], total=total, completed=done or 0.0, message=escape(message))
        self._said[step] = done or 0.0

    def _wait(self, step: str, message: str) -> None:
        if self._waits.get(step) != message:
            self._waits[step] = message
            err.print(f"{step:9}   ..  {escape(message)}", soft_wrap=True)

    def _line(self, step: str, done: float, message: str) -> None:
        # A line at the begin, at each quarter, and at the end: enough to see that it lives, little enough to read.
        last = self._said.get(step)
        if last is None or done >= 1.0 > last or done - last >= 0.25:
            self._said[step] = done
            err.print(f"{step:9} {done:4.0%}  {escape(message)}", soft_wrap=True)


class _WhileItRuns(TimeElapsedColumn):
    """The time since a step was first seen; nothing once it has ended, since how long it took is known better then."""

    def render(self, task: Task) -> Text:
        return Text() if task.finished else super().render(task)


@contextmanager
def progress(*, elsewhere: bool = False) -> Iterator[_Steps]:
    """Give a listener that shows progress: of this process, or of a job that runs elsewhere."""
    if not err.is_terminal:
        yield _Steps(None)
        return
    times = [_WhileItRuns()] if elsewhere else [TimeElapsedColumn(), TimeRemainingColumn(compact=True)]
    with Progress(
        SpinnerColumn(finished_text="[green]✓[/green]"),
        TextColumn("{task.description:9}"),
        BarColumn(bar_width=12 if elsewhere else 24),
        *times,
        # The one column that gives way on a narrow terminal.
        TextColumn("{task.fields[message]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        console=err,
        expand=True,
    ) as bars:
        yield _Steps(bars)


def print_error(error: SynthcreditError) -> None:
    """Show every problem, each with its fix."""
    heading = {
        "GateNotMet": "NOT MET: the gate stops this data; nothing was delivered.",
        "InvalidInput": "This cannot be worked with:",
    }.get(error.name, "It did not work:")
    err.print(f"\n[bold red]{heading}[/bold red]")
    for problem in error.problems:
        print_problem(err, problem)
    for note in getattr(error, "__notes__", ()):
        err.print(f"  {escape(note)}", soft_wrap=True)


def print_problem(console: Console, problem: Problem) -> None:
    """Show one problem with its fix."""
    said = f"  [bold]{escape(problem.field)}[/bold]: {escape(problem.problem)}. {escape(problem.fix)}"
    console.print(said, soft_wrap=True)


def print_json(content: object) -> None:
    """Print JSON to standard output."""
    sys.stdout.write(json.dumps(content, indent=1, default=str) + "\n")

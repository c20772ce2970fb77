"""What the command line shows: progress, summaries, tables and errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from synthcredit.errors import SynthcreditError

if TYPE_CHECKING:
    from synthcredit.api import Result
    from synthcredit.evidence.model import Evidence, Finding
    from synthcredit.synthesizers.card import ModelCard

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_SHOWN = {"report": "report.html", "evidence": "evidence.json", "manifest": "manifest.json", "log": "run.log"}


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


def summary(result: Result, *, new: bool) -> None:
    """Show scores, verdict, times, places and a taste of a result."""
    job, manifest = result.job, result.manifest
    if not new:
        when = job.updated_at.strftime("%Y-%m-%d %H:%M UTC")
        out.print(f"This job was done before ({when}) and nothing has changed; --again runs it anew.\n")
    print_evidence(result.evidence, result.findings)
    times = Table(title="Time", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in job.seconds:
        times.add_column(name, justify="right")
    times.add_column("total", justify="right")
    times.add_row(*(f"{seconds:.1f} s" for seconds in job.seconds.values()), f"{sum(job.seconds.values()):.1f} s")
    out.print(times)
    out.print()
    out.print("[italic]Where it lies[/italic]")
    places = {"data": str(result.data[0].parent if len(result.data) > 1 else result.data[0])}
    places |= {name: str(result.folder / file) for name, file in _SHOWN.items()}
    places["model"] = f"{manifest.model_id} ({'reused' if manifest.model_reused else 'trained now'})"
    for name, place in places.items():
        out.print(f"{name:9} {escape(place)}", soft_wrap=True)
    out.print()
    _print_taste(result)
    out.print(f"\n[bold green]PASSED[/bold green]: {manifest.rows:,} synthetic rows met the gate and were delivered.")


def print_evidence(evidence: Evidence, findings: Sequence[Finding]) -> None:
    """Show the scores beside fresh real rows, and what the gate says."""
    scores = Table(title="Scores", title_justify="left", box=None, padding=(0, 2, 0, 0))
    scores.add_column("measure")
    scores.add_column("synthetic", justify="right")
    scores.add_column("fresh real rows", justify="right")
    for measure in (*evidence.fidelity, *evidence.utility, *evidence.privacy):
        value = "not judged" if measure.value is None else f"{measure.value:.3f}"
        scores.add_row(measure.title, value, "" if measure.fresh is None else f"{measure.fresh:.3f}")
    out.print(scores)
    out.print()
    verdict = Table(title="Gate", title_justify="left", box=None, padding=(0, 2, 0, 0))
    verdict.add_column("part", no_wrap=True)
    verdict.add_column("", no_wrap=True)
    verdict.add_column("why")
    for finding in findings:
        verdict.add_row(finding.part, _coloured(finding), escape(finding.reason))
    out.print(verdict)
    out.print()


def _coloured(finding: Finding) -> str:
    colour = {"passed": "green", "failed": "red"}.get(finding.status, "yellow")
    return f"[{colour}]{finding.status}[/{colour}]"


def _print_taste(result: Result) -> None:
    """Print five synthetic rows, as many columns as fit."""
    rows = result.to_arrow(5).to_pylist()
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
        "fit": f"{card.fit_seconds:.1f} s, seed {card.seed}, {card.created_at:%Y-%m-%d %H:%M UTC}",
        "scores": ", ".join(f"{name} {value:.3f}" for name, value in card.scores.items()) or "not assessed yet",
        "released": f"{card.rows_released:,} rows in {len(card.released)} jobs",
        "expires": f"{card.expires_at:%Y-%m-%d}" if card.expires_at else "never",
        "licence": card.licence,
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table


class _Steps:
    """Shows the steps of a job: bars on a terminal, plain lines elsewhere."""

    def __init__(self, bars: Progress | None) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}

    @property
    def seen(self) -> dict[str, float]:
        """The steps that have run, and how far."""
        return self._said

    def __call__(self, step: str, done: float, message: str) -> None:
        if self._bars is None:
            self._line(step, done, message)
        else:
            if step not in self._tasks:
                self._tasks[step] = self._bars.add_task(step, total=1.0, message="")
            self._bars.update(self._tasks[step], completed=done, message=escape(message))
            self._said[step] = done

    def _line(self, step: str, done: float, message: str) -> None:
        # A line at the begin, at each quarter, and at the end: enough to see that it lives, little enough to read.
        last = self._said.get(step)
        if last is None or done >= 1.0 > last or done - last >= 0.25:
            self._said[step] = done
            err.print(f"{step:9} {done:4.0%}  {escape(message)}", soft_wrap=True)


@contextmanager
def progress() -> Iterator[_Steps]:
    """Give a listener that shows progress."""
    if not err.is_terminal:
        yield _Steps(None)
        return
    with Progress(
        SpinnerColumn(finished_text="[green]✓[/green]"),
        TextColumn("{task.description:9}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[message]}"),
        console=err,
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
        err.print(
            f"  [bold]{escape(problem.field)}[/bold]: {escape(problem.problem)}. {escape(problem.fix)}", soft_wrap=True
        )
    for note in getattr(error, "__notes__", ()):
        err.print(f"  {escape(note)}", soft_wrap=True)


def print_json(content: object) -> None:
    """Print JSON to standard output."""
    sys.stdout.write(json.dumps(content, indent=1, default=str) + "\n")

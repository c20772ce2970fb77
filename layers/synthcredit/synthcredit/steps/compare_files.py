"""Compare files: two assessments side by side, figure by figure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthcredit.errors import InvalidInputError, NotFoundError, Problem, from_validation, raise_all
from synthcredit.evidence.gate import Gate, judge, verdict
from synthcredit.evidence.model import Evidence, Figure, Finding, Grade, Measure, Unit
from synthcredit.evidence.pages import page

_FILE = "evidence.json"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class ComparedScore(_Model):
    """One score on both sides."""

    name: str
    points: tuple[float | None, float | None]
    grades: tuple[Grade | None, Grade | None]


class ComparedMeasure(_Model):
    """One figure on both sides."""

    name: Figure
    title: str
    unit: Unit
    values: Annotated[tuple[float | None, float | None], Field(description="None where it was not judged.")]
    intervals: tuple[tuple[float, float] | None, tuple[float, float] | None]
    fresh: tuple[float | None, float | None]
    difference: Annotated[float | None, Field(description="B minus A.")]
    apart: Annotated[
        bool | None, Field(description="Whether the intervals do not overlap; None where a side has none.")
    ]


class Comparison(_Model):
    """Two assessments side by side."""

    names: tuple[str, str]
    table: str
    passed: tuple[bool, bool]
    findings: tuple[tuple[Finding, ...], tuple[Finding, ...]]
    scores: tuple[ComparedScore, ...]
    measures: tuple[ComparedMeasure, ...]
    notes: tuple[str, ...]


def compare_files(one: Path, other: Path, gate: Gate, folder: Path, *, anyway: bool = False) -> Comparison:
    """Put two assessments side by side; write ``compare.html`` and ``compare.json`` into a folder that exists.

    Parameters
    ----------
    one, other
        ``evidence.json`` of an assessment or of a job, or a folder that has one.
    gate
        By which both are judged.
    anyway
        Compare evidence of different tables, targets or levels, too; the result says that it is.

    Raises
    ------
    InvalidInputError
        A file is missing or no evidence, or the two are not about the same question.
    """
    names = _names(one, other)
    comparison = compare(_load(one), _load(other), gate, names=names, anyway=anyway)
    (folder / "compare.json").write_text(comparison.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / "compare.html").write_text(page("compare.html.jinja", comparison=comparison, show=show), encoding="utf-8")
    return comparison


def compare(
    one: Evidence, other: Evidence, gate: Gate, *, names: tuple[str, str] = ("A", "B"), anyway: bool = False
) -> Comparison:
    """Put two pieces of evidence side by side; see `compare_files`."""
    unlike = list(_unlike(one, other))
    if unlike and not anyway:
        raise_all(unlike)
    findings = (tuple(judge(one, gate)), tuple(judge(other, gate)))
    figures = {measure.name: measure for side in (other, one) for measure in _measures(side)}
    order = dict.fromkeys(measure.name for side in (one, other) for measure in _measures(side))
    return Comparison(
        names=names,
        table=one.table,
        passed=(verdict(findings[0]), verdict(findings[1])),
        findings=findings,
        scores=tuple(_scores(one, other)),
        measures=tuple(_compared(figures[name], one.measure(name), other.measure(name)) for name in order),
        notes=(*(f"{problem.field}: {problem.problem}" for problem in unlike), *_notes(one, other)),
    )


def show(value: float | None, unit: Unit) -> str:
    """Return a figure for people: a share in per cent, a difference with its sign, a dash where there is none."""
    if value is None:
        return "\N{EN DASH}"
    if unit is Unit.SHARE:
        return f"{100 * value:.2f} %"
    return f"{value:+.3f}" if unit is Unit.DIFFERENCE else f"{value:.3f}"


def _load(path: Path) -> Evidence:
    file = path / _FILE if path.is_dir() else path
    if not file.is_file():
        fix = f"Give {_FILE}, or the folder of an assessment or a job's results."
        raise NotFoundError(Problem(str(path), f"there is no {_FILE}", fix))
    content = file.read_text(encoding="utf-8", errors="replace")
    if '"tables_passed"' in content:
        raise InvalidInputError(
            Problem(str(path), "it is about several tables", "Compare table by table: give the folder of one of them.")
        )
    try:
        return Evidence.model_validate_json(content)
    except ValidationError as error:
        raise from_validation(error, str(path)) from None


def _names(one: Path, other: Path) -> tuple[str, str]:
    """Return how people are told of both: by their folders' names where these differ."""
    folders = [(path if path.is_dir() else path.parent).resolve().name for path in (one, other)]
    if folders[0] != folders[1]:
        return folders[0], folders[1]
    return (one.name, other.name) if one.name != other.name else (str(one), str(other))


def _unlike(one: Evidence, other: Evidence) -> Iterator[Problem]:
    fix = "Compare evidence of the same question, or say that you want it anyway."
    if one.table != other.table:
        yield Problem("table", f"one is about '{one.table}', the other about '{other.table}'", fix)
    if one.target != other.target:
        yield Problem("target", f"one predicts {_target(one)}, the other {_target(other)}", fix)
    if one.level != other.level:
        yield Problem("level", f"one is {one.level} evidence, the other {other.level}", fix)
    if set(one.columns) != set(other.columns) and one.columns and other.columns:
        count = len(set(one.columns) ^ set(other.columns))
        yield Problem("columns", f"{count} column(s) are scored on one side only", fix)


def _target(side: Evidence) -> str:
    return "nothing" if side.target is None else f"'{side.target}'"


def _notes(one: Evidence, other: Evidence) -> Iterator[str]:
    for side in ("train", "holdout"):
        counts = one.rows.get(side), other.rows.get(side)
        if counts[0] != counts[1]:
            told = ["none" if count is None else f"{count:,}" for count in counts]
            yield f"The {side} rows are not the same: {told[0]} and {told[1]}. Differences may come from them."
    yield (
        "Intervals that do not overlap are a sure difference; such that do may still hide one. Many figures are "
        "compared, so that one or two may differ by chance."
    )


def _measures(side: Evidence) -> tuple[Measure, ...]:
    return (*side.fidelity, *side.utility, *side.credit, *side.privacy)


def _scores(one: Evidence, other: Evidence) -> Iterator[ComparedScore]:
    sides = [{score.name: score for score in side.scores} for side in (one, other)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        found = [side.get(name) for side in sides]
        points = [None if score is None else score.points for score in found]
        grades = [None if score is None else score.grade for score in found]
        yield ComparedScore(name=name, points=(points[0], points[1]), grades=(grades[0], grades[1]))


def _compared(about: Measure, one: Measure | None, other: Measure | None) -> ComparedMeasure:
    values = [None if side is None else side.value for side in (one, other)]
    fresh = [None if side is None else side.fresh for side in (one, other)]
    intervals = [_interval(side) for side in (one, other)]
    difference = None if values[0] is None or values[1] is None else values[1] - values[0]
    apart = None
    if intervals[0] is not None and intervals[1] is not None:
        apart = intervals[0][1] < intervals[1][0] or intervals[1][1] < intervals[0][0]
    return ComparedMeasure(
        name=about.name,
        title=about.title,
        unit=about.unit,
        values=(values[0], values[1]),
        intervals=(intervals[0], intervals[1]),
        fresh=(fresh[0], fresh[1]),
        difference=difference,
        apart=apart,
    )


def _interval(side: Measure | None) -> tuple[float, float] | None:
    if side is None or side.value is None or side.low is None or side.high is None:
        return None
    return side.low, side.high

"""The report: one HTML file that opens offline, for people who must decide about the data."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path

import jinja2
import markupsafe
import numpy as np
import pyarrow as pa

from synthcredit.datasets.schema import TableSchema
from synthcredit.evidence import plots
from synthcredit.evidence.aggregates import MIN_CELL, aggregate
from synthcredit.evidence.assess import MAX_ROWS
from synthcredit.evidence.fidelity import associations
from synthcredit.evidence.gate import verdict
from synthcredit.evidence.model import Check, Evidence, Figure, Finding, Measure, Status, Unit
from synthcredit.evidence.sides import draw, fit_bins, rows_of
from synthcredit.randomness import generator
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric

MAX_PLOTS = 60
"""Columns that are drawn, the worst ones first: the file is to stay small enough to mail."""
MAX_MAP = 40
"""Columns up to which associations are drawn."""

_HEADLINES = {
    Status.PASSED: "met",
    Status.FAILED: "not met",
    Status.NOT_JUDGED: "not judged",
}


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What a report says of the job, beside its evidence.

    Parameters
    ----------
    split
        How real rows were cut into train and holdout, in words.
    packages
        Version by package.
    notices
        What schema detection has to say to people.
    seconds
        Wall time by step, as far as known.
    """

    job_id: str
    dataset: str
    synthesizer: str
    model_id: str
    rows: int
    seed: int
    created_at: datetime
    licence: str
    split: str
    packages: Mapping[str, str]
    notices: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Picture:
    """One plot on the page."""

    name: str
    source: str
    alt: str
    score: float | None
    fresh: float | None
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Chapter:
    """Measures that answer one question."""

    title: str
    question: str
    measures: tuple[Measure, ...]


def write_report(
    folder: Path,
    evidence: Evidence,
    findings: Sequence[Finding],
    context: ReportContext,
    synthetic: pa.Table,
    train: pa.Table,
    holdout: pa.Table,
    schema: TableSchema,
) -> None:
    """Write ``report.html`` and ``plots/<storage_name>_distribution.png`` into a folder that exists.

    Of real rows there are only aggregates in them: see `aggregates`.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    (folder / "plots").mkdir(exist_ok=True)
    known, held, made = (encode(table, schema) for table in (train, holdout, synthetic))
    real = {name: _both(known[name], held[name]) for name in known}
    drawn = _by_score(evidence, schema)
    html = _environment().get_template("report.html.jinja").render(
        context=context,
        evidence=evidence,
        passed=verdict(findings),
        findings=sorted(findings, key=lambda finding: _ORDER[finding.status]),
        headlines=_HEADLINES,
        chapters=_chapters(evidence),
        pictures=[_picture(folder, name, schema, real, made, evidence) for name in drawn[:MAX_PLOTS]],
        undrawn=drawn[MAX_PLOTS:],
        map=_map(folder, schema, real, made, fit_bins_on=known),
        broken=[check for check in evidence.validity if not check.passed],
        holding=_holding(evidence.validity),
        made_new=[column.name for column in schema.columns if not column.learned],
        minimum=MIN_CELL,
        colours=plots,
    )  # fmt: skip
    (folder / "report.html").write_text(html, encoding="utf-8")


_ORDER = {Status.FAILED: 0, Status.NOT_JUDGED: 1, Status.PASSED: 2}


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthcredit", "evidence"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=show_number,
        figure=show_figure,
        seconds=show_seconds,
        breakable=show_breakable,
        cell=show_cell,
        interval=show_interval,
        sentence=lambda text: text[:1].upper() + text[1:],
    )
    return environment


def show_number(value: int) -> str:
    """Return a count for people: 12,000."""
    return f"{value:,}"


def show_figure(value: float, measure: Measure) -> str:
    """Return a figure by its unit: a score with three digits, a share in per cent, a difference with its sign."""
    if measure.name is Figure.ASSOCIATIONS_KEPT:
        text = f"{100 * value:.1f} %"
    elif measure.unit is Unit.SHARE:
        text = f"{100 * value:.2f} %"
    elif measure.name in (Figure.COPIED_EXCESS, Figure.COPIED_DISTINCT_EXCESS):
        text = f"{100 * value:+.2f} pp"
    else:
        text = f"{value:+.3f}" if measure.unit is Unit.DIFFERENCE else f"{value:.3f}"
    return text.replace("-", "\N{MINUS SIGN}")


def show_interval(measure: Measure) -> str:
    """Return the bounds of a figure, the unit said once."""
    bounds = [show_figure(bound, measure) for bound in (measure.low, measure.high) if bound is not None]
    return " to ".join([*(bound.split(" ")[0] for bound in bounds[:-1]), *bounds[-1:]])


def show_breakable(name: str) -> markupsafe.Markup:
    """Return a column name, escaped, that may wrap after dots and underscores."""
    return markupsafe.Markup("<wbr>").join(re.split(r"(?<=[._/-])", name))


def show_cell(value: str | float | None) -> str:
    """Return one cell of a table: a number with three digits, a name that may wrap, a dash where there is nothing."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, str):
        return show_breakable(value)
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}"
    return text.replace("-", "\N{MINUS SIGN}")


def show_seconds(value: float) -> str:
    """Return a wall time: 3.2 s."""
    return f"{value:,.1f} s"


def _chapters(evidence: Evidence) -> tuple[_Chapter, ...]:
    return (
        _Chapter("Fidelity", "Does it look like real data that the model never saw?", evidence.fidelity),
        _Chapter("Usefulness", "Does a model trained on it work on real people?", evidence.utility),
        _Chapter("Privacy", "Does it repeat people from the training data, or give them away?", evidence.privacy),
    )


def _by_score(evidence: Evidence, schema: TableSchema) -> list[str]:
    """Return the learned columns, the worst column shape first, those without a score before all."""
    return sorted((column.name for column in schema.learned), key=lambda name: evidence.columns.get(name, -1.0))


def _both(one: Feature, other: Feature) -> Feature:
    if isinstance(one, Discrete) and isinstance(other, Discrete):
        return Discrete(np.concatenate([one.codes, other.codes]), one.size)
    assert isinstance(one, Numeric)  # noqa: S101 - both sides were encoded by one schema
    assert isinstance(other, Numeric)  # noqa: S101
    return Numeric(np.concatenate([one.values, other.values]))


def _picture(
    folder: Path, name: str, schema: TableSchema, real: Features, synthetic: Features, evidence: Evidence
) -> _Picture:
    column, score, fresh = schema[name], evidence.columns.get(name), evidence.columns_fresh.get(name)
    shown = aggregate(column, real[name], synthetic[name])
    if shown is None:
        return _Picture(name, "", "", score, fresh, ("Too few real rows have a value here to draw them safely.",))
    drawing = plots.distribution(column, shown)
    (folder / "plots" / f"{column.storage_name}_distribution.png").write_bytes(drawing.png)
    scores = "" if score is None or fresh is None else f" Column shape {score:.3f}; fresh real rows {fresh:.3f}."
    return _Picture(
        name=name,
        source=_data_uri(drawing.svg),
        alt=f"Distribution of {name}: synthetic beside real rows.{scores}",
        score=score,
        fresh=fresh,
        remarks=plots.remarks(shown),
    )


def _map(
    folder: Path, schema: TableSchema, real: Features, synthetic: Features, *, fit_bins_on: Features
) -> str | None:
    """Draw the association maps, where there are two to `MAX_MAP` columns, and enough rows for them to be no one's."""
    if not 2 <= len(schema.learned) <= MAX_MAP or min(rows_of(real), rows_of(synthetic)) < MIN_CELL**2:
        return None
    bins = fit_bins(fit_bins_on)
    sides = [
        associations(draw(side, MAX_ROWS, generator(0, f"report/{name}")), bins)
        for name, side in (("real", real), ("synthetic", synthetic))
    ]
    drawing = plots.association_maps([column.name for column in schema.learned], *sides)
    (folder / "plots" / "associations.png").write_bytes(drawing.png)
    return _data_uri(drawing.svg)


def _holding(checks: Sequence[Check]) -> list[tuple[str | None, list[str]]]:
    """Return what holds, by column in the order of the schema."""
    passed = (check for check in checks if check.passed)
    return [
        (column, [check.detail for check in group]) for column, group in groupby(passed, lambda check: check.column)
    ]


def _data_uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"

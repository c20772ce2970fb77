"""The report: one HTML file that opens offline, for people who must decide about the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np
import pyarrow as pa

from synthcredit.datasets.schema import TableSchema
from synthcredit.evidence import formatting, plots
from synthcredit.evidence.aggregates import MIN_CELL
from synthcredit.evidence.gate import verdict
from synthcredit.evidence.methods import methods_for
from synthcredit.evidence.model import About, Check, Detail, Evidence, Finding, Level, Measure, Status
from synthcredit.evidence.scores import GRADES
from synthcredit.evidence.wording import say
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Feature, Numeric

if TYPE_CHECKING:
    from synthcredit.evidence.pictures import Drawn, Picture

MAX_PLOTS = 60
"""Columns that are drawn, the worst ones first: the file is to stay small enough to mail."""
_ROWS_SHOWN = {"scorecard_points": 80, "roll_rates": 40, "vintages": 16}
_FEW_ROWS = 12
"""Rows of a table on the page, the worst ones first; evidence.json has all."""

_HEADLINES = {
    Status.PASSED: "met",
    Status.FAILED: "not met",
    Status.NOT_JUDGED: "not judged",
}
_ORDER = {Status.FAILED: 0, Status.NOT_JUDGED: 1, Status.PASSED: 2}
_DRAWN = frozenset({"credit_woe", "grades_real", "bad_rate_by_approval", "nearest_sides", "nearest_distances"})
"""Tables that stand on the page as plots."""
_TABLES = {
    "fidelity": ("detection_columns", "tail_errors", "segment_shapes", "missing_shares", "seeds"),
    "usefulness": ("challenger_choice", "challengers", "importance_columns"),
    "credit": (
        *("credit_columns", "credit_stability", "grades_synthetic", "calibration"),
        *("adverse_impact", "scorecard_points", "roll_rate_states", "roll_rates", "vintages"),
    ),
    "privacy": ("attribute_inference", "singling_out", "disclosive", "copied_segments"),
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
    guarantee
        The formal privacy guarantee of the model, with its unit and epsilon; None where there is none.
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
    guarantee: str | None = None


@dataclass(frozen=True, slots=True)
class _Shown:
    """A table, with the rows that the page has, and how many it leaves out."""

    detail: Detail
    rows: tuple[tuple[str | float | None, ...], ...]
    left: int


@dataclass(frozen=True, slots=True)
class _Chapter:
    """What answers one question."""

    name: str
    title: str
    question: str
    measures: tuple[Measure, ...]
    tables: tuple[_Shown, ...]


@dataclass(frozen=True, slots=True)
class _Gallery:
    """All pictures of a report."""

    columns: tuple[Picture, ...] = ()
    map: Picture | None = None
    pairs: tuple[Picture, ...] = ()
    woe: tuple[Picture, ...] = ()
    credit: tuple[Picture, ...] = ()
    nearest: tuple[Picture, ...] = ()


def write_report(
    folder: Path,
    evidence: Evidence,
    findings: Sequence[Finding],
    context: ReportContext,
    synthetic: pa.Table | None,
    train: pa.Table | None,
    holdout: pa.Table | None,
    schema: TableSchema,
) -> None:
    """Write ``report.html`` and its plots into a folder that exists.

    In ``plots``: ``<column>_distribution.png`` and ``<column>_vs_<column>.png`` by storage names, ``woe_<column>.png``,
    ``associations.png``, ``default_rate.png``, ``calibration.png``, ``bad_rate_by_approval.png``, ``nearest.png`` and
    ``nearest_tenths.png``, as far as there is something to draw. Of real rows there are only aggregates in them: see
    `aggregates`. Without real rows (rule-based data) there is nothing to draw beside the synthetic ones.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    (folder / "plots").mkdir(exist_ok=True)
    names: list[str] = []
    gallery = _Gallery()
    if synthetic is not None and train is not None and holdout is not None:
        # Here, since all that measures against real rows comes with it.
        from synthcredit.evidence import pictures
        from synthcredit.evidence.pictures import Drawn

        names = pictures.least_faithful(evidence, schema)
        known, held, made = (encode(table, schema) for table in (train, holdout, synthetic))
        real = {name: _both(known[name], held[name]) for name in known}
        gallery = _draw(Drawn(folder / "plots", schema, evidence, real, known, made), names[:MAX_PLOTS])
    html = _environment().get_template("report.html.jinja").render(
        context=context,
        evidence=evidence,
        basic=evidence.level is Level.BASIC,
        passed=verdict(findings),
        findings=sorted(findings, key=lambda finding: _ORDER[finding.status]),
        headlines=_HEADLINES,
        said=say(evidence),
        grades=[(least, grade) for least, grade in reversed(GRADES)],
        chapters=_chapters(evidence),
        further=_tables(evidence, _unplaced(evidence)),
        gallery=gallery,
        undrawn=names[MAX_PLOTS:],
        broken=[check for check in evidence.validity if not check.passed],
        holding=_holding(evidence.validity),
        kinds=_kinds(evidence.validity),
        made_new=[column.name for column in schema.columns if not column.learned],
        methods=list(methods_for(evidence)),
        minimum=MIN_CELL,
        colours=plots,
        beside_holdout=formatting.BESIDE_HOLDOUT,
    )  # fmt: skip
    (folder / "report.html").write_text(html, encoding="utf-8")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthcredit", "evidence"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=formatting.show_number,
        figure=formatting.show_figure,
        seconds=formatting.show_seconds,
        breakable=formatting.show_breakable,
        cell=formatting.show_cell,
        interval=formatting.show_interval,
        sentence=formatting.show_sentence,
    )
    return environment


def _chapters(evidence: Evidence) -> dict[str, _Chapter]:
    """Return the chapters by name; what was not looked for, as at the basic level, has no measures."""
    about = (
        ("fidelity", "Fidelity", "Does it look like real data that the model never saw?", evidence.fidelity),
        ("usefulness", "Usefulness", "Does a model trained on it work on real people?", evidence.utility),
        (
            "credit",
            "Credit behaviour",
            "Would a scorecard built on it decide as one built on real rows?",
            evidence.credit,
        ),
        ("privacy", "Privacy", "Does it repeat people from the training data, or give them away?", evidence.privacy),
    )
    return {
        name: _Chapter(name, title, question, measures, _tables(evidence, _TABLES[name]))
        for name, title, question, measures in about
    }


def _tables(evidence: Evidence, names: Sequence[str]) -> tuple[_Shown, ...]:
    by_name = {detail.name: detail for detail in evidence.details}
    shown = []
    for detail in (by_name[name] for name in names if name in by_name):
        most = _ROWS_SHOWN.get(detail.name, _FEW_ROWS)
        shown.append(_Shown(detail, detail.rows[:most], max(0, len(detail.rows) - most)))
    return tuple(shown)


def _unplaced(evidence: Evidence) -> list[str]:
    """Return the tables that no chapter asks for, so that none is lost."""
    placed = {*_DRAWN, *(name for names in _TABLES.values() for name in names)}
    return [detail.name for detail in evidence.details if detail.name not in placed]


def _draw(drawn: Drawn, names: Sequence[str]) -> _Gallery:
    from synthcredit.evidence import pictures

    associated = pictures.associated(drawn)
    return _Gallery(
        columns=tuple(pictures.column_picture(drawn, name) for name in names),
        map=None if associated is None else pictures.map_picture(drawn, associated),
        pairs=() if associated is None else tuple(pictures.pair_pictures(drawn, associated)),
        woe=tuple(pictures.woe_pictures(drawn)),
        credit=tuple(pictures.credit_pictures(drawn)),
        nearest=tuple(pictures.nearest_pictures(drawn)),
    )


def _both(one: Feature, other: Feature) -> Feature:
    if isinstance(one, Discrete) and isinstance(other, Discrete):
        return Discrete(np.concatenate([one.codes, other.codes]), one.size)
    assert isinstance(one, Numeric)  # noqa: S101 - both sides were encoded by one schema
    assert isinstance(other, Numeric)  # noqa: S101
    return Numeric(np.concatenate([one.values, other.values]))


def _holding(checks: Sequence[Check]) -> list[tuple[str | None, list[str]]]:
    """Return what holds, by column in the order of the schema."""
    passed = (check for check in checks if check.passed)
    return [
        (column, [check.detail for check in group]) for column, group in groupby(passed, lambda check: check.column)
    ]


def _kinds(checks: Sequence[Check]) -> list[tuple[About, list[Check]]]:
    """Return the checks of each kind, those that fail first."""
    return [
        (about, sorted((check for check in checks if check.about is about), key=lambda check: check.passed))
        for about in About
    ]

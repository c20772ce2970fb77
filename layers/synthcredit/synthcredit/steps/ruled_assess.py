"""Evidence and report of rows that rules made, without a real row: a book's and those of declared tables."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthcredit.evidence.gate import judge
from synthcredit.evidence.model import Check, Detail, Evidence
from synthcredit.evidence.report import ReportContext, write_report
from synthcredit.jobs.job import Job
from synthcredit.jobs.planning import Plan
from synthcredit.packages import versions
from synthcredit.steps.parts import Part, rows_of

log = logging.getLogger("synthcredit.steps")

EVERY_ROW = "Every rule was checked on every row."


@dataclass(frozen=True, slots=True)
class Proven:
    """What was found of rows by looking at all of them.

    Parameters
    ----------
    checks
        Every rule, kept or not.
    rows
        Rows that were looked at, by table.
    notes
        What to know of the proof.
    made_of
        What made the rows, in words.
    """

    checks: tuple[Check, ...]
    rows: Mapping[str, int]
    notes: tuple[str, ...]
    made_of: str


def proven(job: Job, plan: Plan, parts: Sequence[Part], folder: Path, found: Proven) -> Evidence:
    """Return the evidence on rows that rules made, say in the log what it is, and write its report into a folder."""
    evidence = _evidence(job, plan, parts, found)
    write_report(
        folder, evidence, judge(evidence, job.request.gate), _context(job, plan, rows_of(parts), found.made_of),
        synthetic=None, train=None, holdout=None, schema=plan.tables[0],
    )  # fmt: skip
    for name, rows in evidence.details[0].rows:
        log.info("assess: %s, %s rows", name, f"{rows:,.0f}")
    for check in evidence.validity:
        if not check.passed:
            log.warning("assess: %s: %s", check.about, check.detail)
    broken = sum(not check.passed for check in evidence.validity)
    log.info("assess: %d checks on every row, %d fail", len(evidence.validity), broken)
    return evidence


def _evidence(job: Job, plan: Plan, parts: Sequence[Part], found: Proven) -> Evidence:
    delivered = {table.name for table in plan.tables}
    rows = tuple((name, float(count)) for name, count in found.rows.items() if name in delivered)
    released = rows_of(parts)
    return Evidence(
        level=job.request.evidence,
        table=plan.dataset,
        target=None,
        # Rows that are there and were looked at; those that were asked for are checks of their own.
        rows={"released": released, "synthetic": sum(found.rows.values()), "asked": released},
        validity=found.checks,
        fidelity=(),
        columns={},
        utility=(),
        privacy=(),
        details=(Detail(name="book_rows", title="Rows by table", heading=("table", "rows"), rows=rows),),
        notes=found.notes,
    )


def _context(job: Job, plan: Plan, rows: int, made_of: str) -> ReportContext:
    return ReportContext(
        job_id=job.job_id,
        dataset=plan.dataset,
        synthesizer=job.request.made_by,
        model_id=made_of,
        rows=rows,
        seed=job.request.seed,
        created_at=job.created_at,
        licence="Apache-2.0, as this package",
        split="no real rows",
        packages=versions(),
        notices=plan.notices,
    )

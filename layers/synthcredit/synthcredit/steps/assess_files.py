"""Assess files: prove anybody's synthetic data against real data, without a job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from synthcredit.datasets import detect, read
from synthcredit.datasets.schema import TableSchema
from synthcredit.datasets.split import split_rows
from synthcredit.evidence import assess as evidence_room
from synthcredit.evidence.gate import Gate, judge
from synthcredit.evidence.model import Evidence, Finding
from synthcredit.evidence.report import ReportContext, write_report
from synthcredit.jobs.job import now
from synthcredit.packages import versions
from synthcredit.randomness import generator
from synthcredit.synthesizers.protocol import Progress, silent

CUT_BY_US = (
    "No holdout was given, so the real rows were cut 70/30 here. Whoever made the synthetic data may have trained on "
    "both sides: fidelity and copied rows then look better than they are."
)


@dataclass(frozen=True, slots=True)
class Files:
    """What is to be judged, as files."""

    real: Path
    synthetic: Path
    holdout: Path | None = None
    table_schema: TableSchema | None = None
    target: str | None = None


def assess_files(
    files: Files, gate: Gate, folder: Path, *, seed: int = 0, progress: Progress = silent
) -> tuple[Evidence, list[Finding]]:
    """Measure synthetic rows in a file against real rows in others; write report, plots and evidence into a folder.

    Raises
    ------
    InvalidInputError
        A file cannot be read, or the synthetic file does not have the real file's columns.
    """
    schema = files.table_schema or detect.detect_schema(files.real, target=files.target).schema
    real = read.read_table(files.real, schema)
    made = read.read_table(files.synthetic, schema)
    rows = made.num_rows
    if rows > evidence_room.MAX_ROWS:
        chosen = generator(seed, "assess/sample").choice(rows, size=evidence_room.MAX_ROWS, replace=False)
        chosen.sort()
        made = made.take(chosen)
    notes: tuple[str, ...] = ()
    if files.holdout is None:
        _, train, holdout = split_rows(real, schema.customer)
        notes = (CUT_BY_US,)
    else:
        train, holdout = real, read.read_table(files.holdout, schema)
    evidence = evidence_room.assess(made, train, holdout, schema, seed=seed, rows_released=rows, progress=progress)
    evidence = evidence.model_copy(update={"notes": (*notes, *evidence.notes)})
    findings = judge(evidence, gate)
    context = ReportContext(
        job_id="none",
        dataset=schema.name,
        synthesizer="unknown",
        model_id="unknown",
        rows=rows,
        seed=seed,
        created_at=now(),
        licence="unknown",
        split=f"{train.num_rows:,} rows to train, {holdout.num_rows:,} held out",
        packages=versions(),
        notices=notes,
    )
    write_report(folder, evidence, findings, context, synthetic=made, train=train, holdout=holdout, schema=schema)
    (folder / "evidence.json").write_text(evidence.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return evidence, findings

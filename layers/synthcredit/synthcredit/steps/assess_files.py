"""Assess files: prove anybody's synthetic data against real data, without a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from synthcredit.datasets import detect
from synthcredit.datasets.schema import Column, DatasetSchema, Kind, TableSchema
from synthcredit.datasets.source import PartsSource, Source
from synthcredit.datasets.split import split_rows
from synthcredit.datasets.tables import open_table, open_tables, read_source
from synthcredit.errors import InvalidInputError, Problem, raise_all
from synthcredit.evidence import assess as evidence_room
from synthcredit.evidence.contamination import require_disjoint
from synthcredit.evidence.gate import Gate, judge
from synthcredit.evidence.model import Evidence, Figure, Finding, Level, Measure
from synthcredit.evidence.report import ReportContext, write_report
from synthcredit.evidence.scores import score
from synthcredit.hashing import file_hash
from synthcredit.jobs.job import now
from synthcredit.packages import versions
from synthcredit.randomness import generator
from synthcredit.synthesizers.fitting import Progress, silent

CUT_BY_US = (
    "No holdout was given, so the real rows were cut 70/30 here. Whoever made the synthetic data may have trained on "
    "both sides: fidelity and usefulness may look better than they are, and privacy is not judged."
)
WITHOUT_HOLDOUT = (
    "no holdout was given, and rows cut from the real data afterwards may have been trained on; give real rows that no "
    "model saw"
)
_PRIVATE_DETAILS = frozenset(
    {"nearest_distances", "nearest_sides", "attribute_inference", "singling_out", "disclosive", "copied_segments"}
)
_RAW_COPIES = (Figure.COPIED, Figure.COPIED_DISTINCT)
"""What is a fact about the rows themselves, holdout or not."""
_JUDGED = "synthetic"
_SIDES = ("real", _JUDGED, "holdout")

Opened = TypeVar("Opened")


@dataclass(frozen=True, slots=True)
class Files:
    """What is to be judged: files, folders of parts of one table, or folders of the tables of a dataset."""

    real: Path
    synthetic: Path
    holdout: Path | None = None
    schema: TableSchema | None = None
    target: str | None = None

    def by_side(self) -> dict[str, Path]:
        """Return what was given, by side."""
        given = (self.real, self.synthetic, self.holdout)
        return {side: path for side, path in zip(_SIDES, given, strict=True) if path is not None}


@dataclass(frozen=True, slots=True)
class Table:
    """One table, read: what there is to measure."""

    schema: TableSchema
    synthetic: pa.Table
    train: pa.Table
    holdout: pa.Table
    released: int
    cut_by_us: bool
    notices: tuple[str, ...]


def assess_files(
    files: Files,
    gate: Gate,
    folder: Path,
    *,
    seed: int = 0,
    level: Level = Level.STANDARD,
    progress: Progress = silent,
) -> tuple[Evidence, list[Finding]]:
    """Measure synthetic rows of one table against real rows; write report, plots and evidence into a folder.

    Parameters
    ----------
    files
        What is to be judged. Without a holdout the real rows are cut here, and privacy is not judged.
    gate
        What must be met.
    folder
        Where to write; it exists.
    seed, level, progress
        As of `evidence.assess.assess`.

    Raises
    ------
    InvalidInputError
        A file cannot be read, the sides do not have the same columns, or the holdout is contaminated; all at once.
    """
    _refuse_same_files(files)
    paths = files.by_side()
    sources = _all_of(paths, lambda side: open_table(paths[side]))
    table = _read(files, sources)
    return assess_table(table, gate, folder, seed=seed, level=level, progress=progress)


def assess_table(
    table: Table, gate: Gate, folder: Path, *, seed: int, level: Level, progress: Progress
) -> tuple[Evidence, list[Finding]]:
    """Measure one table that was read; write report, plots and evidence into a folder that exists."""
    rows = table.released
    made = _sample(table.synthetic, table.schema, seed)
    if not table.cut_by_us:
        require_disjoint(table.train, table.holdout, table.schema, synthetic=made)
    evidence = evidence_room.assess(
        made, table.train, table.holdout, table.schema, seed=seed, rows_released=rows, level=level, progress=progress
    )
    evidence = evidence.model_copy(update={"notes": (*table.notices, *evidence.notes)})
    if table.cut_by_us:
        evidence = without_holdout(evidence)
    findings = judge(evidence, gate)
    context = ReportContext(
        job_id="none",
        dataset=table.schema.name,
        synthesizer="unknown",
        model_id="unknown",
        rows=rows,
        seed=seed,
        created_at=now(),
        licence="unknown",
        split=f"{table.train.num_rows:,} rows to train, {table.holdout.num_rows:,} held out",
        packages=versions(),
        notices=table.notices,
    )
    write_report(
        folder, evidence, findings, context,
        synthetic=made, train=table.train, holdout=table.holdout, schema=table.schema,
    )  # fmt: skip
    (folder / "evidence.json").write_text(evidence.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return evidence, findings


def without_holdout(evidence: Evidence) -> Evidence:
    """Return evidence in which nothing is judged that needs rows which no model saw; fidelity stays, marked by a note.

    A holdout that was cut from the real data afterwards may have been trained on: then copies are as near to it as to
    train, and every attack looks harmless.
    """
    kept = tuple(detail for detail in evidence.details if detail.name not in _PRIVATE_DETAILS)
    private = tuple(_unjudged(measure) for measure in evidence.privacy)
    notes = (CUT_BY_US, *evidence.notes)
    return score(evidence.model_copy(update={"privacy": private, "details": kept, "notes": notes}))


def _unjudged(measure: Measure) -> Measure:
    if measure.value is None:
        return measure
    if measure.name in _RAW_COPIES:
        return measure.model_copy(update={"fresh": None, "fresh_rows": None})
    nothing = dict.fromkeys(("value", "low", "high", "fresh"))
    return measure.model_copy(update={**nothing, "why_not": WITHOUT_HOLDOUT})


def _sample(made: pa.Table, schema: TableSchema, seed: int) -> pa.Table:
    most = evidence_room.MAX_SYNTHETIC_ROWS
    if made.num_rows <= most:
        return made
    rng = generator(seed, f"assess/sample/{schema.name}")
    chosen = rng.choice(made.num_rows, size=most, replace=False)
    chosen.sort()
    return made.take(chosen)


# --- reading ---------------------------------------------------------------------------------------------------------


def _refuse_same_files(files: Files) -> None:
    """Refuse a holdout that is one of the other files; its rows need not be looked at."""
    given = files.by_side()
    holdout = given.pop("holdout", None)
    if holdout is None:
        return
    raise_all(
        Problem(
            "holdout",
            f"it is the same {'folder' if path.is_dir() else 'file'} as the {side} data",
            "Give real rows that no model saw, or none: then the report says what is not judged.",
        )
        for side, path in given.items()
        if _same_place(path, holdout)
    )


def _same_place(one: Path, other: Path) -> bool:
    if one.resolve() == other.resolve():
        return True
    # Of other sizes they cannot be the same; a hash reads all of a file.
    files = one.is_file() and other.is_file() and one.stat().st_size == other.stat().st_size
    return files and file_hash(one) == file_hash(other)


def _all_of(paths: Mapping[str, Path], do: Callable[[str], Opened]) -> dict[str, Opened]:
    """Do something for every side, and say all that is wrong with any, each problem with its file."""
    done: dict[str, Opened] = {}
    problems: list[Problem] = []
    for side, path in paths.items():
        try:
            done[side] = do(side)
        except InvalidInputError as error:
            problems += (_placed(problem, side, path) for problem in error.problems)
    raise_all(problems)
    return done


def _placed(problem: Problem, side: str, path: Path) -> Problem:
    if problem.field == "target":
        return problem
    where = f"{side} {path.name}"
    return replace(problem, field=where if problem.field == path.name else f"{where}, {problem.field}")


def _read(files: Files, sources: Mapping[str, Source]) -> Table:
    schema, notices = _schema(files, sources)
    read = _all_of(files.by_side(), lambda side: read_source(sources[side], schema, strict=side != _JUDGED))
    holdout = read.get("holdout")
    train = read["real"]
    if holdout is None:
        _, train, held = split_rows(read["real"], schema.customer)
    return Table(
        schema=schema,
        synthetic=read["synthetic"],
        train=train,
        holdout=held if holdout is None else holdout,
        released=read["synthetic"].num_rows,
        cut_by_us=holdout is None,
        notices=notices,
    )


def _schema(files: Files, sources: Mapping[str, Source]) -> tuple[TableSchema, tuple[str, ...]]:
    if files.schema is not None:
        target = files.target or files.schema.target
        if target is not None and target not in files.schema.names:
            fix = f"Choose one of: {', '.join(files.schema.names)}."
            raise InvalidInputError(Problem("target", f"the schema has no column '{target}'", fix))
        return files.schema.with_target(target), ()
    detected = _detect(files, sources)
    notice = "The schema was detected, so no number or date is out of range, but for negative ones where none is."
    columns = tuple(_without_range(column) for column in detected.schema.columns)
    return detected.schema.model_copy(update={"columns": columns}), (*detected.notices, notice)


def _detect(files: Files, sources: Mapping[str, Source]) -> detect.Detected:
    """Detect the schema of all real rows, so that a category that only the holdout has is one."""
    real = sources["real"]
    name = detect.detect_name(real.path)
    if "holdout" in sources:
        try:
            both = PartsSource(real.path, [real, sources["holdout"]])
            return detect.detect_schema(both, name=name, target=files.target)
        except InvalidInputError:
            # What is wrong is better said of each file alone: below, and where the holdout is read.
            pass
    alone = _all_of({"real": files.real}, lambda _: detect.detect_schema(real, name=name, target=files.target))
    return alone["real"]


def _without_range(column: Column) -> Column:
    """Return a detected column without the range that was seen: other people's real values lie outside it, too."""
    natural = column.kind is not Kind.DATETIME and column.minimum is not None and column.minimum >= 0
    return column.model_copy(update={"minimum": 0.0 if natural else None, "maximum": None})


# --- several tables --------------------------------------------------------------------------------------------------


def read_tables(files: Files, schema: DatasetSchema) -> dict[str, Table]:
    """Read the tables of a dataset, by name, parents first.

    Where no holdout is given, root tables are cut as a single table is, and the children of a held-out parent are held
    out with it; a child of several parents follows the first.

    Raises
    ------
    InvalidInputError
        Tables are missing or cannot be read, or a holdout is a file given as another side; all at once.
    """
    _refuse_same_files(files)
    paths = files.by_side()
    opened = _all_of(paths, lambda side: open_tables(paths[side], schema))
    read = _all_of(paths, lambda side: _read_side(opened[side], schema, strict=side != _JUDGED))
    held = read.get("holdout")
    train = read["real"]
    if held is None:
        train, held = _cut(read["real"], schema)
    return {
        table.name: Table(
            schema=table,
            synthetic=read["synthetic"][table.name],
            train=train[table.name],
            holdout=held[table.name],
            released=read["synthetic"][table.name].num_rows,
            cut_by_us="holdout" not in read,
            notices=(),
        )
        for table in schema.in_order()
    }


def _read_side(sources: Mapping[str, Source], schema: DatasetSchema, *, strict: bool) -> dict[str, pa.Table]:
    tables: dict[str, pa.Table] = {}
    problems: list[Problem] = []
    for name, source in sources.items():
        try:
            tables[name] = read_source(source, schema[name], strict=strict)
        except InvalidInputError as error:
            problems += (replace(problem, field=f"table '{name}', {problem.field}") for problem in error.problems)
    raise_all(problems)
    return tables


def _cut(tables: Mapping[str, pa.Table], schema: DatasetSchema) -> tuple[dict[str, pa.Table], dict[str, pa.Table]]:
    train: dict[str, pa.Table] = {}
    held: dict[str, pa.Table] = {}
    for table in schema.in_order():
        rows = tables[table.name]
        relation = next(iter(schema.parents(table.name)), None)
        if relation is None:
            _, train[table.name], held[table.name] = split_rows(rows, table.customer)
            continue
        keys = held[relation.parent][schema[relation.parent].primary_key]
        follows = pc.is_in(rows[relation.foreign_key], value_set=keys.combine_chunks())
        train[table.name], held[table.name] = rows.filter(pc.invert(follows)), rows.filter(follows)
    return train, held

"""The platform's verbs for Python: what ``import synthcredit`` offers in a notebook.

Examples
--------
>>> import synthcredit
>>> done = synthcredit.run("applicants.csv", target="default", rows=10_000)  # doctest: +SKIP
>>> done.manifest.model_id, done.report  # doctest: +SKIP
>>> frame = done.to_pandas()  # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import ValidationError

from synthcredit import __version__
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, SynthcreditError, from_validation
from synthcredit.evidence.gate import Gate, verdict
from synthcredit.evidence.model import Evidence, Finding, Level
from synthcredit.hashing import file_hash
from synthcredit.jobs.job import Job
from synthcredit.jobs.manifest import Manifest
from synthcredit.jobs.request import (
    DatasetSource,
    Format,
    JobRequest,
    ModelSource,
    PortfolioSource,
    SchemaSource,
    SynthesizerChoice,
    parse_request,
)
from synthcredit.local.storage import copy_whole, refusals, write_whole
from synthcredit.local.sweep import sweep
from synthcredit.local.world import default_home, open_world
from synthcredit.steps.files import data_prefix, job_key, read_document
from synthcredit.steps.verify_files import Verification, verify_card, verify_files
from synthcredit.synthesizers.card import ModelCard
from synthcredit.synthesizers.shipped import no_such_model

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from synthcredit.datasets.schema import DatasetSchema, TableSchema
    from synthcredit.evidence.audit import Audit
    from synthcredit.evidence.relations import TablesEvidence
    from synthcredit.jobs.placement import Limits
    from synthcredit.local.workflow import Listener, Store
    from synthcredit.steps.assess_files import Files
    from synthcredit.steps.compare_files import Comparison
    from synthcredit.stores import StoredDataset
    from synthcredit.synthesizers.fitting import Progress
    from synthcredit.synthesizers.protocol import Synthesizer
    from synthcredit.usecases.estimate import Estimate

    Data: TypeAlias = str | Path | pd.DataFrame | pa.Table

DEFAULT_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Result:
    """A job that has succeeded, and what came of it."""

    job: Job
    evidence: Evidence
    manifest: Manifest
    folder: Path
    """Where report, evidence and manifest are."""
    data: tuple[Path, ...]
    """The data files, in the forms that were asked for."""
    parts: tuple[Path, ...]
    """The Parquet parts that generation wrote, under storage names."""
    schemas: tuple[TableSchema, ...]
    """Of its tables; there are several where a portfolio was simulated."""

    @property
    def schema(self) -> TableSchema:
        """The schema of the first table, which is the only one where a model made the rows."""
        return self.schemas[0]

    def parts_of(self, table: str) -> tuple[Path, ...]:
        """Return the Parquet parts of one table."""
        return tuple(part for part in self.parts if part.parent.name == table)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the gate said of each part."""
        return self.manifest.findings

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.folder / "report.html"

    @property
    def stored(self) -> StoredDataset:
        """The synthetic rows as `synthcredit.stores.deliver` takes them."""
        from synthcredit.stores import StoredDataset, StoredTable

        tables = tuple(StoredTable(schema, self.parts_of(schema.name)) for schema in self.schemas)
        return StoredDataset(self.job.job_id, tables)

    def to_arrow(self, rows: int | None = None, table: str | None = None) -> pa.Table:
        """Return the synthetic rows (the first ``rows`` of them) under the original column names.

        Parameters
        ----------
        rows
            How many; all where None.
        table
            Of which table; the first where None.

        Raises
        ------
        NotFoundError
            There is no such table.
        """
        from synthcredit.datasets.parts import read_parts

        known = {schema.name: schema for schema in self.schemas}
        schema = self.schema if table is None else known.get(table)
        if schema is None:
            raise NotFoundError(Problem("table", f"there is no table '{table}'", f"Choose of: {', '.join(known)}."))
        return read_parts(self.parts_of(schema.name), schema, rows)

    def to_pandas(self, rows: int | None = None, table: str | None = None) -> pd.DataFrame:
        """Return the synthetic rows as a data frame; parameters as of `to_arrow`."""
        frame: pd.DataFrame = self.to_arrow(rows, table).to_pandas()
        return frame


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was found of synthetic data that came from elsewhere."""

    evidence: Evidence
    findings: tuple[Finding, ...]
    folder: Path

    @property
    def passed(self) -> bool:
        """Whether the gate is met."""
        return verdict(self.findings)

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.folder / "report.html"


@dataclass(frozen=True, slots=True)
class TablesAssessment:
    """What was found of several synthetic tables that came from elsewhere."""

    evidence: TablesEvidence
    tables: Mapping[str, Assessment]
    """Each table by itself."""
    folder: Path

    @property
    def passed(self) -> bool:
        """Whether every table and every relation meets the gate."""
        return self.evidence.passed

    @property
    def report(self) -> Path:
        """The page that links the tables' reports."""
        return self.folder / "index.html"


def run(
    data: Data,
    *,
    target: str | None = None,
    rows: int = DEFAULT_ROWS,
    synthesizer: str = "trees",
    settings: Mapping[str, Any] | None = None,
    holdout: Data | None = None,
    schema: TableSchema | None = None,
    seed: int = 0,
    conditions: Mapping[str, Any] | None = None,
    gate: Mapping[str, Any] | None = None,
    evidence: str = Level.STANDARD,
    reuse: bool = True,
    continue_from: str | None = None,
    out: str | Path = "out",
    home: str | Path | None = None,
    again: bool = False,
    listener: Listener | None = None,
) -> Result:
    """Make synthetic rows like those of a table, prove them, and deliver them.

    Parameters
    ----------
    data
        The real rows: path of a CSV or Parquet file, a pandas DataFrame, or an Arrow table.
    target
        The outcome column, e.g. ``"default"``.
    rows
        How many synthetic rows.
    synthesizer, settings
        The model family by name, and its settings, e.g. ``{"epochs": 100}``.
    holdout
        Real rows that you kept apart; else 30 % of the data is held out before training.
    schema
        How to read the data; detected where None.
    seed
        Same data, settings and seed give the same rows.
    conditions
        What the rows are to be like, e.g. ``{"target_rate": 0.12, "where": {"purpose": "car", "age": {"max": 30}}}``.
    gate
        Profile and thresholds, e.g. ``{"profile": "development", "max_tstr_loss": 0.03}``.
    evidence
        How much is measured: ``"standard"``, or ``"basic"`` for haste, which is not for data that is shared.
    reuse
        Use a suitable model if there is one.
    continue_from
        The id of a model of the same family and columns to go on from on these rows.
    out
        A folder, in which a folder for the job appears; or a file ``*.csv|parquet|json|jsonl`` for the rows alone.
    home
        Where jobs and models are kept; ``.synthcredit`` by default.
    again
        Run a finished job anew instead of returning it.
    listener
        Called with (step, fraction, message).

    Raises
    ------
    InvalidInputError
        What was given cannot be worked with; every problem found, each with field and fix.
    GateNotMetError
        The evidence is not good enough, so that nothing is delivered.
    """
    place = _home(home)
    source: dict[str, Any] = {"kind": "dataset", "uri": _uri(data, place), "target": target, "reuse": reuse}
    if holdout is not None:
        source["holdout"] = _uri(holdout, place)
    if schema is not None:
        source["schema"] = schema.model_dump(mode="json")
    if continue_from is not None:
        source["continue_from"] = continue_from
    body = {
        "source": source,
        "synthesizer": {"name": synthesizer, **(settings or {})},
        "rows": rows,
        "seed": seed,
        "conditions": dict(conditions or {}),
        "gate": dict(gate or {}),
        "evidence": evidence,
    }
    return run_request(body, out=out, home=home, again=again, listener=listener)


def generate(
    model_id: str,
    *,
    rows: int = DEFAULT_ROWS,
    seed: int = 0,
    data: Data | None = None,
    conditions: Mapping[str, Any] | None = None,
    gate: Mapping[str, Any] | None = None,
    evidence: str = Level.STANDARD,
    out: str | Path = "out",
    home: str | Path | None = None,
    again: bool = False,
    listener: Listener | None = None,
) -> Result:
    """Make rows from a model that exists, prove them against the rows it was trained on, and deliver them.

    Parameters
    ----------
    model_id
        The model, by the id that `models` shows.
    data
        The real data, if it is no longer where the model card says.
    conditions
        What the rows are to be like, as of `run`.
    evidence
        How much is measured: ``"standard"`` or ``"basic"``.

    Raises
    ------
    InvalidInputError
        There is no such model, or its data has changed.
    GateNotMetError
        The evidence is not good enough, so that nothing is delivered.
    """
    source: dict[str, Any] = {"kind": "model", "model_id": model_id}
    if data is not None:
        source["uri"] = _uri(data, _home(home))
    body = {
        "source": source,
        "rows": rows,
        "seed": seed,
        "conditions": dict(conditions or {}),
        "gate": dict(gate or {}),
        "evidence": evidence,
    }
    return run_request(body, out=out, home=home, again=again, listener=listener)


def run_request(
    request: JobRequest | Mapping[str, Any],
    *,
    out: str | Path = "out",
    home: str | Path | None = None,
    workers: int | None = None,
    again: bool = False,
    store: Store | None = None,
    listener: Listener | None = None,
) -> Result:
    """Run a whole request, as the HTTP API takes it; where it names a database (``to``), load that too.

    ``store`` is a database that the request does not name. The same request again continues where an interrupted one
    stopped, or returns the finished one.
    """
    from synthcredit import stores
    from synthcredit.local.workflow import Store, Workflow, deaf

    goal = Path(out)
    form = single_form(goal)
    body = request.model_dump(mode="json", by_alias=True) if isinstance(request, JobRequest) else dict(request)
    if form:
        body["deliver"] = [form]
    parsed = parse_request(body)
    if form:
        require_one_table(parsed, goal)
    place = _home(home)
    workflow = Workflow(place, place / "out" if form else goal, workers=workers)
    hear = listener or deaf
    if parsed.to is not None:
        stores.reach(parsed.to.named)
        store = store or Store(parsed.to.named, stores.deliver_tables)
    job = workflow.run(parsed, key=request_key(parsed), again=again, store=store, listener=hear)
    result = _result(job, place)
    return in_one_file(result, goal) if form else result


def estimate(
    request: JobRequest | Mapping[str, Any], *, limits: Limits | None = None, home: str | Path | None = None
) -> Estimate:
    """Tell how many rows and bytes a request makes, and where on AWS its steps would run, how long and for how much.

    Nothing is started, and no account is asked.

    Parameters
    ----------
    request
        As `run_request` takes it.
    limits
        What a job may use of AWS, as the template's parameters say; their defaults where None.

    Raises
    ------
    InvalidInputError
        What is asked cannot be done, or would cost too much; every problem found.
    """
    from synthcredit.jobs.placement import Limits
    from synthcredit.jobs.request import MAX_ROWS
    from synthcredit.local.objects import FolderObjects
    from synthcredit.local.sources import FileSources
    from synthcredit.usecases.estimate import Desk
    from synthcredit.usecases.estimate import estimate as estimated

    parsed = request if isinstance(request, JobRequest) else parse_request(dict(request))
    place = _home(home)
    sources = FileSources(FolderObjects(place.absolute() / "lake"))
    return estimated(parsed, Desk(open_world(place, place), sources, limits or Limits(), MAX_ROWS))


def train(
    data: Data,
    *,
    target: str | None = None,
    synthesizer: str = "trees",
    settings: Mapping[str, Any] | None = None,
    holdout: Data | None = None,
    schema: TableSchema | None = None,
    continue_from: str | None = None,
    seed: int = 0,
    home: str | Path | None = None,
    progress: Progress | None = None,
) -> ModelCard:
    """Train a model and register it; returns its card. A model that was made from just this is returned as it is.

    A training that was interrupted goes on when it is asked for again. ``continue_from`` is the id of a model of the
    same family and columns to go on from on these rows.
    """
    from synthcredit.steps.learned_plan import plan_training
    from synthcredit.steps.train import train_model
    from synthcredit.synthesizers.fitting import silent

    place = _home(home)
    source = DatasetSource(
        kind="dataset",
        uri=_uri(data, place),
        target=target,
        holdout=None if holdout is None else _uri(holdout, place),
        table_schema=schema,
        continue_from=continue_from,
    )
    world = open_world(place, place)
    sweep(place)
    choice = SynthesizerChoice.model_validate({"name": synthesizer, **(settings or {})})
    training, _ = plan_training(source, choice, seed, world)
    return train_model(training, world, progress or silent)


def assess(
    real: Data,
    synthetic: Data,
    *,
    holdout: Data | None = None,
    target: str | None = None,
    schema: TableSchema | None = None,
    gate: Mapping[str, Any] | None = None,
    evidence: str = Level.STANDARD,
    out: str | Path = "assessment",
    home: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Assessment:
    """Prove anybody's synthetic rows against real ones; report, plots and evidence appear in the folder ``out``.

    Parameters
    ----------
    real, synthetic
        A table, its file, or a folder of its parts.
    holdout
        Real rows that no model saw. Without them privacy is not judged.
    target
        The outcome column, e.g. ``"default"``.
    schema
        How to read the data; detected where None.
    gate
        Profile and thresholds.
    evidence
        How much is measured: ``"standard"``, or ``"basic"`` for haste, which is not for data that is shared.
    progress
        Called with (fraction, message).

    Raises
    ------
    InvalidInputError
        What was given cannot be compared, or the holdout is contaminated; every problem found, each with its fix.
    """
    from synthcredit.steps.assess_files import assess_files
    from synthcredit.synthesizers.fitting import silent

    asked, level = _gate(gate), _level(evidence)
    files = _files(real, synthetic, holdout, target=target, schema=schema, home=_home(home))
    folder = Path(out)
    with refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
        found, findings = assess_files(files, asked, folder, seed=seed, level=level, progress=progress or silent)
    return Assessment(found, tuple(findings), folder)


def assess_tables(
    real: str | Path,
    synthetic: str | Path,
    schema: DatasetSchema,
    *,
    holdout: str | Path | None = None,
    gate: Mapping[str, Any] | None = None,
    evidence: str = Level.STANDARD,
    out: str | Path = "assessment",
    seed: int = 0,
    progress: Progress | None = None,
) -> TablesAssessment:
    """Prove several synthetic tables against real ones: each by itself, and how they hang together.

    A report a table appears in the folder ``out``, and ``index.html``, which links them.

    Parameters
    ----------
    real, synthetic, holdout
        Folders that have the tables that the schema names: ``<name>.csv``, ``<name>.parquet``, or a folder of parts.
    schema
        The tables, and which rows of one belong to which row of another.
    gate, evidence, seed, progress
        As of `assess`.

    Raises
    ------
    InvalidInputError
        Tables are missing or cannot be compared, or a holdout is contaminated; every problem found, each with its fix.
    """
    from synthcredit.steps import assess_tables as step
    from synthcredit.synthesizers.fitting import silent

    asked, level = _gate(gate), _level(evidence)
    files = _files(real, synthetic, holdout, target=None, schema=None, home=default_home())
    folder = Path(out)
    with refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
        together, results = step.assess_tables(
            files, schema, asked, folder, seed=seed, level=level, progress=progress or silent
        )
    each = {name: Assessment(one.evidence, one.findings, folder / name) for name, one in results.items()}
    return TablesAssessment(together, each, folder)


def _files(
    real: Data, synthetic: Data, holdout: Data | None, *, target: str | None, schema: TableSchema | None, home: Path
) -> Files:
    from synthcredit.steps.assess_files import Files

    return Files(
        real=Path(_uri(real, home)),
        synthetic=Path(_uri(synthetic, home)),
        holdout=None if holdout is None else Path(_uri(holdout, home)),
        schema=schema,
        target=target,
    )


def compare(
    one: str | Path,
    other: str | Path,
    *,
    gate: Mapping[str, Any] | None = None,
    anyway: bool = False,
    out: str | Path = "comparison",
) -> Comparison:
    """Put two assessments side by side; ``compare.html`` and ``compare.json`` appear in the folder ``out``.

    Parameters
    ----------
    one, other
        Folders of assessments or of jobs' results, or ``evidence.json`` of one.
    gate
        Profile and thresholds by which both are judged.
    anyway
        Compare evidence of different tables, targets or levels, too.

    Raises
    ------
    InvalidInputError
        There is no evidence, or the two are not about the same question.
    """
    from synthcredit.steps.compare_files import compare_files

    folder, asked = Path(out), _gate(gate)
    with refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return compare_files(Path(one), Path(other), asked, folder, anyway=anyway)


def _gate(gate: Mapping[str, Any] | None) -> Gate:
    """Return a gate, or say what is wrong with it."""
    try:
        return Gate.model_validate(dict(gate or {}))
    except ValidationError as error:
        raise from_validation(error, "gate") from None


def _level(evidence: str) -> Level:
    try:
        return Level(evidence)
    except ValueError:
        known = " or ".join(Level)
        raise InvalidInputError(Problem("evidence", "there is no such level", f"Give {known}.")) from None


def audit(
    data: Data,
    *,
    target: str | None = None,
    synthesizer: str = "trees",
    settings: Mapping[str, Any] | None = None,
    holdout: Data | None = None,
    schema: TableSchema | None = None,
    shadows: int = 16,
    records: int = 50,
    canaries: int = 20,
    release: str = "rows",
    seed: int = 0,
    out: str | Path = "audit",
    home: str | Path | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Attack a model family on a table with retrained models; ``audit.json`` and ``audit.html`` appear in ``out``.

    The same call again goes on where an interrupted one stopped.

    Parameters
    ----------
    shadows
        Shadow models for the likelihood-ratio attack, an even number.
    records
        How many of the most outlying records are attacked, and how many random ones.
    canaries
        Made-up records in each model that learns some; no such model is ever registered.
    release
        What is to be handed out and so counts: ``"rows"``, or ``"model"`` for the model file too.

    Raises
    ------
    InvalidInputError
        What was given cannot be worked with.
    """
    from synthcredit.evidence.audit import Release
    from synthcredit.steps.audit_files import AuditRequest, audit_files
    from synthcredit.synthesizers.fitting import silent

    if release not in tuple(Release):
        raise InvalidInputError(Problem("release", f"'{release}' cannot be released", "Give rows or model."))
    place, folder = _home(home), Path(out)
    asked = AuditRequest(
        data=Path(_uri(data, place)),
        target=target,
        holdout=None if holdout is None else Path(_uri(holdout, place)),
        table_schema=schema,
        synthesizer=synthesizer,
        settings=settings or {},
        shadows=shadows,
        records=records,
        canaries=canaries,
        release=Release(release),
        seed=seed,
    )
    with refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return audit_files(asked, folder, progress=progress or silent)


def verify(folder: str | Path, *, key: str | None = None) -> Verification:
    """Check that the results in a folder are what was published, and who signed them.

    Parameters
    ----------
    folder
        Where ``manifest.json`` is.
    key
        The fingerprint of the key that must have signed.

    Raises
    ------
    InvalidInputError
        Something was changed or is missing, or another key signed.
    """
    return verify_files(Path(folder), key=key)


def verify_model(model_id: str, *, key: str | None = None, home: str | Path | None = None) -> Verification:
    """Check that a model and its card are as they were registered, and who signed the card.

    Raises
    ------
    InvalidInputError
        The model or its card was changed, or another key signed; or there is no such model.
    """
    place = _home(home)
    registry = open_world(place, place).models
    with registry.fetch(model_id):
        card = registry.find(model_id)
    if card is None:
        raise no_such_model(model_id)
    return verify_card(card, key=key)


def models(home: str | Path | None = None) -> list[ModelCard]:
    """Return the cards of all models, newest first."""
    place = _home(home)
    return list(open_world(place, place).models.all())


def load_model(model_id: str, home: str | Path | None = None) -> Synthesizer:
    """Return a model to sample from directly: ``load_model(id).sample(1000, seed=1)`` yields Arrow batches.

    Nothing is proven this way: for data that leaves your hands use `generate`.
    """
    from synthcredit.synthesizers import protocol

    place = _home(home)
    with open_world(place, place).models.fetch(model_id) as path:
        return protocol.load_model(path)


def complete(rows: Data, model_id: str, out: str | Path, *, seed: int = 0, home: str | Path | None = None) -> Path:
    """Complete rows of which a part is given: a model draws what they lack. Nothing is proven of the result.

    Parameters
    ----------
    rows
        A table or its file with some or all of the model's columns. Empty cells are completed, and so are columns that
        are not there; every other value is kept.
    model_id
        A model of a family that can complete: `trees` or `copula`.
    out
        The file to write: ``*.csv|parquet|json|jsonl``.
    seed
        Same rows, model and seed give the same result.

    Raises
    ------
    InvalidInputError
        There is no such model, its family cannot complete, or the rows do not fit to it.
    """
    from synthcredit.steps.complete_files import complete_files

    place, goal = _home(home), Path(out)
    form = single_form(goal)
    if form is None:
        raise InvalidInputError(Problem("out", f"'{goal.name}' names no form", f"Give NAME.{', .'.join(Format)}."))
    model = load_model(model_id, place)
    with refusals(goal):
        complete_files(Path(_uri(rows, place)), model, seed=seed, form=form, out=goal)
    return goal


def detect_schema(data: Data, *, target: str | None = None, home: str | Path | None = None) -> TableSchema:
    """Return the schema that would be used for a table: look at it, change it, and pass it back to `run`."""
    from synthcredit.datasets import detect

    return detect.detect_schema(Path(_uri(data, _home(home))), target=target).schema


def single_form(out: Path) -> Format | None:
    """Return the form of the one file that ``out`` names, or None where it names a folder.

    Raises
    ------
    SynthcreditError
        The file cannot be written; found out now, not after the work.
    """
    form = out.suffix.lower().removeprefix(".")
    if form not in tuple(Format):
        return None
    _writable(out)
    return Format(form)


def require_one_table(request: JobRequest, goal: Path) -> None:
    """Make sure that the rows have room in one file.

    Raises
    ------
    InvalidInputError
        They are those of several tables.
    """
    source = request.source
    several = isinstance(source, PortfolioSource) and len(source.tables or ()) != 1
    if several or (isinstance(source, SchemaSource) and len(source.declaration["tables"]) != 1):
        raise InvalidInputError(
            Problem("out", f"'{goal.name}' is one file, and there are several tables", "Name a folder.")
        )


def in_one_file(result: Result, goal: Path) -> Result:
    """Put the rows of a result at one path, in the form that its name says; return the result with just that file."""
    _one_file(result, goal)
    return replace(result, data=(goal,))


def request_key(request: JobRequest) -> str:
    """Return the idempotency key of a request that came without one: what it asks, of which bytes.

    So the same command again continues an interrupted run, and other data under the same name is another job.
    """
    source = request.source
    paths = [source.uri, source.holdout] if isinstance(source, DatasetSource | ModelSource) else []
    contents = [file_hash(Path(path)) for path in paths if path and Path(path).is_file()]
    return hashlib.sha256(json.dumps([__version__, request.digest, contents]).encode()).hexdigest()


def _result(job: Job, home: Path) -> Result:
    world = open_world(home, home)
    folder = Path(job.results["manifest.json"]).parent
    manifest = read_document(world.objects, job_key(job.job_id, "manifest.json"), Manifest)
    return Result(
        job=job,
        evidence=read_document(world.objects, job_key(job.job_id, "evidence.json"), Evidence),
        manifest=manifest,
        folder=folder,
        data=tuple(folder / output.name for output in manifest.outputs),
        parts=tuple(Path(world.objects.link(key)) for key in world.objects.keys(data_prefix(job.job_id))),
        schemas=schemas_of(manifest, world.models.find),
    )


def schemas_of(manifest: Manifest, find: Callable[[str], ModelCard | None]) -> tuple[TableSchema, ...]:
    """Return the tables of a job: as the manifest has them where rules made them, else of the model.

    Raises
    ------
    NotFoundError
        The model that says what the rows consist of is gone.
    """
    made = manifest.book or manifest.declared
    if made is not None:
        return made.tables
    card = None if manifest.model_id is None else find(manifest.model_id)
    if card is None:
        raise NotFoundError(Problem("model", f"model {manifest.model_id} is gone", "Run the job with again=True."))
    return (card.table_schema,)


def _one_file(result: Result, goal: Path) -> None:
    """Put the data at the path that was asked for."""
    form = goal.suffix.lower().removeprefix(".")
    if form != Format.PARQUET:
        copy_whole(result.data[0], goal)
        return
    from synthcredit.datasets.write import write_tables

    with refusals(goal):
        goal.parent.mkdir(parents=True, exist_ok=True)
        write_tables(result.parts_of(result.schema.name), result.schema, form, goal)


def _writable(goal: Path) -> None:
    """Find out now, not after the work, whether a file can be written."""
    if goal.is_dir():
        raise SynthcreditError(Problem(str(goal), "it is a folder", "Give the path of a file."))
    probe = goal.with_name(f".{goal.name}.probe")
    write_whole(probe, b"")
    probe.unlink()


def _home(home: str | Path | None) -> Path:
    return Path(home) if home is not None else default_home()


def _uri(data: Data, home: Path) -> str:
    """Return the path of the data; a table in memory is written to a file named after its content."""
    if isinstance(data, str | Path):
        return str(Path(data).absolute()) if "://" not in str(data) else str(data)
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = data if isinstance(data, pa.Table) else pa.Table.from_pandas(data, preserve_index=False)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content = sink.getvalue().to_pybytes()
    path = home.absolute() / "uploads" / f"table_{hashlib.sha256(content).hexdigest()[:12]}.parquet"
    if not path.exists():
        write_whole(path, content)
    return str(path)

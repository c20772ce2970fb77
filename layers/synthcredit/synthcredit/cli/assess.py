"""The verb that judges anybody's synthetic data, and puts two judgements side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthcredit import console
from synthcredit.cli.common import (
    AsJson,
    EvidenceLevel,
    GateProfile,
    Home,
    MaxTstrLoss,
    Seed,
    Target,
    answering,
    given,
    read_dataset_schema,
)
from synthcredit.datasets.schema import DatasetSchema
from synthcredit.errors import GateNotMetError, InvalidInputError, Problem, raise_all
from synthcredit.evidence.model import Level

if TYPE_CHECKING:
    from synthcredit.api import Assessment, TablesAssessment


def assess(
    real: Annotated[
        Path | None,
        typer.Option("--real", help="The real rows that the synthetic ones were made from: a file, or a folder."),
    ] = None,
    synthetic: Annotated[
        Path | None, typer.Option("--synthetic", help="The synthetic rows to be judged: a file, or a folder.")
    ] = None,
    holdout: Annotated[
        Path | None,
        typer.Option("--holdout", help="Real rows that no model saw. Without them privacy cannot be judged."),
    ] = None,
    target: Target = None,
    schema: Annotated[
        Path | None,
        typer.Option(
            "--schema",
            help="A schema as `synthcredit schema` prints it, else it is detected; or one of several tables: "
            '{"tables": [...], "relations": [{"parent": ..., "child": ..., "foreign_key": ...}]}.',
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", metavar="A B", help="Two assessments, or results of jobs, to put side by side."),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare evidence of different tables, targets or levels, too.")
    ] = False,
    out_path: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder to write to: assessment, or comparison.")
    ] = None,
    profile: GateProfile = None,
    evidence: EvidenceLevel = Level.STANDARD,
    max_tstr_loss: MaxTstrLoss = None,
    seed: Seed = 0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Judge anybody's synthetic data against real data: report, evidence and a verdict. Or compare two judgements.

    Exit code 3 where the gate is not met, 2 where the holdout overlaps the real or the synthetic rows.

    For example:

      synthcredit assess --real train.csv --synthetic made.csv --holdout test.csv --target default

      synthcredit assess --real bank/ --synthetic made/ --schema tables.json --profile sharing

      synthcredit assess --compare assessment out/0123456789abcdef01234567
    """
    with answering(as_json):
        gate = given(profile=profile, max_tstr_loss=max_tstr_loss)
        if compare is not None:
            if real or synthetic or holdout or schema or target:
                raise InvalidInputError(
                    Problem("--compare", "it compares what was assessed before", "Leave out the data.")
                )
            _compare(compare, gate=gate, anyway=anyway, out_path=out_path, as_json=as_json)
            return
        found = _assess(
            real, synthetic, schema, target=target, home=home, out_path=out_path or Path("assessment"), gate=gate,
            holdout=holdout, evidence=evidence, seed=seed,
        )  # fmt: skip
        if as_json:
            console.print_json(_as_json(found))
        else:
            console.print_assessment(found)
        if not found.passed:
            raise typer.Exit(GateNotMetError.exit_code)


def _assess(
    real: Path | None,
    synthetic: Path | None,
    schema: Path | None,
    *,
    target: str | None,
    home: Path | None,
    out_path: Path,
    **options: Any,  # noqa: ANN401 - what both kinds of assessment take
) -> Assessment | TablesAssessment:
    from synthcredit import api

    missing = [name for name, path in (("--real", real), ("--synthetic", synthetic)) if path is None]
    raise_all(Problem(name, "it is not given", "Give --real and --synthetic, or --compare A B.") for name in missing)
    assert real is not None  # noqa: S101 - see above
    assert synthetic is not None  # noqa: S101
    described = read_dataset_schema(schema)
    with console.progress() as listener:

        def progress(done: float, message: str) -> None:
            listener("assess", done, message)

        if isinstance(described, DatasetSchema):
            if target is not None:
                fix = "Set the target of each table in the schema."
                raise InvalidInputError(Problem("--target", "several tables have targets of their own", fix))
            return api.assess_tables(real, synthetic, described, out=out_path, progress=progress, **options)
        return api.assess(
            real, synthetic, target=target, schema=described, home=home, out=out_path, progress=progress, **options
        )


def _as_json(found: Assessment | TablesAssessment) -> dict[str, Any]:
    from synthcredit.api import Assessment

    told: dict[str, Any] = {"passed": found.passed, "report": str(found.report)}
    if isinstance(found, Assessment):
        return told | {
            "scores": [score.model_dump(mode="json") for score in found.evidence.scores],
            "findings": [finding.model_dump(mode="json") for finding in found.findings],
        }
    return told | {
        "tables": {name: _as_json(one) for name, one in found.tables.items()},
        "relations": [one.model_dump(mode="json") for one in found.evidence.relations],
    }


def _compare(
    sides: tuple[Path, Path], *, gate: dict[str, Any], anyway: bool, out_path: Path | None, as_json: bool
) -> None:
    from synthcredit import api

    folder = out_path or Path("comparison")
    found = api.compare(*sides, gate=gate, anyway=anyway, out=folder)
    if as_json:
        console.print_json(found.model_dump(mode="json"))
        return
    console.print_comparison(found)
    console.out.print(f"Page: {folder / 'compare.html'}", soft_wrap=True)

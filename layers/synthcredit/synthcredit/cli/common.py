"""What the verbs share: their options, requests from options, and how errors become messages and exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from synthcredit import console
from synthcredit.datasets.schema import DatasetSchema, TableSchema
from synthcredit.errors import InvalidInputError, Problem, SynthcreditError, from_validation
from synthcredit.evidence.limits import Profile
from synthcredit.evidence.model import Level

Data = Annotated[str | None, typer.Option("--data", help="The real data: a CSV or Parquet file.")]
Target = Annotated[str | None, typer.Option("--target", help="The outcome column, e.g. default.")]
Holdout = Annotated[str | None, typer.Option("--holdout", help="Real rows that you kept apart; all of --data trains.")]
Synthesizer = Annotated[
    str, typer.Option("--synthesizer", "-s", help="The model family: trees, copula, ctgan, tvae or copulagan.")
]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the synthesizer, e.g. --set epochs=100."),
]
Rows = Annotated[int, typer.Option("--rows", "-n", help="How many synthetic rows.")]
Seed = Annotated[int, typer.Option("--seed", help="Same data, settings and seed give the same rows.")]
SchemaFile = Annotated[
    Path | None, typer.Option("--schema", help="A schema as `synthcredit schema` prints it; else it is detected.")
]
Out = Annotated[
    Path,
    typer.Option("--out", "-o", help="A folder for the results, or one file: NAME.csv, .parquet, .json or .jsonl."),
]
Home = Annotated[
    Path | None,
    typer.Option("--home", help="Where jobs and models are kept: $SYNTHCREDIT_HOME, or .synthcredit here."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]
Again = Annotated[bool, typer.Option("--again", help="Run a finished job anew instead of showing it.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes that generate; all processors.")]
GateProfile = Annotated[
    Profile | None,
    typer.Option("--gate-profile", "--profile", help="Gate: development inside the team, sharing outside, or strict."),
]
EvidenceLevel = Annotated[
    Level, typer.Option("--evidence", help="How much is measured: basic is for haste, not for data that is shared.")
]
MaxTstrLoss = Annotated[float | None, typer.Option("--max-tstr-loss", help="Gate: largest allowed loss in AUC.")]

Request = Annotated[Path | None, typer.Argument(help="A request as JSON, as the HTTP API takes it.")]
Deliver = Annotated[
    list[str] | None, typer.Option("--deliver", help="A form: parquet, csv, json, jsonl; may be repeated.")
]
Retrain = Annotated[bool, typer.Option("--retrain", help="Train even if a suitable model exists.")]


def request_body(
    request: Path | None,
    *,
    data: str | None,
    target: str | None,
    synthesizer: str,
    rows: int,
    seed: int,
    holdout: str | None,
    schema: Path | None,
    setting: list[str] | None,
    deliver: list[str] | None,
    profile: Profile | None,
    evidence: Level,
    max_tstr_loss: float | None,
    retrain: bool,
) -> dict[str, Any]:
    """Return what is asked: a request from a file, or one made of options."""
    if request is not None:
        body = read_json(request)
        if not isinstance(body, dict):
            raise InvalidInputError(Problem(str(request), "it is no JSON object", "Write a request: {...}."))
        return body
    body = {
        "source": {"kind": "dataset", "target": target, "reuse": not retrain}
        | given(uri=path_of(data), holdout=path_of(holdout), schema=None if schema is None else read_json(schema)),
        "synthesizer": {"name": synthesizer, **settings_of(setting)},
        "rows": rows,
        "seed": seed,
        "gate": given(profile=profile, max_tstr_loss=max_tstr_loss),
        "evidence": evidence,
        **given(deliver=deliver),
    }
    if data is None:
        raise InvalidInputError(
            Problem("--data", "there is no data and no request", "Give --data FILE, or a request file.")
        )
    return body


@contextmanager
def answering(as_json: bool) -> Iterator[None]:
    """Turn errors into messages and exit codes; a person never sees a traceback for what they can mend."""
    try:
        yield
    except SynthcreditError as error:
        if as_json:
            problems = [{"field": p.field, "problem": p.problem, "fix": p.fix} for p in error.problems]
            console.print_json({"error": error.name, "problems": problems})
        else:
            console.print_error(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        console.err.print("\nStopped. The same command again continues where it was.")
        raise typer.Exit(130) from None


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON is whatever it is; pydantic decides
    """Read JSON, or say where it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInputError(Problem(str(path), "it does not exist", "Check the path.")) from None
    except (ValueError, OSError) as error:
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidInputError(Problem(str(path), f"it is no JSON{place}", "Correct the file.")) from None


def read_schema(path: Path | None) -> TableSchema | None:
    """Read a schema that was given, or say what is wrong with it."""
    if path is None:
        return None
    try:
        return TableSchema.model_validate(read_json(path))
    except ValidationError as error:
        raise from_validation(error, str(path)) from None


def read_dataset_schema(path: Path | None) -> TableSchema | DatasetSchema | None:
    """Read a schema of one table or of several, or say what is wrong with it."""
    if path is None:
        return None
    content = read_json(path)
    if not isinstance(content, dict) or "tables" not in content:
        return read_schema(path)
    try:
        return DatasetSchema.model_validate(content)
    except ValidationError as error:
        raise from_validation(error, str(path)) from None


def path_of(path: str | Path | None) -> str | None:
    """Return where a file is; a URI such as s3://bucket/key stays one."""
    if path is None or "://" in str(path):
        return path if path is None else str(path)
    return str(Path(path).absolute())


def given(**values: object) -> dict[str, Any]:
    """Keep what was given, so that the request's own defaults hold for the rest."""
    return {name: value for name, value in values.items() if value is not None}


def settings_of(pairs: list[str] | None) -> dict[str, Any]:
    """Return NAME=VALUE pairs as settings; a value that is JSON is what it says, any other is text."""
    settings = {}
    for pair in pairs or ():
        name, sign, value = pair.partition("=")
        if not sign:
            raise InvalidInputError(Problem(f"--set {pair}", "it has no '='", "Write --set NAME=VALUE."))
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings

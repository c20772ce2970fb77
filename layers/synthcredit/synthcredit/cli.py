"""The command line: the platform's verbs, with help, progress and exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.markup import escape

from synthcredit import __version__, console
from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import GateNotMetError, InvalidInputError, Problem, SynthcreditError, from_validation

app = typer.Typer(
    name="synthcredit",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Synthetic credit data that a bank can use, and the proof of it.",
    epilog="Exit codes: 0 done, 2 bad input, 3 the gate is not met, 1 any other failure.",
)
Data = Annotated[Path | None, typer.Option("--data", help="The real data: a CSV or Parquet file.")]
Target = Annotated[str | None, typer.Option("--target", help="The outcome column, e.g. default.")]
Holdout = Annotated[Path | None, typer.Option("--holdout", help="Real rows that you kept apart; all of --data trains.")]
Synthesizer = Annotated[str, typer.Option("--synthesizer", "-s", help="The model family: trees or ctgan.")]
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
MaxTstrLoss = Annotated[float | None, typer.Option("--max-tstr-loss", help="Gate: largest allowed loss in AUC.")]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        console.out.print(f"synthcredit {__version__}")
        raise typer.Exit


@app.command()
def run(
    request: Annotated[Path | None, typer.Argument(help="A request as JSON, as the HTTP API takes it.")] = None,
    data: Data = None,
    target: Target = None,
    synthesizer: Synthesizer = "trees",
    rows: Rows = 10_000,
    seed: Seed = 0,
    out_path: Out = Path("out"),
    holdout: Holdout = None,
    schema: SchemaFile = None,
    setting: Setting = None,
    deliver: Annotated[
        list[str] | None, typer.Option("--deliver", help="A form: parquet, csv, json, jsonl; may be repeated.")
    ] = None,
    max_tstr_loss: MaxTstrLoss = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train even if a suitable model exists.")] = False,
    again: Again = False,
    workers: Workers = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make synthetic rows like those of a table, prove them, and deliver them.

    Trains a model if no suitable one exists. An interrupted run goes on when the same command is given again.

    For example:

      synthcredit run --data applicants.csv --target default --rows 10000

      synthcredit run --data applicants.csv --target default --synthesizer ctgan --set epochs=100

      synthcredit run --data applicants.csv --rows 500 --out sample.csv

      synthcredit run request.json --out results
    """
    with _answering(as_json):
        if request is not None:
            body = _read_json(request)
        else:
            body = {
                "source": {"kind": "dataset", "target": target, "reuse": not retrain}
                | _given(
                    uri=_path(data), holdout=_path(holdout), schema=None if schema is None else _read_json(schema)
                ),
                "synthesizer": {"name": synthesizer, **_settings(setting)},
                "rows": rows,
                "seed": seed,
                "gate": _given(max_tstr_loss=max_tstr_loss),
                **_given(deliver=deliver),
            }
            if data is None:
                raise InvalidInputError(
                    Problem("--data", "there is no data and no request", "Give --data FILE, or a request file.")
                )
        _run(body, out_path=out_path, home=home, workers=workers, again=again, as_json=as_json)


@app.command()
def generate(
    model: Annotated[str, typer.Option("--model", "-m", help="The model's id, see `synthcredit models`.")],
    rows: Rows = 10_000,
    seed: Seed = 0,
    data: Annotated[
        Path | None, typer.Option("--data", help="The data it was trained on, if it is not where the card says.")
    ] = None,
    out_path: Out = Path("out"),
    again: Again = False,
    workers: Workers = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make rows from a model that exists; proven and gated like every other job.

    Example:

      synthcredit generate --model trees-applicants-0123456789ab --rows 100000 --out rows.parquet
    """
    with _answering(as_json):
        source = {"kind": "model", "model_id": model} | _given(uri=_path(data))
        body = {"source": source, "rows": rows, "seed": seed}
        _run(body, out_path=out_path, home=home, workers=workers, again=again, as_json=as_json)


@app.command()
def train(
    data: Annotated[Path, typer.Option("--data", help="The real data: a CSV or Parquet file.")],
    target: Target = None,
    synthesizer: Synthesizer = "trees",
    setting: Setting = None,
    holdout: Holdout = None,
    schema: SchemaFile = None,
    seed: Seed = 0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Train a model and register it, with its card.

    Example:

      synthcredit train --data applicants.csv --target default --synthesizer ctgan --set epochs=300
    """
    with _answering(as_json):
        from synthcredit import api

        with console.progress() as listener:
            card = api.train(
                data,
                target=target,
                synthesizer=synthesizer,
                settings=_settings(setting),
                holdout=holdout,
                schema=_read_schema(schema),
                seed=seed,
                home=home,
                progress=lambda done, message: listener("train", done, message),
            )
        if as_json:
            console.print_json(card.model_dump(mode="json", by_alias=True))
            return
        console.out.print(console.card_table(card))


@app.command()
def assess(
    real: Annotated[Path, typer.Option("--real", help="The real rows that the synthetic ones were made from.")],
    synthetic: Annotated[Path, typer.Option("--synthetic", help="The synthetic rows to be judged.")],
    holdout: Annotated[
        Path | None, typer.Option("--holdout", help="Real rows that no model saw. Without them less can be judged.")
    ] = None,
    target: Target = None,
    schema: SchemaFile = None,
    out_path: Annotated[Path, typer.Option("--out", "-o", help="The folder for report and evidence.")] = Path(
        "assessment"
    ),
    max_tstr_loss: MaxTstrLoss = None,
    seed: Seed = 0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Judge anybody's synthetic data against real data: report, evidence and a verdict.

    Example:

      synthcredit assess --real train.csv --synthetic made.csv --holdout test.csv --target default
    """
    with _answering(as_json):
        from synthcredit import api

        with console.progress() as listener:
            found = api.assess(
                real,
                synthetic,
                holdout=holdout,
                target=target,
                schema=_read_schema(schema),
                gate=_given(max_tstr_loss=max_tstr_loss),
                out=out_path,
                home=home,
                seed=seed,
                progress=lambda done, message: listener("assess", done, message),
            )
        if as_json:
            console.print_json(
                {"passed": found.passed, "report": str(found.report)}
                | {"findings": [finding.model_dump(mode="json") for finding in found.findings]}
            )
        else:
            console.print_evidence(found.evidence, found.findings)
            console.out.print(f"\n[bold]{'The gate is met.' if found.passed else 'The gate is not met.'}[/bold]")
            console.out.print(f"Report: {found.report}", soft_wrap=True)
        if not found.passed:
            raise typer.Exit(GateNotMetError.exit_code)


@app.command()
def models(
    model: Annotated[str | None, typer.Argument(help="A model's id, to see its whole card.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the models that exist, or show the card of one.

    Example:

      synthcredit models ctgan-german_credit-0123456789ab --json
    """
    with _answering(as_json):
        from synthcredit import api

        cards = api.models(home)
        if model is not None:
            cards = [card for card in cards if card.model_id == model]
            if not cards:
                raise InvalidInputError(Problem("model", f"there is no model '{model}'", "See `synthcredit models`."))
        if as_json:
            console.print_json([card.model_dump(mode="json", by_alias=True) for card in cards])
        elif model is not None:
            console.out.print(console.card_table(cards[0]))
        elif cards:
            console.out.print(console.models_table(cards))
        else:
            console.out.print("There is no model yet: `synthcredit train` makes one.")


@app.command()
def schema(data: Annotated[Path, typer.Argument(help="A CSV or Parquet file.")], target: Target = None) -> None:
    """Print the schema that is detected for a file: edit it, and pass it back with --schema.

    Example:

      synthcredit schema applicants.csv --target default > schema.json
    """
    with _answering(False):
        from synthcredit.datasets import detect

        detected = detect.detect_schema(data, target=target)
        for notice in detected.notices:
            console.err.print(f"Note: {escape(notice)}", soft_wrap=True)
        sys.stdout.write(detected.schema.model_dump_json(indent=1) + "\n")


def main() -> None:
    """Run the command line."""
    app()


def _run(
    body: dict[str, Any], *, out_path: Path, home: Path | None, workers: int | None, again: bool, as_json: bool
) -> None:
    from synthcredit import api

    with console.progress() as listener:
        result = api.run_request(body, out=out_path, home=home, workers=workers, again=again, listener=listener)
    if as_json:
        console.print_json(console.as_json(result))
    else:
        console.summary(result, new=bool(listener.seen))


@contextmanager
def _answering(as_json: bool) -> Iterator[None]:
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


def _read_json(path: Path) -> Any:  # noqa: ANN401 - JSON is whatever it is; pydantic decides
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInputError(Problem(str(path), "it does not exist", "Check the path.")) from None
    except (ValueError, OSError) as error:
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidInputError(Problem(str(path), f"it is no JSON{place}", "Correct the file.")) from None


def _read_schema(path: Path | None) -> TableSchema | None:
    if path is None:
        return None
    try:
        return TableSchema.model_validate(_read_json(path))
    except ValidationError as error:
        raise from_validation(error, str(path)) from None


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _given(**values: object) -> dict[str, Any]:
    """Keep what was given, so that the request's own defaults hold for the rest."""
    return {name: value for name, value in values.items() if value is not None}


def _settings(pairs: list[str] | None) -> dict[str, Any]:
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

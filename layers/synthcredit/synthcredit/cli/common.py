"""What the verbs share: their options, requests from options, and how errors become messages and exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from synthcredit import console
from synthcredit.datasets import contradictions
from synthcredit.datasets.constraints import without_kind
from synthcredit.datasets.schema import DatasetSchema, TableSchema
from synthcredit.errors import InvalidInputError, Problem, SynthcreditError, from_validation, raise_all
from synthcredit.evidence.limits import Profile
from synthcredit.evidence.model import Level

CUSTOMERS = 1_000
Data = Annotated[str | None, typer.Option("--data", help="The real data: a CSV or Parquet file.")]
Target = Annotated[str | None, typer.Option("--target", help="The outcome column, e.g. default.")]
Holdout = Annotated[str | None, typer.Option("--holdout", help="Real rows that you kept apart; all of --data trains.")]
Synthesizer = Annotated[
    str,
    typer.Option("--synthesizer", "-s", help="The model family: trees, copula, diffusion, ctgan, tvae or copulagan."),
]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the synthesizer, e.g. --set epochs=100."),
]
Rows = Annotated[int, typer.Option("--rows", "-n", help="How many synthetic rows.")]
DEFAULT_ROWS = 10_000
AskedRows = Annotated[
    int | None, typer.Option("--rows", "-n", help=f"How many synthetic rows; {DEFAULT_ROWS:,} where not given.")
]
Portfolio = Annotated[
    str | None,
    typer.Option(
        "--portfolio",
        metavar="SCENARIO",
        help="Simulate a portfolio, from no data: baseline, downturn, rapid_growth, thin_file, or a YAML file. --set "
        "says how much else than customers, e.g. --set history=24.",
    ),
]
Customers = Annotated[
    int | None, typer.Option("--customers", help=f"How many customers a portfolio has; {CUSTOMERS:,} where not given.")
]
DeclarationFile = Annotated[
    Path | None,
    typer.Option(
        "--declaration",
        metavar="FILE",
        help="Make the tables that a YAML or JSON file declares, from no data. --set 'rows={\"TABLE\": N}' for other "
        "numbers of rows than it says.",
    ),
]
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

TargetRate = Annotated[
    float | None, typer.Option("--target-rate", help="Share of rows with the rarer class of the target; exact.")
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="COLUMN=VALUE, COLUMN>=VALUE or COLUMN<=VALUE that every row meets; may be repeated. Several values of "
        "one column: any of them. COLUMN=null: missing.",
    ),
]
Balance = Annotated[
    str | None, typer.Option("--balance", metavar="COLUMN", help="All categories of this column equally often.")
]
Share = Annotated[
    list[str] | None,
    typer.Option(
        "--share",
        metavar="COLUMN:CATEGORY=SHARE",
        help="How often a category comes, e.g. --share purpose:boat=0.3; may be repeated for one column.",
    ),
]

Request = Annotated[Path | None, typer.Argument(help="A request as JSON, as the HTTP API takes it.")]
Deliver = Annotated[
    list[str] | None, typer.Option("--deliver", help="A form: parquet, csv, json, jsonl; may be repeated.")
]
ContinueFrom = Annotated[
    str | None,
    typer.Option("--continue-from", metavar="MODEL", help="Go on from a model of the same family and columns."),
]
Retrain = Annotated[bool, typer.Option("--retrain", help="Train even if a suitable model exists.")]


def request_body(
    request: Path | None,
    *,
    data: str | None,
    target: str | None,
    synthesizer: str,
    rows: int | None,
    seed: int,
    holdout: str | None,
    schema: Path | None,
    setting: list[str] | None,
    deliver: list[str] | None,
    profile: Profile | None,
    evidence: Level,
    max_tstr_loss: float | None,
    retrain: bool,
    conditions: dict[str, Any],
    continue_from: str | None = None,
    portfolio: str | None = None,
    customers: int | None = None,
    declaration: Path | None = None,
) -> dict[str, Any]:
    """Return what is asked: a request from a file, or one made of options."""
    if request is not None:
        body = read_json(request)
        if not isinstance(body, dict):
            raise InvalidInputError(Problem(str(request), "it is no JSON object", "Write a request: {...}."))
        return body
    for_models = {
        "--data": data, "--target": target, "--rows": rows, "--holdout": holdout, "--schema": schema,
        "--continue-from": continue_from, "--retrain": retrain or None,
        "--target-rate, --where, --balance, --share": conditions or None, "--max-tstr-loss": max_tstr_loss,
    }  # fmt: skip
    by_rules = {
        "seed": seed,
        "gate": given(profile=profile),
        "evidence": evidence,
        **given(deliver=deliver),
    }
    if declaration is not None:
        _refuse(
            {**for_models, "--portfolio": portfolio, "--customers": customers},
            "declared tables are made, not learned",
            "Leave it out; give --set 'rows={\"TABLE\": N}' for other numbers of rows.",
        )
        from synthcredit.declared.reading import load_content

        declared = {"kind": "schema", "declaration": load_content(declaration), **settings_of(setting)}
        return {"source": declared, **by_rules}
    if portfolio is not None:
        _refuse(
            for_models,
            "a portfolio is simulated, not learned",
            "Leave it out; give --customers, --set or a scenario.",
        )
        simulated = {
            "kind": "portfolio",
            "scenario": _scenario(portfolio),
            "customers": CUSTOMERS if customers is None else customers,
            **settings_of(setting),
        }
        return {"source": simulated, **by_rules}
    if customers is not None:
        raise InvalidInputError(
            Problem("--customers", "only a portfolio has customers", "Give --portfolio SCENARIO, or --rows.")
        )
    body = {
        "source": {"kind": "dataset", "target": target, "reuse": not retrain}
        | given(uri=path_of(data), holdout=path_of(holdout), schema=None if schema is None else read_json(schema))
        | given(continue_from=continue_from),
        "synthesizer": {"name": synthesizer, **settings_of(setting)},
        "rows": DEFAULT_ROWS if rows is None else rows,
        "seed": seed,
        "conditions": conditions,
        "gate": given(profile=profile, max_tstr_loss=max_tstr_loss),
        "evidence": evidence,
        **given(deliver=deliver),
    }
    if data is None:
        raise InvalidInputError(
            Problem(
                "--data",
                "there is no data and no request",
                "Give --data FILE, --portfolio, --declaration, or a request.",
            )
        )
    return body


def _refuse(options: dict[str, Any], problem: str, fix: str) -> None:
    raise_all(Problem(name, problem, fix) for name, value in options.items() if value is not None)


def _scenario(name: str) -> str | dict[str, Any]:
    """Return a scenario as a request has it: a shipped one by name, one's own with all that its file says."""
    from synthcredit.portfolio.scenario import SHIPPED, load

    return name if name in SHIPPED else load(name).model_dump(mode="json")


def conditions_of(
    target_rate: float | None, where: list[str] | None, balance: str | None, share: list[str] | None
) -> dict[str, Any]:
    """Return the conditions that options state, as a request has them."""
    shares: dict[str, Any] = {}
    for text in share or ():
        found = _SHARE.fullmatch(text)
        if found is None or shares.get("column", found[1]) != found[1]:
            raise InvalidInputError(
                Problem(f"--share {text}", "it is no COLUMN:CATEGORY=SHARE of one column", "E.g. purpose:boat=0.3.")
            )
        shares = {"column": found[1], "of": shares.get("of", {}) | {found[2]: float(found[3])}}
    return given(target_rate=target_rate, balance=balance, where=_where(where) or None, shares=shares or None)


_CONDITION = re.compile(r"(.+?)(>=|<=|=)(.*)", re.DOTALL)
_SHARE = re.compile(r"(.+?):(.+)=(0|1|[01]?\.\d+)", re.DOTALL)


def _where(texts: list[str] | None) -> dict[str, Any]:
    where: dict[str, Any] = {}
    for text in texts or ():
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise InvalidInputError(
                Problem(
                    f"--where {text}", "it has no =, >= or <=", "Write COLUMN=VALUE, COLUMN>=VALUE or COLUMN<=VALUE."
                )
            )
        name, sign, value = found[1].strip(), found[2], _json_or_text(found[3].strip())
        before = where.get(name)
        if sign == "=":
            where[name] = value if name not in where else [*(before if isinstance(before, list) else [before]), value]
        else:
            where[name] = {**(before if isinstance(before, dict) else {}), "min" if sign == ">=" else "max": value}
        if isinstance(before, dict) != (sign != "=") and name in where and before is not None:
            raise InvalidInputError(
                Problem(f"--where {text}", f"'{name}' has a value and a range", "Give values, or a range.")
            )
    return where


def _json_or_text(value: str) -> Any:  # noqa: ANN401 - JSON is whatever it is; pydantic decides
    try:
        return json.loads(value)
    except ValueError:
        return value


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
        schema = TableSchema.model_validate(read_json(path))
    except ValidationError as error:
        raise _refused(error, path) from None
    raise_all(contradictions.problems(schema, f"{path}.constraints"))
    return schema


def with_constraints(schema: TableSchema, path: Path) -> TableSchema:
    """Return a schema with the constraints of a file, a list or ``{"constraints": [...]}``, in it."""
    content = read_json(path)
    listed = content.get("constraints") if isinstance(content, dict) else content
    try:
        found = TableSchema.model_validate(schema.model_dump() | {"constraints": listed})
    except ValidationError as error:
        raise _refused(error, path) from None
    raise_all(contradictions.problems(found, f"{path}.constraints"))
    return found


def read_dataset_schema(path: Path | None) -> TableSchema | DatasetSchema | None:
    """Read a schema of one table or of several, or say what is wrong with it."""
    if path is None:
        return None
    content = read_json(path)
    if not isinstance(content, dict) or "tables" not in content:
        return read_schema(path)
    try:
        schema = DatasetSchema.model_validate(content)
    except ValidationError as error:
        raise _refused(error, path) from None
    raise_all(
        problem
        for number, table in enumerate(schema.tables)
        for problem in contradictions.problems(table, f"{path}.tables.{number}.constraints")
    )
    return schema


def _refused(error: ValidationError, path: Path) -> InvalidInputError:
    problems = from_validation(error, str(path)).problems
    return InvalidInputError([replace(problem, field=without_kind(problem.field)) for problem in problems])


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
        settings[name] = _json_or_text(value)
    return settings

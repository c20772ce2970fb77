"""The verbs that work in one process, on a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from synthcredit import console
from synthcredit.cli.common import (
    Again,
    AsJson,
    AskedRows,
    Balance,
    ContinueFrom,
    Customers,
    Data,
    DeclarationFile,
    Deliver,
    EvidenceLevel,
    GateProfile,
    Holdout,
    Home,
    MaxTstrLoss,
    Out,
    Portfolio,
    Request,
    Retrain,
    Rows,
    SchemaFile,
    Seed,
    Setting,
    Share,
    Synthesizer,
    Target,
    TargetRate,
    Where,
    Workers,
    answering,
    conditions_of,
    given,
    path_of,
    read_schema,
    request_body,
    settings_of,
    with_constraints,
)
from synthcredit.cli.stores import Reset, Store, To, Yes, as_step, reach, show, shown_as_json
from synthcredit.errors import InvalidInputError, Problem
from synthcredit.evidence.model import Level


def run(
    request: Request = None,
    data: Data = None,
    target: Target = None,
    synthesizer: Synthesizer = "trees",
    rows: AskedRows = None,
    portfolio: Portfolio = None,
    customers: Customers = None,
    declaration: DeclarationFile = None,
    seed: Seed = 0,
    out_path: Out = Path("out"),
    holdout: Holdout = None,
    schema: SchemaFile = None,
    setting: Setting = None,
    target_rate: TargetRate = None,
    where: Where = None,
    balance: Balance = None,
    share: Share = None,
    deliver: Deliver = None,
    profile: GateProfile = None,
    evidence: EvidenceLevel = Level.STANDARD,
    max_tstr_loss: MaxTstrLoss = None,
    retrain: Retrain = False,
    continue_from: ContinueFrom = None,
    again: Again = False,
    workers: Workers = None,
    to: To = None,
    reset: Reset = False,
    yes: Yes = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make synthetic rows like those of a table, prove them, and deliver them.

    Trains a model if no suitable one exists. An interrupted run goes on when the same command is given again.

    For example:

      synthcredit run --data applicants.csv --target default --rows 10000

      synthcredit run --data applicants.csv --target default --synthesizer ctgan --set epochs=100

      synthcredit run --data applicants.csv --rows 500 --out sample.csv

      synthcredit run --data applicants.csv --target default --target-rate 0.3 --where "age>=25" --where purpose=car

      synthcredit run --portfolio downturn --customers 100000

      synthcredit run --declaration accounts.yaml

      synthcredit run request.json --out results
    """
    with answering(as_json):
        body = request_body(
            request, data=data, target=target, synthesizer=synthesizer, rows=rows, seed=seed, holdout=holdout,
            schema=schema, setting=setting, deliver=deliver, profile=profile, evidence=evidence,
            max_tstr_loss=max_tstr_loss, retrain=retrain, continue_from=continue_from,
            portfolio=portfolio, customers=customers, declaration=declaration,
            conditions=conditions_of(target_rate, where, balance, share),
        )  # fmt: skip
        store = Store(to, reset=reset, yes=yes)
        _run(body, store, out_path=out_path, home=home, workers=workers, again=again, as_json=as_json)


def generate(
    model: Annotated[str, typer.Option("--model", "-m", help="The model's id, see `synthcredit models`.")],
    rows: Rows = 10_000,
    seed: Seed = 0,
    target_rate: TargetRate = None,
    where: Where = None,
    balance: Balance = None,
    share: Share = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="The data it was trained on, if it is not where the card says.")
    ] = None,
    out_path: Out = Path("out"),
    profile: GateProfile = None,
    evidence: EvidenceLevel = Level.STANDARD,
    again: Again = False,
    workers: Workers = None,
    to: To = None,
    reset: Reset = False,
    yes: Yes = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make rows from a model that exists; proven and gated like every other job.

    Example:

      synthcredit generate --model trees-applicants-0123456789ab --rows 100000 --out rows.parquet
    """
    with answering(as_json):
        source = {"kind": "model", "model_id": model} | given(uri=path_of(data))
        body = {
            "source": source,
            "rows": rows,
            "seed": seed,
            "conditions": conditions_of(target_rate, where, balance, share),
            "gate": given(profile=profile),
            "evidence": evidence,
        }
        store = Store(to, reset=reset, yes=yes)
        _run(body, store, out_path=out_path, home=home, workers=workers, again=again, as_json=as_json)


def complete(
    rows: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Parquet with some of the model's columns.")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The model's id, see `synthcredit models`; or give --data.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Real data to learn first; a model made from just this is used again.")
    ] = None,
    target: Target = None,
    synthesizer: Synthesizer = "trees",
    out_path: Annotated[
        Path, typer.Option("--out", "-o", help="The file to write: NAME.csv, .parquet, .json or .jsonl.")
    ] = Path("completed.csv"),
    seed: Seed = 0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Complete rows of which a part is given: a model draws what they lack.

    Empty cells are completed, and so are columns that FILE does not have; every other value is kept. Nothing is proven
    of the result: for data that leaves your hands use run or generate.

    For example:

      synthcredit complete cases.csv --data applicants.csv --target default --out completed.csv

      synthcredit complete cases.csv --model trees-applicants-0123456789ab
    """
    with answering(as_json):
        from synthcredit import api

        if (model is None) == (data is None):
            raise InvalidInputError(
                Problem("--model", "a model completes the rows, or data that one is made from", "Give one of the two.")
            )
        if model is None and data is not None:
            with console.progress() as listener:
                model = api.train(
                    data,
                    target=target,
                    synthesizer=synthesizer,
                    home=home,
                    progress=lambda done, message: listener("train", done, message),
                ).model_id
        written = api.complete(rows, str(model), out_path, seed=seed, home=home)
        if as_json:
            console.print_json({"file": str(written)})
        else:
            console.out.print(f"Completed: {written}", soft_wrap=True)


def train(
    data: Annotated[Path, typer.Option("--data", help="The real data: a CSV or Parquet file.")],
    target: Target = None,
    synthesizer: Synthesizer = "trees",
    setting: Setting = None,
    holdout: Holdout = None,
    schema: SchemaFile = None,
    continue_from: ContinueFrom = None,
    seed: Seed = 0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Train a model and register it, with its card.

    A training that was interrupted goes on when the same command is given again.

    Example:

      synthcredit train --data applicants.csv --target default --synthesizer ctgan --set epochs=300
    """
    with answering(as_json):
        from synthcredit import api

        with console.progress() as listener:
            card = api.train(
                data,
                target=target,
                synthesizer=synthesizer,
                settings=settings_of(setting),
                holdout=holdout,
                schema=read_schema(schema),
                continue_from=continue_from,
                seed=seed,
                home=home,
                progress=lambda done, message: listener("train", done, message),
            )
        if as_json:
            console.print_json(card.model_dump(mode="json", by_alias=True))
            return
        console.out.print(console.card_table(card))


def models(
    model: Annotated[str | None, typer.Argument(help="A model's id, to see its whole card.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the models that exist, or show the card of one.

    Example:

      synthcredit models ctgan-german_credit-0123456789ab --json
    """
    with answering(as_json):
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


def verify(
    folder: Annotated[
        Path | None, typer.Argument(help="The folder of a job's results, with its manifest.json.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model's id, to check its card.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="The fingerprint of the key that must have signed.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Check that results are what was published, or a model card what was signed, and by whom.

    Exit code 2 where anything was changed or is missing, or another key signed.

    For example:

      synthcredit verify out/0123456789abcdef01234567 --key 0f1e2d3c4b5a6978

      synthcredit verify --model trees-applicants-0123456789ab
    """
    with answering(as_json):
        from synthcredit import api

        if folder is not None and model is None:
            found = api.verify(folder, key=key)
        elif model is not None and folder is None:
            found = api.verify_model(model, key=key, home=home)
        else:
            raise InvalidInputError(Problem("verify", "it checks one thing at a time", "Give a folder, or --model ID."))
        if as_json:
            console.print_json({"signed_by": found.signed_by, "checked": list(found.files)})
            return
        signer = f"Signed by the key {found.signed_by}." if found.signed_by else "Nobody has signed it."
        console.out.print(f"Unchanged: {len(found.files)} checked. {signer}", soft_wrap=True)


def schema(
    data: Annotated[Path, typer.Argument(help="A CSV or Parquet file.")],
    target: Target = None,
    suggest_constraints: Annotated[
        bool,
        typer.Option("--suggest-constraints", help="Print constraints that all rows keep instead: confirm them first."),
    ] = False,
    constraints: Annotated[
        Path | None,
        typer.Option("--constraints", help="Put these into the schema: what --suggest-constraints printed, edited."),
    ] = None,
    declaration: Annotated[
        bool,
        typer.Option("--declaration", help="Print the beginning of a declaration instead, without a value of a row."),
    ] = False,
    confirm: Annotated[
        list[str] | None,
        typer.Option("--confirm", metavar="COLUMN", help="Take its range or categories into it; may be repeated."),
    ] = None,
) -> None:
    """Print the schema that is detected for a file: edit it, and pass it back with --schema.

    Constraints are suggested and never applied by themselves: look at each, delete what is no rule, and pass the rest.

    For example:

      synthcredit schema applicants.csv --target default > schema.json

      synthcredit schema applicants.csv --suggest-constraints > constraints.json

      synthcredit schema applicants.csv --target default --constraints constraints.json > schema.json

      synthcredit schema applicants.csv --declaration --confirm purpose > declaration.yaml
    """
    with answering(False):
        from synthcredit.datasets import detect, read, suggest
        from synthcredit.declared import draft

        if confirm and not declaration:
            raise InvalidInputError(
                Problem("--confirm", "there is no declaration to put it into", "Add --declaration.")
            )

        detected = detect.detect_schema(data, target=target)
        found = detected.schema if constraints is None else with_constraints(detected.schema, constraints)
        for notice in detected.notices:
            console.err.print(f"Note: {escape(notice)}", soft_wrap=True)
        if declaration:
            sys.stdout.write(draft.draft(found, confirm or ()))
            return
        if not suggest_constraints:
            sys.stdout.write(found.model_dump_json(indent=1) + "\n")
            return
        suggested = suggest.suggest(read.read_table(data, found), found)
        for number, one in enumerate(suggested):
            console.err.print(f"constraints.{number}: {escape(one.says)}", soft_wrap=True)
        console.print_json({"constraints": [one.constraint.model_dump(mode="json") for one in suggested]})


def _run(
    body: dict[str, Any],
    store: Store,
    *,
    out_path: Path,
    home: Path | None,
    workers: int | None,
    again: bool,
    as_json: bool,
) -> None:
    from synthcredit import api

    if store.to is not None:
        reach(store.to)
    step, loaded = as_step(store)
    with console.progress() as listener:
        result = api.run_request(
            body, out=out_path, home=home, workers=workers, again=again, listener=listener,
            store=None if store.asks else step,
        )  # fmt: skip
    if store.asks:
        # The job is finished: what is left of it is to ask, and to load.
        result = api.run_request(body, out=out_path, home=home, workers=workers, store=step)
    if as_json:
        console.print_json(console.as_json(result) | ({"database": shown_as_json(loaded[-1])} if loaded else {}))
        return
    console.summary(result, new=bool(listener.seen))
    for summary in loaded:
        show(summary)

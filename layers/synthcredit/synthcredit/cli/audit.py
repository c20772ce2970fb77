"""The verb that audits: attacks by retrained models, per family and dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from synthcredit import console
from synthcredit.cli.common import (
    AsJson,
    Holdout,
    SchemaFile,
    Seed,
    Setting,
    Synthesizer,
    Target,
    answering,
    read_schema,
    settings_of,
)
from synthcredit.errors import GateNotMetError
from synthcredit.evidence.audit import Release

if TYPE_CHECKING:
    from synthcredit.evidence.audit import Audit


def audit(
    data: Annotated[Path, typer.Option("--data", help="The real data: a CSV or Parquet file.")],
    target: Target = None,
    synthesizer: Synthesizer = "trees",
    setting: Setting = None,
    holdout: Holdout = None,
    schema: SchemaFile = None,
    shadows: Annotated[int, typer.Option("--shadows", help="Shadow models; an even number.")] = 16,
    records: Annotated[int, typer.Option("--records", help="Outlying records attacked, and random ones.")] = 50,
    canaries: Annotated[int, typer.Option("--canaries", help="Made-up records in each model that learns some.")] = 20,
    release: Annotated[
        Release, typer.Option("--release", help="What is to be handed out: rows, or the model file too.")
    ] = Release.ROWS,
    seed: Seed = 0,
    out_path: Annotated[Path, typer.Option("--out", "-o", help="The folder for the findings.")] = Path("audit"),
    as_json: AsJson = False,
) -> None:
    """Attack a model family on your data with retrained models, to see whether it memorises people.

    Takes minutes to hours: some 26 models are trained, and thrown away. The same command again goes on where an
    interrupted one stopped. Exit code 3 where a leak is found.

    Example:

      synthcredit audit --data applicants.csv --target default --set trees=4 --out audit
    """
    with answering(as_json):
        from synthcredit import api

        with console.progress() as listener:
            found = api.audit(
                data,
                target=target,
                synthesizer=synthesizer,
                settings=settings_of(setting),
                holdout=holdout,
                schema=read_schema(schema),
                shadows=shadows,
                records=records,
                canaries=canaries,
                release=release,
                seed=seed,
                out=out_path,
                progress=lambda done, message: listener("audit", done, message),
            )
        if as_json:
            console.print_json({"leaks": found.leaks, **found.model_dump(mode="json")})
        else:
            _print(found)
            console.out.print(f"Report: {out_path / 'audit.html'}", soft_wrap=True)
        if found.leaks:
            raise typer.Exit(GateNotMetError.exit_code)


def _print(found: Audit) -> None:
    table = Table(title="Audit", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("attack", ""):
        table.add_column(name, no_wrap=True)
    table.add_column("why")
    for finding in found.findings:
        said = {"failed": "leak", "passed": "not found"}.get(finding.status, "undecided")
        colour = {"failed": "red", "passed": "green"}.get(finding.status, "yellow") if finding.counts else "yellow"
        aside = "" if finding.counts else f" Does not count: {finding.why_not}."
        table.add_row(finding.part, f"[{colour}]{said}[/{colour}]", escape(finding.reason + aside))
    console.out.print(table)
    console.out.print(
        f"\n[bold]{found.verdict}[/bold] {found.seconds:.0f} s for all models.",
        soft_wrap=True,
    )

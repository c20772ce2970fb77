"""The command line: the platform's verbs, with help, progress and exit codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from synthcredit import __version__, console
from synthcredit.cli import assess, audit, declared, estimate, platform, portfolio, stores, verbs

app = typer.Typer(
    name="synthcredit",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Synthetic credit data that a bank can use, and the proof of it.",
    epilog="Exit codes: 0 done, 2 bad input, 3 the gate is not met, 1 any other failure.",
)


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        console.out.print(f"synthcredit {__version__}")
        raise typer.Exit


_HERE = "In one process, on this machine"
_THERE = "On a platform: the embedded one, or one on AWS"
_VERBS: dict[str, tuple[Callable[..., None], ...]] = {
    _HERE: (
        verbs.run,
        verbs.generate,
        verbs.complete,
        verbs.train,
        portfolio.portfolio,
        declared.declared,
        estimate.estimate,
        assess.assess,
        audit.audit,
        verbs.models,
        verbs.verify,
        verbs.schema,
        stores.load,
    ),
    _THERE: (platform.up, platform.submit, platform.status, platform.stop, platform.down),
}
for _panel, _verbs in _VERBS.items():
    for _verb in _verbs:
        app.command(rich_help_panel=_panel)(_verb)


def main() -> None:
    """Run the command line."""
    app()

"""The audit on paper: ``audit.json`` for programs and ``audit.html``, one page that opens offline, for people."""

from __future__ import annotations

from pathlib import Path

import jinja2

from synthcredit.evidence.audit import LEAST_P, MOST_AUC, Audit, Estimate
from synthcredit.evidence.model import Status

_SIGNS = {Status.PASSED: "not found", Status.FAILED: "leak", Status.NOT_JUDGED: "undecided"}


def write_audit(folder: Path, audit: Audit) -> None:
    """Write both files into a folder that exists. There is no row and no value of a row in them.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthcredit", "evidence"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(estimate=show_estimate, percent=show_percent)
    html = environment.get_template("audit.html.jinja").render(
        audit=audit, signs=_SIGNS, most_auc=MOST_AUC, least_p=LEAST_P
    )
    (folder / "audit.json").write_text(audit.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / "audit.html").write_text(html, encoding="utf-8")


def show_estimate(estimate: Estimate) -> str:
    """Return a figure with its interval: .512 (.471 to .553), with the zero before the point."""
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})".replace("-", "\N{MINUS SIGN}")


def show_percent(estimate: Estimate) -> str:
    """Return a share with its interval in per cent."""
    text = f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"
    return text.replace("-", "\N{MINUS SIGN}")

"""The audit of a model family on a dataset: what was found by attacks that retrain models, and what counts as a leak.

What every run measures from the release alone is in `nearest` and `attacks`; this is for those who can retrain.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.evidence.model import Status

MOST_AUC = 0.6
"""A membership attack whose AUC is above this, at its lower 95 % bound, finds people: see docs/evidence/audit.md."""
LEAST_P = 0.01
"""Canaries nearer to the release than recombined ones with less chance than this were memorised."""


class Release(StrEnum):
    """What is to be handed out."""

    ROWS = "rows"
    MODEL = "model"
    """The model file too."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Estimate(_Model):
    """A figure with its interval."""

    value: float
    low: float
    high: float


class ShadowResult(_Model):
    """The likelihood-ratio attack on some records."""

    records: Annotated[str, Field(description="Which ones: outlying, or random.")]
    attacked: Annotated[int, Field(description="How many records; each under every shadow model.")]
    auc: Annotated[Estimate, Field(description=".5 is guessing.")]
    found_at_1: Annotated[Estimate, Field(description="Members found at 1 % false alarms; .01 is guessing.")]
    found_at_10: Annotated[Estimate, Field(description="Members found at 10 % false alarms; .1 is guessing.")]


class CanaryResult(_Model):
    """Made-up records that stood in training data so many times, in models of their own."""

    repeats: Annotated[int, Field(description="How often each was inserted; 0: not at all, the control.")]
    models: int
    canaries: Annotated[int, Field(description="In all models together.")]
    decoys: Annotated[int, Field(description="Recombined canaries that were not inserted, a model.")]
    exposure: Annotated[Estimate, Field(description="Mean of log2(decoys + 1) - log2(rank among decoys), in bits.")]
    by_chance: Annotated[float, Field(description="What exposure is by chance.")]
    nearest: Annotated[Estimate, Field(description="Share nearer to a synthetic row than each decoy.")]
    exact: Annotated[Estimate, Field(description="Share that synthetic rows repeat exactly.")]
    p_value: Annotated[float, Field(description="One-sided permutation test; small where canaries were memorised.")]


class WhiteboxResult(_Model):
    """Attacks by whoever holds the model file."""

    values: Annotated[int, Field(description="Values of numeric columns that one training row alone has.")]
    control_values: Annotated[int, Field(description="The same for the holdout.")]
    place: Annotated[str | None, Field(description="The part of the file in which training values stood out most.")]
    values_share: Annotated[float | None, Field(description="Share of the training values found in that part.")]
    values_excess: Annotated[
        Estimate | None, Field(description="How much more often than the holdout's; bounds one-sided 99 %.")
    ]
    values_p: Annotated[float | None, Field(description="Fisher's exact test, one-sided, Bonferroni over the parts.")]
    likelihood_auc: Annotated[Estimate | None, Field(description="Members by the model's own likelihood of a row.")]
    likelihood_why_not: str | None = None
    sampling_auc: Annotated[Estimate, Field(description="Members by the nearest of very many sampled rows.")]
    sampled: Annotated[int, Field(description="Rows that were sampled for that.")]


class AuditFinding(_Model):
    """What one attack comes to."""

    part: str
    status: Annotated[Status, Field(description="failed: it leaks, by the limits; not judged: undecided.")]
    reason: str
    try_this: Annotated[str | None, Field(description="What to do where it leaks.")]
    counts: Annotated[bool, Field(description="Whether it decides the verdict.")]
    why_not: Annotated[str | None, Field(description="Why it does not count.")]


class Audit(_Model):
    """All that the audit of one family on one dataset found."""

    version: int = 1
    dataset: str
    data_hash: Annotated[str, Field(description="SHA-256 of the data file.")]
    target: str | None
    synthesizer: str
    settings: dict[str, Any]
    seed: int
    created_at: datetime
    rows: Annotated[dict[str, int], Field(description="Real rows by side, and rows that shadows learned and released.")]
    shadows: Annotated[int, Field(description="Shadow models trained.")]
    shadow: tuple[ShadowResult, ...]
    canaries: tuple[CanaryResult, ...]
    whitebox: WhiteboxResult
    release: Annotated[Release, Field(description="What is handed out: what counts in the verdict.")]
    findings: tuple[AuditFinding, ...]
    notes: tuple[str, ...]
    seconds: Annotated[float, Field(description="Wall time of all trainings and searches, earlier runs included.")]
    packages: dict[str, str]

    @property
    def leaks(self) -> bool:
        """Whether anything that counts was found."""
        return any(finding.status is Status.FAILED and finding.counts for finding in self.findings)

    @property
    def verdict(self) -> str:
        """What is to be said of it all."""
        if self.leaks:
            return "A leak was found."
        if any(finding.status is Status.NOT_JUDGED and finding.counts for finding in self.findings):
            return "No leak was found, but some attacks could not decide."
        return "No leak was found by these attacks."


def judge(
    shadow: tuple[ShadowResult, ...],
    canaries: tuple[CanaryResult, ...],
    whitebox: WhiteboxResult,
    *,
    customers: bool,
    release: Release = Release.ROWS,
) -> tuple[AuditFinding, ...]:
    """Say what leaks, by the limits of this module.

    Parameters
    ----------
    customers
        Whether one person may have several rows. Only then repeated canaries count too: where each row is another
        person's, what many rows share is nobody's secret.
    release
        What is to be handed out. What the model file gives away counts only where the file is.
    """
    why_not = None if release is Release.MODEL else "the model file is not handed out"
    return (
        *(_of_shadow(result) for result in shadow),
        *(_of_canaries(result, customers=customers) for result in canaries if result.repeats),
        *_of_whitebox(whitebox, why_not),
    )


def _finding(part: str, reason: str, try_this: str, *, leaks: bool, why_not: str | None = None) -> AuditFinding:
    return AuditFinding(
        part=part,
        status=Status.FAILED if leaks else Status.PASSED,
        reason=reason,
        try_this=try_this if leaks else None,
        counts=why_not is None,
        why_not=why_not,
    )


def _of_shadow(result: ShadowResult) -> AuditFinding:
    basis = f"{result.attacked} {result.records} records, attacked through the synthetic rows of shadow models"
    try_this = "Coarser leaves or fewer epochs, more training rows, or fewer rows released."
    return _by_auc(f"{result.records} records", result.auc, basis, try_this)


def _by_auc(part: str, auc: Estimate, basis: str, try_this: str, why_not: str | None = None) -> AuditFinding:
    reason = f"{basis}: AUC {_shown(auc)}; a leak where the lower bound is above {MOST_AUC:g} (0.5 is guessing)."
    if auc.low <= MOST_AUC < auc.high:
        return AuditFinding(
            part=part,
            status=Status.NOT_JUDGED,
            reason=f"{reason} Undecided: the upper bound is above it.",
            try_this="More --records, more --shadows or more data narrow the interval.",
            counts=why_not is None,
            why_not=why_not,
        )
    return _finding(part, reason, try_this, leaks=auc.low > MOST_AUC, why_not=why_not)


def _of_canaries(result: CanaryResult, *, customers: bool) -> AuditFinding:
    once = result.repeats == 1
    return _finding(
        "canaries" if once else f"canaries, {result.repeats} times",
        f"{result.canaries} made-up records, each inserted {'once' if once else f'{result.repeats} times'}: exposure "
        f"{_shown(result.exposure)} bits ({result.by_chance:.2f} by chance), p = {result.p_value:.3f}; "
        f"a leak at {LEAST_P:g} or below.",
        "Coarser leaves, fewer epochs or more training rows: single records are memorised.",
        leaks=result.p_value <= LEAST_P,
        why_not=None if once or customers else "here each row is another person's",
    )


def _of_whitebox(result: WhiteboxResult, why_not: str | None) -> tuple[AuditFinding, ...]:
    keep = "Keep the model file as you keep the real data: hand out synthetic rows, never the model."
    found = [_of_values(result, keep, why_not)]
    if result.likelihood_auc is not None:
        basis = "Members by the likelihood of rows under the model"
        found.append(_by_auc("model file, likelihood", result.likelihood_auc, basis, keep, why_not))
    basis = f"Members by the nearest of {result.sampled:,} rows sampled from the model"
    return (*found, _by_auc("model file, sampling", result.sampling_auc, basis, keep, why_not))


def _of_values(result: WhiteboxResult, keep: str, why_not: str | None) -> AuditFinding:
    part = "model file, values"
    if result.values_excess is None or result.values_share is None or result.values_p is None:
        return AuditFinding(
            part=part,
            status=Status.NOT_JUDGED,
            reason="No numeric column has numbers that one training row, and others that one held-out row, has alone.",
            try_this=None,
            counts=False,
            why_not="it could not be measured",
        )
    reason = (
        f"Of {result.values:,} numbers that one training row alone has, {result.values_share:.1%} stand among the "
        f"{result.place} of the file: {100 * result.values_excess.value:+.1f} percentage points beside "
        f"{result.control_values:,} of the holdout, p = {result.values_p:.3g}; a leak at {LEAST_P:g} or below."
    )
    return _finding(part, reason, keep, leaks=result.values_p <= LEAST_P, why_not=why_not)


def _shown(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def audit_notes(rows: Mapping[str, int], shadows: int) -> tuple[str, ...]:
    """Return what the attackers know, and what the audit does not say."""
    shadow = (
        "Shadow attack: the attacker knows a record in full, the family and its settings, trains "
        f"{shadows - 2} models of his own on other people's rows with and without it, and has {rows['released']:,} "
        "synthetic rows of the model attacked."
    )
    canaries = (
        "Canaries: the attacker knows all candidate records in full and how models score them that learned none, and "
        f"has {rows['canary_released']:,} synthetic rows."
    )
    file = (
        "Model file: the attacker has the file and knows records in full. Values are searched as they are: one that is "
        "stored scaled or hashed is not found."
    )
    made = "All models were made for this audit and thrown away; no canary stands in a model that is registered."
    safe = (
        "An attack that finds nothing proves no safety: a stronger one may. There is no formal guarantee "
        "(differential privacy)."
    )
    return (shadow, canaries, file, made, safe)

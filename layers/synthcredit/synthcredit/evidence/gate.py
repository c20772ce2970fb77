"""The thresholds that evidence must meet before data is published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.evidence.model import Evidence, Figure, Finding, Measure, Status

_NAMED_CHECKS = 3


class Profile(StrEnum):
    """How demanding the gate is."""

    DEVELOPMENT = "development"
    """For test data and experiments inside the team."""


class Gate(BaseModel):
    """The gate of one request: a profile, and thresholds that replace the profile's."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    profile: Profile = Profile.DEVELOPMENT
    max_tstr_loss: Annotated[
        float | None,
        Field(ge=0, le=1, description="Largest allowed TRTR minus TSTR; fails where the loss is surely above."),
    ] = None
    min_pair_trends: Annotated[
        float | None, Field(ge=0, le=1, description="Smallest allowed share of the fresh pair trends.")
    ] = None
    min_associations_kept: Annotated[
        float | None,
        Field(
            ge=0, le=1, description="Smallest allowed share of the real associations: fresh 1, independent columns 0."
        ),
    ] = None
    max_copied_excess: Annotated[
        float | None,
        Field(ge=0, le=1, description="Share of copied rows allowed above the holdout's; fails where surely above."),
    ] = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a gate asks for in the end."""

    max_tstr_loss: float
    min_pair_trends: float
    min_associations_kept: float
    max_copied_excess: float


_PROFILES = {
    # Measured on german_credit (300 holdout rows) and UCI default (9,000), three cuts each:
    # - TSTR loss. The interval's lower bound is compared, since 300 holdout rows leave +-.05 of noise on a loss.
    #   Random labels and independent columns lose .25 and more, so that they fail on the smallest tables too.
    # - Pair trends. On UCI default fresh rows reach .966, half-shuffled rows .92 of that, independent columns .82.
    #   On german_credit 300 rows a side are mostly noise and independent columns reach .985 of fresh, so that this
    #   threshold alone would pass them; hence the next one.
    # - Associations kept has no such noise: fresh .95-1.04, half-shuffled rows .47-.58, independent columns -.06-.06;
    #   `trees` keeps .75 of german_credit and .97 of UCI default.
    # - Copies. Nothing above what real rows of other people show; the bound takes care of chance.
    Profile.DEVELOPMENT: Thresholds(
        max_tstr_loss=0.05, min_pair_trends=0.95, min_associations_kept=0.6, max_copied_excess=0.0
    ),
}


def thresholds(gate: Gate) -> Thresholds:
    """Return the profile's thresholds with the request's own in their place."""
    profile = _PROFILES[gate.profile]
    given = {name: getattr(gate, name) for name in Thresholds.__dataclass_fields__}
    return Thresholds(**{name: getattr(profile, name) if value is None else value for name, value in given.items()})


def judge(evidence: Evidence, gate: Gate) -> list[Finding]:
    """Return one finding for each part of the gate, met or not; a good part never makes up for a failed one."""
    limits = thresholds(gate)
    return [
        _validity(evidence),
        _usefulness(evidence, limits),
        _pair_trends(evidence, limits),
        _copies(evidence, limits),
    ]


def verdict(findings: Sequence[Finding]) -> bool:
    """Tell whether data may be published: nothing failed, and what must be judged was judged."""
    return bool(findings) and all(
        finding.status is Status.PASSED or (finding.status is Status.NOT_JUDGED and not finding.required)
        for finding in findings
    )


def _validity(evidence: Evidence) -> Finding:
    part, checks = "validity", evidence.validity
    if not checks:
        return Finding(part=part, status=Status.NOT_JUDGED, reason="No validity check was run.")
    failed = [check for check in checks if not check.passed]
    if not failed:
        return Finding(part=part, status=Status.PASSED, reason=f"All {len(checks)} checks hold.")
    named = "; ".join(
        f"Column '{check.column}' {check.detail}" if check.column else f"The table {check.detail}"
        for check in failed[:_NAMED_CHECKS]
    )
    rest = f"; and {len(failed) - _NAMED_CHECKS} more in the report" if len(failed) > _NAMED_CHECKS else ""
    return Finding(
        part=part,
        status=Status.FAILED,
        reason=f"{len(failed)} of {len(checks)} checks fail. {named}{rest}.",
        try_this="Look at the schema of the columns named (range, categories, nullable, key), correct it where it is "
        "narrower than the real data, and train again; else use another synthesizer.",
    )


def _usefulness(evidence: Evidence, limits: Thresholds) -> Finding:
    part, loss = "usefulness", evidence.measure(Figure.TSTR_LOSS)
    if loss is None or loss.value is None:
        return _not_judged(
            part,
            loss,
            "Name a target with at least two outcomes that both occur often enough, or name none."
            if evidence.target
            else "Name the outcome column as target to have usefulness judged.",
            required=evidence.target is not None,
        )
    bound = loss.value if loss.low is None else loss.low
    reason = (
        f"A model trained on synthetic rows is {loss.value:.3f} behind one trained on real rows{_interval(loss)}; "
        f"this fails where all of the interval is above {limits.max_tstr_loss:.3f}."
    )
    return _judged(
        part,
        reason,
        good=bound <= limits.max_tstr_loss,
        try_this="Train longer (epochs) or on more rows, or use synthesizer 'trees'. Data that is not for modelling "
        "may pass with a larger gate.max_tstr_loss.",
    )


def _pair_trends(evidence: Evidence, limits: Thresholds) -> Finding:
    part = "pair trends"
    trends, kept = evidence.measure(Figure.PAIR_TRENDS), evidence.measure(Figure.ASSOCIATIONS_KEPT)
    if trends is None or trends.value is None or not trends.fresh:
        return _not_judged(part, trends, "Give at least two columns to learn, and more rows.")
    share = trends.value / trends.fresh
    reason = (
        f"Pairs of columns agree with the holdout to {trends.value:.3f}, fresh real rows to {trends.fresh:.3f}: "
        f"{share:.1%} of fresh, needed {limits.min_pair_trends:.1%}."
    )
    good = share >= limits.min_pair_trends
    if kept is not None and kept.value is not None:
        reason += f" Associations kept: {kept.value:.1%}, needed {limits.min_associations_kept:.1%}."
        good = good and kept.value >= limits.min_associations_kept
    elif kept is not None and kept.why_not:
        reason += f" Associations kept was not judged: {kept.why_not}."
    return _judged(
        part,
        reason,
        good=good,
        try_this="Train longer (epochs) or on more rows, or use synthesizer 'trees'; the report shows the columns and "
        "associations that are furthest off.",
    )


def _copies(evidence: Evidence, limits: Thresholds) -> Finding:
    part, findings = "copies", []
    for share_name, excess_name in (
        (Figure.COPIED, Figure.COPIED_EXCESS),
        (Figure.COPIED_DISTINCT, Figure.COPIED_DISTINCT_EXCESS),
    ):
        share, excess = evidence.measure(share_name), evidence.measure(excess_name)
        if share is None or excess is None or share.value is None or share.fresh is None or excess.low is None:
            return _not_judged(part, share, "Ask for more rows, and give more real rows or a holdout file.")
        what = "rows" if share_name is Figure.COPIED else "distinct rows"
        surely = (
            f"at least {excess.low:.2%} more than chance explains, allowed {limits.max_copied_excess:.2%}"
            if excess.low > 0
            else "no more than chance explains"
        )
        sentence = (
            f"{share.value:.2%} of synthetic {what} equal a training row, "
            f"{share.fresh:.2%} of the holdout's {what} do: {surely}."
        )
        findings.append((sentence, excess.low <= limits.max_copied_excess))
    reason = " ".join(sentence for sentence, _ in findings)
    return _judged(
        part,
        reason,
        good=all(good for _, good in findings),
        try_this="Use a model that generalises more: larger leaves for 'trees', fewer epochs for networks, or more "
        "training rows. Copies must not be filtered out afterwards: that tells who was in the training data.",
    )


def _judged(part: str, reason: str, *, good: bool, try_this: str) -> Finding:
    if good:
        return Finding(part=part, status=Status.PASSED, reason=reason)
    return Finding(part=part, status=Status.FAILED, reason=reason, try_this=try_this)


def _not_judged(part: str, measure: Measure | None, try_this: str, *, required: bool = True) -> Finding:
    why = measure.why_not if measure is not None and measure.why_not else "it was not measured"
    return Finding(
        part=part, status=Status.NOT_JUDGED, reason=f"Not judged: {why}.", try_this=try_this, required=required
    )


def _interval(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return ""
    return f" (95 % interval {measure.low:.3f} to {measure.high:.3f})"

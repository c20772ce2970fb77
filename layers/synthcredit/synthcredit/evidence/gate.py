"""The thresholds that evidence must meet before data is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.evidence.limits import NOT_MEASURED, PROFILES, RULES, TRY_THIS, Limit, Part, Profile, Rule, Side
from synthcredit.evidence.model import About, Evidence, Finding, Level, Measure, Status

_NAMED_CHECKS = 3
_FEWEST_ROWS = "min_holdout_rows"

Share = Annotated[float | None, Field(ge=0, le=1)]


class Gate(BaseModel):
    """The gate of one request: a profile, and thresholds that replace the profile's.

    A threshold is compared with the bad bound of the figure's interval. One that the profile does not ask for is judged
    too where the request gives it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    profile: Annotated[
        Profile,
        Field(description="development for test data inside the team, sharing for data that leaves it, or strict."),
    ] = Profile.DEVELOPMENT
    min_holdout_rows: Annotated[
        int | None, Field(ge=1, description="Fewest real rows, held out and to train, that can prove anything.")
    ] = None
    max_tstr_loss: Annotated[Share, Field(description="Largest allowed TRTR minus TSTR, in AUC.")] = None
    min_pair_trends: Annotated[Share, Field(description="Smallest allowed share of the fresh pair trends.")] = None
    min_associations_kept: Annotated[
        Share, Field(description="Smallest allowed share of the real associations: fresh 1, independent columns 0.")
    ] = None
    min_detection: Annotated[
        Share, Field(description="Smallest allowed C2ST by boosting: 1 undetectable, 0 told apart always.")
    ] = None
    min_detection_auc_train: Annotated[
        Share, Field(description="Smallest allowed AUC of detection against training rows; far below .5 is copying.")
    ] = None
    max_scorecard_loss: Annotated[
        Share, Field(description="Largest allowed loss of AUC of a scorecard fitted on synthetic rows.")
    ] = None
    max_swap_set_excess: Annotated[
        Share, Field(description="Share of decisions flipped that is allowed above what two real scorecards flip.")
    ] = None
    max_copied_excess: Annotated[Share, Field(description="Share of copied rows allowed above the holdout's.")] = None
    max_closeness_excess: Annotated[
        Share, Field(description="Largest allowed excess of rows nearer to train than to holdout: fresh 0, a copy 1.")
    ] = None
    max_membership_auc: Annotated[
        Share, Field(description="Largest allowed AUC of the membership attacks: .5 is guessing, 1 certainty.")
    ] = None
    max_membership_tpr: Annotated[
        Share, Field(description="Largest allowed share of members that an attack finds at 1 % false alarms.")
    ] = None
    max_attack_risk: Annotated[
        Share,
        Field(description="Largest allowed risk by attribute inference, singling-out, linkability and rare values."),
    ] = None
    accept_unjudged: Annotated[
        tuple[Part, ...],
        Field(description="Parts that may go unjudged, e.g. attacks on a table of two columns; the report says so."),
    ] = ()


def limits(gate: Gate) -> dict[str, Limit]:
    """Return the profile's limits by the request's names for them, with the request's own in their place."""
    found = dict(PROFILES[gate.profile])
    for name in {rule.field for rule in RULES} | {_FEWEST_ROWS}:
        given = getattr(gate, name)
        if given is not None:
            found[name] = Limit(given, given)
    return found


def judge(evidence: Evidence, gate: Gate) -> list[Finding]:
    """Return one finding for each part of the gate, met or not; a good part never makes up for a failed one.

    Evidence without a real reference (of rule-based data) is judged by its checks alone, each kind of which must have
    been made: see `Check.about`.
    """
    asked = limits(gate)
    findings = [_rows(evidence, asked[_FEWEST_ROWS])]
    if not evidence.has_reference:
        return [*findings, *(_checks(evidence, about, gate) for about in About)]
    findings.append(_checks(evidence, About.VALIDITY, gate))
    rules = [rule for rule in RULES if rule.field in asked]
    for part in dict.fromkeys(rule.part for rule in rules):
        own = {rule: asked[rule.field] for rule in rules if rule.part is part}
        findings.append(_part(part, own, evidence, gate))
    return findings


def verdict(findings: Sequence[Finding]) -> bool:
    """Tell whether data may be published: nothing failed, and what must be judged was judged."""
    return bool(findings) and all(
        finding.status is Status.PASSED or (finding.status is Status.NOT_JUDGED and not finding.required)
        for finding in findings
    )


def _rows(evidence: Evidence, fewest: Limit) -> Finding:
    """Judge whether there are the rows that were asked for, and real rows enough to prove anything."""
    rows, wanted = evidence.rows, round(fewest.bad)
    released, asked = rows.get("released", 0), rows.get("asked", 1)
    problems = [] if released >= asked else [f"{released:,} synthetic rows are there, {asked:,} were asked for"]
    short = [f"{rows[side]:,} {side} rows" for side in ("train", "holdout") if rows.get(side, wanted) < wanted]
    if short:
        problems.append(f"there are only {' and '.join(short)}, needed are {wanted:,} each")
    if problems:
        return _judged(Part.ROWS, f"{_sentence_case('; '.join(problems))}.", good=False)
    real = ""
    if evidence.has_reference:
        real = f", and {rows['train']:,} real rows to train and {rows['holdout']:,} held out to prove them"
    return _judged(Part.ROWS, f"All {released:,} rows are there{real}.", good=True)


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def _checks(evidence: Evidence, about: About, gate: Gate) -> Finding:
    part = Part(about.value)
    checks = [check for check in evidence.validity if check.about is about or evidence.has_reference]
    if not checks:
        return _unjudged(part, [f"no check of {about} was made"], evidence, gate)
    failed = [check for check in checks if not check.passed]
    if not failed:
        return _judged(part, f"All {len(checks)} checks hold.", good=True)
    named = "; ".join(
        f"Column '{check.column}' {check.detail}" if check.column else f"The table {check.detail}"
        for check in failed[:_NAMED_CHECKS]
    )
    rest = f"; and {len(failed) - _NAMED_CHECKS} more in the report" if len(failed) > _NAMED_CHECKS else ""
    return _judged(part, f"{len(failed)} of {len(checks)} checks fail. {named}{rest}.", good=False)


def _part(part: Part, rules: Mapping[Rule, Limit], evidence: Evidence, gate: Gate) -> Finding:
    """Judge one part: it fails where one figure does, and is not judged where one that it needs is not."""
    broken, within, needed, besides = [], [], [], []
    for rule, limit in rules.items():
        found = rule.read(evidence)
        if isinstance(found, Measure):
            value = f"{rule.title(evidence)} {rule.show(found.value)}"
            if limit.allows(found, rule.side):
                within.append(f"{value} ({rule.side} {rule.show(limit.bad)})")
            else:
                broken.append(f"{value}, {_asked(rule, limit, found)}")
        elif rule.needed(evidence):
            needed.append(found)
        else:
            besides.append(f"{rule.title(evidence)}: {found}")
    if needed and not broken:
        return _unjudged(part, needed, evidence, gate)
    if not broken and not within:
        return _not_judged(part, _joined(besides), required=False)
    return _judged(part, _reason(broken, within, [*besides, *needed]), good=not broken)


def _reason(broken: Sequence[str], within: Sequence[str], unjudged: Sequence[str]) -> str:
    # What no one looked for, as at the basic level, and no one needs is not worth a line.
    unjudged = [text for text in unjudged if not text.endswith(NOT_MEASURED)]
    reasons = [f"{text}." for text in broken]
    if within:
        reasons.append(f"{'Within limits: ' if broken else ''}{_joined(within)}.")
    if unjudged:
        reasons.append(f"Not judged: {_joined(unjudged)}.")
    return " ".join(reasons)


def _unjudged(part: Part, reasons: Sequence[str], evidence: Evidence, gate: Gate) -> Finding:
    why = _joined(reasons)
    if part in gate.accept_unjudged:
        return _not_judged(part, f"{why} (the request accepts that)", required=False)
    if evidence.level is Level.BASIC and set(reasons) == {NOT_MEASURED}:
        why = "basic evidence was asked for, which does not measure it"
        return _not_judged(part, why, required=gate.profile is not Profile.DEVELOPMENT)
    return _not_judged(part, why, required=True)


def _joined(reasons: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(reasons))


def _asked(rule: Rule, limit: Limit, found: Measure) -> str:
    """Say a figure's interval, and what is allowed at its ends."""
    if found.low is None or found.high is None:
        return f"allowed is {rule.side} {rule.show(limit.bad)}"
    ends = ("upper", "lower") if rule.side is Side.AT_MOST else ("lower", "upper")
    return (
        f"interval {rule.show(found.low)} to {rule.show(found.high)}; allowed is {rule.side} {rule.show(limit.bad)} at "
        f"its {ends[0]} end, {rule.show(limit.good)} at its {ends[1]}"
    )


def _judged(part: Part, reason: str, *, good: bool) -> Finding:
    if good:
        return Finding(part=part, status=Status.PASSED, reason=reason)
    return Finding(part=part, status=Status.FAILED, reason=reason, try_this=TRY_THIS[part])


def _not_judged(part: Part, why: str, *, required: bool) -> Finding:
    return Finding(
        part=part,
        status=Status.NOT_JUDGED,
        reason=f"Not judged: {why}.",
        try_this=TRY_THIS[part] if required else None,
        required=required,
    )

"""Plain language: what is good about the synthetic rows and what is off, from the figures beside fresh ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from synthcredit.evidence.model import Evidence, Figure, Measure

OFF = 0.25
"""From this badness on (0: as fresh real rows, 1: as independent columns or copies) a figure is called off."""
_GOOD = 0.1
_MOST_SAID = 9


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence about the data.

    Parameters
    ----------
    text
        The sentence; may name columns, never a value.
    badness
        0 as fresh real rows; 1 as columns drawn one by one, or as copied rows, are. Between two sentences only the
        order counts.
    """

    text: str
    badness: float


@dataclass(frozen=True, slots=True)
class Plain:
    """All sentences: what is off, the worst first; what is in between; and what is good."""

    off: tuple[Said, ...]
    fair: tuple[Said, ...]
    good: tuple[Said, ...]
    unjudged: tuple[str, ...]


def say(evidence: Evidence) -> Plain:
    """Put the most telling figures into words; those that were not judged are named by their title."""
    said = sorted((each for rule in _RULES for each in rule(evidence)), key=lambda each: -each.badness)
    return Plain(
        off=tuple(each for each in said if each.badness >= OFF)[:_MOST_SAID],
        fair=tuple(each for each in said if _GOOD <= each.badness < OFF)[:_MOST_SAID],
        good=tuple(each for each in reversed(said) if each.badness < _GOOD)[:_MOST_SAID],
        unjudged=tuple(
            measure.title
            for measure in (*evidence.fidelity, *evidence.utility, *evidence.credit, *evidence.privacy)
            if measure.value is None
        ),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A figure that was measured, with its fresh one where there is one."""

    value: float
    fresh: float | None
    surely: float
    """The bound of the interval nearest to good, where there is one: chance is no fault."""
    measure: Measure


def _seen(evidence: Evidence, name: Figure, *, large_is_bad: bool = True) -> _Seen | None:
    measure = evidence.measure(name)
    if measure is None or measure.value is None:
        return None
    bound = measure.low if large_is_bad else measure.high
    return _Seen(measure.value, measure.fresh, measure.value if bound is None else bound, measure)


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


def points(value: float) -> str:
    """Return a score for a sentence: .78."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


def _per_cent(value: float) -> str:
    return f"{100 * value:.1f} %".replace("-", "\N{MINUS SIGN}")


def _first(evidence: Evidence, detail: str) -> str | None:
    """Return what the first row of a table is about."""
    table = next((each for each in evidence.details if each.name == detail), None)
    return str(table.rows[0][0]) if table is not None and table.rows and table.rows[0] else None


# --- fidelity --------------------------------------------------------------------------------------------------------


def _detection(evidence: Evidence) -> Iterator[Said]:
    seen = _seen(evidence, Figure.C2ST_BOOSTED, large_is_bad=False)
    if seen is None:
        return
    auc = 1 - seen.value / 2
    beside = "" if seen.fresh is None else f" (fresh real rows: {points(1 - seen.fresh / 2)}; .50 is guessing)"
    telling = _first(evidence, "detection_columns")
    culprit = f"; column '{telling}' gives it away most" if telling and auc > 0.55 else ""
    badness = _clip((seen.fresh if seen.fresh else 1.0) - seen.surely)
    yield Said(f"A boosted tree tells synthetic from real rows with AUC {points(auc)}{beside}{culprit}.", badness)


def _shapes(evidence: Evidence) -> Iterator[Said]:
    if not evidence.columns:
        return
    gaps = {name: evidence.columns_fresh.get(name, 1.0) - score for name, score in evidence.columns.items()}
    worst = max(gaps, key=lambda name: gaps[name])
    score, fresh = evidence.columns[worst], evidence.columns_fresh.get(worst)
    beside = "" if fresh is None else f", fresh real rows {points(fresh)}"
    if gaps[worst] <= 0.02:
        yield Said(
            f"Every column alone is distributed as real ones are; the furthest off is '{worst}' (column shape "
            f"{points(score)}{beside}; 1 is equal).",
            _clip(gaps[worst]),
        )
    else:
        yield Said(
            f"The column furthest off is '{worst}': column shape {points(score)}{beside}; 1 is equal.",
            _clip(gaps[worst] * 4),
        )


def _dependence(evidence: Evidence) -> Iterator[Said]:
    kept = _seen(evidence, Figure.ASSOCIATIONS_KEPT, large_is_bad=False)
    if kept is not None:
        yield Said(
            f"{_per_cent(kept.value)} of the dependence between columns is kept; columns drawn one by one keep none.",
            _clip(1 - kept.surely),
        )
    recall = _seen(evidence, Figure.BETA_RECALL, large_is_bad=False)
    if recall is not None and recall.fresh:
        share = recall.surely / recall.fresh
        yield Said(
            f"The variety of real rows is covered to {points(recall.value)} (beta-recall); real rows themselves reach "
            f"{points(recall.fresh)}.",
            _clip(1 - share),
        )


def _tails(evidence: Evidence) -> Iterator[Said]:
    tails = _seen(evidence, Figure.TAILS)
    if tails is None:
        return
    column = _first(evidence, "tail_errors")
    where = f", furthest off in '{column}'" if column else ""
    beside = "" if tails.fresh is None else f" (fresh real rows: {_per_cent(tails.fresh)})"
    badness = _clip(2 * (tails.surely - (tails.fresh or 0.0)))
    yield Said(f"The largest amounts are off by {_per_cent(tails.value)} of the tail's length{where}{beside}.", badness)


def _groups(evidence: Evidence) -> Iterator[Said]:
    for name, who in (
        (Figure.DEFAULTERS_TRENDS, "Among defaulters pairs of columns agree"),
        (Figure.SEGMENT_SHAPES, "In the segment that is furthest off columns agree"),
    ):
        seen = _seen(evidence, name, large_is_bad=False)
        if seen is not None and seen.fresh:
            badness = _clip(4 * (seen.fresh - seen.surely))
            yield Said(
                f"{who} with real rows to {points(seen.value)}; fresh real rows to {points(seen.fresh)}.", badness
            )


# --- usefulness and credit -------------------------------------------------------------------------------------------


def _usefulness(evidence: Evidence) -> Iterator[Said]:
    tstr, loss = evidence.measure(Figure.TSTR), _seen(evidence, Figure.TSTR_LOSS)
    if loss is not None and tstr is not None and tstr.value is not None:
        real = "" if tstr.fresh is None else f", one trained on real rows {points(tstr.fresh)}"
        yield Said(
            f"On real people that it never saw a model trained on synthetic rows scores {points(tstr.value)}{real}.",
            _clip(loss.surely / 0.2),
        )
    agreement = _seen(evidence, Figure.RANK_AGREEMENT, large_is_bad=False)
    if agreement is not None:
        yield Said(
            "Challenger models are ranked on synthetic rows nearly as on real ones (agreement "
            f"{points(agreement.value)}; 1 is the same order)."
            if agreement.value >= 0.8
            else "Challenger models come in another order on synthetic rows than on real ones (agreement "
            f"{points(agreement.value)}; 1 is the same order).",
            _clip((0.8 - agreement.surely) / 0.8),
        )


def _scorecard(evidence: Evidence) -> Iterator[Said]:
    loss = _seen(evidence, Figure.SCORECARD_LOSS)
    if loss is not None:
        yield Said(
            f"A scorecard built on synthetic rows loses {points(loss.value)} of AUC on real applicants against one "
            "built on real rows."
            if loss.value > 0.005
            else "A scorecard built on synthetic rows ranks real applicants as well as one built on real rows.",
            _clip(loss.surely / 0.2),
        )
    swap = _seen(evidence, Figure.SWAP_SET)
    if swap is not None:
        beside = "" if swap.fresh is None else f"; two real scorecards differ on {_per_cent(swap.fresh)}"
        yield Said(
            f"At equal approval a synthetic scorecard decides {_per_cent(swap.value)} of real applicants "
            f"otherwise than a real scorecard{beside}.",
            _clip(4 * (swap.surely - (swap.fresh or 0.0))),
        )
    trends = _seen(evidence, Figure.WOE_DIRECTION, large_is_bad=False)
    if trends is not None:
        yield Said(
            f"In {_per_cent(trends.value)} of the predictive columns risk rises and falls the same way as in real "
            "rows.",
            _clip(2 * (1 - trends.surely)),
        )


def _forecasts(evidence: Evidence) -> Iterator[Said]:
    what = "of a synthetic scorecard's default probabilities is"
    slope = _beside(evidence, Figure.CALIBRATION_SLOPE, 1.0)
    if slope is not None:
        value, off = slope
        word = "too wide" if value < 1 else "too narrow"
        yield Said(
            f"The spread {what} {word if off else 'right'} (calibration slope {points(value)}; 1 is right).", off
        )
    intercept = _beside(evidence, Figure.CALIBRATION_INTERCEPT, 0.0)
    if intercept is not None:
        value, off = intercept
        word = "too low" if value > 0 else "too high"
        shown = f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
        yield Said(
            f"The level {what} {word if off else 'right'} on real applicants (intercept {shown} in log odds; 0 is "
            "right).",
            off,
        )


def _beside(evidence: Evidence, name: Figure, right: float) -> tuple[float, float] | None:
    """Return a figure and how far its interval stays away from what is right; 0 where it encloses it."""
    measure = evidence.measure(name)
    if measure is None or measure.value is None or measure.low is None or measure.high is None:
        return None
    return measure.value, _clip(max(measure.low - right, right - measure.high, 0.0))


def _stability(evidence: Evidence) -> Iterator[Said]:
    shift = _seen(evidence, Figure.PSI_WORST)
    column = _first(evidence, "credit_stability")
    if shift is not None and column:
        beside = "" if shift.fresh is None else f"; real against real {points(shift.fresh)}"
        yield Said(
            f"The distribution that has moved most is {column if column.startswith('(') else repr(column)} "
            "(stability index "
            f"{points(shift.value)}{beside}; practice calls .25 a shift).",
            _clip(shift.surely - (shift.fresh or 0.0)),
        )


# --- privacy ---------------------------------------------------------------------------------------------------------


def _copies(evidence: Evidence) -> Iterator[Said]:
    share, excess = evidence.measure(Figure.COPIED), _seen(evidence, Figure.COPIED_EXCESS)
    if share is None or share.value is None or excess is None:
        return
    beside = "" if share.fresh is None else f"; of other real people's rows {_per_cent(share.fresh)} do, by coincidence"
    yield Said(f"{_per_cent(share.value)} of synthetic rows equal a training row{beside}.", _exposure(excess.surely))


def _exposure(bound: float) -> float:
    """Return how bad a leak is: any that is no chance is off; nothing makes up for it."""
    return 0.0 if bound <= 0 else _clip(OFF + bound)


def _closeness(evidence: Evidence) -> Iterator[Said]:
    seen = _seen(evidence, Figure.CLOSENESS_EXCESS)
    if seen is None:
        return
    bound = max(seen.surely, seen.value / 2)
    yield Said(
        "Synthetic rows lie nearer to training rows than to other real rows by an excess of "
        f"{_per_cent(seen.value)} (fresh "
        "real rows 0, a copy 100 %)."
        if seen.value > 0.01
        else "Synthetic rows lie no nearer to training rows than to other real people's.",
        _clip(2 * bound),
    )


def _membership(evidence: Evidence) -> Iterator[Said]:
    found = [
        seen
        for name in (Figure.MEMBERSHIP_NEAREST, Figure.MEMBERSHIP_DENSITY)
        if (seen := _seen(evidence, name)) is not None
    ]
    if not found:
        return
    worst = max(found, key=lambda seen: seen.value)
    yield Said(
        f"Who knows a person's whole row can tell whether it was in the training data with AUC {points(worst.value)} "
        "(.50 is guessing).",
        _clip(4 * (worst.surely - 0.5)),
    )


def _people(evidence: Evidence) -> Iterator[Said]:
    for name, sentence in (
        (Figure.ATTRIBUTE_RISK, "Guessing a person's hidden value from the release"),
        (Figure.SINGLING_OUT_RISK, "Singling a person out with the release"),
        (Figure.LINKABILITY_RISK, "Linking two sources about a person with the release"),
    ):
        seen = _seen(evidence, name)
        if seen is None:
            continue
        leak = seen.surely > 0
        yield Said(
            f"{sentence} works better on training people than on others: risk {_per_cent(seen.value)}."
            if leak
            else f"{sentence} works no better on training people than on others.",
            _exposure(seen.surely),
        )


_RULES: tuple[Callable[[Evidence], Iterator[Said]], ...] = (
    *(_detection, _shapes, _dependence, _tails, _groups),
    *(_usefulness, _scorecard, _forecasts, _stability),
    *(_copies, _closeness, _membership, _people),
)

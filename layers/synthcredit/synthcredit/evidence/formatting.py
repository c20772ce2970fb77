"""How figures, names and tables are written for people."""

from __future__ import annotations

import re

import markupsafe

from synthcredit.evidence.model import Figure, Measure, Unit

_PERCENTAGE_POINTS = frozenset(
    {
        *(Figure.COPIED_EXCESS, Figure.COPIED_DISTINCT_EXCESS, Figure.COPIED_SEGMENT_EXCESS),
        *(Figure.REPLICATED_UNIQUES_EXCESS, Figure.DISCLOSIVE_EXCESS, Figure.UNIQUE_VALUES_EXCESS),
    }
)
BESIDE_HOLDOUT = frozenset({Figure.COPIED, Figure.COPIED_DISTINCT, Figure.REPLICATED_UNIQUES, Figure.DISCLOSIVE})
"""Figures whose `fresh` is the same share among holdout people."""


def show_number(value: int) -> str:
    """Return a count for people: 12,000."""
    return f"{value:,}"


def show_figure(value: float, measure: Measure) -> str:
    """Return a figure by its unit: a score with three digits, a share in per cent, a difference with its sign."""
    # Adding 0 after rounding makes -0 a plain 0.
    value = round(value, 4 if measure.unit is Unit.SHARE or measure.name in _PERCENTAGE_POINTS else 3) + 0.0
    if measure.name is Figure.ASSOCIATIONS_KEPT:
        text = f"{100 * value:.1f} %"
    elif measure.unit is Unit.SHARE:
        text = f"{100 * value:.2f} %"
    elif measure.name in _PERCENTAGE_POINTS:
        text = f"{100 * value:+.2f} pp"
    else:
        text = f"{value:+.3f}" if measure.unit is Unit.DIFFERENCE else f"{value:.3f}"
    return text.replace("-", "\N{MINUS SIGN}")


def show_interval(measure: Measure) -> str:
    """Return the bounds of a figure, the unit said once."""
    bounds = [show_figure(bound, measure) for bound in (measure.low, measure.high) if bound is not None]
    return " to ".join([*(bound.split(" ")[0] for bound in bounds[:-1]), *bounds[-1:]])


def show_breakable(name: str) -> markupsafe.Markup:
    """Return a text, escaped, whose column names may wrap after dots and underscores."""
    return markupsafe.Markup("<wbr>").join(re.split(r"(?<=[._/-])(?=[^\W\d])", name))


def show_cell(value: str | float | None) -> str:
    """Return one cell of a table: a number with three digits, a name that may wrap, a dash where there is nothing."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, str):
        return show_breakable(value)
    # Adding 0 after rounding makes -0 a plain 0.
    text = f"{value:,.0f}" if float(value).is_integer() else f"{round(value, 3) + 0.0:,.3f}"
    return text.replace("-", "\N{MINUS SIGN}")


def show_seconds(value: float) -> str:
    """Return a wall time: 3.2 s."""
    return f"{value:,.1f} s"


def show_sentence(text: str) -> str:
    """Return a text that begins with a capital."""
    return text[:1].upper() + text[1:]

"""Write those tables of the documents on evidence that stand in the code: limits, anchors, grades.

python docs/evidence/tables.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from synthcredit.evidence import scores
from synthcredit.evidence.limits import PROFILES, RULES, Against, Limit, Profile, Rule
from synthcredit.evidence.model import Figure
from synthcredit.evidence.relations import MIN_CHILDREN, MIN_KEPT
from synthcredit.evidence.scores import Yardstick

OVERVIEW = Path(__file__).parent.parent / "evidence.md"
GATE = Path(__file__).parent / "gate.md"
SCORES = Path(__file__).parent / "scores.md"

_ROW = re.compile(r"^\| `(\w+)` \|.*\|$")
_AGAINST = {Against.NOTHING: "", Against.SHARE_OF_FRESH: ", over fresh", Against.ABOVE_FRESH: ", minus fresh"}
_ROWS = "min_holdout_rows"
_OF_RELATIONS = {Figure.CHILDREN_PER_PARENT: MIN_CHILDREN, Figure.PARENT_CHILD_KEPT: MIN_KEPT}


def documents() -> dict[Path, str]:
    """Return what each of the documents must hold, its generated parts anew and the rest as it is."""
    return {
        OVERVIEW: "\n".join(_with_limit(line) for line in OVERVIEW.read_text().split("\n")),
        GATE: _filled(GATE.read_text(), {"limits": _limits()}),
        SCORES: _filled(
            SCORES.read_text(),
            {"grades": _grades(), "quality": _yardsticks(scores.QUALITY), "privacy": _yardsticks(scores.PRIVACY)},
        ),
    }


def _with_limit(line: str) -> str:
    found = _ROW.match(line)
    if found is None or found[1] not in set(Figure):
        return line
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    return f"| {' | '.join([*cells[:-1], limit_of(Figure(found[1]))])} |"


def limit_of(figure: Figure) -> str:
    """Say what the gate asks of a figure, and whether it is part of a score."""
    rules = [rule for rule in RULES if rule.figure is figure]
    if figure in _OF_RELATIONS:
        return f"at least {_number(_OF_RELATIONS[figure])} in every profile, over fresh"
    told = [f"{rule.side.value} {_by_profile(rule.field)}{_AGAINST[rule.against]}" for rule in rules]
    if any(yardstick.figure is figure for yardstick in (*scores.QUALITY, *scores.PRIVACY)):
        told.append("in a score")
    return "; ".join(told) or "none; shown"


def _by_profile(field: str) -> str:
    return ", ".join(_limit(PROFILES[profile].get(field)) for profile in Profile)


def _limit(limit: Limit | None) -> str:
    if limit is None:
        return "\N{EN DASH}"
    return _number(limit.bad) + (f" ({_number(limit.good)})" if limit.good != limit.bad else "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 2 else f"{value:g}".replace("0.", ".", 1)


def _limits() -> str:
    rows = [["rows", "real rows, held out and to train", f"`{_ROWS}`", "at least", *_profiles(_ROWS), "yes"]]
    rows += [
        [
            rule.part.value,
            f"`{rule.figure.value}`{_AGAINST[rule.against]}",
            f"`{rule.field}`",
            rule.side.value,
            *_profiles(rule.field),
            _needed(rule),
        ]
        for rule in RULES
    ]
    return _table(["part", "figure", "the request's name", "", *(p.value for p in Profile), "must be judged"], rows)


def _profiles(field: str) -> list[str]:
    return [_limit(PROFILES[profile].get(field)) for profile in Profile]


def _needed(rule: Rule) -> str:
    if rule.fewest_rows:
        return f"from {rule.fewest_rows:,} rows a side on"
    # Whether it must does not hang on the evidence, but for the target.
    return {"<lambda>": "yes", "_has_target": "where there is a target", "_never": "where it can be"}[
        rule.needed.__name__
    ]


def _grades() -> str:
    return _table(["points from", "grade"], ([f"{least:.0f}", grade.value] for least, grade in scores.GRADES))


def _yardsticks(yardsticks: Sequence[Yardstick]) -> str:
    return _table(
        ["part", "figure", "read as", "anchors: figure is points", "from"],
        (
            [
                of.name,
                f"`{of.figure.value}`",
                of.unit,
                ", ".join(f"{_number(at)} is {points:.0f}" for at, points in of.anchors),
                f"{of.fewest_rows:,} rows a side" if of.fewest_rows else "",
            ]
            for of in yardsticks
        ),
    )


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heading, ["---"] * len(heading), *rows))


def _filled(text: str, parts: dict[str, str]) -> str:
    for name, table in parts.items():
        start, end = f"<!-- {name}: written by tables.py -->\n", f"<!-- /{name} -->"
        before, rest = text.split(start)
        text = f"{before}{start}{table}\n{end}{rest.split(end)[1]}"
    return text


def main() -> None:
    """Write the documents."""
    for path, text in documents().items():
        path.write_text(text)


if __name__ == "__main__":
    main()

"""Write the reference of every field in docs/declared.md anew, from the code.

python docs/declared/write.py
"""

from __future__ import annotations

import re
from pathlib import Path

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from synthcredit.datasets.constraints import FormulaConstraint, NullsConstraint, OrderConstraint, UniqueConstraint
from synthcredit.datasets.schema import Pii
from synthcredit.declared import distributions, model

PAGE = Path(__file__).parents[1] / "declared.md"
BEGIN, END = "<!-- reference: written by docs/declared/write.py -->", "<!-- reference: end -->"
PARTS: dict[str, tuple[type[BaseModel], ...]] = {
    "The file": (model.Declaration, model.Table, model.BelongsTo),
    "Children of a parent, by `kind`": (model.Fixed, model.Between, model.PoissonChildren),
    "Columns, by `type`": (
        model.KeyColumn,
        model.ForeignKeyColumn,
        model.InheritedColumn,
        model.TextColumn,
        model.NumberColumn,
        model.IntegerColumn,
        model.BooleanColumn,
        model.DateColumn,
        model.TimestampColumn,
    ),
    "Dependence on another column: `given`": (
        model.GivenTexts,
        model.GivenWholes,
        model.GivenShares,
        model.GivenDistributions,
    ),
    "Distributions, by `kind`": (
        distributions.Uniform,
        distributions.Normal,
        distributions.Lognormal,
        distributions.Exponential,
        distributions.Pareto,
        distributions.Poisson,
    ),
    "Rules, by `kind`": (
        OrderConstraint,
        FormulaConstraint,
        NullsConstraint,
        UniqueConstraint,
        model.RunningBalance,
        model.SumOfChildren,
    ),
}
HEADINGS: dict[type[BaseModel], str] = {
    model.Declaration: "the whole",
    model.Table: "a table: `tables.NAME`",
    model.BelongsTo: "`belongs_to`",
    model.GivenTexts: "text: `given`",
    model.GivenWholes: "integer, listed: `given`",
    model.GivenShares: "boolean: `given`",
    model.GivenDistributions: "number, integer: `given`",
}
# The constraints of learned tables, which say little of themselves where they are used alike for all.
SAID = {
    (OrderConstraint, "columns"): "From the first to the last; the first may be `table.column` of a table above.",
    (FormulaConstraint, "column"): "The column that is the sum.",
    (FormulaConstraint, "constant"): "Is added.",
    (NullsConstraint, "column"): "The column that is missing.",
    (UniqueConstraint, "columns"): "One column, or the key of the table above and one.",
}


def reference() -> str:
    """Return every field in Markdown: what it is, whether it must be said, and its bounds."""
    return "\n\n".join(f"### {title}\n\n" + "\n\n".join(map(_section, models)) for title, models in PARTS.items())


def _section(one: type[BaseModel]) -> str:
    tag = next((field for name in ("type", "kind") if (field := one.model_fields.get(name)) is not None), None)
    heading = HEADINGS.get(one) or f"`{_literal(tag)}`"
    about = " ".join((one.__doc__ or "").split("\n\n")[0].split())
    rows = [_row(one, name, field) for name, field in one.model_fields.items() if field is not tag]
    table = "\n".join(["| field | | bounds | |", "|---|---|---|---|", *rows]) if rows else ""
    return f"**{heading}**: {about}" + (f"\n\n{table}" if table else "")


def _literal(field: FieldInfo | None) -> str:
    found = re.search(r"Literal\['(\w+)'\]", str(field.annotation if field is not None else ""))
    if found is None:
        raise ValueError(f"no type or kind: {field}")
    return found[1]


def _row(one: type[BaseModel], name: str, field: FieldInfo) -> str:
    default = "" if field.default is None else f"{field.default!r}".removesuffix(".0").lower()
    needed = "needed" if field.is_required() else default if default not in ("()", "''") else ""
    said = field.description or SAID.get((one, name))
    if not said:
        raise ValueError(f"{one.__name__}.{name} says nothing of itself")
    if name == "fake":
        said += f" One of {', '.join([*(kind.value for kind in Pii), 'sentence'])}."
    return f"| `{name}` | {needed} | {_bounds(field)} | {said} |"


def _bounds(field: FieldInfo) -> str:
    said = []
    for limit in field.metadata:
        for kind, sign, attribute in ((Ge, ">=", "ge"), (Gt, ">", "gt"), (Le, "<=", "le"), (Lt, "<", "lt")):
            if isinstance(limit, kind):
                value = getattr(limit, attribute)
                said.append(f"{sign} {value:,}" if isinstance(value, int) else f"{sign} {value:g}")
        if isinstance(limit, MinLen):
            said.append(f"at least {limit.min_length}")
        if isinstance(limit, MaxLen):
            said.append(f"at most {limit.max_length:,}")
    return ", ".join(said)


def written(text: str) -> str:
    """Return the page with the reference of today."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

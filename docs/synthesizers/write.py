"""Write the table of families and the tables of their settings in docs/synthesizers.md anew, from the code."""

from __future__ import annotations

from pathlib import Path

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from synthcredit.synthesizers import registry

PAGE = Path(__file__).parents[1] / "synthesizers.md"
BEGIN, END = "<!-- settings: written by docs/synthesizers/write.py -->", "<!-- settings: end -->"


def settings() -> str:
    """Return every family's settings in Markdown: name, default, bounds, and what it is."""
    parts = []
    for family in registry.FAMILIES.values():
        rows = [_row(name, field) for name, field in family.settings.model_fields.items()]
        table = "\n".join(["| setting | default | from | to | |", "|---|---|---|---|---|", *rows])
        parts.append(f"### {family.name}\n\n{family.summary} {family.licence}\n\n{table}")
    return "\n\n".join(parts)


def _row(name: str, field: FieldInfo) -> str:
    bounds = ["", ""]
    for limit in field.metadata:
        for at, kind in ((0, (Ge, "ge")), (0, (Gt, "gt")), (1, (Le, "le")), (1, (Lt, "lt"))):
            if isinstance(limit, kind[0]):
                value = getattr(limit, kind[1])
                bounds[at] = f"{value:,}" if isinstance(value, int) else f"{value:g}"
    default = "by the data" if field.default is None else f"{field.default}"
    return f"| `{name}` | {default} | {bounds[0]} | {bounds[1]} | {field.description or ''} |"


def written(text: str) -> str:
    """Return the page with the tables of today."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{settings()}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))

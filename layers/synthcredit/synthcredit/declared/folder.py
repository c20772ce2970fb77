"""The folder of declared tables: what its request is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from synthcredit.datasets import folder
from synthcredit.datasets.folder import Content
from synthcredit.declared.made import DeclaredRows
from synthcredit.packages import versions_of


class Request(folder.Request):
    """What a folder of declared tables holds, or is going to: see `synthcredit.datasets.folder`."""

    # No table can have this name, so no file of one takes its place.
    file: ClassVar[str] = "declared-request.json"
    nothing: ClassVar[str] = "no declared tables"
    another: ClassVar[str] = "other declared tables"
    hashes: ClassVar[Mapping[str, str]] = {"content": "another content of the declaration"}

    declaration: str
    content: str
    """SHA-256 of all that is declared but the numbers of rows, in hex."""
    rows: dict[str, int]
    """Of the uppermost tables."""
    seed: int
    format: str
    packages: dict[str, str]

    def told(self) -> dict[str, Any]:
        """Return declaration, seed, form, rows and versions."""
        content = self.model_dump(exclude={"rows", "packages"})
        return content | {f"rows of '{name}'": rows for name, rows in self.rows.items()} | self.packages


def request_of(made: DeclaredRows, form: str) -> Request:
    """Return a request as its folder keeps it; whether the file or an option says how many rows does not matter."""
    declaration = made.plan.declaration
    declared = declaration.model_dump_json(exclude={"tables": {"__all__": {"rows"}}})
    return Request(
        declaration=declaration.name,
        content=hashlib.sha256(declared.encode()).hexdigest(),
        rows=dict(made.plan.rows),
        seed=made.seed,
        format=form,
        # The names of nobody are Faker's.
        packages=versions_of(*folder.DECISIVE, "Faker"),
    )


def content_of(made: DeclaredRows, form: str) -> Content:
    """Return what the folder of a request is to hold."""
    return Content(request_of(made, form), form, made.tables, made.sql_types())

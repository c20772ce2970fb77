"""The folder of a portfolio: what its request is, and the SQL types of its tables."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from synthcredit.datasets import folder
from synthcredit.datasets.folder import Content
from synthcredit.packages import versions_of
from synthcredit.portfolio.book import Volumes
from synthcredit.portfolio.scenario import Scenario
from synthcredit.portfolio.spec import Table
from synthcredit.portfolio.tables import TABLES, dataset_schema


class Request(folder.Request):
    """What a folder of a portfolio holds, or is going to: see `synthcredit.datasets.folder`."""

    file: ClassVar[str] = "portfolio.json"
    nothing: ClassVar[str] = "no portfolio"
    another: ClassVar[str] = "another portfolio"
    hashes: ClassVar[Mapping[str, str]] = {"parameters": "other parameters of the scenario"}

    scenario: str
    parameters: str
    """SHA-256 of all of the scenario's parameters, in hex."""
    volumes: Volumes
    seed: int
    format: str
    packages: dict[str, str]

    def told(self) -> dict[str, Any]:
        """Return scenario, seed, form, volumes and versions."""
        content = self.model_dump(exclude={"volumes", "packages"})
        return content | self.volumes.model_dump() | self.packages


def request_of(scenario: Scenario, volumes: Volumes, seed: int, form: str) -> Request:
    """Return a request as its folder keeps it."""
    return Request(
        scenario=scenario.name,
        parameters=hashlib.sha256(scenario.model_dump_json().encode()).hexdigest(),
        volumes=volumes,
        seed=seed,
        format=form,
        packages=versions_of(*folder.DECISIVE),
    )


def content_of(request: Request, tables: tuple[Table, ...] = TABLES) -> Content:
    """Return what the folder of a request is to hold."""
    return Content(request, request.format, dataset_schema(tables), sql_types(tables))


def sql_types(tables: tuple[Table, ...] = TABLES) -> dict[str, dict[str, dict[str, str]]]:
    """Return the exact SQL type of every column by table and column, as `synthcredit.stores` takes them.

    The one place where what a `Field` says of SQL becomes what a database is told. ``created_at`` has the time of the
    insert as its default, for rows that somebody adds later.
    """
    return {
        table.name: {
            field.name: {"type": field.sql} | ({"default": "current_timestamp"} if field.name == "created_at" else {})
            for field in table.fields
        }
        for table in tables
    }

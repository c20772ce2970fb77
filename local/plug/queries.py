"""Athena over what is registered in Glue.

What ministack does otherwise: it reads every file under the table's location, whatever partitions Glue knows, and
shows the files' column names. Here a query reads exactly the partitions that Glue has, each at its own location, with
Glue's column names and types; Athena matches columns of Parquet by name, so a column that no file has is NULL. Only
SELECT is answered; the dialect stays DuckDB's. And the result lies where GetQueryExecution says that it lies.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import duckdb
from ministack.core.responses import error_response_json
from ministack.services import athena, glue

from plug import hooks

Document = dict[str, Any]

_TYPES = re.compile(r"(decimal\(\s*\d+\s*,\s*\d+\s*\))", re.IGNORECASE)


async def _rewrite(query: str, database: str, _: str | None = None) -> tuple[str, dict[str, str], list[str]]:
    """Return the query for DuckDB, each Glue table replaced by a relation, and the folders to remove afterwards."""
    edits = []
    folders: list[str] = []
    for reference in athena._table_references(query):
        name = reference.database or database or "default"
        table = glue._tables.get(f"{name}/{reference.table}")
        if table is None:
            raise ValueError(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{name}.{reference.table}' does not exist")
        relation = await asyncio.to_thread(_relation, f"{name}/{reference.table}", table, folders)
        edit = (
            reference.start,
            reference.end,
            relation + ("" if reference.aliased else f" AS {_name(reference.table)}"),
        )
        edits.append(edit)
        if not reference.aliased:
            edits.extend(athena._qualified_column_prefixes(query, name, reference.table, edit))
    for start, end, text in sorted(set(edits), reverse=True):
        query = query[:start] + text + query[end:]
    return query, {}, folders


def _relation(key: str, table: Document, folders: list[str]) -> str:
    """Return the table as a DuckDB relation: its partitions one below the other."""
    if not table.get("PartitionKeys"):
        parts = [_part(table, table["StorageDescriptor"], [], folders)]
    else:
        partitions = glue._partitions.get(key) or []
        parts = [_part(table, one["StorageDescriptor"], one["Values"], folders) for one in partitions]
    found = [part for part in parts if part]
    return f"({' UNION ALL '.join(found)})" if found else str(athena._empty_relation(table))


def _part(table: Document, storage: Document, values: list[str], folders: list[str]) -> str:
    files = athena._materialize_table_files(storage["Location"], folders)
    if not files:
        return ""
    if athena._data_format(table) != "parquet":
        if values:
            raise ValueError("NOT_SUPPORTED: the embedded AWS reads partitioned tables of Parquet only")
        return f"SELECT * FROM {athena._table_relation(table, files)}"
    source = f"read_parquet({athena._sql_list(files)}, union_by_name = true, hive_partitioning = false)"
    present = {name.lower(): name for name, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    columns = [_column(one, present) for one in table["StorageDescriptor"]["Columns"]]
    keys = [_constant(one, value) for one, value in zip(table.get("PartitionKeys") or [], values, strict=True)]
    return f"SELECT {', '.join(columns + keys)} FROM {source}"


def _column(column: Document, present: dict[str, str]) -> str:
    own = present.get(column["Name"].lower())
    value, kind = _name(own) if own else "NULL", _type(column)
    if not own or kind:
        value = f"CAST({value} AS {kind or 'VARCHAR'})"
    return f"{value} AS {_name(column['Name'])}"


def _constant(column: Document, value: str) -> str:
    text = "'" + value.replace("'", "''") + "'"
    return f"CAST({text} AS {_type(column) or 'VARCHAR'}) AS {_name(column['Name'])}"


def _type(column: Document) -> str | None:
    """DuckDB's type; none for a nested one, which stays as the file has it."""
    declared = str(column.get("Type", "string")).strip().lower()
    if _TYPES.fullmatch(declared):
        return declared.upper()
    if declared.startswith(("array", "map", "struct")):
        return None
    return str(athena._duckdb_type(column))


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _only_select(old: Callable[[Document], Any]) -> Callable[[Document], Any]:
    def start(data: Document) -> Any:
        words = [
            text for kind, text, *_ in athena._sql_tokens(data.get("QueryString", "")) if (kind, text) != ("punct", "(")
        ]
        if not words or words[0] not in ("select", "with"):
            return error_response_json("InvalidRequestException", "the embedded AWS answers SELECT queries only", 400)
        return old(_with_slash(data))

    return start


def _with_slash(data: Document) -> Document:
    """Take the place of results from the workgroup or the request, as a folder."""
    group = athena._workgroups.get(data.get("WorkGroup", "primary")) or {}
    configured = group.get("Configuration", {}).get("ResultConfiguration", {}).get("OutputLocation")
    place = configured or data.get("ResultConfiguration", {}).get("OutputLocation")
    if not place:
        return data
    return {
        **data,
        "ResultConfiguration": {**data.get("ResultConfiguration", {}), "OutputLocation": place.rstrip("/") + "/"},
    }


def _save_where_told(old: Callable[[str], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
    """Undo that ministack adds the file's name to a place that ends with it already."""

    async def save(query_id: str) -> None:
        place = athena._executions[query_id]["ResultConfiguration"]
        told = place["OutputLocation"]
        place["OutputLocation"] = told.removesuffix(f"{query_id}.csv")
        try:
            await old(query_id)
        finally:
            place["OutputLocation"] = told

    return save


def install() -> None:
    """Read tables through Glue's partitions, and refuse what is no SELECT."""
    hooks.replace(athena, "_rewrite_data_paths", _rewrite)
    hooks.wrap(athena, "_start_query_execution", _only_select)
    hooks.wrap(athena, "_save_query_results", _save_where_told)
    hooks.need(
        athena,
        *(
            "_table_references",
            "_qualified_column_prefixes",
            "_empty_relation",
            "_materialize_table_files",
            "_data_format",
        ),
        *("_table_relation", "_sql_list", "_duckdb_type", "_sql_tokens", "_workgroups", "_executions"),
    )
    hooks.need(glue, "_tables", "_partitions")

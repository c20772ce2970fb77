"""The catalogue in Glue: what is registered there, Athena and Redshift Spectrum can read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from synthcredit.aws.clients import Client
from synthcredit.aws.objects import S3Objects
from synthcredit.aws.refusals import code_of, refusals
from synthcredit.datasets.schema import Column, Dtype, TableSchema
from synthcredit.errors import Problem, StorageError
from synthcredit.ports import PublishedTable

if TYPE_CHECKING:
    from boto3 import Session

_TYPES = {
    Dtype.INT64: "bigint",
    Dtype.DOUBLE: "double",
    Dtype.STRING: "string",
    Dtype.BOOL: "boolean",
    Dtype.DATE: "date",
    Dtype.TIMESTAMP: "timestamp",
    # Hive has no time of day. Parquet keeps one as microseconds in an int64, which Trino, and so Athena, reads as
    # bigint: https://github.com/trinodb/trino/pull/16362
    Dtype.TIME: "bigint",
}
_MAX_COMMENT = 255


class GlueCatalogue:
    """Glue tables over the parts where they lie, one partition a job.

    A table's own location is a prefix with nothing in it, and partitions are not projected: so rows are seen only
    once they are registered.

    Parameters
    ----------
    session
        Where boto3 gets region and credentials.
    client
        A Glue client of boto3.
    database
        The Glue database.
    objects
        The lake.
    """

    def __init__(self, session: Session, client: Client, database: str, objects: S3Objects) -> None:
        self._session = session
        self._client = client
        self._database = database
        self._objects = objects

    def register(self, job_id: str, tables: Sequence[PublishedTable], files: Sequence[str]) -> dict[str, str]:
        """Add one partition a table; the tables are made where they are new."""
        for table in tables:
            self._make(table)
        for table in tables:
            self._show(job_id, table)
        shown = {PurePosixPath(key).name: self._objects.link(key) for key in files if "/plots/" not in key}
        return {table.schema.name: f"{self._database}.{table.name}" for table in tables} | shown

    def withdraw(self, job_id: str, tables: Sequence[PublishedTable]) -> None:
        """Remove the job's partitions."""
        # By boto3 alone: the functions that close jobs have no pandas, which awswrangler needs.
        for table in tables:
            place = {"DatabaseName": self._database, "TableName": table.name}
            with refusals(self._place(table)):
                try:
                    self._client.delete_partition(**place, PartitionValues=[job_id])
                except ClientError as error:
                    if code_of(error) != "EntityNotFoundException":
                        raise

    def _make(self, table: PublishedTable) -> None:
        import awswrangler

        with refusals(self._place(table)):
            awswrangler.catalog.create_parquet_table(
                database=self._database,
                table=table.name,
                path=self._objects.link(f"tables/{table.name}/"),
                columns_types=_columns(table.schema),
                partitions_types={table.partition: "string"},
                description=f"Synthetic rows like those of {table.dataset}, table {table.schema.name}",
                columns_comments={c.storage_name: _comment(c) for c in table.schema.columns},
                parameters={"synthetic": "true", "schema_fingerprint": table.schema.fingerprint},
                # A table that exists stays, with its partitions.
                mode="append",
                boto3_session=self._session,
            )

    def _show(self, job_id: str, table: PublishedTable) -> None:
        import awswrangler

        with refusals(self._place(table)):
            try:
                awswrangler.catalog.add_parquet_partitions(
                    database=self._database,
                    table=table.name,
                    partitions_values={self._objects.link(table.prefix): [job_id]},
                    columns_types=_columns(table.schema),
                    boto3_session=self._session,
                )
            except awswrangler.exceptions.ServiceApiError as error:
                # Said in an answer of 200, partition by partition.
                raise StorageError(
                    Problem(
                        self._place(table), "AWS refused the partition", "Look at the log for its reason; try again."
                    )
                ) from error

    def _place(self, table: PublishedTable) -> str:
        return f"Glue table {self._database}.{table.name}"


def _columns(schema: TableSchema) -> dict[str, str]:
    return {column.storage_name: _TYPES[column.dtype] for column in schema.columns}


def _comment(column: Column) -> str:
    unit = " (microseconds since midnight)" if column.dtype is Dtype.TIME else ""
    name = "".join(letter if letter.isprintable() else " " for letter in column.name)
    return name[: _MAX_COMMENT - len(unit)] + unit

import subprocess
import sys

import awswrangler
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from awswrangler._data_types import pyarrow2athena
from botocore.stub import Stubber

from synthcredit.aws.catalogue import GlueCatalogue
from synthcredit.aws.clients import make_client, session
from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.schema import Column, Dtype, Kind
from synthcredit.datasets.write import write_part
from synthcredit.errors import StorageError
from synthcredit.ports import PublishedTable

from .conftest import LAKE

FILES = ["jobs/j1/report.html", "jobs/j1/data/loans.csv", "jobs/j1/plots/amount.png"]


@pytest.fixture
def glue():
    client = make_client("glue")
    client.create_database(DatabaseInput={"Name": "lake"})
    return client


@pytest.fixture
def catalogue(glue, objects):
    return GlueCatalogue(session(), glue, "lake", objects)


@pytest.fixture
def loans(schema):
    return PublishedTable("applicants", schema, "jobs/j1/data/loans/")


def _table(glue, loans):
    return glue.get_table(DatabaseName="lake", Name=loans.name)["Table"]


def _shown(glue, loans):
    partitions = glue.get_partitions(DatabaseName="lake", TableName=loans.name)["Partitions"]
    return {partition["Values"][0]: partition["StorageDescriptor"]["Location"] for partition in partitions}


def _columns(described):
    return {column["Name"]: column["Type"] for column in described["StorageDescriptor"]["Columns"]}


def test_results_are_said_to_be_where_they_are(catalogue, loans, schema):
    assert catalogue.register("j1", [loans], FILES) == {
        "loans": f"lake.applicants_loans_{schema.fingerprint[:8]}",
        "report.html": f"s3://{LAKE}/jobs/j1/report.html",
        "loans.csv": f"s3://{LAKE}/jobs/j1/data/loans.csv",
    }


def test_a_table_shows_its_partitions_and_nothing_else(catalogue, glue, loans, objects):
    catalogue.register("j1", [loans], FILES)
    table = _table(glue, loans)
    assert table["StorageDescriptor"]["Location"] == f"s3://{LAKE}/tables/{loans.name}/"
    assert list(objects.keys("tables")) == []
    assert table["PartitionKeys"] == [{"Name": "job", "Type": "string"}]
    assert table["Parameters"]["projection.enabled"] == "false"
    assert table["Parameters"]["synthetic"] == "true"
    assert _shown(glue, loans) == {"j1": f"s3://{LAKE}/jobs/j1/data/loans/"}


def test_columns_have_their_storage_names_their_types_and_the_names_of_the_data(catalogue, glue, loans):
    catalogue.register("j1", [loans], FILES)
    table = _table(glue, loans)
    assert _columns(table) == {
        "number": "bigint",
        "amount_in_eur": "double",
        "notes_and_more": "string",
        "ok": "boolean",
        "day": "date",
        "at": "timestamp",
        "hour": "bigint",
    }
    (partition,) = glue.get_partitions(DatabaseName="lake", TableName=loans.name)["Partitions"]
    assert _columns(partition) == _columns(table)
    comments = [column["Comment"] for column in table["StorageDescriptor"]["Columns"]]
    assert comments[:3] == ["Number", "amount.in.EUR", "Notes and more"]
    assert comments[-1] == "hour (microseconds since midnight)"


def test_types_and_names_are_those_of_the_part_files(catalogue, glue, loans, schema, tmp_path):
    batch = pa.RecordBatch.from_arrays([pa.nulls(1, field.type) for field in arrow_schema(schema)], schema.names)
    write_part([batch], schema, tmp_path / "part.parquet")
    catalogue.register("j1", [loans], FILES)
    fields = list(pq.read_schema(tmp_path / "part.parquet"))
    declared = {f.name: "bigint" if pa.types.is_time64(f.type) else pyarrow2athena(f.type) for f in fields}
    assert _columns(_table(glue, loans)) == declared
    # What Athena reads as bigint: 64 bits, whatever they mean.
    hour = pq.ParquetFile(tmp_path / "part.parquet").schema.column(6)
    assert (hour.name, hour.physical_type) == ("hour", "INT64")


def test_data_with_a_column_job_gets_another_partition(catalogue, glue, schema):
    own = [Column(name=n, storage_name=n, kind=Kind.TEXT, dtype=Dtype.STRING) for n in ("job", "synthetic_job")]
    for added, partition in ((own[:1], "synthetic_job"), (own, "synthetic_synthetic_job")):
        loans = PublishedTable("x", schema.model_copy(update={"columns": (*schema.columns, *added)}), "jobs/j1/data/l/")
        catalogue.register("j1", [loans], [])
        assert _table(glue, loans)["PartitionKeys"] == [{"Name": partition, "Type": "string"}]
        assert loans.partition == partition
        catalogue.withdraw("j1", [loans])
        assert _shown(glue, loans) == {}


def test_registering_twice_is_as_once_and_another_job_is_another_partition(catalogue, glue, loans, schema):
    first = catalogue.register("j1", [loans], FILES)
    table = _table(glue, loans)
    assert catalogue.register("j1", [loans], FILES) == first
    other = PublishedTable("applicants", schema, "jobs/j2/data/loans/")
    catalogue.register("j2", [other], [])
    assert _table(glue, loans) == table
    assert _shown(glue, loans) == {job: f"s3://{LAKE}/jobs/{job}/data/loans/" for job in ("j1", "j2")}


def test_another_schema_is_another_table(catalogue, glue, loans, schema):
    other = PublishedTable("applicants", schema.with_target("ok"), "jobs/j2/data/loans/")
    catalogue.register("j1", [loans], [])
    catalogue.register("j2", [other], [])
    assert (list(_shown(glue, loans)), list(_shown(glue, other))) == (["j1"], ["j2"])


def test_a_job_without_parquet_registers_no_table(catalogue, glue):
    assert catalogue.register("j1", [], FILES[:1]) == {"report.html": f"s3://{LAKE}/jobs/j1/report.html"}
    assert glue.get_tables(DatabaseName="lake")["TableList"] == []


def test_what_is_withdrawn_is_out_of_sight_and_only_that(catalogue, glue, loans, schema):
    catalogue.withdraw("j1", [loans])
    catalogue.register("j1", [loans], FILES)
    catalogue.register("j2", [PublishedTable("applicants", schema, "jobs/j2/data/loans/")], [])
    for _ in range(2):
        catalogue.withdraw("j1", [loans])
        assert list(_shown(glue, loans)) == ["j2"]


def test_a_database_that_is_gone_is_said(glue, objects, loans):
    lost = GlueCatalogue(session(), glue, "none", objects)
    with pytest.raises(StorageError, match=f"Glue table none.{loans.name}: it does not exist"):
        lost.register("j1", [loans], FILES)


def test_a_partition_that_glue_refuses_is_said(catalogue, loans, monkeypatch):
    def refuse(**_):
        raise awswrangler.exceptions.ServiceApiError("[{...}]")

    monkeypatch.setattr(awswrangler.catalog, "add_parquet_partitions", refuse)
    with pytest.raises(StorageError, match="refused the partition"):
        catalogue.register("j1", [loans], FILES)


def test_a_partition_that_may_not_be_deleted_is_said(catalogue, glue, loans):
    with Stubber(glue) as stub:
        stub.add_client_error("delete_partition", "AccessDeniedException")
        with pytest.raises(StorageError, match="access is denied"):
            catalogue.withdraw("j1", [loans])


def test_long_names_are_cut_to_what_glue_takes(catalogue, glue, schema):
    long = Column(name="x" * 400, storage_name="x", kind=Kind.DATETIME, dtype=Dtype.TIME)
    loans = PublishedTable("a", schema.model_copy(update={"columns": (long,)}), "jobs/j1/data/loans/")
    catalogue.register("j1", [loans], [])
    (column,) = _table(glue, loans)["StorageDescriptor"]["Columns"]
    assert len(column["Comment"]) == 255
    assert column["Comment"].endswith("x (microseconds since midnight)")


def test_who_withdraws_needs_no_pandas():
    code = "import sys, synthcredit.aws.world; print({'awswrangler', 'pandas', 'pyarrow', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"set()\n"

import errno
from pathlib import Path

import pytest

from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema
from synthcredit.errors import StorageError
from synthcredit.local.catalogue import FolderCatalogue
from synthcredit.local.objects import FolderObjects
from synthcredit.ports import PublishedTable


@pytest.fixture
def catalogue(tmp_path):
    objects = FolderObjects(tmp_path / "lake")
    for key in ("data/loans/part-00000.parquet", "report.html", "plots/amount_distribution.png", "plan.json"):
        with objects.scratch() as folder:
            (folder / "file").write_text(key)
            objects.put(folder / "file", f"jobs/1/{key}")
    return FolderCatalogue(tmp_path / "out", objects)


SCHEMA = TableSchema(
    name="loans", columns=(Column(name="amount", storage_name="amount", kind=Kind.CONTINUOUS, dtype=Dtype.DOUBLE),)
)
LOANS = [PublishedTable("loans", SCHEMA, "jobs/1/data/loans/")]
FILES = ["jobs/1/report.html", "jobs/1/plots/amount_distribution.png"]


def test_what_is_registered_appears_and_nothing_else(catalogue, tmp_path):
    places = catalogue.register("1", LOANS, FILES)
    seen = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert seen == {"1/data/loans/part-00000.parquet", "1/report.html", "1/plots/amount_distribution.png"}
    assert places == {
        "loans": str(tmp_path / "out" / "1" / "data" / "loans"),
        "report.html": str(tmp_path / "out" / "1" / "report.html"),
    }


def test_whoever_changes_delivered_data_does_not_change_the_record_of_it(catalogue, tmp_path):
    catalogue.register("1", LOANS, FILES)
    delivered = tmp_path / "out" / "1" / "data" / "loans" / "part-00000.parquet"
    delivered.write_text("changed by hand")
    kept = tmp_path / "lake" / "jobs" / "1" / "data" / "loans" / "part-00000.parquet"
    assert kept.read_text() == "data/loans/part-00000.parquet"


def test_registering_twice_is_as_once(catalogue, tmp_path):
    first = catalogue.register("1", LOANS, FILES)
    (tmp_path / "out" / "1" / "stale").write_text("from an earlier run")
    assert catalogue.register("1", LOANS, FILES) == first
    assert not (tmp_path / "out" / "1" / "stale").exists()


def test_a_full_disk_leaves_nothing_visible(catalogue, tmp_path, monkeypatch):
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StorageError, match="disk is full"):
        catalogue.register("1", LOANS, FILES)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_withdrawn_is_gone_and_withdrawing_twice_is_as_once(catalogue, tmp_path):
    catalogue.register("1", LOANS, FILES)
    for _ in range(2):
        catalogue.withdraw("1", LOANS)
    assert not (tmp_path / "out" / "1").exists()

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthcredit.errors import StorageError
from synthcredit.portfolio import arrays, book, write
from synthcredit.portfolio.book import Volumes, make_block
from synthcredit.portfolio.scenario import load
from synthcredit.portfolio.tables import BASIC, TABLES, table

VOLUMES = Volumes(customers=20_000, records=1, applications=1, history=1, statement_months=1, contacts=1)


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_files_are_the_same_bytes_for_any_number_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Volumes(customers=70_000, records=0, applications=0, history=0, statement_months=0, contacts=0)
    told: list[tuple[float, str]] = []
    some = tuple(table(name) for name in ("customers", "market_data"))
    one = write.write(load("baseline"), small, 1, tmp_path / "one", tables=some, progress=lambda *a: told.append(a))
    two = write.write(load("baseline"), small, 1, tmp_path / "two", tables=some, workers=2)
    assert one == two
    assert one.rows == {"customers": 70_000, "market_data": 100}
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")
    assert len(_digests(tmp_path / "one")) == 4
    assert told[-1] == (1.0, "70,000 of 70,000 customers")


def test_what_is_read_is_what_was_made(tmp_path: Path) -> None:
    small = VOLUMES.model_copy(update={"customers": 300})
    write.write(load("baseline"), small, 1, tmp_path)
    made = make_block(load("baseline"), small, 1, 0)
    for one in TABLES:
        (path,) = (tmp_path / one.name).iterdir()
        read = pq.read_table(path, partitioning=None)
        assert read.schema.equals(one.arrow), one.name
        assert read.equals(arrays.plain(made[one.name])), one.name


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> pa.RecordBatch:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
    with pytest.raises(StorageError, match="Free some space"):
        write.write(load("baseline"), VOLUMES, 1, tmp_path / "book")
    assert _digests(tmp_path / "book") == {}


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="Choose a folder"):
        write.write(load("baseline"), VOLUMES, 1, tmp_path / "file")


def test_some_tables_alone_are_the_same(tmp_path: Path) -> None:
    small = VOLUMES.model_copy(update={"customers": 200})
    write.write(load("baseline"), small, 1, tmp_path / "all")
    write.write(load("baseline"), small, 1, tmp_path / "basic", tables=[table(name) for name in BASIC])
    every = _digests(tmp_path / "all")
    assert _digests(tmp_path / "basic") == {path: value for path, value in every.items() if path.split("/")[0] in BASIC}


def test_shards_cover_all_blocks() -> None:
    assert Volumes(customers=1).shards == 1
    assert Volumes(customers=4 * book.BLOCK_CUSTOMERS + 1).shards == 2

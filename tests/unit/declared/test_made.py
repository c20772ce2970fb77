from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.declared.conftest import BANK, rows_of

from synthcredit.datasets.folder import claimed
from synthcredit.datasets.schema import DatasetSchema, Kind, Pii
from synthcredit.datasets.shards import RuleBased
from synthcredit.declared.folder import content_of
from synthcredit.declared.made import DeclaredRows
from synthcredit.errors import StorageError
from synthcredit.stores.dataset import read_folder


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> DeclaredRows:
    monkeypatch.setattr("synthcredit.declared.plan.BLOCK_ROWS", 900)
    return rows_of(BANK)


def test_a_shard_alone_is_the_same_bytes(tmp_path: Path, small_blocks: DeclaredRows) -> None:
    made: RuleBased = small_blocks
    assert made.shards > 2
    told: list[tuple[float, str]] = []
    written = small_blocks.write(tmp_path / "all", progress=lambda *a: told.append(a))
    assert told[-1] == (1.0, f"{made.shards} of {made.shards} shards")
    alone = made.write_shard(2, tmp_path / "alone")
    every, own = _digests(tmp_path / "all"), _digests(tmp_path / "alone")
    assert len(own) == 3
    assert own.items() <= every.items()
    assert alone.rows["bookings"] == pq.read_metadata(tmp_path / "alone" / "bookings" / "part-00002.parquet").num_rows
    assert written.rows["customers"] == 400
    assert written.rows["branches"] == 7
    files = (tmp_path / "all").rglob("*.parquet")
    assert written.size == sum(path.stat().st_size for path in files)
    assert all(check.passed for check in made.checks(tmp_path / "all"))


def test_files_are_the_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    # In other processes nothing is patched: enough rows for several shards. Every process starts anew: few columns.
    content = {
        "name": "many",
        "tables": {
            "people": {
                "rows": 140_000,
                "columns": {
                    "id": {"type": "key"},
                    "kind": {"type": "text", "categories": ["a", "b"]},
                    "x": {"type": "number", "minimum": 0, "maximum": 9, "missing": 0.1},
                },
            }
        },
    }
    made = rows_of(content)
    assert made.shards == 5
    one = made.write(tmp_path / "one")
    assert one == made.write(tmp_path / "two", workers=2)
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")


def test_whole_shards_stay_and_the_others_are_made(tmp_path: Path, small_blocks: DeclaredRows) -> None:
    fresh = small_blocks.write(tmp_path)
    digests = _digests(tmp_path)
    first, *_, last = sorted((tmp_path / "bookings").iterdir())
    last.unlink()
    (last.parent / f".{last.name}.1.partial").write_bytes(b"half")
    written = first.stat().st_mtime_ns
    resumed = small_blocks.write(tmp_path, resume=True)
    assert (resumed.rows, resumed.size) == (fresh.rows, fresh.size)
    assert 0 < resumed.already < sum(fresh.rows.values())
    assert _digests(tmp_path) == digests
    assert first.stat().st_mtime_ns == written


def test_it_can_be_sent_to_another_process(tmp_path: Path) -> None:
    made = pickle.loads(pickle.dumps(rows_of(BANK)))  # noqa: S301 - our own
    made.write(tmp_path / "sent")
    rows_of(BANK).write(tmp_path / "own")
    assert _digests(tmp_path / "sent") == _digests(tmp_path / "own")


def test_a_store_can_take_the_folder_as_it_is(tmp_path: Path, bank: DeclaredRows) -> None:
    with claimed(tmp_path, content_of(bank, "parquet")) as parts:
        bank.write(parts)
    stored = read_folder(tmp_path)
    assert stored.schema == bank.tables == DatasetSchema.model_validate_json((tmp_path / "schema.json").read_text())
    assert {relation.name for relation in stored.relations} == {
        "customers.branch_id of branches",
        "accounts.customer_id of customers",
        "bookings.account_id of accounts",
        "bookings.customer_id of customers",
    }
    types = json.loads((tmp_path / "sql_types.json").read_text())
    assert types["bookings"]["fees"] == {"type": "decimal(18,3)"}
    customers, bookings = bank.tables["customers"], bank.tables["bookings"]
    assert (customers.primary_key, bookings.customer) == ("customer_id", "customer_id")
    assert customers["email"].pii is Pii.EMAIL
    assert customers["rating"].kind is Kind.CATEGORICAL
    assert customers["rating"].categories == (1, 2, 5)
    assert (customers["tax"].nullable, customers["money"].nullable) == (True, False)


def test_names_that_the_lake_does_not_take_are_stored_in_lower_snake_case(tmp_path: Path) -> None:
    columns = {"Customer ID": {"type": "key"}, "net.income": {"type": "number", "minimum": 1, "maximum": 2}}
    made = rows_of({"name": "names", "tables": {"people": {"rows": 9, "columns": columns}}})
    made.write(tmp_path)
    assert pq.read_schema(tmp_path / "people" / "part-00000.parquet").names == ["customer_id", "net_income"]
    assert all(check.passed for check in made.checks(tmp_path))


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bank: DeclaredRows) -> None:
    def full(*_: object) -> pa.RecordBatch:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
    with pytest.raises(StorageError, match="Free some space"):
        bank.write(tmp_path / "bank")
    assert _digests(tmp_path / "bank") == {}


def test_memory_does_not_grow_with_the_rows() -> None:
    """A block has about as many rows whatever is asked for: that is what a process holds."""
    few, many = (rows_of(BANK, rows={"branches": count}).plan for count in (7, 10**8))
    assert few.block_parents("branches") == many.block_parents("branches") == 8192
    assert few.expected("customers") * few.block_parents("customers") <= 70_000
    assert many.blocks("branches") == -(-(10**8) // 8192)

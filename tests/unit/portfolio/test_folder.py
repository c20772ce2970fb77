from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from synthcredit import stores
from synthcredit.datasets.folder import claimed, problems
from synthcredit.datasets.write import write_each
from synthcredit.errors import ConflictError, StorageError
from synthcredit.portfolio import folder, write
from synthcredit.portfolio.book import Volumes
from synthcredit.portfolio.scenario import load, with_changes
from synthcredit.portfolio.tables import TABLES, dataset_schema, table

SMALL = Volumes(customers=70_000, records=0, applications=0, history=0, statement_months=0, contacts=0)
SOME = ("customers", "market_data")
KILLED = """
import os, signal, sys
from pathlib import Path
from synthcredit.portfolio import write
from synthcredit.portfolio.book import Volumes
from synthcredit.portfolio.scenario import load
from synthcredit.portfolio.tables import table

def progress(done, message):
    # Killed with one whole shard, and with a half file of the next.
    (Path(sys.argv[1]) / "customers" / ".part-00001.parquet.1.partial").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

volumes = Volumes.model_validate_json(sys.argv[2])
write.write(load("baseline"), volumes, 1, Path(sys.argv[1]), tables=[table("customers"), table("market_data")],
            resume=True, progress=progress)
"""


def _digests(place: Path) -> dict[str, str]:
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def test_a_run_that_was_killed_goes_on_after_its_last_whole_shard(tmp_path: Path) -> None:
    out, some = tmp_path / "killed", [table(name) for name in SOME]
    done = subprocess.run([sys.executable, "-c", KILLED, out, SMALL.model_dump_json()], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    kept = out / "customers" / "part-00000.parquet"
    written = kept.stat().st_mtime_ns
    assert not (out / "customers" / "part-00001.parquet").exists()
    resumed = write.write(load("baseline"), SMALL, 1, out, tables=some, resume=True)
    fresh = write.write(load("baseline"), SMALL, 1, tmp_path / "fresh", tables=some)
    assert (resumed.rows, resumed.size) == (fresh.rows, fresh.size)
    assert 0 < resumed.already < sum(fresh.rows.values())
    assert _digests(out) == _digests(tmp_path / "fresh")
    assert kept.stat().st_mtime_ns == written


def test_another_request_is_refused_and_told_apart(tmp_path: Path) -> None:
    held = folder.request_of(load("baseline"), SMALL, 1, "parquet")
    with claimed(tmp_path, folder.content_of(held)):
        pass
    assert list(problems(tmp_path, folder.Request, held)) == []
    more = SMALL.model_copy(update={"customers": 7})
    other = folder.request_of(load("downturn"), more, 2, "csv")
    (problem,) = problems(tmp_path, folder.Request, other)
    for said in (
        "scenario baseline, not downturn",
        "customers 70000, not 7",
        "seed 1, not 2",
        "format parquet, not csv",
    ):
        assert said in problem.problem
    assert "other parameters" in problem.problem
    changed = with_changes(load("baseline"), {"bureau.score_mean": 651.0})
    (problem,) = problems(tmp_path, folder.Request, folder.request_of(changed, SMALL, 1, "parquet"))
    assert problem.problem == "it holds another portfolio: other parameters of the scenario"
    # Made by another version: its bytes would be others.
    old = held.model_copy(update={"packages": held.packages | {"numpy": "1.0"}})
    with claimed(tmp_path, folder.content_of(old)):
        pass
    (problem,) = problems(tmp_path, folder.Request, held)
    assert "numpy 1.0, not" in problem.problem
    assert old.digest != held.digest


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    request = folder.request_of(load("baseline"), SMALL, 1, "parquet")
    assert list(problems(tmp_path, folder.Request, request)) == []
    assert list(problems(tmp_path / "new", folder.Request, request)) == []
    (tmp_path / "portfolio.json").write_text("{}")
    (problem,) = problems(tmp_path, folder.Request, request)
    assert "holds no portfolio" in problem.problem
    (problem,) = problems(tmp_path / "portfolio.json", folder.Request, request)
    assert "no folder" in problem.problem


def test_two_at_once_and_places_that_cannot_be_written_to_are_refused(tmp_path: Path) -> None:
    content = folder.content_of(folder.request_of(load("baseline"), SMALL, 1, "parquet"))
    with FileLock(tmp_path / ".lock"), pytest.raises(ConflictError, match="another process"):  # noqa: SIM117
        with claimed(tmp_path, content):
            pass
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="Choose a folder"), claimed(tmp_path / "file" / "book", content):
        pass


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_other_forms_hold_the_same_rows(tmp_path: Path, form: str) -> None:
    volumes = SMALL.model_copy(update={"customers": 50, "applications": 1})
    request = folder.request_of(load("baseline"), volumes, 1, form)
    with claimed(tmp_path, folder.content_of(request)) as parts:
        written = write.write(load("baseline"), volumes, 1, parts)
        size = write_each(parts, tmp_path, form, dataset_schema().tables, lambda *_: None)
    files = {path.name: path for path in tmp_path.glob(f"*.{form}") if path.name != folder.Request.file}
    assert set(files) == {f"{one.name}.{form}" for one in TABLES}
    assert size == sum(path.stat().st_size for path in files.values())
    text = files[f"loans.{form}"].read_text()
    rows = {
        "csv": lambda: text.count("\n") - 1,
        "jsonl": lambda: text.count("\n"),
        "json": lambda: len(json.loads(text)),
    }
    assert rows[form]() == written.rows["loans"]
    assert "L0000000" in text
    # What is whole stays.
    before = files[f"loans.{form}"].stat().st_mtime_ns
    write_each(parts, tmp_path, form, dataset_schema().tables, lambda *_: None)
    assert files[f"loans.{form}"].stat().st_mtime_ns == before


def test_a_folder_can_be_loaded_with_keys_and_types(tmp_path: Path) -> None:
    volumes = SMALL.model_copy(update={"customers": 20})
    request = folder.request_of(load("baseline"), volumes, 1, "parquet")
    with claimed(tmp_path, folder.content_of(request)) as parts:
        write.write(load("baseline"), volumes, 1, parts)
    dataset = stores.read_folder(tmp_path)
    assert {one.schema.name: one.schema.primary_key for one in dataset.tables} == {one.name: one.key for one in TABLES}
    types = {one.schema.name: one.types for one in dataset.tables}
    assert types["customers"]["annual_income"] == stores.SqlType(type="decimal(12,2)")
    assert types["customers"]["created_at"] == stores.SqlType(type="timestamp", default="current_timestamp")
    assert len(dataset.relations) == sum(len(one.parents) for one in TABLES)


def test_the_types_are_had_without_the_extra_of_the_shell() -> None:
    code = (
        "from synthcredit.packages import hidden\n"
        "with hidden('filelock'):\n"
        "    from synthcredit.portfolio.folder import sql_types\n"
        "print(sql_types()['customers']['ssn']['type'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "varchar(11)"

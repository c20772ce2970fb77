"""Declared tables through the steps, in one process."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import synthcredit
from synthcredit.datasets.folder import claimed
from synthcredit.declared import made
from synthcredit.declared import plan as declared_plan
from synthcredit.declared.folder import content_of
from synthcredit.declared.made import declared_rows
from synthcredit.declared.reading import parse
from synthcredit.errors import ConflictError, GateNotMetError, InvalidInputError
from synthcredit.hashing import file_hash
from synthcredit.jobs.job import State
from synthcredit.jobs.manifest import Manifest
from synthcredit.jobs.placement import Limits, Where
from synthcredit.jobs.planning import Plan
from synthcredit.jobs.request import parse_request
from synthcredit.local.world import open_world
from synthcredit.steps.assess import assess
from synthcredit.steps.claim import claim
from synthcredit.steps.files import job_key, read_document
from synthcredit.steps.gate import gate
from synthcredit.steps.generate import generate
from synthcredit.steps.notify import notify
from synthcredit.steps.parts import note_key
from synthcredit.steps.plan import plan
from synthcredit.steps.publish import publish
from synthcredit.steps.train import train

DECLARATION = {
    "name": "shop",
    "tables": {
        "people": {
            "rows": 400,
            "columns": {
                "person_id": {"type": "key", "format": "P{:05d}"},
                "town_id": {"type": "foreign_key", "of": "towns"},
                "segment": {"type": "text", "categories": {"retail": 0.7, "private": 0.3}},
                "start": {"type": "number", "minimum": 0, "maximum": 900},
            },
        },
        # Last, though people refer to it: whoever gets the tables gets parents first.
        "towns": {"rows": 9, "columns": {"town_id": {"type": "key"}}},
        "bookings": {
            "belongs_to": {"table": "people", "children": {"kind": "poisson", "mean": 4}},
            "columns": {
                "booking_id": {"type": "key", "format": "{parent}-{:03d}"},
                "person_id": {"type": "foreign_key", "of": "people"},
                "booked": {"type": "date", "minimum": "2024-01-01", "maximum": "2024-12-31"},
                "amount": {"type": "number", "minimum": 1, "maximum": 90},
                "balance": {"type": "number"},
            },
            "rules": [
                {
                    "kind": "running_balance", "column": "balance", "amount": "amount", "order_by": "booked",
                    "start": "people.start",
                }
            ],
        },
    },
}  # fmt: skip
SOURCE = {"kind": "schema", "declaration": DECLARATION}


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of 100 people: the same code, in many shards of few rows."""
    monkeypatch.setattr(declared_plan, "BLOCK_PARENTS", 50)
    for module in (declared_plan, made):
        monkeypatch.setattr(module, "SHARD_BLOCKS", 2)


@pytest.fixture
def world(tmp_path: Path):
    return open_world(tmp_path / "home", tmp_path / "out")


def _planned(world, limits: Limits | None = None, key: str = "tables", **body: object) -> str:
    job, _ = claim(parse_request({"source": SOURCE, **body}), world, caller="test", key=key)
    plan(job.job_id, world, limits)
    return job.job_id


def _made(world, job_id: str) -> Plan:
    found = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
    for shard in found.shards:
        generate(job_id, shard.number, world)
    return found


def test_from_request_to_rows_shard_by_shard(small_shards: None, world, tmp_path: Path) -> None:
    job_id = _planned(world, deliver=["parquet", "csv"], seed=2)
    found = _made(world, job_id)
    assert [(shard.first_row, shard.rows) for shard in found.shards] == [
        (0, 100), (100, 100), (200, 100), (300, 100), (0, 9),
    ]  # fmt: skip
    assert (found.dataset, found.train, train(job_id, world)) == ("shop", False, None)
    evidence = assess(job_id, world)
    gate(job_id, world)
    publish(job_id, world)
    job = notify(job_id, world)
    out, alone = tmp_path / "out" / job_id, tmp_path / "alone"
    own = declared_rows(parse(DECLARATION, "shop"), 2)
    written = own.write(alone)
    rows = sum(written.rows.values())
    assert (job.state, job.rows, evidence.rows["released"], evidence.rows["synthetic"]) == (
        State.SUCCEEDED, rows, rows, rows,
    )  # fmt: skip
    files = sorted(path.relative_to(alone) for path in alone.glob("*/*.parquet"))
    assert len(files) == 1 + 2 * 4
    for path in files:
        assert (out / "data" / path).read_bytes() == (alone / path).read_bytes(), path
    with claimed(tmp_path / "described", content_of(own, "parquet")) as described:
        for name in ("schema.json", "sql_types.json"):
            assert (out / name).read_bytes() == (described / name).read_bytes()
    assert evidence.validity == own.checks(alone)
    assert len((out / "data" / "bookings.csv").read_text().splitlines()) == 1 + written.rows["bookings"]
    manifest = Manifest.model_validate_json((out / "manifest.json").read_bytes())
    assert (manifest.model_id, manifest.book, manifest.rows) == (None, None, rows)
    assert manifest.declared is not None
    assert [table.name for table in manifest.declared.tables] == ["towns", "people", "bookings"]
    assert manifest.request.source.declaration == DECLARATION
    page = (out / "report.html").read_text()
    assert "made as they are declared" in page
    assert "declaration shop" in page
    for kind in ("Keys", "Ledgers", "Parameters"):
        assert f"<h3>{kind}</h3>" in page


def test_a_shard_that_was_lost_is_made_again_to_the_byte(small_shards: None, world) -> None:
    job_id = _planned(world)
    first = generate(job_id, 2, world)
    world.objects.delete(job_key(job_id, "data/"))
    (world.objects.root / note_key(job_id, 2)).unlink()
    assert generate(job_id, 2, world) == first
    assert {part.table for part in first.parts} == {"people", "bookings"}


def test_rows_may_be_more_or_fewer_than_declared(tmp_path: Path) -> None:
    asked = {"source": {**SOURCE, "rows": {"people": 150}}, "seed": 5}
    result = synthcredit.run_request(asked, home=tmp_path / "home", out=tmp_path / "out")
    assert result.to_arrow(table="people").num_rows == 150
    assert [schema.name for schema in result.schemas] == ["towns", "people", "bookings"]
    log = (result.folder / "run.log").read_text()
    assert "the tables of declaration shop are made" in log
    assert "checks on every row, 0 fail" in log
    with pytest.raises(InvalidInputError, match="several tables"):
        synthcredit.run_request({"source": SOURCE}, home=tmp_path, out=tmp_path / "shop.csv")


def test_one_table_has_room_in_one_file(tmp_path: Path) -> None:
    alone = {"name": "towns", "tables": {"towns": DECLARATION["tables"]["towns"]}}
    # Nothing but a key is declared: nothing of parameters can be broken, and that is said.
    synthcredit.run_request(
        {"source": {"kind": "schema", "declaration": alone}}, home=tmp_path, out=tmp_path / "towns.csv"
    )
    assert len((tmp_path / "towns.csv").read_text().splitlines()) == 10


def test_a_broken_balance_does_not_pass(small_shards: None, world) -> None:
    job_id = _planned(world)
    _made(world, job_id)
    _change(world, job_id, noted=True)
    evidence = assess(job_id, world)
    assert not all(check.passed for check in evidence.validity)
    with pytest.raises(GateNotMetError, match=r"bookings: .*balance.*; 2 of [\d,]+ rows are not"):
        gate(job_id, world)


def test_a_file_that_was_changed_is_not_proven(small_shards: None, world) -> None:
    job_id = _planned(world)
    _made(world, job_id)
    _change(world, job_id, noted=False)
    with pytest.raises(ConflictError, match="not the file that was generated"):
        assess(job_id, world)


def _change(world, job_id: str, *, noted: bool) -> None:
    """Change a balance in a part file, and its hash in the shard's note."""
    path = world.objects.root / job_key(job_id, "data/bookings/part-00000.parquet")
    table = pq.read_table(path, partitioning=None, memory_map=False)
    place = table.schema.get_field_index("balance")
    values = table["balance"].to_pylist()
    before = file_hash(path)
    values[10] += 1
    pq.write_table(table.set_column(place, "balance", [values]), path)
    if noted:
        note = world.objects.root / note_key(job_id, 0)
        note.write_text(note.read_text().replace(before, file_hash(path)))


def test_the_plan_says_where_steps_run_and_what_there_is_no_room_for(world, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = _planned(world, Limits())
    places = {one.step: one for one in world.jobs.get(job_id).placement}
    assert places["train"].where is Where.NOWHERE
    assert places["generate"].where is Where.LAMBDA
    monkeypatch.setattr(type(world.objects), "free_bytes", lambda self: 1_000)
    with pytest.raises(InvalidInputError, match="may take") as caught:
        _planned(world, key="no room")
    assert caught.value.problems[0].field == "source.declaration"

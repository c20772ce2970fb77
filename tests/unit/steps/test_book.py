"""A portfolio through the steps, in one process."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import synthcredit
from synthcredit.errors import ConflictError, GateNotMetError, InvalidInputError
from synthcredit.jobs.job import State
from synthcredit.jobs.manifest import Manifest
from synthcredit.jobs.placement import Limits, Where
from synthcredit.jobs.planning import Plan, Shard
from synthcredit.jobs.request import parse_request
from synthcredit.local.world import open_world
from synthcredit.portfolio import book, volumes, write
from synthcredit.portfolio.scenario import load
from synthcredit.portfolio.tables import TABLES
from synthcredit.portfolio.volumes import Volumes
from synthcredit.steps import book_assess
from synthcredit.steps.assess import assess
from synthcredit.steps.claim import claim
from synthcredit.steps.fail import fail
from synthcredit.steps.files import job_key, read_document
from synthcredit.steps.gate import gate
from synthcredit.steps.generate import generate
from synthcredit.steps.notify import notify
from synthcredit.steps.parts import note_key
from synthcredit.steps.plan import plan
from synthcredit.steps.publish import publish
from synthcredit.steps.train import train

FEW = {"kind": "portfolio", "customers": 250}


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 100 customers, two a shard: the same code, in many shards of a small book."""
    for module in (book, volumes, write, book_assess):
        monkeypatch.setattr(module, "BLOCK_CUSTOMERS", 100)
    monkeypatch.setattr(volumes, "SHARD_BLOCKS", 2)
    monkeypatch.setattr(write, "SHARD_BLOCKS", 2)
    monkeypatch.setattr("synthcredit.jobs.planning.BLOCK_CUSTOMERS", 100)
    monkeypatch.setattr("synthcredit.jobs.planning.SHARD_BLOCKS", 2)


@pytest.fixture
def world(tmp_path: Path):
    return open_world(tmp_path / "home", tmp_path / "out")


def _planned(world, limits: Limits | None = None, **body: object) -> str:
    job, _ = claim(parse_request({"source": FEW, **body}), world, caller="test", key="book")
    plan(job.job_id, world, limits)
    return job.job_id


def _made(world, job_id: str) -> None:
    for shard in read_document(world.objects, job_key(job_id, "plan.json"), Plan).shards:
        generate(job_id, shard.number, world)


def test_from_request_to_rows_shard_by_shard(small_blocks: None, world, tmp_path: Path) -> None:
    job_id = _planned(world, deliver=["parquet", "csv"], seed=2)
    made = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
    assert made.shards == (Shard(number=0, first_row=0, rows=200), Shard(number=1, first_row=200, rows=50))
    assert (made.train, train(job_id, world)) == (False, None)
    _made(world, job_id)
    evidence = assess(job_id, world)
    gate(job_id, world)
    publish(job_id, world)
    job = notify(job_id, world)
    out = tmp_path / "out" / job_id
    written = write.write(load("baseline"), Volumes(customers=250), 2, tmp_path / "alone")
    rows = sum(written.rows.values())
    assert (job.state, job.rows, evidence.rows["released"]) == (State.SUCCEEDED, rows, rows)
    for path in (tmp_path / "alone").glob("*/*.parquet"):
        assert (out / "data" / path.relative_to(tmp_path / "alone")).read_bytes() == path.read_bytes(), path
    csv = (out / "data" / "loans.csv").read_text().splitlines()
    assert len(csv) == 1 + written.rows["loans"]
    manifest = Manifest.model_validate_json((out / "manifest.json").read_bytes())
    assert (manifest.model_id, manifest.split, manifest.rows) == (None, None, rows)
    assert manifest.book is not None
    assert manifest.book.parameters == load("baseline").model_dump(mode="json")
    page = (out / "report.html").read_text()
    assert "nobody to give away" in page
    for kind in ("Ledgers", "Time order", "Parameters"):
        assert f"<h3>{kind}</h3>" in page
    assert 'id="fidelity"' not in page
    types = json.loads((out / "sql_types.json").read_text())
    assert types["customers"]["annual_income"] == {"type": "decimal(12,2)"}
    assert len(json.loads((out / "schema.json").read_text())["relations"]) == sum(len(t.parents) for t in TABLES)


def test_a_shard_that_was_lost_is_made_again_to_the_byte(small_blocks: None, world) -> None:
    job_id = _planned(world)
    first = generate(job_id, 1, world)
    world.objects.delete(job_key(job_id, "data/"))
    (world.objects.root / note_key(job_id, 1)).unlink()
    again = generate(job_id, 1, world)
    assert again == first
    # Twice is as once.
    assert generate(job_id, 1, world) == again
    assert {part.table for part in first.parts} == {table.name for table in TABLES if not table.once}


def test_some_tables_are_delivered_and_the_whole_book_is_proven(world, tmp_path: Path) -> None:
    source = {**FEW, "tables": ["loans", "customers", "market_data"]}
    result = synthcredit.run_request({"source": source}, home=tmp_path / "home", out=tmp_path / "out")
    assert [schema.name for schema in result.schemas] == ["customers", "market_data", "loans"]
    assert {path.parent.name for path in result.parts} == {"customers", "market_data", "loans"}
    assert "Not delivered, and made again for the proof: financial_records" in result.evidence.notes[2]
    assert result.to_arrow(table="loans").num_rows == pq.read_table(result.parts_of("loans")[0]).num_rows
    with pytest.raises(InvalidInputError, match="there is no table 'installments'"):
        result.to_arrow(table="installments")
    assert "loans refers to loan_applications, which is not delivered" in result.report.read_text()
    log = (result.folder / "run.log").read_text()
    assert "250 customers of scenario baseline are simulated" in log
    assert "gate: parameters passed" in log


def test_a_book_that_breaks_a_rule_does_not_pass(small_blocks: None, world) -> None:
    job_id = _planned(world)
    _made(world, job_id)
    _change(world, job_id, "loans", "balance", lambda values: [values[0] + 1, *values[1:]])
    assess(job_id, world)
    with pytest.raises(GateNotMetError, match=r"loans: the balance of the last row of the ledger; 1 of \d+ rows"):
        gate(job_id, world)


def test_a_file_that_was_changed_is_not_proven(world) -> None:
    job_id = _planned(world)
    _made(world, job_id)
    _change(world, job_id, "loans", "balance", list, noted=False)
    with pytest.raises(ConflictError, match="not the file that was generated"):
        assess(job_id, world)
    closed = fail(job_id, ConflictError([]), world)
    assert closed.state is State.FAILED
    assert not list(world.objects.keys(job_key(job_id, "data/")))


def _change(world, job_id: str, table: str, column: str, change, *, noted: bool = True) -> None:
    """Put a part file in the place of the first shard's, and its hash in the shard's note."""
    from synthcredit.hashing import file_hash

    path = world.objects.root / job_key(job_id, f"data/{table}/part-00000.parquet")
    with pq.ParquetFile(path) as file:
        groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
    place = groups[0].schema.get_field_index(column)
    values = change(groups[0][column].to_pylist())
    before = file_hash(path)
    groups[0] = groups[0].set_column(place, column, [values])
    with pq.ParquetWriter(path, groups[0].schema) as writer:
        for group in groups:
            writer.write_table(group)
    if noted:
        note = world.objects.root / note_key(job_id, 0)
        note.write_text(note.read_text().replace(before, file_hash(path)))


def test_too_little_to_prove_parameters_by_is_not_judged_unless_that_is_accepted(world) -> None:
    source = {**FEW, "customers": 20, "applications": 0}
    job_id = _planned(world, source=source)
    _made(world, job_id)
    assess(job_id, world)
    with pytest.raises(GateNotMetError, match="no check of parameters was made"):
        gate(job_id, world)
    accepted, _ = claim(
        parse_request({"source": source, "gate": {"accept_unjudged": ["parameters"]}}), world, caller="test", key="two"
    )
    plan(accepted.job_id, world)
    _made(world, accepted.job_id)
    assess(accepted.job_id, world)
    assert gate(accepted.job_id, world)


def test_the_plan_says_where_steps_run_and_refuses_what_cannot_be(world) -> None:
    job_id = _planned(world, Limits())
    places = {one.step: one for one in world.jobs.get(job_id).placement}
    assert places["train"].where is Where.NOWHERE
    assert places["train"].why == "a portfolio is simulated"
    with pytest.raises(InvalidInputError, match="there is no table 'orders'"):
        synthcredit.run_request(
            {"source": {**FEW, "tables": ["orders"]}}, home=world.objects.root.parent, out=world.objects.root
        )


def test_no_room_is_said_before_anything_is_made(world, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(world.objects), "free_bytes", lambda self: 1_000)
    with pytest.raises(InvalidInputError, match="may take") as caught:
        _planned(world)
    assert caught.value.problems[0].field == "source.customers"
    assert not list(world.objects.keys(""))


def test_one_file_holds_one_table(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="several tables"):
        synthcredit.run_request({"source": FEW}, home=tmp_path, out=tmp_path / "book.csv")
    one = {"source": {**FEW, "tables": ["customers"]}}
    synthcredit.run_request(one, home=tmp_path, out=tmp_path / "customers.csv")
    assert len((tmp_path / "customers.csv").read_text().splitlines()) == 251

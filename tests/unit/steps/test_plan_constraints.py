"""Constraints on their way through the platform: refused where they are asked for, kept and proven where they do."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pytest

import synthcredit
from synthcredit.cli.common import read_dataset_schema, read_schema, with_constraints
from synthcredit.datasets.detect import detect_schema
from synthcredit.errors import InvalidInputError
from synthcredit.evidence.model import Evidence
from synthcredit.jobs.planning import MAX_SHARD_BLOCKS, Training, choose_model, shards_for
from synthcredit.jobs.request import DatasetSource, SynthesizerChoice, parse_request
from synthcredit.local.world import open_world
from synthcredit.randomness import BLOCK_ROWS
from synthcredit.steps.learned_plan import plan_training

ROWS = 600
ORDER = {"kind": "order", "columns": ["granted", "limit"]}
SUM = {"kind": "formula", "column": "limit", "terms": {"granted": 1, "open": 1}}
CITIES = {"kind": "combinations", "columns": ["city", "state"]}
UNIQUE = {"kind": "unique", "columns": ["granted", "limit"]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(6)
    granted, unused, city = rng.integers(100, 9_000, ROWS), rng.integers(0, 3_000, ROWS), rng.choice(9, ROWS)
    # One city that three people live in.
    city[:3] = 9
    table = pa.table(
        {
            "granted": granted,
            "open": unused,
            "limit": granted + unused,
            "city": [f"c{at}" for at in city],
            "state": [f"s{at // 4}" for at in city],
            "default": np.where(rng.random(ROWS) < 0.1 + 0.3 * (unused < 500), "yes", "no"),
        }
    )
    path = tmp_path_factory.mktemp("data") / "loans.csv"
    pc.write_csv(table, path)
    return path


@pytest.fixture(scope="module")
def detected(data):
    return detect_schema(data, target="default").schema


def constrained(schema, *constraints):
    return type(schema).model_validate(schema.model_dump() | {"constraints": constraints})


def body(schema, rows=500, uri="loans.csv") -> dict:
    return {"source": {"kind": "dataset", "uri": uri, "schema": schema}, "rows": rows}


def refused(content) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        parse_request(content)
    return {problem.field: problem.problem for problem in caught.value.problems}


# The request


def test_a_request_names_the_field_of_what_is_wrong_in_a_constraint(detected):
    schema = detected.model_dump(mode="json")
    assert set(refused(body(schema | {"constraints": [SUM, CITIES, ORDER | {"columns": ["limit"]}]}))) == {
        "source.schema.constraints.2.columns"
    }
    assert set(refused(body(schema | {"constraints": [SUM, ORDER | {"columns": ["limit", "nowhere", "state"]}]}))) == {
        "source.schema.constraints.1.columns"
    }
    assert set(refused(body(schema | {"constraints": [{"kind": "sums"}]}))) == {"source.schema.constraints.0"}


def test_contradictions_are_said_with_everything_else(detected):
    schema = detected.model_dump(mode="json") | {"constraints": [ORDER, ORDER | {"columns": ["limit", "granted"]}]}
    assert set(refused(body(schema) | {"synthesizer": {"name": "magic"}})) == {
        "source.schema.constraints.0.columns",
        "source.schema.constraints.1.columns",
        "synthesizer.name",
    }


def test_more_unique_rows_than_there_can_be_are_refused_with_the_request(detected):
    schema = detected.model_dump(mode="json") | {"constraints": [{"kind": "unique", "columns": ["city", "state"]}]}
    assert "10,000" not in refused(body(schema, rows=100))["source.schema.constraints.0"]


def test_unique_columns_make_one_shard(detected):
    schema = constrained(detected, UNIQUE)
    most = MAX_SHARD_BLOCKS * BLOCK_ROWS
    (shard,) = shards_for(most, schema, BLOCK_ROWS)
    assert (shard.first_row, shard.rows) == (0, most)
    with pytest.raises(InvalidInputError, match=r"rows: 1,048,577 .* 'granted', 'limit' unique, .* of 1,048,576 rows"):
        shards_for(most + 1, schema, BLOCK_ROWS)
    assert len(shards_for(most, detected, BLOCK_ROWS)) > 1
    assert len(shards_for(most, None, BLOCK_ROWS)) > 1


# The plan


def planned(data, schema, tmp_path, **settings) -> tuple[Training, tuple[str, ...]]:
    source = DatasetSource(kind="dataset", uri=str(data), table_schema=schema)
    choice = SynthesizerChoice.model_validate({"name": "copula", **settings})
    return plan_training(source, choice, 0, open_world(tmp_path, tmp_path))


def test_rows_that_break_a_constraint_are_named_by_their_lines(data, detected, tmp_path):
    lines = data.read_text().splitlines()
    for line in (3, 7):
        granted, _, rest = lines[line - 1].partition(",")
        lines[line - 1] = f"{int(granted) - 1},{rest}"
    (tmp_path / "loans.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InvalidInputError) as caught:
        planned(tmp_path / "loans.csv", constrained(detected, CITIES, SUM), tmp_path)
    (problem,) = caught.value.problems
    assert problem.field == "source.schema.constraints.1"
    assert problem.problem == ("2 of 600 real rows break it ('limit' = 'granted' + 'open'): lines 3, 7")


def test_contradictions_are_refused_before_the_data_is_read(data, detected, tmp_path):
    with pytest.raises(InvalidInputError, match=r"source\.schema\.constraints\.0\.columns"):
        planned(data, constrained(detected, {"kind": "order", "columns": ["granted", "city"]}), tmp_path)


def test_rare_combinations_are_a_notice(data, detected, tmp_path):
    _, notices = planned(data, constrained(detected, CITIES), tmp_path)
    assert any("3 of 600 rows have one of fewer than 10 people" in notice for notice in notices)
    _, notices = planned(data, constrained(detected, CITIES), tmp_path, k=2)
    assert notices == ()


def test_a_model_of_other_constraints_is_not_reused(data, detected, tmp_path):
    home = tmp_path / "home"
    card = synthcredit.train(data, schema=constrained(detected, SUM), synthesizer="copula", home=home)
    for schema, reused in (
        (constrained(detected, SUM), True),
        (constrained(detected, SUM, CITIES), False),
        (detected, False),
    ):
        training, _ = planned(data, schema, tmp_path)
        found, _ = choose_model(training, [card], asked={}, reuse=True)
        assert (found is not None) is reused
        assert (training.model_id == card.model_id) is reused


# A whole job


def test_a_job_keeps_its_constraints_and_proves_it(data, detected, tmp_path):
    schema = constrained(detected, SUM, CITIES, ORDER, UNIQUE)
    result = synthcredit.run(
        data, schema=schema, synthesizer="copula", rows=9_000, evidence="basic",
        home=tmp_path / "home", out=tmp_path / "out",
        gate={"max_tstr_loss": 1.0, "min_pair_trends": 0.0, "min_associations_kept": 0.0},
    )  # fmt: skip
    folder = tmp_path / "out" / result.job.job_id
    (part,) = (folder / "data").rglob("*.parquet")
    made = pa.parquet.read_table(part).to_pandas()
    assert (made["limit"] == made["granted"] + made["open"]).all()
    assert not made.duplicated(["granted", "limit"]).any()
    # The city of three people does not come.
    assert set(zip(made["city"], made["state"], strict=True)) <= {(f"c{at}", f"s{at // 4}") for at in range(9)}
    evidence = Evidence.model_validate_json((folder / "evidence.json").read_bytes())
    kept = {one.expectation: one.passed for one in evidence.validity if one.expectation.startswith("constraint_")}
    assert kept == dict.fromkeys((f"constraint_{one.kind}" for one in schema.constraints), True)


# Schemas in files


def test_schema_files_are_checked_for_contradictions(detected, tmp_path):
    path = tmp_path / "schema.json"
    good = constrained(detected, SUM)
    path.write_text(good.model_dump_json())
    assert read_schema(path) == good == read_dataset_schema(path)
    wrong = constrained(detected, ORDER, ORDER | {"columns": ["limit", "granted"]})
    path.write_text(wrong.model_dump_json())
    with pytest.raises(InvalidInputError, match=r"schema\.json\.constraints\.0\.columns"):
        read_schema(path)
    path.write_text(json.dumps({"tables": [wrong.model_dump(mode="json")]}))
    with pytest.raises(InvalidInputError, match=r"schema\.json\.tables\.0\.constraints\.0\.columns"):
        read_dataset_schema(path)
    path.write_text(json.dumps({"tables": [detected.model_dump(mode="json") | {"constraints": [{"kind": "order"}]}]}))
    with pytest.raises(InvalidInputError, match=r"schema\.json\.tables\.0\.constraints\.0\.columns"):
        read_dataset_schema(path)


@pytest.mark.parametrize("wrap", [lambda listed: listed, lambda listed: {"constraints": listed}])
def test_confirmed_constraints_are_put_into_a_schema(detected, tmp_path, wrap):
    path = tmp_path / "constraints.json"
    path.write_text(json.dumps(wrap([SUM])))
    assert with_constraints(detected, path) == constrained(detected, SUM)
    path.write_text(json.dumps(wrap([{"kind": "order", "columns": ["granted"]}])))
    with pytest.raises(InvalidInputError, match=r"constraints\.json\.constraints\.0\.columns"):
        with_constraints(detected, path)
    path.write_text(json.dumps(wrap([{"kind": "order", "columns": ["granted", "city"]}])))
    with pytest.raises(InvalidInputError, match=r"constraints\.json\.constraints\.0\.columns"):
        with_constraints(detected, path)

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.errors import InvalidInputError
from synthcredit.jobs.request import MAX_ROWS, JobRequest, parse_request

GOOD = {"source": {"kind": "dataset", "uri": "applicants.csv", "target": "default"}, "rows": 100}


def _problems(body) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        parse_request(body)
    return {problem.field: f"{problem.problem} {problem.fix}" for problem in caught.value.problems}


def test_a_small_request_gets_sensible_defaults():
    request = parse_request(GOOD)
    assert request.synthesizer.name == "trees"
    assert request.gate.profile == "development"
    assert request.deliver == ("parquet",)
    assert request.seed == 0


def test_json_and_dict_mean_the_same():
    assert parse_request(json.dumps(GOOD)) == parse_request(json.dumps(GOOD).encode()) == parse_request(GOOD)


@pytest.mark.parametrize("rows", [0, -1, 10**12, MAX_ROWS + 1, 1.5, "many", None])
def test_impossible_row_numbers_are_refused(rows):
    assert "rows" in _problems({**GOOD, "rows": rows})


def test_every_problem_is_said_at_once():
    problems = _problems(
        {
            "source": {"kind": "dataset"},
            "rows": 0,
            "seed": -1,
            "deliver": ["csv", "xlsx"],
            "synthesizer": {"name": "magic"},
            "colour": "blue",
        }
    )
    assert set(problems) == {"source.uri", "rows", "seed", "deliver.1", "synthesizer.name", "colour"}
    assert "trees" in problems["synthesizer.name"]
    assert "spelling" in problems["colour"]


def test_settings_are_checked_with_the_request():
    problems = _problems({**GOOD, "synthesizer": {"name": "ctgan", "epochs": 0, "depth": 3}})
    assert set(problems) == {"synthesizer.epochs", "synthesizer.depth"}


@pytest.mark.parametrize("body", ["", "{", "[]", "3", '"text"', "null", b"\xff\xfe"])
def test_what_is_no_request_is_refused(body):
    assert _problems(body)


@pytest.mark.parametrize("kind", ["database", "", None, 3])
def test_unknown_sources_are_refused_with_the_known_ones(kind):
    (text,) = _problems({**GOOD, "source": {"kind": kind}}).values()
    assert "dataset" in text or "model" in text


def test_a_model_can_be_the_source():
    assert parse_request({"source": {"kind": "model", "model_id": "trees-x"}, "rows": 1}).source.kind == "model"


def test_forms_are_delivered_once_each():
    assert parse_request({**GOOD, "deliver": ["csv", "csv", "json"]}).deliver == ("csv", "json")


@given(seed=st.integers(0, 2**63 - 1), rows=st.integers(1, MAX_ROWS))
def test_the_digest_survives_json_and_tells_requests_apart(seed, rows):
    request = parse_request({**GOOD, "seed": seed, "rows": rows})
    assert JobRequest.model_validate_json(request.model_dump_json(by_alias=True)).digest == request.digest
    assert parse_request({**GOOD, "seed": seed, "rows": rows % MAX_ROWS + 1}).digest != request.digest


@pytest.mark.parametrize(
    "to",
    [
        {"url": "postgresql://bank:hidden@host/credit"},
        {"url": "postgresql://bank:hi@dden@host/credit"},
        {"url": "postgresql://host/credit?password=hidden"},
        {"url": "postgresql://:hidden@host"},
    ],
)
def test_a_request_holds_no_password(to):
    with pytest.raises(InvalidInputError, match="requests are kept: name a secret instead") as caught:
        parse_request({**GOOD, "to": to})
    assert caught.value.problems[0].field == "to.url"
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("to", [{}, {"url": "mysql://host/db", "secret": "credit/db"}])
def test_a_request_names_one_database(to):
    with pytest.raises(InvalidInputError, match="either a url or a secret"):
        parse_request({**GOOD, "to": to})


def test_a_database_counts_in_the_digest_and_none_does_not():
    named = parse_request({**GOOD, "to": {"secret": "credit/db"}})
    assert named.to.named == "secret:credit/db"
    assert parse_request({**GOOD, "to": {"url": "mysql://bank@host/db"}}).to.named == "mysql://bank@host/db"
    assert named.digest != parse_request(GOOD).digest
    assert parse_request({**GOOD, "to": None}).digest == parse_request(GOOD).digest

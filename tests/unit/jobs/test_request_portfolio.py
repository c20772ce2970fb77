"""Requests for portfolios: what they hold, and what is said of wrong ones."""

from __future__ import annotations

import pytest

from synthcredit.errors import InvalidInputError
from synthcredit.jobs.request import parse_request
from synthcredit.portfolio.scenario import SHIPPED, load, parameters, parameters_of


def _fields(body: object) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        parse_request(body)  # type: ignore[arg-type]
    return sorted(problem.field for problem in caught.value.problems)


def _asked(**source: object) -> dict[str, object]:
    return {"source": {"kind": "portfolio", **source}}


def test_the_defaults_are_those_of_the_command() -> None:
    request = parse_request(_asked())
    volumes = request.source.volumes
    assert (volumes.customers, volumes.records, volumes.applications, volumes.history) == (1_000, 5, 2, 10)
    assert (request.source.scenario, request.source.tables, request.rows) == ("baseline", None, None)
    assert (request.asked, request.made_by) == ({"customers": 1_000}, "portfolio")


def test_a_request_that_was_kept_is_the_same_request() -> None:
    request = parse_request(_asked(customers=5, scenario={"extends": "downturn", "policy": {"min_score": 600}}))
    again = parse_request(request.model_dump_json(by_alias=True))
    assert again == request
    assert again.digest == request.digest
    assert request.digest != parse_request(_asked(customers=5)).digest


def test_requests_for_models_have_the_digests_that_they_had() -> None:
    """Computed before there were portfolios."""
    asked = {"source": {"kind": "dataset", "uri": "a.csv"}, "rows": 5}
    assert parse_request(asked).digest.startswith("71b12422")


def test_a_portfolio_takes_neither_rows_nor_synthesizer_nor_conditions() -> None:
    wrong = {"rows": 5, "synthesizer": {"name": "ctgan"}, "conditions": {"target_rate": 0.1}}
    assert _fields(_asked(customers=0, scenario="boom") | wrong) == ["source.customers", "source.scenario"]
    assert _fields(_asked(scenario="boom") | wrong) == ["conditions", "rows", "source.scenario", "synthesizer"]


def test_other_sources_need_rows() -> None:
    assert _fields({"source": {"kind": "dataset", "uri": "a.csv"}}) == ["rows"]
    assert _fields({"source": {"kind": "model"}}) == ["rows", "source.model_id"]


def test_a_scenario_is_stated_as_a_file_would() -> None:
    stated = {"name": "mine", "hazards": {"index": {"macro": {"value": 0.8, "unit": "1", "why": "ours"}}}}
    found = parameters_of(stated, "source.scenario")
    assert (found["name"], found["hazards"]["index"]["macro"]) == ("mine", 0.8)
    assert found["policy"] == load("baseline").model_dump(mode="json")["policy"]
    thin = load("thin_file").model_dump(mode="json")
    assert parameters_of({"extends": "thin_file"}, "x") == thin | {"name": "custom"}
    # A whole file, too.
    assert parameters_of(parameters("downturn"), "x") == load("downturn").model_dump(mode="json")
    for name in SHIPPED:
        assert parameters_of(name, "x")["name"] == name


def test_wrong_parameters_are_named_all_at_once() -> None:
    wrong = {"policy": {"min_score": 10, "colour": 1}, "hazards": {"prepayment": 3}}
    assert _fields(_asked(scenario=wrong)) == [
        "source.scenario.hazards.prepayment",
        "source.scenario.policy.colour",
        "source.scenario.policy.min_score",
    ]


def test_no_file_of_the_server_is_read() -> None:
    assert _fields(_asked(scenario="/etc/hostname")) == ["source.scenario"]
    assert _fields(_asked(scenario={"extends": "/etc/hostname"})) == ["source.scenario.extends"]


def test_what_is_no_source_at_all_is_said() -> None:
    assert _fields({"source": "portfolio"}) == ["source"]
    assert _fields(_asked(scenario=5)) == ["source.scenario", "source.scenario"]

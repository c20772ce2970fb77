from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from synthcredit.errors import InvalidInputError, NotFoundError
from synthcredit.portfolio import scenario
from synthcredit.portfolio.scenario import SHIPPED, load, parameters, shipped_text, with_changes


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_parameter_has_its_unit_and_reason(name: str) -> None:
    content = yaml.safe_load(shipped_text(name))
    for told in ("name", "description", "extends"):
        content.pop(told, None)
    without = list(_without_reason(content, ""))
    assert without == []
    assert load(name).name == name


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_a_source_and_what_a_reason_is_said(name: str) -> None:
    whys = re.findall(r'why: "([^"]*)"', shipped_text(name))
    assert whys
    assert shipped_text(name).count("why:") == len(whys)
    assert [why for why in whys if not re.fullmatch(r"(Source|Reason): \S.+\.", why)] == []


def _without_reason(content: Any, path: str) -> list[str]:
    if isinstance(content, dict) and "value" in content:
        return [] if content.get("why", "").strip() and content.get("unit", "").strip() else [path]
    if isinstance(content, dict):
        return [found for key, value in content.items() for found in _without_reason(value, f"{path}.{key}")]
    return [path]


def test_extending_takes_what_is_not_stated() -> None:
    base, downturn = load("baseline"), load("downturn")
    assert downturn.macro.unemployment_rate.stress == 6.0
    assert downturn.model_copy(update={"name": base.name, "description": base.description, "macro": base.macro}) == base


def test_all_wrong_values_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        """
extends: baseline
name: mine
population: {growth: -2, age_shares: [1, 0]}
policy: {min_score: 100, colour: red}
hazards: {catch_up_from_two: {value: 0.8, unit: share, why: test}}
default: {recovery_months: [6, 5, 18]}
macro: {shock: {month: -1}}
"""
    )
    with pytest.raises(InvalidInputError) as caught:
        load(file)
    fields = {problem.field.removeprefix(f"{file}.") for problem in caught.value.problems}
    assert {"population.growth", "policy.min_score", "policy.colour", "hazards", "macro.shock.month"} <= fields
    assert "default.recovery_months.1" in fields
    assert all(problem.fix for problem in caught.value.problems)


def test_a_default_that_could_not_be_material_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="materiality_amount"):
        with_changes(load("baseline"), {"default.materiality_amount": 50_000})


def test_sections_check_what_belongs_together() -> None:
    with pytest.raises(InvalidInputError) as caught:
        with_changes(
            load("baseline"),
            {
                "population.age_shares": (1.0,),
                "population.income_ages": (18.0,),
                "default.mild_loss": 0.9,
                "time.start": "2020-01-15",
            },
        )
    told = str(caught.value)
    for said in ("age_shares must have 6 values", "income_ages and income_by_age", "mild_loss", "first day of a month"):
        assert said in told


def test_products_must_be_told_apart_and_have_ranges() -> None:
    products = [product.model_dump() for product in load("baseline").products]
    products[1]["name"] = products[0]["name"]
    with pytest.raises(InvalidInputError, match="two have one name"):
        with_changes(load("baseline"), {"products": products})
    products[1]["minimum"] = products[1]["maximum"] + 1
    with pytest.raises(InvalidInputError, match="minimum is above maximum"):
        with_changes(load("baseline"), {"products": products})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", "no YAML at line"),
        ("- 1", "no mapping"),
        ("extends: {here}", "extends itself"),
        ("name: x", "Field required"),
    ],
)
def test_files_that_are_no_scenario_are_told(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("{here}", str(file)))
    with pytest.raises(InvalidInputError, match=says):
        load(file)


def test_unknown_names_are_told_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="thin_file"):
        load("base_line")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match="as text"):
        load(tmp_path / "x.yaml")


def test_bare_values_and_mappings_are_the_same() -> None:
    content = parameters("baseline")
    assert scenario.Scenario.model_validate(content) == load("baseline")
    assert content["policy"]["min_score"] == 620

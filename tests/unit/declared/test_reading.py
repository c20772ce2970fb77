from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.unit.declared.conftest import BANK

from synthcredit.declared.reading import LARGEST_FILE, load, parse
from synthcredit.errors import InvalidInputError, NotFoundError


def _problems(path: Path, text: str) -> dict[str, str]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError) as raised:
        load(path)
    return {problem.field.removeprefix(str(path)): problem.problem for problem in raised.value.problems}


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(BANK, allow_unicode=True), encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps(BANK, indent="\t"), encoding="utf-8")
    assert load(tmp_path / "a.yaml") == load(tmp_path / "a.json") == parse(BANK, "source.schema")


WRONG = """\
name: Wrong Name
tables:
  people:
    rows: 0
    colour: red
    columns:
      id: {type: key, format: 7}
      kind:
        type: text
        categories: {a: 0.5, b: 0.4}
      size:
        type: number
        distribution: {kind: lognormal, median: -3}
      born: {type: date, minimum: 2020-02-30, maximum: 2021-01-01}
      height: {type: number}
      who: {type: person}
      seen: {type: timestamp, minimum: 2021-01-01T00:00:00, maximum: 2020-01-01T00:00:00}
      what: {type: text}
    rules:
      - {kind: order, columns: [born]}
      - {kind: nothing}
"""


def test_all_that_is_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    found = _problems(tmp_path / "wrong.yaml", WRONG)
    own = "tables.people.columns"
    assert set(found) == {
        ", line 1: name",
        ", line 4: tables.people.rows",
        ", line 5: tables.people.colour",
        f", line 7: {own}.id.format",
        f", line 10: {own}.kind.categories",
        f", line 13: {own}.size.distribution.median",
        f", line 13: {own}.size.distribution.spread",
        f", line 14: {own}.born.minimum",
        f", line 15: {own}.height",
        f", line 16: {own}.who",
        f", line 17: {own}.seen",
        f", line 18: {own}.what",
        ", line 20: tables.people.rules.0.columns",
        ", line 21: tables.people.rules.1",
    }
    assert found[f", line 10: {own}.kind.categories"] == "the shares add up to 0.9, not to 1"


def test_what_stands_twice_is_told(tmp_path: Path) -> None:
    text = "name: a\ntables:\n  t:\n    rows: 1\n    columns:\n      x: {type: key}\n      x: {type: key}\n"
    assert _problems(tmp_path / "a.yaml", text) == {", line 7: tables.t.columns.x": "it stands twice, again in line 7"}


@pytest.mark.parametrize("text", ["a: [", "\tx: 1", "- 1\n- 2\n", "", "a: !!python/object:os.system x", "x: &a [*a]"])
def test_what_is_no_declaration_is_refused(tmp_path: Path, text: str) -> None:
    assert _problems(tmp_path / "a.yaml", text)


def test_words_for_yes_and_no_are_categories_and_1e5_is_a_number(tmp_path: Path) -> None:
    text = (
        "name: a\ntables:\n  t:\n    rows: 1\n    columns:\n"
        "      x: {type: text, categories: {no: 0.5, yes: 0.5}}\n"
        "      n: {type: number, minimum: 0, maximum: 1e5}\n"
        "      b: {type: boolean, given: {column: c, shares: {true: 0.1, false: 0.2}}}\n"
        "      c: {type: boolean, share: .5}\n"
    )
    (tmp_path / "a.yaml").write_text(text)
    columns = load(tmp_path / "a.yaml").tables["t"].columns
    assert list(columns["x"].categories) == ["no", "yes"]
    assert columns["n"].maximum == 100_000
    assert dict(columns["b"].given.shares) == {"true": 0.1, "false": 0.2}


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        load(tmp_path / "none.yaml")
    with pytest.raises(InvalidInputError, match="cannot be read as text"):
        load(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InvalidInputError, match="cannot be read as text"):
        load(tmp_path / "binary.yaml")
    (tmp_path / "large.yaml").write_text(" " * (LARGEST_FILE + 1))
    with pytest.raises(InvalidInputError, match="more than"):
        load(tmp_path / "large.yaml")


def test_a_declaration_in_a_request_has_fields_and_no_lines() -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse({"name": "a", "tables": {"t": {"rows": 1, "columns": {"x": {"type": "number"}}}}}, "source.schema")
    assert [problem.field for problem in raised.value.problems] == ["source.schema.tables.t.columns.x"]
    with pytest.raises(InvalidInputError, match="no mapping"):
        parse([1], "source.schema")

import datetime

import pytest

from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.read import read_table
from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import InvalidInputError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{i},{i % 9}.5,{'xyz'[i % 3]},{1 + i % 28:02d}.02.2020,C{i:03d},no{'te' * (i + 1)}" for i in range(30)]
    path.write_text("\n".join(["n,x,word,day,client_id,memo", *lines]))
    return path


@pytest.fixture
def schema(path):
    # A sequence is an identifier by detection: here it is a number.
    return edited(detect_schema(path).schema, "n", kind="integer", format=None, minimum=0, maximum=29)


def edited(schema, name, **changes):
    content = schema.model_dump()
    content["primary_key"] = None
    for column in content["columns"]:
        if column["name"] == name:
            column.update(changes)
    return TableSchema.model_validate(content)


def rewrite(path, changes):
    lines = path.read_text().split("\n")
    for line, text in changes.items():
        lines[line - 1] = text
    path.write_text("\n".join(lines))


def problems(path, schema):
    with pytest.raises(InvalidInputError) as error:
        read_table(path, schema)
    return [(p.field, p.problem) for p in error.value.problems]


def test_values(path, schema):
    first = read_table(path, schema).slice(0, 1).to_pylist()[0]
    assert first == {
        "n": 0,
        "x": 0.5,
        "word": "x",
        "day": datetime.date(2020, 2, 1),
        "client_id": "C000",
        "memo": "note",
    }


def test_columns_in_another_order(path, schema, tmp_path):
    swapped = tmp_path / "swapped.csv"
    rows = [line.split(",") for line in path.read_text().split("\n")]
    swapped.write_text("\n".join(",".join(reversed(row)) for row in rows))
    assert read_table(swapped, schema).equals(read_table(path, schema))


def test_columns_missing_and_too_many(path, schema):
    rewrite(path, {1: "n,extra,word,day,client_id,memo"})
    assert problems(path, schema) == [
        ("column 'x'", "the schema has it, the file does not"),
        ("column 'extra'", "the file has it, the schema does not"),
    ]


def test_values_that_do_not_fit_all_at_once(path, schema):
    rewrite(path, {2: "1.5,inf,q,31.02.2020,,", 4: "2,,x,01.02.2020,C9,m", 6: "a,1,,2020-02-01,C8,m"})
    found = problems(path, schema)
    assert found == [
        ("column 'n'", "2 value(s) cannot be read as int64 (lines 2, 6)"),
        ("column 'x'", "1 value(s) are infinite (line 2)"),
        ("column 'x'", "1 value(s) are missing where the schema has none missing (line 4)"),
        ("column 'word'", "1 value(s) are no categories of the schema (line 2)"),
        ("column 'word'", "1 value(s) are missing where the schema has none missing (line 6)"),
        ("column 'day'", "2 value(s) cannot be read as date32 written like %d.%m.%Y (lines 2, 6)"),
    ]


def test_markers_are_missing_where_the_schema_has_no_such_category(path, schema):
    rewrite(path, {2: "?,-,NA,none,C1,m", 3: "1,1,?,01.02.2020,C2,m"})
    for name in ("n", "x", "word", "day"):
        schema = edited(schema, name, nullable=True)
    table = read_table(path, schema)
    assert [table[name][0].as_py() for name in ("n", "x", "word", "day")] == [None] * 4
    assert table["word"][1].as_py() is None
    kept = edited(schema, "word", categories=("NA", "x", "y", "z", "?"))
    assert read_table(path, kept)["word"].slice(0, 2).to_pylist() == ["NA", "?"]


def test_a_schema_with_formats_that_cannot_be_used(path, schema):
    schema = edited(edited(schema, "x", format="12.34,5"), "day", format="%Q")
    found = problems(path, schema)
    assert [field for field, _ in found] == ["column 'x'", "column 'day'"]


def test_whole_numbers_may_have_zeros_after_the_point(path, schema):
    rewrite(path, {2: "12.0,1,x,01.02.2020,C1,m", 3: "+5,1,x,01.02.2020,C1,m"})
    assert read_table(path, schema)["n"].slice(0, 2).to_pylist() == [12, 5]


def test_integer_categories_and_booleans(path, schema):
    schema = edited(schema, "n", kind="categorical", categories=tuple(range(29)), minimum=None, maximum=None)
    assert problems(path, schema) == [("column 'n'", "1 value(s) are no categories of the schema (line 31)")]
    rewrite(
        path,
        {
            1: "n,x,word,day,client_id,memo",
            **dict.fromkeys(range(2, 31), "true,1,x,01.02.2020,C1,m"),
            31: "0,1,x,01.02.2020,C1,m",
        },
    )
    flags = edited(schema, "n", kind="boolean", dtype="bool", categories=(False, True))
    assert set(read_table(path, flags)["n"].to_pylist()) == {True, False}


def test_too_few_rows(path, schema):
    path.write_text("\n".join(path.read_text().split("\n")[:10]))
    assert problems(path, schema) == [("t.csv", "it has only 9 row(s)")]

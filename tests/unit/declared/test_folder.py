from __future__ import annotations

import copy
from pathlib import Path

from tests.unit.declared.conftest import BANK, changed, rows_of

from synthcredit.datasets.folder import claimed, problems
from synthcredit.declared.folder import Request, content_of, request_of


def test_the_same_rows_are_the_same_request_whoever_says_how_many() -> None:
    in_the_file = copy.deepcopy(BANK)
    in_the_file["tables"]["customers"]["rows"] = 5
    as_an_option = request_of(rows_of(BANK, rows={"customers": 5}), "parquet")
    assert request_of(rows_of(in_the_file), "parquet") == as_an_option
    assert as_an_option.rows == {"branches": 7, "customers": 5}
    assert set(as_an_option.packages) == {"numpy", "pyarrow", "synthcredit", "Faker"}
    # Other forms have the same rows: a load goes on from either.
    assert request_of(rows_of(in_the_file), "csv").digest == as_an_option.digest
    assert request_of(rows_of(in_the_file, seed=4), "parquet").digest != as_an_option.digest


def test_another_request_is_refused_and_told_apart(tmp_path: Path) -> None:
    held = content_of(rows_of(BANK), "parquet")
    with claimed(tmp_path, held):
        pass
    assert list(problems(tmp_path, Request, held.request)) == []
    other = request_of(rows_of(BANK, seed=4, rows={"customers": 5}), "json")
    (problem,) = problems(tmp_path, Request, other)
    assert problem.problem == (
        "it holds other declared tables: seed 3, not 4, format parquet, not json, rows of 'customers' 400, not 5"
    )
    content = changed("customers", "columns", "rating", "categories", to={1: 0.5, 2: 0.4, 5: 0.1})
    (problem,) = problems(tmp_path, Request, request_of(rows_of(content), "parquet"))
    assert problem.problem == "it holds other declared tables: another content of the declaration"
    # A table that only one of them has is part of that content.
    more = changed("towns", to={"rows": 2, "columns": {"id": {"type": "key"}}})
    (problem,) = problems(tmp_path, Request, request_of(rows_of(more), "parquet"))
    assert problem.problem == "it holds other declared tables: another content of the declaration"

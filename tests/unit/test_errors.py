import pickle

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthcredit.errors import (
    GateNotMetError,
    InvalidInputError,
    Problem,
    StorageError,
    from_validation,
    raise_all,
)


class _Person(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern="^[a-z]+$")
    age: int


def test_error_says_every_problem_with_field_and_fix():
    error = InvalidInputError([Problem("rows", "it is 0", "Give 1."), Problem("seed", "it is -1", "Give 0.")])
    assert str(error) == "rows: it is 0. Give 1.\nseed: it is -1. Give 0."
    assert error.exit_code == 2


def test_errors_cross_process_borders_whole():
    error = GateNotMetError(Problem("copies", "too many", "More rows."))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own object
    assert type(copy) is GateNotMetError
    assert copy.problems == error.problems


def test_validation_errors_name_every_field_but_no_value():
    value = "Jane-Doe-4111"
    with pytest.raises(ValidationError) as caught:
        _Person.model_validate({"name": value, "age": value, "iban": value})
    error = from_validation(caught.value, "customer")
    assert {problem.field for problem in error.problems} == {"customer.name", "customer.age", "customer.iban"}
    assert value not in str(error)
    unknown = next(problem for problem in error.problems if problem.field == "customer.iban")
    assert "spelling" in unknown.fix


def test_missing_field_asks_for_a_value():
    with pytest.raises(ValidationError) as caught:
        _Person.model_validate({"name": "jane"})
    assert from_validation(caught.value).problems[0] == Problem("age", "Field required", "Give it a value.")


def test_raise_all_raises_only_where_there_is_something():
    raise_all([])
    with pytest.raises(InvalidInputError) as caught:
        raise_all(Problem(f"column '{i}'", "bad", "Mend it.") for i in range(3))
    assert len(caught.value.problems) == 3


def test_exit_codes_tell_bad_input_from_other_failures():
    assert (InvalidInputError.exit_code, GateNotMetError.exit_code, StorageError.exit_code) == (2, 3, 1)

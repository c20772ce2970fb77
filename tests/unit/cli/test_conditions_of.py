"""Conditions as options of the command line become conditions of a request."""

import pytest

from synthcredit.cli.common import conditions_of
from synthcredit.errors import InvalidInputError
from synthcredit.synthesizers.conditions import Conditions


def where(*texts: str):
    return conditions_of(None, list(texts), None, None)["where"]


def test_nothing_asked_is_nothing():
    assert conditions_of(None, None, None, None) == {}
    assert not Conditions.model_validate({})


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["purpose=car"], {"purpose": "car"}),
        (["purpose=car", "purpose=boat"], {"purpose": ["car", "boat"]}),
        (["age>=25", "age<=40"], {"age": {"min": 25, "max": 40}}),
        (["opened>=2026-03-31"], {"opened": {"min": "2026-03-31"}}),
        (["owner=true", "income=null"], {"owner": True, "income": None}),
        (["x.y = a=b"], {"x.y": "a=b"}),
    ],
)
def test_where(texts, wanted):
    assert where(*texts) == wanted
    Conditions.model_validate({"where": wanted})


@pytest.mark.parametrize("texts", [["age"], ["age=3", "age>=2"], ["age>=2", "age=3"]])
def test_a_condition_that_says_nothing_or_two_things_is_refused(texts):
    with pytest.raises(InvalidInputError, match="--where"):
        where(*texts)


def test_shares_of_one_column():
    asked = conditions_of(None, None, None, ["purpose:boat=0.3", "purpose:car (new)=.5"])
    assert asked == {"shares": {"column": "purpose", "of": {"boat": 0.3, "car (new)": 0.5}}}
    Conditions.model_validate(asked)


@pytest.mark.parametrize("texts", [["purpose=0.3"], ["purpose:boat=2"], ["purpose:boat=0.3", "job:none=0.2"]])
def test_shares_that_say_nothing_are_refused(texts):
    with pytest.raises(InvalidInputError, match="--share"):
        conditions_of(None, None, None, texts)


def test_two_ways_to_say_how_often_are_refused():
    with pytest.raises(ValueError, match="target_rate and balance"):
        Conditions.model_validate({"target_rate": 0.2, "balance": "purpose"})

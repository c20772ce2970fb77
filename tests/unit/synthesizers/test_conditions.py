"""Conditions: what a request may ask for, what it comes to for one table, and that nothing impossible gets through."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from synthcredit.datasets.schema import Column, as_number
from synthcredit.errors import InvalidInputError
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.conditioning import all_met, bounds, category_code, met, resolve
from synthcredit.synthesizers.conditions import Conditions, Quota, Range, Steering
from synthcredit.synthesizers.features import Discrete, Numeric

DAY = 86_400


def column(kind: str, dtype: str, **more: object) -> Column:
    return Column(name="it", storage_name="it", kind=kind, dtype=dtype, **more)


def quota_of(*shares: float) -> Quota:
    groups = tuple((at,) for at in range(len(shares)))
    return Quota(column="it", groups=groups, shares=shares, trained=shares, labels=tuple(map(str, range(len(shares)))))


@pytest.fixture(scope="module")
def features(make_table, made_schema):
    return encode(make_table(1_000), made_schema)


@pytest.fixture
def resolved(features, made_schema):
    def resolve_it(**conditions: object) -> Steering:
        return resolve(Conditions.model_validate(conditions), features, made_schema)

    return resolve_it


@pytest.fixture
def problems(resolved):
    """Return what is said of wrong conditions, field by field."""

    def said(**conditions: object) -> dict[str, str]:
        with pytest.raises(InvalidInputError) as refused:
            resolved(**conditions)
        assert all(problem.fix for problem in refused.value.problems)
        return {problem.field: problem.problem for problem in refused.value.problems}

    return said


# --- counts ----------------------------------------------------------------------------------------------------------

shares = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12).map(
    lambda parts: tuple(part / sum(parts) for part in parts)
)


@given(shares=shares, rows=st.integers(0, 10**7), more=st.integers(0, 20_000))
def test_counts_add_up_are_near_their_shares_and_never_fall(shares, rows, more):
    quota = quota_of(*shares)
    counts, later = np.array(quota.counts(rows)), np.array(quota.counts(rows + more))
    assert counts.sum() == rows
    assert (counts >= 0).all()
    assert (later >= counts).all()
    assert np.abs(counts - np.array(shares) * rows).max() <= 2 + 1e-6


@given(rate=st.floats(0.0, 1.0), rows=st.integers(0, 10**9))
def test_a_rate_of_two_classes_is_rounded(rate, rows):
    first, second = quota_of(rate, 1 - rate).counts(rows)
    assert first + second == rows
    assert abs(first - rate * rows) <= 0.5 + 1e-6


def test_a_group_in_the_middle_loses_no_row():
    # Rounding running sums gives (3, 1, 2) and then (4, 0, 3) here.
    quota = quota_of(0.5, 0.1, 0.4)
    found = [quota.counts(rows) for rows in range(200)]
    assert (np.diff(found, axis=0) >= 0).all()


# --- what a request may say ------------------------------------------------------------------------------------------


def test_no_conditions_are_false_and_change_nothing(resolved):
    assert not Conditions()
    assert Conditions(target_rate=0.5)
    assert not resolved()
    assert resolved(where={"owner": True})


@pytest.mark.parametrize(
    "wrong",
    [
        {"target_rate": 1.5},
        {"target_rate": float("nan")},
        {"where": {"income": {}}},
        {"where": {"income": {"min": 1, "most": 2}}},
        {"target_rate": 0.5, "balance": "purpose"},
        {"balance": "purpose", "shares": {"column": "purpose", "of": {"car": 1}}},
        {"shares": {"column": "purpose", "of": {}}},
        {"shares": {"column": "purpose", "of": {"car": -0.1}}},
        {"when": 1},
    ],
)
def test_requests_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValidationError):
        Conditions.model_validate(wrong)


def test_steering_survives_json(resolved):
    steering = resolved(
        where={"income": {"min": 100.5}, "purpose": ["car", None], "opened": {"max": "2020-01-31"}, "owner": True},
        target_rate=0.25,
    )
    assert Steering.model_validate_json(steering.model_dump_json()) == steering


# --- what conditions come to -----------------------------------------------------------------------------------------


def test_the_rate_is_of_the_rarer_class(resolved, features):
    quota = resolved(target_rate=0.3).quota
    assert quota.labels == ("yes", "no")
    assert quota.shares == (0.3, 0.7)
    assert quota.trained[0] == pytest.approx((features["default"].codes == 1).mean())
    assert sum(quota.trained) == pytest.approx(1)


def test_a_rate_of_all_leaves_one_group(resolved):
    assert resolved(target_rate=1).quota.labels == ("yes",)
    assert resolved(target_rate=0).quota.labels == ("no",)


def test_a_balance_is_over_the_categories_that_there_are(resolved):
    quota = resolved(balance="purpose").quota
    assert quota.labels == ("boat", "car", "house")
    assert quota.shares == pytest.approx([1 / 3] * 3)


def test_shares_leave_the_rest_to_the_others(resolved, features):
    quota = resolved(shares={"column": "purpose", "of": {"boat": 0.5}}).quota
    assert quota.labels == ("boat", "all others")
    # Missing is one of the others.
    assert quota.groups == ((0,), (1, 2, 3))
    everyone = resolved(shares={"column": "owner", "of": {"true": 0.5, "False": 0.5}}).quota
    assert everyone.groups == ((1,), (0,))


def test_all_problems_are_told_at_once(problems):
    said = problems(
        where={
            "nowhere": 1,
            "id": "A-1",
            "purpose": "plane",
            "owner": None,
            "children": {"min": 4, "max": 2},
            "overdue": [],
            "seen": "tomorrow",
            "default": "yes",
        },
        target_rate=0.5,
    )
    assert list(said) == [f"conditions.where.{name}" for name in (
        "nowhere", "id", "purpose", "owner", "children", "overdue", "seen", "default"
    )]  # fmt: skip
    assert "not a column" in said["conditions.where.nowhere"]
    assert "made new" in said["conditions.where.id"]
    assert "does not have" in said["conditions.where.purpose"]
    assert "the column has none" in said["conditions.where.owner"]
    assert "above its max" in said["conditions.where.children"]
    assert "empty" in said["conditions.where.overdue"]
    assert "not a date and time" in said["conditions.where.seen"]
    assert "asked for already" in said["conditions.where.default"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"children": 2.5}, "no value that the column can take"),
        ({"children": 6}, "no value that the column can take"),
        ({"income": 1_000.001}, "no value that the column can take"),
        ({"income": [1_000, "many"]}, "'many' is not a number"),
        ({"children": True}, "'True' is not a number"),
        ({"children": 10**400}, "is not a number"),
        ({"children": float("inf")}, "not a finite number"),
        ({"children": "nan"}, "not a finite number"),
        ({"children": {"min": 2.2, "max": 2.8}}, "no value of the column lies between"),
        ({"income": {"min": 1_000.001, "max": 1_000.009}}, "no value of the column lies between"),
        ({"children": {"min": 6}}, "outside"),
        ({"children": {"max": -1}}, "outside"),
        ({"purpose": {"min": "a"}}, "a range needs numbers or dates"),
        ({"opened": "31.12.2020"}, "not a date such as"),
        ({"opened": {"min": "2020-01-01", "max": "2019-01-01"}}, "above its max"),
        ({"nothing": "car"}, "does not have"),
    ],
)
def test_what_no_row_can_have_is_refused_at_once(problems, wanted, words):
    (said,) = problems(where=wanted).values()
    assert words in said
    assert len(said) < 200


def test_what_no_training_row_has_is_refused(make_table, made_schema):
    table = make_table(200)
    owner = table.column_names.index("owner")
    table = table.set_column(owner, "owner", [[False] * 200])
    seen = encode(table, made_schema)
    for wanted in ({"owner": True}, {"owner": [True]}):
        with pytest.raises(InvalidInputError, match="no training row"):
            resolve(Conditions(where=wanted), seen, made_schema)
    with pytest.raises(InvalidInputError, match="came in no training row"):
        resolve(Conditions.model_validate({"shares": {"column": "owner", "of": {"True": 0.5}}}), seen, made_schema)
    # Nobody has this very income, and a model may draw it all the same.
    assert resolve(Conditions(where={"income": 123.45}), seen, made_schema)


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"balance": "income"}, "not categorical"),
        ({"balance": "nothing"}, "always missing"),
        ({"balance": "nowhere"}, "not a column"),
        ({"shares": {"column": "purpose", "of": {"car": 0.7, "boat": 0.6}}}, "add up to 1.3"),
        ({"shares": {"column": "owner", "of": {"true": 0.4, "false": 0.4}}}, "add up to 0.8"),
        ({"shares": {"column": "owner", "of": {"true": 0.5, "True": 0.5}}}, "twice"),
        ({"shares": {"column": "purpose", "of": {"plane": 0.5}}}, "does not have"),
    ],
)
def test_shares_that_cannot_be_are_refused(problems, conditions, words):
    (said,) = problems(**conditions).values()
    assert words in said


def test_a_rate_needs_a_target_of_two_classes(features, made_schema, make_table):
    conditions = Conditions(target_rate=0.5)
    for target, words in ((None, "no target"), ("purpose", "3 classes"), ("income", "not categorical")):
        with pytest.raises(InvalidInputError, match=words):
            resolve(conditions, features, made_schema.with_target(target))
    table = make_table(100)
    table = table.set_column(table.column_names.index("default"), "default", [["no"] * 100])
    with pytest.raises(InvalidInputError, match="one class"):
        resolve(conditions, encode(table, made_schema), made_schema)


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "categories", "value", "code"),
    [
        ("string", ("1", "2"), 1, 0),
        ("string", ("true", "false"), True, 0),
        ("string", ("True", "False"), True, 0),
        ("string", ("a", "A"), "A", 1),
        ("int64", (0, 1), "1", 1),
        ("int64", (0, 1), 1.0, 1),
        ("int64", (0, 1), True, None),
        ("int64", (0, 1), "one", None),
        ("double", (0.5, 1.0), 1, 1),
        ("bool", (False, True), "TRUE", 1),
        ("bool", (False, True), True, 1),
        ("bool", (False, True), 1, None),
    ],
)
def test_a_category_is_found_however_it_is_written(dtype, categories, value, code):
    assert category_code(value, column("categorical", dtype, categories=categories)) == code


def test_dates_and_times_are_read():
    stamp, day, clock = (column("datetime", dtype) for dtype in ("timestamp[us]", "date32", "time64[us]"))
    noon = datetime(2026, 3, 31, 12, tzinfo=UTC).timestamp()
    assert as_number("2026-03-31T12:00:00", stamp) == noon
    assert as_number("2026-03-31T14:00:00+02:00", stamp) == noon
    assert as_number("2026-03-31T12:00:00Z", stamp) == noon
    assert as_number(noon, stamp) == noon
    assert as_number("2026-03-31", day) == noon - DAY / 2
    assert as_number("13:45:00.5", clock) == 13 * 3600 + 45 * 60 + 0.5
    with pytest.raises(ValueError, match="Invalid"):
        as_number("2026-03-31T12:00", day)


def test_a_day_alone_ends_with_its_last_second():
    stamp, day = column("datetime", "timestamp[us]"), column("datetime", "date32")
    wanted = Range(min="2026-03-31", max="2026-03-31")
    low, high = bounds(wanted, stamp)
    assert high - low == DAY - 1
    assert bounds(wanted, day) == (low, low)


@settings(max_examples=50)
@given(values=st.lists(st.one_of(st.integers(-5, 5), st.none()), min_size=1, max_size=20), low=st.integers(-5, 5))
def test_ranges_and_values_are_met_as_python_compares(values, low):
    feature = Numeric(np.array([np.nan if value is None else value for value in values], dtype=np.float64))
    whole = column("integer", "int64", nullable=True)
    at_least = met(Range(min=low), feature, whole)
    assert at_least.tolist() == [value is not None and value >= low for value in values]
    assert met((low, None), feature, whole).tolist() == [value in (low, None) for value in values]
    assert met(low, feature, whole).tolist() == [value == low for value in values]
    assert met(None, feature, whole).tolist() == [value is None for value in values]


def test_categories_are_met_by_name_and_missing_by_null():
    it = column("categorical", "string", categories=("a", "b"), nullable=True)
    feature = Discrete(np.array([0, 1, 2], dtype=np.int32), 3)
    assert met("b", feature, it).tolist() == [False, True, False]
    assert met(("b", None), feature, it).tolist() == [False, True, True]
    assert met("c", feature, it).tolist() == [False] * 3


def test_all_conditions_hold_together(features, made_schema):
    where = {"purpose": "car", "owner": True}
    alone = [met(wanted, features[name], made_schema[name]) for name, wanted in where.items()]
    assert np.array_equal(all_met(where, features, made_schema), alone[0] & alone[1])
    assert all_met({}, features, made_schema).all()

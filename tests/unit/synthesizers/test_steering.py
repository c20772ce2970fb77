"""Drawing rows that meet conditions from a model of known distribution: exact counts, exact rejection, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import InvalidInputError
from synthcredit.randomness import BLOCK_ROWS
from synthcredit.synthesizers import steering
from synthcredit.synthesizers.conditions import Quota, Range, Steering
from synthcredit.synthesizers.features import Discrete, Features, Numeric, join, rows_of, take
from synthcredit.synthesizers.steering import fill, prepare

COLOURS = ("blue", "green", "red")
SCHEMA = TableSchema(
    name="marbles",
    columns=(
        Column(name="colour", storage_name="colour", kind="categorical", dtype="string", categories=COLOURS),
        Column(name="weight", storage_name="weight", kind="continuous", dtype="double", decimals=1, nullable=True,
               minimum=0.0, maximum=10.0),
    ),
)  # fmt: skip


class Marbles:
    """Red is rare, and heavier; every tenth weight is missing."""

    def __init__(self, red: float = 0.1) -> None:
        self.chances = (0.6, 0.4 - red, red)
        self.draws = 0

    def __call__(self, rng: np.random.Generator, given: Features, tests) -> Features:
        self.draws += 1
        colour = rng.choice(3, BLOCK_ROWS, p=self.chances).astype(np.int32)
        if "colour" in given:
            colour = given["colour"].codes
        weight = np.where(rng.random(BLOCK_ROWS) < 0.1, np.nan, rng.beta(2, 2, BLOCK_ROWS) * 6 + 2 * colour)
        drawn = {"colour": Discrete(colour, 3), "weight": Numeric(weight)}
        passed = np.ones(BLOCK_ROWS, dtype=bool)
        for name, test in tests.items():
            passed &= test(drawn[name])
        return take(drawn, passed)


def quota(*shares: float, groups=((0,), (1,), (2,))) -> Quota:
    return Quota(column="colour", groups=groups, shares=shares, trained=shares, labels=COLOURS[: len(groups)])


def filled(wanted: Steering, rows: int, *, draw=None, givable=frozenset(), first_row=0, seed=1, **more) -> Features:
    return fill(
        draw or Marbles(),
        prepare(wanted, SCHEMA, givable),
        SCHEMA,
        **{"finish": lambda rows: (rows, np.ones(rows_of(rows), dtype=bool)), "force": None} | more,
        first_row=first_row,
        rows=rows,
        seed=seed,
    )


def codes(drawn: Features) -> np.ndarray:
    return drawn["colour"].codes


@pytest.mark.parametrize("givable", [frozenset(), frozenset({"colour"})], ids=["rejected", "given"])
@settings(max_examples=25, deadline=None)
@given(parts=st.tuples(*[st.floats(0.02, 1.0)] * 3), rows=st.integers(1, BLOCK_ROWS), block=st.integers(0, 10_000))
def test_counts_are_exact_in_every_block(givable, parts, rows, block):
    wanted = quota(*(part / sum(parts) for part in parts))
    drawn = filled(Steering(quota=wanted), rows, givable=givable, first_row=block * BLOCK_ROWS)
    expected = np.subtract(wanted.counts(block * BLOCK_ROWS + rows), wanted.counts(block * BLOCK_ROWS))
    assert np.bincount(codes(drawn), minlength=3).tolist() == expected.tolist()


def test_what_the_model_can_be_given_is_drawn_once():
    draw = Marbles()
    filled(Steering(quota=quota(0.1, 0.1, 0.8)), BLOCK_ROWS, draw=draw, givable=frozenset({"colour"}))
    assert draw.draws == 1
    draw = Marbles()
    drawn = filled(Steering(where={"colour": "red"}), BLOCK_ROWS, draw=draw, givable=frozenset({"colour"}))
    assert draw.draws == 1
    assert set(codes(drawn)) == {2}


def test_a_list_of_categories_is_met_by_rejection_where_one_could_be_given():
    drawn = filled(Steering(where={"colour": ("red", "green")}), 5_000, givable=frozenset({"colour"}))
    assert np.bincount(codes(drawn), minlength=3) / 5_000 == pytest.approx([0, 0.75, 0.25], abs=0.02)


def test_groups_of_several_categories_share_as_the_model_has_them():
    drawn = filled(Steering(quota=quota(0.5, 0.5, groups=((2,), (0, 1)))), BLOCK_ROWS, givable=frozenset({"colour"}))
    counts = np.bincount(codes(drawn), minlength=3)
    assert counts[2] == BLOCK_ROWS / 2
    assert counts[0] / BLOCK_ROWS == pytest.approx(0.5 * 0.6 / 0.9, abs=0.02)


def test_classes_come_in_random_order():
    drawn = codes(filled(Steering(quota=quota(1 / 3, 1 / 3, 1 / 3)), BLOCK_ROWS))
    # Of independent neighbours a third are alike; sorted rows all are, alternating ones none.
    assert np.mean(drawn[1:] == drawn[:-1]) == pytest.approx(1 / 3, abs=0.03)
    assert [np.mean(drawn[: BLOCK_ROWS // 2] == code) for code in range(3)] == pytest.approx([1 / 3] * 3, abs=0.03)


@pytest.mark.parametrize("givable", [frozenset(), frozenset({"colour"})], ids=["rejected", "given"])
def test_what_is_not_steered_stays_as_it_is_within_each_class(givable):
    free = join([Marbles()(np.random.default_rng(seed), {}, {}) for seed in range(20)])
    wanted = Steering(quota=quota(0.2, 0.2, 0.6))
    drawn = join([filled(wanted, BLOCK_ROWS, givable=givable, first_row=at * BLOCK_ROWS) for at in range(6)])
    for code in range(3):
        plain, steered = (rows["weight"].values[codes(rows) == code] for rows in (free, drawn))
        assert np.isnan(steered).mean() == pytest.approx(0.1, abs=0.015)
        for share in (0.1, 0.5, 0.9):
            assert np.nanquantile(steered, share) == pytest.approx(np.nanquantile(plain, share), abs=0.1)


def test_conditions_are_judged_on_what_will_be_stored():
    wanted = Steering(where={"weight": Range(min=4.0, max=4.1)})
    weights = filled(wanted, 500)["weight"].values
    # 3.96 is stored as 4.0, and so may stay.
    assert set(np.round(weights, 1)) == {4.0, 4.1}
    assert weights.min() < 4.0
    # What is drawn beyond the column's end is stored as the end.
    assert filled(Steering(where={"weight": 10.0}), 5, draw=_Heavy())["weight"].values.max() > 10.05


class _Heavy(Marbles):
    def __call__(self, rng, given, tests):
        drawn = {
            "colour": Discrete(np.zeros(BLOCK_ROWS, np.int32), 3),
            "weight": Numeric(rng.normal(10, 3, BLOCK_ROWS)),
        }
        return take(drawn, tests["weight"](drawn["weight"])) if tests else drawn


def test_a_block_does_not_depend_on_others_and_a_short_one_begins_like_a_full_one():
    wanted = Steering(where={"weight": Range(min=7.0)})
    full, short = filled(wanted, BLOCK_ROWS), filled(wanted, 77)
    assert np.array_equal(full["weight"].values[:77], short["weight"].values)
    other = filled(wanted, BLOCK_ROWS, first_row=BLOCK_ROWS)
    assert not np.array_equal(full["weight"].values, other["weight"].values)
    assert np.array_equal(full["weight"].values, filled(wanted, BLOCK_ROWS)["weight"].values)


def test_missing_can_be_asked_for():
    assert np.isnan(filled(Steering(where={"weight": None}), 300)["weight"].values).all()
    assert not np.isnan(filled(Steering(where={"weight": Range(max=100)}), 300)["weight"].values).any()


def test_what_is_too_rare_is_refused_with_how_often_it_came():
    draw = Marbles(red=0.0005)
    wanted = Steering(where={"colour": "red", "weight": Range(min=7.0)})
    with pytest.raises(InvalidInputError) as refused:
        filled(wanted, BLOCK_ROWS, draw=draw)
    (problem,) = refused.value.problems
    assert problem.field == "conditions"
    used, drawn = (
        int(word.replace(",", "")) for word in problem.problem.split(": ")[1].split(" drawn")[0].split(" of ")
    )
    assert drawn == steering.MOST_ROUNDS * BLOCK_ROWS
    assert used / drawn == pytest.approx(0.0005 * 0.46, rel=0.2)
    # Each condition alone, so that people see which one it is.
    assert "colour by" in problem.problem
    assert "weight by" in problem.problem
    assert "wider range" in problem.fix


def test_what_never_comes_is_given_up_early():
    draw = Marbles(red=0.0)
    with pytest.raises(InvalidInputError, match=r"0 of 409,600 drawn could be used.*10 of 10 places.*colour by none"):
        filled(Steering(where={"colour": "red"}), 10, draw=draw)
    assert draw.draws == steering.HOPELESS_ROUNDS + 1


def test_a_class_that_never_comes_is_named():
    with pytest.raises(InvalidInputError, match=r"50 of 100 places.*colour red by none"):
        filled(Steering(quota=quota(0.25, 0.25, 0.5)), 100, draw=Marbles(red=0.0))


def test_rows_that_may_not_stay_are_drawn_again():
    def light_only(rows: Features):
        return rows, rows["weight"].values < 5

    drawn = filled(Steering(quota=quota(0.4, 0.3, 0.3)), 1_000, finish=light_only)
    assert (drawn["weight"].values < 5).all()
    assert np.bincount(codes(drawn)).tolist() == quota(0.4, 0.3, 0.3).counts(1_000)


def test_what_cannot_stay_is_forced_where_it_can_be():
    def none(rows: Features):
        return rows, np.zeros(rows_of(rows), dtype=bool)

    def weightless(rows: Features, rng: np.random.Generator) -> Features:
        return dict(rows) | {"weight": Numeric(np.zeros(rows_of(rows)))}

    drawn = filled(Steering(quota=quota(0.4, 0.3, 0.3)), 500, finish=none, force=weightless)
    assert (drawn["weight"].values == 0).all()
    assert np.bincount(codes(drawn)).tolist() == quota(0.4, 0.3, 0.3).counts(500)
    # Forcing that breaks a condition is no way out.
    with pytest.raises(InvalidInputError, match="seldom"):
        filled(Steering(where={"weight": Range(min=3)}), 500, finish=none, force=weightless)

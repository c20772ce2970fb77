import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve
from sklearn.neighbors import NearestNeighbors

from synthcredit.datasets.schema import TableSchema
from synthcredit.evidence import nearest as module
from synthcredit.evidence.model import Detail, Figure, Measure, Unit
from synthcredit.evidence.nearest import fit_space, found_at, measure, nearest
from synthcredit.evidence.sides import Sides
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Features, Numeric, rows_of, take

RNG = np.random.default_rng
FIGURES = (
    Figure.CLOSENESS_EXCESS,
    Figure.MEMBERSHIP_NEAREST,
    Figure.MEMBERSHIP_NEAREST_TPR,
    Figure.MEMBERSHIP_DENSITY,
    Figure.MEMBERSHIP_DENSITY_TPR,
)
BY_DESIGN = dict(zip(FIGURES, (0.0, 0.5, 0.01, 0.5, 0.01), strict=True))


def borrowers(rows: int, seed: int) -> Features:
    """Credit-like rows: heavy tails, a mass point, a gap, categories, and dependence between them."""
    rng = RNG(seed)
    risk = rng.normal(size=rows)
    return {
        "income": Numeric(np.exp(9 + 0.5 * rng.normal(size=rows) - 0.3 * risk)),
        "balance": Numeric(np.where(rng.random(rows) < 0.2, 0.0, np.exp(7 + risk + rng.normal(size=rows)))),
        "payment": Numeric(np.exp(5 + 0.5 * risk + rng.normal(size=rows))),
        "age": Numeric(rng.integers(18, 80, rows).astype(float)),
        "score": Numeric(np.where(rng.random(rows) < 0.1, np.nan, 600 - 50 * risk + 20 * rng.normal(size=rows))),
        "purpose": Discrete(rng.integers(0, 5, rows).astype(np.int32), 5),
        "default": Discrete((rng.random(rows) < 1 / (1 + np.exp(2 - risk))).astype(np.int32), 2),
    }


def cat(*sides: Features) -> Features:
    return {
        name: Discrete(np.concatenate([side[name].codes for side in sides]), feature.size)
        if isinstance(feature, Discrete)
        else Numeric(np.concatenate([side[name].values for side in sides]))
        for name, feature in sides[0].items()
    }


def noisy(side: Features, seed: int) -> Features:
    rng = RNG(seed)
    return {
        name: feature
        if isinstance(feature, Discrete)
        else Numeric(feature.values + 0.01 * np.nanstd(feature.values) * rng.normal(size=len(feature.values)))
        for name, feature in side.items()
    }


def independent(side: Features, seed: int) -> Features:
    rng = RNG(seed)
    return {name: take({name: f}, rng.permutation(rows_of(side)))[name] for name, f in side.items()}


def found(synthetic: Features, train: Features, holdout: Features, seed: int = 0) -> dict[Figure, Measure]:
    return {m.name: m for m in measured(synthetic, train, holdout, seed)[0]}


def measured(
    synthetic: Features, train: Features, holdout: Features, seed: int = 0
) -> tuple[tuple[Measure, ...], tuple[Detail, ...]]:
    schema = TableSchema.model_construct(name="t", columns=())
    measures, details = measure(Sides(synthetic, train, holdout), schema, RNG(seed))
    assert tuple(m.name for m in measures) == FIGURES
    for m in measures:
        assert (m.value is None) == (m.why_not is not None)
        assert m.value is None or m.low <= m.value <= m.high
    return measures, details


TRAIN, HOLDOUT, FRESH = borrowers(2000, 1), borrowers(2000, 2), borrowers(2000, 3)


@pytest.fixture(scope="module")
def of_fresh() -> dict[Figure, Measure]:
    return found(FRESH, TRAIN, HOLDOUT)


# --- known answers on a made table -----------------------------------------------------------------------------------


def test_fresh_rows_have_what_chance_gives(of_fresh):
    for name, expected in BY_DESIGN.items():
        assert of_fresh[name].low <= expected <= of_fresh[name].high
        # The figure that stands beside it: 1,000 holdout rows in place of synthetic ones.
        assert of_fresh[name].fresh == pytest.approx(expected, abs=0.1 if name is Figure.CLOSENESS_EXCESS else 0.05)


@pytest.mark.parametrize("change", [lambda side: side, lambda side: noisy(side, 5)], ids=["copy", "noise"])
def test_a_copy_and_a_copy_with_noise_are_caught_by_every_attack(change):
    figures = found(change(TRAIN), TRAIN, HOLDOUT)
    assert all(figures[name].low > 0.9 for name in FIGURES)


def test_a_fifth_of_copied_rows_raises_every_figure(of_fresh):
    some = cat(take(TRAIN, np.arange(400)), take(FRESH, np.arange(1600)))
    figures = found(some, TRAIN, HOLDOUT)
    for name in FIGURES:
        assert figures[name].low > BY_DESIGN[name]
        assert figures[name].value > of_fresh[name].value
    assert figures[Figure.CLOSENESS_EXCESS].value == pytest.approx(0.2, abs=0.08)
    # A fifth of the members has its row in the release; 1 % of the others are accused as well.
    assert figures[Figure.MEMBERSHIP_NEAREST_TPR].value == pytest.approx(0.2, abs=0.04)


def test_independent_columns_give_nobody_away():
    figures = found(independent(TRAIN, 4), TRAIN, HOLDOUT)
    assert figures[Figure.MEMBERSHIP_NEAREST].value == pytest.approx(0.5, abs=0.04)
    assert abs(figures[Figure.CLOSENESS_EXCESS].value) < 0.1


def test_unequal_sides_keep_fresh_at_zero_and_a_copy_at_one():
    train, holdout = cat(TRAIN, FRESH), take(HOLDOUT, np.arange(500))
    fresh = found(borrowers(3000, 9), train, holdout)[Figure.CLOSENESS_EXCESS]
    assert fresh.low <= 0 <= fresh.high
    assert found(train, train, holdout)[Figure.CLOSENESS_EXCESS].value == pytest.approx(1, abs=0.01)


def test_many_synthetic_rows_hide_no_copy():
    many = cat(*(borrowers(2000, seed) for seed in range(20, 29)), TRAIN)
    figures = found(many, TRAIN, HOLDOUT)
    assert figures[Figure.MEMBERSHIP_NEAREST].rows == 20_000
    assert figures[Figure.MEMBERSHIP_NEAREST].low > 0.9
    assert figures[Figure.MEMBERSHIP_DENSITY_TPR].low > 0.5


def test_the_same_seed_gives_the_same_figures(of_fresh):
    assert found(FRESH, TRAIN, HOLDOUT) == of_fresh


def test_it_says_what_the_attacker_knows_and_how_many_rows_there_were(of_fresh):
    reading = of_fresh[Figure.MEMBERSHIP_DENSITY].reading
    assert "knows a person's whole row" in reading
    assert "2,000 synthetic rows released, 1,000 real rows of other people known" in reading
    assert "2,000 members and 1,000 non-members" in reading
    assert "2,000 training and 2,000 holdout rows" in of_fresh[Figure.CLOSENESS_EXCESS].reading
    assert of_fresh[Figure.MEMBERSHIP_NEAREST].unit is Unit.NUMBER
    assert of_fresh[Figure.MEMBERSHIP_NEAREST].fresh_rows == 1000


# --- known answers on german_credit ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def german(tables) -> tuple[Features, Features]:
    frame = tables.german()
    schema = tables.schema_of(frame)
    features = encode(tables.table_of(frame, schema), schema)
    order = RNG(42).permutation(rows_of(features))
    return take(features, order[:500]), take(features, order[500:])


def test_german_credit_tells_copies_from_fresh(german):
    train, holdout = german
    fresh = found(take(holdout, np.arange(250)), train, take(holdout, np.arange(250, 500)))
    some = cat(take(train, np.arange(100)), take(holdout, np.arange(200)))
    for side in (train, noisy(train, 1)):
        copy = found(side, train, holdout)
        assert copy[Figure.CLOSENESS_EXCESS].value > 0.99
        assert copy[Figure.MEMBERSHIP_NEAREST].value > 0.99
        assert copy[Figure.MEMBERSHIP_DENSITY].value > 0.99
    mixed = found(some, train, take(holdout, np.arange(200, 500)))
    for name in (Figure.CLOSENESS_EXCESS, Figure.MEMBERSHIP_NEAREST, Figure.MEMBERSHIP_DENSITY):
        assert fresh[name].low <= BY_DESIGN[name] <= fresh[name].high
        assert mixed[name].low > BY_DESIGN[name]


def test_a_rate_at_one_per_cent_wants_a_thousand_controls(german):
    train, holdout = german
    figures = found(train, train, holdout)
    assert "1,000 controls; there are 500" in figures[Figure.MEMBERSHIP_NEAREST_TPR].why_not
    assert "1,000 controls; there are 250" in figures[Figure.MEMBERSHIP_DENSITY_TPR].why_not
    assert figures[Figure.MEMBERSHIP_NEAREST_TPR].fresh is None


# --- the interval of excess closeness --------------------------------------------------------------------------------


@pytest.mark.parametrize(("train_rows", "holdout_rows", "rows"), [(140, 60, 800), (100, 100, 100)])
def test_the_interval_holds_chance_as_often_as_it_says(train_rows, holdout_rows, rows):
    excess, held = [], []
    for seed in range(150):
        sides = Sides(*(borrowers(n, seed * 3 + i) for i, n in enumerate((rows, train_rows, holdout_rows))))
        one = module._excess(sides.synthetic, sides.train, sides.holdout, fit_space(sides, RNG(seed)), RNG(seed))
        excess.append(one.excess)
        held.append(one.low <= 0 <= one.high)
    # Without bias, and 95 % give or take the noise of 150 draws (three standard errors).
    assert abs(np.mean(excess)) < 3 * np.std(excess) / np.sqrt(150)
    assert np.mean(held) > 0.88


def test_rows_that_everyone_shares_speak_for_neither_side():
    def inactive(rows: int, seed: int) -> Features:
        side = borrowers(rows, seed)
        # Half of all rows are one and the same.
        return cat(take(side, np.arange(rows // 2)), take(borrowers(1, 0), np.zeros(rows - rows // 2, dtype=np.int64)))

    excess = [
        found(inactive(600, seed), inactive(700, seed + 100), inactive(300, seed + 200))[Figure.CLOSENESS_EXCESS].value
        for seed in range(8)
    ]
    # With one half for every tie this would be near (.5 - .7) / .3 / 2 = -.33.
    assert np.mean(excess) == pytest.approx(0, abs=0.06)


# --- true positives at 1 % false ones --------------------------------------------------------------------------------


def rate(members: np.ndarray, controls: np.ndarray) -> float:
    scores = np.concatenate([members, controls])
    is_member = np.arange(len(scores)) < len(members)
    return float(found_at(is_member, scores, np.ones((1, len(scores))))[0])


def test_constant_scores_find_exactly_one_per_cent():
    assert rate(np.zeros(700), np.zeros(1300)) == pytest.approx(0.01, abs=1e-12)


def test_ties_at_the_threshold_are_accused_by_lot():
    # 5 of 1,000 controls lie above the tie and 10 in it; the 1 % allow half of those.
    members = np.repeat([2.0, 1.0, 0.0], [10, 20, 70])
    controls = np.repeat([2.0, 1.0, 0.0], [5, 10, 985])
    assert rate(members, controls) == pytest.approx((10 + 0.5 * 20) / 100)


def test_the_rate_agrees_with_scikit_learn_without_ties():
    members, controls = RNG(0).normal(0.5, 1, 3000), RNG(1).normal(size=2000)
    label = np.repeat([1, 0], [3000, 2000])
    false, true, _ = roc_curve(label, np.concatenate([members, controls]), drop_intermediate=False)
    assert rate(members, controls) == pytest.approx(true[false <= 0.01].max())


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_the_rate_is_a_share_and_is_one_per_cent_of_equals(members, controls):
    one, other = np.array(members, dtype=float), np.array(controls, dtype=float)
    assert 0 <= rate(one, other) <= 1
    assert rate(other + 10, other) == 1
    assert rate(other - 10, other) == 0


# --- searching -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("neighbours", [1, 5])
def test_distances_agree_with_scikit_learn(monkeypatch, exact, neighbours):
    # Chunks and blocks that do not divide the rows; the last chunk has fewer rows than neighbours.
    monkeypatch.setattr(module, "_CHUNK", 333)
    monkeypatch.setattr(module, "_BLOCK", 64)
    sides = Sides(take(FRESH, np.arange(335)), TRAIN, HOLDOUT)
    space = fit_space(sides, RNG(0))
    queries, points = space.points(take(TRAIN, np.arange(200))), space.points(sides.synthetic)
    wanted, _ = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(points).kneighbors(queries)
    distances, positions = nearest(queries, sides.synthetic, space, neighbours=neighbours, exact=exact)
    assert distances == pytest.approx(wanted, abs=2e-6 if exact else 1e-4)
    again = np.linalg.norm(queries[:, None] - points[positions], axis=2)
    assert distances == pytest.approx(again, abs=1e-6)


def test_counting_ties_agrees_with_all_distances():
    side = {name: TRAIN[name] for name in ("purpose", "default")}
    space = fit_space(Sides(side, side, side), RNG(0))
    points = space.points(side)
    queries = points[:50]
    wanted = (np.linalg.norm(queries[:, None] - points, axis=2) <= 1 + 1e-9).sum(axis=1)
    assert (module._within(queries, np.ones(50), side, space) == wanted).all()


# --- the distance ----------------------------------------------------------------------------------------------------


def distance(one: Features, other: Features, train: Features) -> float:
    both = cat(one, other)
    space = fit_space(Sides(both, train, train), RNG(0))
    points = space.points(both)
    return float(np.linalg.norm(points[0] - points[1]))


def test_categories_that_differ_are_one_apart_and_missing_is_one_of_them():
    train = {"c": Discrete(np.array([0, 1, 2, 3] * 20, dtype=np.int32), 4)}
    a, b, missing, unknown = ({"c": Discrete(np.array([code], dtype=np.int32), 4)} for code in (0, 1, 3, 4))
    assert distance(a, b, train) == pytest.approx(1)
    assert distance(a, missing, train) == pytest.approx(1)
    assert distance(missing, unknown, train) == pytest.approx(1)
    assert distance(a, a, train) == 0


def test_many_categories_stay_apart_each():
    codes = np.arange(500, dtype=np.int32)
    side = {"c": Discrete(codes, 500)}
    points = fit_space(Sides(side, side, side), RNG(0)).points(side)
    assert points.shape == (500, 24)
    squares = ((points[:, None] - points) ** 2).sum(axis=2)[np.triu_indices(500, 1)]
    assert squares.min() > 0.05
    assert squares.mean() == pytest.approx(1, abs=0.02)


def test_numbers_are_scaled_by_training_rows_alone():
    values = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    train = {"x": Numeric(values)}
    scaled = np.arcsinh((values - 2) / 1.2)
    wanted = (scaled - scaled.mean()) / scaled.std()
    space = fit_space(Sides({"x": Numeric(values * 100)}, train, {"x": Numeric(values - 7)}), RNG(0))
    assert space.points(train)[:, 0] == pytest.approx(wanted)


def test_a_missing_number_is_one_from_a_typical_one_and_none_from_another_missing():
    train = {"x": Numeric(np.array([-1.0, 0.0, 1.0] * 30))}
    typical, missing = ({"x": Numeric(np.array([v]))} for v in (0.0, np.nan))
    assert distance(typical, missing, train) == pytest.approx(1)
    assert distance(missing, missing, train) == 0


# --- odd input -------------------------------------------------------------------------------------------------------


def odd(rows: int, kind: str, seed: int) -> Features:
    rng = RNG(seed)
    base = {"a": Numeric(rng.normal(size=rows)), "c": Discrete(rng.integers(0, 3, rows).astype(np.int32), 3)}
    return {
        "constant": {"k": Numeric(np.full(rows, 7.0)), "d": Discrete(np.zeros(rows, dtype=np.int32), 1)},
        "all missing": {**base, "m": Numeric(np.full(rows, np.nan))},
        "discrete": {"c": base["c"]},
        "numeric": {"a": base["a"]},
        "infinite": {**base, "i": Numeric(np.where(rng.random(rows) < 0.3, np.inf * rng.choice([-1, 1], rows), 1.0))},
        "huge": {**base, "h": Numeric(rng.choice([-1.7e308, 0.0, 1.7e308], rows))},
        # A column that is never missing, with a category that the schema does not know.
        "unknown": {"c": Discrete(np.where(rng.random(rows) < 0.1, 3, base["c"].codes).astype(np.int32), 3)},
    }[kind]


@pytest.mark.parametrize("kind", ["constant", "all missing", "discrete", "numeric", "infinite", "huge", "unknown"])
def test_odd_columns_are_judged_without_a_warning(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = found(*(odd(rows, kind, seed) for seed, rows in enumerate((600, 300, 200))))
    # Four standard deviations at these few rows, over 120 seeds.
    assert figures[Figure.CLOSENESS_EXCESS].value == pytest.approx(0, abs=0.28)
    assert figures[Figure.MEMBERSHIP_NEAREST].value == pytest.approx(0.5, abs=0.11)
    assert figures[Figure.MEMBERSHIP_DENSITY].value == pytest.approx(0.5, abs=0.14)


def test_rows_that_are_all_alike_say_nothing_and_nothing_bad():
    figures = found(*(odd(rows, "constant", 0) for rows in (2500, 2500, 2500)))
    for name in FIGURES:
        assert figures[name].value == pytest.approx(BY_DESIGN[name], abs=1e-9)


def test_too_few_rows_are_not_judged():
    figures = found(take(FRESH, np.arange(30)), TRAIN, HOLDOUT)
    assert all(m.value is None and "30 synthetic rows" in m.why_not for m in figures.values())


def test_nothing_learned_is_not_judged():
    assert {m.why_not for m in found({}, {}, {}).values()} == {"no column is learned"}


def test_a_small_holdout_spares_no_rows_for_the_attacker():
    measures, details = measured(TRAIN, TRAIN, take(HOLDOUT, np.arange(60)))
    figures = {m.name: m for m in measures}
    assert details == ()
    assert figures[Figure.CLOSENESS_EXCESS].value == pytest.approx(1, abs=0.01)
    assert figures[Figure.CLOSENESS_EXCESS].fresh is None
    assert "too small to spare fresh rows" in figures[Figure.CLOSENESS_EXCESS].reading
    assert figures[Figure.MEMBERSHIP_NEAREST].value > 0.99
    assert "fewer than 100 rows" in figures[Figure.MEMBERSHIP_DENSITY].why_not
    assert "fewer than 100 rows" in figures[Figure.MEMBERSHIP_DENSITY_TPR].why_not


# --- the table behind it ---------------------------------------------------------------------------------------------


def test_the_distances_of_copies_stand_in_the_nearest_band():
    _, (detail, _) = measured(TRAIN, TRAIN, HOLDOUT)
    made, fresh = np.array([row[2:] for row in detail.rows]).T
    assert made[0] == pytest.approx(1, abs=0.01)
    assert fresh == pytest.approx(0.1, abs=0.01)
    assert made.sum() == pytest.approx(1)
    assert fresh.sum() == pytest.approx(1)


def test_no_band_stands_for_a_handful_of_fresh_rows():
    _, details = measured(FRESH, TRAIN, take(HOLDOUT, np.arange(110)))
    assert [detail.name for detail in details] == ["nearest_sides"]


def test_distances_to_both_sides_are_alike_unless_rows_were_copied():
    shares = {}
    for name, made in (("copy", TRAIN), ("fresh", FRESH)):
        detail = measured(made, TRAIN, HOLDOUT)[1][-1]
        assert detail.name == "nearest_sides"
        shares[name] = np.array([row[2:] for row in detail.rows])
        assert (shares[name].sum(axis=0) >= 0.97).all()
    assert shares["copy"][0, 0] > 0.99
    assert np.abs(shares["fresh"][:, 0] - shares["fresh"][:, 1]).sum() / 2 < 0.1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.integers(1, 30), st.integers(0, 1000))
def test_every_band_holds_enough_fresh_rows_or_none(rows, distinct, seed):
    fresh = RNG(seed).integers(0, distinct, rows).astype(float)
    for detail in module._bands(fresh, fresh):
        counts = np.array([row[3] for row in detail.rows]) * rows
        assert ((counts == 0) | (counts > 9.5)).all()

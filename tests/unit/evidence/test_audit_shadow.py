import numpy as np
import pytest

from synthcredit.evidence import audit_shadow as module
from synthcredit.evidence.audit_shadow import choose_targets, design, estimate, likelihood_ratios, measure, statistics
from synthcredit.evidence.nearest import fit_space
from synthcredit.evidence.sides import Sides
from synthcredit.synthesizers.features import Numeric

RNG = np.random.default_rng


def plane(points):
    return {name: Numeric(np.asarray(points, dtype=float)[:, at]) for at, name in enumerate("xy")}


def space_of(features):
    return fit_space(Sides(features, features, features), RNG(0))


@pytest.mark.parametrize("units", [101, 100])
def test_each_unit_is_in_exactly_half_of_the_shadows_and_each_pair_covers_all(units):
    inside = design(units, 16, RNG(0))
    assert (inside.sum(axis=0) == 8).all()
    assert (inside[::2] ^ inside[1::2]).all()
    assert set(inside.sum(axis=1)) <= {units // 2, units - units // 2}


def test_the_most_outlying_records_are_chosen_and_the_random_ones_are_others():
    points = RNG(1).normal(size=(500, 2))
    planted = [7, 200, 431]
    points[planted] = [[9, -9], [-9, 9], [9, 9]]
    features = plane(points)
    targets = choose_targets(features, np.arange(500), space_of(features), 3, RNG(0))
    assert targets.outlying == 3
    assert set(targets.rows[:3]) == set(planted)
    assert len(set(targets.rows)) == 6


def test_no_two_targets_belong_to_one_customer():
    points = RNG(1).normal(size=(300, 2))
    points[:30] *= 9
    features, units = plane(points), np.arange(300) // 10
    targets = choose_targets(features, units, space_of(features), 50, RNG(0))
    assert targets.outlying == 15
    assert len(set(units[targets.rows])) == len(targets.rows) == 30


def test_of_many_rows_only_a_part_is_looked_at(monkeypatch):
    monkeypatch.setattr(module, "_MOST_CANDIDATES", 50)
    features = plane(RNG(1).normal(size=(400, 2)))
    targets = choose_targets(features, np.arange(400), space_of(features), 40, RNG(0))
    assert (targets.outlying, len(targets.rows)) == (25, 50)


def test_a_copy_of_a_record_shows_in_its_statistic_and_in_no_other():
    points = RNG(2).normal(size=(200, 2))
    features, far = plane(points), RNG(3).normal(size=(200, 2))
    far[0] = points[0]
    space = space_of(features)
    gap = statistics(features, plane(RNG(3).normal(size=(200, 2))), space) - statistics(features, plane(far), space)
    assert gap[0] > 0.15
    assert np.abs(np.median(gap[1:])) < 0.01


def test_a_record_that_moves_the_statistic_is_found_and_others_are_not():
    inside = design(40, 16, RNG(0))
    noise = RNG(1).normal(size=inside.shape) * 0.1
    outlying, random = measure(noise - 0.5 * inside * (np.arange(40) < 20), inside, 20, RNG(2))
    assert (outlying.records, outlying.attacked, random.records) == ("outlying", 20, "random")
    assert outlying.auc.low > 0.99
    assert outlying.found_at_1.value > 0.95
    assert 0.4 < random.auc.value < 0.6
    assert random.found_at_1.value < 0.1


@pytest.mark.parametrize("shadows", [6, 16])
def test_the_attack_is_fair_where_nothing_leaks(shadows):
    # The mean over many draws: leaving out one shadow alone, not its pair, would give .46 with six.
    found = []
    for seed in range(60):
        inside = design(40, shadows, RNG(seed))
        statistic = RNG(seed + 1000).normal(size=inside.shape) + RNG(seed + 2000).normal(size=40)
        found.append(measure(statistic, inside, 20, RNG(0))[0].auc.value)
    assert np.mean(found) == pytest.approx(0.5, abs=4 * np.std(found) / np.sqrt(len(found)))
    assert np.std(found) < 0.1


def test_a_likelihood_ratio_is_what_it_says():
    statistic = np.array([[0.0], [4.0], [0.2], [4.4], [-0.2], [3.6], [0.1], [4.0]])
    inside = np.array([[True], [False]] * 4)
    others_in, others_out = statistic[2::2, 0], statistic[3::2, 0]
    (sd_in, sd_out) = (max(side.std(ddof=1), 0.05) for side in (others_in, others_out))

    def density(value, side, sd):
        return -np.log(sd) - ((value - side.mean()) / sd) ** 2 / 2

    ratios = likelihood_ratios(statistic, inside)
    assert ratios[0, 0] == pytest.approx(density(0.0, others_in, sd_in) - density(0.0, others_out, sd_out))
    assert ratios[1, 0] == pytest.approx(density(4.0, others_in, sd_in) - density(4.0, others_out, sd_out))


def test_shadows_that_all_copy_give_a_finite_ratio():
    statistic = np.where(design(10, 8, RNG(0)), np.log(module.LEAST_DISTANCE), 0.0)
    ratios = likelihood_ratios(statistic, design(10, 8, RNG(0)))
    assert np.isfinite(ratios).all()
    assert ((ratios > 0) == design(10, 8, RNG(0))).all()


def test_an_estimate_is_the_first_and_the_tails_of_the_others():
    found = estimate(np.concatenate([[7.0], np.linspace(0, 1, 201)]))
    assert (found.value, found.low, found.high) == pytest.approx((7.0, 0.025, 0.975))

import pytest

from synthcredit.evidence import scores
from synthcredit.evidence.model import Check, Evidence, Figure, Grade, Measure, Score


def measure(name: Figure, value: float | None, **more: object) -> Measure:
    return Measure(name=name, title=name, value=value, **{"reading": "A figure.", **more})


FRESH = (
    measure(Figure.SDMETRICS_SHAPES, 0.98, fresh=0.98),
    measure(Figure.ASSOCIATIONS_KEPT, 1.0),
    measure(Figure.TRTR, 0.77, low=0.76, high=0.78),
    measure(Figure.TSTR_LOSS, 0.0, low=-0.01, high=0.01),
    measure(Figure.C2ST_BOOSTED, 0.99, rows=9_000),
    measure(Figure.BETA_RECALL, 0.5, fresh=0.5),
    measure(Figure.DEFAULTERS_TRENDS, 0.93, fresh=0.93),
    measure(Figure.WOE_AGREEMENT, 0.97, fresh=0.97),
    measure(Figure.SWAP_SET, 0.04, fresh=0.04),
    *(measure(yardstick.figure, yardstick.anchors[0][0]) for yardstick in scores.PRIVACY),
)


def scored(*replace: Measure, without: tuple[Figure, ...] = (), held: int = 10) -> tuple[Score, Score]:
    figures = {one.name: one for one in (*FRESH, *replace) if one.name not in without}
    checks = tuple(Check(expectation="e", column="c", passed=at < held, detail="holds") for at in range(10))
    evidence = Evidence(
        table="credit", target="default", rows={}, validity=checks, columns={},
        fidelity=tuple(figures.values()), utility=(), privacy=(),
    )  # fmt: skip
    quality, privacy = scores.score(evidence).scores
    return quality, privacy


def test_fresh_figures_have_a_hundred_points():
    quality, privacy = scored()
    assert (quality.name, quality.points, quality.grade) == ("quality", 100.0, Grade.EXCELLENT)
    assert (privacy.name, privacy.points, privacy.grade) == ("privacy", 100.0, Grade.EXCELLENT)
    assert len(quality.parts) == 1 + len(scores.QUALITY)
    assert len(privacy.parts) == len(scores.PRIVACY)


def test_a_score_is_its_worst_part_which_is_named_first():
    quality, privacy = scored(measure(Figure.ASSOCIATIONS_KEPT, 0.475), measure(Figure.CLOSENESS_EXCESS, 0.2))
    assert quality.points == 50.0
    assert quality.parts[0].name == "associations"
    assert "worst part, associations" in quality.reason
    assert quality.grade is Grade.POOR
    assert privacy.points == 50.0
    assert privacy.parts[0].name == "closeness"
    assert "0.2 is 50" in privacy.parts[0].reason


def test_usefulness_is_the_share_of_a_real_models_power():
    quality, _ = scored(measure(Figure.TSTR_LOSS, 0.135))
    assert quality.points == 50.0
    guessing, _ = scored(measure(Figure.TSTR_LOSS, 0.27))
    assert (guessing.points, guessing.grade) == (0.0, Grade.VERY_POOR)


def test_one_standard_error_is_forgiven():
    loss = 0.135
    quality, _ = scored(measure(Figure.TSTR_LOSS, loss, low=loss - 1.96 * 0.027, high=loss + 1.96 * 0.027))
    assert quality.points == pytest.approx(60.0, abs=0.1)
    assert "one standard error 0.1" in quality.parts[0].reason


def test_a_real_model_that_guesses_gives_no_yardstick():
    quality, _ = scored(measure(Figure.TRTR, 0.52, low=0.4, high=0.64))
    part = next(part for part in quality.parts if part.name == "usefulness")
    assert part.points is None
    assert "no better than guessing" in part.reason
    assert quality.points == 100.0
    assert "Not judged: usefulness" in quality.reason


def test_what_was_not_judged_stands_last_and_is_never_good():
    _, privacy = scored(measure(Figure.LINKABILITY_RISK, None, why_not="too few columns"))
    assert privacy.parts[-1].name == "linkability"
    assert privacy.parts[-1].points is None
    assert "too few columns" in privacy.parts[-1].reason
    _, privacy = scored(without=(Figure.CLOSENESS_EXCESS,))
    assert (privacy.points, privacy.grade) == (None, None)
    assert "closeness was not judged" in privacy.reason


def test_detection_on_few_rows_is_not_judged():
    quality, _ = scored(measure(Figure.C2ST_BOOSTED, 0.4, rows=300))
    assert quality.points == 100.0
    assert "fewer than 2,000" in quality.parts[-1].reason


def test_a_relative_part_needs_its_fresh_figure():
    quality, _ = scored(measure(Figure.BETA_RECALL, 0.5), measure(Figure.SWAP_SET, 0.5))
    assert {part.name for part in quality.parts if part.points is None} == {"coverage", "decisions"}


def test_failed_checks_cost_points():
    assert scored(held=9)[0].points == 80.0
    assert scored(held=5)[0].points == 0.0


def test_no_check_is_no_quality_score():
    evidence = Evidence(
        table="credit", target=None, rows={}, validity=(), columns={}, fidelity=FRESH, utility=(), privacy=()
    )
    quality, _ = scores.score(evidence).scores
    assert quality.points is None
    assert "validity was not judged" in quality.reason


@pytest.mark.parametrize(
    ("points", "grade"),
    [(100, "Excellent"), (90, "Excellent"), (89.9, "Good"), (75, "Good"), (55, "Fair"), (30, "Poor"), (0, "Very poor")],
)
def test_grades_have_published_cut_offs(points: float, grade: str):
    assert scores.grade_of(points) == grade


@pytest.mark.parametrize("yardstick", [*scores.QUALITY, *scores.PRIVACY], ids=lambda one: one.name)
def test_anchors_ascend_and_their_best_is_a_hundred(yardstick: scores.Yardstick):
    figures, points = zip(*yardstick.anchors, strict=True)
    assert list(figures) == sorted(set(figures))
    assert max(points) == 100
    assert list(points) in (sorted(points), sorted(points, reverse=True))

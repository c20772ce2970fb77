import pytest

from synthcredit.evidence.model import Detail, Evidence, Figure, Measure, Unit
from synthcredit.evidence.wording import points, say


def measure(name: Figure, value: float | None, fresh: float | None = None, low=None, high=None) -> Measure:
    return Measure(
        name=name, title=str(name), unit=Unit.SCORE, value=value, fresh=fresh, low=low, high=high, reading="r"
    )


def evidence(*fidelity, privacy=(), utility=(), credit=(), details=(), columns=None, columns_fresh=None):
    return Evidence(table="t", target="y", rows={}, validity=(), fidelity=fidelity, utility=utility, privacy=privacy,
                    credit=credit, details=details, columns=columns or {},
                    columns_fresh=columns_fresh or {})  # fmt: skip


TELLING = Detail(name="detection_columns", title="t", heading=("Column",), rows=(("income", 0.1), ("age", 0.0)))


def test_detection_is_said_as_auc_with_the_column_that_gives_it_away():
    said = say(evidence(measure(Figure.C2ST_BOOSTED, 0.44, 1.0), details=(TELLING,)))
    assert said.off[0].text == (
        "A boosted tree tells synthetic from real rows with AUC .78 (fresh real rows: .50; .50 is guessing); column "
        "'income' gives it away most."
    )
    good = say(evidence(measure(Figure.C2ST_BOOSTED, 0.98, 1.0), details=(TELLING,)))
    assert "income" not in good.good[0].text


def test_the_worst_comes_first_and_nothing_is_said_twice():
    said = say(
        evidence(
            measure(Figure.C2ST_BOOSTED, 0.1, 1.0),
            measure(Figure.ASSOCIATIONS_KEPT, 0.6, 1.0),
            measure(Figure.BETA_RECALL, 0.5, 0.5),
            columns={"a": 0.9, "b": 0.99},
            columns_fresh={"a": 0.95, "b": 0.99},
        )
    )
    assert [each.badness for each in said.off] == sorted((each.badness for each in said.off), reverse=True)
    assert "boosted tree" in said.off[0].text
    assert "60.0 % of the dependence" in said.off[1].text
    assert "'a': column shape .90, fresh real rows .95" in said.fair[0].text
    assert "beta-recall" in said.good[0].text


def test_chance_is_no_fault_and_a_sure_leak_is():
    share = measure(Figure.COPIED, 0.02, 0.0)
    by_chance = measure(Figure.COPIED_EXCESS, 0.02, low=-0.001, high=0.04)
    surely = measure(Figure.COPIED_EXCESS, 0.02, low=0.001, high=0.04)
    assert say(evidence(privacy=(share, by_chance))).good
    assert "2.0 % of synthetic rows equal a training row" in say(evidence(privacy=(share, surely))).off[0].text


@pytest.mark.parametrize(
    ("risk", "low", "words"), [(0.3, 0.2, "works better on training people"), (0.01, -0.02, "works no better")]
)
def test_attacks_are_said_by_what_is_sure(risk: float, low: float, words: str):
    said = say(evidence(privacy=(measure(Figure.LINKABILITY_RISK, risk, low=low),)))
    assert words in (said.off or said.good)[0].text


@pytest.mark.parametrize(
    ("slope", "bounds", "words"),
    [
        (1.1, (0.9, 1.3), "spread of a synthetic scorecard's default probabilities is right"),
        (0.5, (0.4, 0.6), "too wide"),
        (2.0, (1.7, 2.3), "too narrow"),
    ],
)
def test_calibration_is_right_where_the_interval_says_so(slope: float, bounds: tuple[float, float], words: str):
    said = say(evidence(credit=(measure(Figure.CALIBRATION_SLOPE, slope, low=bounds[0], high=bounds[1]),)))
    assert words in (*said.off, *said.good)[0].text


def test_credit_and_usefulness_have_their_sentences():
    figures = (
        *(measure(Figure.SCORECARD_LOSS, 0.1, 0.0, low=0.08), measure(Figure.SWAP_SET, 0.3, 0.1, low=0.25)),
        *(measure(Figure.WOE_DIRECTION, 0.6, 1.0, high=0.7), measure(Figure.PSI_WORST, 0.4, 0.05, low=0.3)),
        measure(Figure.CALIBRATION_INTERCEPT, -0.8, low=-1.0, high=-0.6),
    )
    stability = Detail(name="credit_stability", title="t", heading=("column",), rows=(("income", 0.4, 0.05),))
    utility = (
        *(measure(Figure.TSTR, 0.7, 0.8), measure(Figure.TSTR_LOSS, 0.1, low=0.08)),
        measure(Figure.RANK_AGREEMENT, 0.2, 0.9, high=0.4),
    )
    fidelity = (measure(Figure.TAILS, 0.5, 0.02, low=0.4), measure(Figure.SEGMENT_SHAPES, 0.7, 0.95, high=0.75))
    off = say(evidence(*fidelity, utility=utility, credit=figures, details=(stability,))).off
    said = " ".join(each.text for each in off)
    for words in ("loses .10 of AUC", "otherwise than a real scorecard", "rises and falls", "too high", "'income'",
                  "scores .70, one trained on real rows .80", "another order", "largest amounts",
                  "segment"):  # fmt: skip
        assert words in said


def test_what_was_not_judged_is_named_and_never_good():
    unjudged = Measure(name=Figure.TAILS, title="Tails", value=None, reading="r", why_not="few rows")
    said = say(evidence(unjudged))
    assert said.unjudged == ("Tails",)
    assert not (said.off or said.fair or said.good)


def test_closeness_and_membership_are_said():
    near = measure(Figure.CLOSENESS_EXCESS, 0.4, 0.0, low=0.3)
    members = measure(Figure.MEMBERSHIP_NEAREST, 0.9, 0.5, low=0.85)
    texts = [each.text for each in say(evidence(privacy=(near, members))).off]
    assert "AUC .90" in texts[0]
    assert "excess of 40.0 %" in texts[1]


def test_points_are_short():
    assert [points(value) for value in (0.784, 1.0, -0.5, 0.0)] == [".78", "1.00", "-.50", ".00"]

from itertools import pairwise

import pytest
from pydantic import ValidationError

from synthcredit.evidence.gate import Gate, judge, limits, verdict
from synthcredit.evidence.limits import PROFILES, RULES, TRY_THIS, Limit, Part, Profile, Side
from synthcredit.evidence.model import About, Check, Evidence, Figure, Finding, Level, Measure, Status


def measure(name: Figure, value: float | None, **more: object) -> Measure:
    return Measure(name=name, title=name, value=value, **{"reading": "A figure.", **more})


FRESH = {
    Figure.PAIR_TRENDS: measure(Figure.PAIR_TRENDS, 0.96, fresh=0.97),
    Figure.ASSOCIATIONS_KEPT: measure(Figure.ASSOCIATIONS_KEPT, 0.9, fresh=1.0),
    Figure.C2ST_BOOSTED: measure(Figure.C2ST_BOOSTED, 0.99, low=0.96, high=1.0, rows=9_000),
    Figure.DETECTION_TRAIN: measure(Figure.DETECTION_TRAIN, 0.5, low=0.48, high=0.52, rows=9_000),
    Figure.TSTR_LOSS: measure(Figure.TSTR_LOSS, 0.01, low=-0.01, high=0.03),
    Figure.SCORECARD_LOSS: measure(Figure.SCORECARD_LOSS, 0.0, low=-0.01, high=0.01),
    Figure.SWAP_SET: measure(Figure.SWAP_SET, 0.04, low=0.03, high=0.05, fresh=0.04),
    **{
        name: measure(name, 0.0, low=-0.005, high=0.005)
        for name in (Figure.COPIED_EXCESS, Figure.COPIED_DISTINCT_EXCESS, Figure.COPIED_SEGMENT_EXCESS)
    },
    Figure.CLOSENESS_EXCESS: measure(Figure.CLOSENESS_EXCESS, 0.01, low=-0.02, high=0.04),
    **{
        name: measure(name, 0.5, low=0.49, high=0.51) for name in (Figure.MEMBERSHIP_NEAREST, Figure.MEMBERSHIP_DENSITY)
    },
    **{
        name: measure(name, 0.01, low=0.008, high=0.014)
        for name in (Figure.MEMBERSHIP_NEAREST_TPR, Figure.MEMBERSHIP_DENSITY_TPR)
    },
    **{rule.figure: measure(rule.figure, 0.0, low=-0.02, high=0.02) for rule in RULES if rule.part is Part.ATTACKS},
}


def evidence(replace: dict[Figure, Measure | None] | None = None, **more: object) -> Evidence:
    figures = FRESH | (replace or {})
    return Evidence(
        **{
            "table": "credit",
            "target": "default",
            "rows": {"asked": 100, "released": 100, "synthetic": 100, "train": 9_000, "holdout": 9_000},
            "validity": (Check(expectation="e", column="age", passed=True, detail="inside the schema's range"),),
            "columns": {},
            "fidelity": [figure for figure in figures.values() if figure],
            "utility": (),
            "privacy": (),
            **more,
        }
    )


def finding(found: list[Finding], part: str) -> Finding:
    return next(item for item in found if item.part == part)


@pytest.mark.parametrize("profile", list(Profile))
def test_good_evidence_passes_every_part_of_every_profile(profile: Profile):
    found = judge(evidence(), Gate(profile=profile))
    assert {item.status for item in found} == {Status.PASSED}
    assert verdict(found)
    assert [item.part for item in found][:4] == ["rows", "validity", "usefulness", "pair trends"]
    assert ("attacks" in [item.part for item in found]) == (profile is not Profile.DEVELOPMENT)


@pytest.mark.parametrize("figure", [rule.figure for rule in RULES])
@pytest.mark.parametrize("end", ["bad", "good"])
def test_every_figure_of_the_strict_profile_stops_alone_at_either_end(figure: Figure, end: str):
    """A wide interval that reaches beyond the bad limit stops, and so does a narrow one beyond the good limit."""
    for rule in (rule for rule in RULES if rule.figure is figure):
        limit = PROFILES[Profile.STRICT][rule.field]
        base = 1.0 if rule.against.value == "share of fresh" else 0.0
        step = 0.001 if rule.side is Side.AT_MOST else -0.001
        beyond, inside = (limit.bad + step, limit.good - 10 * step) if end == "bad" else (limit.good + step,) * 2
        fresh = 1.0 if base else 0.1 if rule.against.value == "above fresh" else None
        shift = 0.1 if rule.against.value == "above fresh" else 0.0
        bounds = sorted((beyond + shift, inside + shift))
        bad = measure(figure, sum(bounds) / 2, low=bounds[0], high=bounds[1], fresh=fresh, rows=9_000)
        found = judge(evidence({figure: bad}), Gate(profile=Profile.STRICT))
        assert [item.part for item in found if item.status is Status.FAILED] == [rule.part], rule
        assert finding(found, rule.part).try_this == TRY_THIS[rule.part]
        assert not verdict(found)


def test_each_profile_asks_for_at_least_what_the_one_before_asks():
    profiles = [PROFILES[profile] for profile in Profile]
    for milder, harder in pairwise(profiles):
        for name, limit in milder.items():
            most = name.startswith("max")
            for end in ("bad", "good"):
                one, other = getattr(limit, end), getattr(harder[name], end)
                assert (other <= one) if most else (other >= one), name


def test_every_limit_has_a_rule_and_a_field_of_the_request():
    fields = {rule.field for rule in RULES} | {"min_holdout_rows"}
    assert fields == set(PROFILES[Profile.STRICT])
    assert fields == set(Gate.model_fields) - {"profile", "accept_unjudged"}
    assert set(Part) == set(TRY_THIS)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"asked": 100, "released": 99}, "99 synthetic rows are there, 100 were asked for"),
        ({"holdout": 49}, "there are only 49 holdout rows, needed are 50 each"),
        ({"train": 1, "holdout": 1}, "1 train rows and 1 holdout rows"),
    ],
)
def test_too_few_rows_fail(rows: dict[str, int], words: str):
    plenty = {"asked": 100, "released": 100, "synthetic": 100, "train": 9_000, "holdout": 9_000}
    item = finding(judge(evidence(rows=plenty | rows), Gate()), "rows")
    assert item.status is Status.FAILED
    assert words.lower() in item.reason.lower()


def test_a_sentence_says_figure_interval_and_both_limits():
    close = measure(Figure.CLOSENESS_EXCESS, 0.3, low=0.2, high=0.5)
    reason = finding(judge(evidence({Figure.CLOSENESS_EXCESS: close}), Gate()), "closeness").reason
    limit = PROFILES[Profile.DEVELOPMENT]["max_closeness_excess"]
    assert reason == (
        f"closeness_excess 0.300, interval 0.200 to 0.500; allowed is at most {limit.bad:.3f} at its upper end, "
        f"{limit.good:.3f} at its lower."
    )


def test_a_failed_check_fails_validity_and_names_the_column():
    checks = tuple(
        Check(expectation="e", column=f"c{i}", passed=False, detail="should be never missing; 3 of 9 rows are not")
        for i in range(5)
    )
    item = finding(judge(evidence(validity=checks), Gate()), "validity")
    assert item.status is Status.FAILED
    assert "5 of 5 checks fail" in item.reason
    assert "Column 'c0' should be never missing" in item.reason
    assert "2 more" in item.reason
    assert item.try_this


def test_a_failed_check_of_the_table_reads_well():
    checks = (Check(expectation="e", column=None, passed=False, detail="should be whole"),)
    assert "The table should be whole" in finding(judge(evidence(validity=checks), Gate()), "validity").reason


def test_no_check_at_all_is_not_judged_and_stops():
    found = judge(evidence(validity=()), Gate())
    assert finding(found, "validity").status is Status.NOT_JUDGED
    assert not verdict(found)


def test_a_figure_without_interval_is_judged_by_its_value():
    loss = measure(Figure.TSTR_LOSS, 0.08)
    assert finding(judge(evidence({Figure.TSTR_LOSS: loss}), Gate()), "usefulness").status is Status.FAILED


def test_usefulness_without_a_target_is_shown_and_does_not_stop():
    loss = measure(Figure.TSTR_LOSS, None, why_not="no target was named")
    found = judge(evidence({Figure.TSTR_LOSS: loss}, target=None), Gate())
    item = finding(found, "usefulness")
    assert item.status is Status.NOT_JUDGED
    assert "no target was named" in item.reason
    assert verdict(found)


def test_usefulness_that_cannot_be_judged_for_a_named_target_stops():
    loss = measure(Figure.TSTR_LOSS, None, why_not="the target has one value only")
    found = judge(evidence({Figure.TSTR_LOSS: loss}), Gate())
    assert finding(found, "usefulness").status is Status.NOT_JUDGED
    assert not verdict(found)


def test_pair_trends_are_judged_alone_where_there_is_no_association_to_keep():
    kept = measure(Figure.ASSOCIATIONS_KEPT, None, why_not="the real columns hardly depend on each other")
    item = finding(judge(evidence({Figure.ASSOCIATIONS_KEPT: kept}), Gate()), "pair trends")
    assert item.status is Status.PASSED
    assert "hardly depend" in item.reason


@pytest.mark.parametrize("fresh", [None, 0.0])
def test_a_share_of_fresh_needs_a_fresh_figure(fresh: float | None):
    trends = measure(Figure.PAIR_TRENDS, 0.9, fresh=fresh)
    found = judge(evidence({Figure.PAIR_TRENDS: trends}), Gate())
    assert finding(found, "pair trends").status is Status.NOT_JUDGED
    assert not verdict(found)


def test_detection_below_2000_rows_does_not_decide_but_copying_does():
    told = measure(Figure.C2ST_BOOSTED, 0.1, low=0.05, high=0.2, rows=300)
    found = judge(evidence({Figure.C2ST_BOOSTED: told}), Gate(profile="sharing"))
    assert finding(found, "detection").status is Status.PASSED
    assert "with 300 rows a side, fewer than 2,000" in finding(found, "detection").reason
    copying = measure(Figure.DETECTION_TRAIN, 0.1, low=0.05, high=0.2, rows=300)
    found = judge(evidence({Figure.C2ST_BOOSTED: told, Figure.DETECTION_TRAIN: copying}), Gate(profile="sharing"))
    assert finding(found, "detection").status is Status.FAILED


@pytest.mark.parametrize(
    "name", [Figure.PAIR_TRENDS, Figure.COPIED_EXCESS, Figure.CLOSENESS_EXCESS, Figure.SINGLING_OUT_RISK]
)
def test_what_must_be_judged_and_was_not_stops(name: Figure):
    found = judge(evidence({name: measure(name, None, why_not="too few rows")}), Gate(profile="sharing"))
    part = next(rule.part for rule in RULES if rule.figure is name)
    assert finding(found, part).status is Status.NOT_JUDGED
    assert "too few rows" in finding(found, part).reason
    assert not verdict(found)
    assert verdict(judge(evidence({name: None}), Gate(profile="sharing", accept_unjudged=[part])))
    assert not verdict(judge(evidence({name: None}), Gate(profile="sharing")))


def test_what_fails_is_failed_even_where_something_else_was_not_judged():
    figures = {
        Figure.SINGLING_OUT_RISK: measure(Figure.SINGLING_OUT_RISK, None, why_not="too few columns"),
        Figure.ATTRIBUTE_RISK: measure(Figure.ATTRIBUTE_RISK, 0.5, low=0.4, high=0.6),
    }
    found = finding(judge(evidence(figures), Gate(profile="sharing", accept_unjudged=[Part.ATTACKS])), "attacks")
    assert found.status is Status.FAILED
    assert "Not judged: too few columns." in found.reason


def test_nothing_measured_is_never_good():
    found = judge(evidence(fidelity=()), Gate(profile="strict"))
    assert not verdict(found)
    assert Status.PASSED not in {item.status for item in found if item.part not in ("rows", "validity")}
    assert not verdict([])


def test_basic_evidence_passes_development_and_never_sharing():
    kept = {rule.figure for rule in RULES if rule.part in (Part.USEFULNESS, Part.PAIR_TRENDS, Part.COPIES)}
    basic = evidence(dict.fromkeys(set(FRESH) - kept), level=Level.BASIC)
    found = judge(basic, Gate())
    assert verdict(found)
    assert "basic evidence" in finding(found, "closeness").reason
    assert not verdict(judge(basic, Gate(profile="sharing")))


def test_data_without_a_reference_is_judged_by_checks_of_every_kind():
    checks = [Check(expectation="e", column="c", passed=True, about=about, detail="holds") for about in About]
    rows = {"asked": 10, "released": 10, "synthetic": 10}
    rule_based = evidence(dict.fromkeys(FRESH), rows=rows, validity=tuple(checks))
    found = judge(rule_based, Gate(profile="strict"))
    assert [item.part for item in found] == ["rows", *About]
    assert verdict(found)
    without = rule_based.model_copy(update={"validity": tuple(checks[:-1])})
    assert finding(judge(without, Gate()), "parameters").status is Status.NOT_JUDGED
    assert not verdict(judge(without, Gate()))
    broken = checks[1].model_copy(update={"passed": False})
    assert finding(judge(rule_based.model_copy(update={"validity": (*checks, broken)}), Gate()), "keys").status is (
        Status.FAILED
    )


def test_the_request_replaces_limits_at_both_ends():
    gate = Gate(max_tstr_loss=0.2, min_detection=0.9, min_holdout_rows=7)
    found = limits(gate)
    assert found["max_tstr_loss"] == Limit(0.2, 0.2)
    assert found["max_closeness_excess"] == PROFILES[Profile.DEVELOPMENT]["max_closeness_excess"]
    told = measure(Figure.C2ST_BOOSTED, 0.85, low=0.8, high=0.88, rows=9_000)
    found = judge(evidence({Figure.C2ST_BOOSTED: told}), gate)
    assert finding(found, "detection").status is Status.FAILED
    assert "detection" not in [item.part for item in judge(evidence(), Gate())]


def test_a_gate_refuses_what_it_does_not_know():
    for wrong in ({"profile": "none"}, {"min_score": 0.1}, {"max_attack_risk": 2}, {"accept_unjudged": ["luck"]}):
        with pytest.raises(ValidationError):
            Gate.model_validate(wrong)
    assert Gate().profile is Profile.DEVELOPMENT


def test_evidence_survives_json():
    before = evidence()
    assert Evidence.model_validate_json(before.model_dump_json()) == before

import pytest
from pydantic import ValidationError

from synthcredit.evidence.gate import Gate, Profile, judge, thresholds, verdict
from synthcredit.evidence.model import Check, Evidence, Figure, Finding, Measure, Status


def measure(name: Figure, value: float | None, **more: object) -> Measure:
    return Measure(name=name, title=name, value=value, reading="A figure.", **more)


def evidence(replace: dict[Figure, Measure] | None = None, **more: object) -> Evidence:
    figures = {
        Figure.PAIR_TRENDS: measure(Figure.PAIR_TRENDS, 0.96, fresh=0.97),
        Figure.ASSOCIATIONS_KEPT: measure(Figure.ASSOCIATIONS_KEPT, 0.9, fresh=1.0),
        Figure.TSTR_LOSS: measure(Figure.TSTR_LOSS, 0.01, low=-0.01, high=0.03),
        Figure.COPIED: measure(Figure.COPIED, 0.001, fresh=0.001),
        Figure.COPIED_EXCESS: measure(Figure.COPIED_EXCESS, 0.0, low=-0.01, high=0.01),
        Figure.COPIED_DISTINCT: measure(Figure.COPIED_DISTINCT, 0.001, fresh=0.001),
        Figure.COPIED_DISTINCT_EXCESS: measure(Figure.COPIED_DISTINCT_EXCESS, 0.0, low=-0.01, high=0.01),
    } | (replace or {})
    chosen = list(figures.values())
    return Evidence(
        **{
            "table": "credit",
            "target": "default",
            "rows": {"released": 100},
            "validity": (Check(expectation="e", column="age", passed=True, detail="inside the schema's range"),),
            "columns": {},
            "fidelity": chosen[:2],
            "utility": chosen[2:3],
            "privacy": chosen[3:],
            **more,
        }
    )


def finding(found: list[Finding], part: str) -> Finding:
    return next(item for item in found if item.part == part)


def test_good_evidence_passes_every_part():
    found = judge(evidence(), Gate())
    assert [item.part for item in found] == ["validity", "usefulness", "pair trends", "copies"]
    assert {item.status for item in found} == {Status.PASSED}
    assert verdict(found)


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


@pytest.mark.parametrize(("low", "status"), [(0.049, Status.PASSED), (0.051, Status.FAILED)])
def test_the_lower_bound_of_the_loss_decides(low: float, status: Status):
    loss = measure(Figure.TSTR_LOSS, 0.08, low=low, high=0.12)
    assert finding(judge(evidence({Figure.TSTR_LOSS: loss}), Gate()), "usefulness").status is status


def test_a_loss_without_interval_is_judged_by_its_value():
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


@pytest.mark.parametrize(
    ("trends", "kept", "status"),
    [(0.96, 0.61, Status.PASSED), (0.96, 0.59, Status.FAILED), (0.92, 0.99, Status.FAILED)],
)
def test_pair_trends_need_both_figures(trends: float, kept: float, status: Status):
    figures = {
        Figure.PAIR_TRENDS: measure(Figure.PAIR_TRENDS, trends, fresh=0.97),
        Figure.ASSOCIATIONS_KEPT: measure(Figure.ASSOCIATIONS_KEPT, kept),
    }
    assert finding(judge(evidence(figures), Gate()), "pair trends").status is status


def test_pair_trends_are_judged_alone_where_there_is_no_association_to_keep():
    kept = measure(Figure.ASSOCIATIONS_KEPT, None, why_not="the real columns hardly depend on each other")
    item = finding(judge(evidence({Figure.ASSOCIATIONS_KEPT: kept}), Gate()), "pair trends")
    assert item.status is Status.PASSED
    assert "hardly depend" in item.reason


@pytest.mark.parametrize("name", [Figure.PAIR_TRENDS, Figure.COPIED, Figure.COPIED_DISTINCT])
def test_what_must_be_judged_and_was_not_stops(name: Figure):
    found = judge(evidence({name: measure(name, None, why_not="too few rows")}), Gate())
    part = "pair trends" if name is Figure.PAIR_TRENDS else "copies"
    assert finding(found, part).status is Status.NOT_JUDGED
    assert "too few rows" in finding(found, part).reason
    assert not verdict(found)


def test_evidence_that_lacks_a_part_stops():
    found = judge(evidence(fidelity=(), privacy=()), Gate())
    assert {item.status for item in found if item.part in ("pair trends", "copies")} == {Status.NOT_JUDGED}
    assert not verdict(found)
    assert not verdict([])


@pytest.mark.parametrize("name", [Figure.COPIED_EXCESS, Figure.COPIED_DISTINCT_EXCESS])
def test_copies_fail_by_either_figure(name: Figure):
    found = judge(evidence({name: measure(name, 0.03, low=0.002, high=0.05)}), Gate())
    item = finding(found, "copies")
    assert item.status is Status.FAILED
    assert "at least 0.20% more" in item.reason
    assert not verdict(found)


def test_the_request_replaces_thresholds():
    strict = Gate(max_tstr_loss=0, min_pair_trends=1, min_associations_kept=1)
    loose = Gate(max_copied_excess=0.01, max_tstr_loss=0.2)
    assert thresholds(strict).max_tstr_loss == 0
    assert thresholds(strict).max_copied_excess == thresholds(Gate()).max_copied_excess
    assert finding(judge(evidence(), strict), "pair trends").status is Status.FAILED
    copied = {Figure.COPIED_EXCESS: measure(Figure.COPIED_EXCESS, 0.03, low=0.002, high=0.05)}
    assert finding(judge(evidence(copied), loose), "copies").status is Status.PASSED


def test_a_gate_refuses_what_it_does_not_know():
    with pytest.raises(ValidationError):
        Gate.model_validate({"profile": "none"})
    with pytest.raises(ValidationError):
        Gate.model_validate({"min_score": 0.1})
    assert Gate().profile is Profile.DEVELOPMENT


def test_evidence_survives_json():
    before = evidence()
    assert Evidence.model_validate_json(before.model_dump_json()) == before

"""What documents and docstrings say of the figures, held against the code."""

import inspect
import re
from pathlib import Path

import pytest

from synthcredit.evidence import (
    attacks,
    challengers,
    coverage,
    credit_calibration,
    credit_curves,
    credit_panels,
    credit_scorecard,
    detection,
    fidelity,
    nearest,
    privacy,
    relations,
    utility,
)
from synthcredit.evidence.limits import PROFILES
from synthcredit.evidence.model import Figure
from synthcredit.evidence.scores import GRADES

DOCS = Path(__file__).parents[3] / "docs"
OVERVIEW = (DOCS / "evidence.md").read_text()
CHAPTERS = {path.stem: path.read_text() for path in sorted((DOCS / "evidence").glob("*.md"))}
MEASURES = {name: text for name, text in CHAPTERS.items() if name not in ("gate", "scores", "known")}

WHERE = {
    Figure.PAIR_TRENDS: (fidelity._pair_trends,),
    Figure.ASSOCIATIONS_KEPT: (fidelity._associations_kept,),
    Figure.SDMETRICS_QUALITY: (fidelity._report_scores,),
    Figure.SDMETRICS_SHAPES: (fidelity._shapes,),
    Figure.SDMETRICS_TRENDS: (fidelity._report_scores,),
    Figure.SDMETRICS_DIAGNOSTIC: (fidelity._report_scores,),
    Figure.TSTR: (utility.measure,),
    Figure.TRTR: (utility.measure,),
    Figure.TSTR_LOSS: (utility.measure,),
    Figure.COPIED: (privacy.measure,),
    Figure.COPIED_EXCESS: (privacy.measure, privacy.excess_interval),
    Figure.COPIED_DISTINCT: (privacy.measure,),
    Figure.COPIED_DISTINCT_EXCESS: (privacy.measure, privacy.excess_interval),
    Figure.C2ST_LOGISTIC: (detection.measure,),
    Figure.C2ST_BOOSTED: (detection.measure,),
    Figure.DETECTION_TRAIN: (detection.measure, detection.delong),
    Figure.ALPHA_PRECISION: (coverage._alpha,),
    Figure.BETA_RECALL: (coverage._beta, coverage._alpha),
    Figure.MISSING_PATTERNS: (coverage._missing_patterns,),
    Figure.TAILS: (coverage._tails,),
    Figure.TOP_DECILE: (coverage._top_decile,),
    Figure.DEFAULTERS_SHAPES: (coverage._within_rarer_class,),
    Figure.DEFAULTERS_TRENDS: (coverage._within_rarer_class,),
    Figure.SEGMENT_SHAPES: (coverage._worst_segment,),
    Figure.TRTS: (challengers._trts,),
    Figure.TSTR_LINEAR: (challengers._of_linear,),
    Figure.TSTR_LINEAR_LOSS: (challengers._of_linear,),
    Figure.KS_LOSS: (challengers._ks_loss, challengers.ks),
    Figure.IMPORTANCE_AGREEMENT: (challengers._importance_agreement,),
    Figure.RANK_AGREEMENT: (challengers._rank_agreement,),
    Figure.OUT_OF_TIME_LOSS: (challengers._out_of_time,),
    Figure.CLOSENESS_EXCESS: (nearest._excess,),
    Figure.MEMBERSHIP_NEAREST: (nearest._memberships,),
    Figure.MEMBERSHIP_NEAREST_TPR: (nearest.found_at,),
    Figure.MEMBERSHIP_DENSITY: (nearest._ratios,),
    Figure.MEMBERSHIP_DENSITY_TPR: (nearest.found_at,),
    Figure.ATTRIBUTE_RISK: (attacks._attribute_inference, attacks.residual_risk),
    Figure.SINGLING_OUT_RISK: (attacks._singling_out, attacks.residual_risk),
    Figure.LINKABILITY_RISK: (attacks._linkability, attacks.residual_risk),
    Figure.REPLICATED_UNIQUES: (attacks._replicated_uniques,),
    Figure.REPLICATED_UNIQUES_EXCESS: (attacks._replicated_uniques, privacy.excess_interval),
    Figure.DISCLOSIVE: (attacks._disclosure,),
    Figure.DISCLOSIVE_EXCESS: (attacks._disclosure, privacy.excess_interval),
    Figure.UNIQUE_VALUES_EXCESS: (attacks._unique_values, privacy.excess_interval),
    Figure.COPIED_SEGMENT_EXCESS: (attacks._copied_segments,),
    Figure.IV_GAP: (credit_curves._compare, credit_curves.curve),
    Figure.WOE_AGREEMENT: (credit_curves.concordance,),
    Figure.WOE_DIRECTION: (credit_curves.covariance,),
    Figure.PSI_WORST: (credit_curves.stability,),
    Figure.GINI_GAP: (credit_curves._compare, credit_curves.curve),
    Figure.SCORECARD_LOSS: (credit_scorecard.judge_ranking,),
    Figure.SCORECARD_SIGNS: (credit_scorecard._signs,),
    Figure.SWAP_SET: (credit_scorecard._decide,),
    Figure.BAD_RATE_GAP: (credit_scorecard._bad_rate_gap,),
    Figure.CALIBRATION_INTERCEPT: (credit_calibration.recalibrate,),
    Figure.CALIBRATION_SLOPE: (credit_calibration.recalibrate,),
    Figure.BRIER_LOSS: (credit_calibration.judge_probabilities,),
    Figure.GRADE_ORDER: (credit_calibration.pairs_in_order,),
    Figure.ADVERSE_IMPACT_GAP: (credit_scorecard._decide, credit_scorecard._impact_ratio),
    Figure.ROLL_RATE_GAP: (credit_panels._judge_rolls,),
    Figure.VINTAGE_GAP: (credit_panels._judge_vintages,),
    Figure.CHILDREN_PER_PARENT: (relations._children,),
    Figure.PARENT_CHILD_KEPT: (relations._association,),
}
"""The functions whose docstrings together give a figure's formula and source."""

SOURCE = re.compile(r"\b(1[89]|20)\d\d\b|SDMetrics|Kendall")
FORMULA = re.compile(r"``[^`]*[-+/|>=(][^`]*``")


@pytest.fixture(scope="module")
def generated(tables):
    return tables.script("docs/evidence/tables.py")


def row(figure: Figure) -> list[str]:
    found = re.findall(rf"^\| `{figure.value}` \|.*\|$", OVERVIEW, re.MULTILINE)
    assert len(found) == 1, f"docs/evidence.md has {len(found)} rows for {figure.value}"
    return [cell.strip() for cell in found[0].strip("|").split("|")]


@pytest.mark.parametrize("figure", Figure)
def test_every_figure_has_question_reading_source_and_limit(figure):
    _, question, reading, source, limit = row(figure)
    assert question.endswith("?") or question.startswith("The same")
    assert len(reading) > 5
    assert len(source) > 5
    assert limit


@pytest.mark.parametrize("figure", Figure)
def test_every_figure_has_its_place_in_a_chapter(figure):
    assert [name for name, text in MEASURES.items() if f"`{figure.value}`" in text]


@pytest.mark.parametrize("figure", Figure)
def test_every_figure_has_a_docstring_with_formula_and_source(figure):
    told = " ".join(inspect.getdoc(function) or "" for function in WHERE[figure])
    assert FORMULA.search(told), f"no formula for {figure.value}"
    assert SOURCE.search(told), f"no source for {figure.value}"


def test_limits_anchors_and_grades_are_those_of_the_code(generated):
    for path, text in generated.documents().items():
        assert path.read_text() == text, f"{path.name} is stale: python docs/evidence/tables.py"


def test_the_generated_tables_hold_every_limit_and_grade(generated):
    gate, scores = CHAPTERS["gate"], CHAPTERS["scores"]
    for limits in PROFILES.values():
        for field in limits:
            assert f"`{field}`" in gate
    for _, grade in GRADES:
        assert grade.value in scores
    # Numbers are written as they are read.
    assert generated._number(0.05) == ".05"
    assert generated._number(1000) == "1,000"


@pytest.mark.parametrize("name", ["../evidence", *CHAPTERS])
def test_links_lead_somewhere(name):
    path = (DOCS / "evidence" / f"{name}.md").resolve()
    for link in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        if not link.startswith("http"):
            assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_every_chapter_is_reached_from_the_overview():
    linked = set(re.findall(r"\(evidence/(\w+)\.md\)", OVERVIEW))
    assert linked | {"known"} >= set(CHAPTERS)
    assert "(known.md)" in CHAPTERS["gate"]

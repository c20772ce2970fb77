import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synthcredit import api, cli
from synthcredit.evidence.audit import (
    Audit,
    CanaryResult,
    Estimate,
    Release,
    ShadowResult,
    WhiteboxResult,
    judge,
)
from synthcredit.evidence.model import Status

ROOT = Path(__file__).parents[3]
NOTHING = Estimate(value=0.5, low=0.4, high=0.6)


def shadow(low):
    auc = Estimate(value=low + 0.05, low=low, high=low + 0.1)
    return ShadowResult(records="outlying", attacked=20, auc=auc, found_at_1=NOTHING, found_at_10=NOTHING)


def canaries(repeats, p):
    return CanaryResult(
        repeats=repeats,
        models=3,
        canaries=60,
        decoys=3980,
        exposure=NOTHING,
        by_chance=1.44,
        nearest=NOTHING,
        exact=NOTHING,
        p_value=p,
    )


def whitebox(**more):
    measured = {"values": 100, "control_values": 50, "place": "header", "values_share": 0.1, "values_excess": NOTHING}
    auc = {"values_p": 0.5, "likelihood_auc": None, "sampling_auc": NOTHING, "sampled": 10_000}
    return WhiteboxResult(**(measured | auc | more))


def judged(*shadows, made=(), file=None, customers=False, release=Release.ROWS):
    return {
        finding.part: finding
        for finding in judge(shadows, made, file or whitebox(), customers=customers, release=release)
    }


def test_a_lower_bound_at_the_limit_is_no_leak_and_above_it_is_one():
    assert judged(shadow(0.49))["outlying records"].status is Status.PASSED
    for undecided in (shadow(0.51), shadow(0.6)):
        found = judged(undecided)["outlying records"]
        assert (found.status, found.counts) == (Status.NOT_JUDGED, True)
        assert "Undecided" in found.reason
    found = judged(shadow(0.601))["outlying records"]
    assert found.status is Status.FAILED
    assert found.try_this


def test_canaries_are_found_by_their_p_value_and_the_control_is_not_judged():
    assert set(judged(made=(canaries(0, 0.001),))) == {"model file, values", "model file, sampling"}
    assert judged(made=(canaries(1, 0.01),))["canaries"].status is Status.FAILED
    assert judged(made=(canaries(1, 0.015),))["canaries"].status is Status.PASSED


@pytest.mark.parametrize("customers", [True, False])
def test_repeated_canaries_count_where_one_person_has_several_rows(customers):
    found = judged(made=(canaries(8, 0.005),), customers=customers)["canaries, 8 times"]
    assert (found.status, found.counts) == (Status.FAILED, customers)
    assert (found.why_not is None) == customers


@pytest.mark.parametrize("release", list(Release))
def test_what_the_file_gives_away_counts_where_it_is_handed_out(release):
    file = whitebox(values_p=0.001, likelihood_auc=Estimate(value=0.8, low=0.7, high=0.9))
    found = judged(file=file, release=release)
    assert found["model file, values"].status is Status.FAILED
    assert found["model file, likelihood"].status is Status.FAILED
    assert found["model file, sampling"].status is Status.PASSED
    assert {each.counts for each in found.values()} == {release is Release.MODEL}


def test_values_that_could_not_be_looked_for_are_not_good():
    found = judged(file=whitebox(values_share=None, values_excess=None, values_p=None, place=None))
    assert found["model file, values"].status is Status.NOT_JUDGED


def test_the_schema_that_is_checked_in_is_that_of_the_audit():
    checked_in = json.loads((ROOT / "docs" / "evidence" / "audit.schema.json").read_text(encoding="utf-8"))
    assert checked_in == Audit.model_json_schema()


def run(*options):
    return CliRunner().invoke(cli.app, ["audit", *map(str, options)])


def test_the_command_shows_findings_and_ends_with_the_verdict(german_credit, tmp_path):
    common = ["--data", german_credit, "--target", "creditability", "--out", tmp_path, "--shadows", 6, "--canaries", 5]
    leaky = [f"--set={name}={value}" for name, value in (("trees", 1), ("leaf_rows", 2), ("few_values_leaf_rows", 2))]
    shown = run(*common, *leaky)
    assert shown.exit_code == 3
    assert "A leak was found." in shown.output
    assert "outlying records" in shown.output
    as_json = run(*common, *leaky, "--json")
    assert as_json.exit_code == 3
    content = json.loads(as_json.stdout)
    assert content.pop("leaks")
    assert content == json.loads((tmp_path / "audit.json").read_text())
    safe = run(*common, "--set=trees=1", "--set=leaf_rows=200", "--set=few_values_leaf_rows=200")
    assert safe.exit_code == 0, safe.output
    assert "No leak was found" in safe.output
    assert "undecided" in safe.output


def test_bad_input_is_said_and_ends_with_2(german_credit, tmp_path):
    wrong = run("--data", german_credit, "--target", "nothing", "--out", tmp_path)
    assert wrong.exit_code == 2
    assert run("--data", german_credit, "--out", tmp_path, "--shadows", 5).exit_code == 2
    assert run("--data", tmp_path / "nowhere.csv", "--out", tmp_path).exit_code == 2


def test_what_cannot_be_released_is_refused(german_credit, tmp_path):
    with pytest.raises(api.InvalidInputError, match="nonsense"):
        api.audit(german_credit, release="nonsense", out=tmp_path)

"""Agreement with reference implementations that cannot live beside this project: see `benchmarks/references.py`.

The constants are what that script printed; the tables are made by the same functions, from the same seeds.
"""

import numpy as np
import pandas as pd
import pytest
from sdmetrics.single_table import DCROverfittingProtection, NewRowSynthesis

from synthcredit.evidence import attacks, coverage, nearest, privacy
from synthcredit.evidence.credit_bins import BinnedRows, Columns
from synthcredit.evidence.credit_curves import curve, stability
from synthcredit.evidence.credit_scorecard import fit
from synthcredit.evidence.model import Figure
from synthcredit.evidence.sides import Sides
from synthcredit.synthesizers.codec import encode

# optbinning 1.0.0, numpy 2.4.6: `python benchmarks/references.py optbinning`.
COLUMNS = {
    "age.in.years": {
        "good": [110, 153, 235, 202],
        "bad": [80, 68, 80, 72],
        "woe": [-0.5288441292686691, -0.0363676441708749, 0.23026101908307361, 0.18430371799794565],
        "iv": 0.08306629842168328,
        "gini": 0.14390476190476187,
        "ks": 0.11761904761904757,
        "points": [154.89115660814767, 169.4323979716991, 177.30508197618883, 175.94811118120043],
    },
    "credit.amount": {
        "good": [218, 236, 165, 81],
        "bad": [88, 78, 66, 68],
        "woe": [0.05986038792367898, 0.2598251179488147, 0.06899287148695143, -0.6723564108908718],
        "iv": 0.0968105582597382,
        "gini": 0.14239047619047618,
        "ks": 0.11095238095238102,
        "points": [171.53983140490473, 174.99263890845768, 171.69752275262078, 158.89658348385086],
    },
    "duration.in.month": {
        "good": [283, 289, 128],
        "bad": [76, 122, 102],
        "woe": [0.467415696969703, 0.015107782991971908, -0.6202404097518576],
        "iv": 0.16811738682685928,
        "gini": 0.2169619047619048,
        "ks": 0.15714285714285714,
        "points": [181.426330679197, 170.85917641923479, 156.01569888096026],
    },
}
STABILITY = {"counts": [[104, 117, 143, 136], [86, 104, 172, 138]], "psi": 0.02067201492881938}

# anonymeter 1.1.0, numpy 1.26.4: `python benchmarks/references.py anonymeter`. Successes of 500 attacks on training and
# on control people, by hidden column.
GUESSED = {
    "status.of.existing.checking.account": (324, 164),
    "duration.in.month": (282, 51),
    "credit.history": (346, 202),
    "purpose": (291, 99),
    "credit.amount": (268, 25),
    "savings.account.and.bonds": (342, 205),
    "present.employment.since": (325, 117),
    "installment.rate.in.percentage.of.disposable.income": (332, 158),
    "personal.status.and.sex": (366, 194),
    "other.debtors.or.guarantors": (462, 416),
    "present.residence.since": (331, 156),
    "property": (339, 154),
    "age.in.years": (278, 53),
    "other.installment.plans": (431, 360),
    "housing": (403, 290),
    "number.of.existing.credits.at.this.bank": (397, 279),
    "job": (401, 257),
    "number.of.people.being.liable.to.provide.maintenance.for": (452, 371),
    "telephone": (394, 288),
    "foreign.worker": (483, 472),
    "creditability": (405, 319),
}
# Rates as the package tells them (the middle of Wilson's interval).
LINKED = (0.3575419360063718, 0.03503270779857461)
SINGLED_OUT = {
    ("made", "singling out by one column"): (194, 18),
    ("made", "singling out by several columns"): (61, 51),
    ("copy", "singling out by one column"): (200, 15),
    ("copy", "singling out by several columns"): (200, 37),
}
"""Of 200 descriptions; of one column they vary by two from run to run."""
FORMULA = (0.3313409088672454, 0.2700887650721137, 0.39259305266237704)


@pytest.fixture(scope="module")
def references(tables):
    return tables.script("benchmarks/references.py")


@pytest.fixture(scope="module")
def people(references):
    train, control, made = references.people()
    # The reference figures belong to these rows: a numpy that draws others must say so, and not look like a fault.
    total = made["credit.amount"].sum(), train["credit.amount"].sum(), control["age.in.years"].sum()
    assert total == (1_616_063, 1_624_890, 17_914)
    return train, control, made


@pytest.fixture(scope="module")
def sides(people, tables):
    train, control, made = people
    schema = tables.schema_of(pd.concat(people), "creditability")
    return Sides(*(encode(tables.table_of(side, schema), schema) for side in (made, train, control))), schema


# --- optbinning ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COLUMNS)
def test_weights_of_evidence_iv_gini_and_ks_are_optbinnings(references, name):
    frame, theirs = references.cards_rows(), COLUMNS[name]
    states = np.searchsorted(references.CARD_CUTS[name], frame[name])
    counts = np.stack(
        [
            np.bincount(states[flag], minlength=len(theirs["woe"]))
            for flag in (~references.bad(frame), references.bad(frame))
        ],
        axis=1,
    ).astype(float)
    assert counts.T.tolist() == [theirs["good"], theirs["bad"]]
    # One row of average odds is added to every bin here. Of a million times the rows it does not show: equal.
    many = curve(1e6 * counts[None])
    assert many.woe[0].tolist() == pytest.approx(theirs["woe"], abs=1e-6)
    assert many.iv[0] == pytest.approx(theirs["iv"], abs=1e-6)
    # Of these 1,000 rows it draws a weight towards 0 by at most one row's share of the bin's rarer class.
    ours = curve(counts[None])
    assert np.abs(ours.woe[0] - theirs["woe"]).max() < 1 / counts.min()
    assert 0.95 * theirs["iv"] < ours.iv[0] < theirs["iv"]
    # No row is added for these two.
    assert ours.gini[0] == pytest.approx(theirs["gini"], abs=1e-9)
    assert ours.ks[0] == pytest.approx(theirs["ks"], abs=1e-9)


def test_the_stability_index_is_optbinnings(references, people):
    train, control, _ = people
    cuts = references.CARD_CUTS["age.in.years"]
    counts = [
        np.bincount(np.searchsorted(cuts, side["age.in.years"]), minlength=len(cuts) + 1).astype(float)
        for side in (train, control)
    ]
    assert [side.tolist() for side in counts] == STABILITY["counts"]
    # Half a row is added to every bin here; of a million times the rows it does not show.
    assert stability(*(1e6 * side[None] for side in counts))[0] == pytest.approx(STABILITY["psi"], abs=1e-8)
    assert stability(*(side[None] for side in counts))[0] == pytest.approx(STABILITY["psi"], rel=0.01)


def test_the_points_of_a_scorecard_are_optbinnings(references):
    frame = references.cards_rows()
    states = {name: np.searchsorted(cuts, frame[name]) for name, cuts in references.CARD_CUTS.items()}
    sizes = {name: len(cuts) + 1 for name, cuts in references.CARD_CUTS.items()}
    shares = {name: np.bincount(states[name], minlength=size) / len(frame) for name, size in sizes.items()}
    card = fit(BinnedRows(states, references.bad(frame)), list(sizes), Columns(sizes, {}, shares))
    for name in sizes:
        # The row added to a bin moves weights by some thousandths; 20 points double the odds.
        assert card.points(name).tolist() == pytest.approx(COLUMNS[name]["points"], abs=0.2)


# --- anonymeter ------------------------------------------------------------------------------------------------------


def test_the_risk_is_anonymeters():
    assert attacks.residual_risk(0.4, 500, 0.1, 500) == pytest.approx(FORMULA, abs=1e-5)


def test_attribute_inference_succeeds_as_often_as_anonymeters(sides):
    _, details = attacks._attribute_inference(*sides, np.random.default_rng(0))
    table = {row[0]: row[1:3] for row in details[0].rows}
    assert table.keys() == GUESSED.keys()
    # Both attack all 500 people a side by Gower's distance. Numbers are divided by another range (train's, outermost
    # per cent off, against that of both tables), and equally near rows are taken in another order.
    apart = np.array([np.array(table[name]) - np.array(GUESSED[name]) / 500 for name in GUESSED])
    assert np.abs(apart).max() < 0.03
    assert np.abs(apart.mean(axis=0)).max() < 0.006


def test_links_are_found_as_often_as_by_anonymeter(references, people, sides):
    (side, _), train = sides, people[0]
    one, other = references.halves(train)
    source = attacks._coordinates(side.train, side.synthetic)
    for which, theirs in ((side.train, LINKED[0]), (side.holdout, LINKED[1])):
        linked = attacks._linked(attacks._coordinates(side.train, which), source, (one, other))
        rate, _ = privacy.wilson(linked.mean(), len(linked))
        assert rate == pytest.approx(theirs, abs=0.015)


@pytest.mark.parametrize("release", ["made", "copy"])
def test_people_are_singled_out_as_often_as_by_anonymeter(sides, release):
    side, schema = sides
    released = Sides(side.synthetic if release == "made" else side.train, side.train, side.holdout)
    _, details = attacks._singling_out(released, schema, np.random.default_rng(0))
    # Both take a sample of the descriptions that fit one synthetic row, theirs 200: 3 standard errors of a share.
    for name, train, control, *_ in details[0].rows:
        for ours, theirs in zip((train, control), SINGLED_OUT[release, name], strict=True):
            share = theirs / 200
            assert ours == pytest.approx(share, abs=0.02 + 3 * (share * (1 - share) / 200) ** 0.5)


# --- SDMetrics -------------------------------------------------------------------------------------------------------


def metadata(frame):
    return {
        "columns": {
            name: {"sdtype": "numerical" if frame[name].dtype.kind in "if" else "categorical"} for name in frame
        }
    }


def test_copied_rows_are_those_that_sdmetrics_does_not_call_new(people, tables):
    train, control, made = people
    # SDMetrics looks for one row after the other.
    mixed = pd.concat([made[:45], train[:15]], ignore_index=True)
    schema = tables.schema_of(pd.concat([train, control, mixed]), "creditability")
    encoded = Sides(*(encode(tables.table_of(side, schema), schema) for side in (mixed, train, control)))
    found = {measure.name: measure for measure in privacy.measure(encoded, np.random.default_rng(0))}
    new = NewRowSynthesis.compute(train, mixed, metadata(train), numerical_match_tolerance=1e-9)
    assert found[Figure.COPIED].value == pytest.approx(1 - new, abs=1e-9)
    assert found[Figure.COPIED].value >= 0.25


def closeness(tables, released, train, control):
    """Return our excess, and the same from SDMetrics' score, ``2 (1 - share nearer to train)`` of equal halves."""
    schema = tables.schema_of(pd.concat([train, control, released]))
    encoded = Sides(*(encode(tables.table_of(side, schema), schema) for side in (released, train, control)))
    measures, _ = nearest.measure(encoded, schema, np.random.default_rng(0))
    ours = {measure.name: measure for measure in measures}[Figure.CLOSENESS_EXCESS].value
    names = {"tables": {"people": metadata(train)}}
    return ours, 1 - DCROverfittingProtection.compute_breakdown(train, released, control, names, "people")["score"]


@pytest.mark.parametrize("noise", [0.0, 0.002, 0.02])
def test_excess_closeness_is_what_sdmetrics_takes_off_its_score(tables, noise):
    # One evenly spread number: every distance has the same neighbours, but for the ends.
    rng = np.random.default_rng(1)
    train, control = (pd.DataFrame({"x": rng.uniform(size=300)}) for _ in range(2))
    ours, theirs = closeness(tables, train + noise * rng.normal(size=train.shape), train, control)
    assert ours == pytest.approx(theirs, abs=0.03)
    assert ours > 0.9 or noise > 0


def test_closeness_of_a_credit_table_differs_from_sdmetrics_by_the_distance_alone(people, tables):
    # Theirs adds differences up, ours their squares, of other scales of numbers: rows with a third of their cells from
    # other people are .5 nearer to train than chance here, and .8 there. Of copies both say 1.
    train, control, made = (side[:150] for side in people)
    ours, theirs = closeness(tables, made, train, control)
    assert 0.4 < ours < theirs < 0.9
    assert closeness(tables, train, train, control) == (1, 1)


# --- synthcity -------------------------------------------------------------------------------------------------------


def test_alpha_precision_and_beta_recall_are_synthcitys(references):
    # synthcity 0.2.12: `python benchmarks/references.py synthcity WHEEL`. Points are 32-bit numbers here.
    real, made = (side.astype(np.float32) for side in references.points())
    every = np.arange(len(real))
    own, _ = coverage._nearest(real, real, 2)
    assert coverage._alpha(real, made)(every, every) == pytest.approx(0.7005, abs=1e-3)
    assert coverage._beta(real, own, made)(every, every) == pytest.approx(0.552, abs=1e-3)

import numpy as np
import pandas as pd
import pytest
from sdmetrics.column_pairs import ContingencySimilarity

from synthcredit.evidence import fidelity
from synthcredit.evidence.fidelity import associations, jackknife_error, measure, sdmetrics_metadata
from synthcredit.evidence.model import Figure
from synthcredit.evidence.sides import Sides, fit_bins
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Features


def sides_of(tables, synthetic, train, holdout, schema) -> Sides:
    return Sides(*(encode(tables.table_of(frame, schema), schema) for frame in (synthetic, train, holdout)))


def measured(tables, synthetic, train, holdout, schema):
    return measure(sides_of(tables, synthetic, train, holdout, schema), schema, np.random.default_rng(0))


def figures(found) -> dict:
    return {m.name: m for m in found.measures}


@pytest.fixture(scope="module")
def german(tables):
    frame = tables.german()
    return tables.schema_of(frame, "creditability"), *tables.three_ways(frame)


def test_fresh_rows_come_near_fresh(tables, german):
    schema, train, holdout, fresh = german
    found = measured(tables, fresh, train, holdout, schema)
    by_name = figures(found)
    assert set(by_name) == {
        Figure.PAIR_TRENDS, Figure.ASSOCIATIONS_KEPT, Figure.SDMETRICS_SHAPES,
        Figure.SDMETRICS_TRENDS, Figure.SDMETRICS_QUALITY, Figure.SDMETRICS_DIAGNOSTIC,
    }  # fmt: skip
    for name in (Figure.PAIR_TRENDS, Figure.SDMETRICS_SHAPES, Figure.SDMETRICS_DIAGNOSTIC):
        assert by_name[name].value == pytest.approx(by_name[name].fresh, abs=0.02)
        assert by_name[name].rows == 300
    # Fresh rows on six cuts: .954 to 1.043.
    assert by_name[Figure.ASSOCIATIONS_KEPT].value == pytest.approx(1, abs=0.12)
    assert set(found.columns) == set(found.columns_fresh) == set(schema.names)
    assert found.notes == ()


def test_associations_kept_tells_what_few_rows_hide_from_distances(tables, german):
    schema, train, holdout, _ = german
    none = figures(measured(tables, tables.independent(train, 1), train, holdout, schema))
    assert none[Figure.ASSOCIATIONS_KEPT].value == pytest.approx(0, abs=0.12)
    # This is why: by distance, independent columns look as good as real rows here.
    assert none[Figure.PAIR_TRENDS].value / none[Figure.PAIR_TRENDS].fresh > 0.95
    half = pd.concat([train[:200], tables.independent(train, 2)[:200]])
    kept = figures(measured(tables, half, train, holdout, schema))[Figure.ASSOCIATIONS_KEPT].value
    assert kept == pytest.approx(0.5, abs=0.12)


def test_a_copy_keeps_exactly_all_associations(tables, german):
    schema, train, holdout, _ = german
    assert figures(measured(tables, train, train, holdout, schema))[Figure.ASSOCIATIONS_KEPT].value == pytest.approx(
        1, abs=1e-9
    )


def test_pair_trends_of_categories_equal_sdmetrics_contingency_similarity(tables):
    # Where all are categories and all rows are drawn, it is the mean of the reference's scores over the pairs.
    rng = np.random.default_rng(3)
    sides = [
        pd.DataFrame({name: rng.choice(list("abcd"), 400, p=p) for name in ("x", "y", "z")})
        for p in ([0.4, 0.3, 0.2, 0.1], [0.25] * 4, [0.3, 0.3, 0.2, 0.2])
    ]
    schema = tables.schema_of(sides[0])
    ours = figures(measured(tables, sides[1], sides[0], sides[2], schema))[Figure.PAIR_TRENDS].value
    theirs = np.mean([ContingencySimilarity.compute(sides[2][[a, b]], sides[1][[a, b]]) for a, b in ("xy", "xz", "yz")])
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_sdmetrics_shapes_equal_its_report(tables, german):
    from sdmetrics.reports import QualityReport

    schema, train, holdout, fresh = german
    found = measured(tables, fresh, train, holdout, schema)
    report = QualityReport()
    names = {"credit": holdout}, {"credit": fresh}
    report.generate(*names, sdmetrics_metadata(schema), verbose=False)
    by_name = figures(found)
    assert by_name[Figure.SDMETRICS_SHAPES].value == pytest.approx(
        report.get_properties().set_index("Property")["Score"]["Column Shapes"], abs=1e-9
    )
    assert by_name[Figure.SDMETRICS_QUALITY].value == pytest.approx(report.get_score(), abs=1e-6)


def test_independent_real_columns_have_nothing_to_keep(tables):
    rng = np.random.default_rng(0)
    sides = [pd.DataFrame(rng.random((300, 4)), columns=list("abcd")) for _ in range(3)]
    found = figures(measured(tables, *sides, tables.schema_of(pd.concat(sides))))
    assert found[Figure.ASSOCIATIONS_KEPT].value is None
    assert "hardly depend" in found[Figure.ASSOCIATIONS_KEPT].why_not
    assert found[Figure.PAIR_TRENDS].value == pytest.approx(found[Figure.PAIR_TRENDS].fresh, abs=0.03)


def test_missing_all_and_constant_columns_are_no_crash(tables):
    rng = np.random.default_rng(0)

    def side() -> pd.DataFrame:
        return pd.DataFrame({
            "empty": pd.Series([None] * 200, dtype=object), "nothing": [np.nan] * 200,
            "same": ["x"] * 200, "one": [1.5] * 200, "a": rng.random(200),
        })  # fmt: skip

    frames = [side() for _ in range(3)]
    found = measured(tables, *frames, tables.schema_of(frames[0]))
    assert any("empty, nothing" in note for note in found.notes)
    assert set(found.columns) == {"same", "one", "a"}
    assert figures(found)[Figure.PAIR_TRENDS].value is not None


def test_a_single_column_has_no_pairs(tables):
    frames = [pd.DataFrame({"a": np.random.default_rng(i).random(100)}) for i in range(3)]
    found = figures(measured(tables, *frames, tables.schema_of(frames[0])))
    assert "only one column" in found[Figure.PAIR_TRENDS].why_not
    assert found[Figure.SDMETRICS_SHAPES].value is not None
    assert found[Figure.SDMETRICS_TRENDS].value is None


def test_thirty_rows_are_not_measured(tables, german):
    schema, train, holdout, fresh = german
    found = measured(tables, fresh[:30], train, holdout, schema)
    assert all(m.value is None and "30 synthetic rows" in m.why_not for m in found.measures)
    assert found.columns == {}


def test_wide_tables_draw_pairs_and_leave_reports_out(tables, monkeypatch):
    monkeypatch.setattr(fidelity, "MAX_PAIRS", 10)
    monkeypatch.setattr(fidelity, "MAX_REPORT_COLUMNS", 5)
    frames = [pd.DataFrame(np.random.default_rng(i).random((100, 7)), columns=list("abcdefg")) for i in range(3)]
    found = measured(tables, *frames, tables.schema_of(frames[0]))
    assert "10 drawn pairs of columns, of 21" in found.notes[0]
    assert "above 5 columns" in figures(found)[Figure.SDMETRICS_QUALITY].why_not
    assert len(found.columns) == 7


def test_associations_are_cramers_v(tables):
    rng = np.random.default_rng(0)
    x = rng.choice(list("ab"), 2000)
    frame = pd.DataFrame({"x": x, "same": x, "other": rng.choice(list("cd"), 2000), "one": ["k"] * 2000})
    schema = tables.schema_of(frame)
    side = encode(tables.table_of(frame, schema), schema)
    matrix = associations(side, fit_bins(side))
    assert matrix[0, 1] == pytest.approx(1, abs=0.01)
    assert matrix[0, 2] == pytest.approx(0, abs=0.05)
    assert matrix[0, 3] == 0
    assert (matrix == matrix.T).all()


def test_what_two_people_share_does_not_outweigh_what_half_of_them_share():
    """Forgetting a rare pair of categories is what privacy asks for, and hardly costs a model anything."""
    rng = np.random.default_rng(4)

    def side(rows: int, *, with_rare: bool) -> Features:
        half = rng.integers(0, 2, rows)
        linked = np.where(rng.random(rows) < 0.8, half, rng.integers(0, 2, rows))
        one, other = half.copy(), linked.copy()
        if with_rare:
            one[:3] = other[:3] = 2
        return {"one": Discrete(one.astype(np.int32), 3), "other": Discrete(other.astype(np.int32), 3)}

    sides = Sides(side(1000, with_rare=False), side(1000, with_rare=True), side(1000, with_rare=True))
    bins = fit_bins(sides.train)
    kept = fidelity._associations_kept(sides, bins, [("one", "other")], None)
    assert kept.value == pytest.approx(1.0, abs=0.15)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=2_000)
    groups = np.arange(2_000) % 20
    left_out = np.array([values[groups != group].mean() for group in range(20)])
    assert jackknife_error(left_out) == pytest.approx(values.std(ddof=1) / np.sqrt(2_000), rel=0.4)


def test_intervals_cover_what_other_real_rows_give(tables):
    """Of many cuts the fresh figure lies in the interval nearly always; intervals are not trivially wide."""
    inside, widths = [], []
    for cut in range(12):
        frame = tables.applicants(3_000, cut)
        schema = tables.schema_of(frame, "default")
        train, holdout, fresh = tables.three_ways(frame, cut)
        kept = figures(measured(tables, fresh, train, holdout, schema))[Figure.ASSOCIATIONS_KEPT]
        inside.append(kept.low <= 1.0 <= kept.high)
        widths.append(kept.high - kept.low)
    assert sum(inside) >= 9
    assert 0.005 < np.mean(widths) < 0.3


def test_pair_trends_have_an_interval_around_them(tables, german):
    schema, train, holdout, fresh = german
    trends = figures(measured(tables, fresh, train, holdout, schema))[Figure.PAIR_TRENDS]
    assert trends.low < trends.value < trends.high
    assert trends.high - trends.low < 0.06

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from synthcredit.datasets.schema import Column, Dtype, Kind
from synthcredit.evidence.aggregates import MIN_CELL, MISSING, OTHER, Bars, Histogram, aggregate, aggregate_pair
from synthcredit.synthesizers.features import Discrete, Numeric


def column(kind: Kind = Kind.CONTINUOUS, dtype: Dtype = Dtype.DOUBLE, **more: object) -> Column:
    return Column(name="a", storage_name="a", kind=kind, dtype=dtype, nullable=True, **more)


def categorical(*names: str) -> Column:
    return column(Kind.CATEGORICAL, Dtype.STRING, categories=names)


def codes(*counts: int) -> Discrete:
    return Discrete(np.repeat(np.arange(len(counts), dtype=np.int32), counts), len(counts))


NUMBERS = arrays.arrays(
    np.float64,
    st.integers(0, 400),
    elements=st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, -1.0, 1e9]), st.just(np.nan), st.just(np.inf)),
)


def real_counts(shown: Bars | Histogram, rows: int) -> np.ndarray:
    return np.rint(shown.real * rows)


@given(NUMBERS, NUMBERS, st.sampled_from([Kind.CONTINUOUS, Kind.INTEGER]))
def test_numbers_are_shown_of_many_real_rows_or_of_none(real: np.ndarray, synthetic: np.ndarray, kind: Kind):
    if kind is Kind.INTEGER:
        real, synthetic = np.round(real), np.round(synthetic)
    shown = aggregate(column(kind), Numeric(real), Numeric(synthetic))
    if shown is None:
        return
    counts = real_counts(shown, len(real))
    assert ((counts == 0) | (counts >= MIN_CELL)).all()
    assert np.allclose(counts, shown.real * len(real), atol=1e-6)
    assert shown.synthetic.sum() <= 1 + 1e-9
    if isinstance(shown, Bars):
        for label in set(shown.labels) - {OTHER, MISSING}:
            # Labels are rounded to ten digits.
            assert np.isclose(real, float(label.replace(",", "")), rtol=1e-9, atol=0).sum() >= MIN_CELL
    else:
        assert (np.diff(shown.edges) > 0).all()
        given_values = real[np.isfinite(real)]
        # Edges are round numbers, and axes do not end where the data does but at a step.
        assert np.allclose(shown.edges / shown.step, np.rint(shown.edges / shown.step), atol=1e-6)
        assert shown.edges[0] <= np.percentile(given_values, 1)
        for share in (shown.beyond[0], shown.missing[0]):
            assert share is None or share == 0 or share * len(real) >= MIN_CELL - 1e-9


@given(st.lists(st.integers(0, 40), min_size=1, max_size=20), st.lists(st.integers(0, 40), min_size=1, max_size=20))
def test_categories_of_few_real_rows_never_appear_by_name(real: list[int], synthetic: list[int]):
    size = max(len(real), len(synthetic)) - 1
    names = [f"c{i}" for i in range(size)]
    real, synthetic = ([*side, *[0] * (size + 1 - len(side))] for side in (real, synthetic))
    shown = aggregate(categorical(*names), codes(*real), codes(*synthetic))
    if shown is None:
        return
    assert isinstance(shown, Bars)
    counts = dict(zip([*names, MISSING], real, strict=True))
    for label, share in zip(shown.labels, real_counts(shown, sum(real)), strict=True):
        if label == OTHER:
            assert share == 0 or share >= MIN_CELL
        else:
            assert counts[label] == share >= MIN_CELL
    assert shown.real.sum() == pytest.approx(1)
    if sum(synthetic):
        assert shown.synthetic.sum() == pytest.approx(1)


def test_a_rare_real_category_is_merged_and_takes_the_smallest_shown_with_it():
    shown = aggregate(categorical("car", "boat", "moon"), codes(80, 12, 3), codes(50, 30, 20))
    assert shown.labels == ("car", OTHER)
    assert shown.merged == 2
    assert shown.real.tolist() == pytest.approx([80 / 95, 15 / 95])
    assert shown.synthetic.tolist() == pytest.approx([0.5, 0.5])


def test_an_invented_category_is_not_named_either():
    shown = aggregate(categorical("car", "boat"), codes(80, 0), codes(50, 50))
    assert shown.labels == ("car", OTHER)
    assert shown.real.tolist() == [1, 0]


def test_missing_has_a_bar_of_its_own():
    shown = aggregate(categorical("car"), codes(60, 40), codes(30, 70))
    assert shown.labels == ("car", MISSING)
    assert shown.synthetic.tolist() == [0.3, 0.7]


def test_all_categories_rare_shows_nothing():
    assert aggregate(categorical(*"abcdefgh"), codes(*[3] * 8), codes(*[3] * 8)) is None


def test_few_numbers_are_bars_in_their_order():
    shown = aggregate(column(Kind.INTEGER, Dtype.INT64), Numeric(np.repeat([2.0, 1.0, 3.0], [50, 20, 30])),
                      Numeric(np.repeat([1.0, 2.0, 7.0], [10, 80, 10])))  # fmt: skip
    assert shown.labels == ("1", "2", "3", OTHER)
    assert shown.real.tolist() == [0.2, 0.5, 0.3, 0]
    assert shown.synthetic.tolist() == [0.1, 0.8, 0, 0.1]


def test_one_outlier_neither_squashes_nor_shows():
    real = np.append(np.random.default_rng(0).uniform(0, 100, 2000), 987654.3)
    shown = aggregate(column(), Numeric(real), Numeric(real))
    assert isinstance(shown, Histogram)
    assert shown.edges[-1] <= 105
    assert shown.real.sum() > 0.95
    # Fewer than ten rows beyond the axis would be told from the rest of the shares; here there are more, or it is None.
    assert shown.beyond[0] is None or shown.beyond[0] * len(real) >= MIN_CELL


def test_a_column_of_nearly_one_value_shows_it_and_the_rest_together():
    real = np.append(np.zeros(5000), np.arange(1.0, 31.0))
    shown = aggregate(column(), Numeric(real), Numeric(real))
    assert shown.labels == ("0", OTHER)


def test_gaps_stay_gaps():
    values = np.random.default_rng(0).uniform(0, 20, 1000)
    real = np.concatenate([values[:500], 80 + values[500:]])
    shown = aggregate(column(), Numeric(real), Numeric(real))
    middle = (shown.edges[:-1] >= 25) & (shown.edges[1:] <= 75)
    assert middle.sum() > 3
    assert (shown.real[middle] == 0).all()


def test_missing_numbers_are_said_and_few_of_them_are_not():
    values = np.random.default_rng(0).uniform(0, 1, 1000)
    many, few = values.copy(), values.copy()
    many[:100], few[:3] = np.nan, np.nan
    assert aggregate(column(), Numeric(many), Numeric(few)).missing == (0.1, 0.003)
    assert aggregate(column(), Numeric(few), Numeric(many)).missing == (None, 0.1)


def test_dates_and_times_have_edges_of_whole_days_and_minutes():
    start = datetime(2015, 3, 2, tzinfo=UTC).timestamp()
    seconds = start + np.random.default_rng(0).uniform(0, 5 * 365 * 86400, 3000)
    shown = aggregate(column(Kind.DATETIME, Dtype.DATE), Numeric(seconds), Numeric(seconds))
    assert isinstance(shown, Histogram)
    assert (shown.edges % 86400 == 0).all()
    times = np.random.default_rng(0).uniform(8 * 3600, 18 * 3600, 3000)
    shown = aggregate(column(Kind.DATETIME, Dtype.TIME), Numeric(times), Numeric(times))
    assert (shown.edges % 60 == 0).all()


@pytest.mark.parametrize("real", [[], [1.0] * 9, [np.nan] * 100])
def test_too_few_real_values_show_nothing(real: list[float]):
    assert aggregate(column(), Numeric(np.array(real)), Numeric(np.arange(100.0))) is None


def test_one_date_only_shows_nothing():
    one = Numeric(np.full(100, 86400.0 * 365))
    assert aggregate(column(Kind.DATETIME, Dtype.DATE), one, one) is None


def test_numbers_that_are_all_far_apart_show_nothing_or_much():
    spread = Numeric(10.0 ** np.arange(-20, 20, 1.0))
    shown = aggregate(column(), spread, spread)
    assert shown is None or (real_counts(shown, 40)[shown.real > 0] >= MIN_CELL).all()


# --- two columns -----------------------------------------------------------------------------------------------------


AMOUNT = column().model_copy(update={"name": "amount"})


@given(st.integers(0, 10_000), st.integers(300, 3000), st.integers(2, 9))
def test_no_cell_of_two_columns_stands_for_few_real_rows(seed: int, rows: int, groups: int):
    rng = np.random.default_rng(seed)
    odds = rng.dirichlet(np.full(groups, 0.7))
    group = Discrete(rng.choice(groups, rows, p=odds).astype(np.int32), groups + 1)
    amount = Numeric(rng.lognormal(5, 1, rows) * (1 + group.codes))
    shown = aggregate_pair((categorical(*"abcdefghi"[:groups]), AMOUNT), (group, amount), (group, amount))
    if shown is None:
        return
    assert shown.by_group
    assert shown.x.column is AMOUNT
    assert shown.real.shape == (shown.y.size, shown.x.size) == shown.synthetic.shape
    inside = (amount.values >= shown.x.edges[0]) & (amount.values < shown.x.edges[-1])
    for label, line in zip(shown.y.labels, shown.real, strict=True):
        of = inside & (group.codes == "abcdefghi".index(label))
        counts = np.rint(line * of.sum())
        assert (counts[np.isfinite(line)] >= MIN_CELL).all()
        # What is hidden cannot be told from the rest of the line.
        hidden = of.sum() - np.nansum(counts)
        assert hidden == 0 or hidden >= MIN_CELL or np.isnan(line).all()


def test_equal_sides_look_equal_and_others_do_not():
    rng = np.random.default_rng(0)
    x = rng.normal(size=5000)
    y = x + rng.normal(size=5000)
    columns = (AMOUNT, column().model_copy(update={"name": "y"}))
    same = aggregate_pair(columns, (Numeric(x), Numeric(y)), (Numeric(x), Numeric(y)))
    assert not same.by_group
    assert np.array_equal(same.real, same.synthetic, equal_nan=True)
    assert 0.85 < np.nansum(same.real) <= 1
    loose = aggregate_pair(columns, (Numeric(x), Numeric(y)), (Numeric(x), Numeric(rng.permutation(y))))
    assert np.nanmax(np.abs(loose.synthetic - loose.real)) > 0.004


def test_steps_are_round_and_end_where_the_outer_hundredth_begins():
    values = np.append(np.random.default_rng(0).lognormal(8, 1, 4000), 987_654_321.0)
    shown = aggregate_pair((AMOUNT, AMOUNT), (Numeric(values),) * 2, (Numeric(values),) * 2)
    assert shown.x.edges[-1] < 100_000
    assert (shown.x.edges % 100 == 0).all()


@pytest.mark.parametrize(("kind", "dtype", "unit"), [("datetime", Dtype.DATE, 86_400), ("datetime", Dtype.TIME, 60)])
def test_dates_are_cut_at_whole_days_and_minutes(kind: str, dtype: Dtype, unit: int):
    seconds = np.random.default_rng(0).uniform(0, 86_400 * (1 if dtype is Dtype.TIME else 900), 2000)
    date = column(Kind(kind), dtype)
    shown = aggregate_pair((date, AMOUNT), (Numeric(seconds), Numeric(seconds)), (Numeric(seconds), Numeric(seconds)))
    assert (shown.x.edges % unit == 0).all()


def test_numbers_of_few_values_and_missing_categories_are_groups():
    rng = np.random.default_rng(0)
    count = Numeric(rng.integers(0, 3, 600).astype(float))
    count.values[:3] = 77.0
    code = Discrete(rng.integers(0, 3, 600).astype(np.int32), 3)
    shown = aggregate_pair((column(Kind.INTEGER, Dtype.INT64), categorical("u", "v")), (count, code), (count, code))
    assert shown.x.labels == ("0", "1", "2")
    assert shown.y.labels == ("u", "v", MISSING)
    assert np.nansum(shown.real, axis=1) == pytest.approx(1)


def test_values_that_only_few_real_rows_have_are_on_no_axis():
    code = Discrete(np.repeat(np.array([0, 1, 2], dtype=np.int32), [400, 300, 5]), 4)
    other = Discrete(np.tile(np.array([0, 1], dtype=np.int32), 353)[:705], 3)
    made = Discrete(np.full(705, 2, dtype=np.int32), 4)
    kinds = (categorical("a", "b", "rare"), categorical("u", "v"))
    assert "rare" not in aggregate_pair(kinds, (code, other), (code, other)).x.labels
    assert aggregate_pair(kinds, (code, other), (made, other)) is None


@pytest.mark.parametrize("rows", [0, 30])
def test_too_few_rows_show_no_pair(rows: int):
    values = Numeric(np.arange(rows, dtype=float))
    assert aggregate_pair((AMOUNT, AMOUNT), (values, values), (values, values)) is None


def test_all_missing_columns_show_no_pair():
    gone, values = Numeric(np.full(500, np.nan)), Numeric(np.arange(500.0))
    assert aggregate_pair((AMOUNT, AMOUNT), (gone, values), (gone, values)) is None
    assert aggregate_pair((AMOUNT, AMOUNT), (Numeric(np.ones(500)), values), (gone, values)) is None

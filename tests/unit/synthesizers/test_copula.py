"""The copula: tables that hold nobody's values, dependence that comes back, rows that do not depend on shards."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from scipy.special import ndtr
from scipy.stats import multivariate_normal, norm, spearmanr

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import InvalidInputError, ModelFileError
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers import copula_completion
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.conditions import Steering
from synthcredit.synthesizers.copula import CopulaSynthesizer
from synthcredit.synthesizers.copula_dependence import (
    Scores,
    latent_correlation,
    nearest_correlation,
    normal_cdf,
    observed_correlation,
    shrink,
)
from synthcredit.synthesizers.copula_margins import (
    UNSEEN,
    Amount,
    Choice,
    choice_order,
    choice_weights,
    latents,
    learn_amount,
    learn_choice,
)
from synthcredit.synthesizers.features import Discrete, Numeric
from synthcredit.synthesizers.settings import CopulaSettings

K = 10


def rng(purpose: str = "test") -> np.random.Generator:
    return generator(1, purpose)


def column(name: str, kind: str, dtype: str, **more: object) -> Column:
    return Column(name=name, storage_name=name, kind=kind, dtype=dtype, **more)


def fitted(table: pa.Table, schema: TableSchema, seed: int = 1, **given: int) -> CopulaSynthesizer:
    return CopulaSynthesizer(CopulaSettings(**given)).fit(table, schema, seed=seed)


def together(model: CopulaSynthesizer, rows: int, seed: int = 3) -> pa.Table:
    return pa.Table.from_batches(model.sample(rows, seed))


# --- The normal distribution ----------------------------------------------------------------------------------------


def test_the_normal_distribution_function_is_accurate():
    z = np.linspace(-9, 9, 200_001, dtype=np.float32)
    assert np.abs(normal_cdf(z) - ndtr(z.astype(np.float64))).max() < 5e-7
    assert (np.diff(normal_cdf(z)) >= 0).all()
    assert normal_cdf(np.array([-40, 40, np.inf], dtype=np.float32)).tolist() == pytest.approx([0, 1, 1], abs=1e-6)


def test_scores_are_the_means_of_segments():
    bounds = np.array([0.1, 0.5, 0.95, 1.0])
    z = norm.ppf((np.arange(1_000_000) + 0.5) / 1_000_000)
    at = np.searchsorted(bounds[:-1], norm.cdf(z), side="right")
    means = np.bincount(at, z) / np.bincount(at)
    found = Scores.of(bounds)
    assert found.scores == pytest.approx(means, abs=1e-4)
    assert found.scale == pytest.approx(means[at].std(), abs=1e-4)


@pytest.mark.parametrize("correlation", [-0.9, -0.4, 0.0, 0.3, 0.7, 0.95])
def test_the_latent_correlation_of_two_yes_no_columns_is_tetrachoric(correlation):
    shares = np.array([0.3, 0.8])
    cuts = norm.ppf(shares)
    both = multivariate_normal([0, 0], [[1, correlation], [correlation, 1]]).cdf(cuts)
    phi = (both - shares.prod()) / np.sqrt((shares * (1 - shares)).prod())
    scores = [Scores.of(np.array([share, 1.0])) for share in shares]
    found = latent_correlation(np.array([[1, phi], [phi, 1]]), scores)
    assert found[0, 1] == found[1, 0] == pytest.approx(correlation, abs=0.02)


@settings(deadline=None, max_examples=20)
@given(st.floats(-0.95, 0.95), st.integers(2, 40), st.integers(2, 40), st.integers(0, 99))
def test_the_latent_correlation_comes_back_from_what_is_seen(correlation, one, two, seed):
    source = np.random.default_rng(seed)
    z = source.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 20_000).T
    bounds = [np.append(np.sort(source.random(size - 1)), 1.0) for size in (one, two)]
    bounds = [np.unique(np.clip(part, 0.05, None)) for part in bounds]
    bounds = [np.append(part[part < 0.95], 1.0) for part in bounds]
    if min(map(len, bounds)) < 2:
        return
    segments = [
        np.searchsorted(b[:-1], norm.cdf(part), side="right").astype(np.int32)
        for b, part in zip(bounds, z, strict=True)
    ]
    scores = [Scores.of(part) for part in bounds]
    observed, rows = observed_correlation(segments, scores)
    assert (rows == 20_000).all()
    # A tetrachoric correlation of 20,000 rows with a share of .05 has a standard error of at most .025.
    assert latent_correlation(observed, scores)[0, 1] == pytest.approx(correlation, abs=0.1)


def test_rows_that_are_not_seen_do_not_count():
    source = rng()
    z = source.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 30_000).T
    bounds = np.linspace(0.1, 1, 10)
    segments = [np.searchsorted(bounds[:-1], norm.cdf(part), side="right").astype(np.int32) for part in z]
    segments[0][source.random(30_000) < 0.5] = UNSEEN
    scores = [Scores.of(bounds)] * 2
    observed, rows = observed_correlation(segments, scores)
    assert rows[0, 1] == np.count_nonzero(segments[0] != UNSEEN)
    assert latent_correlation(observed, scores)[0, 1] == pytest.approx(0.6, abs=0.03)


def test_a_column_that_does_not_vary_goes_with_none():
    scores = [Scores.of(np.ones(1)), Scores.of(np.linspace(0.1, 1, 10))]
    segments = [np.zeros(100, dtype=np.int32), np.arange(100, dtype=np.int32) % 10]
    observed, _ = observed_correlation(segments, scores)
    assert latent_correlation(observed, scores)[0, 1] == 0


def test_the_nearest_correlation_matrix_is_highams():
    # Higham 2002, section 4: the nearest correlation matrix to this one, to the digits printed there.
    found = nearest_correlation(np.array([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]]))
    assert found[0, 1] == pytest.approx(0.7607, abs=1e-3)
    assert found[0, 2] == pytest.approx(0.1573, abs=1e-3)
    assert np.array_equal(found, found.T)
    assert np.diag(found) == pytest.approx(1.0, abs=1e-12)
    assert np.linalg.eigvalsh(found).min() > 0


def test_a_valid_matrix_stays():
    valid = np.array([[1, 0.5, 0.2], [0.5, 1, -0.3], [0.2, -0.3, 1]])
    assert nearest_correlation(valid) == pytest.approx(valid, abs=1e-9)


def test_few_rows_are_shrunk_and_many_are_not():
    found, target = np.array([[1, 0.5], [0.5, 1]]), np.eye(2)
    few, many = (shrink(found, np.full((2, 2), float(rows)), target)[0, 1] for rows in (20, 100_000))
    assert 0.3 < few < 0.48
    assert many == pytest.approx(0.5, abs=1e-3)
    assert shrink(found, np.full((2, 2), 20.0), found)[0, 1] == 0.5


# --- Margins --------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(
    arrays_of.arrays(
        np.float64,
        st.integers(K, 300),
        elements=st.one_of(
            st.floats(-1e9, 1e9, allow_nan=False),
            st.integers(-5, 5).map(float),
            st.just(float("nan")),
        ),
    ),
    st.integers(10, 60),
)
def test_no_value_is_kept_that_fewer_than_k_rows_share(values, bins):
    margin, segments = learn_amount(Amount(values), K, bins, rng())
    margin.check()
    known = values[~np.isnan(values)]
    if len(known) < K:
        assert (segments == UNSEEN).all()
        return
    assert (segments[np.isnan(values)] == UNSEEN).all()
    rows = np.bincount(segments[segments >= 0], minlength=len(margin.bounds))
    assert rows.min() >= K
    assert np.diff(margin.bounds, prepend=0.0) == pytest.approx(rows / rows.sum(), abs=1e-12)
    for at in np.flatnonzero(margin.low == margin.high):
        members = values[segments == at]
        # One value that all of its rows have, or a bin so narrow that mean and noise are one number.
        assert (
            (members == margin.low[at]).all()
            or np.ptp(members) <= 1e-6 * max(1.0, np.abs(members).max())
            or (margin.low[at] != members).all()
        )
    assert np.count_nonzero(segments == UNSEEN) - np.count_nonzero(np.isnan(values)) < K


def test_extremes_are_not_those_of_the_data():
    values = np.append(np.exp(rng().normal(8, 1, 2_000)), [9e6])
    margin, _ = learn_amount(Amount(values), K, 100, rng())
    drawn = margin.values(rng().random(100_000, dtype=np.float32))
    assert drawn.max() < 9e6 / 2
    assert not np.isin(margin.low, values).any()
    assert not np.isin(margin.high, values).any()


def test_amounts_come_back_in_distribution():
    values = np.concatenate([np.exp(rng().normal(8, 1, 9_000)), np.zeros(1_000), np.full(500, 5_000.0)])
    margin, _ = learn_amount(Amount(values), K, 500, rng())
    drawn = margin.values(rng("other").random(100_000, dtype=np.float32))
    levels = np.linspace(0.02, 0.98, 97)
    # Log scale, so that each quantile may be 5 % off; the standard error is a third of that.
    assert np.log1p(np.quantile(drawn, levels)) == pytest.approx(np.log1p(np.quantile(values, levels)), abs=0.05)
    assert np.mean(drawn == 0) == pytest.approx(1_000 / 10_500, abs=0.005)
    assert np.mean(drawn == 5_000) == pytest.approx(500 / 10_500, abs=0.005)


def test_another_seed_gives_other_bins_and_the_same_points():
    values = np.concatenate([rng().normal(0, 1, 300), np.repeat([7.0], 50)])
    one, two = (learn_amount(Amount(values), K, 100, generator(seed, "x"))[0] for seed in (1, 2))
    assert not np.array_equal(one.low, two.low)
    assert one.low[-1] == one.high[-1] == two.low[-1] == 7.0


def test_rare_categories_share_what_they_have_together():
    choice = Choice(np.repeat([0, 1, 2, 3], [80, 6, 5, 9]).astype(np.int32), np.ones(5))
    assert choice_weights(choice, K).tolist() == [80, 5, 5, 5, 5]
    chances = np.array([9.0, 1.0, 1.0, 2.0, 0.0])
    assert choice_weights(Choice(choice.codes, chances), K).tolist() == [80, 5, 5, 10, 0]


def test_rare_categories_that_are_too_few_even_together_are_left_out():
    choice = Choice(np.repeat([0, 1, 2], [80, 4, 5]).astype(np.int32), np.ones(3))
    margin, segments = learn_choice(choice, np.array([2, 0, 1]), K)
    assert margin.low.tolist() == [0.0]
    assert set(segments.tolist()) == {0, UNSEEN}


def test_categories_are_put_where_other_columns_change():
    source = rng()
    codes = source.integers(0, 4, 4_000).astype(np.int32)
    level = np.array([2.0, -1.0, 1.0, -2.0])[codes]
    reference = np.stack([level + source.standard_normal(4_000), source.standard_normal(4_000)])
    order = choice_order(Choice(codes, np.ones(4)), reference).tolist()
    assert order in ([3, 1, 2, 0], [0, 2, 1, 3])


def split(values: np.ndarray, special: tuple[float, ...]) -> tuple[list, np.ndarray]:
    schema = TableSchema(
        name="one", columns=(column("x", "continuous", "double", nullable=True, special_values=special),)
    )
    found, specials = latents({"x": Numeric(values)}, schema, K)
    return found, specials[0]


def test_codes_and_missing_values_are_states_of_their_own():
    values = np.concatenate([np.arange(1.0, 200.0), np.full(20, -9.0), np.full(15, np.nan), np.full(30, 100.0)])
    found, specials = split(values, (-9.0, 100.0))
    choice, amount = found
    assert specials[0] == -9.0
    assert np.isnan(specials[1])
    assert np.bincount(choice.codes).tolist() == [229, 20, 15]  # 100 is a pile among the others.
    assert np.count_nonzero(~np.isnan(amount.values)) == 229


def test_a_code_of_few_people_is_not_kept():
    values = np.concatenate([np.arange(1.0, 200.0), np.full(9, -9.0), np.full(9, np.nan)])
    found, specials = split(values, (-9.0,))
    assert len(specials) == 0
    assert len(found) == 1
    assert np.nanmin(found[0].values) == 1.0


def test_a_column_of_few_values_is_one_scale():
    values = np.repeat([-9.0, 0.0, 1.0, 2.0], 20)
    found, specials = split(values, (-9.0, 0.0))
    assert len(specials) == 0
    assert np.array_equal(found[0].values, values)


def test_too_few_of_everything_is_missing():
    values = np.concatenate([np.arange(9.0), np.full(9, np.nan)])
    found, specials = split(values, ())
    assert np.isnan(specials).all()
    margin, _ = learn_choice(found[0], np.arange(2), K)
    assert margin.low.tolist() == [1.0]


# --- The family -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(make_table, made_schema) -> tuple[pa.Table, CopulaSynthesizer, pa.Table]:
    table = make_table(5_000)
    model = fitted(table, made_schema)
    return table, model, together(model, 20_000)


def test_marginals(made, made_schema):
    table, _, drawn = made
    real, found = encode(table, made_schema), encode(drawn, made_schema)
    for name, feature in real.items():
        one, two = (getattr(part, "codes", getattr(part, "values", None)) for part in (feature, found[name]))
        edges = (
            np.unique(one[~np.isnan(one)]) if len(np.unique(one)) < 20 else np.nanquantile(one, np.linspace(0, 1, 21))
        )
        shares = [
            np.bincount(np.searchsorted(edges, part), minlength=len(edges) + 1) / len(part) for part in (one, two)
        ]
        # Twenty bins: 5,000 rows learned and 20,000 drawn alone are some .015 apart.
        assert np.abs(shares[0] - shares[1]).sum() / 2 < 0.04, name


def test_rank_correlations(made):
    table, _, drawn = made
    names = ["children", "overdue", "limit"]
    real, found = (
        spearmanr(np.stack([part[name].to_numpy() for name in names], axis=1).astype(float)).statistic
        for part in (table, drawn)
    )
    assert found == pytest.approx(real, abs=0.05)
    known = [part.filter(part["income"].is_valid()) for part in (table, drawn)]
    real, found = (spearmanr(part["income"].to_numpy(), part["limit"].to_numpy()).statistic for part in known)
    assert real > 0.9
    assert found == pytest.approx(real, abs=0.05)


def cramers_v(one: list, two: list) -> float:
    first, second = (np.unique(np.array(part, dtype=str), return_inverse=True)[1] for part in (one, two))
    table = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(table, (first, second), 1)
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    return float(np.sqrt(((table - expected) ** 2 / expected).sum() / table.sum() / (min(table.shape) - 1)))


def test_associations_of_categories(made):
    table, _, drawn = made
    for other in ("owner", "default"):
        real, found = (cramers_v(part["purpose"].to_pylist(), part[other].to_pylist()) for part in (table, drawn))
        assert found == pytest.approx(real, abs=0.04)
    late = [(part["overdue"].to_numpy() > 800).tolist() for part in (table, drawn)]
    real, found = (
        cramers_v(part["default"].to_pylist(), each) for part, each in zip((table, drawn), late, strict=True)
    )
    assert real > 0.4
    assert found == pytest.approx(real, abs=0.05)


def test_missing_patterns(made):
    table, _, drawn = made

    def shares(part: pa.Table) -> list[float]:
        missing = part["income"].is_null().to_numpy()
        boat = np.array(part["purpose"].to_pylist()) == "boat"
        return [
            missing.mean(),
            missing[boat].mean(),
            missing[~boat].mean(),
            part["opened"].null_count / part.num_rows,
            np.mean(part["overdue"].to_numpy() == -9),
        ]

    real, found = shares(table), shares(drawn)
    # One order of the purposes cannot serve both incomes and missing incomes: .40 of the boats become .33.
    assert found[1] == pytest.approx(real[1], abs=0.1)
    assert found[1] > 3 * found[2]
    assert [found[0], *found[2:]] == pytest.approx([real[0], *real[2:]], abs=0.03)


def test_the_target_has_its_rate_and_its_reasons(made):
    table, _, drawn = made

    def rates(part: pa.Table) -> list[float]:
        default = np.array(part["default"].to_pylist()) == "yes"
        overdue = part["overdue"].to_numpy()
        return [default.mean(), *(default[mask].mean() for mask in (overdue > 800, overdue == 0, overdue == -9))]

    assert rates(drawn) == pytest.approx(rates(table), abs=0.04)


def test_each_class_of_some_rows_has_a_copula(make_table, made_schema):
    assert len(fitted(make_table(1_000), made_schema)._copulas) == 2
    assert len(fitted(make_table(1_000), made_schema.with_target(None))._copulas) == 1
    assert len(fitted(make_table(1_000), made_schema.with_target("limit"))._copulas) == 1
    # Some 60 of unknown purpose are too few for a copula of their own; they are with the boats.
    assert len(fitted(make_table(600), made_schema.with_target("purpose"))._copulas) == 3


def test_rare_values_are_not_in_the_model(make_table, made_schema, tmp_path):
    table = make_table(1_000)
    purpose = np.array(table["purpose"].fill_null("car").to_pylist())
    purpose[purpose == "boat"] = "car"
    purpose[:9] = "boat"
    income = table["income"].fill_null(1_000.0).to_numpy().copy()
    income[:9] = 59_999.5
    changed = table.set_column(1, "purpose", pa.array(purpose)).set_column(4, "income", pa.array(income))
    drawn = together(fitted(changed, made_schema), 30_000)
    assert set(drawn["purpose"].to_pylist()) == {"car", "house"}
    assert 59_999.5 not in drawn["income"].to_pylist()
    assert "boat" in together(fitted(changed, made_schema, k=2), 30_000)["purpose"].to_pylist()


def test_every_share_in_the_model_is_of_k_rows(made, made_schema):
    table, model, _ = made
    rows = np.array([np.count_nonzero(np.array(table["default"].to_pylist()) == each) for each in ("no", "yes")])
    by_size = {
        round(chance * table.num_rows): copula for chance, copula in zip(model._chances, model._copulas, strict=True)
    }
    assert set(by_size) == set(rows.tolist())
    for size, copula in by_size.items():
        for margin in copula.margins:
            held = np.diff(margin.bounds, prepend=0.0) * size
            # No category of this table is rare, so none shares what a group has.
            assert held.min() > K * (1 - 1e-9)


def test_more_people_are_asked_for_than_there_are(make_table, made_schema):
    with pytest.raises(InvalidInputError, match=r"synthesizer\.k.*30 people.*20 rows"):
        fitted(make_table(20), made_schema, k=30)


def test_copies_of_a_column_stay_close():
    values = np.exp(rng().normal(8, 1, 2_000)).round()
    names = ("a", "b", "c")
    schema = TableSchema(
        name="same", columns=tuple(column(n, "integer", "int64", minimum=0, maximum=1e6) for n in names)
    )
    table = pa.table({name: pa.array(values.astype(np.int64)) for name in names})
    drawn = together(fitted(table, schema), 5_000)
    assert spearmanr(drawn["a"].to_numpy(), drawn["c"].to_numpy()).statistic > 0.98


# --- Given classes, given values, people -----------------------------------------------------------------------------


def test_a_given_class_is_drawn_from_its_own_copula(made, made_schema):
    model = made[1]
    assert model.givable == {"default"}
    told = np.resize(np.array([0, 1, 1], dtype=np.int32), BLOCK_ROWS)
    drawn = model._draw(rng(), {"default": Discrete(told, 2)})
    assert np.array_equal(drawn["default"].codes, told)
    free = model._draw(rng("free"), {})
    for code in (0, 1):
        given_rows, free_rows = (side["overdue"].values[side["default"].codes == code] for side in (drawn, free))
        assert np.mean(given_rows > 800) == pytest.approx(np.mean(free_rows > 800), abs=0.04)


def test_only_a_target_whose_classes_have_copulas_can_be_given(make_table, made_schema):
    table = make_table(300)
    assert fitted(table, made_schema, k=30).givable == frozenset()
    assert fitted(table, made_schema.with_target(None)).givable == frozenset()
    assert fitted(table, made_schema.with_target("income")).givable == frozenset()
    assert fitted(table, made_schema.with_target("id")).givable == frozenset()


def test_a_class_that_was_never_seen_cannot_be_given(make_table, made_schema):
    table = make_table(100)
    table = table.set_column(table.column_names.index("default"), "default", pa.array(["no"] * 100))
    model = fitted(table, made_schema)
    assert model.givable == {"default"}
    with pytest.raises(InvalidInputError, match="has not learned"):
        next(model.sample(10, 1, steering=Steering(where={"default": "yes"})))


def test_the_normal_distribution_function_keeps_its_tail():
    z = np.concatenate([np.linspace(-37, 9, 20_001), [-np.inf, np.inf]])
    with np.errstate(divide="ignore", invalid="ignore"):
        assert np.nanmax(np.abs(copula_completion.normal_cdf(z[:-2]) / ndtr(z[:-2]) - 1)) < 1e-7
    assert np.abs(copula_completion.normal_cdf(z) - ndtr(z)).max() < 1e-14


def test_the_normal_quantile_is_the_inverse():
    chance = np.concatenate([10.0 ** -np.arange(1, 299), np.linspace(0.001, 0.999, 999), 1 - 10.0 ** -np.arange(4, 15)])
    assert copula_completion.normal_quantile(chance) == pytest.approx(norm.ppf(chance), rel=1e-9, abs=1e-12)
    assert copula_completion.normal_quantile(np.array([0.0, 1.0])).tolist() == [-np.inf, np.inf]


@given(low=st.floats(-45, 45), width=st.floats(1e-6, 90), share=st.floats(0, 0.999999))
def test_a_truncated_normal_stays_between_its_bounds(low, width, share):
    bounds = np.array([low]), np.array([low + width])
    found, chance = copula_completion.truncated_normal(*bounds, np.array([share]))
    assert bounds[0] <= found <= bounds[1]
    assert 0 < chance <= 1
    assert chance == pytest.approx(
        max(norm.cdf(low + width) - norm.cdf(low), norm.sf(low) - norm.sf(low + width)), abs=1e-9
    )


def test_latents_between_bounds_are_those_of_rejection():
    correlation = np.array([[1, 0.8, 0.3, -0.5], [0.8, 1, 0.1, -0.4], [0.3, 0.1, 1, 0.2], [-0.5, -0.4, 0.2, 1]])
    factor = np.linalg.cholesky(correlation)
    low, high = np.full((4, 1), -np.inf), np.full((4, 1), np.inf)
    low[0], high[0], low[3], high[3] = 0.5, 1.5, -0.2, np.inf
    rows = 40_000
    known = copula_completion.Known(np.repeat(low, rows, 1), np.repeat(high, rows, 1), np.zeros(rows))
    latent, likely = copula_completion.draw(factor, known, rng())
    plain = factor @ rng("plain").standard_normal((4, 1_000_000))
    kept = ((plain > low) & (plain < high)).all(axis=0)
    assert latent.mean(axis=1) == pytest.approx(plain[:, kept].mean(axis=1), abs=0.02)
    assert np.cov(latent) == pytest.approx(np.cov(plain[:, kept]), abs=0.03)
    assert np.exp(likely).mean() == pytest.approx(kept.mean(), rel=0.02)


def test_completed_rows_are_those_of_rejection(made):
    model = made[1]
    free = together(model, 40 * BLOCK_ROWS).to_pandas()
    rows = 8_000
    for wanted, chosen in (
        ({"purpose": "car", "owner": True}, (free.purpose == "car") & free.owner),
        ({"default": "yes", "limit": 2_000}, (free.default == "yes") & (free.limit == 2_000)),
        ({"overdue": -9, "purpose": "house"}, (free.overdue == -9) & (free.purpose == "house")),
    ):
        plain = free[chosen]
        done = pa.Table.from_batches(
            model.complete(pa.table({k: [v] * rows for k, v in wanted.items()}), 5)
        ).to_pandas()
        for name in ("income", "overdue", "limit"):
            assert done[name].isna().mean() == pytest.approx(plain[name].isna().mean(), abs=0.03)
            assert done[name].median() == pytest.approx(plain[name].median(), rel=0.08, abs=60)
        for name in ("purpose", "default", "owner"):
            shares = (side[name].value_counts(normalize=True, dropna=False) for side in (done, plain))
            one, other = shares
            assert one.sub(other, fill_value=0).abs().max() < 0.05


def test_rows_of_any_pattern_are_completed(made, make_table):
    model = made[1]
    table = make_table(400)
    gaps = rng("gaps").random((400, table.num_columns)) < 0.5
    part = pa.table(
        {
            name: pa.array(table[name].to_pylist(), type=table[name].type, mask=gaps[:, at])
            for at, name in enumerate(table.column_names)
        }
    )
    done = pa.Table.from_batches(model.complete(part, 1))
    for name in part.column_names:
        told = part[name].is_valid()
        assert done[name].filter(told).equals(part[name].filter(told))
    # Nothing given at all is a row like any.
    nothing = pa.Table.from_batches(model.complete(pa.table({"purpose": pa.nulls(500, pa.string())}), 1))
    assert nothing["default"].null_count == 0


def test_values_that_the_model_never_saw_are_kept(made):
    model = made[1]
    odd = pa.table({"income": [59_999.99] * 50, "purpose": ["boat"] * 50, "overdue": pa.array([1_999] * 50)})
    done = pa.Table.from_batches(model.complete(odd, 1))
    assert set(done["income"].to_pylist()) == {59_999.99}
    assert done["default"].null_count == 0


def test_k_counts_people_where_rows_have_owners():
    people = np.repeat(np.arange(60), 10)
    city = np.where(people < 3, "rare", "common")
    table = pa.table({"person": people, "city": city, "age": rng().integers(18, 80, 600)})
    schema = TableSchema(
        name="visits",
        columns=(
            column("person", "identifier", "int64"),
            column("city", "categorical", "string", categories=("common", "rare")),
            column("age", "integer", "int64", minimum=18, maximum=80),
        ),
    )
    # 30 rows are enough for k = 10, and 3 people are not.
    assert "rare" in together(fitted(table, schema), 5_000)["city"].to_pylist()
    owned = TableSchema.model_validate({**schema.model_dump(), "customer": "person"})
    assert "rare" not in together(fitted(table, owned), 5_000)["city"].to_pylist()
    with pytest.raises(InvalidInputError, match="sure to belong to 100 people"):
        fitted(table, owned, k=100)


def test_sampling_needs_numpy_alone(made, tmp_path):
    made[1].save(tmp_path / "model")
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('scipy', 'sklearn', 'torch', 'sdv')))\n"
        "from pathlib import Path\n"
        "from synthcredit.synthesizers.protocol import load_model\n"
        "print(sum(part.num_rows for part in load_model(Path(sys.argv[1])).sample(9_000, 1)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "9000"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c, a: a.update(factors=a["factors"][:, :-1]), "correlation factor"),
        (lambda c, a: a.update(factors=a["factors"] * 2), "another length"),
        (lambda c, a: a.update(factors=a["factors"].astype(np.float64)), "correlation factor"),
        (lambda c, a: a.update(bounds=a["bounds"][::-1].copy()), "rise to 1"),
        (lambda c, a: a.update(low=a["high"], high=a["low"] - 1), "out of order"),
        (lambda c, a: a.update(high=np.where(a["high"] > a["low"], np.inf, a["high"])), "not finite"),
        (lambda c, a: a.update(low=a["low"] + 0.5, high=a["high"] + 0.5), "none of its column"),
        (lambda c, a: a.update(chances=a["chances"] * 2), "sum 1"),
        (lambda c, a: a.update(chances=a["chances"][:1]), "one float64 a class"),
        (lambda c, a: a.update(specials=np.full_like(a["specials"], np.inf)), "out of range"),
        (lambda c, a: a.update(specials=np.full_like(a["specials"], np.nan)), "missing"),
        (lambda c, a: c.update(specials=[0] * len(c["specials"])), "must hold 0 float64"),
        (lambda c, a: c.update(specials=[sum(c["specials"]), *[0] * (len(c["specials"]) - 1)]), "categorical column"),
        (lambda c, a: c.update(specials=c["specials"][:-1]), "specials|must hold|shorter"),
        (lambda c, a: c.update(segments=c["segments"][:1]), "must hold"),
        (lambda c, a: c.update(segments=[]), "state|header|segments"),
        (lambda c, a: c.update(segments=[[10**12]]), "must hold"),
        (lambda c, a: c["segments"].reverse() or c["segments"][0].append(1), "must hold"),
    ],
)
def test_files_that_do_not_fit_are_refused(made, change, reason, tmp_path, monkeypatch):
    model = made[1]
    config, arrays = model._config(), dict(model._arrays())
    change(config, arrays)
    monkeypatch.setattr(model, "_config", lambda: config)
    monkeypatch.setattr(model, "_arrays", lambda: arrays)
    model.save(tmp_path / "model")
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=reason):
        CopulaSynthesizer.load(tmp_path / "model")


def test_a_table_more_than_columns_is_refused(made, tmp_path, monkeypatch):
    model = made[1]
    config, arrays = model._config(), dict(model._arrays())
    size = len(config["segments"][0]) + 1
    parts = {name: [] for name in ("bounds", "low", "high")}
    for copula in model._copulas:
        for name, pieces in parts.items():
            pieces += [getattr(margin, name) for margin in copula.margins] + [np.ones(1)]
    arrays |= {name: np.concatenate(pieces) for name, pieces in parts.items()}
    arrays["factors"] = np.stack([np.eye(size, dtype=np.float32)] * len(model._copulas))
    config["segments"] = [[*segments, 1] for segments in config["segments"]]
    monkeypatch.setattr(model, "_config", lambda: config)
    monkeypatch.setattr(model, "_arrays", lambda: arrays)
    model.save(tmp_path / "model")
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match="more tables than columns"):
        CopulaSynthesizer.load(tmp_path / "model")

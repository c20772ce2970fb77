from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.evidence.audit_whitebox import count_found, measure, own_values, states_of, trees_log_likelihood
from synthcredit.evidence.nearest import fit_space
from synthcredit.evidence.sides import Sides
from synthcredit.synthesizers import modelfile
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Numeric, take
from synthcredit.synthesizers.settings import TreesSettings
from synthcredit.synthesizers.trees import TreesSynthesizer
from synthcredit.synthesizers.trees_states import learn_numbers

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def trained(tables, tmp_path_factory):
    """A small, overfitted model of german_credit: its file, what it learned, and what it did not."""
    train, holdout, _ = tables.three_ways(tables.german())
    schema = tables.schema_of(tables.german(), "creditability")
    settings = TreesSettings(trees=2, leaf_rows=2, few_values_leaf_rows=2, target_leaf_rows=2)
    model = TreesSynthesizer(settings).fit(tables.table_of(train, schema), schema, seed=0)
    path = tmp_path_factory.mktemp("model") / "model"
    model.save(path)
    sides = [encode(tables.table_of(side, schema), schema) for side in (train, holdout)]
    return modelfile.read(path), *sides


def test_only_numbers_that_one_row_alone_has_are_looked_for():
    train = {"x": Numeric(np.array([1.0, 2.0, 2.0, np.nan])), "c": Discrete(np.zeros(4, dtype=np.int32), 1)}
    holdout = {"x": Numeric(np.array([1.0, 5.0, np.inf])), "c": Discrete(np.zeros(3, dtype=np.int32), 1)}
    train_values, holdout_values = own_values(train, holdout)
    assert (train_values.tolist(), holdout_values.tolist()) == ([], [5.0])


def test_values_are_found_to_the_precision_that_an_array_has():
    values = np.array([0.1, 7.0, 1e300])
    assert count_found(values, [np.array([0.1], dtype=np.float32), np.array([7], dtype=np.uint8)]) == 2
    assert count_found(values, [np.array([0.1 + 1e-12])]) == 0
    assert count_found(values, [np.empty(0)]) == 0


def test_a_file_that_holds_training_values_is_found_out(trained):
    content, train, holdout = trained
    space = fit_space(Sides(train, train, holdout), RNG(0))
    honest = measure(content, "trees", train, holdout, holdout, space, RNG(0))
    assert honest.values_p > 0.01
    kept = modelfile.Content(content.settings, content.schema, {}, {"rows": train["credit.amount"].values})
    leaky = measure(kept, "memory", train, holdout, train, space, RNG(0))
    assert leaky.place == "real numbers"
    assert leaky.values_p < 1e-6
    assert leaky.values_excess.low > 0.5
    assert leaky.sampling_auc.low > 0.95
    assert leaky.likelihood_auc is None
    assert "memory" in leaky.likelihood_why_not


def test_without_numbers_of_one_row_there_is_nothing_to_look_for(trained):
    content, train, holdout = trained
    few = [{name: side[name] for name in ("creditability", "housing")} for side in (train, holdout)]
    result = measure(content, "none", *few, few[1], fit_space(Sides(few[0], *few), RNG(0)), RNG(0))
    assert (result.values, result.values_p, result.values_excess) == (0, None, None)


def test_an_overfitted_model_finds_its_training_rows_likelier(trained):
    content, train, holdout = trained
    space = fit_space(Sides(train, train, holdout), RNG(0))
    assert measure(content, "trees", train, holdout, holdout, space, RNG(0)).likelihood_auc.low > 0.7


def test_a_likelihood_of_one_column_is_its_frequency(tables, tmp_path):
    frame = tables.german()[["housing"]]
    schema = tables.schema_of(frame)
    table = tables.table_of(frame, schema)
    TreesSynthesizer(TreesSettings()).fit(table, schema, seed=0).save(tmp_path / "model")
    found = trees_log_likelihood(modelfile.read(tmp_path / "model"), encode(table, schema))
    shares = frame["housing"].map(frame["housing"].value_counts(normalize=True))
    assert np.exp(found) == pytest.approx(shares.to_numpy())


def test_likelihoods_of_all_states_of_a_column_add_up(trained):
    content, train, _ = trained
    order, missing = content.state["order"], content.state["missing"]
    *first, last = order
    size = len(content.schema[last].categories)
    rows = take(train, np.arange(50))
    before = trees_log_likelihood(replace(content, state={"order": first, "missing": missing[:-1]}), rows)
    each = [
        np.exp(
            trees_log_likelihood(content, {**rows, last: Discrete(np.full(50, code, dtype=np.int32), size)}) - before
        )
        for code in range(size)
    ]
    assert size == 2
    assert sum(each) == pytest.approx(np.ones(50), abs=1e-5)


@given(
    st.lists(st.integers(-40, 40).map(float), min_size=20, max_size=300),
    st.sampled_from([1.0, 0.25, 100.0]),
    st.booleans(),
)
def test_a_training_value_is_of_the_state_that_training_put_it_in(values, scale, gap):
    given_values = np.array(values) * scale + (RNG(0).normal(size=len(values)) if scale == 0.25 else 0.0)
    if gap:
        given_values[0] = np.nan
    states, rows = learn_numbers(given_values, k=1, rng=RNG(0))
    found = states_of(given_values, states)
    assert found.tolist() == rows.tolist()


def test_a_value_that_no_bin_holds_goes_to_the_nearest():
    states, _ = learn_numbers(np.repeat(np.arange(40.0), 30), k=1, rng=RNG(0))
    assert states_of(np.array([-50.0, 500.0, 7.2]), states).tolist() == [0, states.size - 1, 7]

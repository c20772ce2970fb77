import numpy as np
import pyarrow as pa
import pytest

from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema
from synthcredit.evidence.audit_canaries import RECOMBINATIONS, look_for, make_up, measure, share_of, with_inserted
from synthcredit.evidence.nearest import fit_space
from synthcredit.evidence.sides import Sides
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Numeric, rows_of, take

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def german(tables):
    frame = tables.german()
    schema = tables.schema_of(frame, "creditability")
    table = tables.table_of(frame, schema)
    return table, schema, encode(table, schema)


@pytest.fixture(scope="module")
def canaries(german):
    _, schema, features = german
    return make_up(features, schema, 20, 0, RNG(0))


def test_canaries_are_legal_and_rare(german, canaries):
    table, schema, features = german
    made = take(canaries.candidates, np.arange(canaries.count))
    assert canaries.table.schema == table.schema
    for column in schema.learned:
        known, new = features[column.name], made[column.name]
        if isinstance(known, Discrete):
            counts = np.bincount(known.codes, minlength=known.size)
            assert (counts[new.codes] > 0).all()
            assert (counts[new.codes] <= np.sort(counts)[::-1][min(1, len(counts) - 1)]).mean() > 0.3
        else:
            assert (new.values >= column.minimum).all()
            assert (new.values <= column.maximum).all()
            assert (
                (new.values <= np.quantile(known.values, 0.011)) | (new.values >= np.quantile(known.values, 0.989))
            ).all()
    rows = {tuple(row.values()) for row in canaries.table.to_pylist()}
    assert len(rows) == 20
    assert not rows & {tuple(row.values()) for row in table.to_pylist()}


def test_a_recombination_has_the_canaries_own_values_column_by_column(canaries):
    assert rows_of(canaries.candidates) == 20 * (1 + RECOMBINATIONS)
    for feature in canaries.candidates.values():
        values = feature.codes if isinstance(feature, Discrete) else feature.values
        blocks = np.sort(values.reshape(1 + RECOMBINATIONS, 20), axis=1)
        assert (blocks == blocks[0]).all()


def test_canaries_are_inserted_so_often_and_training_rows_stay(german, canaries):
    table = german[0]
    mixed = with_inserted(table, canaries, 3)
    assert mixed.num_rows == table.num_rows + 60
    assert mixed.slice(0, table.num_rows).equals(table)
    assert mixed.slice(table.num_rows + 20, 20).to_pylist() == canaries.table.to_pylist()


def test_an_all_missing_column_and_a_constant_one_are_no_obstacle():
    columns = (
        Column(name="gone", storage_name="gone", kind=Kind.CONTINUOUS, dtype=Dtype.DOUBLE, nullable=True),
        Column(name="same", storage_name="same", kind=Kind.INTEGER, dtype=Dtype.INT64),
        Column(name="one", storage_name="one", kind=Kind.CATEGORICAL, dtype=Dtype.STRING, categories=("a",)),
    )
    schema = TableSchema(name="t", columns=columns)
    features = {
        "gone": Numeric(np.full(50, np.nan)),
        "same": Numeric(np.full(50, 3.0)),
        "one": Discrete(np.zeros(50, dtype=np.int32), 1),
    }
    made = make_up(features, schema, 5, 0, RNG(0)).table
    assert made.to_pylist() == [{"gone": None, "same": 3, "one": "a"}] * 5


def test_a_release_that_repeats_canaries_is_nearer_to_them(german, canaries):
    table, schema, features = german
    space = fit_space(Sides(features, features, features), RNG(0))
    plain, none = look_for(canaries, features, space)
    with_copies, exact = look_for(canaries, encode(with_inserted(table, canaries, 10), schema), space)
    assert (none, exact) == (0, 20)
    found = measure(1, [with_copies], [[plain]], [exact], 20, RNG(0))
    assert found.p_value == 1 / 200
    assert found.exposure.low > 9
    assert (found.nearest.value, found.exact.value) == (1.0, 1.0)
    assert (found.canaries, found.decoys, found.models) == (20, 20 * RECOMBINATIONS, 1)


def test_by_chance_p_values_are_even_and_exposure_is_what_it_says():
    results = []
    for seed in range(200):
        scores = RNG(seed).normal(size=(2, 2, 5 * (1 + RECOMBINATIONS)))
        results.append(measure(1, list(scores[0]), [[each] for each in scores[1]], [0, 0], 5, RNG(0)))
    p = np.array([each.p_value for each in results])
    assert [(p <= level).mean() for level in (0.1, 0.5)] == pytest.approx([0.1, 0.5], abs=0.1)
    assert (p <= 0.01).sum() <= 8  # Of 200, two are expected.
    exposures = [each.exposure.value for each in results]
    assert np.mean(exposures) == pytest.approx(results[0].by_chance, abs=0.1)
    assert results[0].by_chance == pytest.approx(np.log2(np.e), abs=0.01)


def test_ties_count_for_nobody():
    same = np.zeros(5 * (1 + RECOMBINATIONS))
    found = measure(0, [same], [[same]], [0], 5, RNG(0))
    assert found.p_value == 1.0
    assert found.exposure.value == pytest.approx(1.0, abs=0.01)  # The middle rank: one bit.
    assert found.nearest.value == 0.0


def test_exposure_is_the_logarithm_of_the_rank():
    nearness = np.arange(5.0 * (1 + RECOMBINATIONS))  # The first candidates have come nearest.
    found = measure(1, [nearness], [[np.zeros_like(nearness)]], [0], 5, RNG(0))
    decoys = 5 * RECOMBINATIONS
    assert found.exposure.value == pytest.approx(np.log2(decoys + 1))
    assert found.nearest.value == 1.0


def test_a_share_has_wilsons_interval():
    # Agresti and Coull, American Statistician 1998: 0 of 10 gives 0 to .278.
    found = share_of(0, 10)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(0.278, abs=0.001)
    assert share_of(10, 10).low == pytest.approx(1 - 0.278, abs=0.001)


def test_columns_that_are_made_new_are_in_the_table_too():
    columns = (
        Column(name="id", storage_name="id", kind=Kind.IDENTIFIER, dtype=Dtype.STRING, format="C-{:06d}"),
        Column(name="amount", storage_name="amount", kind=Kind.CONTINUOUS, dtype=Dtype.DOUBLE, decimals=2),
    )
    schema = TableSchema(name="t", columns=columns, primary_key="id")
    made = make_up({"amount": Numeric(RNG(0).normal(size=100))}, schema, 5, 0, RNG(0)).table
    assert len(set(made["id"].to_pylist())) == 5
    assert pa.types.is_floating(made["amount"].type)
    assert all(round(value, 2) == value for value in made["amount"].to_pylist())

"""Amounts that repeat another: payments that settle a bill."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import ModelFileError
from synthcredit.evidence.audit_whitebox import trees_log_likelihood
from synthcredit.randomness import generator
from synthcredit.synthesizers import modelfile
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Numeric
from synthcredit.synthesizers.settings import TreesSettings
from synthcredit.synthesizers.trees import TreesSynthesizer
from synthcredit.synthesizers.trees_leaning import LeaningForest
from synthcredit.synthesizers.trees_ties import TiedForest, difference, tied_to

ROWS = 6_000
SETTLED, SLIGHTLY_MORE = 0.3, 0.1


def bills(rows: int = ROWS) -> pa.Table:
    """Return bills of which three in ten are settled, one in ten a little overpaid, and others paid in part."""
    rng = generator(3, "bills")
    bill = np.round(np.exp(rng.normal(8, 1, rows))) * (rng.random(rows) > 0.1)
    how = rng.random(rows)
    part = np.where(how < SETTLED, 1.0, np.where(how < SETTLED + SLIGHTLY_MORE, 1.005, rng.uniform(0.02, 0.5, rows)))
    owed = pa.array(np.round(bill * 3 + rng.integers(1, 9_000, rows)))
    return pa.table({"bill": bill, "paid": np.round(bill * part), "owed": owed})


def schema_of(table: pa.Table) -> TableSchema:
    columns = (Column(name=n, storage_name=n, kind="continuous", dtype="double") for n in table.column_names)
    return TableSchema(name="bills", columns=tuple(columns))


@pytest.fixture(scope="module")
def table():
    return bills()


@pytest.fixture(scope="module")
def schema(table):
    return schema_of(table)


@pytest.fixture(scope="module")
def model(table, schema):
    return TreesSynthesizer(TreesSettings(trees=4)).fit(table, schema, seed=1)


def shares(table):
    """Return how many payments settle a bill exactly, and how many come close."""
    paid, bill = (table[name].to_numpy() for name in ("paid", "bill"))
    due = bill != 0
    return np.mean(paid[due] == bill[due]), np.mean(np.abs(paid[due] - bill[due]) <= 0.011 * bill[due])


def tie_of(model):
    ((at, forest),) = [(at, one) for at, one in enumerate(model._forests) if isinstance(one, TiedForest)]
    return model._order[at], model._order[forest.partner], forest


def test_as_many_payments_settle_a_bill_as_in_the_data(model, table):
    made = pa.Table.from_batches(model.sample(20_000, 1))
    # Three standard errors of 20,000 rows are .01; trees add theirs.
    assert shares(made) == pytest.approx(shares(table), abs=0.025)
    assert {"bill", "paid"} == set(tie_of(model)[:2])


def test_values_stay_in_the_columns_range_and_whole(model, table):
    made = pa.Table.from_batches(model.sample(20_000, 2))
    paid = made["paid"].to_numpy()
    assert paid.min() >= 0
    assert paid.max() <= table["paid"].to_numpy().max()
    assert np.array_equal(paid, np.round(paid))


def test_a_model_file_gives_the_same_rows(model, tmp_path):
    model.save(tmp_path / "model")
    again = TreesSynthesizer.load(tmp_path / "model")
    assert list(again.sample(1_000, 4)) == list(model.sample(1_000, 4))


def test_k_people_stand_behind_every_part(table, schema):
    model = TreesSynthesizer(TreesSettings(k=45, trees=2)).fit(table, schema, seed=1)
    name, partner, tie = tie_of(model)
    for part in (tie.own, tie.gate, tie.near):
        forest = part.forest if isinstance(part, LeaningForest) else part
        assert np.diff(forest.before[forest.start]).min() >= 45
    parts = difference(table[name].to_numpy(), table[partner].to_numpy())
    assert np.bincount(tie.states.of(Numeric(parts[np.isfinite(parts)]))).min() >= 45


def test_a_copy_of_a_column_stays_one():
    table = bills().drop_columns(["paid"])
    table = table.append_column("booked", table["bill"])
    model = TreesSynthesizer(TreesSettings(trees=2)).fit(table, schema_of(table), seed=1)
    made = pa.Table.from_batches(model.sample(5_000, 1))
    assert np.mean(made["booked"].to_numpy() == made["bill"].to_numpy()) > 0.98


def test_training_goes_on_with_new_rows(model, table, schema):
    more = TreesSynthesizer(TreesSettings(trees=4)).fit(table.slice(0, 2_000), schema, seed=2, previous=model)
    _, _, before = tie_of(model)
    _, _, after = tie_of(more)
    assert after.gate.before[-1] == before.gate.before[-1] + 2_000 * 4
    assert shares(pa.Table.from_batches(more.sample(20_000, 1))) == pytest.approx(shares(table), abs=0.025)


def test_completed_payments_lie_as_near(model, table):
    rows = table.slice(0, 3_000)
    given = pa.table({"bill": rows["bill"], "paid": pa.nulls(3_000, pa.float64()), "owed": rows["owed"]})
    masks = {name: np.full(3_000, name != "paid") for name in given.column_names}
    known = encode(rows, model.schema)
    done = model._complete(generator(1, "complete"), known, {name: masks[name] for name in known})
    paid, bill = done["paid"].values, rows["bill"].to_numpy()
    due = bill != 0
    near = np.mean(np.abs(paid[due] - bill[due]) <= 0.03 * bill[due])
    assert near == pytest.approx(shares(table)[1], abs=0.05)


def test_members_likelihood_knows_of_ties(model, table, schema, tmp_path):
    model.save(tmp_path / "model")
    content = modelfile.read(tmp_path / "model")
    settled = table["paid"].to_numpy() == table["bill"].to_numpy()
    told = trees_log_likelihood(content, encode(table, schema))
    untied = trees_log_likelihood(replace(content, state=content.state | {"ties": []}), encode(table, schema))
    due = settled & (table["bill"].to_numpy() != 0)
    assert told[due].mean() > untied[due].mean() + 1.0


# --- What is a tie ---


def test_what_follows_without_equality_is_none():
    rng = generator(1, "follows")
    bill = np.exp(rng.normal(8, 1, ROWS))
    assert tied_to(bill * rng.uniform(0.5, 1.5, ROWS), {0: bill}, 50, rng) is None
    assert tied_to(bill, {0: rng.permutation(bill)}, 50, rng) is None


def test_levels_that_are_always_near_are_none():
    rng = generator(1, "levels")
    assert tied_to(1e6 + rng.normal(0, 9, ROWS), {0: 1e6 + rng.normal(0, 9, ROWS)}, 50, rng) is None


def test_the_column_repeated_most_often_is_the_one():
    rng = generator(1, "most")
    bill, other = np.exp(rng.normal(8, 1, (2, ROWS)))
    paid = np.where(rng.random(ROWS) < 0.3, bill, other)
    assert tied_to(paid, {0: bill, 7: other}, 50, rng) == 7


def test_nothing_missing_zero_or_huge_is_near():
    values = np.array([np.nan, 1.0, 0.0, 1e308, 5.0, 0.0])
    other = np.array([1.0, np.nan, 1.0, -1e308, 5.0, 0.0])
    assert np.isfinite(difference(values, other)).tolist() == [False, False, False, False, True, False]


# --- Hostile files ---


def _with(tmp_path, model, change):
    model.save(tmp_path / "model")
    content = modelfile.read(tmp_path / "model")
    state, arrays = change(dict(content.state), dict(content.arrays))
    config = {"schema": content.schema.model_dump(mode="json"), "state": state}
    modelfile.write(tmp_path / "changed", "trees", model.settings, config, arrays)
    return TreesSynthesizer.load(tmp_path / "changed")


def _tied(state, **more):
    (tie,) = state["ties"]
    return state | {"ties": [tie | more]}


@pytest.mark.parametrize(
    "change",
    [
        lambda state, arrays: (_tied(state, partner=2), arrays),
        lambda state, arrays: (_tied(state, partner=-1), arrays),
        lambda state, arrays: (_tied(state, leaning=False, more=1), arrays),
        lambda state, arrays: (state, {key: part for key, part in arrays.items() if ".gate." not in key}),
        lambda state, arrays: (
            state,
            {key: part * (99 if ".states.high" in key else 1) for key, part in arrays.items()},
        ),
        lambda state, arrays: (state, {key: part[:0] if ".states." in key else part for key, part in arrays.items()}),
    ],
    ids=["later", "negative", "unknown", "no gate", "far", "no states"],
)
def test_ties_that_do_not_fit_are_refused(model, tmp_path, change):
    with pytest.raises(ModelFileError):
        _with(tmp_path, model, change)


def test_a_column_without_values_repeats_none(table, tmp_path):
    two = table.drop_columns(["owed"])
    model = TreesSynthesizer(TreesSettings(trees=2)).fit(two, schema_of(two), seed=1)
    assert tie_of(model)[0] == model._order[1]

    def emptied(state, arrays):
        at = 1
        state["missing"][at] = True
        own = {f"{at}.{name}" for name in ("low", "high", "step", "tilt")}
        emptied = {key: part[:0] if key in own else part for key, part in arrays.items()}
        # All rows are missing then: the one state that is left.
        return state, emptied | {f"{at}.state": np.zeros_like(arrays[f"{at}.state"])}

    with pytest.raises(ModelFileError):
        _with(tmp_path, model, emptied)


def test_given_cells_that_repeat_nothing_are_completed_though_all_rows_did():
    rng = generator(5, "all")
    bill = np.round(np.exp(rng.normal(8, 1, ROWS)) + 1)
    table = pa.table({"bill": bill, "booked": bill, "owed": np.round(bill * rng.uniform(1, 3, ROWS))})
    model = TreesSynthesizer(TreesSettings(trees=2)).fit(table, schema_of(table), seed=1)
    _, _, tie = tie_of(model)
    assert (tie.gate.state == 1).all()
    given = pa.table({"bill": bill[:50], "booked": bill[:50][::-1], "owed": pa.nulls(50, pa.float64())})
    for gap in ("owed", "bill", "booked"):
        known = given.set_column(given.column_names.index(gap), gap, pa.nulls(50, pa.float64()))
        with np.errstate(all="raise", under="ignore"):
            (made,) = model.complete(known, seed=1)
        assert made.num_rows == 50
        assert np.isfinite(made[gap].to_numpy()).all()

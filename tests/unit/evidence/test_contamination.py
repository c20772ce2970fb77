"""A holdout that overlaps is refused, one that only looks alike is not."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from synthcredit.datasets import detect, read
from synthcredit.errors import InvalidInputError
from synthcredit.evidence import contamination
from synthcredit.evidence.contamination import require_disjoint

SEEDS = 20


def _refused(tables, schema, train, holdout, synthetic=None):
    sides = [None if side is None else tables.table_of(side, schema) for side in (train, holdout, synthetic)]
    try:
        require_disjoint(sides[0], sides[1], schema, synthetic=sides[2])
    except InvalidInputError as error:
        return str(error)
    return ""


def _cut(frame, seed, share=0.7):
    mixed = frame.sample(frac=1, random_state=seed).reset_index(drop=True)
    at = round(share * len(mixed))
    return mixed[:at], mixed[at:]


def _dirty(train, holdout, seed, share=0.05):
    count = round(share * len(holdout))
    return pd.concat([holdout[count:], train.sample(count, random_state=seed)])


@pytest.fixture(scope="module")
def real(german_credit, request):
    """German credit, and UCI default where it is there, as Arrow."""

    def load(name):
        path, target = german_credit, "creditability"
        if name == "uci":
            folder = request.getfixturevalue("shared_data")
            path, target = folder / "uci_default_credit_card" / "default_of_credit_card_clients.csv", None
        schema = detect.detect_schema(path, target=target).schema
        return read.read_table(path, schema), schema

    return load


@pytest.mark.parametrize("name", ["german", "uci"])
def test_a_cut_of_real_data_is_never_refused_and_five_per_cent_of_train_always(real, name):
    table, schema = real(name)
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        order = rng.permutation(table.num_rows)
        at = round(0.7 * len(order))
        train, holdout = table.take(order[:at]), table.take(order[at:])
        require_disjoint(train, holdout, schema)
        count = round(0.05 * holdout.num_rows)
        mixed = np.concatenate([order[at + count :], rng.choice(order[:at], count, replace=False)])
        with pytest.raises(InvalidInputError, match="overlaps the real data"):
            require_disjoint(train, table.take(mixed), schema)


def coarse(rows, seed):
    """Six columns of few values that depend on each other: most rows have their like."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, rows)
    return pd.DataFrame({f"c{i}": (kind + rng.integers(0, 3, rows) * (rng.random(rows) < 0.3)) % 5 for i in range(6)})


def test_rows_that_are_equal_by_coincidence_are_no_contamination(tables):
    schema = tables.schema_of(coarse(3000, 0).astype(str))
    for seed in range(SEEDS):
        frame = coarse(3000, seed).astype(str)
        train, holdout = _cut(frame, seed)
        assert holdout.merge(train.drop_duplicates()).shape[0] > len(holdout) / 2
        fresh = coarse(2000, 100 + seed).astype(str)
        for synthetic in (None, fresh, tables.independent(train, seed), train.sample(frac=1, replace=True)):
            assert not _refused(tables, schema, train, holdout, synthetic)


def test_rows_doubled_before_the_cut_are_not_taken_for_a_leak(tables, german_credit):
    frame = pd.read_csv(german_credit)[:300]
    schema = tables.schema_of(frame)
    assert not _refused(tables, schema, *_cut(pd.concat([frame, frame]), 1))


def test_a_holdout_later_in_time_is_not_refused(tables):
    frame = coarse(3000, 1)
    schema = tables.schema_of(frame.astype(str))
    early, late = frame[:2000], (frame[2000:] + (np.random.default_rng(1).random((1000, 6)) < 0.2)) % 5
    assert not _refused(tables, schema, early.astype(str), late.astype(str))


def test_the_same_rows_in_another_order_are_the_same_table(tables, german_credit):
    frame = pd.read_csv(german_credit)
    schema = tables.schema_of(frame)
    train, holdout = _cut(frame, 1)
    assert "same rows as the real data" in _refused(tables, schema, train, train.sample(frac=1, random_state=2))
    said = _refused(tables, schema, train, holdout, holdout.sample(frac=1, random_state=2))
    assert "same rows as the synthetic data" in said


def test_keys_decide_where_contents_cannot(tables):
    frame = coarse(1000, 1).astype(str)
    keyed = frame.assign(key=[f"K{i:05d}" for i in range(1000)])
    schema = tables.schema_of(frame)
    key = schema["c0"].model_copy(
        update={"name": "key", "storage_name": "key", "kind": "identifier", "categories": None}
    )
    schema = schema.model_copy(update={"columns": (*schema.columns, key), "primary_key": "key"})
    train, holdout = _cut(keyed, 1)
    assert not _refused(tables, schema, train, holdout)
    assert "have both the key" in _refused(tables, schema, train, _dirty(train, holdout, 1))
    # Numbered anew in each file, keys mean nothing.
    again = holdout.assign(key=train["key"].to_numpy()[: len(holdout)])
    assert not _refused(tables, schema, train, again)


@pytest.mark.parametrize("source", ["holdout alone", "both"])
def test_synthetic_rows_made_from_the_holdout_are_found(tables, german_credit, source):
    frame = pd.read_csv(german_credit)
    schema = tables.schema_of(frame)
    train, holdout = _cut(frame, 1)
    clean = tables.blurred(train, 1, 1000, share=0.3)
    assert not _refused(tables, schema, train, holdout, clean)
    assert not _refused(tables, schema, train, holdout, train)
    taken = holdout[:20] if source == "holdout alone" else pd.concat([holdout[:20], train[:46]])
    said = _refused(tables, schema, train, holdout, pd.concat([clean, taken]))
    assert "synthetic rows repeat it: of 300 rows that only one real person has, 20 stand" in said


def test_five_equal_rows_are_needed(tables, german_credit):
    frame = pd.read_csv(german_credit)
    schema = tables.schema_of(frame)
    train, holdout = _cut(frame, 1)
    assert not _refused(tables, schema, train, pd.concat([holdout, train[:4]]), pd.concat([train, holdout[:4]]))


def test_the_expected_number_of_groups_is_that_of_random_cuts():
    rng = np.random.default_rng(1)
    pool = np.concatenate([np.repeat(np.arange(50), 2), np.repeat(np.arange(50, 70), 3), np.arange(100, 400)])
    pool = pool.astype(np.uint64)
    found, means = [], None
    for _ in range(300):
        rng.shuffle(pool)
        count, means = contamination.groups_on_both_sides(pool[:300], pool[300:])
        found.append(count)
    assert np.mean(found) == pytest.approx(means[0], abs=4 * means[1] / np.sqrt(300))
    assert np.std(found) == pytest.approx(means[1], rel=0.2)


def test_false_alarms_are_as_rare_as_said():
    """One in a thousand by the normal bound; over 2,000 random cuts more than 8 would be a wrong bound."""
    rng = np.random.default_rng(2)
    pool = np.concatenate([np.repeat(np.arange(80), 2), np.arange(100, 340)]).astype(np.uint64)
    alarms = 0
    for _ in range(2000):
        rng.shuffle(pool)
        count, (mean, deviation) = contamination.groups_on_both_sides(pool[:280], pool[280:])
        alarms += count > mean + contamination._Z * deviation + 0.5
    assert alarms <= stats.poisson.ppf(0.999, 2)


def test_nothing_to_compare_is_no_contamination(tables):
    frame = coarse(100, 1).astype(str)
    schema = tables.schema_of(frame)
    assert not _refused(tables, schema, frame[:0], frame)
    assert not _refused(tables, schema, frame[:50], frame[50:], frame[:0])

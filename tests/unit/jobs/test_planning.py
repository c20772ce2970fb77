from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.datasets.split import Rule, Split
from synthcredit.jobs.planning import MAX_SHARD_BLOCKS, SHARDS, Training, choose_model, cut_into_shards
from synthcredit.randomness import BLOCK_ROWS
from synthcredit.synthesizers.card import ModelCard

SCHEMA = TableSchema(
    name="loans",
    columns=(Column(name="amount", storage_name="amount", kind="integer", dtype="int64", minimum=0, maximum=9),),
)
SPLIT = Split(rule=Rule.ROWS, train_rows=70, holdout_rows=30, hash="s")
TRAINING = Training(
    dataset="loans",
    data_uri="loans.csv",
    data_hash="d",
    table_schema=SCHEMA,
    split=SPLIT,
    synthesizer="trees",
    settings={"trees": 8},
    seed=1,
)
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def _card(**changes) -> ModelCard:
    return ModelCard(
        **{
            "model_id": TRAINING.model_id,
            "synthesizer": "trees",
            "settings": {"trees": 8},
            "seed": 1,
            "dataset": "loans",
            "table_schema": SCHEMA,
            "schema_fingerprint": SCHEMA.fingerprint,
            "data_uri": "loans.csv",
            "data_hash": "d",
            "split": SPLIT,
            "model_hash": "m",
            "created_at": CREATED,
            "fit_seconds": 1.0,
            "packages": {},
            "licence": "",
            **changes,
        }
    )


@given(rows=st.integers(1, 20_000_000))
def test_shards_cover_every_row_once_in_whole_blocks(rows):
    shards = cut_into_shards(rows, BLOCK_ROWS)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert shards[0].first_row == 0
    assert all(shard.first_row % BLOCK_ROWS == 0 for shard in shards)
    ends = [shard.first_row + shard.rows for shard in shards]
    assert [shard.first_row for shard in shards[1:]] == ends[:-1]
    assert ends[-1] == rows
    assert max(shard.rows for shard in shards) <= MAX_SHARD_BLOCKS * BLOCK_ROWS
    if rows <= SHARDS * MAX_SHARD_BLOCKS * BLOCK_ROWS:
        assert len(shards) <= SHARDS


def test_model_ids_depend_on_everything_that_makes_the_model_and_nothing_else():
    moved = TRAINING.model_copy(update={"data_uri": "elsewhere.csv"})
    assert moved.model_id == TRAINING.model_id
    for change in ({"data_hash": "e"}, {"seed": 2}, {"settings": {"trees": 9}}, {"synthesizer": "ctgan"}):
        assert TRAINING.model_copy(update=change).model_id != TRAINING.model_id


def test_a_suitable_model_is_reused_whatever_its_seed():
    card, reason = choose_model(TRAINING, [_card(seed=99)], asked={}, reuse=True)
    assert card is not None
    assert "same data" in reason


def test_the_newest_suitable_model_is_taken():
    old, new = _card(model_id="old"), _card(model_id="new", created_at=CREATED + timedelta(days=1))
    assert choose_model(TRAINING, [new, old], asked={}, reuse=True)[0] is new
    assert choose_model(TRAINING, [old, new], asked={}, reuse=True)[0] is new


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"synthesizer": "ctgan"}, "no trees model of this data exists"),
        ({"settings": {"trees": 1}}, "no trees model of this data has these settings"),
        ({"data_hash": "other"}, "no trees model of this data exists"),
        ({"schema_fingerprint": "other"}, "no trees model of this data has these settings"),
        ({"split": SPLIT.model_copy(update={"hash": "other"})}, "no trees model of this data has these settings"),
        ({"expires_at": CREATED}, "expired"),
    ],
)
def test_unsuitable_models_are_not_used(changes, why):
    card, reason = choose_model(TRAINING, [_card(**changes)], asked={"trees": 8}, reuse=True)
    assert card is None
    assert why in reason


def test_reuse_can_be_refused():
    assert choose_model(TRAINING, [_card()], asked={}, reuse=False) == (None, "a new model was asked for")


def test_a_model_that_has_not_expired_is_used():
    later = datetime.now(UTC) + timedelta(days=1)
    assert choose_model(TRAINING, [_card(expires_at=later)], asked={}, reuse=True)[0] is not None


def test_settings_that_were_not_asked_for_may_differ():
    other = _card(settings={"trees": 99})
    assert choose_model(TRAINING, [other], asked={}, reuse=True)[0] is other
    assert choose_model(TRAINING, [other], asked={"trees": 8}, reuse=True)[0] is None

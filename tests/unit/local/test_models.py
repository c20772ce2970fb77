import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.datasets.split import Rule, Split
from synthcredit.errors import ModelFileError, NotFoundError
from synthcredit.hashing import file_hash
from synthcredit.local.models import FolderModels
from synthcredit.synthesizers.card import ModelCard

SCHEMA = TableSchema(
    name="loans",
    columns=(Column(name="amount", storage_name="amount", kind="integer", dtype="int64", minimum=0, maximum=9),),
)


def _card(model_id, file, **changes) -> ModelCard:
    return ModelCard(
        **{
            "model_id": model_id,
            "synthesizer": "trees",
            "settings": {},
            "seed": 0,
            "dataset": "loans",
            "table_schema": SCHEMA,
            "schema_fingerprint": SCHEMA.fingerprint,
            "data_uri": "loans.csv",
            "data_hash": "d",
            "split": Split(rule=Rule.ROWS, train_rows=7, holdout_rows=3, hash="s"),
            "model_hash": file_hash(file),
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
            "fit_seconds": 1,
            "packages": {},
            "licence": "",
            **changes,
        }
    )


@pytest.fixture
def models(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"arrays")
    models = FolderModels(tmp_path / "models", shipped=tmp_path / "shipped")
    models.put(_card("trees-a", file), file)
    return models


def test_a_registered_model_is_found_and_fetched(models):
    assert models.find("trees-a").dataset == "loans"
    with models.fetch("trees-a") as path:
        assert path.read_bytes() == b"arrays"
    assert [card.model_id for card in models.all()] == ["trees-a"]


@pytest.mark.parametrize("model_id", ["trees-b", "../trees-a", ".."])
def test_unknown_models_are_not_found(models, model_id):
    assert models.find(model_id) is None
    with pytest.raises(NotFoundError), models.fetch(model_id):
        pass


def test_a_model_file_that_was_changed_is_refused(models):
    (models.root / "trees-a" / "model.safetensors").write_bytes(b"other arrays")
    with pytest.raises(ModelFileError, match="not the one that was registered"), models.fetch("trees-a"):
        pass


@pytest.mark.parametrize("content", [b"", b"{", b'{"model_id": "x"}'])
def test_a_damaged_card_is_refused_with_its_place(models, content):
    (models.root / "trees-a" / "card.json").write_bytes(content)
    with pytest.raises(ModelFileError, match="model card trees-a"):
        models.find("trees-a")


def test_released_rows_count_once_a_job_however_many_come_at_once(models):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: models.note_release("trees-a", f"job{i % 8}", 100, {"tstr": 0.7}), range(32)))
    card = models.find("trees-a")
    assert card.rows_released == 800
    assert card.scores == {"tstr": 0.7}


def test_shipped_models_are_used_but_never_written_to(models):
    shutil.copytree(models.root / "trees-a", models.shipped / "shipped-a")
    card = models.find("trees-a").model_copy(update={"model_id": "shipped-a"})
    (models.shipped / "shipped-a" / "card.json").write_text(card.model_dump_json(by_alias=True))
    before = (models.shipped / "shipped-a" / "card.json").read_bytes()
    models.note_release("shipped-a", "job", 10, {})
    assert models.find("shipped-a").rows_released == 10
    assert (models.shipped / "shipped-a" / "card.json").read_bytes() == before
    with models.fetch("shipped-a") as path:
        assert path.is_relative_to(models.shipped)
    assert {card.model_id for card in models.all()} == {"trees-a", "shipped-a"}

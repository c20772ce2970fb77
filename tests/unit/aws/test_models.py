import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from synthcredit.aws.models import S3Models
from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.datasets.split import Rule, Split
from synthcredit.errors import ModelFileError, NotFoundError
from synthcredit.hashing import file_hash
from synthcredit.synthesizers.card import ModelCard
from synthcredit.synthesizers.shipped import SHIPPED

from .conftest import LAKE

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
            "data_uri": "s3://bucket/loans.csv",
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


def _register(models, model_id, folder, **changes):
    file = folder / "file"
    file.write_bytes(b"arrays")
    models.put(_card(model_id, file, **changes), file)
    assert not file.exists()


@pytest.fixture
def models(objects, tmp_path):
    models = S3Models(objects, shipped=tmp_path / "shipped")
    _register(models, "trees-a", tmp_path)
    return models


def test_a_registered_model_is_found_and_fetched(models, objects):
    assert models.find("trees-a").dataset == "loans"
    with models.fetch("trees-a") as path:
        assert path.read_bytes() == b"arrays"
    assert list(objects.keys("models/")) == ["models/trees-a/card.json", "models/trees-a/model.safetensors"]


def test_the_card_is_written_last(models, objects, tmp_path, monkeypatch):
    written = []
    put = objects.put
    monkeypatch.setattr(objects, "put", lambda path, key: (written.append(key), put(path, key)))
    _register(models, "trees-b", tmp_path)
    assert written == ["models/trees-b/model.safetensors", "models/trees-b/card.json"]


def test_all_models_are_listed_newest_first(models, tmp_path):
    later = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=1)
    _register(models, "trees-b", tmp_path, created_at=later)
    assert [card.model_id for card in models.all()] == ["trees-b", "trees-a"]


def test_a_model_without_its_card_is_not_there_yet(models, s3):
    s3.put_object(Bucket=LAKE, Key="models/trees-c/model.safetensors", Body=b"arrays")
    assert models.find("trees-c") is None
    assert [card.model_id for card in models.all()] == ["trees-a"]


def test_a_card_without_its_model_is_no_model(models, s3):
    s3.delete_object(Bucket=LAKE, Key="models/trees-a/model.safetensors")
    with pytest.raises(NotFoundError, match="no model 'trees-a'"), models.fetch("trees-a"):
        pass


@pytest.mark.parametrize("model_id", ["trees-b", "trees", "../trees-a", "..", "", "a/b", "trees-a/", "*"])
def test_unknown_models_are_not_found(models, model_id):
    assert models.find(model_id) is None
    with pytest.raises(NotFoundError, match="there is no model"), models.fetch(model_id):
        pass


def test_a_model_file_that_was_changed_is_refused(models, s3):
    s3.put_object(Bucket=LAKE, Key="models/trees-a/model.safetensors", Body=b"other arrays")
    with pytest.raises(ModelFileError, match="not the one that was registered") as caught, models.fetch("trees-a"):
        pass
    assert caught.value.problems[0].fix == f"Delete s3://{LAKE}/models/trees-a/ and train again."


@pytest.mark.parametrize("content", [b"", b"{", b'{"model_id": "x"}'])
def test_a_damaged_card_is_refused_with_its_place(models, s3, content):
    s3.put_object(Bucket=LAKE, Key="models/trees-a/card.json", Body=content)
    with pytest.raises(ModelFileError, match="model card trees-a"):
        models.find("trees-a")


def test_released_rows_count_once_a_job_however_many_come_at_once(models):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: models.note_release("trees-a", f"job{i % 8}", 100, {"tstr": 0.7}), range(16)))
    card = models.find("trees-a")
    assert card.released == {f"job{number}": 100 for number in range(8)}
    assert card.scores == {"tstr": 0.7}


def test_the_latest_scores_are_shown(models):
    models.note_release("trees-a", "z", 10, {"tstr": 0.7})
    models.find("trees-a")
    models.note_release("trees-a", "zz", 5, {"tstr": 0.8})
    card = next(models.all())
    assert card.rows_released == 15
    assert card.scores == {"tstr": 0.8}


def test_no_release_is_noted_on_a_model_that_is_not_there(models, objects):
    models.note_release("trees-b", "job", 10, {})
    assert list(objects.keys("models/trees-b")) == []


def test_a_damaged_note_is_refused_and_a_foreign_object_is_nothing(models, s3):
    s3.put_object(Bucket=LAKE, Key="models/trees-a/releases/readme.txt", Body=b"hello")
    s3.put_object(Bucket=LAKE, Key="models/stray", Body=b"hello")
    assert models.find("trees-a").released == {}
    assert [card.model_id for card in models.all()] == ["trees-a"]
    s3.put_object(Bucket=LAKE, Key="models/trees-a/releases/job.10.json", Body=b"{")
    with pytest.raises(ModelFileError, match="damaged"):
        models.find("trees-a")


def test_a_card_is_read_once_until_it_changes(models, s3, tmp_path):
    calls = []
    s3.meta.events.register("before-call.s3.GetObject", lambda **_: calls.append(1))
    first = [models.find("trees-a") for _ in range(3)]
    assert len(calls) == 1
    _register(models, "trees-a", tmp_path, licence="another")
    assert first[0].licence == ""
    assert models.find("trees-a").licence == "another"


def test_shipped_models_are_used_but_never_written_to(models, objects, tmp_path):
    file = tmp_path / "shipped" / "shipped-a" / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"shipped arrays")
    card = file.with_name("card.json")
    card.write_text(_card("shipped-a", file).model_dump_json(by_alias=True))
    before = card.read_bytes()
    models.note_release("shipped-a", "job", 10, {})
    assert models.find("shipped-a").rows_released == 10
    assert card.read_bytes() == before
    with models.fetch("shipped-a") as path:
        assert path == file
    assert {card.model_id for card in models.all()} == {"trees-a", "shipped-a"}
    file.write_bytes(b"changed")
    with pytest.raises(ModelFileError, match="not the one"), models.fetch("shipped-a"):
        pass
    shutil.rmtree(file.parent)
    assert models.find("shipped-a") is None


def test_the_models_of_the_package_are_found(objects):
    (folder,) = SHIPPED.iterdir()
    with S3Models(objects).fetch(folder.name) as path:
        assert path == folder / "model.safetensors"

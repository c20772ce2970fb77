import pytest

from synthcredit.errors import InvalidInputError, NotFoundError
from synthcredit.local.objects import FolderObjects


@pytest.fixture
def objects(tmp_path):
    return FolderObjects(tmp_path / "lake")


def _put(objects, key, content=b"rows"):
    with objects.scratch() as folder:
        (folder / "file").write_bytes(content)
        objects.put(folder / "file", key)


def test_what_is_put_can_be_fetched(objects):
    _put(objects, "jobs/1/data/part.parquet")
    assert objects.exists("jobs/1/data/part.parquet")
    with objects.fetch("jobs/1/data/part.parquet") as path:
        assert path.read_bytes() == b"rows"
    assert objects.link("jobs/1/data/part.parquet") == str(path)


def test_keys_are_sorted_and_below_their_prefix(objects):
    for key in ("jobs/1/b", "jobs/1/a", "jobs/12/c", "models/x"):
        _put(objects, key)
    assert list(objects.keys("jobs/1/")) == ["jobs/1/a", "jobs/1/b"]
    assert list(objects.keys("jobs/none/")) == []


def test_deleting_takes_the_prefix_and_nothing_else(objects):
    for key in ("jobs/1/data/a", "jobs/1/report.html"):
        _put(objects, key)
    objects.delete("jobs/1/data/")
    objects.delete("jobs/1/data/")
    assert list(objects.keys("jobs/")) == ["jobs/1/report.html"]


def test_scratch_is_gone_afterwards_even_after_an_error(objects):
    with pytest.raises(RuntimeError), objects.scratch() as folder:
        (folder / "half").write_bytes(b"x")
        raise RuntimeError
    assert not folder.exists()


@pytest.mark.parametrize("key", ["../outside", "jobs/../../outside", "/etc/passwd"])
def test_keys_cannot_lead_out_of_the_store(objects, key):
    with pytest.raises(InvalidInputError, match="leads out"):
        objects.exists(key)


def test_missing_files_are_named(objects, tmp_path):
    with pytest.raises(NotFoundError, match="jobs/1/plan.json"), objects.fetch("jobs/1/plan.json"):
        pass
    with pytest.raises(NotFoundError, match="nowhere.csv"), objects.source(str(tmp_path / "nowhere.csv")):
        pass


def test_sources_are_paths_or_file_uris_and_nothing_else(objects, tmp_path):
    path = tmp_path / "my data.csv"
    path.write_text("a,b\n")
    for uri in (str(path), path.as_uri()):
        with objects.source(uri) as found:
            assert found == path
    with pytest.raises(InvalidInputError, match="'s3' cannot be read"), objects.source("s3://bucket/key.csv"):
        pass


def test_free_space_is_known(objects):
    assert objects.free_bytes() > 0

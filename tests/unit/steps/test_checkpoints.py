"""The checkpoint of a training: kept whole, given back only as it was, refused without an end of the training."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.errors import MissingPackageError, Problem, StoppedError, StorageError
from synthcredit.local.objects import FolderObjects
from synthcredit.local.sweep import sweep
from synthcredit.steps import checkpoints
from synthcredit.steps.checkpoints import KEPT_DAYS, StoredCheckpoints, resuming

KEY = "training/ctgan-loans-1/checkpoint"
PROBLEM = Problem("disk", "it is full", "Make room.")


@pytest.fixture
def objects(tmp_path):
    return FolderObjects(tmp_path / "lake")


@pytest.fixture
def kept(objects):
    return StoredCheckpoints(objects, "ctgan-loans-1")


def _put(objects, content: bytes) -> None:
    with objects.scratch() as folder:
        (folder / "x").write_bytes(content)
        objects.put(folder / "x", KEY)


def _stored(objects) -> bytes:
    with objects.fetch(KEY) as path:
        return path.read_bytes()


def test_what_was_written_last_is_read(kept, objects):
    assert kept.read() is None
    kept.write(b"first")
    kept.write(b"second\n\x00")
    assert StoredCheckpoints(objects, "ctgan-loans-1").read() == b"second\n\x00"
    assert list(objects.keys("training/")) == [KEY]
    kept.remove()
    kept.remove()
    assert kept.read() is None


def test_each_model_has_its_own(kept, objects):
    kept.write(b"mine")
    assert StoredCheckpoints(objects, "ctgan-loans-2").read() is None


@given(content=st.binary(max_size=300), cut=st.integers(0, 400), flip=st.integers(0, 400), bits=st.integers(1, 255))
def test_what_is_cut_off_or_damaged_is_not_given_out(tmp_path_factory, content, cut, flip, bits):
    objects = FolderObjects(tmp_path_factory.mktemp("lake"))
    kept = StoredCheckpoints(objects, "ctgan-loans-1")
    kept.write(content)
    whole = _stored(objects)
    _put(objects, whole[: min(cut, len(whole) - 1)])
    assert kept.read() is None
    damaged = bytearray(whole)
    damaged[flip % len(whole)] ^= bits
    _put(objects, bytes(damaged))
    assert kept.read() in (None, content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04cos\nsystem\n",
        b"synthcredit checkpoint 1\n" + b"{" * 5000,
        b"synthcredit checkpoint 1\n" + b"[" * 4000 + b"\n",
        b"synthcredit checkpoint 1\n{}\n",
        b'synthcredit checkpoint 1\n{"model_id": "ctgan-loans-1", "version": "9", "sha256": ""}\n',
        b'synthcredit checkpoint 1\n{"model_id": "other", "version": "9", "sha256": ""}\n',
    ],
    ids=["empty", "pickle", "no end", "deep", "nothing said", "version", "model"],
)
def test_hostile_content_means_a_training_from_the_beginning(kept, objects, caplog, content):
    _put(objects, content)
    with caplog.at_level(logging.WARNING):
        assert kept.read() is None
    assert "training starts anew" in caplog.text
    assert not kept.unproven


def test_what_is_too_large_is_not_read(kept, monkeypatch, caplog):
    kept.write(b"x" * 1000)
    monkeypatch.setattr(checkpoints, "MAX_BYTES", 999)
    assert kept.read() is None
    assert "larger than any can be" in caplog.text


def test_a_store_that_refuses_does_not_end_a_training(kept, objects, monkeypatch, caplog):
    def refuse(*_):
        raise StorageError(PROBLEM)

    monkeypatch.setattr(objects, "put", refuse)
    kept.write(b"state")
    assert "no checkpoint was kept" in caplog.text
    monkeypatch.setattr(objects, "delete", refuse)
    kept.remove()
    assert "was not removed" in caplog.text


class _Fit:
    """A fit that refuses what it reads, in some way."""

    def __init__(self, error: Exception, *, before_reading=False, after_writing=False) -> None:
        self.error, self.before, self.after = error, before_reading, after_writing
        self.read: list[bytes | None] = []

    def __call__(self, kept) -> str:
        if self.before:
            raise self.error
        self.read.append(kept.read())
        if self.after:
            kept.write(b"new state")
            raise self.error
        if self.read[-1] is not None:
            raise self.error
        return "fitted"


@pytest.mark.parametrize("error", [ValueError("v"), KeyError("k"), RuntimeError("shape"), IndexError()], ids=repr)
def test_a_family_that_refuses_a_checkpoint_trains_anew(kept, objects, caplog, error):
    kept.write(b"of no use")
    fit = _Fit(error)
    assert resuming(fit, kept) == "fitted"
    assert fit.read == [b"of no use", None]
    assert f"refuses the checkpoint ({type(error).__name__})" in caplog.text
    assert not objects.exists(KEY)


@pytest.mark.parametrize("error", [StoppedError(PROBLEM), StorageError(PROBLEM), MissingPackageError(PROBLEM)])
def test_what_is_not_the_checkpoints_fault_ends_the_training_and_keeps_it(kept, objects, error):
    kept.write(b"good")
    with pytest.raises(type(error)):
        resuming(_Fit(error), kept)
    assert objects.exists(KEY)


@pytest.mark.parametrize("when", ["before_reading", "after_writing"])
def test_an_error_of_the_training_itself_is_raised(kept, objects, when):
    kept.write(b"good")
    fit = _Fit(ValueError("ours"), **{when: True})
    with pytest.raises(ValueError, match="ours"):
        resuming(fit, kept)
    assert len(fit.read) == (when == "after_writing")
    assert objects.exists(KEY)


def test_abandoned_checkpoints_are_swept_and_others_stay(tmp_path, kept, objects):
    import os
    import time

    kept.write(b"new")
    StoredCheckpoints(objects, "ctgan-old-1").write(b"old")
    sweep(tmp_path)
    assert len(list(objects.keys("training/"))) == 2
    then = time.time() - (KEPT_DAYS + 1) * 86_400
    os.utime(tmp_path / "lake" / "training" / "ctgan-old-1", (then, then))
    sweep(tmp_path)
    assert list(objects.keys("training/")) == [KEY]
    sweep(tmp_path / "nowhere")

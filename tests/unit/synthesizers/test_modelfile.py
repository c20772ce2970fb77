import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import ModelFileError
from synthcredit.synthesizers import modelfile
from synthcredit.synthesizers.settings import TreesSettings

SCHEMA = TableSchema(
    name="loans",
    columns=(Column(name="amount", storage_name="amount", kind="integer", dtype="int64", minimum=0, maximum=9),),
)
CONFIG = {"schema": SCHEMA.model_dump(mode="json"), "state": {"order": ["amount"]}}
ARRAYS = {"edges": np.linspace(0, 1, 5), "codes": np.arange(6, dtype=np.int32).reshape(2, 3)}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safetensors"
    modelfile.write(path, "trees", TreesSettings(), CONFIG, ARRAYS)
    return path


def _rewritten(file, change) -> None:
    """Write the file again with its header changed."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    inner = json.loads(header["__metadata__"]["synthcredit"])
    change(header, inner)
    header.get("__metadata__", {}).update({"synthcredit": json.dumps(inner)} if inner else {})
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def test_what_is_written_is_read(file):
    content = modelfile.read(file, "trees")
    assert content.schema == SCHEMA
    assert content.settings == TreesSettings()
    assert content.state == {"order": ["amount"]}
    for name, array in ARRAYS.items():
        assert (content.arrays[name] == array).all()
        assert content.arrays[name].dtype == array.dtype
    assert modelfile.family_of(file) == "trees"


def test_the_same_model_gives_the_same_bytes(file, tmp_path):
    modelfile.write(tmp_path / "again", "trees", TreesSettings(), CONFIG, dict(reversed(ARRAYS.items())))
    assert (tmp_path / "again").read_bytes() == file.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"again", "model.safetensors"}


def test_another_family_is_refused(file):
    with pytest.raises(ModelFileError, match="'trees' model, not 'ctgan'"):
        modelfile.read(file, "ctgan")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match="does not exist"):
        modelfile.read(tmp_path / "nowhere")


@given(content=st.binary(max_size=200))
def test_random_bytes_are_refused(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "model"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        modelfile.read(path)


@pytest.mark.parametrize("keep", [0, 4, 8, 20, 200, -1])
def test_truncated_files_are_refused(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ModelFileError):
        modelfile.read(file)


def test_a_header_that_claims_to_be_gigantic_is_refused_before_it_is_read(file):
    file.write_bytes(struct.pack("<Q", 2**62) + file.read_bytes()[8:])
    with pytest.raises(ModelFileError, match="header does not fit"):
        modelfile.read(file)


def test_arrays_that_claim_to_be_gigantic_are_refused(file):
    def gigantic(header, inner):
        header["edges"] |= {"shape": [2**40], "data_offsets": [0, 2**43]}

    _rewritten(file, gigantic)
    with pytest.raises(ModelFileError, match="damaged"):
        modelfile.read(file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda header, inner: inner.update(format=2), "format version 2"),
        (lambda header, inner: inner.update(family="../../etc"), "no synthesizer|cannot be used"),
        (lambda header, inner: inner.update(settings={"trees": -1}), "trees"),
        (lambda header, inner: inner.update(schema_={"name": "loans"}), "columns"),
        (lambda header, inner: inner.update(state=[1]), "state"),
        (lambda header, inner: inner.update(code="import os"), "code"),
        (lambda header, inner: inner.pop("state"), "state"),
    ],
)
def test_hostile_headers_are_refused_with_the_place(file, change, words):
    _rewritten(file, change)
    with pytest.raises(ModelFileError, match=words):
        modelfile.read(file)


def test_a_file_without_our_header_is_refused(file):
    def strip(header, inner):
        header.pop("__metadata__")
        inner.clear()

    _rewritten(file, strip)
    with pytest.raises(ModelFileError, match="missing"):
        modelfile.read(file)


def test_deeply_nested_json_is_refused(file):
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    text = b"[" * 200_000
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    with pytest.raises(ModelFileError):
        modelfile.read(file)

"""Model files that are damaged or made to harm: refused in words or harmless, in bounded memory and time.

The suite runs on every family of the registry by itself. Files are read, and sampled from where they are not refused,
in a process with a limit on its memory and an alarm on its time: a test process that hangs or dies would tell nothing.
"""

import itertools
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthcredit.datasets.arrow import arrow_schema
from synthcredit.errors import InvalidInputError, ModelFileError
from synthcredit.synthesizers import modelfile, registry
from synthcredit.synthesizers.protocol import load_model

MOST_MB = 600
"""Memory that reading any of these files may take beyond what the imports take."""
MOST_SECONDS = 20
FAMILIES = list(registry.FAMILIES)

READER = """
import json, resource, signal, sys, tracemalloc
import numpy, pyarrow, safetensors.numpy
from pathlib import Path
from synthcredit.errors import ModelFileError
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.protocol import load_model
for family in registry.FAMILIES.values():
    family.load_class()

def used():
    return int(next(l for l in open("/proc/self/statm")).split()[0]) * resource.getpagesize()

limit = used() + int(sys.argv[2]) * 10**6
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
found = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    signal.alarm(int(sys.argv[3]))
    try:
        rows = sum(batch.num_rows for batch in load_model(path).sample(50, 1))
        found[path.name] = "harmless" if rows == 50 else f"{rows} rows"
    except ModelFileError as error:
        found[path.name] = "refused: " + str(error)
    except BaseException as error:
        found[path.name] = f"{type(error).__name__}: {error}"[:300]
    signal.alarm(0)
print(json.dumps(found))
"""


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def content(family, fitted, tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "model"
    fitted(family).save(path)
    return path.read_bytes()


def parts_of(content: bytes) -> tuple[dict, dict, bytes]:
    """Return the header, our own part of it, and the arrays."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["synthcredit"]), content[8 + length :]


def put_together(header: dict | bytes, own: dict | None, arrays: bytes) -> bytes:
    if isinstance(header, dict):
        if own is not None:
            header["__metadata__"]["synthcredit"] = json.dumps(own)
        header = json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + arrays


def read_apart(folder: Path) -> dict[str, str]:
    """Read and sample every file of a folder in a process of its own, and return what came of each."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", READER, str(folder), str(MOST_MB), str(MOST_SECONDS)],
        capture_output=True, text=True, env=environment, timeout=600,
    )  # fmt: skip
    # An alarm that rings ends the process: a hang is a failure here.
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def assert_sound(found: dict[str, str], *, refused: bool = True) -> None:
    assert found
    wrong = {
        name: what[:300]
        for name, what in found.items()
        if not (what.startswith("refused: model file") or (what == "harmless" and not refused)) or len(what) > 1_000
    }
    assert not wrong


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


# --- the container ---------------------------------------------------------------------------------------------------


def test_truncated_files_are_refused(content, tmp_path):
    header_end = 8 + struct.unpack("<Q", content[:8])[0]
    places = {0, 1, 7, 8, 9, 100, header_end - 1, header_end, header_end + 1, len(content) - 1}
    places |= set(np.linspace(1, len(content) - 1, 30).astype(int).tolist())
    found = read_apart(written(tmp_path, {f"cut-{place}": content[:place] for place in places}))
    assert len(found) == len(places)
    assert_sound(found)


def test_what_follows_the_last_array_is_refused(content, tmp_path):
    assert_sound(read_apart(written(tmp_path, {"more": content + b"\0", "much": content * 2})))


def _gigantic(content: bytes) -> dict[str, bytes]:
    """Return files whose header lies about the sizes of an array."""
    files = {}
    shapes = {
        "beyond": ([2**40], [0, 2**43]),
        "product": ([2**32, 2**32, 2**32], [0, 8]),
        "largest": ([2**63 - 1], [0, 2**63 - 1]),
        "negative": ([-1], [0, 8]),
        "backwards": ([1], [8, 0]),
        "nothing": ([0, 2**62], [0, 0]),
        "fractions": ([1.5], [0, 8]),
        "text": (["8"], [0, 8]),
        "deep": ([1] * 100_000, [0, 8]),
    }
    for name, (shape, offsets) in shapes.items():
        header, own, arrays = parts_of(content)
        array = next(key for key in header if key != "__metadata__")
        header[array] |= {"shape": shape, "data_offsets": offsets}
        files[name] = put_together(header, own, arrays)
    return files


def test_arrays_that_claim_to_be_gigantic_are_refused(content, tmp_path):
    assert_sound(read_apart(written(tmp_path, _gigantic(content))))


def test_arrays_that_overlap_or_come_twice_are_refused(content, tmp_path):
    header, own, arrays = parts_of(content)
    names = [key for key in header if key != "__metadata__"]
    if len(names) > 1:
        header[names[0]] = dict(header[names[1]])
    overlapping = put_together(header, own, arrays)
    header, own, arrays = parts_of(content)
    header["copy"] = dict(header[names[0]])
    shared = put_together(header, own, arrays)
    text = json.dumps(parts_of(content)[0])
    twice = put_together((text[:-1] + f', "{names[0]}": ' + json.dumps(header[names[0]]) + "}").encode(), None, arrays)
    assert_sound(read_apart(written(tmp_path, {"overlapping": overlapping, "shared": shared})))
    assert_sound(read_apart(written(tmp_path, {"twice": twice})), refused=False)


def test_names_that_are_paths_touch_no_file(content, tmp_path):
    folder = tmp_path / "deep" / "models"
    folder.mkdir(parents=True)
    files = {}
    for at, name in enumerate(["../../x", "/etc/x", "..\\x", "a\0b", "", "model/../../x"]):
        header, own, arrays = parts_of(content)
        first = next(key for key in header if key != "__metadata__")
        header[name] = header.pop(first)
        files[f"array-{at}"] = put_together(header, own, arrays)
        header, own, arrays = parts_of(content)
        files[f"family-{at}"] = put_together(header, own | {"family": name}, arrays)
        schema = own["schema_"] | {"name": name}
        files[f"table-{at}"] = put_together(header, own | {"schema_": schema}, arrays)
    before = sorted(tmp_path.rglob("*"))
    assert_sound(read_apart(written(folder, files)))
    assert len(sorted(tmp_path.rglob("*"))) == len(before) + len(files)


def test_headers_that_blow_up_are_refused(content, tmp_path):
    header, own, arrays = parts_of(content)
    lists = b'{"a":[' + b"[]," * 5_000_000 + b"[]]}"
    deep = b'{"a":' + b"[" * 3_000_000 + b"]" * 3_000_000 + b"}"
    own_deep = json.dumps(own)[:-1] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}"
    header["__metadata__"]["synthcredit"] = own_deep
    files = {
        "lists": put_together(lists, None, arrays),
        "deep": put_together(deep, None, arrays),
        "long": put_together(b'{"__metadata__": {"synthcredit": "' + b"x" * 40_000_000 + b'"}}', None, b""),
        "own-deep": put_together(header, None, arrays),
        "numbers": put_together(b'{"__metadata__": {"synthcredit": ' + b"9" * 1_000_000 + b"}}", None, b""),
        "claims": struct.pack("<Q", 2**63) + content[8:],
        "empty": put_together(b"", None, arrays),
        "null": put_together(b"null", None, arrays),
        "list": put_together(b"[]", None, arrays),
        "not-text": put_together(b"\xff\xfe{}", None, arrays),
    }
    assert_sound(read_apart(written(tmp_path, files)))


def test_a_header_too_large_to_be_read_is_not_written(fitted, monkeypatch, tmp_path):
    model = fitted("copula")
    monkeypatch.setattr(modelfile, "MAX_HEADER_PARTS", 10)
    with pytest.raises(InvalidInputError, match="more than 10 parts"):
        model.save(tmp_path / "model")
    monkeypatch.undo()
    monkeypatch.setattr(modelfile, "MAX_HEADER_BYTES", 0)
    with pytest.raises(InvalidInputError, match="larger than 0 MiB"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_folder_is_refused(family, tmp_path):
    with pytest.raises(ModelFileError, match="folder"):
        registry.family(family).load_class().load(tmp_path)


# --- what the family reads -------------------------------------------------------------------------------------------


def test_a_model_of_another_family_is_refused(family, content, tmp_path):
    header, own, arrays = parts_of(content)
    for other in FAMILIES:
        if other == family:
            continue
        # Under its own name, and then under the name and settings of the other.
        (tmp_path / "model").write_bytes(content)
        with pytest.raises(ModelFileError, match=f"it is a '{family}' model, not '{other}'"):
            registry.family(other).load_class().load(tmp_path / "model")
        disguised = put_together(header, own | {"family": other, "settings": {}}, arrays)
        (tmp_path / "disguised").write_bytes(disguised)
        with pytest.raises(ModelFileError):
            load_model(tmp_path / "disguised")


_DTYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1}


def test_arrays_of_other_dtypes_are_refused_or_harmless(content, tmp_path):
    files = {}
    header, own, arrays = parts_of(content)
    for at, name in enumerate(key for key in header if key != "__metadata__"):
        low, high = header[name]["data_offsets"]
        for dtype, width in _DTYPES.items():
            if dtype == header[name]["dtype"] or (high - low) % width or at > 12:
                continue
            changed = {"dtype": dtype, "shape": [(high - low) // width], "data_offsets": [low, high]}
            files[f"{at}-{dtype}"] = put_together({**header, name: changed}, own, arrays)
    assert_sound(read_apart(written(tmp_path, files)), refused=False)


def test_numbers_that_are_none_are_refused_or_harmless(content, tmp_path):
    header, own, arrays = parts_of(content)
    files = {}
    for at, array in enumerate(value for key, value in header.items() if key != "__metadata__"):
        low, high = array["data_offsets"]
        kind = {"F64": np.float64, "F32": np.float32, "F16": np.float16}.get(array["dtype"])
        if kind is None:
            continue
        for word, value in (("nan", np.nan), ("inf", np.inf), ("minus", -np.inf), ("large", np.finfo(kind).max)):
            whole = bytearray(arrays)
            numbers = np.frombuffer(arrays[low:high], dtype=kind).copy()
            numbers[: 1 + len(numbers) // 2] = value
            whole[low:high] = numbers.tobytes()
            files[f"{at}-{word}"] = put_together(header, own, bytes(whole))
    if files:
        assert_sound(read_apart(written(tmp_path, files)), refused=False)


def _every_number(document: object, place: tuple = ()) -> list[tuple]:
    """Return the places of all numbers and truth values in JSON."""
    if isinstance(document, dict):
        return [found for key, value in document.items() for found in _every_number(value, (*place, key))]
    if isinstance(document, list):
        return [found for at, value in enumerate(document[:4]) for found in _every_number(value, (*place, at))]
    return [place] if isinstance(document, int | float) else []


def test_numbers_of_the_state_that_lie_are_refused_or_harmless(content, tmp_path):
    files = {}
    header, own, arrays = parts_of(content)
    for at, place in enumerate(_every_number(own["state"])[:60]):
        for word, value in (("huge", 2**62), ("negative", -1), ("zero", 0), ("float", 1e308), ("null", None)):
            changed = json.loads(json.dumps(own))
            inner = changed["state"]
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = value
            files[f"{at}-{word}"] = put_together(header, changed, arrays)
    if files:
        assert_sound(read_apart(written(tmp_path, files)), refused=False)


def _schemas(own: dict) -> dict[str, dict]:
    """Return schemas that ask for what no column can hold."""

    def with_column(name: str, **more: object) -> dict:
        columns = [column | more if column["name"] == name else column for column in own["schema_"]["columns"]]
        return own | {"schema_": own["schema_"] | {"columns": columns}}

    schema = own["schema_"]
    return {
        "wide-format": with_column("id", format="{:0999999999999d}"),
        "attribute-format": with_column("id", format="{0.__class__}"),
        "wide-hexadecimal": with_column("id", format="{:0999999999x}"),
        "unclosed-format": with_column("id", format="{:d"),
        "long-format": with_column("id", format="x" * 1_000_000 + "{:d}"),
        "nan-minimum": with_column("income", minimum=float("nan")),
        "infinite-maximum": with_column("income", maximum=float("inf")),
        "date-out-of-range": with_column("opened", minimum=1e300, maximum=1e300),
        "time-out-of-range": with_column("seen", minimum=-1e300, maximum=-1e300),
        "integer-out-of-range": with_column("children", minimum=1e300, maximum=1e301),
        "many-decimals": with_column("income", decimals=15),
        "nan-special": with_column("overdue", special_values=[float("nan"), 1e308]),
        "never-again": with_column("id", rows_per_value=1e308),
        "no-columns": own | {"schema_": schema | {"columns": []}},
        "twice": own | {"schema_": schema | {"columns": [*schema["columns"], schema["columns"][1]]}},
        "fewer": own | {"schema_": schema | {"columns": schema["columns"][:-1], "target": None}},
        "turned": own | {"schema_": schema | {"columns": schema["columns"][::-1]}},
        "no-target": own | {"schema_": schema | {"target": None}},
        "customer": own | {"schema_": schema | {"customer": "income"}},
        "more-categories": with_column("purpose", categories=[str(at) for at in range(100_000)]),
        "other-categories": with_column("purpose", categories=[1, "a", True, 2.5]),
        "never-missing": with_column("purpose", nullable=False),
        "other-kind": with_column("purpose", kind="text", categories=None),
    }


def test_schemas_that_cannot_be_are_refused_or_harmless(content, tmp_path):
    header, own, arrays = parts_of(content)
    files = {name: put_together(header, changed, arrays) for name, changed in _schemas(own).items()}
    assert_sound(read_apart(written(tmp_path, files)), refused=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bits_are_refused_or_harmless(data, content, made_schema, tmp_path):
    changed = bytearray(content)
    header_end = 8 + struct.unpack("<Q", content[:8])[0]
    # The header is the smaller part and the more dangerous one.
    places = st.one_of(st.integers(0, header_end - 1), st.integers(0, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(places)] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "model"
    path.write_bytes(bytes(changed))
    try:
        model = load_model(path)
    except ModelFileError as refused:
        assert str(refused).startswith("model file model")
        return
    drawn = list(itertools.islice(model.sample(50, 1), 1))
    assert drawn[0].num_rows == 50
    assert drawn[0].schema == arrow_schema(model.schema)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(min_size=0, max_size=400), place=st.integers(0, 2**32))
def test_foreign_bytes_are_refused_or_harmless(noise, place, content, tmp_path):
    at = place % len(content)
    path = tmp_path / "model"
    for changed in (noise, noise + content, content[:at] + noise + content[at + len(noise) :]):
        path.write_bytes(changed)
        try:
            model = load_model(path)
        except ModelFileError:
            continue
        assert sum(batch.num_rows for batch in model.sample(20, 1)) == 20

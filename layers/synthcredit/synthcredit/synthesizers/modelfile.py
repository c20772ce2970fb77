"""The one format of model files: safetensors with a JSON header. No code can be in it, and nothing is unpacked.

safetensors checks that every declared array lies inside the file, so that a header cannot make the reader allocate
more than the file holds. The header is still hostile until pydantic has parsed it.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import InvalidInputError, ModelFileError, Problem
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.settings import Settings

FORMAT = 1
MAX_HEADER_BYTES = 16 * 2**20
MAX_HEADER_PARTS = 1_000_000
"""Parts of the header's JSON: empty lists of three bytes each would take twenty times their text in memory."""
_KEY = "synthcredit"


class _Header(BaseModel):
    """What the JSON in a model file must look like."""

    model_config = ConfigDict(extra="forbid")

    format: int
    family: str
    settings: dict[str, Any]
    schema_: dict[str, Any]
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """A model file, parsed."""

    settings: Settings
    schema: TableSchema
    state: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]]


def write(
    path: Path, family: str, settings: Settings, config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write a model file: beside its place first, then moved there, so that no half file is ever found.

    Raises
    ------
    InvalidInputError
        Its header would be too large to be read again.
    """
    header = _Header(
        format=FORMAT,
        family=family,
        settings=settings.model_dump(mode="json"),
        schema_=config["schema"],
        state=config["state"],
    )
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        # One metadata key only: safetensors does not keep the order of several, and the same model must give the
        # same bytes. Written by Python, so that a full disk is an OSError like everywhere.
        content = save(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()},
            metadata={_KEY: header.model_dump_json()},
        )
        if (reason := _too_large(content[8 : 8 + _length(content)])) is not None:
            raise InvalidInputError(Problem("model", reason, "Leave out columns of very many categories."))
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path, family: str | None = None) -> Content:
    """Read a model file that may be hostile.

    Raises
    ------
    ModelFileError
        Not a model file, damaged, of another format version, or not of ``family``.
    """
    with refusing_nonsense(path):
        header = _header(path)
        if header.format != FORMAT:
            raise ValueError(f"it has format version {header.format}, this version reads {FORMAT}")
        if family is not None and header.family != family:
            raise ValueError(f"it is a '{header.family}' model, not '{family}'")
        return Content(
            settings=registry.settings_for(header.family, header.settings),
            schema=TableSchema.model_validate(header.schema_),
            state=header.state,
            arrays=load_file(path),
        )


def family_of(path: Path) -> str:
    """Return the name of the family that a model file is of.

    Raises
    ------
    ModelFileError
        It is no model file, or of a family that this version does not have.
    """
    with refusing_nonsense(path):
        return registry.family(_header(path).family).name


def _header(path: Path) -> _Header:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise ValueError("it is too short")
        length = _length(start)
        if length > min(size - 8, MAX_HEADER_BYTES):
            raise ValueError("its header does not fit into it")
        text = file.read(length)
    if (reason := _too_large(text)) is not None:
        raise ValueError(reason)
    metadata = json.loads(text).get("__metadata__", {})
    return _Header.model_validate_json(metadata[_KEY])


def _length(content: bytes) -> int:
    length: int = struct.unpack("<Q", content[:8])[0]
    return length


def _too_large(header: bytes) -> str | None:
    """Return why a header would take too much memory when it is parsed."""
    if len(header) > MAX_HEADER_BYTES:
        return f"its header is larger than {MAX_HEADER_BYTES // 2**20} MiB"
    if sum(header.count(mark) for mark in (b",", b"[", b"{")) > MAX_HEADER_PARTS:
        return f"its header has more than {MAX_HEADER_PARTS:,} parts"
    return None


@contextlib.contextmanager
def refusing_nonsense(path: Path) -> Iterator[None]:
    """Turn whatever a bad file makes the reader raise into one clear error, without the file's content."""
    try:
        yield
    except ModelFileError:
        raise
    except FileNotFoundError:
        raise ModelFileError(Problem(f"model file {path.name}", "it does not exist", "Check the path.")) from None
    except IsADirectoryError:
        raise ModelFileError(Problem(f"model file {path.name}", "it is a folder", "Check the path.")) from None
    except InvalidInputError as error:
        raise ModelFileError(
            [replace(problem, field=f"model file {path.name}, {problem.field}") for problem in error.problems]
        ) from None
    except (
        ValidationError,
        SafetensorError,
        AttributeError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        RecursionError,
        OverflowError,
    ) as error:
        raise ModelFileError(
            Problem(
                f"model file {path.name}",
                f"it cannot be used: {_reason(error)}",
                "Take the file as `synthcredit train` wrote it, or train again.",
            )
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        places = sorted({".".join(map(str, item["loc"])) or item["msg"] for item in error.errors(include_input=False)})
        return f"its header is wrong at {', '.join(places[:5])}"
    if isinstance(error, SafetensorError | json.JSONDecodeError | UnicodeDecodeError | RecursionError):
        return "it is damaged or no model file"
    if isinstance(error, KeyError | AttributeError):
        return "a part of it is missing"
    return str(error)[:200]

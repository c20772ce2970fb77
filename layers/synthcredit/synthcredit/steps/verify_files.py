"""Verify files: are delivered results what was published, and who vouches for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from synthcredit.errors import InvalidInputError, NotFoundError, Problem, raise_all
from synthcredit.hashing import file_hash
from synthcredit.jobs.manifest import Manifest, Output
from synthcredit.signing import SUFFIX, Signature, require_signed
from synthcredit.synthesizers.card import ModelCard


@dataclass(frozen=True, slots=True)
class Verification:
    """What held when it was checked.

    Parameters
    ----------
    signed_by
        The fingerprint of the key; None where nobody signed.
    files
        The files whose hashes are those of the manifest.
    """

    signed_by: str | None
    files: tuple[str, ...]


def verify_files(folder: Path, *, key: str | None = None) -> Verification:
    """Check the results of a job in a folder against their signed manifest.

    Parameters
    ----------
    folder
        Where ``manifest.json`` is, with the files that it names.
    key
        The fingerprint of the key that must have signed; any key, or none, where it is not given.

    Raises
    ------
    InvalidInputError
        The manifest or a file was changed or is missing, or another key signed; says all that is wrong.
    """
    place = folder / "manifest.json"
    if not place.is_file():
        raise NotFoundError(Problem(str(place), "it does not exist", "Name the folder of a job's results."))
    content = place.read_bytes()
    signature = _signature(place.with_name(f"{place.name}{SUFFIX}"))
    _require_key(str(place), content, signature, key)
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        raise InvalidInputError(Problem(str(place), "it is no manifest", "Fetch the results again.")) from None
    outputs = (*manifest.outputs, *manifest.documents)
    raise_all(problem for output in outputs for problem in _problems(folder, output))
    return Verification(signature.fingerprint if signature else None, tuple(output.name for output in outputs))


def verify_card(card: ModelCard, *, key: str | None = None) -> Verification:
    """Check that a model card is as it was signed; its model file is checked by its hash whenever it is read.

    Raises
    ------
    InvalidInputError
        The card was changed, or another key signed.
    """
    _require_key(f"model card {card.model_id}", card.signed_content, card.signature, key)
    return Verification(card.signature.fingerprint if card.signature else None, (card.model_id,))


def _signature(path: Path) -> Signature | None:
    if not path.is_file():
        return None
    try:
        return Signature.model_validate_json(path.read_bytes())
    except ValidationError:
        raise InvalidInputError(Problem(str(path), "it is no signature", "Fetch the results again.")) from None


def _require_key(name: str, content: bytes, signature: Signature | None, key: str | None) -> None:
    if signature is not None:
        require_signed(name, content, signature)
    signer = signature.fingerprint if signature else None
    if key is not None and signer != key:
        who = f"the key {signer} signed it" if signer else "nobody signed it"
        raise InvalidInputError(Problem(name, f"{who}, not {key}", "Ask who published it for the right fingerprint."))


def _problems(folder: Path, output: Output) -> Iterator[Problem]:
    parts = PurePosixPath(output.name).parts
    path = folder.joinpath(*parts)
    if ".." in parts or PurePosixPath(output.name).is_absolute():
        yield Problem("manifest.json", "it names a file outside of its folder", "Do not use these results.")
    elif not path.is_file():
        yield Problem(output.name, "it is missing", "Fetch the results again.")
    elif file_hash(path) != output.sha256:
        yield Problem(output.name, "it is not the file that was published", "Fetch the results again; do not use it.")

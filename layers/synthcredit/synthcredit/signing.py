"""Signatures of what a job or a training leaves: who vouches for it, and that nobody changed it since.

ECDSA on the curve P-256 with SHA-256 (FIPS 186-5), which AWS KMS signs with as well.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.errors import InvalidInputError, Problem

SUFFIX = ".sig.json"
"""A signature lies beside its document: ``manifest.json`` and ``manifest.json.sig.json``."""


class Signature(BaseModel):
    """A signature over the bytes of one document."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    version: Literal[1] = 1
    algorithm: Literal["ECDSA_SHA_256"] = "ECDSA_SHA_256"
    sha256: Annotated[str, Field(description="Of the document, in hex.")]
    public_key: Annotated[str, Field(description="The key to check by, PEM. Trust comes from its fingerprint.")]
    signature: Annotated[str, Field(description="DER, in base64.")]

    @property
    def fingerprint(self) -> str:
        """The name of the key: the first 16 hex digits of the SHA-256 of its PEM."""
        return fingerprint(self.public_key)


def fingerprint(public_key: str) -> str:
    """Return the short name of a public key, by which people compare it."""
    return hashlib.sha256("".join(public_key.split()).encode()).hexdigest()[:16]


def signature_of(content: bytes, public_key: str, der: bytes) -> Signature:
    """Return a signature that was made over the SHA-256 of a document."""
    digest = hashlib.sha256(content).hexdigest()
    return Signature(sha256=digest, public_key=public_key, signature=base64.b64encode(der).decode())


def require_signed(name: str, content: bytes, signature: Signature) -> None:
    """Check that a document is the one that was signed.

    Raises
    ------
    InvalidInputError
        It was changed, or the signature is none of this key.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_public_key(signature.public_key.encode())
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise InvalidSignature
        key.verify(base64.b64decode(signature.signature, validate=True), content, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        raise InvalidInputError(
            Problem(
                name,
                "it is not what was signed, or the signature is not of the key that it names",
                "Fetch the results again from where they were published; do not use these.",
            )
        ) from None

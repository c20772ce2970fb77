"""The signer of one machine: a key of its own in a file that only its owner may read."""

from __future__ import annotations

from pathlib import Path

from synthcredit.local.storage import beside, refusals
from synthcredit.signing import Signature, signature_of


class FolderSigner:
    """Signs with the key in ``signing-key.pem``, which is made when it is first used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sign(self, content: bytes) -> Signature:
        """Sign a document."""
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        with refusals(self.path):
            key = serialization.load_pem_private_key(self._pem(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - made below
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return signature_of(content, public.decode(), key.sign(content, ec.ECDSA(hashes.SHA256())))

    def _pem(self) -> bytes:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        if self.path.exists():
            return self.path.read_bytes()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        partial = beside(self.path)
        partial.touch(mode=0o600)
        try:
            partial.write_bytes(pem)
            # Fails where the key is there already: of two that come at once, one key remains.
            self.path.hardlink_to(partial)
        except FileExistsError:
            return self.path.read_bytes()
        finally:
            partial.unlink()
        return pem

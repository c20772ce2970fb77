"""The signer on AWS: a key that never leaves KMS."""

from __future__ import annotations

import base64
import hashlib
import textwrap

from synthcredit.aws.clients import Client
from synthcredit.aws.refusals import refusals
from synthcredit.signing import Signature, signature_of


class KmsSigner:
    """Signs with an asymmetric key of KMS (ECC_NIST_P256, SIGN_VERIFY)."""

    def __init__(self, client: Client, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def sign(self, content: bytes) -> Signature:
        """Sign a document; KMS is given its hash, not the document."""
        with refusals("the signing key"):
            public = self._client.get_public_key(KeyId=self._key_id)["PublicKey"]
            signed = self._client.sign(
                KeyId=self._key_id,
                Message=hashlib.sha256(content).digest(),
                MessageType="DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )
        return signature_of(content, _pem(public), signed["Signature"])


def _pem(der: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"

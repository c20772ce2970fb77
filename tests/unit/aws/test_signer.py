"""Signing by KMS. moto hashes a digest once more, so the good way is against a stand-in that keeps to KMS's model."""

import hashlib

import pytest
from botocore.model import ServiceModel
from botocore.session import get_session
from botocore.validate import ParamValidator
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from synthcredit.aws.clients import make_client
from synthcredit.aws.signer import KmsSigner
from synthcredit.errors import InvalidInputError, StorageError
from synthcredit.signing import require_signed

CONTENT = b"what a job delivered" * 1000


class Kms:
    """Answers as KMS does, to calls that fit its service model."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.model = ServiceModel(get_session().get_service_data("kms"))

    def _check(self, operation, given):
        report = ParamValidator().validate(given, self.model.operation_model(operation).input_shape)
        assert not report.has_errors(), report.generate_report()

    def get_public_key(self, **given):
        self._check("GetPublicKey", given)
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return {"PublicKey": self.key.public_key().public_bytes(serialization.Encoding.DER, form)}

    def sign(self, **given):
        self._check("Sign", given)
        assert (given["MessageType"], given["SigningAlgorithm"]) == ("DIGEST", "ECDSA_SHA_256")
        assert given["Message"] == hashlib.sha256(CONTENT).digest()
        return {"Signature": self.key.sign(given["Message"], ec.ECDSA(utils.Prehashed(hashes.SHA256())))}


def test_kms_signs_what_anybody_can_check():
    signature = KmsSigner(Kms(), "alias/signing").sign(CONTENT)
    require_signed("manifest.json", CONTENT, signature)
    with pytest.raises(InvalidInputError, match="not what was signed"):
        require_signed("manifest.json", CONTENT + b"!", signature)


def test_a_key_that_is_not_there_is_a_storage_error():
    with pytest.raises(StorageError, match="signing key"):
        KmsSigner(make_client("kms"), "00000000-0000-0000-0000-000000000000").sign(CONTENT)

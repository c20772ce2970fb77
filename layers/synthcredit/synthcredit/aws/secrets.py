"""Secrets from AWS Secrets Manager."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from synthcredit.aws.clients import Client
from synthcredit.aws.refusals import code_of, refusals
from synthcredit.errors import InvalidInputError, NotFoundError, Problem


class SecretsManager:
    """Reads secrets by name or ARN; needs ``secretsmanager:GetSecretValue`` on them, and nothing else."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self, name: str) -> dict[str, Any]:
        """Return what a secret holds, by key; see `synthcredit.ports.Secrets`."""
        with refusals(f"secret {name}"):
            try:
                answer = self._client.get_secret_value(SecretId=name)
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise
                raise NotFoundError(
                    Problem(f"secret {name}", "there is no such secret", "Look at its name and the region.")
                ) from None
        try:
            content = json.loads(answer.get("SecretString", ""))
        except ValueError:
            content = None
        if not isinstance(content, dict):
            # Without the error, which would show the secret.
            raise InvalidInputError(
                Problem(f"secret {name}", "it is no JSON object", "Store it as key and value pairs, as for a database.")
            )
        return content

"""The API keeps what docs/openapi.json says, whatever it is sent: schemathesis makes requests from it, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("platform")]

SCHEMA = schemathesis.openapi.from_path(Path(__file__).parents[3] / "docs" / "openapi.json")
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 15


class Signed(requests.auth.AuthBase):
    """Signs a request as it is sent."""

    def __init__(self, platform) -> None:
        self.signer = SigV4Auth(platform.keys, "execute-api", "us-east-1")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        signed = AWSRequest(request.method, request.url, data=request.body)
        self.signer.add_auth(signed)
        request.headers.update(dict(signed.headers))
        return request


def _takes_something(operation) -> bool:
    return bool(operation.body) or any((operation.path_parameters, operation.query, operation.headers))


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_nothing_that_is_sent_makes_the_api_fail(platform, operation, mode):
    if mode is GenerationMode.NEGATIVE and not _takes_something(operation):
        return

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case) -> None:
        case.call_and_validate(base_url=platform.outputs["ApiUrl"], auth=Signed(platform), checks=CHECKS)

    holds()

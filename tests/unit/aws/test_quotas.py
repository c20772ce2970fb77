import pytest
from botocore.stub import Stubber

from synthcredit.aws.clients import make_client
from synthcredit.aws.quotas import instance_quota


@pytest.fixture
def client():
    return make_client("service-quotas")


def _page(names, token=None):
    quotas = [{"QuotaName": name, "Value": value} for name, value in names.items()]
    return {"Quotas": quotas} | ({"NextToken": token} if token else {})


FIRST = {"ml.m5.xlarge for processing job usage": 4.0, "ml.m5.xlarge for training warm pool usage": 9.0}
SECOND = {"ml.m5.xlarge for training job usage": 2.0, "ml.m5.xlarge for spot training job usage": 8.0}
DEFAULTS = {"ml.m5.xlarge for training job usage": 0.0, "ml.p4d.24xlarge for training job usage": 0.0}


def _stubbed(client):
    stub = Stubber(client)
    service = {"ServiceCode": "sagemaker", "MaxResults": 100}
    stub.add_response("list_service_quotas", _page(FIRST, "more"), service)
    stub.add_response("list_service_quotas", _page(SECOND), {**service, "NextToken": "more"})
    stub.add_response("list_aws_default_service_quotas", _page(DEFAULTS), service)
    return stub


@pytest.mark.parametrize(
    ("kind", "instance", "quota"),
    [
        ("processing", "ml.m5.xlarge", 4),
        ("training", "ml.m5.xlarge", 2),
        ("training", "ml.p4d.24xlarge", 0),
        ("processing", "ml.p4d.24xlarge", None),
    ],
)
def test_what_was_granted_comes_before_the_default(client, kind, instance, quota):
    with _stubbed(client):
        assert instance_quota(client, kind, instance) == quota


def test_who_may_not_ask_does_not_know(client):
    with Stubber(client) as stub:
        stub.add_client_error("list_service_quotas", "AccessDeniedException")
        assert instance_quota(client, "training", "ml.m5.xlarge") is None

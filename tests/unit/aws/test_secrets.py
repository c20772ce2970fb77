import boto3
import pytest
from moto import mock_aws

from synthcredit.aws.clients import make_client
from synthcredit.aws.secrets import SecretsManager
from synthcredit.errors import InvalidInputError, NotFoundError


@pytest.fixture
def client(monkeypatch):
    with mock_aws():
        boto3.setup_default_session(region_name="eu-central-1")
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        yield make_client("secretsmanager")


def test_a_secret_is_read_by_its_keys(client):
    client.create_secret(Name="credit/db", SecretString='{"engine": "mysql", "password": "hidden"}')
    assert SecretsManager(client).read("credit/db") == {"engine": "mysql", "password": "hidden"}


def test_no_such_secret_is_said(client):
    with pytest.raises(NotFoundError, match="secret credit/none: there is no such secret"):
        SecretsManager(client).read("credit/none")


@pytest.mark.parametrize("content", ["hidden", '["hidden"]'])
def test_a_secret_of_another_form_is_refused_unseen(client, content):
    client.create_secret(Name="credit/db", SecretString=content)
    with pytest.raises(InvalidInputError, match="no JSON object") as caught:
        SecretsManager(client).read("credit/db")
    assert "hidden" not in str(caught.value)

"""`AWS::Events::Connection` and `AWS::Events::ApiDestination` in CloudFormation.

ministack has both behind EventBridge's API, with delivery over HTTP, but no CloudFormation resource for them.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge
from ministack.services.cloudformation import provisioners

from plug import hooks

Answer = tuple[int, dict[str, str], bytes]
Properties = dict[str, Any]


def _checked(answer: Answer) -> Properties:
    status, _, body = answer
    content: Properties = json.loads(body) if body else {}
    if status >= 400:
        raise ValueError(content.get("message") or content.get("Message") or str(content))
    return content


def _with_description(properties: Properties) -> Properties:
    """Empty a description that the template no longer has, as AWS does."""
    return {"Description": "", **properties}


def _attributes(arn: str) -> Properties:
    """Return what Fn::GetAtt gives. The secret that AWS makes for a connection has a name, and no content here."""
    return {"Arn": arn, "ArnForPolicy": arn, "SecretArn": arn.replace(":events:", ":secretsmanager:", 1)}


def _handlers(create: str, update: str, delete: str, arn: str) -> dict[str, Any]:
    def made(logical_id: str, properties: Properties, stack: str) -> tuple[str, Properties]:
        name = properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=64)
        answer = _checked(getattr(eventbridge, create)({**properties, "Name": name}))
        return name, _attributes(answer[arn])

    def changed(name: str, _: Properties, properties: Properties, _stack: str) -> tuple[str, Properties]:
        answer = _checked(getattr(eventbridge, update)({**_with_description(properties), "Name": name}))
        return name, _attributes(answer[arn])

    def gone(name: str, _: Properties) -> None:
        getattr(eventbridge, delete)({"Name": name})

    return {"create": made, "update": changed, "delete": gone}


def _described_without_secret(old: Callable[[Properties], Answer]) -> Callable[[Properties], Answer]:
    """DescribeConnection shows names only on AWS; ministack shows the API key itself."""

    def describe(data: Properties) -> Answer:
        status, headers, body = old(data)
        if status >= 400:
            return status, headers, body
        content = json.loads(body)
        content.get("AuthParameters", {}).get("ApiKeyAuthParameters", {}).pop("ApiKeyValue", None)
        return status, headers, json.dumps(content).encode()

    return describe


def install() -> None:
    """Register the two resource types."""
    hooks.need(
        eventbridge,
        *("_create_connection", "_update_connection", "_delete_connection"),
        *("_create_api_destination", "_update_api_destination", "_delete_api_destination"),
    )
    hooks.need(provisioners, "_RESOURCE_HANDLERS", "_physical_name")
    provisioners._RESOURCE_HANDLERS["AWS::Events::Connection"] = _handlers(
        "_create_connection", "_update_connection", "_delete_connection", "ConnectionArn"
    )
    provisioners._RESOURCE_HANDLERS["AWS::Events::ApiDestination"] = _handlers(
        "_create_api_destination", "_update_api_destination", "_delete_api_destination", "ApiDestinationArn"
    )
    hooks.wrap(eventbridge, "_describe_connection", _described_without_secret)

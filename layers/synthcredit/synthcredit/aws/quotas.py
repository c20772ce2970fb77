"""How many machines an account may have at once."""

from __future__ import annotations

from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from synthcredit.aws.clients import Client

Kind = Literal["training", "processing"]

# The first lists what was granted, and leaves out what was never asked for; the second lists every default.
_LISTS = ("list_service_quotas", "list_aws_default_service_quotas")


def instance_quota(client: Client, kind: Kind, instance_type: str) -> int | None:
    """Return how many instances of a type SageMaker grants the account for jobs of a kind.

    Parameters
    ----------
    client
        A Service Quotas client of boto3.
    kind
        Training or processing.
    instance_type
        For example ``ml.m5.xlarge``.

    Returns
    -------
    int or None
        None where it is unknown, or the role may not ask.
    """
    name = f"{instance_type} for {kind} job usage"
    try:
        for listing in _LISTS:
            pages = client.get_paginator(listing).paginate(ServiceCode="sagemaker", PaginationConfig={"PageSize": 100})
            for page in pages:
                for quota in page["Quotas"]:
                    if quota["QuotaName"] == name:
                        return int(quota["Value"])
    except (BotoCoreError, ClientError):
        return None
    return None

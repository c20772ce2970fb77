"""Clients of boto3, all made the same way."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

Client = Any
"""boto3 makes the classes of its clients at run time."""

ATTEMPTS = 5
CONNECT_SECONDS = 5
READ_SECONDS = 60


@cache
def session() -> boto3.Session:
    """Return where clients get region and credentials."""
    # Lambda and SageMaker set AWS_REGION, which boto3 does not read.
    return boto3.Session(region_name=os.environ.get("AWS_REGION") or None)


def make_client(service: str, *, addressing: str = "auto") -> Client:
    """Return a client that retries, does not wait for ever, and finds an embedded AWS by $AWS_ENDPOINT_URL.

    Parameters
    ----------
    service
        As boto3 names it: ``s3``, ``stepfunctions``, ``service-quotas``.
    addressing
        How an S3 client names buckets on AWS itself: ``auto`` or ``virtual``.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        # An embedded AWS has no host name for each bucket.
        s3={"addressing_style": "path" if _endpoint() else addressing},
        signature_version="s3v4" if service == "s3" else None,
    )
    return session().client(service, config=config)


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")

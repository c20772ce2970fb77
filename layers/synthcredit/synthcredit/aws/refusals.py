"""Clear words for what AWS refuses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from synthcredit.errors import Problem, StorageError

_DENIED = ("access is denied", "Give the role that runs this the right to it.")
_BUSY = ("AWS has no capacity for it just now", "Try again later.")
_ABSENT = ("it does not exist", "Look at the outputs of the stack, and at the settings that name it.")
_REASONS = {
    "403": _DENIED,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "AllAccessDisabled": _DENIED,
    "ExpiredToken": ("the credentials have expired", "Sign in again."),
    "ExpiredTokenException": ("the credentials have expired", "Sign in again."),
    "InvalidAccessKeyId": ("the credentials are not known", "Look at the profile and the region."),
    "UnrecognizedClientException": ("the credentials are not known", "Look at the profile and the region."),
    "SlowDown": _BUSY,
    "503": _BUSY,
    "ThrottlingException": _BUSY,
    "ProvisionedThroughputExceededException": _BUSY,
    "RequestLimitExceeded": _BUSY,
    "ExecutionLimitExceeded": _BUSY,
    "404": _ABSENT,
    "NoSuchBucket": _ABSENT,
    "ResourceNotFoundException": _ABSENT,
    "EntityNotFoundException": _ABSENT,
    "StateMachineDoesNotExist": _ABSENT,
}


def code_of(error: ClientError) -> str:
    """Return AWS's code of an error: NoSuchKey, or an HTTP status where a HEAD has no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def storage_error(error: BotoCoreError | ClientError | Boto3Error | OSError, place: str) -> StorageError:
    """Say what AWS, or the disk of this machine, refused, and what to do."""
    cause = error if isinstance(error, ClientError) else error.__context__
    if isinstance(error, OSError):
        reason = os.strerror(error.errno or 0).lower()
        return StorageError(Problem(place, reason, "Give the function more storage, or free some space."))
    if isinstance(cause, ClientError):
        code = code_of(cause)
        problem, fix = _REASONS.get(code, (f"AWS refused it: {code}", "Look at the log for its reason; try again."))
        return StorageError(Problem(place, problem, fix))
    name = type(error).__name__
    return StorageError(Problem(place, f"AWS is out of reach: {name}", "Look at the network and the credentials."))


@contextmanager
def refusals(place: str) -> Iterator[None]:
    """Turn what AWS refuses into `StorageError`, named by its place; AWS's own words stay in the chain, for the log."""
    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error, OSError) as error:
        raise storage_error(error, place) from error

"""Where a platform is, and whose credentials open it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from synthcredit.errors import InvalidInputError, MissingPackageError, NotFoundError, Problem, SynthcreditError
from synthcredit.local.world import default_home

if TYPE_CHECKING:
    import boto3

ENDPOINT_VARIABLE = "SYNTHCREDIT_ENDPOINT"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_API_OUTPUT = "ApiUrl"


@dataclass(frozen=True, slots=True)
class Place:
    """One platform: its API, its stack's outputs as far as they are known, and a session to speak to it."""

    api_url: str
    region: str
    session: boto3.Session
    endpoint_url: str | None = None
    """Where all AWS services are, for an embedded platform; None on AWS."""
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def embedded(self) -> bool:
        """Whether it runs on this machine."""
        return self.endpoint_url is not None

    def service(self, name: str) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        """Return a boto3 client."""
        return self.session.client(name, region_name=self.region, endpoint_url=self.endpoint_url)


def platform_file(home: str | Path | None = None) -> Path:
    """Return the file in which the embedded platform says where it is."""
    return (Path(home) if home is not None else default_home()) / "aws" / "platform.json"


def find(
    endpoint: str | None = None,
    profile: str | None = None,
    stack: str | None = None,
    home: str | Path | None = None,
) -> Place:
    """Find the platform: by URL, by stack, by $SYNTHCREDIT_ENDPOINT, else the embedded one of ``home``.

    Raises
    ------
    InvalidInputError
        What was given contradicts itself or leads nowhere.
    NotFoundError
        Nothing was given, and no embedded platform was ever started here.
    MissingPackageError
        boto3 is not installed.
    """
    if endpoint and stack:
        raise InvalidInputError(
            Problem("--endpoint", "--stack says already where the platform is", "Give one of them.")
        )
    if stack:
        return _stack(stack, profile)
    if url := endpoint or os.environ.get(ENDPOINT_VARIABLE):
        return _endpoint(url.rstrip("/"), profile, home)
    if profile:
        raise InvalidInputError(
            Problem(
                "--profile",
                "it says whose credentials to use, but not on which platform",
                f"Give --stack NAME or --endpoint URL too, or set {ENDPOINT_VARIABLE}.",
            )
        )
    return _embedded(platform_file(home))


@contextmanager
def aws_refusals(what: str) -> Iterator[None]:
    """Turn what boto3 raises into our errors."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        NoRegionError,
        PartialCredentialsError,
    )

    try:
        yield
    except (NoCredentialsError, PartialCredentialsError):
        raise no_credentials() from None
    except NoRegionError:
        raise no_region() from None
    except ClientError as error:
        answer = error.response.get("Error", {})
        raise SynthcreditError(
            Problem(what, f"AWS refused it: {answer.get('Code', '')} {answer.get('Message', '')}".strip(), _LOOK)
        ) from error
    except BotoCoreError as error:
        raise SynthcreditError(Problem(what, str(error).rstrip("."), _LOOK)) from error


_LOOK = "Look at the name, the region and the rights of the credentials (--profile)."


def no_credentials() -> SynthcreditError:
    """Return the error of whoever has no credentials."""
    return SynthcreditError(
        Problem("credentials", "there are none for AWS", "Sign in (aws configure, aws sso login), or name a --profile.")
    )


def no_region() -> SynthcreditError:
    """Return the error of whoever named no region."""
    return SynthcreditError(
        Problem("region", "it is not known in which region the platform is", "Set AWS_REGION, or name a --profile.")
    )


def _session(profile: str | None = None, **known: str) -> boto3.Session:
    try:
        import boto3
        from botocore.exceptions import ProfileNotFound
    except ModuleNotFoundError:
        raise MissingPackageError(
            Problem("boto3", "it is not installed, and speaking to a platform needs it", "pip install synthcredit[aws]")
        ) from None
    try:
        return boto3.Session(profile_name=profile, **known)
    except ProfileNotFound:
        raise InvalidInputError(
            Problem("--profile", f"there is no profile '{profile}'", "See `aws configure list-profiles`.")
        ) from None


def _endpoint(url: str, profile: str | None, home: str | Path | None) -> Place:
    parts = urlsplit(url)
    if parts.hostname in _LOOPBACK:
        # An embedded platform, ours or another's: real credentials have no business there.
        here = _embedded(platform_file(home)) if platform_file(home).is_file() else None
        return here if here is not None and here.api_url == url else Place(url, "us-east-1", _throwaway("us-east-1"))
    if parts.scheme != "https" or not parts.hostname:
        raise InvalidInputError(
            Problem("--endpoint", "it is no https URL, and credentials must not travel in the open", "Give https://...")
        )
    session = _session(profile)
    named = re.search(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.", parts.hostname)
    region = named.group(1) if named else session.region_name
    if not region:
        raise no_region()
    return Place(url, region, session)


def _stack(stack: str, profile: str | None) -> Place:
    session = _session(profile)
    with aws_refusals(f"stack '{stack}'"):
        found = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    if _API_OUTPUT not in outputs:
        raise InvalidInputError(
            Problem(f"stack '{stack}'", f"it has no output {_API_OUTPUT}", "Name the stack of this platform.")
        )
    return Place(outputs[_API_OUTPUT].rstrip("/"), session.region_name, session, outputs=outputs)


def _embedded(path: Path) -> Place:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        endpoint_url, region, outputs = content["endpoint_url"], content["region"], content["outputs"]
        api_url = outputs[_API_OUTPUT].rstrip("/")
    except FileNotFoundError:
        raise NotFoundError(
            Problem(
                "platform",
                "none was started here, and none was named",
                f"Start one with `synthcredit up`, or name one with --endpoint, --stack or {ENDPOINT_VARIABLE}.",
            )
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise SynthcreditError(
            Problem(str(path), "it does not say where the platform is", "Start it anew: synthcredit up")
        ) from None
    return Place(api_url, region, _throwaway(region), endpoint_url, outputs)


def _throwaway(region: str) -> boto3.Session:
    return _session(aws_access_key_id="test", aws_secret_access_key="test", region_name=region)  # noqa: S106

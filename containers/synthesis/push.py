"""Build the image, push it to the account's registry, and print its address: what `make image` runs.

    python containers/synthesis/push.py [--region REGION] [--tag TAG] [--repository NAME] [--with-ctgan] [--gpu]

The address is all that goes to standard output, so that a script can take it up:

    sam deploy --parameter-overrides SynthesisImageUri=$(make -s image)
"""

from __future__ import annotations

import argparse
import base64
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from synthcredit import __version__

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = "containers/synthesis/Dockerfile"


def main(arguments: Sequence[str]) -> None:
    """Build, push, print."""
    options = _parser().parse_args(arguments)
    docker = shutil.which("docker")
    if docker is None:
        _refuse("docker is not installed here. See https://docs.docker.com/engine/install/ .")
    try:
        session = boto3.Session(region_name=options.region or None)
        if not session.region_name:
            _refuse("no AWS region is known. Say REGION=eu-west-1, or set AWS_REGION.")
        account = session.client("sts").get_caller_identity()["Account"]
        ecr = session.client("ecr")
        address = f"{_repository(ecr, options.repository)}:{options.tag or _tag()}"
        _log_in(docker, ecr)
    except (BotoCoreError, ClientError) as error:
        _refuse(f"AWS refused: {error}. Log in (aws configure, aws sso login), or set AWS_PROFILE.")
    sys.stderr.write(f"Building {address} for account {account} ...\n")
    _run(
        [
            docker, "buildx", "build", "--platform", "linux/amd64",
            # Lambda takes no image index, which an attestation of provenance would make of it.
            "--provenance=false", "--sbom=false",
            "--build-arg", f"WITH_CTGAN={'yes' if options.with_ctgan or options.gpu else 'no'}",
            "--build-arg", f"COMPUTE={'gpu' if options.gpu else 'cpu'}",
            "--file", DOCKERFILE, "--tag", address, "--push", ".",
        ]
    )  # fmt: skip
    sys.stdout.write(f"{address}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make image", description="Build the image and push it to ECR.")
    parser.add_argument("--region", default=None, help="the account's default where none is named")
    parser.add_argument("--repository", default="synthcredit", help="made where there is none")
    parser.add_argument("--tag", default=None, help="the version and the commit where none is named")
    parser.add_argument(
        "--with-ctgan", action="store_true", help="with sdv and ctgan (BUSL-1.1) and torch, to train it"
    )
    parser.add_argument("--gpu", action="store_true", help="the same, with CUDA's torch")
    return parser


def _repository(ecr: Any, name: str) -> str:  # noqa: ANN401 - boto3 makes its clients at run time
    """Return the address of a repository, which is made where there is none."""
    try:
        return str(ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryUri"])
    except ecr.exceptions.RepositoryNotFoundException:
        made = ecr.create_repository(
            repositoryName=name,
            imageScanningConfiguration={"scanOnPush": True},
            encryptionConfiguration={"encryptionType": "AES256"},
        )
        return str(made["repository"]["repositoryUri"])


def _log_in(docker: str, ecr: Any) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
    data = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    # By its standard input: what stands in a command line, everybody on the machine can read.
    _run([docker, "login", "--username", user, "--password-stdin", data["proxyEndpoint"]], given=password)


def _tag() -> str:
    """Return the version, with the commit where there is one: another image has another tag, so that it is deployed."""
    git = shutil.which("git")
    if git is None:
        return __version__
    found = subprocess.run(  # noqa: S603 - our own words
        [git, "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return f"{__version__}-{found.stdout.strip()}" if found.returncode == 0 else __version__


def _run(command: list[str], given: str | None = None) -> None:
    # What docker says goes to standard error: the address is to stand alone.
    done = subprocess.run(command, cwd=ROOT, input=given, text=True, stdout=sys.stderr, check=False)  # noqa: S603
    if done.returncode:
        _refuse(f"'{' '.join(command[:3])}' ended with {done.returncode}; what it said stands above.")


def _refuse(reason: str) -> NoReturn:
    raise SystemExit(f"make image: {reason}")


if __name__ == "__main__":
    main(sys.argv[1:])

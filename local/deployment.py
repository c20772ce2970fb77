"""The template on the embedded AWS: built and deployed by sam, when something of it changed."""

import contextlib
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions

from server import ROOT, Place, PlatformError, Server, find_tool, last_lines

REGION = "us-east-1"
STACK = "synthcredit"
ARTIFACTS = "synthcredit-deployment"
# A stand-in for ECR: `local/images.json` says which folder stands for the repository synthcredit.
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/synthcredit"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

_SOURCES = ("template.yaml", "functions", "layers", "statemachine", "containers", "local/images.json", "local/plug")
_PASSING = ("__pycache__", ".egg-info", ".pyc")

Say = Callable[[str], None]


def fingerprint(parameters: Mapping[str, str]) -> str:
    """Hash all that a deployment is made of, and of its parameters."""
    digest = hashlib.sha256(json.dumps(dict(parameters), sort_keys=True).encode())
    for file in _files():
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    for source in _SOURCES:
        path = ROOT / source
        found = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
        yield from (one for one in found if not any(part.endswith(_PASSING) for part in one.parts))


def is_current(place: Place, server: Server, wanted: str) -> bool:
    """Whether the stack that is there came from these sources with these parameters."""
    try:
        made = json.loads(place.platform_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return made.get("fingerprint") == wanted and _status(server) in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def deploy(place: Place, server: Server, parameters: Mapping[str, str], say: Say) -> None:
    """Build the template and deploy it.

    Raises
    ------
    PlatformError
        sam is missing, or refuses; what it said is in the message.
    """
    sam = find_tool("SYNTHCREDIT_SAM", ROOT / ".venv-sam" / "bin" / "sam")
    environment = _environment(place, server)
    overrides = [f"{key}={value}" for key, value in parameters.items()]
    place.build.mkdir(parents=True, exist_ok=True)
    settings = place.build / "samconfig.toml"
    settings.write_text("version = 0.1\n", encoding="utf-8")
    common = ["--config-file", str(settings), "--parameter-overrides", *overrides]
    with _timed("built by sam build", say):
        _run(
            [sam, "build", "--template", ROOT / "template.yaml", "--cached", "--parallel",
             "--build-dir", place.build / "made", "--cache-dir", place.build / "cache", *common],
            environment, place,
        )  # fmt: skip
    _prepare(server)
    with _timed("deployed by sam deploy", say):
        _run(
            [sam, "deploy", "--template-file", place.build / "made" / "template.yaml", "--stack-name", STACK,
             "--s3-bucket", ARTIFACTS, "--image-repository", IMAGE,
             "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND",
             "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar", *common],
            environment, place,
        )  # fmt: skip


def write_platform(place: Place, server: Server, made_of: str) -> dict[str, Any]:
    """Write down where the platform is and what it has; the client reads it."""
    outputs = _outputs(server)
    # The address that the template gives is AWS's own; the embedded AWS has its APIs below a path.
    stage = outputs["ApiUrl"].rstrip("/").rsplit("/", 1)[-1]
    outputs["ApiUrl"] = f"{server.url}/restapis/{outputs['ApiId']}/{stage}/_user_request_"
    content = {
        "endpoint_url": server.url,
        "region": REGION,
        "stack": STACK,
        "outputs": outputs,
        "pid": server.pid,
        "fingerprint": made_of,
    }
    unfinished = place.platform_file.with_suffix(".new")
    unfinished.write_text(json.dumps(content, indent=2), encoding="utf-8")
    unfinished.replace(place.platform_file)
    return content


def defaults(aws_python: Path) -> dict[str, str]:
    """Return the parameters that differ from AWS: the runtime is the one here, the image a stand-in."""
    asked = [str(aws_python), "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"]
    runtime = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return {"PyRuntime": runtime, "SynthesisImageUri": f"{IMAGE}:local"}


def client(server: Server, service: str) -> Any:
    """Return a client of one service of the embedded AWS."""
    keys = {key.lower(): value for key, value in CREDENTIALS.items()}
    return boto3.client(service, endpoint_url=server.url, region_name=REGION, **keys)


def _environment(place: Place, server: Server) -> dict[str, str]:
    """No setting of the user's AWS reaches sam, and sam reaches for nothing outside."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SAM_"))}
    home = place.build / "sam"
    home.mkdir(parents=True, exist_ok=True)
    # sam looks for a newer sam once a week, over the network: it believes that it just did.
    (home / "metadata.json").write_text(
        json.dumps({"telemetryEnabled": False, "lastVersionCheck": time.time()}), encoding="utf-8"
    )
    return {
        **own,
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": server.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.3",
        "__SAM_CLI_APP_DIR": str(home),
        # The layers' Makefiles install for the python that runs the functions, not for Lambda's.
        "SYNTHCREDIT_LAYER_PYTHON": str(find_tool("SYNTHCREDIT_AWS_PYTHON", ROOT / ".venv-aws" / "bin" / "python")),
        "SYNTHCREDIT_LAYER_PIP_FLAGS": "",
    }


def _run(command: list[str | Path], environment: dict[str, str], place: Place) -> None:
    log = place.folder / "deploy.log"
    with log.open("wb") as output:
        ended = subprocess.run(
            [str(word) for word in command], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if ended.returncode:
        raise PlatformError(
            f"sam {command[1]} failed; all that it said is in {log}, which ends with:\n{last_lines(log, 30)}"
        )


def _prepare(server: Server) -> None:
    """Make the bucket that sam uploads to; remove a stack whose first deployment failed, which none can update."""
    with contextlib.suppress(botocore.exceptions.ClientError):  # it is there already
        client(server, "s3").create_bucket(Bucket=ARTIFACTS)
    if (_status(server) or "").startswith("ROLLBACK") or _status(server) == "CREATE_FAILED":
        stacks = client(server, "cloudformation")
        stacks.delete_stack(StackName=STACK)
        stacks.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def _status(server: Server) -> str | None:
    try:
        (stack,) = client(server, "cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    except botocore.exceptions.ClientError:
        return None
    return str(stack["StackStatus"])


def _outputs(server: Server) -> dict[str, str]:
    (stack,) = client(server, "cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}


class _timed:  # noqa: N801 - reads as the statement that it is
    """Say how long something took."""

    def __init__(self, what: str, say: Say) -> None:
        self._what, self._say = what, say

    def __enter__(self) -> None:
        self._begin = time.perf_counter()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._say(f"{self._what} in {time.perf_counter() - self._begin:.1f} s")

"""`make image`, with an account in memory and a docker that only writes down what it is told."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "containers" / "synthesis" / "push.py"

pytest.importorskip("moto")

# The script runs in a process of its own, as make does it, inside moto's account.
RUN = """
import runpy, sys
from moto import mock_aws
script, *arguments = sys.argv[1:]
with mock_aws():
    module = runpy.run_path(script)
    module["main"](arguments)
    import boto3
    names = [r["repositoryName"] for r in boto3.client("ecr").describe_repositories()["repositories"]]
    print("repositories", names, file=sys.stderr)
"""

DOCKER = """#!{python}
import json, sys
with open({log!r}, "a") as file:
    given = sys.stdin.read() if "login" in sys.argv else ""
    file.write(json.dumps([sys.argv[1:], given]) + "\\n")
print("docker says much")
sys.exit({code})
"""


def _push(tmp_path, *arguments, docker=0, **more):
    tools = tmp_path / "bin"
    tools.mkdir(exist_ok=True)
    log = tmp_path / "docker.log"
    if docker is not None:
        program = tools / "docker"
        program.write_text(DOCKER.format(python=sys.executable, log=str(log), code=docker))
        program.chmod(0o755)
    environment = {
        "PATH": str(tools),
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return done, calls


def test_it_builds_pushes_and_prints_the_address_alone(tmp_path):
    done, calls = _push(tmp_path, "--tag", "1")
    assert done.returncode == 0, done.stderr
    address = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/synthcredit:1"
    assert done.stdout == f"{address}\n"
    assert "repositories ['synthcredit']" in done.stderr
    (login, password), (build, _) = calls
    assert login[:3] == ["login", "--username", "AWS"]
    assert password
    assert password not in " ".join(login)
    words = " ".join(build)
    assert words.startswith("buildx build --platform linux/amd64 --provenance=false")
    assert f"--tag {address} --push" in words
    assert "WITH_CTGAN=no" in words
    assert "COMPUTE=cpu" in words


def test_a_graphics_processor_means_ctgan(tmp_path):
    _, (_, (build, _)) = _push(tmp_path, "--gpu", "--region", "us-east-1", "--repository", "other")
    assert {"WITH_CTGAN=yes", "COMPUTE=gpu"} <= set(build)
    # Without git the tag is the version.
    assert re.search(r"us-east-1\.amazonaws\.com/other:\d+\.\d+", " ".join(build))


def test_without_docker_it_says_so(tmp_path):
    done, _ = _push(tmp_path, docker=None)
    assert done.returncode == 1
    assert done.stderr.startswith("make image: docker is not installed here.")
    assert done.stdout == ""


def test_without_a_region_it_says_so(tmp_path):
    done, _ = _push(tmp_path, AWS_DEFAULT_REGION="")
    assert "no AWS region is known" in done.stderr


def test_without_credentials_it_says_so(tmp_path):
    environment = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    # Outside moto, which would bring credentials of its own.
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['main']([])"
    _push(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code, SCRIPT],
        env={
            "PATH": str(tmp_path / "bin"),
            "HOME": str(tmp_path),
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"make image: AWS refused: .*[Cc]redentials", done.stderr)


def test_a_docker_that_fails_is_said(tmp_path):
    done, calls = _push(tmp_path, docker=3)
    assert done.returncode == 1
    assert "login --username' ended with 3" in done.stderr
    assert len(calls) == 1

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SYNTHCREDIT = Path(sys.executable).with_name("synthcredit")


def _without_home() -> dict[str, str]:
    """Return the environment without a home of the user's, so that each test has its own."""
    return {name: value for name, value in os.environ.items() if name != "SYNTHCREDIT_HOME"}


@pytest.fixture
def cli(tmp_path):
    """Run the command line as a person would, in a folder of its own."""

    def run(*args: object, **kwargs: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SYNTHCREDIT, *map(str, args)],
            cwd=kwargs.pop("cwd", tmp_path),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**_without_home(), "COLUMNS": "200", "NO_COLOR": "1", **kwargs.pop("env", {})},
            **kwargs,
        )

    return run


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

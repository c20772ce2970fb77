import os
import subprocess
import sys
from pathlib import Path

import pytest

SYNTHCREDIT = Path(sys.executable).with_name("synthcredit")


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
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **kwargs.pop("env", {})},
            **kwargs,
        )

    return run

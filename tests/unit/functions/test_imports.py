import os
import subprocess
import sys
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[3] / "functions"
HEAVY = {"numpy", "pandas", "pyarrow", "awswrangler", "torch", "sdv", "sklearn", "great_expectations", "matplotlib"}


@pytest.mark.parametrize("name", sorted(path.parent.name for path in FUNCTIONS.glob("*/app.py")))
def test_a_function_starts_without_what_it_does_not_use(name):
    code = f"import sys, app\nprint(*[name for name in {sorted(HEAVY)!r} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(FUNCTIONS / name)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) == set()

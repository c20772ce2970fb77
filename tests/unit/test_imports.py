import subprocess
import sys

import pytest

HEAVY = ("numpy", "pandas", "pyarrow", "torch", "sdv", "sklearn", "sdmetrics", "great_expectations", "matplotlib")


def _imported(statement: str) -> set[str]:
    """Return which heavy packages a statement brings into a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "synthcredit",
        "synthcredit.jobs.request",
        "synthcredit.jobs.job",
        "synthcredit.jobs.manifest",
        "synthcredit.evidence.gate",
        "synthcredit.synthesizers.registry",
        "synthcredit.ports",
        "synthcredit.steps.claim",
        "synthcredit.steps.gate",
        "synthcredit.steps.notify",
        "synthcredit.steps.fail",
        "synthcredit.cli",
    ],
)
def test_what_the_light_functions_use_stays_light(module):
    assert _imported(f"import {module}") == set()


def test_generating_needs_neither_torch_nor_pandas_nor_scikit_learn():
    assert _imported(
        "import synthcredit.steps.generate\n"
        "from synthcredit.synthesizers.registry import FAMILIES\n"
        "[family.load_class() for family in FAMILIES.values()]"
    ) <= {"numpy", "pyarrow"}

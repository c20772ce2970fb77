"""docs/synthesizers.md: its settings are those of the code, and its example is a family that the whole suite passes."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from synthcredit.synthesizers import registry

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "synthesizers"
SUITE = ("conftest.py", "test_protocol.py", "test_statistics.py", "test_hostile.py")


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "synthesizers.md").read_text()


def block_of(page: str, mark: str) -> str:
    """Return the code block of the page that has a mark in it."""
    return next(block for block in re.findall(r"```python\n(.*?)\n *```", page, re.DOTALL) if mark in block)


def test_the_settings_are_those_of_the_code(page):
    spec = importlib.util.spec_from_file_location("write", DOCS / "write.py")
    write = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(write)
    assert write.written(page) == page, "run: python docs/synthesizers/write.py"


def test_every_family_is_told_of(page):
    assert all(f"`{family}`" in page for family in registry.FAMILIES)


@pytest.mark.slow
def test_a_family_of_one_file_and_two_lines_passes_the_suite(page, tmp_path):
    """Do what the page tells a newcomer to do, with the very lines that it shows, and run the suite on the family."""
    for name in SUITE:
        shutil.copy(Path(__file__).with_name(name), tmp_path / name)
    shutil.copy(DOCS / "example.py", tmp_path / "independent.py")
    registration = textwrap.dedent(block_of(page, "Family(")).replace(
        "synthcredit.synthesizers.independent", "independent"
    )
    conftest = tmp_path / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + "\nfrom independent import IndependentSettings\nfrom synthcredit.synthesizers.registry import Family\n"
        + f"_ADDED = (\n{registration}\n)\nregistry.FAMILIES.update({{family.name: family for family in _ADDED}})\n"
    )
    suite = tmp_path / "test_protocol.py"
    line = block_of(page, '"packages"').strip()
    suite.write_text(suite.read_text().replace("QUICK = {\n", f"QUICK = {{\n    {line}\n"))
    chosen = ["-p", "no:cacheprovider", "-k", "independent or every_family", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *chosen],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    # All but what is skipped: it claims no associations, and cannot complete rows.
    passed = int(re.search(r"(\d+) passed", done.stdout).group(1))
    assert passed > 40

"""The Dockerfile, read here since nothing can build it: what it copies is there, and what it pins has an effect."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "containers" / "synthesis" / "Dockerfile"
WORDS = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "RUN", "WORKDIR"}


def _instructions() -> list[tuple[str, str]]:
    text = "\n".join(line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#"))
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def _environment() -> dict[str, str]:
    """The variables of the last stage."""
    found: dict[str, str] = {}
    for word, rest in _instructions():
        if word == "FROM":
            found = {}
        elif word == "ENV":
            found |= dict(item.split("=", 1) for item in shlex.split(rest))
    return found


def test_only_known_instructions_stand_in_it():
    assert {word for word, _ in _instructions()} <= WORDS


def test_what_it_copies_is_there_and_is_not_ignored():
    allowed = [line[1:] for line in DOCKERFILE.with_suffix(".dockerignore").read_text().splitlines() if line[:1] == "!"]
    sources = []
    for word, rest in _instructions():
        if word == "COPY" and "--from" not in rest:
            sources += rest.split()[:-1]
    assert "layers/synthcredit" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(source == place or source.startswith(f"{place}/") for place in allowed), source


def test_every_module_that_the_entry_point_needs_is_copied():
    copied = {Path(name).name for word, rest in _instructions() if word == "COPY" for name in rest.split()}
    present = {path.name for path in DOCKERFILE.parent.glob("*.py")}
    # What builds the image is not in it.
    assert present - copied == {"push.py"}


def test_it_is_started_directly_so_that_signals_arrive():
    last = dict(_instructions())
    assert last["ENTRYPOINT"] == '["python", "/opt/synthesis/entrypoint.py"]'
    assert last["CMD"] == '["lambda"]'


def test_packages_are_pinned_and_the_restricted_ones_are_a_choice():
    (install,) = [rest for word, rest in _instructions() if word == "RUN" and "-c constraints.txt" in rest]
    assert re.search(r"\.\[trees,evidence,aws,databases\$more\]", install)
    assert ("ARG", "WITH_CTGAN=no") in _instructions()
    pins = (DOCKERFILE.parent / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in pins if not line.startswith("#"))


def test_no_secret_is_built_in():
    text = DOCKERFILE.read_text().lower()
    assert not re.search(r"aws_(access|secret|session)", text)


@pytest.mark.skipif(sys.platform != "linux", reason="the image is Linux")
def test_its_pins_give_the_same_bytes_on_other_vector_units():
    """On a processor with AVX-512 the pins keep OpenBLAS and numpy to AVX2; on another they change nothing."""
    code = (
        "import hashlib, numpy as np, threadpoolctl\n"
        "from numpy._core._multiarray_umath import __cpu_features__ as f\n"
        "kinds = {i.get('architecture') for i in threadpoolctl.threadpool_info() if i['internal_api'] == 'openblas'}\n"
        "print(kinds, f.get('X86_V4', False))"
    )
    pins = {name: value for name, value in _environment().items() if name.startswith(("OPENBLAS", "NPY", "OMP"))}
    assert set(pins) >= {"OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        env={**os.environ, **pins},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if "avx2" in Path("/proc/cpuinfo").read_text():
        assert done.stdout.split() == ["{'Haswell'}", "False"]

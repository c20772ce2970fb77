"""The wheel: everything that the package needs at run time is in it, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_is_pure_and_complete(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    # Linux, macOS and Windows alike.
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        metadata = file.read(next(name for name in names if name.endswith("METADATA"))).decode()
    package = {path.relative_to(ROOT / "layers" / "synthcredit").as_posix() for path in _package_files()}
    assert package <= set(names)
    assert not [name for name in names if "tests" in name or name.endswith(".csv")]
    assert "synthcredit/evidence/report.html.jinja" in names
    assert any(name.startswith("synthcredit/shipped/") and name.endswith(".safetensors") for name in names)
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra" not in line]
    assert [line.split()[1].split(">")[0].split("<")[0] for line in required] == ["pydantic"]


def _package_files() -> list[Path]:
    folder = ROOT / "layers" / "synthcredit" / "synthcredit"
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
